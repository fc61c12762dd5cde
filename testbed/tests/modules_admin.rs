//! Modules while the proxy runs: changed by reload and by command, and refused as a whole.
#![allow(clippy::unwrap_used)]

#[path = "modules_admin/common.rs"]
mod common;

use common::*;
use rustix::process::Signal;
use std::process::Command;
use understudy_testbed::{Client, Gate, Launch, Origin, PATIENCE, Proxy, proxy::binary, run};

/// While a slow download goes on, the runtime is changed; nothing is lost, and all bytes are the same.
fn runtimes_change_under_a_slow_download(change: impl Fn(&Proxy, &Origin, &str, usize)) {
    let gate = Gate::new();
    let origin = halves(&gate);
    let library = "[[module]]\nname = \"headers\"\nlibrary = \"builtin:body-and-headers\"\n";
    let proxy = Launch::bare().config(&file(&origin, library)).start();
    let mut slow = Client::to(proxy.addr());
    slow.send("GET /slow HTTP/1.1\r\nHost: site.test\r\n\r\n");
    let head = slow.head();
    assert_eq!(head.get(MARK), Some("one"));
    for (n, runtime) in ["threads", "process", "inline"].into_iter().enumerate() {
        change(&proxy, &origin, runtime, n + 1);
        assert_eq!(module(&proxy, "headers")["runtime"], runtime);
        for i in 0..8 {
            let response = ask(&proxy, &format!("/{runtime}/{i}")).expect_body("halfhalf");
            assert_eq!(response.get(MARK), Some("one"), "{runtime}");
        }
        assert!(
            module(&proxy, "headers")["calls"].as_u64().unwrap() >= 8,
            "{runtime}"
        );
    }
    gate.open();
    let body = slow.wire.body(understudy_testbed::Framing::Length(8)).0;
    assert_eq!(body, b"halfhalf");
}

#[test]
fn a_reload_changes_the_runtime_and_a_slow_download_keeps_going() {
    runtimes_change_under_a_slow_download(|proxy, origin, runtime, n| {
        let library = "[[module]]\nname = \"headers\"\nlibrary = \"builtin:body-and-headers\"\n";
        let text = file(origin, &format!("{library}runtime = \"{runtime}\"\n"));
        reload(proxy, &text, n);
    });
}

#[test]
fn a_command_changes_the_runtime_and_a_slow_download_keeps_going() {
    runtimes_change_under_a_slow_download(|proxy, _, runtime, _| {
        let set = format!("runtime={runtime}");
        let out = modules(proxy, &["set", "headers", &set]).expect(0).text();
        assert!(
            out.contains("module headers: replaced\nthis lasts until the next reload or restart"),
            "{out}"
        );
    });
}

#[test]
fn modules_are_loaded_reconfigured_and_unloaded_by_command() {
    let origin = plain();
    let proxy = Launch::bare().config(&file(&origin, "")).start();
    assert_eq!(ask(&proxy, "/0").get(MARK), None);
    modules(
        &proxy,
        &[
            "load",
            "headers",
            "--library",
            "builtin:add-headers",
            "--option",
            "value.1=a",
        ],
    )
    .expect(0);
    assert_eq!(ask(&proxy, "/1").get(MARK), Some("a"));
    modules(
        &proxy,
        &["reconfigure", "headers", "value.1=b", "value.2=c"],
    )
    .expect(0);
    let response = ask(&proxy, "/2");
    assert_eq!(
        (response.get(MARK), response.get("x-understudy-2")),
        (Some("b"), Some("c"))
    );
    modules(&proxy, &["reconfigure", "headers", "--unset", "value.1"]).expect(0);
    let response = ask(&proxy, "/3");
    assert_eq!(
        (response.get(MARK), response.get("x-understudy-2")),
        (Some("one"), Some("c"))
    );
    modules(&proxy, &["unload", "headers"]).expect(0);
    assert_eq!(ask(&proxy, "/4").get(MARK), None);
    modules(&proxy, &["list"]).expect(0);
    // What was changed by command is gone with the next reload.
    modules(
        &proxy,
        &["load", "again", "--library", "builtin:add-headers"],
    )
    .expect(0);
    reload(&proxy, &file(&origin, ""), 1);
    assert_eq!(ask(&proxy, "/5").get(MARK), None);
}

