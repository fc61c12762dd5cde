#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

const EPOCH: i64 = 1_700_000_000;
const DAY: f64 = 86400.0;

fn world(seed: u64) -> World {
    let workload = Workload::load("polymix-3").unwrap();
    World::new(Arc::new(workload), Seed(seed), EPOCH)
}

fn objects(kind: u8, count: u64) -> impl Iterator<Item = Object> {
    (0..count).map(move |id| Object { kind, id })
}

fn mean(numbers: impl Iterator<Item = f64>) -> f64 {
    let (sum, count) = numbers.fold((0.0, 0.0), |(s, n), x| (s + x, n + 1.0));
    sum / count
}

fn near(what: &str, is: f64, should: f64, relative: f64) {
    assert!(
        (is / should - 1.0).abs() <= relative,
        "{what} is {is}, not {should} to {relative}"
    );
}

proptest! {
    #[test]
    fn a_path_names_its_object_and_no_other(seed: u64, kind in 0u8..4, id: u64) {
        let world = world(seed);
        let object = Object { kind, id };
        let path = world.path(object);
        prop_assert_eq!(world.object(&path), Some(object));
        // One object, one path: with or without `/ads`, in capitals, with zeros before it, with more behind it, it is none.
        let other = path.strip_prefix("/ads").map_or_else(|| format!("/ads{path}"), str::to_owned);
        prop_assert_eq!(world.object(&other), None);
        prop_assert_eq!(world.object(&format!("{path}x")), None);
        prop_assert_eq!(world.object(&format!("{path}?")), None);
        prop_assert_eq!(world.object(&path[1..]), None);
        let (before, name) = path.rsplit_once('/').unwrap();
        let zero = format!("{before}/0{name}");
        let plus = format!("{before}/+{name}");
        prop_assert_eq!(world.object(&zero), None);
        prop_assert_eq!(world.object(&plus), None);
    }

    #[test]
    fn what_names_no_object_is_none(path in "(/(ads|image|html|\\.bed)){0,3}/?[0-9a-f]{0,20}(\\.[a-z]{1,5})?") {
        let world = world(1);
        if let Some(object) = world.object(&path) {
            prop_assert_eq!(world.path(object), path);
        }
    }

    #[test]
    fn every_second_belongs_to_one_version(seed: u64, kind in 0u8..4, id: u64, after in -400_000_000i64..400_000_000) {
        let world = world(seed);
        let object = Object { kind, id };
        let now = EPOCH + after;
        let version = world.version(object, now);
        prop_assert!(version.modified <= now && now < version.until);
        prop_assert_eq!(world.version(object, version.modified), version);
        prop_assert_eq!(world.version(object, version.until - 1), version);
        let next = world.version(object, version.until);
        prop_assert_eq!(next.modified, version.until);
        prop_assert!(next.number > version.number);
        let before = world.version(object, version.modified - 1);
        prop_assert!(before.number < version.number && before.until == version.modified);
    }

    #[test]
    fn changes_lie_within_the_variance_of_their_regular_time(seed: u64, kind in 0u8..4, id: u64, after in 0i64..100_000_000) {
        let world = world(seed);
        let object = Object { kind, id };
        let life = &world.content(object).life;
        let length = life.length.sample(&mut world.stream(draw::LENGTH, object));
        let begin = EPOCH as f64 - world.share(draw::PHASE, object) * length;
        let version = world.version(object, EPOCH + after);
        let regular = begin + length * version.number as f64;
        let off = (version.modified as f64 - regular).abs();
        prop_assert!(off <= length * life.variance / 2.0 + 1.0, "{off} of {length}");
    }

    #[test]
    fn short_lives_have_versions_of_a_second_at_least(length in 0.0f64..10.0, variance in 0.0f64..=1.0, id: u64, after in -1000i64..1000) {
        let mut workload = Workload::load("polymix-3").unwrap();
        workload.content[1].life = crate::workload::Life {
            length: crate::workload::Distribution::Constant(length),
            variance,
        };
        let world = World::new(Arc::new(workload), Seed(1), EPOCH);
        let object = Object { kind: 1, id };
        let mut now = EPOCH + after;
        let mut number = i64::MIN;
        for _ in 0..20 {
            let version = world.version(object, now);
            prop_assert!(version.modified <= now && now < version.until);
            prop_assert!(version.number > number);
            prop_assert_eq!(world.version(object, version.until - 1), version);
            (number, now) = (version.number, version.until);
        }
    }
}

#[test]
fn sizes_and_cachability_are_those_of_the_table() {
    let world = world(2);
    for (kind, kb, cachable) in [
        (0, 4.5, 0.80),
        (1, 8.5, 0.90),
        (2, 300.0, 0.95),
        (3, 25.0, 0.72),
    ] {
        let sizes = objects(kind, 40_000).map(|o| world.size(o) as f64 / 1024.0);
        near("a mean size", mean(sizes), kb, 0.025);
        let share = objects(kind, 40_000).map(|o| f64::from(u8::from(world.cachable(o))));
        near("a share", mean(share), cachable, 0.015);
    }
}

