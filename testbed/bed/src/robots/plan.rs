//! What a run is: which workload at which pace, against which proxy, with what beside it.

use crate::{
    oracle::Adaptations,
    workload::{Error, Schedule, Workload},
};
use std::{net::SocketAddr, path::PathBuf, time::Duration};

/// What the robots take the proxy for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Mode {
    /// A forward proxy: requests name the whole URL, with the origin's address.
    Forward,
    /// A reverse proxy: requests go to it as to the origin.
    Reverse,
}

/// Which phases a run has.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Shape {
    /// Those of the workload, their lengths multiplied.
    Scaled(f64),
    /// One to two minutes: warm, ramp, a minute's plateau.
    Quick,
    /// A warm phase and one measured plateau of so many seconds.
    Plateau {
        /// Seconds of warming.
        warm: f64,
        /// Seconds of plateau.
        plateau: f64,
    },
}

/// A run, all of it.
#[derive(Debug, Clone)]
pub struct Plan {
    /// What traffic is like.
    pub workload: Workload,
    /// Which phases.
    pub shape: Shape,
    /// Peak requests a second; the workload's own, if none is given.
    pub rate: Option<f64>,
    /// The proxy's cache size in bytes: filling phases and false misses are measured by it.
    pub cache: Option<u64>,
    /// The seed of everything.
    pub seed: u64,
    /// Unix seconds that lives of objects begin at; now, if none is given.
    pub epoch: Option<i64>,
    /// The proxy.
    pub proxy: SocketAddr,
    /// What it is taken for.
    pub mode: Mode,
    /// How many addresses the origin has.
    pub servers: usize,
    /// Where the origin listens: port 0 for any, else the first of `servers` ports in a row.
    pub listen: SocketAddr,
    /// An origin that runs elsewhere: nothing is started here then.
    pub origin: Option<SocketAddr>,
    /// The command that starts the proxy, with `{proxy}`, `{host}`, `{port}` and `{origin}` to be filled in.
    pub start: Option<String>,
    /// What the proxy is called in reports; by its command, if nothing is given.
    pub name: Option<String>,
    /// Processes to watch beside it, with their children.
    pub watch: Vec<u32>,
    /// Instead of what is due when it is due: so many requests always under way.
    pub closed: Option<usize>,
    /// Robots talk to the origin itself: no proxy is between.
    pub direct: bool,
    /// What the proxy may change on purpose: it is judged through that.
    pub adapts: Adaptations,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Where faulty exchanges, results and report go; nowhere, if none is given.
    pub out: Option<PathBuf>,
}

impl Plan {
    /// A run of this workload against this proxy, everything else as usual.
    #[must_use]
    pub fn new(workload: Workload, proxy: SocketAddr) -> Self {
        Self {
            workload,
            shape: Shape::Scaled(1.0),
            rate: None,
            cache: None,
            seed: 1,
            epoch: None,
            proxy,
            mode: Mode::Forward,
            servers: 1,
            listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            origin: None,
            start: None,
            name: None,
            watch: Vec::new(),
            closed: None,
            direct: false,
            adapts: Adaptations::default(),
            timeout: Duration::from_secs(60),
            out: None,
        }
    }

    /// Its phases.
    ///
    /// # Errors
    /// A scale or rate that is not above 0, or a phase that fills and no cache size.
    pub fn schedule(&self) -> Result<Schedule, Error> {
        match self.shape {
            Shape::Scaled(scale) => Schedule::new(&self.workload, scale, self.rate, self.cache),
            Shape::Quick => Schedule::quick(&self.workload, self.rate),
            Shape::Plateau { warm, plateau } => {
                let rate = self.rate.unwrap_or(self.workload.demand.peak);
                Schedule::plateau(&self.workload, rate, warm, plateau)
            }
        }
    }

    /// What the lengths of phases are multiplied by; 1 where the plan has phases of its own.
    pub(crate) fn scale(&self) -> f64 {
        match self.shape {
            Shape::Scaled(scale) => scale,
            Shape::Quick | Shape::Plateau { .. } => 1.0,
        }
    }
}
