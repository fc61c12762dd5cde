//! Cache-Control: cases in tables, one RFC rule a test.

use crate::support::head;
use understudy_http::semantics::cache_control::{RequestDirectives, ResponseDirectives};

const ANY: u32 = RequestDirectives::ANY_STALENESS;
const MAX: u32 = 1 << 31;

fn request(lines: &str, expected: RequestDirectives) {
    assert_eq!(
        RequestDirectives::parse(head(lines).fields()),
        expected,
        "{lines}"
    );
}

fn response(value: &str, expected: ResponseDirectives) {
    let lines = format!("Cache-Control: {value}");
    assert_eq!(
        ResponseDirectives::parse(head(&lines).fields()),
        expected,
        "{value}"
    );
}

fn max_age(value: &str, expected: Option<u32>) {
    response(
        value,
        ResponseDirectives {
            max_age: expected,
            ..none()
        },
    );
}

fn none() -> ResponseDirectives {
    ResponseDirectives::default()
}

fn asks() -> RequestDirectives {
    RequestDirectives::default()
}

#[test]
fn max_age_is_read_in_every_spelling() {
    max_age("max-age=10", Some(10));
    max_age("max-age=0", Some(0));
    max_age("MAX-AGE=10", Some(10));
    max_age("Max-Age=10", Some(10));
    max_age("max-age=\"10\"", Some(10));
    max_age("max-age=\" 10 \"", Some(10));
    max_age("max-age = 10", Some(10));
    max_age("max-age=\t10", Some(10));
    max_age("max-age=007", Some(7));
    max_age("  max-age=10  ,", Some(10));
    max_age(",,max-age=10,,", Some(10));
}

#[test]
fn a_time_that_overflows_saturates() {
    max_age("max-age=2147483647", Some(MAX - 1));
    max_age("max-age=2147483648", Some(MAX));
    max_age("max-age=2147483649", Some(MAX));
    max_age("max-age=4294967296", Some(MAX));
    max_age("max-age=99999999999999999999999999999999", Some(MAX));
    max_age("max-age=00000000000000000000000000000005", Some(5));
}

#[test]
fn a_malformed_time_counts_as_stale() {
    for value in [
        "max-age",
        "max-age=",
        "max-age=\"\"",
        "max-age=-1",
        "max-age=+1",
        "max-age=1.5",
        "max-age=1s",
        "max-age=1e3",
        "max-age=ten",
        "max-age=1 0",
        "max-age='10'",
        "max-age=\"10",
        "max-age=10\"",
        "max-age=0x10",
        "max-age==10",
        "max-age=10;",
        "max-age=\"1\"0\"",
    ] {
        max_age(value, Some(0));
    }
}

#[test]
fn what_is_not_max_age_is_not_read_as_it() {
    for value in [
        "",
        ",",
        "max-ag=10",
        "max-agee=10",
        "xmax-age=10",
        "max_age=10",
        "x-max-age=10",
        "\"max-age=10\"",
        "max-age;=10",
        "foo=\"max-age=10\"",
        "foo=\"a, max-age=10\"",
        "foo=\"a\\\", max-age=10\"",
        "=10",
        "max age=10",
    ] {
        max_age(value, None);
    }
}

#[test]
fn unknown_directives_are_skipped() {
    max_age("foo, max-age=10", Some(10));
    max_age("foo=bar, max-age=10, baz", Some(10));
    max_age("foo=\"a,b\", max-age=10", Some(10));
    max_age("community=\"UCI, no-store\", max-age=10", Some(10));
    max_age("foo=\"\\\"\", max-age=10", Some(10));
    max_age("@@@, max-age=10", Some(10));
}

#[test]
fn the_least_of_repeated_times_counts() {
    max_age("max-age=10, max-age=20", Some(10));
    max_age("max-age=20, max-age=10", Some(10));
    max_age("max-age=20, max-age=x", Some(0));
    max_age("max-age=20\nCache-Control: max-age=10", Some(10));
    max_age("foo\nCache-Control:\nCache-Control: max-age=10", Some(10));
}

#[test]
fn a_quote_never_closed_hides_nothing() {
    response(
        "foo=\"x, no-store",
        ResponseDirectives {
            no_store: true,
            ..none()
        },
    );
    response(
        "foo=\"x\\\", no-store",
        ResponseDirectives {
            no_store: true,
            ..none()
        },
    );
    response("\", no-store, \"", ResponseDirectives { ..none() });
}

#[test]
fn response_directives_are_told_apart() {
    response(
        "no-cache",
        ResponseDirectives {
            no_cache: true,
            ..none()
        },
    );
    response(
        "no-store",
        ResponseDirectives {
            no_store: true,
            ..none()
        },
    );
    response(
        "private",
        ResponseDirectives {
            private: true,
            ..none()
        },
    );
    response(
        "public",
        ResponseDirectives {
            public: true,
            ..none()
        },
    );
    response(
        "must-revalidate",
        ResponseDirectives {
            must_revalidate: true,
            ..none()
        },
    );
    response(
        "proxy-revalidate",
        ResponseDirectives {
            proxy_revalidate: true,
            ..none()
        },
    );
    response(
        "must-understand",
        ResponseDirectives {
            must_understand: true,
            ..none()
        },
    );
    response(
        "no-transform",
        ResponseDirectives {
            no_transform: true,
            ..none()
        },
    );
    response(
        "immutable",
        ResponseDirectives {
            immutable: true,
            ..none()
        },
    );
    response(
        "s-maxage=5",
        ResponseDirectives {
            s_maxage: Some(5),
            ..none()
        },
    );
    response(
        "s-maxage=x",
        ResponseDirectives {
            s_maxage: Some(0),
            ..none()
        },
    );
    response("s-max-age=5", none());
    response(
        "stale-while-revalidate=5",
        ResponseDirectives {
            stale_while_revalidate: Some(5),
            ..none()
        },
    );
    response(
        "stale-if-error=5",
        ResponseDirectives {
            stale_if_error: Some(5),
            ..none()
        },
    );
    response(
        "stale-if-error",
        ResponseDirectives {
            stale_if_error: Some(0),
            ..none()
        },
    );
    response(
        "NO-STORE,Private",
        ResponseDirectives {
            no_store: true,
            private: true,
            ..none()
        },
    );
    response(
        "public, max-age=60, s-maxage=\"30\", must-revalidate",
        ResponseDirectives {
            public: true,
            max_age: Some(60),
            s_maxage: Some(30),
            must_revalidate: true,
            ..none()
        },
    );
}

