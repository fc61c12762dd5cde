//! A body on its way through a module's hook: the pieces to come, those held, and what went on.

use crate::kit::chunks::Cuts;
use crate::verdict::Verdict;
use bytes::Bytes;
use std::collections::VecDeque;

/// Most first parts that a module may give of one piece here: a loop has more.
const FIRSTS: usize = 64 * 1024;

/// A body under way.
#[derive(Debug, Default)]
pub(crate) struct Body {
    pieces: VecDeque<(Bytes, bool)>,
    pub(crate) held: Vec<Bytes>,
    out: Vec<u8>,
    length: usize,
    /// How many first parts were given of the piece before the next.
    again: usize,
}

impl Body {
    pub(crate) fn new(bytes: &Bytes, cuts: &Cuts) -> Body {
        Body {
            pieces: cuts.pieces(bytes),
            length: bytes.len(),
            ..Body::default()
        }
    }

    /// The piece that is next, and whether it is the last.
    pub(crate) fn next(&self) -> Option<&(Bytes, bool)> {
        self.pieces.front()
    }

    /// Whether nothing went on yet.
    pub(crate) fn gave_nothing(&self) -> bool {
        self.out.is_empty()
    }

    /// Whether a verdict would give first parts without end.
    pub(crate) fn is_spent(&self, verdict: &Verdict) -> bool {
        let left = self.next().is_some_and(|(piece, _)| !piece.is_empty());
        self.again > FIRSTS && !left && matches!(verdict, Verdict::First(_))
    }

    /// Does what a verdict about the next piece says.
    pub(crate) fn settle(&mut self, verdict: &Verdict) {
        let Some((piece, last)) = self.pieces.pop_front() else {
            return;
        };
        self.again = match verdict {
            Verdict::First(_) => self.again + 1,
            _ => 0,
        };
        match verdict {
            Verdict::Hold if !last => {
                self.held.push(piece);
                return;
            }
            Verdict::Replace(bytes) => self.out.extend_from_slice(bytes),
            Verdict::First(bytes) => {
                self.out.extend_from_slice(bytes);
                self.pieces.push_front((Bytes::new(), last));
            }
            Verdict::Drop => {}
            // Hold at the end is Continue.
            _ => {
                self.held
                    .iter()
                    .for_each(|held| self.out.extend_from_slice(held));
                self.out.extend_from_slice(&piece);
            }
        }
        self.held.clear();
    }

    /// What went on, and the rest as it is. The second is whether it is as long as what came.
    pub(crate) fn finish(mut self) -> (Vec<u8>, bool) {
        while !self.pieces.is_empty() {
            self.settle(&Verdict::Continue);
        }
        let same = self.out.len() == self.length;
        (self.out, same)
    }
}
