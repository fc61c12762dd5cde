//! Vary over fields that say preferences: cases in tables, one field a test.

use crate::support::head;
use proptest::prelude::*;
use understudy_http::semantics::vary::VaryKey;

fn key(response: &str, request: &str) -> VaryKey {
    VaryKey::of(head(response).fields(), head(request).fields()).unwrap()
}

/// Whether a request with the second value selects what one with the first fetched, by both ways to tell and in both directions.
fn check(field: &str, first: &str, second: &str, expected: bool) {
    let vary = format!("Vary: {field}");
    let lines = |value: &str| -> String {
        let lines: Vec<_> = value
            .lines()
            .map(|line| format!("{field}: {line}"))
            .collect();
        lines.join("\n")
    };
    for (one, other) in [(first, second), (second, first)] {
        let (one, other) = (lines(one), lines(other));
        let stored = key(&vary, &one);
        let case = format!("{one} / {other}");
        assert_eq!(stored.matches(head(&other).fields()), expected, "{case}");
        assert_eq!(stored == key(&vary, &other), expected, "{case}, by keys");
        assert!(stored.matches(head(&one).fields()), "{case}, itself");
    }
}

#[test]
fn codings_are_equal_in_any_order_case_and_spacing() {
    let same = |one, other| check("Accept-Encoding", one, other, true);
    same("gzip, br", "br, gzip");
    same("gzip, br", "BR,GZip");
    same("gzip, deflate, br", " br ,\tdeflate,gzip ,");
    same("gzip, br", "gzip\nbr");
    same("gzip;q=0.5, br", "br;q=1, gzip ; q=0.50");
    same("gzip;q=0.5, br", "br;q=1.000,gzip;Q=0.500");
    same("gzip", "x-gzip");
    same("compress, gzip", "X-GZIP, X-Compress");
    same("gzip", "gzip, gzip");
    same("identity;q=0, *;q=0.1", "*;q=0.1,identity;q=0.0");
}

#[test]
fn codings_differ_by_name_weight_identity_and_refusal() {
    let differ = |one, other| check("Accept-Encoding", one, other, false);
    differ("gzip", "br");
    differ("gzip", "gzip, br");
    differ("gzip;q=0.5", "gzip");
    differ("gzip;q=0.5", "gzip;q=0.501");
    differ("gzip, br;q=0.5", "gzip;q=0.5, br");
    differ("gzip", "gzip, identity");
    differ("gzip", "gzip, identity;q=0");
    differ("gzip", "gzip, br;q=0");
    differ("gzip", "gzip, *");
    differ("gzip", "");
    differ("gzip, gzip;q=0.5", "gzip");
}

#[test]
fn absent_differs_from_empty_and_both_from_what_is_named() {
    for field in ["Accept", "Accept-Encoding", "Accept-Language"] {
        let vary = format!("Vary: {field}");
        let empty = format!("{field}:");
        let any = format!("{field}: *");
        for (one, other) in [
            ("", &empty[..]),
            (&empty, ""),
            ("", &any),
            (&any, ""),
            (&empty, &any),
        ] {
            assert!(
                !key(&vary, one).matches(head(other).fields()),
                "{one} / {other}"
            );
            assert_ne!(key(&vary, one), key(&vary, other), "{one} / {other}");
        }
        assert!(key(&vary, &empty).matches(head(&empty).fields()));
        assert!(key(&vary, "").matches(head("").fields()));
    }
}

#[test]
fn languages_are_equal_in_any_order_case_and_spacing() {
    check("Accept-Language", "en, de", "de, en", true);
    check("Accept-Language", "en, de", "eN, De", true);
    check("Accept-Language", "en, de", " en ,   de", true);
    check("Accept-Language", "en-GB, en;q=0.8", "en;q=0.8,en-gb", true);
    check("Accept-Language", "en, de", "en, de;q=0.9", false);
    check("Accept-Language", "en", "en-GB", false);
    check("Accept-Language", "en, de", "en, de, *;q=0", false);
}

#[test]
fn media_ranges_are_equal_in_any_order_case_and_spacing() {
    check(
        "Accept",
        "text/html, */*;q=0.1",
        "*/*;q=0.1,TEXT/html",
        true,
    );
    check("Accept", "text/html;level=1", "text/html; Level=1", true);
    check(
        "Accept",
        "text/html;a=b;q=0.5",
        "text/html ;a=b ; q=0.5",
        true,
    );
    check("Accept", "text/html;a=b", "text/html;a=B", false);
    check("Accept", "text/html;a=b", "text/html", false);
    check("Accept", "text/*", "text/html", false);
    check(
        "Accept-Charset",
        "utf-8, iso-8859-1;q=0.5",
        "ISO-8859-1;q=0.5,UTF-8",
        true,
    );
}

