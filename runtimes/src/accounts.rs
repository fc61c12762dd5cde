//! What every module and hook costs: counted by each worker without locks, summed when asked for.
//!
//! Inline, the clock is read in one transaction of [`SAMPLE`] and the time is scaled: reading it twice would cost more than an empty
//! hook. Calls, bytes and failures are exact in every runtime, and so is time in threads and processes.

use crate::failure::Failure;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;
use understudy_module::Hook;

/// One transaction in so many, in the mean, has its inline calls timed; which ones is drawn.
pub const SAMPLE: u64 = 16;

/// A counter with one writer and any number of readers.
#[derive(Debug, Default)]
pub struct Counter(AtomicU64);

impl Counter {
    /// Adds. Only its owner may.
    #[inline]
    pub fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }
    /// Adds, from any thread.
    pub fn add_shared(&self, n: u64) {
        self.0.fetch_add(n, Relaxed);
    }
    /// Its value.
    #[inline]
    pub fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// One hook on one worker.
#[derive(Debug, Default)]
pub struct HookAccount {
    /// Calls.
    pub calls: Counter,
    /// Nanoseconds in the module.
    pub time: Counter,
    /// Nanoseconds from the event to the verdict that were not in the module: queues, crossings, `Pending`.
    pub wait: Counter,
    /// Bytes of bodies given to it.
    pub bytes_in: Counter,
    /// Bytes of bodies it gave instead.
    pub bytes_out: Counter,
    /// Calls that failed.
    pub failures: Counter,
}

/// One module on one worker; or, of each module one more, what happens on no worker or on any thread: in that one every count is
/// made by [`Counter::add_shared`].
#[derive(Debug, Default)]
pub struct Accounts {
    /// By hook.
    pub hooks: [HookAccount; Hook::COUNT],
    /// By [`Failure::kind`].
    pub failures: [Counter; Failure::KINDS],
    /// Resumes that were late, second or unknown.
    pub stray_resumes: Counter,
    /// Pieces injected into answers whose clients had not taken those before.
    pub injections_dropped: Counter,
    /// Transactions that could not go on without the module, for a byte of its work was given away.
    pub cut: Counter,
    /// Inline calls that took longer than the deadline, of those that were timed.
    pub overdue: Counter,
    /// Transactions that went on without it.
    pub opened: Counter,
    /// Transactions answered 502 for it.
    pub closed: Counter,
}

/// How a call that is no event of a transaction went.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Went {
    /// Well.
    Well,
    /// The module refused.
    Refused,
    /// The module panicked.
    Panicked,
}

/// Told of each of them: the hook, the time in it (`None` when the call was counted before), and how it went.
pub type Tell = std::sync::Arc<dyn Fn(Hook, Option<Duration>, Went) + Send + Sync>;

/// A sum over all workers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Sum {
    pub hooks: [HookSum; Hook::COUNT],
    pub failures: [u64; Failure::KINDS],
    pub stray_resumes: u64,
    pub injections_dropped: u64,
    pub cut: u64,
    pub overdue: u64,
    pub opened: u64,
    pub closed: u64,
    /// What the module counts itself, by name.
    pub counts: BTreeMap<String, u64>,
}

/// One hook, summed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct HookSum {
    pub calls: u64,
    pub time: Duration,
    pub wait: Duration,
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub failures: u64,
}

impl Accounts {
    /// Counts a call that is no event of a transaction, from any thread.
    pub fn note(&self, hook: Hook, spent: Option<Duration>, went: Went) {
        let account = &self.hooks[hook as usize];
        if let Some(spent) = spent {
            // `free` was counted when it was sent.
            if hook != Hook::Free {
                account.calls.add_shared(1);
            }
            account.time.add_shared(spent.as_nanos() as u64);
        }
        let kind = match went {
            Went::Well => return,
            Went::Refused => Failure::Fail(String::new()).kind(),
            Went::Panicked => Failure::Panic(String::new()).kind(),
        };
        account.failures.add_shared(1);
        self.failures[kind].add_shared(1);
    }

    /// Adds this worker's to a sum.
    pub fn add_to(&self, sum: &mut Sum) {
        for (to, from) in sum.hooks.iter_mut().zip(&self.hooks) {
            to.calls += from.calls.get();
            to.time += Duration::from_nanos(from.time.get());
            to.wait += Duration::from_nanos(from.wait.get());
            to.bytes_in += from.bytes_in.get();
            to.bytes_out += from.bytes_out.get();
            to.failures += from.failures.get();
        }
        for (to, from) in sum.failures.iter_mut().zip(&self.failures) {
            *to += from.get();
        }
        sum.stray_resumes += self.stray_resumes.get();
        sum.injections_dropped += self.injections_dropped.get();
        sum.cut += self.cut.get();
        sum.overdue += self.overdue.get();
        sum.opened += self.opened.get();
        sum.closed += self.closed.get();
    }
}
