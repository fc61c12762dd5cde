//! The cache: a published index any worker reads without a message, and shard actors that alone write it.
//!
//! A hit is [`Cache::find`] and [`Slot::select`]: no message, no wait. A miss is one message,
//! [`Cache::ask`], answered *lead* or *follow*. The leader writes the fill, everybody (its own
//! client included) reads the same fill as it grows.
//!
//! Owns the handle, its settings and the routing of a key to its shard. Invariant: everything held
//! for a key, stored or under way, is in the budget, and only the key's shard changes what is
//! published for it. The awkward case is room: the ceiling is one for all shards, so a fill that
//! finds its own shard with nothing left to evict asks the others, one after the other; no shard
//! ever waits for another.
#![forbid(unsafe_code)]

mod attempts;
mod fill;
mod index;
mod labels;
mod lap;
mod list;
mod markers;
mod messages;
mod parts;
mod purge;
mod shard;
mod sieve;
mod stored;
mod sweep;

use actix::{Actor, Addr};
use actix_rt::{Arbiter, ArbiterHandle};
use bytes::Bytes;
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
};
use understudy_http::semantics::{date::Seconds, storing::NoStoreReason};
use understudy_store::{
    budget::{Budget, Reservation},
    footprint::footprint,
};

pub use attempts::Attempt;
pub use fill::{Fill, reader::FillReader, state::WINDOW};
pub use index::Slot;
pub use labels::Labels;
pub use purge::{MOST_KEYS, Purge, Purged, Scope, Selector};
pub use shard::KEEP_STALE;
pub use stored::{Prepared, Stored};

use fill::state::Inner;
use index::{Index, key_cost};
use messages::{AskShard, Discard, Expire, Invalidate, Renew, Room, RoomAnswer, Trim, Wanted};
use shard::{MAILBOX, Shard};

/// Budget bytes of a fill under way beside its key and body: what both ends share, and its place in
/// the shard's table.
const FILL_COST: u64 = footprint((size_of::<Inner>() + 2 * size_of::<usize>()) as u64)
    + 2 * size_of::<(index::Key, smallvec::SmallVec<[Arc<Inner>; 1]>)>() as u64;

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

/// Handle to the whole cache; cheap to clone, usable on any thread. With the last handle (and the
/// last fill) the shards end.
#[derive(Clone)]
pub struct Cache {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    shards: Box<[Addr<Shard>]>,
    /// Requests on their way to each shard, as long as the mailbox at most: beyond that the shard
    /// counts as overloaded.
    waiting: Box<[AtomicUsize]>,
}

/// What handles and shards share. It holds no address of a shard, or no shard would ever end.
pub(crate) struct Shared {
    pub(crate) index: Index,
    pub(crate) budget: Arc<Budget>,
    pub(crate) max_object: AtomicU64,
    pub(crate) max_variants: AtomicUsize,
    pub(crate) counts: Counts,
    /// Purges by operators that have begun.
    pub(crate) purges_begun: AtomicU64,
}

/// Counters behind [`Stats`].
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) entries: AtomicU64,
    pub(crate) fills: AtomicU64,
    pub(crate) stored: AtomicU64,
    pub(crate) evicted: AtomicU64,
    pub(crate) evicted_bytes: AtomicU64,
    pub(crate) invalidated: AtomicU64,
    pub(crate) expired: AtomicU64,
    pub(crate) freshened: AtomicU64,
    pub(crate) members: AtomicU64,
    pub(crate) purges: AtomicU64,
    pub(crate) purged: AtomicU64,
    pub(crate) purged_bytes: AtomicU64,
    pub(crate) staled: AtomicU64,
}

impl Counts {
    /// Counts a purge that was done.
    pub(crate) fn purge(&self, purged: &Purged) {
        self.purges.fetch_add(1, Ordering::Relaxed);
        self.purged.fetch_add(purged.removed, Ordering::Relaxed);
        self.purged_bytes.fetch_add(purged.bytes, Ordering::Relaxed);
        self.staled.fetch_add(purged.staled, Ordering::Relaxed);
    }
}

