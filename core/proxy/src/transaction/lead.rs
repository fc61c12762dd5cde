//! The step `lead`: fetch for ourselves and for whoever follows, store, deliver.
//!
//! What a validation's answer means is in `revalidate.rs`. Awkward case: the leader's client may go away while others read
//! the fill; then the fill is pumped on without it (`pump.rs`).

use super::deliver::{Broken, Framed};
use super::exchange::{Exchanged, push_piece};
use super::origin::Origin;
use super::ranged::Ranged;
use super::refusal::{Failure, Refusal};
use super::request_out::Purpose;
use super::returning::Returning;
use super::withheld::Unheard;
use super::{Step, Transaction, labels, response_head, storable};
use crate::client::Queue;
use crate::record::Outcome;
use bytes::Bytes;
use std::future::poll_fn;
use std::sync::Arc;
use std::task::Poll;
use understudy_cache::{Fill, FillEvent, FillReader, Prepared, Stored};
use understudy_http::semantics::cache_status::Forward;
use understudy_http::semantics::conditional;
use understudy_http::semantics::freshness::Freshness;
use understudy_http::semantics::reuse::{Stale, is_error};
use understudy_http::semantics::storing::{NoStoreReason, is_explicit, may_store};
use understudy_http::semantics::vary::VaryKey;
use understudy_http::wire::body::Decoded;

/// Bytes taken from the origin before the client gets its turn.
pub(super) const TURN: usize = 128 * 1024;
/// A fill whose client went away and that nobody follows is still finished when no more than this is missing.
const FINISH_ANYWAY: u64 = 64 * 1024;

/// How the origin's side of a fill ended.
enum End {
    Complete(Bytes),
    Broken(&'static str),
    ClientGone,
}

/// A head to be stored, in a buffer of its length: what is counted is the length.
pub(super) fn exact(head: Vec<u8>) -> Bytes {
    head.into_boxed_slice().into()
}

impl Transaction {
    pub(super) async fn lead(&mut self, fill: Fill, validate: Option<Arc<Stored>>) -> Step {
        self.tally.outcome = Outcome::Miss;
        let candidates = match validate {
            Some(_) => Vec::new(),
            None => self.candidates(),
        };
        let purpose = match &validate {
            Some(stored) => {
                self.trace("revalidate");
                Purpose::Validate(stored)
            }
            None if !candidates.is_empty() => Purpose::Select(&candidates),
            None => Purpose::Fetch,
        };
        let request = match self.send_head(purpose) {
            Ok(request) => Ok(request),
            Err(unsent) => self.send_on(unsent).await,
        };
        let request = match request {
            Ok(request) => request,
            // Dropped without an end: followers ask again.
            Err(step) => return step,
        };
        let mut exchanged = match self.exchange(request).await {
            Ok(exchanged) => exchanged,
            Err(failure) => return self.lead_failed(fill, validate, failure),
        };
        if let Some(rest) = self.hear_head(&mut exchanged, Some(&fill)) {
            match self.hear_on(&mut exchanged, Some(&fill), rest).await {
                Ok(()) => {}
                Err(Unheard::Ends(step)) => return step,
                Err(Unheard::BrokeOff(word)) => {
                    return self.lead_failed(fill, validate, Failure::BrokeOff(word));
                }
            }
        }
        let status = exchanged.head.status();
        let Some(stored) = validate else {
            if status == 304 {
                // In a box, as it is rare and large.
                return Box::pin(self.chosen(fill, candidates, exchanged)).await;
            }
            return self.fetched(fill, exchanged).await;
        };
        if status == 304 {
            return self.validated(fill, stored, exchanged).await;
        }
        if is_error(status) {
            // RFC 9111 section 4.3.3 and RFC 5861 section 4: a server error may be answered with what is stored.
            if self.may_serve_stale(&stored) {
                // Followers decide for themselves, but need not ask again to learn it.
                fill.fail(status);
                self.tally.received = Some(status);
                return self.stale(stored, Stale::IfError);
            }
            // Behind an answer nobody waits for the error, and what is served meanwhile is not to be replaced by it.
            if self.source.refreshes {
                fill.fail(status);
                return Step::Answer(Refusal::new(status, "revalidation-failed"));
            }
        }
        self.fetched(fill, exchanged).await
    }

