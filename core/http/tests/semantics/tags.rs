//! Tags: how each of the three fields is divided.

use crate::support::head;
use understudy_http::Name;
use understudy_http::semantics::tags::{has, in_text, is_tag_field, of};

#[track_caller]
fn check(text: &str, want: &[&str]) {
    let head = head(text);
    let tags: Vec<&str> = of(head.fields())
        .map(|tag| std::str::from_utf8(tag).unwrap())
        .collect();
    assert_eq!(tags, want, "{text}");
}

#[test]
fn each_field_is_divided_in_its_own_way() {
    check("", &[]);
    check("Surrogate-Key: a", &["a"]);
    check("Surrogate-Key: a b\tc", &["a", "b", "c"]);
    check("Surrogate-Key: a,b c", &["a,b", "c"]);
    check("Cache-Tag: a,b", &["a", "b"]);
    check("Cache-Tag: a , b c ,\td", &["a", "b c", "d"]);
    check("Cache-Tag: \"a,b\"", &["\"a", "b\""]);
    check("xkey: a b,c , d", &["a", "b", "c", "d"]);
}

#[test]
fn names_are_of_any_case_and_tags_are_not() {
    check("SURROGATE-KEY: A a", &["A", "a"]);
    check("XKey: A", &["A"]);
}

#[test]
fn empty_tags_are_none() {
    check("Surrogate-Key: ", &[]);
    check("Surrogate-Key: a   b", &["a", "b"]);
    check("Cache-Tag: ,a,, ,b,", &["a", "b"]);
    check("xkey: , ,", &[]);
}

#[test]
fn lines_and_fields_are_one_list_in_order() {
    check(
        "xkey: a\nCache-Control: max-age=1\nCache-Tag: b, c\nSurrogate-Key: d a",
        &["a", "b", "c", "d", "a"],
    );
}

#[test]
fn a_field_without_tags_is_there_all_the_same() {
    assert!(has(head("xkey: ").fields()));
    assert!(!has(
        head("Cache-Groups: \"a\"\nSurrogate-Control: x").fields()
    ));
}

#[test]
fn only_the_three_are_for_the_cache_alone() {
    let names: Vec<Name> = Name::KNOWN
        .into_iter()
        .filter(|id| is_tag_field(*id))
        .collect();
    assert_eq!(names, [Name::CacheTag, Name::SurrogateKey, Name::Xkey]);
}

#[test]
fn a_persons_text_is_divided_by_spaces_and_commas() {
    let tags: Vec<&[u8]> = in_text(b" a, b c,,d ").collect();
    assert_eq!(tags, [b"a", b"b", b"c", b"d"]);
}
