#![allow(clippy::unwrap_used)]
use super::*;
use crate::workload::Distribution;
use std::collections::HashSet;
use std::sync::Arc;

/// A workload's plateau at 1000 requests a second, and its demand.
fn plateau(name: &str, seed: u64, seconds: f64) -> Demand {
    let workload = Arc::new(Workload::load(name).unwrap());
    let schedule = Schedule::plateau(&workload, 1000.0, 60.0, seconds).unwrap();
    Demand::new(World::new(workload, Seed(seed), 1_700_000_000), schedule)
}

/// All requests of the measured phase, each page's embedded ones behind it, as robots make them that wait for nothing.
fn requests(demand: &mut Demand) -> Vec<Arrival> {
    let mut all = Vec::new();
    while let Some(arrival) = demand.next() {
        if demand.schedule().phases[arrival.phase].measured {
            all.push(arrival);
            all.extend(demand.embedded(&arrival, arrival.due, arrival.phase));
        }
    }
    all
}

fn share(all: &[Arrival], is: impl Fn(&Arrival) -> bool) -> f64 {
    all.iter().filter(|a| is(a)).count() as f64 / all.len() as f64
}

fn near(what: &str, is: f64, should: f64, error: f64) {
    assert!(
        (is - should).abs() <= error,
        "{what} is {is}, not {should} to {error}"
    );
}

#[test]
fn the_same_seed_asks_the_same_and_another_asks_otherwise() {
    let first = |seed| {
        plateau("polymix-4", seed, 10.0)
            .take(2000)
            .collect::<Vec<_>>()
    };
    assert_eq!(first(1), first(1));
    let (one, two) = (first(1), first(2));
    let alike = one.iter().zip(&two).filter(|(a, b)| a.due == b.due).count();
    assert_eq!(alike, 0);
    let page = |seed| {
        let mut demand = plateau("polymix-4", seed, 10.0);
        let found = demand.find(demand_has_parts).unwrap();
        demand.embedded(&found, 1.0, 0)
    };
    assert_eq!(page(1), page(1));
    assert_ne!(page(1), page(2));
}

fn demand_has_parts(arrival: &Arrival) -> bool {
    arrival.object.kind == 1 && arrival.method == Method::Get && arrival.abort.is_none()
}

#[test]
fn requests_come_as_a_poisson_process_of_the_rate() {
    let mut demand = plateau("polymix-3", 3, 300.0);
    let rate = 1000.0 / (1.0 + Expected::new(demand.world.workload()).embedded);
    let due: Vec<f64> = demand
        .by_ref()
        .filter(|a| a.phase == 3)
        .map(|a| a.due)
        .collect();
    let gaps: Vec<f64> = due.windows(2).map(|w| (w[1] - w[0]) * rate).collect();
    let n = gaps.len() as f64;
    assert!(gaps.iter().all(|g| *g >= 0.0));
    // Exponential of mean 1: variance 1, whose standard error is the root of 8 / n; no correlation. All within five errors.
    let mean = gaps.iter().sum::<f64>() / n;
    near("the mean gap", mean, 1.0, 5.0 / n.sqrt());
    let variance = gaps.iter().map(|g| (g - mean).powi(2)).sum::<f64>() / n;
    near("the variance", variance, 1.0, 5.0 * (8.0 / n).sqrt());
    let correlation = gaps
        .windows(2)
        .map(|w| (w[0] - mean) * (w[1] - mean))
        .sum::<f64>()
        / n;
    near("the correlation", correlation, 0.0, 5.0 / n.sqrt());
    // And gaps above 3 means are as many as they should be, which a variance alone does not say.
    let long = gaps.iter().filter(|g| **g > 3.0).count() as f64 / n;
    let right = (-3.0f64).exp();
    near(
        "the share of long gaps",
        long,
        right,
        5.0 * (right / n).sqrt(),
    );
}

