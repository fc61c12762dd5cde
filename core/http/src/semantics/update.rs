//! A 304 freshens a stored response (RFC 9111 sections 3.2 and 4.3.4).
//!
//! Invariant: what the stored body is read by (its length, coding, range and tag) stays that of the stored body.
//! Awkward case: Age. It tells how old the message was that brought it, so the stored one goes even when the 304 has none.
//! A 304 without Date leaves the stored Date and with it the stored age; whoever receives it adds one (RFC 9110 section 6.6.1).

use super::conditional::{strong_eq, weak_eq};
use super::date;
use super::storing::NoStoreReason;
use super::text::members;
use crate::{Fields, Name};

/// Whether the 304 validates this stored response: its validators do not disagree.
///
/// The request that asked carried the validators of this response alone, so a 304 without any speaks of it.
pub fn validates(stored: Fields<'_>, not_modified: Fields<'_>) -> bool {
    let tags = (stored.get(Name::Etag), not_modified.get(Name::Etag));
    match tags {
        // Section 4.3.4: a strong validator selects the stored response that has the same. The comparison is weak all the
        // same, as the one that led to the 304 was: an origin that compresses on the way out marks the tag of its 200 as
        // weak and not that of its 304.
        (Some(ours), Some(theirs)) => return weak_eq(ours, theirs),
        // "If none of the stored responses contains the same strong validator, the cache MUST NOT use the new response".
        (None, Some(theirs)) if strong_eq(theirs, theirs) => return false,
        _ => {}
    }
    // Without a pair of tags, weak validators must correspond: Last-Modified, where both have it.
    match (
        stored.get(Name::LastModified),
        not_modified.get(Name::LastModified),
    ) {
        (Some(ours), Some(theirs)) => match (date::parse(ours), date::parse(theirs)) {
            (Some(ours), Some(theirs)) => ours == theirs,
            _ => ours == theirs,
        },
        _ => true,
    }
}

/// Whether a full answer to a validation that is not stored itself tells that what is stored is no longer what the origin has.
///
/// RFC 9111 section 4.3.3: a full response "indicates that none of the stored responses nominated in the conditional request are
/// suitable". That is said by an answer about the resource. A server that fails, or turns down this request for what only this
/// one had or lacked (credentials above all), says nothing of it; nor does what is not stored for the request's own reasons, nor
/// a page made for whoever asked: `personal` is a request with credentials or cookies.
pub fn outdates(status: u16, why: NoStoreReason, personal: bool) -> bool {
    let made_for_one = matches!(
        why,
        NoStoreReason::Private | NoStoreReason::ResponseNoStore | NoStoreReason::VaryStar
    );
    if personal && made_for_one && (200..300).contains(&status) {
        return false;
    }
    let of_the_request = matches!(
        why,
        NoStoreReason::Method
            | NoStoreReason::RequestNoStore
            | NoStoreReason::Authorization
            | NoStoreReason::SetCookie
            | NoStoreReason::Partial
            | NoStoreReason::Module
            | NoStoreReason::UntrustedHost
            | NoStoreReason::Disabled
    );
    let of_the_resource = match status {
        200..=399 => status != 304,
        400 | 402 | 404..=406 | 409..=411 | 413..=415 | 422 | 451 => true,
        _ => false,
    };
    of_the_resource && !of_the_request
}

/// Writes the stored field lines updated by those of the 304 (each line ending in CRLF, no start line, no final empty line):
/// fields in the 304 replace those stored, except those section 3.2 exempts (hop-by-hop, Content-Length, Content-Encoding, Content-Range, Transfer-Encoding, ETag stays unless absent).
/// A replaced field stands where its first line stood; new ones follow at the end. `out` is appended to.
pub fn write_updated(stored: Fields<'_>, not_modified: Fields<'_>, out: &mut Vec<u8>) {
    let replaces = |id: Name, name: &[u8]| {
        has(not_modified, id, name)
            && !is_exempt(id, name, not_modified)
            && !(id == Name::Etag && stored.has(id))
    };
    let mut written: Vec<&[u8]> = Vec::new();
    for (id, name, value) in stored.iter() {
        if id == Name::Age {
            continue;
        }
        if !replaces(id, name) {
            line(name, value, out);
        } else if !written.iter().any(|done| done.eq_ignore_ascii_case(name)) {
            written.push(name);
            for (_, name, value) in not_modified
                .iter()
                .filter(|(_, other, _)| other.eq_ignore_ascii_case(name))
            {
                line(name, value, out);
            }
        }
    }
    for (id, name, value) in not_modified.iter() {
        let stays = id != Name::Age && has(stored, id, name);
        if !stays && !is_exempt(id, name, not_modified) {
            line(name, value, out);
        }
    }
}

fn line(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}

fn has(fields: Fields<'_>, id: Name, name: &[u8]) -> bool {
    if id == Name::Other {
        fields.find(name).is_some()
    } else {
        fields.has(id)
    }
}

/// Fields of a 304 that never change what is stored (sections 3.1 and 3.2).
fn is_exempt(id: Name, name: &[u8], not_modified: Fields<'_>) -> bool {
    match id {
        // Section 3.1: for one hop (RFC 9110 section 7.6.1), or for the proxy itself (section 11.7).
        Name::Connection
        | Name::KeepAlive
        | Name::ProxyConnection
        | Name::Te
        | Name::Trailer
        | Name::TransferEncoding
        | Name::Upgrade => true,
        Name::ProxyAuthenticate | Name::ProxyAuthorization => true,
        // Section 3.2: Content-Length, and what "the cache's stored response depends upon": parts are joined by Content-Range,
        // and a coding named for a body that has another would make it unreadable. No other `Content-*` is excepted.
        Name::ContentLength | Name::ContentEncoding | Name::ContentRange => true,
        Name::Other if name.eq_ignore_ascii_case(b"Proxy-Authentication-Info") => true,
        // What Connection nominates is for this hop as well.
        _ => not_modified
            .all(Name::Connection)
            .flat_map(members)
            .any(|nominated| nominated.eq_ignore_ascii_case(name)),
    }
}
