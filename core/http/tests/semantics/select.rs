//! Variants that an origin may choose from, and what it chose: cases in tables.

use crate::support::head;
use understudy_http::semantics::select::{chose, offered};

fn check(request: &str, stored: &str, expected: Option<&str>) {
    let (request_head, stored_head) = (head(request), head(stored));
    let tag = offered(request_head.fields(), stored_head.fields());
    assert_eq!(tag, expected.map(str::as_bytes), "{request} / {stored}");
}

#[test]
fn strong_tags_alone_are_offered() {
    check("", "ETag: \"a\"", Some("\"a\""));
    check("", "ETag: \"\"", Some("\"\""));
    check("", "ETag: W/\"a\"", None);
    check("", "ETag: a", None);
    check("", "ETag: \"", None);
    check("", "", None);
}

#[test]
fn a_coding_must_be_named_by_the_request() {
    let gzip = "ETag: \"a\"\nContent-Encoding: gzip";
    let both = "ETag: \"a\"\nContent-Encoding: gzip\nContent-Encoding: br";
    for (accepted, stored, offered) in [
        ("", gzip, false),
        ("Accept-Encoding: gzip", gzip, true),
        ("Accept-Encoding: br;q=1, GZIP ; q=0.5", gzip, true),
        ("Accept-Encoding: gzip;q=0", gzip, false),
        ("Accept-Encoding: gzip; Q=0.000", gzip, false),
        ("Accept-Encoding: *", gzip, false),
        ("Accept-Encoding: x-gzip", gzip, false),
        ("Accept-Encoding: gzip", both, false),
        ("Accept-Encoding: gzip\nAccept-Encoding: br", both, true),
        ("", "ETag: \"a\"\nContent-Encoding: Identity", true),
        (
            "Accept-Encoding: br",
            "ETag: \"a\"\nContent-Encoding:",
            true,
        ),
    ] {
        check(accepted, stored, offered.then_some("\"a\""));
    }
}

#[test]
fn the_same_strong_tag_is_the_choice() {
    for (not_modified, stored, chosen) in [
        ("ETag: \"a\"", "ETag: \"a\"", true),
        ("ETag: \"b\"", "ETag: \"a\"", false),
        ("ETag: W/\"a\"", "ETag: \"a\"", false),
        ("ETag: W/\"a\"", "ETag: W/\"a\"", false),
        ("", "ETag: \"a\"", false),
        ("ETag: \"a\"", "", false),
        ("", "", false),
    ] {
        let (theirs, ours) = (head(not_modified), head(stored));
        assert_eq!(
            chose(theirs.fields(), ours.fields()),
            chosen,
            "{not_modified} / {stored}"
        );
    }
}
