//! What may be stored: cases in tables, one RFC rule a test.

use crate::support::{SUN, SUN_06_NOV as NOW, date, head};
use understudy_http::Method;
use understudy_http::semantics::cache_control::{RequestDirectives, ResponseDirectives};
use understudy_http::semantics::freshness::{Freshness, Heuristic};
use understudy_http::semantics::policy::Policy;
use understudy_http::semantics::storing::{NoStoreReason, NoStoreReason::*, may_store};

fn decide(method: Method, request: &str, status: u16, response: &str) -> Result<(), NoStoreReason> {
    let (request, response) = (head(request), head(response));
    let cc = ResponseDirectives::parse(response.fields());
    let h = Heuristic {
        percent: 10,
        max: 86_400,
    };
    let freshness = Freshness::of(status, response.fields(), &cc, NOW, NOW, &h);
    let request_cc = RequestDirectives::parse(request.fields());
    may_store(
        method,
        request.fields(),
        &request_cc,
        status,
        response.fields(),
        &cc,
        &freshness,
        &Policy::default(),
    )
}

fn check(request: &str, status: u16, response: &str, expected: Result<(), NoStoreReason>) {
    assert_eq!(
        decide(Method::Get, request, status, response),
        expected,
        "{request} / {status} {response}"
    );
}

/// A plain GET answered 200.
fn plain(response: &str, expected: Result<(), NoStoreReason>) {
    check("", 200, response, expected);
}

#[test]
fn only_get_is_stored() {
    use Method as M;
    for method in [
        M::Head,
        M::Post,
        M::Put,
        M::Delete,
        M::Connect,
        M::Options,
        M::Trace,
        M::Patch,
        M::Purge,
        M::Other,
    ] {
        assert_eq!(
            decide(method, "", 200, "Cache-Control: max-age=60"),
            Err(Method),
            "{method:?}"
        );
    }
    assert_eq!(decide(M::Get, "", 200, "Cache-Control: max-age=60"), Ok(()));
}

#[test]
fn no_store_forbids_from_both_sides() {
    check(
        "Cache-Control: no-store",
        200,
        "Cache-Control: max-age=60",
        Err(RequestNoStore),
    );
    check(
        "Cache-Control: no-cache",
        200,
        "Cache-Control: max-age=60",
        Ok(()),
    );
    check("Pragma: no-cache", 200, "Cache-Control: max-age=60", Ok(()));
    plain("Cache-Control: no-store", Err(ResponseNoStore));
    plain("Cache-Control: max-age=60, no-store", Err(ResponseNoStore));
    plain("Cache-Control: public, no-store", Err(ResponseNoStore));
    plain(
        "Cache-Control: max-age=60\nCache-Control: NO-STORE",
        Err(ResponseNoStore),
    );
    check(
        "Cache-Control: no-store",
        200,
        "Cache-Control: no-store",
        Err(RequestNoStore),
    );
}

#[test]
fn must_understand_overrides_no_store_for_a_status_that_is_understood() {
    plain(
        "Cache-Control: no-store, must-understand, max-age=60",
        Ok(()),
    );
    plain("Cache-Control: must-understand, max-age=60", Ok(()));
    check(
        "",
        404,
        "Cache-Control: no-store, must-understand, max-age=60",
        Ok(()),
    );
    check(
        "",
        299,
        "Cache-Control: no-store, must-understand, max-age=60",
        Err(Status),
    );
    check(
        "",
        299,
        "Cache-Control: must-understand, max-age=60",
        Err(Status),
    );
    check(
        "",
        599,
        "Cache-Control: must-understand, max-age=60",
        Err(Status),
    );
}

#[test]
fn private_is_not_for_a_shared_cache() {
    plain("Cache-Control: private", Err(Private));
    plain("Cache-Control: private, max-age=60", Err(Private));
    plain(
        "Cache-Control: private=\"x\", private, max-age=60",
        Err(Private),
    );
    plain("Cache-Control: private=x, max-age=60", Err(Private));
    plain("Cache-Control: private, public, s-maxage=60", Err(Private));
}

#[test]
fn authorization_needs_an_explicit_permission() {
    let auth = "Authorization: Basic eDp5";
    check(auth, 200, "Cache-Control: max-age=60", Err(Authorization));
    check(
        auth,
        200,
        "Cache-Control: max-age=60, proxy-revalidate",
        Err(Authorization),
    );
    check(auth, 200, "Cache-Control: max-age=60, public", Ok(()));
    check(
        auth,
        200,
        "Cache-Control: max-age=60, must-revalidate",
        Ok(()),
    );
    check(auth, 200, "Cache-Control: s-maxage=60", Ok(()));
    check(
        auth,
        200,
        "Cache-Control: s-maxage=60, private",
        Err(Private),
    );
    check(
        "Authorization:",
        200,
        "Cache-Control: max-age=60",
        Err(Authorization),
    );
}

