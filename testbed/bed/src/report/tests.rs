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
    /// What phases' lengths are multiplied by: a debug build takes its time for each second.
    pub(crate) scale: f64,
}

impl Default for Made {
    fn default() -> Self {
        Self {
            seed: 1,
            hit: 900.0,
            rate: 120.0,
            name: "polymix-3".to_owned(),
            scale: 1.0,
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

fn schedule(rate: f64, scale: f64) -> Schedule {
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
        let seconds = seconds * scale;
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
    let schedule = schedule(m.rate, m.scale);
    let mut recorder = Recorder::new(&world(&m.name), &schedule);
    let mut n = 0u64;
    let mut under_way = std::collections::BTreeMap::new();
    let mut origin = OriginSide::default();
    for second in 0..=schedule.seconds() as u64 {
        let at = second as f64;
        recorder.observe(&Observation {
            at: second * 1_000_000,
            connections: 40 + n % 7,
            retried: 0,
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
                ..Generator::default()
            }),
        });
        let later = under_way.split_off(&((second + 1) * 1_000_000, 0));
        std::mem::replace(&mut under_way, later)
            .values()
            .for_each(|s| recorder.record(s));
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
            let sample = Sample {
                object: Object { kind, id: n },
                phase,
                kind: if n.is_multiple_of(10) {
                    RequestType::Ims304
                } else {
                    RequestType::Plain
                },
                method: Method::Get,
                due,
                taken,
                begun: taken + 2,
                sent: taken + 5,
                head: taken + 5 + (micros * 0.9) as u64,
                done: taken + 5 + micros as u64,
                bytes: [4_500, 8_500, 300_000, 25_000][usize::from(kind)],
                cachable: true,
                offered,
                source,
                aborted: false,
                adapted: Vec::new(),
                faults,
            };
            under_way.insert((sample.done, n), sample);
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
            digest: Some("0123abcd".to_owned()),
            ..Identity::default()
        },
        at: (schedule.seconds() * 1e6) as u64,
        ..Closing::default()
    })
}

/// The sections of a page that hold a plot.
fn plots(page: &str) -> Vec<&str> {
    let sections = page.split("<section>").filter(|s| s.contains("<svg"));
    sections.collect()
}

#[test]
fn every_plot_has_marks_and_every_number_is_one() {
    let page = html(&made(&Made::default()));
    let plots = plots(&page);
    assert_eq!(plots.len(), 10);
    for plot in plots {
        assert!(plot.matches("class=\"mark").count() > 0, "{plot}");
    }
    for word in ["NaN", "inf", "None", "Some("] {
        assert!(!page.contains(word), "{word}");
    }
}

#[test]
fn times_by_phase_and_by_content_stand_there_since_due_and_since_sent() {
    let mut results = made(&Made {
        rate: 20.0,
        scale: 0.25,
        ..Made::default()
    });
    // A wait for connections that nothing else has.
    for f in results.phases.iter_mut().map(|p| &mut p.figures) {
        (f.latency.hit.p50, f.service.hit.p50) = (777_000, 333);
    }
    for f in results.contents.iter_mut().map(|c| &mut c.figures) {
        (f.latency.hit.p50, f.service.hit.p50) = (666_000, 222);
    }
    let page = html(&results);
    let sections: Vec<&str> = page.split("<section>").collect();
    let told = |heading: &str, time: &str| {
        let heading = format!("<h2>{heading}</h2>");
        let of = |s: &&&str| s.contains(&heading) && s.contains(time);
        sections.iter().filter(of).count() == 1
    };
    for (by, table, due, sent) in [
        ("phase", "Phases", "777 ms", "333 µs"),
        ("kind of content", "Kinds of content", "666 ms", "222 µs"),
    ] {
        for (since, time) in [("due", due), ("sent", sent)] {
            let heading = format!("Response times by {by}, since {since}");
            assert!(told(&heading, time), "{heading}");
            assert!(told(table, time), "{table}: {time}");
        }
    }
}

