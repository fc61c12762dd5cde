//! The seam behind which storage tiers stand: what a tier must do, and nothing about how.
//!
//! Owns no bytes. A tier keeps *objects* under opaque keys (the cache writes primary and secondary
//! key into one): a head (opaque too: the entry's encoding is the cache's affair), a body and
//! trailers. Invariant every tier keeps: an object is found whole or not at all, so what was put is
//! found only after `commit`. The awkward case is a tier that fails or is slow: each answer is a
//! `Result` and an error counts as a miss, never as an error to a client; deadlines are the tier's
//! own.
//!
//! Calls return boxed futures, so that tiers can be chosen at run time; that is one allocation per
//! object or piece on paths that wait for a disk or a network anyway. A hit in memory does not come
//! here at all: see [`crate::memory`].

use bytes::Bytes;
use std::{
    fmt,
    future::Future,
    ops::ControlFlow,
    pin::Pin,
    task::{Context, Poll},
};

/// An answer to wait for.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T, StoreError>> + Send + 'a>>;

/// Why a tier could not do what it was asked; to the cache a miss, or a response not stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The tier's budget has no room.
    #[error("the storage tier has no room")]
    NoRoom,
    /// What was read is not what was written; the tier has dropped it.
    #[error("the stored object is damaged")]
    Damaged,
    /// The device, the network or the other side failed.
    #[error("the storage tier failed")]
    Failed(#[source] std::io::Error),
}

/// A stored object: its head at once, its body as a stream.
pub struct Object {
    /// The encoded head, as it was put.
    pub head: Bytes,
    /// Body length in bytes.
    pub length: u64,
    /// Trailer section, usually empty.
    pub trailers: Bytes,
    /// The body.
    pub body: Box<dyn Body>,
}

impl fmt::Debug for Object {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Object")
            .field("length", &self.length)
            .finish_non_exhaustive()
    }
}

/// A body being read.
pub trait Body: Send {
    /// The next piece; `None` at the end. After an error nothing more comes.
    fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, StoreError>>>;
}

/// An object being written. Dropped without `commit` it leaves no trace.
pub trait Put: Send {
    /// Adds a piece of the body.
    fn append(&mut self, piece: Bytes) -> Answer<'_, ()>;
    /// The body is complete: from now on it is found, in place of what was found before.
    fn commit(self: Box<Self>, trailers: Bytes) -> Answer<'static, ()>;
}

/// Sizes of a tier.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct TierStats {
    /// Objects stored.
    pub objects: u64,
    /// Bytes they take, overhead included.
    pub bytes: u64,
    /// The most they may take.
    pub ceiling: u64,
}

/// What [`Store::iterate`] calls with an object's key, encoded head and body length.
pub type Each<'a> = &'a mut (dyn FnMut(&[u8], &Bytes, u64) -> ControlFlow<()> + Send);

/// A storage tier.
pub trait Store: Send + Sync + fmt::Debug {
    /// The object under a key.
    fn get<'a>(&'a self, key: &'a [u8]) -> Answer<'a, Option<Object>>;
    /// Begins to write an object. `length` is the body's when it is known, so that a tier can refuse at once.
    fn put<'a>(
        &'a self,
        key: &'a [u8],
        head: Bytes,
        length: Option<u64>,
    ) -> Answer<'a, Box<dyn Put>>;
    /// Removes an object; whether there was one.
    fn remove<'a>(&'a self, key: &'a [u8]) -> Answer<'a, bool>;
    /// Shows key, encoded head and body length of every object, in no order, until told to break:
    /// how the index is rebuilt after a start.
    fn iterate<'a>(&'a self, each: Each<'a>) -> Answer<'a, ()>;
    /// Sizes.
    fn stats(&self) -> TierStats;
}