#[test]
fn a_command_that_is_refused_changes_nothing() {
    let origin = plain();
    let proxy = Launch::bare().config(&file(&origin, &headers(""))).start();
    for (args, why) in [
        (
            &["unload", "haeders"][..],
            "there is no module called \"haeders\"; did you mean \"headers\"?",
        ),
        (
            &["load", "headers", "-l", "builtin:empty"],
            "there is a module called \"headers\" already",
        ),
        (
            &["load", "x", "-l", "builtin:none"],
            "no module called \"none\" is built in",
        ),
        (&["load", "x", "-l", "./none.so"], "none.so"),
        (
            &["load", "x", "-l", "builtin:empty", "-p", "2"],
            "position 2 is behind the end",
        ),
        (
            &["set", "headers", "nice=3"],
            "`nice` means nothing for runtime \"inline\"",
        ),
        (
            &["set", "headers", "runtime=thread"],
            "did you mean \"threads\"?",
        ),
        (&["set", "headers", "speed=3"], "`speed` cannot be set"),
        (
            &["reconfigure", "headers", "name.1=a b"],
            "refused its options",
        ),
        (
            &["reconfigure", "headers", "--unset", "value.1"],
            "there is no option called \"value.1\" to unset",
        ),
    ] {
        let out = modules(&proxy, args).expect(1).text();
        assert!(out.contains(why), "{args:?}: {out}");
    }
    assert_eq!(ask(&proxy, "/").get(MARK), Some("one"));
    assert_eq!(module(&proxy, "headers")["state"], "running");
    let status = proxy.status();
    assert_eq!(status["modules"].as_array().unwrap().len(), 1);
}

#[test]
fn a_reload_that_one_module_refuses_keeps_everything() {
    let origin = plain();
    let second = "[[module]]\nname = \"second\"\nlibrary = \"builtin:add-headers\"\n[module.options]\nname = { 1 = \"X-Second\" }\n";
    let proxy = Launch::bare()
        .config(&file(&origin, &(headers("") + second)))
        .start();
    // The first takes its new options, the second does not: the first is given its old ones back.
    let changed = headers("[module.options]\nvalue = { 1 = \"new\" }\n")
        + &second.replace("X-Second", "X Second");
    proxy.rewrite_config(&file(&origin, &changed));
    proxy.signal(Signal::HUP);
    proxy.wait_stderr(|l| {
        l.starts_with("reload refused:")
            && l.contains("understudy.toml:")
            && l.contains("module `second`")
    });
    let response = ask(&proxy, "/1");
    assert_eq!(
        (response.get(MARK), response.get("x-second")),
        (Some("one"), Some("one"))
    );
    // A module that cannot be loaded refuses as well, before anything is touched.
    let missing = headers("[module.options]\nvalue = { 1 = \"new\" }\n")
        + "[[module]]\nname = \"m\"\nlibrary = \"missing.so\"\n";
    proxy.rewrite_config(&file(&origin, &missing));
    proxy.signal(Signal::HUP);
    proxy.wait_stderr(|l| l.starts_with("reload refused:") && l.contains("module `m`"));
    assert_eq!(ask(&proxy, "/2").get(MARK), Some("one"));
    reload(
        &proxy,
        &file(&origin, &changed.replace("X Second", "X-Third")),
        1,
    );
    let response = ask(&proxy, "/3");
    assert_eq!(
        (response.get(MARK), response.get("x-third")),
        (Some("new"), Some("one"))
    );
    let parts = &proxy.status()["configuration"]["last_reload"]["parts"];
    assert_eq!(parts["module headers"], "reconfigured");
    assert_eq!(parts["module second"], "reconfigured");
}

#[test]
fn a_reload_has_new_settings_in_force_before_it_asks_and_old_ones_when_it_is_refused() {
    let (origin, dir) = (plain(), tempfile::tempdir().unwrap());
    let library = compiled("setting", dir.path());
    for runtime in ["inline", "threads", "process"] {
        // A module behind it may refuse what this one took.
        let text = |memory: &str, options: &str, value: &str| {
            let module = format!(
                "[[module]]\nname = \"setting\"\nlibrary = \"{}\"\nruntime = \"{runtime}\"\n[module.options]\n{options}",
                library.display()
            );
            let second = headers(&format!("[module.options]\nname = {{ 1 = \"{value}\" }}\n"));
            file(&origin, &(module + &second)) + &format!("[cache]\nmemory = \"{memory}\"\n")
        };
        let proxy = Launch::bare().config(&text("71M", "", "X-A")).start();
        // What it was told when it was asked last, and what it finds now. A child hears of new settings by a way of its own.
        let shows = |asked: &str, now: &str| {
            let began = std::time::Instant::now();
            loop {
                let response = ask(&proxy, "/");
                if response.get("x-now") == Some(now) {
                    return assert_eq!(response.get("x-memory"), Some(asked), "{runtime}");
                }
                assert!(began.elapsed() < PATIENCE, "{runtime}: {response:?}");
            }
        };
        shows("71M", "71M");
        reload(&proxy, &text("72M", "", "X-A"), 1);
        shows("71M", "72M");
        reload(&proxy, &text("73M", "n = 1\n", "X-A"), 2);
        shows("73M", "73M");
        let refused = |text: &str, nth: usize| {
            proxy.rewrite_config(text);
            proxy.signal(Signal::HUP);
            let line = |l: &str| l.starts_with("reload refused:");
            proxy.stderr.wait_count(line, nth);
        };
        refused(&text("74M", "n = 2\n", "X A"), 1);
        // It took new options, and was given the old ones back: asked of the old settings.
        shows("73M", "73M");
        refused(&text("75M", "refuse = 1\n", "X-A"), 2);
        shows("75M", "73M");
        assert_eq!(module(&proxy, "setting")["state"], "running");
    }
}

