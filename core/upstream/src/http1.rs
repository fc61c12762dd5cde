//! HTTP/1 on one origin connection: heads, bodies, tunnels, and what may become of it afterwards.
//!
//! Invariant: bytes behind what the state expects are never taken for another response: they spoil the connection.
//! Reading goes through the worker's block of memory, from which heads and pieces are split off without copying, so a
//! connection that waits or idles holds no memory of its own. Awkward case: a head that comes in several parts is put
//! together in a buffer of the connection's.

use crate::pool::Slot;
use crate::{UpstreamError, Upstreams};
use bytes::{Bytes, BytesMut};
use std::future::poll_fn;
use std::io::{self, IoSlice};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll, ready};
use tokio::io::{AsyncReadExt, AsyncWrite};
use tokio::net::TcpStream;
use understudy_http::wire::body::{BodyReader, Decoded};
use understudy_http::wire::framing::{Framing, persists, response_framing};
use understudy_http::wire::head::parse_response;
use understudy_http::{Method, ResponseHead};

/// The worker's block, and so the most one read can bring.
pub const BLOCK: usize = 64 * 1024;
/// Room a read is offered at least. More than is expected: a read that comes back short tells that the socket is
/// empty, which spares the read that would find out.
pub const ROOM: usize = 16 * 1024;
/// Interim responses (1xx) taken for one request.
pub const MAX_INTERIM: u8 = 32;

/// A connection's claim on its place in the pool; counts as outstanding while it lives.
#[derive(Debug)]
pub(crate) struct Lease {
    upstreams: Rc<Upstreams>,
    slot: Rc<Slot>,
}

impl Lease {
    pub(crate) fn new(upstreams: &Rc<Upstreams>, slot: &Rc<Slot>) -> Lease {
        slot.outstanding.set(slot.outstanding.get() + 1);
        Lease {
            upstreams: upstreams.clone(),
            slot: slot.clone(),
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.slot
            .outstanding
            .set(self.slot.outstanding.get().saturating_sub(1));
    }
}

/// Where an exchange stands.
#[derive(Debug)]
enum State {
    /// Waiting for a head; `seen` bytes of the buffer were already searched for its end.
    Head { seen: usize, interim: u8 },
    /// Within, or at the end of, the body of the final response.
    Body { reader: BodyReader, persists: bool },
    /// No longer HTTP.
    Tunnel,
    /// An error ended the exchange.
    Failed,
}

/// One origin connection in use. Dropped it is closed; [`OriginStream::release`] gives it back.
///
/// Life: 1. connected, or taken from the pool; 2. the request is written and heads are read, in any order, until a final
/// one; 3. its body is read to the end; 4. released. After a 101, or a 2xx to CONNECT: `into_tunnel` instead.
#[derive(Debug)]
pub struct OriginStream {
    stream: TcpStream,
    /// Bytes read and not yet taken.
    buf: BytesMut,
    state: State,
    length: Option<u64>,
    peer: SocketAddr,
    reused: bool,
    /// Whether a byte of the request was written.
    asked: bool,
    /// The origin spoke before it was asked.
    unsolicited: bool,
    lease: Lease,
}

impl OriginStream {
    pub(crate) fn new(
        stream: TcpStream,
        peer: SocketAddr,
        reused: bool,
        lease: Lease,
    ) -> OriginStream {
        OriginStream {
            stream,
            buf: BytesMut::new(),
            state: State::Head {
                seen: 0,
                interim: 0,
            },
            length: None,
            peer,
            reused,
            asked: false,
            unsolicited: false,
            lease,
        }
    }

    /// Whether it served another exchange before: a failure before the first response byte may then be retried on a
    /// fresh one.
    pub fn reused(&self) -> bool {
        self.reused
    }

    /// The address dialled.
    pub fn peer(&self) -> SocketAddr {
        self.peer
    }

    /// Writes all of the slices.
    pub async fn write_all(&mut self, bufs: &mut [IoSlice<'_>]) -> Result<(), UpstreamError> {
        let mut left = bufs;
        // Slices of no bytes at the front would make a write of nothing, which looks like a closed socket.
        IoSlice::advance_slices(&mut left, 0);
        while !left.is_empty() {
            match poll_fn(|cx| self.poll_write(cx, left)).await {
                Ok(0) => return Err(UpstreamError::Write(io::ErrorKind::WriteZero.into())),
                Ok(n) => IoSlice::advance_slices(&mut left, n),
                Err(error) => return Err(UpstreamError::Write(error)),
            }
        }
        Ok(())
    }

    /// Polls one vectored write.
    pub fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        bufs: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if !self.asked {
            self.asked = true;
            // What is readable now cannot be an answer. A pooled connection was looked at when it was taken.
            self.unsolicited = !self.reused && has_spoken(&self.stream);
        }
        let stream = Pin::new(&mut self.stream);
        match bufs {
            [one] => stream.poll_write(cx, one),
            many => stream.poll_write_vectored(cx, many),
        }
    }

