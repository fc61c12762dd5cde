//! Which objects were sent before, in five bytes or so each.
//!
//! A run at full scale sends tens of millions. Only 44 bits of a number mixed of the object are kept: 12 choose a set, 32 stand in it.
//! With 10 million in, the next one is taken for another one once in 1.7 million: no figure here is that exact. Many small sets
//! grow one at a time, so no request waits while millions are moved.

use crate::{seed::Seed, world::Object};
use std::{
    collections::HashSet,
    sync::{Mutex, PoisonError},
};

const SETS: usize = 1 << 12;

/// A set of objects.
#[derive(Debug)]
pub(super) struct Seen {
    sets: Vec<Mutex<HashSet<u32>>>,
}

impl Default for Seen {
    fn default() -> Self {
        Self {
            sets: (0..SETS).map(|_| Mutex::default()).collect(),
        }
    }
}

impl Seen {
    /// Takes the object in; whether it was not there before.
    pub(super) fn insert(&self, object: Object) -> bool {
        let number = Seed(0).number(&[u64::from(object.kind), object.id]);
        // The low bits stand in the set, the 12 above them choose it.
        let set = &self.sets[(number >> 32) as usize % SETS];
        // Nothing here panics while it holds the lock.
        set.lock()
            .unwrap_or_else(PoisonError::into_inner)
            .insert(number as u32)
    }

    /// Forgets all.
    pub(super) fn clear(&self) {
        for set in &self.sets {
            *set.lock().unwrap_or_else(PoisonError::into_inner) = HashSet::new();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_object_is_new_once() {
        let seen = Seen::default();
        let objects = || (0..4u8).flat_map(|kind| (0..5000).map(move |id| Object { kind, id }));
        assert!(objects().all(|object| seen.insert(object)));
        assert!(!objects().any(|object| seen.insert(object)));
        seen.clear();
        assert!(objects().all(|object| seen.insert(object)));
    }
}
