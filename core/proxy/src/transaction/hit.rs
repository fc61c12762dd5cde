//! The step `hit`: an answer out of the store, with the client's conditions and range applied.

use super::deliver::{Framed, connection_line};
use super::fast::BlockedHit;
use super::ranged::{Ranged, asked, is_here, length_line};
use super::returning::From;
use super::{Step, Transaction};
use crate::client::Queue;
use crate::record::Outcome;
use bytes::Bytes;
use std::sync::Arc;
use understudy_cache::{Prepared, Stored};
use understudy_http::Name;
use understudy_http::semantics::cache_status::CacheStatus;
use understudy_http::semantics::conditional::in_not_modified;
use understudy_http::semantics::reuse::Stale;

impl Transaction {
    pub(super) async fn hit(&mut self, stored: Arc<Stored>, how: Outcome) -> Step {
        self.tally.outcome = how;
        stored.touch();
        if self.tally.stale == Some(Stale::WhileRevalidate) {
            let background = &self.worker.background;
            background.ask(&stored, &self.key(), self.now());
        }
        let prepared = stored.prepared();
        if self.not_modified(prepared) {
            if how == Outcome::Hit {
                self.tally.outcome = Outcome::HitNotModified;
            }
            return self.deliver_not_modified(prepared, false).await;
        }
        let whole = stored.complete_length();
        let answer = asked(self.head.method(), self.head.fields(), prepared, whole);
        if !is_here(&stored, &answer) {
            // What was validated is a part, and not the one that is asked for.
            return self.refetch();
        }
        let ranged = Ranged::stored(answer, &stored);
        let head = ranged.head.clone();
        self.tally.status = ranged.status;
        self.note_type(prepared);
        let status = self.tally.status;
        let empty = self.is_bodyless(status);
        let mut returning = match self.returning(head, status, empty).await {
            Ok(returning) => returning,
            Err(step) => return step,
        };
        self.tally.status = returning.status;
        self.trace("deliver");
        let mut queue = Queue::default();
        let framed = match returning.changes_length() {
            true => self.framed(status, None),
            false if empty => Framed::Empty,
            false => Framed::Length,
        };
        self.settle(false);
        let age = prepared.freshness.age(self.now());
        let cache = self.stored_status(prepared);
        // Where the origin sent no length, the body's is known by now.
        let unsaid = prepared.length.is_none() && prepared.status != 204;
        let told = !returning.changes_length();
        let length = (!ranged.is_narrow() && unsaid && told).then_some(whole);
        let mut lines = Vec::with_capacity(160);
        if framed == Framed::Chunked {
            lines.extend_from_slice(b"Transfer-Encoding: chunked\r\n");
        }
        self.timing_line(&mut lines);
        self.proxy_status_line(status, &mut lines);
        plain_lines(
            age,
            length,
            &cache,
            &self.live.settings.name,
            self.persist,
            self.head.version(),
            &mut lines,
        );
        let overhead = returning.push(lines.into(), &mut queue);
        if let Some(way) = &mut returning.body {
            let mut blocks = Queue::default();
            ranged.push(&stored, &mut blocks);
            let from = From::Blocks(blocks.into_pieces());
            let outcome = self.deliver_through(&mut queue, from, way, framed).await;
            return self.delivered(outcome, &queue, overhead);
        }
        if framed == Framed::Length {
            ranged.push(&stored, &mut queue);
        }
        self.flush_hit(queue, overhead).await
    }

