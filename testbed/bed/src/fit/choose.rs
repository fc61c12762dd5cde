//! The distribution that a sample is of.
//!
//! A curve with two figures is taken where it is near enough, for it says what a table cannot: that nothing of the log is in it but its
//! shape. Near is measured as Kolmogorov and Smirnov do: the greatest difference between the shares of numbers below any place.

use super::sample::Sample;
use crate::workload::Distribution;

/// The greatest distance at which a curve stands for the numbers: no quantile is off by more than five hundredths.
const NEAR: f64 = 0.05;

/// The fewest numbers of a group in a table: no value in a file is that of one object of the log.
const GROUP: usize = 5;

/// What was chosen.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Chosen {
    /// The distribution.
    pub(super) distribution: Distribution,
    /// How far it is from the numbers; nothing for a table, which is the numbers.
    pub(super) distance: Option<f64>,
    /// Of how many numbers.
    pub(super) of: u64,
}

/// The distribution of this sample: a curve of these, or a table; nothing of one of fewer numbers than a table's group has.
pub(super) fn choose(sample: &Sample, curves: &[Curve]) -> Option<Chosen> {
    let sorted = sample.sorted();
    let (first, last) = (*sorted.first()?, *sorted.last()?);
    if sorted.len() < GROUP {
        return None;
    }
    let of = sample.seen();
    let table = |distribution| Chosen {
        distribution,
        distance: None,
        of,
    };
    if first == last {
        return Some(table(Distribution::Constant(round(first))));
    }
    // Of a few numbers even the right curve is far: the distance that one sample of a hundred exceeds is 1.63 / sqrt(n).
    let near = NEAR.max(1.63 / (sorted.len() as f64).sqrt());
    let best = curves
        .iter()
        .filter_map(|curve| {
            let (distribution, below) = curve.fit(&sorted, sample.mean())?;
            Some((distance(&sorted, &*below), distribution))
        })
        .min_by(|a, b| a.0.total_cmp(&b.0));
    Some(match best {
        Some((far, distribution)) if far <= near => Chosen {
            distribution,
            distance: Some(far),
            of,
        },
        _ => table(quantiles(&sorted)),
    })
}

/// A curve that may be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Curve {
    Exp,
    LogNormal,
    Normal,
    Uniform,
}

type Below = Box<dyn Fn(f64) -> f64>;

impl Curve {
    /// The curve of this kind nearest to the numbers, and the share it has below a place.
    fn fit(self, sorted: &[f64], mean: f64) -> Option<(Distribution, Below)> {
        let first = *sorted.first()?;
        let count = sorted.len() as f64;
        match self {
            Self::Exp => (mean > 0.0 && first >= 0.0).then(|| {
                let below: Below = Box::new(move |x: f64| 1.0 - (-x / mean).exp());
                (Distribution::Exp(round(mean)), below)
            }),
            Self::Normal => {
                let of = |x: &f64| (x - mean).powi(2);
                let sd = (sorted.iter().map(of).sum::<f64>() / count).sqrt();
                // What is below 0 becomes 0 when it is drawn, so a curve that is much below is not its own distribution.
                (mean > 1.5 * sd && sd > 0.0).then(|| {
                    let below: Below = Box::new(move |x: f64| normal((x - mean) / sd));
                    let (mean, sd) = (round(mean), round(sd));
                    (Distribution::Normal { mean, sd }, below)
                })
            }
            Self::LogNormal => {
                if first <= 0.0 {
                    return None;
                }
                let middle = sorted.iter().map(|x| x.ln()).sum::<f64>() / count;
                let of = |x: &f64| (x.ln() - middle).powi(2);
                let spread = sorted.iter().map(of).sum::<f64>() / count;
                // The file's figures are those of the numbers: exp(m + v/2), and that times sqrt(exp(v) - 1).
                let mean = (middle + spread / 2.0).exp();
                let sd = mean * (spread.exp() - 1.0).sqrt();
                (sd > 0.0 && sd < 1e12).then(|| {
                    let wide = spread.sqrt();
                    let below: Below = Box::new(move |x: f64| normal((x.ln() - middle) / wide));
                    let (mean, sd) = (round(mean), round(sd));
                    (Distribution::LogNormal { mean, sd }, below)
                })
            }
            Self::Uniform => {
                // The least and the greatest number are those of one object each: ends are told from groups at both. The middle of the
                // lowest five of n is at 3 / (n + 1) of the way.
                let group = |numbers: &[f64]| numbers.iter().sum::<f64>() / GROUP as f64;
                let low = group(sorted.get(..GROUP)?);
                let high = group(sorted.get(sorted.len() - GROUP..)?);
                let beyond = (high - low) * 3.0 / (count - 5.0).max(1.0);
                let (first, last) = ((low - beyond).max(0.0), high + beyond);
                if last <= first {
                    return None;
                }
                let below: Below = Box::new(move |x: f64| (x - first) / (last - first));
                Some((Distribution::Uniform(round(first), round(last)), below))
            }
        }
    }
}

/// The greatest difference between the curve and the steps of the numbers, on both sides of each step.
pub(super) fn distance(sorted: &[f64], below: &dyn Fn(f64) -> f64) -> f64 {
    let count = sorted.len() as f64;
    let mut far = 0.0f64;
    let mut at = 0;
    while at < sorted.len() {
        // Equal numbers are one step.
        let next = at + sorted[at..].partition_point(|x| *x <= sorted[at]);
        let share = below(sorted[at]).clamp(0.0, 1.0);
        far = far
            .max(next as f64 / count - share)
            .max(share - at as f64 / count);
        at = next;
    }
    far
}

