//! The circle: a log made of a known workload is fitted, and what comes out is what went in, within what is said here.
//!
//! The logs have 60,000 requests, so a share of p is off by sqrt(p(1-p)/60000), 0.2 % at the most; the error allowed for shares of
//! kinds is more under Zipf, where the hottest few objects, each of one kind, have a share of requests that no length of log evens out.

use super::{
    super::{build::Fitted, squid},
    fit,
};
use crate::{
    demand::{Arrival, Demand, Method, RequestType},
    seed::Seed,
    workload::{Distribution, Popularity, Schedule, Workload},
    world::World,
};
use std::{collections::HashSet, fmt::Write as _, sync::Arc};

/// 2026-01-01 12:00:00 UTC.
pub(super) const EPOCH: i64 = 1_767_268_800;

#[derive(Clone, Copy, PartialEq, Debug)]
pub(super) enum Made {
    Squid,
    Combined,
    Json,
}

pub(super) fn source(popularity: &str) -> Workload {
    Workload::parse(&format!(
        r#"
        name = "source"
        [[content]]
        name = "html"
        bodies = "html"
        direct = 0.3
        size = {{ exp = 8704 }}
        cachable = 0.9
        life = {{ length = {{ constant = 1e7 }} }}
        [[content]]
        name = "image"
        bodies = "image"
        direct = 0.5
        size = {{ exp = 4608 }}
        cachable = 0.8
        life = {{ length = {{ constant = 1e7 }} }}
        [[content]]
        name = "other"
        bodies = "other"
        direct = 0.2
        size = {{ lognormal = {{ mean = 25600, sd = 10240 }} }}
        cachable = 0.7
        life = {{ length = {{ constant = 1e7 }} }}
        [demand]
        robot_rate = 0.4
        peak = 100
        recurrence = 0.6
        popularity = {popularity}
        working_set = 100
        [types]
        ims304 = 0.1
        reload = 0.05
        [methods]
        head = 0.02
        post = 0.03
        post_size = {{ uniform = [0, 8192] }}
        [connections]
        robot = {{ zipf = 64 }}
        robot_open = 4
        server = {{ zipf = 16 }}
        [network]
        think = {{ normal = {{ mean = 2.5, sd = 0.5 }} }}
        [[phases]]
        name = "all"
        seconds = 600
        from = 1
        to = 1
        measured = true
        "#
    ))
    .unwrap()
}

