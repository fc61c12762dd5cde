//! Bytes of a body compared as they come, however they are cut.
//!
//! Invariant: nothing is kept of what agrees. Of the first place that differs 64 bytes are kept of each side.

use crate::content::Body;
use serde::Serialize;

/// How many bytes are kept around the first place that differs.
const AROUND: usize = 64;

/// The first place where a body is not what it should be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// How many bytes agreed before it.
    pub at: u64,
    /// What should stand there, readable ASCII as it is.
    pub expected: String,
    /// What stands there.
    pub found: String,
}

/// A body, as far as it has come.
#[derive(Debug, Default)]
pub struct Comparison {
    expected: Body,
    /// The slice under way and the bytes of it that have come.
    slice: usize,
    offset: usize,
    /// Bytes that have come, right or wrong.
    bytes: u64,
    difference: Option<Difference>,
}

impl Comparison {
    /// With this body.
    #[must_use]
    pub fn new(expected: Body) -> Self {
        Self {
            expected,
            ..Self::default()
        }
    }

    /// Bytes that have come.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The first place that differs. Bytes that are missing or too many are no difference: their number tells of them.
    #[must_use]
    pub fn difference(&self) -> Option<&Difference> {
        self.difference.as_ref()
    }

    /// These bytes come next.
    pub fn feed(&mut self, found: &[u8]) {
        let mut rest = found;
        while self.difference.is_none() && !rest.is_empty() {
            let Some(slice) = self.expected.slices.get(self.slice) else {
                break;
            };
            let expected = &slice[self.offset..];
            let length = expected.len().min(rest.len());
            if expected[..length] != rest[..length] {
                let same = expected
                    .iter()
                    .zip(rest)
                    .take_while(|(a, b)| a == b)
                    .count();
                self.difference = Some(Difference {
                    at: self.bytes + (found.len() - rest.len() + same) as u64,
                    expected: shown(&expected[same..]),
                    found: shown(&rest[same..]),
                });
                break;
            }
            rest = &rest[length..];
            self.offset += length;
            if self.offset == slice.len() {
                self.slice += 1;
                self.offset = 0;
            }
        }
        self.bytes += found.len() as u64;
    }
}

fn shown(bytes: &[u8]) -> String {
    bytes[..bytes.len().min(AROUND)].escape_ascii().to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use bytes::Bytes;
    use proptest::prelude::*;

    fn body(parts: &[&'static [u8]]) -> Body {
        Body {
            slices: parts.iter().map(|p| Bytes::from_static(p)).collect(),
        }
    }

    proptest! {
        #[test]
        fn however_bytes_are_cut_the_first_difference_is_the_same(
            cuts in prop::collection::vec(1usize..7, 0..12),
            wrong in prop::option::of(0usize..20),
        ) {
            let mut bytes = b"one two three four f".to_vec();
            if let Some(at) = wrong {
                bytes[at] ^= 0x80;
            }
            let mut comparison = Comparison::new(body(&[b"one ", b"two three", b" four f"]));
            let mut rest = &bytes[..];
            for cut in cuts {
                let (now, later) = rest.split_at(cut.min(rest.len()));
                comparison.feed(now);
                rest = later;
            }
            comparison.feed(rest);
            prop_assert_eq!(comparison.bytes(), 20);
            prop_assert_eq!(comparison.difference().map(|d| d.at), wrong.map(|at| at as u64));
        }
    }

    #[test]
    fn bytes_behind_the_end_are_counted_and_no_difference() {
        let mut comparison = Comparison::new(body(&[b"abc"]));
        comparison.feed(b"abcdef");
        assert_eq!((comparison.bytes(), comparison.difference()), (6, None));
    }
}
