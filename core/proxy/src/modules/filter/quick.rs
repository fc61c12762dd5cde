//! The quick way of a body: modules on the worker's own stack that say yes at once.
//!
//! Nothing is kept between them, and nothing is moved: a piece is shown where it lies. Invariant: every module before the one that a
//! piece is at gave as many bytes as it took. Awkward case: a module that said something else was asked already, so what it said goes
//! along to the other way.

use super::super::seen::Seen;
use super::stages::{At, SoFar, Stages};
use super::{Asked, Filter, Way};
use bytes::Bytes;
use understudy_http::wire::body::Decoded;
use understudy_module::{Edits, Mark, Verdict};
use understudy_runtimes::{Called, Link};

/// Where a piece left the quick way: the place of the module that has more to say of it, and what it said when it was asked.
type Left = (usize, Option<Box<(Called, Edits)>>);

impl Filter {
    /// Whether pieces take this way.
    #[inline]
    pub(crate) fn is_quick(&self) -> bool {
        self.stages.is_none()
    }

    /// Shows a piece of the source to the modules, on the quick way. `false` when it was taken away: modules have more to say of it than
    /// yes, and `poll` goes on. The record of edits is empty, and stays so.
    #[inline(always)]
    pub(crate) fn pass(
        &mut self,
        asked: Asked<'_>,
        piece: &mut Decoded,
        edits: &mut Edits,
    ) -> bool {
        match piece {
            Decoded::Data(bytes) => {
                let mut last = false;
                if let Some(left) = &mut self.left {
                    *left = left.saturating_sub(bytes.len() as u64);
                    last = *left == 0 && !self.closed;
                    self.closed |= last;
                }
                if let Some(left) = self.quick(asked, bytes, last, edits) {
                    let bytes = std::mem::take(bytes);
                    *piece = Decoded::More;
                    self.turn(asked, left, bytes, last, None);
                    return false;
                }
                if bytes.is_empty() {
                    *piece = Decoded::More;
                }
                true
            }
            Decoded::End(_) if !self.closed => self.end(asked, piece, edits),
            Decoded::End(_) | Decoded::More => true,
        }
    }

    /// An end that came by itself.
    #[inline(never)]
    fn end(&mut self, asked: Asked<'_>, piece: &mut Decoded, edits: &mut Edits) -> bool {
        self.closed = true;
        let mut bytes = Bytes::new();
        let Some(left) = self.quick(asked, &mut bytes, true, edits) else {
            return true;
        };
        let trailers = match std::mem::replace(piece, Decoded::More) {
            Decoded::End(trailers) => Some(trailers),
            Decoded::Data(_) | Decoded::More => None,
        };
        self.turn(asked, left, bytes, true, trailers);
        false
    }

    /// Shows a piece to the modules, as long as they say yes at once; `None` when all did.
    // Once: a call of a hook is within it.
    #[inline(never)]
    fn quick(
        &mut self,
        asked: Asked<'_>,
        piece: &mut Bytes,
        last: bool,
        edits: &mut Edits,
    ) -> Option<Left> {
        let party = &self.party;
        let way = Way {
            party,
            hook: self.hook,
            asked,
        };
        let mut members = party.members.borrow_mut();
        let members = members.as_mut_slice();
        let mut heard = self.terms.heard;
        let mut said = None;
        for (at, place) in party.chain.places(self.hook).iter().enumerate() {
            // Beyond the last bit nobody hears, or it would not be this way.
            if heard == 0 {
                break;
            }
            let hears = heard & 1 != 0;
            heard >>= 1;
            let Some(seen) = members.get_mut(usize::from(place.index)) else {
                continue;
            };
            if !hears || !seen.visit.is_open() {
                continue;
            }
            if seen.is_busy() {
                return Some((at, None));
            }
            let event = way.event(piece, last, &[], false);
            let visit = &mut seen.visit;
            let plain = place.link.ask(visit, &event, edits, &Mark::NONE, &mut said);
            if plain && edits.is_empty() {
                // By far the commonest.
                continue;
            }
            party.be_odd();
            let Some(other) = heed(&place.link, seen, piece, said.take(), edits) else {
                continue;
            };
            match other {
                Said::Other => self.changed |= 1 << at,
                Said::More(said) => return Some((at, Some(said))),
            }
        }
        self.through += piece.len() as u64;
        None
    }

    /// Takes the other way from this piece on.
    #[cold]
    fn turn(
        &mut self,
        asked: Asked<'_>,
        (place, answered): Left,
        piece: Bytes,
        last: bool,
        trailers: Option<Bytes>,
    ) {
        let so_far = SoFar {
            through: self.through,
            changed: self.changed,
            at: Some(At {
                place,
                piece,
                last,
                answered,
            }),
            left: self.left,
            trailers,
            terms: Some(self.terms),
        };
        let way = Way {
            party: &self.party,
            hook: self.hook,
            asked,
        };
        self.stages = Some(Box::new(Stages::new(&way, so_far)));
    }
}

/// What a module said of a piece, other than yes.
enum Said {
    /// It gave another one, which took its place.
    Other,
    /// What wants thinking about.
    More(Box<(Called, Edits)>),
}

/// Takes note of what a module said; `None` when it was yes.
#[inline(never)]
fn heed(
    link: &Link,
    seen: &mut Seen,
    piece: &mut Bytes,
    called: Option<Called>,
    edits: &mut Edits,
) -> Option<Said> {
    match called.unwrap_or(Called::Now(Ok(Verdict::Continue))) {
        Called::Now(Ok(Verdict::Continue | Verdict::Done)) if edits.is_empty() => None,
        // One of the same length, which cannot be wrong about the length of the whole.
        Called::Now(Ok(Verdict::Replace(other)))
            if edits.is_empty()
                && other.len() == piece.len()
                && !link.loaded().about().only_looks =>
        {
            *piece = other;
            Some(Said::Other)
        }
        called => {
            if let Called::Later(_) = called {
                // Until then nothing else is asked of it, whoever takes the answer and when.
                seen.be_busy();
            }
            Some(Said::More(Box::new((called, std::mem::take(edits)))))
        }
    }
}
