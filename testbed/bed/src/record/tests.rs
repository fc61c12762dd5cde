#![allow(clippy::unwrap_used)]
//! The recorder, driven with samples made by hand.

use super::*;
use crate::{
    seed::Seed,
    workload::{Phase, Schedule, Workload},
    world::World,
};
use std::{collections::BTreeMap, sync::Arc};

/// Two phases of ten seconds at ten requests a second, the second one measured; two kinds of content.
pub(crate) fn recorder() -> Recorder {
    let text = r#"{"name": "test", "content": [
        {"name": "html", "bodies": "html", "size": {"constant": 1}, "cachable": 1, "life": {"length": {"constant": 1}}},
        {"name": "image", "bodies": "image", "size": {"constant": 1}, "cachable": 1, "life": {"length": {"constant": 1}}}],
        "demand": {"robot_rate": 1, "peak": 10, "recurrence": 0.5, "popularity": {"uniform": {}}, "working_set": 1},
        "connections": {"robot": {"constant": 1}, "robot_open": 1, "server": {"constant": 1}}, "phases": []}"#;
    let workload: Workload = serde_json::from_str(text).unwrap();
    let phase = |name: &str, begin, measured| Phase {
        name: name.to_owned(),
        begin,
        seconds: 10.0,
        from: 10.0,
        to: 10.0,
        until_stored: None,
        recurrence: 1.0,
        special: 1.0,
        measured,
    };
    let schedule = Schedule {
        peak: 10.0,
        robots: 10,
        working_set: 10,
        phases: vec![phase("fill", 0.0, false), phase("top", 10.0, true)],
    };
    let world = World::new(Arc::new(workload), Seed(1), 0);
    Recorder::new(&world, &schedule)
}

/// A plain GET due at this second, answered from `source` after `latency` microseconds.
pub(crate) fn sample(phase: usize, due: f64, source: Source, latency: u64) -> Sample {
    let due = (due * 1e6) as u64;
    Sample {
        object: Object { kind: 0, id: 1 },
        phase,
        kind: RequestType::Plain,
        method: Method::Get,
        due,
        taken: due,
        begun: due + 4,
        sent: due + 10,
        head: due + latency / 2,
        done: due + latency,
        bytes: 1000,
        cachable: true,
        offered: matches!(source, Source::Hit | Source::Validated),
        source,
        aborted: false,
        adapted: Vec::new(),
        faults: Vec::new(),
    }
}

fn closing(seconds: f64) -> Closing {
    Closing {
        at: (seconds * 1e6) as u64,
        ..Closing::default()
    }
}

/// A run as the schedule has it: of ten requests six hits, three misses, one validated.
fn whole() -> Recorder {
    let mut recorder = recorder();
    for n in 0..200 {
        let (source, latency) = match n % 10 {
            0..6 => (Source::Hit, 1_000),
            6 => (Source::Validated, 50_000),
            _ => (Source::Miss, 2_000_000),
        };
        recorder.record(&sample(n / 100, n as f64 / 10.0, source, latency));
    }
    recorder
}

#[test]
fn hit_and_miss_times_are_apart_and_together_in_all() {
    let results = whole().finish(closing(20.0));
    let l = &results.measured.latency;
    assert_eq!(
        (
            l.all.count,
            l.hit.count,
            l.validated.count,
            l.miss.count,
            l.joined.count
        ),
        (100, 60, 10, 30, 0)
    );
    assert_eq!((l.hit.p99, l.miss.p1), (1_000, 2_000_895.min(l.miss.max)));
    assert_eq!(results.total.latency.hit.count, 120);
    assert_eq!(results.total.service.hit.count, 120);
    assert_eq!(
        results.measured.hits.documents,
        Share {
            part: 60,
            whole: 100
        }
    );
    assert_eq!(
        results.measured.hits.ideal,
        Share {
            part: 70,
            whole: 100
        }
    );
    assert!(results.validity.valid, "{:?}", results.validity);
}

