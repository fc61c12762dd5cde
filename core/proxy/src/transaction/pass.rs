//! The step `pass`: to the origin and back past the store; what an unsafe request invalidates is in `invalidate.rs`.

use super::refusal::Failure;
use super::request_out::Purpose;
use super::withheld::Unheard;
use super::{Step, Transaction};
use crate::record::Outcome;
use understudy_http::semantics::reuse::{Stale, is_error};
use understudy_http::semantics::storing::NoStoreReason;

impl Transaction {
    pub(super) async fn pass(&mut self, why: NoStoreReason) -> Step {
        self.tally.outcome = Outcome::Pass;
        self.tally.not_stored = Some(why);
        let request = match self.send_head(Purpose::Pass) {
            Ok(request) => Ok(request),
            Err(unsent) => self.send_on(unsent).await,
        };
        let request = match request {
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
                if let Some(rest) = self.hear_head(&mut exchanged, None) {
                    match self.hear_on(&mut exchanged, None, rest).await {
                        Ok(()) => {}
                        Err(Unheard::Ends(step)) => return step,
                        Err(Unheard::BrokeOff(word)) => {
                            return self.failed(Failure::BrokeOff(word));
                        }
                    }
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
}
