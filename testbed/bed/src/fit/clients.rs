//! Who asks, how many at a time, and how much on a connection.
//!
//! Invariant: minutes, clients and connections under way are each held below a limit; beyond it new ones are not told apart, and the old
//! ones stay. Awkward case: most logs do not tell connections; there a client's requests without a longer pause than [`IDLE`] count as one.

use super::{entry::Entry, sample::Sample};
use std::collections::{BTreeMap, HashMap, HashSet};

/// Seconds without a request after which a connection is taken for closed, as the standard workloads' servers close them.
const IDLE: f64 = 15.0;

/// The most minutes told apart: two years.
const MINUTES: usize = 1 << 20;

/// The most clients, and connections at a time.
const CLIENTS: usize = 1 << 20;

#[derive(Debug)]
pub(super) struct Clients {
    /// Requests and clients of each minute since 1970.
    minutes: BTreeMap<i64, (u32, u32)>,
    now: (i64, HashSet<u64>),
    all: HashSet<u64>,
    /// When each connection was last used, and for how many requests.
    open: HashMap<u64, (f64, u32)>,
    /// Requests of each connection that is over.
    pub(super) connections: Sample,
    /// Whether the log itself told connections.
    pub(super) told: bool,
    swept: f64,
}

/// The busiest minute.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Busiest {
    pub(super) requests: u32,
    pub(super) clients: u32,
}

impl Clients {
    pub(super) fn new() -> Self {
        Self {
            minutes: BTreeMap::new(),
            now: (i64::MIN, HashSet::new()),
            all: HashSet::new(),
            open: HashMap::new(),
            connections: Sample::new(10),
            told: false,
            swept: 0.0,
        }
    }

    pub(super) fn ask(&mut self, entry: &Entry<'_>) {
        let minute = (entry.end / 60.0).floor() as i64;
        if self.now.0 != minute {
            self.now = (minute, HashSet::new());
        }
        let fresh = entry.client.is_some_and(|c| {
            if self.all.len() < CLIENTS {
                self.all.insert(c);
            }
            self.now.1.len() < CLIENTS && self.now.1.insert(c)
        });
        if self.minutes.len() < MINUTES || self.minutes.contains_key(&minute) {
            let counts = self.minutes.entry(minute).or_default();
            counts.0 = counts.0.saturating_add(1);
            counts.1 = counts.1.saturating_add(u32::from(fresh));
        }
        self.told |= entry.connection.is_some();
        if let Some(connection) = entry.connection.or(entry.client) {
            self.connection(connection, entry.end, entry.connection.is_some());
        }
    }

    fn connection(&mut self, which: u64, now: f64, told: bool) {
        if self.open.len() >= CLIENTS || now > self.swept + 600.0 {
            self.swept = now;
            let full = self.open.len() >= CLIENTS;
            self.close(|last| full || now - last > IDLE);
        }
        let open = self.open.entry(which).or_insert((now, 0));
        // A told connection may have been idle longer, and a port used again much later is another connection.
        let idle = if told { 300.0 } else { IDLE };
        if now - open.0 > idle {
            self.connections.add(f64::from(open.1));
            open.1 = 0;
        }
        *open = (now.max(open.0), open.1.saturating_add(1));
    }

    /// Connections still open at the log's end are over with it.
    pub(super) fn finish(&mut self) {
        self.close(|_| true);
    }

    fn close(&mut self, over: impl Fn(f64) -> bool) {
        let mut counts: Vec<u32> = Vec::new();
        self.open.retain(|_, (last, count)| {
            let over = over(*last);
            counts.extend(over.then_some(*count));
            !over
        });
        // The map's order is another one each time; a sample's must not be.
        counts.sort_unstable();
        for count in counts {
            self.connections.add(f64::from(count));
        }
    }

    pub(super) fn distinct(&self) -> usize {
        self.all.len()
    }

    pub(super) fn busiest(&self) -> Busiest {
        let found = self.minutes.values().max_by_key(|(requests, _)| *requests);
        found.map_or(Busiest::default(), |&(requests, clients)| Busiest {
            requests,
            clients,
        })
    }

    /// The first minute and the last, and requests of those between that have any.
    pub(super) fn minutes(&self) -> Option<(i64, i64, impl Iterator<Item = (i64, u32)>)> {
        let (first, last) = (
            *self.minutes.first_key_value()?.0,
            *self.minutes.last_key_value()?.0,
        );
        let all = self
            .minutes
            .iter()
            .map(|(minute, counts)| (*minute, counts.0));
        Some((first, last, all))
    }
}
