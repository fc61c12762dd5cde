//! Fills of parts, readers of parts, and what is kept of a fill that broke off (RFC 9111 section 3.3).
//!
//! Invariant: a part is published only when exactly its bytes are here. The awkward case is a leader that is dropped: it cannot
//! wait, so what is worth keeping goes to the shard as a notice, at most one a fill.

use smallvec::SmallVec;
use std::{sync::Arc, task::Waker};
use understudy_http::semantics::{
    range::{ByteSpan, parts::may_keep_incomplete},
    storing::NoStoreReason,
};

use super::{Fill, FillReader, Keeps};
use crate::{
    Prepared, Stored,
    messages::CommitPart,
    parts::{Part, SPANS_COST},
};

impl Fill {
    /// [`Fill::respond`] for a part: the bytes to come are these of the whole that `prepared` speaks of.
    /// `content`: their number, when the origin said it beforehand and not in Content-Range alone.
    pub async fn respond_part(
        &mut self,
        prepared: Arc<Prepared>,
        span: ByteSpan,
        content: Option<u64>,
    ) -> Result<(), NoStoreReason> {
        self.part = Some(span);
        self.inner.lock().part = Some((span, content));
        self.respond(prepared).await
    }

    /// Which part of the body this fill is, when it is one.
    pub fn part(&self) -> Option<ByteSpan> {
        self.part
    }

    /// What is here when the fill breaks off is kept as a part, if it can be completed later. `ranged`: the origin has shown
    /// that it knows ranges; else the head has to say so. The caller has seen to it that the bytes are the origin's own.
    pub fn keep_incomplete(&mut self, ranged: bool) {
        self.keeps = if ranged {
            Keeps::Ranged
        } else {
            Keeps::IfRanged
        };
    }

    /// The end of a part: publishes it, joined with others.
    pub(super) async fn commit_part(mut self) -> Result<Arc<Stored>, NoStoreReason> {
        let expected = self.part.map(|span| span.len());
        if expected != Some(self.inner.lock().body.len()) {
            // The Content-Range lied, and the content is the client's as it came.
            self.complete = Some(bytes::Bytes::new());
            return Err(NoStoreReason::Incomplete);
        }
        self.complete = Some(bytes::Bytes::new());
        let message = self.part_message()?;
        let answer = self.cache.shard(&self.inner.key).send(message).await;
        self.forgotten = answer.is_ok();
        // A stopped shard publishes nothing any more.
        answer.unwrap_or(Err(NoStoreReason::NoRoom))
    }

    /// [`Fill::broken`], and when this returns what is worth keeping of it is published: await it before the client is told.
    pub async fn broken_off(mut self) {
        if let Some(message) = self.salvaged() {
            // A stopped shard keeps nothing any more.
            let _ = self.cache.shard(&self.inner.key).send(message).await;
        }
    }

    /// Keeps what is here of a fill that ends before its end.
    pub(super) fn salvage(&mut self) {
        if let Some(message) = self.salvaged() {
            self.cache.shard(&self.inner.key).do_send(message);
        }
    }

    /// What is worth keeping of a fill that ends here, once.
    fn salvaged(&mut self) -> Option<CommitPart> {
        let keeps = std::mem::replace(&mut self.keeps, Keeps::Nothing);
        if keeps == Keeps::Nothing || self.complete.is_some() || self.forgotten {
            return None;
        }
        if !self.is_worth_keeping(keeps == Keeps::Ranged) {
            return None;
        }
        let message = self.part_message().ok()?;
        // First, or the shard could forget it in between, and no purge would know of it.
        self.inner.lock().leaves = true;
        self.inner.end(None, super::End::Broken);
        self.forgotten = true;
        Some(message)
    }

    /// Whether what is here could be completed later.
    fn is_worth_keeping(&self, ranged: bool) -> bool {
        self.prepared.as_ref().is_some_and(|prepared| {
            prepared.with_fields(|fields| {
                may_keep_incomplete(prepared.status, fields, prepared.length, ranged)
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
        let leader = self.fill.lock().narrow(self.place, from, until);
        leader.into_iter().for_each(Waker::wake);
    }

    /// Where in the whole the bytes belong, when they are a part of it; and their number, when it was said beforehand.
    pub fn part(&self) -> Option<(ByteSpan, Option<u64>)> {
        self.fill.lock().part
    }

    /// How many bytes of the body are here.
    pub fn filled(&self) -> u64 {
        self.fill.lock().body.len()
    }
}
