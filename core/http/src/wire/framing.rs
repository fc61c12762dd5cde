//! How long a message's body is (RFC 9112 section 6.3), strictly: whatever is ambiguous is refused, never repaired.
//!
//! The rules of section 6.3 stand in order beside their branches. Framing received is never forwarded.

use super::field::Fields;
use super::head::{Method, Version};

/// How a body is delimited.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Framing { None, Length(u64), Chunked, UntilClose }

/// Why a message's framing was refused (400 and close towards a client, 502 and close towards an origin).
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum FramingError {
    #[error("Content-Length and Transfer-Encoding are both present")] LengthAndEncoding,
    #[error("Content-Length is not one decimal number")] Length,
    #[error("Content-Length fields disagree")] Lengths,
    #[error("Transfer-Encoding is not exactly chunked")] Encoding,
    #[error("Transfer-Encoding in an HTTP/1.0 message")] EncodingIn10,
}
impl FramingError {
    /// 501 for a transfer coding that is not understood, else 400.
    pub fn status(self) -> u16 { todo!() }
}
/// The framing of a request's body.
pub fn request_framing(version: Version, fields: Fields<'_>) -> Result<Framing, FramingError> { todo!() }
/// The framing of a response's body, given the method of the request it answers.
pub fn response_framing(request: Method, status: u16, version: Version, fields: Fields<'_>) -> Result<Framing, FramingError> { todo!() }
/// Whether the connection persists after this message as far as its sender says (RFC 9112 section 9.3).
pub fn persists(version: Version, fields: Fields<'_>) -> bool { todo!() }