#[test]
fn waiting_for_a_connection_and_making_it_are_in_the_latency_and_not_in_the_service() {
    let mut recorder = recorder();
    let s = sample(1, 11.0, Source::Hit, 1_000);
    recorder.record(&Sample {
        taken: s.due + 7,
        begun: s.due + 300,
        sent: s.due + 900,
        ..s
    });
    let f = recorder.finish(closing(20.0)).measured;
    assert_eq!(
        (
            f.lateness.max,
            f.queueing.max + f.connecting.max,
            f.service.hit.max,
            f.latency.hit.max
        ),
        (7, 893, 100, 1_000)
    );
    assert_eq!((f.queueing.max, f.connecting.max), (293, 600));
}

#[test]
fn what_a_robot_broke_off_is_counted_apart() {
    let mut recorder = recorder();
    let aborted = Sample {
        aborted: true,
        ..sample(1, 11.0, Source::Hit, 5)
    };
    recorder.record(&aborted);
    let f = recorder.finish(closing(20.0)).measured;
    assert_eq!(
        (
            f.requests,
            f.aborted,
            f.latency.all.count,
            f.sources.hit.documents
        ),
        (0, 1, 0, 0)
    );
}

#[test]
fn what_was_wrong_with_an_exchange_that_a_robot_broke_off_counts() {
    let broken_off = Sample {
        aborted: true,
        faults: vec![Fault::WrongBytes, Fault::FalseMiss],
        ..sample(1, 11.0, Source::None, 5)
    };
    let mut recorder = whole();
    recorder.record(&broken_off);
    assert_eq!(recorder.progress(12_000_000).failures, 1);
    let results = recorder.finish(closing(20.0));
    let f = &results.measured;
    assert_eq!((f.aborted, f.requests, f.failures()), (1, 100, 1));
    assert_eq!(f.faults.get(&Fault::FalseMiss), Some(&1));
    assert!(results.validity.valid && !results.passed());
    let mut alone = self::recorder();
    alone.record(&broken_off);
    let slot = &alone.finish(closing(20.0)).series[11];
    assert_eq!((slot.done, slot.failures, slot.false_misses), (0, 1, 1));
}

#[test]
fn what_has_no_answer_has_faults_and_no_latency() {
    let mut recorder = recorder();
    let lost = Sample {
        faults: vec![Fault::TimedOut, Fault::FalseMiss],
        ..sample(1, 11.0, Source::None, 60_000_000)
    };
    recorder.record(&lost);
    let f = recorder.finish(closing(20.0)).measured;
    assert_eq!((f.requests, f.latency.all.count, f.failures()), (1, 0, 1));
    assert_eq!(f.faults.get(&Fault::FalseMiss), Some(&1));
}

#[test]
fn only_plain_gets_for_what_may_be_stored_count_as_cachable() {
    let mut recorder = recorder();
    let hit = sample(1, 11.0, Source::Hit, 5);
    for other in [
        hit.clone(),
        Sample {
            cachable: false,
            ..hit.clone()
        },
        Sample {
            kind: RequestType::Ims304,
            ..hit.clone()
        },
        Sample {
            method: Method::Head,
            ..hit.clone()
        },
    ] {
        recorder.record(&other);
    }
    let f = recorder.finish(closing(20.0)).measured;
    assert_eq!((f.hits.cachable.whole, f.hits.documents.whole), (1, 4));
    assert_eq!((f.types.ims304, f.methods.head), (1, 1));
}

#[test]
fn what_was_rightly_answered_from_the_store_was_possible() {
    for (source, offered, fault, expected) in [
        (Source::Hit, false, None, 1),
        (Source::Hit, false, Some(Fault::FalseHit), 0),
        (Source::Miss, false, None, 0),
        (Source::Miss, true, Some(Fault::FalseMiss), 1),
    ] {
        let mut recorder = recorder();
        recorder.record(&Sample {
            offered,
            faults: fault.into_iter().collect(),
            ..sample(1, 11.0, source, 5)
        });
        let results = recorder.finish(closing(20.0));
        let found = (results.measured.hits.ideal.part, results.series[11].ideal);
        assert_eq!(found, (expected, expected), "{source:?} {fault:?}");
    }
}

