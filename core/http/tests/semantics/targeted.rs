//! Targeted cache control (RFC 9213): cases in tables.

use crate::support::{SUN, SUN_06_NOV as NOW, head};
use understudy_http::Method;
use understudy_http::semantics::cache_control::{RequestDirectives, ResponseDirectives};
use understudy_http::semantics::freshness::{Freshness, Heuristic};
use understudy_http::semantics::policy::Policy;
use understudy_http::semantics::storing::{NoStoreReason, NoStoreReason::*, may_store};
use understudy_http::semantics::targeted::{DEFAULT_TARGETS, TargetName, response_directives};

/// What a response's lines come to for a cache that goes by CDN-Cache-Control: its lifetime if it is stored.
fn check(lines: &str, expected: Result<u32, NoStoreReason>) {
    let response = head(lines);
    let fields = response.fields();
    let cc = response_directives(fields, DEFAULT_TARGETS);
    let h = Heuristic {
        percent: 10,
        max: 86_400,
    };
    let freshness = Freshness::of(200, fields, &cc, NOW, NOW, &h);
    let (request, asked) = (head(""), RequestDirectives::default());
    let stored = may_store(
        Method::Get,
        request.fields(),
        &asked,
        200,
        fields,
        &cc,
        &freshness,
        &Policy::default(),
    );
    assert_eq!(stored.map(|()| freshness.lifetime), expected, "{lines}");
}

fn cdn(value: &str) -> ResponseDirectives {
    let head = head(&format!(
        "CDN-Cache-Control: {value}\nCache-Control: s-maxage=7"
    ));
    response_directives(head.fields(), DEFAULT_TARGETS)
}

#[test]
fn the_targeted_field_alone_decides() {
    let past = "Expires: Sun, 06 Nov 1994 07:00:00 GMT";
    check("CDN-Cache-Control: max-age=60", Ok(60));
    check(
        "CDN-Cache-Control: max-age=60\nCache-Control: no-store",
        Ok(60),
    );
    check(
        "CDN-Cache-Control: max-age=60\nCache-Control: private, max-age=1",
        Ok(60),
    );
    check(
        "CDN-Cache-Control: max-age=60\nCache-Control: s-maxage=1",
        Ok(60),
    );
    check(&format!("CDN-Cache-Control: max-age=60\n{past}"), Ok(60));
    check(
        "CDN-Cache-Control: max-age=1\nCache-Control: max-age=60",
        Ok(1),
    );
    check(
        "CDN-Cache-Control: no-store\nCache-Control: max-age=60",
        Err(ResponseNoStore),
    );
    check(
        "CDN-Cache-Control: private\nCache-Control: max-age=60",
        Err(Private),
    );
    check(
        "CDN-Cache-Control: no-cache\nCache-Control: max-age=60",
        Err(NoFreshness),
    );
    check(
        "CDN-Cache-Control: no-cache\nCache-Control: max-age=60\nETag: \"x\"",
        Ok(0),
    );
    check(
        "CDN-Cache-Control: max-age=0\nCache-Control: max-age=60",
        Err(Expired),
    );
    check("cdn-cache-control: max-age=60, s-maxage=30", Ok(30));
}

#[test]
fn without_a_lifetime_of_its_own_expires_does_not_help() {
    let future = "Expires: Sun, 06 Nov 1994 09:49:37 GMT";
    check(&format!("Date: {SUN}\n{future}"), Ok(3600));
    check(
        &format!("CDN-Cache-Control: must-revalidate\nDate: {SUN}\n{future}"),
        Err(NoFreshness),
    );
    // The heuristic is what is left (RFC 9111 section 4.2.2).
    let modified = "Last-Modified: Sun, 06 Nov 1994 07:49:37 GMT";
    check(
        &format!("CDN-Cache-Control: must-revalidate\nDate: {SUN}\n{future}\n{modified}"),
        Ok(360),
    );
}

#[test]
fn empty_or_malformed_it_is_as_if_it_were_absent() {
    for value in [
        "",
        " ",
        "max-age=60, &&&&&",
        "&",
        "max-age =60",
        "max-age= 60",
        "MaX-aGe=60",
        "max-age=60,",
        "max-age=60;;",
        "max-age='60'",
        "max-age=1234567890123456",
        "no-store, max-age=\"60",
        "no-store=?2",
        "m\u{e4}x-age=60",
        "max-age=@60",
    ] {
        check(
            &format!("CDN-Cache-Control: {value}\nCache-Control: max-age=7"),
            Ok(7),
        );
        check(
            &format!("CDN-Cache-Control: {value}\nCache-Control: no-store"),
            Err(ResponseNoStore),
        );
    }
}