    /// Reads the next response head, interim (1xx) ones included: the caller loops until a final one (or 101). After
    /// it, [`poll_piece`](Self::poll_piece) reads its body. `method` is that of the request, for framing; a head whose
    /// framing is refused is an error.
    pub async fn read_head(
        &mut self,
        method: Method,
    ) -> Result<ResponseHead<Bytes>, UpstreamError> {
        poll_fn(|cx| self.poll_head(cx, method)).await
    }

    /// Same, polled (a request body may still be going out meanwhile).
    pub fn poll_head(
        &mut self,
        cx: &mut Context<'_>,
        method: Method,
    ) -> Poll<Result<ResponseHead<Bytes>, UpstreamError>> {
        loop {
            match self.take_head(method) {
                Ok(Some(head)) => return Poll::Ready(Ok(head)),
                Ok(None) => {}
                Err(error) => return self.fail(error),
            }
            let nothing_yet =
                self.buf.is_empty() && matches!(self.state, State::Head { interim: 0, .. });
            match ready!(self.poll_fill(cx, ROOM)) {
                Ok(0) if nothing_yet => return self.fail(UpstreamError::Closed),
                Ok(0) => return self.fail(UpstreamError::Truncated),
                Ok(_) => {}
                Err(error) if nothing_yet => return self.fail(UpstreamError::Read(error)),
                Err(error) => return self.fail(UpstreamError::Broken(error)),
            }
        }
    }

    /// A head out of what is buffered, if it is whole.
    fn take_head(&mut self, method: Method) -> Result<Option<ResponseHead<Bytes>>, UpstreamError> {
        let State::Head { seen, interim } = &mut self.state else {
            return Err(UpstreamError::Broken(io::Error::other(
                "no response head is due",
            )));
        };
        let limits = &self.lease.upstreams.config.head_limits;
        // Only a line's end can complete a head: a head that trickles in is parsed once a line, not once a read. The
        // first bytes are always looked at, so that what is not HTTP is refused at once.
        let news = self.buf.get(*seen..).unwrap_or_default();
        let worth_it = *seen == 0 || news.contains(&b'\n') || self.buf.len() > limits.bytes;
        if self.buf.is_empty() || !worth_it {
            *seen = self.buf.len();
            return Ok(None);
        }
        *seen = self.buf.len();
        let table = self.lease.upstreams.table();
        let Some(parts) = parse_response(&self.buf, limits, table)? else {
            return Ok(None);
        };
        let bytes = self.buf.split_to(parts.len()).freeze();
        let_go(&mut self.buf);
        let head = parts.with(bytes);
        let status = head.status();
        let framing = response_framing(method, status, head.version(), head.fields())?;
        self.state = if status == 101 || (method == Method::Connect && (200..300).contains(&status))
        {
            State::Tunnel
        } else if status < 200 {
            if *interim >= MAX_INTERIM {
                return Err(UpstreamError::TooManyInterim);
            }
            State::Head {
                seen: 0,
                interim: *interim + 1,
            }
        } else {
            self.length = match framing {
                Framing::Length(length) => Some(length),
                _ => None,
            };
            let persists = persists(head.version(), head.fields());
            State::Body {
                reader: BodyReader::new(framing),
                persists,
            }
        };
        Ok(Some(head))
    }

    /// The declared body length of the final response, when it has one: `None` for a response without a body (to HEAD,
    /// 204, 304), whatever its Content-Length says.
    pub fn body_length(&self) -> Option<u64> {
        self.length
    }

    /// The next piece of the body: buffered bytes first, then one read of up to 64 KiB. Never [`Decoded::More`]. A
    /// truncated body is an error.
    ///
    /// Pieces share the worker's block of memory: whoever keeps one for long keeps 64 KiB alive, and had better copy.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Decoded, UpstreamError>> {
        loop {
            match self.buffered_piece() {
                Ok(Some(piece)) => return Poll::Ready(Ok(piece)),
                Ok(None) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
            let State::Body { reader, .. } = &self.state else {
                return self.fail(UpstreamError::Broken(io::Error::other(
                    "no response body is due",
                )));
            };
            // One more than the body has, so that its end is a short read.
            let room = match reader.remaining() {
                Some(left) => usize::try_from(left)
                    .unwrap_or(BLOCK)
                    .saturating_add(1)
                    .clamp(ROOM, BLOCK),
                None => BLOCK / 2,
            };
            match ready!(self.poll_fill(cx, room)) {
                Ok(0) => {
                    return match self.body_eof() {
                        Ok(()) => Poll::Ready(Ok(Decoded::End(Bytes::new()))),
                        Err(error) => self.fail(error),
                    };
                }
                Ok(_) => {}
                Err(error) => return self.fail(UpstreamError::Broken(error)),
            }
        }
    }

    /// The connection ended, which is the end of the body or within it; it cannot be used again.
    fn body_eof(&mut self) -> Result<(), UpstreamError> {
        match &mut self.state {
            State::Body { reader, persists } => {
                *persists = false;
                Ok(reader.eof()?)
            }
            _ => Err(UpstreamError::Closed),
        }
    }