#[test]
fn kinds_of_content_are_of_measured_phases() {
    let mut recorder = recorder();
    recorder.record(&sample(0, 1.0, Source::Hit, 5));
    let image = Sample {
        object: Object { kind: 1, id: 7 },
        ..sample(1, 11.0, Source::Miss, 9)
    };
    recorder.record(&image);
    let results = recorder.finish(closing(20.0));
    let kinds: Vec<_> = results
        .contents
        .iter()
        .map(|c| (c.name.as_str(), c.figures.requests))
        .collect();
    assert_eq!(kinds, [("image", 1)]);
}

#[test]
fn a_phase_that_fills_ends_early_and_those_behind_it_move() {
    let mut recorder = recorder();
    recorder.phase_begins(1, 4_000_000);
    recorder.record(&sample(1, 4.5, Source::Hit, 5));
    let phases = recorder.finish(closing(14.0)).phases;
    let found: Vec<_> = phases.iter().map(|p| (p.begin, p.end, p.planned)).collect();
    assert_eq!(found, [(0.0, 4.0, 40.0), (4.0, 14.0, 100.0)]);
}

#[test]
fn a_phase_that_never_began_is_not_there() {
    let mut recorder = recorder();
    recorder.record(&sample(0, 0.5, Source::Hit, 5));
    let results = recorder.finish(Closing {
        interrupted: true,
        ..closing(3.0)
    });
    assert_eq!(
        results.phases.iter().map(|p| p.end).collect::<Vec<_>>(),
        [3.0]
    );
    assert!(!results.validity.valid);
    assert_eq!(results.series.len(), 3);
}

#[test]
fn what_is_seen_from_outside_belongs_to_the_phase_it_happened_in() {
    let mut recorder = recorder();
    for second in 0..=20u64 {
        let at = second * 1_000_000;
        recorder.observe(&Observation {
            at,
            connections: second,
            retried: second * 2,
            proxy: Some(Process {
                user: second as f64 * 0.25,
                system: 5.0,
                memory: 1000 + second,
                processes: 1,
            }),
            origin: Some(OriginSide {
                requests: second * 3,
                ..OriginSide::default()
            }),
            generator: Some(Generator {
                robots: second as f64 * 0.5,
                origin: 0.0,
                ..Generator::default()
            }),
        });
    }
    for n in 0..100 {
        recorder.record(&sample(1, 10.0 + f64::from(n) / 10.0, Source::Hit, 5));
    }
    let results = recorder.finish(closing(20.0));
    let f = &results.measured;
    assert_eq!((f.retried, results.total.retried), (Some(20), Some(40)));
    assert_eq!(
        f.proxy,
        Some(Process {
            user: 2.5,
            system: 0.0,
            memory: 1020,
            processes: 1
        })
    );
    assert_eq!(
        f.hits.spared,
        Some(Spared {
            part: 70,
            whole: 100
        })
    );
    assert_eq!(f.processor(), Some((25_000.0, 0.0)));
    assert_eq!(results.series[5].processor, Some(0.25));
    assert_eq!(
        results
            .series
            .iter()
            .map(|s| s.connections)
            .collect::<Vec<_>>()[18..],
        [Some(19), Some(20)]
    );
}

#[test]
fn a_proxy_that_asks_for_more_than_it_is_asked_for_spares_less_than_nothing() {
    let mut recorder = recorder();
    recorder.record(&sample(1, 11.0, Source::Miss, 5));
    recorder.record(&Sample {
        aborted: true,
        bytes: 300,
        ..sample(1, 11.0, Source::Miss, 5)
    });
    for (second, requests, bytes) in [(10, 0, 0), (20, 3, 2_600)] {
        recorder.observe(&Observation {
            at: second * 1_000_000,
            origin: Some(OriginSide {
                requests,
                bytes,
                ..OriginSide::default()
            }),
            ..Observation::default()
        });
    }
    let results = recorder.finish(closing(20.0));
    let hits = &results.measured.hits;
    let spared = |part, whole| Some(Spared { part, whole });
    assert_eq!(hits.spared, spared(-1, 2));
    // What a robot had of an answer before it broke it off, it had.
    assert_eq!(hits.spared_bytes, spared(-1_300, 1_300));
    assert_eq!(hits.spared_bytes.and_then(Spared::value), Some(-1.0));
    assert_eq!(
        Results::parse("x", &results.to_json().unwrap()).unwrap(),
        results
    );
}

