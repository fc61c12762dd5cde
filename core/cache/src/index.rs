//! The published index: what any worker may read without a message.
//!
//! Owns the map from key to slot. Invariant: only the key's shard writes a key, and always a whole
//! new [`Slot`], so a reader sees one state or the next and never half of one. The awkward case is
//! dashmap itself: a guard held while the map is touched again (or across an await) deadlocks, so
//! every method here clones the `Arc` out and returns with no guard alive.

use dashmap::DashMap;
use foldhash::fast::RandomState;
use smallvec::SmallVec;
use std::{hash::BuildHasher, sync::Arc};
use understudy_http::Fields;
use understudy_store::footprint::footprint;

use crate::{labels::MEMBER_COST, sieve::NODE_COST, stored::Stored};

/// A primary key, shared by index, eviction queue and fill.
pub(crate) type Key = Arc<[u8]>;

/// The two counters in front of what an `Arc` holds.
const ARC: usize = 2 * size_of::<usize>();
/// One place of the map: the pair and a control byte, doubled, since the table doubles when seven
/// eighths are taken.
const PLACE_COST: u64 = 2 * (size_of::<(Key, Arc<Slot>)>() as u64 + 1);
/// Budget bytes every entry takes beside key, head and body: the response, its slot, its places in
/// the index, in the order of keys and in the queue.
pub(crate) const ENTRY_OVERHEAD: u64 = footprint((ARC + size_of::<Stored>()) as u64)
    + footprint((ARC + size_of::<crate::Prepared>()) as u64)
    + footprint((ARC + size_of::<Slot>()) as u64)
    + PLACE_COST
    + NODE_COST
    // Its key's in the ordered table.
    + MEMBER_COST;

/// Budget bytes of a key of `len` bytes.
pub(crate) const fn key_cost(len: usize) -> u64 {
    footprint((ARC + len) as u64)
}

/// What the index holds for a key: its variants, immutable; replaced whole by the shard.
#[derive(Debug)]
pub struct Slot {
    /// Newest first; empty only where there are parts.
    variants: SmallVec<[Arc<Stored>; 1]>,
    /// Responses of which only parts are stored, newest first: no plain look-up sees them.
    parts: Box<[Arc<Stored>]>,
    /// Whether the newest has no Vary and so answers any request: what `select` wants to know first.
    unvaried: bool,
}

impl Slot {
    /// The variant this request selects, most recent first.
    pub fn select(&self, request: Fields<'_>) -> Option<&Arc<Stored>> {
        if self.unvaried {
            return self.variants.first();
        }
        if let Some(stored) = self.as_sent(request) {
            return Some(stored);
        }
        self.variants.iter().find(|stored| {
            let vary = &stored.prepared().vary;
            vary.is_empty() || vary.matches(request)
        })
    }

    /// The response that this request selects among those of which only parts are stored.
    pub fn select_part(&self, request: Fields<'_>) -> Option<&Arc<Stored>> {
        self.parts
            .iter()
            .find(|stored| stored.prepared().vary.matches(request))
    }

    /// The variant that was fetched with just these fields, if no newer one could match as well (RFC 9111 section 4: of
    /// several "a cache MUST use the most recent one"). Of keys with the same names only one can.
    fn as_sent(&self, request: Fields<'_>) -> Option<&Arc<Stored>> {
        let at = self.variants.iter().position(|stored| {
            let vary = &stored.prepared().vary;
            !vary.is_empty() && vary.matches_as_sent(request)
        })?;
        let (newer, rest) = self.variants.split_at(at);
        let found = rest.first()?;
        let vary = &found.prepared().vary;
        newer
            .iter()
            .all(|stored| stored.prepared().vary.nominates_as(vary))
            .then_some(found)
    }

    /// Whether one answers any request, so that what is selected does not depend on the request's fields.
    #[inline]
    pub fn is_unvaried(&self) -> bool {
        self.unvaried
    }

    /// Whether any variant is stored (a miss is then a vary-miss, not a uri-miss).
    pub fn has_variants(&self) -> bool {
        !self.variants.is_empty()
    }

    /// The variants that are stored whole, newest first.
    pub fn variants(&self) -> &[Arc<Stored>] {
        &self.variants
    }

    /// Those of which only parts are stored, newest first.
    pub fn parts(&self) -> &[Arc<Stored>] {
        &self.parts
    }

    /// Everything that is stored for the key, whole or in parts.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Stored>> {
        self.variants.iter().chain(self.parts.iter())
    }

    /// A slot of these responses, newest first: whole ones and parts, told apart here.
    pub(crate) fn of(all: impl IntoIterator<Item = Arc<Stored>>) -> Slot {
        let mut variants: SmallVec<[Arc<Stored>; 1]> = SmallVec::new();
        let mut parts = Vec::new();
        for stored in all {
            if stored.is_part() {
                parts.push(stored);
            } else {
                variants.push(stored);
            }
        }
        let parts = parts.into_boxed_slice();
        let unvaried = variants
            .first()
            .is_some_and(|newest| newest.prepared().vary.is_empty());
        Slot {
            variants,
            parts,
            unvaried,
        }
    }

    pub(crate) fn contains(&self, stored: &Arc<Stored>) -> bool {
        self.all().any(|variant| Arc::ptr_eq(variant, stored))
    }
}

/// The map.
#[derive(Default)]
pub(crate) struct Index {
    map: DashMap<Key, Arc<Slot>, RandomState>,
}

impl Index {
    /// The slot of a key.
    pub(crate) fn get(&self, key: &[u8]) -> Option<Arc<Slot>> {
        self.map.get(key).map(|slot| Arc::clone(slot.value()))
    }

    /// The key's own copy in the map, with its slot: entries share it rather than hold one each.
    pub(crate) fn get_with_key(&self, key: &[u8]) -> Option<(Key, Arc<Slot>)> {
        self.map
            .get(key)
            .map(|pair| (Arc::clone(pair.key()), Arc::clone(pair.value())))
    }

    /// Publishes a slot. Only the key's shard calls this.
    pub(crate) fn publish(&self, key: &Key, slot: Slot) {
        self.map.insert(Arc::clone(key), Arc::new(slot));
    }

    /// Removes a slot. Only the key's shard calls this.
    pub(crate) fn remove(&self, key: &[u8]) -> Option<Arc<Slot>> {
        self.map.remove(key).map(|(_, slot)| slot)
    }

    /// The key's hash, which also chooses its shard.
    pub(crate) fn hash(&self, key: &[u8]) -> u64 {
        self.map.hasher().hash_one(key)
    }
}
