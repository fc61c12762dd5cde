//! When a stored response may be validated behind its readers' backs, and how long that rests after a failure.
//!
//! Owns two atomics of a [`Stored`], which any worker changes. Invariant: of all who ask at once one gets the [`Attempt`], and
//! nobody else until it is dropped; after a failure nobody for a while that doubles. What succeeded is another response with
//! a record of its own. Awkward case: a wall clock that jumps back. A rest that lies further ahead than any rest is long counts
//! as over.

use std::sync::{
    Arc,
    atomic::{
        AtomicU8, AtomicU32,
        Ordering::{Acquire, Relaxed, Release},
    },
};
use understudy_http::semantics::date::Seconds;

use crate::stored::Stored;

/// The rest after the first failure in seconds, and the longest one.
const FIRST_REST: u32 = 1;
const LONGEST_REST: u32 = 32;
/// Somebody is at it.
const UNDER_WAY: u32 = u32::MAX;

/// A stored response's record of attempts.
#[derive(Debug, Default)]
pub(crate) struct Attempts {
    /// Nobody is to try before this time, in seconds since 1970; or [`UNDER_WAY`].
    not_before: AtomicU32,
    /// How often it failed in a row. Written by whoever holds the attempt.
    failures: AtomicU8,
}

impl Attempts {
    fn begin(&self, now: Seconds) -> bool {
        let before = self.not_before.load(Relaxed);
        let rests = Seconds::from(before) > now
            && Seconds::from(before) <= now.saturating_add(Seconds::from(LONGEST_REST));
        if before == UNDER_WAY || rests {
            return false;
        }
        self.not_before
            .compare_exchange(before, UNDER_WAY, Acquire, Relaxed)
            .is_ok()
    }

    fn end(&self, not_before: u32) {
        self.not_before.store(not_before, Release);
    }

    fn rest(&self, now: Seconds) -> u32 {
        let failures = self.failures.load(Relaxed);
        self.failures.store(failures.saturating_add(1), Relaxed);
        let rest = FIRST_REST
            .checked_shl(u32::from(failures))
            .map_or(LONGEST_REST, |rest| rest.clamp(FIRST_REST, LONGEST_REST));
        let until = now.saturating_add(Seconds::from(rest));
        u32::try_from(until).unwrap_or(0).min(UNDER_WAY - 1)
    }
}

/// The right to validate a stored response in the background; whoever has it is alone with it. Dropped, it lets others try.
#[derive(Debug)]
pub struct Attempt {
    stored: Arc<Stored>,
    not_before: u32,
}

impl Attempt {
    pub(crate) fn begin(stored: &Arc<Stored>, now: Seconds) -> Option<Attempt> {
        stored.attempts.begin(now).then(|| Attempt {
            stored: Arc::clone(stored),
            not_before: 0,
        })
    }

    /// The response that is to be validated.
    pub fn stored(&self) -> &Arc<Stored> {
        &self.stored
    }

    /// It failed: nobody tries again before a rest, a longer one each time.
    pub fn failed(mut self, now: Seconds) {
        self.not_before = self.stored.attempts.rest(now);
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        self.stored.attempts.end(self.not_before);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Seconds = 1_800_000_000;

    #[test]
    fn one_of_many_askers_begins() {
        let attempts = Attempts::default();
        let begun = (0..100).filter(|_| attempts.begin(NOW)).count();
        assert_eq!(begun, 1);
        attempts.end(0);
        assert!(attempts.begin(NOW));
    }

    #[test]
    fn one_of_many_threads_begins() {
        let attempts = Attempts::default();
        let begun = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..8)
                .map(|_| scope.spawn(|| usize::from(attempts.begin(NOW))))
                .collect();
            threads
                .into_iter()
                .map(|thread| thread.join().unwrap_or(9))
                .sum::<usize>()
        });
        assert_eq!(begun, 1);
    }

    #[test]
    fn the_rest_after_failures_doubles_up_to_a_bound() {
        let attempts = Attempts::default();
        let mut now = NOW;
        for rest in [1, 2, 4, 8, 16, 32, 32, 32] {
            assert!(attempts.begin(now));
            attempts.end(attempts.rest(now));
            assert!(!attempts.begin(now + rest - 1), "{rest}");
            now += rest;
        }
        for _ in 0..300 {
            assert!(attempts.begin(now));
            attempts.end(attempts.rest(now));
            now += 32;
        }
    }

    #[test]
    fn a_clock_that_jumps_back_ends_the_rest() {
        let attempts = Attempts::default();
        assert!(attempts.begin(NOW));
        attempts.end(attempts.rest(NOW));
        assert!(attempts.begin(NOW - 3600));
        attempts.end(attempts.rest(-5));
        assert!(attempts.begin(NOW));
    }
}
