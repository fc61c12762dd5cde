//! The Content-Range of a 206 (RFC 9110 section 14.4), and whether what it says may be kept (RFC 9111 sections 3.3 and 3.4).
//!
//! Invariant: what is accepted names bytes that exist: `first <= last < complete`, and as many as the content has.
//! Awkward case: a range that lies. A length that differs from the content's, a span beyond the end, a number that overflows:
//! nothing tells which half of it is wrong, so such a part goes to its client as it came and is never kept.

use super::ByteSpan;
use crate::semantics::conditional::single;
use crate::semantics::text::trim;
use crate::{Fields, Name};

/// What a 206 holds, and of how much.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContentRange {
    /// The bytes enclosed.
    pub span: ByteSpan,
    /// The length of the whole, unless the sender did not know it.
    pub complete: Option<u64>,
}

/// Why a part is not kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum PartRefusal {
    /// There is no Content-Range: several parts in one (section 14.6), or no part at all.
    #[error("no-content-range")]
    Absent,
    /// Another unit, several lines, or what the grammar does not allow.
    #[error("content-range-malformed")]
    Malformed,
    /// `last < first`, or `last >= complete`: "a recipient [...] MUST NOT attempt to recombine" (section 14.4).
    #[error("content-range-invalid")]
    Invalid,
    /// The length of the whole is not told (`*`), so nothing would tell when the parts are complete.
    #[error("complete-length-unknown")]
    Unknown,
    /// The content is not as long as the range says.
    #[error("content-range-untrue")]
    Untrue,
}

impl ContentRange {
    /// Reads `bytes first-last/complete`.
    pub fn parse(value: &[u8]) -> Result<ContentRange, PartRefusal> {
        let malformed = PartRefusal::Malformed;
        let space = memchr::memchr(b' ', value).ok_or(malformed)?;
        let (unit, rest) = value.split_at_checked(space).ok_or(malformed)?;
        // Section 14.1: range units are case-insensitive.
        if !unit.eq_ignore_ascii_case(b"bytes") {
            return Err(malformed);
        }
        let rest = trim(rest);
        let slash = memchr::memchr(b'/', rest).ok_or(malformed)?;
        let (range, complete) = rest.split_at_checked(slash).ok_or(malformed)?;
        let dash = memchr::memchr(b'-', range).ok_or(malformed)?;
        let (first, last) = range.split_at_checked(dash).ok_or(malformed)?;
        let first = number(first).ok_or(malformed)?;
        let last = last.get(1..).and_then(number).ok_or(malformed)?;
        let complete = match complete.get(1..).unwrap_or_default() {
            b"*" => None,
            digits => Some(number(digits).ok_or(malformed)?),
        };
        let span = ByteSpan::of(first, last).ok_or(PartRefusal::Invalid)?;
        if complete.is_some_and(|complete| last >= complete) {
            return Err(PartRefusal::Invalid);
        }
        Ok(ContentRange { span, complete })
    }
}

/// Whether a 206 with these fields may be kept as a part, and what it then is: a span and the complete length. `content`:
/// the content's length, when it is known beforehand; when not, whoever counts it compares.
pub fn storable(
    response: Fields<'_>,
    content: Option<u64>,
) -> Result<(ByteSpan, u64), PartRefusal> {
    if !response.has(Name::ContentRange) {
        return Err(PartRefusal::Absent);
    }
    let value = single(response, Name::ContentRange).ok_or(PartRefusal::Malformed)?;
    let range = ContentRange::parse(value)?;
    let complete = range.complete.ok_or(PartRefusal::Unknown)?;
    if content.is_some_and(|content| content != range.span.len()) {
        return Err(PartRefusal::Untrue);
    }
    Ok((range.span, complete))
}

/// `1*DIGIT`; a number that does not fit is none, since it would have to be known exactly.
fn number(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |n, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        n.checked_mul(10)?.checked_add(digit)
    })
}
