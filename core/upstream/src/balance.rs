//! Which server of a group is tried, and in what order: least outstanding requests, in turn among equals, and passive
//! health shared by all workers.
//!
//! Invariant: one `connect` tries each server at most once, healthy ones first, then those set aside, the least recently
//! failed first. Awkward case: when the back-off of a server ends, one request tries it and the others still pass it by.

use crate::pool::Slot;
use smallvec::SmallVec;
use std::cell::Cell;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// How long a server is set aside after its first failure; doubled with each one that follows.
pub const BACKOFF_FIRST: Duration = Duration::from_secs(1);
/// The longest a server is set aside.
pub const BACKOFF_MAX: Duration = Duration::from_secs(30);

/// A server's health: a hint, so its parts need not change together. Times are milliseconds since a common start.
#[derive(Debug, Default)]
pub(crate) struct Health {
    /// Zero when the server is well; else when it may be tried again.
    retry_at: AtomicU64,
    failed_at: AtomicU64,
    failures: AtomicU32,
}

impl Health {
    /// Whether the server is not set aside at all (reads no clock).
    pub(crate) fn is_well(&self) -> bool {
        self.retry_at.load(Relaxed) == 0
    }

    /// Whether its back-off is over.
    fn may_retry(&self, now: u64) -> bool {
        now >= self.retry_at.load(Relaxed)
    }

    /// Claims the trial of a server whose back-off is over: others pass it by until this one has failed or succeeded.
    fn claim(&self, now: u64) {
        let retry_at = self.retry_at.load(Relaxed);
        if retry_at != 0 {
            let next = now.max(1) + self.backoff();
            let _ = self
                .retry_at
                .compare_exchange(retry_at, next, Relaxed, Relaxed);
        }
    }

    fn backoff(&self) -> u64 {
        let doublings = self.failures.load(Relaxed).saturating_sub(1).min(16);
        let backoff = BACKOFF_FIRST
            .saturating_mul(1 << doublings)
            .min(BACKOFF_MAX);
        backoff.as_millis() as u64
    }

    /// A connect failed.
    pub(crate) fn failed(&self, now: u64) {
        // Many requests can fail in one outage; only failures after the back-off make it longer.
        if self.is_well() || now.saturating_sub(self.failed_at.load(Relaxed)) >= self.backoff() {
            let failures = self.failures.load(Relaxed);
            self.failures.store(failures.saturating_add(1), Relaxed);
        }
        self.failed_at.store(now, Relaxed);
        self.retry_at.store(now.max(1) + self.backoff(), Relaxed);
    }

    /// A connect succeeded.
    pub(crate) fn succeeded(&self) {
        if !self.is_well() {
            self.failures.store(0, Relaxed);
            self.retry_at.store(0, Relaxed);
        }
    }
}

/// One server of a group, as a worker sees it.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) slot: Rc<Slot>,
    pub(crate) health: Arc<Health>,
}

/// A group of servers, as a worker sees it.
#[derive(Debug)]
pub(crate) struct Group {
    pub(crate) servers: Vec<Server>,
    turn: Cell<usize>,
}

impl Group {
    pub(crate) fn new(servers: Vec<Server>) -> Group {
        Group {
            servers,
            turn: Cell::new(0),
        }
    }

    /// The healthy server with the fewest requests outstanding, by turns among equals, and its place. `None`: none is
    /// healthy. This is the fast path: it reads no clock.
    pub(crate) fn pick(&self) -> Option<(usize, &Server)> {
        if let [only] = self.servers.as_slice() {
            return only.health.is_well().then_some((0, only));
        }
        let well = self.in_turn().filter(|(_, server)| server.health.is_well());
        // Of equals the first is taken, which is the one whose turn it is.
        well.min_by_key(|(_, server)| server.slot.outstanding.get())
    }

    /// Notes that the server at this place was chosen: the next one's turn comes.
    pub(crate) fn chose(&self, at: usize) {
        self.turn.set(at + 1);
    }

