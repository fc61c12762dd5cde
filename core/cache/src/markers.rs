//! Keys whose responses are not to be coalesced for a while (Varnish's hit-for-miss).
//!
//! Owns a bounded table of key hashes and the time each ends. When followers waited for a response
//! that then could not be shared, the next askers would queue up behind each other for nothing; the
//! marker lets each fetch at once. Invariant: never more than [`MOST`] markers, each paid from the
//! budget. The awkward case is a collision of hashes: it only costs another key its coalescing for
//! a while.

use foldhash::fast::RandomState;
use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};
use understudy_store::budget::{Budget, Reservation};

/// How long a key is marked.
pub(crate) const LASTS: Duration = Duration::from_secs(30);
/// Most markers a shard keeps.
pub(crate) const MOST: usize = 4096;
/// Budget bytes of a marker; the table doubles as it grows.
const COST: u64 = 2 * (size_of::<(u64, Marker)>() as u64 + 1);

#[derive(Debug)]
struct Marker {
    until: Instant,
    _share: Reservation,
}

/// The markers of one shard.
#[derive(Debug, Default)]
pub(crate) struct Markers {
    table: HashMap<u64, Marker, RandomState>,
}

impl Markers {
    /// Marks a key; without room (in the table or in the budget) it is not marked, which costs only waiting.
    pub(crate) fn mark(&mut self, hash: u64, now: Instant, budget: &Arc<Budget>) {
        if self.table.len() >= MOST {
            self.table.retain(|_, marker| marker.until > now);
        }
        if let Some(marker) = self.table.get_mut(&hash) {
            marker.until = now + LASTS;
        } else if self.table.len() < MOST
            && let Some(share) = budget.try_reserve(COST)
        {
            let until = now + LASTS;
            self.table.insert(
                hash,
                Marker {
                    until,
                    _share: share,
                },
            );
        }
    }

    /// Whether a key is marked. It is hashed, and the clock read, only when there is any marker to
    /// compare.
    pub(crate) fn has(
        &mut self,
        hash: impl FnOnce() -> u64,
        now: impl FnOnce() -> Instant,
    ) -> bool {
        if self.table.is_empty() {
            return false;
        }
        let hash = hash();
        match self.table.get(&hash) {
            Some(marker) if marker.until > now() => true,
            Some(_) => {
                self.table.remove(&hash);
                false
            }
            None => false,
        }
    }

    /// Forgets a key: a response was stored after all.
    pub(crate) fn forget(&mut self, hash: impl FnOnce() -> u64) {
        if !self.table.is_empty() {
            self.table.remove(&hash());
        }
    }

    /// Forgets all, for the budget's sake.
    pub(crate) fn clear(&mut self) {
        self.table.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_marker_ends_by_itself_and_pays_its_way() {
        let (budget, start) = (Budget::new(1 << 20), Instant::now());
        let mut markers = Markers::default();
        markers.mark(1, start, &budget);
        assert!(markers.has(|| 1, || start) && !markers.has(|| 2, || start));
        assert!(budget.used() > 0);
        assert!(!markers.has(|| 1, || start + LASTS));
        assert_eq!(budget.used(), 0);
    }

    #[test]
    fn the_table_is_bounded_and_makes_room_from_what_has_ended() {
        let (budget, start) = (Budget::new(1 << 20), Instant::now());
        let mut markers = Markers::default();
        let most = MOST as u64;
        (0..=most).for_each(|hash| markers.mark(hash, start, &budget));
        assert!(markers.has(|| 0, || start) && !markers.has(|| most, || start));
        let later = start + LASTS;
        markers.mark(most, later, &budget);
        assert!(markers.has(|| most, || later));
        assert_eq!(budget.used(), COST);
    }

    #[test]
    fn without_budget_nothing_is_marked() {
        let mut markers = Markers::default();
        markers.mark(1, Instant::now(), &Budget::new(COST - 1));
        assert!(!markers.has(|| 1, Instant::now));
    }
}
