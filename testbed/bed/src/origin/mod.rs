//! The server behind the proxy: every object of the world, at the pace the workload says.
//!
//! It runs on threads of its own, beside the robots or on another machine, and keeps nothing for an object: what it answers is a
//! function of the request, the seed and the time. Awkward case: started apart from the robots it does not know when the run begins,
//! on which the versions of objects hang; until they tell it ([`remote`]), it answers 503.

mod answer;
mod body;
pub mod ceiling;
mod clock;
pub mod command;
mod condition;
mod connection;
mod control;
mod drawn;
mod files;
mod handle;
pub mod network;
mod private;
pub mod remote;
mod seen;
mod server;
mod statistics;
mod wall;

pub use answer::breaks_off;
pub use clock::{Offset, Reading, Sight, offset};
pub use control::{Begin, Clock, Hello};
pub use files::raise_open_files;
pub use private::{NoReply, REPLY, REQUEST, Reply, number, posted};
pub use server::{Running, start};
pub use statistics::Statistics;
pub use wall::Wall;

use crate::{
    content::Library,
    seed::Seed,
    world::{Object, World, draw},
};
use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
};

#[cfg(test)]
mod network_tests;
#[cfg(test)]
mod tests;

/// What an origin is started with.
#[derive(Debug, Clone)]
pub struct Config {
    /// What it serves.
    pub world: World,
    /// Parts of bodies.
    pub library: Arc<Library>,
    /// Where it listens; a port of 0 is any that is free.
    pub listen: Vec<SocketAddr>,
    /// The workload's file, told to robots on another machine.
    pub workload_text: String,
    /// [`Library::digest`], told to robots on another machine, whose own must be the same.
    pub digest: Option<u32>,
    /// The share of objects whose answers are sent in chunks, without Content-Length.
    pub chunked: f64,
    /// Threads that answer.
    pub workers: usize,
    /// Whether robots tell the run's beginning; the world's own is then not used.
    pub wait: bool,
    /// What it tells the time by.
    pub wall: Wall,
}

impl Config {
    /// One listener on any free port of this machine alone, one thread, nothing in chunks.
    #[must_use]
    pub fn new(world: World, library: Arc<Library>) -> Self {
        Self {
            world,
            library,
            listen: vec![SocketAddr::from((Ipv4Addr::LOCALHOST, 0))],
            workload_text: String::new(),
            digest: None,
            chunked: 0.0,
            workers: 1,
            wait: false,
            wall: Wall::default(),
        }
    }
}

/// Which of so many servers an object is on. An origin answers for every object on each of its servers; robots ask this one.
#[must_use]
pub fn server_of(seed: Seed, object: Object, servers: usize) -> usize {
    let number = seed.number(&[draw::ORIGIN, u64::from(object.kind), object.id]);
    // The remainder of a usize fits in one.
    (number % servers.max(1) as u64) as usize
}
