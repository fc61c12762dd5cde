//! Preconditions: cases in tables, one RFC rule a test.

use crate::support::{SUN, SUN_06_NOV, date, head};
use understudy_http::semantics::conditional::{
    Outcome, Outcome::*, evaluate, has_preconditions, in_not_modified, strong_eq, weak_eq,
};
use understudy_http::{Method, Name};

fn check(request: &str, stored: &str, expected: Outcome) {
    let (request_head, stored_head) = (head(request), head(stored));
    for method in [Method::Get, Method::Head] {
        let outcome = evaluate(
            method,
            request_head.fields(),
            stored_head.fields(),
            SUN_06_NOV,
        );
        assert_eq!(outcome, expected, "{method:?} {request} / {stored}");
    }
}

fn none_match(list: &str, etag: &str, expected: Outcome) {
    check(
        &format!("If-None-Match: {list}"),
        &format!("ETag: {etag}"),
        expected,
    );
}

#[test]
fn without_preconditions_the_answer_is_full() {
    check("", "ETag: \"a\"", Full);
    check("If-Match: \"x\"", "ETag: \"a\"", Full);
    check(
        &format!("If-Unmodified-Since: {}", date(0)),
        &format!("Last-Modified: {SUN}"),
        Full,
    );
    check("If-Range: \"a\"", "ETag: \"a\"", Full);
}

#[test]
fn if_none_match_compares_weakly() {
    none_match("\"a\"", "\"a\"", NotModified);
    none_match("W/\"a\"", "\"a\"", NotModified);
    none_match("\"a\"", "W/\"a\"", NotModified);
    none_match("W/\"a\"", "W/\"a\"", NotModified);
    none_match("\"a\"", "\"b\"", Full);
    none_match("\"a\"", "\"A\"", Full);
    none_match("w/\"a\"", "\"a\"", Full);
    none_match("\"\"", "\"\"", NotModified);
    none_match("\"a\"", "a", Full);
    none_match("a", "\"a\"", Full);
    none_match("a", "a", NotModified);
}

#[test]
fn if_none_match_is_a_list() {
    none_match("\"a\", \"b\"", "\"b\"", NotModified);
    none_match("\"a\",\"b\"", "\"b\"", NotModified);
    none_match("\"a\"\t,\t\"b\"", "\"b\"", NotModified);
    none_match(",, \"a\" ,,", "\"a\"", NotModified);
    none_match("\"a\", W/\"b\", \"c\"", "\"b\"", NotModified);
    none_match("\"a\"\nIf-None-Match: \"b\"", "\"b\"", NotModified);
    none_match("\"a\", \"b\"", "\"c\"", Full);
    none_match("", "\"a\"", Full);
    none_match(",", "\"a\"", Full);
}

#[test]
fn a_comma_between_quotes_belongs_to_its_tag() {
    none_match("\"a,b\"", "\"a,b\"", NotModified);
    none_match("\"x\", \"a,b\"", "\"a,b\"", NotModified);
    none_match("\"a,b\"", "\"a\"", Full);
    none_match("\"a, \"b\"\"", "\"b\"", Full);
    none_match("\"a\",b,c\"", "b", NotModified);
    none_match("\"x,y\", \"z\"", "\"z\"", NotModified);
    none_match("W/\"x,y\", \"z\"", "\"x,y\"", NotModified);
}

#[test]
fn a_backslash_in_a_tag_escapes_nothing() {
    none_match("\"a\\\", \"b\"", "\"b\"", NotModified);
    none_match("\"a\\\"", "\"a\\\"", NotModified);
}

#[test]
fn a_quote_never_closed_is_an_ordinary_byte() {
    none_match("\"a, \"b\", \"c", "\"z\"", Full);
    none_match("x\", \"b\"", "\"b\"", Full);
    none_match("\"x, b", "b", NotModified);
}

#[test]
fn a_star_matches_any_stored_response() {
    none_match("*", "\"a\"", NotModified);
    check("If-None-Match: *", "", NotModified);
    none_match("\"*\"", "\"a\"", Full);
    none_match("*, \"b\"", "\"a\"", Full);
}

#[test]
fn a_response_without_tag_matches_no_list() {
    check("If-None-Match: \"a\"", "", Full);
    check("If-None-Match: \"\"", "ETag:", Full);
    check("If-None-Match:", "ETag:", Full);
    check("If-None-Match: W/", "ETag:", Full);
}

#[test]
fn if_none_match_goes_before_if_modified_since() {
    let stored = format!("ETag: \"a\"\nLast-Modified: {SUN}");
    check(
        &format!("If-None-Match: \"b\"\nIf-Modified-Since: {SUN}"),
        &stored,
        Full,
    );
    check(
        &format!("If-None-Match: \"a\"\nIf-Modified-Since: {}", date(0)),
        &stored,
        NotModified,
    );
    check(
        &format!("If-None-Match:\nIf-Modified-Since: {SUN}"),
        &stored,
        Full,
    );
    check(
        &format!("If-None-Match: \"a\"\nIf-Modified-Since: {SUN}"),
        &format!("Last-Modified: {SUN}"),
        Full,
    );
}

