//! The step `deliver`: head and body to the client, framed for it, from an origin past the store or from a fill.
//!
//! How the answer is framed and whether the connection persists behind it is decided here and nowhere else, before the head
//! is written. Awkward case: a body that breaks off after the head is out can only be told by cutting the connection.

use super::exchange::{Exchanged, Upload, push_end, push_piece};
use super::origin::Origin;
use super::refusal::Refusal;
use super::returning::{From, Returning, Way};
use super::{Step, Transaction, response_head};
use crate::client::{Gone, Queue};
use crate::modules::filter::Ways;
use bytes::Bytes;
use std::future::poll_fn;
use std::task::Poll;
use understudy_cache::{FillEvent, FillReader, Prepared};
use understudy_http::semantics::cache_status::CacheStatus;
use understudy_http::wire::body::Decoded;
use understudy_http::{Method, Version};
use understudy_upstream::OriginStream;

/// How the body is framed towards the client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Framed {
    /// No body; Content-Length may speak of the one that is not there (HEAD, 304).
    Empty,
    Length,
    Chunked,
    Close,
}

/// Most pieces gathered from an origin for one write.
const PIECES: usize = 64;
/// Most bytes gathered from a fill for one write.
const GATHER: usize = 256 * 1024;

impl Transaction {
    /// How a body is framed for this client. `length`: of the body, when known.
    pub(super) fn framed(&mut self, status: u16, length: Option<u64>) -> Framed {
        if self.is_head() || matches!(status, 100..=199 | 204 | 304) {
            Framed::Empty
        } else if length.is_some() {
            Framed::Length
        } else if self.head.version() == Version::Http11 {
            Framed::Chunked
        } else {
            self.persist = false;
            Framed::Close
        }
    }

    /// Whether an answer of this status to this request has no body.
    pub(super) fn is_bodyless(&self, status: u16) -> bool {
        self.is_head() || matches!(status, 100..=199 | 204 | 304)
    }

    /// The end of a delivery from a fill.
    pub(super) fn delivered(
        &mut self,
        outcome: Result<(), Broken>,
        queue: &Queue,
        overhead: u64,
    ) -> Step {
        self.sent(queue, overhead);
        match outcome {
            Ok(()) => {}
            Err(Broken::Client) => self.aborted(),
            Err(Broken::Origin(word)) if queue.written == 0 => {
                // Nothing of it has gone out, so the client can still be told properly.
                return Step::Answer(Refusal::new(502, word));
            }
            Err(Broken::Origin(word)) => self.broken(word),
        }
        Step::Log
    }

    /// The last word on whether the connection persists: an unread request body or a drain ends it.
    pub(super) fn settle(&mut self, uploading: bool) {
        let unread = !self.body.is_done() && !self.body.is_drainable();
        if unread || uploading || self.worker.draining.get() || self.source.retired.get() {
            self.persist = false;
        }
    }

