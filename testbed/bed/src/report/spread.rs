//! How times are spread: so many answers within this time, with a tenth as many left at each step to the right.
//!
//! Invariant: a curve ends at the one answer in so many as there were; beyond it, it would be invented.

use super::{page::figure, plots::around, svg::Plot, words::micros};
use crate::record::{Results, Times};

/// Steps to the right: up to one answer in ten thousand.
const STEPS: f64 = 4.0;

/// A curve for each of these times.
fn curves(times: &[(&str, &Times)]) -> String {
    let ends = times.iter().filter(|(_, t)| t.count > 0);
    let scale = around(ends.flat_map(|(_, t)| [t.p1.max(1), t.max]));
    let label = "How many answers were there within which time";
    let mut plot = Plot::new(300.0, (0.0, STEPS), scale, label);
    plot.heights(micros);
    plot.places(&[
        (0.0, "0 %"),
        (2f64.log10(), "50 %"),
        (1.0, "90 %"),
        (2.0, "99 %"),
        (3.0, "99.9 %"),
        (4.0, "99.99 %"),
    ]);
    for (class, times) in times {
        let last = (times.count.max(1) as f64).log10().min(STEPS);
        let at = (0..=160)
            .map(|n| f64::from(n) / 40.0)
            .filter(|x| *x <= last);
        let points = at.map(|x| (x, times.percentile(100.0 * (1.0 - 10f64.powf(-x)))));
        plot.line(class, points.map(|(x, t)| (x, t.map(|t| t as f64))));
    }
    plot.finish()
}

/// How steady the answers of one run are.
pub(crate) fn spread(r: &Results) -> String {
    let (due, sent) = (&r.measured.latency, &r.measured.service);
    let svg = curves(&[
        ("hit", &due.hit),
        ("miss", &due.miss),
        ("hit thin", &sent.hit),
        ("miss thin", &sent.miss),
    ]);
    figure(
        "How steady the answers are",
        &[
            ("hit", "hits, since due"),
            ("hit thin", "hits, since sent"),
            ("miss", "misses, since due"),
            ("miss thin", "misses, since sent"),
        ],
        &svg,
        "So many answers (below) were there within this time (left), over the phases that figures are quoted from. Each step to the right \
         leaves a tenth as many behind it: a line that stays flat has few slow answers, a line that bends up has a tail. \
         The thin lines leave out how long a request waited for its robot: a robot has few connections, and while misses hold them all, \
         its next request waits, hit or not.",
    )
}

/// The same of two runs, since requests were sent: the robots' own waiting would hide what differs.
pub(crate) fn both(a: &Results, b: &Results) -> String {
    let (a, b) = (&a.measured.service, &b.measured.service);
    let svg = curves(&[
        ("hit", &a.hit),
        ("hit dashed", &b.hit),
        ("miss", &a.miss),
        ("miss dashed", &b.miss),
    ]);
    figure(
        "How steady the answers are",
        &[
            ("hit", "A, hits"),
            ("hit dashed", "B, hits"),
            ("miss", "A, misses"),
            ("miss dashed", "B, misses"),
        ],
        &svg,
        "So many answers (below) were there within this time (left), since requests were sent. Each step to the right leaves a tenth as many \
         behind it. The lower line is the faster one.",
    )
}
