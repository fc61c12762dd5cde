//! What the queue keeps, on requests of known kinds, beside the least recently used.

#![allow(clippy::unwrap_used)]

use super::tests::stored;
use super::*;
use std::collections::HashMap;

/// Room for so many.
const ROOM: usize = 500;
/// Requests; the second half counts.
const REQUESTS: usize = 60_000;

/// Numbers in 0 to 1, always the same ones (xorshift).
struct Dice(u64);

impl Dice {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn below(&mut self, n: u64) -> u64 {
        (self.next() * n as f64) as u64
    }
}

/// The share of requests, in per cent, that find what they ask for, of a store that says for each whether it did.
fn hits(mut asked: impl FnMut() -> u64, mut store: impl FnMut(u64) -> bool) -> f64 {
    let mut found = 0;
    for at in 0..REQUESTS {
        found += usize::from(store(asked()) && at >= REQUESTS / 2);
    }
    found as f64 / (REQUESTS / 2) as f64 * 100.0
}

/// The queue with its hand.
fn ours() -> impl FnMut(u64) -> bool {
    let mut queue = Sieve::default();
    let mut slots: HashMap<u64, Arc<Stored>> = HashMap::new();
    move |name| {
        if let Some(stored) = slots.get(&name) {
            stored.touch();
            return true;
        }
        if queue.len() == ROOM {
            let Victim::Found(key, _) = queue.evict(&mut usize::MAX.clone()) else {
                panic!("nothing is in use");
            };
            slots.remove(&u64::from_be_bytes(key[..].try_into().unwrap()));
        }
        let stored = stored();
        queue.insert(Arc::from(name.to_be_bytes()), Arc::clone(&stored));
        slots.insert(name, stored);
        false
    }
}

/// The least recently used goes.
fn least_recently_used() -> impl FnMut(u64) -> bool {
    let mut used: HashMap<u64, usize> = HashMap::new();
    let mut order = std::collections::BTreeMap::new();
    let mut now = 0;
    move |name| {
        now += 1;
        let before = used.insert(name, now);
        if let Some(before) = before {
            order.remove(&before);
        }
        order.insert(now, name);
        if order.len() > ROOM
            && let Some((_, oldest)) = order.pop_first()
        {
            used.remove(&oldest);
        }
        before.is_some()
    }
}

/// More than half of the requests ask again for any of the newest `window` objects, the others for a new one.
fn sliding(window: u64) -> impl FnMut() -> u64 {
    let (mut dice, mut newest) = (Dice(88_172_645_463_325_252), window);
    move || {
        if dice.next() < 0.55 {
            return newest - dice.below(window);
        }
        newest += 1;
        newest
    }
}

/// Zipf's law, and a share of objects that are asked for once.
fn popular(exponent: f64, once: f64) -> impl FnMut() -> u64 {
    let (mut dice, mut fresh) = (Dice(88_172_645_463_325_252), 1 << 40);
    let mut sum = 0.0;
    let sums: Vec<f64> = (1..=20 * ROOM)
        .map(|rank| {
            sum += (rank as f64).powf(-exponent);
            sum
        })
        .collect();
    move || {
        if dice.next() < once {
            fresh += 1;
            return fresh;
        }
        let at = dice.next() * sum;
        sums.partition_point(|sum| *sum < at) as u64
    }
}

#[test]
fn a_working_set_that_moves_on_is_followed_as_by_the_least_recently_used() {
    for window in [600, 1000, 2000] {
        let (ours, lru) = (
            hits(sliding(window), ours()),
            hits(sliding(window), least_recently_used()),
        );
        assert!(ours > 0.9 * lru, "{window}: {ours:.1} of {lru:.1} %");
    }
}

#[test]
fn popular_objects_stay_in_a_stream_of_others_where_the_least_recently_used_loses_them() {
    for (exponent, once, more) in [(0.7, 0.0, 8.0), (0.9, 0.0, 7.0), (0.9, 0.4, 7.0)] {
        let (ours, lru) = (
            hits(popular(exponent, once), ours()),
            hits(popular(exponent, once), least_recently_used()),
        );
        let what = format!("{exponent}, {once}: {ours:.1} and {lru:.1} %");
        assert!(ours > lru + more, "{what}");
    }
}

#[test]
fn a_circle_of_new_objects_behind_what_was_popular_is_kept_in_the_end() {
    let mut popular = popular(0.9, 0.0);
    let (mut asked, mut at) = (0, 0);
    let ours = hits(
        || {
            asked += 1;
            if asked < REQUESTS / 16 {
                return popular();
            }
            at = (at + 1) % (ROOM as u64 * 9 / 10);
            (1 << 41) + at
        },
        ours(),
    );
    assert!(ours > 75.0, "{ours:.1} %");
}
