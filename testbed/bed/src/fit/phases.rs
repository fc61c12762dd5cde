//! The shape of the day: a log's length in parts of equal length, each at its own rate.
//!
//! Awkward case: counts are of whole minutes, and the first and the last minute of a log are not whole. A part's rate is over the seconds
//! that the log has of it.

use super::{choose::round, survey::Survey};
use crate::workload::PhaseShape;

/// The most parts: hours of a day.
const PARTS: i64 = 24;

/// The fewest minutes of a part.
const MINUTES: i64 = 10;

/// The phases, and the peak rate in requests a second that their shares are of.
pub(super) fn phases(
    survey: &Survey,
    note: &mut dyn FnMut(&str, String),
) -> (Vec<PhaseShape>, f64) {
    let used = survey.requests.used as f64;
    let (begin, end) = survey.span.unwrap_or((0.0, 0.0));
    // A log of one second is one second long, whatever parts of it are in use.
    let seconds = (end - begin).max(1.0);
    let whole = (used / seconds).min(1e7);
    let Some((first, last, minutes)) = survey.clients.minutes().filter(|_| seconds >= 120.0) else {
        note(
            "demand.peak",
            format!("{used:.0} requests in {seconds:.0} s."),
        );
        note(
            "phases",
            "One phase: the log is shorter than two minutes.".to_owned(),
        );
        return (vec![phase("log".to_owned(), seconds, 1.0, true)], whole);
    };
    let busiest = f64::from(survey.clients.busiest().requests) / 60.0;
    let peak = busiest.max(whole).min(1e7);
    note(
        "demand.peak",
        format!("The busiest minute; {whole:.3} a second over all of the log's {seconds:.0} s."),
    );
    let length = last - first + 1;
    let parts = (length / MINUTES).clamp(1, PARTS);
    let mut counts = vec![0u64; usize::try_from(parts).unwrap_or(1)];
    for (minute, count) in minutes {
        let part = (minute - first) * parts / length;
        if let Some(sum) = usize::try_from(part).ok().and_then(|n| counts.get_mut(n)) {
            *sum += u64::from(count);
        }
    }
    // The first minute of a part, by the rule above.
    let edge = |part: i64| first + (part * length + parts - 1) / parts;
    let shares: Vec<(f64, f64)> = counts
        .iter()
        .zip(0i64..)
        .map(|(count, part)| {
            let from = (edge(part) as f64 * 60.0).max(begin);
            let to = (edge(part + 1) as f64 * 60.0).min(end);
            let seconds = (to - from).max(1.0);
            // A phase without any request is none; a thousandth of peak is as good as none.
            let share = (*count as f64 / seconds / peak).clamp(0.001, 1.0);
            (seconds, share)
        })
        .collect();
    let most = shares.iter().map(|s| s.1).fold(0.0, f64::max);
    note(
        "phases",
        format!(
            "{parts} parts of {length} minutes, each at its mean rate; measured are those of half the busiest one's rate and more."
        ),
    );
    let found = shares.iter().zip(1..).map(|((seconds, share), n)| {
        phase(
            format!("part{n:02}"),
            *seconds,
            *share,
            *share * 2.0 >= most,
        )
    });
    (found.collect(), peak)
}

fn phase(name: String, seconds: f64, share: f64, measured: bool) -> PhaseShape {
    let share = round(share);
    PhaseShape {
        name,
        // A line dated years off makes no phase of years.
        seconds: seconds.round().clamp(1.0, 1e7),
        from: share,
        to: share,
        until_fill: None,
        recurrence: 1.0,
        special: 1.0,
        measured,
    }
}
