//! What one module has seen of a transaction, and said of it.
//!
//! Invariant: one that is not simply asked (left out by its `match`, or a call on its way) has put its visit aside, so a visit that is
//! plain says that nothing stands in the way. What few transactions have is in a box.

use smallvec::SmallVec;
use std::task::{Context, Poll, Waker};
use understudy_module::{Edit, Edits, Hook, Mark};
use understudy_runtimes::Visit;

/// One module's part.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) visit: Visit,
    /// Why it is not simply asked: [`OFF`], [`OFF_RESPONSE`], [`BUSY`].
    shut: u8,
    /// It keeps the length of the body behind the head it saw last.
    pub(super) keeps_length: bool,
    /// The body hook that the head it saw last waits for.
    pub(super) withholds: Option<Hook>,
    /// The body hook that is not to be called, by its word on the head it saw last.
    skips: Option<Hook>,
    /// What few transactions have.
    rare: Option<Box<Rare>>,
}

/// Its `match` leaves this host out.
pub(super) const OFF: u8 = 1;
/// Its `match` leaves this type out: no hooks on the answer.
pub(super) const OFF_RESPONSE: u8 = 2;
/// A call is on its way.
const BUSY: u8 = 4;

#[derive(Debug, Default)]
struct Rare {
    failed: Option<&'static str>,
    /// Who waits for a call to end.
    waiting: SmallVec<[Waker; 1]>,
    notes: Vec<(Vec<u8>, Vec<u8>)>,
    /// What they weigh.
    noted: usize,
}

/// What a note weighs beside its bytes.
const NOTE: usize = 64;

impl Rare {
    /// Keeps a note while there is room: hooks on bodies may make some for every piece, and bodies may be without end.
    fn note(&mut self, name: &[u8], value: &[u8]) {
        let weight = NOTE + name.len() + value.len();
        if self.noted + weight <= understudy_module::MAX_BYTES {
            self.noted += weight;
            self.notes.push((name.to_vec(), value.to_vec()));
        }
    }
}

impl Seen {
    fn rare(&mut self) -> &mut Rare {
        self.rare.get_or_insert_default()
    }

    /// It failed, for this reason.
    pub(super) fn fail(&mut self, why: &'static str) {
        self.rare().failed = Some(why);
    }

