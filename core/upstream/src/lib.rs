//! Origins: resolve, dial, pool, balance, fail over, and speak HTTP/1.1 to them. One [`Upstreams`] a worker; nothing here
//! is shared between threads but the cache of names and the health of servers.
//!
//! Deadlines of an exchange are the caller's (it drops the future); only dialling has a time-out of its own.
#![forbid(unsafe_code)]

mod balance;
mod dial;
pub mod error;
mod host;
pub mod hosts;
pub mod http1;
mod namer;
pub mod policy;
mod pool;
pub mod resolve;
mod shared;
mod worker;

use std::net::SocketAddr;
use std::time::Duration;
use understudy_http::wire::head::HeadLimits;

pub use balance::{BACKOFF_FIRST, BACKOFF_MAX};
pub use dial::ATTEMPT_DELAY;
pub use error::UpstreamError;
pub use http1::OriginStream;
pub use namer::{Named, Namer};
pub use policy::DialPolicy;
pub use shared::Shared;
pub use worker::Upstreams;

/// Settings.
#[derive(Debug, Clone)]
pub struct Config {
    /// For one `connect` as a whole: resolving, all addresses of a host, all servers of a group. Of a group, a server
    /// that is not the last to be tried has half of what is left.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
    /// Idle connections kept for one destination, on one worker.
    pub idle_per_destination: usize,
    /// Idle connections kept for all destinations, on one worker.
    pub idle_total: usize,
    /// What a response head may measure.
    pub head_limits: HeadLimits,
    /// Named groups of servers (`[[upstream]]`).
    pub groups: Vec<GroupConfig>,
}

/// A named group of servers.
#[derive(Debug, Clone)]
pub struct GroupConfig {
    /// Its name in the configuration.
    pub name: String,
    /// `host:port` each.
    pub servers: Vec<(String, u16)>,
}

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// Forward mode, guarded by the policy on the addresses actually dialled.
    Host {
        /// A name or a literal (brackets for IPv6), in lower case.
        host: Box<str>,
        /// The port.
        port: u16,
    },
    /// A named group: reverse mode. Index into [`Config::groups`].
    Group(usize),
    /// An address: transparent mode.
    Address {
        /// The address the client meant.
        to: SocketAddr,
        /// The client's address, to dial from (TPROXY with the client's address kept). Its port is not used: the
        /// client's own connection has it.
        from: Option<SocketAddr>,
    },
}