/// The log that a cache before this workload would write, were nothing ever evicted.
pub(super) fn made(workload: Workload, schedule: Schedule, format: Made) -> String {
    let world = World::new(Arc::new(workload), Seed(7), EPOCH);
    let mut demand = Demand::new(world.clone(), schedule);
    let mut all: Vec<Arrival> = Vec::new();
    while let Some(arrival) = demand.next() {
        let embedded = demand.embedded(&arrival, arrival.due + 0.2, arrival.phase);
        all.push(arrival);
        all.extend(embedded);
    }
    all.sort_by(|a, b| a.due.total_cmp(&b.due));
    let (mut stored, mut lines) = (HashSet::new(), Vec::new());
    for a in &all {
        let cachable = world.cachable(a.object);
        let hit = stored.contains(&a.object);
        if cachable && a.method == Method::Get {
            stored.insert(a.object);
        }
        let status = if a.kind == RequestType::Ims304 {
            304
        } else {
            200
        };
        let fetched = a.method == Method::Post || a.kind == RequestType::Reload || !hit;
        let elapsed = if fetched {
            let mut stream = Seed(8).stream(&[a.number]);
            world.workload().network.think.sample(&mut stream)
        } else {
            0.001
        };
        let body = if status == 304 || a.method == Method::Head {
            0
        } else {
            world.size(a.object)
        };
        let end = EPOCH as f64 + a.due + elapsed;
        let (kind, method) = (world.format(a.object), method(a));
        let client = format!("10.{}.7.{}", a.robot / 250, a.robot % 250 + 1);
        let query = if cachable { "" } else { "?session=abc123" };
        let path = format!(
            "/obj{}x{:x}.{}{query}",
            a.object.kind,
            a.object.id,
            kind.extension()
        );
        let url = format!("http://www{}.secret.example{path}", a.object.id % 100);
        let media = kind.media_type().split(';').next().unwrap();
        let line = match format {
            Made::Squid => {
                let code = match (fetched, a.kind) {
                    (_, RequestType::Reload) => "TCP_CLIENT_REFRESH_MISS",
                    (true, _) => "TCP_MISS",
                    (false, RequestType::Ims304) => "TCP_IMS_HIT",
                    (false, _) => "TCP_HIT",
                };
                let (ms, size) = ((elapsed * 1000.0) as u64, body + squid::HEAD);
                format!(
                    "{end:.3} {ms:6} {client} {code}/{status} {size} {method} {url} - HIER_DIRECT/192.0.2.1 {media}"
                )
            }
            Made::Combined => {
                let at = httpdate::fmt_http_date(
                    std::time::UNIX_EPOCH + std::time::Duration::from_secs_f64(end),
                );
                let parts: Vec<&str> = at.split(' ').collect();
                let at = format!("{}/{}/{}:{} +0000", parts[1], parts[2], parts[3], parts[4]);
                format!(
                    r#"{client} - - [{at}] "{method} {path} HTTP/1.1" {status} {body} "http://www.secret.example/" "Browser""#
                )
            }
            Made::Json => {
                let outcome = if fetched { "miss" } else { "hit" };
                let forward = match (a.kind, fetched) {
                    (RequestType::Reload, _) => r#","forward":"request""#,
                    (_, true) => r#","forward":"uri-miss""#,
                    _ => "",
                };
                let kept = if cachable || !fetched {
                    ""
                } else {
                    r#","not_stored":"private""#
                };
                let sent = a.request_body;
                format!(
                    r#"{{"time":{end:.6},"elapsed":{elapsed:.6},"client":"{client}:{}","method":"{method}","url":"{url}","status":{status},"body_out":{body},"body_in":{sent},"outcome":"{outcome}"{forward}{kept},"content_type":"{media}"}}"#,
                    40_000 + a.number / 5_000
                )
            }
        };
        lines.push((end, line));
    }
    lines.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut text = String::new();
    for (_, line) in lines {
        writeln!(text, "{line}").unwrap();
    }
    text
}

fn method(arrival: &Arrival) -> &'static str {
    match arrival.method {
        Method::Get => "GET",
        Method::Head => "HEAD",
        Method::Post => "POST",
    }
}

pub(super) fn whole(workload: &Workload) -> Schedule {
    Schedule::new(workload, 1.0, None, None).unwrap()
}

#[track_caller]
fn near(what: &str, found: f64, wanted: f64, error: f64) {
    assert!(
        (found - wanted).abs() <= error,
        "{what}: {found}, wanted {wanted} within {error}"
    );
}

/// What is the same whatever popularity and format are.
#[track_caller]
fn is_like_the_source(fitted: &Fitted, format: Made, shares: f64) {
    let workload = &fitted.workload;
    let source = source("{ zipf = { exponent = 0.8 } }");
    assert_eq!(workload.content.len(), 3);
    for (found, wanted) in workload.content.iter().zip(&source.content) {
        let name = &wanted.name;
        assert_eq!((&found.name, found.bodies), (name, wanted.bodies));
        near(name, found.direct, wanted.direct, shares);
        let (size, should) = (found.size.mean(), wanted.size.mean());
        near(&format!("{name}'s mean size"), size, should, 0.05 * should);
        let same = std::mem::discriminant(&found.size) == std::mem::discriminant(&wanted.size);
        assert!(same, "{name}: {:?}", found.size);
        near(
            &format!("{name}'s cachable share"),
            found.cachable,
            wanted.cachable,
            0.04,
        );
    }
    let demand = &workload.demand;
    near("recurrence", demand.recurrence, 0.6, 0.01);
    near("peak", demand.peak, 100.0, 5.0);
    near("a robot's rate", demand.robot_rate, 0.4, 0.03);
    near("304s", workload.types.ims304, 0.1, 0.01);
    near("HEAD", workload.methods.head, 0.02, 0.005);
    near("POST", workload.methods.post, 0.03, 0.005);
    let seconds: f64 = workload.phases.iter().map(|p| p.seconds).sum();
    near("length", seconds, 600.0, 5.0);
    if format == Made::Combined {
        return;
    }
    near("reloads", workload.types.reload, 0.05, 0.01);
    let Distribution::Normal { mean, sd } = workload.network.think else {
        panic!("{:?}", workload.network.think)
    };
    near("mean thinking", mean, 2.5, 0.05);
    near("deviation of thinking", sd, 0.5, 0.05);
}

