//! Strict parsing of heads: `httparse` finds the pieces, this file refuses what it lets pass and makes the spans.
//!
//! Invariant: an accepted head is lines that each end in CRLF, names that are tokens, values without controls, a target
//! of printable ASCII; no limit is exceeded; and nothing before the start line but CRLFs (none at all in a response).
//! Once some bytes were refused, no bytes after them make them acceptable.
//! Awkward case: `httparse` takes a bare LF as a line's end. It allows nothing but an optional CR before that LF, so a look
//! at the two bytes before each line's start tells, and no second pass over the head is needed.

use super::chunked::is_text;
use super::field::{FieldSpan, Name, Span};
use super::head::{
    HeadError, HeadLimits, Method, RequestLine, RequestParts, ResponseParts, StatusLine, Version,
};
use httparse::{Header, ParserConfig, Status};
use std::mem::MaybeUninit;

/// Field lines for which there is room on the stack; heads with more are parsed a second time with room on the heap.
const USUAL_FIELDS: usize = 32;
/// Incomplete heads up to this size are parsed for early errors; longer ones are only looked through for line ends,
/// so that a head which comes byte by byte does not cost the square of its length.
const EAGER: usize = 1024;
/// A minor version above 1 is read as this.
const HTTP11: &[u8] = b"HTTP/1.1";

/// Parses a request head at the start of `buf`. `Ok(None)`: more bytes are wanted. `table` is emptied and reused.
/// Empty lines (CRLF) before the request line are skipped and counted in the length (RFC 9112 section 2.2).
///
/// `TooLarge` comes as soon as `buf` holds `limits.bytes` without a complete head, `TargetTooLong` as soon as the first
/// line shows it, and most other errors before the head is complete; no bytes that follow make a refused head acceptable.
pub fn parse_request(
    buf: &[u8],
    limits: &HeadLimits,
    table: Vec<FieldSpan>,
) -> Result<Option<RequestParts>, HeadError> {
    let window = window(buf, limits);
    if !may_be_complete(window) {
        target_fits(window, limits)?;
        incomplete(window, limits)?;
        if window.len() > EAGER {
            return Ok(None);
        }
    }
    let mut result = request(window, limits, table);
    if matches!(result, Err(HeadError::Version)) {
        if memchr::memchr(b'\r', first_line(window)).is_none() {
            // Until its line has ended, what stands for the version may still be cut short.
            result = Ok(None);
        } else if let Some(plain) = as_http11(window, version_at(window)) {
            result = request(&plain, limits, Vec::new());
        }
    }
    match result {
        Ok(None) => incomplete(window, limits)?,
        Err(_) => target_fits(window, limits)?,
        Ok(Some(_)) => {}
    }
    result
}

/// Parses a response head at the start of `buf`. `Ok(None)`: more bytes are wanted. `table` is emptied and reused.
/// Errors come as early as in [`parse_request`]; bytes before the status line are refused.
pub fn parse_response(
    buf: &[u8],
    limits: &HeadLimits,
    table: Vec<FieldSpan>,
) -> Result<Option<ResponseParts>, HeadError> {
    let window = window(buf, limits);
    // Section 2.2 lets only servers skip empty lines; before a response they are left-overs of another message.
    if matches!(window, [b'\r' | b'\n', ..]) {
        return Err(HeadError::StartLine);
    }
    if !may_be_complete(window) {
        incomplete(window, limits)?;
        if window.len() > EAGER {
            return Ok(None);
        }
    }
    let mut result = response(window, limits, table);
    if matches!(result, Err(HeadError::Version))
        && let Some(plain) = as_http11(window, Some(0))
    {
        result = response(&plain, limits, Vec::new());
    }
    if matches!(result, Ok(None)) {
        incomplete(window, limits)?;
    }
    result
}

/// What may belong to the head at most. Offsets have 31 bits.
fn window<'a>(buf: &'a [u8], limits: &HeadLimits) -> &'a [u8] {
    let most = limits.bytes.min(Span::OVERLAY as usize - 1);
    buf.get(..most).unwrap_or(buf)
}

/// Whether an empty line is there.
fn may_be_complete(window: &[u8]) -> bool {
    window.ends_with(b"\r\n\r\n") || memchr::memmem::find(window, b"\r\n\r\n").is_some()
}

/// What can be refused before the empty line: a full window, a bare LF, a bare CR.
fn incomplete(window: &[u8], limits: &HeadLimits) -> Result<(), HeadError> {
    line_ends(window)?;
    if window.len() >= limits.bytes {
        Err(HeadError::TooLarge)
    } else {
        Ok(())
    }
}

