//! Connection actors and the transaction's steps: accept, read a request, look it up, answer from the cache or by way of an origin.
//!
//! Knows no module, runtime or storage tier, and no configuration file: the application hands it [`Settings`].
#![forbid(unsafe_code)]

pub mod record;
pub mod settings;
pub mod stats;

pub use record::{Record, TransactionLog};
pub use settings::Settings;
use std::{sync::Arc, time::Duration};

/// A running proxy: its workers, each with its own listeners, connections and upstream pool. Made on the thread of the actix system.
#[derive(Debug)]
pub struct Proxy { _p: () }
/// Why the proxy did not start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum StartError {
    #[error("listener `{name}`: cannot listen on {address}")] Bind { name: String, address: std::net::SocketAddr, #[source] source: std::io::Error },
    #[error("cannot start a worker")] Worker(#[source] std::io::Error),
}
impl Proxy {
    /// Binds every listener once a worker and starts the workers. All or nothing.
    pub async fn start(settings: Settings, log: Option<Arc<dyn TransactionLog>>) -> Result<Proxy, StartError> { todo!() }
    /// The addresses bound, by listener name (port 0 resolved).
    pub fn addresses(&self) -> Vec<(String, std::net::SocketAddr)> { todo!() }
    /// New connections and new transactions use the new settings; listeners that are new are bound first (an error changes nothing), those gone stop accepting and their connections drain.
    /// The number of workers cannot change while running.
    pub async fn reconfigure(&self, settings: Settings, log: Option<Arc<dyn TransactionLog>>) -> Result<(), StartError> { todo!() }
    /// Stops accepting, lets transactions finish, closes idle connections; after `bound` closes what is left. Answers how many were cut off.
    pub async fn drain(&self, bound: Duration) -> usize { todo!() }
    /// Counters of all workers, summed.
    pub fn stats(&self) -> stats::Snapshot { todo!() }
    /// The cache.
    pub fn cache(&self) -> understudy_cache::Cache { todo!() }
}
