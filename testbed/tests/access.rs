//! Who may ask, and for what: clients, destinations, CONNECT ports.
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Client, Conn, Launch, Origin, Proxy, get, reply};

fn fetch(proxy: &Proxy, authority: &str) -> u16 {
    get(proxy.addr(), &format!("http://{authority}/"), authority, "").status
}

fn connect(proxy: &Proxy, authority: &str) -> u16 {
    Client::to(proxy.addr())
        .ask(format!(
            "CONNECT {authority} HTTP/1.1\r\nHost: {authority}\r\n\r\n"
        ))
        .status
}

#[test]
fn inner_destinations_are_refused() {
    let origin = Origin::answering(|_| reply(200, &[], "inner"));
    let proxy = Launch::bare().start();
    let port = origin.addr.port();
    for host in [
        "127.0.0.1",
        "127.8.9.10",
        "localhost",
        "LOCALHOST",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "0.0.0.0",
        "[::]",
        "169.254.169.254",
        "169.254.1.1",
        "[fe80::1]",
        "[::ffff:169.254.169.254]",
        "[fd00:ec2::254]",
        "224.0.0.1",
        "[ff02::1]",
    ] {
        assert_eq!(fetch(&proxy, &format!("{host}:{port}")), 403, "{host}");
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn numbers_that_mean_loopback_do_not_reach_it() {
    let origin = Origin::answering(|_| reply(200, &[], "inner"));
    let proxy = Launch::bare()
        .config("[timeouts]\nconnect = \"2s\"\n")
        .start();
    for host in [
        "2130706433",
        "0x7f000001",
        "127.1",
        "0177.0.0.1",
        "127.0.0.1.",
    ] {
        let status = fetch(&proxy, &format!("{host}:{}", origin.addr.port()));
        assert!((400..=504).contains(&status), "{host}: {status}");
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn private_destinations_are_refused_when_the_setting_says_so() {
    let proxy = Launch::bare()
        .config("[access]\ndeny_to = [\"loopback\", \"private\"]\n")
        .start();
    for host in [
        "10.0.0.1",
        "172.16.0.1",
        "192.168.1.1",
        "[fd12::1]",
        "[::ffff:10.0.0.1]",
    ] {
        assert_eq!(fetch(&proxy, host), 403, "{host}");
        assert_eq!(connect(&proxy, &format!("{host}:443")), 403, "{host}");
    }
}

#[test]
fn allow_to_is_stronger_than_deny_to_and_as_narrow_as_it_says() {
    let origin = Origin::answering(|_| reply(200, &[], "inner"));
    let port = origin.addr.port();
    let proxy = Launch::bare().arg("--allow-to").arg("127.0.0.1/32").start();
    assert_eq!(fetch(&proxy, &format!("127.0.0.1:{port}")), 200);
    assert_eq!(fetch(&proxy, &format!("[::ffff:127.0.0.1]:{port}")), 200);
    assert_eq!(fetch(&proxy, &format!("127.0.0.2:{port}")), 403);
    assert_eq!(fetch(&proxy, &format!("[::1]:{port}")), 403);
    let proxy = Launch::bare()
        .config("[access]\nallow_to = [\"loopback\"]\n")
        .start();
    assert_eq!(fetch(&proxy, &format!("127.0.0.1:{port}")), 200);
}

#[test]
fn a_denied_destination_answers_with_an_error_page_and_stores_nothing() {
    let proxy = Launch::bare().start();
    let page = get(proxy.addr(), "http://127.0.0.1:1/", "127.0.0.1:1", "").expect(403);
    assert_eq!(page.get("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.get("cache-control"), Some("no-store"));
    let again = get(proxy.addr(), "http://127.0.0.1:1/", "127.0.0.1:1", "").expect(403);
    assert!(!again.is_hit(), "{}", again.head.text());
}

#[test]
fn clients_outside_the_list_are_refused() {
    let origin = Origin::answering(|_| reply(200, &[], "x"));
    let proxy = Launch::forward()
        .config(&format!(
            "[access]\nclients = [\"10.0.0.0/8\"]\nconnect_ports = [{}]\n",
            origin.addr.port()
        ))
        .start();
    assert_eq!(fetch(&proxy, &origin.addr.to_string()), 403);
    assert_eq!(connect(&proxy, &origin.addr.to_string()), 403);
    assert_eq!(origin.connections(), 0);
}

#[test]
fn reverse_listeners_answer_everybody() {
    let origin = Origin::answering(|_| reply(200, &[], "x"));
    let proxy = Launch::reverse(&origin)
        .config("[access]\nclients = [\"10.0.0.0/8\"]\n")
        .start();
    get(proxy.addr(), "/", "site.test", "").expect(200);
}

#[test]
fn connect_reaches_listed_ports_only() {
    let origin = Origin::scripted(|conn| {
        conn.send("hello");
    });
    let other = Origin::scripted(|_| ());
    let proxy = Launch::forward()
        .config(&format!(
            "[access]\nconnect_ports = [443, {}]\n",
            origin.addr.port()
        ))
        .start();
    let mut client = Client::to(proxy.addr());
    client
        .send(format!(
            "CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n",
            origin.addr
        ))
        .response_to("CONNECT")
        .expect(200);
    assert_eq!(client.rest(), b"hello");
    assert_eq!(connect(&proxy, &other.addr.to_string()), 403);
    assert_eq!(other.connections(), 0);
}

#[test]
fn connect_checks_the_destination_too() {
    let origin = Origin::scripted(|_| ());
    let proxy = Launch::bare()
        .config(&format!(
            "[access]\nconnect_ports = [{}]\n",
            origin.addr.port()
        ))
        .start();
    for host in ["127.0.0.1", "localhost", "[::ffff:127.0.0.1]"] {
        assert_eq!(
            connect(&proxy, &format!("{host}:{}", origin.addr.port())),
            403,
            "{host}"
        );
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn a_malformed_connect_is_refused() {
    let proxy = Launch::forward().start();
    for target in [
        "127.0.0.1",
        "/path",
        "http://127.0.0.1:443/",
        "127.0.0.1:",
        "127.0.0.1:0x1bb",
        "user@127.0.0.1:443",
        ":443",
    ] {
        let status = connect(&proxy, target);
        assert!((400..500).contains(&status), "{target}: {status}");
    }
}

fn tunnel_to(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> (Origin, Proxy, Client) {
    let origin = Origin::scripted(script);
    let proxy = Launch::forward()
        .config(&format!(
            "[access]\nconnect_ports = [{}]\n",
            origin.addr.port()
        ))
        .start();
    let client = Client::to(proxy.addr());
    (origin, proxy, client)
}

#[test]
fn a_tunnel_carries_any_bytes_and_half_closes() {
    let (origin, _proxy, mut client) = tunnel_to(|conn| {
        let all = conn.wire.rest();
        conn.send(all.iter().rev().copied().collect::<Vec<_>>());
    });
    let sent: Vec<u8> = (0..200_000u32).map(|i| (i % 251) as u8).collect();
    client
        .send(format!(
            "CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n",
            origin.addr
        ))
        .response_to("CONNECT")
        .expect(200);
    client.send(&sent).finish();
    let back = client.rest();
    assert!(
        back.iter().rev().eq(sent.iter()),
        "{} bytes came back",
        back.len()
    );
}

#[test]
fn bytes_sent_with_the_connect_reach_the_origin_after_it() {
    let (origin, _proxy, mut client) = tunnel_to(|conn| {
        let early = conn.wire.exactly(5);
        conn.send(early);
    });
    client
        .send(format!(
            "CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\nearly",
            origin.addr
        ))
        .response_to("CONNECT")
        .expect(200);
    assert_eq!(client.rest(), b"early");
}

#[test]
fn a_connect_to_nobody_is_a_bad_gateway() {
    let port = Origin::nobody().port();
    let proxy = Launch::forward()
        .config(&format!("[access]\nconnect_ports = [{port}]\n"))
        .start();
    let status = connect(&proxy, &format!("127.0.0.1:{port}"));
    assert!(matches!(status, 502 | 503), "{status}");
}
