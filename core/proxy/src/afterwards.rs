//! What is left to be done for transactions that are over: logs that wait for a module on another stack.
//!
//! Such a log must hold up neither the client's next request nor the end of a transaction that is cut, so it goes on here, in one
//! task of the worker. Invariant: adding never fails and never runs anything.

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use std::cell::{Cell, RefCell};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Poll, Waker};

type Work = Pin<Box<dyn Future<Output = ()>>>;

/// The work that is left.
#[derive(Default)]
pub(crate) struct Afterwards {
    new: RefCell<Vec<Work>>,
    left: Cell<usize>,
    waker: RefCell<Option<Waker>>,
}

impl std::fmt::Debug for Afterwards {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Afterwards").finish_non_exhaustive()
    }
}

impl Afterwards {
    /// Adds work.
    pub(crate) fn add(&self, work: impl Future<Output = ()> + 'static) {
        self.left.set(self.left.get() + 1);
        self.new.borrow_mut().push(Box::pin(work));
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }

    /// How much is left.
    pub(crate) fn left(&self) -> usize {
        self.left.get()
    }

    /// Does the work, for ever.
    pub(crate) async fn run(self: Rc<Self>) {
        let mut all = FuturesUnordered::new();
        poll_fn(|cx| {
            let own = &self;
            loop {
                all.extend(own.new.borrow_mut().drain(..));
                match all.poll_next_unpin(cx) {
                    Poll::Ready(Some(())) => own.left.set(own.left.get() - 1),
                    Poll::Ready(None) | Poll::Pending => {
                        if own.new.borrow().is_empty() {
                            *own.waker.borrow_mut() = Some(cx.waker().clone());
                            return Poll::<()>::Pending;
                        }
                    }
                }
            }
        })
        .await;
    }
}
