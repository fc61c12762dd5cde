//! Interim responses and Upgrade (RFC 9110 sections 7.8, 10.1.1, 15.2).
#![allow(clippy::unwrap_used)]

use std::time::Duration;
use understudy_testbed::{Framing, Gate, Origin, Site, client::status, reply};

const EXPECTING: &str =
    "POST /up HTTP/1.1\r\nHost: site.test\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n";

#[test]
fn a_100_continue_goes_end_to_end() {
    let site = Site::of(Origin::scripted(|conn| {
        let mut request = conn.request_head().unwrap();
        assert_eq!(
            request
                .get("expect")
                .map(str::to_ascii_lowercase)
                .as_deref(),
            Some("100-continue")
        );
        conn.send("HTTP/1.1 100 Continue\r\n\r\n");
        request.body = conn
            .wire
            .body(understudy_testbed::wire::framing(
                &request.head,
                Framing::None,
            ))
            .0;
        conn.send(reply(200, &[], &request.body));
    }));
    let mut client = site.client();
    let head = client.send(EXPECTING).head();
    assert_eq!(status(&head), 100, "{}", head.text());
    client
        .send("body")
        .response_to("POST")
        .expect(200)
        .expect_body("body");
}

#[test]
fn an_expectation_refused_early_needs_no_body() {
    let site = Site::of(Origin::scripted(|conn| {
        while let Some(request) = conn.request_head() {
            conn.record(&request);
            if request.method == "GET" {
                conn.send(reply(200, &[], request.target));
                continue;
            }
            conn.send(
                "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
            );
            assert!(
                conn.wire.rest().is_empty(),
                "a body was sent after a refusal"
            );
            return;
        }
    }));
    let mut client = site.client();
    client.send(EXPECTING);
    let head = client.head();
    assert_eq!(status(&head), 417, "{}", head.text());
    // What follows is either the body the client decides not to send, or a new request on a connection that says it persists.
    if head.get("connection") != Some("close") {
        client
            .ask("GET /next HTTP/1.1\r\nHost: site.test\r\n\r\n")
            .expect(200)
            .expect_body("/next");
    } else {
        client.expect_closed();
    }
}

#[test]
fn a_body_sent_without_waiting_is_fine() {
    let site = Site::of(Origin::scripted(|conn| {
        let request = conn.request().unwrap();
        conn.send(reply(200, &[], &request.body));
    }));
    let mut client = site.client();
    client.send(EXPECTING).send("body");
    client.response_to("POST").expect(200).expect_body("body");
}

#[test]
fn a_hit_needs_no_continue() {
    let site = Site::new(|_| reply(200, &["Cache-Control: max-age=60"], "x"));
    site.get("/", "");
    let mut client = site.client();
    client.send("GET / HTTP/1.1\r\nHost: site.test\r\nExpect: 100-continue\r\n\r\n");
    client.response().expect(200).expect_hit();
}

fn hinting() -> Site {
    Site::of(Origin::scripted(|conn| {
        while conn.request().is_some() {
            conn.send("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n");
            conn.send("HTTP/1.1 103 Early Hints\r\nLink: </b.css>; rel=preload\r\n\r\n");
            conn.send(reply(200, &["Cache-Control: max-age=60"], "page"));
        }
    }))
}

#[test]
fn hints_reach_a_1_1_client_before_the_answer() {
    let site = hinting();
    let mut client = site.client();
    client.send("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n");
    let mut links = Vec::new();
    loop {
        let head = client.head();
        match status(&head) {
            102 => assert_eq!(head.get("link"), None),
            103 => links.push(head.get("link").unwrap().to_owned()),
            200 => break,
            other => panic!("{other}"),
        }
    }
    assert_eq!(links, ["</a.css>; rel=preload", "</b.css>; rel=preload"]);
    assert_eq!(client.wire.exactly(4), b"page");
}

#[test]
fn hints_are_forwarded_when_they_come() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let site = Site::of(Origin::scripted(move |conn| {
        conn.request();
        conn.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n");
        theirs.wait();
        conn.send(reply(200, &[], "page"));
    }));
    let mut client = site.client();
    let head = client
        .send("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
        .head();
    assert_eq!(status(&head), 103);
    gate.open();
    client.response().expect(200).expect_body("page");
}

