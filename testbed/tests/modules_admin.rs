//! Modules while the proxy runs: changed by reload and by command, refused as a whole, and supervised.
#![allow(clippy::unwrap_used)]

use rustix::process::{Pid, Signal, kill_process};
use std::{
    path::{Path, PathBuf},
    process::Command,
    time::Instant,
};
use understudy_testbed::{
    Client, Finished, Gate, Launch, Origin, PATIENCE, Proxy, Response, get, proxy::binary, reply,
    run,
};

const MARK: &str = "x-understudy-1";

/// A reverse proxy of this origin with these tables of modules.
fn file(origin: &Origin, modules: &str) -> String {
    format!(
        "workers = 2\n{modules}[admin]\naddress = \"127.0.0.1:0\"\n\
         [[listen]]\nname = \"site\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"\nto = \"o\"\n\
         [[upstream]]\nname = \"o\"\nservers = [\"{}\"]\n",
        origin.addr
    )
}

fn headers(more: &str) -> String {
    format!("[[module]]\nname = \"headers\"\nlibrary = \"builtin:add-headers\"\n{more}")
}

fn plain() -> Origin {
    Origin::answering(|r| reply(200, &["Cache-Control: no-store"], r.target.clone()))
}

fn modules(proxy: &Proxy, args: &[&str]) -> Finished {
    let admin = proxy.listener("admin").to_string();
    run(Command::new(binary())
        .arg("modules")
        .args(args)
        .args(["--admin", &admin]))
}

/// What the admin says of the module of this name.
#[track_caller]
fn module(proxy: &Proxy, name: &str) -> serde_json::Value {
    let response = proxy.admin("/modules").expect(200);
    let answer: serde_json::Value = serde_json::from_slice(&response.body).unwrap();
    let all = answer["modules"].as_array().unwrap();
    let found = all
        .iter()
        .find(|m| m["name"] == name && m["state"] != "leaving");
    found.cloned().unwrap_or(serde_json::Value::Null)
}

#[track_caller]
fn ask(proxy: &Proxy, path: &str) -> Response {
    get(proxy.addr(), path, "site.test", "").expect(200)
}

fn reload(proxy: &Proxy, text: &str, nth: usize) {
    proxy.rewrite_config(text);
    proxy.signal(Signal::HUP);
    proxy.stderr.wait_count(|l| l == "reloaded", nth);
}

/// An answer whose second half waits for the gate.
fn halves(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::scripted(move |conn| {
        while let Some(request) = conn.request() {
            let slow = request.target == "/slow";
            conn.send(
                "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\nContent-Length: 8\r\n\r\nhalf",
            );
            if slow {
                gate.wait();
            }
            conn.send("half");
        }
    })
}

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
}

// --- The supervisor -------------------------------------------------------------------------------------------------

/// The proxy under the supervisor, once it is not this one any more.
#[track_caller]
fn child(supervisor: &Proxy) -> Pid {
    Pid::from_raw(
        supervisor.status()["pid"]
            .as_i64()
            .unwrap()
            .try_into()
            .unwrap(),
    )
    .unwrap()
}

/// Fixed ports: behind a crash they are the same.
fn fixed(origin: &Origin, modules: &str) -> String {
    let port = understudy_testbed::programs::free_port;
    file(origin, modules)
        .replacen("127.0.0.1:0", &format!("127.0.0.1:{}", port()), 1)
        .replacen("127.0.0.1:0", &format!("127.0.0.1:{}", port()), 1)
}

#[test]
fn a_proxy_that_crashed_is_started_again() {
    let origin = plain();
    let proxy = Launch::bare()
        .config(&fixed(&origin, ""))
        .arg("--supervise")
        .start();
    let first = child(&proxy);
    assert_ne!(first.as_raw_nonzero().get().unsigned_abs(), proxy.id());
    // Not SEGV: one that is sent and not caused only takes away the handler that the standard library has for it.
    kill_process(first, Signal::ABORT).unwrap();
    proxy.stderr.wait_count(|l| l == "ready", 2);
    proxy.wait_stderr(|l| {
        l.contains("the proxy ended by SIGABRT, in no module; it is started again in 100 ms")
    });
    ask(&proxy, "/");
    assert_ne!(child(&proxy), first);
}

