//! Unsafe methods invalidate (RFC 9111 section 4.4).
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Client, Response, Site, get, reply};

/// GET answers are cacheable and numbered; anything else answers as its fields say: `X-Status`, `X-Location`, `X-Content-Location`.
fn site() -> Site {
    Site::new(|r| {
        if r.method == "GET" {
            return reply(200, &["Cache-Control: max-age=60"], r.n.to_string());
        }
        let mut fields = vec!["Cache-Control: max-age=60".to_owned()];
        for name in ["Location", "Content-Location"] {
            fields.extend(r.get(&format!("x-{name}")).map(|v| format!("{name}: {v}")));
        }
        let status = r.get("x-status").map_or(200, |s| s.parse().unwrap());
        reply(
            status,
            &fields.iter().map(String::as_str).collect::<Vec<_>>(),
            if status == 204 { "" } else { "done" },
        )
    })
}

#[track_caller]
fn unsafe_ask(site: &Site, method: &str, path: &str, fields: &str) -> Response {
    site.ask(method, path, &format!("Content-Length: 0\r\n{fields}"))
}

#[test]
fn a_successful_unsafe_method_invalidates() {
    for method in ["POST", "PUT", "DELETE", "PATCH", "FROB"] {
        for status in [200, 201, 204, 303] {
            let site = site();
            site.get("/", "").expect_body("1");
            unsafe_ask(&site, method, "/", &format!("X-Status: {status}\r\n")).expect(status);
            let after = site.get("/", "");
            assert_eq!(
                after.text(),
                "3",
                "{method} {status}: {}",
                after.head.text()
            );
        }
    }
}

#[test]
fn a_failed_one_does_not() {
    for status in [400, 404, 500] {
        let site = site();
        site.get("/", "").expect_body("1");
        unsafe_ask(&site, "POST", "/", &format!("X-Status: {status}\r\n")).expect(status);
        site.get("/", "").expect_body("1").expect_hit();
    }
}

#[test]
fn safe_methods_do_not() {
    let site = site();
    site.get("/", "").expect_body("1");
    unsafe_ask(&site, "OPTIONS", "/", "").expect(200);
    site.get("/", "").expect_body("1").expect_hit();
}

#[test]
fn every_variant_goes() {
    let site = Site::new(|r| {
        reply(
            200,
            &["Cache-Control: max-age=60", "Vary: X-Kind"],
            r.n.to_string(),
        )
    });
    site.get("/", "X-Kind: a\r\n").expect_body("1");
    site.get("/", "X-Kind: b\r\n").expect_body("2");
    unsafe_ask(&site, "POST", "/", "");
    site.get("/", "X-Kind: a\r\n").expect_body("4");
    site.get("/", "X-Kind: b\r\n").expect_body("5");
}

#[test]
fn only_the_target_goes() {
    let site = site();
    site.get("/a", "").expect_body("1");
    site.get("/b", "").expect_body("2");
    unsafe_ask(&site, "POST", "/a", "");
    site.get("/b", "").expect_body("2").expect_hit();
}

#[test]
fn location_and_content_location_of_the_same_origin_go_too() {
    for name in ["X-Location", "X-Content-Location"] {
        for value in [
            "/other",
            "http://site.test/other",
            "http://SITE.test:80/other",
            "other",
        ] {
            let site = site();
            site.get("/other", "").expect_body("1");
            unsafe_ask(
                &site,
                "POST",
                "/form",
                &format!("X-Status: 201\r\n{name}: {value}\r\n"),
            )
            .expect(201);
            let after = site.get("/other", "");
            assert!(!after.is_hit(), "{name}: {value}: {}", after.head.text());
        }
    }
}

#[test]
fn those_of_another_origin_stay() {
    let site = site();
    let other = |site: &Site| get(site.proxy.addr(), "/other", "victim.test", "");
    other(&site).expect_body("1");
    for value in [
        "http://victim.test/other",
        "//victim.test/other",
        "https://site.test/other",
    ] {
        unsafe_ask(
            &site,
            "POST",
            "/form",
            &format!("X-Location: {value}\r\nX-Content-Location: {value}\r\n"),
        );
    }
    other(&site).expect_body("1").expect_hit();
}

#[test]
fn a_write_during_a_fetch_keeps_the_old_answer_out_of_the_cache() {
    let gate = understudy_testbed::Gate::new();
    let theirs = gate.clone();
    let site = Site::new(move |r| {
        if r.method == "GET" && r.n == 1 {
            theirs.wait();
        }
        reply(
            200,
            &["Cache-Control: max-age=60"],
            if r.n == 1 {
                "before the write"
            } else {
                "after the write"
            },
        )
    });
    let mut reader = Client::to(site.proxy.addr());
    reader.send("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n");
    site.origin.wait_requests(1);
    unsafe_ask(&site, "POST", "/", "").expect(200);
    gate.open();
    reader.response().expect(200);
    site.get("/", "").expect_body("after the write");
}
