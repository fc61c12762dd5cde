//! Reuse of stored responses: cases in tables, one RFC rule a test.

use crate::support::{SUN_06_NOV as NOW, head};
use understudy_http::semantics::cache_control::{RequestDirectives, ResponseDirectives};
use understudy_http::semantics::freshness::Freshness;
use understudy_http::semantics::reuse::{
    Reuse, Reuse::*, ValidateReason::*, is_error, may_reuse, may_serve_stale_on_error,
};

fn parts(
    request: &str,
    stored: &str,
    ttl: i64,
) -> (RequestDirectives, ResponseDirectives, Freshness) {
    let request = RequestDirectives::parse(head(&cc(request)).fields());
    let stored = ResponseDirectives::parse(head(&cc(stored)).fields());
    // 100 seconds of lifetime, so that age and time left are told apart.
    let age = (100 - ttl) as u32;
    (
        request,
        stored,
        Freshness {
            response_time: NOW,
            corrected_initial_age: age,
            lifetime: 100,
            heuristic: false,
        },
    )
}

fn cc(value: &str) -> String {
    if value.is_empty() {
        String::new()
    } else {
        format!("Cache-Control: {value}")
    }
}

/// A response with a lifetime of 100 of which `ttl` are left.
fn check(request: &str, stored: &str, ttl: i64, expected: Reuse) {
    let (r, s, f) = parts(request, stored, ttl);
    assert_eq!(
        may_reuse(&r, &s, &f, NOW),
        expected,
        "{request} / {stored} / {ttl}"
    );
    let earlier = Freshness {
        response_time: NOW - 1,
        corrected_initial_age: f.corrected_initial_age.max(1) - 1,
        ..f
    };
    if f.corrected_initial_age > 0 {
        assert_eq!(
            may_reuse(&r, &s, &earlier, NOW),
            expected,
            "{request} / {stored} / {ttl}, aged here"
        );
    }
}

fn on_error(request: &str, stored: &str, ttl: i64, expected: bool) {
    let (r, s, f) = parts(request, stored, ttl);
    assert_eq!(
        may_serve_stale_on_error(&r, &s, &f, NOW),
        expected,
        "{request} / {stored} / {ttl}"
    );
}

#[test]
fn what_is_fresh_is_used() {
    check("", "", 100, Fresh);
    check("", "max-age=100", 1, Fresh);
    check(
        "",
        "must-revalidate, proxy-revalidate, s-maxage=100",
        1,
        Fresh,
    );
}

#[test]
fn what_is_stale_is_validated() {
    check("", "", 0, Validate(Stale));
    check("", "", -1, Validate(Stale));
    check("", "stale-if-error=60", -1, Validate(Stale));
}

#[test]
fn within_its_window_a_stale_response_is_served_and_validated_behind() {
    let window = "max-age=100, stale-while-revalidate=60";
    check("", window, 1, Fresh);
    for ttl in [0, -1, -59] {
        check("", window, ttl, StaleWhileRevalidate);
        check("max-stale", window, ttl, StaleWhileRevalidate);
        check("max-stale=59", window, ttl, StaleWhileRevalidate);
        check("only-if-cached", window, ttl, StaleWhileRevalidate);
    }
    for ttl in [-60, -61, -100_000] {
        check("", window, ttl, Validate(Stale));
        check("max-stale", window, ttl, StaleAllowed);
    }
    for none in [
        "stale-while-revalidate",
        "stale-while-revalidate=0",
        "stale-while-revalidate=x",
        "stale-while-revalidate=-5",
        "stale-while-revalidate=60, stale-while-revalidate=0",
    ] {
        check("", none, 0, Validate(Stale));
    }
    let greatest = "stale-while-revalidate=99999999999";
    check("", greatest, -1_000_000_000, StaleWhileRevalidate);
}

#[test]
fn a_client_that_wants_better_is_not_served_behind() {
    let window = "stale-while-revalidate=60";
    check("max-age=1000", window, -10, Validate(Stale));
    check("min-fresh=0", window, -10, Validate(Stale));
    check("max-stale=9", window, -10, Validate(Stale));
    check("no-cache", window, -10, Validate(RequestNoCache));
    check("max-age=1000, max-stale=10", window, -10, StaleAllowed);
}

#[test]
fn a_response_may_forbid_its_own_window() {
    for stored in ["must-revalidate", "proxy-revalidate", "s-maxage=100"] {
        let stored = format!("{stored}, stale-while-revalidate=60");
        check("", &stored, -1, Validate(Stale));
    }
    let no_cache = "no-cache, stale-while-revalidate=60";
    check("", no_cache, -1, Validate(ResponseNoCache));
}

#[test]
fn four_statuses_are_errors() {
    let errors: Vec<u16> = (100..600).filter(|status| is_error(*status)).collect();
    assert_eq!(errors, [500, 502, 503, 504]);
}

#[test]
fn no_cache_of_a_response_always_validates() {
    check("", "no-cache", 50, Validate(ResponseNoCache));
    check("max-stale", "no-cache", 50, Validate(ResponseNoCache));
    check("max-stale", "no-cache", -50, Validate(ResponseNoCache));
    check("no-cache", "no-cache", 50, Validate(ResponseNoCache));
}

#[test]
fn no_cache_of_a_request_validates() {
    check("no-cache", "", 50, Validate(RequestNoCache));
    check("no-cache, max-stale", "", -50, Validate(RequestNoCache));
    check("no-cache", "immutable", 50, Validate(RequestNoCache));
}