#[test]
fn a_module_that_refuses_at_the_start_ends_it_before_anything_listens() {
    let origin = plain();
    let out = Launch::bare()
        .config(&file(
            &origin,
            &headers("[module.options]\nname = { 1 = \"a b\" }\n"),
        ))
        .run()
        .expect(1);
    let text = out.text();
    assert!(
        text.contains("module `headers`: init refused") && !text.contains("listening"),
        "{text}"
    );
}

#[test]
fn only_local_requests_that_no_page_can_make_change_modules() {
    let origin = plain();
    let proxy = Launch::bare().config(&file(&origin, &headers(""))).start();
    let post = |fields: &str| {
        let body = "{\"change\":\"unload\",\"name\":\"headers\"}";
        let request = format!(
            "POST /modules HTTP/1.1\r\n{fields}Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        Client::to(proxy.listener("admin")).ask(request).status
    };
    assert_eq!(
        post("Host: rebound.example\r\nContent-Type: application/json\r\n"),
        403
    );
    assert_eq!(
        post("Host: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\nContent-Type: application/json\r\n"),
        403
    );
    assert_eq!(post("Host: 127.0.0.1\r\nContent-Type: text/plain\r\n"), 400);
    assert_eq!(module(&proxy, "headers")["state"], "running");
    assert_eq!(
        post("Host: 127.0.0.1\r\nContent-Type: application/json\r\n"),
        200
    );
    assert!(module(&proxy, "headers").is_null());
}

#[test]
fn what_modules_cost_is_counted() {
    let origin = plain();
    let proxy = Launch::bare()
        .config(&file(&origin, &headers("runtime = \"threads\"\n")))
        .start();
    for i in 0..3 {
        ask(&proxy, &format!("/{i}"));
    }
    let metrics = proxy.admin("/metrics").expect(200).text();
    for line in [
        "understudy_module_calls_total{module=\"headers\",hook=\"request_head\",runtime=\"threads\"} 3",
        "understudy_module_calls_total{module=\"headers\",hook=\"response_return\",runtime=\"threads\"} 3",
        "understudy_module_failures_total{module=\"headers\",reason=\"panic\"} 0",
        "understudy_module_transactions_total{module=\"headers\",outcome=\"closed\"} 0",
        "understudy_module_stray_resumes_total{module=\"headers\"} 0",
        "understudy_module_injections_dropped_total{module=\"headers\"} 0",
        "understudy_module_calls_total{module=\"headers\",hook=\"init\",runtime=\"threads\"} 1",
        "understudy_module_bytes_total{module=\"headers\",direction=\"in\"} 0",
        "understudy_module_held_bytes{module=\"headers\"} 0",
    ] {
        assert!(metrics.lines().any(|l| l == line), "{line}\n{metrics}");
    }
    let listed = modules(&proxy, &["list", "--hooks"]).expect(0).text();
    assert!(
        listed
            .lines()
            .any(|l| l.split_whitespace().take(2).eq(["request_head", "3"])),
        "{listed}"
    );
    assert!(
        listed
            .lines()
            .any(|l| l.split_whitespace().take(2).eq(["init", "1"])),
        "{listed}"
    );
}

#[test]
fn what_a_module_counts_itself_is_shown_in_every_runtime() {
    let (origin, dir) = (plain(), tempfile::tempdir().unwrap());
    let library = compiled("counting", dir.path());
    let table = |runtime: &str| {
        format!(
            "[[module]]\nname = \"{runtime}\"\nlibrary = \"{}\"\nruntime = \"{runtime}\"\n",
            library.display()
        )
    };
    let all: String = ["inline", "threads", "process"].map(table).concat();
    let proxy = Launch::bare().config(&file(&origin, &all)).start();
    for i in 0..3 {
        ask(&proxy, &format!("/{i}"));
    }
    // Counted before the answer left, so it is there when the client has it.
    let metrics = proxy.admin("/metrics").expect(200).text();
    let listed = modules(&proxy, &["list", "--hooks"]).expect(0).text();
    for runtime in ["inline", "threads", "process"] {
        for (count, n) in [("answers", 3), ("bytes_512", 1536)] {
            let line = format!(
                "understudy_module_count_total{{module=\"{runtime}\",count=\"{count}\"}} {n}"
            );
            assert!(metrics.lines().any(|l| l == line), "{line}\n{metrics}");
            assert_eq!(module(&proxy, runtime)["counts"][count], n, "{runtime}");
            let row = ["count", count, &n.to_string()];
            let rows = listed
                .lines()
                .filter(|l| l.split_whitespace().eq(row))
                .count();
            assert_eq!(rows, 3, "{listed}");
        }
        let counts = module(&proxy, runtime)["counts"].clone();
        assert_eq!(counts.as_object().unwrap().len(), 2, "{counts}");
    }
}

#[test]
fn a_library_says_what_it_is_in_a_process_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let library = compiled("crash", dir.path());
    let out = run(Command::new(binary())
        .args(["modules", "check"])
        .arg(&library))
    .expect(0);
    assert_eq!(
        out.text().trim_end(),
        "name:    crash\nversion: 1\nhooks:   request_head, response_return\nflags:   none\ntimer:   none"
    );
}
