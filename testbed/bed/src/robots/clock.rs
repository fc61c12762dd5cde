//! The run's clock: microseconds from its beginning, and what they are on the wall.
//!
//! Invariant: the wall's clock is read once, at the beginning: a step of it during the run moves nothing.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// The clock of one run.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock {
    begin: Instant,
    /// Unix microseconds of the beginning.
    unix: i64,
}

impl Clock {
    /// The run begins now, or `from_now` later.
    pub(crate) fn start(from_now: Duration) -> Self {
        let unix = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .map_or(0, |since| since.as_micros());
        Self {
            begin: Instant::now() + from_now,
            unix: i64::try_from(unix + from_now.as_micros()).unwrap_or(i64::MAX),
        }
    }

    /// Microseconds from the beginning; 0 before it.
    pub(crate) fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_micros()).unwrap_or(u64::MAX)
    }

    /// Unix seconds of this moment of the run.
    pub(crate) fn unix_seconds(&self, moment: u64) -> i64 {
        self.unix
            .saturating_add(i64::try_from(moment).unwrap_or(i64::MAX))
            .div_euclid(1_000_000)
    }

    /// The moment of the run as an instant.
    pub(crate) fn instant(&self, moment: u64) -> Instant {
        self.begin + Duration::from_micros(moment)
    }

    /// Moves the wall's clock by so many microseconds: the origin on another machine has its own.
    pub(crate) fn adjust(&mut self, microseconds: i64) {
        self.unix = self.unix.saturating_add(microseconds);
    }
}

/// Seconds as microseconds of the run.
pub(crate) fn micros(seconds: f64) -> u64 {
    // A cast saturates, and a time before the beginning is the beginning.
    (seconds * 1e6) as u64
}