#[test]
fn a_1_0_client_sees_the_final_answer_only() {
    let site = hinting();
    let mut client = site.client();
    let head = client
        .send("GET / HTTP/1.0\r\nHost: site.test\r\n\r\n")
        .head();
    assert_eq!(status(&head), 200, "{}", head.text());
    assert_eq!(client.rest(), b"page");
}

#[test]
fn a_hit_has_no_hints_mixed_in() {
    let site = hinting();
    site.get("/", "").expect_body("page");
    let mut client = site.client();
    let head = client
        .send("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
        .head();
    assert_eq!(status(&head), 200);
    assert_eq!(head.get("link"), None);
}

const UPGRADE: &str = "GET /ws HTTP/1.1\r\nHost: site.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

#[test]
fn an_upgrade_is_a_tunnel_after_its_101_and_not_before() {
    let site = Site::of(Origin::scripted(|conn| {
        let request = conn.request_head().unwrap();
        assert_eq!(request.get("upgrade"), Some("websocket"));
        assert!(
            request
                .head
                .list("connection")
                .to_ascii_lowercase()
                .contains("upgrade"),
            "{}",
            request.head.text()
        );
        assert_eq!(request.get("sec-websocket-version"), Some("13"));
        // Nothing behind the head may come before the 101: look for a while.
        conn.wire
            .stream
            .set_read_timeout(Some(Duration::from_millis(150)))
            .unwrap();
        let early = std::io::Read::read(&mut (&conn.wire.stream), &mut [0; 64]);
        assert!(
            conn.wire.unread().is_empty() && early.is_err(),
            "bytes were forwarded before the 101: {early:?}"
        );
        conn.wire
            .stream
            .set_read_timeout(Some(understudy_testbed::PATIENCE))
            .unwrap();
        conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: x\r\n\r\nhello ");
        for _ in 0..2 {
            let five = conn.wire.exactly(5);
            conn.send(five);
        }
        assert_eq!(conn.wire.rest(), b"");
    }));
    let mut client = site.client();
    client.send(UPGRADE).send("early");
    let head = client.head();
    assert_eq!(status(&head), 101, "{}", head.text());
    assert_eq!(head.get("upgrade"), Some("websocket"));
    assert_eq!(head.get("sec-websocket-accept"), Some("x"));
    assert_eq!(client.wire.exactly(11), b"hello early");
    client.send("later");
    assert_eq!(client.wire.exactly(5), b"later");
    client.finish().expect_closed();
}

#[test]
fn an_upgrade_refused_is_an_ordinary_answer() {
    let site = Site::new(|r| reply(200, &["Cache-Control: no-store"], r.target.clone()));
    let mut client = site.client();
    client
        .send(UPGRADE)
        .send("GET /next HTTP/1.1\r\nHost: site.test\r\n\r\n");
    client.response().expect(200).expect_body("/ws");
    client.response().expect(200).expect_body("/next");
    assert_eq!(
        site.origin
            .requests()
            .iter()
            .map(|r| r.target.as_str())
            .collect::<Vec<_>>(),
        ["/ws", "/next"]
    );
}

#[test]
fn an_upgrade_answer_is_never_stored() {
    let site = Site::of(Origin::scripted(|conn| {
        conn.request_head();
        conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nCache-Control: max-age=60\r\n\r\n");
    }));
    for _ in 0..2 {
        let mut client = site.client();
        assert_eq!(status(&client.send(UPGRADE).head()), 101);
        client.expect_closed();
    }
    assert_eq!(site.origin.connections(), 2);
}

#[test]
fn a_101_nobody_asked_for_is_a_bad_gateway() {
    let site = Site::of(Origin::scripted(|conn| {
        conn.request();
        conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    }));
    site.get("/", "").expect(502);
}

#[test]
fn a_1_0_client_cannot_upgrade() {
    let site = Site::new(|r| reply(200, &[], r.head.list("upgrade")));
    site.client()
        .ask(UPGRADE.replace("HTTP/1.1", "HTTP/1.0"))
        .expect(200)
        .expect_body("");
}

#[test]
fn upgrade_that_connection_does_not_nominate_is_not_forwarded() {
    let site = Site::new(|r| reply(200, &[], r.head.list("upgrade")));
    site.get("/", "Upgrade: h2c\r\n").expect_body("");
}