impl fmt::Debug for Cache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cache")
            .field("shards", &self.handle.shards.len())
            .field("stats", &self.stats())
            .finish()
    }
}

/// What a worker asks a shard for.
#[derive(Debug)]
pub struct Ask {
    /// The asking transaction.
    pub transaction: TransactionId,
    /// The key as written by `understudy_http::semantics::key::write_key`.
    pub key: Bytes,
    /// Whether to validate this stored response; `None` for a plain miss. Followers of a validation
    /// wait for its outcome like those of a fetch.
    pub validate: Option<Arc<Stored>>,
    /// Never follow another's fill (the request insists on its own exchange: no-cache, or a
    /// follower that was sent away); lead without being followed when somebody leads already.
    pub alone: bool,
}

/// A shard's answer.
#[derive(Debug)]
pub enum Answer {
    /// Fetch it: this is the writing end.
    Lead(Fill),
    /// Somebody fetches it: this is a reading end.
    Follow(FillReader),
    /// Somebody committed meanwhile: look again.
    Again,
}

/// What a follower learns before any body byte.
#[derive(Debug, Clone)]
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
pub enum FillEvent {
    /// The next bytes.
    Data(Bytes),
    /// Complete; the trailer section.
    End(Bytes),
    /// The origin broke off: the client's answer must be broken off too.
    Broken,
}

/// Sizes and counts of the cache.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Responses stored now, every variant counted.
    pub entries: u64,
    /// Bytes of the budget in use.
    pub bytes: u64,
    /// The ceiling in bytes.
    pub ceiling: u64,
    /// Fills under way.
    pub fills: u64,
    /// Responses stored since the start.
    pub stored: u64,
    /// Responses evicted for room since the start.
    pub evicted: u64,
    /// Their weight in bytes.
    pub evicted_bytes: u64,
    /// Responses removed by invalidation since the start.
    pub invalidated: u64,
    /// Responses removed since the start because they had been stale for long.
    pub expired: u64,
    /// Responses freshened since the start.
    pub freshened: u64,
    /// Purges done since the start, dry runs not counted.
    pub purges: u64,
    /// Responses removed by them.
    pub purged: u64,
    /// Their weight in bytes.
    pub purged_bytes: u64,
    /// Responses made stale by them.
    pub staled: u64,
    /// Members of the tables of labels and of the ordered tables of keys, all shards: with nothing stored there is none.
    pub members: u64,
}

impl Cache {
    /// Starts one shard actor on each of the arbiters given (on the current one when there is
    /// none). To be called within a system.
    pub fn start(config: Config, arbiters: &[ArbiterHandle]) -> Cache {
        let shared = Arc::new(Shared {
            index: Index::default(),
            budget: Budget::new(config.memory),
            max_object: AtomicU64::new(config.max_object),
            max_variants: AtomicUsize::new(config.max_variants),
            counts: Counts::default(),
            purges_begun: AtomicU64::new(0),
        });
        let start = |arbiter: &ArbiterHandle| {
            let shared = Arc::clone(&shared);
            Shard::start_in_arbiter(arbiter, move |_| Shard::new(shared))
        };
        let shards: Box<[Addr<Shard>]> = match arbiters {
            [] => Box::new([start(&Arbiter::current())]),
            _ => arbiters.iter().map(start).collect(),
        };
        let waiting = shards.iter().map(|_| AtomicUsize::new(0)).collect();
        Cache {
            handle: Arc::new(Handle {
                shared,
                shards,
                waiting,
            }),
        }
    }

    /// The slot of a key: reads the published index, sends nothing.
    pub fn find(&self, key: &[u8]) -> Option<Arc<Slot>> {
        self.handle.shared.index.get(key)
    }

