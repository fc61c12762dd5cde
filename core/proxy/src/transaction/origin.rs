//! An origin's answer on its way in: as it comes, or through the modules that hear `response_body`.

use super::complete::Splice;
use super::withheld::Ahead;
use crate::clock::Deadline;
use crate::modules::filter::{Asked, Break, Filter};
use std::task::{Context, Poll};
use std::time::Duration;
use understudy_http::wire::body::Decoded;
use understudy_module::{Edits, Hooks, Refused};
use understudy_upstream::{OriginStream, UpstreamError};

/// The answer's source.
#[derive(Debug)]
pub(super) struct Origin {
    stream: OriginStream,
    filter: Option<Filter>,
    /// It is a part, and the whole is delivered.
    splice: Option<Box<Splice>>,
    /// It is a part, and what is looked at is the whole: its length.
    whole: Option<u64>,
    /// What came out of modules while the head waited.
    ahead: Option<Box<Ahead>>,
    /// A module had a piece when this was last asked.
    away: bool,
}

impl Origin {
    pub(super) fn new(stream: OriginStream) -> Origin {
        Origin {
            stream,
            filter: None,
            splice: None,
            whole: None,
            ahead: None,
            away: false,
        }
    }

    /// Puts modules in its way.
    #[inline(always)]
    pub(super) fn through(&mut self, filter: Filter) -> &Filter {
        // There is none yet: nothing is dropped for it.
        let filter = self.filter.get_or_insert(filter);
        filter.expect(self.stream.body_length());
        filter
    }

    /// Puts it between what is there before and behind it.
    pub(super) fn splice(&mut self, splice: Splice) {
        self.splice = Some(Box::new(splice));
    }

    /// Has it pass for the whole that it is a part of, whose length this is; or for itself again.
    pub(super) fn stand_for(&mut self, whole: Option<u64>) {
        self.whole = whole;
    }

    /// Whether modules hear its body.
    pub(super) fn is_filtered(&self) -> bool {
        self.filter.is_some()
    }

    /// The connection, for what is no answer's body.
    pub(super) fn stream(&mut self) -> &mut OriginStream {
        &mut self.stream
    }

    /// The connection alone.
    pub(super) fn into_stream(self) -> OriginStream {
        self.stream
    }

    /// Takes the body through its modules until something comes out; `heard`: the origin gave something.
    pub(super) fn poll_ahead(
        &mut self,
        asked: Asked<'_>,
        cx: &mut Context<'_>,
        heard: &mut bool,
    ) -> Poll<Result<(), Break<&'static str>>> {
        let (Some(filter), stream) = (&mut self.filter, &mut self.stream) else {
            return Poll::Ready(Ok(()));
        };
        let ahead = self.ahead.get_or_insert_default();
        ahead.poll(|| {
            let polled = filter.poll(asked, cx, |cx| {
                let piece = stream.poll_piece(cx).map_err(|error| error.word());
                *heard |= piece.is_ready();
                piece
            });
            (polled, filter.is_closed())
        })
    }

    /// The head waits no longer: what modules said of it.
    pub(super) fn release_head(&mut self) -> Result<Edits, Refused> {
        match &mut self.filter {
            Some(filter) => filter.release_head(),
            None => Ok(Edits::new()),
        }
    }

    /// Waits until no module that wants one of these hooks has a piece.
    pub(super) fn poll_free(
        &mut self,
        asked: Asked<'_>,
        hooks: Hooks,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        match &mut self.filter {
            Some(filter) => filter.poll_free(asked, hooks, cx),
            None => Poll::Ready(()),
        }
    }

    /// Whether modules may change the body's length.
    pub(super) fn changes_length(&self) -> bool {
        self.known_length().is_none() && self.filter.as_ref().is_some_and(|f| f.changes_length())
    }

    /// Whether modules have bytes of the body of which nothing came out yet.
    pub(super) fn withholds(&self) -> bool {
        self.filter.as_ref().is_some_and(|f| f.withholds())
    }

    /// Whether what comes next is waited for with a module.
    pub(super) fn is_away(&self) -> bool {
        self.filter.as_ref().is_some_and(|f| f.is_away())
    }

    /// How long a module may keep what comes next, when that is waited for with one.
    pub(super) fn away_for(&self) -> Option<Duration> {
        self.filter.as_ref().and_then(Filter::away_for)
    }

    /// Whether the origin is late with what comes next. While a module has a piece nothing is taken from the origin, and the module's
    /// own deadline holds; behind it the origin has all its time.
    pub(super) fn poll_late(
        &mut self,
        deadline: &Deadline,
        patience: Duration,
        cx: &mut Context<'_>,
    ) -> Poll<()> {
        let away = self.is_away();
        if std::mem::replace(&mut self.away, away) || away {
            deadline.arm_now(patience);
        }
        deadline.poll(cx)
    }

    /// The body's length, when it is known beforehand.
    pub(super) fn body_length(&self) -> Option<u64> {
        if self.whole.is_some() {
            self.whole
        } else if let Some(length) = self.known_length() {
            Some(length)
        } else if self.changes_length() {
            None
        } else {
            self.stream.body_length()
        }
    }

    /// The length of what modules made of the body, when the head waited for all of it.
    fn known_length(&self) -> Option<u64> {
        self.ahead.as_ref().and_then(|ahead| ahead.length())
    }

    /// The next piece; an error is its word.
    pub(super) fn poll_piece(
        &mut self,
        asked: Asked<'_>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Decoded, &'static str>> {
        if let Some(splice) = &mut self.splice {
            return match splice.here() {
                Some(piece) => Poll::Ready(Ok(piece)),
                None => self.stream.poll_piece(cx).map(|piece| {
                    let piece = piece.map_err(|e| e.word())?;
                    splice.pass(piece)
                }),
            };
        }
        let Some(filter) = &mut self.filter else {
            return self.stream.poll_piece(cx).map_err(|e| e.word());
        };
        if let Some(piece) = self.ahead.as_mut().and_then(|ahead| ahead.next()) {
            return Poll::Ready(Ok(piece));
        }
        let stream = &mut self.stream;
        let piece = filter.poll(asked, cx, |cx| stream.poll_piece(cx));
        piece.map_err(|broken: Break<UpstreamError>| match broken {
            Break::Source(error) => error.word(),
            // No answer can take the place of a body whose head is gone.
            Break::Module | Break::Answer(_) => super::hooks::FAILED,
        })
    }

    /// What is here already, and no module is to be asked about.
    pub(super) fn here(&mut self) -> Result<Option<Decoded>, &'static str> {
        if self.splice.is_some() {
            return Ok(None);
        }
        if self.filter.is_some() {
            return Ok(self.ahead.as_mut().and_then(|ahead| ahead.next()));
        }
        self.stream.buffered_piece().map_err(|error| error.word())
    }

    /// The connection and the modules on its body, when pieces take the quick way past them; `None` when something else stands in the
    /// way.
    #[inline]
    pub(super) fn quick(&mut self) -> Option<(&mut OriginStream, Option<&mut Filter>)> {
        let filter = self.filter.as_mut();
        let quick = filter.as_ref().is_none_or(|filter| filter.is_quick());
        let free = self.ahead.is_none() && self.splice.is_none();
        (quick && free).then_some((&mut self.stream, filter))
    }

    /// The answer was read whole: the connection may serve another.
    pub(super) fn release(self, request_complete: bool) {
        self.stream.release(request_complete);
    }
}
