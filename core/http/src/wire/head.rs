//! Request and response heads: strict parsing on `httparse`, edits in an overlay, one serialisation.
//!
//! Parsing gives *parts* (spans only, no lifetime) and the length of the head; parts joined with the bytes they were parsed from
//! make a head. A hit joins them with a borrowed slice and allocates nothing; a miss joins them with its own `Bytes`.
//!
//! Invariant: whatever was received or set, `write` gives one start line and well-formed field lines.
//! Awkward case: parts joined with other bytes than their own give wrong or empty values, never a panic.

use super::chunked::is_token;
use super::edit;
use super::field::{FieldSpan, Fields, Name, Span};
use super::lines::FieldLines;
pub use super::parse::{parse_request, parse_response};
use bytes::Bytes;

/// The protocol version of a message; anything of major version 1 above 1.1 counts as 1.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Version {
    Http10,
    Http11,
}

/// The request method (RFC 9110 section 9); the token itself stays in the head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Post,
    Put,
    Delete,
    Connect,
    Options,
    Trace,
    Patch,
    Purge,
    Other,
}

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
    #[error("the head is larger than the limit")]
    TooLarge,
    #[error("the request target is longer than the limit")]
    TargetTooLong,
    #[error("the head has more field lines than the limit")]
    TooManyFields,
    #[error("a line ends in a bare LF or holds a bare CR")]
    LineEnding,
    #[error("the start line is malformed")]
    StartLine,
    #[error("the protocol version is not HTTP/1.x")]
    Version,
    #[error("a field name is malformed")]
    FieldName,
    #[error("a field value is malformed")]
    FieldValue,
}

/// Lines at the end of a head that were set in one go.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LastSet {
    /// As they are written, in the overlay.
    pub(crate) text: Span,
    pub(crate) lines: u32,
}

/// A parsed head without its bytes; `S` is what is its own in its start line.
#[derive(Debug, Clone)]
pub struct Parts<S> {
    pub(crate) len: usize,
    pub(crate) start: S,
    pub(crate) version: Version,
    pub(crate) overlay: Vec<u8>,
    pub(crate) table: Vec<FieldSpan>,
    /// Lines that were set last, when no edit came behind.
    pub(crate) last_set: Option<LastSet>,
}
/// What a request line has of its own.
#[derive(Debug, Clone)]
pub struct RequestLine {
    pub(crate) method: Method,
    pub(crate) method_span: Span,
    pub(crate) target: Span,
}
/// What a status line has of its own.
#[derive(Debug, Clone)]
pub struct StatusLine {
    pub(crate) status: u16,
    pub(crate) reason: Span,
}

/// A head: its bytes (borrowed or owned) and the ranges over them.
#[derive(Debug, Clone)]
pub struct Head<S, B = Bytes> {
    bytes: B,
    parts: Parts<S>,
}

/// A parsed request head without its bytes.
pub type RequestParts = Parts<RequestLine>;
/// A parsed response head without its bytes.
pub type ResponseParts = Parts<StatusLine>;
/// A request head.
pub type RequestHead<B = Bytes> = Head<RequestLine, B>;
/// A response head.
pub type ResponseHead<B = Bytes> = Head<StatusLine, B>;

