//! Targeted cache control (RFC 9213) and fields that an origin withholds from caches (RFC 9111 sections 5.2.2.4 and 5.2.2.7).
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Site, http_date, reply};

/// A site whose one answer has these fields.
fn answering(fields: &[&str]) -> Site {
    let fields: Vec<String> = fields.iter().map(|f| (*f).to_owned()).collect();
    Site::new(move |_| {
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        reply(200, &fields, "body")
    })
}

/// Whether the second of two requests is a hit.
fn check(fields: &[&str], hit: bool) {
    let site = answering(fields);
    site.get("/", "").expect(200);
    let second = site.get("/", "").expect(200);
    let asked = site.origin.count();
    assert_eq!(
        (second.is_hit(), asked),
        (hit, if hit { 1 } else { 2 }),
        "{fields:?}"
    );
}

#[test]
fn cdn_cache_control_decides_in_place_of_cache_control_and_expires() {
    let past = format!("Expires: {}", http_date(-1000));
    let future = format!("Expires: {}", http_date(1000));
    check(&["CDN-Cache-Control: max-age=60"], true);
    check(
        &["CDN-Cache-Control: max-age=60", "Cache-Control: no-store"],
        true,
    );
    check(
        &[
            "CDN-Cache-Control: max-age=60",
            "Cache-Control: private, max-age=0",
        ],
        true,
    );
    check(&["CDN-Cache-Control: max-age=60", &past], true);
    check(
        &[
            "CDN-Cache-Control: no-store",
            "Cache-Control: max-age=60",
            &future,
        ],
        false,
    );
    check(
        &[
            "CDN-Cache-Control: no-cache",
            "Cache-Control: max-age=60",
            &future,
        ],
        false,
    );
    check(
        &[
            "CDN-Cache-Control: private",
            "Cache-Control: max-age=60",
            &future,
        ],
        false,
    );
    check(
        &[
            "CDN-Cache-Control: max-age=0",
            "Cache-Control: max-age=60",
            &future,
        ],
        false,
    );
    check(
        &[
            "CDN-Cache-Control: max-age=60",
            "Age: 61",
            "Cache-Control: no-store",
        ],
        false,
    );
}

#[test]
fn a_malformed_one_is_as_if_it_were_absent() {
    check(
        &[
            "CDN-Cache-Control: max-age=60, &&&",
            "Cache-Control: no-store",
        ],
        false,
    );
    check(
        &[
            "CDN-Cache-Control: no-store, &&&",
            "Cache-Control: max-age=60",
        ],
        true,
    );
    check(
        &["CDN-Cache-Control: max-age =60", "Cache-Control: no-store"],
        false,
    );
    check(&["CDN-Cache-Control:", "Cache-Control: max-age=60"], true);
}

#[test]
fn it_goes_on_to_clients_as_the_rest_of_the_head_does() {
    let site = answering(&["CDN-Cache-Control: max-age=60", "Cache-Control: max-age=1"]);
    for _ in 0..2 {
        let response = site.get("/", "").expect(200);
        assert_eq!(response.get("cdn-cache-control"), Some("max-age=60"));
        assert_eq!(response.get("cache-control"), Some("max-age=1"));
    }
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn after_a_304_the_targeted_field_still_decides() {
    let site = Site::new(|r| match r.head.get("if-none-match") {
        Some(_) => reply(304, &["ETag: \"a\"", "CDN-Cache-Control: max-age=60"], ""),
        None => reply(
            200,
            &[
                "ETag: \"a\"",
                "CDN-Cache-Control: max-age=0",
                "Cache-Control: no-store",
            ],
            "body",
        ),
    });
    site.get("/", "").expect_fwd("uri-miss");
    site.get("/", "").expect_fwd("stale").expect_body("body");
    site.get("/", "").expect_hit().expect_body("body");
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn withheld_fields_reach_the_client_that_asked_and_no_other() {
    let site = answering(&[
        "Cache-Control: no-cache=\"Set-Cookie, X-A\", max-age=60",
        "Set-Cookie: a=b",
        "X-A: 1",
        "X-B: 2",
    ]);
    let first = site.get("/", "").expect(200);
    assert_eq!(
        (first.get("set-cookie"), first.get("x-a"), first.get("x-b")),
        (Some("a=b"), Some("1"), Some("2"))
    );
    assert!(first.is_stored());
    let second = site
        .get("/", "")
        .expect(200)
        .expect_hit()
        .expect_body("body");
    assert_eq!(
        (
            second.get("set-cookie"),
            second.get("x-a"),
            second.get("x-b")
        ),
        (None, None, Some("2"))
    );
}

/// Also the client that has the content already, and is told so.
#[test]
fn withheld_fields_reach_the_client_that_asked_under_conditions() {
    let site = answering(&[
        "Cache-Control: no-cache=\"Set-Cookie\", max-age=60",
        "Set-Cookie: a=b",
        "ETag: \"a\"",
    ]);
    for cookie in [Some("a=b"), None] {
        let got = site.get("/", "If-None-Match: \"a\"\r\n").expect(304);
        assert_eq!(got.get("set-cookie"), cookie);
    }
}

#[test]
fn a_304_does_not_bring_withheld_fields_into_the_store() {
    let site = Site::new(|r| {
        let fields = [
            "ETag: \"a\"",
            "Cache-Control: private=\"X-A\", max-age=60",
            "X-A: 1",
            "Age: 60",
        ];
        match r.head.get("if-none-match") {
            Some(_) => reply(304, &fields[..3], ""),
            None => reply(200, &fields, "body"),
        }
    });
    assert_eq!(site.get("/", "").expect(200).get("x-a"), Some("1"));
    site.get("/", "").expect_fwd("stale").expect_body("body");
    let third = site.get("/", "").expect_hit();
    assert_eq!(third.get("x-a"), None);
}