#[test]
fn what_ends_the_proxy_by_itself_ends_the_supervisor_with_the_same_code() {
    let origin = plain();
    let mut proxy = Launch::bare()
        .config(&file(&origin, ""))
        .arg("--supervise")
        .start();
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_exit(), Some(0));
    // A reload passes through; and what cannot start says so with its own code.
    let mut proxy = Launch::bare()
        .config(&file(&origin, ""))
        .arg("--supervise")
        .start();
    reload(&proxy, &file(&origin, &headers("")), 1);
    let gate = Gate::new();
    let slow = halves(&gate);
    reload(&proxy, &file(&slow, ""), 2);
    let mut client = Client::to(proxy.addr());
    client.send("GET /slow HTTP/1.1\r\nHost: site.test\r\n\r\n");
    client.head();
    proxy.signal(Signal::TERM);
    proxy.wait_stderr(|l| l.contains("draining"));
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_exit(), Some(3));
    gate.open();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let text =
        file(&origin, "").replacen("127.0.0.1:0", &taken.local_addr().unwrap().to_string(), 1);
    Launch::bare()
        .config(&text)
        .arg("--supervise")
        .run()
        .expect(1);
}

#[test]
fn a_download_in_progress_is_finished_when_the_supervisor_is_asked_to_end() {
    let gate = Gate::new();
    let origin = halves(&gate);
    let mut proxy = Launch::bare()
        .config(&file(&origin, ""))
        .arg("--supervise")
        .start();
    let mut client = Client::to(proxy.addr());
    client.send("GET /slow HTTP/1.1\r\nHost: site.test\r\n\r\n");
    client.head();
    proxy.signal(Signal::TERM);
    proxy.wait_stderr(|l| l.contains("draining"));
    gate.open();
    assert_eq!(
        client.wire.body(understudy_testbed::Framing::Length(8)).0,
        b"halfhalf"
    );
    assert_eq!(proxy.wait_exit(), Some(0));
}

