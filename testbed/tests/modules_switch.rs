//! The runtime of a module is changed again and again under load: nothing is lost, and each transaction stays where it began.
//!
//! The module fails a transaction whose hooks run in another process or instance than its first, which would be a 502 or a cut body here.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use std::{
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
    time::Duration,
};
use understudy_testbed::{
    Client, Launch, Origin, Proxy,
    modules::{compiled, config, module},
    proxy::binary,
    reply, run,
};

const CLIENTS: usize = 50;
const SWITCHES: usize = 12;
const LARGE: usize = 5 << 20;

fn bytes(n: usize) -> Vec<u8> {
    (0..n).map(|i| (i ^ (i >> 8) ^ (i >> 16)) as u8).collect()
}

fn origin() -> Origin {
    Origin::answering(|r| match &*r.target {
        t if t.starts_with("/hit") => reply(200, &["Cache-Control: max-age=600"], "a hit"),
        t if t.starts_with("/large") => reply(200, &["Cache-Control: no-store"], bytes(LARGE)),
        t => reply(200, &["Cache-Control: no-store"], t),
    })
}

/// One client: hits, misses, and for some of them large bodies read slowly.
fn requests(proxy: &Proxy, i: usize, done: &AtomicBool, answered: &AtomicUsize, large: &[u8]) {
    let mut client = Client::to(proxy.addr());
    let mut n = 0;
    while n < 3 || !done.load(Ordering::SeqCst) {
        let slow = i.is_multiple_of(25);
        let (path, trace) = match n % 2 {
            0 if !slow => ("/hit".to_owned(), "head-return"),
            _ if slow => (format!("/large/{i}/{n}"), "head-out-response-return"),
            _ => (format!("/miss/{i}/{n}"), "head-out-response-return"),
        };
        client.send(format!("GET {path} HTTP/1.1\r\nHost: site.test\r\n\r\n"));
        if slow {
            // Reading begins late, so that the body is under way while the runtime changes.
            std::thread::sleep(Duration::from_millis(300));
        }
        let response = client.response().expect(200);
        assert_eq!(response.get("x-trace"), Some(trace), "{path}");
        match &*path {
            "/hit" => assert_eq!(response.text(), "a hit"),
            _ if slow => assert!(response.body == large, "{path}: other bytes"),
            _ => assert_eq!(response.text(), path),
        }
        n += 1;
        answered.fetch_add(1, Ordering::SeqCst);
    }
}

fn switched_under_load(switch: impl Fn(&Proxy, &dyn Fn(&str) -> String, &str, usize)) {
    let (origin, launch) = (origin(), Launch::bare());
    let library = compiled("trace", launch.dir());
    let text = |runtime: &str| {
        let table = format!(
            "[[module]]\nname = \"trace\"\nlibrary = \"{}\"\nruntime = \"{runtime}\"\n\
             [[module]]\nname = \"copies\"\nlibrary = \"builtin:body-and-headers\"\nruntime = \"{runtime}\"\n",
            library.display()
        );
        config(&origin, &table)
    };
    let proxy = launch.config(&text("inline")).start();
    Client::to(proxy.addr())
        .ask("GET /hit HTTP/1.1\r\nHost: site.test\r\n\r\n")
        .expect(200);
    let (done, answered, large) = (AtomicBool::new(false), AtomicUsize::new(0), bytes(LARGE));
    std::thread::scope(|threads| {
        let clients: Vec<_> = (0..CLIENTS)
            .map(|i| {
                let (proxy, done, answered, large) = (&proxy, &done, &answered, &large);
                threads.spawn(move || requests(proxy, i, done, answered, large))
            })
            .collect();
        let switches = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
            for n in 1..=SWITCHES {
                let before = answered.load(Ordering::SeqCst);
                let runtime = ["inline", "threads", "process"][n % 3];
                switch(&proxy, &text, runtime, n);
                // Each of them carries some of the load before the next comes.
                let end = std::time::Instant::now() + understudy_testbed::PATIENCE;
                while answered.load(Ordering::SeqCst) < before + CLIENTS {
                    assert!(
                        std::time::Instant::now() < end,
                        "nothing is answered under {runtime}"
                    );
                    assert!(!clients.iter().any(|c| c.is_finished()), "a client failed");
                    std::thread::sleep(Duration::from_millis(5));
                }
                assert_eq!(module(&proxy, "trace")["runtime"], runtime);
            }
        }));
        done.store(true, Ordering::SeqCst);
        let lost = clients
            .into_iter()
            .map(|c| c.join())
            .filter(Result::is_err)
            .count();
        assert_eq!(
            lost, 0,
            "clients whose requests were not all answered right"
        );
        if let Err(panic) = switches {
            std::panic::resume_unwind(panic);
        }
    });
}

#[test]
fn reloads_under_load_lose_nothing() {
    switched_under_load(|proxy, text, runtime, n| {
        proxy.rewrite_config(&text(runtime));
        proxy.signal(Signal::HUP);
        proxy.stderr.wait_count(|l| l == "reloaded", n);
    });
}

#[test]
fn commands_under_load_lose_nothing() {
    switched_under_load(|proxy, _, runtime, _| {
        let admin = proxy.listener("admin").to_string();
        for name in ["copies", "trace"] {
            let set = format!("runtime={runtime}");
            run(Command::new(binary()).args(["modules", "set", name, &set, "--admin", &admin]))
                .expect(0);
        }
    });
}