    /// A piece that is already buffered, without reading: lets head and first bytes go out in one write.
    pub fn buffered_piece(&mut self) -> Result<Option<Decoded>, UpstreamError> {
        let State::Body { reader, .. } = &mut self.state else {
            return Ok(None);
        };
        let decoded = reader.decode(&mut self.buf);
        let_go(&mut self.buf);
        match decoded {
            Ok(Decoded::More) => Ok(None),
            Ok(piece) => Ok(Some(piece)),
            Err(error) => {
                self.state = State::Failed;
                Err(error.into())
            }
        }
    }

    /// After a 101 or a CONNECT: the bare stream and the bytes already read behind the head.
    pub fn into_tunnel(self) -> (TcpStream, BytesMut) {
        (self.stream, self.buf)
    }

    /// Gives the connection back to the pool if response and request are complete and it persists; else closes it.
    /// `request_complete`: the whole request was written.
    pub fn release(self, request_complete: bool) {
        let finished = match &self.state {
            State::Body { reader, persists } => *persists && reader.is_done(),
            State::Head { .. } | State::Tunnel | State::Failed => false,
        };
        if finished && request_complete && self.buf.is_empty() && !self.unsolicited {
            let OriginStream {
                stream,
                peer,
                lease,
                ..
            } = self;
            lease.upstreams.put(&lease.slot, stream, peer);
        }
    }

    /// Ends the exchange: after an error nothing more is read as HTTP.
    fn fail<T>(&mut self, error: UpstreamError) -> Poll<Result<T, UpstreamError>> {
        self.state = State::Failed;
        Poll::Ready(Err(error))
    }

    /// One read, into the worker's block if nothing is buffered, else behind what is. `room` is how much is hoped for.
    fn poll_fill(&mut self, cx: &mut Context<'_>, room: usize) -> Poll<io::Result<usize>> {
        if !self.buf.is_empty() {
            self.buf.reserve(ROOM);
            return pin!(self.stream.read_buf(&mut self.buf)).poll(cx);
        }
        let mut block = self.lease.upstreams.block.borrow_mut();
        // When everything split off before is gone, the block starts anew at its front, where the processor's caches
        // still hold it. When not, its rest will do if it is enough, and a new block is begun if it is not.
        if !block.try_reclaim(BLOCK) {
            block.reserve(room);
        }
        let n = ready!(pin!(self.stream.read_buf(&mut *block)).poll(cx))?;
        // An empty piece would hold on to the block for nothing.
        self.buf = if n == 0 {
            BytesMut::new()
        } else {
            block.split()
        };
        Poll::Ready(Ok(n))
    }
}

/// An emptied buffer is still a part of the block and keeps it from being used again, or from being freed: for long,
/// when a slow client is why nothing more is read.
fn let_go(buf: &mut BytesMut) {
    if buf.is_empty() {
        *buf = BytesMut::new();
    }
}

/// Whether a new connection has something to read. Costs no system call unless the event loop has seen it readable.
fn has_spoken(stream: &TcpStream) -> bool {
    stream
        .try_io(tokio::io::Interest::READABLE, || Ok(()))
        .is_ok()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::policy::AllowAll;
    use crate::{Config, Destination, Shared};
    use std::sync::Arc;
    use std::time::Duration;
    use tokio::io::AsyncWriteExt;
    use tokio::net::TcpListener;
    use understudy_http::wire::head::HeadLimits;

    fn worker() -> Rc<Upstreams> {
        let config = Config {
            connect_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(10),
            idle_per_destination: 1,
            idle_total: 1,
            head_limits: HeadLimits {
                bytes: 1024,
                target: 1024,
                fields: 10,
            },
            groups: Vec::new(),
        };
        let shared = Shared::with_lookup(&config, Default::default(), None);
        Upstreams::new(config, Arc::new(AllowAll), shared)
    }

    /// What was taken is dropped, the exchange goes on, and nothing is polled: is the worker's block free?
    #[track_caller]
    fn check_free(up: &Upstreams) {
        assert!(up.block.borrow_mut().try_reclaim(BLOCK));
    }

    #[tokio::test]
    async fn a_connection_that_is_not_read_holds_nothing_of_the_block() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (to, up) = (listener.local_addr().unwrap(), worker());
        let to = Destination::Address { to, from: None };
        let mut origin = up.connect(&to, true).await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        peer.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
            .await
            .unwrap();
        drop(origin.read_head(Method::Get).await.unwrap());
        check_free(&up);
        peer.write_all(b"hello").await.unwrap();
        drop(poll_fn(|cx| origin.poll_piece(cx)).await.unwrap());
        check_free(&up);
    }

    #[tokio::test]
    async fn a_tunnel_holds_nothing_of_the_block() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (to, up) = (listener.local_addr().unwrap(), worker());
        let to = Destination::Address { to, from: None };
        let mut origin = up.connect(&to, true).await.unwrap();
        let (mut peer, _) = listener.accept().await.unwrap();
        peer.write_all(b"HTTP/1.1 101 Switching Protocols\r\n\r\n")
            .await
            .unwrap();
        drop(origin.read_head(Method::Get).await.unwrap());
        let (_stream, early) = origin.into_tunnel();
        assert!(early.is_empty());
        check_free(&up);
    }
}
