//! Events that need no answer of their own: what a module in threads or in a child promised ([`Attention`]), and what comes of it.
//!
//! Owns the promise in force. Invariant: an event whose answer is known goes ahead of the next one of its transaction, or of `free`, in
//! the same crossing and in order; nobody is woken for it alone. Awkward cases: the module breaks its promise; then the next event is not
//! shown to it, and what it said is that one's answer: a refusal, a panic, `Done`, or a failure that tells of the broken promise. Or it
//! made another promise meanwhile: then it breaks none, and the answer stays the one that was promised ([`Word`]).

use crate::failure::Failure;
use crate::runtime::Far;
use std::sync::atomic::{AtomicU64, Ordering};
use understudy_module::{Attention, Edit, Edits, Event, Heed, Hook, Mark, Verdict};

/// The promise in force.
#[derive(Debug, Default)]
pub(crate) struct Promise(AtomicU64);

/// What was promised of one event.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Promised {
    pub(crate) heed: Heed,
    /// By which promise: whoever hears the event ahead is held to that one.
    bits: u64,
}

impl Promised {
    /// It is asked.
    pub(crate) const NOTHING: Promised = Promised {
        heed: Heed::Ask,
        bits: 0,
    };
}

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
    pub(crate) fn of(&self, event: &Event<'_>, edits: &Edits) -> Promised {
        let bits = self.0.load(Ordering::Relaxed);
        let heed = match bits {
            0 => return Promised::NOTHING,
            bits => Attention::from_bits(bits).heed(event, edits),
        };
        Promised { heed, bits }
    }
}

/// The module is not called with an event that passes; then the edits are as if it had answered. `false`: there is no room for that.
pub(crate) fn pass(event: &Event<'_>, edits: &mut Edits) -> bool {
    // The body behind a head that passes goes by, too; a request on its way out has none of its own.
    event.hook == Hook::RequestOut || edits.skip_body().is_ok()
}

/// What is done with an event of which so much is promised, when its answer is known; then the edits are as if it had been given.
pub(crate) fn known(
    promised: Promised,
    event: &Event<'_>,
    edits: &mut Edits,
    far: &dyn Far,
) -> Option<Known> {
    let Promised { heed, bits } = promised;
    match heed {
        Heed::Ask => None,
        Heed::Pass => pass(event, edits).then_some(Known::Passed),
        Heed::Note => far.hear(event, edits, bits).then_some(Known::Ahead),
        Heed::Withhold => {
            let mark = edits.mark();
            edits.withhold_head().ok()?;
            let heard = far.hear(event, edits, bits);
            if !heard {
                edits.undo(mark);
            }
            heard.then_some(Known::Ahead)
        }
    }
}

/// What the module promises, on its own side: where its hooks run, which may be another process than the one where events go ahead.
///
/// A hook is held to the promise under which its event went ahead if that was in force, and nothing was being changed, from its beginning
/// to its end. In a `reconfigure` nobody can say whether the hook beside it went by the old options or the new ones.
#[derive(Debug, Default)]
pub(crate) struct Word {
    bits: AtomicU64,
    /// Changes that were begun, and those that are over: both only grow.
    begun: AtomicU64,
    ended: AtomicU64,
}

/// While it lives, the module may change what it promises and does.
#[derive(Debug)]
pub(crate) struct Change<'w>(&'w Word);

/// Which promise a hook is held to, if to any.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held(Option<u64>);

impl Word {
    /// The module promises this from now on.
    pub(crate) fn give(&self, attention: Attention) {
        let _change = self.change();
        self.bits.store(attention.bits(), Ordering::SeqCst);
    }

    /// What it promises now.
    pub(crate) fn given(&self) -> Attention {
        Attention::from_bits(self.bits.load(Ordering::SeqCst))
    }

    /// It is told that things change.
    pub(crate) fn change(&self) -> Change<'_> {
        self.begun.fetch_add(1, Ordering::SeqCst);
        Change(self)
    }

    /// What a hook that begins now is held to, whose event went ahead under the promise of these bits.
    pub(crate) fn hold(&self, bits: u64) -> Held {
        // In this order: when both are the same, none was under way in between.
        let ended = self.ended.load(Ordering::SeqCst);
        let begun = self.begun.load(Ordering::SeqCst);
        let same = begun == ended && self.bits.load(Ordering::SeqCst) == bits;
        Held(same.then_some(begun))
    }

    /// Whether it still is, at the hook's end.
    pub(crate) fn holds(&self, held: Held) -> bool {
        held.0
            .is_some_and(|begun| self.begun.load(Ordering::SeqCst) == begun)
    }
}

impl Drop for Change<'_> {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

/// What the module said of an event that went ahead; `None`: what it had promised. `held`: it was held to that.
pub(crate) fn broken(
    outcome: Result<Verdict, Failure>,
    edits: &Edits,
    mark: Mark,
    held: bool,
) -> Option<Result<Verdict, Failure>> {
    // Of the body that follows it may say what it likes: the head waits, and it is asked about each piece.
    let of_the_body =
        |edit: Edit<'_>| matches!(edit, Edit::KeepLength | Edit::WithholdHead | Edit::SkipBody);
    match outcome {
        Err(failure) => Some(Err(failure)),
        Ok(fail @ Verdict::Fail(_)) => Some(Ok(fail)),
        // Nothing was promised of this, and the event has gone by.
        Ok(Verdict::Done) if !held => Some(Ok(Verdict::Done)),
        Ok(_) if !held => None,
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

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_module::Hooks;

    fn noted() -> Attention {
        Attention {
            noted: Hooks::of(&[Hook::RequestOut]),
            ..Attention::default()
        }
    }

    #[test]
    fn a_hook_is_held_to_a_promise_that_stands_from_its_beginning_to_its_end() {
        let word = Word::default();
        word.give(noted());
        let bits = noted().bits();
        let held = word.hold(bits);
        assert!(word.holds(held));
        // Events that went ahead under another promise are nobody's to judge.
        assert!(!word.holds(word.hold(bits + 1)));
        // Withdrawn while the hook ran, or before.
        word.give(Attention::default());
        assert!(!word.holds(held));
        assert!(!word.holds(word.hold(bits)));
        // The same promise given anew holds for hooks that begin behind that.
        word.give(noted());
        assert!(!word.holds(held));
        assert!(word.holds(word.hold(bits)));
    }

    #[test]
    fn while_things_change_no_hook_is_held_to_anything() {
        let word = Word::default();
        word.give(noted());
        let bits = noted().bits();
        let before = word.hold(bits);
        let change = word.change();
        assert!(!word.holds(before));
        let within = word.hold(bits);
        assert!(!word.holds(within));
        drop(change);
        assert!(!word.holds(within));
        assert!(word.holds(word.hold(bits)));
    }
}