    pub(super) fn lead_failed(
        &mut self,
        fill: Fill,
        validate: Option<Arc<Stored>>,
        failure: Failure,
    ) -> Step {
        if matches!(failure, Failure::Gone) {
            // Dropped without an end: followers ask again and one of them leads.
            drop(fill);
            return self.failed(failure);
        }
        fill.fail(failure.refusal().status);
        let stale = validate.filter(|stored| failure.is_error() && self.may_serve_stale(stored));
        if let Some(stored) = stale {
            self.tally.error = Some(failure.refusal().word);
            return self.stale(stored, Stale::IfError);
        }
        self.failed(failure)
    }

    /// A response that answers the request itself: stored if it may be.
    pub(super) async fn fetched(&mut self, mut fill: Fill, exchanged: Box<Exchanged>) -> Step {
        let prepared = match self.prepare(&exchanged) {
            Ok(prepared) => Arc::new(prepared),
            Err(why) => {
                self.outdated(&fill, exchanged.head.status(), why).await;
                fill.refuse(why);
                self.tally.not_stored = Some(why);
                if self.is_known_to_client(&exchanged) {
                    return self.confirm(exchanged).await;
                }
                return self.relay(exchanged).await;
            }
        };
        if self.is_too_long(&prepared) {
            drop((fill, exchanged));
            return self.range_alone(Forward::UriMiss);
        }
        match fill.respond(prepared.clone()).await {
            Ok(()) => {
                self.trace("store");
                if !exchanged.origin.is_filtered() {
                    fill.keep_incomplete(false);
                }
                self.deliver_fill(fill, exchanged, prepared).await
            }
            Err(why) => {
                self.tally.not_stored = Some(why);
                self.relay(exchanged).await
            }
        }
    }

    pub(super) fn prepare(&self, exchanged: &Exchanged) -> Result<Prepared, NoStoreReason> {
        let now = self.now();
        let head = &exchanged.head;
        let (status, fields, request) = (head.status(), head.fields(), self.head.fields());
        if status == 101 {
            return Err(NoStoreReason::Status);
        }
        if let Some(why) = self.said_no() {
            return Err(why);
        }
        let length = if status == 204 {
            Some(0)
        } else {
            exchanged.origin.body_length()
        };
        let policy = self.policy(status, fields, length);
        let mut directives = self.response_directives(fields);
        policy.amend(&mut directives);
        // The commonest refusals first: what is not stored needs no dates read. `must-understand` can lift a no-store
        // (RFC 9111 section 5.2.2.3), so that is left to the whole rule.
        if directives.private {
            return Err(NoStoreReason::Private);
        }
        if directives.no_store && !directives.must_understand {
            return Err(NoStoreReason::ResponseNoStore);
        }
        if self.is_personal(&directives) {
            return Err(NoStoreReason::Authorization);
        }
        let heuristic = policy.heuristic(&self.live.settings.heuristic);
        let freshness = Freshness::of(
            status,
            fields,
            &directives,
            exchanged.request_time,
            now,
            heuristic,
        );
        let stated = is_explicit(fields, &directives);
        let freshness = policy.freshness(status, stated, freshness);
        let freshness = self.said.freshness(freshness);
        let method = self.answered(status, fields, &directives);
        may_store(
            method,
            request,
            &self.directives,
            status,
            fields,
            &directives,
            &freshness,
            &policy,
        )?;
        if self.varies_by_ours(fields) {
            return Err(NoStoreReason::VaryStar);
        }
        let vary = VaryKey::of(fields, request).ok_or(NoStoreReason::VaryStar)?;
        let labels = labels::of(fields, &self.key())?;
        let written = if status == 204 { None } else { length };
        let kept = storable::without_withheld(head, &directives);
        let rendered = response_head::render(&kept, written, &self.live.pseudonym, now);
        Ok(Prepared {
            head: exact(Self::uncookied(&policy, head, rendered.head)),
            status,
            freshness,
            directives,
            vary,
            received: now,
            length,
            labels,
        })
    }

