//! Phases on the clock of one run: scaled, with their beginnings.
//!
//! Awkward case: a phase `until_fill` has no known end; the plan holds the latest, and the robots move on before it.

use super::{Error, Workload};
use serde::{Deserialize, Serialize};

/// How a workload is run: what the command line says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Peak requests a second.
    pub peak: f64,
    /// How many robots: peak over the rate of one, at least 1.
    pub robots: u32,
    /// The most objects in the working set.
    pub working_set: u64,
    /// The phases, one behind the other from second 0.
    pub phases: Vec<Phase>,
}

/// A phase of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// What it is called.
    pub name: String,
    /// Seconds from the run's beginning.
    pub begin: f64,
    /// Seconds it lasts, at most.
    pub seconds: f64,
    /// Requests a second at its beginning.
    pub from: f64,
    /// Requests a second at its end.
    pub to: f64,
    /// It ends when the origin has sent this many cachable bytes that robots asked for the first time.
    pub until_stored: Option<u64>,
    /// What recurrence is multiplied by.
    pub recurrence: f64,
    /// What the shares of request types are multiplied by.
    pub special: f64,
    /// Whether figures are quoted from it.
    pub measured: bool,
}

impl Schedule {
    /// The workload's phases at `scale` times their lengths and at this peak rate (the workload's own, if none is given), beside a
    /// cache of `cache` bytes.
    ///
    /// # Errors
    /// A scale or rate that is not above 0, or a phase that fills and no cache size.
    pub fn new(
        workload: &Workload,
        scale: f64,
        rate: Option<f64>,
        cache: Option<u64>,
    ) -> Result<Self, Error> {
        todo!()
    }

    /// Seconds of the whole run, at most.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.phases.last().map_or(0.0, |p| p.begin + p.seconds)
    }
}
