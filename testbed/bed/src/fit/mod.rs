//! What is made of access logs: a workload file of the same shape of traffic, and a replay of the log itself.
//!
//! 1. `lines`: a log's lines, gzip or not, none longer than a limit. `squid`, `common`, `json`: a line's [`Entry`]. [`log`]: all
//!    entries of a log, with what could not be read counted.
//! 2. `sample`, `urls`, `clients`, [`survey`]: what is counted of the entries, in memory that does not grow with the log.
//! 3. `choose`, `zipf`, `popularity`, `phases`, `contents`, `asked`, [`build`]: the workload those figures are of. [`mod@write`]: its file, saying what was measured and what assumed.
//! 4. [`replay`]: the log's requests, in its order and at its times, as arrivals of the fitted workload's world.
//! 5. [`command`]: the command line of both.
//!
//! Invariant: nothing that a log names (URLs, hosts, clients, users, queries) leaves this module; what is kept of them is hashes, and
//! what is written is numbers.

mod asked;
pub mod build;
mod choose;
mod clients;
pub mod command;
mod common;
mod contents;
pub mod entry;
mod json;
mod kinds;
mod likeness;
mod lines;
pub mod log;
mod notes;
mod phases;
mod popularity;
pub mod replay;
mod sample;
mod squid;
pub mod survey;
mod urls;
pub mod write;
mod zipf;

#[cfg(test)]
mod tests;

pub use entry::Entry;