    /// One message to the key's shard and its answer. An overloaded or stopped shard answers
    /// `Err(NoRoom)`: pass.
    ///
    /// What is committed between this call and its answer is answered with [`Answer::Again`]. What
    /// another thread committed between the caller's [`Cache::find`] and this call is not seen, and
    /// would be fetched once more: [`Cache::ask_after`] closes that gap.
    pub async fn ask(&self, ask: Ask) -> Result<Answer, NoStoreReason> {
        let seen = self.find(&ask.key);
        self.ask_after(ask, seen).await
    }

    /// [`Cache::ask`] of a caller who says what [`Cache::find`] gave him: if that is no longer what
    /// is published, he is to look again.
    pub async fn ask_after(
        &self,
        ask: Ask,
        seen: Option<Arc<Slot>>,
    ) -> Result<Answer, NoStoreReason> {
        self.send_ask(ask, seen, Wanted::Whole).await
    }

    /// [`Cache::ask_after`] for a part: who fetches the whole is followed, and who fetches the part that is asked for in the
    /// same words (`name`); without a name nobody follows.
    pub async fn ask_part(
        &self,
        ask: Ask,
        seen: Option<Arc<Slot>>,
        name: Option<Bytes>,
    ) -> Result<Answer, NoStoreReason> {
        self.send_ask(ask, seen, Wanted::Part(name)).await
    }

    /// A fill that nobody follows, and of which nothing is visible before its commit: of what no origin sent but a module injects
    /// (`injected`), or of what the answer to something else brings.
    pub async fn apart(
        &self,
        transaction: TransactionId,
        key: Bytes,
        injected: bool,
    ) -> Result<Fill, NoStoreReason> {
        let ask = Ask {
            transaction,
            key,
            validate: None,
            alone: true,
        };
        match self.send_ask(ask, None, Wanted::Apart { injected }).await? {
            Answer::Lead(fill) => Ok(fill),
            // Who asks alone leads.
            Answer::Follow(_) | Answer::Again => Err(NoStoreReason::NoRoom),
        }
    }

    async fn send_ask(
        &self,
        ask: Ask,
        seen: Option<Arc<Slot>>,
        wanted: Wanted,
    ) -> Result<Answer, NoStoreReason> {
        let number = self.shard_number(&ask.key);
        let _place = Place::take(&self.handle, number).ok_or(NoStoreReason::NoRoom)?;
        let name = match &wanted {
            Wanted::Part(Some(name)) => footprint(name.len() as u64),
            _ => 0,
        };
        let cost = FILL_COST + key_cost(ask.key.len()) + name;
        let share = self
            .room(ask.transaction, &ask.key, cost)
            .await
            .ok_or(NoStoreReason::NoRoom)?;
        let message = AskShard {
            ask,
            seen,
            wanted,
            share,
            cache: self.clone(),
        };
        self.handle.shards[number]
            .send(message)
            .await
            .map_err(|_| NoStoreReason::NoRoom)
    }

    /// Removes everything stored under the key (RFC 9111 section 4.4); fills in progress are marked
    /// not to be committed.
    pub async fn invalidate(&self, transaction: TransactionId, key: Bytes) {
        let shard = self.shard(&key);
        // A stopped shard has nothing left that could be found.
        let _ = shard.send(Invalidate { transaction, key }).await;
    }

    /// Removes one stored response; what else is stored for its key stays, and so does what is under way.
    pub async fn discard(&self, transaction: TransactionId, key: Bytes, stored: Arc<Stored>) {
        let shard = self.shard(&key).clone();
        let message = Discard {
            transaction,
            key,
            stored,
        };
        // A stopped shard has nothing left that could be found.
        let _ = shard.send(message).await;
    }

    /// Publishes a stored response under another head in its own place, when it is still there: `false` when it is not.
    pub async fn renew(
        &self,
        transaction: TransactionId,
        key: Bytes,
        old: &Arc<Stored>,
        prepared: Prepared,
    ) -> Result<bool, NoStoreReason> {
        let cost = prepared.cost(key.len()) + old.extra_cost();
        let share = self
            .room(transaction, &key, cost)
            .await
            .ok_or(NoStoreReason::NoRoom)?;
        let stored = Arc::new(old.freshened(Arc::new(prepared), share));
        let shard = self.shard(&key).clone();
        let message = Renew {
            transaction,
            key,
            old: Arc::clone(old),
            stored,
        };
        // A stopped shard has nothing left that could be found.
        Ok(shard.send(message).await.unwrap_or(false))
    }

