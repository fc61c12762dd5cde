//! Pairs of runs: which differences are more than chance.
//!
//! Each pair gives one difference for each figure; the interval is of their mean, by Student's t for paired differences. A bootstrap
//! over the pairs stands beside it as a check: it assumes no normal distribution, but with few pairs it is too narrow. Awkward case:
//! fewer than two pairs have no interval, and differences that are all the same have one of no width.

use super::{
    compare::columns,
    page,
    quantity::{Quantity, differences, quantities},
    words::{self, escape},
};
use crate::{record::Results, seed::Seed};
use rand_xoshiro::rand_core::Rng;
use std::fmt::Write;

/// Resamples of the bootstrap.
const RESAMPLES: usize = 10_000;

/// Two-sided 95 % points of Student's t for 1 to 30 degrees of freedom.
const T95: [f64; 30] = [
    12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228, 2.201, 2.179, 2.160,
    2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086, 2.080, 2.074, 2.069, 2.064, 2.060, 2.056,
    2.052, 2.048, 2.045, 2.042,
];

/// The two-sided 95 % point of Student's t.
fn t95(freedom: usize) -> f64 {
    match freedom {
        0 => f64::INFINITY,
        1..=30 => T95[freedom - 1],
        // The expansion around the normal distribution's point; four digits from here on.
        _ => {
            let (z, n) = (1.959_964f64, freedom as f64);
            z + (z.powi(3) + z) / (4.0 * n)
                + (5.0 * z.powi(5) + 16.0 * z.powi(3) + 3.0 * z) / (96.0 * n * n)
        }
    }
}

/// Differences of pairs, summed up.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// How many pairs had the figure on both sides.
    pub pairs: usize,
    /// The mean of A.
    pub a: f64,
    /// The mean of B.
    pub b: f64,
    /// The mean of B - A.
    pub mean: f64,
    /// The median of B - A.
    pub median: f64,
    /// The 95 % confidence interval of the mean by Student's t, from two pairs on.
    pub interval: Option<(f64, f64)>,
    /// The same by bootstrap.
    pub bootstrap: Option<(f64, f64)>,
}

impl Difference {
    /// Of these pairs; `None` if there are none.
    #[must_use]
    pub fn of(pairs: &[(f64, f64)]) -> Option<Self> {
        let n = pairs.len() as f64;
        if pairs.is_empty() {
            return None;
        }
        let mut differences: Vec<f64> = pairs.iter().map(|(a, b)| b - a).collect();
        let mean = differences.iter().sum::<f64>() / n;
        let bootstrap = bootstrap(&differences);
        let interval = (pairs.len() > 1).then(|| student(&differences));
        differences.sort_by(f64::total_cmp);
        let middle = differences.len() / 2;
        let median = match differences.len() % 2 {
            0 => f64::midpoint(differences[middle - 1], differences[middle]),
            _ => differences[middle],
        };
        Some(Self {
            pairs: pairs.len(),
            a: pairs.iter().map(|p| p.0).sum::<f64>() / n,
            b: pairs.iter().map(|p| p.1).sum::<f64>() / n,
            mean,
            median,
            interval,
            bootstrap,
        })
    }

    /// Whether the interval leaves 0 out: the difference is more than chance.
    #[must_use]
    pub fn real(&self) -> bool {
        self.interval.is_some_and(leaves_out)
    }
}

fn leaves_out((low, high): (f64, f64)) -> bool {
    low > 0.0 || high < 0.0
}

/// The interval of the mean of at least two differences.
fn student(differences: &[f64]) -> (f64, f64) {
    let n = differences.len() as f64;
    let mean = differences.iter().sum::<f64>() / n;
    let squares: f64 = differences.iter().map(|d| (d - mean).powi(2)).sum();
    let half = t95(differences.len() - 1) * (squares / (n - 1.0) / n).sqrt();
    (mean - half, mean + half)
}

fn bootstrap(differences: &[f64]) -> Option<(f64, f64)> {
    let count = differences.len() as u64;
    if count < 2 {
        return None;
    }
    // The same pairs give the same interval.
    let mut stream = Seed(count).stream(&[RESAMPLES as u64]);
    let mut means: Vec<f64> = (0..RESAMPLES)
        .map(|_| {
            let picks = (0..count).map(|_| differences[(stream.next_u64() % count) as usize]);
            picks.sum::<f64>() / count as f64
        })
        .collect();
    means.sort_by(f64::total_cmp);
    Some((means[RESAMPLES / 40], means[RESAMPLES - 1 - RESAMPLES / 40]))
}

