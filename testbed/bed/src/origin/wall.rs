//! The clock that an origin tells the time by: the system's, or one that is wrong by as much as a test says.
//!
//! Awkward case: it may be set while the origin runs, as a machine's clock is by its administrator. Nothing may wait by it.

use std::{
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering::Relaxed},
    },
    time::{SystemTime, UNIX_EPOCH},
};

/// An origin's clock. Clones are the same clock.
#[derive(Debug, Clone, Default)]
pub struct Wall {
    ahead: Arc<AtomicI64>,
}

impl Wall {
    /// Sets it ahead of the system's by so many microseconds; below 0 behind it.
    pub fn set_ahead(&self, microseconds: i64) {
        self.ahead.store(microseconds, Relaxed);
    }

    /// Unix microseconds.
    #[must_use]
    pub fn microseconds(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX));
        now.saturating_add(self.ahead.load(Relaxed))
    }

    /// Unix milliseconds.
    pub(super) fn milliseconds(&self) -> i64 {
        self.microseconds().div_euclid(1000)
    }
}
