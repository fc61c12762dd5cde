//! Where hooks run.
//!
//! A [`Stage`] is opened once for each set of options; what is open is [`Seated`] and takes calls for any number of transactions at
//! once, one call a transaction. It knows nothing of cases: the order of hooks is the kit's.

use crate::about::{About, Hook};
use crate::edits::Edits;
use crate::event::Event;
use crate::verdict::Verdict;
use bytes::Bytes;
use std::collections::BTreeMap;

/// A place where a module can be run.
pub trait Stage {
    /// Its name in reports.
    fn name(&self) -> String;

    /// Loads the module with these options.
    ///
    /// # Errors
    /// A sentence that says why not.
    fn open(&self, options: &BTreeMap<String, String>) -> Result<Box<dyn Seated>, String>;
}

/// A module that is loaded.
pub trait Seated {
    /// What it says of itself.
    fn about(&self) -> &About;

    /// Calls a hook that it declares.
    fn call(&mut self, event: &Event<'_>) -> Call;

    /// Waits for the end of any call under way: its transaction, and what came of it. `None` when there is none.
    fn wait(&mut self) -> Option<(u64, Outcome)>;

    /// From now on the module may inject into the answer of this transaction.
    fn answering(&mut self, transaction: u64);

    /// Its answer is over: what was injected.
    fn answered(&mut self, transaction: u64) -> Vec<Bytes>;

    /// The transaction is over: `free`, if any hook of it was called.
    fn free(&mut self, transaction: u64);

    /// What the module itself heard of the ends of these transactions, which are over: `free`, and whatever came behind it. Nothing, where
    /// that did not come; waits for it a while.
    fn ends(&mut self, transactions: &[u64]) -> Vec<Vec<Hook>>;
}

/// What a call gives at once.
#[derive(Debug)]
pub enum Call {
    /// It is over.
    Over(Outcome),
    /// It is under way: [`Seated::wait`].
    UnderWay,
}

/// What came of a call.
#[derive(Debug)]
pub struct Outcome {
    /// The verdict, never `Pending` or `Fail`.
    pub verdict: Result<Verdict, Failed>,
    /// The edits made; none by a call that failed.
    pub edits: Edits,
}

/// A call came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failed {
    /// The word, which must be the same on every stage.
    pub word: String,
    /// The reason, for people.
    pub why: String,
}

impl Failed {
    /// A failure.
    pub fn new(word: &str, why: impl Into<String>) -> Failed {
        Failed {
            word: word.to_owned(),
            why: why.into(),
        }
    }
}

impl From<Failed> for Outcome {
    fn from(failed: Failed) -> Outcome {
        Outcome {
            verdict: Err(failed),
            edits: Edits::new(),
        }
    }
}
