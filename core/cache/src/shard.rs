//! The cache-shard actor: sole writer of its slice of the index.
//!
//! Owns the fills under way, the eviction queue and the do-not-coalesce markers of the keys that
//! hash to it. Invariant: the slots published for those keys and the queue hold the same responses.
//! Handlers never wait: each is a few table operations, so that the mailbox drains at the speed of
//! memory. The awkward case is a fill whose leader vanished: it has ended whether or not the notice
//! arrived, so an ask that meets an ended fill forgets it there and then.

mod parts;

use actix::{Actor, AsyncContext, Context, Handler};
use foldhash::fast::RandomState;
use smallvec::SmallVec;
use std::{
    collections::{BTreeSet, HashMap},
    sync::{Arc, atomic::Ordering},
    time::{Duration, Instant},
};
use tracing::trace;
use understudy_http::semantics::{date::Seconds, storing::NoStoreReason};

use crate::{
    Answer, Fill, FillHead, Prepared, Shared, TransactionId,
    fill::state::{End, Inner},
    index::{Key, Slot},
    labels::LabelTable,
    markers::Markers,
    messages::{
        AskShard, Commit, Discard, Ended, Expire, Freshen, Invalidate, Renew, Room, RoomAnswer,
        Trim, Wanted,
    },
    sieve::{Sieve, Victim},
    stored::Stored,
};

/// Requests that wait in a shard's mailbox before askers have to wait outside.
pub(crate) const MAILBOX: usize = 1024;
/// Most that is evicted beyond what was asked for, so that not every miss has to ask, in bytes.
const SPARE: u64 = 1024 * 1024;

/// The work of evicting in one handler, in a request for room and after a commit: an arbiter
/// also serves hits, and to evict ten thousand small responses for a large one would hold them up
/// for milliseconds.
const EVICT_FOR_ROOM: AtMost = AtMost {
    entries: 1024,
    steps: 4096,
};
pub(crate) const EVICT_AFTER_COMMIT: AtMost = AtMost {
    entries: 16,
    steps: 64,
};

/// What an eviction may cost: entries that go, and steps of the hand, which spares most of what it
/// meets when most was used.
#[derive(Debug, Clone, Copy)]
pub(crate) struct AtMost {
    entries: usize,
    steps: usize,
}

/// How long a shard with more than a lowered ceiling waits before it evicts the next, and before it
/// looks again for what was in use.
const TRIM_NEXT: Duration = Duration::from_millis(1);
const TRIM_AGAIN: Duration = Duration::from_millis(100);

/// How long a response is kept after it may no longer be served, in seconds: until then a
/// validation can still bring it back.
pub const KEEP_STALE: u32 = 3600;
/// Responses a shard looks at for having been stale for long, after each commit and when it is told
/// to. There is no timer: while nothing is stored nothing wants the room, and a commit brings the
/// time with it.
const SWEEP_AFTER_COMMIT: usize = 2;
const SWEEP_AT_MOST: usize = 1024;

/// How an eviction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Evicted {
    Enough,
    AtMost,
    All,
}

/// A cache-shard actor.
pub(crate) struct Shard {
    pub(crate) shared: Arc<Shared>,
    /// By key; usually one, more when requests insisted on their own exchange.
    pub(crate) fills: HashMap<Key, SmallVec<[Arc<Inner>; 1]>, RandomState>,
    pub(crate) queue: Sieve,
    /// The keys that are published, in order: what begins alike stands together.
    pub(crate) keys: BTreeSet<Key>,
    pub(crate) labels: LabelTable,
    /// How many responses were ever published.
    pub(crate) newest: u64,
    markers: Markers,
}

impl Actor for Shard {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        ctx.set_mailbox_capacity(MAILBOX);
    }
}

impl Shard {
    pub(crate) fn new(shared: Arc<Shared>) -> Shard {
        Shard {
            shared,
            fills: HashMap::default(),
            queue: Sieve::default(),
            keys: BTreeSet::default(),
            labels: LabelTable::default(),
            newest: 0,
            markers: Markers::default(),
        }
    }

