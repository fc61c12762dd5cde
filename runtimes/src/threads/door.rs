//! A worker's way to the pool.
//!
//! What is submitted in one turn of the worker's loop is kept and handed over by a local task, which the first submission wakes and
//! which runs behind the tasks that are ready: one lock and at most one wake-up for all of them. When the last holder lets go, what
//! lies there is handed over first: a `free` is never lost.

use super::copy::Copied;
use super::pool::Source;
use super::work::{CallJob, Generation, Job, Noted};
use crate::failure::Failure;
use crate::runtime::{Door, Entered, Far};
use crate::seat::{Mailbox, Seat, Swept};
use foldhash::fast::FixedState;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::{Duration, Instant};
use understudy_module::{Edits, Event, Opaque};

/// The door.
#[derive(Debug)]
pub(super) struct ThreadsDoor {
    outgoing: Rc<Outgoing>,
    cached: RefCell<Option<Rc<ThreadsFar>>>,
}

/// An instance, as this worker reaches it.
#[derive(Debug)]
struct ThreadsFar {
    generation: Arc<Generation>,
    /// The instances' number when it was made.
    number: u64,
    outgoing: Rc<Outgoing>,
}

/// What this worker submits.
#[derive(Debug)]
struct Outgoing {
    source: Source,
    mailbox: Arc<Mailbox>,
    jobs: RefCell<Vec<Job>>,
    /// Events that nobody waits for, by transaction, until something of it is submitted.
    ahead: RefCell<HashMap<u64, Vec<Noted>, FixedState>>,
    waker: RefCell<Option<Waker>>,
    /// The task was woken for what lies here.
    woken: Cell<bool>,
}

impl ThreadsDoor {
    /// A door for the worker of this seat, on whose thread this is called.
    pub(super) fn new(source: Source, seat: &Rc<Seat>) -> ThreadsDoor {
        let outgoing = Rc::new(Outgoing {
            source,
            mailbox: seat.mailbox().clone(),
            jobs: RefCell::default(),
            ahead: RefCell::default(),
            waker: RefCell::default(),
            woken: Cell::new(false),
        });
        let weak = Rc::downgrade(&outgoing);
        actix_rt::spawn(hand_over(weak.clone()));
        seat.also_sweep(weak);
        ThreadsDoor {
            outgoing,
            cached: RefCell::default(),
        }
    }
}

/// The task that hands over, until the door and all its instances are gone.
async fn hand_over(outgoing: Weak<Outgoing>) {
    std::future::poll_fn(|cx| {
        let Some(outgoing) = outgoing.upgrade() else {
            return Poll::Ready(());
        };
        let mut waker = outgoing.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|w| w.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        drop(waker);
        outgoing.hand_over();
        Poll::Pending
    })
    .await;
}

impl Outgoing {
    fn push(&self, job: Job) {
        self.jobs.borrow_mut().push(job);
        if !self.woken.replace(true)
            && let Some(waker) = &*self.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }

    /// What goes ahead of the next job of this transaction.
    fn ahead_of(&self, transaction: u64) -> Vec<Noted> {
        let mut ahead = self.ahead.borrow_mut();
        if ahead.is_empty() {
            return Vec::new();
        }
        ahead.remove(&transaction).unwrap_or_default()
    }

    fn hand_over(&self) {
        self.woken.set(false);
        let mut jobs = self.jobs.borrow_mut();
        if !jobs.is_empty() {
            self.source.push(jobs.drain(..));
        }
    }
}

impl Swept for Outgoing {
    fn sweep(&self) {
        self.hand_over();
        self.source.look();
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        self.hand_over();
        // The task sees that this is gone, and ends.
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

impl Door for ThreadsDoor {
    fn enter(&self) -> Result<Entered, Failure> {
        let nursery = self.outgoing.source.nursery();
        if let Some(far) = &*self.cached.borrow()
            && far.number == nursery.generation()
        {
            return Ok(Entered::Far(far.clone()));
        }
        drop(self.cached.take());
        let far = Rc::new(ThreadsFar {
            number: nursery.generation(),
            generation: Arc::default(),
            outgoing: self.outgoing.clone(),
        });
        *self.cached.borrow_mut() = Some(far.clone());
        Ok(Entered::Far(far))
    }
}

impl Far for ThreadsFar {
    fn submit(
        &self,
        call: u64,
        event: &Event<'_>,
        edits: &Edits,
        opaque: Opaque,
    ) -> Result<(), (Failure, Opaque)> {
        let source = &self.outgoing.source;
        if !source.admit() {
            return Err((Failure::QueueFull, opaque));
        }
        self.outgoing.push(Job::Call(Box::new(CallJob {
            ahead: self.outgoing.ahead_of(event.id),
            generation: self.generation.clone(),
            mailbox: self.outgoing.mailbox.clone(),
            call,
            event: Copied::of(event),
            edits: edits.clone(),
            opaque,
        })));
        Ok(())
    }

    fn hear(&self, event: &Event<'_>, edits: &Edits, promised: u64) -> bool {
        let noted = Noted {
            event: Copied::of(event),
            edits: edits.clone(),
            promised,
        };
        let mut ahead = self.outgoing.ahead.borrow_mut();
        ahead.entry(event.id).or_default().push(noted);
        true
    }

    fn free(&self, transaction: u64, opaque: Opaque) {
        let ahead = self.outgoing.ahead_of(transaction);
        let job = Job::Free(self.generation.clone(), transaction, opaque, ahead);
        self.outgoing.push(job);
    }

    fn take_back(&self, call: u64) -> Option<Opaque> {
        let Outgoing {
            source, mailbox, ..
        } = &*self.outgoing;
        self.outgoing.hand_over();
        let job = *source.take_back(mailbox, call)?;
        if !job.ahead.is_empty() {
            // Nothing of the transaction came since: it waits for this call.
            let mut ahead = self.outgoing.ahead.borrow_mut();
            ahead.insert(job.event.id(), job.ahead);
        }
        Some(job.opaque)
    }

    fn late(&self, call: u64, _: u32, now: Instant) -> Option<Duration> {
        let Outgoing {
            source, mailbox, ..
        } = &*self.outgoing;
        source.late(mailbox, call, now)
    }

    fn carries(&self) -> bool {
        true
    }
}
