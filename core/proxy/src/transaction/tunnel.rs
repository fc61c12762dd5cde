//! The step `tunnel`: bytes both ways, for CONNECT (RFC 9110 section 9.3.6) and after a 101 (section 7.8).
//!
//! Awkward case: each direction ends by itself; a half that has ended is shut down towards the other side and the rest goes on.
//! A side that takes no more may still have sent its last words, so its refusal ends one direction only.

use super::exchange::within;
use super::refusal::Refusal;
use super::{Step, Transaction, response_head};
use crate::client::{Queue, poll_read_buf};
use crate::record::Outcome;
use bytes::{Buf, Bytes, BytesMut};
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use tokio::io::AsyncWrite;
use tokio::net::TcpStream;
use understudy_http::{Name, ResponseHead};
use understudy_upstream::OriginStream;

/// Bytes read at a time in each direction; held only while they wait to be written.
const PIECE: usize = 16 * 1024;

/// One direction.
#[derive(Debug, Default)]
struct Way {
    buf: BytesMut,
    ended: bool,
    shut: bool,
    /// The receiving side took no more.
    refused: bool,
    moved: u64,
}

impl Transaction {
    pub(super) async fn tunnel(&mut self) -> Step {
        let Some(route) = &self.route else {
            return Step::Log;
        };
        let limit = self.live.settings.timeouts.connect;
        // A tunnel meets `request_head`, `log` and `free` alone.
        let connecting = self.live.upstreams.connect_tunnel(&route.destination);
        let origin = match within(&self.client.deadline, limit, connecting).await {
            Some(Ok(origin)) => origin,
            Some(Err(error)) => {
                self.worker.stats.origin_failures.add(1);
                return Step::Answer(Refusal::upstream(&error));
            }
            None => {
                self.worker.stats.origin_failures.add(1);
                return Step::Answer(Refusal::new(504, "connection_timeout"));
            }
        };
        self.tally.origin = origin.peer_addr().ok();
        self.tally.outcome = Outcome::Tunnel;
        self.tally.status = 200;
        self.persist = false;
        let mut queue = Queue::default();
        queue.push(Bytes::from_static(
            b"HTTP/1.1 200 Connection established\r\n\r\n",
        ));
        let flushed = self
            .client
            .flush(&mut queue, self.live.settings.timeouts.body)
            .await;
        self.tally.bytes_out += queue.written;
        if flushed.is_err() {
            self.aborted();
            return Step::Log;
        }
        self.both_ways(origin, BytesMut::new()).await
    }

    /// An origin has agreed to another protocol: its 101 goes on, then everything does.
    pub(super) async fn switch_protocols(
        &mut self,
        origin: OriginStream,
        mut head: ResponseHead<Bytes>,
    ) -> Step {
        // RFC 9110 section 7.8: a 101 says to what.
        let protocol = head.fields().get(Name::Upgrade);
        let Some(protocol) = protocol
            .filter(|p| !p.is_empty())
            .map(Bytes::copy_from_slice)
        else {
            return Step::Answer(Refusal::new(502, "http_upgrade_failed"));
        };
        self.tally.outcome = Outcome::Tunnel;
        self.tally.status = 101;
        self.persist = false;
        response_head::own(&mut head, &self.live.pseudonym, self.now());
        let mut out = Vec::with_capacity(head.size() + 64);
        head.write(&mut out);
        super::request_out::line(&mut out, b"Upgrade", &protocol);
        out.extend_from_slice(b"Connection: Upgrade\r\n\r\n");
        let mut queue = Queue::default();
        queue.push(out.into());
        let flushed = self
            .client
            .flush(&mut queue, self.live.settings.timeouts.body)
            .await;
        self.tally.bytes_out += queue.written;
        if flushed.is_err() {
            self.aborted();
            return Step::Log;
        }
        let (stream, early) = origin.into_tunnel();
        self.both_ways(stream, early).await
    }

