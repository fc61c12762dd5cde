//! A sample of numbers of which there may be any many: all alike likely to be in it (Vitter's algorithm R).

use crate::seed::{Seed, Stream};
use rand_distr::{Distribution as _, Uniform};

/// How many numbers are kept: a quantile of that many is within half a percent of the true one, 99 times of 100
/// (Dvoretzky-Kiefer-Wolfowitz: sqrt(ln(2 / 0.01) / 2n) = 0.64 %).
const KEPT: usize = 1 << 16;

/// A sample, and the exact mean of all.
#[derive(Debug)]
pub(super) struct Sample {
    kept: Vec<f64>,
    stream: Stream,
    seen: u64,
    sum: f64,
}

impl Sample {
    /// One with nothing in it; `which` tells it from others.
    pub(super) fn new(which: u64) -> Self {
        Self {
            kept: Vec::new(),
            // No seed of a run: the same log gives the same file.
            stream: Seed(0).stream(&[which]),
            seen: 0,
            sum: 0.0,
        }
    }

    pub(super) fn add(&mut self, number: f64) {
        self.seen += 1;
        self.sum += number;
        if self.kept.len() < KEPT {
            self.kept.push(number);
            return;
        }
        // 0 to seen is no empty range, so the distribution is one.
        let place = Uniform::new(0, self.seen).map_or(0, |u| u.sample(&mut self.stream));
        if let Some(kept) = usize::try_from(place)
            .ok()
            .and_then(|n| self.kept.get_mut(n))
        {
            *kept = number;
        }
    }

    /// How many numbers there were.
    pub(super) fn seen(&self) -> u64 {
        self.seen
    }

    /// The mean of all of them; 0 of none.
    pub(super) fn mean(&self) -> f64 {
        if self.seen == 0 {
            return 0.0;
        }
        self.sum / self.seen as f64
    }

    /// The sample in ascending order.
    pub(super) fn sorted(&self) -> Vec<f64> {
        let mut sorted = self.kept.clone();
        sorted.sort_unstable_by(f64::total_cmp);
        sorted
    }
}