#[test]
fn if_modified_since_compares_dates() {
    let since = |offset: i64| format!("If-Modified-Since: {}", date(SUN_06_NOV + offset));
    let stored = format!("Last-Modified: {SUN}");
    check(&since(0), &stored, NotModified);
    check(&since(1), &stored, NotModified);
    check(&since(1_000_000_000), &stored, NotModified);
    check(&since(-1), &stored, Full);
    check(
        "If-Modified-Since: Sunday, 06-Nov-94 08:49:37 GMT",
        &stored,
        NotModified,
    );
    check(
        "If-Modified-Since: Sun Nov  6 08:49:37 1994",
        &stored,
        NotModified,
    );
}

#[test]
fn a_malformed_date_is_ignored() {
    let stored = format!("Last-Modified: {SUN}");
    for value in [
        "",
        "0",
        "now",
        "Sun, 06 Nov 2094 08:49:37 UTC",
        "Mon, 06 Nov 1994 08:49:37 UTC",
    ] {
        check(&format!("If-Modified-Since: {value}"), &stored, Full);
    }
    check(
        &format!("If-Modified-Since: {SUN}\nIf-Modified-Since: {SUN}"),
        &stored,
        Full,
    );
    check(&format!("If-Modified-Since: {SUN}, {SUN}"), &stored, Full);
}

#[test]
fn without_last_modified_date_and_then_the_time_of_receipt_count() {
    let since = |offset: i64| format!("If-Modified-Since: {}", date(SUN_06_NOV + offset));
    let dated = format!("Date: {}", date(SUN_06_NOV - 10));
    check(&since(-10), &dated, NotModified);
    check(&since(-11), &dated, Full);
    check(
        &since(-10),
        &format!("Last-Modified: x\n{dated}"),
        NotModified,
    );
    check(&since(0), "", NotModified);
    check(&since(-1), "", Full);
    check(&since(0), "Date: x", NotModified);
}

#[test]
fn other_methods_fail_where_get_is_not_modified() {
    let stored = head(&format!("ETag: \"a\"\nLast-Modified: {SUN}"));
    for method in [
        Method::Put,
        Method::Post,
        Method::Delete,
        Method::Patch,
        Method::Options,
    ] {
        let of = |request: &str| evaluate(method, head(request).fields(), stored.fields(), 0);
        assert_eq!(of("If-None-Match: \"a\""), Failed, "{method:?}");
        assert_eq!(of("If-None-Match: *"), Failed, "{method:?}");
        assert_eq!(of("If-None-Match: \"b\""), Full, "{method:?}");
        assert_eq!(of(&format!("If-Modified-Since: {SUN}")), Full, "{method:?}");
    }
}

#[test]
fn preconditions_a_cache_evaluates_are_seen() {
    let has = |lines: &str| has_preconditions(head(lines).fields());
    assert!(has("If-None-Match: \"a\""));
    assert!(has("Host: a\nif-modified-since: x"));
    assert!(!has(""));
    assert!(!has(
        "Host: a\nIf-Match: \"a\"\nIf-Unmodified-Since: x\nIf-Range: \"a\"\nRange: bytes=0-"
    ));
}

#[test]
fn tags_compare_strongly_and_weakly() {
    // The table of RFC 9110 section 8.8.3.2, then what is malformed.
    for (a, b, strong, weak) in [
        ("W/\"1\"", "W/\"1\"", false, true),
        ("W/\"1\"", "W/\"2\"", false, false),
        ("W/\"1\"", "\"1\"", false, true),
        ("\"1\"", "\"1\"", true, true),
        ("\"1\"", "\"2\"", false, false),
        ("\"\"", "\"\"", true, true),
        ("1", "1", false, true),
        ("\"1", "\"1", false, true),
        ("\"", "\"", false, true),
        ("w/\"1\"", "\"1\"", false, false),
    ] {
        for (a, b) in [(a, b), (b, a)] {
            assert_eq!(strong_eq(a.as_bytes(), b.as_bytes()), strong, "{a} {b}");
            assert_eq!(weak_eq(a.as_bytes(), b.as_bytes()), weak, "{a} {b}");
        }
    }
}

#[test]
fn a_304_carries_no_description_of_content() {
    for name in [
        Name::CacheControl,
        Name::ContentLocation,
        Name::Date,
        Name::Etag,
        Name::Expires,
        Name::Vary,
        Name::LastModified,
        Name::Via,
        Name::CacheStatus,
        Name::Server,
        Name::SetCookie,
        Name::Other,
    ] {
        assert!(in_not_modified(name), "{name:?}");
    }
    for name in [
        Name::ContentLength,
        Name::ContentType,
        Name::ContentEncoding,
        Name::ContentRange,
        Name::TransferEncoding,
        Name::Trailer,
        Name::Connection,
        Name::KeepAlive,
        Name::Upgrade,
    ] {
        assert!(!in_not_modified(name), "{name:?}");
    }
}
