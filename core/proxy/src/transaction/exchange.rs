//! One exchange with an origin: connect, send the request (its body while it arrives), read heads until a final one.
//!
//! The body goes up while the answer may already come down: an origin that answers early is heard. A request is sent again,
//! once, on a fresh connection, when a pooled one turned out to be dead before it gave a byte and repeating is safe
//! (RFC 9110 section 9.2.2).

use super::origin::Origin;
use super::refusal::{Failure, Refusal};
use super::request_body::{Piece, RequestBody};
use super::{Transaction, response_head};
use crate::client::{Client, Queue};
use crate::clock::Deadline;
use bytes::Bytes;
use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use understudy_http::semantics::clock;
use understudy_http::wire::chunked::{LAST_CHUNK, chunk_line};
use understudy_http::wire::framing::Framing;
use understudy_http::wire::hop::clean_trailers;
use understudy_http::{ResponseHead, Version};
use understudy_upstream::{Destination, Namer, OriginStream, UpstreamError};

/// An origin that has answered with a final head; its body is to be read, the request may still be going out.
pub(super) struct Exchanged {
    pub(super) origin: Origin,
    pub(super) head: ResponseHead<Bytes>,
    pub(super) upload: Upload,
    /// When the request went out, by the wall clock as it is set when the answer is there.
    pub(super) request_time: i64,
}

/// A request on its way to an origin.
#[derive(Debug)]
pub(super) struct Upload {
    queue: Queue,
    chunked: bool,
    /// Everything is queued.
    ended: bool,
    /// The origin does not take any more; it may have answered all the same.
    broken: Option<UpstreamError>,
}

enum Progress {
    Head(Result<ResponseHead<Bytes>, UpstreamError>),
    Request(Refusal),
    Late,
}

/// Waits for a future, but not longer than `limit`.
pub(super) async fn within<F: Future>(
    deadline: &Deadline,
    limit: Duration,
    future: F,
) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut armed = false;
    poll_fn(|cx| {
        if let Poll::Ready(output) = future.as_mut().poll(cx) {
            return Poll::Ready(Some(output));
        }
        if !armed {
            // Armed only when there is something to wait for.
            deadline.arm_now(limit);
            armed = true;
        }
        deadline.poll(cx).map(|()| None)
    })
    .await
}

impl Transaction {
    /// Exchanges a request head (serialised) and the request's body for a final response head.
    pub(super) async fn exchange(&mut self, request: Bytes) -> Result<Box<Exchanged>, Failure> {
        let mut fresh = false;
        loop {
            let mut origin = self.connect(fresh).await?;
            self.trace("request_out");
            let (sent, then) = (Instant::now(), self.now());
            self.worker.stats.origin_requests.add(1);
            let mut upload = Upload::new(request.clone(), &self.body);
            match self.speak(&mut origin, &mut upload).await {
                Ok(head) => {
                    // In a box: it goes from step to step, and each future would hold it.
                    return Ok(Box::new(Exchanged {
                        origin: Origin::new(origin),
                        head,
                        upload,
                        request_time: clock::request_time(then, self.now(), sent.elapsed()),
                    }));
                }
                Err(Failure::Upstream(error))
                    if !fresh
                        && origin.reused()
                        && error.before_response()
                        && self.head.method().is_idempotent()
                        && self.body.is_untouched() =>
                {
                    tracing::debug!(id = %self.name(), %error, "a pooled connection was dead; once more on a fresh one");
                    fresh = true;
                }
                Err(failure) => {
                    if matches!(failure, Failure::Upstream(_) | Failure::Slow(_)) {
                        self.worker.stats.origin_failures.add(1);
                    }
                    return Err(failure);
                }
            }
        }
    }