#[test]
fn ramps_have_requests_as_the_area_under_them() {
    let workload = Arc::new(Workload::load("polymix-3").unwrap());
    for (from, to) in [(0.0, 1.0), (1.0, 0.0), (0.2, 0.8), (0.5, 0.5)] {
        let mut schedule = Schedule::plateau(&workload, 2000.0, 1.0, 100.0).unwrap();
        schedule.phases.drain(..3);
        let phase = &mut schedule.phases[0];
        (phase.begin, phase.from, phase.to) = (0.0, 2000.0 * from, 2000.0 * to);
        let demand = Demand::new(World::new(workload.clone(), Seed(5), 0), schedule);
        let direct = 2000.0 / (1.0 + Expected::new(&workload).embedded);
        let mut counts = [0.0; 4];
        demand.for_each(|a| counts[(a.due / 25.0) as usize] += 1.0);
        for (quarter, count) in counts.iter().enumerate() {
            let middle = (quarter as f64 + 0.5) / 4.0;
            let right = direct * 25.0 * (from + (to - from) * middle);
            near("requests in a quarter", *count, right, 5.0 * right.sqrt());
        }
    }
}

#[test]
fn the_whole_rate_is_the_schedules_with_what_is_embedded() {
    for name in ["polymix-3", "polymix-4"] {
        let all = requests(&mut plateau(name, 4, 120.0));
        // Four deviations between seeds: what the pages of the hot set embed.
        near(name, all.len() as f64 / 120.0, 1000.0, 40.0);
    }
}

#[test]
fn requests_have_the_mix_of_the_table() {
    // Errors are four deviations between seeds. They are wide for so many requests: a quarter of them have objects of their own, and
    // a tenth fall on a hot set of some dozens, whose few pages embed more than others or less.
    let mut demand = plateau("polymix-3", 1, 300.0);
    let all = requests(&mut demand);
    let world = &demand.world;
    let expected = Expected::new(world.workload());
    let errors = [0.012, 0.003, 0.0013, 0.011];
    for (kind, (right, error)) in expected.shares.iter().zip(errors).enumerate() {
        let is = share(&all, |a| usize::from(a.object.kind) == kind);
        near("a kind's share", is, *right, error);
    }
    let cachable = share(&all, |a| world.cachable(a.object));
    near("cachable", cachable, 0.80, 0.007);
    let bytes: f64 = all.iter().map(|a| world.size(a.object) as f64).sum();
    let size = bytes / all.len() as f64;
    near("the mean size", size, expected.size, 0.06 * expected.size);
}

#[test]
fn request_types_are_those_of_the_table() {
    let all = requests(&mut plateau("polymix-3", 1, 120.0));
    for (kind, right) in [
        (RequestType::Ims200, 0.05),
        (RequestType::Ims304, 0.10),
        (RequestType::Reload, 0.05),
        (RequestType::Plain, 0.80),
    ] {
        near(
            "a type's share",
            share(&all, |a| a.kind == kind),
            right,
            0.004,
        );
    }
    assert!(
        all.iter()
            .all(|a| a.method == Method::Get && a.abort.is_none() && a.request_body == 0)
    );
}

#[test]
fn methods_and_aborts_are_those_of_the_table() {
    let mut demand = plateau("polymix-4", 2, 1.0);
    demand.schedule.phases[3].seconds = 1000.0;
    let all: Vec<Arrival> = demand.collect();
    near(
        "POST",
        share(&all, |a| a.method == Method::Post),
        0.015,
        0.0012,
    );
    near(
        "HEAD",
        share(&all, |a| a.method == Method::Head),
        0.001,
        0.0004,
    );
    near("aborts", share(&all, |a| a.abort.is_some()), 0.001, 0.0004);
    let (posts, others): (Vec<&Arrival>, Vec<&Arrival>) =
        all.iter().partition(|a| a.method == Method::Post);
    assert!(
        posts
            .iter()
            .all(|a| a.kind == RequestType::Plain && a.request_body < 8192)
    );
    assert!(others.iter().all(|a| a.request_body == 0));
    let mean = posts.iter().map(|a| a.request_body as f64).sum::<f64>() / posts.len() as f64;
    near("a POST's mean size", mean, 4096.0, 200.0);
    assert!(
        all.iter()
            .all(|a| a.abort.is_none_or(|at| (0.0..1.0).contains(&at)))
    );
    assert!(
        all.iter()
            .all(|a| a.method != Method::Head || a.abort.is_none())
    );
}

