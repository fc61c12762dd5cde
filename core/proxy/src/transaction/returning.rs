//! An answer on its way to this client alone: `response_return` on its head, `return_body` on its body, and what is injected.
//!
//! Asked before the answer is framed, since modules on the body decide whether its length can be told. What comes of it is never
//! stored. Without modules on answers all of this is one comparison.

use super::deliver::{Broken, Framed};
use super::exchange::{Upload, push_end, push_piece};
use super::hooks::{FAILED, closed};
use super::origin::Origin;
use super::route::Route;
use super::{Step, Transaction};
use crate::client::{Gone, Queue};
use crate::modules::edited::{self, Made};
use crate::modules::filter::{Break, Filter};
use crate::modules::party::{Ran, Subject};
use bytes::Bytes;
use std::collections::VecDeque;
use std::future::poll_fn;
use std::ops::Range;
use std::rc::Rc;
use std::task::{Context, Poll};
use understudy_cache::{FillEvent, FillReader};
use understudy_http::wire::body::Decoded;
use understudy_module::{Edits, Head, Hook, Hooks, Lines, Part};
use understudy_runtimes::Seat;

/// Most bytes gathered for one write.
const GATHER: usize = 256 * 1024;

/// An answer's head as this client gets it, and the way of its body.
#[derive(Debug)]
pub(super) struct Returning {
    /// Start line and lines.
    pub(super) head: Bytes,
    /// Lines that are added to it.
    pub(super) added: Vec<u8>,
    pub(super) status: u16,
    pub(super) body: Option<Way>,
    /// The body may come out at another length, also one that does not go with this head (HEAD, 304).
    changes_length: bool,
}

/// The way of a body through modules.
#[derive(Debug)]
pub(super) struct Way {
    filter: Filter,
    injections: Option<Injections>,
}

/// Open as long as the answer is in progress.
#[derive(Debug)]
struct Injections {
    seat: Rc<Seat>,
    transaction: u64,
}

impl Drop for Injections {
    fn drop(&mut self) {
        self.seat.close_for_injection(self.transaction);
    }
}

/// Where the bytes of a body come from.
pub(super) enum From<'a> {
    /// The store: what is left of these.
    Blocks(VecDeque<Bytes>),
    Fill(&'a mut FillReader),
    Origin(&'a mut Origin, &'a mut Upload),
}

impl Returning {
    fn plain(head: Bytes, status: u16) -> Returning {
        Returning {
            head,
            added: Vec::new(),
            status,
            body: None,
            changes_length: false,
        }
    }

    /// The length as it can be told beforehand.
    pub(super) fn length(&self, length: Option<u64>) -> Option<u64> {
        length.filter(|_| !self.changes_length)
    }

    /// Whether the body may come out at another length.
    pub(super) fn changes_length(&self) -> bool {
        self.changes_length
    }

    /// Queues head and lines; answers how many bytes that is.
    pub(super) fn push(&mut self, lines: Bytes, queue: &mut Queue) -> u64 {
        let overhead = self.head.len() + self.added.len() + lines.len();
        queue.push(std::mem::take(&mut self.head));
        queue.push(std::mem::take(&mut self.added).into());
        queue.push(lines);
        overhead as u64
    }
}