    /// The lines of this answer alone: Age, framing, Cache-Status, Connection, and the empty line.
    pub(super) fn lines(&self, age: Option<u32>, framed: Framed, cache: &CacheStatus<'_>) -> Bytes {
        let mut out = Vec::with_capacity(160);
        if let Some(age) = age {
            out.extend_from_slice(b"Age: ");
            out.extend_from_slice(itoa::Buffer::new().format(age).as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        if framed == Framed::Chunked {
            out.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        out.extend_from_slice(b"Cache-Status: ");
        cache.write(&self.live.settings.name, &mut out);
        out.extend_from_slice(b"\r\n");
        self.timing_line(&mut out);
        connection_line(self.persist, self.head.version(), &mut out);
        out.extend_from_slice(b"\r\n");
        out.into()
    }

    /// Cache-Status of an answer that was forwarded for.
    pub(super) fn forwarded_status(
        &self,
        status: Option<u16>,
        stored: bool,
    ) -> CacheStatus<'static> {
        CacheStatus {
            hit: false,
            fwd: self.tally.forward,
            fwd_status: status,
            ttl: None,
            stored,
            collapsed: self.tally.collapsed,
            detail: self.tally.not_stored.map(|why| why.as_str()),
        }
    }

    /// The same for an answer that is stored, or read while it is: it says for how long others will get it.
    pub(super) fn storing_status(&self, prepared: &Prepared, stored: bool) -> CacheStatus<'static> {
        CacheStatus {
            ttl: Some(prepared.freshness.ttl(self.now())),
            ..self.forwarded_status(None, stored)
        }
    }

    /// Delivers an origin's answer past the store, as it comes.
    pub(super) async fn relay(&mut self, mut exchanged: Box<Exchanged>) -> Step {
        let status = exchanged.head.status();
        if status == 101 {
            let Exchanged { origin, head, .. } = *exchanged;
            return self.switch_protocols(origin.into_stream(), head).await;
        }
        // Where they are: large, and moved only to be let go.
        let Exchanged {
            origin,
            head,
            upload,
            ..
        } = &mut *exchanged;
        self.note_head(head);
        let bodyless = self.is_head() || matches!(status, 204 | 304);
        let length = if bodyless && status != 204 {
            // Of a body that modules would have changed it says nothing.
            response_head::declared_length(head).filter(|_| !origin.changes_length())
        } else {
            origin.body_length()
        };
        // A 204 has no Content-Length (RFC 9110 section 8.6).
        let written = if status == 204 { None } else { length };
        let rendered = response_head::render(head, written, &self.live.pseudonym, self.now());
        let age = rendered.age;
        let mut returning = Returning::plain(rendered.head.into(), status);
        returning.set = rendered.set;
        if let Some(rest) = self.return_head(&mut returning, bodyless)
            && let Err(step) = self.return_on(&mut returning, bodyless, rest).await
        {
            return step;
        }
        self.tally.status = returning.status;
        let framed = self.framed(status, returning.length(length));
        self.settle(!upload.is_complete());
        self.trace("deliver");
        // Told before the client can ask about it.
        self.note_refusal(self.tally.status);
        let cache = self.forwarded_status(None, false);
        let lines = self.lines(age, framed, &cache);
        let mut queue = Queue::default();
        let overhead = returning.push(lines, &mut queue);
        // Mostly the whole is here with its head, and modules let it through at once.
        let here = match &mut returning.body {
            None if framed == Framed::Empty => Ok(true),
            None if !origin.is_filtered() => Ok(false),
            way => self.gather_through(&mut queue, origin, way.as_mut(), framed),
        };
        let outcome = match (here, &mut returning.body) {
            (Err(broken), _) => Err(broken),
            (Ok(false), Some(way)) => {
                let from = From::Origin(origin, upload);
                self.deliver_through(&mut queue, from, way, framed).await
            }
            (Ok(ended), _) => {
                self.relay_body(&mut queue, origin, upload, framed, ended)
                    .await
            }
        };
        self.sent(&queue, overhead);
        match outcome {
            Ok(()) => {
                let complete = upload.is_complete();
                exchanged.origin.release(complete);
            }
            Err(Broken::Client) => self.aborted(),
            Err(Broken::Origin(word)) if queue.written == 0 => {
                // Nothing of it has gone out, so the client can still be told properly.
                return Step::Answer(Refusal::new(502, word));
            }
            Err(Broken::Origin(word)) => self.broken(word),
        }
        Step::Log
    }

    async fn relay_body(
        &mut self,
        queue: &mut Queue,
        origin: &mut Origin,
        upload: &mut Upload,
        framed: Framed,
        mut ended: bool,
    ) -> Result<(), Broken> {
        loop {
            // What has come goes out together: with the head at first, small chunks with each other later.
            if !ended {
                ended = self.gather(queue, origin, framed)?;
            }
            // While a module may still fail before anything is given away, the head waits.
            if ended || queue.written > 0 || !origin.withholds() {
                self.flush_while_uploading(queue, origin, upload).await?;
            }
            if ended {
                if !upload.is_complete() {
                    // The answer is complete before its request: the rest of the body is not wanted.
                    self.persist = false;
                }
                return Ok(());
            }
            let next = self.next_piece(origin, upload).await?;
            ended = self.take_piece(queue, next, framed);
        }
    }

    /// Queues what is already here of an answer, a bounded number of pieces. Answers whether it has ended.
    fn gather(
        &mut self,
        queue: &mut Queue,
        origin: &mut Origin,
        framed: Framed,
    ) -> Result<bool, Broken> {
        for _ in 0..PIECES {
            let piece = origin.here().map_err(Broken::Origin)?;
            match piece {
                Some(Decoded::More) | None => break,
                Some(piece) => {
                    if self.take_piece(queue, piece, framed) {
                        return Ok(true);
                    }
                }
            }
        }
        Ok(false)
    }

    /// The same past modules, on its way in and on its way out, as long as they say yes at once. Only before anything is written: what
    /// one answers later is not to wait for the client.
    // Once.
    #[inline(always)]
    fn gather_through(
        &self,
        queue: &mut Queue,
        origin: &mut Origin,
        mut way: Option<&mut Way>,
        framed: Framed,
    ) -> Result<bool, Broken> {
        if let Some(way) = &mut way {
            way.expect(origin.body_length());
        }
        let Some((stream, inward)) = origin.quick() else {
            return Ok(false);
        };
        let outward = match way {
            Some(way) => match way.quick() {
                Some(outward) => Some(outward),
                None => return Ok(false),
            },
            None => None,
        };
        let mut ways = Ways::new(inward, outward);
        let mut edits = self.worker.edits.take();
        let asked = self.asked();
        let mut outcome = Ok(false);
        for _ in 0..PIECES {
            let mut piece = match stream.buffered_piece() {
                Ok(Some(piece)) => piece,
                Ok(None) => break,
                Err(error) => {
                    outcome = Err(Broken::Origin(error.word()));
                    break;
                }
            };
            if !ways.pass(asked, &mut piece, &mut edits) {
                break;
            }
            if self.take_piece(queue, piece, framed) {
                outcome = Ok(true);
                break;
            }
        }
        self.worker.edits.set(edits);
        outcome
    }

    /// Queues one piece; answers whether it was the end.
    fn take_piece(&self, queue: &mut Queue, piece: Decoded, framed: Framed) -> bool {
        match piece {
            Decoded::Data(piece) => {
                self.worker.stats.origin_bytes_in.add(piece.len() as u64);
                push_piece(queue, piece, framed == Framed::Chunked);
                false
            }
            Decoded::End(trailers) => {
                if framed == Framed::Chunked {
                    push_end(queue, &trailers);
                }
                true
            }
            Decoded::More => false,
        }
    }

    async fn flush_while_uploading(
        &mut self,
        queue: &mut Queue,
        origin: &mut Origin,
        upload: &mut Upload,
    ) -> Result<(), Broken> {
        let limit = self.live.settings.timeouts.body;
        self.client.deadline.arm_now(limit);
        poll_fn(|cx| {
            self.poll_upload(cx, origin.stream(), upload);
            self.client.poll_flush(cx, queue, limit)
        })
        .await
        .map_err(|Gone| Broken::Client)
    }

    async fn next_piece(
        &mut self,
        origin: &mut Origin,
        upload: &mut Upload,
    ) -> Result<Decoded, Broken> {
        let patience = self.live.settings.timeouts.between_bytes;
        self.client.deadline.arm_now(patience);
        poll_fn(|cx| {
            if !upload.is_over() {
                self.poll_upload(cx, origin.stream(), upload);
                if upload.is_over() {
                    // Until now the deadline was the upload's at times.
                    self.client.deadline.arm_now(patience);
                }
            }
            if let Poll::Ready(piece) = origin.poll_piece(self.asked(), cx) {
                return Poll::Ready(piece.map_err(Broken::Origin));
            }
            origin
                .poll_late(&self.client.deadline, patience, cx)
                .map(|()| Err(Broken::Origin("between-bytes-timeout")))
        })
        .await
    }

    /// The rest of the request goes on while its answer comes down; what goes wrong with it only ends the connection.
    pub(super) fn poll_upload(
        &mut self,
        cx: &mut std::task::Context<'_>,
        origin: &mut OriginStream,
        upload: &mut Upload,
    ) {
        if upload.is_over() {
            return;
        }
        let limit = self.live.settings.timeouts.body;
        if let Poll::Ready(Err(refusal)) =
            upload.poll(cx, &mut self.body, &mut self.client, origin, limit)
        {
            self.tally.error = Some(refusal.word);
            upload.give_up();
        }
    }

    /// Delivers from a fill that somebody else (or the leader's pump) completes, until its end.
    pub(super) async fn drain_reader(
        &mut self,
        queue: &mut Queue,
        reader: &mut FillReader,
        framed: Framed,
    ) -> Result<(), Broken> {
        let limit = self.live.settings.timeouts.body;
        // The leader times the origin, and the fill then ends for all. This is only for when it does not: a body that is
        // not stored may wait for another follower first, who has `body` to take something.
        let patience = limit.saturating_add(self.live.settings.timeouts.between_bytes);
        let mut ended = false;
        loop {
            // Gather what is there, then write it at once.
            let mut gathered = 0;
            let mut broken = false;
            if !ended {
                let wait = queue.is_empty();
                let mut heard = reader.heard();
                self.client.deadline.arm_now(patience);
                let late = poll_fn(|cx| {
                    while gathered < GATHER && !ended {
                        match reader.poll_next(cx) {
                            Poll::Ready(FillEvent::Data(piece)) => {
                                gathered += piece.len();
                                push_piece(queue, piece, framed == Framed::Chunked);
                            }
                            Poll::Ready(FillEvent::End(trailers)) => {
                                ended = true;
                                if framed == Framed::Chunked {
                                    push_end(queue, &trailers);
                                }
                            }
                            Poll::Ready(FillEvent::Broken) => {
                                broken = true;
                                return Poll::Ready(false);
                            }
                            // What is about to be published goes in one write.
                            Poll::Pending if (gathered > 0 || !wait) && !reader.withholds() => {
                                return Poll::Ready(false);
                            }
                            Poll::Pending => {
                                if self.client.deadline.poll(cx).is_pending() {
                                    return Poll::Pending;
                                }
                                // Unless the leader waits for a module, whose own deadline holds.
                                if !reader.goes_on(&mut heard) {
                                    return Poll::Ready(true);
                                }
                                self.client.deadline.arm_now(patience);
                            }
                        }
                    }
                    Poll::Ready(false)
                })
                .await;
                if late {
                    return Err(Broken::Origin("between-bytes-timeout"));
                }
            }
            // While nothing of it has gone out, the client can still be told properly.
            if !broken || gathered > 0 || queue.written > 0 {
                self.client
                    .flush(queue, limit)
                    .await
                    .map_err(|Gone| Broken::Client)?;
            }
            if broken {
                return Err(Broken::Origin("origin-broke-off"));
            }
            if ended {
                return Ok(());
            }
        }
    }

    /// Notes what the log says of the answer's head.
    pub(super) fn note_head(&mut self, head: &understudy_http::ResponseHead<Bytes>) {
        self.tally.status = head.status();
        if self.live.log.is_some() {
            self.tally.content_type = head
                .fields()
                .get(understudy_http::Name::ContentType)
                .map(Bytes::copy_from_slice);
        }
    }

    /// Counts what was written; `overhead` bytes of it were the head.
    pub(super) fn sent(&mut self, queue: &Queue, overhead: u64) {
        self.tally.bytes_out += queue.written;
        self.tally.body_out += queue.written.saturating_sub(overhead);
    }

    /// The client went away.
    pub(super) fn aborted(&mut self) {
        self.tally.aborted = true;
        self.persist = false;
    }

    /// The answer broke off: the client learns it by the end of its connection.
    pub(super) fn broken(&mut self, word: &'static str) {
        self.tally.error = Some(word);
        self.tally.aborted = true;
        self.persist = false;
    }

    /// Whether the request's method asks an origin to change something (RFC 9111 section 4.4).
    pub(super) fn is_unsafe(&self) -> bool {
        !self.head.method().is_safe() && self.head.method() != Method::Connect
    }
}

/// Why an answer broke off.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Broken {
    Client,
    Origin(&'static str),
}

/// Connection, when it says something: close, or keep-alive to an HTTP/1.0 client.
pub(super) fn connection_line(persist: bool, version: Version, out: &mut Vec<u8>) {
    if !persist {
        out.extend_from_slice(b"Connection: close\r\n");
    } else if version == Version::Http10 {
        out.extend_from_slice(b"Connection: keep-alive\r\n");
    }
}
