//! What the standard workloads' connections and thinking come to, as the origin draws them: means, and shares on both sides of
//! the middle. A draw has no clock in it, so the upper side is told as well as the lower.

use crate::{
    origin::{connection::Connection, drawn, handle::think, statistics::Counters},
    seed::Seed,
    workload::{Workload, is_zipf},
    world::World,
};
use std::sync::Arc;

const DRAWS: u64 = 40_000;

fn world(name: &str) -> World {
    World::new(Arc::new(Workload::load(name).unwrap()), Seed(11), 0)
}

fn near(what: &str, is: f64, should: f64, error: f64) {
    assert!(
        (is - should).abs() <= error,
        "{what} is {is}, not {should} to {error}"
    );
}

#[test]
fn servers_connections_are_for_as_many_requests_as_the_table_says() {
    for (name, most) in [("polymix-3", 16), ("polymix-4", 16), ("webaxe-4", 64)] {
        let world = world(name);
        let counters = Arc::new(Counters::default());
        let numbers: Vec<_> = (0..DRAWS)
            .map(|number| {
                let connection = Connection::accepted(number, &counters);
                (1..).find(|_| connection.turn(&world).last).unwrap()
            })
            .collect();
        is_zipf(name, &numbers, most);
    }
}

#[test]
fn an_origin_thinks_as_long_as_the_table_says_and_no_longer() {
    for (name, mean, deviation) in [
        ("polymix-3", 2.5, 1.0),
        ("polymix-4", 2.5, 1.0),
        ("webaxe-4", 0.3, 0.1),
    ] {
        let world = world(name);
        let thought: Vec<_> = (0..DRAWS)
            .map(|number| {
                let words = drawn::of(drawn::THINK, number);
                think(
                    &world.workload().network.think,
                    &mut world.seed().stream(&words),
                )
                .as_secs_f64()
            })
            .collect();
        let drawn = thought.iter().sum::<f64>() / DRAWS as f64;
        near(name, drawn, mean, 0.02 * mean);
        // The shares of a normal distribution below so many deviations from its mean; what would be negative is drawn as 0.
        for (deviations, should) in [
            (-2.0, 0.0228),
            (-1.0, 0.1587),
            (0.0, 0.5),
            (1.0, 0.8413),
            (2.0, 0.9772),
            (3.0, 0.9987),
        ] {
            let limit = mean + deviations * deviation;
            let share = thought.iter().filter(|t| **t <= limit).count() as f64 / DRAWS as f64;
            near(&format!("{name}: share to {limit}"), share, should, 0.01);
        }
        let longest = thought.iter().copied().fold(0.0, f64::max);
        assert!(longest <= mean + 6.0 * deviation, "{name}: {longest}");
    }
}
