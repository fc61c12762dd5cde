//! Events that need no answer of their own: what a module in threads or in a child promised ([`Attention`]), and what comes of it.
//!
//! Owns the promise in force. Invariant: an event whose answer is known goes ahead of the next one of its transaction, or of `free`, in
//! the same crossing and in order; nobody is woken for it alone. Awkward case: the module breaks its promise; then the next event is not
//! shown to it, and what it said is that one's answer: a refusal, a panic, `Done`, or a failure that tells of the broken promise.

use crate::failure::Failure;
use crate::runtime::Far;
use std::sync::atomic::{AtomicU64, Ordering};
use understudy_module::{Attention, Edit, Edits, Event, Heed, Hook, Mark, Verdict};

/// The promise in force.
#[derive(Debug, Default)]
pub(crate) struct Promise(AtomicU64);

/// What was done with an event without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Known {
    /// The module is not called.
    Passed,
    /// It hears it ahead of the next.
    Ahead,
}

impl Promise {
    /// The module promises this from now on.
    pub(crate) fn set(&self, attention: Attention) {
        self.0.store(attention.bits(), Ordering::Relaxed);
    }

    /// What it says of this event.
    pub(crate) fn heed(&self, event: &Event<'_>, edits: &Edits) -> Heed {
        match self.0.load(Ordering::Relaxed) {
            0 => Heed::Ask,
            bits => Attention::from_bits(bits).heed(event, edits),
        }
    }
}

/// The module is not called with an event that passes; then the edits are as if it had answered. `false`: there is no room for that.
pub(crate) fn pass(event: &Event<'_>, edits: &mut Edits) -> bool {
    // The body behind a head that passes goes by, too; a request on its way out has none of its own.
    event.hook == Hook::RequestOut || edits.skip_body().is_ok()
}

/// What is done with an event that is heeded so, when its answer is known; then the edits are as if it had been given.
pub(crate) fn known(
    heed: Heed,
    event: &Event<'_>,
    edits: &mut Edits,
    far: &dyn Far,
) -> Option<Known> {
    match heed {
        Heed::Ask => None,
        Heed::Pass => pass(event, edits).then_some(Known::Passed),
        Heed::Note => far.hear(event, edits).then_some(Known::Ahead),
        Heed::Withhold => {
            let mark = edits.mark();
            edits.withhold_head().ok()?;
            let heard = far.hear(event, edits);
            if !heard {
                edits.undo(mark);
            }
            heard.then_some(Known::Ahead)
        }
    }
}

/// What the module said of an event that went ahead; `None`: what it had promised.
pub(crate) fn broken(
    outcome: Result<Verdict, Failure>,
    edits: &Edits,
    mark: Mark,
) -> Option<Result<Verdict, Failure>> {
    // Of the body that follows it may say what it likes: the head waits, and it is asked about each piece.
    let of_the_body =
        |edit: Edit<'_>| matches!(edit, Edit::KeepLength | Edit::WithholdHead | Edit::SkipBody);
    match outcome {
        Err(failure) => Some(Err(failure)),
        Ok(fail @ Verdict::Fail(_)) => Some(Ok(fail)),
        Ok(_) if !edits.since(mark).all(of_the_body) => {
            Some(Ok(Verdict::fail("it edited where it had promised not to")))
        }
        Ok(Verdict::Continue) => None,
        Ok(Verdict::Done) => Some(Ok(Verdict::Done)),
        Ok(other) => Some(Ok(Verdict::fail(format!(
            "it said {} where it had promised to go on",
            other.name()
        )))),
    }
}
