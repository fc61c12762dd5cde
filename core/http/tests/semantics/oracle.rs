//! The decisions of an independent implementation of the same RFC, the crate `http-cache-semantics`, as an oracle.
//!
//! On plain cases (one directive once, in lower case, sane dates) both agree: what is stored, the age, the lifetime, what answers
//! a later request, which variant. Where they do not, the difference has a row in [`DIFFERENCES`] with the sentence that decides
//! it, and the property takes exactly that much into account.

use crate::support::{SUN_06_NOV as NOW, date, head};
use http_cache_semantics::{CacheOptions, CachePolicy};
use proptest::prelude::*;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use understudy_http::Method;
use understudy_http::semantics::cache_control::{RequestDirectives, ResponseDirectives};
use understudy_http::semantics::freshness::{Freshness, Heuristic};
use understudy_http::semantics::policy::Policy;
use understudy_http::semantics::reuse::{Reuse, may_reuse};
use understudy_http::semantics::storing::may_store;
use understudy_http::semantics::vary::VaryKey;

/// Ten per cent, as the oracle has it, and no ceiling, of which it has none.
const HEURISTIC: Heuristic = Heuristic {
    percent: 10,
    max: u32::MAX,
};

/// What two implementations say of one response and one later request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Verdict {
    stored: bool,
    age: u64,
    /// Time of freshness left, 0 when there is none.
    left: u64,
    /// The later request is answered with what is stored, were it stored.
    reused: bool,
}

struct Case<'a> {
    request: &'a str,
    status: u16,
    response: &'a str,
    later: &'a str,
    after: i64,
}

fn ours(case: &Case<'_>) -> Verdict {
    let (request, response, later) = (head(case.request), head(case.response), head(case.later));
    let cc = ResponseDirectives::parse(response.fields());
    let freshness = Freshness::of(case.status, response.fields(), &cc, NOW, NOW, &HEURISTIC);
    let asked = RequestDirectives::parse(request.fields());
    let stored = may_store(
        Method::Get,
        request.fields(),
        &asked,
        case.status,
        response.fields(),
        &cc,
        &freshness,
        &Policy::default(),
    );
    let now = NOW + case.after;
    let wanted = RequestDirectives::parse(later.fields());
    let variant = VaryKey::of(response.fields(), request.fields())
        .is_some_and(|key| key.matches(later.fields()));
    let reuse = may_reuse(&wanted, &cc, &freshness, now);
    Verdict {
        stored: stored.is_ok(),
        age: u64::from(freshness.age(now)),
        left: u64::try_from(freshness.ttl(now)).unwrap_or(0),
        reused: variant && !matches!(reuse, Reuse::Validate(_)),
    }
}

fn theirs(case: &Case<'_>) -> Verdict {
    let request = |lines: &str| {
        let mut request = http::Request::get("http://a.test/");
        for line in lines.lines() {
            let (name, value) = line.split_once(": ").unwrap();
            request = request.header(name, value);
        }
        request.body(()).unwrap()
    };
    let mut response = http::Response::builder().status(case.status);
    for line in case.response.lines() {
        let (name, value) = line.split_once(": ").unwrap();
        response = response.header(name, value);
    }
    let at = |seconds: i64| -> SystemTime { UNIX_EPOCH + Duration::from_secs(seconds as u64) };
    let policy = CachePolicy::new_options(
        &request(case.request),
        &response.body(()).unwrap(),
        at(NOW),
        CacheOptions::default(),
    );
    let now = at(NOW + case.after);
    Verdict {
        stored: policy.is_storable(),
        age: policy.age(now).as_secs(),
        left: policy.time_to_live(now).as_secs(),
        reused: policy
            .before_request(&request(case.later), now)
            .satisfies_without_revalidation(),
    }
}

/// Directives of a plain response, each at most once.
#[derive(Debug, Clone)]
struct Plain {
    status: u16,
    public: bool,
    private: bool,
    no_store: bool,
    no_cache: bool,
    must_revalidate: bool,
    max_age: Option<u32>,
    s_maxage: Option<u32>,
    expires: Option<i64>,
    modified: Option<i64>,
    age: Option<u32>,
    tag: bool,
    cookie: bool,
    vary: &'static str,
    authorized: bool,
    forbidden: bool,
    sent: &'static str,
    later: &'static str,
    wants: String,
    after: i64,
}

