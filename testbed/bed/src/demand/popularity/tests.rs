#![allow(clippy::unwrap_used)]
use super::*;
use crate::workload::Popularity;
use std::collections::HashMap;

const SEED: Seed = Seed(11);
const HOT_1_10: Popularity = Popularity::Uniform {
    hot_set: 0.01,
    hot_share: 0.10,
};

fn seen(popularity: Popularity, window: u64, objects: u64) -> Seen {
    let mut seen = Seen::new(SEED, popularity, window);
    for number in 0..objects {
        assert_eq!(seen.another(), number);
    }
    seen
}

/// How often each object is chosen.
fn choices(seen: &Seen, draws: usize) -> HashMap<u64, usize> {
    let mut stream = SEED.stream(&[1]);
    let mut counts = HashMap::new();
    for _ in 0..draws {
        *counts.entry(seen.again(&mut stream).unwrap()).or_insert(0) += 1;
    }
    counts
}

#[test]
fn nothing_is_asked_again_before_something_was_asked() {
    let mut stream = SEED.stream(&[1]);
    for popularity in [HOT_1_10, Popularity::Zipf { exponent: 0.8 }] {
        assert_eq!(seen(popularity, 10, 0).again(&mut stream), None);
        assert_eq!(seen(popularity, 10, 1).again(&mut stream), Some(0));
    }
}

#[test]
fn uniform_choices_are_alike() {
    let even = Popularity::Uniform {
        hot_set: 0.0,
        hot_share: 0.0,
    };
    let (objects, draws) = (500, 500_000);
    let counts = choices(&seen(even, 1000, objects), draws);
    let each = draws as f64 / objects as f64;
    let chi: f64 = (0..objects)
        .map(|n| (counts.get(&n).map_or(0.0, |c| *c as f64) - each).powi(2) / each)
        .sum();
    // 499 degrees of freedom: 499 with a deviation of 32; five of them.
    assert!((340.0..660.0).contains(&chi), "{chi}");
}

#[test]
fn the_hot_set_is_one_percent_and_gets_ten() {
    let (window, draws) = (20_000, 400_000);
    for objects in [window, 3 * window] {
        let seen = seen(HOT_1_10, window, objects);
        let hot = |n: u64| is_hot(SEED, 0.01, n);
        let members = (objects - window..objects).filter(|n| hot(*n)).count() as f64;
        // 200 are expected, with a deviation of 14.
        assert!((130.0..270.0).contains(&members), "{members} are hot");
        let counts = choices(&seen, draws);
        let chosen: usize = counts
            .iter()
            .filter(|(n, _)| hot(**n))
            .map(|(_, c)| c)
            .sum();
        let share = chosen as f64 / draws as f64;
        assert!((share - 0.10).abs() < 0.0025, "the hot set got {share}");
    }
}

#[test]
fn choices_are_from_the_newest_and_reach_all_of_them() {
    for popularity in [HOT_1_10, Popularity::Zipf { exponent: 0.5 }] {
        for objects in [3, 50, 64, 65, 1000] {
            let counts = choices(&seen(popularity, 64, objects), 100_000);
            let newest = objects.saturating_sub(64)..objects;
            assert!(counts.keys().all(|n| newest.contains(n)));
            assert_eq!(
                counts.len() as u64,
                newest.end - newest.start,
                "{popularity:?} {objects}"
            );
        }
    }
}

/// The slope of log frequency against log rank, and that frequency's largest relative distance from the exact one among the first.
fn exponent_of(counts: &HashMap<u64, usize>, exponent: f64, window: u64) -> (f64, f64) {
    let draws: usize = counts.values().sum();
    let mut sorted: Vec<f64> = counts.values().map(|c| *c as f64).collect();
    sorted.sort_by(|a, b| b.total_cmp(a));
    let first = 100.min(sorted.len());
    let points: Vec<(f64, f64)> = (sorted[..first].iter().enumerate())
        .map(|(n, c)| ((n as f64 + 1.0).ln(), c.ln()))
        .collect();
    let n = points.len() as f64;
    let (sx, sy) = points
        .iter()
        .fold((0.0, 0.0), |(sx, sy), (x, y)| (sx + x, sy + y));
    let sxy: f64 = points
        .iter()
        .map(|(x, y)| (x - sx / n) * (y - sy / n))
        .sum();
    let sxx: f64 = points.iter().map(|(x, _)| (x - sx / n).powi(2)).sum();
    let weights: f64 = (1..=window).map(|r| (r as f64).powf(-exponent)).sum();
    let off = (0..10)
        .map(|r| {
            (sorted[r] / draws as f64 * weights / (r as f64 + 1.0).powf(-exponent) - 1.0).abs()
        })
        .fold(0.0, f64::max);
    (-sxy / sxx, off)
}

#[test]
fn zipf_has_its_exponent_and_its_frequencies() {
    for exponent in [0.6, 0.8, 1.0, 1.3] {
        for objects in [2000, 7777] {
            let zipf = Popularity::Zipf { exponent };
            let counts = choices(&seen(zipf, 2000, objects), 400_000);
            let (slope, off) = exponent_of(&counts, exponent, 2000);
            assert!((slope - exponent).abs() < 0.03, "{slope}, not {exponent}");
            assert!(off < 0.10, "{exponent}: a frequency is {off} off");
        }
    }
}

#[test]
fn an_objects_rank_stays_while_the_window_slides() {
    let mut seen = seen(Popularity::Zipf { exponent: 1.2 }, 1000, 5000);
    let favourite = |seen: &Seen| {
        let counts = choices(seen, 20_000);
        counts
            .into_iter()
            .max_by_key(|(_, count)| *count)
            .unwrap()
            .0
    };
    let before = favourite(&seen);
    let left = before - seen.oldest();
    for _ in 0..left {
        seen.another();
    }
    assert_eq!(favourite(&seen), before, "still there, as the oldest");
    seen.another();
    assert_eq!(
        favourite(&seen),
        before + 1000,
        "its place is that of the newest now"
    );
}

#[test]
fn every_window_has_a_step_that_reaches_every_place() {
    for window in (1..300).chain([1 << 20, 486_000, 1_000_003]) {
        assert_eq!(common_divisor(step(window), window), 1, "{window}");
    }
}
