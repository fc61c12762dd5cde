//! Conditional requests answered from a stored response (RFC 9111 section 4.3.2) and validation of stale ones (section 4.3).
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Request, Site, date, http_date, reply};

const FRESH: &str = "Cache-Control: max-age=60";
const STALE: &str = "Cache-Control: max-age=0";

/// Stores `/` with these fields, then asks with those; the status of the second answer, which must come from the cache.
#[track_caller]
fn stored_then(fields: &[&str], request: &str) -> u16 {
    let owned: Vec<String> = fields.iter().map(|f| (*f).to_owned()).collect();
    let site = Site::new(move |_| {
        reply(
            200,
            &owned.iter().map(String::as_str).collect::<Vec<_>>(),
            "body",
        )
    });
    site.get("/", "").expect(200);
    let mut client = site.client();
    let response = client.ask(format!(
        "GET / HTTP/1.1\r\nHost: site.test\r\n{request}\r\n"
    ));
    assert_eq!(site.origin.count(), 1, "{request:?}: the origin was asked");
    // The framing was right if the connection carries another exchange.
    client
        .ask("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
        .expect(200)
        .expect_body("body");
    response.status
}

#[test]
fn if_none_match() {
    for (etag, condition, status) in [
        ("\"a\"", "\"a\"", 304),
        ("\"a\"", "W/\"a\"", 304),
        ("W/\"a\"", "\"a\"", 304),
        ("\"a\"", "\"x\", \"a\"", 304),
        ("\"a\"", "*", 304),
        ("\"a,b\"", "\"a,b\"", 304),
        ("\"a\"", "\"b\"", 200),
        ("\"a\"", "\"A\"", 200),
        ("\"a\"", "a", 200),
        ("\"a\"", "w/\"a\"", 200),
    ] {
        assert_eq!(
            stored_then(
                &[FRESH, &format!("ETag: {etag}")],
                &format!("If-None-Match: {condition}\r\n")
            ),
            status,
            "{etag} {condition}"
        );
    }
}

#[test]
fn if_none_match_on_several_lines() {
    assert_eq!(
        stored_then(
            &[FRESH, "ETag: \"b\""],
            "If-None-Match: \"a\"\r\nIf-None-Match: \"b\"\r\n"
        ),
        304
    );
}

#[test]
fn if_modified_since() {
    let now = date::now();
    let at = |offset: i64| date::format(now + offset);
    let modified = at(-1000);
    for (since, status) in [
        (modified.clone(), 304),
        (at(-500), 304),
        (at(-1001), 200),
        ("yesterday".to_owned(), 200),
        ("0".to_owned(), 200),
    ] {
        assert_eq!(
            stored_then(
                &[FRESH, &format!("Last-Modified: {modified}")],
                &format!("If-Modified-Since: {since}\r\n")
            ),
            status,
            "{since}"
        );
    }
}

#[test]
fn if_modified_since_is_ignored_beside_if_none_match() {
    let modified = format!("Last-Modified: {}", http_date(-1000));
    let since = format!(
        "If-None-Match: \"b\"\r\nIf-Modified-Since: {}\r\n",
        http_date(0)
    );
    assert_eq!(stored_then(&[FRESH, "ETag: \"a\"", &modified], &since), 200);
}

#[test]
fn a_304_from_the_cache_has_the_fields_it_should_and_no_body() {
    let site = Site::new(|_| {
        reply(
            200,
            &[
                FRESH,
                "ETag: \"a\"",
                "Content-Type: text/css",
                "Vary: Accept",
                "Content-Location: /c",
            ],
            "body",
        )
    });
    site.get("/", "");
    let response = site
        .get("/", "If-None-Match: \"a\"\r\n")
        .expect(304)
        .expect_hit();
    assert_eq!(response.get("etag"), Some("\"a\""));
    assert_eq!(response.get("cache-control"), Some("max-age=60"));
    assert_eq!(response.get("vary"), Some("Accept"));
    assert!(response.get("date").is_some(), "{}", response.head.text());
    assert_eq!(response.get("transfer-encoding"), None);
    assert!(
        matches!(response.get("content-length"), None | Some("4")),
        "{}",
        response.head.text()
    );
}

#[test]
fn head_is_conditional_too() {
    let site = Site::new(|_| reply(200, &[FRESH, "ETag: \"a\""], "body"));
    site.get("/", "");
    site.ask("HEAD", "/", "If-None-Match: \"a\"\r\n")
        .expect(304)
        .expect_hit();
    site.ask("HEAD", "/", "If-None-Match: \"b\"\r\n")
        .expect(200)
        .expect_hit();
}

/// An origin with one resource, tagged, that honours If-None-Match.
fn tagged(control: &'static str) -> Site {
    Site::new(move |r| match r.get("if-none-match") {
        Some("\"a\"") => reply(304, &[control, "ETag: \"a\""], ""),
        _ => reply(200, &[control, "ETag: \"a\""], "body"),
    })
}

#[test]
fn a_condition_on_a_miss_never_fills_the_cache_with_a_304() {
    let site = tagged(FRESH);
    site.get("/", "If-None-Match: \"a\"\r\n").expect(304);
    site.get("/", "").expect(200).expect_body("body");
    site.get("/", "")
        .expect(200)
        .expect_body("body")
        .expect_hit();
}

#[test]
fn a_condition_on_a_miss_is_held_against_an_answer_that_is_not_stored() {
    const MODIFIED: &str = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT";
    for (fields, condition, status) in [
        (
            MODIFIED,
            "If-Modified-Since: Sun, 06 Nov 1994 08:49:38 GMT",
            304,
        ),
        (
            MODIFIED,
            "If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT",
            200,
        ),
        ("ETag: \"a\"", "If-None-Match: \"a\"", 304),
        ("ETag: \"a\"", "If-None-Match: \"b\"", 200),
        // With nothing to hold it against, a date of a clock that is ahead says nothing.
        (
            "X-Nothing: 1",
            "If-Modified-Since: Fri, 31 Dec 2400 00:00:00 GMT",
            200,
        ),
        // And a word that is no date is nothing.
        (
            "Last-Modified: 0",
            "If-Modified-Since: Fri, 31 Dec 2400 00:00:00 GMT",
            200,
        ),
    ] {
        let site = Site::new(move |_| {
            reply(
                200,
                &["Cache-Control: private, no-cache", "X-Kept: yes", fields],
                "private",
            )
        });
        let mut client = site.client();
        let answer = client.ask(format!(
            "GET / HTTP/1.1\r\nHost: site.test\r\n{condition}\r\n\r\n"
        ));
        assert_eq!(answer.status, status, "{fields} {condition}");
        assert_eq!(answer.get("x-kept"), Some("yes"), "{fields} {condition}");
        if status == 304 {
            assert_eq!(answer.get("content-length"), None);
            assert_eq!(answer.get("content-type"), None);
            // RFC 9211 section 2.3: left out, it would be that of this answer.
            let told = answer.get("cache-status").unwrap_or_default();
            assert!(told.contains("; fwd=uri-miss; fwd-status=200;"), "{told}");
        }
        // The framing was right if the connection carries another exchange; and nothing was stored.
        client
            .ask("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
            .expect(200)
            .expect_body("private");
        assert_eq!(site.origin.count(), 2);
    }
}

#[test]
fn a_stale_response_is_validated_with_its_etag() {
    let site = tagged(STALE);
    site.get("/", "").expect_body("body");
    let second = site.get("/", "").expect(200).expect_body("body");
    assert_eq!(site.origin.last().get("if-none-match"), Some("\"a\""));
    assert_eq!(
        second.fwd().as_deref(),
        Some("stale"),
        "{}",
        second.head.text()
    );
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn a_stale_response_is_validated_with_its_date() {
    let modified = http_date(-1000);
    let line = format!("Last-Modified: {modified}");
    let site = Site::new(move |r| match r.get("if-modified-since") {
        Some(_) => reply(304, &[], ""),
        None => reply(200, &[STALE, &line], "body"),
    });
    site.get("/", "").expect_body("body");
    site.get("/", "").expect(200).expect_body("body");
    assert_eq!(
        site.origin.last().get("if-modified-since"),
        Some(modified.as_str())
    );
}

#[test]
fn a_304_freshens_what_is_stored() {
    let site = Site::new(|r| match r.get("if-none-match") {
        Some(_) => reply(
            304,
            &[FRESH, "ETag: \"a\"", "X-Version: 2", "Content-Length: 99"],
            "",
        ),
        None => reply(
            200,
            &[STALE, "ETag: \"a\"", "X-Version: 1", "X-Kept: yes"],
            "body",
        ),
    });
    site.get("/", "");
    let second = site.get("/", "").expect(200).expect_body("body");
    assert_eq!(
        (second.get("x-version"), second.get("x-kept")),
        (Some("2"), Some("yes"))
    );
    let third = site.get("/", "").expect_hit().expect_body("body");
    assert_eq!(
        (third.get("x-version"), third.get("cache-control")),
        (Some("2"), Some("max-age=60"))
    );
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn a_200_to_a_validation_replaces_what_was_stored() {
    let site = Site::new(|r| {
        reply(
            200,
            &[
                if r.n == 1 { STALE } else { FRESH },
                &format!("ETag: \"{}\"", r.n),
            ],
            format!("body {}", r.n),
        )
    });
    site.get("/", "").expect_body("body 1");
    site.get("/", "").expect_body("body 2");
    site.get("/", "").expect_body("body 2").expect_hit();
}

#[test]
fn a_server_error_to_a_validation_does_not_destroy_what_is_stored() {
    let site = Site::new(|r| match r.n {
        2 => reply(503, &[], "down"),
        _ if r.get("if-none-match").is_some() => reply(304, &["ETag: \"a\""], ""),
        _ => reply(
            200,
            &["Cache-Control: max-age=0, must-revalidate", "ETag: \"a\""],
            format!("body {}", r.n),
        ),
    });
    site.get("/", "").expect_body("body 1");
    assert!(site.get("/", "").status >= 500);
    site.get("/", "").expect(200);
}

#[test]
fn a_client_s_condition_is_answered_after_a_validation() {
    let site = tagged(STALE);
    site.get("/", "");
    site.get("/", "If-None-Match: \"a\"\r\n").expect(304);
    site.get("/", "If-None-Match: \"old\"\r\n")
        .expect(200)
        .expect_body("body");
}

#[test]
fn no_cache_in_the_response_validates_each_time() {
    let site = tagged("Cache-Control: no-cache, max-age=60");
    for n in 1..4 {
        site.get("/", "").expect(200).expect_body("body");
        assert_eq!(site.origin.count(), n);
    }
    assert_eq!(site.origin.last().get("if-none-match"), Some("\"a\""));
}

#[test]
fn validation_keeps_to_the_variant() {
    let answer = |r: &Request| {
        let tag = format!("ETag: \"{}\"", r.get("accept-language").unwrap_or("none"));
        match r.get("if-none-match") {
            Some(_) => reply(304, &[&tag, "Vary: Accept-Language", STALE], ""),
            None => reply(
                200,
                &[&tag, "Vary: Accept-Language", STALE],
                r.get("accept-language").unwrap_or("none"),
            ),
        }
    };
    let site = Site::new(answer);
    for _ in 0..2 {
        for language in ["de", "en"] {
            site.get("/", &format!("Accept-Language: {language}\r\n"))
                .expect(200)
                .expect_body(language);
        }
    }
}

#[test]
fn without_last_modified_the_date_is_what_a_condition_is_held_against() {
    let now = date::now();
    let at = |offset: i64| date::format(now + offset);
    let dated = format!("Date: {}", at(-100));
    for (since, status) in [
        (at(-100), 304),
        (at(-50), 304),
        (at(0), 304),
        (at(-101), 200),
        (at(-3000), 200),
        ("Monday".to_owned(), 200),
    ] {
        assert_eq!(
            stored_then(
                &["Cache-Control: max-age=600", &dated],
                &format!("If-Modified-Since: {since}\r\n")
            ),
            status,
            "{since}"
        );
    }
}

#[test]
fn preconditions_that_are_for_an_origin_go_to_it_and_leave_what_is_stored() {
    // RFC 9111 section 4.3.2: If-Match and If-Unmodified-Since "are not applicable to a cache".
    let past = http_date(-1000);
    for (condition, value) in [
        ("If-Match", "\"other\""),
        ("If-Match", "*"),
        ("If-Unmodified-Since", &past),
    ] {
        let site = Site::new(|r: &Request| {
            let conditional = r.head.get("if-match").or(r.head.get("if-unmodified-since"));
            match conditional {
                Some(_) => reply(412, &["Cache-Control: max-age=60"], "no"),
                None => reply(200, &[FRESH, "ETag: \"a\""], "body"),
            }
        });
        site.get("/", "").expect_body("body");
        // Beside one of ours, too: step 1 or 2 of RFC 9110 section 13.2.2 comes before it.
        for more in ["", "If-None-Match: \"a\"\r\n"] {
            site.get("/", &format!("{condition}: {value}\r\n{more}"))
                .expect(412)
                .expect_fwd("bypass");
            assert_eq!(site.origin.last().head.get(condition), Some(value));
        }
        site.get("/", "").expect_hit().expect_body("body");
        assert_eq!(site.origin.count(), 3, "{condition}");
    }
}