/// Why some of these pairs are not comparable.
fn reasons(pairs: &[(Results, Results)]) -> Vec<String> {
    let numbered = pairs.iter().enumerate();
    let found = numbered.flat_map(|(n, (a, b))| {
        let found = differences(a, b).into_iter();
        found.map(move |why| format!("pair {}: {why}", n + 1))
    });
    found.collect()
}

const HEADS: [&str; 9] = [
    "",
    "A",
    "B",
    "B - A",
    "of A",
    "more than chance",
    "95 % interval",
    "median",
    "bootstrap",
];

/// Which of them says whether the difference is more than chance.
const VERDICT: usize = 5;

/// A row for each figure that all have: the cells of [`HEADS`].
fn rows(pairs: &[(Results, Results)]) -> Vec<Vec<String>> {
    let values: Vec<_> = pairs
        .iter()
        .map(|(a, b)| (quantities(a), quantities(b)))
        .collect();
    let Some((first, _)) = values.first() else {
        return Vec::new();
    };
    let mut table = Vec::new();
    for (n, q) in first.iter().enumerate() {
        let value = |of: &[Quantity]| of.get(n).and_then(|q| q.value);
        let both = values
            .iter()
            .filter_map(|(a, b)| Some((value(a)?, value(b)?)));
        let Some(d) = Difference::of(&both.collect::<Vec<_>>()) else {
            continue;
        };
        // A difference of shares is told in points, lest it be taken for a share of A.
        let size = |v: f64| (q.text)(v).replace(" %", " points");
        let signed = |v: f64| match v {
            v if v < 0.0 => format!("\u{2212}{}", size(-v)),
            v => format!("+{}", size(v)),
        };
        let interval = |i| {
            words::or_dash(i, |(low, high)| {
                format!("{} to {}", signed(low), signed(high))
            })
        };
        let verdict = match (d.interval, d.real(), d.bootstrap.is_some_and(leaves_out)) {
            (None, ..) => "one pair says nothing",
            (_, true, true) => "yes",
            (_, false, false) => "no",
            // A bootstrap of few pairs is too narrow, so it alone convinces nobody.
            (_, false, true) => "no, but more pairs may tell",
            (_, true, false) => "perhaps: pairs differ oddly",
        };
        table.push(vec![
            q.name.to_owned(),
            (q.text)(d.a),
            (q.text)(d.b),
            signed(d.mean),
            words::or_dash((d.a != 0.0).then(|| d.mean / d.a), |r| {
                format!("{:+.1} %", r * 100.0)
            }),
            verdict.to_owned(),
            interval(d.interval),
            signed(d.median),
            interval(d.bootstrap),
        ]);
    }
    table
}

/// What "more than chance" means here.
fn meaning(figures: usize) -> String {
    format!(
        "More than chance: the 95 % confidence interval of the mean difference (paired, Student's t) leaves out 0. Where nothing differs, \
         about {:.0} of {figures} figures would still look so by chance alone.",
        (figures as f64 * 0.05).max(1.0)
    )
}

/// The differences of pairs of runs (A, B) as text.
#[must_use]
pub fn paired(pairs: &[(Results, Results)]) -> String {
    if pairs.is_empty() {
        return "There are no pairs.\n".to_owned();
    }
    let mut out = String::new();
    let why = reasons(pairs);
    if !why.is_empty() {
        out.push_str("Not all pairs are comparable:\n");
        for reason in &why {
            let _ = writeln!(out, "  - {reason}");
        }
        out.push('\n');
    }
    let rows = rows(pairs);
    let figures = rows.len();
    let _ = writeln!(
        out,
        "{} pairs; figures of the measured phases, means over runs.\n",
        pairs.len()
    );
    let heads = HEADS.map(str::to_owned).to_vec();
    out.push_str(&columns(&[vec![heads], rows].concat()));
    let _ = writeln!(out, "\n{}", meaning(figures));
    out
}

