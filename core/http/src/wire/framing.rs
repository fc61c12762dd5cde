//! How long a message's body is (RFC 9112 section 6.3), strictly: whatever is ambiguous is refused, never repaired.
//!
//! The rules of section 6.3 stand in order beside their branches. Framing received is never forwarded.
//! Awkward case: a response that cannot have a body has none whatever its fields say, so they are not even judged.

use super::field::{Fields, Name};
use super::head::{Method, Version};

/// How a body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Framing {
    /// There is no body and no field that promises one.
    None,
    /// So many bytes (possibly 0, when the sender said so).
    Length(u64),
    /// The chunked transfer coding.
    Chunked,
    /// Everything until the connection ends.
    UntilClose,
}

/// Why a message's framing was refused (400 and close towards a client, 502 and close towards an origin).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum FramingError {
    #[error("Content-Length and Transfer-Encoding are both present")]
    LengthAndEncoding,
    #[error("Content-Length is not one decimal number")]
    Length,
    #[error("Content-Length is repeated")]
    Lengths,
    #[error("Transfer-Encoding is not exactly chunked")]
    Encoding,
    #[error("Transfer-Encoding in an HTTP/1.0 message")]
    EncodingIn10,
}

impl FramingError {
    /// 501 for a transfer coding that is not understood, else 400.
    pub fn status(self) -> u16 {
        match self {
            FramingError::Encoding => 501,
            _ => 400,
        }
    }
}

/// The framing of a request's body.
pub fn request_framing(version: Version, fields: Fields<'_>) -> Result<Framing, FramingError> {
    // Rules 1 and 2 are about responses.
    // Rules 3 to 6.
    // Rule 7: a request without either field has no body.
    Ok(delimited(version, fields)?.unwrap_or(Framing::None))
}

/// The framing of a response's body, given the method of the request it answers.
pub fn response_framing(
    request: Method,
    status: u16,
    version: Version,
    fields: Fields<'_>,
) -> Result<Framing, FramingError> {
    // Rule 1: HEAD, 1xx, 204 and 304 end with their head, whatever fields say.
    if request == Method::Head || matches!(status, 100..=199 | 204 | 304) {
        return Ok(Framing::None);
    }
    // Rule 2: after a 2xx to CONNECT comes the tunnel, whatever fields say.
    if request == Method::Connect && matches!(status, 200..=299) {
        return Ok(Framing::None);
    }
    // Rules 3 to 6.
    // Rule 7 is about requests. Rule 8: everything until the connection ends.
    Ok(delimited(version, fields)?.unwrap_or(Framing::UntilClose))
}

/// Rules 3 to 6: what the fields say; `None` when they say nothing.
fn delimited(version: Version, fields: Fields<'_>) -> Result<Option<Framing>, FramingError> {
    let encoded = fields.has(Name::TransferEncoding);
    let mut lengths = fields.all(Name::ContentLength);
    let length = lengths.next();
    if encoded {
        // Section 6.1: an HTTP/1.0 sender does not know the field, so its framing is faulty.
        if version < Version::Http11 {
            return Err(FramingError::EncodingIn10);
        }
        // Rule 3: the sender may let encoding win; nobody honest sends both, so both are refused.
        if length.is_some() {
            return Err(FramingError::LengthAndEncoding);
        }
        // Rule 4: chunked must be the final coding. It is also the only one understood, and may be said only once.
        let mut lines = fields.all(Name::TransferEncoding);
        return match (lines.next(), lines.next()) {
            (Some(value), None) if value.eq_ignore_ascii_case(b"chunked") => {
                Ok(Some(Framing::Chunked))
            }
            _ => Err(FramingError::Encoding),
        };
    }
    let Some(length) = length else {
        return Ok(None);
    };
    // Rule 5: identical repetitions may be repaired by a recipient; here they are refused.
    if lengths.next().is_some() {
        return Err(FramingError::Lengths);
    }
    // Rule 6.
    decimal(length)
        .map(|length| Some(Framing::Length(length)))
        .ok_or(FramingError::Length)
}

/// `1*DIGIT` that fits 64 bits, and nothing else: no sign, no white space, no list.
fn decimal(value: &[u8]) -> Option<u64> {
    if value.is_empty() {
        return None;
    }
    value.iter().try_fold(0u64, |number, byte| {
        let digit = byte.checked_sub(b'0').filter(|digit| *digit <= 9)?;
        number.checked_mul(10)?.checked_add(u64::from(digit))
    })
}

/// Whether the connection persists after this message as far as its sender says (RFC 9112 section 9.3).
///
/// `close` wins wherever it stands; HTTP/1.0 needs `keep-alive`; `Proxy-Connection` is ignored. Whether the proxy
/// wants to keep an HTTP/1.0 connection is its own matter.
pub fn persists(version: Version, fields: Fields<'_>) -> bool {
    let mut keep_alive = version >= Version::Http11;
    for option in fields.list(Name::Connection) {
        if option.eq_ignore_ascii_case(b"close") {
            return false;
        }
        keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
    }
    keep_alive
}
