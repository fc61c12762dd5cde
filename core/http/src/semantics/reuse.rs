//! May this stored response answer this request? (RFC 9111 sections 4 and 4.2.4)
//!
//! The caller has found it by key, method and Vary (the first rules of section 4); what is left here is freshness and
//! permission. Runs on every hit: comparisons of integers and nothing else.
//! Awkward case: `no-store` of a request does not forbid reuse (section 5.2.1.5), and `only-if-cached` is the caller's 504.

use super::cache_control::{RequestDirectives, ResponseDirectives};
use super::date::Seconds;
use super::freshness::Freshness;

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Reuse {
    /// As it is.
    Fresh,
    /// Stale but the request's max-stale takes it.
    StaleAllowed,
    /// Stale, but it may be served while somebody validates it behind the answer (RFC 5861 section 3).
    StaleWhileRevalidate,
    /// After a successful validation only.
    Validate(ValidateReason),
}

/// By whose leave a stale response is served; the words appear in Cache-Status (`detail=`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Stale {
    /// The request's max-stale (RFC 9111 section 5.2.1.2).
    MaxStale,
    /// The response's stale-while-revalidate (RFC 5861 section 3).
    WhileRevalidate,
    /// The origin failed, and nothing forbids it then (RFC 5861 section 4; RFC 9111 section 4.2.4).
    IfError,
}

impl Stale {
    /// The word, as in Cache-Status.
    pub fn as_str(self) -> &'static str {
        match self {
            Stale::MaxStale => "max-stale",
            Stale::WhileRevalidate => "stale-while-revalidate",
            Stale::IfError => "stale-if-error",
        }
    }
}

/// Why a validation is needed; the words appear in Cache-Status (`fwd=stale`, `fwd=request`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ValidateReason {
    Stale,
    ResponseNoCache,
    RequestNoCache,
    RequestMaxAge,
    RequestMinFresh,
}

/// Decides.
#[inline]
pub fn may_reuse(
    request: &RequestDirectives,
    stored: &ResponseDirectives,
    freshness: &Freshness,
    now: Seconds,
) -> Reuse {
    // "the stored response does not contain the no-cache directive, unless it is successfully validated" (section 5.2.2.4).
    if stored.no_cache {
        return Reuse::Validate(ValidateReason::ResponseNoCache);
    }
    // Section 5.2.1.4.
    if request.no_cache {
        return Reuse::Validate(ValidateReason::RequestNoCache);
    }
    // "the stored response is one of: fresh, allowed to be served stale, or successfully validated".
    let age = freshness.age(now);
    let ttl = i64::from(freshness.lifetime) - i64::from(age);
    let fresh = ttl > 0;
    if !fresh {
        if may_serve_behind(request, stored, -ttl) {
            return Reuse::StaleWhileRevalidate;
        }
        if !takes_stale(request, stored, -ttl) {
            return Reuse::Validate(ValidateReason::Stale);
        }
    }
    // Section 5.2.1.1: no older than this. Ages are whole seconds, so 0 can only mean: ask the origin.
    if request
        .max_age
        .is_some_and(|limit| limit == 0 || age > limit)
        // RFC 8246 section 2: "proxies SHOULD skip conditionally revalidating fresh responses containing the immutable
        // extension unless there is a signal from the client that a validation is necessary (e.g., a no-cache [...])". The
        // max-age=0 of a reload is what the extension is there to spare; no-cache has been honoured above.
        && !(fresh && stored.immutable)
    {
        return Reuse::Validate(ValidateReason::RequestMaxAge);
    }
    // Section 5.2.1.3: fresh for at least that long.
    if request
        .min_fresh
        .is_some_and(|wanted| ttl < i64::from(wanted))
    {
        return Reuse::Validate(ValidateReason::RequestMinFresh);
    }
    if fresh {
        Reuse::Fresh
    } else {
        Reuse::StaleAllowed
    }
}

