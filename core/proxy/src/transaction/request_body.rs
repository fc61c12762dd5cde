//! The request's body as it comes from the client.
//!
//! Owns the decoder and how much was received. Awkward case: a client that expects 100-continue has sent nothing yet and may
//! never send anything, so its body can be neither waited for nor skipped.

use super::refusal::Refusal;
use super::withheld::Ahead;
use crate::client::Client;
use crate::modules::filter::{Asked, Break, Filter, Kept};
use bytes::Bytes;
use std::task::{Context, Poll, ready};
use understudy_http::wire::body::{BodyError, BodyReader, Decoded};
use understudy_http::wire::framing::Framing;
use understudy_module::{Edits, Hooks, Refused};

/// Unread body bytes that are read and thrown away to keep a connection; beyond, it is closed.
pub(super) const DRAIN_LIMIT: u64 = 64 * 1024;

/// A request's body.
#[derive(Debug)]
pub(super) struct RequestBody {
    reader: BodyReader,
    framing: Framing,
    received: u64,
    limit: u64,
    /// The client waits for a 100 (RFC 9110 section 10.1.1) and has not been given one.
    pub(super) expects: bool,
    /// Nothing is known about what follows the head: it was malformed.
    unknown: bool,
    /// The modules on its way to the origin. In a box: most requests have no body.
    filter: Option<Box<Heard>>,
    /// What came out of them while the head waited.
    ahead: Option<Box<Ahead>>,
}

/// Modules on a body, and what they are told of its request: that stays as it was when the way began.
#[derive(Debug)]
struct Heard {
    filter: Filter,
    kept: Kept,
}

/// What a piece of the body gave.
#[derive(Debug)]
pub(super) enum Piece {
    Data(Bytes),
    /// The end, with the trailer section.
    End(Bytes),
}

impl RequestBody {
    pub(super) fn none() -> RequestBody {
        RequestBody::new(Framing::None, 0, false)
    }

    pub(super) fn unknown() -> RequestBody {
        RequestBody {
            unknown: true,
            ..RequestBody::none()
        }
    }

    pub(super) fn new(framing: Framing, limit: u64, expects: bool) -> RequestBody {
        RequestBody {
            reader: BodyReader::new(framing),
            framing,
            received: 0,
            limit,
            expects,
            unknown: false,
            filter: None,
            ahead: None,
        }
    }