#[test]
fn statuses() {
    for status in [
        200, 203, 204, 300, 301, 302, 303, 307, 308, 400, 403, 404, 405, 410, 414, 451, 500, 501,
        502, 503, 504,
    ] {
        check("", status, "Cache-Control: max-age=60", Ok(()));
    }
    // Unknown ones count as the first of their class when freshness is explicit.
    for status in [299, 399, 499, 599] {
        check("", status, "Cache-Control: max-age=60", Ok(()));
    }
    for status in [
        100, 101, 103, 199, 304, 401, 407, 408, 412, 416, 417, 421, 425, 426, 428, 429, 431, 511,
        600, 999, 0,
    ] {
        check("", status, "Cache-Control: public, max-age=60", Err(Status));
    }
    check(
        "",
        206,
        "Cache-Control: max-age=60\nContent-Range: bytes 0-0/1",
        Err(Partial),
    );
}

#[test]
fn vary_star_is_never_stored() {
    plain("Cache-Control: max-age=60\nVary: *", Err(VaryStar));
    plain("Cache-Control: max-age=60\nVary: Accept, *", Err(VaryStar));
    plain(
        "Cache-Control: max-age=60\nVary: Accept\nVary: *",
        Err(VaryStar),
    );
    plain(
        "Cache-Control: max-age=60\nVary: Accept;Cookie",
        Err(VaryStar),
    );
    plain("Cache-Control: max-age=60\nVary: Accept, Cookie", Ok(()));
    plain("Cache-Control: max-age=60\nVary:", Ok(()));
}

#[test]
fn with_cookies_only_what_the_origin_made_cacheable_is_stored() {
    let modified = format!("Last-Modified: {}", date(NOW - 86_400));
    for (request, response, expected) in [
        ("", "Cache-Control: max-age=60\nSet-Cookie: a=b", Ok(())),
        ("", "Cache-Control: s-maxage=60\nSet-Cookie: a=b", Ok(())),
        (
            "",
            "Cache-Control: public\nETag: \"a\"\nSet-Cookie: a=b",
            Ok(()),
        ),
        (
            "",
            "Cache-Control: max-age=0\nETag: \"a\"\nSet-Cookie: a=b",
            Err(SetCookie),
        ),
        (
            "",
            "Cache-Control: max-age=60, no-cache\nETag: \"a\"\nSet-Cookie: a=b",
            Err(SetCookie),
        ),
        ("", "ETag: \"a\"\nSet-Cookie: a=b", Err(SetCookie)),
        ("", &format!("{modified}\nSet-Cookie: a=b"), Err(SetCookie)),
        (
            "",
            &format!("{modified}\nSet-Cookie: a=b\nCache-Control: public"),
            Ok(()),
        ),
        ("Cookie: a=b", "Cache-Control: max-age=60", Ok(())),
        ("Cookie: a=b", "ETag: \"a\"", Err(Cookie)),
        (
            "Cookie: a=b",
            "Cache-Control: max-age=0\nETag: \"a\"",
            Err(Cookie),
        ),
        ("Cookie: a=b", "Expires: 0\nETag: \"a\"", Err(Cookie)),
        // Never used without validation, also when the origin fails.
        (
            "Cookie: a=b",
            "Cache-Control: no-cache\nETag: \"a\"",
            Ok(()),
        ),
        (
            "Cookie: a=b",
            "Cache-Control: max-age=0, must-revalidate\nETag: \"a\"",
            Ok(()),
        ),
        ("Cookie: a=b", &modified, Err(Cookie)),
        (
            "Cookie: a=b",
            &format!("{modified}\nCache-Control: public"),
            Ok(()),
        ),
        ("", &modified, Ok(())),
    ] {
        check(request, 200, response, expected);
    }
}

#[test]
fn what_is_fresh_is_stored() {
    plain("Cache-Control: max-age=1", Ok(()));
    plain("Cache-Control: s-maxage=1", Ok(()));
    plain("Cache-Control: max-age=0, s-maxage=1", Ok(()));
    plain(&format!("Expires: {}", date(NOW + 10)), Ok(()));
    plain(&format!("Date: {SUN}\nExpires: {}", date(NOW + 10)), Ok(()));
    plain("Cache-Control: max-age=60\nAge: 59", Ok(()));
    plain(&format!("Last-Modified: {}", date(NOW - 1000)), Ok(()));
}