/// The means of groups of neighbours: 36 groups below the upper tenth, finer in the tail, where the bytes are, but none of fewer than
/// [`GROUP`] numbers. The mean of all stays what it is, but for rounding.
pub(super) fn quantiles(sorted: &[f64]) -> Distribution {
    let ends = (1..=36)
        .map(|n| f64::from(n) * 0.025)
        .chain((1..=9).map(|n| 0.9 + f64::from(n) * 0.01))
        .chain((1..=10).map(|n| 0.99 + f64::from(n) * 0.001));
    let mut table: Vec<(f64, f64)> = Vec::new();
    let mut from = 0;
    for end in ends {
        let to = ((end * sorted.len() as f64).round() as usize).min(sorted.len());
        let left = sorted.len() - to;
        let Some(group) = sorted.get(from..to).filter(|g| g.len() >= GROUP) else {
            continue;
        };
        // What is left behind this group must be one too, or belong to it.
        let (to, group) = if left < GROUP {
            (sorted.len(), &sorted[from..])
        } else {
            (to, group)
        };
        let value = round(group.iter().sum::<f64>() / group.len() as f64);
        let weight = round(group.len() as f64 / sorted.len() as f64);
        match table.last_mut() {
            Some(last) if last.0 == value => last.1 = round(last.1 + weight),
            _ => table.push((value, weight)),
        }
        from = to;
    }
    Distribution::Table(table)
}

/// Three digits: as much as a sample is worth, and too few for a size to tell which file it was of.
pub(super) fn round(number: f64) -> f64 {
    if number == 0.0 || !number.is_finite() {
        return 0.0;
    }
    format!("{number:.2e}").parse().unwrap_or(number)
}

/// The share of the standard normal distribution below this (Abramowitz and Stegun 26.2.17, off by less than 7.5e-8).
fn normal(x: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * x.abs());
    let poly = t
        * (0.319_381_530
            + t * (-0.356_563_782
                + t * (1.781_477_937 + t * (-1.821_255_978 + t * 1.330_274_429))));
    let above = (-x * x / 2.0).exp() / (2.0 * std::f64::consts::PI).sqrt() * poly;
    if x >= 0.0 { 1.0 - above } else { above }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::seed::Seed;
    use proptest::prelude::*;

    fn sample(of: &Distribution, count: usize) -> Sample {
        let mut stream = Seed(1).stream(&[]);
        let mut sample = Sample::new(0);
        for _ in 0..count {
            sample.add(of.sample(&mut stream));
        }
        sample
    }

    #[test]
    fn a_sample_of_a_curve_is_that_curve() {
        for of in [
            Distribution::Exp(4608.0),
            Distribution::LogNormal {
                mean: 25_600.0,
                sd: 10_240.0,
            },
            Distribution::Normal { mean: 2.5, sd: 0.5 },
            Distribution::Uniform(0.0, 8192.0),
        ] {
            let curves = [Curve::Exp, Curve::LogNormal, Curve::Normal, Curve::Uniform];
            let chosen = choose(&sample(&of, 5000), &curves).unwrap();
            let same = std::mem::discriminant(&chosen.distribution) == std::mem::discriminant(&of);
            assert!(same, "{of:?}: {chosen:?}");
            // One sample of a hundred is farther than this from its own curve.
            assert!(
                chosen.distance.unwrap() < 1.63 / 5000f64.sqrt(),
                "{chosen:?}"
            );
            let mean = chosen.distribution.mean();
            assert!((mean / of.mean() - 1.0).abs() < 0.05, "{of:?}: {chosen:?}");
        }
    }

    #[test]
    fn no_end_of_a_uniform_curve_is_one_number_of_the_sample() {
        let mut numbers = sample(&Distribution::Uniform(1000.0, 8000.0), 300);
        numbers.add(311.0);
        numbers.add(9870.0);
        let chosen = choose(&numbers, &[Curve::Uniform]).unwrap();
        let Distribution::Uniform(first, last) = chosen.distribution else {
            panic!("{chosen:?}");
        };
        assert!((700.0..1100.0).contains(&first), "{chosen:?}");
        assert!((7900.0..8700.0).contains(&last), "{chosen:?}");
    }

    #[test]
    fn what_is_no_curve_is_a_table_of_the_same_mean() {
        let mut two = Sample::new(0);
        for n in 0..2000u32 {
            two.add(f64::from(if n % 4 == 0 { 90_000 + n } else { 100 + n % 7 }));
        }
        let chosen = choose(&two, &[Curve::Exp, Curve::LogNormal]).unwrap();
        assert!(matches!(chosen.distribution, Distribution::Table(_)));
        assert!((chosen.distribution.mean() / two.mean() - 1.0).abs() < 0.01);
    }

    proptest! {
        #[test]
        fn a_table_keeps_the_mean_and_no_number_alone(mut numbers in prop::collection::vec(1.0f64..1e6, 5..400)) {
            numbers.sort_unstable_by(f64::total_cmp);
            let Distribution::Table(table) = quantiles(&numbers) else { panic!() };
            let count = numbers.len() as f64;
            let mean = numbers.iter().sum::<f64>() / count;
            let found = Distribution::Table(table.clone()).mean();
            prop_assert!((found / mean - 1.0).abs() < 0.02, "{} {}", found, mean);
            for (_, weight) in table {
                prop_assert!(weight * count > 4.9);
            }
        }
    }
}
