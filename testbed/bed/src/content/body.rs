//! A body as slices, and the making of one.
//!
//! Invariant: no slice is empty, and a slice of a library's part is a count of references, never a copy. What is a body's own is
//! written into one buffer and cut up at the end, so that a body costs one allocation.

use bytes::Bytes;
use smallvec::SmallVec;
use std::ops::Range;

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
        self.slices.concat()
    }

    /// The first place where `bytes` is not what the body has from `offset` on; nothing if all of it is. Bytes behind the body's end
    /// differ there; fewer bytes than the body has do not.
    #[must_use]
    pub fn check(&self, offset: u64, bytes: &[u8]) -> Option<u64> {
        let (mut begin, mut at, mut rest) = (0u64, offset, bytes);
        for slice in &self.slices {
            let end = begin + slice.len() as u64;
            if rest.is_empty() {
                break;
            }
            if at < end {
                // Below a slice's length, so it fits.
                let expected = &slice[(at - begin) as usize..];
                let (now, later) = rest.split_at(expected.len().min(rest.len()));
                if expected[..now.len()] != *now {
                    let same = expected.iter().zip(now).take_while(|(a, b)| a == b);
                    return Some(at + same.count() as u64);
                }
                at += now.len() as u64;
                rest = later;
            }
            begin = end;
        }
        (!rest.is_empty()).then_some(at)
    }
}

/// A body in the making.
#[derive(Debug, Default)]
pub(super) struct Maker {
    own: Vec<u8>,
    /// Where the own bytes begin that no piece has yet.
    begun: usize,
    shared: u64,
    pieces: SmallVec<[Piece; 8]>,
}

#[derive(Debug)]
enum Piece {
    Own(Range<usize>),
    Shared(Bytes),
}

impl Maker {
    /// A body with room for this many bytes of its own.
    pub(super) fn new(own: usize) -> Self {
        Self {
            own: Vec::with_capacity(own),
            ..Self::default()
        }
    }

    /// Bytes up to now.
    pub(super) fn len(&self) -> u64 {
        self.shared + self.own.len() as u64
    }

    /// Adds own bytes.
    pub(super) fn own(&mut self, bytes: &[u8]) -> &mut Self {
        self.own.extend_from_slice(bytes);
        self
    }

    /// Adds an own byte several times.
    pub(super) fn fill(&mut self, byte: u8, times: u64) -> &mut Self {
        self.own.extend((0..times).map(|_| byte));
        self
    }

    /// Adds a slice of what is shared.
    pub(super) fn shared(&mut self, bytes: Bytes) -> &mut Self {
        if !bytes.is_empty() {
            self.close();
            self.shared += bytes.len() as u64;
            self.pieces.push(Piece::Shared(bytes));
        }
        self
    }

    /// The body.
    pub(super) fn finish(mut self) -> Body {
        self.close();
        let own = Bytes::from(self.own);
        let slices = self.pieces.into_iter().map(|piece| match piece {
            Piece::Own(range) => own.slice(range),
            Piece::Shared(bytes) => bytes,
        });
        Body {
            slices: slices.collect(),
        }
    }

    fn close(&mut self) {
        if self.begun < self.own.len() {
            self.pieces.push(Piece::Own(self.begun..self.own.len()));
            self.begun = self.own.len();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body() -> Body {
        let mut maker = Maker::new(0);
        maker.own(b"abc").shared(Bytes::from_static(b"defg"));
        maker.shared(Bytes::new()).own(b"h").own(b"i").fill(b'j', 2);
        assert_eq!(maker.len(), 11);
        maker.finish()
    }

    #[test]
    fn a_body_is_its_pieces_in_order() {
        assert_eq!(body().to_vec(), b"abcdefghijj");
        assert_eq!(body().slices.len(), 3);
        assert_eq!(body().len(), 11);
        assert!(Maker::new(3).finish().is_empty());
    }

    #[test]
    fn the_first_difference_is_told_across_slices() {
        for (offset, bytes, expected) in [
            (0, &b""[..], None),
            (0, b"abcdefghijj", None),
            (0, b"abcdefghijjk", Some(11)),
            (2, b"cdefgh", None),
            (2, b"cdXfgh", Some(4)),
            (3, b"defgX", Some(7)),
            (10, b"j", None),
            (10, b"X", Some(10)),
            (11, b"", None),
            (11, b"j", Some(11)),
            (50, b"j", Some(50)),
        ] {
            assert_eq!(body().check(offset, bytes), expected, "{offset} {bytes:?}");
        }
    }
}