/// Refuses a CR or an LF that is not part of a CRLF (a CR at the very end may still become one).
fn line_ends(window: &[u8]) -> Result<(), HeadError> {
    let bare = memchr::memchr2_iter(b'\r', b'\n', window).any(|at| match window.get(at) {
        Some(b'\r') => window.get(at + 1).is_some_and(|next| *next != b'\n'),
        _ => at == 0 || window.get(at - 1) != Some(&b'\r'),
    });
    if bare {
        Err(HeadError::LineEnding)
    } else {
        Ok(())
    }
}

/// The start of the first line that is not empty.
fn first_line(window: &[u8]) -> &[u8] {
    let start = window
        .iter()
        .position(|byte| !matches!(byte, b'\r' | b'\n'))
        .unwrap_or(window.len());
    window.get(start..).unwrap_or_default()
}

/// Refuses a target that is too long before its end has come.
fn target_fits(window: &[u8], limits: &HeadLimits) -> Result<(), HeadError> {
    let line = first_line(window);
    let Some(space) = memchr::memchr(b' ', line) else {
        return Ok(());
    };
    let rest = line.get(space + 1..).unwrap_or_default();
    let len = memchr::memchr3(b' ', b'\r', b'\n', rest).unwrap_or(rest.len());
    if len > limits.target {
        Err(HeadError::TargetTooLong)
    } else {
        Ok(())
    }
}

/// Where the version of a request line begins, when its line is complete.
fn version_at(window: &[u8]) -> Option<usize> {
    let line = first_line(window);
    let end = memchr::memchr(b'\r', line)?;
    Some(window.len() - line.len() + end.checked_sub(HTTP11.len())?)
}

/// A copy with HTTP/1.2 to HTTP/1.9 turned into HTTP/1.1, which is what they count as (RFC 9110 section 2.5).
fn as_http11(window: &[u8], at: Option<usize>) -> Option<Vec<u8>> {
    let at = at?;
    let version = window.get(at..at + HTTP11.len())?;
    let [prefix @ .., b'2'..=b'9'] = version else {
        return None;
    };
    if prefix != b"HTTP/1." {
        return None;
    }
    let mut plain = window.to_vec();
    plain
        .get_mut(at..at + HTTP11.len())?
        .copy_from_slice(HTTP11);
    Some(plain)
}

/// `httparse` on a request.
fn request(
    buf: &[u8],
    limits: &HeadLimits,
    mut table: Vec<FieldSpan>,
) -> Result<Option<RequestParts>, HeadError> {
    let mut usual = [const { MaybeUninit::uninit() }; USUAL_FIELDS];
    let mut many;
    let mut head = httparse::Request::new(&mut []);
    let mut parsed = head.parse_with_uninit_headers(buf, &mut usual);
    if parsed == Err(httparse::Error::TooManyHeaders) && limits.fields > USUAL_FIELDS {
        many = room(buf, limits);
        head = httparse::Request::new(&mut []);
        parsed = head.parse_with_uninit_headers(buf, &mut many);
    }
    let len = match parsed {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(refusal(error, buf)),
    };
    let (Some(method), Some(target), Some(minor)) = (head.method, head.path, head.version) else {
        return Err(HeadError::StartLine);
    };
    let method_span = span(buf, method.as_bytes());
    // Before the method there is nothing, or CRLFs.
    if method_span.start > 0 {
        line_ends(buf.get(..method_span.start as usize).unwrap_or_default())?;
    }
    if target.len() > limits.target {
        return Err(HeadError::TargetTooLong);
    }
    if !target.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(HeadError::StartLine);
    }
    lines(buf, len, head.headers, limits, &mut table)?;
    Ok(Some(RequestParts {
        len,
        start: RequestLine {
            method: Method::of(method.as_bytes()),
            method_span,
            target: span(buf, target.as_bytes()),
        },
        version: version(minor),
        overlay: Vec::new(),
        table,
        last_set: None,
    }))
}

