//! What any number of bytes can be cut from: noise for padding, and chains of blocks.
//!
//! Noise does not compress, so an image padded by it still behaves as an image. A chain is cut at the boundaries of its blocks alone,
//! each of which is a whole of its format (a paragraph, a function, a member of an archive).

use super::{body::Maker, dice::Dice};
use crate::seed::Seed;
use bytes::Bytes;

/// Bytes of noise: long enough that the same place is seldom cut twice.
const NOISE: usize = 1 << 20;

/// Bytes that mean nothing and do not compress.
#[derive(Debug)]
pub(super) struct Noise {
    bytes: Bytes,
    /// The same as GIF's sub-blocks: each 255 and as many bytes.
    blocks: Bytes,
}

impl Noise {
    pub(super) fn new(seed: Seed) -> Self {
        let mut bytes = vec![0; NOISE];
        Dice::new(seed, "noise").fill(&mut bytes);
        let mut blocks = bytes.clone();
        blocks.iter_mut().step_by(256).for_each(|b| *b = 255);
        Self {
            bytes: bytes.into(),
            blocks: blocks.into(),
        }
    }

    /// All of it, for a digest.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds `len` bytes of noise. All slices but the last are of whole words of four bytes.
    pub(super) fn put(&self, maker: &mut Maker, choice: u64, len: u64) {
        wrapped(&self.bytes, maker, choice, 4, len);
    }

    /// Adds `count` of GIF's sub-blocks of 256 bytes each.
    pub(super) fn put_blocks(&self, maker: &mut Maker, choice: u64, count: u64) {
        wrapped(&self.blocks, maker, choice, 256, count * 256);
    }

    /// The slices that [`Noise::put`] adds, for a checksum.
    pub(super) fn slices(&self, choice: u64, len: u64) -> impl Iterator<Item = &[u8]> {
        pieces(&self.bytes, choice, 4, len)
    }
}

/// Adds `len` bytes of `bytes`, from a place that `choice` says (a multiple of `step`), round and round.
pub(super) fn wrapped(bytes: &Bytes, maker: &mut Maker, choice: u64, step: usize, len: u64) {
    for piece in pieces(bytes, choice, step, len) {
        maker.shared(bytes.slice_ref(piece));
    }
}

fn pieces(bytes: &[u8], choice: u64, step: usize, len: u64) -> impl Iterator<Item = &[u8]> {
    let mut from = (choice % (bytes.len() / step) as u64) as usize * step;
    let mut rest = len;
    std::iter::from_fn(move || {
        let whole = &bytes[from..];
        let piece = &whole[..whole.len().min(usize::try_from(rest).unwrap_or(usize::MAX))];
        from = 0;
        rest -= piece.len() as u64;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Blocks one behind the other.
#[derive(Debug)]
pub(super) struct Chain {
    bytes: Bytes,
    /// Where blocks begin; the last is the end.
    bounds: Vec<usize>,
}

impl Chain {
    /// A chain of blocks, made one by one until there are `len` bytes.
    pub(super) fn new(len: usize, mut block: impl FnMut(&mut Vec<u8>)) -> Self {
        let mut bytes = Vec::with_capacity(len + len / 8);
        let mut bounds = vec![0];
        while bytes.len() < len {
            block(&mut bytes);
            bounds.push(bytes.len());
        }
        Self {
            bytes: bytes.into(),
            bounds,
        }
    }

    /// All of it, for a digest.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Adds blocks from the one that `choice` says, while they fit into `most` bytes: the whole chain again and again if that is
    /// much. Tells the number of the block that comes next.
    pub(super) fn put(&self, maker: &mut Maker, choice: u64, most: u64) -> u64 {
        let blocks = self.bounds.len() - 1;
        let mut first = (choice % blocks as u64) as usize;
        let mut rest = usize::try_from(most).unwrap_or(usize::MAX);
        loop {
            let begin = self.bounds[first];
            let behind = self.bounds.partition_point(|&b| b - begin.min(b) <= rest) - 1;
            let last = behind.max(first);
            maker.shared(self.bytes.slice(begin..self.bounds[last]));
            rest -= self.bounds[last] - begin;
            if last < blocks {
                return last as u64;
            }
            first = 0;
        }
    }
}
