//! Vary: cases in tables, one RFC rule a test.

use crate::support::head;
use understudy_http::semantics::vary::VaryKey;

fn key(vary: &str, request: &str) -> VaryKey {
    VaryKey::of(head(vary).fields(), head(request).fields()).unwrap()
}

/// Whether the second request selects the variant of the first, by both ways to tell.
fn check(vary: &str, first: &str, second: &str, expected: bool) {
    let vary = format!("Vary: {vary}");
    let stored = key(&vary, first);
    assert_eq!(
        stored.matches(head(second).fields()),
        expected,
        "{vary} / {first} / {second}"
    );
    assert_eq!(
        stored == key(&vary, second),
        expected,
        "{vary} / {first} / {second}, by keys"
    );
    assert!(
        stored.matches(head(first).fields()),
        "{vary} / {first} matches itself"
    );
}

#[test]
fn without_vary_every_request_matches() {
    for vary in ["", "Vary:", "Vary: ,", "Vary: , ,\nVary:"] {
        let key = key(vary, "A: 1");
        assert!(key.is_empty() && key.weight() == 0, "{vary}");
        assert!(
            key.matches(head("").fields()) && key.matches(head("A: 2").fields()),
            "{vary}"
        );
    }
}

#[test]
fn a_star_or_what_is_no_name_never_matches() {
    for vary in [
        "*",
        "A, *",
        "*, A",
        "A\nVary: *",
        "A;B",
        "A B",
        "\"A\"",
        "A, \"*\"",
        "(A)",
    ] {
        assert_eq!(
            VaryKey::of(
                head(&format!("Vary: {vary}")).fields(),
                head("A: 1").fields()
            ),
            None,
            "{vary}"
        );
    }
}

#[test]
fn nominated_fields_must_be_equal() {
    check("A", "A: 1", "A: 1", true);
    check("A", "A: 1", "A: 2", false);
    check("A", "A: 1", "A: 12", false);
    check("A", "A: 12", "A: 1", false);
    check("A", "A: 1\nB: 1", "A: 1\nB: 2", true);
    check("A, B", "A: 1\nB: 1", "A: 1\nB: 2", false);
    check("A, B", "A: 1\nB: 2", "B: 2\nA: 1", true);
    check("A, B", "A: 1\nB: 2", "A: 2\nB: 1", false);
    check("A\nVary: B", "A: 1\nB: 1", "A: 1\nB: 2", false);
    check(
        "accept-encoding",
        "Accept-Encoding: gzip, br",
        "accept-encoding: gzip, br",
        true,
    );
    check(
        "Accept-Encoding",
        "Accept-Encoding: gzip",
        "Accept-Encoding: br",
        false,
    );
    check(
        "User-Agent",
        "User-Agent: x (KHTML, like y)",
        "User-Agent: x (KHTML, like y)",
        true,
    );
}

#[test]
fn absent_differs_from_empty() {
    check("A", "", "", true);
    check("A", "", "A:", false);
    check("A", "A:", "", false);
    check("A", "A:", "A:", true);
    check("A", "", "A: 1", false);
    check("A", "A: 1", "", false);
    check("A, B", "A: 1", "B: 1", false);
    check("A, B", "A: 1", "A: 1", true);
    check("Accept-Encoding", "", "Accept-Encoding: identity", false);
}

#[test]
fn white_space_and_lines_do_not_count() {
    check("A", "A: 1, 2", "A: 1,2", true);
    check("A", "A: 1 ,\t2", "A: 1,2", true);
    check("A", "A: 1, 2", "A: 1\nA: 2", true);
    check("A", "A: 1, 2\nA: 3", "A: 1\nA: 2,3", true);
    check("A", "A: \"1, 2\"", "A: \"1,2\"", false);
    check("A", "A: 1 2", "A: 1  2", false);
}

#[test]
fn case_order_and_empty_members_count() {
    check("A", "A: gzip", "A: GZIP", false);
    check("A", "A: 1, 2", "A: 2, 1", false);
    check("A", "A: 1\nA: 2", "A: 2\nA: 1", false);
    check("A", "A: 1,,2", "A: 1,2", false);
    check("A", "A: 1,", "A: 1", false);
    check("A", "A:\nA:", "A:", false);
}

#[test]
fn the_names_make_one_key_in_any_order_and_case() {
    let request = "A: 1\nB: 2";
    let one = key("Vary: A, B", request);
    for vary in [
        "Vary: B, A",
        "Vary: b,a",
        "Vary: B\nVary: A",
        "Vary: A, b, a, B",
    ] {
        assert_eq!(key(vary, request), one, "{vary}");
    }
    assert_ne!(key("Vary: A", request), one);
    assert_ne!(key("Vary: A, C", request), one);
    assert!(one.weight() > 0 && !one.is_empty());
}

#[test]
fn values_do_not_run_into_each_other() {
    check("A, B", "A: 1, 2\nB: 3", "A: 1\nB: 2, 3", false);
    check("A, B", "A: xB\nB: y", "A: x\nB: By", false);
    check("A, B", "A: 1", "A: 1\nB:", false);
}

#[test]
fn quotes_that_only_the_joined_lines_close_are_compared_as_keys_are() {
    check("A", "A: \"\nA: \"x,y\"", "A: \"\nA: \"x,y\"", true);
    check("A", "A: \"\nA: \"x,y\"", "A: \", \"x,y\"", false);
    check("A", "A: \"x\nA: y\"", "A: \"x, y\"", true);
    check("A", "A: 1", "A: 1\nA: 1", false);
    check("A", "A: 1\nA: 1", "A: 1", false);
}

#[test]
fn what_a_request_had_of_the_nominated_fields_can_be_told_again() {
    let told = |vary: &str, request: &str| -> Vec<(String, String)> {
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec()).unwrap();
        key(vary, request)
            .present()
            .map(|(name, value)| (text(name), text(value)))
            .collect()
    };
    let of = |pairs: &[(&str, &str)]| -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect()
    };
    assert_eq!(told("", "A: 1"), of(&[]));
    assert_eq!(told("Vary: A, B", ""), of(&[]));
    assert_eq!(
        told("Vary: B, A, C", "C: 3\nA: 1"),
        of(&[("a", "1"), ("c", "3")])
    );
    assert_eq!(
        told("Vary: A, B", "A:\nB: x ,y\nB: z"),
        of(&[("a", ""), ("b", "x, y, z")])
    );
}
