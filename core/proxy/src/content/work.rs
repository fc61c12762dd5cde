//! A piece of work on its way to a worker, and the promise that its end is told.
//!
//! Invariant: whoever completes is told exactly once, whatever becomes of the work: done, refused, or dropped with the worker it was
//! sent to. Awkward case: to be dropped may happen on the stack of who asked, where nobody may be told; so what is refused or dropped
//! is told by a thread of its own, which starts when it is needed first.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, OnceLock, mpsc};
use understudy_module::{Completion, Operation};

/// Told the end.
pub(crate) type Done = Box<dyn FnOnce(Completion) + Send>;

/// An operation for a worker.
pub(crate) struct Work {
    pub(crate) owner: u64,
    pub(crate) operation: Operation,
    pub(crate) tell: Tell,
}

/// Who is to be told, and the place the work takes.
pub(crate) struct Tell {
    done: Option<Done>,
    bytes: usize,
    ledger: Arc<Ledger>,
}

/// What is under way, and the teller of bad news.
#[derive(Default)]
pub(crate) struct Ledger {
    count: AtomicUsize,
    bytes: AtomicUsize,
    refuser: OnceLock<mpsc::Sender<(Done, &'static str)>>,
}

impl std::fmt::Debug for Ledger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ledger")
            .field("count", &self.count)
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

impl Ledger {
    /// Operations under way.
    pub(crate) fn count(&self) -> usize {
        self.count.load(Relaxed)
    }

    /// Bytes of pieces under way.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Takes a place for work with so many bytes.
    pub(crate) fn enter(self: &Arc<Self>, done: Option<Done>, bytes: usize) -> Tell {
        self.count.fetch_add(1, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        Tell {
            done,
            bytes,
            ledger: self.clone(),
        }
    }

    /// Tells a failure, from a thread of its own.
    pub(crate) fn refuse(&self, done: Done, why: &'static str) {
        let refuser = self.refuser.get_or_init(|| {
            let (sender, refused) = mpsc::channel::<(Done, &'static str)>();
            // It ends with the ledger. Without threads left nobody is told: who waits learns it from the drop.
            let _ = std::thread::Builder::new()
                .name("refusals".to_owned())
                .spawn(move || {
                    for (done, why) in refused {
                        let tell = AssertUnwindSafe(|| done(Completion::Failed(why.to_owned())));
                        // The next ones are to be told as well.
                        let _ = catch_unwind(tell);
                    }
                });
            sender
        });
        let _ = refuser.send((done, why));
    }
}

impl Tell {
    /// It ended so. To be called in a task of a worker: who is told may do what it likes, but not end the worker.
    pub(crate) fn done(mut self, completion: Completion) {
        if let Some(done) = self.done.take()
            && catch_unwind(AssertUnwindSafe(|| done(completion))).is_err()
        {
            tracing::error!("who was told the end of an operation panicked");
        }
    }

    /// It ended so, to be told in a task of its own: whoever asks for more whenever he is told would keep an actor that told him
    /// by itself from ever coming to an end.
    pub(crate) fn later(self, completion: Completion) {
        if self.done.is_some() {
            actix_rt::spawn(async move { self.done(completion) });
        }
    }

    /// It failed for this reason; told in a task of its own.
    pub(crate) fn failed(self, why: &str) {
        self.later(Completion::Failed(why.to_owned()));
    }

    /// It is refused, by whoever asked for it.
    pub(crate) fn refuse(mut self, why: &'static str) {
        if let Some(done) = self.done.take() {
            self.ledger.refuse(done, why);
        }
    }
}

impl Drop for Tell {
    fn drop(&mut self) {
        self.ledger.count.fetch_sub(1, Relaxed);
        self.ledger.bytes.fetch_sub(self.bytes, Relaxed);
        if let Some(done) = self.done.take() {
            self.ledger.refuse(done, "the proxy ends");
        }
    }
}
