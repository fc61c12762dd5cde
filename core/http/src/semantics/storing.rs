//! May a shared cache store this response? (RFC 9111 section 3)
//!
//! Invariant: every refusal has its reason; the first rule that refuses gives it.
//! Awkward case: statuses that answer the request and not the resource (401, 412, 416 and the like). The RFC lets them be
//! stored with explicit freshness, but the key does not hold what they depend upon, so they never are.

use super::cache_control::{RequestDirectives, ResponseDirectives};
use super::freshness::{is_heuristically_cacheable, stated_lifetime};
use super::policy::{Cookies, Policy};
use super::{date, reuse, vary, withheld};
use crate::{Fields, Method, Name};

/// Why a response is not stored; the words appear in Cache-Status, logs and metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
#[allow(missing_docs)]
pub enum NoStoreReason {
    #[error("method")]
    Method,
    #[error("request-no-store")]
    RequestNoStore,
    #[error("no-store")]
    ResponseNoStore,
    #[error("private")]
    Private,
    #[error("authorization")]
    Authorization,
    #[error("status")]
    Status,
    #[error("vary-star")]
    VaryStar,
    #[error("no-freshness")]
    NoFreshness,
    #[error("partial")]
    Partial,
    #[error("set-cookie")]
    SetCookie,
    #[error("too-large")]
    TooLarge,
    #[error("no-room")]
    NoRoom,
    #[error("incomplete")]
    Incomplete,
    #[error("disabled")]
    Disabled,
    #[error("expired-on-arrival")]
    Expired,
    #[error("module")]
    Module,
    #[error("untrusted-host")]
    UntrustedHost,
    #[error("rule")]
    Rule,
    #[error("cookie")]
    Cookie,
}

impl NoStoreReason {
    /// The word, as in Cache-Status.
    pub fn as_str(self) -> &'static str {
        match self {
            NoStoreReason::Method => "method",
            NoStoreReason::RequestNoStore => "request-no-store",
            NoStoreReason::ResponseNoStore => "no-store",
            NoStoreReason::Private => "private",
            NoStoreReason::Authorization => "authorization",
            NoStoreReason::Status => "status",
            NoStoreReason::VaryStar => "vary-star",
            NoStoreReason::NoFreshness => "no-freshness",
            NoStoreReason::Partial => "partial",
            NoStoreReason::SetCookie => "set-cookie",
            NoStoreReason::TooLarge => "too-large",
            NoStoreReason::NoRoom => "no-room",
            NoStoreReason::Incomplete => "incomplete",
            NoStoreReason::Disabled => "disabled",
            NoStoreReason::Expired => "expired-on-arrival",
            NoStoreReason::Module => "module",
            NoStoreReason::UntrustedHost => "untrusted-host",
            NoStoreReason::Rule => "rule",
            NoStoreReason::Cookie => "cookie",
        }
    }
}

/// Decides. `freshness` as computed by [`super::freshness::Freshness::of`]; a response without freshness is stored only when it can be revalidated.
#[allow(clippy::too_many_arguments)]
pub fn may_store(
    method: Method,
    request: Fields<'_>,
    request_cc: &RequestDirectives,
    status: u16,
    response: Fields<'_>,
    response_cc: &ResponseDirectives,
    freshness: &super::freshness::Freshness,
    policy: &Policy,
) -> Result<(), NoStoreReason> {
    let cc = response_cc;
    // The operator's word comes first: a rule may only forbid here, and what it permits it has put into `cc` and `freshness`.
    if !policy.store {
        return Err(NoStoreReason::Rule);
    }
    // "the request method is understood by the cache". A HEAD has no content to keep, and a stored POST would answer only
    // later GETs whose Content-Location agrees (RFC 9110 section 9.3.3): neither is stored.
    if method != Method::Get {
        return Err(NoStoreReason::Method);
    }
    // Section 5.2.1.5.
    if request_cc.no_store {
        return Err(NoStoreReason::RequestNoStore);
    }
    // "the response status code is final", and "if the response status code is 206 or 304, or the must-understand cache
    // directive is present: the cache understands the response status code". 206 is not combined, 304 freshens.
    if status == 206 {
        return Err(NoStoreReason::Partial);
    }
    if !(200..600).contains(&status) || answers_the_request_only(status) {
        return Err(NoStoreReason::Status);
    }
    if cc.must_understand && !is_understood(status) {
        return Err(NoStoreReason::Status);
    }
    // "the no-store cache directive is not present in the response", unless must-understand overrides it (section 5.2.2.3).
    if cc.no_store && !cc.must_understand {
        return Err(NoStoreReason::ResponseNoStore);
    }
    // "if the cache is shared: the private response directive is either not present or allows a shared cache to store a
    // modified response". Field names with private count as none, so it never allows.
    if cc.private {
        return Err(NoStoreReason::Private);
    }
    // "if the cache is shared: the Authorization header field is not present in the request or a response directive is
    // present that explicitly allows shared caching" (section 3.5).
    if request.has(Name::Authorization)
        && !(cc.public || cc.must_revalidate || cc.s_maxage.is_some())
    {
        return Err(NoStoreReason::Authorization);
    }
    // Section 4.1: a stored response with `Vary: *` never matches, so it would only take room.
    if vary::never_matches(response) {
        return Err(NoStoreReason::VaryStar);
    }
    cookies(policy, request, response, cc, freshness)?;
    // "the response contains at least one of": public, private (no shared cache), Expires, max-age, s-maxage, a cache
    // extension that allows it (none is known), or a status that is heuristically cacheable.
    let explicit = is_explicit(response, cc);
    let ruled = policy.gives_lifetime(status, explicit);
    if !(explicit || ruled || cc.public || is_heuristically_cacheable(status)) {
        return Err(NoStoreReason::NoFreshness);
    }
    // Beyond the RFC, what can never be used again is not stored: it is neither fresh nor can it be validated.
    if has_validator(response) {
        return Ok(());
    }
    // A response with no-cache is never used without validation (section 5.2.2.4), however fresh.
    if cc.no_cache {
        return Err(NoStoreReason::NoFreshness);
    }
    let ttl = freshness.ttl(freshness.response_time);
    if ttl > 0 || reuse::has_window(cc, -ttl) {
        return Ok(());
    }
    Err(if explicit {
        NoStoreReason::Expired
    } else {
        NoStoreReason::NoFreshness
    })
}

