//! Draws for the making of parts, and the words a body's own choices come from.

use crate::{
    seed::{Seed, Stream},
    world::{Object, draw},
};
use rand_xoshiro::rand_core::Rng as _;

/// A sequence of draws for one part of the library.
#[derive(Debug)]
pub(super) struct Dice(Stream);

impl Dice {
    /// The sequence for the part of this name.
    pub(super) fn new(seed: Seed, part: &str) -> Self {
        let words = part.bytes().map(u64::from);
        let words: Vec<u64> = std::iter::once(draw::BODY).chain(words).collect();
        Self(seed.stream(&words))
    }

    /// A number below `n`, which is above 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        // The high half of a product: no division, and no bias that could be seen for numbers as small as these.
        ((u128::from(self.0.next_u64()) * n as u128) >> 64) as usize
    }

    /// Whether one in `n` came.
    pub(super) fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    /// One of these.
    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[self.below(of.len())]
    }

    /// A number in `[0, 1)`.
    pub(super) fn share(&mut self) -> f32 {
        (self.0.next_u64() >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Noise.
    pub(super) fn fill(&mut self, bytes: &mut [u8]) {
        self.0.fill_bytes(bytes);
    }
}

/// The number of a version of an object: it stands in the body, and choices are made by it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag(pub(super) u64);

impl Tag {
    /// The number of this version.
    pub(super) fn new(seed: Seed, object: Object, version: i64) -> Self {
        let words = [
            draw::BODY,
            u64::from(object.kind),
            object.id,
            version as u64,
        ];
        Self(seed.number(&words))
    }

    /// The number for the `n`th choice.
    pub(super) fn choice(self, n: u64) -> u64 {
        Seed(self.0).number(&[n])
    }

    /// As eight bytes.
    pub(super) fn bytes(self) -> [u8; 8] {
        self.0.to_be_bytes()
    }

    /// As sixteen hexadecimal digits.
    pub(super) fn hex(self) -> [u8; 16] {
        let mut hex = [0; 16];
        for (place, digit) in hex.iter_mut().enumerate() {
            let value = (self.0 >> (60 - 4 * place)) & 15;
            *digit = b"0123456789abcdef"[value as usize];
        }
        hex
    }
}
