//! HUP reads the configuration again, or keeps the old one; USR1 reopens logs.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use std::time::{Duration, Instant};
use understudy_testbed::{Client, Launch, Origin, PATIENCE, Proxy, Reserved, get, reply};

fn small(origin: &Origin, body: &str) -> String {
    format!(
        "[admin]\naddress = \"127.0.0.1:0\"\n[limits]\nrequest_body = \"{body}\"\n\
         [[listen]]\nname = \"site\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"\nto = \"o\"\n\
         [[upstream]]\nname = \"o\"\nservers = [\"{}\"]\n",
        origin.addr
    )
}

fn started() -> (Origin, Proxy) {
    let origin = Origin::answering(|r| reply(200, &["Cache-Control: max-age=60"], r.n.to_string()));
    let proxy = Launch::bare().config(&small(&origin, "1K")).start();
    (origin, proxy)
}

fn post(proxy: &Proxy) -> u16 {
    Client::to(proxy.addr())
        .ask(format!(
            "POST /p HTTP/1.1\r\nHost: site.test\r\nContent-Length: 2000\r\n\r\n{}",
            "x".repeat(2000)
        ))
        .status
}

#[test]
fn a_good_configuration_is_taken() {
    let (origin, proxy) = started();
    assert_eq!(post(&proxy), 413);
    proxy.rewrite_config(&small(&origin, "4K"));
    proxy.signal(Signal::HUP);
    proxy.wait_stderr(|l| l == "reloaded");
    assert_eq!(post(&proxy), 200);
}

#[test]
fn a_bad_configuration_is_refused_and_the_old_one_kept() {
    let (origin, proxy) = started();
    let mut refusals = 0;
    for bad in [
        small(&origin, "lots"),
        small(&origin, "4K") + "nonsense = 1\n",
        small(&origin, "4K").replace("to = \"o\"", "to = \"x\""),
    ] {
        proxy.rewrite_config(&bad);
        proxy.signal(Signal::HUP);
        refusals += 1;
        proxy
            .stderr
            .wait_count(|l| l.starts_with("reload refused:"), refusals);
        assert_eq!(post(&proxy), 413);
    }
    assert!(!proxy.stderr.text().contains("\nreloaded"));
    proxy.rewrite_config(&small(&origin, "4K"));
    proxy.signal(Signal::HUP);
    proxy.wait_stderr(|l| l == "reloaded");
    assert_eq!(post(&proxy), 200);
}

#[test]
fn what_is_stored_and_who_is_connected_stay() {
    let (origin, proxy) = started();
    let mut client = Client::to(proxy.addr());
    client
        .ask("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
        .expect_body("1");
    proxy.rewrite_config(&small(&origin, "4K"));
    proxy.signal(Signal::HUP);
    proxy.wait_stderr(|l| l == "reloaded");
    client
        .ask("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
        .expect_body("1")
        .expect_hit();
    get(proxy.addr(), "/", "site.test", "")
        .expect_body("1")
        .expect_hit();
}

#[test]
fn other_servers_of_an_upstream_are_used_after_a_reload() {
    let (_origin, proxy) = started();
    let other = Origin::answering(|_| reply(200, &[], "other"));
    proxy.rewrite_config(&small(&other, "1K"));
    proxy.signal(Signal::HUP);
    proxy.wait_stderr(|l| l == "reloaded");
    get(proxy.addr(), "/new", "site.test", "")
        .expect(200)
        .expect_body("other");
}

#[test]
fn a_new_listener_is_opened_and_one_that_is_gone_is_closed() {
    let (origin, proxy) = started();
    let old = proxy.addr();
    let held = Reserved::hold();
    let new = held.addr();
    let with_both = small(&origin, "1K")
        + &format!(
            "[[listen]]\nname = \"new\"\nmode = \"reverse\"\naddress = \"{new}\"\nto = \"o\"\n"
        );
    proxy.rewrite_config(&with_both);
    proxy.signal(Signal::HUP);
    proxy.stderr.wait_count(|l| l == "reloaded", 1);
    get(new, "/", "site.test", "").expect(200);
    get(old, "/", "site.test", "").expect(200);
    let with_new = with_both.replace(
        "name = \"site\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"",
        "name = \"moved\"\nmode = \"reverse\"\naddress = \"[::1]:0\"",
    );
    proxy.rewrite_config(&with_new);
    proxy.signal(Signal::HUP);
    proxy.stderr.wait_count(|l| l == "reloaded", 2);
    get(new, "/", "site.test", "").expect(200);
    let end = Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(old).is_ok() {
        assert!(
            Instant::now() < end,
            "a listener that is gone still takes connections"
        );
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn a_listener_that_cannot_be_bound_refuses_the_whole() {
    let (origin, proxy) = started();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    proxy.rewrite_config(
        &(small(&origin, "4K")
            + &format!(
                "[[listen]]\nname = \"new\"\nmode = \"forward\"\naddress = \"{}\"\n",
                taken.local_addr().unwrap()
            )),
    );
    proxy.signal(Signal::HUP);
    proxy.wait_stderr(|l| l.starts_with("reload refused:"));
    assert_eq!(post(&proxy), 413);
}

#[test]
fn usr1_reopens_the_access_log() {
    let origin = Origin::answering(|_| reply(200, &[], "x"));
    let proxy = Launch::reverse(&origin)
        .arg("--access-log")
        .arg("access.log")
        .start();
    let (log, old) = (
        proxy.dir().join("access.log"),
        proxy.dir().join("access.log.1"),
    );
    let wait = |path: &std::path::Path, what: &str| {
        let end = Instant::now() + PATIENCE;
        while !std::fs::read_to_string(path)
            .unwrap_or_default()
            .contains(what)
        {
            assert!(Instant::now() < end, "no {what} in {path:?}");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    get(proxy.addr(), "/before", "site.test", "");
    wait(&log, "/before");
    std::fs::rename(&log, &old).unwrap();
    proxy.signal(Signal::USR1);
    // Asked until one is written to the new file: the signal is taken up at a moment of the proxy's own.
    let end = Instant::now() + PATIENCE;
    while !std::fs::read_to_string(&log)
        .unwrap_or_default()
        .contains("/after")
    {
        assert!(Instant::now() < end, "the log was not reopened");
        get(proxy.addr(), "/after", "site.test", "");
        std::thread::sleep(Duration::from_millis(20));
    }
    assert!(std::fs::read_to_string(&old).unwrap().contains("/before"));
}

#[test]
fn the_cache_is_turned_off_and_on() {
    let (origin, proxy) = started();
    let asked = |path: &str| {
        get(proxy.addr(), path, "site.test", "").expect(200);
        get(proxy.addr(), path, "site.test", "")
    };
    for (n, (enabled, path)) in [("false", "/off"), ("true", "/on")].iter().enumerate() {
        let file = small(&origin, "1K") + &format!("[cache]\nenabled = {enabled}\n");
        proxy.rewrite_config(&file);
        proxy.signal(Signal::HUP);
        proxy.stderr.wait_count(|l| l == "reloaded", n + 1);
        let second = asked(path);
        let hit = second.head.list("cache-status").contains("; hit");
        assert_eq!(hit.to_string(), *enabled, "{}", second.head.text());
    }
}
