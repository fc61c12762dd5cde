//! `[[rule]]` and the mode of `[cache]`: what the operator wants otherwise than the RFC has it.
//!
//! Invariant: rules keep their order; each has a name of its own and says something. What decides the key, or what a request may
//! insist on, depends on nothing that only a response can tell.
//! Awkward case: `mode = "fixed"` is a rule like any other, before all that are written, so that those can take exceptions.

use super::{
    listeners::name,
    problem::Fault,
    resolve::{Resolver, Sources, number, quote, word, word_of},
    shape::{
        CacheMode, CookiesWord, NoCacheWord, QueryWord, RuleMatch, RuleShape, Time, TtlWhenWord,
    },
    units::{duration, show_duration, show_size, size},
};
use std::{sync::Arc, time::Duration};
use understudy_http::{
    Name,
    semantics::{
        freshness::Heuristic,
        policy::{
            CookieNames, Cookies, Guess, HostPattern, MAX_RULES, NamePattern, NoPattern, Overrides,
            PathPattern, Query, RequestNoCache, Rule, Rules, StatusPattern, TtlWhen, TypePattern,
            When,
        },
    },
};

const MODES: &[(&str, bool)] = &[("rfc", false), ("fixed", true)];
const TTL_WHEN: &[(&str, TtlWhen)] =
    &[("always", TtlWhen::Always), ("unstated", TtlWhen::Unstated)];
const NO_CACHE: &[(&str, RequestNoCache)] = &[
    ("respect", RequestNoCache::Respect),
    ("ignore", RequestNoCache::Ignore),
];
const QUERIES: &[(&str, bool)] = &[("all", true), ("none", false)];
const COOKIES: &[(&str, CookiesWord)] = &[
    ("conservative", CookiesWord::Conservative),
    ("strip", CookiesWord::Strip),
    ("ignore", CookiesWord::Ignore),
    ("refuse", CookiesWord::Refuse),
    ("key", CookiesWord::Key),
];
/// The name that `mode = "fixed"` has among the rules.
const FIXED: &str = "mode-fixed";

/// Checks all rules.
pub(crate) fn check(r: &mut Resolver<'_>, heuristic: Heuristic) -> Arc<Rules> {
    let document = r.document;
    let mut rules = Vec::new();
    rules.extend(fixed(r));
    for (i, shape) in document.shape.rule.iter().enumerate() {
        if rules.len() == MAX_RULES {
            let fault = Fault::new(
                "there are too many rules",
                format!("write at most {MAX_RULES}"),
            );
            r.fault_at(&format!("rule[{i}]"), fault);
            break;
        }
        let rule = rule(r, i, shape, &rules, heuristic);
        rules.push(rule);
    }
    Arc::new(Rules::new(rules).unwrap_or_default())
}

/// The fixed time-out: every 200 for so long, whatever its origin says.
fn fixed(r: &mut Resolver<'_>) -> Option<Rule> {
    let shape = &r.document.shape.cache;
    let mode = shape.mode.map(|mode| match mode {
        CacheMode::Rfc => "rfc",
        CacheMode::Fixed => "fixed",
    });
    let ttl = shape.fixed_ttl.as_ref();
    let fixed = r.pick("cache.mode", Sources::file(mode), false, word(MODES), |m| {
        quote(word_of(MODES, m))
    });
    if !fixed {
        if ttl.is_some() && !r.faulted("cache.mode") {
            r.fault_at(
                "cache.fixed_ttl",
                Fault::new(
                    "`fixed_ttl` means nothing in this mode",
                    "remove it, or write mode = \"fixed\"",
                ),
            );
        }
        return None;
    }
    let ttl = r.pick(
        "cache.fixed_ttl",
        Sources::file(ttl.map(|t| &t.0)),
        Duration::from_secs(3600),
        seconds,
        |d| show_duration(*d),
    );
    Some(Rule {
        name: FIXED.into(),
        when: When {
            statuses: vec![StatusPattern::Is(200)],
            ..When::default()
        },
        then: Overrides {
            ttl: Some(whole(ttl)),
            ttl_when: Some(TtlWhen::Always),
            force: Some(true),
            cookies: Some(Cookies::Strip),
            ..Overrides::default()
        },
    })
}

