//! Byte ranges: cases in tables, one RFC rule a test.

use crate::support::{SUN, SUN_06_NOV, date, head};
use understudy_http::semantics::range::{ByteSpan, RangeAnswer, RangeAnswer::*, answer};

fn check(range: &str, length: u64, expected: RangeAnswer) {
    let request = head(&format!("Range: {range}"));
    assert_eq!(
        answer(request.fields(), head("").fields(), length),
        expected,
        "{range} of {length}"
    );
}

fn part(range: &str, length: u64, first: u64, last: u64) {
    check(range, length, Part { first, last });
}

fn parts(range: &str, length: u64, spans: &[(u64, u64)]) {
    let spans = spans
        .iter()
        .map(|(first, last)| ByteSpan::of(*first, *last));
    check(range, length, Parts(spans.map(Option::unwrap).collect()));
}

fn if_range(validator: &str, stored: &str, holds: bool) {
    let request = head(&format!("Range: bytes=0-4\nIf-Range: {validator}"));
    let expected = if holds {
        Part { first: 0, last: 4 }
    } else {
        Whole
    };
    assert_eq!(
        answer(request.fields(), head(stored).fields(), 10),
        expected,
        "{validator} / {stored}"
    );
}

#[test]
fn a_range_lies_within_the_body() {
    part("bytes=0-4", 10, 0, 4);
    part("bytes=0-0", 10, 0, 0);
    part("bytes=5-9", 10, 5, 9);
    part("bytes=9-9", 10, 9, 9);
    part("bytes=0-9", 10, 0, 9);
    part("bytes=5-10", 10, 5, 9);
    part("bytes=5-99999", 10, 5, 9);
    part("bytes=0-99999999999999999999999", 10, 0, 9);
    part("bytes=000-004", 10, 0, 4);
}

#[test]
fn an_open_range_goes_to_the_end() {
    part("bytes=0-", 10, 0, 9);
    part("bytes=9-", 10, 9, 9);
    part("bytes=0-", 1, 0, 0);
    part("bytes=0-", u64::MAX, 0, u64::MAX - 1);
}

#[test]
fn a_suffix_counts_from_the_end() {
    part("bytes=-1", 10, 9, 9);
    part("bytes=-10", 10, 0, 9);
    part("bytes=-11", 10, 0, 9);
    part("bytes=-99999999999999999999999", 10, 0, 9);
    part("bytes=-5", u64::MAX, u64::MAX - 5, u64::MAX - 1);
}

#[test]
fn what_lies_outside_is_unsatisfiable() {
    check("bytes=10-", 10, Unsatisfiable);
    check("bytes=10-20", 10, Unsatisfiable);
    check("bytes=99999999999999999999999-", 10, Unsatisfiable);
    check("bytes=-0", 10, Unsatisfiable);
    check("bytes=-000", 10, Unsatisfiable);
}

#[test]
fn an_empty_body_has_no_ranges() {
    check("bytes=0-", 0, Unsatisfiable);
    check("bytes=0-0", 0, Unsatisfiable);
    check("bytes=-0", 0, Unsatisfiable);
    check("bytes=-1", 0, Whole);
}

#[test]
fn white_space_and_case() {
    part("Bytes=0-4", 10, 0, 4);
    part("BYTES=0-4", 10, 0, 4);
    part("bytes= 0-4 ", 10, 0, 4);
    part("bytes=,0-4", 10, 0, 4);
    part("bytes=0-4 , ,", 10, 0, 4);
}

#[test]
fn what_is_malformed_or_unknown_gives_the_whole() {
    for range in [
        "",
        "bytes",
        "bytes=",
        "bytes=,",
        "bytes=-",
        "bytes=5",
        "bytes=a-b",
        "bytes=0-a",
        "bytes=a-",
        "bytes=-a",
        "bytes=--1",
        "bytes=1--2",
        "bytes=0-1-2",
        "bytes=0x0-4",
        "bytes=+0-4",
        "bytes=0 - 4",
        "bytes=0 -4",
        "bytes =0-4",
        "bytes:0-4",
        "byte=0-4",
        "seconds=0-4",
        "items=0-4",
        "=0-4",
        "0-4",
        "bytes=5-4",
        "bytes=\"0-4\"",
        "bytes=0-4;x",
        "bytes 0-4/10",
    ] {
        check(range, 10, Whole);
    }
}

