//! Logs driven again: the same requests, at the same times, for objects like those of the log.

use super::{
    super::{
        log::Format,
        replay::{Replay, schedule, untimed},
    },
    fit, log,
    made::{Made, made, source, whole},
};
use crate::{
    demand::{Arrival, Method, RequestType},
    seed::Seed,
    world::World,
};
use std::{collections::HashSet, sync::Arc};

fn replayed(text: &str, speed: f64) -> (World, Vec<Arrival>) {
    let (survey, fitted, _) = fit(text);
    let plan = schedule(&survey, &fitted.workload, speed);
    let world = World::new(Arc::new(fitted.workload), Seed(3), 0);
    let log = log(text.as_bytes(), Format::Auto);
    let replay = Replay::new(log, &survey, world.clone(), plan.clone(), speed);
    let all: Vec<Arrival> = replay.collect();
    assert!(
        all.iter()
            .all(|a| a.robot < plan.robots && a.phase < plan.phases.len())
    );
    // What is due behind the last phase would be of none.
    assert!(all.iter().all(|a| a.due <= plan.seconds()));
    assert!(
        all.windows(2)
            .all(|w| w[0].due <= w[1].due && w[0].number < w[1].number)
    );
    (world, all)
}

#[test]
fn a_replay_asks_what_the_log_did_when_the_log_did() {
    for format in [Made::Squid, Made::Combined, Made::Json] {
        let mut source = source("{ zipf = { exponent = 0.8 } }");
        source.phases[0].seconds = 60.0;
        let plan = whole(&source);
        let wanted: Vec<Arrival> = {
            let world = World::new(Arc::new(source.clone()), Seed(7), super::made::EPOCH);
            crate::demand::Demand::new(world, plan.clone()).collect()
        };
        let text = made(source, plan, format);
        let (_, all) = replayed(&text, 1.0);
        assert_eq!(all.len(), wanted.len());
        let count =
            |of: &dyn Fn(&Arrival) -> bool, list: &[Arrival]| list.iter().filter(|a| of(a)).count();
        for of in [
            (&|a: &Arrival| a.first) as &dyn Fn(&Arrival) -> bool,
            &|a| a.method == Method::Post,
            &|a| a.method == Method::Head,
            &|a| a.kind == RequestType::Ims304,
        ] {
            assert_eq!(count(of, &all), count(of, &wanted), "{format:?}");
        }
        let objects: HashSet<_> = all.iter().map(|a| a.object).collect();
        assert_eq!(objects.len(), count(&|a| a.first, &wanted), "{format:?}");
        if format == Made::Combined {
            // Whole seconds of ends are all that such a log tells.
            continue;
        }
        let first = wanted[0].due;
        for (a, w) in all.iter().zip(&wanted) {
            assert!(
                (a.due - (w.due - first)).abs() < 0.003,
                "{} {}",
                a.due,
                w.due
            );
        }
    }
}

#[test]
fn a_replay_at_twice_the_speed_takes_half_the_time() {
    let mut source = source("{ zipf = { exponent = 0.8 } }");
    source.phases[0].seconds = 60.0;
    let plan = whole(&source);
    let text = made(source, plan, Made::Squid);
    let ((_, once), (_, twice)) = (replayed(&text, 1.0), replayed(&text, 2.0));
    assert_eq!(once.len(), twice.len());
    for (a, b) in once.iter().zip(&twice) {
        assert!((a.due / 2.0 - b.due).abs() < 1e-6);
        assert_eq!(a.object, b.object);
    }
}

#[test]
fn a_replay_without_times_has_one_phase_with_all_of_the_log_in_it() {
    let mut source = source("{ zipf = { exponent = 0.8 } }");
    source.phases[0].seconds = 30.0;
    let plan = whole(&source);
    let (survey, fitted, _) = fit(&made(source, plan, Made::Squid));
    let once = untimed(schedule(&survey, &fitted.workload, 1.0));
    let names: Vec<&str> = once.phases.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["log"]);
    assert!(once.phases[0].measured && once.seconds() > 1e6);
    // A proxy slower than the log's clients were is measured rightly.
    let world = World::new(Arc::new(fitted.workload), Seed(3), 0);
    let mut recorder = crate::record::Recorder::new(&world, &once);
    let object = crate::world::Object { kind: 0, id: 1 };
    recorder.record(&crate::record::Sample {
        object,
        phase: 0,
        kind: RequestType::Plain,
        method: Method::Get,
        due: 0,
        taken: 0,
        begun: 0,
        sent: 0,
        head: 9,
        done: 9,
        bytes: 1,
        cachable: true,
        offered: false,
        source: crate::record::Source::Miss,
        aborted: false,
        adapted: Vec::new(),
        faults: Vec::new(),
    });
    let results = recorder.finish(crate::record::Closing {
        at: 600_000_000,
        ..Default::default()
    });
    assert_eq!(results.validity.reasons, Vec::<String>::new());
}

#[test]
fn an_object_of_a_replay_is_as_large_as_the_logs() {
    let line = |n: u32, size: u64| {
        let kind = ["text/html", "image/png", "text/css"][n as usize % 3];
        format!(
            "{n}.0 1 c TCP_MISS/200 {} GET http://a.example/{n} - HIER_DIRECT/b {kind}\n",
            size + 350
        )
    };
    let sizes: Vec<u64> = (0..300).map(|n| 1000 + 97 * ((n * 7919) % 300)).collect();
    let text: String = (0..).zip(&sizes).map(|(n, size)| line(n, *size)).collect();
    let (world, all) = replayed(&text, 1.0);
    let off = |(a, size): (&Arrival, &u64)| (world.size(a.object) as f64 / *size as f64).ln().abs();
    let mean = all.iter().zip(&sizes).map(off).sum::<f64>() / 300.0;
    assert!(mean < 0.1, "{mean}");
    // A drawn one would be off by a factor of two or so.
    let types = ["text/html; charset=utf-8", "image/png", "text/css"];
    let right = |(n, a): (usize, &Arrival)| world.format(a.object).media_type() == types[n % 3];
    let right = all
        .iter()
        .enumerate()
        .filter(|(n, a)| right((*n, a)))
        .count();
    assert!(right > 270, "{right}");
}
