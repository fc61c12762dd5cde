//! Calls that the proxy gave up: one that was not begun when that is told is not begun any more.
//!
//! Owns what was told and not met. Invariant: a transaction has one call under way, so there is one entry of it at most, which goes with
//! the call or with `free`. Awkward case: it is told by another socket than the call came by, so it may come when the transaction is over;
//! what such entries leave is swept away when there are too many, and what was to be met among them is begun like any call.

use crate::process::child::lock;
use foldhash::fast::FixedState;
use std::collections::HashMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};

/// Entries there are at most.
const MOST: usize = 64 * 1024;

/// All of them: calls by their transactions.
#[derive(Debug, Default)]
pub(super) struct GivenUp {
    /// There are any. Looked at for each event, so the lock is not.
    some: AtomicBool,
    calls: Mutex<HashMap<u64, u64, FixedState>>,
}

impl GivenUp {
    /// The proxy told of these: transactions and calls.
    pub(super) fn note(&self, told: Vec<(u64, u64)>) {
        let mut calls = lock(&self.calls);
        for (transaction, call) in told {
            if calls.len() >= MOST {
                calls.clear();
            }
            calls.insert(transaction, call);
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

    /// Removes a transaction's entry; of a call only if it is of that.
    #[cold]
    fn remove(&self, transaction: u64, call: Option<u64>) -> bool {
        let mut calls = lock(&self.calls);
        let there = calls.get(&transaction);
        let found = there.is_some_and(|there| call.is_none_or(|call| call == *there));
        if found {
            calls.remove(&transaction);
            self.some.store(!calls.is_empty(), Ordering::Release);
        }
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
        calls.note((0..1 + MOST as u64).map(|id| (id, 1)).collect());
        assert!(lock(&calls.calls).len() <= MOST);
        assert!(calls.met(MOST as u64, 1), "the newest is there");
    }
}
