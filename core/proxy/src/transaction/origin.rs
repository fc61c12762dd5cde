//! An origin's answer on its way in: as it comes, or through the modules that hear `response_body`.

use super::complete::Splice;
use crate::modules::filter::{Break, Filter};
use std::task::{Context, Poll};
use understudy_http::wire::body::Decoded;
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
}

impl Origin {
    pub(super) fn new(stream: OriginStream) -> Origin {
        Origin {
            stream,
            filter: None,
            splice: None,
            whole: None,
        }
    }

    /// Puts modules in its way.
    pub(super) fn through(&mut self, filter: Option<Filter>) {
        self.filter = filter;
        if let Some(filter) = &mut self.filter {
            filter.expect(self.stream.body_length());
        }
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

    /// Whether modules may change the body's length.
    pub(super) fn changes_length(&self) -> bool {
        self.filter.as_ref().is_some_and(|f| f.changes_length())
    }

    /// Whether modules have bytes of the body of which nothing came out yet.
    pub(super) fn withholds(&self) -> bool {
        self.filter.as_ref().is_some_and(|f| f.withholds())
    }

    /// The body's length, when it is known beforehand.
    pub(super) fn body_length(&self) -> Option<u64> {
        if self.whole.is_some() {
            self.whole
        } else if self.changes_length() {
            None
        } else {
            self.stream.body_length()
        }
    }

    /// The next piece; an error is its word.
    pub(super) fn poll_piece(
        &mut self,
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
        let stream = &mut self.stream;
        let piece = filter.poll(cx, |cx| stream.poll_piece(cx));
        piece.map_err(|broken: Break<UpstreamError>| match broken {
            Break::Source(error) => error.word(),
            Break::Module => super::hooks::FAILED,
        })
    }

    /// What is here already, when nothing stands in the way.
    pub(super) fn buffered_piece(&mut self) -> Result<Option<Decoded>, &'static str> {
        if self.filter.is_some() {
            return Ok(None);
        }
        self.stream.buffered_piece().map_err(|e| e.word())
    }

    /// The answer was read whole: the connection may serve another.
    pub(super) fn release(self, request_complete: bool) {
        self.stream.release(request_complete);
    }
}
