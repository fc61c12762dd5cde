//! What a 200 to a HEAD says of a stored response to GET (RFC 9111 section 4.3.5).
//!
//! Invariant: a response is updated only where nothing that both sides state disagrees; else it is stale from now on.
//! Awkward case: an answer without any validator and without Content-Length. Nothing of it contradicts what is stored, so it
//! updates; a response that changed without saying so would not have been noticed by a validation either.

use super::conditional::weak_eq;
use super::date;
use crate::{Fields, Name};

/// What becomes of the stored response.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeadEffect {
    /// "the cache SHOULD update the stored response with the header fields provided in the HEAD response".
    Update,
    /// "otherwise, the cache SHOULD consider the stored response to be stale".
    Stale,
}

/// Decides for a stored response to GET, with a body of `length` bytes, that could have answered the HEAD.
pub fn effect(stored: Fields<'_>, length: u64, head: Fields<'_>) -> HeadEffect {
    // "if the stored response and HEAD response have matching values for any received validator fields (ETag and Last-Modified)
    // and, if the HEAD response has a Content-Length header field, the value [...] matches that of the stored response".
    let tag = match (stored.get(Name::Etag), head.get(Name::Etag)) {
        (_, None) => true,
        (Some(ours), Some(theirs)) => weak_eq(ours, theirs),
        (None, Some(_)) => false,
    };
    let modified = match (stored.get(Name::LastModified), head.get(Name::LastModified)) {
        (_, None) => true,
        (Some(ours), Some(theirs)) => match (date::parse(ours), date::parse(theirs)) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => ours == theirs,
        },
        (None, Some(_)) => false,
    };
    let size = head
        .all(Name::ContentLength)
        .all(|value| std::str::from_utf8(value).is_ok_and(|v| v.parse() == Ok(length)));
    if tag && modified && size {
        HeadEffect::Update
    } else {
        HeadEffect::Stale
    }
}
