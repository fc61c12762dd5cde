//! The step `lead`, for an errand: what the origin makes of a range, and what of that is stored.
//!
//! Invariant: a part is stored under the rules for this very request, and with the head of the whole. Awkward case: what an origin
//! makes of a range is its own choice: a 206 is another part, a 200 the whole, anything else an answer as good as any.

use super::exchange::Exchanged;
use super::part::Errand;
use super::refusal::Failure;
use super::withheld::Unheard;
use super::{Step, Transaction};
use crate::record::Outcome;
use std::sync::Arc;
use understudy_cache::{Fill, Prepared, Stored};
use understudy_http::Name;
use understudy_http::semantics::range::ByteSpan;
use understudy_http::semantics::range::content_range::storable;
use understudy_http::semantics::range::parts::may_combine;
use understudy_http::semantics::reuse::{Stale, is_error};
use understudy_http::semantics::storing::{NoStoreReason, may_store};
use understudy_http::semantics::vary::VaryKey;

impl Transaction {
    /// The step `lead`, for an errand.
    pub(super) async fn lead_part(&mut self, fill: Fill, errand: Errand) -> Step {
        self.tally.outcome = Outcome::Miss;
        let request = match self.send_head(errand.purpose()) {
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
            Err(failure) => return self.lead_failed(fill, errand.validates(), failure),
        };
        if let Some(rest) = self.hear_head(&mut exchanged, Some(&fill)) {
            match self.hear_on(&mut exchanged, Some(&fill), rest).await {
                Ok(()) => {}
                Err(Unheard::Ends(step)) => return step,
                Err(Unheard::BrokeOff(word)) => {
                    return self.lead_failed(fill, errand.validates(), Failure::BrokeOff(word));
                }
            }
        }
        match (exchanged.head.status(), errand) {
            (304, Errand::Validate(held)) => self.validated(fill, held, exchanged).await,
            // Nothing was asked under conditions.
            (304, Errand::Range(_)) => self.chosen(fill, Vec::new(), exchanged).await,
            (304, Errand::Complete(..)) => self.whole_instead(fill, exchanged),
            (206, Errand::Complete(held, missing)) => {
                self.completed(fill, exchanged, held, missing).await
            }
            // There is no such range any more: the whole is another one.
            (416, Errand::Complete(..)) => self.whole_instead(fill, exchanged),
            (206, errand) => self.fetched_part(fill, exchanged, errand.held()).await,
            // RFC 9111 section 4.3.3 and RFC 5861 section 4, as for wholes.
            (status, Errand::Validate(held)) if is_error(status) && self.may_serve_stale(&held) => {
                fill.fail(status);
                self.stale(held, Stale::IfError)
            }
            _ => self.fetched(fill, exchanged).await,
        }
    }

    /// A 206: stored if it may be, and delivered as it comes.
    async fn fetched_part(
        &mut self,
        mut fill: Fill,
        mut exchanged: Box<Exchanged>,
        held: Option<Arc<Stored>>,
    ) -> Step {
        let (prepared, span) = match self.prepare_part(&mut exchanged, held.as_deref()) {
            Ok((prepared, span)) => (Arc::new(prepared), span),
            Err(why) => {
                self.outdated(&fill, 206, why).await;
                fill.refuse(why);
                self.tally.not_stored = Some(why);
                return self.relay(exchanged).await;
            }
        };
        let content = exchanged.origin.body_length();
        match fill.respond_part(prepared.clone(), span, content).await {
            Ok(()) => {
                self.trace("store");
                if content.is_some() {
                    fill.keep_incomplete(true);
                }
                self.deliver_fill(fill, exchanged, prepared).await
            }
            Err(why) => {
                self.tally.not_stored = Some(why);
                self.relay(exchanged).await
            }
        }
    }

    /// What is stored of a 206: the head of the whole, and which part of it the content is.
    fn prepare_part(
        &self,
        exchanged: &mut Exchanged,
        held: Option<&Stored>,
    ) -> Result<(Prepared, ByteSpan), NoStoreReason> {
        if exchanged.origin.is_filtered() {
            // What modules make of a part is no part of what they would make of the whole.
            return Err(NoStoreReason::Module);
        }
        let content = exchanged.origin.body_length();
        let (span, complete) = storable(exchanged.head.fields(), content).map_err(|why| {
            tracing::debug!(id = %self.name(), %why, "a part is not stored");
            NoStoreReason::Partial
        })?;
        if let Some(held) = held.filter(|held| self.combines(held, exchanged, complete)) {
            let prepared = self.joined(held, exchanged)?;
            return Ok((prepared, span));
        }
        let mut head = exchanged.head.clone();
        head.set_status(200, b"OK");
        head.remove(Name::ContentRange);
        let received = std::mem::replace(&mut exchanged.head, head);
        exchanged.origin.stand_for(Some(complete));
        let prepared = self.prepare(exchanged);
        exchanged.origin.stand_for(None);
        exchanged.head = received;
        let prepared = prepared?;
        if self.unabridged(&exchanged.head, &prepared) != prepared.head {
            // Its client gets what is held back from the store, and so not what is stored.
            return Err(NoStoreReason::Partial);
        }
        Ok((prepared, span))
    }

    /// The head of parts joined: the stored one, updated by the new (RFC 9111 section 3.4).
    pub(super) fn joined(
        &self,
        held: &Stored,
        exchanged: &Exchanged,
    ) -> Result<Prepared, NoStoreReason> {
        if let Some(why) = self.said_no() {
            return Err(why);
        }
        let head = exchanged.head.clone();
        let prepared = self
            .freshened(held, head, exchanged.request_time)
            .ok_or(NoStoreReason::Partial)?;
        if self.is_personal(&prepared.directives) {
            return Err(NoStoreReason::Authorization);
        }
        // The bytes are new: they may be stored if an answer to this very request may.
        prepared.with_fields(|fields| {
            may_store(
                self.head.method(),
                self.head.fields(),
                &self.directives,
                prepared.status,
                fields,
                &prepared.directives,
                &prepared.freshness,
                &self.policy(prepared.status, fields, Some(held.complete_length())),
            )
        })?;
        Ok(prepared)
    }

    /// Whether a 206 is of the same representation as what is held, and selected by the same fields.
    pub(super) fn combines(&self, held: &Stored, exchanged: &Exchanged, complete: u64) -> bool {
        let prepared = held.prepared();
        let new = exchanged.head.fields();
        let same = prepared.with_fields(|stored| {
            may_combine(stored, prepared.length, new, Some(complete)).is_ok()
        });
        let vary = || VaryKey::of(new, self.head.fields());
        same && (!new.has(Name::Vary) || vary().as_ref() == Some(&prepared.vary))
    }

    /// The largest body that may be stored.
    pub(super) fn most_stored(&self) -> u64 {
        let cache = self.live.settings.cache.as_ref();
        cache.map_or(0, |cache| cache.max_object)
    }
}
