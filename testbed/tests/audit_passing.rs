//! What passes between client and origin that no other scenario would miss: found by taking it out of the product.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use understudy_testbed::{Client, Gate, Launch, Origin, PATIENCE, Site, get, reply};

/// A site whose answers can be stored and show the request's head.
fn showing() -> Site {
    Site::new(|r| {
        reply(
            200,
            &["Cache-Control: max-age=60", "ETag: \"a\""],
            r.head.text(),
        )
    })
}

#[test]
fn an_unknown_expectation_is_417_and_goes_no_further() {
    let site = showing();
    site.get("/", "Expect: a-miracle\r\n").expect(417);
    site.get("/", "Expect: 100-continue, a-miracle\r\n")
        .expect(417);
    assert_eq!(site.origin.count(), 0);
}

#[test]
fn conditions_that_are_the_origin_s_to_judge_reach_it_past_a_stored_response() {
    for field in [
        "If-Unmodified-Since: Thu, 01 Jan 2026 00:00:00 GMT",
        "If-Match: \"b\"",
    ] {
        let site = showing();
        site.get("/", "");
        site.get("/", "").expect_hit();
        let answer = site.get("/", &format!("{field}\r\n")).expect(200);
        assert!(!answer.is_hit() && answer.text().contains(field), "{field}");
    }
}

#[test]
fn a_trace_with_a_body_is_refused() {
    let site = showing();
    Client::to(site.proxy.addr())
        .ask("TRACE / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 1\r\n\r\nx")
        .expect(400);
    assert_eq!(site.origin.count(), 0);
}

#[test]
fn a_101_has_the_fields_that_a_websocket_client_insists_on() {
    let origin = Origin::scripted(|conn| {
        let request = conn.request_head().unwrap();
        conn.record(&request);
        conn.send(
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
             Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n",
        );
    });
    let site = Site::of(origin);
    let mut client = site.client();
    client.send(
        "GET /chat HTTP/1.1\r\nHost: site.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
    );
    let head = client.head();
    assert_eq!(head.get("upgrade"), Some("websocket"), "{}", head.text());
    assert_eq!(head.list("connection").to_ascii_lowercase(), "upgrade");
    assert_eq!(
        head.get("sec-websocket-accept"),
        Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
    );
    let sent = site.origin.last();
    assert_eq!(sent.get("upgrade"), Some("websocket"));
    assert_eq!(sent.head.list("connection").to_ascii_lowercase(), "upgrade");
}

#[test]
fn a_forward_proxy_does_not_tell_who_its_clients_are() {
    let origin = Origin::answering(|_| reply(200, &[], "x"));
    let proxy = Launch::forward().start();
    let url = format!("http://{}/", origin.addr);
    get(proxy.addr(), &url, &origin.addr.to_string(), "").expect(200);
    let sent = origin.last();
    for name in ["x-forwarded-for", "x-forwarded-proto", "forwarded"] {
        assert_eq!(sent.get(name), None, "{}", sent.head.text());
    }
}

#[test]
fn an_answer_within_a_drain_says_that_its_connection_ends() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let site = Site::new(move |_| {
        theirs.wait();
        reply(200, &["Cache-Control: no-store"], "last")
    });
    let mut client = site.client();
    client.send("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n");
    site.origin.wait_requests(1);
    site.proxy.signal(Signal::TERM);
    // Every worker drains when none of them listens any more.
    let end = std::time::Instant::now() + PATIENCE;
    while std::net::TcpStream::connect(site.proxy.addr()).is_ok() {
        assert!(std::time::Instant::now() < end, "it goes on listening");
    }
    gate.open();
    let answer = client.response().expect(200).expect_body("last");
    assert_eq!(answer.get("connection"), Some("close"));
    client.expect_closed();
}
