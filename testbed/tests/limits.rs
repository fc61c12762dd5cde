//! Ceilings, each with its status, and the page that says so.
#![allow(clippy::unwrap_used)]

use std::sync::mpsc;
use understudy_testbed::{Client, Gate, Origin, PATIENCE, Site, client::status, reply};

fn limited(limits: &str) -> Site {
    Site::with(
        Origin::answering(|r| reply(200, &[], r.body.len().to_string())),
        &format!("[limits]\n{limits}\n"),
    )
}

/// The status of a refusal, after which the connection closes.
#[track_caller]
fn refused(site: &Site, request: String) -> u16 {
    let mut client = site.client();
    client.send(request);
    let page = client.response();
    assert_eq!(
        page.get("connection"),
        Some("close"),
        "{}",
        page.head.text()
    );
    assert_eq!(page.get("cache-control"), Some("no-store"));
    assert_eq!(page.get("content-type"), Some("text/html; charset=utf-8"));
    client.expect_closed();
    page.status
}

#[test]
fn a_head_too_large_is_431() {
    let site = limited("head_size = \"2K\"");
    let head = |n: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: site.test\r\nX: {}\r\n\r\n",
            "x".repeat(n)
        )
    };
    assert_eq!(refused(&site, head(3000)), 431);
    assert_eq!(refused(&site, head(300_000)), 431);
    assert_eq!(site.origin.count(), 0);
    site.client().ask(head(1500)).expect(200);
}

#[test]
fn a_head_that_never_ends_is_431() {
    let site = limited("head_size = \"2K\"");
    assert_eq!(
        refused(
            &site,
            format!(
                "GET / HTTP/1.1\r\nHost: site.test\r\nX: {}",
                "x".repeat(4000)
            )
        ),
        431
    );
}

#[test]
fn a_target_too_long_is_414() {
    let site = limited("target_size = \"1K\"");
    let head = |n: usize| format!("GET /{} HTTP/1.1\r\nHost: site.test\r\n\r\n", "x".repeat(n));
    assert_eq!(refused(&site, head(1024)), 414);
    assert_eq!(refused(&site, head(30_000)), 414);
    assert_eq!(site.origin.count(), 0);
    site.client().ask(head(1000)).expect(200);
}

#[test]
fn too_many_fields_are_431() {
    let site = limited("head_fields = 10");
    let head = |n: usize| {
        format!(
            "GET / HTTP/1.1\r\nHost: site.test\r\n{}\r\n",
            "X: y\r\n".repeat(n)
        )
    };
    assert_eq!(refused(&site, head(10)), 431);
    assert_eq!(site.origin.count(), 0);
    site.client().ask(head(9)).expect(200);
}

#[test]
fn a_body_announced_too_large_is_413_before_it_is_sent() {
    let site = limited("request_body = \"1K\"");
    assert_eq!(
        refused(
            &site,
            "POST / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 1025\r\n\r\n".into()
        ),
        413
    );
    assert_eq!(refused(&site, "POST / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 99999999999\r\nExpect: 100-continue\r\n\r\n".into()), 413);
    assert_eq!(site.origin.count(), 0);
    site.client()
        .ask(format!(
            "POST / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 1024\r\n\r\n{}",
            "x".repeat(1024)
        ))
        .expect(200)
        .expect_body("1024");
}

#[test]
fn a_chunked_body_that_grows_too_large_is_413_and_never_complete() {
    let (tell, told) = mpsc::channel();
    let origin = Origin::scripted(move |conn| {
        // Nobody hears of it when the test has failed.
        let _ = tell.send(String::from_utf8_lossy(&conn.wire.rest()).into_owned());
    });
    let Site { origin, proxy } = Site::with(origin, "[limits]\nrequest_body = \"1K\"\n");
    let chunks = format!("400\r\n{}\r\n", "x".repeat(1024)).repeat(3);
    let mut client = Client::to(proxy.addr());
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}0\r\n\r\n"
    ));
    client.response_to("POST").expect(413);
    client.expect_closed();
    drop(proxy);
    // Accepted in order: behind this one there is none of the proxy's.
    Client::to(origin.addr).send("last").finish();
    let mut seen: Vec<String> = Vec::new();
    while !seen.iter().any(|s| s == "last") || seen.len() < origin.connections() {
        seen.push(told.recv_timeout(PATIENCE).expect("a connection's end"));
    }
    assert!(
        seen.iter().all(|s| !s.contains("0\r\n\r\n")),
        "a body over the limit was completed: {seen:?}"
    );
}

#[test]
fn more_connections_than_the_limit_get_503() {
    let site = limited("connections = 2");
    let mut held: Vec<Client> = (0..2).map(|_| site.client()).collect();
    for client in &mut held {
        client
            .ask("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
            .expect(200);
    }
    let mut third = site.client();
    let head = third.head();
    assert_eq!(status(&head), 503, "{}", head.text());
    third.rest();
    held[0]
        .ask("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
        .expect(200);
    drop(held);
    let end = std::time::Instant::now() + understudy_testbed::PATIENCE;
    while site.get("/", "").status != 200 {
        assert!(std::time::Instant::now() < end, "no place became free");
    }
}

#[test]
fn a_connection_ends_after_its_number_of_requests() {
    let site = limited("requests_per_connection = 2");
    let mut client = site.client();
    let ask = "GET / HTTP/1.1\r\nHost: site.test\r\n\r\n";
    assert_eq!(client.ask(ask).expect(200).get("connection"), None);
    assert_eq!(client.ask(ask).expect(200).get("connection"), Some("close"));
    client.expect_closed();
}

#[test]
fn a_response_head_too_large_is_502() {
    let origin = Origin::scripted(|conn| {
        conn.request();
        conn.send(format!(
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: {}\r\n\r\n",
            "x".repeat(200_000)
        ));
    });
    Site::of(origin).get("/", "").expect(502);
}

#[test]
fn a_response_head_without_end_is_502() {
    let done = Gate::new();
    let theirs = done.clone();
    let origin = Origin::scripted(move |conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\n");
        // More than any buffer on the way holds would block here if it were not refused.
        while conn.send(
            "X-Filler: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\r\n",
        ) {}
        theirs.open();
    });
    let site = Site::of(origin);
    site.get("/", "").expect(502);
    done.wait();
}

#[test]
fn error_pages_escape_what_they_quote() {
    let proxy = understudy_testbed::Launch::forward().start();
    let nobody = Origin::nobody();
    for path in [
        "/?a=1&lt=2",
        "/'\"><script>alert(1)</script>",
        "/<script>alert(1)</script>",
        "/&#60;script&#62;",
    ] {
        let mut client = Client::to(proxy.addr());
        client.send(format!(
            "GET http://{nobody}{path} HTTP/1.1\r\nHost: {nobody}\r\n\r\n"
        ));
        let page = client.response();
        assert!(page.status >= 400, "{}", page.head.text());
        let text = page.text();
        assert!(
            !text.contains("<script") && !text.contains("&#60;script") && !text.contains("a=1&lt"),
            "{path}: {text}"
        );
    }
}