#[test]
fn no_post_is_longer_than_the_origin_takes() {
    let mut workload = Workload::load("polymix-4").unwrap();
    workload.methods.post_size = Distribution::Exp(1048576.0);
    let workload = Arc::new(Workload::parse(&toml::to_string(&workload).unwrap()).unwrap());
    let schedule = Schedule::plateau(&workload, 1000.0, 1.0, 30.0).unwrap();
    let posts: Vec<u64> = Demand::new(World::new(workload, Seed(1), 0), schedule)
        .filter(|a| a.method == Method::Post)
        .map(|a| a.request_body)
        .collect();
    assert_eq!(posts.iter().max(), Some(&(1 << 20)));
    assert!(posts.iter().any(|p| *p < 1 << 20));
}

#[test]
fn filling_asks_for_little_again_and_for_little_special() {
    let demand = plateau("polymix-3", 6, 1.0);
    let fill: Vec<Arrival> = demand.filter(|a| a.phase == 1).collect();
    near("recurrence", share(&fill, |a| !a.first), 0.05 / 0.76, 0.012);
    near(
        "special",
        share(&fill, |a| a.kind != RequestType::Plain),
        0.02,
        0.006,
    );
}

#[test]
fn every_new_object_is_asked_for_the_first_time_once_and_in_order() {
    let mut next = 0;
    for arrival in plateau("polymix-3", 1, 60.0) {
        if arrival.first {
            assert_eq!(arrival.object.id, next);
            next += 1;
        } else {
            assert!(arrival.object.id < next);
        }
    }
    assert!(next > 10_000);
}

#[test]
fn an_object_is_always_of_the_same_kind() {
    let mut demand = plateau("polymix-3", 1, 20.0);
    let all: Vec<Arrival> = demand.by_ref().collect();
    assert!(all.iter().all(|a| a.object == demand.object(a.object.id)));
}

#[test]
fn recurrence_is_that_of_the_table_and_stays_within_the_sliding_window() {
    let mut demand = plateau("polymix-3", 1, 300.0);
    let window = {
        let each = 1.0 + Expected::new(demand.world.workload()).embedded;
        (demand.schedule.working_set as f64 / each).round() as u64
    };
    let (mut newest, mut oldest, mut repeated, mut count) = (0, u64::MAX, 0, 0);
    for arrival in demand.by_ref() {
        if arrival.first {
            newest = arrival.object.id;
        } else {
            let age = newest - arrival.object.id;
            assert!(age < window, "{age} of {window}");
            oldest = if arrival.phase == 3 {
                oldest.min(arrival.object.id)
            } else {
                oldest
            };
        }
        if arrival.phase == 3 {
            count += 1;
            repeated += u32::from(!arrival.first);
        }
    }
    near(
        "recurrence",
        f64::from(repeated) / f64::from(count),
        0.7237,
        0.006,
    );
    assert!(newest - oldest > 2 * window, "the window did not slide");
}

#[test]
fn the_working_set_has_as_many_objects_as_the_schedule_says_embedded_ones_too() {
    let mut demand = plateau("polymix-3", 1, 60.0);
    let last = demand.by_ref().filter(|a| a.first).last().unwrap();
    // What is still asked for again after all new ones: the window.
    let mut stream = Seed(1).stream(&[1]);
    let direct: HashSet<u64> = (0..200_000)
        .filter_map(|_| demand.seen.again(&mut stream))
        .collect();
    assert!(direct.contains(&last.object.id));
    let objects: usize = direct
        .iter()
        .map(|id| 1 + demand.world.embedded(demand.object(*id)).len())
        .sum();
    let working_set = demand.schedule().working_set as f64;
    near(
        "objects in the working set",
        objects as f64,
        working_set,
        0.04 * working_set,
    );
}

#[test]
fn an_ideal_cache_has_the_hit_ratio_of_the_workloads_name() {
    // Plain and conditional requests that repeat a cachable object count, reloads do not.
    let mut demand = plateau("polymix-3", 9, 300.0);
    let (mut stored, mut hits, mut all) = (HashSet::new(), 0, 0);
    while let Some(arrival) = demand.next() {
        let parts = demand.embedded(&arrival, arrival.due, arrival.phase);
        for request in std::iter::once(arrival).chain(parts) {
            let cachable = demand.world.cachable(request.object);
            let there = !stored.insert(request.object) && cachable;
            if demand.schedule().phases[request.phase].measured {
                all += 1;
                hits += u32::from(there && request.kind != RequestType::Reload);
            }
        }
    }
    near(
        "the ideal hit ratio",
        f64::from(hits) / f64::from(all),
        0.55,
        0.01,
    );
}

