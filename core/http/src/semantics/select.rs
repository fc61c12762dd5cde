//! Letting the origin choose among stored variants by their entity tags (RFC 9111 sections 4.3.1 and 4.3.4).
//!
//! A request that selects none of the variants stored under its URL goes out with the tags of all that could serve it; a 304
//! names the one that does. Invariant: only strong tags take part. A weak one may stand for the same content in a coding that
//! this client does not read.
//! Awkward case: an origin that gives one strong tag to several codings, against RFC 9110 section 8.8.3.3. So a variant whose
//! coding the request does not name is not offered at all, and no variant that was told apart by who asked.

use super::conditional::strong_eq;
use super::text::members;
use crate::{Fields, Name};

/// The tag under which a stored variant may be offered for this request; `None` when it may not be.
pub fn offered<'a>(request: Fields<'_>, stored: Fields<'a>) -> Option<&'a [u8]> {
    let tag = stored.get(Name::Etag).filter(|tag| strong_eq(tag, tag))?;
    // A tag that is made of a version and not of the content would hand one user's page to another; and a 304 need not repeat
    // Access-Control-Allow-Origin (RFC 9110 section 15.4.5), which would then name another site.
    let told_apart = |name: &[u8]| {
        [&b"authorization"[..], b"cookie", b"origin"]
            .iter()
            .any(|whose| name.eq_ignore_ascii_case(whose))
    };
    if stored.all(Name::Vary).flat_map(members).any(told_apart) {
        return None;
    }
    let readable = stored
        .all(Name::ContentEncoding)
        .flat_map(members)
        .filter(|coding| !coding.is_empty() && !coding.eq_ignore_ascii_case(b"identity"))
        .all(|coding| takes(request, coding));
    readable.then_some(tag)
}

/// Whether a 304 chose this stored variant: they have the same strong validator.
pub fn chose(not_modified: Fields<'_>, stored: Fields<'_>) -> bool {
    match (not_modified.get(Name::Etag), stored.get(Name::Etag)) {
        (Some(theirs), Some(ours)) => strong_eq(ours, theirs),
        _ => false,
    }
}

/// Whether Accept-Encoding names a coding and does not refuse it. `*` is not enough: it tells nothing of what was tried.
fn takes(request: Fields<'_>, coding: &[u8]) -> bool {
    let mut named = request.all(Name::AcceptEncoding).flat_map(members);
    named.any(|member| {
        let mut parts = member.split(|&b| b == b';').map(<[u8]>::trim_ascii);
        let name = parts.next().unwrap_or_default();
        name.eq_ignore_ascii_case(coding) && !parts.any(is_zero)
    })
}

/// A weight of nothing: `q=0`, `q=0.0` and so on (RFC 9110 section 12.4.2).
fn is_zero(parameter: &[u8]) -> bool {
    match parameter {
        [b'q' | b'Q', b'=', weight @ ..] => weight.iter().all(|b| matches!(b, b'0' | b'.')),
        _ => false,
    }
}