#[test]
fn what_forbids_counts_with_any_argument() {
    response(
        "no-store=x",
        ResponseDirectives {
            no_store: true,
            ..none()
        },
    );
    response(
        "no-store=\"\"",
        ResponseDirectives {
            no_store: true,
            ..none()
        },
    );
    response(
        "no-cache=\"a b\"",
        ResponseDirectives {
            no_cache: true,
            ..none()
        },
    );
    response(
        "no-cache=true, private=1",
        ResponseDirectives {
            no_cache: true,
            private: true,
            ..none()
        },
    );
    response(
        "private=x, public",
        ResponseDirectives {
            private: true,
            public: true,
            ..none()
        },
    );
    response(
        "must-revalidate=1",
        ResponseDirectives {
            must_revalidate: true,
            ..none()
        },
    );
}

#[test]
fn what_permits_counts_only_without_argument() {
    response("public=1", none());
    response("must-understand=x", none());
    response("immutable=\"\"", none());
}

#[test]
fn request_directives_mean_nothing_in_a_response() {
    response("max-stale=10, min-fresh=10, only-if-cached", none());
}

#[test]
fn request_directives_are_told_apart() {
    request("", asks());
    request(
        "Cache-Control: max-age=0",
        RequestDirectives {
            max_age: Some(0),
            ..asks()
        },
    );
    request(
        "Cache-Control: max-age=x",
        RequestDirectives {
            max_age: Some(0),
            ..asks()
        },
    );
    request(
        "Cache-Control: max-age=9, max-age=8",
        RequestDirectives {
            max_age: Some(8),
            ..asks()
        },
    );
    request(
        "Cache-Control: no-cache",
        RequestDirectives {
            no_cache: true,
            ..asks()
        },
    );
    request(
        "cache-control: NO-CACHE",
        RequestDirectives {
            no_cache: true,
            ..asks()
        },
    );
    request(
        "Cache-Control: no-store",
        RequestDirectives {
            no_store: true,
            ..asks()
        },
    );
    request(
        "Cache-Control: no-transform",
        RequestDirectives {
            no_transform: true,
            ..asks()
        },
    );
    request(
        "Cache-Control: only-if-cached",
        RequestDirectives {
            only_if_cached: true,
            ..asks()
        },
    );
    request(
        "Cache-Control: public, private, s-maxage=1, must-revalidate",
        asks(),
    );
}

#[test]
fn max_stale_may_stand_alone_and_the_least_counts() {
    request(
        "Cache-Control: max-stale",
        RequestDirectives {
            max_stale: Some(ANY),
            ..asks()
        },
    );
    request(
        "Cache-Control: max-stale=10",
        RequestDirectives {
            max_stale: Some(10),
            ..asks()
        },
    );
    request(
        "Cache-Control: max-stale=\"10\"",
        RequestDirectives {
            max_stale: Some(10),
            ..asks()
        },
    );
    request(
        "Cache-Control: max-stale, max-stale=10",
        RequestDirectives {
            max_stale: Some(10),
            ..asks()
        },
    );
    request(
        "Cache-Control: max-stale=x",
        RequestDirectives {
            max_stale: Some(0),
            ..asks()
        },
    );
    request(
        "Cache-Control: max-stale=",
        RequestDirectives {
            max_stale: Some(0),
            ..asks()
        },
    );
}

#[test]
fn the_greatest_min_fresh_counts() {
    request(
        "Cache-Control: min-fresh=10",
        RequestDirectives {
            min_fresh: Some(10),
            ..asks()
        },
    );
    request(
        "Cache-Control: min-fresh=10, min-fresh=20",
        RequestDirectives {
            min_fresh: Some(20),
            ..asks()
        },
    );
    request(
        "Cache-Control: min-fresh=20, min-fresh=10",
        RequestDirectives {
            min_fresh: Some(20),
            ..asks()
        },
    );
}

#[test]
fn pragma_counts_only_without_cache_control() {
    request(
        "Pragma: no-cache",
        RequestDirectives {
            no_cache: true,
            ..asks()
        },
    );
    request(
        "Pragma: foo, No-Cache",
        RequestDirectives {
            no_cache: true,
            ..asks()
        },
    );
    request(
        "Pragma: foo\nPragma: no-cache",
        RequestDirectives {
            no_cache: true,
            ..asks()
        },
    );
    request("Pragma: foo", asks());
    request("Pragma: no-store", asks());
    request("Pragma: max-age=0", asks());
    request(
        "Pragma: no-cache\nCache-Control: max-age=9",
        RequestDirectives {
            max_age: Some(9),
            ..asks()
        },
    );
    request("Pragma: no-cache\nCache-Control:", asks());
    request("Cache-Control: foo\nPragma: no-cache", asks());
}

#[test]
fn pragma_means_nothing_in_a_response() {
    assert_eq!(
        ResponseDirectives::parse(head("Pragma: no-cache").fields()),
        none()
    );
}
