//! A body on its way through the modules of one hook.
//!
//! Most pieces meet modules on the worker's own stack that say yes at once, and nothing needs to be kept between them: that is the
//! quick way, here. With the first piece of which more is to be said (a module elsewhere, a verdict that withholds or fails) the
//! rest of the body takes the other way, [`stages`]. Invariant: on the quick way every module gave as many bytes as it took.
//! Awkward case: a body whose length is not known ends with a piece that is empty, as its last was let through before.

mod stages;

use super::party::Party;
use bytes::Bytes;
use stages::{At, SoFar, Stages};
use std::rc::Rc;
use std::task::{Context, Poll};
use understudy_http::wire::body::Decoded;
use understudy_module::{Edits, Event, Hook, Hooks, Mark, Part, Piece, Refused, Response, Verdict};
use understudy_runtimes::{Called, Kind};

/// Which body, of which transaction.
#[derive(Debug)]
struct Way {
    party: Rc<Party>,
    hook: Hook,
    method: Bytes,
    key: Bytes,
}

/// A body on its way.
#[derive(Debug)]
pub(crate) struct Filter {
    way: Way,
    terms: Terms,
    changes_length: bool,
    /// Bytes that every module took and gave.
    through: u64,
    /// Modules that gave others than they took, by their place.
    changed: u64,
    /// Bytes the source still has to give, when that is known: then the last piece is known by it.
    left: Option<u64>,
    /// The modules were told that the body is over.
    closed: bool,
    /// The other way.
    stages: Option<Box<Stages>>,
}

/// What the head before this body settled, by the modules' places. The next head's hooks may run before its pieces, and are no word
/// on it.
#[derive(Debug, Clone, Copy, Default)]
struct Terms {
    /// Modules that hear it.
    heard: u64,
    /// Those that keep its length.
    keeps: u64,
}

/// Why a body broke off on its way.
#[derive(Debug)]
pub(crate) enum Break<E> {
    /// Where it came from.
    Source(E),
    /// A module failed.
    Module,
    /// A module answers in its place.
    Answer(Box<Response>),
}

/// Most modules of the quick way: one bit each.
const MOST: usize = 64;

impl Party {
    /// The way of a body through the modules that hear this hook; `None` when none does.
    pub(crate) fn filter(
        self: &Rc<Self>,
        hook: Hook,
        method: &[u8],
        key: &Bytes,
    ) -> Option<Filter> {
        if !self.wants(hook) {
            return None;
        }
        let members = self.members.borrow();
        let (mut heard, mut changes_length, mut far) = (false, false, false);
        let mut terms = Terms::default();
        for (place, index) in self.chain.order(hook).iter().enumerate() {
            let index = usize::from(*index);
            let (Some(seen), Some(link)) = (members.get(index), self.chain.links.get(index)) else {
                continue;
            };
            if seen.hears(hook) {
                heard = true;
                let keeps = seen.keeps_length || link.loaded().about().only_looks;
                changes_length |= !keeps;
                far |= link.loaded().spec().kind != Kind::Inline || place >= MOST;
                // What is said of a head is said on the other way alone.
                far |= seen.withholds == Some(hook);
                if place < MOST {
                    terms.heard |= 1 << place;
                    terms.keeps |= u64::from(keeps) << place;
                }
            }
        }
        drop(members);
        heard.then(|| {
            let way = Way {
                party: self.clone(),
                hook,
                method: kept(method),
                key: key.clone(),
            };
            Filter {
                // Elsewhere no piece is answered at once, and each crossing costs: a piece that is not known to be the last waits
                // there until it is.
                stages: far.then(|| Box::new(Stages::new(&way, SoFar::default()))),
                way,
                terms,
                changes_length,
                through: 0,
                changed: 0,
                left: None,
                closed: false,
            }
        })
    }
}

impl Way {
    /// The modules, in order.
    fn order(&self) -> impl Iterator<Item = usize> {
        let order = self.party.chain.order(self.hook).iter();
        order.map(|index| usize::from(*index))
    }

    fn event<'a>(
        &'a self,
        bytes: &'a Bytes,
        last: bool,
        held: &'a [Bytes],
        head_waits: bool,
    ) -> Event<'a> {
        Event {
            hook: self.hook,
            id: self.party.id(),
            client: self.party.client(),
            method: &self.method,
            url: &self.key,
            part: Part::Piece(Piece {
                bytes,
                last,
                held,
                head_waits,
            }),
        }
    }
}

/// Where a piece left the quick way: the place of the module that has more to say of it, and what it said when it was asked.
type Left = (usize, Option<Box<(Called, Edits)>>);

impl Filter {
    /// Whether the body may come out at another length.
    pub(crate) fn changes_length(&self) -> bool {
        self.changes_length
    }

    /// Whether a module has bytes of which nothing came out yet.
    pub(crate) fn withholds(&self) -> bool {
        self.stages
            .as_ref()
            .is_some_and(|stages| stages.withholds())
    }

    /// Whether what comes next is waited for with a module, and not with the source. To be asked when `poll` gave nothing.
    pub(crate) fn is_away(&self) -> bool {
        self.stages.as_ref().is_some_and(|stages| stages.is_away())
    }

    /// Whether the head before this body waits for what a module makes of it.
    pub(crate) fn withholds_head(&self) -> bool {
        self.stages
            .as_ref()
            .is_some_and(|stages| stages.withholds_head())
    }

    /// The head waits no longer: what modules said of it, in the order of the modules; an error when that is too much for one head.
    pub(crate) fn release_head(&mut self) -> Result<Edits, Refused> {
        match &mut self.stages {
            Some(stages) => stages.release_head(),
            None => Ok(Edits::new()),
        }
    }