#[test]
fn robots_are_alike() {
    let demand = plateau("polymix-3", 1, 300.0);
    let robots = demand.schedule.robots;
    assert_eq!(robots, 2500);
    let all: Vec<Arrival> = demand.collect();
    let mut counts = vec![0.0; robots as usize];
    all.iter().for_each(|a| counts[a.robot as usize] += 1.0);
    let each = all.len() as f64 / f64::from(robots);
    let chi: f64 = counts.iter().map(|c: &f64| (c - each).powi(2) / each).sum();
    near(
        "chi-square of robots",
        chi,
        2499.0,
        5.0 * (2.0 * 2499.0f64).sqrt(),
    );
}

#[test]
fn a_page_has_its_parts_each_time_and_each_a_number_of_its_own() {
    let mut demand = plateau("polymix-3", 1, 30.0);
    let pages: Vec<Arrival> = demand.by_ref().filter(demand_has_parts).collect();
    let mut numbers = HashSet::new();
    for page in &pages {
        let parts = demand.embedded(page, page.due + 1.0, 3);
        assert_eq!(parts.len(), demand.world.embedded(page.object).len());
        for part in &parts {
            assert!(part.number >= EMBEDDED);
            assert!(numbers.insert(part.number));
            assert_eq!(
                (part.robot, part.first, part.method),
                (page.robot, page.first, Method::Get)
            );
            assert_eq!((part.due, part.phase), (page.due + 1.0, 3));
        }
    }
    near(
        "parts of a page",
        numbers.len() as f64 / pages.len() as f64,
        4.45,
        0.25,
    );
}

#[test]
fn what_is_no_whole_page_has_no_parts() {
    let mut demand = plateau("polymix-4", 1, 30.0);
    let page = demand.find(demand_has_parts).unwrap();
    assert!(!demand.embedded(&page, 1.0, 0).is_empty());
    let with = |change: &dyn Fn(&mut Arrival)| {
        let mut other = page;
        change(&mut other);
        demand.embedded(&other, 1.0, 0)
    };
    assert!(with(&|a| a.method = Method::Head).is_empty());
    assert!(with(&|a| a.method = Method::Post).is_empty());
    assert!(with(&|a| a.abort = Some(0.5)).is_empty());
    assert!(with(&|a| a.object.kind = 3).is_empty());
}

#[test]
fn a_phase_that_ends_early_brings_all_that_follows_forward() {
    let mut demand = plateau("polymix-3", 1, 60.0);
    let whole = demand.schedule().seconds();
    let held = demand.by_ref().find(|a| a.phase == 1).unwrap();
    let now = held.due;
    demand.end_phase(1, now);
    let next = demand.next().unwrap();
    assert_eq!(next.phase, 2);
    assert!(next.due >= now && next.number == held.number + 1);
    let phases = demand.schedule().phases.clone();
    near("the next phase's beginning", phases[2].begin, now, 1e-9);
    assert!(
        phases
            .windows(2)
            .all(|p| (p[0].begin + p[0].seconds - p[1].begin).abs() < 1e-9)
    );
    assert!(demand.schedule().seconds() < whole);
    let last = demand.last().unwrap();
    assert!(last.phase == 3 && last.due <= phases[3].begin + 60.0);
}

#[test]
fn ending_a_phase_that_is_over_or_is_not_there_changes_no_arrival() {
    let mut demand = plateau("polymix-3", 1, 10.0);
    let found = demand.by_ref().find(|a| a.phase == 3).unwrap();
    demand.end_phase(99, 1.0);
    let end = demand.schedule().phases[0].begin + demand.schedule().phases[0].seconds;
    demand.end_phase(0, end + 100.0);
    let next = demand.next().unwrap();
    assert!(next.phase == 3 && next.due >= found.due);
}