#[test]
fn no_store_and_only_if_cached_of_a_request_do_not_forbid_reuse() {
    check("no-store", "", 50, Fresh);
    check("only-if-cached", "", 50, Fresh);
    check("only-if-cached", "", -1, Validate(Stale));
}

#[test]
fn max_age_of_a_request_bounds_the_age() {
    check("max-age=50", "", 51, Fresh);
    check("max-age=50", "", 50, Fresh);
    check("max-age=50", "", 49, Validate(RequestMaxAge));
    check("max-age=0", "", 99, Validate(RequestMaxAge));
    check("max-age=0", "", 100, Validate(RequestMaxAge));
    check("max-age=1000", "", 0, Validate(Stale));
    check("max-age=1000, max-stale=50", "", -10, StaleAllowed);
    check("max-age=50, max-stale", "", -10, Validate(RequestMaxAge));
}

#[test]
fn min_fresh_asks_for_freshness_to_be_left() {
    check("min-fresh=10", "", 11, Fresh);
    check("min-fresh=10", "", 10, Fresh);
    check("min-fresh=10", "", 9, Validate(RequestMinFresh));
    check("min-fresh=0", "", 1, Fresh);
    check("min-fresh=10", "", -1, Validate(Stale));
    check("min-fresh=10, max-stale", "", -1, Validate(RequestMinFresh));
}

#[test]
fn max_stale_takes_so_much_staleness() {
    check("max-stale", "", -1, StaleAllowed);
    check("max-stale", "", -100_000, StaleAllowed);
    check("max-stale=10", "", 0, StaleAllowed);
    check("max-stale=10", "", -10, StaleAllowed);
    check("max-stale=10", "", -11, Validate(Stale));
    check("max-stale=0", "", 0, StaleAllowed);
    check("max-stale=0", "", -1, Validate(Stale));
    check("max-stale=x", "", -1, Validate(Stale));
    check("max-stale=10", "", 10, Fresh);
}

#[test]
fn a_response_may_forbid_what_max_stale_takes() {
    for stored in ["must-revalidate", "proxy-revalidate", "s-maxage=100"] {
        check("max-stale", stored, -1, Validate(Stale));
        check("max-stale=10", stored, -1, Validate(Stale));
        check("max-stale", stored, 0, Validate(Stale));
    }
    check("max-stale", "max-age=100, public", -1, StaleAllowed);
}

#[test]
fn stale_is_served_on_error_unless_forbidden() {
    on_error("", "", -10, true);
    on_error("", "max-age=100", -100_000, true);
    for stored in [
        "must-revalidate",
        "proxy-revalidate",
        "s-maxage=100",
        "no-cache",
    ] {
        on_error("", stored, -10, false);
        on_error("max-stale", stored, -10, false);
        on_error("", &format!("{stored}, stale-if-error=60"), -10, false);
    }
}

#[test]
fn stale_if_error_bounds_the_staleness() {
    on_error("", "stale-if-error=10", -10, true);
    on_error("", "stale-if-error=10", -11, false);
    on_error("", "stale-if-error=0", -1, false);
    on_error("", "stale-if-error=x", -1, false);
    on_error("", "stale-if-error=0", 5, true);
    on_error("max-stale=1", "stale-if-error=10", -10, true);
    on_error("max-stale=100", "stale-if-error=10", -11, false);
}

#[test]
fn the_request_has_a_say_in_stale_on_error() {
    on_error("no-cache", "", -1, false);
    on_error("no-cache", "stale-if-error=60", -1, false);
    on_error("max-stale=10", "", -10, true);
    on_error("max-stale=10", "", -11, false);
    on_error("max-stale", "", -100_000, true);
    on_error("max-age=0", "", 50, true);
}

#[test]
fn stale_if_error_of_a_request_names_the_staleness_it_takes() {
    on_error("stale-if-error=10", "", -10, true);
    on_error("stale-if-error=10", "", -11, false);
    on_error("stale-if-error=10", "stale-if-error=60", -11, false);
    on_error("stale-if-error=60", "stale-if-error=10", -11, true);
    on_error("stale-if-error=60, no-cache", "", -10, true);
    on_error("stale-if-error=60, max-stale=5", "", -10, true);
    on_error("stale-if-error=x", "", -1, false);
    for stored in [
        "must-revalidate",
        "proxy-revalidate",
        "s-maxage=100",
        "no-cache",
    ] {
        on_error("stale-if-error=60", stored, -10, false);
    }
}

#[test]
fn a_reload_of_what_is_immutable_is_answered_while_it_is_fresh() {
    check("max-age=0", "immutable", 50, Fresh);
    check("max-age=10", "immutable", 50, Fresh);
    check("max-age=0", "", 50, Validate(RequestMaxAge));
    check("max-age=0", "immutable=1", 50, Validate(RequestMaxAge));
    check("no-cache", "immutable", 50, Validate(RequestNoCache));
    check(
        "max-age=0",
        "immutable, no-cache",
        50,
        Validate(ResponseNoCache),
    );
    check("max-age=0", "immutable", 0, Validate(Stale));
    check(
        "max-age=0, max-stale=60",
        "immutable",
        -1,
        Validate(RequestMaxAge),
    );
    check("min-fresh=60", "immutable", 50, Validate(RequestMinFresh));
}