impl Transaction {
    /// What modules make of an answer's head for this client. `empty`: no body goes with it.
    pub(super) async fn returning(
        &mut self,
        head: Bytes,
        status: u16,
        empty: bool,
    ) -> Result<Returning, Step> {
        let Some(party) = &self.party else {
            return Ok(Returning::plain(head, status));
        };
        if !party.wants(Hook::ResponseReturn) && !party.wants(Hook::ReturnBody) {
            return Ok(Returning::plain(head, status));
        }
        let set = std::mem::take(&mut self.set);
        let key = asked(&self.route, &self.logged_url);
        let mut returning = Returning::plain(head, status);
        if party.wants(Hook::ResponseReturn) {
            if let Some(filter) = &mut self.body.filter {
                // A module may have a piece of the request still, and here nobody else would take it back.
                let next = Hooks::of(&[Hook::ResponseReturn]);
                poll_fn(|cx| filter.poll_free(next, cx)).await;
            }
            let edits = {
                let (head, method) = (&returning.head, self.head.method_bytes());
                let subject = || Subject {
                    method,
                    url: key,
                    part: Part::Head(Head::Response {
                        status,
                        lines: Lines::Whole(head),
                    }),
                };
                let (ran, mut edits) = match self.returned.take() {
                    Some(before) => *before,
                    None => {
                        let mut edits = self.worker.edits.take();
                        let ran = party.run(Hook::ResponseReturn, 0, subject(), &mut edits);
                        (ran, edits)
                    }
                };
                let ran = match ran {
                    // By far the commonest: without another future.
                    Ran::Through => Ran::Through,
                    ran => {
                        party
                            .finish(Hook::ResponseReturn, ran, subject, &mut edits)
                            .await
                    }
                };
                match ran {
                    Ran::Answer(response) => return Err(Step::Respond(response)),
                    Ran::Closed => return Err(closed()),
                    Ran::Through | Ran::Later(_) | Ran::Busy(_) => {}
                }
                edits
            };
            returning.edit(&edits, set);
            self.worker.edits.set(edits);
        }
        let filter = party.filter(Hook::ReturnBody, self.head.method_bytes(), key);
        if let Some(filter) = filter {
            if filter.changes_length() {
                returning.changes_length = true;
                returning.head =
                    edited::text(&returning.head, &Edits::new(), Some(b"content-length")).into();
            }
            returning.body = (!empty).then(|| Way {
                injections: filter.changes_length().then(|| {
                    party.seat().open_for_injection(party.id());
                    Injections {
                        seat: party.seat().clone(),
                        transaction: party.id(),
                    }
                }),
                filter,
            });
        }
        Ok(returning)
    }

    /// The key of what was asked for, also where no route was made.
    pub(super) fn key_asked(&self) -> &Bytes {
        asked(&self.route, &self.logged_url)
    }

    /// The Server-Timing line, when it is wanted.
    pub(super) fn timing_line(&self, out: &mut Vec<u8>) {
        let Some(party) = &self.party else { return };
        party.tell_timing(self.head.fields(), out);
    }

    /// Delivers a body through the modules on its way, which were told how long it is.
    pub(super) async fn deliver_through(
        &mut self,
        queue: &mut Queue,
        mut from: From<'_>,
        way: &mut Way,
        framed: Framed,
    ) -> Result<(), Broken> {
        // Whoever fills gets one turn before the head goes out alone: what is here already goes with it, and a module that
        // fails at once can still be told properly.
        let mut yielded = !matches!(from, From::Fill(_));
        let timeouts = &self.live.settings.timeouts;
        let limit = timeouts.body;
        let patience = limit.saturating_add(timeouts.between_bytes);
        let chunked = framed == Framed::Chunked;
        let (mut ended, mut away) = (false, false);
        loop {
            self.client.deadline.arm_now(patience);
            let mut gathered = 0;
            let mut heard = from.heard();
            let outcome = poll_fn(|cx| {
                while gathered < GATHER && !ended {
                    if let Some(pieces) = way.injected(cx) {
                        for piece in pieces {
                            gathered += piece.len();
                            push_piece(queue, piece, chunked);
                        }
                    }
                    if let From::Origin(origin, upload) = &mut from {
                        self.poll_upload(cx, origin.stream(), upload);
                        // One that has a piece on its way in is asked nothing else until then, and would be waited for here for ever.
                        // What comes out is there for the next piece; that it is still away wakes this task.
                        let _ = origin.poll_free(Hooks::of(&[Hook::ReturnBody]), cx);
                    }
                    match way.filter.poll(cx, |cx| from.poll(cx)) {
                        Poll::Ready(Ok(Decoded::Data(piece))) => {
                            gathered += piece.len();
                            if let From::Origin(..) = from {
                                let stats = &self.worker.stats;
                                stats.origin_bytes_in.add(piece.len() as u64);
                            }
                            push_piece(queue, piece, chunked);
                        }
                        Poll::Ready(Ok(Decoded::End(trailers))) => {
                            ended = true;
                            if chunked {
                                push_end(queue, &trailers);
                            }
                        }
                        Poll::Ready(Ok(Decoded::More)) => {}
                        Poll::Ready(Err(Break::Source(word))) => return Poll::Ready(Err(word)),
                        Poll::Ready(Err(Break::Module | Break::Answer(_))) => {
                            return Poll::Ready(Err(FAILED));
                        }
                        Poll::Pending if !yielded => {
                            yielded = true;
                            cx.waker().wake_by_ref();
                            return Poll::Pending;
                        }
                        // While a module may still fail before anything is given away, the head waits.
                        Poll::Pending
                            if !queue.is_empty()
                                && (queue.written > 0
                                    || !(way.filter.withholds() || from.withholds())) =>
                        {
                            return Poll::Ready(Ok(()));
                        }
                        Poll::Pending => {
                            // While a module has a piece its own deadline holds, here and where the bytes come from.
                            let now = way.filter.is_away() || from.is_away();
                            if std::mem::replace(&mut away, now) || now {
                                self.client.deadline.arm_now(patience);
                            }
                            if self.client.deadline.poll(cx).is_pending() {
                                return Poll::Pending;
                            }
                            if std::mem::replace(&mut heard, from.heard()) == from.heard() {
                                return Poll::Ready(Err("between-bytes-timeout"));
                            }
                            self.client.deadline.arm_now(patience);
                        }
                    }
                }
                Poll::Ready(Ok(()))
            })
            .await;
            if outcome.is_ok() || queue.written > 0 {
                self.client
                    .flush(queue, limit)
                    .await
                    .map_err(|Gone| Broken::Client)?;
            }
            outcome.map_err(Broken::Origin)?;
            if ended {
                return Ok(());
            }
        }
    }
}