#[test]
fn what_is_due_behind_the_last_phase_is_of_the_run_and_of_no_phase() {
    let mut recorder = recorder();
    for (due, source) in [
        (12.0, Source::Hit),
        (19.9, Source::Miss),
        (21.0, Source::Hit),
    ] {
        recorder.record(&Sample {
            faults: vec![Fault::StaleHit],
            ..sample(1, due, source, 5)
        });
    }
    // The proxy works as much behind the end as before it.
    for second in [10, 20, 26] {
        recorder.observe(&Observation {
            at: second * 1_000_000,
            proxy: Some(Process {
                user: second as f64 / 10.0,
                ..Process::default()
            }),
            ..Observation::default()
        });
    }
    let results = recorder.finish(closing(26.0));
    let of = |f: &Figures| {
        let user = f.proxy.map(|p| (p.user * 10.0).round());
        (f.requests, f.failures(), user)
    };
    assert_eq!(of(&results.measured), (2, 2, Some(10.0)));
    assert_eq!(results.measured.rate(), Some(0.2));
    assert_eq!(of(&results.total), (3, 3, Some(16.0)));
    let kinds: u64 = results.contents.iter().map(|c| c.figures.requests).sum();
    assert_eq!(kinds, 2);
}

#[test]
fn what_is_seen_a_moment_behind_a_slots_edge_tells_of_that_slot() {
    let mut recorder = recorder();
    // Clocks ring late, never early. A phase's beginning is a look of its own.
    let looks = (0..=20u64).map(|n| n * 1_000_000 + 300 * u64::from(n > 0));
    let looks = looks.flat_map(|at| {
        if at == 10_000_300 {
            vec![at, at + 20]
        } else {
            vec![at]
        }
    });
    for at in looks {
        let second = (at / 1_000_000) as f64;
        recorder.observe(&Observation {
            at,
            connections: second as u64,
            proxy: Some(Process {
                // In the second number n it takes n hundredths.
                user: second * (second - 1.0) / 200.0,
                ..Process::default()
            }),
            ..Observation::default()
        });
    }
    let results = recorder.finish(closing(20.0));
    for n in [0, 5, 9, 10, 11, 19] {
        let slot = &results.series[n];
        let busy = slot.processor.unwrap();
        assert!((busy - n as f64 / 100.0).abs() < 1e-4, "{n}: {busy}");
        assert_eq!(slot.connections, Some(n as u64 + 1), "{n}");
    }
}

#[test]
fn the_series_counts_by_second_and_keeps_percentiles_of_it() {
    let results = whole().finish(closing(20.0));
    assert_eq!(results.series.len(), 20);
    assert!(
        results.series.iter().all(|s| s.due == 10),
        "{:?}",
        results.series
    );
    let slot = &results.series[5];
    assert_eq!(
        (slot.hits, slot.hit_p50, slot.hit_p99),
        (6, Some(1_000), Some(1_000))
    );
}

#[test]
fn what_is_judged_late_counts_in_the_second_that_it_ended_in() {
    let mut recorder = recorder();
    let hit = sample(1, 11.0, Source::Hit, 5);
    let never_stored = Sample {
        offered: false,
        ..hit.clone()
    };
    let answered = [&hit, &never_stored].map(|sample| recorder.answered(sample));
    recorder.record(&sample(1, 14.0, Source::Hit, 9));
    for (answered, sample) in answered.into_iter().zip([hit, never_stored]) {
        let faults = vec![Fault::WronglyAdapted];
        recorder.judged(answered, &Sample { faults, ..sample });
    }
    let results = recorder.finish(closing(20.0));
    let of = |second: usize| {
        let slot = &results.series[second];
        (slot.done, slot.hits, slot.ideal, slot.failures)
    };
    assert_eq!([of(11), of(14)], [(2, 2, 1, 2), (1, 1, 1, 0)]);
    assert_eq!(results.series[11].hit_p50, Some(5));
    assert_eq!(results.series[14].hit_p99, Some(9));
    assert_eq!(
        (results.measured.requests, results.measured.failures()),
        (3, 2)
    );
}

