//! The pool: what waits, who is idle, who is given up.
//!
//! Owns the queue and the table of threads, under one lock that is held for a few instructions. Invariants: as many threads that
//! are not given up as were asked for; at most as many again given up, beyond which a hung thread stays where it is; a thread is
//! woken only when there is work for it; what a thread has taken is begun, and what none has taken can be taken back. Awkward case: a
//! module that was quick so far hangs while others are idle and jobs wait; then the next hand-over or sweep of a worker wakes one of
//! them ([`Pool::look`]).

use super::work::{self, CallJob, Job, SHORT, Untold};
use crate::nursery::Nursery;
use crate::seat::Mailbox;
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::Thread;
use std::time::{Duration, Instant};

/// With a quick module one thread takes so many that wait before another one is woken.
const SHARE: usize = 16;

/// What was agreed on.
#[derive(Debug)]
pub(super) struct Terms {
    /// The module's number.
    pub(super) number: u32,
    /// Threads.
    pub(super) threads: usize,
    /// Calls that may wait.
    pub(super) queue: usize,
    /// For a call.
    pub(super) deadline: Duration,
    /// `free` is to be called.
    pub(super) frees: bool,
    /// Hooks may wait on the spot.
    pub(super) blocking: bool,
}

/// The pool.
#[derive(Debug)]
pub(super) struct Pool {
    terms: Terms,
    nursery: Nursery,
    inner: Mutex<Inner>,
    /// Calls that wait, those not handed over yet included.
    waiting: AtomicUsize,
    /// Nanoseconds a call takes, averaged over the last few.
    average: AtomicU64,
}

#[derive(Debug, Default)]
struct Inner {
    queue: VecDeque<Job>,
    stands: Vec<Arc<Stand>>,
    doing: Vec<Doing>,
    /// Those that sleep; the last one in is the first one out, for its cache is warm.
    idle: Vec<Arc<Stand>>,
    sources: usize,
    /// Given up and not come back yet.
    lost: usize,
    /// Given up so far.
    abandoned: u64,
    /// Threads started so far, for their names.
    started: usize,
}

/// One thread's place.
#[derive(Debug, Default)]
pub(super) struct Stand {
    woken: AtomicBool,
    given_up: AtomicBool,
    thread: std::sync::OnceLock<Thread>,
}

/// What a thread does now.
#[derive(Debug)]
struct Doing {
    stand: Arc<Stand>,
    since: Instant,
    /// The call and whose it is; `None` for `free` and notices.
    call: Option<(usize, u64)>,
}

/// Something that may still push jobs: the runtime, and each worker's door. The threads end when there is none, and nothing waits.
#[derive(Debug)]
pub(super) struct Source(Arc<Pool>);

impl Source {
    /// A source.
    pub(super) fn new(pool: &Arc<Pool>) -> Source {
        pool.lock().sources += 1;
        Source(pool.clone())
    }
}

impl Clone for Source {
    fn clone(&self) -> Source {
        Source::new(&self.0)
    }
}

impl std::ops::Deref for Source {
    type Target = Pool;
    fn deref(&self) -> &Pool {
        &self.0
    }
}

impl Source {
    /// A call passed its deadline. Threads that are busy with anything for so long hang. The one that has this call may have come to it
    /// late: then the answer is when that one hangs.
    pub(super) fn late(&self, mailbox: &Arc<Mailbox>, call: u64, now: Instant) -> Option<Duration> {
        let key = (Arc::as_ptr(mailbox) as usize, call);
        let deadline = self.terms.deadline;
        let took = |doing: &Doing| now.saturating_duration_since(doing.since);
        let hangs = |doing: &Doing| took(doing) >= deadline;
        let (replaced, again) = {
            let mut inner = self.lock();
            let its = inner.doing.iter().find(|doing| doing.call == Some(key));
            let again = its.and_then(|its| deadline.checked_sub(took(its)));
            let room = self.terms.threads.saturating_sub(inner.lost);
            let mut gone = Vec::new();
            inner.doing.retain(|doing| {
                let goes = gone.len() < room && hangs(doing);
                if goes {
                    doing.stand.given_up.store(true, Ordering::Relaxed);
                    gone.push(doing.stand.clone());
                }
                !goes
            });
            inner.lost += gone.len();
            inner.abandoned += gone.len() as u64;
            let is_gone = |stand: &Arc<Stand>| stand.given_up.load(Ordering::Relaxed);
            inner.stands.retain(|stand| !is_gone(stand));
            (gone.len(), again.filter(|again| !again.is_zero()))
        };
        if replaced == 0 {
            return again;
        }
        tracing::warn!(module = %self.nursery.name(), "{replaced} of its threads hang: given up and replaced");
        if let Err(why) = self.0.fill() {
            tracing::error!(module = %self.nursery.name(), "no thread can be started: {why}");
        }
        again
    }
}

impl Drop for Source {
    fn drop(&mut self) {
        let idle = {
            let mut inner = self.0.lock();
            inner.sources -= 1;
            if inner.sources > 0 {
                return;
            }
            std::mem::take(&mut inner.idle)
        };
        idle.iter().for_each(|stand| stand.wake());
    }
}

impl Stand {
    fn wake(&self) {
        self.woken.store(true, Ordering::Release);
        if let Some(thread) = self.thread.get() {
            thread.unpark();
        }
    }

    fn sleep(&self) {
        while !self.woken.swap(false, Ordering::Acquire) {
            std::thread::park();
        }
    }
}