    /// How it goes on to an origin: in chunks when modules may change its length.
    pub(super) fn framing_out(&self) -> Framing {
        if let Some(length) = self.ahead.as_ref().and_then(|ahead| ahead.length()) {
            return Framing::Length(length);
        }
        match (&self.filter, self.framing) {
            (Some(heard), Framing::Length(_)) if heard.filter.changes_length() => Framing::Chunked,
            (_, framing) => framing,
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        matches!(self.framing, Framing::None | Framing::Length(0))
    }

    /// Bytes of body received.
    pub(super) fn received(&self) -> u64 {
        self.received
    }

    /// Whether it can be sent once more from its start: nothing of it came, and modules made nothing of its being empty.
    pub(super) fn is_untouched(&self) -> bool {
        self.received == 0
            && !self
                .filter
                .as_ref()
                .is_some_and(|heard| heard.filter.is_closed())
    }

    /// Whether a module has a piece of it: then nobody waits for the client.
    pub(super) fn is_away(&self) -> bool {
        self.filter.as_ref().is_some_and(|f| f.filter.is_away())
    }

    /// Puts modules in its way.
    pub(super) fn through(&mut self, filter: Option<Filter>, asked: Asked<'_>) {
        let kept = |filter| {
            let kept = asked.keep();
            Box::new(Heard { filter, kept })
        };
        self.filter = filter.map(kept);
    }

    /// Whether the head before it waits for what a module makes of it.
    pub(super) fn withholds_head(&self) -> bool {
        let heard = self.filter.as_ref();
        heard.is_some_and(|heard| heard.filter.withholds_head())
    }

    /// Whether modules hear it.
    #[inline]
    pub(super) fn is_filtered(&self) -> bool {
        self.filter.is_some()
    }

    /// Waits until no module that wants one of these hooks has a piece.
    pub(super) fn poll_free(&mut self, hooks: Hooks, cx: &mut Context<'_>) -> Poll<()> {
        match self.filter.as_deref_mut() {
            Some(Heard { filter, kept }) => filter.poll_free(kept.asked(), hooks, cx),
            None => Poll::Ready(()),
        }
    }

    /// Whether all of it was read.
    pub(super) fn is_done(&self) -> bool {
        !self.unknown && (self.is_empty() || self.reader.is_done())
    }

    /// Whether what is left may be read and thrown away to keep the connection. The only place that decides it.
    pub(super) fn is_drainable(&self) -> bool {
        !self.unknown && !self.expects && self.reader.remaining().is_some_and(|n| n <= DRAIN_LIMIT)
    }

    /// The next piece on its way to an origin. The caller has armed the deadline.
    pub(super) fn poll_piece(
        &mut self,
        client: &mut Client,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Piece, Refusal>> {
        match self.ahead.as_mut().and_then(|ahead| ahead.next()) {
            Some(Decoded::End(trailers)) => return Poll::Ready(Ok(Piece::End(trailers))),
            Some(Decoded::Data(piece)) => return Poll::Ready(Ok(Piece::Data(piece))),
            Some(Decoded::More) | None => {}
        }
        let Some(mut heard) = self.filter.take() else {
            return self.poll_received(client, cx);
        };
        let Heard { filter, kept } = &mut *heard;
        let piece = filter.poll(kept.asked(), cx, |cx| {
            self.poll_received(client, cx).map_ok(|piece| match piece {
                Piece::Data(piece) => Decoded::Data(piece),
                Piece::End(trailers) => Decoded::End(trailers),
            })
        });
        self.filter = Some(heard);
        piece.map(|piece| match piece {
            Ok(Decoded::Data(piece)) => Ok(Piece::Data(piece)),
            Ok(Decoded::End(trailers)) => Ok(Piece::End(trailers)),
            // A filter gives pieces and an end.
            Ok(Decoded::More) => Ok(Piece::Data(Bytes::new())),
            Err(Break::Source(refusal)) => Err(refusal),
            // No answer can take the place of a body whose head is gone.
            Err(Break::Module | Break::Answer(_)) => Err(Refusal::new(502, super::hooks::FAILED)),
        })
    }

    /// Takes it through its modules until something comes out. The caller has armed the deadline.
    pub(super) fn poll_ahead(
        &mut self,
        client: &mut Client,
        cx: &mut Context<'_>,
    ) -> Poll<Result<(), Break<Refusal>>> {
        let Some(mut heard) = self.filter.take() else {
            return Poll::Ready(Ok(()));
        };
        let mut ahead = self.ahead.take().unwrap_or_default();
        let Heard { filter, kept } = &mut *heard;
        let polled = ahead.poll(|| {
            let polled = filter.poll(kept.asked(), cx, |cx| {
                self.poll_received(client, cx).map_ok(|piece| match piece {
                    Piece::Data(piece) => Decoded::Data(piece),
                    Piece::End(trailers) => Decoded::End(trailers),
                })
            });
            (polled, filter.is_closed())
        });
        (self.filter, self.ahead) = (Some(heard), Some(ahead));
        polled
    }

    /// The head waits no longer: what modules said of it.
    pub(super) fn release_head(&mut self) -> Result<Edits, Refused> {
        match &mut self.filter {
            Some(heard) => heard.filter.release_head(),
            None => Ok(Edits::new()),
        }
    }

    /// The next piece as it was received.
    pub(super) fn poll_received(
        &mut self,
        client: &mut Client,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Piece, Refusal>> {
        loop {
            let decoded = match self.reader.decode(&mut client.buf) {
                Ok(decoded) => decoded,
                Err(BodyError::Truncated) => return Poll::Ready(Err(gone())),
                Err(BodyError::Chunked(_)) => {
                    self.unknown = true;
                    return Poll::Ready(Err(Refusal::new(400, "request-body")));
                }
            };
            match decoded {
                Decoded::Data(piece) => {
                    self.expects = false;
                    self.received += piece.len() as u64;
                    if self.received > self.limit {
                        self.unknown = true;
                        return Poll::Ready(Err(Refusal::new(413, "request-body-too-large")));
                    }
                    return Poll::Ready(Ok(Piece::Data(piece)));
                }
                Decoded::End(trailers) => return Poll::Ready(Ok(Piece::End(trailers))),
                Decoded::More => match ready!(client.poll_fill(cx)) {
                    Ok(n) if n > 0 => {}
                    _ => {
                        self.unknown = true;
                        return Poll::Ready(Err(gone()));
                    }
                },
            }
        }
    }
}

fn gone() -> Refusal {
    Refusal::new(400, "request-body-truncated")
}
