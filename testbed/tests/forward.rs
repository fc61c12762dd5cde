//! Forward mode: absolute-form requests, and what is refused.
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Client, Launch, Origin, get, reply};

fn origin() -> Origin {
    Origin::answering(|r| {
        reply(
            200,
            &["Cache-Control: max-age=60", "Content-Type: text/plain"],
            format!("{} {}", r.method, r.target),
        )
    })
}

#[test]
fn an_absolute_form_request_reaches_the_origin_in_origin_form() {
    let (origin, proxy) = (origin(), Launch::forward().start());
    let host = origin.addr.to_string();
    get(proxy.addr(), &format!("http://{host}/a/b?c=d&e"), &host, "")
        .expect(200)
        .expect_body("GET /a/b?c=d&e");
    let request = origin.last();
    assert_eq!(request.head.start, "GET /a/b?c=d&e HTTP/1.1");
    assert_eq!(request.get("host"), Some(host.as_str()));
    assert!(
        request.get("via").unwrap().starts_with("1.1 "),
        "{}",
        request.head.text()
    );
}

#[test]
fn the_second_request_is_a_hit() {
    let (origin, proxy) = (origin(), Launch::forward().start());
    let host = origin.addr.to_string();
    let url = format!("http://{host}/");
    let first = get(proxy.addr(), &url, &host, "")
        .expect(200)
        .expect_fwd("uri-miss");
    assert!(first.is_stored(), "{}", first.head.text());
    let second = get(proxy.addr(), &url, &host, "")
        .expect(200)
        .expect_hit()
        .expect_body("GET /");
    assert!(
        second.get("age").is_some() && second.head.list("via").contains("understudy"),
        "{}",
        second.head.text()
    );
    assert_eq!(origin.count(), 1);
}

#[test]
fn the_target_wins_over_a_host_that_disagrees() {
    let (origin, proxy) = (origin(), Launch::forward().start());
    let host = origin.addr.to_string();
    get(
        proxy.addr(),
        &format!("http://{host}/"),
        "elsewhere.test",
        "",
    )
    .expect(200);
    assert_eq!(origin.last().get("host"), Some(host.as_str()));
}

#[test]
fn an_empty_path_is_the_root() {
    let (origin, proxy) = (origin(), Launch::forward().start());
    let host = origin.addr.to_string();
    get(proxy.addr(), &format!("http://{host}"), &host, "").expect_body("GET /");
    get(proxy.addr(), &format!("http://{host}?q"), &host, "").expect_body("GET /?q");
}

#[test]
fn options_for_a_whole_server_becomes_an_asterisk() {
    let (origin, proxy) = (origin(), Launch::forward().start());
    let host = origin.addr.to_string();
    Client::to(proxy.addr())
        .ask(format!(
            "OPTIONS http://{host} HTTP/1.1\r\nHost: {host}\r\n\r\n"
        ))
        .expect(200);
    assert_eq!(origin.last().head.start, "OPTIONS * HTTP/1.1");
}

#[test]
fn a_name_is_resolved() {
    let (origin, proxy) = (origin(), Launch::forward().start());
    let host = format!("localhost:{}", origin.addr.port());
    get(proxy.addr(), &format!("http://{host}/n"), &host, "")
        .expect(200)
        .expect_body("GET /n");
}

#[test]
fn bodies_go_both_ways() {
    let origin =
        Origin::answering(|r| reply(200, &[], r.body.iter().rev().copied().collect::<Vec<_>>()));
    let proxy = Launch::forward().start();
    let host = origin.addr;
    Client::to(proxy.addr())
        .ask(format!(
            "POST http://{host}/ HTTP/1.1\r\nHost: {host}\r\nContent-Length: 5\r\n\r\nhello"
        ))
        .expect(200)
        .expect_body("olleh");
}

#[test]
fn origin_form_is_refused_with_a_clear_page() {
    let proxy = Launch::forward().start();
    let page = get(proxy.addr(), "/index.html", "site.test", "");
    assert!((400..500).contains(&page.status), "{}", page.head.text());
    assert_eq!(page.get("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(page.get("cache-control"), Some("no-store"));
    assert!(
        page.text().to_lowercase().contains("proxy"),
        "{}",
        page.text()
    );
}

#[test]
fn the_pac_file_is_the_one_origin_form_answer() {
    let proxy = Launch::forward().start();
    for target in ["/proxy.pac", "/proxy.pac?x=1"] {
        let page = get(proxy.addr(), target, &proxy.addr().to_string(), "");
        if target == "/proxy.pac" {
            assert_eq!(page.status, 200);
            assert_eq!(
                page.get("content-type"),
                Some("application/x-ns-proxy-autoconfig")
            );
            assert!(page.text().contains("FindProxyForURL"), "{}", page.text());
            assert!(
                page.text().contains(&proxy.addr().port().to_string()),
                "it does not name this listener: {}",
                page.text()
            );
        } else {
            assert!(page.status == 200 || (400..500).contains(&page.status));
        }
    }
}

#[test]
fn other_targets_are_refused() {
    let (origin, proxy) = (origin(), Launch::forward().start());
    let host = origin.addr;
    for target in [
        format!("https://{host}/"),
        format!("ftp://{host}/"),
        format!("file://{host}/etc/passwd"),
        format!("http://user:password@{host}/"),
        "http://".into(),
        "http:///path".into(),
        "http://[::1/".into(),
        "http://127.0.0.1:99999/".into(),
        "http://127.0.0.1:port/".into(),
        "*".into(),
        format!("{host}"),
    ] {
        let page = get(proxy.addr(), &target, "x.test", "");
        assert!(
            (400..=501).contains(&page.status),
            "{target}: {}",
            page.head.text()
        );
        assert_eq!(page.get("cache-control"), Some("no-store"), "{target}");
    }
    assert_eq!(origin.count(), 0);
}

#[test]
fn a_refusal_leaves_the_connection_usable_when_it_says_so() {
    let (origin, proxy) = (origin(), Launch::forward().start());
    let host = origin.addr;
    let mut client = Client::to(proxy.addr());
    let refused = client.ask("GET http://169.254.169.254/latest/meta-data/ HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n").expect(403);
    if refused
        .get("connection")
        .is_some_and(|c| c.eq_ignore_ascii_case("close"))
    {
        client.expect_closed();
    } else {
        client
            .ask(format!(
                "GET http://{host}/after HTTP/1.1\r\nHost: {host}\r\n\r\n"
            ))
            .expect(200)
            .expect_body("GET /after");
    }
}
