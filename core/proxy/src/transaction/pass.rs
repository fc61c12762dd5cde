//! The step `pass`: to the origin and back past the store, and what an unsafe request invalidates (RFC 9111 section 4.4).

use super::refusal::Failure;
use super::request_out::Purpose;
use super::{Step, Transaction, partition};
use crate::record::Outcome;
use bytes::Bytes;
use understudy_cache::Scope;
use understudy_http::semantics::groups;
use understudy_http::semantics::key::{resolve, same_origin};
use understudy_http::semantics::reuse::{Stale, is_error};
use understudy_http::semantics::storing::NoStoreReason;
use understudy_http::{Name, ResponseHead};

impl Transaction {
    pub(super) async fn pass(&mut self, why: NoStoreReason) -> Step {
        self.tally.outcome = Outcome::Pass;
        self.tally.not_stored = Some(why);
        let request = match self.going_out(Purpose::Pass).await {
            Ok(request) => request,
            Err(step) => return step,
        };
        let purges = self.worker.cache.purges_begun();
        match self.exchange(request).await {
            Ok(mut exchanged) => {
                if is_error(exchanged.head.status())
                    && let Some(step) = self.stand_in()
                {
                    return step;
                }
                self.invalidate(&exchanged.head).await;
                if let Err(step) = self.heard(&mut exchanged).await {
                    return step;
                }
                self.head_effects(&exchanged).await;
                self.relay_or_store(exchanged, purges).await
            }
            Err(failure) if failure.is_error() => match self.stand_in() {
                Some(step) => {
                    self.tally.error = Some(failure.refusal().word);
                    step
                }
                None => self.failed(failure),
            },
            Err(failure) => self.failed(failure),
        }
    }

    /// A HEAD whose origin failed is answered out of a stale GET as a GET would be (RFC 5861 section 4).
    fn stand_in(&mut self) -> Option<Step> {
        let stored = self.stands_by.take()?;
        if !self.may_serve_stale(&stored) {
            return None;
        }
        self.tally.not_stored = None;
        Some(self.stale(stored, Stale::IfError))
    }

    /// The step for a failure: an answer of our own, or none when nobody is there to read it.
    pub(super) fn failed(&mut self, failure: Failure) -> Step {
        match failure {
            Failure::Gone => {
                self.tally.error = Some("client-gone");
                self.aborted();
                Step::Log
            }
            failure => Step::Answer(failure.refusal()),
        }
    }

    async fn invalidate(&mut self, head: &ResponseHead<Bytes>) {
        if !self.is_unsafe() {
            return;
        }
        // RFC 9875 section 3 asks for nothing but an unsafe request: the origin says what changed, also when it failed half way.
        let groups = groups::invalidated(head.fields());
        let succeeded = matches!(head.status(), 200..=399);
        if !succeeded && groups.is_empty() {
            return;
        }
        if !self.host_belongs().await {
            // What is stored under the name is not this origin's to throw away.
            return;
        }
        let cache = self.worker.cache.clone();
        let key = self.key();
        if !groups.is_empty() {
            let scope = Scope::Exactly(partition::scope(&key).into());
            cache.invalidate_groups(self.id, groups, scope).await;
        }
        if !succeeded {
            return;
        }
        for name in [Name::Location, Name::ContentLocation] {
            let named = head
                .fields()
                .get(name)
                .and_then(|value| resolve(partition::url(&key), value));
            if let Some(named) = named.filter(|named| same_origin(partition::url(&key), named)) {
                self.forget(named).await;
            }
        }
        self.forget(partition::url(&key).to_vec()).await;
    }
}
