//! Requests that can be read in two ways are refused, with the connection closed, and nothing of them reaches an origin.
//! The rules are those of RFC 9112 sections 2 to 9; the bytes are exact.
#![allow(clippy::unwrap_used)]

use std::{
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};
use understudy_testbed::{Client, Launch, Origin, PATIENCE, Site, client::status, reply};

/// What follows a bad request on the same connection and must never be taken for one.
const BEHIND: &str = "GET /smuggled HTTP/1.1\r\nHost: site.test\r\n\r\n";

/// Sends each of these to a reverse proxy; wants one refusal with one of the statuses, then the end, and an origin never asked.
#[track_caller]
fn refused(statuses: &[u16], rows: &[&[u8]]) {
    let site = Site::new(|_| reply(200, &["Cache-Control: max-age=60"], "reached"));
    let mut wrong = Vec::new();
    for row in rows {
        let mut client = site.client();
        client.send([row, BEHIND.as_bytes()].concat()).finish();
        let got = client.response().status;
        let behind = client.rest();
        if !statuses.contains(&got) || !behind.is_empty() || site.origin.count() > 0 {
            let (sent, behind) = (
                String::from_utf8_lossy(row),
                String::from_utf8_lossy(&behind),
            );
            let asked = site.origin.count();
            wrong.push(format!(
                "{sent:?}: status {got}, then {behind:?}, origin asked {asked} times in all"
            ));
        }
    }
    // The proxy still serves.
    site.get("/alive", "").expect(200);
    assert!(
        wrong.is_empty(),
        "wanted {statuses:?} and nothing more:\n{}",
        wrong.join("\n")
    );
}

/// A POST with these lines after Host.
fn post(lines: &str, body: &str) -> Vec<u8> {
    format!("POST / HTTP/1.1\r\nHost: site.test\r\n{lines}\r\n{body}").into_bytes()
}

#[track_caller]
fn refused_posts(statuses: &[u16], rows: &[(&str, &str)]) {
    let rows: Vec<Vec<u8>> = rows.iter().map(|(lines, body)| post(lines, body)).collect();
    refused(
        statuses,
        &rows.iter().map(Vec::as_slice).collect::<Vec<_>>(),
    );
}

