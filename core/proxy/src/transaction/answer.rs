//! The step `answer`: what the proxy says itself, and what becomes of the connection behind it.

use super::deliver::connection_line;
use super::refusal::{Refusal, reason};
use super::request_body::{DRAIN_LIMIT, RequestBody};
use super::{Step, Transaction, partition};
use crate::client::Queue;
use crate::record::Outcome;
use bytes::Bytes;
use std::future::poll_fn;
use std::task::Poll;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use understudy_http::Method;
use understudy_http::semantics::cache_status::CacheStatus;
use understudy_http::semantics::date;
use understudy_http::semantics::proxy_status::ProxyStatus;

/// How long a connection that is to be closed is read on, so that the answer is not lost to a reset (RFC 9112 section 9.6).
const LINGER: Duration = Duration::from_secs(2);

impl Transaction {
    /// An error answer with its page.
    pub(super) async fn answer(&mut self, refusal: Refusal) -> Step {
        self.tally.outcome = if refusal.denied {
            Outcome::Denied
        } else {
            Outcome::Local
        };
        self.tally.error = Some(refusal.word);
        // A request that cannot be trusted in its framing, or that never came, ends the connection.
        if matches!(refusal.status, 400 | 408 | 413 | 414 | 417 | 431 | 505) {
            self.persist = false;
        }
        // A client may have sent on as if the tunnel were there. What comes is somebody else's protocol and no request.
        if self.head.method() == Method::Connect {
            self.persist = false;
            self.body = RequestBody::unknown();
        }
        let url = match (&refusal.line, &self.route) {
            (Some(line), _) => line.clone(),
            (None, Some(route)) => Bytes::from(partition::shown(&route.key).into_owned()),
            (None, None) => Bytes::copy_from_slice(self.head.target()),
        };
        let page = page(
            refusal.status,
            refusal.sentence(),
            refusal.word,
            &url,
            &self.live.settings.name,
        );
        let mut extra = Vec::new();
        if refusal.status == 405 {
            extra.extend_from_slice(
                b"Allow: GET, HEAD, POST, PUT, DELETE, OPTIONS, PATCH, TRACE\r\n",
            );
        }
        if refusal.status == 503 {
            extra.extend_from_slice(b"Retry-After: 1\r\n");
        }
        self.own(
            refusal.status,
            "text/html; charset=utf-8",
            &extra,
            page.into(),
        )
        .await
    }

    /// An answer of our own with a body.
    pub(super) async fn own(
        &mut self,
        status: u16,
        kind: &'static str,
        extra: &[u8],
        body: Bytes,
    ) -> Step {
        self.tally.status = status;
        self.tally.content_type = Some(Bytes::from_static(kind.as_bytes()));
        self.settle(false);
        let mut head = format!("HTTP/1.1 {status} {}\r\n", reason(status)).into_bytes();
        head.extend_from_slice(b"Date: ");
        head.extend_from_slice(&date::format(self.now()));
        head.extend_from_slice(format!("\r\nServer: {}\r\n", self.live.settings.name).as_bytes());
        head.extend_from_slice(
            format!("Content-Type: {kind}\r\nContent-Length: {}\r\n", body.len()).as_bytes(),
        );
        head.extend_from_slice(b"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n");
        head.extend_from_slice(extra);
        head.extend_from_slice(b"Cache-Status: ");
        let cache = CacheStatus {
            hit: false,
            fwd: self.tally.forward,
            fwd_status: None,
            ttl: None,
            stored: false,
            collapsed: self.tally.collapsed,
            detail: self.tally.error,
        };
        cache.write(&self.live.settings.name, &mut head);
        head.extend_from_slice(b"\r\n");
        self.proxy_status_line(status, &mut head);
        self.timing_line(&mut head);
        connection_line(self.persist, self.head.version(), &mut head);
        head.extend_from_slice(b"\r\n");
        let overhead = head.len() as u64;
        let mut queue = Queue::default();
        queue.push(head.into());
        if !self.is_head() {
            queue.push(body);
        }
        let flushed = self
            .client
            .flush(&mut queue, self.live.settings.timeouts.body)
            .await;
        self.sent(&queue, overhead);
        if flushed.is_err() {
            self.aborted();
        }
        Step::Log
    }

