//! What the answer to a validation means: the stored response is good again, is to be fetched anew, or serves stale
//! (RFC 9111 sections 4.2.4 and 4.3.4).

use super::exchange::Exchanged;
use super::lead::exact;
use super::{Step, Transaction, labels, response_head, storable};
use crate::record::Outcome;
use bytes::Bytes;
use std::sync::Arc;
use understudy_cache::{Fill, Prepared, Stored};
use understudy_http::semantics::cache_control::RequestDirectives;
use understudy_http::semantics::cache_status::Forward;
use understudy_http::semantics::freshness::Freshness;
use understudy_http::semantics::reuse::may_serve_stale_on_error;
use understudy_http::semantics::storing::{NoStoreReason, is_explicit, may_store};
use understudy_http::semantics::update::{outdates, validates, write_updated};
use understudy_http::wire::head::{HeadLimits, parse_response};
use understudy_http::{Fields, Method, Name, ResponseHead};
use understudy_module::Hook;

/// Whether a field is a digest of a body (RFC 9530).
fn is_digest(name: &[u8]) -> bool {
    let digests = ["content-digest", "repr-digest", "digest", "content-md5"];
    digests
        .iter()
        .any(|digest| name.eq_ignore_ascii_case(digest.as_bytes()))
}

impl Transaction {
    /// Whether this stored response may be served although it is stale, because the origin failed.
    pub(super) fn may_serve_stale(&self, stored: &Stored) -> bool {
        let prepared = stored.prepared();
        may_serve_stale_on_error(
            &self.directives,
            &prepared.directives,
            &prepared.freshness,
            self.now(),
        )
    }

    /// A 304: the stored response is good again (RFC 9111 section 4.3.4).
    pub(super) async fn validated(
        &mut self,
        fill: Fill,
        stored: Arc<Stored>,
        exchanged: Box<Exchanged>,
    ) -> Step {
        let Exchanged {
            origin,
            head,
            request_time,
            upload,
        } = *exchanged;
        origin.release(upload.is_complete());
        if !stored
            .prepared()
            .with_fields(|fields| validates(fields, head.fields()))
        {
            // It speaks of another representation: fetch without conditions (section 4.3.4, last paragraph).
            drop(fill);
            return self.refetch();
        }
        match self.freshened(&stored, head.clone(), request_time) {
            Some(prepared) => {
                let chosen = fill.validates().is_none();
                let prepared = self.rekeyed(prepared, chosen, &head, &stored);
                let length = stored.complete_length();
                let kept = self.kept(fill, Arc::new(prepared), length).await;
                if self.tally.not_stored.is_none() {
                    let served = (!chosen).then_some(&stored);
                    self.freshen_alike(&head, served, request_time).await;
                }
                Step::Hit {
                    stored: kept,
                    how: Outcome::Revalidated,
                }
            }
            None => {
                drop(fill);
                self.refetch()
            }
        }
    }

    /// Stores what was validated with its new head, if that may be stored: a 304 can make it private, or carry a cookie that is
    /// meant for one client, and a module has its say. Otherwise it is for this client alone.
    async fn kept(&mut self, fill: Fill, prepared: Arc<Prepared>, length: u64) -> Arc<Stored> {
        let d = &prepared.directives;
        // RFC 9111 section 3.5: what is said to one who has credentials is not said to others.
        let own = self.head.fields().has(Name::Authorization)
            && !(d.public || d.must_revalidate || d.s_maxage.is_some());
        let personal = own || self.is_personal(d);
        let personal = personal.then_some(NoStoreReason::Authorization);
        let Some(why) = self
            .said_no()
            .or(personal)
            .or_else(|| self.refused(&prepared, length, self.head.fields()))
            // RFC 9111 section 5.2.1.5: "MUST NOT store any part of either this request or any response to it".
            .or(self
                .directives
                .no_store
                .then_some(NoStoreReason::RequestNoStore))
        else {
            return fill.freshen(prepared).await;
        };
        self.tally.not_stored = Some(why);
        let stored = fill.unpublished(prepared, why);
        // A cookie is this answer's, credentials are this request's; everything else is said of the object.
        let of_the_object = !matches!(
            why,
            NoStoreReason::SetCookie
                | NoStoreReason::Cookie
                | NoStoreReason::Authorization
                | NoStoreReason::RequestNoStore
        );
        if of_the_object {
            let cache = self.worker.cache.clone();
            cache.invalidate(self.id, self.key()).await;
        }
        stored
    }

