//! The connection actor: one a client connection, on the worker that accepted it.
//!
//! Owns the socket between transactions, reads request heads, answers plain hits on the spot and hands everything else,
//! socket included, to a transaction that gives it back. Invariant: while idle it holds no buffer; while a transaction runs
//! nobody else touches the socket. Awkward case: bytes behind a request's head (its body, or pipelined requests) travel with
//! the socket and are read from the buffer before the socket is.
//!
//! Life: 1. reading (idle, or a head has begun); 2. busy with a transaction, back to 1; 3. over.

use crate::client::{Client, poll_read_buf};
use crate::messages::{Close, Retire};
use crate::transaction::{self, fast, fast::Fast};
use crate::worker::{Source, Worker};
use actix::{Actor, ActorContext, ActorFuture, AsyncContext, Context, Handler};
use bytes::{Bytes, BytesMut};
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::Ordering;
use std::task::{self, Poll};
use std::time::Instant;
use tokio::io::{AsyncRead, ReadBuf};
use tokio::net::TcpStream;
use understudy_http::wire::head::{HeadError, parse_request};

/// Room for the continuation of a head that did not come in one piece.
const HEAD_READ: usize = 4 * 1024;

/// The actor.
pub(crate) struct Connection {
    worker: Rc<Worker>,
    source: Rc<Source>,
    peer: SocketAddr,
    /// Its place in the worker's list.
    slot: usize,
    state: State,
}

type Busy = Pin<Box<dyn Future<Output = Option<Client>>>>;

enum State {
    Reading(Client),
    Busy(Busy),
    Over,
}

/// Drives the connection as a future of its actor, with the actor at hand.
struct Drive;

impl Connection {
    pub(crate) fn new(
        worker: Rc<Worker>,
        source: Rc<Source>,
        io: TcpStream,
        peer: SocketAddr,
    ) -> Connection {
        let deadline = worker.clock.deadline();
        // A new connection has the idle time to send its first byte.
        deadline.arm_now(worker.with_live(|l| l.settings.timeouts.idle));
        let client = Client {
            io,
            buf: BytesMut::new(),
            deadline,
            served: 0,
        };
        Connection {
            worker,
            source,
            peer,
            slot: usize::MAX,
            state: State::Reading(client),
        }
    }

