#![allow(clippy::unwrap_used)]
use super::*;
use crate::seed::Seed;

const DRAWS: usize = 200_000;

fn draws(dist: &Distribution) -> Vec<f64> {
    let mut stream = Seed(7).stream(&[1]);
    (0..DRAWS).map(|_| dist.sample(&mut stream)).collect()
}

fn mean_and_deviation(numbers: &[f64]) -> (f64, f64) {
    let n = numbers.len() as f64;
    let mean = numbers.iter().sum::<f64>() / n;
    let variance = numbers.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    (mean, variance.sqrt())
}

/// A distribution of a file: its name in TOML, its mean and its standard deviation.
fn check(toml: &str, mean: f64, deviation: f64) {
    #[derive(Deserialize)]
    struct File {
        d: Distribution,
    }
    let dist = toml::from_str::<File>(&format!("d = {toml}")).unwrap().d;
    let said = dist.mean();
    assert!(
        (said - mean).abs() <= 2e-3 * mean,
        "{toml}: says {said}, not {mean}"
    );
    let (drawn, spread) = mean_and_deviation(&draws(&dist));
    // Five standard errors; a heavy tail's deviation is known less well than its mean.
    let error = 5.0 * deviation / (DRAWS as f64).sqrt() + 1e-9;
    assert!(
        (drawn - mean).abs() <= error,
        "{toml}: drew a mean of {drawn}, not {mean} to {error}"
    );
    assert!(
        (spread - deviation).abs() <= 0.04 * deviation,
        "{toml}: drew a deviation of {spread}, not {deviation}"
    );
}

#[test]
fn draws_have_the_mean_and_the_deviation_of_the_name() {
    check("{ constant = 3 }", 3.0, 0.0);
    check("{ exp = 4608 }", 4608.0, 4608.0);
    check("{ uniform = [0, 8192] }", 4096.0, 8192.0 / 12f64.sqrt());
    check("{ normal = { mean = 2.5, sd = 1 } }", 2.502, 0.994);
    check("{ normal = { mean = 0.3, sd = 0.1 } }", 0.3, 0.1);
    check(
        "{ lognormal = { mean = 307200, sd = 307200 } }",
        307_200.0,
        307_200.0,
    );
    check(
        "{ lognormal = { mean = 25600, sd = 10240 } }",
        25_600.0,
        10_240.0,
    );
    check(
        "{ table = [[1, 1], [5, 0], [10, 3]] }",
        7.75,
        9.0 * (3.0f64 / 16.0).sqrt(),
    );
}

#[test]
fn what_is_below_nothing_is_nothing_and_lifts_the_mean() {
    // Half of a normal distribution about 0: its mean is the deviation over the root of tau.
    check("{ normal = { mean = 0, sd = 1 } }", 0.398_94, 0.583_8);
    let numbers = draws(&Distribution::Normal { mean: 0.0, sd: 1.0 });
    assert!(numbers.iter().all(|x| *x >= 0.0));
}

#[test]
fn zipf_is_that_of_web_polygraph() {
    // The means that WORKLOAD's table derives.
    for (most, mean) in [(13, 4.45), (16, 5.17), (64, 14.85)] {
        let dist = Distribution::Zipf(most);
        assert!(
            (dist.mean() - mean).abs() < 0.006,
            "zipf({most}) says {}",
            dist.mean()
        );
        let numbers = draws(&dist);
        let (drawn, _) = mean_and_deviation(&numbers);
        assert!(
            (drawn - mean).abs() < 0.01 * mean,
            "zipf({most}) drew a mean of {drawn}"
        );
        assert!(
            numbers
                .iter()
                .all(|x| x.fract() == 0.0 && (1.0..=most as f64).contains(x))
        );
        // One is drawn as often as a uniform number's power is below 2.
        let ones = numbers.iter().filter(|x| **x == 1.0).count() as f64 / DRAWS as f64;
        let right = 2f64.ln() / (most as f64 + 1.0).ln();
        assert!(
            (ones - right).abs() < 0.006,
            "zipf({most}) drew 1 at {ones}, not {right}"
        );
    }
}

#[test]
fn the_mean_of_a_long_zipf_is_that_of_its_sum() {
    for most in [1, 2, 64, 65, 1000] {
        let base = (most as f64 + 1.0).ln();
        let sum: f64 = (1..=most).map(|k| 1.0 - (k as f64).ln() / base).sum();
        let said = Distribution::Zipf(most).mean();
        assert!(
            (said - sum).abs() < 1e-6 * sum,
            "zipf({most}): {said}, not {sum}"
        );
    }
}

#[test]
fn a_tables_value_without_weight_is_not_drawn() {
    let dist = Distribution::Table(vec![(1.0, 0.0), (2.0, 0.5), (3.0, 0.0)]);
    assert!(draws(&dist).iter().all(|x| *x == 2.0));
}

/// Holds numbers of requests against zipf(most), floor((most + 1)^U): at most k have ln(k + 1) / ln(most + 1) of all.
pub(crate) fn is_zipf(what: &str, numbers: &[u64], most: u64) {
    let count = numbers.len() as f64;
    assert!(numbers.iter().all(|n| (1..=most).contains(n)), "{what}");
    let base = (most as f64 + 1.0).ln();
    let mean: f64 = (1..=most).map(|k| 1.0 - (k as f64).ln() / base).sum();
    let drawn = numbers.iter().sum::<u64>() as f64 / count;
    assert!(
        (drawn - mean).abs() <= 0.03 * mean,
        "{what}: a mean of {drawn}, not {mean}"
    );
    for k in 1..most {
        let share = numbers.iter().filter(|n| **n <= k).count() as f64 / count;
        let should = (k as f64 + 1.0).ln() / base;
        let what = format!("{what}: up to {k} has {share}, not {should}");
        assert!((share - should).abs() <= 0.015, "{what}");
    }
}
