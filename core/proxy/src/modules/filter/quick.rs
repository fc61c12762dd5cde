//! The quick way of a body: modules on the worker's own stack that say yes at once.
//!
//! Nothing is kept between them, and nothing is moved: a piece is shown where it lies, along all ways of a body that lie behind one
//! another. Invariant: every module before the one that a piece is at gave as many bytes as it took. Awkward case: a module that said
//! something else was asked already, so what it said goes along to the other way.

use super::super::party::Party;
use super::super::seen::Seen;
use super::stages::{At, SoFar, Stages};
use super::{Asked, Filter};
use bytes::Bytes;
use understudy_http::wire::body::Decoded;
use understudy_module::{Edits, Mark, Piece, Verdict};
use understudy_runtimes::{Called, Link};

/// Ways that lie behind one another, in from an origin and out to a client; all are quick.
pub(crate) struct Ways<'a>([Option<&'a mut Filter>; 2]);

/// Where a piece left the quick way: a module has more to say of it.
struct Left {
    /// Which of the ways.
    way: usize,
    /// The module's place.
    place: usize,
    /// What it said, when it was asked.
    answered: Option<Box<(Called, Edits)>>,
    /// The piece was shown as the last.
    last: bool,
}

impl<'a> Ways<'a> {
    /// In the order in which a piece takes them, as far as there are any.
    #[inline(always)]
    pub(crate) fn new(first: Option<&'a mut Filter>, second: Option<&'a mut Filter>) -> Ways<'a> {
        Ways([first, second])
    }

    /// Shows a piece of the source to the modules. `false` when it was taken away: modules have more to say of it than yes, this is a
    /// quick way no more, and `poll` goes on. The record of edits is empty, and stays so.
    #[inline(always)]
    pub(crate) fn pass(
        &mut self,
        asked: Asked<'_>,
        piece: &mut Decoded,
        edits: &mut Edits,
    ) -> bool {
        match piece {
            Decoded::Data(bytes) => {
                if let Some(left) = self.show(asked, bytes, false, edits) {
                    let bytes = std::mem::take(bytes);
                    *piece = Decoded::More;
                    self.leave(asked, *left, bytes, None);
                    return false;
                }
                if bytes.is_empty() {
                    *piece = Decoded::More;
                }
                true
            }
            Decoded::End(_) if self.0.iter().flatten().any(|filter| !filter.closed) => {
                self.end(asked, piece, edits)
            }
            Decoded::End(_) | Decoded::More => true,
        }
    }

    /// An end that came by itself.
    #[inline(never)]
    fn end(&mut self, asked: Asked<'_>, piece: &mut Decoded, edits: &mut Edits) -> bool {
        let mut bytes = Bytes::new();
        let Some(left) = self.show(asked, &mut bytes, true, edits) else {
            return true;
        };
        let trailers = match std::mem::replace(piece, Decoded::More) {
            Decoded::End(trailers) => Some(trailers),
            Decoded::Data(_) | Decoded::More => None,
        };
        self.leave(asked, *left, bytes, trailers);
        false
    }

    /// Shows a piece to the modules, as long as they say yes at once; `None` when all did. `ends`: it is an end that came by itself.
    // Once: a call of a hook is within it.
    #[inline(never)]
    fn show(
        &mut self,
        asked: Asked<'_>,
        piece: &mut Bytes,
        ends: bool,
        edits: &mut Edits,
    ) -> Option<Box<Left>> {
        let mut said = None;
        for (way, filter) in self.0.iter_mut().enumerate() {
            let Some(filter) = filter else { continue };
            let last = match ends {
                false => filter.count(piece.len()),
                // Who knows of the end is not told again.
                true if std::mem::replace(&mut filter.closed, true) => continue,
                true => true,
            };
            let hook = filter.hook;
            let Filter {
                party,
                terms,
                through,
                changed,
                ..
            } = &mut **filter;
            let party: &Party = party;
            let places = party.chain.places(hook);
            let mut members = party.members.borrow_mut();
            let members = members.as_mut_slice();
            let (mut heard, mut at) = (terms.heard, 0);
            loop {
                let shown = Piece {
                    bytes: piece,
                    last,
                    held: &[],
                    head_waits: false,
                };
                let event = asked.event(party, hook, shown);
                let other = loop {
                    // Beyond the last bit nobody hears, or it would not be this way.
                    let next = places.get(at).filter(|_| heard != 0);
                    let Some(place) = next else { break None };
                    let hears = heard & 1 != 0;
                    heard >>= 1;
                    at += 1;
                    let Some(seen) = members.get_mut(usize::from(place.index)) else {
                        continue;
                    };
                    if !hears || !seen.visit.is_open() {
                        continue;
                    }
                    let answered = if seen.is_busy() {
                        None
                    } else {
                        let visit = &mut seen.visit;
                        let plain = place.link.ask(visit, &event, edits, &Mark::NONE, &mut said);
                        if plain && edits.is_empty() {
                            // By far the commonest.
                            continue;
                        }
                        party.be_odd();
                        match heed(&place.link, seen, piece, said.take(), edits) {
                            Said::Yes => continue,
                            Said::Other(other) => break Some(other),
                            Said::More(more) => Some(more),
                        }
                    };
                    return Some(Box::new(Left {
                        way,
                        place: at - 1,
                        answered,
                        last,
                    }));
                };
                let Some(other) = other else { break };
                // The next are asked about what takes its place.
                *piece = other;
                *changed |= 1 << (at - 1);
            }
            *through += piece.len() as u64;
        }
        None
    }

    /// The other way is taken from this piece on.
    #[cold]
    fn leave(&mut self, asked: Asked<'_>, left: Left, piece: Bytes, trailers: Option<Bytes>) {
        if let Some(Some(filter)) = self.0.get_mut(left.way) {
            filter.turn(asked, left, piece, trailers);
        }
    }
}

