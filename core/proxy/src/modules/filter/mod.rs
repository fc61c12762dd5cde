//! A body on its way through the modules of one hook.
//!
//! Most pieces meet modules on the worker's own stack that say yes at once, and nothing needs to be kept between them: that is the
//! quick way, here. With the first piece of which more is to be said (a module elsewhere, a verdict that withholds or fails) the
//! rest of the body takes the other way, [`stages`]. Invariant: on the quick way every module gave as many bytes as it took.
//! Awkward case: a body whose length is not known ends with a piece that is empty, as its last was let through before.

mod quick;
mod stages;
mod terms;

use super::handle::Handle;
use super::party::Party;
use bytes::Bytes;
use stages::Stages;
use std::task::{Context, Poll};
use std::time::Duration;
use terms::Terms;
use understudy_http::wire::body::Decoded;
use understudy_module::{Edits, Event, Hook, Hooks, Part, Piece, Refused, Response};

pub(crate) use quick::Ways;
pub(super) use terms::Standing;

/// What modules on a body are told of its request. Whoever takes the body on has it at hand, so a way does not keep it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Asked<'a> {
    pub(crate) method: &'a [u8],
    pub(crate) key: &'a Bytes,
}

/// The same, for whoever goes on without the request.
#[derive(Debug, Clone, Default)]
pub(crate) struct Kept {
    method: Bytes,
    key: Bytes,
}

/// Which body, of which transaction.
#[derive(Debug, Clone, Copy)]
struct Way<'a> {
    party: &'a Handle,
    hook: Hook,
    asked: Asked<'a>,
}

/// A body on its way.
#[derive(Debug)]
pub(crate) struct Filter {
    party: Handle,
    terms: Terms,
    /// Bytes that every module took and gave.
    through: u64,
    /// Modules that gave others than they took, by their place.
    changed: u64,
    /// Bytes the source still has to give, when that is known: then the last piece is known by it.
    left: Option<u64>,
    /// The other way.
    stages: Option<Box<Stages>>,
    hook: Hook,
    /// The modules were told that the body is over.
    closed: bool,
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

impl<'a> Asked<'a> {
    /// A piece of the body, as an event.
    #[inline(always)]
    fn event(self, party: &Party, hook: Hook, piece: Piece<'a>) -> Event<'a> {
        Event {
            hook,
            id: party.id(),
            client: party.client(),
            method: self.method,
            url: self.key,
            part: Part::Piece(piece),
        }
    }

    /// Keeps it.
    pub(crate) fn keep(self) -> Kept {
        Kept {
            // Without an allocation for those that are common.
            method: match self.method {
                b"GET" => Bytes::from_static(b"GET"),
                b"HEAD" => Bytes::from_static(b"HEAD"),
                b"POST" => Bytes::from_static(b"POST"),
                other => Bytes::copy_from_slice(other),
            },
            key: self.key.clone(),
        }
    }
}

impl Kept {
    /// What was kept.
    pub(crate) fn asked(&self) -> Asked<'_> {
        Asked {
            method: &self.method,
            key: &self.key,
        }
    }
}

impl Handle {
    /// A body of this transaction on its way.
    #[inline(always)]
    fn way<'a>(&'a self, hook: Hook, asked: Asked<'a>) -> Way<'a> {
        let party = self;
        Way { party, hook, asked }
    }
}

impl Way<'_> {
    /// The modules, in order.
    fn order(&self) -> impl Iterator<Item = usize> {
        let order = self.party.chain.order(self.hook).iter();
        order.map(|index| usize::from(*index))
    }

    #[inline(always)]
    fn event<'a>(
        &'a self,
        bytes: &'a Bytes,
        last: bool,
        held: &'a [Bytes],
        head_waits: bool,
    ) -> Event<'a> {
        let piece = Piece {
            bytes,
            last,
            held,
            head_waits,
        };
        self.asked.event(self.party, self.hook, piece)
    }
}

impl Filter {
    /// Whether the body may come out at another length.
    pub(crate) fn changes_length(&self) -> bool {
        self.terms.change_length()
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

    /// How long a module may keep what comes next, when that is waited for with one.
    pub(crate) fn away_for(&self) -> Option<Duration> {
        self.is_away().then(|| self.party.longest())
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
    pub(crate) fn poll_free(
        &mut self,
        asked: Asked<'_>,
        hooks: Hooks,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let way = self.party.way(self.hook, asked);
        match &mut self.stages {
            Some(stages) => stages.poll_free(&way, hooks, cx),
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
        asked: Asked<'_>,
        cx: &mut Context<'_>,
        mut source: impl FnMut(&mut Context<'_>) -> Poll<Result<Decoded, E>>,
    ) -> Poll<Result<Decoded, Break<E>>> {
        let mut edits = None;
        loop {
            if let Some(stages) = &mut self.stages {
                return stages.poll(&self.party.way(self.hook, asked), cx, source);
            }
            let mut piece = match source(cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(Break::Source(error))),
                Poll::Ready(Ok(piece)) => piece,
            };
            let edits = edits.get_or_insert_with(Edits::new);
            let mut ways = Ways::new(Some(&mut *self), None);
            if ways.pass(asked, &mut piece, edits) && !matches!(piece, Decoded::More) {
                return Poll::Ready(Ok(piece));
            }
        }
    }
}
