//! Methods other than GET at the store: POST that answers later GETs (RFC 9110 section 9.3.3), HEAD that updates what is stored
//! or ends its freshness (RFC 9111 section 4.3.5).
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Request, Response, Site, reply};

/// A site that answers each method with its own body; POST with this status and these fields, GET freshly.
fn posting(status: u16, fields: &[&str]) -> Site {
    let fields: Vec<String> = fields.iter().map(|f| (*f).to_owned()).collect();
    Site::new(move |r: &Request| {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        match r.method.as_str() {
            "POST" => reply(status, &fields, "posted"),
            _ => reply(200, &["Cache-Control: max-age=60"], "got"),
        }
    })
}

fn post(site: &Site, path: &str) -> Response {
    site.client().ask(format!(
        "POST {path} HTTP/1.1\r\nHost: site.test\r\nContent-Length: 5\r\n\r\n12345"
    ))
}

#[test]
fn a_post_answer_located_at_its_url_answers_later_gets() {
    for location in ["/p?q", "?q", "http://site.test/p?q", ""] {
        let site = posting(
            200,
            &[
                "Cache-Control: max-age=60",
                &format!("Content-Location: {location}"),
            ],
        );
        let first = post(&site, "/p?q").expect(200).expect_body("posted");
        assert!(first.is_stored(), "{location}: {}", first.cache_status());
        site.get("/p?q", "").expect_hit().expect_body("posted");
        site.ask("HEAD", "/p?q", "").expect_hit();
        assert_eq!(site.origin.count(), 1, "{location}");
        // A POST itself is never answered from the store (RFC 9110 section 9.3.3).
        post(&site, "/p?q")
            .expect_fwd("method")
            .expect_body("posted");
        assert_eq!(site.origin.count(), 2, "{location}");
    }
}

#[test]
fn any_other_post_answer_does_not() {
    for (status, fields) in [
        (200, &["Cache-Control: max-age=60"][..]),
        (
            200,
            &["Cache-Control: max-age=60", "Content-Location: /other"],
        ),
        (
            200,
            &[
                "Cache-Control: max-age=60",
                "Content-Location: http://other.test/p",
            ],
        ),
        (200, &["Content-Location: /p", "ETag: \"a\""]),
        (
            200,
            &[
                "Content-Location: /p",
                "Cache-Control: public",
                "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT",
            ],
        ),
        (200, &["Content-Location: /p", "Cache-Control: max-age=0"]),
        (
            200,
            &[
                "Content-Location: /p",
                "Cache-Control: max-age=60, no-store",
            ],
        ),
        (
            200,
            &["Content-Location: /p", "Cache-Control: private, max-age=60"],
        ),
        (201, &["Content-Location: /p", "Cache-Control: max-age=60"]),
        (500, &["Content-Location: /p", "Cache-Control: max-age=60"]),
    ] {
        let site = posting(status, fields);
        assert!(
            !post(&site, "/p").expect(status).is_stored(),
            "{status} {fields:?}"
        );
        site.get("/p", "").expect_fwd("uri-miss").expect_body("got");
    }
}

#[test]
fn a_post_answer_replaces_what_was_stored() {
    let site = posting(200, &["Cache-Control: max-age=60", "Content-Location: /p"]);
    site.get("/p", "").expect_body("got");
    post(&site, "/p").expect_body("posted");
    site.get("/p", "").expect_hit().expect_body("posted");
}

#[test]
fn a_post_that_wants_nothing_stored_leaves_nothing() {
    let site = posting(200, &["Cache-Control: max-age=60", "Content-Location: /p"]);
    site.client()
        .ask("POST /p HTTP/1.1\r\nHost: site.test\r\nCache-Control: no-store\r\nContent-Length: 0\r\n\r\n")
        .expect_body("posted");
    site.get("/p", "").expect_body("got");
}

#[test]
fn a_post_answer_varies_as_others_do() {
    let site = posting(
        200,
        &[
            "Cache-Control: max-age=60",
            "Content-Location: /p",
            "Vary: X",
        ],
    );
    site.client()
        .ask("POST /p HTTP/1.1\r\nHost: site.test\r\nX: 1\r\nContent-Length: 0\r\n\r\n")
        .expect_body("posted");
    site.get("/p", "X: 2\r\n")
        .expect_fwd("vary-miss")
        .expect_body("got");
    let site = posting(
        200,
        &[
            "Cache-Control: max-age=60",
            "Content-Location: /p",
            "Vary: X",
        ],
    );
    site.client()
        .ask("POST /p HTTP/1.1\r\nHost: site.test\r\nX: 1\r\nContent-Length: 0\r\n\r\n")
        .expect_body("posted");
    site.get("/p", "X: 1\r\n")
        .expect_hit()
        .expect_body("posted");
}