    /// Removes responses that nobody used lately and that have been stale at `now` for more than
    /// [`KEEP_STALE`] beyond any permission to serve them stale. Each call looks at a bounded part
    /// of each shard; with every commit a shard looks at a little more by itself.
    pub async fn expire(&self, transaction: TransactionId, now: Seconds) {
        for shard in &self.handle.shards {
            // A stopped shard has nothing left that could be found.
            let _ = shard.send(Expire { transaction, now }).await;
        }
    }

    /// Sizes and counts.
    pub fn stats(&self) -> Stats {
        let Shared { budget, counts, .. } = &*self.handle.shared;
        let read = |count: &AtomicU64| count.load(Ordering::Relaxed);
        Stats {
            entries: read(&counts.entries),
            bytes: budget.used(),
            ceiling: budget.ceiling(),
            fills: read(&counts.fills),
            stored: read(&counts.stored),
            evicted: read(&counts.evicted),
            evicted_bytes: read(&counts.evicted_bytes),
            invalidated: read(&counts.invalidated),
            expired: read(&counts.expired),
            freshened: read(&counts.freshened),
            purges: read(&counts.purges),
            purged: read(&counts.purged),
            purged_bytes: read(&counts.purged_bytes),
            staled: read(&counts.staled),
            members: read(&counts.members),
        }
    }

    /// Changes the settings (a reload); a smaller ceiling evicts.
    pub fn reconfigure(&self, config: Config) {
        let shared = &self.handle.shared;
        shared.budget.set_ceiling(config.memory);
        shared
            .max_object
            .store(config.max_object, Ordering::Relaxed);
        shared
            .max_variants
            .store(config.max_variants, Ordering::Relaxed);
        for shard in &self.handle.shards {
            shard.do_send(Trim);
        }
    }

    /// Reserves, evicting where that is needed: first from the key's own shard, then from the others in turn.
    pub(crate) async fn room(
        &self,
        transaction: TransactionId,
        key: &[u8],
        bytes: u64,
    ) -> Option<Reservation> {
        if let Some(share) = self.budget().try_reserve(bytes) {
            return Some(share);
        }
        let (before, own) = self.handle.shards.split_at(self.shard_number(key));
        for shard in own.iter().chain(before) {
            // Each turn does a bounded part of the work, so every repetition has made progress; a
            // stopped shard has nothing to give.
            while let Ok(answer) = shard.send(Room { transaction, bytes }).await {
                match answer {
                    RoomAnswer::Granted(share) => return Some(share),
                    RoomAnswer::Evicting => {}
                    RoomAnswer::Exhausted => break,
                }
            }
        }
        None
    }

    pub(crate) fn budget(&self) -> &Arc<Budget> {
        &self.handle.shared.budget
    }

    pub(crate) fn max_object(&self) -> u64 {
        self.handle.shared.max_object.load(Ordering::Relaxed)
    }

    pub(crate) fn shard(&self, key: &[u8]) -> &Addr<Shard> {
        &self.handle.shards[self.shard_number(key)]
    }

    fn shard_number(&self, key: &[u8]) -> usize {
        match self.handle.shards.len() {
            1 => 0,
            // Always below the number of shards, of which there is at least one.
            shards => (self.handle.shared.index.hash(key) % shards as u64) as usize,
        }
    }
}

/// One of the places in front of a shard; given back when dropped, so a cancelled request gives it back too.
struct Place<'a> {
    waiting: &'a AtomicUsize,
}

impl<'a> Place<'a> {
    fn take(handle: &'a Handle, number: usize) -> Option<Place<'a>> {
        let waiting = handle.waiting.get(number)?;
        let place = Place { waiting };
        (waiting.fetch_add(1, Ordering::Relaxed) < MAILBOX).then_some(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}