#[test]
fn no_proxy_outlives_its_supervisor() {
    let origin = plain();
    let mut proxy = Launch::bare()
        .config(&file(&origin, ""))
        .arg("--supervise")
        .start();
    let child = child(&proxy);
    proxy.signal(Signal::KILL);
    assert_eq!(proxy.wait_exit(), None);
    let end = Instant::now() + PATIENCE;
    // Gone, or a zombie whose reaper has other things to do.
    let gone = || match std::fs::read_to_string(format!("/proc/{}/stat", child.as_raw_nonzero())) {
        Ok(stat) => stat
            .rsplit_once(')')
            .is_some_and(|(_, rest)| rest.trim_start().starts_with('Z')),
        Err(_) => true,
    };
    while !gone() {
        assert!(Instant::now() < end, "the proxy lives on");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

/// A module in C, compiled.
fn compiled(name: &str, dir: &Path) -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let library = dir.join(name).with_extension("so");
    let built = Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg(
            here.join("tests/modules_admin")
                .join(name)
                .with_extension("c"),
        )
        .arg("-I")
        .arg(here.join("../modules/abi/include"))
        .status();
    assert!(built.unwrap().success());
    library
}

#[test]
fn a_module_that_ended_the_proxy_runs_as_a_process_from_then_on() {
    for runtime in ["inline", "threads"] {
        a_module_that_ended_the_proxy_is_demoted_from(runtime);
    }
}

fn a_module_that_ended_the_proxy_is_demoted_from(runtime: &str) {
    let origin = plain();
    let dir = tempfile::tempdir().unwrap();
    let library = compiled("crash", dir.path());
    let table = format!(
        "[[module]]\nname = \"crash\"\nlibrary = \"{}\"\nruntime = \"{runtime}\"\n{}",
        library.display(),
        headers("")
    );
    // A library from a file in the proxy's own address space is reason enough for a supervisor.
    let proxy = Launch::bare().config(&fixed(&origin, &table)).start();
    assert_eq!(ask(&proxy, "/").get("x-crash"), Some("not yet"));
    assert_eq!(module(&proxy, "crash")["runtime"], runtime);
    Client::to(proxy.addr())
        .send("GET /crash HTTP/1.1\r\nHost: site.test\r\n\r\n")
        .rest();
    proxy.wait_stderr(|l| l.contains("module `crash` was running when the proxy ended by SIGSEGV; it runs as a process from now on"));
    proxy.stderr.wait_count(|l| l == "ready", 2);
    assert_eq!(ask(&proxy, "/").get("x-crash"), Some("not yet"));
    let now = module(&proxy, "crash");
    assert_eq!(
        (&now["runtime"], &now["state"]),
        (&"process".into(), &"demoted".into())
    );
    assert_eq!(module(&proxy, "headers")["runtime"], "inline");
    let pid = child(&proxy);
    // Now it ends its own process only: that request gets the policy, the proxy goes on.
    assert_eq!(get(proxy.addr(), "/crash", "site.test", "").status, 502);
    assert_eq!(child(&proxy), pid);
    // It stays so over a reload, until somebody chooses its runtime.
    proxy.signal(Signal::HUP);
    proxy.stderr.wait_count(|l| l == "reloaded", 1);
    assert_eq!(module(&proxy, "crash")["state"], "demoted");
    let back = format!("runtime={runtime}");
    modules(&proxy, &["set", "crash", &back]).expect(0);
    assert_eq!(module(&proxy, "crash")["state"], "running");
}

#[test]
fn a_module_that_crashes_as_it_is_loaded_ends_the_start_with_its_name() {
    let origin = plain();
    let dir = tempfile::tempdir().unwrap();
    let library = compiled("life", dir.path());
    let table = format!(
        "[[module]]\nname = \"life\"\nlibrary = \"{}\"\n[module.options]\ncrash = true\n",
        library.display()
    );
    let out = Launch::bare()
        .config(&file(&origin, &table))
        .run()
        .expect(1)
        .text();
    // Once in the proxy's own address space; then it is tried as a process, and that is the end.
    assert!(
        out.contains("module `life` was running when the proxy ended by SIGSEGV"),
        "{out}"
    );
    assert!(
        out.contains("understudy.toml:4:11: module[0]: module `life`"),
        "{out}"
    );
    assert!(!out.contains("listening"), "{out}");
}

#[test]
fn modules_are_told_of_the_end_of_the_proxy_and_of_their_own() {
    let origin = plain();
    let dir = tempfile::tempdir().unwrap();
    let library = compiled("life", dir.path());
    for runtime in ["inline", "threads", "process"] {
        let table = format!(
            "[[module]]\nname = \"life\"\nlibrary = \"{}\"\nruntime = \"{runtime}\"\n",
            library.display()
        );
        let goodbye = |line: &str| line.contains("goodbye");
        let mut proxy = Launch::bare().config(&file(&origin, &table)).start();
        ask(&proxy, "/");
        modules(&proxy, &["unload", "life"]).expect(0);
        proxy.stderr.wait_count(goodbye, 1);
        modules(
            &proxy,
            &[
                "load",
                "life",
                "-l",
                library.to_str().unwrap(),
                "-r",
                runtime,
            ],
        )
        .expect(0);
        ask(&proxy, "/");
        proxy.signal(Signal::TERM);
        assert_eq!(proxy.wait_exit(), Some(0), "{runtime}");
        proxy.stderr.wait_count(goodbye, 2);
    }
}
