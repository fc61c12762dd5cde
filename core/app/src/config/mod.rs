//! The configuration, in two stages: a strict *shape* (what may be written, [`shape`]) and checked *values* (what it means, [`values`]).
//!
//! Invariant: a [`Loaded`] holds only values that have been checked, and knows for each where it came from (flag, environment, file, default).
//! Awkward case: everything wrong is gathered and told at once, in the order of the file, not one mistake a run.

pub(crate) mod address;
pub(crate) mod document;
pub(crate) mod layers;
pub(crate) mod listeners;
pub(crate) mod module_command;
pub(crate) mod modules;
pub(crate) mod networks;
pub(crate) mod options;
pub(crate) mod print;
pub(crate) mod problem;
pub(crate) mod resolve;
pub(crate) mod rules;
pub(crate) mod schema;
pub(crate) mod shape;
pub(crate) mod suggest;
#[cfg(test)]
mod tests;
pub(crate) mod units;
pub(crate) mod values;

pub(crate) use layers::Layers;
pub(crate) use problem::Problems;
pub(crate) use values::Values;

use document::Document;
use resolve::{Entry, Resolver};
use std::{path::PathBuf, time::SystemTime};

/// A configuration that was read and checked.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    /// The values.
    pub(crate) values: Values,
    /// Each value as text with its origin, in the order of the documentation.
    pub(crate) entries: Vec<Entry>,
    /// The file read, if any.
    pub(crate) file: Option<PathBuf>,
    /// When it was read.
    pub(crate) at: SystemTime,
}

/// Reads the file the layers name (if any), lays flags and environment over it and checks the whole.
pub(crate) fn load(layers: &Layers) -> Result<Loaded, Problems> {
    let document = match &layers.config {
        Some(said) => Document::read(said)?,
        None => Document::default(),
    };
    let mut resolver = Resolver::new(layers, &document);
    let values = values::check(&mut resolver);
    let entries = resolver.finish()?;
    Ok(Loaded {
        values,
        entries,
        file: layers.config.as_ref().map(|said| PathBuf::from(&said.text)),
        at: SystemTime::now(),
    })
}
