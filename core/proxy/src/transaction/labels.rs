//! What a response can be purged by, read when it is stored: tags, and the groups of its origin.
//!
//! Tags do not go on to clients, so a stored head has none; groups do. Invariant: whose a group is, is the origin in the key with its
//! upstream, as nobody else may speak for it. Awkward case: a 304 brings fields anew (RFC 9111 section 3.2): its tags stand in for those
//! that are stored if it has any, and groups are read from the head that comes of both.

use super::partition;
use understudy_cache::Labels;
use understudy_http::Fields;
use understudy_http::semantics::storing::NoStoreReason;
use understudy_http::semantics::{groups, tags};

/// The labels of a response that is to be stored under this key. One with more tags than can be kept is not stored: it would be left
/// behind by purges.
pub(super) fn of(fields: Fields<'_>, key: &[u8]) -> Result<Labels, NoStoreReason> {
    let groups = groups::of(fields);
    if groups.is_empty() && !tags::has(fields) {
        return Ok(Labels::default());
    }
    if tags::of(fields).count() + groups.len() > tags::MOST {
        return Err(NoStoreReason::TooLarge);
    }
    let groups = groups.iter().map(String::as_bytes);
    Ok(Labels::new(
        tags::of(fields),
        groups,
        &partition::scope(key),
    ))
}

/// The labels of a stored response that was validated: `merged` is its head now, `answer` the 304's. `None`: there are too
/// many.
pub(super) fn freshened(
    old: &Labels,
    merged: Fields<'_>,
    answer: Fields<'_>,
    key: &[u8],
) -> Option<Labels> {
    let groups = groups::of(merged);
    let anew = tags::has(answer);
    if groups.is_empty() && !anew && old.groups().next().is_none() {
        return Some(old.clone());
    }
    if anew && tags::of(answer).count() + groups.len() > tags::MOST {
        return None;
    }
    let groups = groups.iter().map(String::as_bytes);
    let scope = partition::scope(key);
    Some(if anew {
        Labels::new(tags::of(answer), groups, &scope)
    } else {
        Labels::new(old.tags(), groups, &scope)
    })
}
