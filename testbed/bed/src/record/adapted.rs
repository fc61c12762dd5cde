//! What became of answers that a proxy may change on purpose.
//!
//! Invariant: an answer is counted once for each adaptation that was meant for it, with exactly one fate. Awkward case: what was not
//! judged, because it had no end, is told apart from what was right.

use serde::{Deserialize, Serialize};

/// A way in which a proxy changes content on purpose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Adaptation {
    /// Pictures become gray.
    Gray,
    /// Bodies are compressed for clients that ask for it.
    Compressed,
    /// A text is put into pages.
    Injected,
}

impl Adaptation {
    /// Its name, as a command line has it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Gray => "gray",
            Self::Compressed => "compressed",
            Self::Injected => "injected",
        }
    }
}

/// What became of an answer that an adaptation was meant for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// Adapted, and the original through the adaptation.
    Adapted,
    /// The original, byte for byte.
    Passed,
    /// The original, as it has to be: this robot did not ask.
    Unasked,
    /// Something else.
    Wrong,
    /// It had no end, or does not come out of its coding, or nobody had time for it.
    Unjudged,
}

/// Answers that an adaptation was meant for, by what became of them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Adapted {
    pub adapted: u64,
    pub passed: u64,
    pub unasked: u64,
    pub wrong: u64,
    pub unjudged: u64,
}

impl Adapted {
    pub(crate) fn count(&mut self, fate: Fate) {
        *match fate {
            Fate::Adapted => &mut self.adapted,
            Fate::Passed => &mut self.passed,
            Fate::Unasked => &mut self.unasked,
            Fate::Wrong => &mut self.wrong,
            Fate::Unjudged => &mut self.unjudged,
        } += 1;
    }

    pub(crate) fn merge(&mut self, other: &Self) {
        self.adapted += other.adapted;
        self.passed += other.passed;
        self.unasked += other.unasked;
        self.wrong += other.wrong;
        self.unjudged += other.unjudged;
    }
}
