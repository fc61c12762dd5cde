//! Bodies of which only parts are here: cutting spans out of blocks, and joining parts.
//!
//! Owns nothing. Invariant: a byte keeps its place in the body, whichever blocks it lies in. The awkward case is a cut
//! through a block: both sides share it, and its share of the budget stays until the last of them goes.

use bytes::Bytes;
use smallvec::SmallVec;
use std::sync::Arc;
use understudy_http::semantics::range::{
    ByteSpan,
    parts::{MOST_SPANS, Piece, bounded, is_whole, join, spans},
};
use understudy_store::{budget::Reservation, footprint::footprint};

use crate::stored::{Prepared, Stored};

/// Budget bytes for the list of spans and for the handles that cutting adds, as many as there can be.
pub(crate) const SPANS_COST: u64 =
    footprint((MOST_SPANS * (size_of::<ByteSpan>() + 4 * size_of::<Bytes>())) as u64);

impl Stored {
    /// Gives the bytes of a span, block by block; `false`, and nothing was given, when not all of them are here.
    pub fn slice(&self, wanted: ByteSpan, mut take: impl FnMut(Bytes)) -> bool {
        let whole;
        let held = match self.spans() {
            Some(spans) => spans,
            None => {
                whole = ByteSpan::head(self.length());
                whole.as_slice()
            }
        };
        // Where the span's first byte lies among the blocks.
        let mut before = 0;
        for span in held {
            if span.contains(&wanted) {
                let first = before + (wanted.first() - span.first());
                cut(self.blocks(), first, first + wanted.len(), &mut take);
                return true;
            }
            before += span.len();
        }
        false
    }
}

/// The bytes `from..until` of these blocks.
fn cut(blocks: &[Bytes], from: u64, until: u64, take: &mut impl FnMut(Bytes)) {
    let mut at = 0;
    for block in blocks {
        let end = at + block.len() as u64;
        let (first, last) = (from.max(at), until.min(end));
        if first < last {
            take(block.slice((first - at) as usize..(last - at) as usize));
        }
        at = end;
        if at >= until {
            return;
        }
    }
}

/// Whether so many blocks are too many for a body of this length: each joining goes through all of them, and each may be the last
/// byte that keeps a long one. Who asks byte by byte would have both grow with every request.
pub(crate) fn is_crumbled(blocks: usize, length: u64) -> bool {
    const AT_LEAST: u64 = 256;
    const EACH: u64 = 2048;
    blocks as u64 > AT_LEAST + length / EACH
}

/// What a part is before it is joined with others: its bytes and their place.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) prepared: Arc<Prepared>,
    pub(crate) span: ByteSpan,
    pub(crate) blocks: SmallVec<[Bytes; 1]>,
    pub(crate) share: Reservation,
}

impl Part {
    /// As it is stored: joined with what is held already of the same representation, and whole when nothing is missing then.
    pub(crate) fn stored(self, held: Option<&Stored>) -> Stored {
        let none: &[ByteSpan] = &[];
        let old = held.and_then(Stored::spans).unwrap_or(none);
        let pieces = bounded(join(old, self.span));
        let spans = spans(&pieces);
        let mut blocks = SmallVec::new();
        for piece in &pieces {
            match (piece, held) {
                (Piece::Old(span), Some(held)) => {
                    held.slice(*span, |block| blocks.push(block));
                }
                (Piece::Old(_), None) => {}
                (Piece::New(_), _) => blocks.extend(self.blocks.iter().cloned()),
            }
        }
        let complete = self.prepared.length.unwrap_or(u64::MAX);
        if is_whole(&spans, complete) {
            Stored::new(self.prepared, blocks, Bytes::new(), self.share)
        } else {
            Stored::in_parts(self.prepared, blocks, spans.into(), self.share)
        }
    }
}
