//! Bodies and trailers both ways, and what becomes of bodies nobody reads.
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Client, Framing, Launch, Origin, Site, reply};

const HOST: &str = "Host: site.test\r\n";

#[test]
fn a_chunked_request_keeps_its_body() {
    let site = Site::new(|r| reply(200, &[], &r.body));
    let request = format!(
        "POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n00a;name=\"v;\\\"x\"\r\n0123456789\r\n000\r\n\r\n"
    );
    site.client()
        .ask(request)
        .expect(200)
        .expect_body("abc0123456789");
}

#[test]
fn a_request_s_trailers_are_forwarded() {
    let site = Site::new(|_| reply(200, &[], ""));
    let request = format!(
        "POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 42\r\nX-More: b\r\n\r\n"
    );
    site.client().ask(request).expect(200);
    let trailers = site.origin.last().trailers;
    assert_eq!(
        trailers,
        [
            ("X-Sum".to_owned(), "42".to_owned()),
            ("X-More".to_owned(), "b".to_owned())
        ]
    );
}

#[test]
fn trailers_that_would_change_the_message_are_dropped() {
    let site = Site::new(|_| reply(200, &[], ""));
    let request = format!(
        "POST / HTTP/1.1\r\n{HOST}Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nContent-Length: 9\r\nHost: evil.test\r\n\
         Transfer-Encoding: chunked\r\nAuthorization: x\r\nX-Good: 1\r\nCache-Control: no-store\r\n\r\n"
    );
    site.client().ask(request).expect(200);
    assert_eq!(
        site.origin.last().trailers,
        [("X-Good".to_owned(), "1".to_owned())]
    );
}

fn with_trailers(control: &'static str) -> Site {
    Site::of(Origin::scripted(move |conn| {
        while conn.request().is_some() {
            conn.send(format!(
                "HTTP/1.1 200 OK\r\n{control}\r\nTrailer: X-Sum\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 42\r\nContent-Length: 7\r\n\r\n"
            ));
        }
    }))
}

#[test]
fn a_response_s_trailers_are_forwarded() {
    let site = with_trailers("Cache-Control: no-store");
    let response = site
        .get("/", "TE: trailers\r\nConnection: TE\r\n")
        .expect_body("abc");
    assert_eq!(response.trailers, [("X-Sum".to_owned(), "42".to_owned())]);
}