impl Filter {
    /// Whether pieces take this way.
    #[inline]
    pub(crate) fn is_quick(&self) -> bool {
        self.stages.is_none()
    }

    /// So many bytes are shown; says whether none follow.
    #[inline(always)]
    fn count(&mut self, length: usize) -> bool {
        let Some(left) = &mut self.left else {
            return false;
        };
        *left = left.saturating_sub(length as u64);
        let last = *left == 0 && !self.closed;
        self.closed |= last;
        last
    }

    /// Takes the other way from this piece on.
    fn turn(&mut self, asked: Asked<'_>, left: Left, piece: Bytes, trailers: Option<Bytes>) {
        let so_far = SoFar {
            through: self.through,
            changed: self.changed,
            at: Some(At {
                place: left.place,
                piece,
                last: left.last,
                answered: left.answered,
            }),
            left: self.left,
            trailers,
            terms: Some(self.terms),
        };
        let way = self.party.way(self.hook, asked);
        self.stages = Some(Box::new(Stages::new(&way, so_far)));
    }
}

/// What a module said of a piece.
enum Said {
    Yes,
    /// It gave another one of the same length.
    Other(Bytes),
    /// What wants thinking about.
    More(Box<(Called, Edits)>),
}

/// Takes note of what a module said.
#[inline(never)]
fn heed(
    link: &Link,
    seen: &mut Seen,
    piece: &Bytes,
    called: Option<Called>,
    edits: &mut Edits,
) -> Said {
    match called.unwrap_or(Called::Now(Ok(Verdict::Continue))) {
        Called::Now(Ok(Verdict::Continue | Verdict::Done)) if edits.is_empty() => Said::Yes,
        // One of the same length, which cannot be wrong about the length of the whole.
        Called::Now(Ok(Verdict::Replace(other)))
            if edits.is_empty()
                && other.len() == piece.len()
                && !link.loaded().about().only_looks =>
        {
            Said::Other(other)
        }
        called => {
            if let Called::Later(_) = called {
                // Until then nothing else is asked of it, whoever takes the answer and when.
                seen.be_busy();
            }
            Said::More(Box::new((called, std::mem::take(edits))))
        }
    }
}
