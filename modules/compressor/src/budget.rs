//! How much processor time compressing may take: a share of one core, earned as time passes and spent by streams.
//!
//! Invariant: over any time the streams spend no more than the share of it and [`BURST`], and what they had begun. Awkward case: a
//! stream that is under way cannot become plain, so it goes on and leaves a debt; new ones pass until that is paid.
//! Time is an argument. What is counted is how long a worker was kept: on a machine that is busy otherwise that is more than the
//! processor time, and the module steps back sooner.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What may be saved up: this much of the share.
const BURST: Duration = Duration::from_secs(1);

/// The account of an instance.
#[derive(Debug, Default)]
pub(crate) struct Budget(Mutex<Option<Account>>);

#[derive(Debug, Clone, Copy)]
struct Account {
    at: Instant,
    /// Seconds.
    credit: f64,
}

impl Budget {
    /// Whether another stream may begin, with this share of a core.
    pub(crate) fn allows(&self, now: Instant, share: f64) -> bool {
        self.account(now, share)
            .is_some_and(|account| account.credit > 0.0)
    }

    /// A stream took so long.
    pub(crate) fn spend(&self, now: Instant, share: f64, took: Duration) {
        if let Some(account) = &mut *self.account(now, share) {
            account.credit -= took.as_secs_f64();
        }
    }

    fn account(&self, now: Instant, share: f64) -> MutexGuard<'_, Option<Account>> {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let most = share * BURST.as_secs_f64();
        let account = held.get_or_insert(Account {
            at: now,
            credit: most,
        });
        let passed = now.saturating_duration_since(account.at).as_secs_f64();
        account.credit = (account.credit + share * passed).min(most);
        account.at = account.at.max(now);
        held
    }
}

#[cfg(test)]
mod tests {
    use super::Budget;
    use std::time::{Duration, Instant};

    #[test]
    fn half_a_core_is_half_of_the_time() {
        let (budget, start) = (Budget::default(), Instant::now());
        let second = |n: f64| start + Duration::from_secs_f64(n);
        assert!(budget.allows(start, 0.5));
        budget.spend(start, 0.5, Duration::from_secs(1));
        assert!(!budget.allows(second(0.9), 0.5));
        assert!(budget.allows(second(1.1), 0.5));
        // An hour of idleness saves up no more than the burst.
        assert!(budget.allows(second(3600.0), 0.5));
        budget.spend(second(3600.0), 0.5, Duration::from_secs(2));
        assert!(!budget.allows(second(3602.9), 0.5));
        assert!(budget.allows(second(3603.1), 0.5));
    }

    #[test]
    fn a_clock_that_another_thread_read_earlier_pays_nothing_twice() {
        let (budget, start) = (Budget::default(), Instant::now());
        let later = start + Duration::from_secs(1);
        budget.spend(later, 0.5, Duration::from_secs(1));
        for _ in 0..10 {
            assert!(!budget.allows(start, 0.5));
            assert!(!budget.allows(later, 0.5));
        }
    }

    #[test]
    fn no_share_allows_nothing() {
        assert!(!Budget::default().allows(Instant::now(), 0.0));
    }
}
