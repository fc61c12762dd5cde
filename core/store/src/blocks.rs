//! A body as it grows: blocks of bytes that readers share while the writer appends, each carrying
//! its own share of the budget.
//!
//! Owns the bytes of one body. Invariant: every block is immutable, sized to what it holds, and
//! holds its reservation itself, so that the bytes leave the budget when the last handle to them
//! goes, be it in the index, in a fill or in a connection's write queue. The awkward case is an
//! origin that dribbles: pieces too small for a block of their own are gathered in a *stage*, whose
//! bytes are copied out to the readers that want them at once, and which becomes a block when it is
//! full.

use crate::{
    budget::{Budget, Reservation},
    footprint::footprint,
};
use bytes::Bytes;
use smallvec::SmallVec;
use std::sync::Arc;

/// Largest block, in bytes; a longer piece is cut.
pub const MAX_BLOCK: usize = 256 * 1024;
/// A piece at least this long becomes a block of its own instead of being gathered.
pub const MIN_BLOCK: usize = 4 * 1024;
/// Sizes of the stage as the body grows: short bodies waste nothing, dribbled long ones get long blocks.
const STAGES: [usize; 3] = [MIN_BLOCK, 16 * 1024, 64 * 1024];

/// Budget bytes a block takes beside its data: the handle in the list (with its offset) and the
/// counted owner behind it.
pub const BLOCK_OVERHEAD: u64 = (size_of::<Placed>() + size_of::<Bytes>()) as u64
    + footprint((size_of::<Owner>() + 2 * size_of::<usize>()) as u64);

/// Budget bytes of a block of `len` bytes.
pub const fn block_cost(len: usize) -> u64 {
    footprint(len as u64) + BLOCK_OVERHEAD
}

/// A safe estimate of the budget bytes a body of a known length takes: it arrives in blocks of at
/// least [`MIN_BLOCK`], and rounding adds up to a quarter (counted for the first mebibyte only;
/// what is missing is drawn as the body grows).
pub const fn body_cost(length: u64) -> u64 {
    let counted = if length < 1 << 20 { length } else { 1 << 20 };
    let blocks = 1 + length.div_ceil(MIN_BLOCK as u64);
    length
        .saturating_add(counted / 4 + 16)
        .saturating_add(blocks.saturating_mul(BLOCK_OVERHEAD))
}

/// A block's bytes and its share of the budget, dropped together. No share: the block was made when
/// there was no room.
struct Owner {
    data: Box<[u8]>,
    _share: Option<Reservation>,
}

impl AsRef<[u8]> for Owner {
    fn as_ref(&self) -> &[u8] {
        &self.data
    }
}

/// A block and the offset of its first byte in the body.
#[derive(Debug)]
struct Placed {
    start: u64,
    bytes: Bytes,
}

/// Small pieces on their way to a block.
#[derive(Debug)]
struct Stage {
    data: Vec<u8>,
    share: Option<Reservation>,
}

/// A body as it grows.
#[derive(Debug, Default)]
pub struct Blocks {
    placed: SmallVec<[Placed; 1]>,
    stage: Option<Stage>,
    /// Bytes appended so far: the offset of the next one.
    length: u64,
    /// Stages made so far, which chooses the size of the next.
    stages: usize,
}

/// One block of its own, not part of a growing body (a copy of a head, a test): `None` when the
/// budget has no room.
pub fn block(budget: &Arc<Budget>, data: &[u8]) -> Option<Bytes> {
    let share = budget.try_reserve(block_cost(data.len()))?;
    Some(Bytes::from_owner(Owner {
        data: data.into(),
        _share: Some(share),
    }))
}

impl Blocks {
    /// Bytes appended so far.
    pub fn len(&self) -> u64 {
        self.length
    }

    /// Whether nothing was appended yet.
    pub fn is_empty(&self) -> bool {
        self.length == 0
    }

    /// Appends a copy of `piece`, paid from `credit` (which grows by itself while the budget
    /// allows). `expected` is what is still to come of a body of known length, this piece included.
    /// `false`: some of it found no room in the budget; the bytes are there all the same,
    /// uncounted, and the caller is to stop storing.
    pub fn append(
        &mut self,
        mut piece: &[u8],
        expected: Option<u64>,
        credit: &mut Reservation,
    ) -> bool {
        let mut counted = true;
        let mut expected = expected;
        while !piece.is_empty() {
            let whole = expected == Some(piece.len() as u64);
            let direct = self.stage.is_none()
                && (piece.len() >= MIN_BLOCK || whole || (expected.is_none() && self.length == 0));
            let taken = if direct {
                let (data, _) = piece.split_at(piece.len().min(MAX_BLOCK));
                let share = credit.draw(block_cost(data.len()));
                counted &= share.is_some();
                self.place(data.into(), share);
                data.len()
            } else {
                self.gather(piece, expected, credit, &mut counted)
            };
            piece = piece.get(taken..).unwrap_or_default();
            expected = expected.map(|left| left.saturating_sub(taken as u64));
        }
        counted
    }