impl Pool {
    /// A pool without threads yet.
    pub(super) fn new(terms: Terms, nursery: Nursery) -> Arc<Pool> {
        Arc::new(Pool {
            terms,
            nursery,
            inner: Mutex::default(),
            waiting: AtomicUsize::new(0),
            average: AtomicU64::new(0),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// What was agreed on.
    pub(super) fn terms(&self) -> &Terms {
        &self.terms
    }

    /// The instances.
    pub(super) fn nursery(&self) -> &Nursery {
        &self.nursery
    }

    /// Starts the threads that are missing.
    ///
    /// # Errors
    /// When one cannot be started, and there is no other.
    pub(super) fn fill(self: &Arc<Self>) -> std::io::Result<()> {
        loop {
            let (stand, name) = {
                let mut inner = self.lock();
                if inner.stands.len() >= self.terms.threads {
                    return Ok(());
                }
                let stand = Arc::<Stand>::default();
                inner.stands.push(stand.clone());
                inner.started += 1;
                (stand, format!("{}-{}", self.nursery.name(), inner.started))
            };
            let (pool, its) = (self.clone(), stand.clone());
            let started = std::thread::Builder::new().name(name).spawn(move || {
                let _ = its.thread.set(std::thread::current());
                work::live(&pool, &its);
            });
            if let Err(why) = started {
                let mut inner = self.lock();
                inner.stands.retain(|known| !Arc::ptr_eq(known, &stand));
                return if inner.stands.is_empty() {
                    Err(why)
                } else {
                    Ok(())
                };
            }
        }
    }

    /// Whether one more call may wait; then it is counted.
    pub(super) fn admit(&self) -> bool {
        let fits = |waiting| (waiting < self.terms.queue).then_some(waiting + 1);
        self.waiting
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .is_ok()
    }

    /// Hands jobs over, and wakes a thread if need be.
    pub(super) fn push(&self, jobs: impl IntoIterator<Item = Job>) {
        let woken = {
            let mut inner = self.lock();
            inner.queue.extend(jobs);
            self.whom(&mut inner)
        };
        if let Some(stand) = woken {
            stand.wake();
        }
    }

    /// Takes a call back that no thread has taken.
    pub(super) fn take_back(&self, mailbox: &Arc<Mailbox>, call: u64) -> Option<Box<CallJob>> {
        let is_it = |job: &Job| matches!(job, Job::Call(of) if of.call == call && Arc::ptr_eq(&of.mailbox, mailbox));
        let mut inner = self.lock();
        // Those that are late are at the front.
        let at = inner.queue.iter().position(is_it)?;
        let Some(Job::Call(job)) = inner.queue.remove(at) else {
            return None;
        };
        drop(inner);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
        Some(job)
    }

    /// Wakes a thread if something waits and those that are awake do not come to it.
    pub(super) fn look(&self) {
        self.push([]);
    }

    /// Whom to wake.
    fn whom(&self, inner: &mut Inner) -> Option<Arc<Stand>> {
        if inner.queue.is_empty() || inner.idle.is_empty() {
            return None;
        }
        // Those on their way from sleep to the queue, and those that will soon be back at it.
        let slow =
            self.terms.blocking || self.average.load(Ordering::Relaxed) > SHORT.as_nanos() as u64;
        let awake = inner.stands.len() - inner.idle.len();
        let come = if slow {
            awake.saturating_sub(inner.doing.len())
        } else {
            let now = Instant::now();
            let hang = |doing: &&Doing| now.saturating_duration_since(doing.since) > SHORT * 3;
            awake.saturating_sub(inner.doing.iter().filter(hang).count())
        };
        let share = if slow { 1 } else { SHARE };
        (inner.queue.len() > come * share).then(|| inner.idle.pop())?
    }

    /// The next job for this thread, which has done the one before, and the time it is taken; sleeps when there is none. `None`:
    /// it is to end.
    pub(super) fn next(&self, stand: &Arc<Stand>, untold: &mut Untold) -> Option<(Job, Instant)> {
        let mut since = Instant::now();
        loop {
            let mut inner = self.lock();
            inner
                .doing
                .retain(|doing| !Arc::ptr_eq(&doing.stand, stand));
            if stand.given_up.load(Ordering::Relaxed) {
                inner.lost -= 1;
                return None;
            }
            if let Some(job) = inner.queue.pop_front() {
                let call = match &job {
                    Job::Call(call) => {
                        self.waiting.fetch_sub(1, Ordering::Relaxed);
                        Some((Arc::as_ptr(&call.mailbox) as usize, call.call))
                    }
                    Job::Free(..) | Job::Notice(..) | Job::Change => None,
                };
                inner.doing.push(Doing {
                    stand: stand.clone(),
                    since,
                    call,
                });
                let more = self.whom(&mut inner);
                drop(inner);
                if let Some(more) = more {
                    more.wake();
                }
                return Some((job, since));
            }
            if !untold.is_empty() {
                drop(inner);
                untold.tell();
                continue;
            }
            if inner.sources == 0 {
                return None;
            }
            inner.idle.push(stand.clone());
            drop(inner);
            stand.sleep();
            since = Instant::now();
        }
    }

    /// A call took so long.
    pub(super) fn took(&self, spent: Duration) {
        let average = self.average.load(Ordering::Relaxed);
        let spent = spent.as_nanos().min(u128::from(u64::MAX / 16)) as u64;
        let next = average - average / 8 + spent / 8;
        self.average.store(next, Ordering::Relaxed);
    }

    /// What is to be counted.
    pub(super) fn gauges(&self) -> Vec<(&'static str, u64)> {
        let inner = self.lock();
        vec![
            ("threads", inner.stands.len() as u64),
            ("busy", inner.doing.len() as u64),
            ("queued", self.waiting.load(Ordering::Relaxed) as u64),
            ("abandoned", inner.abandoned),
            ("hanging", inner.lost as u64),
            ("rebuilt", self.nursery.rebuilt()),
            ("panics", self.nursery.panics()),
        ]
    }
}
