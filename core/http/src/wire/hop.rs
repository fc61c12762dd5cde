//! What must not cross a hop (RFC 9110 section 7.6.1): hop-by-hop fields and those that Connection nominates,
//! except framing and routing fields, which a peer cannot nominate away.
//!
//! Invariant: after stripping, no field says anything about the connection it came on.
//!
//! Awkward case: `Connection: Host`, `Connection: Cookie` or `Connection: X-Forwarded-For` would have a proxy delete what
//! the next hop decides by: its routing, its caching, who the client is. So a nomination removes only what has no meaning
//! to all recipients (RFC 9110 section 7.6.1 forbids a sender to nominate anything else):
//! - a field that the proxy knows ([`Name`]) is hop-by-hop by itself and goes, or is end-to-end and stays;
//! - unknown fields in [`KEPT_FIELDS`] or beginning with one of [`KEPT_PREFIXES`] stay;
//! - every other unknown field that is nominated goes.

use super::edit;
use super::field::{FieldSpan, Fields, Name};
use super::head::{RequestHead, ResponseHead};
use super::list::{self, trim};
use smallvec::SmallVec;

/// Unknown fields that a nomination does not remove: who the client is, how it authenticated, how content is guarded.
pub const KEPT_FIELDS: &[&str] = &[
    "alt-svc",
    "authentication-info",
    "content-digest",
    "content-disposition",
    "content-language",
    "content-security-policy",
    "cookie2",
    "digest",
    "set-cookie2",
    "signature",
    "signature-input",
    "strict-transport-security",
    "traceparent",
    "tracestate",
    "true-client-ip",
    "www-authenticate",
    "x-client-ip",
    "x-content-type-options",
    "x-frame-options",
    "x-original-url",
    "x-real-ip",
    "x-request-id",
    "x-rewrite-url",
];
/// Beginnings of unknown fields that a nomination does not remove.
pub const KEPT_PREFIXES: &[&str] = &["access-control-", "sec-", "x-forwarded-"];

/// Known fields that are for one hop, in either direction.
const HOP: u64 = bit(Name::Connection)
    | bit(Name::KeepAlive)
    | bit(Name::ProxyConnection)
    | bit(Name::ProxyAuthenticate)
    | bit(Name::ProxyAuthorization)
    | bit(Name::Te)
    | bit(Name::TransferEncoding)
    | bit(Name::ContentLength)
    | bit(Name::Upgrade);

/// Known fields that make sense in a trailer section. All other known ones are framing, routing, request modifiers,
/// authentication, response control or about the content's format (RFC 9110 section 6.5.1).
const TRAILERS: u64 = bit(Name::Etag) | bit(Name::ProxyStatus);

/// Unknown fields that do not belong in a trailer section, beside [`KEPT_FIELDS`] that identify or authenticate.
const NOT_TRAILERS: &[&str] = &[
    "alt-svc",
    "content-disposition",
    "content-language",
    "content-security-policy",
    "cookie2",
    "http2-settings",
    "proxy-authentication-info",
    "set-cookie2",
    "strict-transport-security",
    "true-client-ip",
    "www-authenticate",
    "x-client-ip",
    "x-content-type-options",
    "x-frame-options",
    "x-original-url",
    "x-real-ip",
    "x-rewrite-url",
];

/// For the next client inwards alone (RFC 9110 section 11.7.3).
pub(super) const PROXY_INFO: &[u8] = b"proxy-authentication-info";

const fn bit(name: Name) -> u64 {
    1 << name as u64
}

fn among(name: &[u8], set: u64) -> bool {
    bit(Name::of(name)) & set != 0
}

fn listed(name: &[u8], names: &[&str], prefixes: &[&str]) -> bool {
    names
        .iter()
        .any(|other| name.eq_ignore_ascii_case(other.as_bytes()))
        || prefixes.iter().any(|prefix| {
            name.get(..prefix.len())
                .is_some_and(|start| start.eq_ignore_ascii_case(prefix.as_bytes()))
        })
}

/// Whether a nomination of this name removes fields that would otherwise stay.
fn removable(name: &[u8]) -> bool {
    Name::of(name) == Name::Other && !listed(name, KEPT_FIELDS, KEPT_PREFIXES)
}

/// Tells which lines of one head may cross the hop, for a writer that copies lines instead of editing a head.
#[derive(Debug, Default)]
pub struct Crossing<'a> {
    nominated: SmallVec<[&'a [u8]; 4]>,
}

