//! Conditional requests (RFC 9110 section 13): evaluated against a stored response, and made to validate one.
//!
//! Invariant: a precondition that is malformed never turns a full answer into an empty one.
//! Awkward case: an entity tag is not a quoted string. It may hold commas and backslashes, and a backslash escapes nothing
//! (RFC 9110 section 8.8.3), so its lists have a reader of their own.

use super::date::{self, Seconds};
use super::text::trim;
use crate::{Fields, Method, Name};

/// What the request's preconditions say about a stored 200.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Outcome {
    Full,
    NotModified,
    Failed,
}

/// Whether the request has any precondition a cache evaluates (cheap test for the hit path).
#[inline]
pub fn has_preconditions(request: Fields<'_>) -> bool {
    request.has(Name::IfNoneMatch) || request.has(Name::IfModifiedSince)
}

/// Evaluates If-None-Match and If-Modified-Since as a cache must (RFC 9111 section 4.3.2); If-Match and If-Unmodified-Since are the origin's (the caller forwards).
/// `last_modified` falls back to Date, then to `received`, as section 4.3.2 says.
/// `Failed` (412) is an answer only for methods other than GET and HEAD (RFC 9110 section 13.2.2).
pub fn evaluate(
    method: Method,
    request: Fields<'_>,
    stored: Fields<'_>,
    received: Seconds,
) -> Outcome {
    let reads = matches!(method, Method::Get | Method::Head);
    // RFC 9110 section 13.2.2, steps 1 and 2 (If-Match, If-Unmodified-Since): not for a cache.
    // Step 3: If-None-Match, and when it is present step 4 does not apply.
    if request.has(Name::IfNoneMatch) {
        let tag = stored.get(Name::Etag);
        let known = request
            .all(Name::IfNoneMatch)
            .any(|line| lists_tag(line, tag));
        return match (known, reads) {
            (false, _) => Outcome::Full,
            (true, true) => Outcome::NotModified,
            (true, false) => Outcome::Failed,
        };
    }
    // Step 4: If-Modified-Since, for GET and HEAD only, one line, well-formed (section 13.1.3).
    if !reads {
        return Outcome::Full;
    }
    let Some(since) = single(request, Name::IfModifiedSince).and_then(date::parse) else {
        return Outcome::Full;
    };
    let modified = stored
        .get(Name::LastModified)
        .and_then(date::parse)
        .or_else(|| stored.get(Name::Date).and_then(date::parse))
        .unwrap_or(received);
    if modified <= since {
        Outcome::NotModified
    } else {
        Outcome::Full
    }
    // Step 5 (Range with If-Range) is `range::answer`; step 6 is the caller's.
}

/// Strong comparison (RFC 9110 section 8.8.3.2). What is not a well-formed strong tag equals nothing.
pub fn strong_eq(a: &[u8], b: &[u8]) -> bool {
    matches!(a, [b'"', .., b'"']) && a == b
}

/// Weak comparison (RFC 9110 section 8.8.3.2). Tags without quotes, which some origins send, are compared as they are.
pub fn weak_eq(a: &[u8], b: &[u8]) -> bool {
    opaque(a) == opaque(b)
}

/// Which fields a 304 made from a stored response carries (RFC 9110 section 15.4.5).
///
/// All but those that describe content a 304 does not have, or one connection. What the proxy does not know by name stays:
/// it may be asked of the 304 itself, as Access-Control-Allow-Origin is.
pub fn in_not_modified(name: Name) -> bool {
    !matches!(
        name,
        // "representation metadata other than the above listed fields"
        Name::ContentEncoding | Name::ContentLength | Name::ContentRange | Name::ContentType
        // RFC 9110 section 7.6.1 and RFC 9112 section 6.1: for one hop, or for a body
        | Name::Connection | Name::KeepAlive | Name::ProxyConnection | Name::Te | Name::Trailer | Name::TransferEncoding | Name::Upgrade
    )
}

/// The value of a field that has exactly one line.
pub(super) fn single<'a>(fields: Fields<'a>, id: Name) -> Option<&'a [u8]> {
    let mut lines = fields.all(id);
    let first = lines.next()?;
    lines.next().is_none().then_some(first)
}

/// The opaque part of a tag: without the mark of weakness, which is case-sensitive (RFC 9110 section 8.8.3).
fn opaque(tag: &[u8]) -> &[u8] {
    tag.strip_prefix(b"W/").unwrap_or(tag)
}

/// Whether an If-None-Match line names the stored response (RFC 9110 section 13.1.2): by `*`, or by its tag.
fn lists_tag(line: &[u8], stored: Option<&[u8]>) -> bool {
    // `*` matches any current representation, and a stored response is one.
    if trim(line) == b"*" {
        return true;
    }
    let Some(stored) = stored.filter(|tag| !tag.is_empty()) else {
        return false;
    };
    tags(line).any(|tag| weak_eq(tag, stored))
}

/// The members of a list of entity tags, empty ones skipped; a comma between quotes belongs to its tag.
fn tags(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = line;
    std::iter::from_fn(move || {
        while !rest.is_empty() {
            let end = tag_end(rest);
            let (member, after) = rest.split_at_checked(end)?;
            rest = after.get(1..).unwrap_or_default();
            let member = trim(member);
            if !member.is_empty() {
                return Some(member);
            }
        }
        None
    })
}

/// Where the first tag of a list ends: at a comma outside quotes. A quote that nothing closes is an ordinary byte.
fn tag_end(list: &[u8]) -> usize {
    let mut at = 0;
    while let Some(step) = list
        .get(at..)
        .and_then(|rest| memchr::memchr2(b',', b'"', rest))
    {
        at += step;
        if list.get(at) == Some(&b',') {
            return at;
        }
        at += 1;
        if let Some(close) = list.get(at..).and_then(|rest| memchr::memchr(b'"', rest)) {
            at += close + 1;
        }
    }
    list.len()
}
