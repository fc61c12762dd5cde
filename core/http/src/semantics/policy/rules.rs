//! The rules of a configuration, and what they come to for one request.
//!
//! Invariant: immutable once made. Rules are taken in order and a later one overrides an earlier one field by field, so
//! that general rules come first and exceptions behind them.
//! Awkward case: what must be known before there is a response (the key, what requests may insist on). Only rules without
//! conditions on the response may say that; [`Overrides::is_of_request`] tells, and the configuration refuses the others.

use super::pattern::{HostPattern, PathPattern, StatusPattern, TypePattern};
use super::{Cookies, Policy, Query, RequestNoCache, TtlWhen};
use crate::semantics::freshness::Heuristic;
use std::sync::Arc;

/// As many rules as there are bits in [`Matched`].
pub const MAX_RULES: usize = 128;

/// There are more rules than [`MAX_RULES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("more than {MAX_RULES} rules")]
pub struct TooMany;

/// One rule: conditions that must all hold, and what it then says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Its name, in the log and in what `explain` says.
    pub name: Box<str>,
    /// The conditions.
    pub when: When,
    /// What it says.
    pub then: Overrides,
}

/// The conditions of a rule. A list holds when one member does; an empty one always does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct When {
    pub hosts: Vec<HostPattern>,
    pub paths: Vec<PathPattern>,
    pub content_types: Vec<TypePattern>,
    pub statuses: Vec<StatusPattern>,
    /// Bytes of the content, at least; what has no known length does not match.
    pub min_size: Option<u64>,
    /// Bytes of the content, at most; what has no known length does not match.
    pub max_size: Option<u64>,
}

/// What a rule says; `None` leaves it as it was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Overrides {
    pub ttl: Option<u32>,
    pub ttl_when: Option<TtlWhen>,
    pub grace: Option<u32>,
    pub negative: Option<u32>,
    pub store: Option<bool>,
    pub force: Option<bool>,
    pub request_no_cache: Option<RequestNoCache>,
    pub cookies: Option<Cookies>,
    pub heuristic: Option<Guess>,
    pub query: Option<Query>,
    pub sort_query: Option<bool>,
    pub key_fields: Option<Arc<[Box<str>]>>,
}

/// What a rule says of the heuristic: each of its parts stays as it was when it says nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Guess {
    pub percent: Option<u32>,
    pub max: Option<u32>,
    /// How it was before any rule.
    pub general: Heuristic,
}

/// Which rules' conditions on the request hold: one bit a rule.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Matched(u128);

/// All rules.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rules {
    rules: Vec<Rule>,
    /// Those that say something of the key.
    of_key: u128,
    /// Those that say something of what a request may be answered with.
    of_request: u128,
}

impl When {
    /// Whether some of it is known with the response only.
    pub fn looks_at_response(&self) -> bool {
        !self.content_types.is_empty()
            || !self.statuses.is_empty()
            || self.min_size.is_some()
            || self.max_size.is_some()
    }

    fn request(&self, host: &[u8], path: &[u8]) -> bool {
        (self.hosts.is_empty() || self.hosts.iter().any(|one| one.matches(host)))
            && (self.paths.is_empty() || self.paths.iter().any(|one| one.matches(path)))
    }

    fn response(&self, status: u16, content_type: Option<&[u8]>, length: Option<u64>) -> bool {
        (self.statuses.is_empty() || self.statuses.iter().any(|one| one.matches(status)))
            && (self.content_types.is_empty()
                || self
                    .content_types
                    .iter()
                    .any(|one| one.matches(content_type)))
            && self
                .min_size
                .is_none_or(|min| length.is_some_and(|n| n >= min))
            && self
                .max_size
                .is_none_or(|max| length.is_some_and(|n| n <= max))
    }
}

impl Overrides {
    /// Whether some of it must be known before there is a response.
    pub fn is_of_request(&self) -> bool {
        self.request_no_cache.is_some() || self.is_of_key()
    }

    fn is_of_key(&self) -> bool {
        self.query.is_some()
            || self.sort_query.is_some()
            || self.key_fields.is_some()
            || self.cookies.is_some()
    }

    /// Puts what concerns requests over `policy`.
    fn over_request(&self, policy: &mut Policy) {
        set(&mut policy.request_no_cache, &self.request_no_cache);
        set(&mut policy.cookies, &self.cookies);
        set(&mut policy.query, &self.query);
        set(&mut policy.sort_query, &self.sort_query);
        if self.key_fields.is_some() {
            policy.key_fields.clone_from(&self.key_fields);
        }
    }