#[test]
fn what_is_malformed_is_compared_as_it_stands() {
    for (field, one, other) in [
        ("Accept-Encoding", "gzip;q=2, br", "br, gzip;q=2"),
        ("Accept-Encoding", "gzip;q=0.1234, br", "br, gzip;q=0.1234"),
        ("Accept-Encoding", "gzip;q=, br", "br, gzip;q="),
        ("Accept-Encoding", "gzip;x=1, br", "br, gzip;x=1"),
        ("Accept-Encoding", "g zip, br", "br, g zip"),
        ("Accept", "text, */*", "*/*, text"),
        (
            "Accept",
            "text/html;a=\"b,c\", */*",
            "*/*, text/html;a=\"b,c\"",
        ),
        (
            "Accept",
            "text/html;q=0.5;ext=1, */*",
            "*/*, text/html;q=0.5;ext=1",
        ),
        ("Accept-Encoding", "gzip;q=1.5", "gzip"),
        ("Accept-Encoding", "gzip;q=1.001", "gzip"),
    ] {
        check(field, one, other, false);
        check(field, one, one, true);
    }
    check("Accept-Encoding", "g zip,br", "g zip , br", true);
}

#[test]
fn a_very_long_list_is_compared_as_it_stands() {
    let many: Vec<_> = (0..65).map(|n| format!("c{n}")).collect();
    let mut turned = many.clone();
    turned.rotate_left(1);
    check(
        "Accept-Encoding",
        &many.join(", "),
        &turned.join(", "),
        false,
    );
    check(
        "Accept-Encoding",
        &many[1..].join(", "),
        &turned[..64].join(","),
        true,
    );
}

#[test]
fn other_fields_beside_them_count_as_ever() {
    let vary = "Vary: Accept-Encoding, X, Accept-Language";
    let stored = key(
        vary,
        "Accept-Encoding: gzip, br\nX: 1, 2\nAccept-Language: de",
    );
    for (request, expected) in [
        (
            "Accept-Encoding: br,gzip\nX: 1,2\nAccept-Language: DE",
            true,
        ),
        (
            "Accept-Encoding: br,gzip\nX: 2,1\nAccept-Language: DE",
            false,
        ),
        ("Accept-Encoding: br\nX: 1,2\nAccept-Language: DE", false),
        ("Accept-Encoding: br,gzip\nX: 1,2", false),
        ("Accept-Encoding: br,gzip\nAccept-Language: de", false),
    ] {
        assert_eq!(
            stored.matches(head(request).fields()),
            expected,
            "{request}"
        );
        assert_eq!(stored == key(vary, request), expected, "{request}, by keys");
    }
}

/// A response to `en, de` in a language, and whether a request for other languages may have it.
fn speaks(content_language: &str, wanted: &str, expected: bool) {
    let response = format!("Vary: Accept-Language\n{content_language}");
    let stored = key(&response, "Accept-Language: en, de");
    let request = format!("Accept-Language: {wanted}");
    assert_eq!(
        stored.matches(head(&request).fields()),
        expected,
        "{content_language} / {wanted}"
    );
}

#[test]
fn a_response_in_the_language_preferred_to_all_others_is_selected() {
    speaks("Content-Language: de", "fr;q=0.5, de;q=1.0", true);
    speaks("Content-Language: de", "de", true);
    speaks("Content-Language: DE", "de, *;q=0.1", true);
    speaks("Content-Language: de-AT", "de-at, de;q=0.9", true);
    speaks("Content-Language: de", "de;q=0.3, fr;q=0.2, it;q=0", true);
}

#[test]
fn a_response_in_another_language_is_not() {
    speaks("Content-Language: de", "fr, de;q=0.9", false);
    speaks("Content-Language: de", "fr, de", false);
    speaks("Content-Language: de", "*", false);
    speaks("Content-Language: *", "*", false);
    speaks("Content-Language: de", "de;q=0", false);
    // The origin may have the narrower or the wider one as well.
    speaks("Content-Language: de", "de-AT", false);
    speaks("Content-Language: de-AT", "de", false);
    speaks("Content-Language: de, en", "de", false);
    speaks("Content-Language: de\nContent-Language: en", "de", false);
    speaks("Content-Language:", "de", false);
    speaks("", "de", false);
    speaks("Content-Language: de", "de;q=3, fr;q=0.1", false);
}

#[test]
fn the_language_is_chosen_among_what_otherwise_matches_only() {
    let stored = key(
        "Vary: Accept-Language, X\nContent-Language: de",
        "Accept-Language: en, de\nX: 1",
    );
    assert!(stored.matches(head("Accept-Language: de\nX: 1").fields()));
    assert!(!stored.matches(head("Accept-Language: de\nX: 2").fields()));
    assert!(!stored.matches(head("Accept-Language: de").fields()));
    let unasked = key("Vary: X\nContent-Language: de", "X: 1");
    assert!(!unasked.matches(head("Accept-Language: de\nX: 2").fields()));
}