#[test]
fn length_beside_transfer_encoding() {
    refused_posts(
        &[400],
        &[
            (
                "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
            (
                "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
                "0\r\n\r\n",
            ),
            (
                "Content-Length: 0\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
            (
                "transfer-encoding: CHUNKED\r\ncontent-length: 3\r\n",
                "0\r\n\r\n",
            ),
        ],
    );
}

#[test]
fn lengths_that_are_not_one_number() {
    refused_posts(
        &[400, 413],
        &[
            ("Content-Length: 5\r\nContent-Length: 6\r\n", "hello"),
            ("Content-Length: 5, 6\r\n", "hello"),
            ("Content-Length: +5\r\n", "hello"),
            ("Content-Length: -5\r\n", "hello"),
            ("Content-Length: 5x\r\n", "hello"),
            ("Content-Length: 0x5\r\n", "hello"),
            ("Content-Length: 5.0\r\n", "hello"),
            ("Content-Length: 5 5\r\n", "hello"),
            ("Content-Length: \"5\"\r\n", "hello"),
            ("Content-Length:\r\n", "hello"),
            ("Content-Length: ,5\r\n", "hello"),
            ("Content-Length: 99999999999999999999999\r\n", "hello"),
            ("Content-Length: 18446744073709551621\r\n", "hello"),
            ("Content-Length: \u{0665}\r\n", "hello"),
        ],
    );
}

#[test]
fn a_length_said_twice() {
    refused_posts(
        &[400],
        &[
            ("Content-Length: 5\r\nContent-Length: 5\r\n", "hello"),
            ("Content-Length: 5, 5\r\n", "hello"),
        ],
    );
}

#[test]
fn transfer_encodings_that_are_not_exactly_chunked() {
    refused_posts(
        &[400, 501],
        &[
            ("Transfer-Encoding: gzip\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: gzip, chunked\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: chunked, gzip\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: chunked, chunked\r\n", "0\r\n\r\n"),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
                "0\r\n\r\n",
            ),
            (
                "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
                "0\r\n\r\n",
            ),
            ("Transfer-Encoding: identity\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: identity, chunked\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: xchunked\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: chunkedx\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: \"chunked\"\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: chunked;q=1\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding:\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: \x0bchunked\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: chunked\x0c\r\n", "0\r\n\r\n"),
            ("Transfer-Encoding: chunked\0\r\n", "0\r\n\r\n"),
        ],
    );
}

#[test]
fn transfer_encoding_in_1_0() {
    refused(
        &[400, 501],
        &[b"POST / HTTP/1.0\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"],
    );
}

#[test]
fn line_endings() {
    refused(
        &[400],
        &[
            b"GET / HTTP/1.1\nHost: site.test\n\n",
            b"GET / HTTP/1.1\nHost: site.test\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test\r\n\n",
            b"GET / HTTP/1.1\r\nHost: site.test\r\nX: a\rb\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test\r\nX: a\nContent-Length: 9\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test\r\nX: a\r\r\n\r\n",
            b"GET / HTTP/1.1\r\r\nHost: site.test\r\n\r\n",
            b"\nGET / HTTP/1.1\r\nHost: site.test\r\n\r\n",
        ],
    );
}

#[test]
fn field_lines() {
    refused(
        &[400],
        &[
            b"GET / HTTP/1.1\r\nHost: site.test\r\nContent-Length : 5\r\n\r\nhello",
            b"GET / HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding\t: chunked\r\n\r\n0\r\n\r\n",
            b"GET / HTTP/1.1\r\n Host: site.test\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test\r\nX: a\r\n folded\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test\r\nX: a\r\n\tContent-Length: 5\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test\r\n: nameless\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test\r\nno colon\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test\r\nnocolon\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test\r\nX(Y): 1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test\r\nX\0Y: 1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test\r\nX: a\0b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test\r\nX: a\x01b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test\r\nX: a\x7fb\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test\r\nTransf\xc3\xa9r: a\r\n\r\n",
        ],
    );
}

#[test]
fn request_lines() {
    refused(
        &[400, 501, 505],
        &[
            b"GET  / HTTP/1.1\r\nHost: site.test\r\n\r\n",
            b"GET /  HTTP/1.1\r\nHost: site.test\r\n\r\n",
            b"GET / HTTP/1.1 \r\nHost: site.test\r\n\r\n",
            b" GET / HTTP/1.1\r\nHost: site.test\r\n\r\n",
            b"GET\t/\tHTTP/1.1\r\nHost: site.test\r\n\r\n",
            b"GET / http/1.1\r\nHost: site.test\r\n\r\n",
            b"GET / HTTP/1\r\nHost: site.test\r\n\r\n",
            b"GET / HTTP/11\r\nHost: site.test\r\n\r\n",
            b"GET / HTTP/01.1\r\nHost: site.test\r\n\r\n",
            b"GET / HTTP/2.0\r\nHost: site.test\r\n\r\n",
            b"GET / HTTP/0.9\r\nHost: site.test\r\n\r\n",
            b"GET / XTTP/1.1\r\nHost: site.test\r\n\r\n",
            b"GET /\r\n\r\n",
            b"GET\r\n\r\n",
            b"GET / HTTP/1.1 HTTP/1.1\r\nHost: site.test\r\n\r\n",
            b"GET /a b HTTP/1.1\r\nHost: site.test\r\n\r\n",
            b"GET /a\x01b HTTP/1.1\r\nHost: site.test\r\n\r\n",
            b"GET /a\x7fb HTTP/1.1\r\nHost: site.test\r\n\r\n",
            b"GET path HTTP/1.1\r\nHost: site.test\r\n\r\n",
            b"G(T / HTTP/1.1\r\nHost: site.test\r\n\r\n",
            b"GET * HTTP/1.1\r\nHost: site.test\r\n\r\n",
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        ],
    );
}

#[test]
fn hosts() {
    refused(
        &[400],
        &[
            b"GET / HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test\r\nHost: site.test\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test\r\nhost: other.test\r\n\r\n",
            b"GET http://site.test/ HTTP/1.1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a, b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: a/b\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: user@site.test\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test:99999\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test:80x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: [::1\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test?x\r\n\r\n",
            b"GET / HTTP/1.1\r\nHost: site.test#x\r\n\r\n",
        ],
    );
}

/// What an origin was sent, and how many connections have ended.
type Seen = Arc<Mutex<(Vec<u8>, usize)>>;

/// An origin that keeps every byte it is sent, and answers nothing until a request is whole.
fn raw_origin() -> (Origin, Seen) {
    let seen = Seen::default();
    let theirs = seen.clone();
    let origin = Origin::scripted(move |conn| {
        let all = conn.wire.rest();
        let mut seen = theirs.lock().unwrap();
        seen.0.extend(all);
        seen.1 += 1;
    });
    (origin, seen)
}

/// All that the origin was sent, once there is no proxy any more.
#[track_caller]
fn all_seen(site: Site, seen: &Seen) -> String {
    let Site { origin, proxy } = site;
    drop(proxy);
    // Connections are taken in their order: behind this one there is none of the proxy's.
    Client::to(origin.addr).finish().rest();
    let end = Instant::now() + PATIENCE;
    loop {
        let seen = seen.lock().unwrap();
        if seen.1 == origin.connections() {
            return String::from_utf8_lossy(&seen.0).into_owned();
        }
        drop(seen);
        assert!(Instant::now() < end, "a connection does not end");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn chunked_bodies_that_are_not() {
    let head = "POST / HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n";
    let bodies: Vec<Vec<u8>> = [
        &b"0x5\r\nhello\r\n0\r\n\r\n"[..],
        b"+5\r\nhello\r\n0\r\n\r\n",
        b"-5\r\nhello\r\n0\r\n\r\n",
        b" 5\r\nhello\r\n0\r\n\r\n",
        b"5 \r\nhello\r\n0\r\n\r\n",
        b"g\r\nhello\r\n0\r\n\r\n",
        b"\r\nhello\r\n0\r\n\r\n",
        b"5_0\r\nhello\r\n0\r\n\r\n",
        b";ext\r\nhello\r\n0\r\n\r\n",
        b"10000000000000005\r\nhello\r\n0\r\n\r\n",
        b"5\nhello\r\n0\r\n\r\n",
        b"5\rhello\r\n0\r\n\r\n",
        b"5\r\nhello0\r\n\r\n",
        b"5\r\nhello\n0\r\n\r\n",
        b"5\r\nhelloXX0\r\n\r\n",
        b"5;a\nb\r\nhello\r\n0\r\n\r\n",
        b"5;a\rb\r\nhello\r\n0\r\n\r\n",
        b"5;a=\"\n\"\r\nhello\r\n0\r\n\r\n",
        b"5\r\nhello\r\n0\n\r\n",
        b"5\r\nhello\r\n0\r\n\n",
        b"5\r\nhello\r\n0\r\nX: a\n\r\n",
        b"5\r\nhello\r\n0\r\nX : a\r\n\r\n",
        b"5\r\nhello\r\n0\r\nno colon\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX: a\r\n folded\r\n\r\n",
        b"5\r\nhello\r\n0\r\nX: \0\r\n\r\n",
    ]
    .iter()
    .map(|b| b.to_vec())
    .chain([
        format!("5;{}\r\nhello\r\n0\r\n\r\n", "x".repeat(100_000)).into_bytes(),
        format!("5\r\nhello\r\n0\r\nX: {}\r\n\r\n", "x".repeat(1_000_000)).into_bytes(),
    ])
    .collect();
    let mut wrong = Vec::new();
    for body in bodies {
        let (origin, seen) = raw_origin();
        let site = Site::of(origin);
        let mut client = site.client();
        client.send([head.as_bytes(), &body, BEHIND.as_bytes()].concat());
        let answer = String::from_utf8_lossy(&client.rest()).into_owned();
        let sent = String::from_utf8_lossy(&body[..body.len().min(60)]).into_owned();
        let seen = all_seen(site, &seen);
        if !(answer.starts_with("HTTP/1.1 400 ")
            || answer.starts_with("HTTP/1.1 413 ")
            || answer.starts_with("HTTP/1.1 431 "))
            || answer.matches("HTTP/1.1 ").count() != 1
        {
            wrong.push(format!("{sent:?}: answered {answer:?}"));
        }
        if seen.contains("0\r\n\r\n") || seen.contains("smuggled") {
            wrong.push(format!("{sent:?}: the origin was sent {seen:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_body_that_ends_early_reaches_the_origin_as_incomplete() {
    for request in [
        "POST / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 10\r\n\r\nhello",
        "POST / HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n",
        "POST / HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n",
        "POST / HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\nFFFFFFFFFFFFFFFB\r\nhello\r\n0\r\n\r\n",
    ] {
        let (origin, seen) = raw_origin();
        let site = Site::of(origin);
        site.client().send(request).finish().rest();
        let seen = all_seen(site, &seen);
        // Of the huge chunks the origin may be sent the bytes that came, but never an end.
        assert!(
            !seen.ends_with("\r\n0\r\n\r\n") && !seen.contains("Content-Length: 5\r\n"),
            "{seen:?}"
        );
    }
}

#[test]
fn a_1_0_body_without_length_is_no_body() {
    let site = Site::new(|r| reply(200, &[], r.body.len().to_string()));
    let mut client = site.client();
    client.send("POST / HTTP/1.0\r\nHost: site.test\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: site.test\r\n\r\n").finish();
    client.response_to("POST").expect(200).expect_body("0");
    client.expect_closed();
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn framing_is_written_anew() {
    let site = Site::new(|r| {
        reply(
            200,
            &[],
            format!(
                "{:?} {:?}",
                r.get("content-length"),
                r.get("transfer-encoding")
            ),
        )
    });
    let mut client = site.client();
    client
        .ask("POST / HTTP/1.1\r\nHost: site.test\r\nCONTENT-LENGTH:\t 0005 \r\n\r\nhello")
        .expect(200)
        .expect_body("Some(\"5\") None");
    client.ask("POST / HTTP/1.1\r\nHost: site.test\r\ntransfer-encoding: Chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n").expect(200).expect_body("None Some(\"chunked\")");
    assert!(site.origin.requests().iter().all(|r| r.body == b"hello"));
}

#[test]
fn refusals_in_forward_mode_too() {
    let origin = Origin::answering(|_| reply(200, &[], "reached"));
    let proxy = Launch::forward().start();
    let host = origin.addr;
    for lines in [
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
        "X: a\r\n b\r\n",
        "Content-Length : 5\r\n",
    ] {
        let mut client = Client::to(proxy.addr());
        client.send(format!(
            "POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\n{lines}\r\nhello"
        ));
        assert_eq!(status(&client.head()), 400, "{lines:?}");
    }
    for target in [
        "http://a\x01b/",
        "http://user@127.0.0.1/",
        "http://127.0.0.1:80:80/",
        "http://[::1]x/",
        "http:/127.0.0.1/",
        "http:127.0.0.1/",
        "http://127.0.0.1\\@evil/",
    ] {
        let mut client = Client::to(proxy.addr());
        client.send(format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        assert_eq!(status(&client.head()), 400, "{target:?}");
    }
    assert_eq!(origin.count(), 0);
}