impl Method {
    /// The method of this token (case-sensitive), or `Other`.
    #[inline]
    pub fn of(token: &[u8]) -> Method {
        match token {
            b"GET" => Method::Get,
            b"HEAD" => Method::Head,
            b"POST" => Method::Post,
            b"PUT" => Method::Put,
            b"DELETE" => Method::Delete,
            b"CONNECT" => Method::Connect,
            b"OPTIONS" => Method::Options,
            b"TRACE" => Method::Trace,
            b"PATCH" => Method::Patch,
            b"PURGE" => Method::Purge,
            _ => Method::Other,
        }
    }
    /// RFC 9110 section 9.2.1.
    pub fn is_safe(self) -> bool {
        matches!(
            self,
            Method::Get | Method::Head | Method::Options | Method::Trace
        )
    }
    /// RFC 9110 section 9.2.2.
    pub fn is_idempotent(self) -> bool {
        self.is_safe() || matches!(self, Method::Put | Method::Delete)
    }
}
impl RequestHead<Bytes> {
    /// A head that was not received: as HTTP/1.1, without field lines, all in the overlay.
    /// `Err(StartLine)` when the method is not a token or the target is not printable ASCII.
    pub fn new(method: &[u8], target: &[u8]) -> Result<RequestHead<Bytes>, HeadError> {
        let clean = |bytes: &[u8], fits: fn(u8) -> bool| {
            !bytes.is_empty() && bytes.iter().all(|byte| fits(*byte))
        };
        if !clean(method, is_token) || !clean(target, |byte| byte.is_ascii_graphic()) {
            return Err(HeadError::StartLine);
        }
        let mut overlay = Vec::with_capacity(256);
        let start = RequestLine {
            method: Method::of(method),
            method_span: edit::push(&mut overlay, method)?,
            target: edit::push(&mut overlay, target)?,
        };
        Ok(Parts::made(start, overlay).with(Bytes::new()))
    }
}
impl ResponseHead<Bytes> {
    /// A head that was not received: as HTTP/1.1, without field lines, all in the overlay; cleaned as by `set_status`.
    pub fn new(status: u16, reason: &[u8]) -> ResponseHead<Bytes> {
        let overlay = Vec::with_capacity(256);
        let start = StatusLine {
            status,
            reason: Span {
                start: Span::OVERLAY,
                len: 0,
            },
        };
        let mut head = Parts::made(start, overlay).with(Bytes::new());
        head.set_status(status, reason);
        head
    }
}
#[allow(clippy::len_without_is_empty)] // No head is empty.
impl<S> Parts<S> {
    /// Of a head that was not received.
    fn made(start: S, overlay: Vec<u8>) -> Parts<S> {
        Parts {
            len: 0,
            start,
            version: Version::Http11,
            overlay,
            table: Vec::new(),
            last_set: None,
        }
    }
    /// Length in bytes of the head in the buffer it was parsed from: what to consume.
    pub fn len(&self) -> usize {
        self.len
    }
    /// Joins the parts with the bytes they were parsed from (at least `len` of them).
    pub fn with<B: AsRef<[u8]>>(self, bytes: B) -> Head<S, B> {
        Head { bytes, parts: self }
    }
}
impl<B: AsRef<[u8]>> RequestHead<B> {
    /// The method.
    pub fn method(&self) -> Method {
        self.parts.start.method
    }
    /// The method's token as received.
    #[inline]
    pub fn method_bytes(&self) -> &[u8] {
        match self.parts.start.method {
            // Asked often, and mostly of these: no need to look where it lies.
            Method::Get => b"GET",
            Method::Head => b"HEAD",
            Method::Post => b"POST",
            _ => self
                .parts
                .start
                .method_span
                .of(self.bytes.as_ref(), &self.parts.overlay),
        }
    }
    /// The request target as received, or as set.
    #[inline]
    pub fn target(&self) -> &[u8] {
        self.parts
            .start
            .target
            .of(self.bytes.as_ref(), &self.parts.overlay)
    }
    /// Replaces the request target. It cannot break the request line: what is not printable ASCII is percent-encoded,
    /// and an empty target becomes `/`.
    pub fn set_target(&mut self, target: &[u8]) {
        let overlay = &mut self.parts.overlay;
        let span = if !target.is_empty() && target.iter().all(u8::is_ascii_graphic) {
            edit::push(overlay, target)
        } else {
            edit::push(overlay, &edit::clean_target(target))
        };
        debug_assert!(span.is_ok(), "an overlay of 2 GiB");
        self.parts.start.target = span.unwrap_or(self.parts.start.target);
    }
    /// Writes the request line and the field lines, without the final empty line, always as HTTP/1.1.
    pub fn write(&self, out: &mut Vec<u8>) {
        let (method, target) = (self.method_bytes(), self.target());
        out.reserve(self.parts.len + self.parts.overlay.len() + 16);
        out.extend_from_slice(method);
        out.push(b' ');
        out.extend_from_slice(target);
        out.extend_from_slice(b" HTTP/1.1\r\n");
        edit::write(self.fields(), out);
    }
}
impl<B: AsRef<[u8]>> ResponseHead<B> {
    /// The status code.
    pub fn status(&self) -> u16 {
        self.parts.start.status
    }
    /// Sets status (held within 100 to 999) and reason phrase (controls become spaces).
    pub fn set_status(&mut self, status: u16, reason: &[u8]) {
        self.parts.start.status = status.clamp(100, 999);
        let span = edit::push(&mut self.parts.overlay, &edit::clean_reason(reason));
        debug_assert!(span.is_ok(), "an overlay of 2 GiB");
        self.parts.start.reason = span.unwrap_or(self.parts.start.reason);
    }
    /// The reason phrase as received.
    #[inline]
    pub fn reason(&self) -> &[u8] {
        self.parts
            .start
            .reason
            .of(self.bytes.as_ref(), &self.parts.overlay)
    }
    /// Writes the status line, always as HTTP/1.1.
    pub fn write_status_line(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(
            itoa::Buffer::new()
                .format(self.parts.start.status)
                .as_bytes(),
        );
        out.push(b' ');
        out.extend_from_slice(self.reason());
        out.extend_from_slice(b"\r\n");
    }
    /// Writes the status line (always HTTP/1.1) and the field lines, without the final empty line.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.reserve(self.parts.len + self.parts.overlay.len() + 16);
        self.write_status_line(out);
        edit::write(self.fields(), out);
    }
}
impl<S, B: AsRef<[u8]>> Head<S, B> {
    /// Bytes of the head as received.
    pub fn size(&self) -> usize {
        self.parts.len
    }
    /// The version received.
    pub fn version(&self) -> Version {
        self.parts.version
    }
    /// The field lines.
    #[inline]
    pub fn fields(&self) -> Fields<'_> {
        Fields::new(self.bytes.as_ref(), &self.parts.overlay, &self.parts.table)
    }
    /// The same head over its own bytes (one copy of the head).
    pub fn to_owned(self) -> Head<S> {
        let bytes = self.bytes.as_ref();
        let bytes = Bytes::copy_from_slice(bytes.get(..self.parts.len).unwrap_or(bytes));
        Head {
            bytes,
            parts: self.parts,
        }
    }
    /// Gives the table back for reuse.
    pub fn into_table(self) -> Vec<FieldSpan> {
        self.parts.table
    }
    /// The bytes, the overlay and the table, for edits of the whole table.
    pub(super) fn edit_table(&mut self) -> (&[u8], &[u8], &mut Vec<FieldSpan>) {
        self.parts.last_set = None;
        (
            self.bytes.as_ref(),
            &self.parts.overlay,
            &mut self.parts.table,
        )
    }
    /// Removes every line of a known field.
    pub fn remove(&mut self, id: Name) {
        self.parts.last_set = None;
        self.parts.table.retain(|line| line.id != id);
    }
    /// Removes every line for which the predicate (known name, name, value) is true.
    pub fn remove_if(&mut self, f: impl FnMut(Name, &[u8], &[u8]) -> bool) {
        self.parts.last_set = None;
        edit::remove_if(
            self.bytes.as_ref(),
            &self.parts.overlay,
            &mut self.parts.table,
            f,
        );
    }
    /// Appends a line; refused when name or value hold what a field line must not (RFC 9110 section 5.1, 5.5).
    pub fn append(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        self.parts.last_set = None;
        edit::append(&mut self.parts.overlay, &mut self.parts.table, name, value)
    }
    /// Replaces all lines of a field by one, at the place of the first (or appends).
    pub fn set(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        self.parts.last_set = None;
        let Parts { overlay, table, .. } = &mut self.parts;
        edit::set(self.bytes.as_ref(), overlay, table, name, value)
    }
    /// Appends lines that were checked before; refused only when the head would outgrow its offsets.
    pub fn append_lines(&mut self, lines: &FieldLines) -> Result<(), HeadError> {
        self.parts.last_set = None;
        edit::append_lines(&mut self.parts.overlay, &mut self.parts.table, lines)
    }
    /// Sets lines that were checked before, one after the other; refused only when the head would outgrow its offsets.
    pub fn set_lines(&mut self, lines: &FieldLines) -> Result<(), HeadError> {
        let Parts { overlay, table, .. } = &mut self.parts;
        self.parts.last_set = edit::set_lines(self.bytes.as_ref(), overlay, table, lines)?;
        Ok(())
    }
    /// The lines that were set last, as they are written: when they are the last lines of the head, there is no edit behind them, no
    /// other line has one of their names, none of these is a known one, and nothing but a nomination stops them at a hop. Else nothing.
    #[inline]
    pub fn last_set(&self) -> &[u8] {
        let of = |set: LastSet| set.text.of(&[], &self.parts.overlay);
        self.parts.last_set.map_or(&[], of)
    }
    /// The lines before those of [`Self::last_set`], and these.
    #[inline]
    pub fn parted(&self) -> (Fields<'_>, &[u8]) {
        let last = self.parts.last_set.map_or(0, |set| set.lines as usize);
        (self.fields().without_last(last), self.last_set())
    }
}
