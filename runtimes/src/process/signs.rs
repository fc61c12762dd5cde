//! Signs of life of a child, as one worker sees them: whether a late call means that it hangs.
//!
//! A child that is late with a call hangs, or it has much to do. It hangs when nothing came from it for a whole deadline while a call was
//! due: no answer of any of its threads to any worker, since that call was begun or looked at last. So nobody reads a clock and nothing
//! is written that others read when an answer comes: the worker notes how far its calls had got then, and its sweeps tell the other
//! workers that there were answers. What a child says of its own accord (resumes, counts, operations) is no answer: other threads of the module
//! say it while its hooks hang. One that was given up and is not answered a deadline later, while calls are that were begun behind that,
//! hangs alone in its thread: then the child is short of a thread for good, and is killed. Awkward case: that another worker got an answer is noticed up to two sweeps later, so one that came
//! shortly before a call was begun may be taken for one behind it; then the child is looked at again, a deadline later.

use super::child::Child;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

/// The signs of life of one child for all connections of one worker.
#[derive(Debug)]
pub(super) struct Signs {
    child: Arc<Child>,
    /// The number of the seat's newest call when an answer was noticed last.
    newest: Cell<u32>,
    /// The newest call of this worker that was answered.
    answered: Cell<u32>,
    /// There were answers that the other workers were not told of.
    untold: Cell<bool>,
    /// [`Child::beats`] when this worker looked last.
    seen: Cell<u64>,
}

impl Signs {
    /// Of a child that is new to the worker, whose newest call has this number.
    pub(super) fn new(child: Arc<Child>, newest: u32) -> Rc<Signs> {
        Rc::new(Signs {
            newest: Cell::new(newest),
            answered: Cell::new(newest),
            untold: Cell::new(false),
            seen: Cell::new(child.beats.load(Relaxed)),
            child,
        })
    }

    /// An answer came.
    #[inline]
    pub(super) fn beat(&self, newest: u32) {
        self.newest.set(newest);
        self.untold.set(true);
    }

    /// A call of this worker was answered.
    #[inline]
    pub(super) fn answered(&self, number: u32) {
        if is_since(number, self.answered.get()) {
            self.answered.set(number);
        }
    }

    /// Whether a call was answered that this worker began behind that of this number: one that is still not answered then was overtaken,
    /// and calls are begun in their order.
    pub(super) fn overtook(&self, number: u32) -> bool {
        self.answered.get() != number && is_since(self.answered.get(), number)
    }

    /// Tells the other workers of answers, and looks whether they had any.
    pub(super) fn sweep(&self, newest: u32) {
        let own = u64::from(self.untold.take());
        let beats = match own {
            0 => self.child.beats.load(Relaxed),
            _ => self.child.beats.fetch_add(own, Relaxed),
        };
        if beats != self.seen.get() {
            self.newest.set(newest);
        }
        self.seen.set(beats + own);
    }

    /// Whether an answer came behind the beginning of the call of this number.
    pub(super) fn came_since(&self, number: u32) -> bool {
        is_since(self.newest.get(), number)
    }
}

/// Whether this number is that one or comes behind it. Numbers come round again.
#[inline]
fn is_since(this: u32, that: u32) -> bool {
    this.wrapping_sub(that) < u32::MAX / 2
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn child() -> Arc<Child> {
        let pidfd = std::fs::File::open("/dev/null").unwrap().into();
        let (orders, _) = tokio::sync::mpsc::unbounded_channel();
        Arc::new(Child::new(1, pidfd, orders, Default::default()))
    }

    #[test]
    fn an_answer_counts_for_calls_that_were_begun_before_it() {
        let signs = Signs::new(child(), 5);
        assert!(!signs.came_since(6));
        signs.beat(7);
        assert!(signs.came_since(6) && signs.came_since(7));
        signs.sweep(9);
        assert!(
            !signs.came_since(8),
            "its own answers are not noticed twice"
        );
    }

    #[test]
    fn an_answer_to_another_worker_counts_too_when_both_have_swept() {
        let child = child();
        let (here, there) = (Signs::new(child.clone(), 0), Signs::new(child, 0));
        here.beat(1);
        there.beat(100);
        here.sweep(1);
        there.sweep(100);
        here.sweep(3);
        assert!(here.came_since(3));
        there.sweep(102);
        assert!(!there.came_since(101), "that was noticed before");
        here.sweep(4);
        assert!(!here.came_since(4), "there was no other since");
    }

    #[test]
    fn numbers_may_come_round_again() {
        let signs = Signs::new(child(), u32::MAX);
        assert!(!signs.came_since(0));
        signs.beat(1);
        assert!(signs.came_since(u32::MAX) && signs.came_since(0) && signs.came_since(1));
        assert!(!signs.came_since(2));
    }

    #[test]
    fn a_call_is_overtaken_by_answers_to_those_that_were_begun_behind_it() {
        let signs = Signs::new(child(), u32::MAX - 2);
        assert!(!signs.overtook(u32::MAX - 2));
        // An earlier one overtakes nothing, whenever it is answered.
        for (answered, overtaken) in [
            (u32::MAX - 1, false),
            (u32::MAX, false),
            (1, true),
            (0, true),
        ] {
            signs.answered(answered);
            assert_eq!(signs.overtook(u32::MAX), overtaken, "{answered}");
        }
    }
}