#[test]
fn a_run_is_invalid_with_the_reason() {
    let late = |micros: u64, n: usize| {
        let mut recorder = whole();
        for i in 0..n {
            let s = sample(1, 10.0 + i as f64 / 100.0, Source::Hit, 5);
            recorder.record(&Sample {
                taken: s.due + micros,
                ..s
            });
        }
        recorder.finish(closing(20.0))
    };
    let few = recorder().finish(closing(20.0));
    let mut busy = whole();
    for second in [10u64, 20] {
        let generator = Some(Generator {
            robots: second as f64 * 0.95,
            origin: 0.0,
            judges: 0.0,
            ..Generator::default()
        });
        busy.observe(&Observation {
            at: second * 1_000_000,
            generator,
            ..Observation::default()
        });
    }
    let mut origin = whole();
    for second in [10u64, 20] {
        let side = OriginSide {
            requests: second,
            late: second * 3_000,
            ..OriginSide::default()
        };
        origin.observe(&Observation {
            at: second * 1_000_000,
            origin: Some(side),
            ..Observation::default()
        });
    }
    let said = Closing {
        reasons: vec!["the disk is full".to_owned()],
        ..closing(20.0)
    };
    for (results, expected) in [
        (late(500, 100), None),
        (late(20_000, 1), None),
        (late(20_000, 10), Some("99 % of requests")),
        (late(2_000, 200), Some("50 % of requests")),
        (few, Some("no request was made")),
        (
            busy.finish(closing(20.0)),
            Some("the robots took 95 % of a core"),
        ),
        (
            origin.finish(closing(20.0)),
            Some("the origin was late: its answers left 3.0 ms"),
        ),
        (whole().finish(said), Some("the disk is full")),
    ] {
        let reasons = results.validity.reasons.join("; ");
        assert_eq!(results.validity.valid, expected.is_none(), "{reasons}");
        assert!(reasons.contains(expected.unwrap_or_default()), "{reasons}");
    }
}

#[test]
fn robots_and_origin_that_fill_the_cores_they_may_use_make_a_run_invalid() {
    let mut recorder = whole();
    for second in [10u64, 20] {
        let generator = Some(Generator {
            robots: second as f64 * 0.5,
            origin: second as f64 * 0.45,
            judges: second as f64 * 0.9,
            ..Generator::default()
        });
        recorder.observe(&Observation {
            at: second * 1_000_000,
            generator,
            ..Observation::default()
        });
    }
    let mut results = recorder.finish(closing(20.0));
    let here = BTreeMap::new();
    let elsewhere = BTreeMap::from([("--origin".to_owned(), String::new())]);
    for (cores, options, valid) in [
        (1, &here, false),
        (2, &here, true),
        (0, &here, true),
        (1, &elsewhere, true),
    ] {
        results.host.cores = cores;
        results.identity.options = options.clone();
        let found = validity::judge(&results, Vec::new());
        let reasons = found.reasons.join("; ");
        assert_eq!(found.valid, valid, "{cores}: {reasons}");
        let told = reasons.contains("took 95 % of a core together, of 1 that they may use");
        assert_eq!(told, !valid, "{reasons}");
    }
}