    /// A full answer to a validation that is not stored itself: what was to be validated goes, if it is no longer what the origin
    /// has (RFC 9111 section 4.3.3).
    pub(super) async fn outdated(&self, fill: &Fill, status: u16, why: NoStoreReason) {
        let Some(stored) = fill.validates() else {
            return;
        };
        let request = self.head.fields();
        let personal = request.has(Name::Authorization) || request.has(Name::Cookie) || self.lent;
        if outdates(status, why, personal) {
            let cache = self.worker.cache.clone();
            cache.discard(self.id, self.key(), stored.clone()).await;
        }
    }

    pub(super) fn refetch(&mut self) -> Step {
        let forward = self.tally.forward.unwrap_or(Forward::Stale);
        // Nothing of what is stored is offered again.
        self.seen = None;
        self.detours += 1;
        if self.detours > 2 {
            return self.bypass(forward, NoStoreReason::Incomplete);
        }
        Step::Ask {
            validate: None,
            alone: true,
            forward,
        }
    }

    /// The stored head updated by a 304's fields, with new freshness.
    pub(super) fn freshened(
        &self,
        stored: &Stored,
        mut head: ResponseHead<Bytes>,
        request_time: i64,
    ) -> Option<Prepared> {
        let now = self.now();
        let old = stored.prepared();
        let answer = head.clone();
        response_head::own(&mut head, &self.live.pseudonym, now);
        if self.live.chain.wants(Hook::ResponseBody) {
            // What is stored may be what modules made of a body, and a head without one says nothing of that.
            let typed = old.with_fields(|fields| fields.has(Name::ContentType));
            head.remove_if(|id, name, _| typed && id == Name::ContentType || is_digest(name));
        }
        let mut merged = Vec::with_capacity(old.head.len() + 128);
        let line = memchr::memchr(b'\n', &old.head)? + 1;
        merged.extend_from_slice(&old.head[..line]);
        old.with_fields(|fields| write_updated(fields, head.fields(), &mut merged));
        merged.extend_from_slice(b"\r\n");
        let limits = HeadLimits {
            bytes: usize::MAX,
            target: 0,
            fields: 4096,
        };
        let parts = parse_response(&merged, &limits, Vec::new()).ok()??;
        let mut merged = parts.with(Bytes::from(merged));
        let policy = self.policy(old.status, merged.fields(), Some(stored.complete_length()));
        let mut directives = self.response_directives(merged.fields());
        policy.amend(&mut directives);
        let heuristic = policy.heuristic(&self.live.settings.heuristic);
        let freshness = Freshness::of(
            old.status,
            merged.fields(),
            &directives,
            request_time,
            now,
            heuristic,
        );
        let stated = is_explicit(merged.fields(), &directives);
        let freshness = policy.freshness(old.status, stated, freshness);
        let freshness = self.said.freshness(freshness);
        let labels = labels::freshened(&old.labels, merged.fields(), answer.fields(), &self.key())?;
        merged.remove(Name::Age);
        if policy.strips_cookies() {
            merged.remove(Name::SetCookie);
        }
        let merged = storable::without_withheld(&merged, &directives);
        let mut out = Vec::with_capacity(merged.size());
        merged.write(&mut out);
        Some(Prepared {
            head: exact(out),
            status: old.status,
            freshness,
            directives,
            vary: old.vary.clone(),
            received: now,
            length: old.length,
            labels,
        })
    }

    /// Why a response that is stored already may not be, with the head it has now. That has fields of the answer to this request,
    /// so its credentials and cookies count as with any answer (RFC 9111 section 3.5); its directives do not.
    pub(super) fn refused(
        &self,
        prepared: &Prepared,
        length: u64,
        request: Fields<'_>,
    ) -> Option<NoStoreReason> {
        let stored = prepared.with_fields(|fields| {
            if self.varies_by_ours(fields) {
                return Err(NoStoreReason::VaryStar);
            }
            may_store(
                Method::Get,
                request,
                &RequestDirectives::default(),
                prepared.status,
                fields,
                &prepared.directives,
                &prepared.freshness,
                &self.policy(prepared.status, fields, Some(length)),
            )
        });
        stored.err()
    }
}
