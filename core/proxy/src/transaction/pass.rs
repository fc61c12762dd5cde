//! The step `pass`: to the origin and back past the store, and what an unsafe request invalidates (RFC 9111 section 4.4).

use super::refusal::Failure;
use super::request_out::Purpose;
use super::{Step, Transaction, partition};
use crate::record::Outcome;
use bytes::Bytes;
use understudy_http::semantics::key::{resolve, same_origin};
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
        match self.exchange(request).await {
            Ok(mut exchanged) => {
                self.invalidate(&exchanged.head).await;
                self.head_effects(&exchanged).await;
                if let Err(step) = self.heard(&mut exchanged).await {
                    return step;
                }
                self.relay_or_store(exchanged).await
            }
            Err(failure) => self.failed(failure),
        }
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
        if !self.is_unsafe() || !matches!(head.status(), 200..=399) {
            return;
        }
        if !self.host_belongs().await {
            // What is stored under the name is not this origin's to throw away.
            return;
        }
        let cache = self.worker.cache.clone();
        let key = self.key();
        for name in [Name::Location, Name::ContentLocation] {
            let named = head
                .fields()
                .get(name)
                .and_then(|value| resolve(partition::url(&key), value));
            if let Some(named) = named.filter(|named| same_origin(partition::url(&key), named)) {
                let named = partition::beside(&key, named);
                cache.invalidate(self.id, named.into()).await;
            }
        }
        cache.invalidate(self.id, key).await;
    }
}
