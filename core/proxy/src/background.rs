//! Validating what is stale behind the answers that are served out of it (RFC 5861 section 3).
//!
//! Whoever serves a stale response asks here, also on the spot: asking takes a right that one asker at a time gets in the whole
//! process, and puts it in a queue. A task of the worker then asks the proxy itself, as it does for modules, with a request
//! that has nothing of any client. Invariant: for one stored response one such request is under way, whatever the number of
//! askers, and after a failure none for a while. Awkward case: what "failed" means. The index is asked: what was validated or
//! replaced is no longer what is stored there.

use crate::content::fetch::exchange;
use crate::transaction::internal;
use crate::worker::Worker;
use bytes::Bytes;
use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::rc::Rc;
use std::sync::Arc;
use std::task::{Poll, Waker};
use understudy_cache::{Attempt, Stored};
use understudy_http::semantics::date::Seconds;

/// Validations under way on a worker; beyond that what is stale is served on, and a later asker has it validated.
const MOST: usize = 64;

/// A worker's background validations.
#[derive(Default)]
pub(crate) struct Background {
    new: RefCell<Vec<Job>>,
    /// In the queue or running.
    entered: Cell<usize>,
    waker: Cell<Option<Waker>>,
}

struct Job {
    key: Bytes,
    attempt: Attempt,
}

impl Background {
    /// Has a stale response validated, unless somebody is at it, or it failed just now.
    pub(crate) fn ask(&self, stored: &Arc<Stored>, key: &[u8], now: Seconds) {
        if self.entered.get() >= MOST {
            return;
        }
        let Some(attempt) = stored.attempt(now) else {
            return;
        };
        self.entered.set(self.entered.get() + 1);
        self.new.borrow_mut().push(Job {
            key: Bytes::copy_from_slice(key),
            attempt,
        });
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }

    fn leave(&self) {
        self.entered.set(self.entered.get() - 1);
    }
}

/// Does what is asked for, for as long as the worker lives.
pub(crate) async fn run(worker: Rc<Worker>) {
    loop {
        let jobs = poll_fn(|cx| {
            let jobs = worker.background.new.take();
            if jobs.is_empty() {
                worker.background.waker.set(Some(cx.waker().clone()));
                return Poll::Pending;
            }
            Poll::Ready(jobs)
        });
        for job in jobs.await {
            let worker = worker.clone();
            actix_rt::spawn(async move {
                validate(&worker, job).await;
                worker.background.leave();
            });
        }
    }
}

async fn validate(worker: &Rc<Worker>, Job { key, attempt }: Job) {
    if worker.draining.get() {
        return;
    }
    let stored = attempt.stored();
    match internal::validation(&key, &worker.live().settings, stored) {
        Ok(internal) => {
            if let Err(error) = exchange(worker, internal, true).await {
                tracing::debug!(%error, "a background validation could not be made");
            }
        }
        Err(why) => tracing::debug!(why, "nothing to validate in the background"),
    }
    let slot = worker.cache.find(&key);
    let unchanged = slot.is_some_and(|slot| {
        let mut variants = slot.variants().iter();
        variants.any(|variant| Arc::ptr_eq(variant, stored))
    });
    let [done, failed] = &worker.stats.background;
    if unchanged {
        failed.add(1);
        attempt.failed(worker.clock.now());
    } else {
        done.add(1);
    }
}
