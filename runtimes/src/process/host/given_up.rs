//! Calls that the proxy gave up: one that was not begun when that is told is not begun any more.
//!
//! Owns what was told and not met. Invariant: a transaction has one call under way, so there is one entry of it at most, which goes with
//! the call or with `free`. Awkward case: it is told by another socket than the call came by, so it may come when the transaction is over;
//! what such entries leave goes with time, and what was to be met so late is begun like any call.

use crate::process::child::lock;
use foldhash::fast::FixedState;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

/// New entries there are at most; the old ones are as many at most.
const MOST: usize = 64 * 1024;
/// New entries are old after this, and gone after it again.
const AGE: Duration = Duration::from_secs(10);

/// Calls by their transactions.
type Told = HashMap<u64, u64, FixedState>;

/// All of them.
#[derive(Debug, Default)]
pub(super) struct GivenUp {
    /// There are any. Looked at for each event, so the lock is not.
    some: AtomicBool,
    calls: Mutex<Calls>,
}

#[derive(Debug, Default)]
struct Calls {
    new: Told,
    old: Told,
    /// When the new ones began.
    began: Option<Instant>,
}

impl Calls {
    /// Lets go of what is old.
    fn turn(&mut self, now: Instant) {
        let began = *self.began.get_or_insert(now);
        if now.saturating_duration_since(began) >= AGE || self.new.len() >= MOST {
            self.old = std::mem::take(&mut self.new);
            self.began = Some(now);
        }
    }

    fn is_empty(&self) -> bool {
        self.new.is_empty() && self.old.is_empty()
    }

    /// Removes a transaction's entry; of a call only if it is of that.
    fn remove(&mut self, transaction: u64, call: Option<u64>) -> bool {
        [&mut self.new, &mut self.old].into_iter().any(|told| {
            let there = told.get(&transaction);
            let found = there.is_some_and(|there| call.is_none_or(|call| call == *there));
            found && told.remove(&transaction).is_some()
        })
    }
}

impl GivenUp {
    /// The proxy told of these: transactions and calls.
    pub(super) fn note(&self, told: Vec<(u64, u64)>) {
        let now = Instant::now();
        let mut calls = lock(&self.calls);
        for (transaction, call) in told {
            calls.turn(now);
            calls.old.remove(&transaction);
            calls.new.insert(transaction, call);
        }
        self.some.store(!calls.is_empty(), Ordering::Release);
    }

    /// Whether this call was given up; it is met then.
    #[inline]
    pub(super) fn met(&self, transaction: u64, call: u64) -> bool {
        self.some.load(Ordering::Acquire) && self.remove(transaction, Some(call))
    }

    /// The transaction is over.
    #[inline]
    pub(super) fn forget(&self, transaction: u64) {
        if self.some.load(Ordering::Acquire) {
            self.remove(transaction, None);
        }
    }

    #[cold]
    fn remove(&self, transaction: u64, call: Option<u64>) -> bool {
        let mut calls = lock(&self.calls);
        let found = calls.remove(transaction, call);
        // Where nothing is told any more, those that look let go of what is left.
        calls.turn(Instant::now());
        self.some.store(!calls.is_empty(), Ordering::Release);
        found
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_met_once_and_another_of_its_transaction_not() {
        let calls = GivenUp::default();
        assert!(!calls.met(1, 7));
        calls.note(vec![(1, 7), (2, 8)]);
        assert!(!calls.met(1, 6), "it came before");
        assert!(calls.met(1, 7));
        assert!(!calls.met(1, 7));
        assert!(calls.met(2, 8));
        assert!(!calls.some.load(Ordering::Relaxed));
    }

    #[test]
    fn a_transaction_that_is_over_leaves_nothing() {
        let calls = GivenUp::default();
        calls.forget(3);
        calls.note(vec![(3, 1)]);
        calls.forget(3);
        assert!(!calls.met(3, 1));
        assert!(!calls.some.load(Ordering::Relaxed));
    }

    #[test]
    fn what_comes_too_late_to_be_met_does_not_pile_up() {
        let calls = GivenUp::default();
        calls.note((0..1 + 3 * MOST as u64).map(|id| (id, 1)).collect());
        let len = |calls: &Calls| calls.new.len() + calls.old.len();
        assert!(len(&lock(&calls.calls)) <= 2 * MOST);
        assert!(calls.met(3 * MOST as u64, 1), "the newest is there");
        assert!(calls.met(3 * MOST as u64 - 1, 1), "and the one before");
    }

    #[test]
    fn what_nobody_meets_goes_with_time() {
        let now = Instant::now();
        let mut calls = Calls::default();
        calls.turn(now);
        calls.new.insert(1, 7);
        calls.turn(now + AGE);
        assert!(calls.remove(1, Some(7)), "old, and there");
        calls.new.insert(2, 8);
        calls.turn(now + 2 * AGE);
        calls.turn(now + 2 * AGE + AGE / 2);
        assert!(!calls.is_empty());
        calls.turn(now + 3 * AGE);
        assert!(calls.is_empty());
    }
}