#[test]
fn the_summary_tells_what_was_run_and_how_it_went() {
    let page = html(&made(&Made::default()));
    for words in [
        "polymix-3 through 127.0.0.1:3128 (understudy)",
        "A valid run without failures.",
        "Figures are of top1, top2 (80 s).",
    ] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn faults_and_reasons_stand_in_the_verdict() {
    let mut results = made(&Made::default());
    results.total.faults.insert(Fault::StaleHit, 3);
    assert!(html(&results).contains("the proxy failed 3 times"));
    results.validity.valid = false;
    results.validity.reasons = vec!["the generator was late & busy".to_owned()];
    results.validity.doubts = vec!["hits take <80 us".to_owned()];
    let page = html(&results);
    assert!(
        page.contains("Not a valid run")
            && page.contains("<li>the generator was late &amp; busy</li>")
    );
    assert!(page.contains("<p>In doubt: hits take &lt;80 us.</p>"));
}

#[test]
fn false_misses_that_nobody_looked_for_are_not_told_as_none() {
    let mut results = made(&Made {
        rate: 20.0,
        scale: 0.25,
        ..Made::default()
    });
    results.total.faults.clear();
    let told = |r: &Results| {
        let page = html(r);
        let compared = compare(r, r);
        [
            page.contains("not looked for"),
            page.contains("0 false misses"),
            compared.contains("false misses"),
        ]
    };
    results.series.iter_mut().for_each(|s| s.false_misses = 0);
    assert_eq!(told(&results), [false, true, true]);
    results.identity.cache = None;
    assert_eq!(told(&results), [true, false, false]);
}

#[test]
fn an_origin_elsewhere_is_not_told_for_one_here() {
    let mut results = made(&Made {
        rate: 20.0,
        scale: 0.25,
        ..Made::default()
    });
    let elsewhere = "of a core of its own machine (192.0.2.1:8090)";
    assert!(!html(&results).contains("of its own machine"));
    let address = "192.0.2.1:8090".to_owned();
    let options = &mut results.identity.options;
    options.insert("--origin".to_owned(), address);
    assert!(html(&results).contains(elsewhere));
    // One of before tells no processor time.
    results.measured.generator.as_mut().unwrap().origin = 0.0;
    assert!(!html(&results).contains("of its own machine"));
}

#[test]
fn the_making_of_connections_is_told_for_a_part_of_the_wait_where_it_was_not_measured_apart() {
    let mut results = made(&Made {
        rate: 20.0,
        scale: 0.25,
        ..Made::default()
    });
    let (apart, together) = (
        "Waited for a free connection",
        "Waited for a connection, its making included",
    );
    let told = |results: &Results| [apart, together].map(|name| html(results).contains(name));
    assert_eq!(told(&results), [true, false]);
    results.measured.connecting = Default::default();
    assert_eq!(told(&results), [false, true]);
}

#[test]
fn exchanges_that_are_not_kept_are_not_said_to_be() {
    let mut results = made(&Made {
        rate: 20.0,
        scale: 0.25,
        ..Made::default()
    });
    let told = |r: &Results| {
        let page = html(r);
        ["The first 7 faulty exchanges are in", "are kept only where"].map(|w| page.contains(w))
    };
    assert_eq!(told(&results), [false, true]);
    results.kept = Some(7);
    assert_eq!(told(&results), [true, false]);
}

#[test]
fn what_strangers_wrote_is_text() {
    let hostile = "<script>alert(1)</script>\"'&";
    let mut results = made(&Made {
        rate: 20.0,
        scale: 0.25,
        ..Made::default()
    });
    let i = &mut results.identity;
    for field in [
        &mut i.workload,
        &mut i.mode,
        &mut i.proxy,
        &mut results.host.kernel,
        &mut results.host.processor,
    ] {
        *field = hostile.to_owned();
    }
    i.start = Some(hostile.to_owned());
    results.validity.reasons = vec![hostile.to_owned()];
    results
        .phases
        .iter_mut()
        .for_each(|p| p.name = hostile.to_owned());
    results
        .contents
        .iter_mut()
        .for_each(|c| c.name = hostile.to_owned());
    for page in [
        html(&results),
        compare_html(&results, &results),
        paired_html(&[(results.clone(), results)]),
    ] {
        assert!(
            !page.contains("<script") && !page.contains("\"'&"),
            "{page}"
        );
    }
}

#[test]
fn a_run_of_nothing_still_has_a_report() {
    let recorder = Recorder::new(&world("nothing"), &schedule(10.0, 1.0));
    let mut results = recorder.finish(Closing::default());
    assert!(html(&results).contains("Not a valid run"));
    results.series.clear();
    results.identity.began = i64::MAX;
    assert!(html(&results).contains("Not a valid run"));
    results.identity.began = i64::MIN;
    assert!(compare(&results, &results).contains("are not comparable"));
}

#[test]
fn comparison_says_how_much_and_whether_it_may() {
    let a = made(&Made {
        rate: 40.0,
        scale: 0.25,
        ..Made::default()
    });
    let slow = made(&Made {
        rate: 40.0,
        scale: 0.25,
        hit: 1800.0,
        ..Made::default()
    });
    let text = compare(&a, &slow);
    assert!(!text.contains("not comparable"), "{text}");
    let line = text
        .lines()
        .find(|l| l.starts_with("hit, 50 % within"))
        .unwrap();
    let ratio: f64 = line.split_whitespace().last().unwrap().parse().unwrap();
    assert!((1.95..2.05).contains(&ratio), "{line}");
    for (other, expected) in [
        (
            Made {
                rate: 40.0,
                scale: 0.25,
                seed: 2,
                ..Made::default()
            },
            "another seed: 1 in A, 2 in B",
        ),
        (
            Made {
                rate: 50.0,
                scale: 0.25,
                ..Made::default()
            },
            "another peak rate",
        ),
        (
            Made {
                rate: 40.0,
                scale: 0.25,
                name: "webaxe-4".to_owned(),
                ..Made::default()
            },
            "another workload: polymix-3 in A, webaxe-4 in B",
        ),
    ] {
        let b = made(&other);
        let (text, page) = (compare(&a, &b), compare_html(&a, &b));
        assert!(
            text.contains("not comparable") && text.contains(expected),
            "{text}"
        );
        assert!(page.contains("not comparable"), "{page}");
        assert!(
            plots(&page)[0].matches("class=\"mark").count() >= 4,
            "{page}"
        );
    }
    let invalid = Results {
        validity: crate::record::Validity {
            valid: false,
            reasons: vec!["it was late".to_owned()],
            ..Default::default()
        },
        ..a.clone()
    };
    assert!(compare(&a, &invalid).contains("B is not valid: it was late"));
}

#[test]
fn runs_of_one_name_are_compared_by_all_that_was_asked() {
    let a = made(&Made {
        rate: 20.0,
        scale: 0.25,
        ..Made::default()
    });
    let other = |change: fn(&mut Identity)| {
        let mut b = a.clone();
        change(&mut b.identity);
        compare(&a, &b)
    };
    let option = |i: &mut Identity| {
        i.options.insert("--timeout".to_owned(), "5".to_owned());
    };
    for (text, expected) in [
        (
            other(|i| i.digest = Some("other".to_owned())),
            "another workload of the name polymix-3",
        ),
        (other(option), "another --timeout: – in A, 5 in B"),
        (
            other(|i| i.version = Some("0.1.0".to_owned())),
            "another version of this program: – in A, 0.1.0 in B",
        ),
    ] {
        assert!(
            text.contains("not comparable") && text.contains(expected),
            "{text}"
        );
    }
    // An older program's results tell of none of that, which is said.
    let older = other(|i| i.digest = None);
    assert!(!older.contains("not comparable"), "{older}");
    assert!(older.contains("is not told in these results"), "{older}");
    assert!(!compare(&a, &a).contains("is not told"));
}

#[test]
fn pairs_find_what_differs_and_nothing_where_nothing_does() {
    let pair = |seed, hit| {
        let one = |hit| {
            made(&Made {
                seed,
                hit,
                rate: 40.0,
                scale: 0.25,
                ..Made::default()
            })
        };
        (one(900.0), one(hit))
    };
    let verdict = |pairs: &[(Results, Results)], what: &str| {
        let text = paired(pairs);
        let line = text
            .lines()
            .find(|l| l.starts_with(what))
            .unwrap_or(&text)
            .to_owned();
        let cells = line.split("  ").map(str::trim).filter(|c| !c.is_empty());
        cells
            .clone()
            .nth(5)
            .map(str::to_owned)
            .unwrap_or_else(|| line.clone())
    };
    let slower: Vec<_> = (1..4).map(|seed| pair(seed, 950.0)).collect();
    assert_eq!(verdict(&slower, "hit, 50 % within"), "yes");
    assert_eq!(verdict(&slower, "hit ratio"), "no");
    let same: Vec<_> = (1..4).map(|seed| pair(seed, 900.0)).collect();
    assert_eq!(verdict(&same, "hit, 50 % within"), "no");
    assert_eq!(
        verdict(&same[..1], "hit, 50 % within"),
        "one pair says nothing"
    );
    assert_eq!(paired(&[]), "There are no pairs.\n");
}

/// The page as Chromium has it in the end, and what its console says.
fn loaded(page: &str) -> (String, String) {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("report.html");
    std::fs::write(&file, page).unwrap();
    let mut chromium = std::process::Command::new("chromium");
    chromium.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-extensions",
        "--disable-sync",
        "--enable-logging=stderr",
        "--dump-dom",
    ]);
    chromium.arg(format!(
        "--user-data-dir={}",
        directory.path().join("profile").display()
    ));
    chromium.arg(format!("file://{}", file.display()));
    let ended = chromium.env("HOME", directory.path()).output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr);
    let console = said.lines().filter(|line| line.contains("CONSOLE"));
    (
        String::from_utf8_lossy(&ended.stdout).into_owned(),
        console.collect::<Vec<_>>().join("\n"),
    )
}

