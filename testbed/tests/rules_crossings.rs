//! Where a `[[rule]]` meets the other rules of caching: validation, invalidation, Vary, POST, ranges, targeted fields.
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Launch, Origin, Request, Response, Site, reply};

const FRESH: &str = "Cache-Control: max-age=60";

/// An origin behind a proxy with one rule.
fn site(rule: &str, answer: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Site {
    let rule = format!("[[rule]]\nname = \"r\"\n{rule}\n");
    Site::with(Origin::answering(answer), &rule)
}

/// Answers with these fields and the request's number.
fn numbered(fields: &'static [&'static str]) -> impl Fn(&Request) -> Vec<u8> + Send + Sync {
    move |r| reply(200, fields, r.n.to_string())
}

fn post(site: &Site, path: &str, fields: &str) -> Response {
    site.ask("POST", path, &format!("Content-Length: 0\r\n{fields}"))
}

/// A 304 and a HEAD bring fields into what is stored; not the cookies that a rule keeps out.
#[test]
fn stripped_cookies_and_what_freshens() {
    for method in ["GET", "HEAD"] {
        let site = site("cookies = \"strip\"", |r| {
            let cookie = format!("Set-Cookie: n={}", r.n);
            let old = if r.n == 1 { "Age: 61" } else { "X: new" };
            let fields = [FRESH, "ETag: \"a\"", old, &cookie];
            match r.get("if-none-match") {
                Some(_) => reply(304, &fields, ""),
                None => reply(200, &fields, "body"),
            }
        });
        site.get("/", "");
        site.ask(method, "/", "").expect(200);
        let stored = site.get("/", "").expect_body("body");
        assert_eq!(stored.get("set-cookie"), None, "{method}");
    }
}

/// And parts, several of them, and what a 304 of ours says.
#[test]
fn stripped_cookies_and_everything_made_of_what_is_stored() {
    let fields = &[FRESH, "ETag: \"a\"", "Set-Cookie: a=b"];
    let site = site("cookies = \"strip\"", |_| reply(200, fields, "0123456789"));
    site.get("/", "Cookie: c=d\r\n");
    for (asked, status) in [
        ("Range: bytes=1-2\r\n", 206),
        ("Range: bytes=1-2,5-6\r\n", 206),
        ("If-None-Match: \"a\"\r\n", 304),
    ] {
        let response = site.get("/", &format!("Cookie: c=e\r\n{asked}"));
        let response = response.expect_hit();
        assert!([200, status].contains(&response.status), "{asked}");
        assert_eq!(response.get("set-cookie"), None, "{asked}");
    }
}

/// RFC 9111 section 4.4 speaks of the target's URI; which parameters, fields or cookies make the key is the cache's own affair.
#[test]
fn keys_and_invalidation() {
    for (rule, first, second) in [
        (
            "query_without = [\"utm_*\"]",
            ("/a?x=1&utm_a=1", ""),
            ("/a?utm_b=2&x=1", ""),
        ),
        ("query = \"none\"", ("/a?x=1", ""), ("/a?x=2", "")),
        ("query_sort = true", ("/a?x=1&y=2", ""), ("/a?y=2&x=1", "")),
        (
            "key_fields = [\"X-Country\"]",
            ("/a", "X-Country: it\r\n"),
            ("/a", "X-Country: fr\r\n"),
        ),
        (
            "key_fields = [\"X-Country\"]",
            ("/a", "X-Country: it\r\n"),
            ("/a", ""),
        ),
        (
            "cookies = \"key\"",
            ("/a", "Cookie: a=1\r\n"),
            ("/a", "Cookie: a=2\r\n"),
        ),
    ] {
        let site = site(rule, numbered(&[FRESH]));
        site.get(first.0, first.1).expect_body("1");
        site.get(first.0, first.1).expect_body("1").expect_hit();
        post(&site, second.0, second.1).expect(200);
        site.get(first.0, first.1).expect_body("3");
    }
}

/// What an unsafe request names beside its target is a URL like any other.
#[test]
fn keys_and_what_location_invalidates() {
    for field in ["Location", "Content-Location"] {
        let site = site(
            "query_without = [\"utm_*\"]\nkey_fields = [\"X-Country\"]",
            move |r| {
                let named = format!("{field}: /a?utm_c=3&x=1");
                reply(200, &[FRESH, &named], r.n.to_string())
            },
        );
        let it = "X-Country: it\r\n";
        site.get("/a?x=1&utm_a=1", it).expect_body("1");
        site.get("/a?x=2", it).expect_body("2");
        post(&site, "/b", "X-Country: fr\r\n").expect_body("3");
        site.get("/a?x=1", it).expect_body("4");
        site.get("/a?x=2", it).expect_body("2").expect_hit();
    }
}

