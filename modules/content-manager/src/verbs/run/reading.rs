//! An object that is shown, piece by piece.
//!
//! Invariant: whichever way it ends, its reading in the proxy ends with it. Awkward case: pieces are cut anywhere, and what is shown to people has
//! whole characters.

use super::{PIECE, State, Step};
use crate::verbs::Told;
use understudy_module::{Bytes, Completion, Operation};

#[derive(Debug)]
pub(super) struct Reading {
    pub(super) number: u64,
    pub(super) left: u64,
    pub(super) raw: bool,
    /// The beginning of a character whose end is in the next piece.
    pub(super) tail: Vec<u8>,
}

impl Reading {
    pub(super) fn completed(mut self, completion: Completion) -> (State, Step) {
        let done = Operation::ReadDone(self.number);
        let mut step = match completion {
            Completion::Object(head) => {
                let told = vec![Told::Head(head)];
                return self.more(Step {
                    told,
                    ..Step::default()
                });
            }
            Completion::Part(piece, last) => {
                self.left = self.left.saturating_sub(piece.len() as u64);
                let told = vec![self.piece(piece, last || self.left == 0)];
                let step = Step {
                    told,
                    ..Step::default()
                };
                if !last {
                    return self.more(step);
                }
                step
            }
            Completion::Absent => Step::end(Told::Absent),
            Completion::Failed(why) => Step::failed(why),
            other => Step::failed(format!("{other:?}")),
        };
        step.over = true;
        step.submit.push((0, done));
        (State::Over, step)
    }

    fn more(self, mut step: Step) -> (State, Step) {
        if self.left == 0 {
            step.told.push(Told::Cut);
            step.submit.push((0, Operation::ReadDone(self.number)));
            step.over = true;
            return (State::Over, step);
        }
        let most = usize::try_from(self.left).unwrap_or(PIECE).min(PIECE);
        step.submit
            .push((0, Operation::ReadPart(self.number, most)));
        (State::Reading(self), step)
    }

    /// A piece for people has whole characters only.
    fn piece(&mut self, piece: Bytes, last: bool) -> Told {
        if self.raw {
            return Told::Raw(piece);
        }
        let mut text = std::mem::take(&mut self.tail);
        text.extend_from_slice(&piece);
        // At most three bytes are the beginning of one; what is no text has none.
        let cut = (1..=3.min(text.len()))
            .map(|back| text.len() - back)
            .find(|at| {
                let end = text.get(*at..).unwrap_or_default();
                std::str::from_utf8(end)
                    .is_err_and(|why| why.valid_up_to() == 0 && why.error_len().is_none())
            });
        if let (Some(cut), false) = (cut, last) {
            self.tail = text.split_off(cut);
        }
        Told::Piece(text.into())
    }
}
