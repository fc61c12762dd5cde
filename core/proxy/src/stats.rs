//! Counters, kept by each worker without locks and summed when asked for.

/// Upper bounds of the latency buckets in microseconds; the last bucket is above all of them.
pub const BUCKETS_US: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 5_000_000, 30_000_000,
];
/// A sum over all workers.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Snapshot {
    pub connections: u64,
    pub connections_open: u64,
    pub connections_refused: u64,
    pub requests: u64,
    /// Indexed by [`super::record::Outcome`] in declaration order.
    pub outcomes: [u64; 10],
    /// Responses by class, 1xx to 5xx.
    pub classes: [u64; 5],
    pub bytes_in: u64,
    pub bytes_out: u64,
    pub origin_requests: u64,
    pub origin_bytes_in: u64,
    pub origin_connects: u64,
    pub origin_failures: u64,
    pub origin_idle: u64,
    /// Validations behind stale answers: those that brought something, and those that failed.
    pub background: [u64; 2],
    pub hit_seconds: Histogram,
    pub miss_seconds: Histogram,
    pub transactions_open: u64,
}
/// A latency histogram: counts by bucket (not cumulative), sum in microseconds.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Histogram {
    pub counts: [u64; 17],
    pub sum_us: u64,
}

use crate::record::Outcome;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::Duration;

/// One worker's counters. Only its worker writes them, so an addition is a plain load and store, not a locked instruction.
#[derive(Debug, Default)]
pub(crate) struct WorkerStats {
    pub(crate) connections: Counter,
    pub(crate) connections_open: Counter,
    pub(crate) connections_refused: Counter,
    pub(crate) requests: Counter,
    pub(crate) outcomes: [Counter; 10],
    pub(crate) classes: [Counter; 5],
    pub(crate) bytes_in: Counter,
    pub(crate) bytes_out: Counter,
    pub(crate) origin_requests: Counter,
    pub(crate) origin_bytes_in: Counter,
    pub(crate) origin_connects: Counter,
    pub(crate) origin_failures: Counter,
    pub(crate) origin_idle: Counter,
    pub(crate) background: [Counter; 2],
    pub(crate) transactions_open: Counter,
    pub(crate) hit: Latency,
    pub(crate) miss: Latency,
}

/// A counter with one writer and any number of readers.
#[derive(Debug, Default)]
pub(crate) struct Counter(AtomicU64);

impl Counter {
    pub(crate) fn add(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_add(n), Relaxed);
    }
    pub(crate) fn sub(&self, n: u64) {
        self.0.store(self.0.load(Relaxed).wrapping_sub(n), Relaxed);
    }
    pub(crate) fn set(&self, n: u64) {
        self.0.store(n, Relaxed);
    }
    fn get(&self) -> u64 {
        self.0.load(Relaxed)
    }
}

/// A latency histogram with one writer.
#[derive(Debug, Default)]
pub(crate) struct Latency {
    counts: [Counter; BUCKETS_US.len() + 1],
    sum_us: Counter,
}

impl Latency {
    pub(crate) fn observe(&self, elapsed: Duration) {
        let us = elapsed.as_micros() as u64;
        let bucket = BUCKETS_US
            .iter()
            .position(|b| us <= *b)
            .unwrap_or(BUCKETS_US.len());
        self.counts[bucket].add(1);
        self.sum_us.add(us);
    }

    fn add_to(&self, sum: &mut Histogram) {
        for (to, from) in sum.counts.iter_mut().zip(&self.counts) {
            *to += from.get();
        }
        sum.sum_us += self.sum_us.get();
    }
}

impl WorkerStats {
    /// Counts a finished transaction.
    pub(crate) fn finished(&self, outcome: Outcome, status: u16, elapsed: Duration) {
        self.outcomes[outcome as usize].add(1);
        if let Some(class) = (status as usize / 100)
            .checked_sub(1)
            .and_then(|c| self.classes.get(c))
        {
            class.add(1);
        }
        match outcome {
            Outcome::Hit | Outcome::HitNotModified | Outcome::Stale => self.hit.observe(elapsed),
            Outcome::Miss | Outcome::Revalidated | Outcome::Collapsed | Outcome::Pass => {
                self.miss.observe(elapsed);
            }
            Outcome::Tunnel | Outcome::Denied | Outcome::Local => {}
        }
    }

    /// Adds this worker's counters to a sum.
    pub(crate) fn add_to(&self, sum: &mut Snapshot) {
        for (to, from) in [
            (&mut sum.connections, &self.connections),
            (&mut sum.connections_open, &self.connections_open),
            (&mut sum.connections_refused, &self.connections_refused),
            (&mut sum.requests, &self.requests),
            (&mut sum.bytes_in, &self.bytes_in),
            (&mut sum.bytes_out, &self.bytes_out),
            (&mut sum.origin_requests, &self.origin_requests),
            (&mut sum.origin_bytes_in, &self.origin_bytes_in),
            (&mut sum.origin_connects, &self.origin_connects),
            (&mut sum.origin_failures, &self.origin_failures),
            (&mut sum.origin_idle, &self.origin_idle),
            (&mut sum.transactions_open, &self.transactions_open),
        ] {
            *to += from.get();
        }
        for (to, from) in sum.outcomes.iter_mut().zip(&self.outcomes) {
            *to += from.get();
        }
        for (to, from) in sum.background.iter_mut().zip(&self.background) {
            *to += from.get();
        }
        for (to, from) in sum.classes.iter_mut().zip(&self.classes) {
            *to += from.get();
        }
        self.hit.add_to(&mut sum.hit_seconds);
        self.miss.add_to(&mut sum.miss_seconds);
    }
}
