//! The cache: a published index any worker reads without a message, and shard actors that alone write it.
//!
//! A hit is [`Cache::find`] and [`Slot::select`]: no message, no wait. A miss is one message, [`Cache::ask`], answered *lead* or
//! *follow*. The leader writes the fill, everybody (its own client included) reads the same fill as it grows.
#![forbid(unsafe_code)]

pub mod messages;

use actix_rt::ArbiterHandle;
use bytes::Bytes;
use std::{sync::Arc, task::{Context, Poll}};
use understudy_http::{Fields, semantics::{cache_control::ResponseDirectives, date::Seconds, freshness::Freshness, storing::NoStoreReason, vary::VaryKey}};

/// Settings of the cache.
#[derive(Debug, Clone)]
pub struct Config {
    /// Ceiling in bytes of everything the cache holds: keys, heads, bodies, index overhead, fills in progress.
    pub memory: u64,
    /// Largest body stored, in bytes.
    pub max_object: u64,
    /// Most variants kept for one key.
    pub max_variants: usize,
}
/// A transaction's id, unique in the life of the process (and over restarts with high probability).
pub type TransactionId = u64;

/// Handle to the whole cache; cheap to clone, usable on any thread.
#[derive(Debug, Clone)]
pub struct Cache { _p: () }
/// What the index holds for a key: its variants, immutable; replaced whole by the shard.
#[derive(Debug)]
pub struct Slot { _p: () }

