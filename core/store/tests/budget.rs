//! The budget is a ceiling whatever is done with its reservations, and from however many threads.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use std::{sync::Arc, thread};
use understudy_store::budget::{Budget, Reservation};

#[test]
fn a_reservation_that_does_not_fit_is_refused_and_takes_nothing() {
    let budget = Budget::new(100);
    let held = budget.try_reserve(60).unwrap();
    assert!(budget.try_reserve(41).is_none());
    assert_eq!((budget.used(), budget.available()), (60, 40));
    let rest = budget.try_reserve(40).unwrap();
    drop((held, rest));
    assert_eq!(budget.used(), 0);
}

#[test]
fn a_sum_beyond_any_number_is_refused() {
    let budget = Budget::new(u64::MAX);
    let _held = budget.try_reserve(2).unwrap();
    assert!(budget.try_reserve(u64::MAX - 1).is_none());
}

#[test]
fn a_lowered_ceiling_refuses_until_enough_came_back() {
    let budget = Budget::new(100);
    let mut held = budget.try_reserve(80).unwrap();
    budget.set_ceiling(50);
    assert!(budget.try_reserve(1).is_none() && !held.grow(1));
    assert_eq!(budget.available(), 0);
    held.shrink_to(49);
    assert!(held.grow(1));
}

#[test]
fn threads_together_never_exceed_the_ceiling() {
    let budget = Budget::new(1000);
    thread::scope(|scope| {
        for size in [7, 13, 29, 101] {
            let budget = Arc::clone(&budget);
            scope.spawn(move || {
                let mut held: Vec<Reservation> = Vec::new();
                for at in 0..20_000 {
                    held.extend(budget.try_reserve(size));
                    assert!(budget.used() <= 1000);
                    if at % 3 == 0 {
                        held.pop();
                    }
                    if at % 97 == 0 {
                        held.clear();
                    }
                }
            });
        }
    });
    assert_eq!(budget.used(), 0);
}

#[derive(Debug, Clone)]
enum Step {
    Reserve(u64),
    Grow(usize, u64),
    ShrinkTo(usize, u64),
    Split(usize, u64),
    Draw(usize, u64),
    Merge(usize, usize),
    Drop(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (at, bytes) = (0..8_usize, 0..400_u64);
    prop_oneof![
        bytes.clone().prop_map(Step::Reserve),
        (at.clone(), bytes.clone()).prop_map(|(at, bytes)| Step::Grow(at, bytes)),
        (at.clone(), bytes.clone()).prop_map(|(at, bytes)| Step::ShrinkTo(at, bytes)),
        (at.clone(), bytes.clone()).prop_map(|(at, bytes)| Step::Split(at, bytes)),
        (at.clone(), bytes).prop_map(|(at, bytes)| Step::Draw(at, bytes)),
        (at.clone(), at.clone()).prop_map(|(a, b)| Step::Merge(a, b)),
        at.prop_map(Step::Drop),
    ]
}

proptest! {
    #[test]
    fn what_is_used_is_the_sum_of_what_is_held(steps in prop::collection::vec(step(), 0..80)) {
        let budget = Budget::new(1000);
        let mut held: Vec<Reservation> = Vec::new();
        for step in steps {
            let count = held.len();
            match step {
                Step::Reserve(bytes) => held.extend(budget.try_reserve(bytes)),
                _ if count == 0 => {}
                Step::Grow(at, bytes) => {
                    let before = held[at % count].bytes();
                    let grown = held[at % count].grow(bytes);
                    prop_assert_eq!(held[at % count].bytes(), before + if grown { bytes } else { 0 });
                }
                Step::ShrinkTo(at, bytes) => held[at % count].shrink_to(bytes),
                Step::Split(at, bytes) => {
                    let part = held[at % count].split(bytes);
                    held.extend(part);
                }
                Step::Draw(at, bytes) => {
                    let part = held[at % count].draw(bytes);
                    prop_assert!(part.as_ref().is_none_or(|part| part.bytes() == bytes));
                    held.extend(part);
                }
                Step::Merge(a, b) => {
                    let other = held.remove(a % count);
                    match held.get_mut(b % count.max(2)) {
                        Some(into) => into.merge(other),
                        None => held.push(other),
                    }
                }
                Step::Drop(at) => drop(held.remove(at % count)),
            }
            prop_assert!(budget.used() <= 1000);
            prop_assert_eq!(budget.used(), held.iter().map(Reservation::bytes).sum::<u64>());
        }
        drop(held);
        prop_assert_eq!(budget.used(), 0);
    }
}
