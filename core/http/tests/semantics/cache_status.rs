//! Cache-Status: cases in tables, one RFC rule a test.

use understudy_http::semantics::cache_status::{CacheStatus, Forward};

const NONE: CacheStatus<'static> = CacheStatus {
    hit: false,
    fwd: None,
    fwd_status: None,
    ttl: None,
    stored: false,
    collapsed: false,
    detail: None,
};

fn check(name: &str, status: CacheStatus<'_>, expected: &str) {
    let mut out = b"other; hit, ".to_vec();
    status.write(name, &mut out);
    assert_eq!(
        String::from_utf8(out).unwrap(),
        format!("other; hit, {expected}")
    );
}

fn detail(text: &str, expected: &str) {
    check(
        "c",
        CacheStatus {
            detail: Some(text),
            ..NONE
        },
        &format!("c; detail={expected}"),
    );
}

#[test]
fn a_hit_has_its_time_left() {
    check("c", CacheStatus { hit: true, ..NONE }, "c; hit");
    check(
        "c",
        CacheStatus {
            hit: true,
            ttl: Some(376),
            ..NONE
        },
        "c; hit; ttl=376",
    );
    check(
        "c",
        CacheStatus {
            hit: true,
            ttl: Some(-412),
            ..NONE
        },
        "c; hit; ttl=-412",
    );
    check(
        "c",
        CacheStatus {
            hit: true,
            ttl: Some(0),
            ..NONE
        },
        "c; hit; ttl=0",
    );
}

#[test]
fn a_forwarded_request_has_its_reason() {
    for (fwd, word) in [
        (Forward::Bypass, "bypass"),
        (Forward::Method, "method"),
        (Forward::UriMiss, "uri-miss"),
        (Forward::VaryMiss, "vary-miss"),
        (Forward::Miss, "miss"),
        (Forward::Request, "request"),
        (Forward::Stale, "stale"),
        (Forward::Partial, "partial"),
    ] {
        check(
            "c",
            CacheStatus {
                fwd: Some(fwd),
                ..NONE
            },
            &format!("c; fwd={word}"),
        );
    }
}

#[test]
fn everything_has_its_place() {
    let all = CacheStatus {
        hit: false,
        fwd: Some(Forward::Stale),
        fwd_status: Some(304),
        ttl: Some(60),
        stored: true,
        collapsed: true,
        detail: Some("no-room"),
    };
    check(
        "c",
        all,
        "c; fwd=stale; fwd-status=304; ttl=60; stored; collapsed; detail=no-room",
    );
    check("c", NONE, "c");
}

#[test]
fn hit_and_fwd_exclude_each_other() {
    let both = CacheStatus {
        hit: true,
        fwd: Some(Forward::Stale),
        fwd_status: Some(304),
        ..NONE
    };
    check("c", both, "c; hit");
    check(
        "c",
        CacheStatus {
            fwd_status: Some(200),
            ..NONE
        },
        "c",
    );
}

#[test]
fn a_name_is_a_token_or_a_string() {
    check("Understudy", NONE, "Understudy");
    check(
        "cache-1.example.com:3128/x",
        NONE,
        "cache-1.example.com:3128/x",
    );
    check("*a", NONE, "*a");
    check("", NONE, "\"\"");
    check("1cache", NONE, "\"1cache\"");
    check("my cache", NONE, "\"my cache\"");
    check("a\"b\\c", NONE, "\"a\\\"b\\\\c\"");
    check("a;b", NONE, "\"a;b\"");
    check("a,b", NONE, "\"a,b\"");
}

#[test]
fn a_detail_cannot_leave_its_string() {
    detail("private", "private");
    detail("a b", "\"a b\"");
    detail("x\r\nSet-Cookie: a", "\"x??Set-Cookie: a\"");
    detail("\"; hit", "\"\\\"; hit\"");
    detail("\u{e9}", "\"??\"");
    detail("\u{7f}", "\"?\"");
}

#[test]
fn an_integer_has_at_most_fifteen_digits() {
    check(
        "c",
        CacheStatus {
            ttl: Some(i64::MAX),
            ..NONE
        },
        "c; ttl=999999999999999",
    );
    check(
        "c",
        CacheStatus {
            ttl: Some(i64::MIN),
            ..NONE
        },
        "c; ttl=-999999999999999",
    );
}
