//! May this stored response answer this request? (RFC 9111 sections 4 and 4.2.4)

use super::{cache_control::{RequestDirectives, ResponseDirectives}, date::Seconds, freshness::Freshness};

/// The answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Reuse { 
    /// As it is.
    Fresh, 
    /// Stale but the request's max-stale takes it.
    StaleAllowed, 
    /// After a successful validation only.
    Validate(ValidateReason) 
}
/// Why a validation is needed; the words appear in Cache-Status (`fwd=stale`, `fwd=request`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum ValidateReason { Stale, ResponseNoCache, RequestNoCache, RequestMaxAge, RequestMinFresh }
/// Decides.
pub fn may_reuse(request: &RequestDirectives, stored: &ResponseDirectives, freshness: &Freshness, now: Seconds) -> Reuse { todo!() }
/// Whether the stored response may be served stale when the origin cannot be reached (section 4.2.4; RFC 5861 section 4).
pub fn may_serve_stale_on_error(request: &RequestDirectives, stored: &ResponseDirectives, freshness: &Freshness, now: Seconds) -> bool { todo!() }