impl<'a> Crossing<'a> {
    /// Reads the head's Connection lines.
    pub fn of(fields: Fields<'a>) -> Crossing<'a> {
        let nominated = if fields.has(Name::Connection) {
            fields
                .list(Name::Connection)
                .filter(|option| !is_option(option) && removable(option))
                .collect()
        } else {
            SmallVec::new()
        };
        Crossing { nominated }
    }

    /// Whether this line crosses; framing never does, it is written anew.
    pub fn crosses(&self, id: Name, name: &[u8]) -> bool {
        if id != Name::Other {
            return bit(id) & HOP == 0;
        }
        // RFC 9111 section 3.1: never stored, too.
        if name.eq_ignore_ascii_case(PROXY_INFO) {
            return false;
        }
        !self.is_nominated(name)
    }

    /// Whether none stays here because Connection nominates it.
    #[inline]
    pub fn nominates_nothing(&self) -> bool {
        self.nominated.is_empty()
    }

    /// Whether lines of this name stay here because Connection nominates them, and would cross otherwise.
    pub fn is_nominated(&self, name: &[u8]) -> bool {
        let mut nominated = self.nominated.iter();
        nominated.any(|option| option.eq_ignore_ascii_case(name))
    }
}

/// Removes hop-by-hop fields and what is nominated from a table.
fn strip(bytes: &[u8], overlay: &[u8], table: &mut Vec<FieldSpan>) {
    // Found by way of the lines, not of `Fields`, so that the table is free to change.
    let nominated: SmallVec<[&[u8]; 4]> = table
        .iter()
        .filter(|line| line.id == Name::Connection)
        .flat_map(|line| list::members(line.value.of(bytes, overlay)))
        .filter(|option| !is_option(option) && removable(option))
        .collect();
    if nominated.is_empty() {
        table.retain(|line| bit(line.id) & HOP == 0);
        return;
    }
    edit::remove_if(bytes, overlay, table, |id, name, _| {
        let unknown = id == Name::Other;
        bit(id) & HOP != 0
            || unknown
                && nominated
                    .iter()
                    .any(|option| option.eq_ignore_ascii_case(name))
    });
}

/// The connection options that are not the name of a field to look for.
fn is_option(option: &[u8]) -> bool {
    option.eq_ignore_ascii_case(b"close") || option.eq_ignore_ascii_case(b"keep-alive")
}

/// Removes from a request what is for this hop only (Connection and what it nominates, Keep-Alive, Proxy-Connection, Proxy-Authorization,
/// TE, Transfer-Encoding, Content-Length, Upgrade; Expect is kept). Framing is written anew by the caller.
///
/// When TE had `trailers`, `TE: trailers` and the `Connection: TE` that must go with it are appended as the proxy's own.
pub fn strip_request<B: AsRef<[u8]>>(head: &mut RequestHead<B>) {
    let trailers = head
        .fields()
        .list(Name::Te)
        .any(|coding| coding.eq_ignore_ascii_case(b"trailers"));
    let (bytes, overlay, table) = head.edit_table();
    strip(bytes, overlay, table);
    if trailers {
        // Both are well-formed; an overlay without room for them loses the hint, which is harmless.
        let _ = head
            .append(b"TE", b"trailers")
            .and_then(|()| head.append(b"Connection", b"TE"));
    }
}

/// Removes from a response what is for this hop only, Transfer-Encoding and Content-Length included; framing is written anew by the caller.
pub fn strip_response<B: AsRef<[u8]>>(head: &mut ResponseHead<B>) {
    let (bytes, overlay, table) = head.edit_table();
    strip(bytes, overlay, table);
}

/// Keeps of a received trailer section only lines that may be forwarded (RFC 9110 section 6.5.1: no framing, routing, authentication,
/// request modifiers or hop-by-hop fields); the result is field lines each ending in CRLF, appended to `out`.
pub fn clean_trailers(section: &[u8], out: &mut Vec<u8>) {
    for line in section.split(|byte| *byte == b'\n') {
        let Some(line) = line.strip_suffix(b"\r") else {
            continue;
        };
        let Some(colon) = memchr::memchr(b':', line) else {
            continue;
        };
        let (name, value) = (
            line.get(..colon).unwrap_or_default(),
            line.get(colon + 1..).unwrap_or_default(),
        );
        let unknown = Name::of(name) == Name::Other;
        let fits = among(name, TRAILERS) || unknown && !listed(name, NOT_TRAILERS, KEPT_PREFIXES);
        if fits && edit::is_name(name) && edit::is_value(value) {
            out.extend_from_slice(name);
            out.extend_from_slice(b": ");
            out.extend_from_slice(trim(value));
            out.extend_from_slice(b"\r\n");
        }
    }
}