    async fn connect(&mut self, fresh: bool) -> Result<OriginStream, Failure> {
        let Some(route) = &self.route else {
            return Err(Failure::Upstream(UpstreamError::NoAddress));
        };
        self.trace("connect");
        let limit = self.time_to_connect(&route.destination);
        let naming = self.naming();
        let namer = naming.as_ref().map(|naming| naming as &dyn Namer);
        let upstreams = &self.live.upstreams;
        let connecting = upstreams.connect_named(&route.destination, fresh, namer);
        match within(&self.client.deadline, limit, connecting).await {
            Some(Ok(origin)) => {
                if !origin.reused() {
                    self.worker.stats.origin_connects.add(1);
                }
                self.tally.origin = Some(origin.peer());
                Ok(origin)
            }
            Some(Err(error)) => {
                self.worker.stats.origin_failures.add(1);
                Err(Failure::Upstream(error))
            }
            None => {
                self.worker.stats.origin_failures.add(1);
                Err(Failure::Slow("connection_timeout"))
            }
        }
    }

    /// How long connecting may take: of a group each server has the time, or none after a silent one would ever be tried.
    pub(super) fn time_to_connect(&self, destination: &Destination) -> Duration {
        let settings = &self.live.settings;
        let servers = match destination {
            Destination::Group(group) => settings
                .upstream
                .groups
                .get(*group)
                .map_or(1, |group| group.servers.len().max(1)),
            _ => 1,
        };
        let servers = u32::try_from(servers).unwrap_or(u32::MAX);
        settings.timeouts.connect.saturating_mul(servers)
    }

    /// Sends and reads until a final head; interim ones are passed on on the way.
    async fn speak(
        &mut self,
        origin: &mut OriginStream,
        upload: &mut Upload,
    ) -> Result<ResponseHead<Bytes>, Failure> {
        let method = self.head.method();
        let timeouts = &self.live.settings.timeouts;
        let (first_byte, limit) = (timeouts.first_byte, timeouts.body);
        let mut away = false;
        loop {
            self.client.deadline.arm_now(match upload.is_complete() {
                true => first_byte,
                false => limit,
            });
            let progress = poll_fn(|cx| {
                if !upload.is_over() {
                    match upload.poll(cx, &mut self.body, &mut self.client, origin, limit) {
                        Poll::Ready(Ok(())) => self.client.deadline.arm_now(first_byte),
                        Poll::Ready(Err(refusal)) => {
                            return Poll::Ready(Progress::Request(refusal));
                        }
                        Poll::Pending => {
                            // While a module has a piece its own deadline holds.
                            let now = !upload.is_blocked() && self.body.is_away();
                            if std::mem::replace(&mut away, now) || now {
                                self.client.deadline.arm_now(limit);
                            }
                        }
                    }
                }
                if let Poll::Ready(head) = origin.poll_head(cx, method) {
                    return Poll::Ready(Progress::Head(head));
                }
                self.client.deadline.poll(cx).map(|()| Progress::Late)
            })
            .await;
            let head = match progress {
                Progress::Head(Ok(head)) => head,
                Progress::Head(Err(error)) => {
                    // What broke the sending tells more than the silence that follows, but less than a malformed answer.
                    let cause = match upload.broken.take() {
                        Some(broken) if error.before_response() => broken,
                        _ => error,
                    };
                    return Err(Failure::Upstream(cause));
                }
                Progress::Request(refusal) if refusal.word == "request-body-truncated" => {
                    return Err(Failure::Gone);
                }
                Progress::Request(refusal) => return Err(Failure::Request(refusal)),
                Progress::Late if upload.is_over() => {
                    return Err(Failure::Slow("http_response_timeout"));
                }
                // What the client sent lies here, and the origin does not take it.
                Progress::Late if upload.is_blocked() => {
                    return Err(Failure::Slow("connection_write_timeout"));
                }
                Progress::Late => return Err(Failure::Request(Refusal::new(408, "body-timeout"))),
            };
            match head.status() {
                101 => {
                    if self.wants_upgrade() {
                        return Ok(head);
                    }
                    return Err(Failure::Upstream(UpstreamError::Closed));
                }
                100..=199 => self.interim(head).await?,
                _ => {
                    self.trace("response_head");
                    return Ok(head);
                }
            }
        }
    }

