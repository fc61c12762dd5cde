//! Chunkings: the ways in which a body may come in pieces.
//!
//! Invariant: the pieces of any chunking, one behind the other, are the body. The awkward case is the end: it comes with the last
//! bytes, or by itself, as when the framing tells it later.

use crate::kit::random::Random;
use bytes::Bytes;
use std::collections::{BTreeSet, VecDeque};

/// A body of at most so many bytes is cut in every possible way.
const ALL_WAYS: usize = 10;
/// Beyond this many bytes it is cut in two at some places only, and into small pieces instead of bytes.
const LONG: usize = 256;
/// The size of those small pieces: no divisor of anything.
const SMALL: usize = 61;
/// Ways of chance for a longer body.
const CHANCES: usize = 16;

/// Where one body is cut.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Cuts {
    at: Vec<usize>,
    end_apart: bool,
}

/// Where the bodies of a transaction are cut.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Chunking {
    /// The request's body.
    pub request: Cuts,
    /// The origin's.
    pub response: Cuts,
    /// That on its way to the client.
    pub returned: Cuts,
}

impl Cuts {
    /// In one piece.
    pub fn whole() -> Cuts {
        Cuts::default()
    }

    /// At these places.
    pub fn at(places: impl IntoIterator<Item = usize>) -> Cuts {
        let at: BTreeSet<usize> = places.into_iter().filter(|place| *place > 0).collect();
        Cuts {
            at: at.into_iter().collect(),
            end_apart: false,
        }
    }

    /// The same, and the end comes by itself.
    #[must_use]
    pub fn with_end_apart(mut self) -> Cuts {
        self.end_apart = true;
        self
    }

    /// The pieces of this body, each with whether it is the last. Places behind its end do not cut.
    pub fn pieces(&self, body: &Bytes) -> VecDeque<(Bytes, bool)> {
        let mut pieces = VecDeque::new();
        let mut from = 0;
        for to in self.at.iter().copied().filter(|to| *to < body.len()) {
            pieces.push_back((body.slice(from..to), false));
            from = to;
        }
        if self.end_apart && !body.is_empty() {
            pieces.push_back((body.slice(from..), false));
            pieces.push_back((Bytes::new(), true));
        } else {
            pieces.push_back((body.slice(from..), true));
        }
        pieces
    }

    /// Every way for a short body; for others those that find most: whole, bytes, every cut in two, around the boundaries
    /// told, and some of chance.
    pub fn ways(length: usize, boundaries: &[usize], random: &mut Random) -> Vec<Cuts> {
        let mut ways = vec![Cuts::whole()];
        if length == 0 {
            return ways;
        }
        ways.push(Cuts::whole().with_end_apart());
        ways.push(Cuts::at(1..length).with_end_apart());
        if length <= ALL_WAYS {
            ways.extend(
                (1..1_usize << (length - 1))
                    .map(|mask| Cuts::at((1..length).filter(|at| mask >> (at - 1) & 1 == 1))),
            );
            return ways;
        }
        if length <= LONG {
            ways.push(Cuts::at(1..length));
            ways.extend((1..length).map(|at| Cuts::at([at])));
        } else {
            ways.push(Cuts::at((SMALL..length).step_by(SMALL)));
            ways.extend([1, length / 2, length - 1].map(|at| Cuts::at([at])));
        }
        for at in boundaries.iter().copied() {
            ways.push(Cuts::at([at.saturating_sub(1), at, at + 1]));
            ways.push(Cuts::at([at]));
        }
        ways.extend((0..CHANCES).map(|_| Cuts::chance(length, random)));
        ways
    }

    /// A way of chance.
    pub fn chance(length: usize, random: &mut Random) -> Cuts {
        let count = random.below(length.min(12)) + 1;
        let cuts = Cuts::at((0..count).map(|_| random.below(length.max(1))));
        if random.below(4) == 0 {
            cuts.with_end_apart()
        } else {
            cuts
        }
    }
}

impl std::fmt::Display for Cuts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &*self.at {
            [] => f.write_str("whole")?,
            at if at.len() > 12 => write!(f, "in {} pieces", at.len() + 1)?,
            at => write!(f, "cut at {at:?}")?,
        }
        if self.end_apart {
            f.write_str(", its end apart")?;
        }
        Ok(())
    }
}

impl std::fmt::Display for Chunking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let whole = Cuts::whole();
        let mut told = false;
        for (name, cuts) in [
            ("request body", &self.request),
            ("response body", &self.response),
            ("returned body", &self.returned),
        ] {
            if *cuts != whole {
                let comma = if told { "; " } else { "" };
                write!(f, "{comma}{name} {cuts}")?;
                told = true;
            }
        }
        if !told {
            f.write_str("bodies whole")?;
        }
        Ok(())
    }
}
