//! Squid's native line: `time.ms elapsed client code/status bytes method URL user hierarchy/peer type`.
//!
//! Invariant: ten fields parted by blanks, whatever the client sent. As in Squid the time is that of the end, in seconds and milliseconds,
//! elapsed milliseconds are padded to six and the status to three.
//! Awkward case: a transaction without a request that could be read has method `NONE` and URL `error:invalid-request`, as in Squid.

use super::escape::{field, number};
use std::{
    io::Write,
    time::{Duration, UNIX_EPOCH},
};
use understudy_proxy::record::Record;

/// Appends the line with its line end.
pub(crate) fn line(record: &Record<'_>, out: &mut Vec<u8>) {
    let end = record
        .at
        .duration_since(UNIX_EPOCH)
        .unwrap_or(Duration::ZERO);
    number(end.as_secs(), 1, b'0', out);
    out.push(b'.');
    number(u64::from(end.subsec_millis()), 3, b'0', out);
    out.push(b' ');
    number(
        u64::try_from(record.elapsed.as_millis()).unwrap_or(u64::MAX),
        6,
        b' ',
        out,
    );
    // Writing to a Vec cannot fail.
    let _ = write!(out, " {} ", record.client.ip().to_canonical());
    out.extend_from_slice(record.code().as_bytes());
    if record.aborted {
        out.extend_from_slice(b"_ABORTED");
    }
    out.push(b'/');
    number(u64::from(record.status), 3, b'0', out);
    out.push(b' ');
    number(record.bytes_out, 1, b'0', out);
    out.push(b' ');
    field(
        if record.method.is_empty() {
            b"NONE"
        } else {
            record.method
        },
        out,
    );
    out.push(b' ');
    field(
        if record.url.is_empty() {
            b"error:invalid-request"
        } else {
            record.url
        },
        out,
    );
    // Nobody is authenticated yet.
    out.extend_from_slice(b" - ");
    match record.origin {
        Some(origin) => {
            let _ = write!(out, "HIER_DIRECT/{} ", origin.ip().to_canonical());
        }
        None => out.extend_from_slice(b"HIER_NONE/- "),
    }
    field(media_type(record.content_type.unwrap_or_default()), out);
    out.push(b'\n');
}

/// The media type without its parameters.
fn media_type(value: &[u8]) -> &[u8] {
    value
        .split(|b| matches!(b, b';' | b','))
        .next()
        .unwrap_or_default()
        .trim_ascii()
}
