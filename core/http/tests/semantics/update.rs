//! Freshening by a 304: cases in tables, one RFC rule a test.

use crate::support::{SUN, date, head};
use understudy_http::semantics::storing::NoStoreReason;
use understudy_http::semantics::update::{outdates, validates, write_updated};

/// Lines are written `Name: value`, one a line, in the order expected.
fn updated(stored: &str, not_modified: &str, expected: &str) {
    let mut out = b"kept".to_vec();
    write_updated(head(stored).fields(), head(not_modified).fields(), &mut out);
    let expected: String = expected.lines().map(|line| format!("{line}\r\n")).collect();
    assert_eq!(
        String::from_utf8(out).unwrap(),
        format!("kept{expected}"),
        "{stored} / {not_modified}"
    );
}

fn check(stored: &str, not_modified: &str, expected: bool) {
    let (stored_head, new) = (head(stored), head(not_modified));
    assert_eq!(
        validates(stored_head.fields(), new.fields()),
        expected,
        "{stored} / {not_modified}"
    );
}

#[test]
fn what_the_304_has_replaces_what_is_stored() {
    updated("A: 1\nB: 2", "", "A: 1\nB: 2");
    updated("", "A: 1", "A: 1");
    updated("A: 1\nB: 2", "A: 3", "A: 3\nB: 2");
    updated("A: 1\nB: 2", "a: 3", "a: 3\nB: 2");
    updated("A: 1\nB: 2", "C: 3", "A: 1\nB: 2\nC: 3");
    updated(
        "Cache-Control: max-age=1\nServer: x",
        "cache-control: max-age=2",
        "cache-control: max-age=2\nServer: x",
    );
    updated(
        "Expires: 0\nVary: A",
        "Vary: B\nExpires: 1",
        "Expires: 1\nVary: B",
    );
}

#[test]
fn all_lines_of_a_field_are_replaced_at_the_place_of_the_first() {
    updated("A: 1\nB: 2\nA: 3", "A: 4", "A: 4\nB: 2");
    updated("A: 1\nB: 2", "A: 3\nC: 5\nA: 4", "A: 3\nA: 4\nB: 2\nC: 5");
    updated("Link: 1\nLink: 2", "Link: 3\nLink: 4", "Link: 3\nLink: 4");
    updated("Vary: A\nVary: B", "Vary: C", "Vary: C");
}

#[test]
fn what_describes_the_stored_body_stays() {
    for field in [
        "Content-Length",
        "Content-Encoding",
        "Content-Range",
        "ETag",
    ] {
        updated(
            &format!("{field}: old"),
            &format!("{field}: new"),
            &format!("{field}: old"),
        );
    }
    for field in [
        "Content-Length",
        "Content-Encoding",
        "Content-Range",
        "Transfer-Encoding",
    ] {
        updated("A: 1", &format!("{field}: new"), "A: 1");
    }
    updated("A: 1", "ETag: \"new\"", "A: 1\nETag: \"new\"");
    updated("Last-Modified: x", "Last-Modified: y", "Last-Modified: y");
    // Section 3.2 says of no other Content-* that it stays.
    for field in [
        "Content-Type",
        "Content-Language",
        "Content-Location",
        "Content-Disposition",
        "Content-Security-Policy",
        "Content-MD5",
        "Content-Foo",
    ] {
        let (old, new) = (format!("{field}: old"), format!("{field}: new"));
        updated(&old, &new, &new);
        updated("A: 1", &new, &format!("A: 1\n{new}"));
    }
}

#[test]
fn what_is_for_one_hop_is_not_taken() {
    updated(
        "A: 1",
        "Connection: close\nKeep-Alive: 5\nTE: x\nTrailer: x\nUpgrade: x\nProxy-Connection: x",
        "A: 1",
    );
    updated(
        "A: 1",
        "Proxy-Authenticate: x\nProxy-Authentication-Info: x\nProxy-Authorization: x",
        "A: 1",
    );
    updated(
        "A: 1",
        "Connection: x-hop, A\nX-Hop: 1\nA: 2\nB: 3",
        "A: 1\nB: 3",
    );
}

#[test]
fn the_age_is_that_of_the_304() {
    updated("Age: 100\nA: 1", "", "A: 1");
    updated("Age: 100\nA: 1", "Age: 3", "A: 1\nAge: 3");
    updated("A: 1", "Age: 3", "A: 1\nAge: 3");
}

#[test]
fn tags_decide_when_both_have_one() {
    check("ETag: \"a\"", "ETag: \"a\"", true);
    check("ETag: \"a\"", "ETag: \"b\"", false);
    check("ETag: W/\"a\"", "ETag: \"a\"", true);
    check("ETag: \"a\"", "ETag: W/\"a\"", true);
    check(
        &format!("ETag: \"a\"\nLast-Modified: {SUN}"),
        &format!("ETag: \"a\"\nLast-Modified: {}", date(0)),
        true,
    );
    check(
        &format!("ETag: \"a\"\nLast-Modified: {SUN}"),
        &format!("ETag: \"b\"\nLast-Modified: {SUN}"),
        false,
    );
}

#[test]
fn a_strong_tag_that_is_not_stored_validates_nothing() {
    check(
        &format!("Last-Modified: {SUN}"),
        &format!("ETag: \"a\"\nLast-Modified: {SUN}"),
        false,
    );
    check("", "ETag: \"a\"", false);
    check(
        &format!("Last-Modified: {SUN}"),
        &format!("ETag: W/\"a\"\nLast-Modified: {SUN}"),
        true,
    );
}

#[test]
fn without_a_pair_of_tags_last_modified_must_not_disagree() {
    let (sunday, epoch) = (
        format!("Last-Modified: {SUN}"),
        format!("Last-Modified: {}", date(0)),
    );
    check(&sunday, &sunday, true);
    check(&sunday, &epoch, false);
    check(&sunday, "Last-Modified: Sun Nov  6 08:49:37 1994", true);
    check(&sunday, "Last-Modified: x", false);
    check(&format!("ETag: \"a\"\n{sunday}"), &epoch, false);
    check(&format!("ETag: \"a\"\n{sunday}"), &sunday, true);
}

#[test]
fn a_304_without_validators_speaks_of_what_was_asked() {
    check("ETag: \"a\"", "", true);
    check(&format!("Last-Modified: {SUN}"), "Date: x", true);
    check("", "", true);
    check("ETag: \"a\"", &format!("Last-Modified: {SUN}"), true);
}

#[test]
fn a_full_answer_outdates_what_was_to_be_validated_unless_it_speaks_of_the_request() {
    use NoStoreReason::*;
    for status in [200, 204, 206, 301, 302, 307, 400, 404, 410, 451] {
        for (why, outdated) in [
            (ResponseNoStore, true),
            (Private, true),
            (NoFreshness, true),
            (TooLarge, true),
            (RequestNoStore, false),
            (Authorization, false),
            (SetCookie, false),
            (Module, false),
        ] {
            assert_eq!(outdates(status, why, false), outdated, "{status} {why}");
        }
    }
    for status in [
        304, 401, 403, 407, 408, 412, 416, 421, 425, 429, 500, 501, 502, 503, 504, 511,
    ] {
        assert!(!outdates(status, ResponseNoStore, false), "{status}");
    }
    // A page for one client beside the one that is for all.
    assert!(!outdates(200, Private, true) && !outdates(200, ResponseNoStore, true));
    assert!(outdates(404, ResponseNoStore, true) && outdates(200, NoFreshness, true));
}