    fn forget(&mut self, fill: &Arc<Inner>) {
        if let Some(fills) = self.fills.get_mut(&fill.key) {
            let before = fills.len();
            fills.retain(|other| !Arc::ptr_eq(other, fill));
            self.shared
                .counts
                .fills
                .fetch_sub((before - fills.len()) as u64, Ordering::Relaxed);
            if fills.is_empty() {
                self.fills.remove(&fill.key);
            }
        }
    }

    /// Lets the asker lead. Followers are taken unless somebody leads already or the key is marked.
    /// `key` is the index's own copy, if it has one.
    fn lead(&mut self, message: AskShard, key: Option<Key>, followable: bool) -> Answer {
        let AskShard {
            ask,
            share,
            cache,
            wanted,
            ..
        } = message;
        let key = key.unwrap_or_else(|| Arc::from(&*ask.key));
        let inner = Inner::new(
            Arc::clone(&key),
            ask.transaction,
            followable,
            wanted,
            ask.validate,
            self.newest,
            share,
        );
        self.fills.entry(key).or_default().push(Arc::clone(&inner));
        self.shared.counts.fills.fetch_add(1, Ordering::Relaxed);
        Answer::Lead(Fill::new(inner, cache))
    }

    /// Publishes a response as its key's newest, in place of those it makes unreachable.
    fn publish(&mut self, key: &Key, stored: &Arc<Stored>, replaced: Option<&Arc<Stored>>) {
        let (key, old) = match self.shared.index.get_with_key(key) {
            Some((key, slot)) => (key, Some(slot)),
            None => (Arc::clone(key), None),
        };
        let most = self.shared.max_variants.load(Ordering::Relaxed).max(1);
        let vary = &stored.prepared().vary;
        let mut variants: SmallVec<[Arc<Stored>; 1]> = SmallVec::new();
        variants.push(Arc::clone(stored));
        for variant in old.iter().flat_map(|slot| slot.all()) {
            // A response without Vary answers every request, so nothing older could be selected any more; but a part answers
            // only for its ranges.
            let same = vary.is_empty() || variant.prepared().vary == *vary;
            let unreachable = same && (variant.is_part() || !stored.is_part());
            let replaced = replaced.is_some_and(|replaced| Arc::ptr_eq(replaced, variant));
            if unreachable || replaced || variants.len() >= most {
                self.discard(variant);
            } else {
                variants.push(Arc::clone(variant));
            }
        }
        if !self.enter(&key, stored) {
            return;
        }
        self.shared.index.publish(&key, Slot::of(variants));
        if old.is_none() {
            self.keys.insert(key);
            self.members(1, 0);
        }
        self.shared.counts.entries.fetch_add(1, Ordering::Relaxed);
    }

    /// Puts a response into queue and table (its slot is written by the caller).
    fn enter(&mut self, key: &Key, stored: &Arc<Stored>) -> bool {
        if !self.queue.insert(Arc::clone(key), Arc::clone(stored)) {
            return false;
        }
        self.newest += 1;
        stored.stamp.store(self.newest, Ordering::Relaxed);
        let labels = &stored.prepared().labels;
        if !labels.is_empty() {
            let before = self.labels.len();
            let place = stored.place.load(Ordering::Relaxed);
            self.labels.insert(labels, place);
            self.members(self.labels.len() - before, 0);
        }
        true
    }

    /// Takes the labels of a response, which is out of the queue, out of the table.
    fn strike(&mut self, stored: &Stored) {
        let labels = &stored.prepared().labels;
        if !labels.is_empty() {
            let before = self.labels.len();
            let place = stored.place.load(Ordering::Relaxed);
            self.labels.remove(labels, place);
            self.members(0, before - self.labels.len());
        }
    }

    /// Removes a slot.
    fn vacate(&mut self, key: &[u8]) -> Option<Arc<Slot>> {
        let slot = self.shared.index.remove(key)?;
        if self.keys.remove(key) {
            self.members(0, 1);
        }
        Some(slot)
    }

