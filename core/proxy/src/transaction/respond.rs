//! The step `respond`: a module's own answer.

use super::deliver::connection_line;
use super::{Step, Transaction};
use crate::client::Queue;
use crate::record::Outcome;
use bytes::Bytes;
use understudy_http::semantics::cache_status::CacheStatus;
use understudy_http::semantics::date;
use understudy_http::{Method, Name};
use understudy_module::{Response, words};

impl Transaction {
    /// Sends it: framing, Date and Cache-Status are ours. It is not stored, and no other module's hooks on answers see it.
    pub(super) async fn respond(&mut self, response: Box<Response>) -> Step {
        let status = response.status();
        self.tally.outcome = Outcome::Local;
        self.tally.status = status;
        if self.head.method() == Method::Connect {
            // What the client sends behind it may be meant for the tunnel it did not get.
            self.persist = false;
            self.body = super::request_body::RequestBody::unknown();
        }
        self.settle(false);
        let mut head = format!("HTTP/1.1 {status} {}\r\n", words::status(status)).into_bytes();
        let mut dated = false;
        for (name, value) in response.fields() {
            match Name::of(name) {
                Name::Date => dated = true,
                Name::ContentType => {
                    self.tally.content_type = Some(Bytes::copy_from_slice(value));
                }
                _ => {}
            }
            super::request_out::line(&mut head, name, value);
        }
        if !dated {
            super::request_out::line(&mut head, b"Date", &date::format(self.now()));
        }
        let bodyless = matches!(status, 204 | 304);
        // A 205 tells that it is empty (RFC 9110 section 15.3.6).
        let body = match status {
            205 => Bytes::new(),
            _ => response.body().clone(),
        };
        if !bodyless {
            let length = body.len();
            head.extend_from_slice(format!("Content-Length: {length}\r\n").as_bytes());
        }
        head.extend_from_slice(b"Cache-Status: ");
        let cache = CacheStatus {
            hit: false,
            fwd: self.tally.forward,
            fwd_status: None,
            ttl: None,
            stored: false,
            collapsed: self.tally.collapsed,
            detail: Some("module"),
        };
        cache.write(&self.live.settings.name, &mut head);
        head.extend_from_slice(b"\r\n");
        self.timing_line(&mut head);
        connection_line(self.persist, self.head.version(), &mut head);
        head.extend_from_slice(b"\r\n");
        let overhead = head.len() as u64;
        let mut queue = Queue::default();
        queue.push(head.into());
        if !bodyless && !self.is_head() {
            queue.push(body);
        }
        let limit = self.live.settings.timeouts.body;
        let flushed = self.client.flush(&mut queue, limit).await;
        self.sent(&queue, overhead);
        if flushed.is_err() {
            self.aborted();
        }
        Step::Log
    }
}