/// Stores a GET that is stale (`max-age=60`, `Age: 60`), asks by HEAD, and gives what a GET gets then.
fn after_head(stored: &'static [&str], head: &'static [&str]) -> (Site, Response) {
    let site = Site::new(move |r: &Request| {
        if r.method == "HEAD" {
            let whole = String::from_utf8(reply(200, head, "")).unwrap();
            return whole.replace("Content-Length: 0\r\n", "").into_bytes();
        }
        let fields = [&["X: old", "Y: kept"], stored].concat();
        reply(200, &fields, "body")
    });
    site.get("/", "").expect(200);
    site.ask("HEAD", "/", "").expect(200);
    let last = site.get("/", "").expect(200).expect_body("body");
    (site, last)
}

#[test]
fn a_head_that_agrees_updates_what_is_stored() {
    for (stored, head) in [
        (
            &["Cache-Control: max-age=60", "Age: 60", "ETag: \"a\""][..],
            &["Cache-Control: max-age=90", "X: new", "ETag: \"a\""][..],
        ),
        (
            &["Cache-Control: max-age=60", "Age: 60", "ETag: \"a\""],
            &["Cache-Control: max-age=90", "X: new"],
        ),
        (
            &["Cache-Control: max-age=60", "Age: 60", "ETag: \"a\""],
            &["Cache-Control: max-age=90", "X: new", "Content-Length: 4"],
        ),
    ] {
        let (site, last) = after_head(stored, head);
        assert!(last.is_hit(), "{head:?}: {}", last.cache_status());
        assert_eq!(
            (last.get("x"), last.get("y")),
            (Some("new"), Some("kept")),
            "{head:?}"
        );
        assert_eq!(site.origin.count(), 2, "{head:?}");
    }
}

#[test]
fn a_head_that_disagrees_ends_the_freshness() {
    // Only a HEAD that is not answered from the store reaches the origin: one that insists on it.
    let cases: [(&[&str], &[&str]); 3] = [
        (
            &["Cache-Control: max-age=60", "ETag: \"a\""],
            &["Cache-Control: max-age=60", "ETag: \"b\""],
        ),
        (
            &["Cache-Control: max-age=60"],
            &["Cache-Control: max-age=60", "ETag: \"b\""],
        ),
        (
            &["Cache-Control: max-age=60", "ETag: \"a\""],
            &[
                "Cache-Control: max-age=60",
                "ETag: \"a\"",
                "Content-Length: 5",
            ],
        ),
    ];
    for (stored, head) in cases {
        let (stored, head): (Vec<String>, Vec<String>) = (
            stored.iter().map(|f| (*f).to_owned()).collect(),
            head.iter().map(|f| (*f).to_owned()).collect(),
        );
        let case = format!("{stored:?} {head:?}");
        let site = Site::new(move |r: &Request| {
            let fields = if r.method == "HEAD" { &head } else { &stored };
            let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
            let whole = reply(200, &fields, if r.method == "HEAD" { "" } else { "body" });
            match r.method.as_str() {
                "HEAD" => String::from_utf8(whole)
                    .unwrap()
                    .replace("Content-Length: 0\r\n", "")
                    .into_bytes(),
                _ => whole,
            }
        });
        site.get("/", "").expect(200);
        site.get("/", "").expect_hit();
        site.ask("HEAD", "/", "Cache-Control: no-cache\r\n")
            .expect_fwd("request");
        site.get("/", "").expect_fwd("stale");
        assert_eq!(site.origin.count(), 3, "{case}");
    }
}

#[test]
fn a_head_that_makes_it_private_takes_it_out_and_one_with_a_cookie_changes_nothing() {
    let (site, last) = after_head(
        &["Cache-Control: max-age=60", "Age: 60", "ETag: \"a\""],
        &["Cache-Control: private", "ETag: \"a\""],
    );
    assert_eq!(last.fwd().as_deref(), Some("uri-miss"));
    assert_eq!(site.origin.last().head.get("if-none-match"), None);
    let (_, last) = after_head(
        &["Cache-Control: max-age=60", "Age: 60", "ETag: \"a\""],
        &[
            "Cache-Control: max-age=60",
            "Set-Cookie: a=b",
            "ETag: \"a\"",
        ],
    );
    assert_eq!(
        (last.fwd().as_deref(), last.get("set-cookie")),
        (Some("stale"), None)
    );
}

/// What is stored was stored under what it varied by then: by the letter of RFC 9111 section 4.1 its new Vary would bind it.
#[test]
fn a_head_that_varies_by_something_else_ends_the_freshness() {
    let site = Site::new(|r: &Request| {
        let fields = ["Cache-Control: max-age=60", "ETag: \"a\""];
        match r.method.as_str() {
            "HEAD" => {
                let whole = reply(200, &[&fields[..], &["Vary: X"]].concat(), "");
                let whole = String::from_utf8(whole).unwrap();
                whole.replace("Content-Length: 0\r\n", "").into_bytes()
            }
            _ => reply(200, &fields, r.get("x").unwrap_or("none")),
        }
    });
    site.get("/", "X: 1\r\n").expect_body("1");
    site.ask("HEAD", "/", "X: 1\r\nCache-Control: no-cache\r\n")
        .expect_fwd("request");
    site.get("/", "X: 2\r\n").expect_body("2");
}