    /// Whether modules were told that the body is over: what they made of that is given once.
    pub(crate) fn is_closed(&self) -> bool {
        match &self.stages {
            Some(stages) => stages.is_closed(),
            None => self.closed,
        }
    }

    /// Waits until no module that wants one of these hooks has a piece: what comes out meanwhile is there for the next `poll`. For whoever
    /// is about to ask them something else while nobody polls this.
    pub(crate) fn poll_free(&mut self, hooks: Hooks, cx: &mut Context<'_>) -> Poll<()> {
        match &mut self.stages {
            Some(stages) => stages.poll_free(&self.way, hooks, cx),
            None => Poll::Ready(()),
        }
    }

    /// The source has so many bytes. To be told before the first.
    pub(crate) fn expect(&mut self, length: Option<u64>) {
        let left = length.filter(|length| *length > 0);
        match &mut self.stages {
            Some(stages) => stages.expect(left),
            None => self.left = left,
        }
    }

    /// The next piece of what comes out.
    #[inline]
    pub(crate) fn poll<E>(
        &mut self,
        cx: &mut Context<'_>,
        mut source: impl FnMut(&mut Context<'_>) -> Poll<Result<Decoded, E>>,
    ) -> Poll<Result<Decoded, Break<E>>> {
        loop {
            if let Some(stages) = &mut self.stages {
                return stages.poll(&self.way, cx, source);
            }
            let piece = match source(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Break::Source(error))),
                Poll::Ready(Ok(piece)) => piece,
            };
            if let Some(piece) = self.pass(piece) {
                return Poll::Ready(Ok(piece));
            }
        }
    }

    /// The next piece of what comes out of what the source has here already, without waiting for anybody; `None` when there is none,
    /// or when modules have more to say of it than yes: then `poll` goes on.
    #[inline]
    pub(crate) fn buffered<E>(
        &mut self,
        mut source: impl FnMut() -> Result<Option<Decoded>, E>,
    ) -> Result<Option<Decoded>, E> {
        while self.stages.is_none()
            && let Some(piece) = source()?
        {
            if let Some(piece) = self.pass(piece) {
                return Ok(Some(piece));
            }
        }
        Ok(None)
    }

    /// What a piece of the source becomes on the quick way; `None` when nothing comes out, or the rest takes the other way.
    #[inline]
    fn pass(&mut self, piece: Decoded) -> Option<Decoded> {
        let (mut piece, last, trailers) = match piece {
            Decoded::More => return None,
            Decoded::Data(piece) => {
                let length = piece.len() as u64;
                self.left = self.left.map(|left| left.saturating_sub(length));
                (piece, self.left == Some(0) && !self.closed, None)
            }
            Decoded::End(trailers) if self.closed => return Some(Decoded::End(trailers)),
            Decoded::End(trailers) => (Bytes::new(), true, Some(trailers)),
        };
        self.closed |= last;
        if let Some((place, answered)) = self.quick(&mut piece, last) {
            self.turn(place, piece, last, answered, trailers);
            return None;
        }
        match trailers {
            Some(trailers) => Some(Decoded::End(trailers)),
            None => (!piece.is_empty()).then_some(Decoded::Data(piece)),
        }
    }

    /// Shows a piece to the modules, as long as they say yes at once; `None` when all did.
    #[inline]
    fn quick(&mut self, piece: &mut Bytes, last: bool) -> Option<Left> {
        let way = &self.way;
        let mut members = way.party.members.borrow_mut();
        let members = members.as_mut_slice();
        for (place, index) in way.order().enumerate() {
            let (Some(link), Some(seen)) =
                (way.party.chain.links.get(index), members.get_mut(index))
            else {
                continue;
            };
            // Beyond the last bit nobody hears, or it would not be this way.
            if place >= MOST || self.terms.heard & (1 << place) == 0 || !seen.visit.is_open() {
                continue;
            }
            if seen.is_busy() {
                return Some((place, None));
            }
            let mut edits = Edits::new();
            let event = way.event(piece, last, &[], false);
            let called = link.call_since(&mut seen.visit, &event, &mut edits, Mark::default());
            if called.is_none() && edits.is_empty() {
                // By far the commonest.
                continue;
            }
            match called.unwrap_or(Called::Now(Ok(Verdict::Continue))) {
                Called::Now(Ok(Verdict::Continue | Verdict::Done)) if edits.is_empty() => {}
                // One of the same length, which cannot be wrong about the length of the whole.
                Called::Now(Ok(Verdict::Replace(other)))
                    if edits.is_empty()
                        && other.len() == piece.len()
                        && !link.loaded().about().only_looks =>
                {
                    self.changed |= 1 << place;
                    *piece = other;
                }
                called => {
                    if let Called::Later(_) = called {
                        // Until then nothing else is asked of it, whoever takes the answer and when.
                        seen.be_busy();
                    }
                    return Some((place, Some(Box::new((called, edits)))));
                }
            }
        }
        self.through += piece.len() as u64;
        None
    }

    /// Takes the other way from this piece on.
    #[cold]
    fn turn(
        &mut self,
        place: usize,
        piece: Bytes,
        last: bool,
        answered: Option<Box<(Called, Edits)>>,
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
        self.stages = Some(Box::new(Stages::new(&self.way, so_far)));
    }
}

impl Drop for Filter {
    fn drop(&mut self) {
        if let Some(stages) = &mut self.stages {
            stages.leave(&self.way);
        }
    }
}

/// A method that outlives its request; without an allocation for those that are known.
fn kept(method: &[u8]) -> Bytes {
    match method {
        b"GET" => Bytes::from_static(b"GET"),
        b"HEAD" => Bytes::from_static(b"HEAD"),
        b"POST" => Bytes::from_static(b"POST"),
        other => Bytes::copy_from_slice(other),
    }
}
