//! The clients before the proxy.
//!
//! - `plan`: what a run is, as the command line or a table says it. `command`: that command line.
//! - `run`: a run from plan to results. `identity`, `name`: what results tell of the plan. `start`: the proxy's command. `side`, `observer`:
//!   origin and proxy looked at.
//! - `load`: all robots, their connections and queues; `drive`: through the phases; `exchange`: one request and its answer.
//! - `ceiling`, `closed`: what the generator itself can do.
//! - `answer`, `head`: a strict HTTP reader. `request`: requests as bytes. `connection`: what they go over.
//! - `adapting`: answers that modules may change on purpose; `judges`: the threads that decode them,
//!   `tags`: their entity tags.
//! - `judging`: the oracle at work; `kept`: what it found fault with, kept.
//! - `clock`, `timer`: time, to the microsecond. `interrupt`: Ctrl-C at any stage.

mod adapting;
mod answer;
mod ceiling;
mod clock;
mod closed;
mod command;
mod connection;
mod drive;
mod exchange;
mod head;
mod identity;
mod interrupt;
mod judges;
mod judging;
mod kept;
mod load;
mod name;
mod observer;
mod plan;
mod request;
mod run;
mod side;
mod start;
mod tags;
mod timer;

pub use ceiling::{CeilingArgs, ceiling, ceiling_command};
pub use command::{RunArgs, robots_command, run_command, tell};
pub use interrupt::hear;
pub use plan::{Mode, Plan, Shape};
pub use run::{Error, run, run_arrivals};