    /// Goes on with a plain hit that did not fit into the socket at once.
    pub(super) async fn finish_hit(&mut self, hit: Box<BlockedHit>) -> Step {
        self.tally.outcome = super::fast::outcome(&hit.stored, self.now());
        self.tally.stale = (self.tally.outcome == Outcome::Stale).then_some(Stale::WhileRevalidate);
        let BlockedHit {
            stored,
            head,
            lines,
            sent,
            url,
            look,
            ..
        } = *hit;
        let prepared = stored.prepared();
        self.tally.status = prepared.status;
        self.logged_url = Some(url);
        self.note_type(prepared);
        if let Some((block, ran, edits)) = look
            && let Some(step) = self.look_on(&stored, block, ran, edits).await
        {
            return step;
        }
        let mut queue = Queue::default();
        let head = head.unwrap_or_else(|| prepared.head.clone());
        let overhead = (head.len() + lines.len()) as u64;
        queue.push(head);
        queue.push(lines);
        stored
            .blocks()
            .iter()
            .for_each(|block| queue.push(block.clone()));
        queue.advance(sent);
        self.flush_hit(queue, overhead).await
    }

    pub(super) async fn flush_hit(&mut self, mut queue: Queue, overhead: u64) -> Step {
        let limit = self.live.settings.timeouts.body;
        let flushed = self.client.flush(&mut queue, limit).await;
        self.sent(&queue, overhead);
        if flushed.is_err() {
            self.aborted();
        }
        Step::Log
    }

    fn note_type(&mut self, prepared: &Prepared) {
        if self.live.log.is_some() {
            self.tally.content_type = prepared
                .with_fields(|fields| fields.get(Name::ContentType).map(Bytes::copy_from_slice));
        }
    }

    fn stored_status(&self, prepared: &Prepared) -> CacheStatus<'static> {
        let ttl = Some(prepared.freshness.ttl(self.now()));
        match self.tally.outcome {
            Outcome::Revalidated => CacheStatus {
                hit: false,
                fwd: self.tally.forward,
                fwd_status: Some(304),
                ttl,
                stored: self.tally.not_stored.is_none(),
                collapsed: false,
                detail: self.tally.not_stored.map(|why| why.as_str()),
            },
            _ => CacheStatus {
                hit: true,
                fwd: None,
                fwd_status: None,
                ttl,
                stored: false,
                collapsed: false,
                detail: self.tally.stale.map(Stale::as_str),
            },
        }
    }

    /// A 304 to the client's own conditions (RFC 9110 section 15.4.5). `stored`: the response behind it is being stored.
    pub(super) async fn deliver_not_modified(&mut self, prepared: &Prepared, stored: bool) -> Step {
        self.trace("deliver");
        self.tally.status = 304;
        self.settle(false);
        let mut head = Vec::with_capacity(prepared.head.len());
        head.extend_from_slice(b"HTTP/1.1 304 Not Modified\r\n");
        prepared.with_fields(|fields| {
            for (id, name, value) in fields.iter() {
                if in_not_modified(id) || id == Name::Via {
                    super::request_out::line(&mut head, name, value);
                }
            }
        });
        let from_store = matches!(
            self.tally.outcome,
            Outcome::Hit | Outcome::HitNotModified | Outcome::Stale | Outcome::Revalidated
        );
        let cache = if from_store {
            self.stored_status(prepared)
        } else {
            self.storing_status(prepared, stored)
        };
        let age = prepared.freshness.age(self.now());
        let mut returning = match self.returning(head.into(), 304, true).await {
            Ok(returning) => returning,
            Err(step) => return step,
        };
        let lines = self.lines(Some(age), Framed::Empty, &cache);
        let mut queue = Queue::default();
        let overhead = returning.push(lines, &mut queue);
        self.flush_hit(queue, overhead).await
    }
}

/// The lines a hit adds to its head, whether it is answered on the spot or by a transaction.
pub(super) fn plain_lines(
    age: u32,
    length: Option<u64>,
    cache: &CacheStatus<'_>,
    name: &str,
    persist: bool,
    version: understudy_http::Version,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"Age: ");
    out.extend_from_slice(itoa::Buffer::new().format(age).as_bytes());
    out.extend_from_slice(b"\r\n");
    if let Some(length) = length {
        length_line(length, out);
    }
    out.extend_from_slice(b"Cache-Status: ");
    cache.write(name, out);
    out.extend_from_slice(b"\r\n");
    connection_line(persist, version, out);
    out.extend_from_slice(b"\r\n");
}