/// The stored (or about to be stored) response without its body.
#[derive(Debug)]
pub struct Prepared {
    /// Status line and end-to-end field lines as they are sent, Content-Length (when known) and Via included, without Age, Cache-Status, Connection and the final empty line.
    pub head: Bytes,
    /// Status code.
    pub status: u16,
    /// Freshness, fixed at `received`.
    pub freshness: Freshness,
    /// Response directives.
    pub directives: ResponseDirectives,
    /// The secondary key.
    pub vary: VaryKey,
    /// When the response was received.
    pub received: Seconds,
    /// Body length when known beforehand.
    pub length: Option<u64>,
}
impl Prepared {
    /// Reads the stored head's fields (parses it again: only conditional, range and validating requests want this).
    pub fn with_fields<R>(&self, f: impl FnOnce(Fields<'_>) -> R) -> R { todo!() }
}
/// A complete stored response.
#[derive(Debug)]
pub struct Stored { _p: () }
impl Stored {
    /// Head and freshness.
    pub fn prepared(&self) -> &Prepared { todo!() }
    /// The body, in one or more blocks.
    pub fn blocks(&self) -> &[Bytes] { todo!() }
    /// Trailer section received with it (field lines each ending in CRLF), usually empty.
    pub fn trailers(&self) -> &Bytes { todo!() }
    /// Body length.
    pub fn length(&self) -> u64 { todo!() }
    /// Marks it as used, for eviction: one relaxed atomic, written only when not already set.
    pub fn touch(&self) { todo!() }
}
impl Slot {
    /// The variant this request selects, most recent first.
    pub fn select(&self, request: Fields<'_>) -> Option<&Arc<Stored>> { todo!() }
    /// Whether any variant is stored (a miss is then a vary-miss, not a uri-miss).
    pub fn has_variants(&self) -> bool { todo!() }
}
/// What a worker asks a shard for.
#[derive(Debug)]
pub struct Ask { 
    /// The asking transaction.
    pub transaction: TransactionId, 
    /// The key as written by `understudy_http::semantics::key::write_key`.
    pub key: Bytes, 
    /// Whether to validate this stored response; `None` for a plain miss. Followers of a validation wait for its outcome like those of a fetch.
    pub validate: Option<Arc<Stored>>, 
    /// Never follow another's fill (the request insists on its own exchange: no-cache, or a follower that was sent away); lead without being followed when somebody leads already.
    pub alone: bool,
}
/// A shard's answer.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum Answer { Lead(Fill), Follow(FillReader), /// Somebody committed meanwhile: look again.
 Again }

/// The leader's end of a fill. Dropped without an end it is abandoned: followers ask again, nothing is stored.
#[derive(Debug)]
pub struct Fill { _p: () }
/// A reader of a fill.
#[derive(Debug)]
pub struct FillReader { _p: () }
/// What a follower learns before any body byte.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub enum FillHead {
    /// The response can be shared: check `vary` and freshness, then read the body with `poll_next`.
    Shared(Arc<Prepared>),
    /// Not storable: fetch for yourself.
    Refused(NoStoreReason),
    /// The origin failed; answer with this status.
    Failed(u16),
    /// The leader went away, or a validation ended: look up again.
    Again,
}
/// One step of reading a fill.
#[derive(Debug)]
#[allow(missing_docs)]
pub enum FillEvent { Data(Bytes), /// Complete; the trailer section.
 End(Bytes), /// The origin broke off: the client's answer must be broken off too.
 Broken }

impl Cache {
    /// Starts one shard actor on each of the arbiters given.
    pub fn start(config: Config, arbiters: &[ArbiterHandle]) -> Cache { todo!() }
    /// The slot of a key: reads the published index, sends nothing.
    pub fn find(&self, key: &[u8]) -> Option<Arc<Slot>> { todo!() }
    /// One message to the key's shard and its answer. An overloaded or stopped shard answers `Err(NoRoom)`: pass.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, NoStoreReason> { todo!() }
    /// Removes everything stored under the key (RFC 9111 section 4.4); fills in progress are marked not to be committed.
    pub async fn invalidate(&self, transaction: TransactionId, key: Bytes) { todo!() }
    /// Sizes and counts.
    pub fn stats(&self) -> Stats { todo!() }
    /// Changes the settings (a reload); a smaller ceiling evicts.
    pub fn reconfigure(&self, config: Config) { todo!() }
}
/// Sizes and counts of the cache.
#[derive(Debug, Clone, Copy, Default)]
#[allow(missing_docs)]
pub struct Stats { pub entries: u64, pub bytes: u64, pub ceiling: u64, pub fills: u64, pub stored: u64, pub evicted: u64, pub evicted_bytes: u64, pub invalidated: u64, pub freshened: u64 }

impl Fill {
    /// Tells followers the head and makes room for the body: all of it when the length is known. An error ends the fill (followers fetch for themselves).
    pub async fn respond(&mut self, prepared: Arc<Prepared>) -> Result<(), NoStoreReason> { todo!() }
    /// A reader for the leader's own client, from the first byte.
    pub fn reader(&self) -> FillReader { todo!() }
    /// Ready when another piece may be read from the origin: while storing, when the *fastest* reader is within the window (or nobody reads any more and
    /// the fill is to be finished); once too large to store (body of unknown length), when the *slowest* is.
    pub fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> { todo!() }
    /// Adds a piece (copied into blocks of the fill's own, accounted). Never fails: a fill that outgrows its limits goes on as a stream for the readers it has,
    /// frees what all have read, takes no new readers and is not stored; the reason is given once.
    pub fn append(&mut self, piece: &[u8]) -> Result<(), NoStoreReason> { todo!() }
    /// Readers other than the leader's own.
    pub fn followers(&self) -> usize { todo!() }
    /// The body is complete: publishes it.
    pub fn commit(self, trailers: Bytes) { todo!() }
    /// The response is not storable: followers fetch for themselves. 
    pub fn refuse(self, reason: NoStoreReason) { todo!() }
    /// The origin failed before a head: followers get this status.
    pub fn fail(self, status: u16) { todo!() }
    /// The origin broke off in the body: readers learn it.
    pub fn broken(self) { todo!() }
    /// The validated response is good: it is published with this new head and the same body.
    pub async fn freshen(self, prepared: Arc<Prepared>) -> Arc<Stored> { todo!() }
}
impl FillReader {
    /// Waits for the head.
    pub async fn head(&mut self) -> FillHead { todo!() }
    /// The next piece after those already given.
    pub fn poll_next(&mut self, cx: &mut Context<'_>) -> Poll<FillEvent> { todo!() }
}
