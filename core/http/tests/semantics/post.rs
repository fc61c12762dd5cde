//! Answers to POST that answer GETs: cases in a table.

use crate::support::head;
use understudy_http::semantics::post::may_answer_get;
use understudy_http::semantics::targeted::{DEFAULT_TARGETS, response_directives};

fn check(status: u16, lines: &str, expected: bool) {
    let head = head(lines);
    let cc = response_directives(head.fields(), DEFAULT_TARGETS);
    let target = b"http://a.test:80/b/c?d";
    assert_eq!(
        may_answer_get(target, status, head.fields(), &cc),
        expected,
        "{status} {lines}"
    );
}

#[test]
fn a_content_location_that_is_the_target_makes_it_an_answer_to_get() {
    for location in [
        "/b/c?d",
        "c?d",
        "?d",
        "",
        "#x",
        "//a.test/b/c?d",
        "http://a.test/b/c?d",
        "HTTP://A.TEST:80/b/../b/./c?d",
        "/b/c?d#x",
    ] {
        check(
            200,
            &format!("Content-Location: {location}\nCache-Control: max-age=60"),
            true,
        );
    }
}

#[test]
fn another_location_does_not() {
    for location in [
        "/b/c",
        "/b/c?e",
        "/",
        "http://b.test/b/c?d",
        "https://a.test/b/c?d",
        "http://a.test:81/b/c?d",
        "/B/c?d",
        "/b/%63?d",
        "a b",
    ] {
        check(
            200,
            &format!("Content-Location: {location}\nCache-Control: max-age=60"),
            false,
        );
    }
    check(200, "Cache-Control: max-age=60", false);
    check(200, "Location: /b/c?d\nCache-Control: max-age=60", false);
    check(
        200,
        "Content-Location: /b/c?d\nContent-Location: /b/c?d\nCache-Control: max-age=60",
        false,
    );
}

#[test]
fn its_freshness_must_be_explicit() {
    let located = |lines: &str| format!("Content-Location: ?d\n{lines}");
    check(200, &located("Cache-Control: s-maxage=60"), true);
    check(
        200,
        &located("Expires: Sun, 06 Nov 2094 08:49:37 GMT"),
        true,
    );
    check(200, &located("CDN-Cache-Control: max-age=60"), true);
    check(200, &located(""), false);
    check(200, &located("Cache-Control: public"), false);
    check(
        200,
        &located("Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT"),
        false,
    );
    check(
        200,
        &located("CDN-Cache-Control: public\nExpires: Sun, 06 Nov 2094 08:49:37 GMT"),
        false,
    );
}

#[test]
fn no_other_status_is_an_answer_to_get() {
    for status in [201, 202, 203, 204, 205, 206, 301, 303, 304, 404, 500] {
        check(
            status,
            "Content-Location: ?d\nCache-Control: max-age=60",
            false,
        );
    }
}