#[test]
fn what_this_program_does_beside_a_run_takes_cores_and_is_not_the_origins() {
    let mut recorder = whole();
    for second in [10u64, 20] {
        recorder.observe(&Observation {
            at: second * 1_000_000,
            generator: Some(Generator {
                robots: second as f64 * 0.2,
                origin: second as f64 * 0.2,
                beside: second as f64 * 1.5,
                ..Generator::default()
            }),
            ..Observation::default()
        });
    }
    let mut results = recorder.finish(closing(20.0));
    let generator = results.measured.generator.unwrap();
    assert!((generator.beside - 15.0).abs() < 1e-9, "{generator:?}");
    for (cores, valid) in [(2, false), (3, true)] {
        results.host.cores = cores;
        let found = validity::judge(&results, Vec::new());
        let reasons = found.reasons.join("; ");
        assert_eq!(found.valid, valid, "{cores}: {reasons}");
        let told = reasons.contains("this program's threads took 190 % of a core together");
        assert_eq!(told, !valid, "{reasons}");
    }
}

#[test]
fn a_generator_later_than_half_of_what_hits_take_is_told_and_is_no_reason() {
    let late = |micros: u64| {
        let mut recorder = recorder();
        for n in 0..100 {
            let s = sample(1, 10.0 + f64::from(n) / 10.0, Source::Hit, 1_000);
            recorder.record(&Sample {
                taken: s.due + micros,
                sent: s.due + micros,
                done: s.done + micros,
                ..s
            });
        }
        let line = recorder.progress(19_000_000).to_string();
        (line, recorder.finish(closing(20.0)).validity)
    };
    for (micros, doubted) in [(400, false), (600, true)] {
        let (line, validity) = late(micros);
        assert!(validity.valid, "{validity:?}");
        let doubts = validity.doubts.join("; ");
        assert_eq!(doubts.contains("late by up to 600 us"), doubted, "{doubts}");
        assert_eq!(line.contains("generator late by 0.6 ms"), doubted, "{line}");
    }
}

#[test]
fn time_that_one_look_gives_to_the_wrong_thread_and_the_next_takes_back_makes_nobody_busy() {
    let mut recorder = whole();
    for second in 10..=20u64 {
        let moved = if second % 2 == 1 { 0.9 } else { 0.0 };
        recorder.observe(&Observation {
            at: second * 1_000_000,
            generator: Some(Generator {
                robots: 0.0,
                origin: (second as f64 - 10.0) * 0.5 + moved,
                judges: (second as f64 - 10.0) * 0.9 - moved,
                ..Generator::default()
            }),
            ..Observation::default()
        });
    }
    let results = recorder.finish(closing(20.0));
    let generator = results.measured.generator.unwrap();
    assert!((generator.origin - 5.0).abs() < 1e-9, "{generator:?}");
    assert!((generator.judges - 9.0).abs() < 1e-9, "{generator:?}");
    assert!(results.validity.valid, "{:?}", results.validity);
}

#[test]
fn results_are_the_same_after_a_trip_through_json() {
    let mut recorder = whole();
    recorder.record(&Sample {
        faults: vec![Fault::StaleHit],
        ..sample(1, 12.3, Source::Joined, 333_333)
    });
    recorder.observe(&Observation {
        at: 1,
        proxy: Some(Process::default()),
        ..Observation::default()
    });
    recorder.observe(&Observation {
        at: 17_000_000,
        proxy: Some(Process {
            user: 0.1,
            ..Process::default()
        }),
        ..Observation::default()
    });
    let results = recorder.finish(closing(20.0));
    assert_eq!(
        Results::parse("x", &results.to_json().unwrap()).unwrap(),
        results
    );
}

/// The part of a JSON that this path names.
fn part<'a>(mut json: &'a mut serde_json::Value, path: &[&str]) -> &'a mut serde_json::Value {
    for name in path {
        json = json.get_mut(*name).unwrap();
    }
    json
}

