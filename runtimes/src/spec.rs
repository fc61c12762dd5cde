//! What the configuration says of a module.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use understudy_module::Module;

/// The execution model: the one word that decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A direct call on the worker's stack.
    Inline,
    /// A bounded pool of threads.
    Threads,
    /// Child processes of the same binary.
    Process,
}

impl Kind {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Kind::Inline => "inline",
            Kind::Threads => "threads",
            Kind::Process => "process",
        }
    }
}

/// What becomes of a transaction whose module fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OnFailure {
    /// It goes on without the module, while no byte of the module's work has been given away.
    Open,
    /// 502, or the connection is cut when the answer has begun.
    Closed,
}

/// A module's table in the configuration, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Spec {
    /// Its name: in logs, counters, commands.
    pub name: Arc<str>,
    /// `builtin:NAME` or a path.
    pub library: String,
    /// The runtime.
    pub kind: Kind,
    /// The rest of what the runtime needs to know.
    pub limits: Limits,
    /// `[module.options]`, tables dotted, arrays numbered from 0.
    pub options: BTreeMap<String, String>,
}

/// Ceilings of a module.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Threads of the pool, or of each child.
    pub threads: usize,
    /// Children.
    pub processes: usize,
    /// Niceness of the children, 0 to 19.
    pub nice: i32,
    /// Address space of each child in bytes (RLIMIT_AS); `None`: no limit.
    pub memory: Option<u64>,
    /// How long one call of one hook may take, waiting included.
    pub deadline: Duration,
    /// Calls that may wait for a thread or a child; beyond, a transaction gets the policy.
    pub queue: usize,
    /// Bytes of bodies that the module may hold, over all its transactions.
    pub hold: u64,
    /// The policy.
    pub on_failure: OnFailure,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            threads: 2,
            processes: 1,
            nice: 0,
            memory: None,
            deadline: Duration::from_secs(5),
            queue: 1024,
            hold: 16 * 1024 * 1024,
            on_failure: OnFailure::Closed,
        }
    }
}

/// Where instances of a module come from: linked in, or loaded from a file.
pub trait Library: std::fmt::Debug + Send + Sync {
    /// Makes an instance.
    ///
    /// # Errors
    /// A sentence that says why not.
    fn make(&self) -> Result<Arc<dyn Module>, String>;
}
