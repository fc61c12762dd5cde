//! The step `follow`: answer from another's fetch while it grows.

use super::exchange::within;
use super::ranged::Ranged;
use super::refusal::Refusal;
use super::{Step, Transaction};
use crate::client::Queue;
use crate::record::Outcome;
use std::time::Duration;
use understudy_cache::{FillHead, FillReader, Prepared};
use understudy_http::Name;
use understudy_http::semantics::cache_status::Forward;
use understudy_http::semantics::reuse::{Reuse, Stale, ValidateReason, is_error, may_reuse};

impl Transaction {
    pub(super) async fn follow(&mut self, mut reader: FillReader) -> Step {
        let forward = self.tally.forward.unwrap_or(Forward::Miss);
        // The leader has as long as anybody to connect and wait for an answer.
        let mut limit = self.live.settings.timeouts.first_byte
            + self
                .route
                .as_ref()
                .map_or(Duration::ZERO, |r| self.time_to_connect(&r.destination));
        let mut heard = 0;
        let head = loop {
            let head = within(&self.client.deadline, limit, reader.head()).await;
            if head.is_some() || !reader.goes_on(&mut heard) {
                break head;
            }
            // The head waits for what modules make of the body, and that comes.
            limit = limit.max(self.live.settings.timeouts.between_bytes);
        };
        let prepared = match head {
            // The time is up: as if the origin had not answered this request itself.
            None => return self.failed_behind(Refusal::new(504, "http_response_timeout")),
            Some(FillHead::Shared(prepared)) => prepared,
            Some(FillHead::Again) => return self.again(forward),
            Some(FillHead::Failed(status)) => {
                return self.failed_behind(Refusal::new(status, "collapsed-failure"));
            }
            Some(FillHead::Refused(_)) => return self.alone(forward),
        };
        if !prepared.vary.matches(self.head.fields()) {
            return self.alone(Forward::VaryMiss);
        }
        if self.is_personal_with(&prepared) {
            return self.alone(Forward::Request);
        }
        if self.is_for_one(&prepared) {
            return self.alone(forward);
        }
        if self.leaves(&reader, &prepared) {
            return self.range_alone(forward);
        }
        self.tally.outcome = Outcome::Collapsed;
        self.tally.collapsed = true;
        if self.not_modified(&prepared) {
            return self.deliver_not_modified(&prepared, false).await;
        }
        self.trace("deliver");
        self.tally.status = prepared.status;
        if self.live.log.is_some() {
            self.tally.content_type = prepared.with_fields(|fields| {
                fields
                    .get(Name::ContentType)
                    .map(bytes::Bytes::copy_from_slice)
            });
        }
        let head = prepared.head.clone();
        let ranged = match reader.part() {
            Some((span, content)) => Ranged::received(&prepared, span, content),
            None => Ranged::growing(self.head.method(), self.head.fields(), &prepared, head),
        };
        ranged.narrow(&mut reader);
        let empty = self.is_bodyless(ranged.status);
        let returning = self.returning(ranged.head.clone(), ranged.status, empty);
        let mut returning = match returning.await {
            Ok(returning) => returning,
            Err(step) => return step,
        };
        self.tally.status = returning.status;
        let framed = self.framed(ranged.status, returning.length(ranged.length));
        self.settle(false);
        let cache = self.storing_status(&prepared, false);
        let age = prepared.freshness.age(self.now());
        let lines = self.lines(Some(age), framed, &cache);
        let mut queue = Queue::default();
        let overhead = returning.push(lines, &mut queue);
        let way = returning.body.as_mut();
        let outcome = self.deliver_reader(&mut queue, &mut reader, way, ranged.length, framed);
        let outcome = outcome.await;
        self.delivered(outcome, &queue, overhead)
    }

    /// Whether what the leader got may not be used again without asking the origin. RFC 9111 section 4: a response satisfies
    /// several requests "provided that it is allowed to reuse that response for the requests in question"; one with `no-cache`, or
    /// stale as it comes, is not, and may be a page for who asked. What this request says of ages is no matter: it would get no
    /// younger answer.
    fn is_for_one(&self, prepared: &Prepared) -> bool {
        let reuse = may_reuse(
            &self.directives,
            &prepared.directives,
            &prepared.freshness,
            self.now(),
        );
        matches!(
            reuse,
            Reuse::Validate(ValidateReason::ResponseNoCache | ValidateReason::Stale)
        )
    }

    /// The origin failed the leader: what is stored, when it may stand in (RFC 5861 section 4), or the failure.
    fn failed_behind(&mut self, refusal: Refusal) -> Step {
        let fields = self.head.fields();
        let stored = self.seen.as_ref().and_then(|slot| slot.select(fields));
        let parts = stored.is_none().then(|| self.parts_here()).flatten();
        let stored = stored.or(parts.as_ref());
        // What a policy refused the leader (403) is no error of the origin's.
        let stored =
            stored.filter(|stored| is_error(refusal.status) && self.may_serve_stale(stored));
        match stored.cloned() {
            Some(stored) => {
                self.tally.error = Some(refusal.word);
                self.stale(stored, Stale::IfError)
            }
            None => Step::Answer(refusal),
        }
    }

    /// What the leader got is not for this request: fetch for ourselves.
    fn alone(&mut self, forward: Forward) -> Step {
        if self.wants_range() {
            return self.range_alone(forward);
        }
        self.detours += 1;
        Step::Ask {
            validate: None,
            alone: true,
            forward,
        }
    }
}
