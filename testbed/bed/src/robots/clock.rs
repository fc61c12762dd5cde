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
    collections::VecDeque,
    rc::Rc,
    time::{Duration, Instant},
};

/// By how many microseconds a clock may differ from what was known before it counts as another: beyond what a reading may be wrong.
const STEADY: i64 = 1000;
/// The most changes of the origin's clock that are remembered. It is looked at ten times a second at most, so they go back a quarter
/// of an hour whatever it does, and hours if it only drifts; no exchange takes as long.
const MOST: usize = 10_000;

/// The clock of one run. Clones are the same clock.
#[derive(Debug, Clone)]
pub(crate) struct Clock {
    begin: Instant,
    walls: Rc<RefCell<Walls>>,
}

/// From a moment of the run on its beginning had been at this Unix microsecond, by the origin's wall.
type Wall = (u64, i64);

/// What the origin's wall said all through the run.
#[derive(Debug)]
struct Walls {
    /// From the beginning on.
    first: i64,
    /// Later ones, in their order; the newest of them, if there were more.
    later: VecDeque<Wall>,
    /// Of all, those that none behind them is below: the least from any of them on is found without looking at the rest. Never empty.
    least: VecDeque<Wall>,
}

impl Walls {
    fn new(first: i64) -> Self {
        Self {
            first,
            later: VecDeque::new(),
            least: [(0, first)].into(),
        }
    }

    fn last(&self) -> Wall {
        self.later.back().copied().unwrap_or((0, self.first))
    }

    /// The one in force at this moment; the first, if that is forgotten.
    fn at(&self, moment: u64) -> Wall {
        let behind = self.later.partition_point(|(from, _)| *from <= moment);
        let place = behind.checked_sub(1);
        let found = place.and_then(|place| self.later.get(place));
        found.copied().unwrap_or((0, self.first))
    }

    /// The least of those that were in force at this moment or later; no more than that, if some are forgotten.
    fn least(&self, since: u64) -> i64 {
        let (begin, wall) = self.at(since);
        let before = self.least.partition_point(|(from, _)| *from < begin);
        self.least.get(before).map_or(wall, |(_, least)| *least)
    }

    fn push(&mut self, wall: Wall) {
        self.later.push_back(wall);
        if self.later.len() > MOST {
            self.later.pop_front();
        }
        while self.least.back().is_some_and(|(_, known)| *known >= wall.1) {
            self.least.pop_back();
        }
        self.least.push_back(wall);
        // The oldest two become one, which says the less of them.
        if self.least.len() > MOST
            && let Some((_, least)) = self.least.pop_front()
            && let Some(oldest) = self.least.front_mut()
        {
            oldest.1 = least;
        }
    }
}

impl Clock {
    /// The run begins now. What the origin's clock said is from before.
    pub(crate) fn start(origin: Reading) -> Self {
        Self::starting(Instant::now(), origin)
    }

    fn starting(begin: Instant, origin: Reading) -> Self {
        Self {
            begin,
            walls: Rc::new(RefCell::new(Walls::new(wall_at(begin, origin)))),
        }
    }

    /// Another look at the origin's clock. One that tells nothing new is forgotten.
    pub(crate) fn read(&self, origin: Reading) {
        let wall = wall_at(self.begin, origin);
        let mut walls = self.walls.borrow_mut();
        let moment = micros_of(origin.at.saturating_duration_since(self.begin));
        let (from, known) = walls.last();
        if wall.abs_diff(known) > origin.error.saturating_add(STEADY).unsigned_abs()
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
        let (_, wall) = self.walls.borrow().at(moment);
        wall.saturating_add(i64::try_from(moment).unwrap_or(i64::MAX))
            .div_euclid(1_000_000)
    }

    /// By how many seconds the origin's wall may have been behind that of this moment when it said something at `since` or later.
    pub(crate) fn doubt(&self, since: u64, moment: u64) -> i64 {
        let walls = self.walls.borrow();
        let (_, wall) = walls.at(moment);
        let behind = wall.saturating_sub(walls.least(since));
        // Rounded up: it is how much is allowed for.
        -(-behind).div_euclid(1_000_000)
    }

    /// The moment of the run as an instant.
    pub(crate) fn instant(&self, moment: u64) -> Instant {
        self.begin + Duration::from_micros(moment)
    }
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
            assert_eq!(clock.doubt(0, moment), doubt, "{second}");
        }
    }

    #[test]
    fn what_may_be_an_error_of_reading_changes_nothing_and_drift_adds_up() {
        let steady = clock(&[(0, 1000.0), (1, 1001.005), (2, 1001.995), (3, 1003.006)]);
        assert!(steady.walls.borrow().later.is_empty());
        // A millisecond a second.
        let drifts: Vec<_> = (0..=3000).map(|s| (s, 1000.0 + s as f64 * 1.001)).collect();
        let drifts = clock(&drifts);
        assert_eq!(drifts.unix_seconds(3000 * SECOND + 500_000), 4003);
        assert_eq!(drifts.doubt(0, 3000 * SECOND), 3);
        // A reading from before the last one is too late to count.
        let late = clock(&[(0, 1000.0), (20, 1025.0), (10, 1010.0)]);
        assert_eq!(late.unix_seconds(30 * SECOND), 1035);
    }

    #[test]
    fn what_the_wall_said_before_is_no_doubt_of_what_it_said_since() {
        // It was set ahead by 5 s at 10, back by 2 at 20, and ahead by 7 at 30.
        let clock = clock(&[(0, 1000.0), (10, 1015.0), (20, 1023.0), (30, 1040.0)]);
        for (since, moment, doubt) in [
            (0, 35, 10),
            (9, 35, 10),
            // From 10 on it was never further behind than at 20.
            (10, 35, 7),
            (20, 35, 7),
            (29, 35, 7),
            (30, 35, 0),
            (10, 15, 2),
            // It is set already, perhaps, and nobody has looked.
            (15, 15, 2),
            (20, 25, 0),
        ] {
            let found = clock.doubt(since * SECOND, moment * SECOND);
            assert_eq!(found, doubt, "{since} {moment}");
        }
    }

    #[test]
    fn a_clock_that_always_changes_is_remembered_as_far_as_an_exchange_goes_back() {
        let last = 2 * MOST as u64 - 50;
        // A hundredth of a second a second, ahead and back.
        for rate in [1.01, 0.99] {
            let said: Vec<_> = (0..=last).map(|s| (s, 1000.0 + s as f64 * rate)).collect();
            let clock = clock(&said);
            let walls = clock.walls.borrow();
            assert!(walls.later.len() <= MOST && walls.least.len() <= MOST);
            let ago = |seconds: u64| (last - seconds) * SECOND + SECOND / 2;
            for seconds in [0, 10, 950] {
                let right = 1000.0 + (last - seconds) as f64 * rate + 0.5;
                let found = clock.unix_seconds(ago(seconds)) as f64;
                assert!((found - right).abs() <= 1.0, "{rate} {seconds}: {found}");
            }
            // By 9.5 s over the last 950 of them, by 199.5 s over all.
            let ahead = if rate > 1.0 { [10, 200] } else { [0, 0] };
            let doubts = [ago(950), 0].map(|since| clock.doubt(since, ago(0)));
            assert_eq!(doubts, ahead, "{rate}");
            assert_eq!(clock.unix_seconds(0), 1000);
        }
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
