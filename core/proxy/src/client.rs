//! The client's end of a connection: its socket, what was read ahead, its deadline, and a queue of what is to be written.

use crate::clock::Deadline;
use bytes::{Buf, Bytes, BytesMut};
use smallvec::SmallVec;
use std::io::{self, IoSlice};
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;

/// Most slices given to one vectored write.
pub(crate) const MAX_SLICES: usize = 64;
/// Room made for one read of a request body.
const BODY_READ: usize = 32 * 1024;

/// A client's socket with what belongs to it between transactions. An idle client holds no buffer.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) io: TcpStream,
    /// Bytes read but not consumed: the rest of a head, a body, pipelined requests.
    pub(crate) buf: BytesMut,
    pub(crate) deadline: Deadline,
    /// Transactions served.
    pub(crate) served: u64,
}

/// The client cannot be written to any more, or did not read in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gone;

impl Client {
    /// Reads into `buf` (with room for a body piece). `Ok(0)` is the end of the stream.
    pub(crate) fn poll_fill(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        self.buf.reserve(BODY_READ);
        poll_read_buf(&mut self.io, cx, &mut self.buf)
    }

    /// Writes everything queued; `limit` is the longest time without progress.
    pub(crate) async fn flush(&mut self, queue: &mut Queue, limit: Duration) -> Result<(), Gone> {
        self.deadline.arm_now(limit);
        std::future::poll_fn(|cx| self.poll_flush(cx, queue, limit)).await
    }

    /// Polls writing what is queued. The deadline is armed anew at each progress and must be armed when the waiting begins.
    pub(crate) fn poll_flush(
        &mut self,
        cx: &mut Context<'_>,
        queue: &mut Queue,
        limit: Duration,
    ) -> Poll<Result<(), Gone>> {
        loop {
            match queue.poll_write(cx, &mut self.io) {
                Poll::Ready(Ok(true)) => return Poll::Ready(Ok(())),
                Poll::Ready(Ok(false)) => self.deadline.arm_now(limit),
                Poll::Ready(Err(_)) => return Poll::Ready(Err(Gone)),
                Poll::Pending => {
                    ready!(self.deadline.poll(cx));
                    return Poll::Ready(Err(Gone));
                }
            }
        }
    }
}

/// Reads once into the spare room of `buf`, which the caller has reserved.
pub(crate) fn poll_read_buf(
    io: &mut TcpStream,
    cx: &mut Context<'_>,
    buf: &mut BytesMut,
) -> Poll<io::Result<usize>> {
    let spare = buf.spare_capacity_mut().len();
    let start = buf.len();
    // Reading into initialised bytes keeps this free of unsafe code; the room is bounded, so is the cost of the zeros.
    buf.resize(start + spare.min(BODY_READ), 0);
    let mut read = ReadBuf::new(&mut buf[start..]);
    let outcome = Pin::new(io).poll_read(cx, &mut read);
    let filled = read.filled().len();
    buf.truncate(start + filled);
    match outcome {
        Poll::Ready(Ok(())) => Poll::Ready(Ok(filled)),
        Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
        Poll::Pending => Poll::Pending,
    }
}

/// Pieces waiting to be written, in order, by vectored writes.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    pieces: SmallVec<[Bytes; 6]>,
    /// The first piece not written completely.
    first: usize,
    /// Bytes written so far.
    pub(crate) written: u64,
}

impl Queue {
    pub(crate) fn push(&mut self, piece: Bytes) {
        if piece.is_empty() {
            return;
        }
        if self.first == self.pieces.len() {
            self.pieces.clear();
            self.first = 0;
        }
        self.pieces.push(piece);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.first == self.pieces.len()
    }

    /// One vectored write: `Ok(true)` when nothing is left, `Ok(false)` after progress.
    fn poll_write(&mut self, cx: &mut Context<'_>, io: &mut TcpStream) -> Poll<io::Result<bool>> {
        if self.is_empty() {
            return Poll::Ready(Ok(true));
        }
        let mut slices: SmallVec<[IoSlice<'_>; 8]> = SmallVec::new();
        slices.extend(
            self.pieces[self.first..]
                .iter()
                .take(MAX_SLICES)
                .map(|p| IoSlice::new(p)),
        );
        let written = ready!(Pin::new(io).poll_write_vectored(cx, &slices))?;
        drop(slices);
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        self.advance(written);
        Poll::Ready(Ok(self.is_empty()))
    }

    /// The slices of what is queued, for a writer other than a client.
    pub(crate) fn slices(&self) -> SmallVec<[IoSlice<'_>; 8]> {
        self.pieces[self.first..]
            .iter()
            .take(MAX_SLICES)
            .map(|p| IoSlice::new(p))
            .collect()
    }

    /// What is queued, piece by piece.
    pub(crate) fn into_pieces(self) -> std::collections::VecDeque<Bytes> {
        self.pieces.into_iter().skip(self.first).collect()
    }

    /// Takes `n` written bytes off the front.
    pub(crate) fn advance(&mut self, mut n: usize) {
        self.written += n as u64;
        while n > 0 {
            let piece = &mut self.pieces[self.first];
            if n < piece.len() {
                piece.advance(n);
                return;
            }
            n -= piece.len();
            *piece = Bytes::new();
            self.first += 1;
        }
    }
}