#[test]
fn of_two_responses_to_equal_requests_one_key_is_kept_whatever_their_language() {
    let of = |language: &str, request: &str| {
        key(
            &format!("Vary: Accept-Language\nContent-Language: {language}"),
            request,
        )
    };
    assert_eq!(
        of("de", "Accept-Language: en, de"),
        of("en", "Accept-Language: de,en")
    );
    assert_ne!(
        of("de", "Accept-Language: en, de"),
        of("de", "Accept-Language: de")
    );
}

#[test]
fn what_is_told_of_a_preference_selects_the_same_again() {
    for value in [
        "gzip, br;q=0.50",
        "br;q=0.5,GZIP",
        "gzip ; q=0.1 , , br",
        "",
        "g zip",
    ] {
        let stored = key(
            "Vary: Accept-Encoding",
            &format!("Accept-Encoding: {value}"),
        );
        let told = stored.present().map(|(name, value)| {
            (
                String::from_utf8(name.to_vec()).unwrap(),
                String::from_utf8(value.to_vec()).unwrap(),
            )
        });
        let request: Vec<_> = told
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        assert_eq!(request.len(), 1, "{value}");
        assert!(stored.matches(head(&request[0]).fields()), "{value}");
    }
}

fn listed() -> impl Strategy<Value = Vec<(String, u16)>> {
    prop::collection::vec(("[a-z]{1,3}(-[a-z]{2})?", 0u16..=1000), 1..12)
}

proptest! {
    #[test]
    fn any_writing_of_a_list_selects_the_same(list in listed(), turn in any::<prop::sample::Index>(), spaced in any::<bool>(), upper in any::<bool>(), split in any::<bool>()) {
        let written = |list: &[(String, u16)], spaced: bool, upper: bool, split: bool| {
            let members: Vec<String> = list.iter().map(|(name, weight)| {
                let name = if upper { name.to_uppercase() } else { name.clone() };
                let space = if spaced { " " } else { "" };
                format!("{name}{space};{space}q={}.{:03}", weight / 1000, weight % 1000)
            }).collect();
            let between = if split { "\nAccept-Language: " } else if spaced { " , " } else { "," };
            format!("Accept-Language: {}", members.join(between))
        };
        let first = written(&list, false, false, false);
        let mut turned = list.clone();
        turned.rotate_left(turn.index(list.len()));
        let second = written(&turned, spaced, upper, split);
        let stored = key("Vary: Accept-Language", &first);
        prop_assert!(stored.matches(head(&second).fields()), "{} / {}", first, second);
        prop_assert!(stored == key("Vary: Accept-Language", &second));
    }
}

/// Written members of Accept-Encoding: coding, weight as written, and white space.
fn codings() -> impl Strategy<Value = Vec<(&'static str, &'static str)>> {
    let coding = prop::sample::select(vec!["gzip", "GZIP", "x-gzip", "br", "Br", "identity", "*"]);
    let weight = prop::sample::select(vec![
        "", ";q=1", ";q=1.0", " ; q=0.5", ";Q=0.50", ";q=0", ";q=0.000",
    ]);
    prop::collection::vec((coding, weight), 0..4)
}

/// What a list says of each coding it names, by RFC 9110 sections 8.4.1.3 and 12.5.3, read naively.
fn said(list: &[(&str, &str)]) -> std::collections::BTreeSet<(String, u32)> {
    let weight = |text: &str| {
        let value: f64 = match text.split_once('=') {
            Some((_, value)) => value.parse().unwrap(),
            None => 1.0,
        };
        (value * 1000.0).round() as u32
    };
    list.iter()
        .map(|(coding, w)| {
            let name = coding.to_ascii_lowercase();
            (
                name.strip_prefix("x-").unwrap_or(&name).to_owned(),
                weight(w),
            )
        })
        .collect()
}

proptest! {
    #[test]
    fn two_lists_select_the_same_exactly_when_they_say_the_same(one in codings(), other in codings()) {
        let line = |list: &[(&str, &str)]| {
            let members: Vec<String> = list.iter().map(|(coding, weight)| format!("{coding}{weight}")).collect();
            format!("Accept-Encoding: {}", members.join(", "))
        };
        let stored = key("Vary: Accept-Encoding", &line(&one));
        let same = stored.matches(head(&line(&other)).fields());
        prop_assert_eq!(same, said(&one) == said(&other), "{} / {}", line(&one), line(&other));
    }
}
