//! Where hooks fire: the chain of modules, and each transaction's way through it.
//!
//! The settings name the modules in order; requests meet them first to last, responses last to first unless told otherwise.

pub(crate) mod chain;
pub(crate) mod edited;
pub(crate) mod filter;
pub(crate) mod handle;
mod matcher;
pub(crate) mod party;
mod round;
mod seen;
mod waiting;
pub(crate) mod whence;

pub use matcher::Matcher;

use std::sync::Arc;
use understudy_runtimes::Loaded;

/// Whether hooks are compiled in; without, the interface costs nothing at all, which is what benchmarks compare with.
pub(crate) const FIRE: bool = cfg!(feature = "modules");

/// The modules in force.
#[derive(Debug, Clone, Default)]
pub struct Modules {
    /// In the order of the configuration.
    pub members: Vec<Member>,
    /// Responses meet the modules in the order of requests, not the other way round.
    pub same_order: bool,
    /// Answers carry Server-Timing with what each module cost (W3C Server Timing).
    pub server_timing: ServerTiming,
}

/// When answers carry Server-Timing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ServerTiming {
    /// Never.
    #[default]
    Off,
    /// When the request asks for it with `Understudy-Timing: 1`.
    Asked,
    /// Always.
    Always,
}

/// A module, and which transactions it sees.
#[derive(Debug, Clone)]
pub struct Member {
    /// The module.
    pub module: Arc<Loaded>,
    /// Which transactions.
    pub matcher: Matcher,
}