fn asked<'a>(route: &'a Option<Route>, url: &'a Option<Bytes>) -> &'a Bytes {
    static NOTHING: Bytes = Bytes::new();
    let key = route.as_ref().map(|route| &route.key);
    key.or(url.as_ref()).unwrap_or(&NOTHING)
}

impl Returning {
    /// Puts a module's edits to use. `set`: where lines stand that modules set, and no others of their names.
    fn edit(&mut self, edits: &Edits, set: Range<usize>) {
        let set = self.head.get(set).unwrap_or_default();
        match edited::made(&self.head, edits, set) {
            Made::Same | Made::Stands(_) => {}
            Made::More(lines) => self.added.extend_from_slice(lines),
            Made::Anew(head) => {
                self.head = head.into();
                self.status = edited::status_in(&self.head).unwrap_or(self.status);
            }
        }
    }
}

impl Way {
    /// So many bytes are to come.
    pub(super) fn expect(&mut self, length: Option<u64>) {
        self.filter.expect(length);
    }

    /// What comes out at once of what an origin's answer has here already. Where pieces may be injected they go by their own way.
    pub(super) fn buffered(
        &mut self,
        origin: &mut Origin,
    ) -> Result<Option<Decoded>, &'static str> {
        match self.injections {
            Some(_) => Ok(None),
            None => self.filter.buffered(|| origin.buffered_piece()),
        }
    }

    fn injected(&self, cx: &mut Context<'_>) -> Option<Vec<Bytes>> {
        let of = self.injections.as_ref()?;
        of.seat.poll_injected(of.transaction, cx)
    }
}

impl From<'_> {
    /// Whether a module has a piece of it on its way from the origin.
    fn is_away(&self) -> bool {
        matches!(self, From::Origin(origin, _) if origin.is_away())
    }

    /// Whether modules have bytes of it of which nothing came out yet.
    fn withholds(&self) -> bool {
        matches!(self, From::Origin(origin, _) if origin.withholds())
    }

    /// How often whoever fills heard of it without a piece for us.
    fn heard(&self) -> u64 {
        match self {
            From::Fill(reader) => reader.heard(),
            From::Blocks(_) | From::Origin(..) => 0,
        }
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<Decoded, &'static str>> {
        match self {
            From::Blocks(blocks) => Poll::Ready(Ok(match blocks.pop_front() {
                Some(block) => Decoded::Data(block),
                None => Decoded::End(Bytes::new()),
            })),
            From::Fill(reader) => reader.poll_next(cx).map(|event| match event {
                FillEvent::Data(piece) => Ok(Decoded::Data(piece)),
                FillEvent::End(trailers) => Ok(Decoded::End(trailers)),
                FillEvent::Broken => Err("origin-broke-off"),
            }),
            From::Origin(origin, _) => origin.poll_piece(cx),
        }
    }
}
