//! Why the last responses that were not stored were not: a table of fixed size, written when a transaction ends.
//!
//! Invariant: it costs no more memory than its places, and one short lock for a transaction that stored nothing. Awkward case: two
//! keys of one place. The later one stays; what is remembered is a help for people and nothing is decided by it.

use std::hash::{BuildHasher, RandomState};
use std::sync::{Mutex, PoisonError};
use understudy_http::semantics::date::Seconds;
use understudy_http::semantics::storing::NoStoreReason;

/// Places. A power of two: they are chosen by the low bits of a hash.
const PLACES: usize = 4096;

/// One refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Refused {
    hash: u64,
    pub(crate) why: NoStoreReason,
    pub(crate) status: u16,
    pub(crate) at: Seconds,
}

/// The table, shared by all workers.
pub(crate) struct Refusals {
    /// Seeded, so that nobody outside can choose whose place is taken.
    hasher: RandomState,
    places: Box<[Mutex<Option<Refused>>]>,
}

impl Default for Refusals {
    fn default() -> Self {
        Refusals {
            hasher: RandomState::new(),
            places: (0..PLACES).map(|_| Mutex::new(None)).collect(),
        }
    }
}

impl Refusals {
    /// Remembers one.
    pub(crate) fn note(&self, key: &[u8], why: NoStoreReason, status: u16, at: Seconds) {
        let hash = self.hasher.hash_one(key);
        *self.place(hash) = Some(Refused {
            hash,
            why,
            status,
            at,
        });
    }

    /// The last one of this key, if no other took its place.
    pub(crate) fn of(&self, key: &[u8]) -> Option<Refused> {
        let hash = self.hasher.hash_one(key);
        self.place(hash).filter(|refused| refused.hash == hash)
    }

    fn place(&self, hash: u64) -> std::sync::MutexGuard<'_, Option<Refused>> {
        let place = &self.places[hash as usize & (PLACES - 1)];
        // What is in it is whole whatever happened to its last writer.
        place.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_refusal_of_a_key_is_told_and_no_other_keys() {
        let table = Refusals::default();
        assert_eq!(table.of(b"a"), None);
        table.note(b"a", NoStoreReason::Private, 200, 1);
        table.note(b"a", NoStoreReason::ResponseNoStore, 404, 2);
        let last = table.of(b"a").map(|r| (r.why, r.status, r.at));
        assert_eq!(last, Some((NoStoreReason::ResponseNoStore, 404, 2)));
        // However many share its place, none is taken for another.
        for n in 0..3 * PLACES as u64 {
            assert_eq!(table.of(&n.to_le_bytes()), None);
        }
    }
}
