//! What each module and hook cost: in Server-Timing, the JSON log, `/metrics`, `/status` and `modules list`, in every runtime alike.
#![allow(clippy::unwrap_used)]

#[path = "modules_admin/common.rs"]
mod common;

use common::*;
use serde_json::Value;
use std::collections::BTreeMap;
use std::time::Instant;
use understudy_testbed::{Launch, Origin, PATIENCE, Proxy, get, reply};

const RUNTIMES: [&str; 3] = ["inline", "threads", "process"];
const BODY: &str = "0123456789";

/// A proxy that logs to its standard output, with a module that copies every body.
fn copying(runtime: &str) -> (Origin, Proxy) {
    let origin = Origin::answering(|_| reply(200, &["Cache-Control: no-store"], BODY));
    let table = format!(
        "[modules]\nserver_timing = \"asked\"\n\
         [[module]]\nname = \"copies\"\nlibrary = \"builtin:body-and-headers\"\nruntime = \"{runtime}\"\n"
    );
    let proxy = Launch::bare()
        .config(&file(&origin, &table))
        .arg("--access-log")
        .arg("-")
        .arg("--log-format")
        .arg("json")
        .start();
    (origin, proxy)
}

/// The metrics of a Server-Timing line: names, and durations in milliseconds.
fn metrics(line: &str) -> BTreeMap<&str, f64> {
    let metric = |text| {
        let (name, rest) = str::split_once(text, ";dur=").unwrap();
        (name, rest.split(';').next().unwrap().parse().unwrap())
    };
    line.split(", ").map(metric).collect()
}

#[test]
fn server_timing_tells_the_module_and_each_of_its_hooks() {
    for runtime in RUNTIMES {
        let (_origin, proxy) = copying(runtime);
        let asked = get(proxy.addr(), "/x", "site.test", "Understudy-Timing: 1\r\n").expect(200);
        let line = asked.get("server-timing").unwrap();
        let told = metrics(line);
        let mut hooks = 0.0;
        for hook in [
            "request_head",
            "request_out",
            "response_head",
            "response_return",
        ] {
            let took = told.get(&*format!("copies.{hook}"));
            hooks += took.unwrap_or_else(|| panic!("{runtime}: no {hook} in {line}"));
        }
        // Each is rounded to a thousandth.
        let whole = told["copies"];
        assert!(whole + 0.01 > hooks, "{runtime}: {line}");
        if runtime != "inline" {
            assert!(hooks > 0.0, "{runtime}: {line}");
        }
        let other = get(proxy.addr(), "/x", "site.test", "").expect(200);
        assert_eq!(other.get("server-timing"), None);
    }
}

#[test]
fn the_json_log_tells_what_each_hook_of_a_transaction_cost() {
    for runtime in RUNTIMES {
        let (_origin, proxy) = copying(runtime);
        get(proxy.addr(), "/told", "site.test", "").expect_body(BODY);
        proxy.stdout.wait_count(|l| l.contains("/told"), 1);
        let lines = proxy.stdout.all();
        let line = lines.iter().find(|l| l.contains("/told")).unwrap();
        let line: Value = serde_json::from_str(line).unwrap();
        let module = &line["modules"][0];
        assert_eq!(module["name"], "copies", "{runtime}: {line}");
        assert_eq!(
            (&module["bytes_in"], &module["bytes_out"]),
            (&10.into(), &10.into())
        );
        let hooks = module["hooks"].as_object().unwrap();
        let sum = |key: &str| -> f64 { hooks.values().map(|of| of[key].as_f64().unwrap()).sum() };
        assert_eq!(
            module["calls"].as_f64().unwrap(),
            sum("calls"),
            "{runtime}: {line}"
        );
        // Each is rounded to a tenth.
        assert!((module["time_us"].as_f64().unwrap() - sum("time_us")).abs() < 1.0);
        assert!(sum("time_us") > 0.0, "{runtime}: {line}");
        if runtime != "inline" {
            assert!(
                module["wait_us"].as_f64().unwrap() > 0.0,
                "{runtime}: {line}"
            );
        }
        for hook in [
            "request_head",
            "request_out",
            "response_head",
            "response_return",
        ] {
            let of = &hooks[hook];
            assert_eq!(
                (&of["calls"], &of["failures"]),
                (&1.into(), &0.into()),
                "{runtime} {hook}"
            );
            assert!(
                of["bytes_in"].is_null(),
                "{runtime} {hook}: a head is no body"
            );
        }
        let body = &hooks["response_body"];
        assert_eq!(
            (&body["bytes_in"], &body["bytes_out"]),
            (&10.into(), &10.into())
        );
        assert!(
            hooks.get("request_body").is_none(),
            "{runtime}: it was not called"
        );
    }
}

#[test]
fn the_counters_tell_bytes_and_failures_by_hook() {
    for runtime in RUNTIMES {
        let (_origin, proxy) = copying(runtime);
        get(proxy.addr(), "/x", "site.test", "").expect_body(BODY);
        let text = proxy.admin("/metrics").expect(200).text();
        let of = |family: &str, hook: &str, more: &str| {
            let labels = format!("module=\"copies\",hook=\"{hook}\",runtime=\"{runtime}\"{more}");
            format!("understudy_module_{family}{{{labels}}}")
        };
        for (series, value) in [
            (
                of("hook_bytes_total", "response_body", ",direction=\"in\""),
                10,
            ),
            (
                of("hook_bytes_total", "response_body", ",direction=\"out\""),
                10,
            ),
            (
                of("hook_bytes_total", "request_body", ",direction=\"in\""),
                0,
            ),
            (of("hook_failures_total", "response_head", ""), 0),
            (of("calls_total", "response_head", ""), 1),
        ] {
            let line = format!("{series} {value}");
            assert!(text.lines().any(|l| l == line), "{line}\n{text}");
        }
        let status = proxy.status();
        let body = &status["modules"][0]["hooks"]["response_body"];
        assert_eq!(
            (&body["bytes_in"], &body["bytes_out"]),
            (&10.into(), &10.into()),
            "{status}"
        );
        let list = modules(&proxy, &["list", "--hooks"]).expect(0).text();
        let row = list
            .lines()
            .find(|l| l.trim_start().starts_with("response_body"))
            .unwrap();
        let words: Vec<&str> = row.split_whitespace().collect();
        // Name, calls, time, wait, in, out, failures.
        assert_eq!(
            (words.len(), &words[4..]),
            (7, &["10", "10", "0"][..]),
            "{list}"
        );
    }
}

#[test]
fn the_end_of_a_module_is_told_with_the_one_that_has_its_name_then() {
    let (_origin, proxy) = copying("inline");
    // Each leaves behind it one `fini` more, the child as well.
    for (ended, runtime) in ["threads", "process", "inline"].into_iter().enumerate() {
        get(proxy.addr(), "/x", "site.test", "").expect_body(BODY);
        modules(&proxy, &["set", "copies", &format!("runtime={runtime}")]).expect(0);
        let end = Instant::now() + PATIENCE;
        loop {
            let fini = &module(&proxy, "copies")["hooks"]["fini"];
            if fini["calls"] == ended + 1 {
                assert_eq!(fini["failures"], 0);
                assert!(fini["time"].as_f64().unwrap() > 0.0, "{fini}");
                break;
            }
            assert!(Instant::now() < end, "{runtime}: {fini}");
            std::thread::sleep(std::time::Duration::from_millis(5));
        }
    }
}
