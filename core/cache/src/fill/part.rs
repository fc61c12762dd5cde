//! Fills of parts, readers of parts, and what is kept of a fill that broke off (RFC 9111 section 3.3).
//!
//! Invariant: a part is published only when exactly its bytes are here. The awkward case is a leader that is dropped: it cannot
//! wait, so what is worth keeping goes to the shard as a notice, at most one a fill.

use smallvec::SmallVec;
use std::sync::Arc;
use understudy_http::semantics::{
    range::{
        ByteSpan,
        parts::{Strong, may_keep_incomplete},
    },
    storing::NoStoreReason,
};

use super::{Fill, FillReader};
use crate::{
    Prepared, Stored,
    messages::CommitPart,
    parts::{Part, SPANS_COST},
};

impl Fill {
    /// [`Fill::respond`] for a part: the bytes to come are these of the whole that `prepared` speaks of. `keep`: what is here is
    /// worth keeping when the rest does not come.
    pub async fn respond_part(
        &mut self,
        prepared: Arc<Prepared>,
        span: ByteSpan,
    ) -> Result<(), NoStoreReason> {
        self.part = Some(span);
        self.respond(prepared).await
    }

    /// Which part of the body this fill is, when it is one.
    pub fn part(&self) -> Option<ByteSpan> {
        self.part
    }

    /// What is here when the fill breaks off is kept as a part: whoever says so has seen to it that it may be.
    pub fn keep_incomplete(&mut self) {
        self.keeps = true;
    }

    /// The end of a part: publishes it, joined with others.
    pub(super) async fn commit_part(mut self) -> Result<Arc<Stored>, NoStoreReason> {
        let expected = self.part.map(|span| span.len());
        if expected != Some(self.inner.lock().body.len()) {
            // The Content-Range lied.
            self.keeps = false;
            return Err(NoStoreReason::Incomplete);
        }
        self.complete = Some(bytes::Bytes::new());
        let message = self.part_message()?;
        let answer = self.cache.shard(&self.inner.key).send(message).await;
        self.forgotten = answer.is_ok();
        // A stopped shard publishes nothing any more.
        answer.unwrap_or(Err(NoStoreReason::NoRoom))
    }

    /// Keeps what is here of a fill that ends before its end.
    pub(super) fn salvage(&mut self) {
        if !std::mem::take(&mut self.keeps) || self.complete.is_some() || self.forgotten {
            return;
        }
        if self.is_worth_keeping()
            && let Ok(message) = self.part_message()
        {
            self.inner.end(None, super::End::Broken);
            self.cache.shard(&self.inner.key).do_send(message);
            self.forgotten = true;
        }
    }

    /// Whether what is here could be completed later.
    fn is_worth_keeping(&self) -> bool {
        self.prepared.as_ref().is_some_and(|prepared| {
            prepared.with_fields(|fields| match self.part {
                // A 206 says by itself that its origin knows ranges.
                Some(_) => Strong::of(fields).is_some(),
                None => may_keep_incomplete(prepared.status, fields, prepared.length),
            })
        })
    }

    /// What is here, as a part.
    fn part_message(&mut self) -> Result<CommitPart, NoStoreReason> {
        let prepared = self.prepared.clone().ok_or(NoStoreReason::Incomplete)?;
        let mut state = self.inner.lock();
        if let Some(reason) = state.outgrown {
            return Err(reason);
        }
        state.body.seal(&mut self.credit);
        let blocks: SmallVec<[bytes::Bytes; 1]> = state.body.handles();
        let length = state.body.len();
        drop(state);
        let first = self.part.map_or(0, |span| span.first());
        let last = length.checked_sub(1).and_then(|n| first.checked_add(n));
        let span = last.and_then(|last| ByteSpan::of(first, last));
        let span = span.ok_or(NoStoreReason::Incomplete)?;
        if prepared.length.is_none_or(|complete| span.end() > complete) {
            return Err(NoStoreReason::Incomplete);
        }
        let cost = prepared.cost(self.inner.key.len()) + SPANS_COST;
        let share = self.credit.draw(cost).ok_or(NoStoreReason::NoRoom)?;
        self.credit.shrink_to(0);
        Ok(CommitPart {
            transaction: self.inner.transaction,
            fill: Arc::clone(&self.inner),
            part: Part {
                prepared,
                span,
                blocks,
                share,
            },
        })
    }
}

impl FillReader {
    /// Reads the bytes of this span only (of none: nothing), then the end.
    pub fn narrow(&mut self, span: Option<ByteSpan>) {
        let (from, until) = span.map_or((0, 0), |span| (span.first(), span.end()));
        self.fill.lock().narrow(self.place, from, until);
    }

    /// How many bytes of the body are here.
    pub fn filled(&self) -> u64 {
        self.fill.lock().body.len()
    }
}