/// Checks one section.
fn rule(
    r: &mut Resolver<'_>,
    i: usize,
    shape: &RuleShape,
    before: &[Rule],
    heuristic: Heuristic,
) -> Rule {
    let section = format!("rule[{i}]");
    let called = r.pick(
        &format!("{section}.name"),
        Sources::file(shape.name.as_ref()),
        String::new(),
        name,
        |n| quote(n),
    );
    if shape.name.is_none() {
        r.fault_at(
            &section,
            Fault::new("the rule has no name", "add name = \"...\""),
        );
    } else if !called.is_empty() && before.iter().any(|rule| *rule.name == *called) {
        r.fault_at(
            &format!("{section}.name"),
            Fault::new(
                format!("there is another rule called {called:?}"),
                "give each a name of its own",
            ),
        );
    }
    let when = conditions(r, &format!("{section}.match"), &shape.matching);
    let then = overrides(r, &section, shape, heuristic);
    if is_silent(shape) {
        r.fault_at(
            &section,
            Fault::new("the rule says nothing", "add ttl = \"...\", or remove it"),
        );
    }
    if when.looks_at_response() {
        of_request_only(r, &section, shape);
    }
    Rule {
        name: called.into(),
        when,
        then,
    }
}

/// Whether nothing is written but a name and conditions.
fn is_silent(shape: &RuleShape) -> bool {
    let times = [
        &shape.ttl,
        &shape.grace,
        &shape.negative,
        &shape.heuristic_max,
    ];
    let flags = [shape.store, shape.force, shape.query_sort];
    times.iter().all(|time| time.is_none())
        && flags.iter().all(|flag| flag.is_none())
        && shape.ttl_when.is_none()
        && shape.heuristic_percent.is_none()
        && shape.request_no_cache.is_none()
        && shape.cookies.is_none()
        && shape.query.is_none()
        && shape.query_only.is_none()
        && shape.query_without.is_none()
        && shape.key_fields.is_none()
}

/// Refuses what must be known before there is a response, in a rule that waits for one.
fn of_request_only(r: &mut Resolver<'_>, section: &str, shape: &RuleShape) {
    for (key, written) in [
        ("request_no_cache", shape.request_no_cache.is_some()),
        ("cookies", shape.cookies.is_some()),
        ("query", shape.query.is_some()),
        ("query_only", shape.query_only.is_some()),
        ("query_without", shape.query_without.is_some()),
        ("query_sort", shape.query_sort.is_some()),
        ("key_fields", shape.key_fields.is_some()),
    ] {
        if written {
            r.fault_at(
                &format!("{section}.{key}"),
                Fault::new(
                    format!("`{key}` must be known before there is a response, but this rule looks at one"),
                    "move it to a rule that matches by hosts and paths only",
                ),
            );
        }
    }
}

fn conditions(r: &mut Resolver<'_>, section: &str, shape: &RuleMatch) -> When {
    let key = |name: &str| format!("{section}.{name}");
    let when = When {
        hosts: list(r, &key("hosts"), shape.hosts.as_ref(), |text| {
            pattern(text, "a host", HostPattern::new)
        }),
        paths: list(r, &key("paths"), shape.paths.as_ref(), |text| {
            pattern(text, "a path", PathPattern::new)
        }),
        content_types: list(r, &key("types"), shape.types.as_ref(), |text| {
            pattern(text, "a media type", TypePattern::new)
        }),
        statuses: list(
            r,
            &key("statuses"),
            shape
                .statuses
                .as_ref()
                .map(|all| all.iter().map(|one| one.0.clone()).collect())
                .as_ref(),
            |text| pattern(text, "a status", StatusPattern::new),
        ),
        min_size: said(
            r,
            &key("min_size"),
            shape.min_size.as_ref().map(|s| s.0.clone()),
            size,
            |n| show_size(*n),
        ),
        max_size: said(
            r,
            &key("max_size"),
            shape.max_size.as_ref().map(|s| s.0.clone()),
            size,
            |n| show_size(*n),
        ),
    };
    if let (Some(least), Some(most)) = (when.min_size, when.max_size)
        && least > most
    {
        r.fault_at(
            &key("min_size"),
            Fault::new(
                "nothing is at least that and at most `max_size`",
                "write a lesser min_size, or a greater max_size",
            ),
        );
    }
    when
}