/// Chromium takes seconds in a debug build's company, so one test looks at all there is to see in it.
#[test]
fn chromium_shows_it_and_asks_nobody() {
    let results = made(&Made::default());
    let page = html(&results);
    for outside in ["http:", "https:", "src=", "url(", "@import", "<script"] {
        assert!(!page.contains(outside), "{outside}");
    }
    let (dom, console) = loaded(&page);
    assert_eq!(console, "");
    assert!(
        dom.contains("<h1>polymix-3 through 127.0.0.1:3128 (understudy)</h1>"),
        "{dom}"
    );
    let plots = plots(&dom);
    assert_eq!(plots.len(), 10);
    assert!(
        plots
            .iter()
            .all(|p| p.contains("class=\"mark") && p.contains("</svg>"))
    );
    // The console would have told: a page that asks for something outside is complained of.
    let asking = page.replace("</body>", "<img src=\"http://127.0.0.1:9/x.png\"></body>");
    assert!(
        loaded(&asking).1.contains("Content Security Policy"),
        "{}",
        loaded(&asking).1
    );
}

#[test]
fn runs_of_other_lengths_are_not_comparable_and_failures_out_of_nothing_are_a_loss() {
    let a = made(&Made {
        rate: 5.0,
        scale: 0.05,
        ..Made::default()
    });
    assert!(compare_html(&a, &a).contains("The runs are comparable."));
    assert!(!compare_html(&a, &a).contains("class=\"loss\""));
    let mut b = a.clone();
    b.schedule.phases[4].seconds *= 10.0;
    let text = compare(&a, &b);
    assert!(text.contains("other phases, or of other lengths"), "{text}");
    let mut b = a.clone();
    b.schedule.working_set += 1;
    assert!(compare(&a, &b).contains("another working set"));
    let (mut a, mut b) = (a.clone(), a);
    a.total.faults.clear();
    b.total.faults = [(Fault::WrongBytes, 5)].into();
    assert!(compare_html(&a, &b).contains("<td class=\"loss\">"));
    assert!(!compare_html(&b, &b).contains("class=\"loss\""));
}