    /// Copies what fits into the stage and returns how much that was; a full stage becomes a block.
    fn gather(
        &mut self,
        piece: &[u8],
        expected: Option<u64>,
        credit: &mut Reservation,
        counted: &mut bool,
    ) -> usize {
        let mut stage = self.stage.take().unwrap_or_else(|| {
            let size = STAGES[self.stages.min(STAGES.len() - 1)];
            self.stages += 1;
            // What is known to be the rest of the body needs no more than its own length.
            let size = expected.map_or(size, |left| (left as usize).min(size).max(1));
            let share = credit.draw(block_cost(size));
            *counted &= share.is_some();
            Stage {
                data: Vec::with_capacity(size),
                share,
            }
        });
        let room = stage.data.capacity() - stage.data.len();
        let (data, rest) = piece.split_at(piece.len().min(room));
        stage.data.extend_from_slice(data);
        self.length += data.len() as u64;
        // A long piece behind a stage that already makes a decent block goes its own way without another copy.
        let enough = stage.data.len() >= MIN_BLOCK && rest.len() >= MIN_BLOCK;
        let full = stage.data.len() == stage.data.capacity();
        self.stage = Some(stage);
        if full || enough {
            self.seal(credit);
        }
        data.len()
    }

    /// Makes the stage a block of exactly its length; what was reserved beyond that goes back to `credit`.
    pub fn seal(&mut self, credit: &mut Reservation) {
        let Some(mut stage) = self.stage.take() else {
            return;
        };
        if let Some(share) = &mut stage.share {
            let surplus = share.bytes().saturating_sub(block_cost(stage.data.len()));
            if let Some(surplus) = share.split(surplus) {
                credit.merge(surplus);
            }
        }
        self.length -= stage.data.len() as u64;
        self.place(stage.data.into_boxed_slice(), stage.share);
    }

    fn place(&mut self, data: Box<[u8]>, share: Option<Reservation>) {
        let start = self.length;
        self.length += data.len() as u64;
        let bytes = Bytes::from_owner(Owner {
            data,
            _share: share,
        });
        self.placed.push(Placed { start, bytes });
    }

    /// The bytes from `offset` on, as many as lie together; `None` when none are there yet (or they
    /// were released).
    pub fn read(&self, offset: u64) -> Option<Bytes> {
        if offset >= self.length {
            return None;
        }
        let after = self.placed.partition_point(|placed| placed.start <= offset);
        let before = after.checked_sub(1).and_then(|at| self.placed.get(at));
        if let Some(placed) = before {
            let within = (offset - placed.start) as usize;
            if within == 0 {
                return Some(placed.bytes.clone());
            }
            if within < placed.bytes.len() {
                return Some(placed.bytes.slice(within..));
            }
        }
        self.staged(offset)
    }

    /// A copy of the stage's bytes from `offset` on: the stage itself still changes.
    fn staged(&self, offset: u64) -> Option<Bytes> {
        let stage = self.stage.as_ref()?;
        let start = self.length - stage.data.len() as u64;
        let data = stage
            .data
            .get(usize::try_from(offset.checked_sub(start)?).ok()?..)?;
        Some(Bytes::copy_from_slice(data))
    }

    /// Frees the blocks that lie wholly before `offset`.
    pub fn release_before(&mut self, offset: u64) {
        let passed = self
            .placed
            .partition_point(|placed| placed.start + placed.bytes.len() as u64 <= offset);
        self.placed.drain(..passed);
    }

    /// Handles to all blocks, in order; call [`Blocks::seal`] first, or the stage's bytes are missing.
    pub fn handles(&self) -> SmallVec<[Bytes; 1]> {
        self.placed
            .iter()
            .map(|placed| placed.bytes.clone())
            .collect()
    }

    /// Budget bytes of all blocks.
    pub fn cost(&self) -> u64 {
        self.placed
            .iter()
            .map(|placed| block_cost(placed.bytes.len()))
            .sum()
    }
}
