//! TERM drains, a second one ends at once, and a bound holds.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use std::{
    net::TcpStream,
    time::{Duration, Instant},
};
use understudy_testbed::{Client, Gate, Launch, Origin, PATIENCE, Proxy, reply};

const ASK: &str = "GET / HTTP/1.1\r\nHost: site.test\r\n\r\n";

/// A transfer of two halves with a door between them, its first half read by the client.
fn half_way(config: &str) -> (Origin, Proxy, Gate, Client) {
    let gate = Gate::new();
    let theirs = gate.clone();
    let origin = Origin::scripted(move |conn| {
        if conn.request().is_some() {
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nfirst-");
            theirs.wait();
            conn.send("second");
            conn.wire.rest();
        }
    });
    let proxy = Launch::reverse(&origin).config(config).start();
    let mut client = Client::to(proxy.addr());
    client.send(ASK).head();
    assert_eq!(client.wire.exactly(6), b"first-");
    (origin, proxy, gate, client)
}

/// Waits until the proxy takes no new connection.
fn wait_deaf(proxy: &Proxy) {
    let end = Instant::now() + PATIENCE;
    while TcpStream::connect(proxy.addr()).is_ok() {
        assert!(Instant::now() < end, "it still takes connections");
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[test]
fn an_idle_proxy_ends_at_once_and_well() {
    for signal in [Signal::TERM, Signal::INT, Signal::QUIT] {
        let mut proxy = Launch::forward().start();
        let mut idle = Client::to(proxy.addr());
        proxy.signal(signal);
        assert_eq!(proxy.wait_exit(), Some(0), "{signal:?}");
        idle.expect_closed();
    }
}

#[test]
fn a_transfer_in_progress_is_finished() {
    let (_origin, mut proxy, gate, mut client) = half_way("");
    proxy.signal(Signal::TERM);
    wait_deaf(&proxy);
    assert_eq!(proxy.admin("/readyz").status, 503, "draining is not ready");
    assert_eq!(proxy.admin("/livez").status, 200, "but alive");
    gate.open();
    assert_eq!(client.wire.exactly(6), b"second");
    client.expect_closed();
    assert_eq!(proxy.wait_exit(), Some(0));
}

#[test]
fn a_second_term_ends_at_once() {
    let (_origin, mut proxy, gate, _client) = half_way("");
    proxy.signal(Signal::TERM);
    wait_deaf(&proxy);
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_exit(), Some(3));
    gate.open();
}

#[test]
fn the_drain_bound_cuts_what_is_left() {
    let (_origin, mut proxy, gate, mut client) = half_way("[timeouts]\ndrain = \"300ms\"\n");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_exit(), Some(3));
    client.expect_closed();
    gate.open();
}

#[test]
fn a_tunnel_in_use_is_drained_until_the_bound() {
    let origin = Origin::scripted(|conn| {
        while let [byte] = conn.wire.up_to(1)[..] {
            conn.send([byte]);
        }
    });
    let config = format!(
        "[access]\nconnect_ports = [{}]\n[timeouts]\ndrain = \"500ms\"\n",
        origin.addr.port()
    );
    let mut proxy = Launch::forward().config(&config).start();
    let mut client = Client::to(proxy.addr());
    client
        .ask(format!(
            "CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n",
            origin.addr
        ))
        .expect(200);
    client.send("a");
    assert_eq!(client.wire.exactly(1), b"a");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_exit(), Some(3));
}

#[test]
fn an_idle_keep_alive_connection_does_not_hold_it_up() {
    let origin = Origin::answering(|_| reply(200, &[], "x"));
    // Were it waited for, that would take far longer than this test has patience.
    let mut proxy = Launch::reverse(&origin)
        .config("[timeouts]\nidle = \"1h\"\ndrain = \"1h\"\n")
        .start();
    let mut client = Client::to(proxy.addr());
    client.ask(ASK).expect(200);
    proxy.signal(Signal::TERM);
    client.expect_closed();
    assert_eq!(proxy.wait_exit(), Some(0));
}