#[test]
fn several_ranges_are_answered_in_the_order_asked_for() {
    parts("bytes=0-1,3-4", 10, &[(0, 1), (3, 4)]);
    parts("bytes=0-1, 3-4", 10, &[(0, 1), (3, 4)]);
    parts("bytes=7-8,0-1", 10, &[(7, 8), (0, 1)]);
    parts("bytes=-2,0-1", 10, &[(8, 9), (0, 1)]);
    parts("bytes=0-0,2-2,4-4", 10, &[(0, 0), (2, 2), (4, 4)]);
    // What cannot be satisfied is left out.
    parts("bytes=0-1,20-30,8-", 10, &[(0, 1), (8, 9)]);
    part("bytes=20-30,3-4", 10, 3, 4);
    check("bytes=20-30,40-50", 10, Unsatisfiable);
    check("bytes=0-1,-0,a", 10, Whole);
    check("bytes=0-1,5-4", 10, Whole);
}

#[test]
fn ranges_that_overlap_or_abut_are_joined() {
    part("bytes=0-4,5-9", 10, 0, 9);
    part("bytes=5-9,0-4", 10, 0, 9);
    part("bytes=0-5,3-7", 10, 0, 7);
    part("bytes=0-0,0-0", 10, 0, 0);
    parts("bytes=0-1,6-7,2-3", 10, &[(0, 3), (6, 7)]);
    parts("bytes=6-7,0-1,2-3", 10, &[(6, 7), (0, 3)]);
    // The last joins the first two, which stand where the first stood.
    parts("bytes=4-5,0-1,2-3,8-9", 10, &[(0, 5), (8, 9)]);
}

#[test]
fn abusive_sets_give_the_whole() {
    check("bytes=0-,0-,0-,0-", 10, Whole);
    check("bytes=0-9,1-8,2-7,3-6,4-5", 10, Whole);
    let falling: Vec<String> = (0..20).rev().map(|n| format!("{0}-{0}", n * 5)).collect();
    check(&format!("bytes={}", falling.join(",")), 1000, Whole);
    let rising: Vec<String> = (0..20).map(|n| format!("{0}-{0}", n * 5)).collect();
    let spans: Vec<(u64, u64)> = (0..20).map(|n| (n * 5, n * 5)).collect();
    parts(&format!("bytes={}", rising.join(",")), 1000, &spans);
    let many: Vec<String> = (0..65).map(|n| format!("{0}-{0}", n * 5)).collect();
    check(&format!("bytes={}", many.join(",")), 1000, Whole);
}

#[test]
fn a_range_on_two_lines_is_ignored() {
    check("bytes=0-1\nRange: bytes=0-1", 10, Whole);
    let request = head("Host: a");
    assert_eq!(answer(request.fields(), head("").fields(), 10), Whole);
}

#[test]
fn if_range_with_a_tag_compares_strongly() {
    if_range("\"a\"", "ETag: \"a\"", true);
    if_range("\"a\"", "ETag: \"b\"", false);
    if_range("W/\"a\"", "ETag: W/\"a\"", false);
    if_range("\"a\"", "ETag: W/\"a\"", false);
    if_range("W/\"a\"", "ETag: \"a\"", false);
    if_range("\"a\"", "", false);
    if_range("a", "ETag: a", false);
    if_range("\"a\", \"b\"", "ETag: \"a\"", false);
    if_range("*", "ETag: \"a\"", false);
    if_range("", "ETag: \"a\"", false);
    if_range("\"a\"\nIf-Range: \"a\"", "ETag: \"a\"", false);
}

#[test]
fn if_range_with_a_date_compares_exactly() {
    let stored = |modified: i64, dated: i64| {
        format!(
            "Last-Modified: {}\nDate: {}",
            date(SUN_06_NOV + modified),
            date(SUN_06_NOV + dated)
        )
    };
    if_range(SUN, &stored(0, 10), true);
    if_range("Sun Nov  6 08:49:37 1994", &stored(0, 10), true);
    if_range(SUN, &stored(1, 10), false);
    if_range(SUN, &stored(-1, 10), false);
    // A Last-Modified within the second of Date, or without one, is no strong validator.
    if_range(SUN, &stored(0, 1), true);
    if_range(SUN, &stored(0, 0), false);
    if_range(SUN, &stored(0, -1), false);
    if_range(SUN, &format!("Last-Modified: {SUN}"), false);
    if_range(SUN, &format!("Date: {SUN}"), false);
    if_range("yesterday", &stored(0, 10), false);
}

#[test]
fn an_if_range_that_fails_hides_an_unsatisfiable_range() {
    let request = head("Range: bytes=20-\nIf-Range: \"b\"");
    assert_eq!(
        answer(request.fields(), head("ETag: \"a\"").fields(), 10),
        Whole
    );
    assert_eq!(
        answer(request.fields(), head("ETag: \"b\"").fields(), 10),
        Unsatisfiable
    );
}
