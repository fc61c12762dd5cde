//! HTTP/1.0 and 1.1 on both sides, persistence and pipelining (RFC 9112 section 9).
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Client, Framing, Gate, Origin, Site, reply};

fn echo() -> Site {
    Site::new(|r| reply(200, &["Cache-Control: no-store"], r.target.clone()))
}

#[test]
fn a_1_1_connection_persists() {
    let site = echo();
    let mut client = site.client();
    for path in ["/1", "/2", "/3"] {
        let response = client
            .ask(format!("GET {path} HTTP/1.1\r\nHost: site.test\r\n\r\n"))
            .expect(200)
            .expect_body(path);
        assert_ne!(response.get("connection"), Some("close"));
    }
}

#[test]
fn close_is_honoured_and_said() {
    let site = echo();
    for line in [
        "Connection: close",
        "connection: CLOSE",
        "Connection: x, close",
        "Connection: x\r\nConnection: close",
    ] {
        let mut client = site.client();
        let response = client
            .ask(format!(
                "GET /1 HTTP/1.1\r\nHost: site.test\r\n{line}\r\n\r\n"
            ))
            .expect_body("/1");
        assert_eq!(response.get("connection"), Some("close"), "{line}");
        client.expect_closed();
    }
}

#[test]
fn a_1_0_connection_closes() {
    let site = echo();
    let mut client = site.client();
    client
        .ask("GET /1 HTTP/1.0\r\nHost: site.test\r\n\r\n")
        .expect(200)
        .expect_body("/1");
    client.expect_closed();
}

#[test]
fn a_1_0_connection_persists_when_asked_to() {
    let site = echo();
    let mut client = site.client();
    for path in ["/1", "/2"] {
        let response = client
            .ask(format!(
                "GET {path} HTTP/1.0\r\nHost: site.test\r\nConnection: Keep-Alive\r\n\r\n"
            ))
            .expect_body(path);
        assert!(
            response
                .get("connection")
                .is_some_and(|c| c.eq_ignore_ascii_case("keep-alive")),
            "{}",
            response.head.text()
        );
    }
}

#[test]
fn a_1_0_client_gets_no_chunks() {
    let site = Site::of(Origin::scripted(|conn| {
        while conn.request().is_some() {
            conn.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nCache-Control: no-store\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n");
        }
    }));
    let mut client = site.client();
    // Keep-alive cannot be kept when the length is not known.
    let response = client
        .ask("GET / HTTP/1.0\r\nHost: site.test\r\nConnection: keep-alive\r\n\r\n")
        .expect_body("abcdef");
    assert_eq!(
        response.framing,
        Framing::UntilClose,
        "{}",
        response.head.text()
    );
    client.expect_closed();
}

#[test]
fn a_1_0_client_without_host_is_served_in_reverse_mode() {
    let site = echo();
    let status = site.client().ask("GET /x HTTP/1.0\r\n\r\n").status;
    assert!(matches!(status, 200 | 400), "{status}");
}