/// Statuses that both understand.
const STATUSES: &[u16] = &[
    200, 203, 204, 300, 301, 302, 303, 307, 308, 404, 405, 410, 414, 501,
];

fn seconds() -> impl Strategy<Value = u32> {
    prop_oneof![0u32..4, 0u32..400]
}

fn plain() -> impl Strategy<Value = Plain> {
    let flags = (
        any::<bool>(),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.1),
        prop::bool::weighted(0.15),
        any::<bool>(),
        prop::bool::weighted(0.5),
        prop::bool::weighted(0.1),
    );
    let times = (
        prop::option::of(seconds()),
        prop::option::weighted(0.3, seconds()),
        prop::option::of(-100i64..400),
        prop::option::of(0i64..4000),
        prop::option::of(seconds()),
        0i64..400,
    );
    let selecting = (
        prop::sample::select(vec!["", "X", "X, Y", "*"]),
        prop::sample::select(vec!["", "X: 1", "X: 2", "Y: 1", "X: 1\nY: 1"]),
        prop::sample::select(vec!["", "X: 1", "X: 2", "Y: 1", "X: 1\nY: 1"]),
    );
    let wants = prop_oneof![
        4 => Just(String::new()),
        1 => Just("no-cache".to_owned()),
        1 => (1u32..400).prop_map(|n| format!("max-age={n}")),
        1 => (1u32..400).prop_map(|n| format!("min-fresh={n}")),
        1 => Just("max-stale".to_owned()),
    ];
    let request = (
        prop::sample::select(STATUSES.to_vec()),
        prop::bool::weighted(0.2),
        prop::bool::weighted(0.1),
    );
    (flags, times, selecting, wants, request).prop_map(
        |(flags, times, selecting, wants, request)| {
            let (public, private, no_store, no_cache, must_revalidate, tag, cookie) = flags;
            let (max_age, s_maxage, expires, modified, age, after) = times;
            let (vary, sent, later) = selecting;
            let (status, authorized, forbidden) = request;
            Plain {
                status,
                public,
                private,
                no_store,
                no_cache,
                must_revalidate,
                max_age,
                s_maxage,
                expires,
                modified,
                age,
                tag,
                cookie,
                vary,
                authorized,
                forbidden,
                sent,
                later,
                wants,
                after,
            }
        },
    )
}

impl Plain {
    fn response(&self) -> String {
        let mut directives: Vec<String> = [
            (self.public, "public"),
            (self.private, "private"),
            (self.no_store, "no-store"),
            (self.no_cache, "no-cache"),
            (self.must_revalidate, "must-revalidate"),
        ]
        .iter()
        .filter(|(set, _)| *set)
        .map(|(_, name)| (*name).to_owned())
        .collect();
        directives.extend(self.max_age.map(|n| format!("max-age={n}")));
        directives.extend(self.s_maxage.map(|n| format!("s-maxage={n}")));
        let mut lines = vec![format!("Date: {}", date(NOW))];
        if !directives.is_empty() {
            lines.push(format!("Cache-Control: {}", directives.join(", ")));
        }
        lines.extend(self.expires.map(|n| format!("Expires: {}", date(NOW + n))));
        lines.extend(
            self.modified
                .map(|n| format!("Last-Modified: {}", date(NOW - n))),
        );
        lines.extend(self.age.map(|n| format!("Age: {n}")));
        lines.extend(self.tag.then(|| "ETag: \"a\"".to_owned()));
        lines.extend(self.cookie.then(|| "Set-Cookie: a=b".to_owned()));
        if !self.vary.is_empty() {
            lines.push(format!("Vary: {}", self.vary));
        }
        lines.join("\n")
    }

    fn request(&self) -> String {
        let mut lines: Vec<&str> = self.sent.lines().collect();
        lines.extend(self.authorized.then_some("Authorization: Basic eA=="));
        lines.extend(self.forbidden.then_some("Cache-Control: no-store"));
        lines.join("\n")
    }

