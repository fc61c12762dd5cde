//! Where a freshness lifetime comes from (RFC 9111 section 4.2.1): the words for it.
//!
//! Invariant: the order here is the order in which [`super::freshness::Freshness::of`] takes them.

use super::cache_control::ResponseDirectives;
use crate::{Fields, Name};

/// Where a lifetime comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum LifetimeSource {
    Rule,
    Module,
    SMaxage,
    MaxAge,
    Expires,
    Heuristic,
    None,
}

impl LifetimeSource {
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
            LifetimeSource::Module => "module",
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
            LifetimeSource::Module => "a module's fresh_for",
            LifetimeSource::SMaxage => "RFC 9111 section 5.2.2.10",
            LifetimeSource::MaxAge => "RFC 9111 section 5.2.2.1",
            LifetimeSource::Expires => "RFC 9111 section 5.3",
            LifetimeSource::Heuristic => "RFC 9111 section 4.2.2",
            LifetimeSource::None => "RFC 9111 section 4.2.1",
        }
    }
}