    /// Fills from the origin and delivers from the fill, both at once.
    pub(super) async fn deliver_fill(
        &mut self,
        mut fill: Fill,
        mut exchanged: Box<Exchanged>,
        prepared: Arc<Prepared>,
    ) -> Step {
        let complete = exchanged.upload.is_complete();
        // There is room for it.
        self.tally.not_stored = None;
        self.note_head(&exchanged.head);
        let age = response_head::age(&exchanged.head);
        let own_head = self.unabridged(&exchanged.head, &prepared);
        // The rest stays where it is: large, and moved only to be let go.
        drop(exchanged.head);
        if self.not_modified(&prepared) {
            // Followers do not wait for this client to take its answer, nor this client for what modules make of the body.
            if exchanged.origin.is_filtered() {
                self.pump(fill, exchanged.origin, complete);
            } else {
                self.fill_apart(fill, exchanged.origin, complete).await;
            }
            let own = Prepared {
                head: own_head,
                ..Prepared::clone(&prepared)
            };
            let stored = self.tally.not_stored.is_none();
            return self.deliver_not_modified(&own, stored).await;
        }
        self.trace("deliver");
        let ranged = match fill.part() {
            Some(span) => Ranged::received(&prepared, span, exchanged.origin.body_length()),
            None => Ranged::growing(self.head.method(), self.head.fields(), &prepared, own_head),
        };
        let empty = self.is_bodyless(ranged.status);
        let mut returning = Returning::plain(ranged.head.clone(), ranged.status);
        if let Some(rest) = self.return_head(&mut returning, empty) {
            // Modules are waited for, whatever the origin gives meanwhile.
            fill.away(self.party.as_ref().map(|party| party.longest()));
            let returned = self.return_on(&mut returning, empty, rest).await;
            fill.away(exchanged.origin.away_for());
            if let Err(step) = returned {
                // What this client gets instead is not what is stored.
                self.fill_apart(fill, exchanged.origin, complete).await;
                return step;
            }
        }
        self.tally.status = returning.status;
        let framed = self.framed(ranged.status, returning.length(ranged.length));
        self.settle(false);
        let mut queue = Queue::default();
        let mut reader = fill.reader();
        ranged.narrow(&mut reader);
        if returning.body.is_some() || ranged.is_narrow() {
            // Its client is one reader among others, or takes a part of what is stored.
            self.fill_apart(fill, exchanged.origin, complete).await;
            let cache = self.storing_status(&prepared, self.tally.not_stored.is_none());
            let lines = self.lines(age, framed, &cache);
            let overhead = returning.push(lines, &mut queue);
            let way = returning.body.as_mut();
            let outcome = self.deliver_reader(&mut queue, &mut reader, way, ranged.length, framed);
            let outcome = outcome.await;
            return self.delivered(outcome, &queue, overhead);
        }
        let cache = self.storing_status(&prepared, true);
        let lines = self.lines(age, framed, &cache);
        let overhead = returning.push(lines, &mut queue);
        let mut taken = 0;
        let end = self
            .fill_and_flush(
                &mut fill,
                &mut exchanged.origin,
                &mut queue,
                &mut reader,
                framed,
                &mut taken,
            )
            .await;
        let outcome = match end {
            End::Complete(trailers) => {
                // Published before the last byte goes out: whoever has it all and asks again gets a hit.
                self.trace("commit");
                if let Err(why) = fill.commit(trailers).await {
                    self.tally.not_stored = Some(why);
                }
                exchanged.origin.release(complete);
                self.drain_reader(&mut queue, &mut reader, framed).await
            }
            End::Broken(word) => {
                self.trace("abandon");
                fill.broken_off().await;
                if queue.written == 0 && taken == 0 {
                    // Nothing of it has gone out, so the client can still be told properly.
                    return Step::Answer(Refusal::new(502, word));
                }
                // What arrived is still the client's; but of a body in chunks nobody knows whether what came last was any.
                let counted = exchanged.origin.body_length().is_some() || framed == Framed::Length;
                poll_fn(|cx| {
                    while counted && let Poll::Ready(FillEvent::Data(piece)) = reader.poll_next(cx)
                    {
                        push_piece(&mut queue, piece, framed == Framed::Chunked);
                    }
                    Poll::Ready(())
                })
                .await;
                let limit = self.live.settings.timeouts.body;
                let _ = self.client.flush(&mut queue, limit).await;
                Err(Broken::Origin(word))
            }
            End::ClientGone => {
                drop(reader);
                let length = fill.part().map(|span| span.len()).or(prepared.length);
                let missing = length.map(|n| n.saturating_sub(taken));
                if fill.followers() > 0 || missing.is_some_and(|n| n <= FINISH_ANYWAY) {
                    self.pump(fill, exchanged.origin, complete);
                }
                Err(Broken::Client)
            }
        };
        self.delivered(outcome, &queue, overhead)
    }