#[test]
fn sizes_have_the_shape_of_the_table_and_not_its_means_alone() {
    let world = world(2);
    let within = |kind: u8, kb: f64| {
        let sizes = objects(kind, 40_000).map(|o| world.size(o) as f64 / 1024.0);
        mean(sizes.map(|size| f64::from(u8::from(size <= kb))))
    };
    // An exponential distribution, at parts of its mean; the smallest bodies of a format are larger than nothing.
    for (kind, kb) in [(0, 4.5), (1, 8.5)] {
        for part in [0.7f64, 1.0, 2.0, 4.0] {
            let right = 1.0 - (-part).exp();
            let is = within(kind, kb * part);
            assert!(
                (is - right).abs() < 0.015,
                "{kind} {part}: {is} for {right}"
            );
        }
    }
    // A lognormal one, at its median and a standard deviation of the logarithm from there.
    for (kind, kb, sd) in [(2, 300.0, 300.0f64), (3, 25.0, 10.0)] {
        let variance = (1.0 + (sd / kb).powi(2)).ln();
        let median = kb * (-variance / 2.0).exp();
        for (away, right) in [(-1.0, 0.1587), (0.0, 0.5), (1.0, 0.8413), (2.0, 0.9772)] {
            let is = within(kind, median * (variance.sqrt() * away).exp());
            assert!(
                (is - right).abs() < 0.015,
                "{kind} {away}: {is} for {right}"
            );
        }
    }
}

#[test]
fn changes_are_even_over_the_variance_that_the_table_allows() {
    let world = world(3);
    for kind in 0..4 {
        // How far the change that is regularly at 7 lives is off, in halves of the variance.
        let off = objects(kind, 4000).map(|o| {
            let life = &world.content(o).life;
            let length = life.length.sample(&mut world.stream(draw::LENGTH, o));
            let begin = EPOCH as f64 - world.share(draw::PHASE, o) * length;
            let version = world.version(o, (begin + 7.5 * length) as i64);
            let off = version.modified as f64 - (begin + 7.0 * length);
            off / (length * life.variance / 2.0)
        });
        let off: Vec<f64> = off.collect();
        let share =
            |is: &dyn Fn(f64) -> bool| mean(off.iter().map(|off| f64::from(u8::from(is(*off)))));
        for (right, is) in [
            (0.5, share(&|off| off < 0.0)),
            (0.25, share(&|off| off < -0.5)),
            (0.25, share(&|off| off > 0.5)),
            (0.05, share(&|off| off > 0.9)),
            (0.0, share(&|off| off.abs() > 1.001)),
        ] {
            // Five standard errors of 4000.
            assert!((is - right).abs() < 0.04, "{kind}: {is} for {right}");
        }
    }
}

#[test]
fn lives_are_those_of_the_table() {
    let world = world(3);
    for (kind, days) in [(0, 30.0), (1, 7.0), (2, 182.5), (3, 183.0)] {
        // From the change that is 20 lives behind the beginning to that 20 lives ahead, which variance moves by half a life at most.
        let lives = objects(kind, 4000).map(|o| {
            let span = 20.0 * days * DAY;
            let first = world.version(o, EPOCH - span as i64);
            let last = world.version(o, EPOCH + span as i64);
            // Those that live longer than the span have no two changes in it.
            let changes = (last.number - first.number).max(1);
            (last.modified - first.modified) as f64 / changes as f64 / DAY
        });
        near("a mean life in days", mean(lives), days, 0.03);
    }
}

#[test]
fn pages_embed_what_the_table_says_and_advertisements_are_a_share() {
    let world = world(4);
    let parts = objects(1, 40_000).map(|o| world.embedded(o).len() as f64);
    near("parts of a page", mean(parts), 4.45, 0.02);
    assert!(objects(1, 1000).all(|o| world.embedded(o).iter().all(|part| part.kind == 0)));
    assert!(objects(3, 1000).all(|o| world.embedded(o).is_empty()));
    for (kind, ads) in [(0, 0.08), (3, 0.03)] {
        let share = objects(kind, 100_000).map(|o| f64::from(u8::from(world.ad(o))));
        near("advertisements", mean(share), ads, 0.08);
    }
}

#[test]
fn another_seed_is_another_world() {
    let (one, two) = (world(1), world(2));
    let alike = objects(1, 1000)
        .filter(|o| one.size(*o) == two.size(*o))
        .count();
    assert!(alike < 5, "{alike}");
    assert!(objects(1, 1000).all(|o| one.size(o) == world(1).size(o)));
}
