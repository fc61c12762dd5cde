//! Numbers that are functions of what they are for.
//!
//! Invariant: nothing here has state. The same seed and the same words give the same number, in any order, on any machine: so the
//! origin, the robots and an oracle on three machines agree on every object without a message.

use rand_xoshiro::{Xoshiro256PlusPlus, rand_core::SeedableRng};

/// A source of random numbers for one thing, always the same for the same thing.
pub type Stream = Xoshiro256PlusPlus;

/// The seed of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seed(pub u64);

impl Seed {
    /// A number for what these words name.
    #[must_use]
    pub fn number(self, words: &[u64]) -> u64 {
        words.iter().fold(mix(self.0), |h, &word| mix(h ^ word))
    }

    /// A number in `[0, 1)` for what these words name.
    #[must_use]
    pub fn share(self, words: &[u64]) -> f64 {
        // The 53 bits that a float of one binade holds.
        (self.number(words) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// As many numbers as are wanted for what these words name.
    #[must_use]
    pub fn stream(self, words: &[u64]) -> Stream {
        Stream::seed_from_u64(self.number(words))
    }
}

/// The finalizer of SplitMix64, behind its increment: every bit of the input reaches every bit of the output.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}