#[test]
fn lines_are_one_dictionary_and_the_last_of_a_name_counts() {
    check(
        "CDN-Cache-Control: max-age=1\nCDN-Cache-Control: s-maxage=60",
        Ok(60),
    );
    check("CDN-Cache-Control: max-age=1, max-age=60", Ok(60));
    check(
        "CDN-Cache-Control: max-age=60\nCDN-Cache-Control: max-age=1",
        Ok(1),
    );
    check(
        "CDN-Cache-Control: max-age=60\nCDN-Cache-Control: &\nCache-Control: max-age=7",
        Ok(7),
    );
}

#[test]
fn unknown_directives_and_parameters_are_ignored() {
    check("CDN-Cache-Control: foobar, max-age=60", Ok(60));
    check(
        "CDN-Cache-Control: foobar=(a b);c, max-age=60;x=1;y",
        Ok(60),
    );
    check(
        "CDN-Cache-Control: foobar\nCache-Control: max-age=60",
        Err(NoFreshness),
    );
}

#[test]
fn times_saturate_and_what_is_no_integer_is_no_time() {
    let max = 1 << 31;
    for (value, expected) in [
        ("2147483647", max - 1),
        ("2147483648", max),
        ("99999999999", max),
        ("999999999999999", max),
        ("-1", 0),
        ("0", 0),
        ("10.5", 0),
        ("\"10\"", 0),
        ("ten", 0),
        ("(10)", 0),
        ("?1", 0),
        (":MTA=:", 0),
    ] {
        assert_eq!(
            cdn(&format!("max-age={value}")).max_age,
            Some(expected),
            "{value}"
        );
    }
    assert_eq!(cdn("max-age").max_age, Some(0));
}

#[test]
fn every_directive_of_cache_control_is_known_there() {
    let all = "max-age=1, s-maxage=2, no-cache, no-store, private, public, must-revalidate, proxy-revalidate, \
               must-understand, no-transform, immutable, stale-while-revalidate=3, stale-if-error=4";
    let plain = head(&format!("Cache-Control: {all}"));
    let expected = ResponseDirectives {
        targeted: true,
        ..ResponseDirectives::parse(plain.fields())
    };
    assert_eq!(cdn(all), expected);
}

#[test]
fn prohibitions_count_with_any_value_and_permissions_with_none() {
    assert!(
        cdn("no-store=1").no_store
            && cdn("private=\"a\"").private
            && cdn("no-cache=\"a, b\"").no_cache
    );
    assert!(!cdn("no-store=?0, x").no_store && !cdn("private=?0, x").private);
    assert!(
        !cdn("public=1").public
            && !cdn("immutable=\"\"").immutable
            && !cdn("must-understand=?0").must_understand
    );
    assert!(!cdn("no-cache=\"a\"").withholds);
}

#[test]
fn the_first_usable_field_of_the_list_counts() {
    let targets: Vec<TargetName> = ["Understudy-Cache-Control", "CDN-Cache-Control"]
        .iter()
        .filter_map(|name| TargetName::new(name))
        .collect();
    let lifetime = |lines: &str| response_directives(head(lines).fields(), &targets).max_age;
    assert_eq!(
        lifetime("CDN-Cache-Control: max-age=2\nUnderstudy-Cache-Control: max-age=1"),
        Some(1)
    );
    assert_eq!(
        lifetime("CDN-Cache-Control: max-age=2\nUnderstudy-Cache-Control: &"),
        Some(2)
    );
    assert_eq!(
        lifetime("CDN-Cache-Control: max-age=2\nUnderstudy-Cache-Control:"),
        Some(2)
    );
    assert_eq!(
        lifetime("CDN-Cache-Control: max-age=2\nUnderstudy-Cache-Control: x"),
        None
    );
    assert_eq!(
        lifetime("Other-Cache-Control: max-age=2\nCache-Control: max-age=3"),
        Some(3)
    );
    let none = response_directives(
        head("CDN-Cache-Control: no-store\nCache-Control: max-age=3").fields(),
        &[],
    );
    assert_eq!(
        (none.max_age, none.no_store, none.targeted),
        (Some(3), false, false)
    );
}

#[test]
fn a_target_is_a_field_name_and_not_cache_control() {
    for name in ["", "a b", "a:", "Cache-Control", "cache-control", "\u{e9}"] {
        assert_eq!(TargetName::new(name), None, "{name}");
    }
    assert_eq!(
        TargetName::new("X-CC")
            .map(|name| name.as_str().to_owned())
            .as_deref(),
        Some("X-CC")
    );
    assert_eq!(
        DEFAULT_TARGETS
            .iter()
            .map(TargetName::as_str)
            .collect::<Vec<_>>(),
        ["CDN-Cache-Control"]
    );
}
