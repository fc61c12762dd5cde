//! Heads that wait for what modules make of the body behind them (`withhold_head`).
//!
//! Before anything is decided by such a head (what is stored, where a request goes, how it is framed) the body is taken through its
//! modules until its first bytes come out, or its end; what they said of the head meanwhile is put to use, and what came out lies
//! [`Ahead`] of the rest. Awkward cases: a client that waits for a 100 before it sends the body a module wants to see; a module that
//! has a piece still when it is to be asked what comes next, while nobody takes the body any further.

use super::exchange::Exchanged;
use super::hooks::closed;
use super::refusal::{Failure, Refusal};
use super::{Step, Transaction};
use crate::client::Queue;
use crate::modules::edited;
use crate::modules::filter::Break;
use bytes::Bytes;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::task::{Context, Poll};
use understudy_cache::Fill;
use understudy_http::wire::body::Decoded;
use understudy_http::{Name, Version};
use understudy_module::{Edits, Hook, Hooks};

/// What came out of modules before the head was released.
#[derive(Debug, Default)]
pub(super) struct Ahead {
    pieces: VecDeque<Bytes>,
    /// The body ended, with these trailers.
    end: Option<Bytes>,
    /// Its whole length, when it ended and no trailers are behind it.
    length: Option<u64>,
}

impl Ahead {
    /// Takes what comes out until there is something; once modules know the body's end they have all of it, and what comes out is
    /// taken as far as it is there.
    pub(super) fn poll<E>(
        &mut self,
        mut next: impl FnMut() -> (Poll<Result<Decoded, Break<E>>>, bool),
    ) -> Poll<Result<(), Break<E>>> {
        loop {
            let (polled, is_closed) = next();
            match polled {
                Poll::Ready(Ok(Decoded::Data(piece))) => {
                    self.pieces.push_back(piece);
                    if !is_closed {
                        return Poll::Ready(Ok(()));
                    }
                }
                Poll::Ready(Ok(Decoded::End(trailers))) => {
                    let length = self.pieces.iter().map(|piece| piece.len() as u64);
                    // Trailers need chunks (RFC 9112 section 7.1.2).
                    self.length = trailers.is_empty().then(|| length.sum());
                    self.end = Some(trailers);
                    return Poll::Ready(Ok(()));
                }
                Poll::Ready(Ok(Decoded::More)) => {}
                Poll::Ready(Err(broken)) => return Poll::Ready(Err(broken)),
                Poll::Pending if self.pieces.is_empty() => return Poll::Pending,
                Poll::Pending => return Poll::Ready(Ok(())),
            }
        }
    }

    /// The next of it; `None` when the rest is to be asked for.
    pub(super) fn next(&mut self) -> Option<Decoded> {
        match self.pieces.pop_front() {
            Some(piece) => Some(Decoded::Data(piece)),
            None => self.end.clone().map(Decoded::End),
        }
    }

    /// The length of the whole body, when it is here and may be told.
    pub(super) fn length(&self) -> Option<u64> {
        self.length
    }
}

/// Why nothing comes of an answer whose head is here.
pub(super) enum Unheard {
    /// The transaction goes on with this step.
    Ends(Step),
    /// The origin broke off while the head waited. Nothing of it has gone out, so it is as if it had not answered.
    BrokeOff(&'static str),
}

impl Transaction {
    /// Lets modules look at the answer's body before its head is put to use.
    pub(super) async fn withheld_response(
        &mut self,
        exchanged: &mut Exchanged,
        fill: Option<&Fill>,
    ) -> Result<(), Unheard> {
        let patience = self.live.settings.timeouts.between_bytes;
        self.client.deadline.arm_now(patience);
        let Exchanged { origin, upload, .. } = &mut *exchanged;
        let mut away = false;
        let polled = poll_fn(|cx: &mut Context<'_>| {
            self.poll_upload(cx, origin.stream(), upload);
            let mut heard = false;
            match origin.poll_ahead(self.asked(), cx, &mut heard) {
                Poll::Pending => {
                    if heard {
                        self.client.deadline.arm_now(patience);
                    }
                    let was = std::mem::replace(&mut away, origin.is_away());
                    match fill {
                        Some(fill) if was || away => fill.away(origin.away_for()),
                        Some(fill) if heard => fill.heard(),
                        _ => {}
                    }
                    let late = origin.poll_late(&self.client.deadline, patience, cx);
                    late.map(|()| Err(Break::Source("between-bytes-timeout")))
                }
                ready => ready,
            }
        })
        .await;
        match polled {
            Ok(()) => {}
            Err(Break::Answer(response)) => return Err(Unheard::Ends(Step::Respond(response))),
            Err(Break::Module) => return Err(Unheard::Ends(closed())),
            Err(Break::Source(word)) => return Err(Unheard::BrokeOff(word)),
        }
        let edits = exchanged.origin.release_head().map_err(|why| {
            tracing::warn!(id = %self.name(), %why, "what modules made of a head that waited");
            Unheard::Ends(closed())
        })?;
        // It is returned before anybody takes more of the body.
        let next = Hooks::of(&[Hook::ResponseReturn]);
        poll_fn(|cx| exchanged.origin.poll_free(self.asked(), next, cx)).await;
        if !edits.is_empty() {
            edited::response(&mut exchanged.head, &edits);
            self.hear(&edits);
        }
        Ok(())
    }

    /// Lets modules look at the request's body before its head is put to use; gives what they said of that.
    pub(super) async fn withheld_request(&mut self) -> Result<Edits, Step> {
        let limit = self.live.settings.timeouts.body;
        if self.body.expects && self.head.version() >= Version::Http11 {
            // Its body is wanted here, whatever the origin would say (RFC 9110 section 10.1.1).
            let mut queue = Queue::default();
            queue.push(Bytes::from_static(b"HTTP/1.1 100 Continue\r\n\r\n"));
            let flushed = self.client.flush(&mut queue, limit).await;
            self.tally.bytes_out += queue.written;
            if flushed.is_err() {
                return Err(self.failed(Failure::Gone));
            }
            self.body.expects = false;
            self.head.remove(Name::Expect);
        }
        self.client.deadline.arm_now(limit);
        let (body, client) = (&mut self.body, &mut self.client);
        let (mut received, mut away) = (body.received(), false);
        let polled = poll_fn(|cx: &mut Context<'_>| match body.poll_ahead(client, cx) {
            Poll::Pending => {
                let was = std::mem::replace(&mut away, body.is_away());
                if body.received() > received || was || away {
                    received = body.received();
                    client.deadline.arm_now(limit);
                }
                let late = client.deadline.poll(cx);
                late.map(|()| Err(Break::Source(Refusal::new(408, "body-timeout"))))
            }
            ready => ready,
        })
        .await;
        match polled {
            Ok(()) => {
                let edits = self.body.release_head().map_err(|why| {
                    tracing::warn!(id = %self.name(), %why, "what modules made of a head that waited");
                    closed()
                })?;
                let next = Hooks::of(&[Hook::RequestOut, Hook::Resolve]);
                poll_fn(|cx| self.body.poll_free(next, cx)).await;
                Ok(edits)
            }
            Err(Break::Answer(response)) => Err(Step::Respond(response)),
            Err(Break::Module) => Err(closed()),
            Err(Break::Source(refusal)) if refusal.word == "request-body-truncated" => {
                Err(self.failed(Failure::Gone))
            }
            Err(Break::Source(refusal)) => Err(Step::Answer(refusal)),
        }
    }
}