    fn drive(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        loop {
            match &mut self.state {
                State::Reading(_) => match self.read(cx) {
                    Poll::Ready(()) => {}
                    Poll::Pending if self.is_to_end() => self.state = State::Over,
                    Poll::Pending => return Poll::Pending,
                },
                State::Busy(transaction) => match transaction.as_mut().poll(cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Some(mut client)) => {
                        client
                            .deadline
                            .arm_now(self.worker.with_live(|l| l.settings.timeouts.idle));
                        // Whatever the transaction read ahead are pipelined requests.
                        let buf = std::mem::take(&mut client.buf);
                        self.state = State::Reading(client);
                        self.take(&buf, true, cx);
                    }
                    Poll::Ready(None) => self.state = State::Over,
                },
                State::Over => return Poll::Ready(()),
            }
        }
    }

    /// Reads once and takes requests off what came.
    fn read(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        let State::Reading(client) = &mut self.state else {
            return Poll::Ready(());
        };
        if client.deadline.poll(cx).is_ready() {
            self.late();
            return Poll::Ready(());
        }
        if !client.buf.is_empty() {
            return self.read_on(cx);
        }
        let worker = self.worker.clone();
        let mut scratch = worker.scratch.borrow_mut();
        let mut read = ReadBuf::new(&mut scratch);
        match Pin::new(&mut client.io).poll_read(cx, &mut read) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_)) => self.state = State::Over,
            Poll::Ready(Ok(())) if read.filled().is_empty() => self.state = State::Over,
            Poll::Ready(Ok(())) => {
                self.take(read.filled(), true, cx);
            }
        }
        Poll::Ready(())
    }

    /// Reads the rest of a head that has begun.
    fn read_on(&mut self, cx: &mut task::Context<'_>) -> Poll<()> {
        let State::Reading(client) = &mut self.state else {
            return Poll::Ready(());
        };
        client.buf.reserve(HEAD_READ);
        let before = client.buf.len();
        match poll_read_buf(&mut client.io, cx, &mut client.buf) {
            Poll::Pending => return Poll::Pending,
            Poll::Ready(Err(_) | Ok(0)) => self.state = State::Over,
            Poll::Ready(Ok(_)) => {
                // Parsing anew for every byte that trickles in would be quadratic: wait for what can end a head.
                let limit = self.worker.with_live(|l| l.settings.limits.head.bytes);
                if ends_a_head(&client.buf[before.saturating_sub(3)..]) || client.buf.len() >= limit
                {
                    let buf = std::mem::take(&mut client.buf);
                    self.take(&buf, false, cx);
                }
            }
        }
        Poll::Ready(())
    }

    /// Takes request after request off `buf`: plain hits are answered, the first other one becomes a transaction. Bytes of a
    /// head that has only begun are kept.
    fn take(&mut self, mut buf: &[u8], mut fresh: bool, cx: &mut task::Context<'_>) {
        let now = Instant::now();
        self.worker.clock.look(now);
        let limits = self.worker.with_live(|l| l.settings.limits.head);
        let State::Reading(client) = &mut self.state else {
            return;
        };
        let mut answered = false;
        loop {
            // An empty line before a request is not its beginning (RFC 9112 section 2.2).
            while let Some(rest) = buf.strip_prefix(b"\r\n") {
                buf = rest;
            }
            if buf.is_empty() {
                break;
            }
            let table = self.worker.table.take();
            let parts = match parse_request(buf, &limits, table) {
                Ok(Some(parts)) => parts,
                Ok(None) => {
                    // The time for a head runs from its first byte, so it is not armed again for its continuations.
                    if fresh {
                        client
                            .deadline
                            .arm_now(self.worker.with_live(|l| l.settings.timeouts.head));
                    }
                    client.buf.extend_from_slice(buf);
                    return;
                }
                Err(error) => {
                    self.refuse(error, buf);
                    return;
                }
            };
            let len = parts.len();
            let (request, rest) = buf.split_at(len);
            let mut head = parts.with(request);
            match fast::answer(
                &self.worker,
                &self.source,
                self.peer,
                client,
                &mut head,
                now,
                cx,
            ) {
                Fast::Answered { persist } => {
                    self.worker.table.set(head.into_table());
                    if !persist {
                        self.state = State::Over;
                        return;
                    }
                    (fresh, answered) = (true, true);
                    buf = rest;
                }
                Fast::Blocked(mut hit) => {
                    let head = head.to_owned();
                    let handed = hit.handed.take();
                    self.begin(
                        rest,
                        |tx| Box::pin(transaction::resume_hit(tx, hit)),
                        head,
                        now,
                        handed,
                    );
                    return;
                }
                Fast::No(handed) => {
                    let head = head.to_owned();
                    self.begin(rest, |tx| Box::pin(transaction::run(tx)), head, now, handed);
                    return;
                }
            }
        }
        if answered {
            client
                .deadline
                .arm_now(self.worker.with_live(|l| l.settings.timeouts.idle));
        }
    }

    /// Hands the socket and the bytes behind the head to a transaction.
    fn begin(
        &mut self,
        rest: &[u8],
        start: impl FnOnce(Box<transaction::Transaction>) -> Busy,
        head: understudy_http::RequestHead<Bytes>,
        now: Instant,
        handed: Option<transaction::Handed>,
    ) {
        let State::Reading(mut client) = std::mem::replace(&mut self.state, State::Over) else {
            return;
        };
        client.buf.extend_from_slice(rest);
        let tx = transaction::Transaction::new(
            self.worker.clone(),
            self.source.clone(),
            self.peer,
            client,
            head,
            now,
            handed,
        );
        self.state = State::Busy(start(tx));
    }

    /// A head that cannot be read: an answer, and the end.
    fn refuse(&mut self, error: HeadError, head: &[u8]) {
        let line = head
            .split(|b| *b == b'\r' || *b == b'\n')
            .next()
            .unwrap_or_default();
        let line = Bytes::copy_from_slice(&line[..line.len().min(512)]);
        self.reject(transaction::Rejected::Head(error), line);
    }

    /// The deadline passed: silence when idle, 408 when a head had begun.
    fn late(&mut self) {
        let State::Reading(client) = &mut self.state else {
            return;
        };
        if client.buf.is_empty() {
            self.state = State::Over;
        } else {
            self.reject(transaction::Rejected::Late, Bytes::new());
        }
    }

    fn reject(&mut self, why: transaction::Rejected, line: Bytes) {
        let State::Reading(client) = std::mem::replace(&mut self.state, State::Over) else {
            return;
        };
        let tx = transaction::Transaction::new(
            self.worker.clone(),
            self.source.clone(),
            self.peer,
            client,
            transaction::stand_in_head(),
            Instant::now(),
            None,
        );
        self.state = State::Busy(Box::pin(transaction::reject(tx, why, line)));
    }

    /// Whether it is idle, with nothing left to read, and not wanted any longer.
    fn is_to_end(&self) -> bool {
        (self.worker.draining.get() || self.source.retired.get())
            && matches!(&self.state, State::Reading(client) if client.buf.is_empty())
    }
}

/// Whether the bytes hold what can end a head: an empty line, well-formed or not.
fn ends_a_head(bytes: &[u8]) -> bool {
    let mut previous: Option<usize> = None;
    for at in memchr::memchr_iter(b'\n', bytes) {
        match previous {
            Some(p) if at - p <= 2 => return true,
            _ => previous = Some(at),
        }
    }
    false
}

impl ActorFuture<Connection> for Drive {
    type Output = ();

    fn poll(
        self: Pin<&mut Self>,
        act: &mut Connection,
        ctx: &mut Context<Connection>,
        task: &mut task::Context<'_>,
    ) -> Poll<()> {
        match act.drive(task) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(()) => {
                ctx.stop();
                Poll::Ready(())
            }
        }
    }
}

impl Actor for Connection {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        self.slot = self.worker.connections.borrow_mut().insert(ctx.address());
        ctx.spawn(Drive);
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        // A connection dropped before it started has no slot yet.
        self.worker.connections.borrow_mut().try_remove(self.slot);
        self.worker.open.fetch_sub(1, Ordering::Relaxed);
        self.worker.stats.connections_open.sub(1);
    }
}

impl Handler<Retire> for Connection {
    type Result = ();

    fn handle(&mut self, _: Retire, ctx: &mut Self::Context) {
        // Nobody waits for what is validated behind an answer, so an end does not either.
        if self.source.refreshes && self.worker.draining.get() {
            self.state = State::Over;
            ctx.stop();
        }
        // To be woken is all it takes: the drive, which is polled behind every message, reads what is there and then looks
        // whether it is to end.
    }
}

impl Handler<Close> for Connection {
    type Result = ();

    fn handle(&mut self, _: Close, ctx: &mut Self::Context) {
        self.state = State::Over;
        ctx.stop();
    }
}