    /// The order in which a new connection is tried.
    pub(crate) fn order(&self, now: u64) -> SmallVec<[&Server; 8]> {
        let mut order: SmallVec<[(usize, &Server); 8]> = self.in_turn().collect();
        // Stable: equals stay in turn.
        order.sort_by_key(|(_, server)| {
            let health = &server.health;
            if health.is_well() || health.may_retry(now) {
                (0, server.slot.outstanding.get() as u64)
            } else {
                (1, health.failed_at.load(Relaxed))
            }
        });
        if let Some((at, _)) = order.first() {
            self.chose(*at);
        }
        order.into_iter().map(|(_, server)| server).collect()
    }

    /// All servers with their places, beginning with the one whose turn it is.
    fn in_turn(&self) -> impl Iterator<Item = (usize, &Server)> {
        let start = self.turn.get() % self.servers.len().max(1);
        let (before, from) = self.servers.split_at(start);
        from.iter()
            .chain(before)
            .enumerate()
            .map(move |(i, server)| ((start + i) % self.servers.len(), server))
    }
}

impl Server {
    /// Called just before the server is tried.
    pub(crate) fn claim(&self, now: u64) {
        self.health.claim(now);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn group(servers: usize) -> Group {
        let server = |at: usize| Server {
            host: at.to_string(),
            port: 80,
            slot: Slot::new(),
            health: Arc::default(),
        };
        Group::new((0..servers).map(server).collect())
    }

    #[track_caller]
    fn check_order(group: &Group, now: u64, expected: &[&str]) {
        let order: Vec<&str> = group.order(now).iter().map(|s| s.host.as_str()).collect();
        assert_eq!(order, expected);
    }

    #[test]
    fn equals_take_turns() {
        let group = group(3);
        check_order(&group, 0, &["0", "1", "2"]);
        check_order(&group, 0, &["1", "2", "0"]);
        check_order(&group, 0, &["2", "0", "1"]);
        check_order(&group, 0, &["0", "1", "2"]);
    }

    #[test]
    fn the_least_busy_goes_first() {
        let group = group(3);
        group.servers[0].slot.outstanding.set(2);
        group.servers[1].slot.outstanding.set(1);
        check_order(&group, 0, &["2", "1", "0"]);
        assert_eq!(group.pick().unwrap().1.host, "2");
        group.servers[2].slot.outstanding.set(3);
        assert_eq!(group.pick().unwrap().1.host, "1");
    }

    #[test]
    fn what_failed_goes_last_and_the_least_recent_of_them_first() {
        let group = group(3);
        group.servers[0].health.failed(200);
        group.servers[1].health.failed(100);
        check_order(&group, 300, &["2", "1", "0"]);
        assert_eq!(group.pick().unwrap().1.host, "2");
        group.servers[2].health.failed(250);
        assert!(group.pick().is_none());
        check_order(&group, 300, &["1", "0", "2"]);
    }

    #[test]
    fn back_off_doubles_up_to_its_end_and_success_ends_it() {
        let health = Health::default();
        let mut now = 0;
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            health.failed(now);
            let until = now.max(1) + seconds * 1000;
            assert!(!health.may_retry(until - 1), "after {seconds}");
            assert!(health.may_retry(until), "after {seconds}");
            now = until;
        }
        health.succeeded();
        assert!(health.is_well());
        health.failed(now);
        assert!(health.may_retry(now + 1000));
    }

    #[test]
    fn many_failures_at_once_count_as_one() {
        let health = Health::default();
        for now in 0..100 {
            health.failed(now);
        }
        assert!(health.may_retry(99 + 1000));
    }

    #[test]
    fn one_asker_tries_a_server_again() {
        let group = group(2);
        group.servers[0].health.failed(0);
        check_order(&group, 2000, &["0", "1"]);
        group.servers[0].claim(2000);
        // Whosever turn it is.
        check_order(&group, 2000, &["1", "0"]);
        check_order(&group, 2000, &["1", "0"]);
        // A claim on a server that is well changes nothing.
        group.servers[1].claim(2000);
        assert!(group.servers[1].health.is_well());
    }

    #[test]
    fn no_servers_are_no_panic() {
        let group = group(0);
        assert!(group.pick().is_none());
        check_order(&group, 0, &[]);
    }
}