#[test]
fn without_freshness_a_validator_is_needed() {
    plain("", Err(NoFreshness));
    plain("Cache-Control: public", Err(NoFreshness));
    plain("Content-Type: text/html", Err(NoFreshness));
    plain("ETag: \"x\"", Ok(()));
    plain("ETag: W/\"x\"", Ok(()));
    plain("ETag:", Err(NoFreshness));
    plain("Last-Modified: yesterday", Err(NoFreshness));
    plain(&format!("Last-Modified: {SUN}"), Ok(()));
}

#[test]
fn what_is_stale_on_arrival_needs_a_validator() {
    plain("Cache-Control: max-age=0", Err(Expired));
    plain("Cache-Control: max-age=x", Err(Expired));
    plain("Cache-Control: s-maxage=0, max-age=60", Err(Expired));
    plain("Cache-Control: max-age=60\nAge: 60", Err(Expired));
    plain("Cache-Control: max-age=60\nAge: 61", Err(Expired));
    plain(
        &format!("Cache-Control: max-age=60\nDate: {}", date(NOW - 60)),
        Err(Expired),
    );
    plain("Expires: 0", Err(Expired));
    plain(&format!("Expires: {SUN}"), Err(Expired));
    plain("Cache-Control: max-age=0\nETag: \"x\"", Ok(()));
    plain("Expires: 0\nETag: \"x\"", Ok(()));
    plain("Cache-Control: max-age=60\nAge: 61\nETag: \"x\"", Ok(()));
}

#[test]
fn what_may_be_served_stale_is_stored_without_a_validator() {
    for window in ["stale-while-revalidate", "stale-if-error"] {
        let plain = |line: &str, expected| plain(&line.replace("WINDOW", window), expected);
        plain("Cache-Control: max-age=0, WINDOW=1", Ok(()));
        plain("Cache-Control: max-age=60, WINDOW=2\nAge: 61", Ok(()));
        plain("Cache-Control: max-age=60, WINDOW=1\nAge: 61", Err(Expired));
        plain("Cache-Control: WINDOW=60\nExpires: 0", Ok(()));
        plain("Cache-Control: max-age=0, WINDOW=0", Err(Expired));
        plain("Cache-Control: max-age=0, WINDOW=x", Err(Expired));
        for forbidding in ["must-revalidate", "proxy-revalidate", "s-maxage=0"] {
            let line = format!("Cache-Control: max-age=0, WINDOW=60, {forbidding}");
            plain(&line, Err(Expired));
        }
        plain(
            "Cache-Control: max-age=0, WINDOW=60, no-cache",
            Err(NoFreshness),
        );
        plain(
            "Cache-Control: max-age=0, WINDOW=60, no-store",
            Err(ResponseNoStore),
        );
    }
}

#[test]
fn no_cache_needs_a_validator_however_fresh() {
    plain("Cache-Control: no-cache", Err(NoFreshness));
    plain("Cache-Control: no-cache, max-age=60", Err(NoFreshness));
    plain("Cache-Control: no-cache\nETag: \"x\"", Ok(()));
    plain(
        "Cache-Control: no-cache=\"a\", max-age=60\nETag: \"x\"",
        Ok(()),
    );
}

#[test]
fn a_status_without_heuristic_needs_explicit_freshness() {
    for status in [302, 307, 403, 500, 503, 499] {
        check("", status, "ETag: \"x\"", Err(NoFreshness));
        check(
            "",
            status,
            &format!("Last-Modified: {}", date(NOW - 1000)),
            Err(NoFreshness),
        );
        check(
            "",
            status,
            &format!("Cache-Control: public\nLast-Modified: {}", date(NOW - 1000)),
            Ok(()),
        );
        check("", status, "Cache-Control: max-age=0\nETag: \"x\"", Ok(()));
    }
    check(
        "",
        404,
        &format!("Last-Modified: {}", date(NOW - 1000)),
        Ok(()),
    );
}

#[test]
fn the_word_of_a_reason_is_what_it_displays() {
    let all = [
        Method,
        RequestNoStore,
        ResponseNoStore,
        Private,
        Authorization,
        Status,
        VaryStar,
        NoFreshness,
        Partial,
        SetCookie,
        TooLarge,
        NoRoom,
        Incomplete,
        Disabled,
        Expired,
        UntrustedHost,
        Rule,
        Cookie,
    ];
    let mut words: Vec<&str> = all.iter().map(|reason| reason.as_str()).collect();
    for (reason, word) in all.iter().zip(&words) {
        assert_eq!(&reason.to_string(), word);
    }
    words.sort_unstable();
    words.dedup();
    assert_eq!(words.len(), all.len());
}