    /// Passes an interim response on (RFC 9110 section 15.2): to HTTP/1.1 clients all of them, to 1.0 none.
    async fn interim(&mut self, head: ResponseHead<Bytes>) -> Result<(), Failure> {
        if head.status() == 100 {
            self.body.expects = false;
        }
        if self.head.version() < Version::Http11 {
            return Ok(());
        }
        let mut queue = Queue::default();
        queue.push(response_head::interim(head, &self.live.pseudonym));
        let limit = self.live.settings.timeouts.body;
        let flushed = self.client.flush(&mut queue, limit).await;
        self.tally.bytes_out += queue.written;
        flushed.map_err(|_| Failure::Gone)
    }
}

impl Upload {
    fn new(head: Bytes, body: &RequestBody) -> Upload {
        let mut queue = Queue::default();
        queue.push(head);
        Upload {
            queue,
            chunked: body.framing_out() == Framing::Chunked,
            ended: body.is_empty(),
            broken: None,
        }
    }

    /// Whether the whole request was written.
    pub(super) fn is_complete(&self) -> bool {
        self.ended && self.queue.is_empty() && self.broken.is_none()
    }

    /// Whether it waits for the origin to take what is there, and not for the client to send more.
    fn is_blocked(&self) -> bool {
        !self.queue.is_empty()
    }

    /// Sends no more of it.
    pub(super) fn give_up(&mut self) {
        self.broken.get_or_insert(UpstreamError::Closed);
    }

    /// Whether there is nothing more to do for it, complete or not.
    pub(super) fn is_over(&self) -> bool {
        self.broken.is_some() || (self.ended && self.queue.is_empty())
    }

    /// Moves the body on as far as it goes. `Ready(Ok)` when there is nothing more to do. Each progress arms the deadline anew.
    pub(super) fn poll(
        &mut self,
        cx: &mut Context<'_>,
        body: &mut RequestBody,
        client: &mut Client,
        origin: &mut OriginStream,
        limit: Duration,
    ) -> Poll<Result<(), Refusal>> {
        loop {
            while !self.queue.is_empty() {
                let slices = self.queue.slices();
                match origin.poll_write(cx, &slices) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Ok(n)) => {
                        drop(slices);
                        self.queue.advance(n);
                    }
                    Poll::Ready(Err(error)) => {
                        self.broken = Some(UpstreamError::Write(error));
                        return Poll::Ready(Ok(()));
                    }
                }
            }
            if self.ended {
                return Poll::Ready(Ok(()));
            }
            match body.poll_piece(client, cx) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(refusal)) => return Poll::Ready(Err(refusal)),
                Poll::Ready(Ok(Piece::Data(piece))) => {
                    client.deadline.arm_now(limit);
                    push_piece(&mut self.queue, piece, self.chunked);
                }
                Poll::Ready(Ok(Piece::End(trailers))) => {
                    if self.chunked {
                        push_end(&mut self.queue, &trailers);
                    }
                    self.ended = true;
                }
            }
        }
    }
}

/// A piece up to this size is copied: it would hold the whole block that it was read into for as long as it waits.
const SMALL: usize = 2 * 1024;

/// Queues a piece of a body, as a chunk or bare.
pub(super) fn push_piece(queue: &mut Queue, piece: Bytes, chunked: bool) {
    let mut size = [0; 18];
    match (chunked, piece.len() <= SMALL) {
        (false, false) => queue.push(piece),
        (false, true) => queue.push(Bytes::copy_from_slice(&piece)),
        (true, false) => {
            queue.push(Bytes::copy_from_slice(chunk_line(piece.len(), &mut size)));
            queue.push(piece);
            queue.push(Bytes::from_static(b"\r\n"));
        }
        (true, true) => {
            let line = chunk_line(piece.len(), &mut size);
            let mut chunk = Vec::with_capacity(line.len() + piece.len() + 2);
            chunk.extend_from_slice(line);
            chunk.extend_from_slice(&piece);
            chunk.extend_from_slice(b"\r\n");
            queue.push(chunk.into());
        }
    }
}

/// Queues the end of a chunked body with what of the trailers may go on.
pub(super) fn push_end(queue: &mut Queue, trailers: &[u8]) {
    if trailers.is_empty() {
        queue.push(Bytes::from_static(LAST_CHUNK));
        return;
    }
    let mut end = b"0\r\n".to_vec();
    clean_trailers(trailers, &mut end);
    end.extend_from_slice(b"\r\n");
    queue.push(end.into());
}
