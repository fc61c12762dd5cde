//! Where each reason is written: the clause beside the word.
//!
//! Invariant: every reason has one. What no standard says names the setting or the rule of our own it comes from.

use super::reuse::{Reuse, Stale, ValidateReason};
use super::storing::NoStoreReason;

impl NoStoreReason {
    /// The clause that decides.
    pub fn clause(self) -> &'static str {
        match self {
            NoStoreReason::Method => "RFC 9111 section 3: the method is understood by the cache",
            NoStoreReason::RequestNoStore => "RFC 9111 section 5.2.1.5",
            NoStoreReason::ResponseNoStore => "RFC 9111 section 5.2.2.5",
            NoStoreReason::Private => "RFC 9111 section 5.2.2.7",
            NoStoreReason::Authorization => "RFC 9111 section 3.5",
            NoStoreReason::Status => "RFC 9111 section 3: the status is final and understood",
            NoStoreReason::VaryStar => "RFC 9111 section 4.1",
            NoStoreReason::NoFreshness => "RFC 9111 section 3: nothing makes it cacheable",
            NoStoreReason::Partial => "RFC 9111 section 3.3",
            NoStoreReason::SetCookie => "RFC 9111 section 7.3; docs/rules.md, cookies",
            NoStoreReason::TooLarge => "cache.max_object",
            NoStoreReason::NoRoom => "cache.memory",
            NoStoreReason::Incomplete => "RFC 9111 section 3.3: it came incomplete",
            NoStoreReason::Disabled => "cache.enabled",
            NoStoreReason::Expired => {
                "RFC 9111 section 4.2: stale when it came, and without a validator"
            }
            NoStoreReason::Module => "a module",
            NoStoreReason::UntrustedHost => "Host does not belong to the address dialled",
            NoStoreReason::Rule => "[[rule]] store = false",
            NoStoreReason::Cookie => "RFC 9111 section 7.3; docs/rules.md, cookies",
        }
    }
}

impl ValidateReason {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            ValidateReason::Stale => "stale",
            ValidateReason::ResponseNoCache => "no-cache",
            ValidateReason::RequestNoCache => "request-no-cache",
            ValidateReason::RequestMaxAge => "request-max-age",
            ValidateReason::RequestMinFresh => "request-min-fresh",
        }
    }

    /// The clause that decides.
    pub fn clause(self) -> &'static str {
        match self {
            ValidateReason::Stale => "RFC 9111 section 4.2",
            ValidateReason::ResponseNoCache => "RFC 9111 section 5.2.2.4",
            ValidateReason::RequestNoCache => "RFC 9111 section 5.2.1.4",
            ValidateReason::RequestMaxAge => "RFC 9111 section 5.2.1.1",
            ValidateReason::RequestMinFresh => "RFC 9111 section 5.2.1.3",
        }
    }
}

impl Stale {
    /// The clause that permits it.
    pub fn clause(self) -> &'static str {
        match self {
            Stale::MaxStale => "RFC 9111 section 5.2.1.2",
            Stale::WhileRevalidate => "RFC 5861 section 3",
            Stale::IfError => "RFC 5861 section 4",
        }
    }
}

impl Reuse {
    /// The word and the clause.
    pub fn reason(self) -> (&'static str, &'static str) {
        match self {
            Reuse::Fresh => ("fresh", "RFC 9111 section 4.2"),
            Reuse::StaleAllowed => (Stale::MaxStale.as_str(), Stale::MaxStale.clause()),
            Reuse::StaleWhileRevalidate => {
                let why = Stale::WhileRevalidate;
                (why.as_str(), why.clause())
            }
            Reuse::Validate(why) => (why.as_str(), why.clause()),
        }
    }
}
