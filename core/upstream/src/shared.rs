//! What all workers share: the cache of names and the servers' health.
//!
//! Invariant: nothing here is touched by an exchange on a pooled connection, but one atomic load of a server's health.

use crate::Config;
use crate::balance::Health;
use crate::hosts::HostsFile;
use crate::resolve::{Lookup, Names};
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

/// The resolver's cache and the servers' health, shared by all workers.
#[derive(Debug)]
pub struct Shared {
    pub(crate) names: Arc<Names>,
    health: Mutex<HashMap<(String, u16), Arc<Health>>>,
    start: Instant,
}

impl Shared {
    /// Reads the system's resolver configuration and hosts file; literals and `localhost` need neither.
    pub fn new(config: &Config) -> Arc<Shared> {
        Shared::with_names(config, Names::system())
    }

    /// With a hosts file of one's own, and a source of addresses in the place of DNS (none: the hosts file only).
    pub fn with_lookup(
        config: &Config,
        hosts: HostsFile,
        lookup: Option<Arc<dyn Lookup>>,
    ) -> Arc<Shared> {
        Shared::with_names(config, Names::custom(hosts, lookup))
    }

    fn with_names(config: &Config, names: Names) -> Arc<Shared> {
        let servers = config.groups.iter().flat_map(|group| &group.servers);
        let health = servers
            .map(|server| (server.clone(), Arc::default()))
            .collect();
        Arc::new(Shared {
            names: Arc::new(names),
            health: Mutex::new(health),
            start: Instant::now(),
        })
    }

    /// A server's health, by its name: it outlives a change of the configuration.
    pub(crate) fn health(&self, server: &(String, u16)) -> Arc<Health> {
        let mut health = self.health.lock().unwrap_or_else(PoisonError::into_inner);
        health.entry(server.clone()).or_default().clone()
    }

    /// Milliseconds since this was made: the clock of [`Health`].
    pub(crate) fn clock(&self) -> u64 {
        self.start.elapsed().as_millis() as u64
    }
}
