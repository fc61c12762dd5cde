//! The run's clock: microseconds from its beginning, and what they are on the origin's wall.
//!
//! Invariant: time goes by a clock that nobody sets, so neither this machine's wall clock nor its difference from the origin's moves
//! anything of the load. The origin's own is looked at all through the run, for clocks of two machines drift apart and are set.
//!
//! Awkward case: the origin's clock was set, and nobody has looked since. So what a robot saw itself, by its own clock, goes before
//! what the wall says, and [`Clock::doubt`] tells how much the wall's word is worth.

use crate::origin::Reading;
use std::{
    cell::RefCell,
    rc::Rc,
    time::{Duration, Instant},
};

/// By how many microseconds a clock may differ from what was known before it counts as another: beyond what a reading may be wrong.
const STEADY: i64 = 1000;

/// The clock of one run. Clones are the same clock.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    begin: Instant,
    /// From which moment of the run on the run's beginning had been which Unix microsecond on the origin's wall. Never empty.
    walls: Rc<RefCell<Vec<(u64, i64)>>>,
}

impl Clock {
    /// The run begins now. What the origin's clock said is from before.
    pub(crate) fn start(origin: Reading) -> Self {
        Self::starting(Instant::now(), origin)
    }

    fn starting(begin: Instant, origin: Reading) -> Self {
        Self {
            begin,
            walls: Rc::new(RefCell::new(vec![(0, wall_at(begin, origin))])),
        }
    }

    /// Another look at the origin's clock. One that tells nothing new is forgotten.
    pub(crate) fn read(&self, origin: Reading) {
        let wall = wall_at(self.begin, origin);
        let mut walls = self.walls.borrow_mut();
        let moment = micros_of(origin.at.saturating_duration_since(self.begin));
        if let Some(&(from, known)) = walls.last()
            && wall.abs_diff(known) > origin.error.saturating_add(STEADY).unsigned_abs()
            && moment >= from
        {
            walls.push((moment, wall));
        }
    }

    /// Microseconds from the beginning; 0 before it.
    pub(crate) fn now(&self) -> u64 {
        micros_of(self.begin.elapsed())
    }

    /// Unix seconds of this moment of the run, on the origin's wall.
    pub(crate) fn unix_seconds(&self, moment: u64) -> i64 {
        in_force(&self.walls.borrow(), moment)
            .saturating_add(i64::try_from(moment).unwrap_or(i64::MAX))
            .div_euclid(1_000_000)
    }

    /// By how many seconds the origin's wall may have been behind that of this moment when it said something earlier.
    pub(crate) fn doubt(&self, moment: u64) -> i64 {
        let walls = self.walls.borrow();
        let least = walls.iter().map(|(_, wall)| *wall).min().unwrap_or(0);
        let behind = in_force(&walls, moment).saturating_sub(least);
        // Rounded up: it is how much is allowed for.
        -(-behind).div_euclid(1_000_000)
    }

    /// The moment of the run as an instant.
    pub(crate) fn instant(&self, moment: u64) -> Instant {
        self.begin + Duration::from_micros(moment)
    }
}

/// What the run's beginning had been on the wall as it was at this moment; the first one known is from the beginning on.
fn in_force(walls: &[(u64, i64)], moment: u64) -> i64 {
    let last = walls.iter().rev().find(|(from, _)| *from <= moment);
    last.or(walls.first()).map_or(0, |(_, wall)| *wall)
}

/// What the wall's clock says at `begin`, if it said `read`.
fn wall_at(begin: Instant, read: Reading) -> i64 {
    let later = |from: Instant, to: Instant| {
        i64::try_from(to.saturating_duration_since(from).as_micros()).unwrap_or(i64::MAX)
    };
    // One of the two is 0.
    read.unix
        .saturating_add(later(read.at, begin))
        .saturating_sub(later(begin, read.at))
}

fn micros_of(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}

/// Seconds as microseconds of the run.
pub(crate) fn micros(seconds: f64) -> u64 {
    // A cast saturates, and a time before the beginning is the beginning.
    (seconds * 1e6) as u64
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000;

    /// A run whose origin's clock says so many seconds at a moment of the run, in this order; may be wrong by 5 ms.
    fn clock(said: &[(u64, f64)]) -> Clock {
        let begin = Instant::now() + Duration::from_secs(100);
        let reading = |&(second, unix): &(u64, f64)| Reading {
            at: begin + Duration::from_secs(second),
            unix: (unix * 1e6) as i64,
            error: 5000,
        };
        let clock = Clock::starting(begin, reading(&said[0]));
        said[1..].iter().for_each(|s| clock.read(reading(s)));
        clock
    }

    #[test]
    fn a_moment_is_what_the_origins_wall_said_then() {
        // It was set ahead by 5 s at 10, and back by 9 at 20.
        let clock = clock(&[(0, 1000.5), (5, 1005.5), (10, 1015.5), (20, 1016.5)]);
        for (second, unix, doubt) in [
            (0, 1000, 4),
            (9, 1009, 4),
            (10, 1015, 9),
            (19, 1024, 9),
            (20, 1016, 0),
            (30, 1026, 0),
        ] {
            let moment = second * SECOND;
            assert_eq!(clock.unix_seconds(moment), unix, "{second}");
            assert_eq!(clock.doubt(moment), doubt, "{second}");
        }
    }

    #[test]
    fn what_may_be_an_error_of_reading_changes_nothing_and_drift_adds_up() {
        let steady = clock(&[(0, 1000.0), (1, 1001.005), (2, 1001.995), (3, 1003.006)]);
        assert_eq!(steady.walls.borrow().len(), 1);
        // A millisecond a second.
        let drifts: Vec<_> = (0..=3000).map(|s| (s, 1000.0 + s as f64 * 1.001)).collect();
        let drifts = clock(&drifts);
        assert_eq!(drifts.unix_seconds(3000 * SECOND + 500_000), 4003);
        assert_eq!(drifts.doubt(3000 * SECOND), 3);
        // A reading from before the last one is too late to count.
        let late = clock(&[(0, 1000.0), (20, 1025.0), (10, 1010.0)]);
        assert_eq!(late.unix_seconds(30 * SECOND), 1035);
    }

    #[test]
    fn a_reading_from_before_the_run_counts_from_its_beginning() {
        let before = Reading {
            at: Instant::now(),
            unix: 1_000_000_000,
            error: 0,
        };
        let begin = before.at + Duration::from_secs(7);
        let clock = Clock::starting(begin, before);
        assert_eq!(clock.unix_seconds(0), 1007);
    }
}
