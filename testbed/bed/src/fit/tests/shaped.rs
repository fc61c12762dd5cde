//! The shape of the day, and who asks.

use super::fit;
use std::fmt::Write as _;

/// A log whose minutes have so many requests each, of as many clients as half of that.
fn minutes(counts: impl Iterator<Item = u32>) -> String {
    let mut text = String::new();
    for (minute, count) in counts.enumerate() {
        for n in 0..count {
            let time =
                1_767_268_800.0 + minute as f64 * 60.0 + f64::from(n) * 60.0 / f64::from(count);
            let client = n / 2;
            writeln!(text, "{time:.3} 0 192.0.2.{client} TCP_MISS/200 1350 GET http://a/{minute}/{n}.gif - HIER_DIRECT/b image/gif").unwrap();
        }
    }
    text
}

#[test]
fn a_day_is_as_many_phases_as_it_is_told_by() {
    // Two hours: one of 20 requests a minute, one of 60.
    let (_, fitted, _) = fit(&minutes((0..120).map(|m| if m < 60 { 20 } else { 60 })));
    let workload = fitted.workload;
    assert_eq!((workload.phases.len(), workload.demand.peak), (12, 1.0));
    for (n, phase) in workload.phases.iter().enumerate() {
        let share = if n < 6 { 1.0 / 3.0 } else { 1.0 };
        assert!(
            (phase.from - share).abs() < 0.01 && phase.from == phase.to,
            "{phase:?}"
        );
        assert!((phase.seconds - 600.0).abs() <= 3.0, "{phase:?}");
        // Figures are quoted from parts of half the busiest one's rate and more.
        assert_eq!(phase.measured, n >= 6);
    }
    // 30 clients in the busiest minute, together one request a second.
    assert!((workload.demand.robot_rate - 1.0 / 30.0).abs() < 1e-4);
}

#[test]
fn a_pause_of_hours_is_a_phase_of_next_to_nothing() {
    let (_, fitted, _) = fit(&minutes(
        (0..120).map(|m| if (40..80).contains(&m) { 0 } else { 30 }),
    ));
    let shares: Vec<f64> = fitted.workload.phases.iter().map(|p| p.from).collect();
    assert_eq!(shares.len(), 12);
    assert!(shares[4..8].iter().all(|s| *s == 0.001), "{shares:?}");
    assert!(shares[..4].iter().all(|s| *s > 0.98), "{shares:?}");
}

#[test]
fn a_client_that_pauses_has_another_connection() {
    // Five requests a second apart, then a pause of a minute, forty times.
    let mut text = String::new();
    for run in 0..40 {
        for n in 0..5 {
            let time = 1_767_268_800 + run * 65 + n;
            writeln!(text, "{time}.000 0 192.0.2.1 TCP_MISS/200 1350 GET http://a/{run}/{n}.gif - HIER_DIRECT/b image/gif").unwrap();
        }
    }
    let (_, fitted, _) = fit(&text);
    let five = crate::workload::Distribution::Constant(5.0);
    assert_eq!(fitted.workload.connections.robot, five);
}