/// The differences of pairs of runs (A, B) as one HTML file that names nothing outside itself.
#[must_use]
pub fn paired_html(pairs: &[(Results, Results)]) -> String {
    let name = |r: Option<&Results>| {
        let found = r.and_then(|r| r.identity.start.clone().or(Some(r.identity.proxy.clone())));
        found.unwrap_or_default()
    };
    let first = pairs.first();
    let mut body = format!(
        "<header><h1>{} pairs of runs</h1>\n<p class=\"soft\">A: {}<br>B: {}</p></header>\n",
        pairs.len(),
        escape(&name(first.map(|p| &p.0))),
        escape(&name(first.map(|p| &p.1))),
    );
    let why = reasons(pairs);
    if !why.is_empty() {
        let list: String = why
            .iter()
            .map(|w| format!("<li>{}</li>", escape(w)))
            .collect();
        let _ = writeln!(
            body,
            "<div class=\"verdict warn\"><strong>Not all pairs are comparable.</strong><ul>{list}</ul></div>"
        );
    }
    let rows = rows(pairs);
    let lines: String = rows
        .iter()
        .map(|row| {
            let class = if row.get(VERDICT).is_some_and(|v| v == "yes") {
                " class=\"quoted\""
            } else {
                ""
            };
            let cells: String = row.iter().map(|text| page::cell(text)).collect();
            format!("<tr{class}>{cells}</tr>\n")
        })
        .collect();
    body.push_str(&page::table(&HEADS, &lines));
    let _ = writeln!(
        body,
        "<p class=\"gloss\">{}</p>",
        escape(&meaning(rows.len()))
    );
    page::page("Pairs of runs", &body)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn the_interval_is_students_for_paired_differences() {
        // Differences 1, 2, 3: mean 2, deviation 1, error 1/sqrt(3), times 4.303.
        let d = Difference::of(&[(1.0, 2.0), (1.0, 3.0), (5.0, 8.0)]).unwrap();
        let (low, high) = d.interval.unwrap();
        assert_eq!((d.mean, d.median, d.pairs), (2.0, 2.0, 3));
        assert!(
            (low - (2.0 - 4.303 / 3f64.sqrt())).abs() < 1e-9 && (high + low - 4.0).abs() < 1e-9
        );
        assert!(!d.real());
    }

    #[test]
    fn what_differs_steadily_is_real_and_what_scatters_is_not() {
        for (pairs, expected) in [
            (
                vec![(10.0, 11.0), (20.0, 21.1), (30.0, 30.9), (40.0, 41.0)],
                true,
            ),
            (
                vec![(10.0, 9.0), (20.0, 18.9), (30.0, 29.1), (40.0, 39.0)],
                true,
            ),
            (
                vec![(10.0, 12.0), (20.0, 18.0), (30.0, 31.0), (40.0, 39.0)],
                false,
            ),
            (vec![(10.0, 11.0)], false),
            (vec![(1.0, 1.0), (2.0, 2.0)], false),
        ] {
            let d = Difference::of(&pairs).unwrap();
            assert_eq!(d.real(), expected, "{d:?}");
            assert_eq!(d.bootstrap.is_some_and(leaves_out), expected, "{d:?}");
        }
        assert_eq!(Difference::of(&[]), None);
    }

    #[test]
    fn an_interval_holds_the_truth_nineteen_times_of_twenty() {
        let seed = Seed(7);
        let normal = |words: &[u64]| {
            let share = |n: u64| seed.share(&[words, &[n]].concat());
            (-2.0 * share(1).max(1e-15).ln()).sqrt() * (std::f64::consts::TAU * share(2)).cos()
        };
        for pairs in [3u64, 5, 10] {
            let held = (0..1000u64).filter(|run| {
                let noisy: Vec<f64> = (0..pairs).map(|n| 1.0 + normal(&[*run, n])).collect();
                let (low, high) = student(&noisy);
                low <= 1.0 && 1.0 <= high
            });
            let held = held.count();
            assert!((925..=975).contains(&held), "{pairs} pairs: {held} of 1000");
        }
    }

    #[test]
    fn students_points_go_over_into_the_normal_distributions() {
        assert!((t95(31) - 2.0395).abs() < 1e-3, "{}", t95(31));
        assert!((t95(100) - 1.98397).abs() < 1e-4);
        assert!((t95(1_000_000) - 1.95997).abs() < 1e-4);
        assert!((1..200).all(|n| t95(n) > t95(n + 1)));
    }
}
