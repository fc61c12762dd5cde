//! Answers that an audit found wrong or unproved: who is turned away, Age that passes, who is not asked twice, who follows on.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicBool, Ordering};
use understudy_testbed::{Client, Gate, Launch, Origin, Site, get, reply};

#[test]
fn a_client_beyond_the_connections_reads_a_whole_page_whatever_it_sent_before() {
    let site = Site::with(
        Origin::answering(|_| reply(200, &[], "x")),
        "[limits]\nconnections = 1\n",
    );
    let mut held = site.client();
    held.ask("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
        .expect(200);
    for _ in 0..20 {
        let mut beyond = site.client();
        let page = beyond.response().expect(503);
        assert_eq!(page.get("content-type"), Some("text/html; charset=utf-8"));
        assert_eq!(page.get("cache-control"), Some("no-store"));
        assert_eq!(page.get("connection"), Some("close"));
        assert!(page.get("date").is_some() && page.get("retry-after").is_some());
        assert!(page.text().contains("503 Service Unavailable"));
        beyond.expect_closed();
    }
}

/// What the first answer, which is passed on, and a second one say of their age.
#[track_caller]
fn check_age(received: &'static str, passed: Option<&str>) {
    let origin = Origin::answering(move |_| {
        reply(
            200,
            &["Cache-Control: no-store", &format!("Age: {received}")],
            "x",
        )
    });
    let site = Site::of(origin);
    let answer = site.get("/", "").expect(200);
    assert_eq!(answer.get("age"), passed, "Age: {received}");
}

#[test]
fn an_age_received_is_passed_on_as_a_number() {
    check_age("7", Some("7"));
    check_age("5, 6", Some("5"));
    check_age("2147483648", Some("2147483648"));
    check_age("99999999999", Some("2147483648"));
    check_age("99999999999999999999999", Some("2147483648"));
    check_age("soon", None);
    check_age("-1", None);
    check_age("1.5", None);
}

#[test]
fn a_post_without_a_body_is_not_sent_twice_either() {
    let first = AtomicBool::new(true);
    let origin = Origin::scripted(move |conn| {
        if first.swap(false, Ordering::SeqCst) {
            conn.request().unwrap();
            conn.send(reply(200, &["Cache-Control: no-store"], "first"));
            // Taken, and perhaps acted upon; the connection ends without an answer.
            conn.request().unwrap();
            return;
        }
        conn.answer_all(&|r| reply(200, &[], format!("again {}", r.method)));
    });
    let proxy = Launch::reverse(&origin).workers(1).start();
    get(proxy.addr(), "/", "site.test", "").expect_body("first");
    Client::to(proxy.addr())
        .ask("POST / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 0\r\n\r\n")
        .expect(502);
    let posts = origin.requests();
    assert_eq!(posts.iter().filter(|r| r.method == "POST").count(), 1);
}

/// Followers of a body of which much is missing when the leader leaves: nothing but them keeps the fill alive.
#[track_caller]
fn check_leader_leaves(framing: &'static str, rest: Vec<u8>, whole: usize) {
    const GET: &str = "GET /big HTTP/1.1\r\nHost: site.test\r\n\r\n";
    let (gate, follow) = (Gate::new(), Gate::new());
    let (theirs, seen) = (gate.clone(), follow.clone());
    let origin = Origin::scripted(move |conn| {
        if conn.request().is_some() {
            conn.send(format!(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n{framing}\r\n\r\n"
            ));
            seen.open();
            theirs.wait();
            conn.send(&rest);
        }
    });
    let site = Site::of(origin);
    let mut leader = site.client();
    leader.send(GET).head();
    follow.wait();
    let mut follower = site.client();
    follower.send(GET);
    let head = follower.head();
    assert!(
        head.list("cache-status").contains("collapsed"),
        "{}",
        head.text()
    );
    drop(leader);
    gate.open();
    let body = follower
        .wire
        .body(understudy_testbed::client::response_framing(
            &head, 200, "GET",
        ));
    assert_eq!(body.0.len(), whole);
    assert_eq!(site.get("/big", "").expect_hit().body.len(), whole);
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn a_leader_that_leaves_early_in_a_large_body_does_not_break_its_follower() {
    const WHOLE: usize = 1 << 20;
    check_leader_leaves("Content-Length: 1048576", vec![b'x'; WHOLE], WHOLE);
    let chunked = [&b"100000\r\n"[..], &vec![b'x'; WHOLE], b"\r\n0\r\n\r\n"].concat();
    check_leader_leaves("Transfer-Encoding: chunked", chunked, WHOLE);
}