#[test]
fn a_stored_response_never_turns_trailers_into_something_else() {
    let site = with_trailers("Cache-Control: max-age=60");
    for _ in 0..2 {
        let response = site
            .get("/", "TE: trailers\r\nConnection: TE\r\n")
            .expect_body("abc");
        assert_eq!(response.get("x-sum"), None, "{}", response.head.text());
        assert_eq!(response.get("content-length").unwrap_or("3"), "3");
        assert!(
            response.trailers.is_empty()
                || response.trailers == [("X-Sum".to_owned(), "42".to_owned())]
        );
    }
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn a_close_delimited_body_is_whole() {
    let body = "x".repeat(300_000);
    let sent = body.clone();
    let site = Site::of(Origin::scripted(move |conn| {
        conn.request();
        conn.send(format!(
            "HTTP/1.1 200 OK\r\nCache-Control: no-store\r\n\r\n{sent}"
        ));
    }));
    let mut client = site.client();
    for _ in 0..2 {
        let response = client.ask(format!("GET / HTTP/1.1\r\n{HOST}\r\n"));
        assert_eq!(
            (response.body.len(), response.framing),
            (body.len(), Framing::Chunked)
        );
    }
}

#[test]
fn a_204_and_a_304_have_no_body_whatever_they_announce() {
    for status in ["204 No Content", "304 Not Modified"] {
        let site = Site::of(Origin::scripted(move |conn| {
            conn.request();
            conn.send(format!(
                "HTTP/1.1 {status}\r\nETag: \"z\"\r\nContent-Length: 5\r\n\r\nhello"
            ));
            assert!(
                conn.request().is_none(),
                "a connection with bytes left over was reused"
            );
        }));
        let mut client = site.client();
        for _ in 0..2 {
            let head = {
                client.send(format!(
                    "GET / HTTP/1.1\r\n{HOST}If-None-Match: \"z\"\r\n\r\n"
                ));
                client.head()
            };
            assert!(head.start.contains(&status[..3]), "{}", head.text());
        }
    }
}

#[test]
fn a_large_upload_arrives_whole() {
    let site = Site::new(|r| {
        reply(
            200,
            &[],
            format!(
                "{} {}",
                r.body.len(),
                r.body.iter().map(|&b| u64::from(b)).sum::<u64>()
            ),
        )
    });
    let body: Vec<u8> = (0..3_000_000u32).map(|i| (i % 249) as u8).collect();
    let mut client = site.client();
    client
        .send(format!(
            "PUT / HTTP/1.1\r\n{HOST}Content-Length: {}\r\n\r\n",
            body.len()
        ))
        .send(&body);
    client.response_to("PUT").expect_body(format!(
        "{} {}",
        body.len(),
        body.iter().map(|&b| u64::from(b)).sum::<u64>()
    ));
}

#[test]
fn an_answer_may_come_before_the_request_body_is_read() {
    let site = Site::of(Origin::scripted(|conn| {
        if conn.request_head().is_some() {
            conn.send(
                "HTTP/1.1 413 Too Large\r\nContent-Length: 3\r\nConnection: close\r\n\r\nbig",
            );
            // The rest is read so that closing does not reset what was sent.
            conn.wire.rest();
        }
    }));
    let mut client = site.client();
    client.send(format!(
        "POST / HTTP/1.1\r\n{HOST}Content-Length: 1000000\r\n\r\nonly the beginning"
    ));
    client.response_to("POST").expect(413).expect_body("big");
}

/// A request with a body that looks like a request, and one behind it. What the origin must never see is `/smuggled`.
#[track_caller]
fn body_is_no_request(site: &Site, first: &str, statuses: &[u16]) {
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: site.test\r\n\r\n";
    for body in [
        format!("Content-Length: {}\r\n\r\n{smuggled}", smuggled.len()),
        format!(
            "Transfer-Encoding: chunked\r\n\r\n{:x}\r\n{smuggled}\r\n0\r\n\r\n",
            smuggled.len()
        ),
    ] {
        let mut client = site.client();
        client.send(format!("{first}{body}GET /after HTTP/1.1\r\n{HOST}\r\n"));
        let method = first.split(' ').next().unwrap();
        let answer = client.response_to(method);
        assert!(
            statuses.contains(&answer.status),
            "{first:?}: {}",
            answer.head.text()
        );
        // Then either the next answer is that to /after, or the connection is closed.
        let rest = String::from_utf8_lossy(&client.finish().rest()).into_owned();
        assert!(
            rest.is_empty() || (rest.ends_with("/after") && rest.matches("HTTP/1.1 ").count() == 1),
            "{first:?}: {rest:?}"
        );
        assert!(
            site.origin
                .requests()
                .iter()
                .all(|r| r.target != "/smuggled"),
            "{first:?}: smuggled"
        );
    }
}

fn echo() -> Site {
    Site::new(|r| reply(200, &["Cache-Control: max-age=600"], r.target.clone()))
}

#[test]
fn the_body_of_a_hit_is_no_request() {
    let site = echo();
    site.get("/hit", "");
    body_is_no_request(&site, &format!("GET /hit HTTP/1.1\r\n{HOST}"), &[200]);
    body_is_no_request(&site, &format!("HEAD /hit HTTP/1.1\r\n{HOST}"), &[200]);
}

#[test]
fn the_body_of_a_miss_is_no_request() {
    body_is_no_request(&echo(), &format!("GET /miss HTTP/1.1\r\n{HOST}"), &[200]);
}

#[test]
fn the_body_of_a_304_is_no_request() {
    let site = Site::new(|r| {
        reply(
            200,
            &["Cache-Control: max-age=600", "ETag: \"a\""],
            r.target.clone(),
        )
    });
    site.get("/hit", "");
    body_is_no_request(
        &site,
        &format!("GET /hit HTTP/1.1\r\n{HOST}If-None-Match: \"a\"\r\n"),
        &[200, 304],
    );
}

#[test]
fn the_body_of_a_request_answered_here_is_no_request() {
    body_is_no_request(
        &echo(),
        &format!("GET /x HTTP/1.1\r\n{HOST}Cache-Control: only-if-cached\r\n"),
        &[200, 504],
    );
    body_is_no_request(
        &echo(),
        &format!("OPTIONS * HTTP/1.1\r\n{HOST}Max-Forwards: 0\r\n"),
        &[200],
    );
}

#[test]
fn the_body_of_a_refused_request_is_no_request() {
    let origin = Origin::answering(|r| reply(200, &[], r.target.clone()));
    let proxy = Launch::bare().start();
    let smuggled = format!(
        "GET http://{}/smuggled HTTP/1.1\r\nHost: {}\r\n\r\n",
        origin.addr, origin.addr
    );
    let mut client = Client::to(proxy.addr());
    client.send(format!("POST http://127.0.0.1:1/ HTTP/1.1\r\nHost: 127.0.0.1:1\r\nContent-Length: {}\r\n\r\n{smuggled}", smuggled.len()));
    client.response_to("POST").expect(403);
    client.finish().expect_closed();
    assert_eq!(origin.count(), 0);
}

#[test]
fn a_body_that_comes_later_than_its_head_is_no_request_either() {
    let site = echo();
    site.get("/hit", "");
    let mut client = site.client();
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: site.test\r\n\r\n";
    client.send(format!(
        "GET /hit HTTP/1.1\r\n{HOST}Content-Length: {}\r\n\r\n",
        smuggled.len()
    ));
    // Another exchange in between, so that the head is likely to have been read on its own.
    site.get("/between", "");
    client.send(smuggled);
    client.response().expect(200).expect_body("/hit");
    client.finish().expect_closed();
    assert!(
        site.origin
            .requests()
            .iter()
            .all(|r| r.target != "/smuggled")
    );
}
