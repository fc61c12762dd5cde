//! What is wrong with a configuration: the place, the key, the mistake and the cure.
//!
//! Invariant: a problem is one line and always says what to write instead.
//! Awkward case: a value may come from a flag or the environment; its place is then that flag's or variable's name.

use super::layers::Origin;
use std::{fmt, path::Path};

/// Where a value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Place {
    /// A file and, when known, line and column (from 1).
    File(String, Option<(usize, usize)>),
    /// A flag of the command line.
    Flag(&'static str),
    /// An environment variable.
    Environment(&'static str),
    /// Nowhere: a default, or something that is missing altogether.
    Nowhere,
}

/// A mistake in a value, before it is known where the value was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// What is wrong.
    pub(crate) message: String,
    /// What to do about it.
    pub(crate) cure: String,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    /// Where.
    pub(crate) place: Place,
    /// The dotted key; empty when there is none (a syntax error).
    pub(crate) key: String,
    /// What and what instead.
    pub(crate) fault: Fault,
}

/// Everything that is wrong, at least one problem.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Problems(pub(crate) Vec<Problem>);

impl Fault {
    /// A mistake and its cure.
    pub(crate) fn new(message: impl Into<String>, cure: impl Into<String>) -> Fault {
        Fault {
            message: message.into(),
            cure: cure.into(),
        }
    }
}

impl Place {
    /// A place in a file, or the file itself.
    pub(crate) fn file(path: &Path, at: Option<(usize, usize)>) -> Place {
        Place::File(path.display().to_string(), at)
    }

    /// The place of a value by its origin.
    pub(crate) fn of(origin: &Origin) -> Place {
        match origin {
            Origin::Flag(name) => Place::Flag(name),
            Origin::Environment(name) => Place::Environment(name),
            Origin::File { file, at } => Place::File(file.clone(), Some(*at)),
            Origin::Default => Place::Nowhere,
        }
    }

    fn order(&self) -> (u8, usize, usize) {
        match self {
            Place::Flag(_) => (0, 0, 0),
            Place::Environment(_) => (1, 0, 0),
            Place::File(_, at) => (2, at.unwrap_or_default().0, at.unwrap_or_default().1),
            Place::Nowhere => (3, 0, 0),
        }
    }
}

impl Problems {
    /// A single problem.
    pub(crate) fn one(place: Place, key: impl Into<String>, fault: Fault) -> Problems {
        Problems(vec![Problem {
            place,
            key: key.into(),
            fault,
        }])
    }

    /// Adds a problem.
    pub(crate) fn push(&mut self, place: Place, key: impl Into<String>, fault: Fault) {
        self.0.push(Problem {
            place,
            key: key.into(),
            fault,
        });
    }

    /// Whether nothing is wrong.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether every mistake was made on the command line: then it is a usage error.
    pub(crate) fn only_flags(&self) -> bool {
        self.0.iter().all(|p| matches!(p.place, Place::Flag(_)))
    }

    /// Sorted as one reads: flags, environment, then the file from its top.
    pub(crate) fn sorted(mut self) -> Problems {
        self.0.sort_by_key(|p| p.place.order());
        self.0.dedup();
        self
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Place::File(file, Some((line, column))) => write!(f, "{file}:{line}:{column}"),
            Place::File(file, None) => f.write_str(file),
            Place::Flag(name) | Place::Environment(name) => f.write_str(name),
            Place::Nowhere => f.write_str("configuration"),
        }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if !self.key.is_empty() && !matches!(self.place, Place::Flag(_) | Place::Environment(_)) {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}; {}", self.fault.message, self.fault.cure)
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, problem) in self.0.iter().enumerate() {
            if i > 0 {
                writeln!(f)?;
            }
            write!(f, "{problem}")?;
        }
        Ok(())
    }
}

impl std::error::Error for Problems {}
