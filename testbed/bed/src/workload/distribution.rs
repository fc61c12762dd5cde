//! Distributions of numbers, as workload files name them.
//!
//! Invariant: to draw never fails and never gives less than 0 where the numbers a file names are those `check` lets through; and
//! `mean` is the mean of what `sample` gives, clamps included, so that rates reckoned ahead are those that come to be.
//!
//! Awkward case: a normal distribution has a part below 0, which is drawn as 0 and so lifts its mean.

use crate::seed::Stream;
use rand_distr::{Exp1, StandardNormal, StandardUniform};
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
        match *self {
            Self::Constant(value) => value,
            Self::Exp(mean) => mean * draw(Exp1, stream),
            Self::Uniform(low, high) => low + (high - low) * uniform(stream),
            Self::Normal { mean, sd } => (mean + sd * draw(StandardNormal, stream)).max(0.0),
            Self::LogNormal { mean, sd } => {
                let (mu, sigma) = of_logarithm(mean, sd);
                (mu + sigma * draw(StandardNormal, stream)).exp()
            }
            Self::Zipf(most) => {
                let base = most as f64 + 1.0;
                // The uniform number is below 1, but a power of it may round up to the base.
                base.powf(uniform(stream)).floor().min(most as f64)
            }
            Self::Table(ref values) => {
                let total: f64 = values.iter().map(|(_, weight)| weight).sum();
                let mut left = uniform(stream) * total;
                let found = values.iter().find(|(_, weight)| {
                    left -= weight;
                    left < 0.0
                });
                found.or(values.last()).map_or(0.0, |(value, _)| *value)
            }
        }
    }

    /// The mean of all numbers.
    #[must_use]
    pub fn mean(&self) -> f64 {
        match *self {
            Self::Constant(value) => value,
            Self::Exp(mean) | Self::LogNormal { mean, .. } => mean,
            Self::Uniform(low, high) => f64::midpoint(low, high),
            Self::Normal { mean, sd } if sd > 0.0 => {
                let z = mean / sd;
                mean * normal_below(z) + sd * (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt()
            }
            Self::Normal { mean, .. } => mean.max(0.0),
            // The number is k or more with probability 1 - ln k / ln (W + 1); these, summed over k from 1 to W, are the mean.
            Self::Zipf(most) => most as f64 - ln_factorial(most) / (most as f64 + 1.0).ln(),
            Self::Table(ref values) => {
                let total: f64 = values.iter().map(|(_, weight)| weight).sum();
                values.iter().map(|(v, weight)| v * weight).sum::<f64>() / total
            }
        }
    }
}

/// A number in `[0, 1)`.
pub(crate) fn uniform(stream: &mut Stream) -> f64 {
    draw(StandardUniform, stream)
}

/// An exponential number of mean 1.
pub(crate) fn exponential(stream: &mut Stream) -> f64 {
    draw(Exp1, stream)
}

fn draw(from: impl rand_distr::Distribution<f64>, stream: &mut Stream) -> f64 {
    from.sample(stream)
}

/// Mean and deviation of the logarithm of a number that is log-normal with this mean and deviation.
fn of_logarithm(mean: f64, sd: f64) -> (f64, f64) {
    let variance = (sd / mean).powi(2).ln_1p();
    (mean.ln() - variance / 2.0, variance.sqrt())
}

/// The share of the standard normal distribution below `z`, to 1e-7 (Abramowitz and Stegun, 26.2.17).
fn normal_below(z: f64) -> f64 {
    let t = 1.0 / (1.0 + 0.231_641_9 * z.abs());
    let terms = [
        0.319_381_530,
        -0.356_563_782,
        1.781_477_937,
        -1.821_255_978,
        1.330_274_429,
    ];
    let sum = terms.iter().rev().fold(0.0, |sum, term| (sum + term) * t);
    let above = (-z * z / 2.0).exp() / std::f64::consts::TAU.sqrt() * sum;
    if z < 0.0 { above } else { 1.0 - above }
}

/// The logarithm of n!, by adding up where that is short and by Stirling's series where it is long.
fn ln_factorial(n: u64) -> f64 {
    if n <= 64 {
        return (2..=n).map(|k| (k as f64).ln()).sum();
    }
    let n = n as f64;
    n * n.ln() - n + (std::f64::consts::TAU * n).ln() / 2.0 + 1.0 / (12.0 * n)
}

#[cfg(test)]
pub(super) mod tests;
