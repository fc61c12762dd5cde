//! Where a freshness lifetime comes from (RFC 9111 section 4.2.1): the words for it.
//!
//! Invariant: the order here is the order in which [`super::freshness::Freshness::of`] takes them.

use super::cache_control::ResponseDirectives;
use super::freshness::Freshness;
use super::policy::Policy;
use crate::{Fields, Name};

/// Where a lifetime comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LifetimeSource {
    Rule,
    Other,
    SMaxage,
    MaxAge,
    Expires,
    Heuristic,
    None,
}

impl LifetimeSource {
    /// Where the lifetime of a stored response comes from, as far as its fields and the policy in force can tell.
    pub fn of(
        status: u16,
        fields: Fields<'_>,
        cc: &ResponseDirectives,
        freshness: &Freshness,
        policy: &Policy,
    ) -> LifetimeSource {
        let stated = LifetimeSource::stated(fields, cc);
        if policy.gives_lifetime(status, stated.is_stated()) {
            let ruled = policy.freshness(status, stated.is_stated(), *freshness);
            return match ruled.lifetime == freshness.lifetime {
                true => LifetimeSource::Rule,
                false => LifetimeSource::Other,
            };
        }
        if freshness.heuristic {
            return LifetimeSource::Heuristic;
        }
        let said = match stated {
            LifetimeSource::SMaxage => cc.s_maxage,
            LifetimeSource::MaxAge => cc.max_age,
            LifetimeSource::Expires => return stated,
            _ => Some(0),
        };
        match said == Some(freshness.lifetime) {
            true => stated,
            false => LifetimeSource::Other,
        }
    }

    /// What a response states itself: `None` when it states nothing.
    pub fn stated(fields: Fields<'_>, cc: &ResponseDirectives) -> LifetimeSource {
        if cc.s_maxage.is_some() {
            LifetimeSource::SMaxage
        } else if cc.max_age.is_some() {
            LifetimeSource::MaxAge
        } else if !cc.targeted && fields.has(Name::Expires) {
            LifetimeSource::Expires
        } else {
            LifetimeSource::None
        }
    }

    /// Whether the origin stated it.
    pub fn is_stated(self) -> bool {
        matches!(
            self,
            LifetimeSource::SMaxage | LifetimeSource::MaxAge | LifetimeSource::Expires
        )
    }

    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            LifetimeSource::Rule => "rule",
            LifetimeSource::Other => "other",
            LifetimeSource::SMaxage => "s-maxage",
            LifetimeSource::MaxAge => "max-age",
            LifetimeSource::Expires => "expires",
            LifetimeSource::Heuristic => "heuristic",
            LifetimeSource::None => "none",
        }
    }

    /// Where it is written.
    pub fn clause(self) -> &'static str {
        match self {
            LifetimeSource::Rule => "[[rule]] ttl or negative",
            LifetimeSource::Other => {
                "a module, a soft purge, or rules that are not in force any more"
            }
            LifetimeSource::SMaxage => "RFC 9111 section 5.2.2.10",
            LifetimeSource::MaxAge => "RFC 9111 section 5.2.2.1",
            LifetimeSource::Expires => "RFC 9111 section 5.3",
            LifetimeSource::Heuristic => "RFC 9111 section 4.2.2",
            LifetimeSource::None => "RFC 9111 section 4.2.1",
        }
    }
}