    /// Moves pieces from the origin into the fill and from the fill to the client until the origin is done.
    #[allow(clippy::too_many_arguments)]
    async fn fill_and_flush(
        &mut self,
        fill: &mut Fill,
        origin: &mut Origin,
        queue: &mut Queue,
        reader: &mut FillReader,
        framed: Framed,
        taken: &mut u64,
    ) -> End {
        let limit = self.live.settings.timeouts.body;
        let patience = self.live.settings.timeouts.between_bytes;
        self.client.deadline.arm_now(patience);
        // Whom the deadline times: the client while it takes nothing, else the origin.
        let mut on_client = false;
        // Nothing but the head is queued.
        let mut alone = true;
        // A module has a piece.
        let mut away = false;
        poll_fn(|cx| {
            loop {
                let mut turn = 0;
                let mut room = true;
                while turn < TURN {
                    if fill.poll_room(cx).is_pending() {
                        room = false;
                        break;
                    }
                    match origin.poll_piece(self.asked(), cx) {
                        Poll::Ready(Ok(Decoded::Data(piece))) => {
                            turn += piece.len();
                            *taken += piece.len() as u64;
                            if let Err(why) = fill.append(&piece) {
                                self.tally.not_stored = Some(why);
                            }
                        }
                        Poll::Ready(Ok(Decoded::End(trailers))) => {
                            self.worker.stats.origin_bytes_in.add(turn as u64);
                            return Poll::Ready(End::Complete(trailers));
                        }
                        Poll::Ready(Ok(Decoded::More)) => {}
                        Poll::Ready(Err(error)) => return Poll::Ready(End::Broken(error)),
                        Poll::Pending => {
                            let was = std::mem::replace(&mut away, origin.is_away());
                            if was || away {
                                fill.away(origin.away_for());
                            }
                            break;
                        }
                    }
                }
                if turn > 0 {
                    self.worker.stats.origin_bytes_in.add(turn as u64);
                    if !on_client {
                        self.client.deadline.arm_now(patience);
                    }
                }
                if *taken == 0 && queue.written == 0 && origin.withholds() {
                    // While a module may still fail before anything is given away, the head waits. No longer: what it gave fills the
                    // fill, which nobody reads before the head is out.
                    return origin
                        .poll_late(&self.client.deadline, patience, cx)
                        .map(|()| End::Broken("between-bytes-timeout"));
                }
                // What is here goes with the head; later what came while the write before was on its way.
                if std::mem::take(&mut alone) || queue.is_empty() {
                    while let Poll::Ready(FillEvent::Data(piece)) = reader.poll_next(cx) {
                        push_piece(queue, piece, framed == Framed::Chunked);
                    }
                }
                let idle = queue.is_empty();
                match self.client.poll_flush(cx, queue, limit) {
                    Poll::Ready(Ok(())) if idle && turn == 0 => {
                        if !room {
                            // Not the origin is waited for but a follower, which has a time of its own.
                            self.client.deadline.arm_now(patience);
                            return Poll::Pending;
                        }
                        // Nothing to write and nothing came: the origin is waited for.
                        return origin
                            .poll_late(&self.client.deadline, patience, cx)
                            .map(|()| End::Broken("between-bytes-timeout"));
                    }
                    Poll::Ready(Ok(())) => {
                        on_client = false;
                        self.client.deadline.arm_now(patience);
                    }
                    Poll::Ready(Err(_)) => return Poll::Ready(End::ClientGone),
                    Poll::Pending => {
                        if !on_client {
                            on_client = true;
                            self.client.deadline.arm_now(limit);
                        }
                        if turn == 0 {
                            return Poll::Pending;
                        }
                    }
                }
            }
        })
        .await
    }

    /// Whether the client's own conditions make this a 304.
    pub(super) fn not_modified(&self, prepared: &Prepared) -> bool {
        let request = self.head.fields();
        prepared.status == 200
            && conditional::has_preconditions(request)
            && prepared.with_fields(|stored| {
                conditional::evaluate(self.head.method(), request, stored, prepared.received)
                    == conditional::Outcome::NotModified
            })
    }
}
