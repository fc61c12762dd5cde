//! Where a text meets the page that wants it, whichever is first.
//!
//! Phases: asked; then either answered, or a page waits at the point; then over. Invariant: the first answer counts, and a page that
//! waits is resumed once. Awkward case: the page is gone; nobody holds the slot then, and whoever answers finds nothing.

use std::sync::{Arc, Mutex, PoisonError};
use understudy_module::{Host, Token, Verdict};

/// A text, or that there is none.
pub(crate) type Answer = Option<Arc<str>>;

/// What a waiting page makes of an answer.
type Make = Box<dyn FnOnce(&Answer) -> Verdict + Send>;

enum State {
    Asked,
    Answered(Answer),
    Waiting(Token, Make),
}

/// The meeting place of one page.
pub(crate) struct Slot(Mutex<State>);

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Slot")
    }
}

impl Slot {
    /// Asked.
    pub(crate) fn asked() -> Arc<Slot> {
        Arc::new(Slot(Mutex::new(State::Asked)))
    }

    /// Answered already.
    pub(crate) fn answered(answer: Answer) -> Arc<Slot> {
        Arc::new(Slot(Mutex::new(State::Answered(answer))))
    }

    /// The answer is here; says whether it is the first.
    pub(crate) fn answer(&self, host: &Host, answer: Answer) -> bool {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Answered(answer.clone())) {
            State::Asked => true,
            State::Waiting(token, make) => {
                drop(state);
                host.resume(token, make(&answer));
                true
            }
            before @ State::Answered(_) => {
                *state = before;
                false
            }
        }
    }

    /// The answer, if it is here.
    pub(crate) fn look(&self) -> Option<Answer> {
        match &*self.0.lock().unwrap_or_else(PoisonError::into_inner) {
            State::Answered(answer) => Some(answer.clone()),
            State::Asked | State::Waiting(..) => None,
        }
    }

    /// What is made of the answer, now or by a resume.
    pub(crate) fn wait(&self, token: Token, make: Make) -> Verdict {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let State::Answered(answer) = &*state {
            let answer = answer.clone();
            drop(state);
            return make(&answer);
        }
        *state = State::Waiting(token, make);
        Verdict::Pending
    }
}