    fn later(&self) -> String {
        let mut lines: Vec<String> = self.later.lines().map(str::to_owned).collect();
        if !self.wants.is_empty() {
            lines.push(format!("Cache-Control: {}", self.wants));
        }
        lines.join("\n")
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2048))]
    #[test]
    fn plain_cases_are_decided_as_the_oracle_does(plain in plain()) {
        let (request, response, later) = (plain.request(), plain.response(), plain.later());
        let case = Case { request: &request, status: plain.status, response: &response, later: &later, after: plain.after };
        let (we, they) = (ours(&case), theirs(&case));
        prop_assert_eq!(we.age, they.age);

        // Rows `useless`, `cookie` and `vary-star`: the oracle would store what it will never use.
        let at_once = ours(&Case { after: 0, later: "", ..case });
        let usable = plain.tag || plain.modified.is_some() || (at_once.left > 0 && !plain.no_cache);
        let cookie = plain.cookie && !plain.public;
        let explicit = plain.max_age.is_some() || plain.s_maxage.is_some() || plain.expires.is_some();
        let meant = explicit && at_once.left > 0 && !plain.no_cache;
        prop_assert_eq!(we.stored, they.stored && usable && (!cookie || meant) && plain.vary != "*", "stored: {:?} {:?}", we, they);

        // What is not stored has no lifetime there, and with `no-cache` none either (row `no-cache-lifetime`).
        let counts = they.stored && !plain.no_cache && !cookie && plain.vary != "*";
        if counts {
            prop_assert_eq!(we.left, they.left, "left");
        }
        // Row `stale-forbidden`: there only must-revalidate keeps max-stale from being honoured.
        let forbidden = plain.wants == "max-stale" && (plain.s_maxage.is_some() || plain.no_cache);
        if we.stored && !forbidden && !cookie {
            prop_assert_eq!(we.reused, they.reused, "reused: {:?} {:?}", we, they);
        }
    }
}

/// Where the two differ: a name, the case, and for the first field that differs what we say and what the oracle says.
struct Difference {
    /// And the sentence that decides.
    name: &'static str,
    status: u16,
    response: &'static str,
    later: &'static str,
    after: i64,
    differs: fn(Verdict) -> u64,
    ours: u64,
    theirs: u64,
}

const fn row(
    name: &'static str,
    response: &'static str,
    differs: fn(Verdict) -> u64,
    ours: u64,
    theirs: u64,
) -> Difference {
    Difference {
        name,
        status: 200,
        response,
        later: "",
        after: 0,
        differs,
        ours,
        theirs,
    }
}

fn stored(v: Verdict) -> u64 {
    v.stored.into()
}

fn reused(v: Verdict) -> u64 {
    v.reused.into()
}

fn left(v: Verdict) -> u64 {
    v.left
}

fn age(v: Verdict) -> u64 {
    v.age
}