fn overrides(
    r: &mut Resolver<'_>,
    section: &str,
    shape: &RuleShape,
    heuristic: Heuristic,
) -> Overrides {
    let key = |name: &str| format!("{section}.{name}");
    let mut time = |name: &str, file: &Option<Time>| {
        let file = file.as_ref().map(|t| t.0.clone());
        said(r, &key(name), file, seconds, |d| show_duration(*d)).map(whole)
    };
    let (ttl, grace, negative) = (
        time("ttl", &shape.ttl),
        time("grace", &shape.grace),
        time("negative", &shape.negative),
    );
    let heuristic_max = time("heuristic_max", &shape.heuristic_max);
    let percent = said(
        r,
        &key("heuristic_percent"),
        shape.heuristic_percent.map(|n| n.to_string()),
        number(0, 100),
        u32::to_string,
    );
    let ttl_when = shape.ttl_when.map(|when| match when {
        TtlWhenWord::Always => "always",
        TtlWhenWord::Unstated => "unstated",
    });
    let no_cache = shape.request_no_cache.map(|word| match word {
        NoCacheWord::Respect => "respect",
        NoCacheWord::Ignore => "ignore",
    });
    let flag = |r: &mut Resolver<'_>, name: &str, written: Option<bool>| {
        let written = written.map(|b| b.to_string());
        said(r, &key(name), written, |t| Ok(t == "true"), bool::to_string)
    };
    Overrides {
        ttl,
        ttl_when: said(
            r,
            &key("ttl_when"),
            ttl_when.map(str::to_owned),
            word(TTL_WHEN),
            |w| quote(word_of(TTL_WHEN, w)),
        ),
        grace,
        negative,
        store: flag(r, "store", shape.store),
        force: flag(r, "force", shape.force),
        request_no_cache: said(
            r,
            &key("request_no_cache"),
            no_cache.map(str::to_owned),
            word(NO_CACHE),
            |w| quote(word_of(NO_CACHE, w)),
        ),
        cookies: cookies(r, section, shape),
        heuristic: (percent.is_some() || heuristic_max.is_some()).then_some(Guess {
            percent,
            max: heuristic_max,
            general: heuristic,
        }),
        query: query(r, section, shape),
        sort_query: flag(r, "query_sort", shape.query_sort),
        key_fields: key_fields(r, section, shape),
    }
}

fn cookies(r: &mut Resolver<'_>, section: &str, shape: &RuleShape) -> Option<Cookies> {
    let text = shape.cookies.map(|cookies| word_of(COOKIES, &cookies));
    let chosen = said(
        r,
        &format!("{section}.cookies"),
        text.map(str::to_owned),
        word(COOKIES),
        |c| quote(word_of(COOKIES, c)),
    );
    let names = format!("{section}.key_cookies");
    let named = shape.key_cookies.as_ref();
    let named = named.map(|_| list(r, &names, named, named_pattern));
    if named.is_some() && chosen != Some(CookiesWord::Key) {
        r.fault_at(
            &names,
            Fault::new(
                "`key_cookies` means nothing here",
                "remove it, or write cookies = \"key\"",
            ),
        );
    }
    Some(match chosen? {
        CookiesWord::Conservative => Cookies::Conservative,
        CookiesWord::Strip => Cookies::Strip,
        CookiesWord::Ignore => Cookies::Ignore,
        CookiesWord::Refuse => Cookies::Refuse,
        CookiesWord::Key => Cookies::Key(match named {
            Some(named) => CookieNames::Named(named.into()),
            None => CookieNames::All,
        }),
    })
}

fn query(r: &mut Resolver<'_>, section: &str, shape: &RuleShape) -> Option<Query> {
    let text = shape.query.map(|query| match query {
        QueryWord::All => "all",
        QueryWord::None => "none",
    });
    let key = |name: &str| format!("{section}.{name}");
    let all = said(
        r,
        &key("query"),
        text.map(str::to_owned),
        word(QUERIES),
        |all| quote(word_of(QUERIES, all)),
    );
    let mut names = |name: &str, written: &Option<Vec<String>>| {
        let written = written.as_ref();
        written.map(|_| list(r, &key(name), written, named_pattern))
    };
    let only = names("query_only", &shape.query_only);
    let without = names("query_without", &shape.query_without);
    let ways = [all.is_some(), only.is_some(), without.is_some()];
    if ways.iter().filter(|written| **written).count() > 1 {
        r.fault_at(
            section,
            Fault::new(
                "`query`, `query_only` and `query_without` exclude each other",
                "keep one of them",
            ),
        );
    }
    match (all, only, without) {
        (_, Some(only), _) => Some(Query::Only(only.into())),
        (_, _, Some(without)) => Some(Query::Without(without.into())),
        (Some(true), ..) => Some(Query::All),
        (Some(false), ..) => Some(Query::None),
        (None, None, None) => None,
    }
}

