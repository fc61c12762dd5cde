//! The step `look_up`: what the published index holds for this request, and whether it may be used.

use super::exchange::within;
use super::refusal::Refusal;
use super::{Step, Transaction, internal};
use crate::record::Outcome;
use std::sync::Arc;
use understudy_cache::Stored;
use understudy_http::Method;
use understudy_http::semantics::cache_status::Forward;
use understudy_http::semantics::reuse::{Reuse, Stale, ValidateReason, may_reuse};
use understudy_http::semantics::storing::NoStoreReason;
use understudy_http::wire::target::Authority;

impl Transaction {
    pub(super) async fn look_up(&mut self) -> Step {
        if let Some(step) = self.verify_host().await {
            return step;
        }
        let policy = self.request_policy();
        if let Some(step) = self.ruled_out(&policy) {
            return step;
        }
        let Some(route) = &self.route else {
            return self.bypass(Forward::Bypass, NoStoreReason::Disabled);
        };
        let slot = self.worker.cache.find(&route.key);
        self.seen = slot.clone();
        let fields = self.head.fields();
        let stored = slot.as_ref().and_then(|slot| slot.select(fields).cloned());
        let Some(stored) = stored else {
            if let Some(step) = self.look_up_part() {
                return step;
            }
            let forward = match &slot {
                Some(slot) if slot.has_variants() => Forward::VaryMiss,
                _ => Forward::UriMiss,
            };
            return self.miss(forward);
        };
        let prepared = stored.prepared();
        let reuse = may_reuse(
            &self.directives,
            &prepared.directives,
            &prepared.freshness,
            self.now(),
        );
        if !matches!(reuse, Reuse::Validate(_))
            && policy.is_personal(fields, &prepared.directives, &prepared.freshness)
        {
            // What was fetched without cookies is good for this client if the origin says so.
            if self.directives.only_if_cached {
                return only_if_cached();
            }
            if self.head.method() != Method::Get || !self.body.is_empty() {
                return self.bypass(Forward::Request, NoStoreReason::Cookie);
            }
            return Step::Ask {
                validate: Some(stored),
                alone: true,
                forward: Forward::Request,
            };
        }
        match reuse {
            Reuse::Fresh => Step::Hit {
                stored,
                how: Outcome::Hit,
            },
            Reuse::StaleAllowed => self.stale(stored, Stale::MaxStale),
            // The step `hit` has it validated, as a look alone asks nothing of anybody.
            Reuse::StaleWhileRevalidate
                if !self.source.refreshes && internal::can_be_validated(&stored) =>
            {
                self.stale(stored, Stale::WhileRevalidate)
            }
            Reuse::Validate(_) | Reuse::StaleWhileRevalidate if self.directives.only_if_cached => {
                only_if_cached()
            }
            Reuse::Validate(_) | Reuse::StaleWhileRevalidate => {
                let reason = match reuse {
                    Reuse::Validate(reason) => reason,
                    _ => ValidateReason::Stale,
                };
                let forward = match reason {
                    ValidateReason::Stale | ValidateReason::ResponseNoCache => Forward::Stale,
                    ValidateReason::RequestNoCache
                    | ValidateReason::RequestMaxAge
                    | ValidateReason::RequestMinFresh => Forward::Request,
                };
                if self.head.method() != Method::Get || !self.body.is_empty() {
                    self.stands_by = Some(stored).filter(|_| self.is_head());
                    return self.bypass(forward, NoStoreReason::Method);
                }
                // A client that insists on the origin's word does not take another's.
                let alone = self.detours > 2 || reason == ValidateReason::RequestNoCache;
                Step::Ask {
                    validate: Some(stored),
                    alone,
                    forward,
                }
            }
        }
    }

    /// Out of the store although it is stale, and marked as such.
    pub(super) fn stale(&mut self, stored: Arc<Stored>, why: Stale) -> Step {
        self.tally.stale = Some(why);
        Step::Hit {
            stored,
            how: Outcome::Stale,
        }
    }

    fn miss(&mut self, forward: Forward) -> Step {
        if self.directives.only_if_cached {
            return only_if_cached();
        }
        if self.head.method() != Method::Get || !self.body.is_empty() {
            return self.bypass(forward, NoStoreReason::Method);
        }
        if self.directives.no_store {
            return self.bypass(forward, NoStoreReason::RequestNoStore);
        }
        if let Some(step) = self.miss_part(forward) {
            return step;
        }
        let alone = self.detours > 2 || self.directives.no_cache;
        Step::Ask {
            validate: None,
            alone,
            forward,
        }
    }

    /// Transparent mode: a Host that does not belong to the address the client dialled could plant what it likes under
    /// somebody else's name, so such a request is fetched from that address and leaves no trace.
    async fn verify_host(&mut self) -> Option<Step> {
        if self.host_belongs().await {
            return None;
        }
        Some(self.bypass(Forward::Bypass, NoStoreReason::UntrustedHost))
    }

    /// Whether the store may be touched under the name this request gives. A look-up that takes too long is a no.
    pub(super) async fn host_belongs(&mut self) -> bool {
        let Some(route) = &mut self.route else {
            return false;
        };
        let Some(to) = route.verify else { return true };
        let named = match Authority::parse(&route.host) {
            // A name on another port is another origin.
            Ok(named) if named.port.unwrap_or(80) == to.port() => named,
            _ => return false,
        };
        let name = std::str::from_utf8(named.host).unwrap_or_default();
        let limit = self.live.settings.timeouts.connect;
        let belongs = self.live.upstreams.belongs(name, to);
        let belongs = within(&self.client.deadline, limit, belongs).await == Some(true);
        if belongs {
            route.verify = None;
        }
        belongs
    }
}

pub(super) fn only_if_cached() -> Step {
    // RFC 9111 section 5.2.1.7.
    Step::Answer(Refusal::new(504, "only-if-cached"))
}
