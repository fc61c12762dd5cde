//! How many bytes an answer of a kind has: a running mean of those that pass.
//!
//! What is removed is never fetched, so nobody knows its size; what is told as saved is this mean less the blank. Invariant: nothing
//! is told of a kind of which none has passed. A race between two threads loses one sample, and no more.

use crate::asked::Kind;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// The mean forgets: a sample has this part in it.
const WEIGHT: u64 = 32;
/// No answer counts for more, or one download of a disk image would make a legend of the saving.
const MOST: u64 = 16 << 20;

/// Means by kind, in sixteenths of a byte.
#[derive(Debug, Default)]
pub(crate) struct Sizes([AtomicU64; Kind::ALL.len()]);

impl Sizes {
    /// An answer of this kind has passed.
    pub(crate) fn learn(&self, kind: Kind, bytes: u64) {
        let (mean, sample) = (&self.0[kind as usize], bytes.min(MOST) * 16);
        let old = mean.load(Relaxed);
        let new = match old {
            0 => sample,
            _ => old - old / WEIGHT + sample / WEIGHT,
        };
        mean.store(new, Relaxed);
    }

    /// What is saved by an answer of this kind that has so many bytes only.
    pub(crate) fn saved(&self, kind: Kind, blank: u64) -> u64 {
        (self.0[kind as usize].load(Relaxed) / 16).saturating_sub(blank)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_is_told_of_a_kind_of_which_none_has_passed() {
        let sizes = Sizes::default();
        sizes.learn(Kind::Script, 1000);
        assert_eq!(sizes.saved(Kind::Image, 43), 0);
        assert_eq!(sizes.saved(Kind::Script, 0), 1000);
    }

    #[test]
    fn the_mean_follows_what_passes_and_no_giant_rules_it() {
        let sizes = Sizes::default();
        sizes.learn(Kind::Image, u64::MAX);
        assert_eq!(sizes.saved(Kind::Image, 0), MOST);
        (0..2000).for_each(|_| sizes.learn(Kind::Image, 10_043));
        let saved = sizes.saved(Kind::Image, 43);
        assert!((9_990..=10_010).contains(&saved), "{saved}");
        (0..2000).for_each(|_| sizes.learn(Kind::Image, 20));
        assert_eq!(sizes.saved(Kind::Image, 43), 0);
    }
}