    /// Puts what concerns responses over `policy`. `named`: the rule names this error's status.
    fn over_response(&self, policy: &mut Policy, is_error: bool, named: bool) {
        // A lifetime for a site is not one for its errors, unless the rule speaks of them.
        if !is_error || named {
            if self.ttl.is_some() {
                policy.ttl = self.ttl;
            }
            set(&mut policy.ttl_when, &self.ttl_when);
        }
        for (slot, value) in [
            (&mut policy.grace, self.grace),
            (&mut policy.negative, self.negative),
        ] {
            if value.is_some() {
                *slot = value;
            }
        }
        set(&mut policy.store, &self.store);
        set(&mut policy.force, &self.force);
        if let Some(guess) = self.heuristic {
            let before = policy.heuristic.unwrap_or(guess.general);
            policy.heuristic = Some(Heuristic {
                percent: guess.percent.unwrap_or(before.percent),
                max: guess.max.unwrap_or(before.max),
            });
        }
    }
}

fn set<T: Clone>(slot: &mut T, value: &Option<T>) {
    if let Some(value) = value {
        *slot = value.clone();
    }
}

impl Matched {
    /// Whether no rule speaks of the request.
    #[inline]
    pub fn is_none(self) -> bool {
        self.0 == 0
    }
}

impl Rules {
    /// These rules, in order.
    ///
    /// # Errors
    /// There are more than [`MAX_RULES`].
    pub fn new(rules: Vec<Rule>) -> Result<Rules, TooMany> {
        if rules.len() > MAX_RULES {
            return Err(TooMany);
        }
        let bits = |says: fn(&Overrides) -> bool| {
            let all = rules.iter().enumerate();
            let saying = all.filter(|(_, rule)| says(&rule.then));
            saying.fold(0, |all, (at, _)| all | (1 << at))
        };
        Ok(Rules {
            of_key: bits(Overrides::is_of_key),
            of_request: bits(|then| {
                then.store.is_some() || then.request_no_cache.is_some() || then.cookies.is_some()
            }),
            rules,
        })
    }

    /// Whether there are none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// Which rules may apply to a request for this host (without port) and path (its query does not count).
    #[inline]
    pub fn for_request(&self, host: &[u8], path: &[u8]) -> Matched {
        if self.rules.is_empty() {
            return Matched::default();
        }
        self.look(host, path)
    }

    fn look(&self, host: &[u8], path: &[u8]) -> Matched {
        let all = self.rules.iter().enumerate();
        let hold = all.filter(|(_, rule)| rule.when.request(host, path));
        Matched(hold.fold(0, |all, (at, _)| all | (1 << at)))
    }

    /// Whether any rule says something of keys.
    #[inline]
    pub fn speak_of_keys(&self) -> bool {
        self.of_key != 0
    }

    /// Whether any rule says something of what requests may be answered with.
    #[inline]
    pub fn speak_of_requests(&self) -> bool {
        self.of_request != 0
    }

    /// What is known without a response: the key, requests' directives, cookies, and whether nothing may be stored.
    pub fn request_policy(&self, matched: Matched) -> Policy {
        let mut policy = Policy::default();
        for rule in self.matching(matched) {
            rule.then.over_request(&mut policy);
            if !rule.when.looks_at_response() {
                set(&mut policy.store, &rule.then.store);
            } else if rule.then.store == Some(true) {
                // An exception that only a response can tell.
                policy.store = true;
            }
        }
        policy
    }

    /// What applies to a response: later rules override earlier ones field by field.
    pub fn policy(
        &self,
        matched: Matched,
        status: u16,
        content_type: Option<&[u8]>,
        length: Option<u64>,
    ) -> Policy {
        let mut policy = Policy::default();
        for rule in self.matching(matched) {
            let cookies = policy.cookies.clone();
            rule.then.over_request(&mut policy);
            if rule.when.response(status, content_type, length) {
                let named = !rule.when.statuses.is_empty();
                rule.then.over_response(&mut policy, status >= 400, named);
            } else {
                // What cookies mean to storing, a rule says of its own responses only.
                policy.cookies = cookies;
            }
        }
        policy
    }

    /// The names of the rules that apply to a request.
    pub fn names(&self, matched: Matched) -> impl Iterator<Item = &str> {
        self.matching(matched).map(|rule| &*rule.name)
    }

    /// The names of the rules that apply to a response.
    pub fn names_of(
        &self,
        matched: Matched,
        status: u16,
        content_type: Option<&[u8]>,
        length: Option<u64>,
    ) -> impl Iterator<Item = &str> {
        self.matching(matched)
            .filter(move |rule| rule.when.response(status, content_type, length))
            .map(|rule| &*rule.name)
    }

    fn matching(&self, matched: Matched) -> impl Iterator<Item = &Rule> {
        let all = self.rules.iter().enumerate();
        all.filter(move |(at, _)| matched.0 & (1 << at) != 0)
            .map(|(_, rule)| rule)
    }
}