#[test]
fn a_fitted_log_of_zipf_is_its_source() {
    for (exponent, format) in [(0.7, Made::Squid), (0.9, Made::Combined), (1.1, Made::Json)] {
        let source = source(&format!("{{ zipf = {{ exponent = {exponent} }} }}"));
        let schedule = whole(&source);
        let (_, fitted, file) = fit(&made(source, schedule, format));
        // At 1.1 the hottest object alone has a twelfth of all requests, and it is of one kind.
        is_like_the_source(&fitted, format, 0.12);
        let demand = &fitted.workload.demand;
        let Popularity::Zipf { exponent: found } = demand.popularity else {
            panic!("{format:?}: {file}")
        };
        near(&format!("{format:?}: the exponent"), found, exponent, 0.1);
        // The window is 10,000 objects.
        near(
            "the working set",
            demand.working_set * demand.peak,
            10_000.0,
            500.0,
        );
    }
}

#[test]
fn a_fitted_log_of_uniform_popularity_is_its_source() {
    for (set, share) in [(0.0, 0.0), (0.01, 0.2)] {
        let source = source(&format!(
            "{{ uniform = {{ hot_set = {set}, hot_share = {share} }} }}"
        ));
        let schedule = whole(&source);
        let (_, fitted, file) = fit(&made(source, schedule, Made::Squid));
        is_like_the_source(&fitted, Made::Squid, 0.02);
        let Popularity::Uniform { hot_set, hot_share } = fitted.workload.demand.popularity else {
            panic!("{file}")
        };
        assert_eq!(hot_set, set);
        near("the hot set's share", hot_share, share, 0.051);
    }
}

#[test]
fn a_fitted_log_of_polymix_has_its_mix() {
    let source = Workload::load("polymix-3").unwrap();
    let schedule = Schedule::plateau(&source, 100.0, 1.0, 400.0).unwrap();
    let (survey, fitted, _) = fit(&made(source, schedule, Made::Squid));
    assert!(survey.requests.used > 35_000);
    let workload = fitted.workload;
    for (name, share, size) in [
        ("image", 0.65, 4608.0),
        ("html", 0.15, 8704.0),
        ("other", 0.195, 25_600.0),
        ("download", 0.005, 307_200.0),
    ] {
        let kind = &workload.content[usize::from(workload.kind(name).unwrap())];
        near(name, kind.direct, share, 0.02);
        // Of 200 requests for downloads some 60 are for new ones, and their deviation is their mean.
        let error = if name == "download" { 0.5 } else { 0.05 };
        near(
            &format!("{name}'s mean size"),
            kind.size.mean(),
            size,
            error * size,
        );
    }
    // The few hot pages of so short a log embed more or less: how hot they are is told by the test of uniform popularity.
    let popularity = workload.demand.popularity;
    assert!(
        matches!(popularity, Popularity::Uniform { .. }),
        "{popularity:?}"
    );
    // 72.4 % of pages, and with a page all that it embeds.
    near("recurrence", workload.demand.recurrence, 0.724, 0.02);
}

#[test]
fn a_fitted_file_has_nothing_of_the_log_in_it() {
    for format in [Made::Squid, Made::Combined, Made::Json] {
        let mut source = source("{ zipf = { exponent = 0.8 } }");
        source.phases[0].seconds = 30.0;
        let schedule = whole(&source);
        let text = made(source, schedule, format);
        let (_, _, file) = fit(&text);
        let words: HashSet<&str> = file.split(|c: char| !c.is_ascii_alphanumeric()).collect();
        let mut tokens = 0;
        for line in text.lines() {
            for token in line.split(['/', ' ', '"', '?', '&', '=', ':', ',']) {
                let named = token.starts_with("obj")
                    || token.ends_with(".example")
                    || token.starts_with("10.")
                    || token == "session"
                    || token == "abc123";
                if named {
                    tokens += 1;
                    assert!(!file.contains(token) && !words.contains(token), "{token}");
                }
            }
        }
        assert!(tokens > 3000, "{tokens}");
        assert!(!file.contains("secret") && !file.contains("session") && !file.contains("Browser"));
    }
}