    /// Why it failed.
    pub(super) fn failed(&self) -> Option<&'static str> {
        self.rare.as_ref().and_then(|rare| rare.failed)
    }

    /// What it noted.
    pub(super) fn notes(&self) -> &[(Vec<u8>, Vec<u8>)] {
        self.rare.as_ref().map_or(&[], |rare| &rare.notes)
    }

    /// Whether there is anything to be told of it.
    pub(super) fn is_told(&self) -> bool {
        self.visit.was_entered() || self.rare.is_some()
    }

    /// What was said of the head before is void.
    #[inline]
    pub(super) fn renew_head(&mut self) {
        self.keeps_length = false;
        self.withholds = None;
        self.skips = None;
    }

    /// Is fresh again, for another transaction.
    #[inline]
    pub(super) fn renew(&mut self) {
        self.visit.renew();
        self.shut = 0;
        self.renew_head();
        if self.rare.is_some() {
            self.rare = None;
        }
    }

    #[inline]
    pub(super) fn is(&self, shut: u8) -> bool {
        self.shut & shut != 0
    }

    /// Whether it is not simply asked.
    #[inline]
    pub(super) fn is_shut(&self) -> bool {
        self.shut != 0
    }

    pub(super) fn shut(&mut self, why: u8, shut: bool) {
        self.shut = if shut {
            self.shut | why
        } else {
            self.shut & !why
        };
        self.visit.put_aside(self.shut != 0);
    }

    /// A call is on its way.
    pub(super) fn be_busy(&mut self) {
        self.shut(BUSY, true);
    }

    /// Whether a call is on its way.
    #[inline]
    pub(super) fn is_busy(&self) -> bool {
        self.is(BUSY)
    }

    /// The call is over: whoever waits may go on.
    pub(super) fn be_free(&mut self) {
        self.shut(BUSY, false);
        if let Some(rare) = &mut self.rare {
            rare.waiting.drain(..).for_each(Waker::wake);
        }
    }

    /// Whether no call is on its way; else the task is woken when it is over.
    pub(super) fn poll_free(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if !self.is_busy() {
            return Poll::Ready(());
        }
        let waiting = &mut self.rare().waiting;
        // A body that waits looks whenever anything else wakes its task.
        if !waiting.iter().any(|waker| waker.will_wake(cx.waker())) {
            waiting.push(cx.waker().clone());
        }
        Poll::Pending
    }

    /// Keeps what a hook said beside its edits of the head.
    pub(super) fn note(&mut self, hook: Hook, edits: &Edits, since: Mark) {
        for edit in edits.asides(since) {
            match edit {
                Edit::KeepLength => self.keeps_length = true,
                Edit::WithholdHead => {
                    self.withholds = match hook {
                        Hook::RequestHead => Some(Hook::RequestBody),
                        Hook::ResponseHead => Some(Hook::ResponseBody),
                        _ => None,
                    }
                }
                Edit::SkipBody => {
                    self.skips = match hook {
                        Hook::RequestHead => Some(Hook::RequestBody),
                        Hook::ResponseHead => Some(Hook::ResponseBody),
                        Hook::ResponseReturn => Some(Hook::ReturnBody),
                        _ => None,
                    }
                }
                Edit::Note(name, value) => self.rare().note(name, value),
                _ => {}
            }
        }
    }

    /// Keeps notes made in a body hook.
    pub(super) fn note_all(&mut self, hook: Hook, edits: &Edits) {
        if !edits.is_empty() {
            self.note(hook, edits, Mark::default());
        }
    }

    /// Whether it hears every body, and said nothing of the one behind the head it saw last.
    #[inline]
    pub(super) fn hears_all(&self) -> bool {
        let said = self.keeps_length || self.withholds.is_some() || self.skips.is_some();
        !self.is_shut() && !said && self.visit.is_open()
    }

    /// Whether hooks on a body are called.
    #[inline]
    pub(super) fn hears(&self, hook: Hook) -> bool {
        let response = hook != Hook::RequestBody;
        let off = self.is(OFF) || self.skips == Some(hook);
        !off && self.visit.is_open() && !(response && self.is(OFF_RESPONSE))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    struct Nobody;

    impl std::task::Wake for Nobody {
        fn wake(self: std::sync::Arc<Self>) {}
    }

    #[test]
    fn notes_about_the_pieces_of_a_long_body_are_bounded() {
        let mut seen = Seen::default();
        let mut edits = Edits::new();
        edits.note(b"word", &[b'x'; 1000]).unwrap();
        for _ in 0..10_000 {
            seen.note_all(Hook::ReturnBody, &edits);
        }
        let notes = &seen.rare().notes;
        let bytes: usize = notes.iter().map(|(n, v)| n.len() + v.len()).sum();
        assert!(bytes > 100_000 && bytes <= understudy_module::MAX_BYTES);
    }

    #[test]
    fn nothing_of_a_transaction_is_left_in_what_the_next_one_gets() {
        let mut seen = Seen::default();
        let fresh = format!("{seen:?}");
        let mut edits = Edits::new();
        edits.note(b"word", b"x").unwrap();
        edits.keep_length().unwrap();
        edits.withhold_head().unwrap();
        edits.skip_body().unwrap();
        seen.note(Hook::ResponseHead, &edits, Mark::NONE);
        seen.shut(OFF, true);
        seen.shut(OFF_RESPONSE, true);
        seen.be_busy();
        seen.rare().failed = Some("panic");
        seen.visit.cost.calls = 1;
        seen.visit.close();
        seen.renew();
        assert_eq!(format!("{seen:?}"), fresh);
    }

    #[test]
    fn one_task_that_waits_is_kept_once_however_often_it_looks() {
        let mut seen = Seen::default();
        seen.be_busy();
        let waker = Waker::from(std::sync::Arc::new(Nobody));
        let mut cx = Context::from_waker(&waker);
        for _ in 0..1000 {
            assert!(seen.poll_free(&mut cx).is_pending());
        }
        assert_eq!(seen.rare().waiting.len(), 1);
        seen.be_free();
        assert!(seen.poll_free(&mut cx).is_ready());
    }
}