/// What has to do with cookies. Section 7.3: Set-Cookie "does not inhibit caching", and origins that want it inhibited are to
/// say so. Many that set a cookie say nothing at all, so a guess of ours is no reason to share: what is stored then is what
/// its origin made cacheable, by a lifetime of its own or by `public`.
fn cookies(
    policy: &Policy,
    request: Fields<'_>,
    response: Fields<'_>,
    cc: &ResponseDirectives,
    freshness: &super::freshness::Freshness,
) -> Result<(), NoStoreReason> {
    // One that the origin itself withholds (`no-cache="set-cookie"`) is not stored, and no reason to store nothing.
    let sets = response.has(Name::SetCookie) && !withheld::withholds(response, cc, b"set-cookie");
    match policy.cookies {
        Cookies::Conservative | Cookies::Key(_) => {
            // A rule's `ttl` is no word of the origin's, and no reason to hand one client's cookie to all others.
            let stated = stated_lifetime(response, cc, freshness.response_time);
            let stated = stated.is_some_and(|lifetime| lifetime > 0);
            let fresh = freshness.ttl(freshness.response_time) > 0;
            if sets && !(cc.public || (stated && fresh && !cc.no_cache)) {
                return Err(NoStoreReason::SetCookie);
            }
            // What has no lifetime at all may be a page for who asked, and would be served stale when the origin fails.
            let conservative = policy.cookies == Cookies::Conservative;
            if conservative
                && request.has(Name::Cookie)
                && !(cc.public || stated || fresh || reuse::forbids_stale(cc))
            {
                return Err(NoStoreReason::Cookie);
            }
        }
        Cookies::Refuse if sets => return Err(NoStoreReason::SetCookie),
        Cookies::Refuse | Cookies::Strip | Cookies::Ignore => {}
    }
    if policy.is_personal(request, cc, freshness) {
        return Err(NoStoreReason::Cookie);
    }
    Ok(())
}

/// Whether the origin states how long the response is fresh: s-maxage, max-age or Expires (section 4.2.1, rules 1 to 3).
pub fn is_explicit(response: Fields<'_>, cc: &ResponseDirectives) -> bool {
    cc.s_maxage.is_some() || cc.max_age.is_some() || (!cc.targeted && response.has(Name::Expires))
}

/// Whether a response can be validated later: it has an ETag or a usable Last-Modified (RFC 9110 section 8.8).
pub fn has_validator(response: Fields<'_>) -> bool {
    response.get(Name::Etag).is_some_and(|tag| !tag.is_empty())
        || response
            .get(Name::LastModified)
            .and_then(date::parse)
            .is_some()
}

/// Statuses whose caching requirements (RFC 9110 section 15) are known and kept: what must-understand asks for.
pub fn is_understood(status: u16) -> bool {
    matches!(
        status,
        200..=204 | 300..=303 | 307 | 308 | 400 | 402..=406 | 409..=411 | 413..=415 | 422 | 451 | 500..=505
    )
}

/// Statuses that answer credentials, conditions, ranges, expectations, or the connection of one request; the next request
/// for the same key may have others. (RFC 6585 itself forbids to store 428, 429, 431 and 511.)
fn answers_the_request_only(status: u16) -> bool {
    matches!(
        status,
        304 | 401 | 407 | 408 | 412 | 416 | 417 | 421 | 425 | 426 | 428 | 429 | 431 | 511
    )
}
