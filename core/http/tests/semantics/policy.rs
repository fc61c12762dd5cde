//! Operator's policy: patterns, what rules come to, what a policy makes of directives, freshness and keys.

use crate::support::{SUN_06_NOV as NOW, date, head};
use proptest::prelude::*;
use std::sync::Arc;
use understudy_http::Method;
use understudy_http::semantics::cache_control::{RequestDirectives, ResponseDirectives};
use understudy_http::semantics::freshness::{Freshness, Heuristic};
use understudy_http::semantics::lifetime::LifetimeSource;
use understudy_http::semantics::policy::{
    CookieNames, Cookies, HostPattern, NamePattern, Overrides, PathPattern, Policy, Query,
    RequestNoCache, Rule, Rules, StatusPattern, TtlWhen, TypePattern, When, read_parts,
    rewrite_query, write_parts,
};
use understudy_http::semantics::storing::{NoStoreReason, is_explicit, may_store};

#[test]
fn hosts() {
    for (pattern, host, fits) in [
        ("example.org", "example.org", true),
        ("Example.ORG", "eXample.org", true),
        ("example.org", "www.example.org", false),
        ("*.example.org", "www.example.org", true),
        ("*.example.org", "a.b.example.org", true),
        ("*.example.org", "example.org", false),
        ("*.example.org", ".example.org", false),
        ("*.example.org", "badexample.org", false),
        ("[::1]", "[::1]", true),
    ] {
        let got = HostPattern::new(pattern).unwrap().matches(host.as_bytes());
        assert_eq!(got, fits, "{pattern} {host}");
    }
    for bad in [
        "", "*.", "*", "a b", "http://a", "a/b", "a.*", "a:80", "[::1]:80", "::1", "[]", "*.[::1]",
    ] {
        assert!(HostPattern::new(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn paths() {
    for (pattern, path, fits) in [
        ("/", "/any", true),
        ("/a/", "/a/b", true),
        ("/a/", "/a", false),
        ("/a", "/ab", true),
        ("*.css", "/x/y.css", true),
        ("*.css", "/x/y.css?v=1", true),
        ("*.css", "/x/y.cssx", false),
        ("/u/*/avatar", "/u/1/avatar", true),
        ("/u/*/avatar", "/u/1/2/avatar", true),
        ("/u/*/avatar", "/u/1/avatars", false),
        ("/a*b*c", "/a-b-b-c", true),
        ("/a*b*c", "/a-c-b", false),
        ("*", "", true),
        ("/", "", true),
        ("/", "?q", true),
        ("/A", "/a", false),
    ] {
        let got = PathPattern::new(pattern).unwrap().matches(path.as_bytes());
        assert_eq!(got, fits, "{pattern} {path}");
    }
    for bad in ["", "a", "/a?b", "/a#b", "/a b", "/ä"] {
        assert!(PathPattern::new(bad).is_err(), "{bad:?}");
    }
}

#[test]
fn types_and_statuses() {
    for (pattern, value, fits) in [
        ("image/*", Some("image/png"), true),
        ("image/*", Some("IMAGE/PNG; q=1"), true),
        ("image/*", Some("imagex/png"), false),
        ("text/html", Some(" text/html ;charset=x"), true),
        ("text/html", Some("text/htmlx"), false),
        ("*/*", Some("a/b"), true),
        ("*/*", None, false),
    ] {
        let got = TypePattern::new(pattern).unwrap();
        assert_eq!(got.matches(value.map(str::as_bytes)), fits, "{pattern}");
    }
    for bad in [
        "",
        "html",
        "*",
        "*/html",
        "text/",
        "/html",
        "text/html; a=b",
    ] {
        assert!(TypePattern::new(bad).is_err(), "{bad:?}");
    }
    for (pattern, status, fits) in [
        ("404", 404, true),
        ("404", 405, false),
        ("5xx", 599, true),
        ("5XX", 500, true),
        ("5xx", 404, false),
    ] {
        assert_eq!(StatusPattern::new(pattern).unwrap().matches(status), fits);
    }
    for bad in ["", "xx", "1xx", "6xx", "199", "600", "4x", "05xx", "+200x"] {
        assert!(StatusPattern::new(bad).is_err(), "{bad:?}");
    }
}

fn rule(name: &str, when: When, then: Overrides) -> Rule {
    Rule {
        name: name.into(),
        when,
        then,
    }
}

#[test]
fn later_rules_override_field_by_field() {
    let ttl = |n| Overrides {
        ttl: Some(n),
        ..Overrides::default()
    };
    let rules = Rules::new(vec![
        rule(
            "all",
            When::default(),
            Overrides {
                grace: Some(9),
                ..ttl(1)
            },
        ),
        rule(
            "news",
            When {
                paths: vec![PathPattern::new("/news").unwrap()],
                ..When::default()
            },
            ttl(2),
        ),
        rule(
            "errors",
            When {
                statuses: vec![StatusPattern::Class(5)],
                ..When::default()
            },
            ttl(3),
        ),
    ])
    .unwrap();
    for (path, status, ttl, names) in [
        ("/", 200, Some(1), "all"),
        ("/news", 200, Some(2), "all news"),
        ("/news", 503, Some(3), "all news errors"),
        // A lifetime for a site is none for its errors.
        ("/news", 404, None, "all news"),
    ] {
        let matched = rules.for_request(b"a", path.as_bytes());
        let got = rules.policy(matched, status, None, None);
        assert_eq!((got.ttl, got.grace), (ttl, Some(9)), "{path} {status}");
        let said: Vec<&str> = rules.names_of(matched, status, None, None).collect();
        assert_eq!(said.join(" "), names);
    }
    assert!(Rules::default().for_request(b"a", b"/").is_none());
    assert!(!rules.speak_of_keys() && !rules.speak_of_requests());
}

#[test]
fn a_bound_on_size_wants_a_length() {
    let sized = |min_size, max_size| {
        let when = When {
            min_size,
            max_size,
            ..When::default()
        };
        let then = Overrides {
            ttl: Some(1),
            ..Overrides::default()
        };
        Rules::new(vec![rule("r", when, then)]).unwrap()
    };
    for (min, max, length, fits) in [
        (Some(5), None, Some(5), true),
        (Some(5), None, Some(4), false),
        (None, Some(5), Some(5), true),
        (None, Some(5), Some(6), false),
        (Some(0), None, None, false),
        (None, Some(u64::MAX), None, false),
    ] {
        let rules = sized(min, max);
        let matched = rules.for_request(b"a", b"/");
        let got = rules.policy(matched, 200, None, length).ttl.is_some();
        assert_eq!(got, fits, "{min:?} {max:?} {length:?}");
    }
}

#[test]
fn what_a_request_may_insist_on() {
    let mut asked = RequestDirectives {
        no_cache: true,
        no_store: true,
        max_age: Some(0),
        min_fresh: Some(9),
        only_if_cached: true,
        ..RequestDirectives::default()
    };
    let before = asked;
    Policy::default().hear(&mut asked);
    assert_eq!(asked, before);
    let deaf = Policy {
        request_no_cache: RequestNoCache::Ignore,
        ..Policy::default()
    };
    deaf.hear(&mut asked);
    let heard = RequestDirectives {
        no_store: true,
        only_if_cached: true,
        ..RequestDirectives::default()
    };
    assert_eq!(asked, heard);
}

/// Storable or not, lifetime, and where that comes from.
fn decide(
    policy: &Policy,
    request: &str,
    status: u16,
    response: &str,
) -> (Result<(), NoStoreReason>, u32, LifetimeSource) {
    let (request, response) = (head(request), head(response));
    let fields = response.fields();
    let mut cc = ResponseDirectives::parse(fields);
    policy.amend(&mut cc);
    let general = Heuristic {
        percent: 10,
        max: 86_400,
    };
    let heuristic = policy.heuristic(&general);
    let freshness = Freshness::of(status, fields, &cc, NOW, NOW, heuristic);
    let freshness = policy.freshness(status, is_explicit(fields, &cc), freshness);
    let asked = RequestDirectives::parse(request.fields());
    let stored = may_store(
        Method::Get,
        request.fields(),
        &asked,
        status,
        fields,
        &cc,
        &freshness,
        policy,
    );
    let source = LifetimeSource::of(status, fields, &cc, &freshness, policy);
    (stored, freshness.lifetime, source)
}

#[test]
fn lifetimes() {
    use LifetimeSource as L;
    let modified = format!("Last-Modified: {}", date(NOW - 1000));
    let ttl = |when| Policy {
        ttl: Some(7),
        ttl_when: when,
        ..Policy::default()
    };
    let negative = Policy {
        negative: Some(5),
        ..Policy::default()
    };
    let guess = Policy {
        heuristic: Some(Heuristic {
            percent: 50,
            max: 300,
        }),
        ..Policy::default()
    };
    let refused = |why| Err(why);
    for (policy, status, response, want) in [
        (
            &Policy::default(),
            200,
            "Cache-Control: max-age=60",
            (Ok(()), 60, L::MaxAge),
        ),
        (
            &Policy::default(),
            200,
            "Cache-Control: max-age=60, s-maxage=3",
            (Ok(()), 3, L::SMaxage),
        ),
        (
            &Policy::default(),
            200,
            modified.as_str(),
            (Ok(()), 100, L::Heuristic),
        ),
        (&guess, 200, modified.as_str(), (Ok(()), 300, L::Heuristic)),
        (
            &ttl(TtlWhen::Always),
            200,
            "Cache-Control: max-age=60",
            (Ok(()), 7, L::Rule),
        ),
        // The age it came with does not count against an operator's lifetime.
        (
            &ttl(TtlWhen::Always),
            200,
            "Cache-Control: max-age=60\nAge: 30",
            (Ok(()), 37, L::Rule),
        ),
        (
            &ttl(TtlWhen::Unstated),
            200,
            "Cache-Control: max-age=60",
            (Ok(()), 60, L::MaxAge),
        ),
        (
            &ttl(TtlWhen::Unstated),
            200,
            modified.as_str(),
            (Ok(()), 7, L::Rule),
        ),
        // A status without a heuristic becomes storable by a lifetime of the operator's.
        (&ttl(TtlWhen::Always), 302, "", (Ok(()), 7, L::Rule)),
        (
            &Policy::default(),
            302,
            "",
            (refused(NoStoreReason::NoFreshness), 0, L::None),
        ),
        (
            &ttl(TtlWhen::Always),
            200,
            "Cache-Control: no-store",
            (refused(NoStoreReason::ResponseNoStore), 7, L::Rule),
        ),
        (&negative, 404, "", (Ok(()), 5, L::Rule)),
        (&negative, 502, "", (Ok(()), 5, L::Rule)),
        (
            &negative,
            404,
            "Cache-Control: max-age=60",
            (Ok(()), 60, L::MaxAge),
        ),
        (
            &negative,
            200,
            "",
            (refused(NoStoreReason::NoFreshness), 0, L::None),
        ),
        (
            &negative,
            401,
            "",
            (refused(NoStoreReason::Status), 5, L::Rule),
        ),
    ] {
        assert_eq!(
            decide(policy, "", status, response),
            want,
            "{policy:?} {status} {response}"
        );
    }
}

#[test]
fn what_is_forced_is_stored_but_for_credentials() {
    let forced = Policy {
        ttl: Some(60),
        force: true,
        ..Policy::default()
    };
    for cc in [
        "no-store",
        "private",
        "no-cache",
        "max-age=0, must-revalidate",
        "private=\"x\"",
    ] {
        let response = format!("Cache-Control: {cc}");
        assert_eq!(decide(&forced, "", 200, &response).0, Ok(()), "{cc}");
        let got = decide(&forced, "Authorization: x", 200, &response).0;
        assert_eq!(got, Err(NoStoreReason::Authorization), "{cc}");
        let got = decide(&forced, "Cache-Control: no-store", 200, &response).0;
        assert_eq!(got, Err(NoStoreReason::RequestNoStore), "{cc}");
    }
    assert_eq!(
        decide(&forced, "", 200, "Vary: *").0,
        Err(NoStoreReason::VaryStar)
    );
    let mut never = forced;
    never.store = false;
    assert_eq!(decide(&never, "", 200, "").0, Err(NoStoreReason::Rule));
}

#[test]
fn grace_is_written_where_nothing_forbids_it() {
    let policy = Policy {
        grace: Some(30),
        ..Policy::default()
    };
    for (cc, grace) in [
        ("max-age=1", Some(30)),
        ("max-age=1, stale-if-error=5", Some(30)),
        ("max-age=1, must-revalidate", None),
        ("max-age=1, proxy-revalidate", None),
        ("s-maxage=1", None),
        ("no-cache", None),
    ] {
        let head = head(&format!("Cache-Control: {cc}"));
        let mut cc = ResponseDirectives::parse(head.fields());
        policy.amend(&mut cc);
        assert_eq!(
            (cc.stale_if_error, cc.stale_while_revalidate),
            (grace, grace)
        );
    }
}

fn names(all: &[&str]) -> Arc<[NamePattern]> {
    all.iter().map(|n| NamePattern::new(n).unwrap()).collect()
}

#[test]
fn queries() {
    let only = Query::Only(names(&["id", "p*"]));
    let without = Query::Without(names(&["utm_*", "x"]));
    for (query, sort, url, want) in [
        (&Query::All, false, "/?b&a", "/?b&a"),
        (&Query::All, true, "/?b=1&a=2&b=0", "/?a=2&b=1&b=0"),
        (&Query::None, false, "/x?a", "/x"),
        (&only, false, "/?x=1&id=2&page=3", "/?id=2&page=3"),
        (&only, false, "/?x=1", "/"),
        (&only, true, "/?p&id", "/?id&p"),
        (&without, false, "/?utm_id=1&a=&x=2&b", "/?a=&b"),
        (&without, false, "/?x", "/"),
        (&without, false, "/", "/"),
        (&without, false, "/?a=?x=1", "/?a=?x=1"),
        (&without, false, "/?&&", "/?&&"),
        // What an origin may read as another parameter stays.
        (&only, false, "/?id=1&%69d=2&x=3", "/?id=1&%69d=2"),
        (&only, false, "/?id=1&id[]=2&x[]=3", "/?id=1&id[]=2"),
        (&only, false, "/?id=1&x=3;id=2", "/?id=1&x=3;id=2"),
        (&without, false, "/?a=1&utm_id=2;a=3", "/?a=1&utm_id=2;a=3"),
        (&Query::All, true, "/?b=1&%61=2&a=0", "/?b=1&%61=2&a=0"),
        (&Query::All, true, "/?b=1&a[]=2&a=0", "/?a[]=2&a=0&b=1"),
        (&Query::All, true, "/?b=1;a=3&a=0", "/?b=1;a=3&a=0"),
    ] {
        let policy = Policy {
            query: query.clone(),
            sort_query: sort,
            ..Policy::default()
        };
        let mut key = format!("http://a:80{url}").into_bytes();
        rewrite_query(&policy, &mut key);
        let want = format!("http://a:80{want}");
        assert_eq!(String::from_utf8(key).unwrap(), want, "{url}");
    }
}

fn parts(policy: &Policy, request: &str) -> Vec<u8> {
    let request = head(request);
    let mut out = Vec::new();
    write_parts(policy, request.fields(), &mut out);
    out
}

#[test]
fn cookies_in_keys() {
    let policy = |names| Policy {
        cookies: Cookies::Key(names),
        ..Policy::default()
    };
    let (all, named) = (CookieNames::All, CookieNames::Named(names(&["a", "s_*"])));
    for (cookies, one, other, same) in [
        (&all, "Cookie: a=1", "Cookie: a=1", true),
        (&all, "Cookie: a=1; b=2", "Cookie: b=2; a=1", false),
        (&named, "Cookie: a=1; b=2", "Cookie: b=3;a=1", true),
        (
            &named,
            "Cookie: a=1; s_x=2",
            "Cookie: s_x=2\nCookie: a=1",
            true,
        ),
        (&named, "Cookie: a=1", "Cookie: a=2", false),
        (&named, "Cookie: b=1", "", true),
        (&named, "Cookie: a", "", false),
        // An origin may read the first of one name, or the last.
        (&named, "Cookie: a=1; a=2", "Cookie: a=2; a=1", false),
        (
            &named,
            "Cookie: s_x=0; a=1; a=2",
            "Cookie: a=1; a=2; s_x=0",
            true,
        ),
    ] {
        let policy = policy(cookies.clone());
        assert_eq!(
            parts(&policy, one) == parts(&policy, other),
            same,
            "{one} {other}"
        );
    }
}

#[test]
fn a_key_has_only_the_fields_that_reach_the_origin() {
    let policy = Policy {
        key_fields: Some(["x-country", "accept"].map(Box::from).into()),
        ..Policy::default()
    };
    for (one, other, same) in [
        ("X-Country: de\nConnection: close, X-COUNTRY", "", true),
        ("X-Country: de\nConnection: close", "", false),
        // It cannot be nominated away, so it reaches the origin.
        ("Accept: a/b\nConnection: accept", "", false),
    ] {
        let agree = parts(&policy, one) == parts(&policy, other);
        assert_eq!(agree, same, "{one}");
    }
}

#[test]
fn what_no_policy_writes_is_not_read() {
    for bad in [
        "x", "x=", "x=1", "x=1:", "x=9:a;", "x=a:b;", "x=1:ab;", ";x",
    ] {
        assert_eq!(read_parts(bad.as_bytes()), None, "{bad}");
    }
    assert_eq!(read_parts(b""), Some(Vec::new()));
}

proptest! {
    /// Requests have one key exactly when they agree in every field that belongs to it, and a request made of the key has that key.
    #[test]
    fn keys_tell_apart_what_differs(
        one in proptest::collection::vec((0..3usize, "[ -~]{0,6}"), 0..5),
        other in proptest::collection::vec((0..3usize, "[ -~]{0,6}"), 0..5),
    ) {
        const NAMES: [&str; 3] = ["x-a", "x-a-", "accept"];
        let policy = Policy {
            key_fields: Some(NAMES.iter().map(|n| Box::from(*n)).collect()),
            ..Policy::default()
        };
        let build = |lines: &[(usize, String)]| {
            let mut head = crate::support::empty();
            for (name, value) in lines {
                head.push(NAMES[*name].as_bytes(), value.trim().as_bytes());
            }
            head
        };
        let values = |lines: &[(usize, String)], name: usize| {
            let of = lines.iter().filter(|(n, _)| *n == name);
            of.map(|(_, value)| value.trim().to_owned()).collect::<Vec<_>>()
        };
        let key = |lines: &[(usize, String)]| {
            let mut out = Vec::new();
            write_parts(&policy, build(lines).fields(), &mut out);
            out
        };
        let same = (0..NAMES.len()).all(|n| values(&one, n) == values(&other, n));
        prop_assert_eq!(key(&one) == key(&other), same);

        let written = key(&one);
        let lines = read_parts(&written).unwrap();
        let mut again = crate::support::empty();
        for (name, value) in lines {
            again.push(name, value);
        }
        let mut out = Vec::new();
        write_parts(&policy, again.fields(), &mut out);
        prop_assert_eq!(out, written);
    }

    /// A pattern is what a plain search for its pieces says.
    #[test]
    fn stars_stand_for_anything(pattern in "[ab*]{1,6}", text in "[ab]{0,8}") {
        fn naive(pattern: &[u8], text: &[u8]) -> bool {
            match pattern.split_first() {
                None => text.is_empty(),
                Some((b'*', rest)) => (0..=text.len()).any(|n| naive(rest, &text[n..])),
                Some((byte, rest)) => text.first() == Some(byte) && naive(rest, &text[1..]),
            }
        }
        let got = NamePattern::new(&pattern).unwrap().matches(text.as_bytes());
        prop_assert_eq!(got, naive(pattern.as_bytes(), text.as_bytes()));
    }
}
