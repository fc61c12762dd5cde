//! The console over reloads, other options, other runtimes, a child that dies, and the end.

use crate::common::*;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    process::Command,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};
use understudy_testbed::{Proxy, programs::free_port, proxy::binary, run};

fn reload(proxy: &Proxy, text: &str, nth: usize) {
    proxy.rewrite_config(text);
    proxy.signal(Signal::HUP);
    proxy.stderr.wait_count(|l| l == "reloaded", nth);
}

fn command(proxy: &Proxy, args: &[&str]) -> understudy_testbed::Finished {
    let admin = proxy.listener("admin").to_string();
    run(Command::new(binary())
        .arg("modules")
        .args(args)
        .args(["--admin", &admin]))
}

#[test]
fn over_a_reload_that_changes_the_runtime_nobody_is_refused() {
    let listen = format!("listen = \"127.0.0.1:{}\"", free_port());
    let proxy = start("inline", &listen);
    let at = port(&proxy);
    let (stop, came) = (AtomicBool::new(false), AtomicUsize::new(0));
    // Refused, this panics. Whoever meets what is about to leave is told so; only a connection that the old listener has not finished
    // making when it goes is cut.
    let served = || {
        let mut console = Console::connect(at);
        let greeting = console.until_or_end("on");
        greeting.is_some_and(|words| words.contains("understudy c"))
    };
    std::thread::scope(|scope| {
        let clients = scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                served();
                came.fetch_add(1, Ordering::Relaxed);
            }
        });
        for (n, runtime) in ["threads", "process", "inline", "process", "threads"]
            .into_iter()
            .enumerate()
        {
            let before = came.load(Ordering::Relaxed);
            reload(&proxy, &text(runtime, &listen), n + 1);
            while came.load(Ordering::Relaxed) == before && !clients.is_finished() {
                std::thread::yield_now();
            }
        }
        stop.store(true, Ordering::Relaxed);
    });
    while !served() {}
    assert!(came.load(Ordering::Relaxed) > 0);
}

#[test]
fn a_reload_that_changes_nothing_leaves_sessions_alone_and_other_options_apply_to_the_next() {
    for runtime in RUNTIMES {
        let listen = format!("listen = \"127.0.0.1:{}\"\n", free_port());
        let proxy = start(runtime, &listen);
        let mut console = Console::at(&proxy);
        reload(&proxy, &text(runtime, &listen), 1);
        assert_eq!(
            console.ask("query http://a.test/"),
            "not stored\n",
            "{runtime}"
        );
        reload(
            &proxy,
            &text(runtime, &format!("{listen}secret = \"new\"")),
            2,
        );
        assert_eq!(
            console.ask("query http://a.test/"),
            "not stored\n",
            "{runtime}"
        );
        Console::connect(port(&proxy)).until("secret: ");
    }
}

#[test]
fn another_port_is_moved_to_and_one_that_is_taken_is_refused() {
    for runtime in RUNTIMES {
        let (first, second) = (free_port(), free_port());
        let listen = |port: u16| format!("listen=127.0.0.1:{port}");
        let proxy = start(runtime, &format!("listen = \"127.0.0.1:{first}\""));
        let mut console = Console::at(&proxy);
        command(&proxy, &["reconfigure", "console", &listen(second)]).expect(0);
        let at = |port: u16| std::net::SocketAddr::from(([127, 0, 0, 1], port));
        Console::connect(at(second)).until(PROMPT);
        assert_eq!(
            console.ask("query http://a.test/"),
            "not stored\n",
            "{runtime}"
        );
        closes(at(first));
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let refused = command(
            &proxy,
            &[
                "reconfigure",
                "console",
                &listen(taken.local_addr().unwrap().port()),
            ],
        );
        assert_ne!(refused.code, 0);
        assert!(
            refused.text().contains("cannot listen on"),
            "{}",
            refused.text()
        );
        Console::connect(at(second)).until(PROMPT);
    }
}

#[test]
fn a_port_of_the_proxy_itself_is_not_shared_with_it() {
    for runtime in RUNTIMES {
        let forward = format!("127.0.0.1:{}", free_port());
        let named = "mode = \"forward\"\naddress = \"";
        let config = text(runtime, "").replace(
            &format!("{named}127.0.0.1:0\""),
            &format!("{named}{forward}\""),
        );
        let proxy = understudy_testbed::Launch::bare().config(&config).start();
        let at = port(&proxy);
        for listen in [&forward, &forward.replace("127.0.0.1", "0.0.0.0")] {
            let listen = format!("listen={listen}");
            let told = command(&proxy, &["reconfigure", "console", &listen, "secret=x"]);
            assert_ne!(told.code, 0, "{runtime}");
            assert!(
                told.text().contains("the proxy itself listens"),
                "{}",
                told.text()
            );
        }
        Console::connect(at).until(PROMPT);
    }
}

/// Waits until nobody listens there any more: the descriptor that is watched is let go of a moment later.
#[track_caller]
fn closes(at: std::net::SocketAddr) {
    let end = std::time::Instant::now() + understudy_testbed::PATIENCE;
    while std::net::TcpStream::connect(at).is_ok() {
        assert!(std::time::Instant::now() < end, "{at} is still listened on");
        std::thread::yield_now();
    }
}

#[test]
fn a_module_that_is_unloaded_says_so_and_closes_its_port() {
    for runtime in RUNTIMES {
        let proxy = start(runtime, "");
        let at = port(&proxy);
        let mut console = Console::at(&proxy);
        command(&proxy, &["unload", "console"]).expect(0);
        assert_eq!(
            console.rest(),
            b"\nthe console was moved, replaced or unloaded; connect again\n",
            "{runtime}"
        );
        closes(at);
    }
}

#[test]
fn a_child_that_dies_is_followed_by_one_that_listens() {
    let proxy = start(
        "process",
        &format!("listen = \"127.0.0.1:{}\"", free_port()),
    );
    let mut console = Console::at(&proxy);
    let child =
        run(Command::new("ps").args(["-o", "pid=", "--ppid", &proxy.id().to_string()])).expect(0);
    let pid = Pid::from_raw(child.stdout.trim().parse().unwrap()).unwrap();
    kill_process(pid, Signal::KILL).unwrap();
    console.rest();
    proxy
        .stderr
        .wait_count(|line| line.contains("console on "), 2);
    assert_eq!(
        Console::at(&proxy).ask("query http://a.test/"),
        "not stored\n"
    );
}

#[test]
fn what_a_session_had_begun_is_given_up_with_it() {
    for runtime in RUNTIMES {
        let proxy = start(runtime, "");
        let mut console = Console::at(&proxy);
        let begun = console.ask("inject-start http://a.test/ text/plain");
        let number = begun.split(' ').nth(1).unwrap().to_owned();
        console.send(format!("inject-part {number} 4\nabcd"));
        console.until(PROMPT);
        let fills = |proxy: &Proxy| proxy.status()["cache"]["fills"].as_u64().unwrap();
        let becomes = |count| {
            let end = std::time::Instant::now() + understudy_testbed::PATIENCE;
            while fills(&proxy) != count {
                assert!(std::time::Instant::now() < end, "{runtime}: never {count}");
            }
        };
        // What is taken is not begun yet.
        becomes(1);
        drop(console);
        becomes(0);
        // Another session cannot go on with it either.
        let told = Console::at(&proxy).ask(format!("inject-done {number}"));
        assert!(told.contains("there is no injection"), "{told}");
    }
}
