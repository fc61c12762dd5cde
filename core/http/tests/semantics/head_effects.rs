//! What a HEAD says of a stored GET: cases in a table.

use crate::support::{SUN, head};
use understudy_http::semantics::head_effects::{HeadEffect, HeadEffect::*, effect};

fn check(stored: &str, answer: &str, expected: HeadEffect) {
    let (kept, told) = (head(stored), head(answer));
    assert_eq!(
        effect(kept.fields(), 10, told.fields()),
        expected,
        "{stored} / {answer}"
    );
}

#[test]
fn what_agrees_updates() {
    let modified = format!("Last-Modified: {SUN}");
    check("", "", Update);
    check("ETag: \"a\"", "ETag: \"a\"", Update);
    check("ETag: \"a\"", "ETag: W/\"a\"", Update);
    check("ETag: \"a\"", "X: 1", Update);
    check(&modified, &modified, Update);
    check(
        &modified,
        "Last-Modified: sun, 06 nov 1994 08:49:37 gmt",
        Update,
    );
    check("", "Content-Length: 10", Update);
    check(
        "ETag: \"a\"",
        &format!("ETag: \"a\"\nContent-Length: 10\nX: {modified}"),
        Update,
    );
}

#[test]
fn what_disagrees_makes_stale() {
    let modified = format!("Last-Modified: {SUN}");
    check("ETag: \"a\"", "ETag: \"b\"", Stale);
    check("", "ETag: \"b\"", Stale);
    check("", &modified, Stale);
    check(
        &modified,
        "Last-Modified: Sun, 06 Nov 1994 08:49:38 GMT",
        Stale,
    );
    check("", "Content-Length: 11", Stale);
    check("", "Content-Length: x", Stale);
    check("ETag: \"a\"", "ETag: \"a\"\nContent-Length: 0", Stale);
}