/// Section 5.2.1.2: the request takes what has been stale for so long, and the response does not forbid it.
#[inline]
fn takes_stale(request: &RequestDirectives, stored: &ResponseDirectives, staleness: i64) -> bool {
    match request.max_stale {
        None => false,
        Some(RequestDirectives::ANY_STALENESS) => !forbids_stale(stored),
        Some(limit) => staleness <= i64::from(limit) && !forbids_stale(stored),
    }
}

/// RFC 5861 section 3: within its window a response is served although it is stale, if the client did not ask for better.
fn may_serve_behind(
    request: &RequestDirectives,
    stored: &ResponseDirectives,
    staleness: i64,
) -> bool {
    // As with freshness, the window is over in the second it names; a window of 0 is none.
    let within = stored
        .stale_while_revalidate
        .is_some_and(|window| staleness < i64::from(window));
    within
        && !forbids_stale(stored)
        // Section 5.2.1.1: "Unless the max-stale request directive is also present, the client does not wish to receive a
        // stale response"; section 5.2.1.3: nor does one that wants it to be fresh for a while.
        && request.max_age.is_none()
        && request.min_fresh.is_none()
        && request
            .max_stale
            .is_none_or(|limit| staleness <= i64::from(limit))
}

/// Whether the origin lets the response be served when it has been stale for so long, be it behind a validation or instead of an
/// error (RFC 5861). It may be of use then although it can never be validated.
pub fn has_window(stored: &ResponseDirectives, staleness: i64) -> bool {
    let window = stored.stale_while_revalidate.max(stored.stale_if_error);
    window.is_some_and(|window| staleness < i64::from(window)) && !forbids_stale(stored)
}

/// Section 4.2.4: directives that forbid a shared cache to serve stale, disconnected or not: must-revalidate (section
/// 5.2.2.2), proxy-revalidate (5.2.2.8), s-maxage, which has the meaning of proxy-revalidate (5.2.2.10), and no-cache (5.2.2.4).
#[inline]
pub(super) fn forbids_stale(stored: &ResponseDirectives) -> bool {
    stored.must_revalidate
        || stored.proxy_revalidate
        || stored.s_maxage.is_some()
        || stored.no_cache
}

/// Whether a status that an origin answers a validation with is an error in the sense of stale-if-error: "a 500, 502, 503, or
/// 504 HTTP response status code being returned" (RFC 5861 section 4). Another 5xx speaks of the request, not of a failure.
pub fn is_error(status: u16) -> bool {
    matches!(status, 500 | 502 | 503 | 504)
}

/// Whether the stored response may be served stale when the origin cannot be reached (section 4.2.4; RFC 5861 section 4).
///
/// A response that is still fresh (it may have needed validation for other reasons) has a staleness below 0, within any limit.
pub fn may_serve_stale_on_error(
    request: &RequestDirectives,
    stored: &ResponseDirectives,
    freshness: &Freshness,
    now: Seconds,
) -> bool {
    if forbids_stale(stored) {
        return false;
    }
    let staleness = -freshness.ttl(now);
    // RFC 5861 section 4: "When used as a request Cache-Control extension, its scope of application is the request it appears
    // in". There the client names the staleness it takes, more or less than the origin named.
    if let Some(limit) = request.stale_if_error {
        return staleness <= i64::from(limit);
    }
    // Section 5.2.1.4: the client asked for the origin's word; an old one in its place would hide the failure from it.
    if request.no_cache {
        return false;
    }
    // RFC 5861 section 4: within this time, "regardless of other freshness information", the request's included.
    if let Some(limit) = stored.stale_if_error {
        return staleness <= i64::from(limit);
    }
    // Section 5.2.1.2: the client named the staleness it takes.
    match request.max_stale {
        None | Some(RequestDirectives::ANY_STALENESS) => true,
        Some(limit) => staleness <= i64::from(limit),
    }
}