#[test]
fn a_1_0_origin_s_body_until_close_becomes_chunks_for_a_1_1_client() {
    let site = Site::of(Origin::scripted(|conn| {
        conn.request();
        conn.send("HTTP/1.0 200 OK\r\nX-Old: yes\r\n\r\nuntil close");
    }));
    let mut client = site.client();
    for _ in 0..2 {
        let response = client
            .ask("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
            .expect(200)
            .expect_body("until close");
        assert_eq!(
            (response.framing, response.get("x-old")),
            (Framing::Chunked, Some("yes"))
        );
    }
}

#[test]
fn a_1_0_origin_connection_is_not_reused_unless_it_says_so() {
    let site = Site::of(Origin::scripted(|conn| {
        conn.request();
        conn.send("HTTP/1.0 200 OK\r\nContent-Length: 2\r\nCache-Control: no-store\r\n\r\nok");
        // A proxy that took it for persistent would send its next request here.
        assert!(conn.request().is_none(), "a 1.0 connection was reused");
    }));
    for _ in 0..2 {
        site.get("/", "").expect(200).expect_body("ok");
    }
    assert_eq!(site.origin.connections(), 2);
}

#[test]
fn requests_to_origins_are_1_1_whatever_the_client_speaks() {
    let site = echo();
    for version in ["1.0", "1.1"] {
        site.client()
            .ask(format!("GET /v HTTP/{version}\r\nHost: site.test\r\n\r\n"))
            .expect(200);
        assert_eq!(site.origin.last().head.start, "GET /v HTTP/1.1");
    }
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    let site = echo();
    let mut client = site.client();
    let all: String = (0..20)
        .map(|i| format!("GET /{i} HTTP/1.1\r\nHost: site.test\r\n\r\n"))
        .collect();
    client.send(all);
    for i in 0..20 {
        client.response().expect(200).expect_body(format!("/{i}"));
    }
}

#[test]
fn a_pipelined_head_after_a_get_has_no_body() {
    for cached in [false, true] {
        let control = if cached {
            "Cache-Control: max-age=60"
        } else {
            "Cache-Control: no-store"
        };
        let site = Site::new(move |r| {
            let whole = reply(200, &[control], "body");
            if r.method == "HEAD" {
                whole[..whole.len() - 4].to_vec()
            } else {
                whole
            }
        });
        if cached {
            site.get("/", "");
        }
        let mut client = site.client();
        let ask = |m: &str| format!("{m} / HTTP/1.1\r\nHost: site.test\r\n\r\n");
        client.send(
            ["GET", "HEAD", "GET", "HEAD", "HEAD", "GET"]
                .map(ask)
                .concat(),
        );
        for method in ["GET", "HEAD", "GET", "HEAD", "HEAD", "GET"] {
            let response = client.response_to(method).expect(200);
            assert_eq!(response.get("content-length"), Some("4"));
            assert_eq!(response.text(), if method == "GET" { "body" } else { "" });
        }
    }
}

#[test]
fn a_slow_first_answer_keeps_the_order() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let site = Site::new(move |r| {
        if r.target == "/slow" {
            theirs.wait();
        }
        reply(200, &["Cache-Control: max-age=60"], r.target.clone())
    });
    site.get("/hit", "").expect_body("/hit");
    let mut client = site.client();
    client.send(
        "GET /slow HTTP/1.1\r\nHost: site.test\r\n\r\nGET /hit HTTP/1.1\r\nHost: site.test\r\n\r\n",
    );
    site.origin.wait_requests(2);
    gate.open();
    client.response().expect_body("/slow");
    client.response().expect_body("/hit").expect_hit();
}

#[test]
fn pipelined_posts_each_have_their_body() {
    let site = Site::new(|r| reply(200, &[], &r.body));
    let mut client = site.client();
    client.send(
        "POST /1 HTTP/1.1\r\nHost: site.test\r\nContent-Length: 3\r\n\r\nonePOST /2 HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n\
         3\r\ntwo\r\n0\r\n\r\nPOST /3 HTTP/1.1\r\nHost: site.test\r\nContent-Length: 5\r\n\r\nthree",
    );
    for body in ["one", "two", "three"] {
        client.response_to("POST").expect_body(body);
    }
}

#[test]
fn requests_after_close_are_not_answered() {
    let site = echo();
    let mut client = site.client();
    client.send("GET /1 HTTP/1.1\r\nHost: site.test\r\nConnection: close\r\n\r\nGET /2 HTTP/1.1\r\nHost: site.test\r\n\r\n");
    client.response().expect_body("/1");
    client.expect_closed();
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn bytes_may_arrive_one_by_one() {
    let site = Site::new(|r| {
        reply(
            200,
            &[],
            format!("{} {}", r.target, String::from_utf8_lossy(&r.body)),
        )
    });
    let mut client = site.client();
    for byte in b"POST /slow HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nabc\r\n0\r\nX-T: 1\r\n\r\n" {
        client.send([*byte]);
    }
    client
        .response_to("POST")
        .expect(200)
        .expect_body("/slow abc");
}

#[test]
fn empty_lines_before_a_request_are_skipped() {
    let site = echo();
    site.client()
        .ask("\r\n\r\nGET /1 HTTP/1.1\r\nHost: site.test\r\n\r\n")
        .expect(200)
        .expect_body("/1");
}

#[test]
fn a_half_closed_client_still_gets_its_answers() {
    let site = echo();
    let mut client = site.client();
    client
        .send(
            "GET /1 HTTP/1.1\r\nHost: site.test\r\n\r\nGET /2 HTTP/1.1\r\nHost: site.test\r\n\r\n",
        )
        .finish();
    client.response().expect(200).expect_body("/1");
    client.response().expect(200).expect_body("/2");
    client.expect_closed();
}

#[test]
fn a_client_that_connects_and_leaves_is_no_trouble() {
    let site = echo();
    for bytes in ["", "GET", "GET / HTTP/1.1\r\nHost:"] {
        let mut client = site.client();
        client.send(bytes);
        drop(client);
        Client::to(site.proxy.addr())
            .ask("GET /1 HTTP/1.1\r\nHost: site.test\r\n\r\n")
            .expect(200);
    }
}
