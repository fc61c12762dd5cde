//! Counters, kept by each worker without locks and summed when asked for.

/// Upper bounds of the latency buckets in microseconds; the last bucket is above all of them.
pub const BUCKETS_US: [u64; 16] = [50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 5_000_000, 30_000_000];
/// A sum over all workers.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Snapshot {
    pub connections: u64, pub connections_open: u64, pub connections_refused: u64,
    pub requests: u64,
    /// Indexed by [`super::record::Outcome`] in declaration order.
    pub outcomes: [u64; 10],
    /// Responses by class, 1xx to 5xx.
    pub classes: [u64; 5],
    pub bytes_in: u64, pub bytes_out: u64,
    pub origin_requests: u64, pub origin_bytes_in: u64, pub origin_connects: u64, pub origin_failures: u64, pub origin_idle: u64,
    pub hit_seconds: Histogram, pub miss_seconds: Histogram,
    pub transactions_open: u64,
}
/// A latency histogram: counts by bucket (not cumulative), sum in microseconds.
#[derive(Debug, Clone, Default)]
#[allow(missing_docs)]
pub struct Histogram { pub counts: [u64; 17], pub sum_us: u64 }
