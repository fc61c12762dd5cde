//! A stretch of a body: its first and its last byte, both included, as HTTP counts them.
//!
//! Invariant: `first <= last`. There is no empty span: where nothing is, there is no span.

/// Bytes `first..=last`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteSpan {
    first: u64,
    last: u64,
}

impl ByteSpan {
    /// Bytes `first..=last`; `None` when that is nothing. The last byte there can be is `u64::MAX - 1`, so that every end
    /// can be told.
    pub fn of(first: u64, last: u64) -> Option<ByteSpan> {
        (first <= last && last < u64::MAX).then_some(ByteSpan { first, last })
    }

    /// The first `length` bytes of a body.
    pub fn head(length: u64) -> Option<ByteSpan> {
        ByteSpan::of(0, length.checked_sub(1)?)
    }

    /// The first byte.
    pub fn first(&self) -> u64 {
        self.first
    }

    /// The last byte.
    pub fn last(&self) -> u64 {
        self.last
    }

    /// The byte after the last.
    pub fn end(&self) -> u64 {
        self.last + 1
    }

    /// How many bytes. Never none.
    #[allow(clippy::len_without_is_empty)]
    pub fn len(&self) -> u64 {
        self.end() - self.first
    }

    /// Whether it holds all of another.
    pub fn contains(&self, other: &ByteSpan) -> bool {
        self.first <= other.first && other.last <= self.last
    }

    /// Whether the two overlap or abut, and so make one.
    pub fn touches(&self, other: &ByteSpan) -> bool {
        self.first <= other.end() && other.first <= self.end()
    }

    /// What both have.
    pub fn common(&self, other: &ByteSpan) -> Option<ByteSpan> {
        ByteSpan::of(self.first.max(other.first), self.last.min(other.last))
    }

    /// From the first byte of either to the last of either.
    pub fn hull(&self, other: &ByteSpan) -> ByteSpan {
        ByteSpan {
            first: self.first.min(other.first),
            last: self.last.max(other.last),
        }
    }
}
