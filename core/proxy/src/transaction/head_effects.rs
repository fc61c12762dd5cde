//! What the origin's answer to a HEAD does to the stored answers to GET that could have served it (RFC 9111 section 4.3.5).
//!
//! Awkward case: the next writer. A response that was replaced meanwhile is newer than this answer and stays as it is.

use super::Transaction;
use super::exchange::Exchanged;
use super::select::revaries;
use std::sync::Arc;
use understudy_cache::{Prepared, Stored};
use understudy_http::semantics::head_effects::{HeadEffect, effect};
use understudy_http::semantics::storing::NoStoreReason;
use understudy_http::{Method, Name};

impl Transaction {
    /// Updates what agrees with the answer and ends the freshness of what does not.
    pub(super) async fn head_effects(&mut self, exchanged: &Exchanged) {
        let tells = self.head.method() == Method::Head
            && exchanged.head.status() == 200
            && self.live.settings.cache.is_some()
            && !self.directives.no_store
            && self.said_no().is_none();
        // What is said to one client alone says nothing of what others get.
        let personal = self.head.fields().has(Name::Authorization) || self.lent;
        if !tells || personal || !self.host_belongs().await {
            return;
        }
        // What was there when the request went out: what a purge has put in its place meanwhile is not for this answer to restore.
        let Some(slot) = self
            .seen
            .clone()
            .or_else(|| self.worker.cache.find(&self.key()))
        else {
            return;
        };
        // The length of a body that modules would have changed is not that of what they made of it.
        let told = exchanged.origin.changes_length().then(|| {
            let mut head = exchanged.head.clone();
            head.remove(Name::ContentLength);
            head
        });
        let told = told.as_ref().unwrap_or(&exchanged.head);
        for stored in slot.all() {
            let prepared = stored.prepared();
            if prepared.status != 200 || !prepared.vary.matches(self.head.fields()) {
                continue;
            }
            let length = stored.complete_length();
            let head = told.fields();
            let effect = prepared.with_fields(|fields| match revaries(head, fields) {
                // It was stored under what it varied by, and nobody knows what else its request had.
                true => HeadEffect::Stale,
                false => effect(fields, length, head),
            });
            match effect {
                HeadEffect::Update => self.update(stored, exchanged).await,
                HeadEffect::Stale => self.renew(stored, prepared.spent(self.now())).await,
            }
        }
    }

    async fn update(&mut self, stored: &Arc<Stored>, exchanged: &Exchanged) {
        if exchanged.head.fields().has(Name::SetCookie) {
            // A cookie that came in answer to this client's HEAD is no part of what was stored for all.
            return;
        }
        let head = exchanged.head.clone();
        let Some(prepared) = self.freshened(stored, head, exchanged.request_time) else {
            return;
        };
        match self.refused(&prepared, stored.length(), self.head.fields()) {
            None => self.renew(stored, prepared).await,
            // A cookie is this client's, and nothing is said of the object.
            Some(NoStoreReason::SetCookie | NoStoreReason::Cookie) => {}
            // With the head it has now it would not have been stored.
            Some(_) => {
                let cache = self.worker.cache.clone();
                cache.invalidate(self.id, self.key()).await;
            }
        }
    }

    async fn renew(&self, stored: &Arc<Stored>, prepared: Prepared) {
        let cache = self.worker.cache.clone();
        // Without room for another head the old one stays, as it would have without this HEAD.
        let _ = cache.renew(self.id, self.key(), stored, prepared).await;
    }
}
