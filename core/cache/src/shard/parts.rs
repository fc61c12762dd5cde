//! Parts on their way into the index (RFC 9111 section 3.4).
//!
//! Invariant: parts are joined only with what is published at that moment and shares their strong validator; a key has at most
//! one set of parts for each variant. The awkward case is a whole that was stored meanwhile: it answers everything a part could.

use actix::Handler;
use std::sync::{Arc, atomic::Ordering};
use understudy_http::semantics::{range::parts::may_combine, storing::NoStoreReason};

use super::{EVICT_AFTER_COMMIT, SWEEP_AFTER_COMMIT, Shard};
use crate::{
    Prepared, Stored, TransactionId,
    fill::state::{End, Inner},
    messages::CommitPart,
    parts::{Part, is_crumbled},
};
use bytes::Bytes;

impl Handler<CommitPart> for Shard {
    type Result = Result<Arc<Stored>, NoStoreReason>;

    fn handle(&mut self, message: CommitPart, _: &mut Self::Context) -> Self::Result {
        let CommitPart {
            transaction,
            fill,
            part,
        } = message;
        self.forget(&fill);
        let stored = self.keep_part(transaction, &fill, part);
        fill.end(None, End::Complete(Bytes::new()));
        stored
    }
}

impl Shard {
    fn keep_part(
        &mut self,
        transaction: TransactionId,
        fill: &Inner,
        part: Part,
    ) -> Result<Arc<Stored>, NoStoreReason> {
        if fill.lock().is_void(&fill.key, &part.prepared.labels) {
            self.trace(transaction, "invalidated before commit");
            return Err(NoStoreReason::Expired);
        }
        let slot = self.shared.index.get(&fill.key);
        let new = &part.prepared;
        let beaten = slot.iter().flat_map(|slot| slot.variants()).any(|whole| {
            let same = whole.prepared().vary.is_empty() || whole.prepared().vary == new.vary;
            same && whole.prepared().received >= new.received
        });
        if beaten {
            self.trace(transaction, "part beside a whole");
            return Err(NoStoreReason::Partial);
        }
        // Together they are no more than a whole may be: of what is longer only what came last is kept.
        let most = self.shared.max_object.load(Ordering::Relaxed);
        let fits = |held: &Stored| {
            let sum = held.length().saturating_add(part.span.len());
            sum.min(new.length.unwrap_or(u64::MAX)) <= most
                && !is_crumbled(held.blocks().len(), held.length())
        };
        let held = slot.iter().flat_map(|slot| slot.parts()).find(|held| {
            held.prepared().vary == new.vary && fits(held) && combine(held.prepared(), new)
        });
        let stored = Arc::new(part.stored(held.map(|held| &**held)));
        self.publish(&fill.key, &stored, held);
        self.shared.counts.stored.fetch_add(1, Ordering::Relaxed);
        self.expire(stored.prepared().received, SWEEP_AFTER_COMMIT);
        self.evict_until_free(self.spare(), EVICT_AFTER_COMMIT);
        self.trace(transaction, "commit part");
        Ok(stored)
    }
}

fn combine(held: &Prepared, new: &Prepared) -> bool {
    held.with_fields(|stored| {
        new.with_fields(|fields| may_combine(stored, held.length, fields, new.length).is_ok())
    })
}
