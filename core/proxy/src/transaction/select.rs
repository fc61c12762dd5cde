//! A request that selects none of the stored variants: the origin may say that one of them serves it (RFC 9111 section 4.3.1).
//!
//! The request goes out with the tags of all variants that could; the 304's tag tells which one it is (section 4.3.4), and the
//! same body is then stored once more, under what this request varies by. Awkward case: a 304 that names none of them, or has
//! no tag; then it is asked again without conditions.

use super::exchange::Exchanged;
use super::refusal::Refusal;
use super::{Step, Transaction};
use bytes::Bytes;
use std::sync::Arc;
use understudy_cache::{Fill, Prepared, Stored};
use understudy_http::semantics::cache_status::Forward;
use understudy_http::semantics::conditional::{self, Outcome};
use understudy_http::semantics::select::{chose, offered};
use understudy_http::semantics::vary::VaryKey;
use understudy_http::{Fields, Name, ResponseHead};

/// Most tags that a request lists.
const MOST: usize = 16;

impl Transaction {
    /// The stored variants that the origin may choose from for this request.
    pub(super) fn candidates(&self) -> Vec<Arc<Stored>> {
        let (Some(slot), Some(Forward::VaryMiss)) = (&self.seen, self.tally.forward) else {
            return Vec::new();
        };
        let request = self.head.fields();
        // RFC 9111 section 3.5: what is stored for this one is not for others.
        if request.has(Name::Authorization) {
            return Vec::new();
        }
        let could = |stored: &&Arc<Stored>| {
            let prepared = stored.prepared();
            prepared.status == 200
                && prepared.with_fields(|stored| offered(request, stored).is_some())
        };
        let variants = slot.variants().iter();
        variants.filter(could).take(MOST).cloned().collect()
    }

    /// A 304 to a request that had no stored response to validate.
    pub(super) async fn chosen(
        &mut self,
        mut fill: Fill,
        candidates: Vec<Arc<Stored>>,
        exchanged: Box<Exchanged>,
    ) -> Step {
        if candidates.is_empty() {
            return self.unasked(fill, exchanged).await;
        }
        let head = exchanged.head.fields();
        let named = |stored: &Arc<Stored>| {
            let prepared = stored.prepared();
            prepared.with_fields(|stored| chose(head, stored))
        };
        match candidates.into_iter().find(named) {
            Some(stored) => {
                fill.choose(stored.clone());
                self.validated(fill, stored, exchanged).await
            }
            None => {
                exchanged.origin.release(exchanged.upload.is_complete());
                drop(fill);
                self.refetch()
            }
        }
    }

    /// A 304 though nothing was asked under conditions. The client's own were kept back; where they are those that the 304 would
    /// answer it is passed on, and else there is no answer in it.
    async fn unasked(&mut self, fill: Fill, exchanged: Box<Exchanged>) -> Step {
        let request = self.head.fields();
        let answers = conditional::has_preconditions(request)
            && conditional::evaluate(
                self.head.method(),
                request,
                exchanged.head.fields(),
                self.now(),
            ) == Outcome::NotModified;
        // What a module asks of the origin is its own affair.
        if answers || self.party.is_some() {
            return self.fetched(fill, exchanged).await;
        }
        fill.fail(502);
        Step::Answer(Refusal::new(502, "http_protocol_error"))
    }

    /// The secondary key of what a 304 made of a stored response: what it was stored under, unless that is not what selects it now
    /// (the origin chose it for another request, or varies by something else).
    pub(super) fn rekeyed(
        &self,
        prepared: Prepared,
        chosen: bool,
        head: &ResponseHead<Bytes>,
        old: &Stored,
    ) -> Prepared {
        let changed = old
            .prepared()
            .with_fields(|fields| revaries(head.fields(), fields));
        if !chosen && !changed {
            return prepared;
        }
        let request = self.head.fields();
        match prepared.with_fields(|fields| VaryKey::of(fields, request)) {
            Some(vary) => Prepared { vary, ..prepared },
            // `Vary: *`: for this client alone, which the rules of storing say.
            None => prepared,
        }
    }

    /// "All the stored responses in the initial set with one of those same strong validators" are freshened by a 304 (section 4.3.4),
    /// not only the one that is served. The set is "those that could have been chosen for that request", so Vary counts: what a 304
    /// says in answer to this request (Access-Control-Allow-Origin above all) is no word on others'.
    pub(super) async fn freshen_alike(
        &self,
        head: &ResponseHead<Bytes>,
        served: Option<&Arc<Stored>>,
        request_time: i64,
    ) {
        let Some(slot) = self.seen.as_ref().filter(|_| head.fields().has(Name::Etag)) else {
            return;
        };
        for stored in slot.variants() {
            let is_served = served.is_some_and(|served| Arc::ptr_eq(served, stored));
            let prepared = stored.prepared();
            let alike = !is_served
                && prepared.vary.matches(self.head.fields())
                && prepared.with_fields(|fields| {
                    chose(head.fields(), fields) && !revaries(head.fields(), fields)
                });
            if !alike {
                continue;
            }
            if let Some(prepared) = self.freshened(stored, head.clone(), request_time) {
                let cache = self.worker.cache.clone();
                // Gone meanwhile, or without room: it stays as stale as it was.
                let _ = cache.renew(self.id, self.key(), stored, prepared).await;
            }
        }
    }
}

/// Whether an answer says that what is stored varies by something else than it was stored under.
pub(super) fn revaries(answer: Fields<'_>, stored: Fields<'_>) -> bool {
    answer.has(Name::Vary) && !stored.all(Name::Vary).eq(answer.all(Name::Vary))
}
