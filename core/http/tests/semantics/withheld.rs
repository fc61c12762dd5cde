//! Fields that an origin keeps out of shared caches: cases in a table.

use crate::support::head;
use understudy_http::semantics::cache_control::ResponseDirectives;
use understudy_http::semantics::withheld::withholds;

/// Of the fields `a`, `b` and `Set-Cookie` those withheld, and whether the whole response counts as `no-cache` or `private`.
fn check(cache_control: &str, expected: &str, whole: bool) {
    let head = head(&format!("Cache-Control: {cache_control}"));
    let cc = ResponseDirectives::parse(head.fields());
    let withheld: Vec<&str> = ["a", "b", "Set-Cookie"]
        .into_iter()
        .filter(|name| withholds(head.fields(), &cc, name.as_bytes()))
        .collect();
    assert_eq!(withheld.join(" "), expected, "{cache_control}");
    assert_eq!(cc.no_cache || cc.private, whole, "{cache_control}");
    assert_eq!(cc.withholds, !expected.is_empty(), "{cache_control}");
}

#[test]
fn named_fields_are_withheld_and_the_rest_is_not() {
    check("max-age=9", "", false);
    check("no-cache=\"a\"", "a", false);
    check("no-cache=\"a, b\"", "a b", false);
    check("no-cache=\"a\", private=\"b\"", "a b", false);
    check(
        "no-cache=\"a\"\nCache-Control: max-age=1, no-cache=\"b\"",
        "a b",
        false,
    );
    check("private=\"SET-COOKIE\"", "Set-Cookie", false);
    check("No-Cache=\" ,Set-Cookie , a,\"", "a Set-Cookie", false);
    check("no-cache=\"etag, a\"", "a", false);
}

#[test]
fn what_is_no_list_of_names_is_said_of_the_whole() {
    for value in [
        "no-cache",
        "no-cache=",
        "no-cache=\"\"",
        "no-cache=\",\"",
        "no-cache=a",
        "no-cache=\"a;b\"",
        "no-cache='a'",
        "private=\"a",
        "private=true",
    ] {
        check(value, "", true);
    }
}

#[test]
fn an_unqualified_directive_counts_beside_a_qualified_one() {
    check("no-cache=\"a\", no-cache", "a", true);
    check("private, no-cache=\"a\"", "a", true);
}

#[test]
fn naming_what_a_response_cannot_be_without_is_said_of_the_whole() {
    for name in [
        "Content-Type",
        "vary",
        "cache-control",
        "Date",
        "Content-Encoding",
        "a, expires",
    ] {
        check(&format!("no-cache=\"{name}\""), "", true);
        check(&format!("private=\"{name}\""), "", true);
    }
}