fn key_fields(r: &mut Resolver<'_>, section: &str, shape: &RuleShape) -> Option<Arc<[Box<str>]>> {
    let written = shape.key_fields.as_ref();
    written?;
    let fields = list(r, &format!("{section}.key_fields"), written, key_field);
    Some(fields.into())
}

/// The name of a field that may be part of a key.
fn key_field(text: &str) -> Result<Box<str>, Fault> {
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if text.is_empty() || !text.bytes().all(token) {
        return Err(Fault::new(
            format!("{text:?} is not the name of a field"),
            "write one, such as \"X-Country\"",
        ));
    }
    match Name::of(text.as_bytes()) {
        Name::Cookie => Err(Fault::new(
            "cookies have a key of their own",
            "write cookies = \"key\", and key_cookies = [...]",
        )),
        Name::Authorization | Name::ProxyAuthorization => Err(Fault::new(
            "credentials must not become part of a key: receipts and explanations show keys",
            "remove it; responses to requests with credentials are stored only where the origin allows it",
        )),
        Name::Host
        | Name::Connection
        | Name::ContentLength
        | Name::TransferEncoding
        | Name::Range
        | Name::IfRange
        | Name::IfMatch
        | Name::IfNoneMatch
        | Name::IfModifiedSince
        | Name::IfUnmodifiedSince
        | Name::CacheControl
        | Name::Via
        | Name::Upgrade
        | Name::Expect
        | Name::Te => Err(Fault::new(
            format!("{text} says nothing of what is asked for"),
            "remove it",
        )),
        _ => Ok(text.to_ascii_lowercase().into()),
    }
}

fn named_pattern(text: &str) -> Result<NamePattern, Fault> {
    pattern(text, "a name", NamePattern::new)
}

fn pattern<T>(
    text: &str,
    what: &str,
    read: impl Fn(&str) -> Result<T, NoPattern>,
) -> Result<T, Fault> {
    read(text).map_err(|no| Fault::new(format!("{text:?} is not {what}"), format!("write {no}")))
}

/// A setting that is not there unless it is written.
fn said<T>(
    r: &mut Resolver<'_>,
    key: &str,
    file: Option<String>,
    parse: impl Fn(&str) -> Result<T, Fault>,
    show: impl Fn(&T) -> String,
) -> Option<T> {
    file.as_ref()?;
    r.pick(
        key,
        Sources::file(file),
        None,
        |text| parse(text).map(Some),
        |value| value.as_ref().map(&show).unwrap_or_default(),
    )
}

/// A list that is not there unless it is written.
fn list<T>(
    r: &mut Resolver<'_>,
    key: &str,
    file: Option<&Vec<String>>,
    parse: impl Fn(&str) -> Result<T, Fault>,
) -> Vec<T> {
    let Some(file) = file else { return Vec::new() };
    if file.is_empty() {
        r.fault_at(
            key,
            Fault::new("the list is empty", "add to it, or remove the key"),
        );
    }
    r.pick_list(
        key,
        None,
        Some(file.clone()),
        &[],
        |text| parse(text).map(|one| vec![one]),
        true,
    )
}

/// A duration in whole seconds: ages are (RFC 9111 section 1.2.2).
fn seconds(text: &str) -> Result<Duration, Fault> {
    let time = duration(text)?;
    if time.subsec_nanos() != 0 {
        return Err(Fault::new(
            format!("{text:?} is not a whole number of seconds"),
            "write whole seconds: caches count in them",
        ));
    }
    Ok(time)
}

fn whole(time: Duration) -> u32 {
    // RFC 9111 section 1.2.2: 2^31 stands for all that is longer.
    u32::try_from(time.as_secs()).map_or(1 << 31, |s| s.min(1 << 31))
}
