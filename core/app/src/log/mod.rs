//! The access log: a line for each transaction, made on the worker, written by a thread.
//!
//! Invariant: a worker neither waits nor allocates more than the line itself; nothing a client or origin sends can forge a line.

pub(crate) mod escape;
pub(crate) mod json;
pub(crate) mod sink;
pub(crate) mod squid;
pub(crate) mod writer;

pub(crate) use sink::{Counts, Sink};
