//! Distributions of numbers, as workload files name them.

use crate::seed::Stream;
use rand_distr::{Distribution as _, Exp, LogNormal, Normal, Uniform};
use serde::{Deserialize, Serialize};

/// A distribution of numbers. A file names it by a table of one key: `{ exp = 4608 }`, `{ normal = { mean = 2.5, sd = 1 } }`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Distribution {
    /// Always this.
    Constant(f64),
    /// Exponential of this mean.
    Exp(f64),
    /// Between these two, all alike.
    Uniform(f64, f64),
    /// Normal. What is below 0 is 0.
    Normal {
        /// Its mean.
        mean: f64,
        /// Its standard deviation.
        sd: f64,
    },
    /// Log-normal; mean and deviation are of the number itself, not of its logarithm.
    LogNormal {
        /// Its mean.
        mean: f64,
        /// Its standard deviation.
        sd: f64,
    },
    /// Web Polygraph's zipf(W): floor((W + 1) to the power of a uniform number), so 1 to W.
    Zipf(u64),
    /// Values with their weights, as a log had them; between two values nothing.
    Table(Vec<(f64, f64)>),
}

impl Distribution {
    /// One number.
    pub fn sample(&self, stream: &mut Stream) -> f64 {
        todo!()
    }

    /// The mean of all numbers.
    #[must_use]
    pub fn mean(&self) -> f64 {
        todo!()
    }
}