/// `httparse` on a response.
fn response(
    buf: &[u8],
    limits: &HeadLimits,
    mut table: Vec<FieldSpan>,
) -> Result<Option<ResponseParts>, HeadError> {
    let config = ParserConfig::default();
    let mut usual = [const { MaybeUninit::uninit() }; USUAL_FIELDS];
    let mut many;
    let mut head = httparse::Response::new(&mut []);
    let mut parsed = config.parse_response_with_uninit_headers(&mut head, buf, &mut usual);
    if parsed == Err(httparse::Error::TooManyHeaders) && limits.fields > USUAL_FIELDS {
        many = room(buf, limits);
        head = httparse::Response::new(&mut []);
        parsed = config.parse_response_with_uninit_headers(&mut head, buf, &mut many);
    }
    let len = match parsed {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) => return Ok(None),
        Err(error) => return Err(refusal(error, buf)),
    };
    let (Some(status), Some(minor)) = (head.code, head.version) else {
        return Err(HeadError::StartLine);
    };
    if status < 100 {
        return Err(HeadError::StartLine);
    }
    lines(buf, len, head.headers, limits, &mut table)?;
    Ok(Some(ResponseParts {
        len,
        start: StatusLine {
            status,
            reason: reason(buf)?,
        },
        version: version(minor),
        overlay: Vec::new(),
        table,
        last_set: None,
    }))
}

/// The reason phrase: what follows `HTTP/1.x NNN `, for `httparse` does not give one with obs-text.
fn reason(buf: &[u8]) -> Result<Span, HeadError> {
    const START: usize = "HTTP/1.1 200 ".len();
    let end = memchr::memchr(b'\r', buf).ok_or(HeadError::LineEnding)?;
    // The space may be missing when there is no phrase; servers do that and it is not ambiguous.
    let Some(phrase) = buf.get(START..end) else {
        return Ok(Span { start: 0, len: 0 });
    };
    if buf.get(START - 1) != Some(&b' ') || !phrase.iter().all(|byte| is_text(*byte)) {
        return Err(HeadError::StartLine);
    }
    Ok(span(buf, phrase))
}

/// Makes the table, and refuses lines that do not end in CRLF.
#[inline]
fn lines(
    buf: &[u8],
    len: usize,
    headers: &[Header<'_>],
    limits: &HeadLimits,
    table: &mut Vec<FieldSpan>,
) -> Result<(), HeadError> {
    if headers.len() > limits.fields {
        return Err(HeadError::TooManyFields);
    }
    table.clear();
    if table.capacity() < headers.len() {
        // Once, with room for a few lines that are set later.
        table.reserve(headers.len() + 8);
    }
    for header in headers {
        let name = span(buf, header.name.as_bytes());
        let start = name.start as usize;
        if buf.get(start.wrapping_sub(2)..start) != Some(b"\r\n") {
            return Err(HeadError::LineEnding);
        }
        table.push(FieldSpan {
            id: Name::of(header.name.as_bytes()),
            name,
            value: span(buf, header.value),
        });
    }
    let ends = buf
        .get(..len)
        .is_some_and(|head| head.ends_with(b"\r\n\r\n"));
    if ends {
        Ok(())
    } else {
        Err(HeadError::LineEnding)
    }
}

/// Where a piece lies in the buffer it was cut from. Offsets fit: the window has less than 2^31 bytes.
#[inline]
fn span(buf: &[u8], piece: &[u8]) -> Span {
    let start = (piece.as_ptr() as usize).wrapping_sub(buf.as_ptr() as usize);
    debug_assert!(start + piece.len() <= buf.len());
    Span {
        start: start as u32,
        len: piece.len() as u32,
    }
}

/// Room for as many field lines as the limit allows and the bytes can hold (`a:` and CRLF), and one to overflow.
fn room<'a>(buf: &[u8], limits: &HeadLimits) -> Vec<MaybeUninit<Header<'a>>> {
    let most = limits.fields.min(buf.len() / 4 + 1);
    std::iter::repeat_with(MaybeUninit::uninit)
        .take(most)
        .collect()
}

fn version(minor: u8) -> Version {
    if minor == 0 {
        Version::Http10
    } else {
        Version::Http11
    }
}

/// What `httparse` refused, in our words. A bare CR or LF is named as such, wherever the parser stumbled over it.
fn refusal(error: httparse::Error, buf: &[u8]) -> HeadError {
    let end = memchr::memmem::find(buf, b"\r\n\r\n").map_or(buf.len(), |at| at + 2);
    if let Err(bare) = line_ends(buf.get(..end).unwrap_or(buf)) {
        return bare;
    }
    match error {
        httparse::Error::HeaderName => HeadError::FieldName,
        httparse::Error::HeaderValue => HeadError::FieldValue,
        httparse::Error::TooManyHeaders => HeadError::TooManyFields,
        httparse::Error::Version => HeadError::Version,
        // All line ends being right, a missing one is something after the version.
        httparse::Error::Status | httparse::Error::Token | httparse::Error::NewLine => {
            HeadError::StartLine
        }
    }
}
