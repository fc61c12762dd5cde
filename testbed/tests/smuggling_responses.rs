//! Responses that can be read in two ways are a 502, their connection is not used again, and nothing of them is stored.
#![allow(clippy::unwrap_used)]

use std::sync::mpsc;
use understudy_testbed::{Origin, PATIENCE, Site, reply};

const GOOD: &str = "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nConnection: close\r\n\r\ngood";

/// An origin whose first connection answers with these bytes, and any later one with a good response.
fn first_then_good(bytes: &[u8]) -> Site {
    let bytes = bytes.to_vec();
    Site::of(Origin::scripted(move |conn| {
        if conn.request().is_none() {
            return;
        }
        if conn.index > 1 {
            conn.send(GOOD);
            return;
        }
        conn.send(&bytes);
        conn.wire.finish();
        assert!(
            conn.request().is_none(),
            "a refused connection was used again"
        );
    }))
}

#[track_caller]
fn bad_gateway(rows: &[&[u8]]) {
    let mut wrong = Vec::new();
    for row in rows {
        let site = first_then_good(row);
        let status = site.get("/", "").status;
        let after = site.get("/", "");
        if status != 502 || after.text() != "good" {
            wrong.push(format!(
                "{:?}: {status}, then {} {:?}",
                String::from_utf8_lossy(row),
                after.status,
                after.text()
            ));
        }
    }
    assert!(
        wrong.is_empty(),
        "wanted 502 and nothing stored:\n{}",
        wrong.join("\n")
    );
}

#[test]
fn framing() {
    bad_gateway(&[
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4, 5\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: +4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: -1\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 4x\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length:\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 99999999999999999999\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: gzip\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: gzip, chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked, chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: identity\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: xchunked\r\n\r\nevil",
        b"HTTP/1.0 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nevil\r\n0\r\n\r\n",
    ]);
}

#[test]
fn status_lines() {
    bad_gateway(&[
        b"200 OK\r\n\r\nevil",
        b"evil",
        b"",
        b"HTTP/1.1\r\n\r\n",
        b"HTTP/1.1 20 OK\r\n\r\nevil",
        b"HTTP/1.1 2000 OK\r\n\r\nevil",
        b"HTTP/1.1 abc OK\r\n\r\nevil",
        b"HTTP/1.1 099 OK\r\n\r\nevil",
        b"HTTP/2.0 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/0.9 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        b"http/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        b"ICY 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        b" HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1  200 OK\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 200 O\x00K\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 200 O\rK\r\nContent-Length: 4\r\n\r\nevil",
    ]);
}

#[test]
fn field_lines() {
    bad_gateway(&[
        b"HTTP/1.1 200 OK\nContent-Length: 4\n\nevil",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nX: a\rb\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nContent-Length : 4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\n: 4\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nno colon\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\n X: leading\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nX: a\0b\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nX(: 1\r\nContent-Length: 4\r\n\r\nevil",
        b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n",
    ]);
}

#[test]
fn a_folded_line_is_refused_or_unfolded() {
    let site = first_then_good(
        b"HTTP/1.1 200 OK\r\nX: a\r\n Set-Cookie: evil\r\nContent-Length: 4\r\n\r\nbody",
    );
    let response = site.get("/", "");
    if response.status != 502 {
        assert_eq!(response.get("set-cookie"), None);
        assert_eq!(response.get("x"), Some("a Set-Cookie: evil"));
    }
}

#[test]
fn chunked_bodies_that_are_not_are_broken_off_and_not_stored() {
    for body in [
        &b"4\r\nhalf\r\n0x4\r\nevil\r\n0\r\n\r\n"[..],
        b"4\r\nhalf\r\n-4\r\nevil\r\n0\r\n\r\n",
        b"4\r\nhalf\r\n4 \r\nevil\r\n0\r\n\r\n",
        b"4\r\nhalf\r\n4\nevil\r\n0\r\n\r\n",
        b"4\r\nhalf\r\n4\r\nevilXX0\r\n\r\n",
        b"4\r\nhalf\r\n4;a\nb\r\nevil\r\n0\r\n\r\n",
        b"4\r\nhalf\r\nFFFFFFFFFFFFFFFFF\r\nevil\r\n0\r\n\r\n",
        b"4\r\nhalf\r\n\r\nevil\r\n0\r\n\r\n",
        b"4\r\nhalf\r\n0\n\n",
        b"4\r\nhalf\r\n",
        b"4\r\nhalf\r\n0\r\n",
    ] {
        let site = first_then_good(&[&b"HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n"[..], body].concat());
        let mut client = site.client();
        client.send("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n");
        let all = String::from_utf8_lossy(&client.rest()).into_owned();
        assert!(
            !all.contains("evil") && !all.ends_with("0\r\n\r\n"),
            "{body:?}: {all:?}"
        );
        site.get("/", "").expect(200).expect_body("good");
    }
}

#[test]
fn bytes_behind_a_response_never_answer_the_next_request() {
    for extra in [
        "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
        "x",
        "\r\n",
    ] {
        let site = first_then_good(
            format!(
                "HTTP/1.1 200 OK\r\nContent-Length: 4\r\nCache-Control: no-store\r\n\r\nfine{extra}"
            )
            .as_bytes(),
        );
        let mut client = site.client();
        client
            .ask("GET /1 HTTP/1.1\r\nHost: site.test\r\n\r\n")
            .expect(200)
            .expect_body("fine");
        client
            .ask("GET /2 HTTP/1.1\r\nHost: site.test\r\n\r\n")
            .expect(200)
            .expect_body("good");
    }
}

#[test]
fn bytes_behind_the_answer_to_a_head_never_answer_the_next_request() {
    let site = first_then_good(b"HTTP/1.1 200 OK\r\nContent-Length: 43\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
    let mut client = site.client();
    client
        .ask("HEAD / HTTP/1.1\r\nHost: site.test\r\n\r\n")
        .expect(200);
    client
        .ask("GET /2 HTTP/1.1\r\nHost: site.test\r\n\r\n")
        .expect(200)
        .expect_body("good");
}

#[test]
fn an_answer_sent_before_it_was_asked_for_is_never_used() {
    let (tell, told) = mpsc::channel();
    let site = Site::of(Origin::scripted(move |conn| {
        if conn.request().is_some() {
            conn.send(reply(200, &["Cache-Control: no-store"], "fine"));
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil");
            // The test may be over already when it failed.
            let _ = tell.send(());
            conn.wire.rest();
        }
    }));
    for _ in 0..4 {
        site.get("/", "").expect_body("fine");
        // It lies there before the next is asked for.
        told.recv_timeout(PATIENCE).unwrap();
    }
}

#[test]
fn a_good_response_is_framed_anew() {
    let site = first_then_good(b"HTTP/1.1 200 OK\r\nTRANSFER-encoding: Chunked\r\nCache-Control: max-age=60\r\n\r\n4;x=1\r\nfine\r\n0\r\n\r\n");
    assert_eq!(
        site.get("/", "")
            .expect(200)
            .expect_body("fine")
            .head
            .all("transfer-encoding"),
        ["chunked"]
    );
    site.get("/", "").expect_hit().expect_body("fine");
}
