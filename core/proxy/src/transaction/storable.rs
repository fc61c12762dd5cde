//! What of an answer is stored, and as the answer to what: the directives that count for this cache, fields that stay out of the
//! store, and answers to POST that answer later GETs.

use super::exchange::Exchanged;
use super::forwarded::Forwarded;
use super::{Step, Transaction, partition, response_head};
use crate::settings::Mode;
use bytes::Bytes;
use std::borrow::Cow;
use std::sync::Arc;
use understudy_cache::Prepared;
use understudy_http::semantics::cache_control::ResponseDirectives;
use understudy_http::semantics::post;
use understudy_http::semantics::storing::NoStoreReason;
use understudy_http::semantics::targeted::response_directives;
use understudy_http::semantics::withheld::withholds;
use understudy_http::{Fields, Method, Name, ResponseHead};

impl Transaction {
    /// The directives of an answer that are meant for this cache.
    pub(super) fn response_directives(&self, fields: Fields<'_>) -> ResponseDirectives {
        response_directives(fields, &self.live.settings.targets)
    }

    /// The method whose answer this is, for the rules of storing.
    pub(super) fn answered(
        &self,
        status: u16,
        fields: Fields<'_>,
        directives: &ResponseDirectives,
    ) -> Method {
        let method = self.head.method();
        let key = self.key();
        let target = partition::url(&key);
        if method == Method::Post && post::may_answer_get(target, status, fields, directives) {
            return Method::Get;
        }
        method
    }

    /// Whether an answer varies by a field that the origin got from us and not from this client (X-Forwarded-For behind a reverse
    /// listener, and its kin when the client is not believed). What the client sent says nothing of what the origin decided by.
    pub(super) fn varies_by_ours(&self, fields: Fields<'_>) -> bool {
        if !matches!(self.source.listener.mode, Mode::Reverse { .. }) || !fields.has(Name::Vary) {
            return false;
        }
        let ours = Forwarded::of(self.peer, &self.live.settings.access, self.source.internal);
        let mut names = fields.list(Name::Vary).map(Name::of);
        names.any(|id| {
            ours.replaces(id) && (id == Name::XForwardedFor || self.head.fields().has(id))
        })
    }

    /// The head for the client whose request fetched it: it has what is withheld from the store.
    pub(super) fn unabridged(&self, head: &ResponseHead<Bytes>, prepared: &Prepared) -> Bytes {
        // A rule may have taken its cookies off.
        let stripped = head.fields().has(Name::SetCookie)
            && prepared.with_fields(|stored| !stored.has(Name::SetCookie));
        if !prepared.directives.withholds && !stripped {
            return prepared.head.clone();
        }
        let length = prepared.length.filter(|_| prepared.status != 204);
        let pseudonym = &self.live.pseudonym;
        response_head::render(head, length, pseudonym, prepared.received)
            .head
            .into()
    }

    /// The end of a `pass`: past the store, but for an answer to POST that answers later GETs. `purges`: how many had begun when the
    /// request went out.
    pub(super) async fn relay_or_store(&mut self, exchanged: Box<Exchanged>, purges: u64) -> Step {
        // While the request is still going out somebody has to see to that: `relay` does.
        let may = self.head.method() == Method::Post
            && self.live.settings.cache.is_some()
            && exchanged.upload.is_complete()
            && self.host_belongs().await;
        if !may {
            return self.relay(exchanged).await;
        }
        let Ok(prepared) = self.prepare(&exchanged) else {
            return self.relay(exchanged).await;
        };
        let prepared = Arc::new(prepared);
        let fill = self.worker.cache.apart(self.id, self.key(), false).await;
        let Ok(mut fill) = fill else {
            return self.relay(exchanged).await;
        };
        if self.worker.cache.purges_begun() != purges {
            // It may have been meant, and there was no fill yet that could have been marked.
            self.tally.not_stored = Some(NoStoreReason::Expired);
            drop(fill);
            return self.relay(exchanged).await;
        }
        if let Err(why) = fill.respond(prepared.clone()).await {
            self.tally.not_stored = Some(why);
            return self.relay(exchanged).await;
        }
        self.tally.not_stored = None;
        self.trace("store");
        // In a box, as it is rare and large.
        Box::pin(self.deliver_fill(fill, exchanged, prepared)).await
    }
}

/// The head without the fields that its directives withhold from the store.
pub(super) fn without_withheld<'a>(
    head: &'a ResponseHead<Bytes>,
    directives: &ResponseDirectives,
) -> Cow<'a, ResponseHead<Bytes>> {
    if !directives.withholds {
        return Cow::Borrowed(head);
    }
    let mut kept = head.clone();
    kept.remove_if(|_, name, _| withholds(head.fields(), directives, name));
    Cow::Owned(kept)
}