const DIFFERENCES: &[Difference] = &[
    row(
        "useless: neither fresh nor with a validator it can never answer anything; RFC 9111 section 3 permits storing and asks for none",
        "",
        stored,
        0,
        1,
    ),
    row(
        "cookie: RFC 9111 section 7.3, Set-Cookie does not inhibit caching where the origin states a lifetime; there it is never fresh",
        "Cache-Control: max-age=60\nSet-Cookie: a=b",
        left,
        60,
        0,
    ),
    row(
        "cookie-unstated: a heuristic is no reason to share a cookie; there it is stored and never fresh",
        "ETag: \"a\"\nSet-Cookie: a=b",
        stored,
        0,
        1,
    ),
    row(
        "vary-star: section 4.1, a Vary with * always fails to match",
        "Cache-Control: max-age=60\nVary: *",
        stored,
        0,
        1,
    ),
    row(
        "no-cache-lifetime: section 5.2.2.4 forbids reuse without validation and changes no lifetime",
        "Cache-Control: no-cache, max-age=60",
        left,
        60,
        0,
    ),
    Difference {
        status: 499,
        ..row(
            "status: section 3 asks to understand a status for 206, 304 and must-understand alone",
            "Cache-Control: max-age=60",
            stored,
            1,
            0,
        )
    },
    Difference {
        after: 70,
        later: "Cache-Control: max-stale",
        ..row(
            "stale-forbidden: s-maxage has the meaning of proxy-revalidate, section 5.2.2.10",
            "Cache-Control: s-maxage=60",
            reused,
            0,
            1,
        )
    },
    row(
        "proxy-revalidate: section 5.2.2.8 speaks of a response that has become stale",
        "Cache-Control: proxy-revalidate, max-age=60",
        left,
        60,
        0,
    ),
    row(
        "immutable: RFC 8246 section 2 gives no lifetime",
        "Cache-Control: immutable\nETag: \"a\"",
        left,
        0,
        86_400,
    ),
    Difference {
        after: 5,
        later: "Cache-Control: max-age=1",
        ..row(
            "immutable-reload: RFC 8246 section 2, fresh and immutable is not revalidated but for no-cache",
            "Cache-Control: max-age=60, immutable",
            reused,
            1,
            0,
        )
    },
    Difference {
        later: "Cache-Control: max-age=0",
        ..row(
            "max-age=0: section 5.2.1.1, and ages are whole seconds, so 0 can only be meant as: ask",
            "Cache-Control: max-age=60",
            reused,
            0,
            1,
        )
    },
    Difference {
        after: 70,
        later: "Cache-Control: max-stale=10",
        ..row(
            "max-stale: section 5.2.1.2, no more than the specified number of seconds, so just as many are taken",
            "Cache-Control: max-age=60",
            reused,
            1,
            0,
        )
    },
    row(
        "apparent-age: section 4.2.3, the age is at least what Date and our clock say",
        "Date: Sun, 06 Nov 1994 08:49:17 GMT\nCache-Control: max-age=60",
        age,
        20,
        0,
    ),
    row(
        "case: section 5.2, directives are compared without case",
        "Cache-Control: MAX-AGE=60",
        left,
        60,
        0,
    ),
    row(
        "quotes: section 5.2, both forms of an argument are to be taken, and a comma in one separates nothing",
        "Cache-Control: x=\"a, no-store, b\", max-age=\"60\"",
        stored,
        1,
        0,
    ),
    row(
        "duplicates: section 4.2.1, the first or staleness; the least is never more than the first",
        "Cache-Control: max-age=60, max-age=10",
        left,
        10,
        60,
    ),
    row(
        "age-list: section 5.1 says nothing of lists but that the first counts where there are several",
        "Age: 7, 9\nCache-Control: max-age=60",
        age,
        7,
        0,
    ),
    row(
        "overflow: section 1.2.2, a greater value counts as 2^31",
        "Cache-Control: max-age=99999999999999999999",
        left,
        1 << 31,
        0,
    ),
];

#[test]
fn each_difference_is_there_and_is_the_one_named() {
    for d in DIFFERENCES {
        let response = match d.response.contains("Date:") || d.response.is_empty() {
            true => d.response.to_owned(),
            false => format!("Date: {}\n{}", date(NOW), d.response),
        };
        let case = Case {
            request: "",
            status: d.status,
            response: &response,
            later: d.later,
            after: d.after,
        };
        let (we, they) = (ours(&case), theirs(&case));
        assert_eq!(
            ((d.differs)(we), (d.differs)(they)),
            (d.ours, d.theirs),
            "{}: {we:?} {they:?}",
            d.name
        );
        assert_ne!(d.ours, d.theirs, "{}", d.name);
    }
}

/// Vary: the oracle compares values as they stand.
#[test]
fn variants_differ_in_what_the_syntax_of_a_field_lets_count() {
    for (field, sent, later) in [
        ("X", "1, 2", "1,2"),
        ("Accept-Encoding", "gzip, br", "br, gzip"),
        ("Accept-Language", "de", "DE"),
    ] {
        let (request, later) = (format!("{field}: {sent}"), format!("{field}: {later}"));
        let response = format!("Cache-Control: max-age=60\nVary: {field}");
        let case = Case {
            request: &request,
            status: 200,
            response: &response,
            later: &later,
            after: 0,
        };
        assert_eq!(
            (ours(&case).reused, theirs(&case).reused),
            (true, false),
            "{request} / {later}"
        );
    }
}
