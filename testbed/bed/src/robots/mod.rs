//! The clients before the proxy.
//!
//! - [`plan`]: what a run is, as the command line or a table says it.

mod command;
mod plan;

pub use command::{RunArgs, run_command};
pub use plan::{Mode, Plan, Shape};
