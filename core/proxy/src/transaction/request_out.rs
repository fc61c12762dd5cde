//! The step `request_out`: the head an origin gets, written anew from the client's in one pass (RFC 9110 section 7.6,
//! RFC 9112 section 3.2.2).
//!
//! Order and case of what crosses are kept. Awkward case: Host stands where the client had it, but says what the route says.

use super::{Transaction, forwarded};
use crate::settings::Mode;
use bytes::Bytes;
use std::sync::Arc;
use understudy_cache::Stored;
use understudy_http::semantics::range::ByteSpan;
use understudy_http::wire::framing::Framing;
use understudy_http::wire::hop::Crossing;
use understudy_http::wire::keep::Kept;
use understudy_http::{Fields, Method, Name, Version};

/// What the cache changes in a request.
#[derive(Debug, Clone, Copy)]
pub(super) enum Purpose<'a> {
    /// As the client sent it.
    Pass,
    /// To store the whole: without the client's conditions and range.
    Fetch,
    /// To validate this response; of parts, with the client's range and its If-Range.
    Validate(&'a Stored),
    /// To store the part the client asks for: with its range, without its conditions.
    Range,
    /// To complete parts: these bytes, if they are still of the same representation.
    Complete(&'a Stored, ByteSpan),
    /// To have the origin say which of these serves the request, if one does.
    Select(&'a [Arc<Stored>]),
}

impl Transaction {
    /// Serialises the head, empty line included.
    pub(super) fn request_out(&self, purpose: Purpose<'_>) -> Bytes {
        // What was set last has no known name, and stays together.
        let (mut fields, mut set) = self.head.parted();
        let crossing = Crossing::of(fields);
        if !set.is_empty() && !crossing.nominates_nothing() {
            (fields, set) = (self.head.fields(), b"");
        }
        let passing = matches!(purpose, Purpose::Pass);
        let with_range = match purpose {
            Purpose::Validate(stored) => stored.is_part(),
            _ => matches!(purpose, Purpose::Range),
        };
        let forwarded = match self.source.listener.mode {
            Mode::Reverse { .. } => Some(forwarded::Forwarded::of(
                self.peer,
                &self.live.settings.access,
                self.source.internal,
            )),
            Mode::Forward | Mode::Transparent { .. } => None,
        };
        let (host, path) = match &self.route {
            Some(route) => (&route.host[..], &route.path[..]),
            None => (&b""[..], self.head.target()),
        };
        let mut out = Vec::with_capacity(self.head.size() + 256);
        out.extend_from_slice(self.head.method_bytes());
        out.push(b' ');
        out.extend_from_slice(path);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        if !fields.has(Name::Host) {
            line(&mut out, b"Host", host);
        }
        fields.write(&mut out, |id, name, value| match id {
            Name::Host if value == host => Kept::Whole,
            Name::Host => Kept::With(host.into()),
            // Written below, with ours.
            Name::Via => Kept::Not,
            Name::MaxForwards if self.counts_hops() => Kept::With(fewer(value).into()),
            // Also If-Range where parts are validated: what replaces them may not be what the client has the rest of.
            Name::Range | Name::IfRange if with_range && crossing.crosses(id, name) => Kept::Whole,
            _ if is_condition(id) && !passing => Kept::Not,
            _ if forwarded.as_ref().is_some_and(|f| f.replaces(id)) => Kept::Not,
            _ if crossing.crosses(id, name) => Kept::Whole,
            _ => Kept::Not,
        });
        if !set.is_empty() {
            out.extend_from_slice(set);
        }
        if let Some(forwarded) = forwarded {
            forwarded.write(fields, &mut out);
        }
        via_line(fields, self.head.version(), &self.live.pseudonym, &mut out);
        if let Purpose::Validate(stored) = purpose {
            stored.prepared().with_fields(|stored| {
                if let Some(etag) = stored.get(Name::Etag) {
                    line(&mut out, b"If-None-Match", etag);
                }
                if let Some(modified) = stored.get(Name::LastModified) {
                    line(&mut out, b"If-Modified-Since", modified);
                }
            });
        }
        if let Purpose::Complete(held, missing) = purpose {
            super::complete::range_lines(held, missing, &mut out);
        }
        if let Purpose::Select(candidates @ [_, ..]) = purpose {
            out.extend_from_slice(b"If-None-Match: ");
            for (n, stored) in candidates.iter().enumerate() {
                out.extend_from_slice(if n > 0 { b", " } else { b"" });
                stored.prepared().with_fields(|stored| {
                    out.extend_from_slice(stored.get(Name::Etag).unwrap_or_default());
                });
            }
            out.extend_from_slice(b"\r\n");
        }
        match self.body.framing_out() {
            Framing::Length(n) => {
                line(
                    &mut out,
                    b"Content-Length",
                    itoa::Buffer::new().format(n).as_bytes(),
                );
            }
            Framing::Chunked => line(&mut out, b"Transfer-Encoding", b"chunked"),
            Framing::None | Framing::UntilClose => {}
        }
        self.own_hop(passing, &mut out);
        out.extend_from_slice(b"\r\n");
        out.into()
    }

    /// What we say about our own connection to the origin: an upgrade that is passed on, or that trailers are welcome
    /// because they are to the client (RFC 9110 sections 7.8 and 10.1.4).
    fn own_hop(&self, passing: bool, out: &mut Vec<u8>) {
        let fields = self.head.fields();
        let upgrade = if passing && self.wants_upgrade() {
            fields.get(Name::Upgrade)
        } else {
            None
        };
        if let Some(protocol) = upgrade {
            line(out, b"Upgrade", protocol);
            line(out, b"Connection", b"Upgrade");
        } else if fields.has(Name::Te)
            && fields
                .list(Name::Te)
                .any(|coding| coding.eq_ignore_ascii_case(b"trailers"))
        {
            line(out, b"TE", b"trailers");
            line(out, b"Connection", b"TE");
        }
    }

    /// Max-Forwards counts on TRACE and OPTIONS alone (RFC 9110 section 7.6.2); zero never gets here.
    fn counts_hops(&self) -> bool {
        matches!(self.head.method(), Method::Trace | Method::Options)
    }
}

/// Max-Forwards less one; what is no number goes on as it is.
fn fewer(value: &[u8]) -> Vec<u8> {
    match std::str::from_utf8(value)
        .ok()
        .and_then(|v| v.parse::<u64>().ok())
    {
        Some(hops) => itoa::Buffer::new()
            .format(hops.saturating_sub(1))
            .as_bytes()
            .to_vec(),
        None => value.to_vec(),
    }
}

fn is_condition(id: Name) -> bool {
    matches!(
        id,
        Name::IfNoneMatch
            | Name::IfModifiedSince
            | Name::IfRange
            | Name::Range
            | Name::IfMatch
            | Name::IfUnmodifiedSince
    )
}

/// One Via line: the members received and ours behind them (RFC 9110 section 7.6.3).
pub(super) fn via_line(fields: Fields<'_>, received: Version, pseudonym: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"Via: ");
    for members in fields.all(Name::Via) {
        out.extend_from_slice(members);
        out.extend_from_slice(b", ");
    }
    crate::via::write_member(received, pseudonym, out);
    out.extend_from_slice(b"\r\n");
}

/// Appends a field line.
pub(super) fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.extend_from_slice(b"\r\n");
}
