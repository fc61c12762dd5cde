//! `multipart/byteranges` (RFC 9110 sections 14.6 and 15.3.7.2): what stands between the parts.
//!
//! Invariant: [`length`] is exactly what the delimiters and the spans come to, so that Content-Length can be told before a
//! byte is sent. Awkward case: the boundary. It must not occur in the content; the caller makes one that nobody can guess.

use super::ByteSpan;

/// Appends what stands before a part: the delimiter, its Content-Type when the whole has one, and its Content-Range.
pub fn delimiter(
    boundary: &str,
    content_type: Option<&[u8]>,
    span: ByteSpan,
    complete: u64,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(b"\r\n--");
    out.extend_from_slice(boundary.as_bytes());
    out.extend_from_slice(b"\r\n");
    if let Some(content_type) = content_type {
        out.extend_from_slice(b"Content-Type: ");
        out.extend_from_slice(content_type);
        out.extend_from_slice(b"\r\n");
    }
    content_range_line(span, complete, out);
    out.extend_from_slice(b"\r\n");
}

/// Appends what stands behind the last part.
pub fn close_delimiter(boundary: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"\r\n--");
    out.extend_from_slice(boundary.as_bytes());
    out.extend_from_slice(b"--\r\n");
}

/// Appends the Content-Range line of a part.
pub fn content_range_line(span: ByteSpan, complete: u64, out: &mut Vec<u8>) {
    let mut number = itoa::Buffer::new();
    out.extend_from_slice(b"Content-Range: bytes ");
    out.extend_from_slice(number.format(span.first()).as_bytes());
    out.push(b'-');
    out.extend_from_slice(number.format(span.last()).as_bytes());
    out.push(b'/');
    out.extend_from_slice(number.format(complete).as_bytes());
    out.extend_from_slice(b"\r\n");
}

/// How long the content is that these parts make.
pub fn length(
    boundary: &str,
    content_type: Option<&[u8]>,
    spans: &[ByteSpan],
    complete: u64,
) -> u64 {
    let mut scratch = Vec::with_capacity(160);
    let mut length = 0u64;
    for span in spans {
        scratch.clear();
        delimiter(boundary, content_type, *span, complete, &mut scratch);
        length = length.saturating_add(scratch.len() as u64 + span.len());
    }
    scratch.clear();
    close_delimiter(boundary, &mut scratch);
    length.saturating_add(scratch.len() as u64)
}
