//! Distributions of times: HDR histograms while a run goes on, plain data afterwards.
//!
//! Invariant: every time keeps three digits from a microsecond to ten minutes; what is longer counts as ten minutes, nothing is
//! dropped. Awkward case: no times at all, whose percentiles are told by a count of 0 and not by a number.

use serde::{Deserialize, Serialize};

/// The longest time that is told apart, microseconds.
pub const LONGEST: u64 = 600_000_000;

/// Digits that a time keeps.
const DIGITS: u8 = 3;

/// A distribution that is still being filled. It grows with the longest time it saw, so an unused one is small.
#[derive(Debug, Clone)]
pub(crate) struct Histogram {
    inner: hdrhistogram::Histogram<u32>,
    sum: u64,
}

impl Histogram {
    pub(crate) fn new() -> Self {
        // Three digits are within the library's range of 0 to 5; it has no other way to fail.
        #[allow(clippy::expect_used)]
        let inner = hdrhistogram::Histogram::new(DIGITS).expect("three digits are allowed");
        Self { inner, sum: 0 }
    }

    /// Adds one time, microseconds.
    pub(crate) fn record(&mut self, micros: u64) {
        self.record_n(micros, 1);
    }

    fn record_n(&mut self, micros: u64, count: u32) {
        let micros = micros.min(LONGEST);
        // It resizes itself; only a value above what was just clamped could fail.
        let _ = self.inner.record_n(micros, count);
        self.sum = self
            .sum
            .saturating_add(micros.saturating_mul(u64::from(count)));
    }

    /// Adds all times of another.
    pub(crate) fn merge(&mut self, other: &Self) {
        // As above: it resizes itself.
        let _ = self.inner.add(&other.inner);
        self.sum = self.sum.saturating_add(other.sum);
    }

    /// Empties it, and keeps its room.
    pub(crate) fn clear(&mut self) {
        self.inner.reset();
        self.sum = 0;
    }

    pub(crate) fn count(&self) -> u64 {
        self.inner.len()
    }

    /// The time that this share of times does not exceed, if there are any. `percent` is 0 to 100.
    pub(crate) fn percentile(&self, percent: f64) -> Option<u64> {
        // The bucket's upper edge may lie above the longest time that there was.
        (self.count() > 0).then(|| {
            self.inner
                .value_at_percentile(percent)
                .min(self.inner.max())
        })
    }

    /// What is kept of it.
    pub(crate) fn times(&self) -> Times {
        let at = |percent| self.percentile(percent).unwrap_or(0);
        let count = self.count();
        Times {
            count,
            mean: if count == 0 {
                0.0
            } else {
                self.sum as f64 / count as f64
            },
            min: if count == 0 { 0 } else { self.inner.min() },
            p1: at(1.0),
            p5: at(5.0),
            p10: at(10.0),
            p25: at(25.0),
            p50: at(50.0),
            p75: at(75.0),
            p90: at(90.0),
            p95: at(95.0),
            p99: at(99.0),
            p99_9: at(99.9),
            max: if count == 0 { 0 } else { self.inner.max() },
            buckets: self
                .inner
                .iter_recorded()
                .map(|b| (b.value_iterated_to(), b.count_since_last_iteration()))
                .collect(),
        }
    }
}

/// A distribution of times, microseconds. Figures mean nothing where `count` is 0.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
#[allow(missing_docs)]
pub struct Times {
    /// How many times.
    pub count: u64,
    /// Their mean, of the times themselves rather than of buckets.
    pub mean: f64,
    /// The shortest.
    pub min: u64,
    pub p1: u64,
    pub p5: u64,
    pub p10: u64,
    pub p25: u64,
    pub p50: u64,
    pub p75: u64,
    pub p90: u64,
    pub p95: u64,
    pub p99: u64,
    pub p99_9: u64,
    /// The longest.
    pub max: u64,
    /// Upper edges of the buckets that hold any, with how many they hold.
    pub buckets: Vec<(u64, u64)>,
}

impl Times {
    /// The time that this share of times does not exceed, from the buckets. `percent` is 0 to 100.
    #[must_use]
    pub fn percentile(&self, percent: f64) -> Option<u64> {
        // Saturating: the buckets may come from a file.
        let held = self
            .buckets
            .iter()
            .fold(0, |sum: u64, b| sum.saturating_add(b.1));
        let rank = ((percent / 100.0 * held as f64).ceil() as u64).clamp(1, held.max(1));
        let mut seen = 0;
        self.buckets.iter().find_map(|&(edge, count)| {
            seen = u64::saturating_add(seen, count);
            (seen >= rank).then_some(edge.min(self.max))
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn of(times: &[u64]) -> Histogram {
        let mut h = Histogram::new();
        times.iter().for_each(|&t| h.record(t));
        h
    }

    #[test]
    fn nothing_has_no_percentiles() {
        assert_eq!(Histogram::new().percentile(50.0), None);
        assert_eq!(Times::default().percentile(50.0), None);
        assert_eq!(Histogram::new().times(), Times::default());
    }

    #[test]
    fn what_is_longer_than_the_longest_counts_as_the_longest() {
        let times = of(&[1, u64::MAX]).times();
        assert_eq!((times.count, times.max >= LONGEST), (2, true));
        assert!(times.max < LONGEST + LONGEST / 1000, "{}", times.max);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]

        #[test]
        fn percentiles_are_those_of_the_sorted_list_within_a_thousandth(
            mut list in prop::collection::vec(0u64..LONGEST, 1..300), percent in 0.0f64..=100.0,
        ) {
            let h = of(&list);
            list.sort_unstable();
            let rank = ((percent / 100.0 * list.len() as f64).ceil() as usize).clamp(1, list.len());
            let exact = list[rank - 1] as f64;
            for found in [h.percentile(percent).unwrap(), h.times().percentile(percent).unwrap()] {
                prop_assert!((found as f64 - exact).abs() <= exact / 1000.0 + 1.0, "{found} for {exact}");
            }
            let mean = list.iter().sum::<u64>() as f64 / list.len() as f64;
            prop_assert!((h.times().mean - mean).abs() <= mean * 1e-9);
        }

        #[test]
        fn merged_is_as_if_recorded_in_one(a in prop::collection::vec(0u64..LONGEST, 0..99), b in prop::collection::vec(0u64..LONGEST, 0..99)) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            let all: Vec<_> = a.iter().chain(&b).copied().collect();
            prop_assert_eq!(merged.times(), of(&all).times());
        }
    }
}
