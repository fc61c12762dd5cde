//! Conditional requests (RFC 9110 section 13): evaluated against a stored response, and made to validate one.

use crate::{Fields, Method};

/// What the request's preconditions say about a stored 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Outcome { Full, NotModified, Failed }
/// Whether the request has any precondition a cache evaluates (cheap test for the hit path).
pub fn has_preconditions(request: Fields<'_>) -> bool { todo!() }
/// Evaluates If-None-Match and If-Modified-Since as a cache must (RFC 9111 section 4.3.2); If-Match and If-Unmodified-Since are the origin's (the caller forwards).
/// `last_modified` falls back to Date, then to `received`, as section 4.3.2 says.
pub fn evaluate(method: Method, request: Fields<'_>, stored: Fields<'_>, received: super::date::Seconds) -> Outcome { todo!() }
/// Strong comparison (RFC 9110 section 8.8.3.2).
pub fn strong_eq(a: &[u8], b: &[u8]) -> bool { todo!() }
/// Weak comparison.
pub fn weak_eq(a: &[u8], b: &[u8]) -> bool { todo!() }
/// Which fields a 304 made from a stored response carries (RFC 9110 section 15.4.5).
pub fn in_not_modified(name: crate::Name) -> bool { todo!() }
