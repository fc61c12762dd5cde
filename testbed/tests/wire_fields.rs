//! Fields across the proxy: order and case, hop-by-hop, Via and loops, and the methods with rules of their own.
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Client, Launch, Reserved, Site, get, reply};

/// The lines of a head that are neither framing nor added by a proxy.
fn lines(raw: &str) -> Vec<String> {
    let added = [
        "host",
        "via",
        "content-length",
        "transfer-encoding",
        "connection",
        "date",
        "age",
        "cache-status",
        "x-forwarded-",
        "forwarded",
        "te",
    ];
    let theirs = |l: &&str| {
        !l.is_empty()
            && !added.iter().any(|a| {
                l.to_ascii_lowercase().starts_with(&format!("{a}:"))
                    || (a.ends_with('-') && l.to_ascii_lowercase().starts_with(a))
            })
    };
    raw.split("\r\n")
        .skip(1)
        .filter(theirs)
        .map(str::to_owned)
        .collect()
}

#[test]
fn order_and_case_of_a_request_are_kept() {
    let site = Site::new(|_| reply(200, &[], ""));
    site.get("/", "x-ZULU: 1\r\nAccept: */*\r\nX-alpha: \"q\"; a=b\r\nuser-agent: t/1\r\nx-ZULU: 2\r\nCookie: a=b; c=d\r\nX-Empty:\r\n");
    let seen = lines(&site.origin.last().head.text());
    let seen: Vec<&str> = seen.iter().map(|l| l.trim_end()).collect();
    assert_eq!(
        seen,
        [
            "x-ZULU: 1",
            "Accept: */*",
            "X-alpha: \"q\"; a=b",
            "user-agent: t/1",
            "x-ZULU: 2",
            "Cookie: a=b; c=d",
            "X-Empty:"
        ]
    );
}

#[test]
fn order_and_case_of_a_response_are_kept() {
    let site = Site::new(|_| {
        reply(
            200,
            &[
                "x-ZULU: 1",
                "Set-Cookie: a=b",
                "X-alpha: 2",
                "set-cookie: c=d",
                "Server: Old/1.0",
            ],
            "x",
        )
    });
    let seen = lines(&site.get("/", "").head.text());
    assert_eq!(
        seen,
        [
            "x-ZULU: 1",
            "Set-Cookie: a=b",
            "X-alpha: 2",
            "set-cookie: c=d",
            "Server: Old/1.0"
        ]
    );
}

#[test]
fn the_reason_phrase_is_kept() {
    let site = Site::of(understudy_testbed::Origin::scripted(|conn| {
        conn.request();
        conn.send("HTTP/1.1 404 Not Here, Sorry\r\nContent-Length: 0\r\n\r\n");
    }));
    assert_eq!(site.get("/", "").head.start, "HTTP/1.1 404 Not Here, Sorry");
}

#[test]
fn bytes_above_ascii_in_values_pass_unchanged() {
    let site = Site::new(|r| {
        let value = r
            .head
            .raw
            .split(|b| *b == b'\n')
            .find(|l| l.starts_with(b"X-Name: "))
            .unwrap()
            .to_vec();
        [
            &b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n"[..],
            &value,
            b"\n\r\n",
        ]
        .concat()
    });
    let mut client = site.client();
    let response = client
        .ask(&b"GET / HTTP/1.1\r\nHost: site.test\r\nX-Name: caf\xe9 \xc3\xa9\r\n\r\n"[..])
        .expect(200);
    assert!(
        response
            .head
            .raw
            .windows(9)
            .any(|w| w == b"caf\xe9 \xc3\xa9\r\n"),
        "{}",
        response.head.text()
    );
}

#[test]
fn hop_by_hop_fields_of_a_request_go() {
    let site = Site::new(|_| reply(200, &[], ""));
    site.get(
        "/",
        "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\nX-End: 1\r\nProxy-Authorization: Basic eA==\r\n",
    );
    let head = site.origin.last().head;
    for name in [
        "x-hop",
        "keep-alive",
        "proxy-connection",
        "proxy-authorization",
    ] {
        assert!(head.all(name).is_empty(), "{name}:\n{}", head.text());
    }
    assert!(!head.list("te").contains("gzip"), "{}", head.text());
    assert_eq!(head.get("x-end"), Some("1"));
}

#[test]
fn hop_by_hop_fields_of_a_response_go() {
    let site = Site::new(|_| {
        reply(
            200,
            &[
                "Connection: X-Hop, keep-alive",
                "X-Hop: 1",
                "Keep-Alive: timeout=5",
                "Proxy-Connection: x",
                "Upgrade: h2c",
                "X-End: 1",
            ],
            "",
        )
    });
    let head = site.get("/", "").head;
    for name in ["x-hop", "keep-alive", "proxy-connection", "upgrade"] {
        assert!(head.all(name).is_empty(), "{name}:\n{}", head.text());
    }
    assert_eq!(head.get("x-end"), Some("1"));
}

