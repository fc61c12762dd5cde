//! What an operator wants otherwise than the RFC alone has it: lifetimes, grace, cookies, and what belongs to the key.
//!
//! Owns [`Policy`], the sum of all rules that apply to one request and its response, and what it does to directives and
//! freshness. Invariant: the default policy changes nothing.
//! Awkward case: what an origin forbids. A lifetime alone lifts nothing (no-store, private and no-cache go on to hold);
//! only [`Policy::force`] does, and that never stores what answers a request with Authorization.

mod key;
mod pattern;
mod rules;

pub use key::{read_parts, rewrite_query, write_parts};
pub use pattern::{HostPattern, NamePattern, NoPattern, PathPattern, StatusPattern, TypePattern};
pub use rules::{Guess, MAX_RULES, Matched, Overrides, Rule, Rules, TooMany, When};

use super::cache_control::{RequestDirectives, ResponseDirectives};
use super::freshness::{Freshness, Heuristic};
use crate::{Fields, Name};
use std::sync::Arc;

/// What applies to one request, and to the response to it. The default is the RFC alone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// Seconds a response is fresh, in place of what the origin says.
    pub ttl: Option<u32>,
    /// When `ttl` counts.
    pub ttl_when: TtlWhen,
    /// Seconds it may be used stale, while it is revalidated and when that fails, where nothing forbids it.
    pub grace: Option<u32>,
    /// Seconds an error (400 and above) without a lifetime of its own is fresh.
    pub negative: Option<u32>,
    /// Whether responses may be stored and used at all.
    pub store: bool,
    /// Whether a response is stored although its origin forbids it.
    pub force: bool,
    /// Whether a client may insist on the origin's word.
    pub request_no_cache: RequestNoCache,
    /// What cookies mean.
    pub cookies: Cookies,
    /// The heuristic, in place of the one for all.
    pub heuristic: Option<Heuristic>,
    /// Which parameters of the query belong to the key.
    pub query: Query,
    /// Whether the parameters' order does not matter.
    pub sort_query: bool,
    /// Names of request fields that belong to the key, in lower case.
    pub key_fields: Option<Arc<[Box<str>]>>,
}

/// When a policy's lifetime counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum TtlWhen {
    /// Whatever the origin says.
    #[default]
    Always,
    /// Where the origin states no lifetime; it comes before the heuristic.
    Unstated,
}

/// What a request's `no-cache`, `max-age` and `min-fresh` mean (RFC 9111 section 5.2.1 lets a cache ignore them).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum RequestNoCache {
    /// What the RFC says.
    #[default]
    Respect,
    /// Nothing.
    Ignore,
}

/// What cookies mean. RFC 9111 section 7.3 leaves it to the cache.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cookies {
    /// A response that sets one, and one that answers a request with one, is stored only when its origin states a lifetime
    /// or says `public`: a heuristic is no reason to share it.
    #[default]
    Conservative,
    /// Requests' cookies mean nothing, and responses are stored without Set-Cookie.
    Strip,
    /// Cookies mean nothing: Set-Cookie is stored and goes to everybody.
    Ignore,
    /// Nothing that has to do with cookies is stored, and a request with one is not answered from the store.
    Refuse,
    /// These cookies of the request belong to the key, and others mean nothing.
    Key(CookieNames),
}

/// Which cookies belong to the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CookieNames {
    /// The field as it is.
    All,
    /// Those whose names match.
    Named(Arc<[NamePattern]>),
}

/// Which parameters of a query belong to the key.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Query {
    /// All.
    #[default]
    All,
    /// None.
    None,
    /// Those that match.
    Only(Arc<[NamePattern]>),
    /// All but those that match.
    Without(Arc<[NamePattern]>),
}

impl Default for Policy {
    fn default() -> Self {
        Policy {
            ttl: None,
            ttl_when: TtlWhen::default(),
            grace: None,
            negative: None,
            store: true,
            force: false,
            request_no_cache: RequestNoCache::default(),
            cookies: Cookies::default(),
            heuristic: None,
            query: Query::default(),
            sort_query: false,
            key_fields: None,
        }
    }
}

impl Policy {
    /// A request's directives as this policy has them.
    pub fn hear(&self, request: &mut RequestDirectives) {
        if self.request_no_cache == RequestNoCache::Ignore {
            request.no_cache = false;
            request.max_age = None;
            request.min_fresh = None;
        }
    }

    /// A response's directives as this policy has them: before its freshness is computed and before it is decided upon.
    pub fn amend(&self, cc: &mut ResponseDirectives) {
        if self.force {
            // What forbids to store and to use again; s-maxage has the meaning of proxy-revalidate (RFC 9111 section 5.2.2.10).
            cc.no_store = false;
            cc.private = false;
            cc.no_cache = false;
            cc.must_understand = false;
            cc.must_revalidate = false;
            cc.proxy_revalidate = false;
        }
        let forbidden =
            cc.must_revalidate || cc.proxy_revalidate || cc.no_cache || cc.s_maxage.is_some();
        if let Some(grace) = self.grace
            && (!forbidden || self.force)
        {
            cc.stale_while_revalidate = Some(grace);
            cc.stale_if_error = Some(grace);
        }
    }

    /// A response's freshness as this policy has it. `stated`: its origin gave it a lifetime.
    pub fn freshness(&self, status: u16, stated: bool, mut freshness: Freshness) -> Freshness {
        if let Some(seconds) = self.lifetime(status, stated) {
            // An operator's time runs from when the response came in; its age goes on to be told as it is.
            freshness.lifetime = freshness.corrected_initial_age.saturating_add(seconds);
            freshness.heuristic = false;
        }
        freshness
    }

    /// The lifetime in place of what the origin says.
    fn lifetime(&self, status: u16, stated: bool) -> Option<u32> {
        let ttl = self.ttl.filter(|_| match self.ttl_when {
            TtlWhen::Always => true,
            TtlWhen::Unstated => !stated,
        });
        ttl.or_else(|| self.negative.filter(|_| status >= 400 && !stated))
    }

    /// Whether a response of this status has its lifetime from here.
    pub fn gives_lifetime(&self, status: u16, stated: bool) -> bool {
        self.lifetime(status, stated).is_some()
    }

    /// Whether this response is not to be shared with a request because that one has cookies: neither stored when it answers it
    /// nor taken from the store for it.
    pub fn is_personal(
        &self,
        request: Fields<'_>,
        cc: &ResponseDirectives,
        freshness: &Freshness,
    ) -> bool {
        match self.cookies {
            Cookies::Conservative => freshness.heuristic && !cc.public && request.has(Name::Cookie),
            Cookies::Refuse => request.has(Name::Cookie),
            Cookies::Strip | Cookies::Ignore | Cookies::Key(_) => false,
        }
    }

    /// The heuristic that counts.
    pub fn heuristic<'a>(&'a self, general: &'a Heuristic) -> &'a Heuristic {
        self.heuristic.as_ref().unwrap_or(general)
    }

    /// Whether responses are stored without Set-Cookie.
    pub fn strips_cookies(&self) -> bool {
        self.cookies == Cookies::Strip
    }

    /// Whether the key is more or less than the URL.
    pub fn changes_key(&self) -> bool {
        self.query != Query::All
            || self.sort_query
            || self.key_fields.is_some()
            || matches!(self.cookies, Cookies::Key(_))
    }
}
