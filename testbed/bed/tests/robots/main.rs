//! Robots over real sockets: each thing a proxy does wrong is counted as what it is and kept; a right proxy is found right.
#![allow(clippy::unwrap_used)]

mod proxy;
mod replayed;
mod signals;

use proxy::{Lie, start, start_before};
use std::{
    collections::BTreeSet,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use understudy_bed::{
    content::Library,
    origin,
    record::{Fault, Results, Times},
    robots::{Mode, Plan, Shape, run},
    seed::Seed,
    workload::{Aborts, Distribution, Workload},
    world::World,
};

/// Small, fast traffic with everything in it. `{LIFE}` is how long an object lives, seconds.
const TRAFFIC: &str = r#"
name = "robots' tests"
[[content]]
name = "html"
bodies = "html"
direct = 30
size = { exp = 4000 }
cachable = 0.9
life = { length = { constant = {LIFE} } }
embeds = [{ content = "image", count = { zipf = 4 } }]
[[content]]
name = "image"
bodies = "image"
size = { exp = 2000 }
cachable = 0.7
life = { length = { constant = {LIFE} } }
[[content]]
name = "other"
bodies = "text"
direct = 70
size = { exp = 3000 }
cachable = 0.7
life = { length = { constant = {LIFE} } }
[demand]
robot_rate = 2
peak = 50
recurrence = 0.7
popularity = { uniform = {} }
working_set = 10
[types]
ims200 = 0.05
ims304 = 0.1
reload = 0.1
[methods]
head = 0.03
post = 0.03
post_size = { uniform = [0, 4000] }
[aborts]
robot = 0.05
server = 0.05
[connections]
robot = { zipf = 16 }
robot_open = 4
server = { constant = 1000 }
[[phases]]
name = "only"
seconds = 3
from = 1
to = 1
measured = true
"#;

fn workload(life: u32) -> Workload {
    Workload::parse(&TRAFFIC.replace("{LIFE}", &life.to_string())).unwrap()
}

fn plan(lie: Lie) -> (Plan, proxy::Proxy) {
    let life = if lie == Lie::StoresTooLong {
        3
    } else {
        1_000_000
    };
    let proxy = start(lie);
    let mut plan = Plan::new(workload(life), proxy.address);
    if lie == Lie::StoresTooLong {
        plan.shape = Shape::Scaled(4.0);
    }
    if lie == Lie::StoresBroken {
        plan.workload.aborts.server = 0.3;
    }
    (plan, proxy)
}

fn faults(results: &Results) -> Vec<Fault> {
    results.total.faults.keys().copied().collect()
}

#[test]
fn a_right_proxy_has_no_fault() {
    for lie in [Lie::Passes, Lie::Stores, Lie::BareNotModified] {
        let (plan, _proxy) = plan(lie);
        let results = run(&plan, |_| {}).unwrap();
        assert_eq!(faults(&results), [], "{lie:?}");
        assert!(results.total.requests > 80, "{}", results.total.requests);
        let hits = results.total.sources.hit.documents + results.total.sources.joined.documents;
        assert_eq!(hits > 0, lie != Lie::Passes, "{lie:?} {hits}");
        let spared = results.total.hits.spared.unwrap();
        assert_eq!(spared.part > 0, lie != Lie::Passes, "{lie:?} {spared:?}");
        // This proxy was there before the run, in this program: what it takes is not the origin's.
        let generator = results.total.generator.unwrap();
        assert!(generator.beside > 0.0, "{lie:?} {generator:?}");
    }
}

#[test]
fn a_proxy_that_fetches_anew_behind_its_answers_has_no_fault() {
    let proxy = start(Lie::RefreshesBehind);
    let mut plan = Plan::new(workload(1), proxy.address);
    plan.shape = Shape::Scaled(2.0);
    // Whether what is broken off was fetched, nobody knows.
    plan.workload.aborts = Aborts::default();
    let results = run(&plan, |_| {}).unwrap();
    assert_eq!(faults(&results), []);
    assert!(results.total.sources.hit.documents > 0);
    // Some of those that were hits reached the origin for all that.
    let (origin, seen) = (results.total.origin.unwrap(), results.total.sources);
    let fetched = results.total.requests - seen.hit.documents - seen.joined.documents;
    assert!(origin.requests > fetched, "{} {fetched}", origin.requests);
}

#[test]
fn an_origin_whose_clock_is_set_meanwhile_makes_no_faults() {
    let library = Arc::new(Library::new(Seed(1)));
    for lie in [Lie::Stores, Lie::RefreshesBehind] {
        clock_is_set_meanwhile(lie, &library);
    }
}

fn clock_is_set_meanwhile(lie: Lie, library: &Arc<Library>) {
    // What lives for 4 s is at its end all the time, by this clock or that.
    let workload = workload(4);
    let wall = origin::Wall::default();
    wall.set_ahead(-6_000_000);
    let text = toml::to_string(&workload).unwrap();
    let world = World::new(Arc::new(workload.clone()), Seed(1), 0);
    let running = origin::start(origin::Config {
        workload_text: text,
        wait: true,
        wall: wall.clone(),
        ..origin::Config::new(world, Arc::clone(library))
    })
    .unwrap();
    let proxy = start(lie);
    let plan = Plan {
        origin: Some(running.addresses()[0]),
        shape: Shape::Scaled(4.0),
        cache: Some(1 << 30),
        ..Plan::new(workload, proxy.address)
    };
    // Ahead by 9 s, and back by 12.
    let mut steps = [(4.0, 3_000_000), (8.0, -9_000_000)].into_iter().peekable();
    let results = run(&plan, move |progress| {
        if let Some((_, ahead)) = steps.next_if(|(at, _)| *at <= progress.at) {
            wall.set_ahead(ahead);
        }
    })
    .unwrap();
    assert_eq!(faults(&results), [], "{lie:?}");
    let hits = results.total.sources.hit.documents;
    assert!(hits > 20, "{lie:?} {hits}");
}

#[test]
fn each_lie_is_counted_as_what_it_is_and_kept() {
    let cases = [
        (Lie::StoresEverything, Fault::UncachableHit, true),
        (Lie::StoresBroken, Fault::Truncated, false),
        (Lie::StoresTooLong, Fault::StaleHit, true),
        (Lie::StoresThroughReload, Fault::ReloadHit, true),
        (Lie::AnswersOneForAnother, Fault::FalseHit, false),
        (Lie::ChangesAByte, Fault::WrongBytes, true),
        (Lie::ClosesEarly, Fault::Truncated, true),
        (Lie::SaysMore, Fault::Protocol, true),
        (Lie::DoublesAField, Fault::Fields, true),
        (Lie::StripsTheOriginsField, Fault::Fields, false),
        (Lie::SaysError, Fault::Status, true),
        (Lie::HangsUp, Fault::Connection, true),
        (Lie::KeepsSilent, Fault::TimedOut, true),
    ];
    std::thread::scope(|scope| {
        for (lie, fault, alone) in cases {
            scope.spawn(move || {
                let (mut plan, _proxy) = plan(lie);
                let directory = tempfile::tempdir().unwrap();
                plan.out = Some(directory.path().to_owned());
                if lie == Lie::KeepsSilent {
                    plan.timeout = Duration::from_millis(300);
                }
                let results = run(&plan, |_| {}).unwrap();
                let found = faults(&results);
                if alone {
                    assert_eq!(found, [fault], "{lie:?}");
                } else {
                    assert!(found.contains(&fault), "{lie:?}: {found:?}");
                }
                let kept = std::fs::read_to_string(directory.path().join("faults.jsonl")).unwrap();
                assert_eq!(results.kept, Some(kept.lines().count() as u64));
                let line: serde_json::Value =
                    serde_json::from_str(kept.lines().next().unwrap()).unwrap();
                assert!(
                    line["faults"].is_array() && line["phase"] == "only",
                    "{line}"
                );
                let request = line["request"].as_str().unwrap();
                let number = format!("X-Bed-Request: {}\r\n", line["number"].as_str().unwrap());
                assert!(request.contains(&number), "{line}");
                if fault == Fault::WrongBytes {
                    assert!(line["difference"]["at"].is_u64(), "{line}");
                }
            });
        }
    });
}

#[test]
fn a_proxy_that_stores_nothing_misses_falsely_by_the_size_of_its_store() {
    let (mut plan, _proxy) = plan(Lie::Passes);
    plan.cache = Some(1 << 30);
    assert_eq!(faults(&run(&plan, |_| {}).unwrap()), [Fault::FalseMiss]);
}

#[test]
fn what_a_proxy_does_wrong_before_the_robot_breaks_off_is_a_failure() {
    let (mut plan, _proxy) = plan(Lie::DoublesAField);
    plan.workload.aborts = Aborts {
        robot: 1.0,
        server: 0.0,
    };
    let f = run(&plan, |_| {}).unwrap().total;
    assert!(f.aborted > 50, "{}", f.aborted);
    assert!(f.aborted_bytes > 0);
    // All of them have it; what has no body cannot be broken off.
    assert!(f.faults[&Fault::Fields] > f.requests, "{:?}", f.faults);
}

#[test]
fn a_store_that_keeps_what_the_origin_broke_off_gives_it_to_others() {
    let (mut plan, _proxy) = plan(Lie::StoresBroken);
    let directory = tempfile::tempdir().unwrap();
    plan.out = Some(directory.path().to_owned());
    let results = run(&plan, |_| {}).unwrap();
    assert!(!results.passed());
    let kept = std::fs::read_to_string(directory.path().join("faults.jsonl")).unwrap();
    let cut_hit = |line: &str| {
        let line: serde_json::Value = serde_json::from_str(line).unwrap();
        let faults = line["faults"].as_array().unwrap();
        line["source"] == "hit" && faults.iter().any(|fault| fault == "truncated")
    };
    assert!(kept.lines().any(cut_hit), "{kept}");
}

/// How many of these times are half a second or more.
fn long(times: &Times) -> u64 {
    let long = times.buckets.iter().filter(|(edge, _)| *edge >= 500_000);
    long.map(|(_, number)| number).sum()
}

#[test]
fn who_waits_behind_a_stall_is_charged_from_when_its_request_was_due() {
    let (mut plan, _proxy) = plan(Lie::Stalls);
    // What is due while its robot waits for an answer waits behind it.
    plan.workload.connections.robot_open = 1;
    let f = run(&plan, |_| {}).unwrap().total;
    // Of 50 a second most are asked for directly, and those of a second and a half at least were due half a second before its end.
    assert!(long(&f.latency.all) >= 25, "{:?}", f.latency.all);
    assert!(long(&f.queueing) >= 10, "{:?}", f.queueing);
    assert!(f.latency.all.max >= f.queueing.max);
    // Since it was sent, nobody waited for another's answer.
    assert!(f.service.all.mean < f.latency.all.mean);
}

#[test]
fn what_a_connection_takes_to_make_is_told_apart_from_the_wait_for_a_free_one() {
    let (mut plan, _proxy) = plan(Lie::Passes);
    // A connection for each request, each of them a round trip of 100 ms to make.
    plan.workload.connections.robot = Distribution::Constant(1.0);
    plan.workload.connections.robot_open = 64;
    plan.workload.network.client_delay = 0.05;
    let results = run(&plan, |_| {}).unwrap();
    assert_eq!(faults(&results), []);
    let f = results.total;
    // Histograms keep three digits.
    assert!(f.connecting.min >= 99_900, "{:?}", f.connecting);
    // The request is under way for 50 ms, and so is its answer.
    assert!(f.service.all.min >= 99_900, "{:?}", f.service.all);
    assert!(f.latency.all.min >= 199_800, "{:?}", f.latency.all);
}

#[test]
fn the_same_seed_asks_the_same() {
    let epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let asked = |seed| {
        let (mut plan, proxy) = plan(Lie::Passes);
        plan.seed = seed;
        plan.epoch = Some(i64::try_from(epoch.as_secs()).unwrap());
        run(&plan, |_| {}).unwrap();
        let heard = proxy.heard.lock().unwrap();
        // The origin has another port each time, and which connection is free is the proxy's doing.
        let lines = |text: &String| -> String {
            let (method, rest) = text.split_once(" http://").unwrap();
            let path = rest.split_once('/').unwrap().1;
            let fields = path
                .split("\r\n")
                .filter(|l| !l.starts_with("Host") && !l.starts_with("Connection"));
            format!("{method} /{}", fields.collect::<Vec<_>>().join("\n"))
        };
        heard.iter().map(lines).collect::<BTreeSet<_>>()
    };
    let first = asked(1);
    assert_eq!(first, asked(1));
    assert_ne!(first, asked(2));
}

/// An origin of its own, as on another machine, on every address there is; and how it is reached.
fn apart(workload: &Workload) -> (origin::Running, SocketAddr) {
    let world = World::new(Arc::new(workload.clone()), Seed(1), 0);
    let running = origin::start(origin::Config {
        listen: vec!["0.0.0.0:0".parse().unwrap(); 2],
        workload_text: toml::to_string(workload).unwrap(),
        wait: true,
        ..origin::Config::new(world, Arc::new(Library::of(Seed(1), workload)))
    })
    .unwrap();
    let port = running.addresses()[0].port();
    (running, SocketAddr::from(([127, 0, 0, 1], port)))
}

#[test]
fn an_origin_elsewhere_is_named_as_it_was_reached() {
    let (mut plan, proxy) = plan(Lie::Stores);
    let (running, reached) = apart(&plan.workload);
    plan.origin = Some(reached);
    let results = run(&plan, |_| {}).unwrap();
    assert_eq!(faults(&results), []);
    let ports: Vec<_> = running.addresses().iter().map(SocketAddr::port).collect();
    for text in proxy.heard.lock().unwrap().iter() {
        let named = ports
            .iter()
            .any(|port| text.contains(&format!(" http://127.0.0.1:{port}/")));
        assert!(named, "{text}");
    }
}

#[test]
fn a_reverse_proxy_is_asked_as_if_it_were_the_origin() {
    let workload = workload(1_000_000);
    let (_running, reached) = apart(&workload);
    let proxy = start_before(Lie::Stores, reached);
    let plan = Plan {
        mode: Mode::Reverse,
        origin: Some(reached),
        cache: Some(1 << 30),
        ..Plan::new(workload, proxy.address)
    };
    let results = run(&plan, |_| {}).unwrap();
    assert_eq!(faults(&results), []);
    assert_eq!(results.identity.mode, "reverse");
    assert!(results.total.sources.hit.documents > 0);
    assert!(results.total.origin.unwrap().requests > 20);
    let host = format!("\r\nHost: {}\r\n", proxy.address);
    for text in proxy.heard.lock().unwrap().iter() {
        let target = text.split(' ').nth(1).unwrap();
        assert!(target.starts_with('/') && text.contains(&host), "{text}");
    }
}

#[test]
fn what_the_network_before_the_proxy_loses_comes_later_and_is_no_fault() {
    let (mut plan, _proxy) = plan(Lie::Stores);
    plan.workload.network.client_delay = 0.005;
    plan.workload.network.client_loss = 0.2;
    let results = run(&plan, |_| {}).unwrap();
    assert_eq!(faults(&results), []);
    let f = results.total;
    // A SYN is sent again after a second, a segment after 200 ms, whether the proxy had to ask anybody or not.
    assert!(f.connecting.max >= 1_000_000, "{:?}", f.connecting);
    assert!(f.service.hit.max >= 200_000, "{:?}", f.service.hit);
}

#[test]
fn a_robot_has_as_many_connections_open_as_it_may_and_no_more() {
    let (mut plan, proxy) = plan(Lie::Stalls);
    // One robot, all of whose answers are late; nothing closes a connection.
    plan.workload.demand.robot_rate = plan.workload.demand.peak;
    plan.workload.connections.robot = Distribution::Constant(1e9);
    plan.workload.aborts = Aborts::default();
    let results = run(&plan, |_| {}).unwrap();
    assert_eq!((results.schedule.robots, faults(&results)), (1, vec![]));
    assert_eq!(proxy.connections.lock().unwrap().most, 4);
}

#[test]
fn a_connection_has_as_many_requests_as_were_drawn_for_it() {
    let (mut plan, proxy) = plan(Lie::Passes);
    plan.workload.connections.robot = Distribution::Constant(3.0);
    plan.workload.aborts = Aborts::default();
    let results = run(&plan, |_| {}).unwrap();
    assert_eq!(faults(&results), []);
    let connections = proxy.connections.lock().unwrap();
    let with = |number| {
        connections
            .requests
            .iter()
            .filter(|n| **n == number)
            .count()
    };
    let most = connections.requests.iter().max();
    assert_eq!(most, Some(&3), "{:?}", connections.requests);
    // Others were left when the run was over.
    assert!(with(3) >= 10, "{:?}", connections.requests);
}

#[test]
fn a_miss_of_what_a_post_invalidated_is_none_of_the_proxys_faults() {
    let (mut plan, _proxy) = plan(Lie::Stores);
    plan.workload.methods.post = 0.3;
    plan.cache = Some(1 << 30);
    let results = run(&plan, |_| {}).unwrap();
    assert!(results.total.methods.post > 20);
    assert_eq!(faults(&results), []);
}

#[test]
fn what_has_no_answer_at_the_end_is_told() {
    let (mut plan, _proxy) = plan(Lie::KeepsSilent);
    plan.workload.connections.robot_open = 1;
    plan.timeout = Duration::from_secs(2);
    let results = run(&plan, |_| {}).unwrap();
    assert_eq!(faults(&results), [Fault::TimedOut]);
    let reasons = results.validity.reasons.join("\n");
    assert!(reasons.contains("had no answer yet"), "{reasons}");
}
