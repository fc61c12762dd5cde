//! Reverse mode: `--to`, Host, several servers and failover, connection reuse.
#![allow(clippy::unwrap_used)]

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use understudy_testbed::{Client, Launch, Origin, Reserved, Site, get, reply};

fn group(servers: &[String], more: &str) -> Launch {
    Launch::bare().config(&format!(
        "[[listen]]\nname = \"site\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"\nto = \"group\"\n{more}\n\
         [[upstream]]\nname = \"group\"\nservers = {servers:?}\n"
    ))
}

#[test]
fn to_alone_makes_a_reverse_proxy() {
    let site = Site::new(|r| reply(200, &[], format!("origin {}", r.target)));
    assert_eq!(site.proxy.listeners()[0].1, "reverse");
    site.get("/x?y", "").expect(200).expect_body("origin /x?y");
}

#[test]
fn host_is_kept() {
    let site = Site::new(|r| reply(200, &[], r.get("host").unwrap()));
    site.get("/", "").expect_body("site.test");
}

#[test]
fn host_is_set_when_the_listener_says_so() {
    let origin = Origin::answering(|r| reply(200, &[], r.get("host").unwrap()));
    let proxy = group(&[origin.addr.to_string()], "host = \"set:inner.test:81\"").start();
    get(proxy.addr(), "/", "site.test", "").expect_body("inner.test:81");
}

#[test]
fn a_server_may_be_written_as_a_url() {
    let origin = Origin::answering(|_| reply(200, &[], "x"));
    let proxy = group(&[format!("http://{}", origin.addr)], "").start();
    get(proxy.addr(), "/", "site.test", "").expect(200);
}

#[test]
fn absolute_form_is_taken_and_its_authority_is_the_host() {
    let site = Site::new(|r| {
        reply(
            200,
            &["Cache-Control: max-age=60"],
            format!("{} {}", r.get("host").unwrap(), r.target),
        )
    });
    get(site.proxy.addr(), "http://named.test/p", "other.test", "").expect_body("named.test /p");
    get(site.proxy.addr(), "/p", "other.test", "").expect_body("other.test /p");
}

#[test]
fn hosts_do_not_share_objects() {
    let site = Site::new(|r| reply(200, &["Cache-Control: max-age=60"], r.get("host").unwrap()));
    for _ in 0..2 {
        for host in ["a.test", "b.test", "a.test:8080"] {
            get(site.proxy.addr(), "/", host, "").expect_body(host);
        }
    }
    assert_eq!(site.origin.count(), 3);
}

#[test]
fn the_same_host_spelt_otherwise_is_the_same_object() {
    let site = Site::new(|_| reply(200, &["Cache-Control: max-age=60"], "x"));
    get(site.proxy.addr(), "/", "a.test", "");
    for host in ["A.TEST", "a.test:80", "A.test:80"] {
        get(site.proxy.addr(), "/", host, "").expect_hit();
    }
}

#[test]
fn a_dead_server_is_passed_over() {
    let alive = Origin::answering(|_| reply(200, &["Cache-Control: no-store"], "alive"));
    let proxy = group(&[Origin::nobody().to_string(), alive.addr.to_string()], "").start();
    for _ in 0..6 {
        get(proxy.addr(), "/", "site.test", "")
            .expect(200)
            .expect_body("alive");
    }
}

#[test]
fn every_server_is_used() {
    let origins: Vec<Origin> = (0..3)
        .map(|_| Origin::answering(|_| reply(200, &["Cache-Control: no-store"], "x")))
        .collect();
    let proxy = group(
        &origins
            .iter()
            .map(|o| o.addr.to_string())
            .collect::<Vec<_>>(),
        "",
    )
    .start();
    for _ in 0..60 {
        get(proxy.addr(), "/", "site.test", "").expect(200);
    }
    assert!(
        origins.iter().all(|o| o.count() > 0),
        "{:?}",
        origins.iter().map(Origin::count).collect::<Vec<_>>()
    );
}

#[test]
fn no_server_at_all_is_said_with_an_error_page() {
    let proxy = group(
        &[Origin::nobody().to_string(), Origin::nobody().to_string()],
        "",
    )
    .start();
    let page = get(proxy.addr(), "/", "site.test", "");
    assert!(matches!(page.status, 502 | 503), "{}", page.head.text());
    assert_eq!(page.get("cache-control"), Some("no-store"));
}

