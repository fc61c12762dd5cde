//! The supervisor: crashes, exit codes, signals, and modules that are moved out.
#![allow(clippy::unwrap_used)]

#[path = "modules_admin/common.rs"]
mod common;

use common::*;
use rustix::process::{Pid, Signal, kill_process};
use std::time::Instant;
use understudy_testbed::{Client, Gate, Launch, Origin, PATIENCE, Proxy, Reserved, get};

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

/// Fixed ports: behind a crash they are the same, and nobody else's while they are held.
fn fixed(origin: &Origin, modules: &str) -> (String, [Reserved; 2]) {
    let ports = [Reserved::hold(), Reserved::hold()];
    let text = file(origin, modules)
        .replacen("127.0.0.1:0", &ports[0].addr().to_string(), 1)
        .replacen("127.0.0.1:0", &ports[1].addr().to_string(), 1);
    (text, ports)
}

#[test]
fn a_proxy_that_crashed_is_started_again() {
    let origin = plain();
    let (text, _ports) = fixed(&origin, "");
    let proxy = Launch::bare().config(&text).arg("--supervise").start();
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
    let (text, _ports) = fixed(&origin, &table);
    let proxy = Launch::bare().config(&text).start();
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
fn a_module_whose_own_thread_ended_the_proxy_twice_runs_as_a_process_from_then_on() {
    for runtime in ["inline", "threads"] {
        a_module_whose_thread_crashes_is_demoted_from(runtime);
    }
}

fn a_module_whose_thread_crashes_is_demoted_from(runtime: &str) {
    let origin = plain();
    let dir = tempfile::tempdir().unwrap();
    let library = compiled("thread", dir.path());
    let doom = dir.path().join("doom");
    let table = format!(
        "[[module]]\nname = \"thread\"\nlibrary = \"{}\"\nruntime = \"{runtime}\"\n[module.options]\ndoom = \"{}\"\n{}",
        library.display(),
        doom.display(),
        headers("")
    );
    let (text, _ports) = fixed(&origin, &table);
    let proxy = Launch::bare().config(&text).start();
    assert_eq!(ask(&proxy, "/").get("x-thread"), Some("there"));
    // The first time it may have been anything.
    std::fs::write(&doom, "").unwrap();
    proxy.wait_stderr(|l| l.contains("the proxy ended by SIGSEGV, in no module; it is started"));
    proxy.stderr.wait_count(|l| l == "ready", 2);
    let now = module(&proxy, "thread");
    assert_eq!(
        (&now["runtime"], &now["state"]),
        (&runtime.into(), &"running".into())
    );
    std::fs::write(&doom, "").unwrap();
    proxy.wait_stderr(|l| l.contains("once more; module `thread` may have started what ended it"));
    proxy.stderr.wait_count(|l| l == "ready", 3);
    assert_eq!(ask(&proxy, "/").get("x-thread"), Some("there"));
    let now = module(&proxy, "thread");
    assert_eq!(
        (&now["runtime"], &now["state"]),
        (&"process".into(), &"demoted".into())
    );
    // One that is built in cannot have been it.
    assert_eq!(module(&proxy, "headers")["runtime"], "inline");
    // Now the thread ends its own process only, and that comes back.
    let pid = child(&proxy);
    std::fs::write(&doom, "").unwrap();
    let end = Instant::now() + PATIENCE;
    while module(&proxy, "thread")["gauges"]["restarts"] != 1 {
        assert!(Instant::now() < end, "its process was not started again");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    assert_eq!(child(&proxy), pid);
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