/// PURGE of a URL means it as a request for it would.
#[test]
fn keys_and_purge() {
    let config =
        "[[rule]]\nname = \"r\"\nquery_without = [\"utm_*\"]\nkey_fields = [\"X-Country\"]\n";
    let origin = Origin::answering(numbered(&[FRESH]));
    let listen = format!(
        "{config}[[listen]]\nname = \"site\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"\nto = \"o\"\n\
         purge = [\"loopback\"]\n[[upstream]]\nname = \"o\"\nservers = [\"{}\"]\n",
        origin.addr
    );
    let proxy = Launch::bare().config(&listen).start();
    let site = Site { origin, proxy };
    site.get("/a?x=1&utm_a=1", "X-Country: it\r\n")
        .expect_body("1");
    site.ask("PURGE", "/a?utm_b=2&x=1", "").expect(200);
    site.get("/a?x=1", "X-Country: it\r\n").expect_body("2");
}

/// One key, and still a variant for each of what the origin varies on.
#[test]
fn keys_and_vary() {
    let fields = &[FRESH, "Vary: Accept-Language"];
    let site = site("query_without = [\"utm_*\"]", numbered(fields));
    site.get("/?utm_a=1", "Accept-Language: it\r\n")
        .expect_body("1");
    site.get("/?utm_a=2", "Accept-Language: fr\r\n")
        .expect_body("2");
    site.get("/?utm_a=3", "Accept-Language: IT\r\n")
        .expect_body("1")
        .expect_hit();
    site.get("/", "Accept-Language: fr;q=1\r\n")
        .expect_body("2")
        .expect_hit();
}

/// RFC 9110 section 9.3.3 wants freshness that the origin states; an operator's word for GETs is not that.
#[test]
fn lifetimes_and_answers_to_post() {
    let fields = &["Content-Location: /a"];
    for rule in [
        "ttl = \"1h\"",
        "ttl = \"1h\"\nforce = true",
        "ttl = \"1h\"\nttl_when = \"unstated\"",
    ] {
        let site = site(rule, numbered(fields));
        post(&site, "/a", "").expect_body("1");
        site.get("/a", "").expect_body("2");
        site.get("/a", "").expect_body("2").expect_hit();
    }
}

#[test]
fn what_is_not_to_be_stored_is_not_by_another_way_either() {
    let fields = &[FRESH, "Content-Location: /a", "ETag: \"a\""];
    let site = site(
        "store = false\n[rule.match]\npaths = [\"/a\"]",
        numbered(fields),
    );
    post(&site, "/a", "").expect_body("1");
    site.get("/a", "Range: bytes=0-0\r\n");
    let head = site.ask("HEAD", "/a", "");
    assert!(!head.is_hit(), "{}", head.head.text());
    assert!(!site.get("/a", "").is_hit());
    assert_eq!(site.origin.count(), 4);
}

/// RFC 9111 section 3.5 and section 4.1 hold whatever the lifetime.
#[test]
fn lifetimes_lift_neither_credentials_nor_vary() {
    for rule in ["ttl = \"1h\"", "ttl = \"1h\"\nforce = true"] {
        let plain = site(rule, numbered(&["X: x"]));
        plain
            .get("/", "Authorization: Basic YTpi\r\n")
            .expect_body("1");
        plain.get("/", "").expect_body("2");
        let varying = site(rule, numbered(&["Vary: *"]));
        varying.get("/", "").expect_body("1");
        varying.get("/", "").expect_body("2");
        let varying = site(rule, numbered(&["Vary: X-Kind"]));
        varying.get("/", "X-Kind: 1\r\n").expect_body("1");
        varying.get("/", "X-Kind: 2\r\n").expect_body("2");
    }
}

/// An operator's word comes after the origin's, targeted or not.
#[test]
fn lifetimes_and_targeted_fields() {
    for (fields, rule, body) in [
        (&["CDN-Cache-Control: max-age=0"][..], "ttl = \"1h\"", "1"),
        (
            &["CDN-Cache-Control: max-age=0"],
            "ttl = \"1h\"\nttl_when = \"unstated\"",
            "2",
        ),
        (
            &["CDN-Cache-Control: foo", "Cache-Control: max-age=0"],
            "ttl = \"1h\"\nttl_when = \"unstated\"",
            "1",
        ),
        (&["CDN-Cache-Control: no-store"], "ttl = \"1h\"", "2"),
        (
            &["CDN-Cache-Control: no-store"],
            "ttl = \"1h\"\nforce = true",
            "1",
        ),
    ] {
        let site = site(rule, numbered(fields));
        site.get("/", "").expect_body("1");
        site.get("/", "").expect_body(body);
    }
}

/// Grace is both of RFC 5861, and ends where that does.
#[test]
fn grace_and_what_forbids_stale() {
    for (word, served) in [
        ("max-age=60", true),
        ("max-age=60, must-revalidate", false),
        ("max-age=60, proxy-revalidate", false),
        ("s-maxage=60", false),
        ("no-cache", false),
    ] {
        let site = site("grace = \"1h\"", move |r| match r.n {
            1 => reply(
                200,
                &[&format!("Cache-Control: {word}"), "Age: 100", "ETag: \"a\""],
                "first",
            ),
            _ => reply(503, &[], "down"),
        });
        site.get("/", "").expect_body("first");
        let status = if served { 200 } else { 503 };
        site.get("/", "").expect(status);
        site.get("/", "Range: bytes=0-1\r\n")
            .expect(if served { 206 } else { 503 });
    }
}
