//! Which of the objects seen is asked for again: a choice from the newest ones, a window that slides with every new object.
//!
//! Invariant: an object's popularity is the same as long as it is in the window, and the distribution over a whole window is exactly
//! the workload's. A choice costs the same however many objects there are, and nothing is rebuilt as the window slides.
//!
//! Uniform: whether an object is hot is a function of its number; the hot ones of the window stand in a queue of their own. Zipf:
//! object n stands on place n modulo the window's size, and each place has a rank for ever: a new object takes over place and rank of
//! the one that leaves.
//!
//! Awkward case: while the window is not full, some ranks have no object yet. Those are drawn again, a few times; then the place is
//! taken modulo what there is.

use crate::{
    seed::{Seed, Stream},
    workload::{self, uniform},
    world::draw,
};
use rand_distr::{Distribution, Zipf};
use std::collections::VecDeque;

/// How often a choice is drawn again before it is taken as it is.
const TRIES: u32 = 64;

/// The objects seen, and how popular each is.
#[derive(Debug)]
pub(super) struct Seen {
    seed: Seed,
    /// Objects so far; the next has this number.
    next: u64,
    /// The most objects in the window.
    window: u64,
    choice: Choice,
}

#[derive(Debug)]
enum Choice {
    Uniform {
        hot_set: f64,
        hot_share: f64,
        /// Numbers of hot objects in the window, the oldest first.
        hot: VecDeque<u64>,
    },
    Zipf {
        ranks: Zipf<f64>,
        /// Ranks are scattered by going round in steps of this, which has no divisor in common with the window's size.
        step: u64,
    },
}

impl Seen {
    pub(super) fn new(seed: Seed, popularity: workload::Popularity, window: u64) -> Self {
        let window = window.max(1);
        let even = Choice::Uniform {
            hot_set: 0.0,
            hot_share: 0.0,
            hot: VecDeque::new(),
        };
        let choice = match popularity {
            workload::Popularity::Uniform { hot_set, hot_share } => Choice::Uniform {
                hot_set,
                hot_share,
                hot: VecDeque::new(),
            },
            workload::Popularity::Zipf { exponent } => match Zipf::new(window as f64, exponent) {
                Ok(ranks) => Choice::Zipf {
                    ranks,
                    step: step(window),
                },
                // An exponent below 0: no workload that was checked has one.
                Err(_) => even,
            },
        };
        Self {
            seed,
            next: 0,
            window,
            choice,
        }
    }

    /// The number of a new object, which from now on is seen.
    pub(super) fn another(&mut self) -> u64 {
        let number = self.next;
        self.next += 1;
        let oldest = self.oldest();
        if let Choice::Uniform { hot_set, hot, .. } = &mut self.choice {
            while hot.front().is_some_and(|n| *n < oldest) {
                hot.pop_front();
            }
            if is_hot(self.seed, *hot_set, number) {
                hot.push_back(number);
            }
        }
        number
    }

    /// The number of an object that was seen before, if there is one.
    pub(super) fn again(&self, stream: &mut Stream) -> Option<u64> {
        let there = self.next.min(self.window);
        if there == 0 {
            return None;
        }
        Some(match &self.choice {
            Choice::Uniform {
                hot_set,
                hot_share,
                hot,
            } => {
                if *hot_share > 0.0 && uniform(stream) < *hot_share && !hot.is_empty() {
                    return hot.get(below(stream, hot.len() as u64) as usize).copied();
                }
                let mut number = self.oldest() + below(stream, there);
                // The other choices fall on the others.
                for _ in 0..TRIES {
                    if !is_hot(self.seed, *hot_set, number) {
                        break;
                    }
                    number = self.oldest() + below(stream, there);
                }
                number
            }
            Choice::Zipf { ranks, step } => {
                let place = |stream: &mut Stream| {
                    let rank = ranks.sample(stream) as u64 - 1;
                    (u128::from(rank) * u128::from(*step) % u128::from(self.window)) as u64
                };
                let mut found = place(stream);
                for _ in 0..TRIES {
                    if found < there {
                        break;
                    }
                    found = place(stream);
                }
                self.at(found % there)
            }
        })
    }

    /// The number of the oldest object in the window.
    fn oldest(&self) -> u64 {
        self.next.saturating_sub(self.window)
    }

    /// The number of the object on this place, which is taken.
    fn at(&self, place: u64) -> u64 {
        let oldest = self.oldest();
        oldest + (place + self.window - oldest % self.window) % self.window
    }
}

/// Whether the object of this number is hot, now and always.
pub(super) fn is_hot(seed: Seed, hot_set: f64, number: u64) -> bool {
    hot_set > 0.0 && seed.share(&[draw::DEMAND, HOT, number]) < hot_set
}

/// Second word of what is drawn for an object rather than for a request.
const HOT: u64 = 1;

/// A number below `most`, which is above 0.
fn below(stream: &mut Stream, most: u64) -> u64 {
    ((uniform(stream) * most as f64) as u64).min(most - 1)
}

/// A step of about the golden section of the way round, so that neighbouring ranks lie far apart, and that reaches every place.
fn step(window: u64) -> u64 {
    let mut step = (window as f64 * 0.618_033_988_749_895) as u64 | 1;
    while common_divisor(step, window) != 1 {
        step += 1;
    }
    step
}

fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

#[cfg(test)]
mod tests;
