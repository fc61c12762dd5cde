//! Freshness and age: cases in tables, one RFC rule a test.

use crate::support::{SUN_06_NOV as NOW, date, head};
use understudy_http::semantics::cache_control::ResponseDirectives;
use understudy_http::semantics::freshness::{Freshness, Heuristic};

const MAX: u32 = 1 << 31;
const H: Heuristic = Heuristic {
    percent: 10,
    max: 86_400,
};

fn of(status: u16, lines: &str, request_time: i64, response_time: i64) -> Freshness {
    let head = head(lines);
    let cc = ResponseDirectives::parse(head.fields());
    Freshness::of(status, head.fields(), &cc, request_time, response_time, &H)
}

/// The lifetime of a response sent and received at `NOW`. `@+10` stands for the date 10 seconds later.
fn lifetime(lines: &str, expected: u32) {
    let f = of(200, &dated(lines), NOW, NOW);
    assert_eq!((f.lifetime, f.heuristic), (expected, false), "{lines}");
}

fn heuristic(status: u16, lines: &str, expected: Option<u32>) {
    let f = of(status, &dated(lines), NOW, NOW);
    assert_eq!(
        f.heuristic.then_some(f.lifetime),
        expected,
        "{status} {lines}"
    );
    assert!(expected.is_some() || f.lifetime == 0, "{status} {lines}");
}

fn initial_age(lines: &str, request_time: i64, response_time: i64, expected: u32) {
    let f = of(200, &dated(lines), request_time, response_time);
    assert_eq!(
        f.corrected_initial_age, expected,
        "{lines} {request_time} {response_time}"
    );
}

fn dated(lines: &str) -> String {
    let mut out = String::new();
    for line in lines.lines() {
        match line.split_once('@') {
            Some((name, offset)) => {
                out += &format!("{name}{}\n", date(NOW + offset.parse::<i64>().unwrap()))
            }
            None => out += &format!("{line}\n"),
        }
    }
    out
}

#[test]
fn s_maxage_goes_before_max_age_before_expires() {
    lifetime("Cache-Control: s-maxage=5, max-age=10\nExpires: @20", 5);
    lifetime("Cache-Control: max-age=5, s-maxage=10", 10);
    lifetime("Cache-Control: max-age=10\nDate: @0\nExpires: @20", 10);
    lifetime("Cache-Control: max-age=10\nExpires: 0", 10);
    lifetime("Cache-Control: public\nDate: @0\nExpires: @20", 20);
    lifetime("Cache-Control: max-age=0\nExpires: @20", 0);
    lifetime("Cache-Control: s-maxage=0, max-age=10", 0);
    lifetime("Cache-Control: s-maxage=x, max-age=10", 0);
    lifetime("Cache-Control: max-age=99999999999", MAX);
}

#[test]
fn expires_counts_from_date() {
    lifetime("Date: @0\nExpires: @20", 20);
    lifetime("Date: @-10\nExpires: @20", 30);
    lifetime("Date: @10\nExpires: @20", 10);
    lifetime("Date: @0\nExpires: @0", 0);
    lifetime("Date: @0\nExpires: @-20", 0);
    lifetime("Expires: @20", 20);
    lifetime("Date: x\nExpires: @20", 20);
    lifetime("Date: @0\nExpires: Fri, 31 Dec 9999 23:59:59 GMT", MAX);
    lifetime("Date: @0\nExpires: Thu, 01 Jan 1970 00:00:00 GMT", 0);
}

#[test]
fn a_malformed_expires_has_expired() {
    for value in [
        "0",
        "-1",
        "",
        "never",
        "Sun, 06 Nov 2094 08:49:37 UTC",
        "Mon, 06 Nov 2094 08:49:37 UTC",
    ] {
        lifetime(&format!("Expires: {value}\nLast-Modified: @-1000"), 0);
    }
}

#[test]
fn the_earliest_of_several_expires_counts() {
    lifetime("Expires: @20\nExpires: @10", 10);
    lifetime("Expires: @10\nExpires: @20", 10);
    lifetime("Expires: @10\nExpires: @10", 10);
    lifetime("Expires: @20\nExpires: 0", 0);
}

#[test]
fn the_heuristic_is_a_share_of_the_time_since_last_modified() {
    heuristic(200, "Last-Modified: @-1000", Some(100));
    heuristic(200, "Date: @0\nLast-Modified: @-1009", Some(100));
    heuristic(200, "Date: @-500\nLast-Modified: @-1000", Some(50));
    heuristic(200, "Last-Modified: @-9", Some(0));
    heuristic(200, "Last-Modified: @1000", Some(0));
    heuristic(200, "Last-Modified: @-100000000", Some(86_400));
    heuristic(
        200,
        "Cache-Control: must-revalidate\nLast-Modified: @-1000",
        Some(100),
    );
}