#[test]
fn connection_cannot_nominate_framing_and_routing_away() {
    let site = Site::new(|r| {
        reply(
            200,
            &[],
            format!(
                "{} {} {}",
                r.body.len(),
                r.get("host").unwrap(),
                r.head.list("cache-control")
            ),
        )
    });
    let mut client = site.client();
    client
        .ask("POST / HTTP/1.1\r\nHost: site.test\r\nConnection: Content-Length, Host, Cache-Control\r\nCache-Control: no-store\r\nContent-Length: 4\r\n\r\nbody")
        .expect(200);
    let request = site.origin.last();
    assert_eq!(
        (request.body.as_slice(), request.get("host")),
        (&b"body"[..], Some("site.test"))
    );
}

#[test]
fn via_is_appended_both_ways() {
    let site = Site::new(|_| reply(200, &["Via: 1.1 upstream"], ""));
    let response = site
        .client()
        .ask("GET / HTTP/1.0\r\nHost: site.test\r\nVia: 1.1 first\r\n\r\n");
    let request_via = site.origin.last().head.list("via");
    assert!(
        request_via.starts_with("1.1 first, 1.0 understudy"),
        "{request_via}"
    );
    assert!(
        response
            .head
            .list("via")
            .starts_with("1.1 upstream, 1.1 understudy"),
        "{}",
        response.head.text()
    );
}

#[test]
fn a_request_that_comes_back_is_a_loop() {
    let site = Site::new(|_| reply(200, &[], ""));
    site.get("/", "");
    let via = site.origin.last().get("via").unwrap().to_owned();
    site.get("/", &format!("Via: {via}\r\n")).expect(508);
    site.get("/", &format!("Via: 1.1 other, {via}, 1.1 third\r\n"))
        .expect(508);
    site.get("/", "Via: 1.1 other\r\n").expect(200);
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn a_proxy_of_itself_finds_the_loop() {
    let held = Reserved::hold();
    let proxy = Launch::bare()
        .arg("--listen")
        .arg(held.addr().to_string())
        .arg("--to")
        .arg(format!("http://{}", held.addr()))
        .start();
    get(proxy.addr(), "/", "site.test", "").expect(508);
}

#[test]
fn two_proxies_with_one_name_are_no_loop() {
    let origin = understudy_testbed::Origin::answering(|_| reply(200, &[], "x"));
    let inner = Launch::reverse(&origin).start();
    let outer = Launch::bare()
        .arg("--to")
        .arg(format!("http://{}", inner.addr()))
        .start();
    get(outer.addr(), "/", "site.test", "").expect(200);
}

#[test]
fn max_forwards_zero_is_answered_here() {
    let site = Site::new(|_| reply(200, &[], "origin"));
    let options = site.ask("OPTIONS", "*", "Max-Forwards: 0\r\n");
    assert!(
        matches!(options.status, 200 | 204),
        "{}",
        options.head.text()
    );
    let trace = site.ask(
        "TRACE",
        "/path",
        "Max-Forwards: 0\r\nX-Seen: yes\r\nAuthorization: secret\r\nCookie: secret\r\n",
    );
    if trace.status == 200 {
        assert_eq!(trace.get("content-type"), Some("message/http"));
        assert!(
            trace.text().starts_with("TRACE /path HTTP/1.1\r\n")
                && trace.text().contains("X-Seen: yes"),
            "{}",
            trace.text()
        );
        assert!(!trace.text().contains("secret"), "{}", trace.text());
    } else {
        assert!(matches!(trace.status, 405 | 501), "{}", trace.head.text());
    }
    assert_eq!(site.origin.count(), 0);
}

#[test]
fn max_forwards_is_counted_down() {
    let site = Site::new(|r| reply(200, &[], r.head.list("max-forwards")));
    site.ask("OPTIONS", "/", "Max-Forwards: 5\r\n")
        .expect(200)
        .expect_body("4");
    site.ask("TRACE", "/", "Max-Forwards: 1\r\n")
        .expect_body("0");
    assert_eq!(
        site.get("/", "Max-Forwards: 0\r\n").expect(200).text(),
        "0",
        "other methods leave it alone"
    );
}

#[test]
fn head_passes_as_head() {
    let site = Site::new(|r| {
        assert_eq!(r.method, "HEAD");
        reply(200, &["Cache-Control: no-store"], "body")[..]
            .split_last_chunk::<4>()
            .unwrap()
            .0
            .to_vec()
    });
    let mut client = site.client();
    for _ in 0..2 {
        let response = client
            .ask("HEAD / HTTP/1.1\r\nHost: site.test\r\n\r\n")
            .expect(200);
        assert_eq!(response.get("content-length"), Some("4"));
    }
}

#[test]
fn unknown_methods_pass() {
    let site = Site::new(|r| reply(200, &[], r.method.clone()));
    for method in ["PROPFIND", "get", "M-SEARCH", "X!#$%&'*+-.^_`|~9"] {
        site.ask(method, "/", "").expect(200).expect_body(method);
    }
}

#[test]
fn two_proxies_in_a_row_say_so_in_cache_status() {
    let origin = understudy_testbed::Origin::answering(|_| {
        reply(
            200,
            &["Cache-Control: max-age=60", "Cache-Status: far; hit"],
            "x",
        )
    });
    let proxy = Launch::reverse(&origin).start();
    let response = Client::to(proxy.addr()).ask("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n");
    assert!(
        response
            .head
            .list("cache-status")
            .starts_with("far; hit, understudy;"),
        "{}",
        response.head.text()
    );
}