    async fn both_ways(&mut self, mut origin: TcpStream, early: BytesMut) -> Step {
        // What the client sent behind its request was kept until now.
        let mut up = Way {
            buf: std::mem::take(&mut self.client.buf),
            ..Way::default()
        };
        let mut down = Way {
            buf: early,
            ..Way::default()
        };
        let limit = self.live.settings.timeouts.tunnel;
        let deadline = &self.client.deadline;
        let client = &mut self.client.io;
        deadline.arm_now(limit);
        let ended = poll_fn(|cx| {
            loop {
                let before = up.moved + down.moved;
                let a = up.poll(cx, client, &mut origin);
                let b = down.poll(cx, &mut origin, client);
                if let (Poll::Ready(Err(error)), _) | (_, Poll::Ready(Err(error))) = (&a, &b) {
                    return Poll::Ready(Err(error.kind()));
                }
                if a.is_ready() && b.is_ready() {
                    return Poll::Ready(Ok(()));
                }
                if up.moved + down.moved == before {
                    return deadline.poll(cx).map(|()| Err(io::ErrorKind::TimedOut));
                }
                deadline.arm_now(limit);
            }
        })
        .await;
        if ended.is_ok() && (up.refused || down.refused) {
            self.tally.error = Some("tunnel-reset");
        }
        if let Err(kind) = ended {
            self.tally.error = Some(if kind == io::ErrorKind::TimedOut {
                "tunnel-idle"
            } else {
                "tunnel-reset"
            });
        }
        self.tally.bytes_out += down.moved;
        self.tally.body_out += down.moved;
        self.worker.stats.bytes_in.add(up.moved);
        self.worker.stats.origin_bytes_in.add(down.moved);
        Step::Log
    }
}

impl Way {
    /// Moves bytes until it would block; `Ready(Ok)` when the direction has ended and its end was passed on.
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        from: &mut TcpStream,
        to: &mut TcpStream,
    ) -> Poll<io::Result<()>> {
        loop {
            while !self.buf.is_empty() {
                match Pin::new(&mut *to).poll_write(cx, &self.buf) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(Err(_)) => {
                        self.buf = BytesMut::new();
                        (self.ended, self.shut, self.refused) = (true, true, true);
                    }
                    Poll::Ready(Ok(n)) => {
                        self.buf.advance(n);
                        self.moved += n as u64;
                    }
                }
            }
            if self.ended {
                if !self.shut {
                    match Pin::new(&mut *to).poll_shutdown(cx) {
                        Poll::Pending => return Poll::Pending,
                        // The other side may be gone altogether, which is an end as well.
                        Poll::Ready(_) => self.shut = true,
                    }
                }
                return Poll::Ready(Ok(()));
            }
            // An idle direction holds no buffer.
            let mut buf = std::mem::take(&mut self.buf);
            buf.reserve(PIECE);
            match poll_read_buf(from, cx, &mut buf) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                Poll::Ready(Ok(0)) => self.ended = true,
                Poll::Ready(Ok(_)) => self.buf = buf,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::io::{Read, Write};
    use std::net::TcpListener;

    /// Our end and the other one of a new connection.
    fn pair() -> (TcpStream, std::net::TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let theirs = std::net::TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (ours, _) = listener.accept().unwrap();
        ours.set_nonblocking(true).unwrap();
        (TcpStream::from_std(ours).unwrap(), theirs)
    }

    #[test]
    fn the_last_words_of_a_side_that_takes_no_more_are_passed_on() {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let ((mut client, mut client_end), (mut origin, mut origin_end)) = (pair(), pair());
            client_end.write_all(b"first").unwrap();
            origin_end.write_all(b"last words").unwrap();
            // With no time to linger a close is a reset.
            let reset =
                socket2::SockRef::from(&origin_end).set_linger(Some(std::time::Duration::ZERO));
            reset.unwrap();
            drop(origin_end);
            let (mut up, mut down) = (Way::default(), Way::default());
            // One write may find the reset, and a further one finds it again.
            while !up.refused {
                client.readable().await.unwrap();
                let way = poll_fn(|cx| Poll::Ready(up.poll(cx, &mut client, &mut origin))).await;
                assert!(!matches!(way, Poll::Ready(Err(_))), "{way:?}");
                client_end.write_all(b"more").unwrap();
            }
            let _ = poll_fn(|cx| Poll::Ready(down.poll(cx, &mut origin, &mut client))).await;
            let mut said = [0; 10];
            client_end.read_exact(&mut said).unwrap();
            assert_eq!(&said, b"last words");
        });
    }
}
