//! Which parts of an arena are in use: 64 blocks in a word, a piece takes neighbours.
//!
//! Invariant: a part is given out once until it is given back by the offset it was given under. What a child gives back that it
//! was not given is told apart, for that child is mad.

use std::sync::atomic::{AtomicUsize, Ordering};
use understudy_shared::Arena;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 32 * 1024;
/// Bytes of an arena.
pub(crate) const ARENA: usize = 64 * BLOCK;
/// Pieces of at least so many bytes go through the arena: measured, docs/adr/0002-process-transport.md.
pub const THRESHOLD: usize = 4 * 1024;

static IN_FORCE: AtomicUsize = AtomicUsize::new(THRESHOLD);

/// Another threshold, for the whole process: to measure with.
pub fn set_threshold(bytes: usize) {
    IN_FORCE.store(bytes, Ordering::Relaxed);
}

/// The threshold in force.
#[inline]
pub(crate) fn threshold() -> usize {
    IN_FORCE.load(Ordering::Relaxed)
}

/// An arena and what of it is in use.
#[derive(Debug)]
pub(crate) struct Blocks {
    arena: Arena,
    used: u64,
    /// Blocks of the part that begins at each block; 0: none does.
    lengths: [u8; 64],
}

impl Blocks {
    pub(crate) fn new(arena: Arena) -> Blocks {
        Blocks {
            arena,
            used: 0,
            lengths: [0; 64],
        }
    }

    /// Writes a piece where there is room; the offset it lies at.
    pub(crate) fn put(&mut self, bytes: &[u8]) -> Option<u32> {
        let count = bytes.len().div_ceil(BLOCK).max(1);
        if count > 64 {
            return None;
        }
        let mask = u64::MAX >> (64 - count);
        let first = (0..=64 - count).find(|at| self.used & (mask << at) == 0)?;
        if !self.arena.write(first * BLOCK, bytes) {
            return None;
        }
        self.used |= mask << first;
        self.lengths[first] = count as u8;
        Some((first * BLOCK) as u32)
    }

    /// Takes a part back; whether it was given.
    pub(crate) fn release(&mut self, offset: u32) -> bool {
        let offset = offset as usize;
        let first = offset / BLOCK;
        let Some(length) = self.lengths.get_mut(first) else {
            return false;
        };
        if !offset.is_multiple_of(BLOCK) || *length == 0 {
            return false;
        }
        self.used &= !((u64::MAX >> (64 - u32::from(*length))) << first);
        *length = 0;
        true
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn blocks() -> Blocks {
        Blocks::new(Arena::new(ARENA).unwrap())
    }

    #[test]
    fn parts_do_not_overlap_and_fill_the_arena() {
        let mut blocks = blocks();
        assert_eq!(blocks.put(&vec![1; BLOCK + 1]), Some(0));
        assert_eq!(blocks.put(&[1]), Some(2 * BLOCK as u32));
        assert_eq!(blocks.put(&vec![1; 61 * BLOCK]), Some(3 * BLOCK as u32));
        assert_eq!(blocks.put(&[1]), None);
    }

    #[test]
    fn a_part_given_back_is_given_again() {
        let mut blocks = blocks();
        assert_eq!(blocks.put(&vec![1; ARENA]), Some(0));
        assert!(blocks.release(0));
        assert_eq!(blocks.put(&vec![1; ARENA]), Some(0));
        assert_eq!(blocks.put(&vec![1; ARENA + 1]), None);
    }

    #[test]
    fn what_was_not_given_is_not_taken_back() {
        let mut blocks = blocks();
        assert_eq!(blocks.put(&vec![1; 2 * BLOCK]), Some(0));
        for wrong in [1, BLOCK as u32, 64 * BLOCK as u32, u32::MAX] {
            assert!(!blocks.release(wrong), "{wrong}");
        }
        assert!(blocks.release(0));
        assert!(!blocks.release(0), "twice");
    }
}