#[test]
fn the_heuristic_needs_a_last_modified_and_nothing_explicit() {
    heuristic(200, "", None);
    heuristic(200, "Last-Modified: x", None);
    heuristic(200, "ETag: \"x\"", None);
    lifetime("Cache-Control: max-age=5\nLast-Modified: @-1000", 5);
    lifetime("Cache-Control: max-age=x\nLast-Modified: @-1000", 0);
    lifetime("Expires: @5\nLast-Modified: @-1000", 5);
}

#[test]
fn the_heuristic_is_for_statuses_that_allow_it() {
    for status in [200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501] {
        heuristic(status, "Last-Modified: @-1000", Some(100));
    }
    for status in [
        201, 202, 302, 303, 307, 400, 401, 403, 406, 409, 416, 429, 500, 502, 503, 504,
    ] {
        heuristic(status, "Last-Modified: @-1000", None);
        heuristic(
            status,
            "Cache-Control: public\nLast-Modified: @-1000",
            Some(100),
        );
    }
}

#[test]
fn the_heuristic_does_not_overflow() {
    let head = head(&format!("Last-Modified: {}", date(0)));
    for (percent, max, expected) in [
        (u32::MAX, u32::MAX, MAX),
        (u32::MAX, 7, 7),
        (0, 7, 0),
        (100, u32::MAX, NOW as u32),
    ] {
        let f = Freshness::of(
            200,
            head.fields(),
            &ResponseDirectives::default(),
            NOW,
            NOW,
            &Heuristic { percent, max },
        );
        assert_eq!(f.lifetime, expected, "{percent} {max}");
    }
}

#[test]
fn the_age_field_is_read_with_care() {
    initial_age("Age: 10", NOW, NOW, 10);
    initial_age("Age: 0", NOW, NOW, 0);
    initial_age("Age: 10, 20", NOW, NOW, 10);
    initial_age("Age: 10\nAge: 20", NOW, NOW, 10);
    initial_age("Age: 99999999999999999999", NOW, NOW, MAX);
    for value in ["-10", "", "x", "1.5", "\"10\"", "+10", "10s", ", 10"] {
        initial_age(&format!("Age: {value}"), NOW, NOW, 0);
    }
}

#[test]
fn the_delay_of_the_response_counts() {
    initial_age("", NOW - 5, NOW, 5);
    initial_age("Age: 10", NOW - 5, NOW, 15);
    initial_age("Age: 10\nDate: @0", NOW - 5, NOW, 15);
    initial_age("Age: 4294967295", NOW - 5, NOW, MAX);
}

#[test]
fn the_apparent_age_counts_when_it_is_greater() {
    initial_age("Date: @-100", NOW, NOW, 100);
    initial_age("Date: @-100\nAge: 10", NOW - 5, NOW, 100);
    initial_age("Date: @-100\nAge: 98", NOW - 5, NOW, 103);
    initial_age("Date: @100", NOW, NOW, 0);
    initial_age("Date: x\nAge: 3", NOW, NOW, 3);
    initial_age("Date: Thu, 01 Jan 1970 00:00:00 GMT", NOW, NOW, NOW as u32);
}

#[test]
fn clocks_that_jump_back_never_underflow() {
    initial_age("", NOW, NOW - 100, 0);
    initial_age("Age: 7", NOW, NOW - 100, 7);
    initial_age("", i64::MAX, i64::MIN, 0);
    initial_age("", i64::MIN, i64::MAX, MAX);
    let f = Freshness {
        response_time: NOW,
        corrected_initial_age: 7,
        lifetime: 60,
        heuristic: false,
    };
    assert_eq!((f.age(NOW - 1), f.ttl(NOW - 1)), (7, 53));
    assert_eq!((f.age(i64::MIN), f.ttl(i64::MIN)), (7, 53));
}

#[test]
fn age_rises_and_ttl_falls() {
    let f = Freshness {
        response_time: NOW,
        corrected_initial_age: 7,
        lifetime: 60,
        heuristic: false,
    };
    for (later, age, ttl) in [
        (0, 7, 53),
        (1, 8, 52),
        (52, 59, 1),
        (53, 60, 0),
        (54, 61, -1),
        (1000, 1007, -947),
    ] {
        assert_eq!(
            (f.age(NOW + later), f.ttl(NOW + later)),
            (age, ttl),
            "{later}"
        );
    }
    assert_eq!(f.age(i64::MAX), MAX);
    assert_eq!(f.ttl(i64::MAX), 60 - i64::from(MAX));
}
