//! A connection's life: how many requests it has, and what its handshake cost.
//!
//! 1. Accepted: a number of requests is drawn for it.
//! 2. Its first request waits for the handshake that the emulated network owes.
//! 3. Its last request's answer says `Connection: close`.
//!
//! Awkward case: connections are numbered as they are accepted, so which of them has how many requests is not the same in two runs;
//! the distribution is.

use super::{
    drawn,
    statistics::{Counters, count},
};
use crate::{seed::Stream, world::World};
use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering::Relaxed},
};

/// A connection that is open.
#[derive(Debug)]
pub(super) struct Connection {
    /// Its number, from 0.
    number: u64,
    answered: AtomicU64,
    counters: Arc<Counters>,
}

/// A request's place on its connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Turn {
    pub(super) first: bool,
    pub(super) last: bool,
}

impl Connection {
    /// A connection just accepted.
    pub(super) fn accepted(number: u64, counters: &Arc<Counters>) -> Self {
        count(&counters.open);
        Self {
            number,
            answered: AtomicU64::new(0),
            counters: Arc::clone(counters),
        }
    }

    /// The next request's turn.
    pub(super) fn turn(&self, world: &World) -> Turn {
        let before = self.answered.fetch_add(1, Relaxed);
        if before == 0 {
            // Here, and not when it is accepted: robots on another machine have connections of their own for each question.
            count(&self.counters.connections);
        }
        let limit = world
            .workload()
            .connections
            .server
            .sample(&mut self.stream(world, drawn::CONNECTION))
            .max(1.0);
        let last = (before + 1) as f64 >= limit.floor();
        if last {
            count(&self.counters.worn);
        }
        Turn {
            first: before == 0,
            last,
        }
    }

    /// Numbers for this connection.
    pub(super) fn stream(&self, world: &World, what: u64) -> Stream {
        world.seed().stream(&drawn::of(what, self.number))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.counters.open.fetch_sub(1, Relaxed);
    }
}
