//! Stored objects that a module reads in pieces.
//!
//! Owns the response from the first piece to the last, so that it stays whole however long the module takes: its bytes stay in the
//! budget meanwhile, which is why the readings of an owner are bounded. Pieces are parts of the stored blocks, not copies.

use bytes::Bytes;
use std::sync::Arc;
use understudy_cache::Stored;

/// One reading.
pub(super) struct Reading {
    stored: Arc<Stored>,
    /// The block that is read, and how far.
    block: usize,
    offset: usize,
}

impl Reading {
    /// From the first byte.
    pub(super) fn new(stored: Arc<Stored>) -> Reading {
        Reading {
            stored,
            block: 0,
            offset: 0,
        }
    }

    /// The next piece of at most so many bytes, and whether it is the last.
    pub(super) fn next(&mut self, most: usize) -> (Bytes, bool) {
        let blocks = self.stored.blocks();
        let Some(block) = blocks.get(self.block) else {
            return (Bytes::new(), true);
        };
        let end = self.offset.saturating_add(most).min(block.len());
        let piece = block.slice(self.offset..end);
        self.offset = end;
        if end == block.len() {
            self.block += 1;
            self.offset = 0;
        }
        (piece, self.block == blocks.len())
    }
}
