//! The bytes of an object's version: real content, made from the seed.
//!
//! A [`Library`] holds parts made ahead; a body is put together of slices of them and of a few bytes of its own, so that making one
//! costs next to nothing however many objects there are.

use crate::{
    seed::Seed,
    world::{Object, World},
};
use bytes::Bytes;
use smallvec::SmallVec;

/// Parts that bodies are put together of.
#[derive(Debug)]
pub struct Library {
    seed: Seed,
}

/// A body: slices one behind the other.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Body {
    /// The slices in their order; none is empty.
    pub slices: SmallVec<[Bytes; 8]>,
}

impl Body {
    /// Bytes of it.
    #[must_use]
    pub fn len(&self) -> u64 {
        self.slices.iter().map(|s| s.len() as u64).sum()
    }

    /// Whether it has no bytes.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slices.is_empty()
    }

    /// All of it in one piece.
    #[must_use]
    pub fn to_vec(&self) -> Vec<u8> {
        self.slices.iter().flat_map(|s| s.iter().copied()).collect()
    }
}

impl Library {
    /// Makes all parts. Takes a second or so; the same for the same seed.
    #[must_use]
    pub fn new(seed: Seed) -> Self {
        Self { seed }
    }

    /// The body of this version of the object. Its length is the same in every version, and the object's drawn size where its format
    /// can be as small.
    #[must_use]
    pub fn body(&self, world: &World, object: Object, version: i64) -> Body {
        todo!()
    }

    /// Bytes of the object's body, without making it.
    #[must_use]
    pub fn length(&self, world: &World, object: Object) -> u64 {
        todo!()
    }
}
