//! Which popularity a log has: the one whose own traffic is concentrated as the log's is.
//!
//! A slope alone does not tell. Uniform choices from a window that slides make some objects popular too, by chance and by age, and a
//! line through those is nearly as straight as Zipf's. So the beginning of the log is made again by each candidate, at the log's own
//! recurrence and window, and what share of repeated requests the most popular objects have is compared (indirect inference:
//! Gourieroux, Monfort and Renault, 1993). The exponent of Zipf stays the one of the slope, which all of the log tells.

use super::{choose::round, zipf::Slope};
use crate::{
    demand::Demand,
    seed::Seed,
    workload::{Phase, Popularity, Schedule, Workload},
    world::World,
};
use std::{collections::HashMap, sync::Arc};

/// Requests of the log's beginning that are made again.
pub(super) const EARLY: u64 = 1 << 14;

/// The fewest repeated requests that say anything.
const FEW: u64 = 1000;

/// The share of objects that is hot, if any are: PolyMix's.
const HOT_SET: f64 = 0.01;

/// The shares of choices that may fall on those.
const HOT_SHARES: [f64; 7] = [0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4];

/// What share of repeated requests the most popular parts of objects have.
type Profile = [f64; 6];

/// The parts that a profile is of.
const PARTS: Profile = [0.003, 0.01, 0.03, 0.1, 0.3, 0.6];

/// A choice of popularity.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Found {
    pub(super) popularity: Popularity,
    /// The greatest difference of its profile to the log's, and that of the best of the other family.
    pub(super) off: f64,
    pub(super) other: f64,
}

/// The popularity of a log whose beginning had these many requests for each of its objects. `workload` is what else is known of it, and
/// `window` its working set; nothing where the beginning says nothing.
pub(super) fn find(
    early: &HashMap<u64, u32>,
    workload: &Workload,
    window: u64,
    slope: Option<Slope>,
) -> Option<Found> {
    let requests: u64 = early.values().map(|c| u64::from(*c)).sum();
    let again = requests - early.len() as u64;
    if again < FEW {
        return None;
    }
    let recurrence = again as f64 / requests as f64;
    let wanted = profile(early.values().copied());
    let off = |popularity: Popularity| {
        let made = make(workload, popularity, recurrence, window, requests);
        let pairs = profile(made.into_values()).into_iter().zip(wanted);
        let off = pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max);
        (off, popularity)
    };
    let best =
        |all: &mut dyn Iterator<Item = Popularity>| all.map(off).min_by(|a, b| a.0.total_cmp(&b.0));
    let uniform = best(
        &mut HOT_SHARES.into_iter().map(|hot_share| Popularity::Uniform {
            hot_set: if hot_share > 0.0 { HOT_SET } else { 0.0 },
            hot_share,
        }),
    )?;
    // Some way to both sides of the slope, for it bends where the window has not been filled.
    let middle = slope.map_or(0.8, |s| s.exponent);
    let zipf = best(
        &mut [-0.2, -0.1, 0.0, 0.1, 0.2]
            .into_iter()
            .map(|d| middle + d)
            .filter(|exponent| (0.2..=5.0).contains(exponent))
            .map(|exponent| Popularity::Zipf { exponent }),
    );
    Some(match zipf {
        Some((off, Popularity::Zipf { exponent })) if off < uniform.0 => Found {
            popularity: Popularity::Zipf {
                exponent: round(slope.map_or(exponent, |s| s.exponent)),
            },
            off,
            other: uniform.0,
        },
        other => Found {
            popularity: uniform.1,
            off: uniform.0,
            other: other.map_or(1.0, |z| z.0),
        },
    })
}

/// Requests for each object of so many that a workload of this popularity makes.
fn make(
    workload: &Workload,
    popularity: Popularity,
    recurrence: f64,
    window: u64,
    requests: u64,
) -> HashMap<u64, u32> {
    let mut workload = workload.clone();
    workload.demand.popularity = popularity;
    workload.demand.recurrence = recurrence;
    let phase = Phase {
        name: String::new(),
        begin: 0.0,
        // As long as it takes; the number of requests ends it.
        seconds: 1e9,
        from: 1.0,
        to: 1.0,
        until_stored: None,
        recurrence: 1.0,
        special: 1.0,
        measured: true,
    };
    let schedule = Schedule {
        peak: 1.0,
        robots: 1,
        working_set: window,
        phases: vec![phase],
    };
    let world = World::new(Arc::new(workload), Seed(0), 0);
    let mut made = HashMap::new();
    for arrival in Demand::new(world, schedule).take(usize::try_from(requests).unwrap_or(0)) {
        *made.entry(arrival.object.id).or_insert(0) += 1;
    }
    made
}

/// The profile of numbers of requests.
fn profile(counts: impl Iterator<Item = u32>) -> Profile {
    let mut counts: Vec<u32> = counts.map(|c| c.saturating_sub(1)).collect();
    counts.sort_unstable_by(|a, b| b.cmp(a));
    let all: u64 = counts.iter().map(|c| u64::from(*c)).sum();
    PARTS.map(|part| {
        let top = (part * counts.len() as f64).ceil() as usize;
        let sum: u64 = counts.iter().take(top).map(|c| u64::from(*c)).sum();
        sum as f64 / all.max(1) as f64
    })
}
