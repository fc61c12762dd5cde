//! A black box over sockets: clients and origins that show exact bytes, and the built proxy between them.
//!
//! Owns a small HTTP/1 reader and writer of its own and takes nothing from the proxy's crates, or one bug would hide itself.
//! Everything blocks, on threads; tests meet at events ([`Gate`], [`Origin::wait_requests`], [`Proxy::wait_stderr`]) and every wait
//! has a bound ([`PATIENCE`]) past which the test fails. The awkward case: a panic on an origin's thread is kept and raised when
//! the origin is dropped, so that a failed script fails its test.
#![forbid(unsafe_code)]
// A harness fails by panicking; that is its report.
#![allow(clippy::unwrap_used)]

pub mod client;
pub mod date;
pub mod gate;
pub mod message;
pub mod modules;
pub mod netns;
pub mod origin;
pub mod programs;
pub mod proxy;
pub mod rendezvous;
pub mod reserved;
pub mod settled;
pub mod site;
pub mod wire;

pub use client::{Client, get};
pub use date::http_date;
pub use gate::Gate;
pub use message::{Framing, Head, Request, Response, reply};
pub use origin::{Conn, Origin};
pub use programs::{Finished, Nginx, run};
pub use proxy::{Launch, Proxy};
pub use rendezvous::Rendezvous;
pub use reserved::Reserved;
pub use settled::settled;
pub use site::Site;

/// The bound of every wait: long enough for a machine that stalls for seconds, so that reaching it means a failure.
pub const PATIENCE: std::time::Duration = std::time::Duration::from_secs(60);
