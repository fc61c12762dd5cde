//! What a request's Cache-Control asks for (RFC 9111 section 5.2.1), and stale responses.
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Origin, Site, reply};

fn counting(fields: &'static [&'static str]) -> Site {
    Site::new(move |r| reply(200, fields, r.n.to_string()))
}

#[test]
fn no_cache_and_max_age_zero_go_to_the_origin_and_refresh_the_cache() {
    for directive in ["no-cache", "max-age=0", "foo, NO-CACHE"] {
        let site = counting(&["Cache-Control: max-age=60"]);
        site.get("/", "").expect_body("1");
        site.get("/", &format!("Cache-Control: {directive}\r\n"))
            .expect_body("2")
            .expect_fwd("request");
        site.get("/", "").expect_body("2").expect_hit();
    }
}

#[test]
fn max_age_bounds_the_age() {
    let site = counting(&["Cache-Control: max-age=600", "Age: 100"]);
    site.get("/", "").expect_body("1");
    site.get("/", "Cache-Control: max-age=300\r\n")
        .expect_body("1")
        .expect_hit();
    site.get("/", "Cache-Control: max-age=50\r\n")
        .expect_body("2");
}

#[test]
fn min_fresh_wants_time_left() {
    let site = counting(&["Cache-Control: max-age=60"]);
    site.get("/", "").expect_body("1");
    site.get("/", "Cache-Control: min-fresh=10\r\n")
        .expect_body("1")
        .expect_hit();
    site.get("/", "Cache-Control: min-fresh=100\r\n")
        .expect_body("2");
}

#[test]
fn no_store_in_a_request_keeps_the_answer_out_of_the_cache() {
    let site = counting(&["Cache-Control: max-age=60"]);
    site.get("/", "Cache-Control: no-store\r\n")
        .expect_body("1");
    site.get("/", "").expect_body("2");
    site.get("/", "").expect_body("2").expect_hit();
}

#[test]
fn only_if_cached() {
    let site = counting(&["Cache-Control: max-age=60"]);
    let page = site
        .get("/", "Cache-Control: only-if-cached\r\n")
        .expect(504);
    assert_eq!(page.get("cache-control"), Some("no-store"));
    assert_eq!(site.origin.count(), 0);
    site.get("/", "").expect_body("1");
    site.get("/", "Cache-Control: only-if-cached\r\n")
        .expect(200)
        .expect_hit();
}

#[test]
fn only_if_cached_does_not_validate() {
    let site = counting(&["Cache-Control: max-age=0", "ETag: \"a\""]);
    site.get("/", "");
    site.get("/", "Cache-Control: only-if-cached\r\n")
        .expect(504);
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn max_stale_takes_a_stale_response() {
    // Stored because it has a validator; stale by 40 seconds on arrival.
    let site = counting(&["Cache-Control: max-age=60", "Age: 100", "ETag: \"a\""]);
    site.get("/", "").expect_body("1");
    site.get("/", "Cache-Control: max-stale\r\n")
        .expect_body("1")
        .expect_hit();
    site.get("/", "Cache-Control: max-stale=300\r\n")
        .expect_body("1")
        .expect_hit();
    site.get("/", "Cache-Control: max-stale=10\r\n")
        .expect_body("2");
}

#[test]
fn max_stale_cannot_pass_what_the_origin_forbids() {
    for control in [
        "must-revalidate",
        "proxy-revalidate",
        "s-maxage=60",
        "no-cache",
    ] {
        let site = Site::new(move |r| {
            reply(
                200,
                &[
                    &format!("Cache-Control: max-age=60, {control}"),
                    "Age: 100",
                    "ETag: \"a\"",
                ],
                r.n.to_string(),
            )
        });
        site.get("/", "").expect_body("1");
        site.get("/", "Cache-Control: max-stale\r\n")
            .expect_body("2");
    }
}

/// Answers once with these fields, then closes every connection without an answer.
fn dying(control: &'static str) -> Site {
    Site::of(Origin::scripted(move |conn| {
        if let Some(r) = conn.request()
            && r.n == 1
        {
            conn.send(reply(
                200,
                &[control, "ETag: \"a\"", "Connection: close"],
                "body",
            ));
        }
    }))
}

#[test]
fn stale_if_error_serves_stale_when_the_origin_fails() {
    let site = dying("Cache-Control: max-age=0, stale-if-error=600");
    site.get("/", "").expect_body("body");
    let stale = site.get("/", "").expect(200).expect_body("body");
    assert!(stale.get("age").is_some(), "{}", stale.head.text());
}

#[test]
fn stale_if_error_serves_stale_on_a_server_error() {
    let site = Site::new(|r| match r.n {
        1 => reply(
            200,
            &[
                "Cache-Control: max-age=0, stale-if-error=600",
                "ETag: \"a\"",
            ],
            "body",
        ),
        _ => reply(503, &[], "down"),
    });
    site.get("/", "").expect_body("body");
    site.get("/", "").expect(200).expect_body("body");
}

#[test]
fn must_revalidate_is_an_error_when_the_origin_fails() {
    for control in [
        "Cache-Control: max-age=0, must-revalidate",
        "Cache-Control: s-maxage=0",
        "Cache-Control: no-cache",
    ] {
        let site = dying(control);
        site.get("/", "").expect_body("body");
        let status = site.get("/", "").status;
        assert!(matches!(status, 502 | 504), "{control}: {status}");
    }
}