#[test]
fn results_of_before_can_be_read() {
    let mut recorder = whole();
    for second in [10, 20] {
        recorder.observe(&Observation {
            at: second * 1_000_000,
            proxy: Some(Process::default()),
            origin: Some(OriginSide::default()),
            generator: Some(Generator::default()),
            ..Observation::default()
        });
    }
    let results = recorder.finish(closing(20.0));
    let mut json: serde_json::Value = serde_json::from_str(&results.to_json().unwrap()).unwrap();
    let mut remove = |path: &[&str], names: &[&str]| {
        let object = part(&mut json, path).as_object_mut().unwrap();
        for name in names {
            assert!(object.remove(*name).is_some(), "{path:?} {name}");
        }
    };
    remove(&[], &["kept"]);
    remove(&["validity"], &["doubts"]);
    remove(&["identity"], &["digest", "options", "version"]);
    for figures in ["measured", "total"] {
        remove(
            &[figures],
            &[
                "aborted_bytes",
                "adapted",
                "service",
                "connecting",
                "retried",
            ],
        );
        remove(&[figures, "origin"], &["late"]);
        remove(&[figures, "generator"], &["judges", "beside"]);
    }
    for list in ["phases", "contents"] {
        for each in part(&mut json, &[list]).as_array_mut().unwrap() {
            let figures = part(each, &["figures"]).as_object_mut().unwrap();
            for name in [
                "aborted_bytes",
                "adapted",
                "service",
                "connecting",
                "retried",
            ] {
                assert!(figures.remove(name).is_some(), "{list} {name}");
            }
            if let Some(generator) = figures["generator"].as_object_mut() {
                assert!(generator.remove("judges").is_some());
                assert!(generator.remove("beside").is_some());
            }
        }
    }
    let read = Results::parse("before", &json.to_string()).unwrap();
    assert_eq!(read.measured.requests, results.measured.requests);
    assert_eq!(read.measured.connecting.count, 0);
    assert!(read.identity.options.is_empty() && read.kept.is_none());
}

#[test]
fn what_was_wrong_with_an_exchange_broken_off_is_not_lost_with_its_phase_or_its_kind() {
    let mut recorder = recorder();
    recorder.record(&sample(0, 1.0, Source::Hit, 1_000));
    recorder.record(&Sample {
        object: Object { kind: 1, id: 1 },
        aborted: true,
        faults: vec![Fault::StaleHit],
        ..sample(1, 10.5, Source::Miss, 1_000)
    });
    // It ended before the second phase did begin.
    let results = recorder.finish(closing(9.0));
    assert_eq!((results.total.aborted, results.total.failures()), (1, 1));
    let phases: Vec<_> = results.phases.iter().map(|p| &p.name[..]).collect();
    assert_eq!(phases, ["fill", "top"]);
    let contents: Vec<_> = results.contents.iter().map(|c| &c.name[..]).collect();
    assert!(contents.contains(&"image"), "{contents:?}");
}

#[test]
fn a_progress_line_tells_the_last_second() {
    let mut recorder = whole();
    recorder.observe(&Observation {
        at: 21_000_000,
        connections: 3,
        ..Observation::default()
    });
    let progress = recorder.progress(21_000_000);
    assert_eq!(
        (
            progress.phase.as_str(),
            progress.requests,
            progress.connections
        ),
        ("top", 200, 3)
    );
    assert!(
        progress.to_string().contains("200 requests, 0 failures"),
        "{progress}"
    );
}

#[test]
fn the_last_second_of_a_long_run_is_not_its_slot() {
    let mut series = super::series::Series::new(7200.0);
    assert_eq!(series.width(), 6.0);
    // So many in each second: 1, 2, 3, 0, 0, 6.
    let mut told = Vec::new();
    for (second, number) in [1, 2, 3, 0, 0, 6, 0].into_iter().enumerate() {
        series.observe(&Observation {
            at: second as u64 * 1_000_000,
            ..Observation::default()
        });
        told.push(series.second().map(|s| (s.done, s.hits, s.hit_p50)));
        for n in 0..number {
            series.answered(&sample(1, second as f64 + 0.1, Source::Hit, 100 + n));
        }
    }
    assert_eq!(
        told,
        [
            None,
            Some((1, 1, Some(100))),
            Some((2, 2, Some(100))),
            Some((3, 3, Some(101))),
            Some((0, 0, None)),
            Some((0, 0, None)),
            Some((6, 6, Some(102))),
        ]
    );
}
