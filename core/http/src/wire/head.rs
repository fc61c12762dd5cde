//! Request and response heads: strict parsing on `httparse`, edits in an overlay, one serialisation.
//!
//! Parsing gives *parts* (spans only, no lifetime) and the length of the head; parts joined with the bytes they were parsed from
//! make a head. A hit joins them with a borrowed slice and allocates nothing; a miss joins them with its own `Bytes`.

use super::field::{FieldSpan, Fields, Name, Span};
use bytes::Bytes;

/// The protocol version of a message; anything of major version 1 above 1.1 counts as 1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Version { Http10, Http11 }

/// The request method (RFC 9110 section 9); the token itself stays in the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Method { Get, Head, Post, Put, Delete, Connect, Options, Trace, Patch, Purge, Other }

/// What a head may measure.
#[derive(Debug, Clone, Copy)]
pub struct HeadLimits {
    /// Bytes of the whole head, start line and final empty line included.
    pub bytes: usize,
    /// Bytes of the request target.
    pub target: usize,
    /// Field lines.
    pub fields: usize,
}

/// Why a head was refused. `Display` is one lower-case sentence for error pages and logs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum HeadError {
    #[error("the head is larger than the limit")] TooLarge,
    #[error("the request target is longer than the limit")] TargetTooLong,
    #[error("the head has more field lines than the limit")] TooManyFields,
    #[error("a line ends in a bare LF or holds a bare CR")] LineEnding,
    #[error("the start line is malformed")] StartLine,
    #[error("the protocol version is not HTTP/1.x")] Version,
    #[error("a field name is malformed")] FieldName,
    #[error("a field value is malformed")] FieldValue,
}

/// A parsed request head without its bytes.
#[derive(Debug, Clone)]
pub struct RequestParts { pub(crate) len: usize, pub(crate) method: Method, pub(crate) method_span: Span, pub(crate) target: Span, pub(crate) version: Version, pub(crate) overlay: Vec<u8>, pub(crate) table: Vec<FieldSpan> }
/// A parsed response head without its bytes.
#[derive(Debug, Clone)]
pub struct ResponseParts { pub(crate) len: usize, pub(crate) status: u16, pub(crate) reason: Span, pub(crate) version: Version, pub(crate) overlay: Vec<u8>, pub(crate) table: Vec<FieldSpan> }

/// A request head: its bytes (borrowed or owned) and the ranges over them.
#[derive(Debug, Clone)]
pub struct RequestHead<B = Bytes> { bytes: B, parts: RequestParts }
/// A response head: its bytes (borrowed or owned) and the ranges over them.
#[derive(Debug, Clone)]
pub struct ResponseHead<B = Bytes> { bytes: B, parts: ResponseParts }

/// Parses a request head at the start of `buf`. `Ok(None)`: more bytes are wanted. `table` is emptied and reused.
/// Empty lines (CRLF) before the request line are skipped and counted in the length (RFC 9112 section 2.2).
pub fn parse_request(buf: &[u8], limits: &HeadLimits, table: Vec<FieldSpan>) -> Result<Option<RequestParts>, HeadError> { todo!() }
/// Parses a response head at the start of `buf`. `Ok(None)`: more bytes are wanted. `table` is emptied and reused.
pub fn parse_response(buf: &[u8], limits: &HeadLimits, table: Vec<FieldSpan>) -> Result<Option<ResponseParts>, HeadError> { todo!() }

impl Method {
    /// The method of this token (case-sensitive), or `Other`.
    pub fn of(token: &[u8]) -> Method { todo!() }
    /// RFC 9110 section 9.2.1.
    pub fn is_safe(self) -> bool { todo!() }
    /// RFC 9110 section 9.2.2.
    pub fn is_idempotent(self) -> bool { todo!() }
}
impl RequestParts {
    /// Length in bytes of the head in the buffer it was parsed from: what to consume.
    pub fn len(&self) -> usize { self.len }
    /// Joins the parts with the bytes they were parsed from (at least `len` of them).
    pub fn with<B: AsRef<[u8]>>(self, bytes: B) -> RequestHead<B> { RequestHead { bytes, parts: self } }
}
impl ResponseParts {
    /// Length in bytes of the head in the buffer it was parsed from: what to consume.
    pub fn len(&self) -> usize { self.len }
    /// Joins the parts with the bytes they were parsed from (at least `len` of them).
    pub fn with<B: AsRef<[u8]>>(self, bytes: B) -> ResponseHead<B> { ResponseHead { bytes, parts: self } }
}
impl<B: AsRef<[u8]>> RequestHead<B> {
    /// The method. 
    pub fn method(&self) -> Method { self.parts.method }
    /// The method's token as received.
    pub fn method_bytes(&self) -> &[u8] { todo!() }
    /// The request target as received, or as set.
    pub fn target(&self) -> &[u8] { todo!() }
    /// The version received.
    pub fn version(&self) -> Version { self.parts.version }
    /// The field lines.
    pub fn fields(&self) -> Fields<'_> { todo!() }
    /// The same head over its own bytes (one copy of the head).
    pub fn to_owned(self) -> RequestHead<Bytes> { todo!() }
    /// Gives the table back for reuse.
    pub fn into_table(self) -> Vec<FieldSpan> { self.parts.table }
    /// Replaces the request target.
    pub fn set_target(&mut self, target: &[u8]) { todo!() }
    /// Removes every line of a known field.
    pub fn remove(&mut self, id: Name) { todo!() }
    /// Removes every line for which the predicate (known name, name, value) is true.
    pub fn remove_if(&mut self, f: impl FnMut(Name, &[u8], &[u8]) -> bool) { todo!() }
    /// Appends a line; refused when name or value hold what a field line must not (RFC 9110 section 5.1, 5.5).
    pub fn append(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> { todo!() }
    /// Replaces all lines of a field by one, at the place of the first (or appends).
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> { todo!() }
    /// Writes the request line and the field lines, without the final empty line, always as HTTP/1.1.
    pub fn write(&self, out: &mut Vec<u8>) { todo!() }
}
impl<B: AsRef<[u8]>> ResponseHead<B> {
    /// The status code.
    pub fn status(&self) -> u16 { self.parts.status }
    /// Sets status and reason phrase.
    pub fn set_status(&mut self, status: u16, reason: &[u8]) { todo!() }
    /// The reason phrase as received.
    pub fn reason(&self) -> &[u8] { todo!() }
    /// The version received.
    pub fn version(&self) -> Version { self.parts.version }
    /// The field lines.
    pub fn fields(&self) -> Fields<'_> { todo!() }
    /// The same head over its own bytes (one copy of the head).
    pub fn to_owned(self) -> ResponseHead<Bytes> { todo!() }
    /// Gives the table back for reuse.
    pub fn into_table(self) -> Vec<FieldSpan> { self.parts.table }
    /// Removes every line of a known field.
    pub fn remove(&mut self, id: Name) { todo!() }
    /// Removes every line for which the predicate (known name, name, value) is true.
    pub fn remove_if(&mut self, f: impl FnMut(Name, &[u8], &[u8]) -> bool) { todo!() }
    /// Appends a line; refused when name or value hold what a field line must not.
    pub fn append(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> { todo!() }
    /// Replaces all lines of a field by one, at the place of the first (or appends).
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> { todo!() }
    /// Writes the status line (always HTTP/1.1) and the field lines, without the final empty line.
    pub fn write(&self, out: &mut Vec<u8>) { todo!() }
}