#[test]
fn a_server_that_comes_back_is_used_again() {
    let held = Reserved::hold();
    let proxy = group(&[held.addr().to_string()], "").start();
    assert!(get(proxy.addr(), "/", "site.test", "").status >= 502);
    let origin = Origin::on(held.listen(), |conn| {
        conn.answer_all(&|_| reply(200, &[], "back"));
    });
    let end = std::time::Instant::now() + understudy_testbed::PATIENCE;
    while get(proxy.addr(), "/", "site.test", "").status != 200 {
        assert!(std::time::Instant::now() < end, "it was not tried again");
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    assert!(origin.count() >= 1);
}

#[test]
fn origin_connections_are_reused() {
    let origin =
        Origin::answering(|r| reply(200, &["Cache-Control: no-store"], r.connection.to_string()));
    let proxy = Launch::reverse(&origin).workers(1).start();
    for _ in 0..5 {
        get(proxy.addr(), "/", "site.test", "").expect_body("1");
    }
    assert_eq!(origin.connections(), 1);
}

#[test]
fn a_connection_the_origin_ends_is_not_reused() {
    let origin = Origin::answering(|r| {
        reply(
            200,
            &["Connection: close", "Cache-Control: no-store"],
            r.connection.to_string(),
        )
    });
    let proxy = Launch::reverse(&origin).workers(1).start();
    for n in ["1", "2"] {
        let response = get(proxy.addr(), "/", "site.test", "").expect_body(n);
        assert_eq!(
            response.get("connection"),
            None,
            "the origin's Connection is not the client's"
        );
    }
}

/// An origin whose first connection takes a second request and closes without an answer, as one that timed out would.
fn forgetful() -> Origin {
    let first = Arc::new(AtomicBool::new(true));
    Origin::scripted(move |conn| {
        if first.swap(false, Ordering::SeqCst) {
            conn.request().unwrap();
            conn.send(reply(200, &["Cache-Control: no-store"], "first"));
            conn.request().unwrap();
            return;
        }
        conn.answer_all(&|r| {
            reply(
                200,
                &["Cache-Control: no-store"],
                format!("again {}", r.method),
            )
        });
    })
}

#[test]
fn an_idempotent_request_on_a_dead_reused_connection_is_sent_again() {
    let origin = forgetful();
    let proxy = Launch::reverse(&origin).workers(1).start();
    get(proxy.addr(), "/", "site.test", "").expect_body("first");
    get(proxy.addr(), "/", "site.test", "")
        .expect(200)
        .expect_body("again GET");
}

#[test]
fn a_post_on_a_dead_reused_connection_is_not_sent_twice() {
    let origin = forgetful();
    let proxy = Launch::reverse(&origin).workers(1).start();
    get(proxy.addr(), "/", "site.test", "").expect_body("first");
    let response = Client::to(proxy.addr())
        .ask("POST / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 3\r\n\r\nabc");
    let posts = origin
        .requests()
        .iter()
        .filter(|r| r.method == "POST")
        .count();
    // Either it went out on the old connection, once, and failed; or on a fresh one from the start.
    assert_eq!(posts, 1);
    assert!(
        response.status == 502 || response.text() == "again POST",
        "{}",
        response.head.text()
    );
}

#[test]
fn an_origin_that_closes_without_an_answer_is_a_bad_gateway() {
    let site = Site::of(Origin::scripted(|conn| {
        conn.request();
    }));
    site.get("/", "").expect(502);
}

#[test]
fn an_origin_that_resets_is_a_bad_gateway() {
    let site = Site::of(Origin::scripted(|conn| {
        conn.request();
        conn.reset();
    }));
    site.get("/", "").expect(502);
}

#[test]
fn connect_is_not_for_reverse_listeners() {
    let site = Site::new(|_| reply(200, &[], "x"));
    let status = site
        .client()
        .ask(format!(
            "CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n",
            site.origin.addr
        ))
        .status;
    assert!((400..=501).contains(&status), "{status}");
    assert_eq!(site.origin.count(), 0);
}

#[test]
fn a_forged_forwarded_for_is_replaced() {
    let site = Site::new(|r| reply(200, &[], r.head.list("x-forwarded-for")));
    let seen = site.get("/", "X-Forwarded-For: 192.0.2.1\r\n").text();
    assert!(!seen.contains("192.0.2.1"), "{seen}");
}

#[test]
fn a_trusted_proxy_s_forwarded_for_is_extended() {
    let site = Site::with(
        Origin::answering(|r| reply(200, &[], r.head.list("x-forwarded-for"))),
        "[access]\ntrusted_proxies = [\"127.0.0.0/8\"]\n",
    );
    site.get("/", "X-Forwarded-For: 192.0.2.1\r\n")
        .expect_body("192.0.2.1, 127.0.0.1");
}
