#![allow(clippy::unwrap_used)]
//! Reports of a run made up here.

use super::*;
use crate::{
    demand::{Method, RequestType},
    record::{
        Closing, Fault, Generator, Identity, Observation, OriginSide, Process, Recorder, Results,
        Sample, Source,
    },
    seed::Seed,
    workload::{Phase, Schedule, Workload},
    world::{Object, World},
};
use std::sync::Arc;

/// What a run is made up from.
#[derive(Clone)]
pub(crate) struct Made {
    pub(crate) seed: u64,
    /// Median of hits, microseconds.
    pub(crate) hit: f64,
    pub(crate) rate: f64,
    pub(crate) name: String,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            seed: 1,
            hit: 900.0,
            rate: 120.0,
            name: "polymix-3".to_owned(),
        }
    }
}

const KINDS: [&str; 4] = ["image", "html", "download", "other"];

fn world(name: &str) -> World {
    let content: Vec<String> = KINDS
        .iter()
        .map(|k| {
            format!(
                r#"{{"name": "{k}", "bodies": "other", "size": {{"constant": 1}}, "cachable": 1, "life": {{"length": {{"constant": 1}}}}}}"#
            )
        })
        .collect();
    let text = format!(
        r#"{{"name": {name:?}, "content": [{}], "demand": {{"robot_rate": 1, "peak": 10, "recurrence": 0.5,
        "popularity": {{"uniform": {{}}}}, "working_set": 1}}, "connections": {{"robot": {{"constant": 1}}, "robot_open": 1,
        "server": {{"constant": 1}}}}, "phases": []}}"#,
        content.join(",")
    );
    World::new(
        Arc::new(serde_json::from_str::<Workload>(&text).unwrap()),
        Seed(1),
        0,
    )
}

fn schedule(rate: f64) -> Schedule {
    let mut begin = 0.0;
    let phases = [
        ("warm", 5.0, 0.1, 0.1),
        ("framp", 6.0, 0.1, 1.0),
        ("fill", 24.0, 1.0, 1.0),
        ("inc1", 6.0, 0.5, 1.0),
        ("top1", 40.0, 1.0, 1.0),
        ("dec1", 6.0, 1.0, 0.1),
        ("idle", 8.0, 0.1, 0.1),
        ("inc2", 6.0, 0.1, 1.0),
        ("top2", 40.0, 1.0, 1.0),
        ("cool", 5.0, 0.1, 0.1),
    ];
    let phases = phases.map(|(name, seconds, from, to)| {
        begin += seconds;
        Phase {
            name: name.to_owned(),
            begin: begin - seconds,
            seconds,
            from: from * rate,
            to: to * rate,
            until_stored: None,
            recurrence: 1.0,
            special: 1.0,
            measured: name.starts_with("top"),
        }
    });
    Schedule {
        peak: rate,
        robots: (rate / 0.4) as u32,
        working_set: 1000,
        phases: phases.to_vec(),
    }
}

/// Results of a run that nobody ran.
pub(crate) fn made(m: &Made) -> Results {
    let seed = Seed(m.seed);
    let schedule = schedule(m.rate);
    let mut recorder = Recorder::new(&world(&m.name), &schedule);
    let mut n = 0u64;
    let mut origin = OriginSide::default();
    for second in 0..=schedule.seconds() as u64 {
        let at = second as f64;
        recorder.observe(&Observation {
            at: second * 1_000_000,
            connections: 40 + n % 7,
            proxy: Some(Process {
                user: n as f64 * 90e-6,
                system: n as f64 * 60e-6,
                memory: 30_000_000 + n.min(9_000) * 8_000,
                processes: 2,
            }),
            origin: Some(origin),
            generator: Some(Generator {
                robots: n as f64 * 40e-6,
                origin: n as f64 * 20e-6,
            }),
        });
        let Some(phase) = schedule.phases.iter().rposition(|p| p.begin <= at) else {
            continue;
        };
        let p = &schedule.phases[phase];
        if at >= p.begin + p.seconds {
            continue;
        }
        let rate = p.from + (p.to - p.from) * (at - p.begin) / p.seconds;
        let share = |what: u64, n: u64| seed.share(&[what, n]);
        let wobble = 0.85 + 0.3 * share(9, second);
        for i in 0..(rate * wobble) as u64 {
            n += 1;
            let due = ((at + i as f64 / (rate * wobble)) * 1e6) as u64;
            let offered = share(1, n) < 0.62 * (1.0 - (-at / 20.0).exp());
            let source = match share(2, n) {
                s if offered && s < 0.93 => Source::Hit,
                s if s < 0.96 => Source::Miss,
                s if s < 0.98 => Source::Validated,
                _ => Source::Joined,
            };
            // A log-normal of two uniform numbers (Box and Muller).
            let normal = (-2.0 * share(3, n).max(1e-12).ln()).sqrt()
                * (std::f64::consts::TAU * share(4, n)).cos();
            let micros = match source {
                Source::Hit => m.hit * (0.5 * normal).exp(),
                _ => (2_500_000.0 + 1_000_000.0 * normal).max(85_000.0),
            };
            let kind = match share(5, n) {
                s if s < 0.65 => 0u8,
                s if s < 0.80 => 1,
                s if s < 0.81 => 2,
                _ => 3,
            };
            let micros = micros
                * [1.0f64, 1.2, 9.0, 1.6][usize::from(kind)].powf(if source == Source::Hit {
                    1.0
                } else {
                    0.1
                });
            origin.requests += u64::from(source != Source::Hit && source != Source::Joined);
            origin.bytes += if source == Source::Hit { 0 } else { 11_000 };
            let taken = due + (30.0 * share(6, n)) as u64;
            let mut faults = Vec::new();
            if offered && source == Source::Miss {
                faults.push(Fault::FalseMiss);
            }
            recorder.record(&Sample {
                object: Object { kind, id: n },
                phase,
                kind: if n % 10 == 0 {
                    RequestType::Ims304
                } else {
                    RequestType::Plain
                },
                method: Method::Get,
                due,
                taken,
                sent: taken + 5,
                head: taken + 5 + (micros * 0.9) as u64,
                done: taken + 5 + micros as u64,
                bytes: [4_500, 8_500, 300_000, 25_000][usize::from(kind)],
                cachable: true,
                offered,
                source,
                aborted: false,
                faults,
            });
        }
    }
    recorder.finish(Closing {
        identity: Identity {
            workload: m.name.clone(),
            seed: m.seed,
            scale: 0.01,
            mode: "forward".to_owned(),
            proxy: "127.0.0.1:3128".to_owned(),
            start: Some("understudy".to_owned()),
            cache: Some(64 << 20),
            began: 1_790_000_000,
        },
        at: (schedule.seconds() * 1e6) as u64,
        ..Closing::default()
    })
}

#[test]
#[ignore = "look"]
fn look() {
    let r = made(&Made::default());
    std::fs::write("/tmp/report_look.html", html(&r)).unwrap();
    std::fs::write("/tmp/report_look.json", r.to_json().unwrap()).unwrap();
}
