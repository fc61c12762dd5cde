//! The typed messages of the cache-shard actor.
//!
//! Requests carry the transaction's id and are awaited (`send`, bounded mailbox). Two are notices
//! sent with `do_send`, which ignores the bound: [`Ended`], at most one a fill, so no more of them
//! wait than there are transactions, and a lost one only leaves an ended fill in the table until
//! the next ask for its key; and [`Trim`], one a reload (a shard repeats it to itself, after a
//! pause). None holds body bytes, only handles to them.

use actix::Message;
use bytes::Bytes;
use std::sync::Arc;
use understudy_http::semantics::{date::Seconds, storing::NoStoreReason};
use understudy_store::budget::Reservation;

use crate::{
    Answer, Ask, Cache, TransactionId,
    fill::state::Inner,
    index::Slot,
    parts::Part,
    purge::{Cursor, Purge, Swept},
    stored::Stored,
};

/// What of a response an asker wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Wanted {
    /// The whole.
    Whole,
    /// A part, named by what asks for it: who asks in the same words gets the same part. Without a name it is nobody else's.
    Part(Option<Bytes>),
    /// What nobody follows. What no origin sent (`injected`) is as new as its end.
    Apart { injected: bool },
}

/// A worker wants a response: lead, follow, or look again?
#[derive(Debug, Message)]
#[rtype(result = "Answer")]
pub(crate) struct AskShard {
    pub(crate) ask: Ask,
    /// What the index held when the question was sent: if it is something else by now, the asker is
    /// to look again.
    pub(crate) seen: Option<Arc<Slot>>,
    /// What of it is to be led or followed.
    pub(crate) wanted: Wanted,
    /// Pays for the fill if there is to be one.
    pub(crate) share: Reservation,
    /// The handle the fill keeps to reach the shards.
    pub(crate) cache: Cache,
}

/// A body is complete: publish it.
#[derive(Debug, Message)]
#[rtype(result = "Result<Arc<Stored>, NoStoreReason>")]
pub(crate) struct Commit {
    pub(crate) transaction: TransactionId,
    pub(crate) fill: Arc<Inner>,
    pub(crate) stored: Arc<Stored>,
}

/// A part is complete: publish it, joined with what is held already.
#[derive(Debug, Message)]
#[rtype(result = "Result<Arc<Stored>, NoStoreReason>")]
pub(crate) struct CommitPart {
    pub(crate) transaction: TransactionId,
    pub(crate) fill: Arc<Inner>,
    pub(crate) part: Part,
}

/// A validation succeeded: publish the response with its new head in place of the old, or beside
/// it. Answers whether it was published.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub(crate) struct Freshen {
    pub(crate) transaction: TransactionId,
    pub(crate) fill: Arc<Inner>,
    pub(crate) old: Arc<Stored>,
    /// The old one answers other requests still.
    pub(crate) stays: bool,
    pub(crate) stored: Arc<Stored>,
}

/// Publish a stored response under another head, in its own place. Answers whether it was still there.
#[derive(Debug, Message)]
#[rtype(result = "bool")]
pub(crate) struct Renew {
    pub(crate) transaction: TransactionId,
    pub(crate) key: Bytes,
    pub(crate) old: Arc<Stored>,
    pub(crate) stored: Arc<Stored>,
}

/// Remove one stored response and leave what else is stored for its key.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Discard {
    pub(crate) transaction: TransactionId,
    pub(crate) key: Bytes,
    pub(crate) stored: Arc<Stored>,
}

/// A fill needs room in the budget: evict, and hand over the reservation.
#[derive(Debug, Message)]
#[rtype(result = "RoomAnswer")]
pub(crate) struct Room {
    pub(crate) transaction: TransactionId,
    pub(crate) bytes: u64,
}

/// What came of a request for room.
#[derive(Debug, actix::MessageResponse)]
pub(crate) enum RoomAnswer {
    /// Here it is.
    Granted(Reservation),
    /// Not enough was evicted yet: ask again (so that other requests get their turn in between).
    Evicting,
    /// This shard has nothing left to evict.
    Exhausted,
}

/// Remove what is stored under a key, and commit nothing of what is under way.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Invalidate {
    pub(crate) transaction: TransactionId,
    pub(crate) key: Bytes,
}

/// Do the next part of a purge.
#[derive(Debug, Clone, Message)]
#[rtype(result = "Swept")]
pub(crate) struct Sweep {
    pub(crate) transaction: TransactionId,
    pub(crate) purge: Arc<Purge>,
    pub(crate) cursor: Cursor,
    /// The newest response that it can mean, as the first part answered; `None`: this is the first.
    pub(crate) newest: Option<u64>,
    /// A second look: count what should have gone.
    pub(crate) verify: bool,
    /// Most keys to name.
    pub(crate) keys: usize,
}

impl Sweep {
    /// The first part.
    pub(crate) fn first(transaction: TransactionId, purge: &Arc<Purge>) -> Sweep {
        Sweep {
            transaction,
            purge: Arc::clone(purge),
            cursor: Cursor::default(),
            newest: None,
            verify: false,
            keys: 0,
        }
    }
}

/// Remove some of what has been stale for long.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Expire {
    pub(crate) transaction: TransactionId,
    pub(crate) now: Seconds,
}

/// Notice: a fill ended without a commit.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Ended {
    pub(crate) transaction: TransactionId,
    pub(crate) fill: Arc<Inner>,
    /// Followers waited for nothing: do not coalesce this key for a while.
    pub(crate) mark: bool,
}

/// Notice: the ceiling came down, evict to below it.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Trim;