    /// Proxy-Status (RFC 9209), where there is an error to tell of: the reason of an answer of our own; of a stored one that was
    /// served in place of the origin's, only what happened on the way to the origin.
    pub(super) fn proxy_status_line(&self, status: u16, out: &mut Vec<u8>) {
        let said = match (self.tally.error, self.tally.received) {
            (Some(word), _) => ProxyStatus::of(status, word, self.tally.outcome == Outcome::Denied),
            (None, Some(received)) => ProxyStatus::instead_of(received),
            (None, None) => return,
        };
        if self.tally.outcome == Outcome::Stale && said.details.is_some() {
            return;
        }
        out.extend_from_slice(b"Proxy-Status: ");
        said.write(&self.live.settings.name, out);
        out.extend_from_slice(b"\r\n");
    }

    /// What to do with request bytes that nobody read, decided here alone: few are read and thrown away, many end the
    /// connection, which is then closed gently so that the answer arrives.
    pub(super) async fn leave(&mut self) {
        if self.persist && !self.body.is_done() {
            let limit = self.live.settings.timeouts.body;
            self.client.deadline.arm_now(limit);
            let drained = poll_fn(|cx| {
                loop {
                    match self.body.poll_received(&mut self.client, cx) {
                        Poll::Ready(Ok(super::request_body::Piece::Data(_))) => {}
                        Poll::Ready(Ok(super::request_body::Piece::End(_))) => {
                            return Poll::Ready(true);
                        }
                        Poll::Ready(Err(_)) => return Poll::Ready(false),
                        Poll::Pending => return self.client.deadline.poll(cx).map(|()| false),
                    }
                }
            })
            .await;
            self.persist = drained;
        }
        let more = !self.body.is_done() || !self.client.buf.is_empty();
        if !self.persist && !self.tally.aborted && more {
            self.linger().await;
        }
    }

    async fn linger(&mut self) {
        if self.client.io.shutdown().await.is_err() {
            return;
        }
        self.client.deadline.arm_now(LINGER);
        let mut read = 0;
        poll_fn(|cx| {
            loop {
                self.client.buf.clear();
                match self.client.poll_fill(cx) {
                    Poll::Ready(Ok(n)) if n > 0 && read < 16 * DRAIN_LIMIT => read += n as u64,
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => return self.client.deadline.poll(cx),
                }
            }
        })
        .await;
    }
}

/// The whole answer to a connection beyond the limit: there is no transaction, since nothing of it was read.
pub(crate) fn too_many_connections(name: &str, now: date::Seconds) -> Vec<u8> {
    let refusal = Refusal::new(503, "connections");
    let page = page(503, refusal.sentence(), refusal.word, b"", name);
    let mut answer = b"HTTP/1.1 503 Service Unavailable\r\nDate: ".to_vec();
    answer.extend_from_slice(&date::format(now));
    answer.extend_from_slice(
        format!(
            "\r\nServer: {name}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: {}\r\n\
             Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nRetry-After: 1\r\nConnection: close\r\n\r\n{page}",
            page.len()
        )
        .as_bytes(),
    );
    answer
}

/// A short error page. Whatever came from outside is escaped.
fn page(status: u16, sentence: &str, word: &str, url: &[u8], name: &str) -> String {
    let reason = reason(status);
    let url = escape(url);
    let name = escape(name.as_bytes());
    format!(
        "<!DOCTYPE html>\n<html lang=\"en\"><head><meta charset=\"utf-8\"><title>{status} {reason}</title></head>\n\
         <body><h1>{status} {reason}</h1>\n<p>{sentence}</p>\n<p><code>{url}</code></p>\n\
         <hr><p><small>{name}: {word}</small></p></body></html>\n"
    )
}

/// Text for HTML; bytes that are not printable ASCII show as a replacement.
fn escape(text: &[u8]) -> String {
    const SHOWN: usize = 512;
    let mut out = String::with_capacity(text.len().min(SHOWN) + 16);
    for byte in text.iter().take(SHOWN) {
        match byte {
            b'<' => out.push_str("&lt;"),
            b'>' => out.push_str("&gt;"),
            b'&' => out.push_str("&amp;"),
            b'"' => out.push_str("&quot;"),
            b'\'' => out.push_str("&#39;"),
            0x20..=0x7e => out.push(char::from(*byte)),
            _ => out.push('\u{fffd}'),
        }
    }
    if text.len() > SHOWN {
        out.push('…');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_shows_a_hostile_url_as_text() {
        let page = page(
            400,
            "No.",
            "target",
            b"/<script>alert('x')</script>\"&\x00\xff",
            "u<b>",
        );
        assert!(page.contains(
            "/&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&quot;&amp;\u{fffd}\u{fffd}"
        ));
        assert!(!page.contains("<script>"));
        assert!(page.contains("u&lt;b&gt;"));
    }

    #[test]
    fn a_long_url_is_cut() {
        assert!(escape(&[b'a'; 5000]).len() < 600);
    }
}