    /// Counts members of the tables.
    fn members(&self, more: usize, fewer: usize) {
        let members = &self.shared.counts.members;
        members.fetch_add(more as u64, Ordering::Relaxed);
        members.fetch_sub(fewer as u64, Ordering::Relaxed);
    }

    /// Takes a response out of queue and table (its slot is written by the caller).
    pub(crate) fn discard(&mut self, stored: &Arc<Stored>) {
        if self.queue.remove(stored) {
            self.strike(stored);
            self.shared.counts.entries.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// Takes a response out of its slot.
    pub(crate) fn unpublish(&mut self, key: &Key, stored: &Arc<Stored>) {
        let Some(slot) = self.shared.index.get(key) else {
            return;
        };
        let rest: SmallVec<[Arc<Stored>; 1]> = slot
            .all()
            .filter(|variant| !Arc::ptr_eq(variant, stored))
            .cloned()
            .collect();
        if rest.is_empty() {
            self.vacate(key);
        } else {
            self.shared.index.publish(key, Slot::of(rest));
        }
    }

    /// Evicts until so many bytes are free, nothing is left that could go, or it cost `at_most`.
    pub(crate) fn evict_until_free(&mut self, bytes: u64, at_most: AtMost) -> Evicted {
        let mut steps = at_most.steps;
        for _ in 0..at_most.entries {
            if self.shared.budget.available() >= bytes {
                return Evicted::Enough;
            }
            let (key, stored) = match self.queue.evict(&mut steps) {
                Victim::Found(key, stored) => (key, stored),
                Victim::NotYet => return Evicted::AtMost,
                Victim::None => {
                    // The last to go: markers are worth less than a response.
                    self.markers.clear();
                    return Evicted::All;
                }
            };
            self.strike(&stored);
            self.unpublish(&key, &stored);
            let counts = &self.shared.counts;
            counts.entries.fetch_sub(1, Ordering::Relaxed);
            counts.evicted.fetch_add(1, Ordering::Relaxed);
            counts
                .evicted_bytes
                .fetch_add(stored.weight(), Ordering::Relaxed);
        }
        Evicted::AtMost
    }

    /// Removes what was long stale at `now` from the next part of the queue.
    fn expire(&mut self, now: Seconds, at_most: usize) {
        let found = self.queue.sweep(at_most, |stored| {
            let Prepared {
                freshness,
                directives,
                ..
            } = stored.prepared();
            let grace = directives
                .stale_while_revalidate
                .max(directives.stale_if_error)
                .unwrap_or(0);
            !stored.is_marked() && freshness.ttl(now) < -(i64::from(grace) + i64::from(KEEP_STALE))
        });
        for (key, stored) in found {
            self.strike(&stored);
            self.unpublish(&key, &stored);
            self.shared.counts.entries.fetch_sub(1, Ordering::Relaxed);
            self.shared.counts.expired.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What is kept free, so that misses find room without asking.
    fn spare(&self) -> u64 {
        SPARE.min(self.shared.budget.ceiling() / 64)
    }

    pub(crate) fn trace(&self, transaction: TransactionId, what: &'static str) {
        trace!(transaction, what, entries = self.queue.len(), "cache");
    }
}

impl Handler<AskShard> for Shard {
    type Result = actix::MessageResult<AskShard>;

    fn handle(&mut self, message: AskShard, _: &mut Self::Context) -> Self::Result {
        let ask = &message.ask;
        let (key, now) = self.shared.index.get_with_key(&ask.key).unzip();
        if !ask.alone {
            let changed = match (&now, &ask.validate, &message.seen) {
                (None, _, seen) => seen.is_some(),
                (Some(now), Some(stored), _) => !now.contains(stored),
                (Some(now), None, Some(seen)) => !Arc::ptr_eq(now, seen),
                (Some(_), None, None) => true,
            };
            if changed {
                self.trace(ask.transaction, "again");
                return actix::MessageResult(Answer::Again);
            }
        }
        let mut led = false;
        if let Some(fills) = self.fills.get_mut(&*ask.key) {
            let before = fills.len();
            fills.retain(|fill| !fill.has_ended());
            self.shared
                .counts
                .fills
                .fetch_sub((before - fills.len()) as u64, Ordering::Relaxed);
            for fill in fills {
                // Who wants a part is served by the whole as well.
                let serves = fill.wanted == message.wanted
                    || (fill.wanted == Wanted::Whole
                        && !matches!(message.wanted, Wanted::Apart { .. }));
                if !serves {
                    continue;
                }
                if ask.alone {
                    led |= fill.followable && fill.wanted == message.wanted;
                } else if let Some(reader) = fill.follow() {
                    self.trace(ask.transaction, "follow");
                    return actix::MessageResult(Answer::Follow(reader));
                }
            }
        }
        let index = &self.shared.index;
        let marked = self.markers.has(|| index.hash(&ask.key), Instant::now);
        self.trace(ask.transaction, "lead");
        let named = !matches!(message.wanted, Wanted::Apart { .. } | Wanted::Part(None));
        let followable = !led && !marked && named;
        actix::MessageResult(self.lead(message, key, followable))
    }
}

impl Handler<Commit> for Shard {
    type Result = Result<Arc<Stored>, NoStoreReason>;

    fn handle(&mut self, message: Commit, _: &mut Self::Context) -> Self::Result {
        let Commit {
            transaction,
            fill,
            stored,
        } = message;
        self.forget(&fill);
        if fill.lock().is_void(&fill.key, &stored.prepared().labels) {
            self.trace(transaction, "invalidated before commit");
            return Err(NoStoreReason::Expired);
        }
        let index = &self.shared.index;
        // RFC 9111 section 4: "a cache MUST use the most recent one". What was stored since this was asked for and was received
        // later answers all that this could. Of what was stored before the clock tells nothing: it may have been set.
        // An injection is no answer of an origin's that could be older than another: its end is what counts.
        let injected = fill.wanted == Wanted::Apart { injected: true };
        let slot = index.get(&fill.key).filter(|_| !injected);
        let outrun = slot.is_some_and(|slot| {
            slot.variants().iter().any(|other| {
                let (other_head, head) = (other.prepared(), stored.prepared());
                other.stamp.load(Ordering::Relaxed) > fill.began
                    && other_head.received > head.received
                    && (other_head.vary.is_empty() || other_head.vary == head.vary)
            })
        });
        if outrun {
            self.trace(transaction, "outrun before commit");
            return Err(NoStoreReason::Expired);
        }
        self.markers.forget(|| index.hash(&fill.key));
        self.publish(&fill.key, &stored, None);
        self.shared.counts.stored.fetch_add(1, Ordering::Relaxed);
        fill.end(None, End::Complete(stored.trailers().clone()));
        self.expire(stored.prepared().received, SWEEP_AFTER_COMMIT);
        self.evict_until_free(self.spare(), EVICT_AFTER_COMMIT);
        self.trace(transaction, "commit");
        Ok(stored)
    }
}

impl Handler<Freshen> for Shard {
    type Result = bool;

    fn handle(&mut self, message: Freshen, _: &mut Self::Context) -> bool {
        let Freshen {
            transaction,
            fill,
            old,
            stays,
            stored,
        } = message;
        self.forget(&fill);
        let slot = self.shared.index.get(&fill.key);
        // A newer response may be stored meanwhile, or an origin have said that it is gone; and what was purged before this
        // fill began was purged all the same. What is no longer stored is not brought back.
        let stored_still = slot.is_some_and(|slot| slot.contains(&old));
        // By what it was known by when it was purged, or is now.
        let void = [&old, &stored]
            .iter()
            .any(|known| fill.lock().is_void(&fill.key, &known.prepared().labels));
        let good = stored_still && !void;
        if good {
            self.publish(&fill.key, &stored, (!stays).then_some(&old));
            self.shared.counts.freshened.fetch_add(1, Ordering::Relaxed);
        }
        fill.end(Some(FillHead::Again), End::Broken);
        self.trace(transaction, "freshen");
        good
    }
}

impl Handler<Renew> for Shard {
    type Result = bool;

    fn handle(&mut self, message: Renew, _: &mut Self::Context) -> bool {
        let Renew {
            transaction,
            key,
            old,
            stored,
        } = message;
        let Some((key, slot)) = self.shared.index.get_with_key(&key) else {
            return false;
        };
        if !slot.contains(&old) || !self.enter(&key, &stored) {
            return false;
        }
        // To a purge that is under way it is no newer than it was.
        let stamp = old.stamp.load(Ordering::Relaxed);
        stored.stamp.store(stamp, Ordering::Relaxed);
        if self.queue.remove(&old) {
            self.strike(&old);
        }
        if old.is_marked() {
            stored.touch();
        }
        let variants = slot.all().map(|variant| {
            let this = if Arc::ptr_eq(variant, &old) {
                &stored
            } else {
                variant
            };
            Arc::clone(this)
        });
        let variants: SmallVec<[Arc<Stored>; 1]> = variants.collect();
        self.shared.index.publish(&key, Slot::of(variants));
        self.trace(transaction, "renew");
        true
    }
}

impl Handler<Discard> for Shard {
    type Result = ();

    fn handle(&mut self, message: Discard, _: &mut Self::Context) {
        let found = self.shared.index.get_with_key(&message.key);
        if let Some((key, slot)) = found
            && slot.contains(&message.stored)
        {
            self.discard(&message.stored);
            self.unpublish(&key, &message.stored);
            let counts = &self.shared.counts;
            counts.invalidated.fetch_add(1, Ordering::Relaxed);
        }
        self.trace(message.transaction, "discard");
    }
}

impl Handler<Room> for Shard {
    type Result = RoomAnswer;

    fn handle(&mut self, message: Room, _: &mut Self::Context) -> RoomAnswer {
        self.trace(message.transaction, "room");
        let budget = Arc::clone(&self.shared.budget);
        let wanted = message
            .bytes
            .saturating_add(self.spare())
            .min(budget.ceiling());
        let evicted = self.evict_until_free(wanted, EVICT_FOR_ROOM);
        match (budget.try_reserve(message.bytes), evicted) {
            (Some(share), _) => RoomAnswer::Granted(share),
            (None, Evicted::All) => RoomAnswer::Exhausted,
            (None, _) => RoomAnswer::Evicting,
        }
    }
}

impl Handler<Invalidate> for Shard {
    type Result = ();

    fn handle(&mut self, message: Invalidate, _: &mut Self::Context) {
        for fill in self.fills.get(&*message.key).into_iter().flatten() {
            fill.lock().invalidated = true;
        }
        if let Some(slot) = self.vacate(&message.key) {
            for stored in slot.all() {
                self.discard(stored);
            }
            self.shared
                .counts
                .invalidated
                .fetch_add(slot.all().count() as u64, Ordering::Relaxed);
        }
        self.trace(message.transaction, "invalidate");
    }
}

impl Handler<Expire> for Shard {
    type Result = ();

    fn handle(&mut self, message: Expire, _: &mut Self::Context) {
        self.expire(message.now, SWEEP_AT_MOST);
        self.trace(message.transaction, "expire");
    }
}

impl Handler<Ended> for Shard {
    type Result = ();

    fn handle(&mut self, message: Ended, _: &mut Self::Context) {
        self.forget(&message.fill);
        if message.mark {
            let hash = self.shared.index.hash(&message.fill.key);
            self.markers.mark(hash, Instant::now(), &self.shared.budget);
        }
        self.trace(message.transaction, "ended");
    }
}

impl Handler<Trim> for Shard {
    type Result = ();

    fn handle(&mut self, _: Trim, ctx: &mut Self::Context) {
        if self.shared.budget.used() <= self.shared.budget.ceiling() {
            return;
        }
        let pause = match self.evict_until_free(1, EVICT_FOR_ROOM) {
            Evicted::Enough => return,
            // A timer, for a notice to oneself is handled in the same turn of the arbiter, and
            // connections are to have theirs in between.
            Evicted::AtMost => TRIM_NEXT,
            // The rest is in use, and nobody else may come to evict it when it no longer is.
            Evicted::All => TRIM_AGAIN,
        };
        ctx.notify_later(Trim, pause);
    }
}
