//! What a single value of a workload must be: a number within bounds, a share, a distribution that has numbers.
//!
//! Invariant: no comparison lets through what is no number, and every refusal says the key, what must be and what is.

use super::super::{Distribution, Error};

/// The largest number in a file: 64-bit floats are whole up to here, and products of a few stay far from overflow.
pub(super) const MOST: f64 = 1e12;
/// The most values in a table: drawing from it walks along it.
const MOST_VALUES: usize = 4096;

pub(super) type Checked = Result<(), Error>;

/// A distribution of numbers that are not below 0.
pub(super) fn distribution(key: &str, dist: &Distribution) -> Checked {
    let at = |part: &str| format!("{key}.{part}");
    match dist {
        Distribution::Constant(value) => number(&at("constant"), *value, 0.0, MOST),
        Distribution::Exp(mean) => above(&at("exp"), *mean, MOST),
        Distribution::Uniform(low, high) => {
            number(&at("uniform[0]"), *low, 0.0, MOST)?;
            number(&at("uniform[1]"), *high, *low, MOST)
        }
        Distribution::Normal { mean, sd } => {
            number(&at("normal.mean"), *mean, 0.0, MOST)?;
            number(&at("normal.sd"), *sd, 0.0, MOST)
        }
        Distribution::LogNormal { mean, sd } => {
            above(&at("lognormal.mean"), *mean, MOST)?;
            number(&at("lognormal.sd"), *sd, 0.0, MOST)?;
            // Beyond that no mean is ever seen, and in the end no logarithm is a number.
            let cure = "must be at most 1000 times the mean";
            that(*sd <= 1000.0 * mean, &at("lognormal.sd"), cure)
        }
        Distribution::Zipf(most) => that(
            (1..=1_000_000_000).contains(most),
            &at("zipf"),
            &format!("must be 1 to 1000000000, and is {most}"),
        ),
        Distribution::Table(values) => {
            let some = (1..=MOST_VALUES).contains(&values.len());
            that(
                some,
                &at("table"),
                &format!("must have 1 to {MOST_VALUES} values"),
            )?;
            for (n, (value, weight)) in values.iter().enumerate() {
                number(&at(&format!("table[{n}][0]")), *value, 0.0, MOST)?;
                number(&at(&format!("table[{n}][1]")), *weight, 0.0, MOST)?;
            }
            let sum: f64 = values.iter().map(|(_, weight)| weight).sum();
            that(sum > 0.0, &at("table"), "must have a weight above 0")
        }
    }
}

/// A distribution whose numbers are not all 0.
pub(super) fn positive(key: &str, dist: &Distribution) -> Checked {
    distribution(key, dist)?;
    that(dist.mean() > 0.0, key, "must have a mean above 0")
}

pub(super) fn shares(table: &str, all: &[(&str, f64)]) -> Checked {
    for (key, value) in all {
        share(&format!("{table}.{key}"), *value)?;
    }
    let sum: f64 = all.iter().map(|(_, value)| value).sum();
    that(
        sum <= 1.0,
        table,
        &format!("must add up to at most 1, and adds up to {sum}"),
    )
}

pub(super) fn share(key: &str, value: f64) -> Checked {
    number(key, value, 0.0, 1.0)
}

pub(super) fn number(key: &str, value: f64, least: f64, most: f64) -> Checked {
    // Written so that what is no number is refused.
    let right = value >= least && value <= most;
    that(
        right,
        key,
        &format!("must be {least} to {most}, and is {value}"),
    )
}

pub(super) fn above(key: &str, value: f64, most: f64) -> Checked {
    let right = value > 0.0 && value <= most;
    that(
        right,
        key,
        &format!("must be above 0 and at most {most}, and is {value}"),
    )
}

pub(super) fn that(right: bool, key: &str, message: &str) -> Checked {
    if right {
        return Ok(());
    }
    Err(Error::Value(key.to_owned(), message.to_owned()))
}
