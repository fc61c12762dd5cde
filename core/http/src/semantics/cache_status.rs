//! The Cache-Status line (RFC 9211): the same words as logs and metrics.
//!
//! Invariant: what is written is one member of a structured list (RFC 8941), whatever the names hold.
//! Awkward case: `hit` and `fwd` exclude each other (section 2.2); where both are set, `hit` is written.

use super::text::is_tchar;

/// Why a request was forwarded (RFC 9211 section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Forward {
    Bypass,
    Method,
    UriMiss,
    VaryMiss,
    Miss,
    Request,
    Stale,
    Partial,
}

impl Forward {
    /// The token, as in Cache-Status, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Forward::Bypass => "bypass",
            Forward::Method => "method",
            Forward::UriMiss => "uri-miss",
            Forward::VaryMiss => "vary-miss",
            Forward::Miss => "miss",
            Forward::Request => "request",
            Forward::Stale => "stale",
            Forward::Partial => "partial",
        }
    }
}

/// One cache's handling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CacheStatus<'a> {
    pub hit: bool,
    pub fwd: Option<Forward>,
    pub fwd_status: Option<u16>,
    pub ttl: Option<i64>,
    pub stored: bool,
    pub collapsed: bool,
    pub detail: Option<&'a str>,
}

/// Integers of a structured field have at most 15 digits (RFC 8941 section 3.3.1).
const INTEGER_MAX: i64 = 999_999_999_999_999;

impl CacheStatus<'_> {
    /// Appends the member (`name; hit; ttl=30`) for the cache called `name` (an sf-token or written as an sf-string).
    pub fn write(&self, name: &str, out: &mut Vec<u8>) {
        write_token_or_string(name, out);
        if self.hit {
            out.extend_from_slice(b"; hit"); // section 2.1
        } else if let Some(fwd) = self.fwd {
            out.extend_from_slice(b"; fwd="); // section 2.2
            out.extend_from_slice(fwd.as_str().as_bytes());
            if let Some(status) = self.fwd_status {
                out.extend_from_slice(b"; fwd-status="); // section 2.3
                out.extend_from_slice(itoa::Buffer::new().format(status).as_bytes());
            }
        }
        if let Some(ttl) = self.ttl {
            out.extend_from_slice(b"; ttl="); // section 2.4
            let ttl = ttl.clamp(-INTEGER_MAX, INTEGER_MAX);
            out.extend_from_slice(itoa::Buffer::new().format(ttl).as_bytes());
        }
        if self.stored {
            out.extend_from_slice(b"; stored"); // section 2.5
        }
        if self.collapsed {
            out.extend_from_slice(b"; collapsed"); // section 2.6
        }
        // Section 2.7, key: not written; a key may hold what this client must not see.
        if let Some(detail) = self.detail {
            out.extend_from_slice(b"; detail="); // section 2.8
            write_token_or_string(detail, out);
        }
    }
}

/// An sf-token where the text is one (RFC 8941 section 3.3.4), else an sf-string (section 3.3.3), in which a byte that it
/// cannot hold becomes `?`.
pub(super) fn write_token_or_string(text: &str, out: &mut Vec<u8>) {
    let bytes = text.as_bytes();
    let starts = bytes
        .first()
        .is_some_and(|&b| b.is_ascii_alphabetic() || b == b'*');
    if starts && bytes.iter().all(|&b| is_tchar(b) || b == b':' || b == b'/') {
        out.extend_from_slice(bytes);
        return;
    }
    out.push(b'"');
    for &byte in bytes {
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b' '..=b'~' => out.push(byte),
            _ => out.push(b'?'),
        }
    }
    out.push(b'"');
}
