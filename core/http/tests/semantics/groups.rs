//! Cache groups (RFC 9875): which Lists of Strings are read, and which say nothing.

use crate::support::head;
use understudy_http::semantics::groups::{invalidated, of};

#[track_caller]
fn check(lines: &[&str], want: &[&str]) {
    let written = |name: &str| {
        let lines: Vec<String> = lines.iter().map(|line| format!("{name}: {line}")).collect();
        head(&lines.join("\n"))
    };
    assert_eq!(of(written("Cache-Groups").fields()), want, "{lines:?}");
    let invalidation = written("cache-group-invalidation");
    assert_eq!(invalidated(invalidation.fields()), want, "{lines:?}");
}

#[test]
fn a_list_of_strings_is_groups() {
    check(&[], &[]);
    check(&["\"a\""], &["a"]);
    check(&["\"a\", \"b\",\"c\""], &["a", "b", "c"]);
    check(&["\"a\"", "\"b\""], &["a", "b"]);
    check(&["\"a\" ,\t\"b\""], &["a", "b"]);
    check(&["\"a b, c\""], &["a b, c"]);
    check(&["\"\\\"\\\\\""], &["\"\\"]);
    check(&["\"a\", \"a\""], &["a", "a"]);
    check(&["\"\""], &[""]);
    check(&["\"A\", \"a\""], &["A", "a"]);
}

#[test]
fn parameters_are_ignored() {
    check(&["\"a\";x, \"b\";y=1;z=\"2\""], &["a", "b"]);
}

#[test]
fn a_field_that_is_malformed_anywhere_says_nothing() {
    for line in [
        "a",
        "\"a\", b",
        "\"a\", 1",
        "\"a\", ?1",
        "\"a\", (\"b\")",
        "\"a\", :YQ==:",
        "\"a\",",
        "\"a\", , \"b\"",
        "\"a\" \"b\"",
        "\"a",
        "\"a\\x\"",
        "\"\u{e4}\"",
        "'a'",
        "\"a\";",
        "\"a\";X",
    ] {
        check(&[line], &[]);
    }
    check(&["\"a\"", "b"], &[]);
}

#[test]
fn more_is_read_than_must_be() {
    // Section 2: at least 32 groups of at least 32 characters.
    let groups: Vec<String> = (0..100).map(|n| format!("{n:0100}")).collect();
    let quoted: Vec<String> = groups.iter().map(|group| format!("\"{group}\"")).collect();
    let want: Vec<&str> = groups.iter().map(String::as_str).collect();
    check(&[&quoted.join(", ")], &want);
}
