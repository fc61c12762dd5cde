//! Byte ranges (RFC 9110 section 14) out of a stored whole.
//!
//! Invariant: a `Part` lies within the length: `first <= last < length`.
//! Awkward case: what is malformed is ignored and the whole is sent (section 14.2); only a well-formed range that lies
//! outside the body is unsatisfiable.

use super::conditional::{single, strong_eq};
use super::date;
use super::text::trim;
use crate::{Fields, Name};

/// What a Range field asks of a body of a known length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RangeAnswer {
    /// No (usable) Range: send the whole. Several ranges are answered with the whole for now.
    Whole,
    /// Bytes `first..=last`.
    Part { first: u64, last: u64 },
    /// 416.
    Unsatisfiable,
}

/// Decides for a GET. If-Range (section 13.1.5) is evaluated against the stored response: strong ETag or exact date.
pub fn answer(request: Fields<'_>, stored: Fields<'_>, length: u64) -> RangeAnswer {
    // Section 14.2: Range is not a list of lines; several are ambiguous and ignored.
    let Some(spec) = single(request, Name::Range).and_then(parse) else {
        return RangeAnswer::Whole;
    };
    if request.has(Name::IfRange) && !if_range_holds(request, stored) {
        return RangeAnswer::Whole;
    }
    spec.within(length)
}

/// One range-spec (section 14.1.1).
#[derive(Clone, Copy)]
enum Spec {
    From { first: u64, last: u64 },
    Suffix(u64),
}

impl Spec {
    /// Section 14.1.2.
    fn within(self, length: u64) -> RangeAnswer {
        match self {
            // "An int-range is satisfiable if the first-pos value is less than the current length".
            Spec::From { first, .. } if first >= length => RangeAnswer::Unsatisfiable,
            // "If the last-pos value is greater than or equal to the current length", the remainder.
            Spec::From { first, last } => RangeAnswer::Part {
                first,
                last: last.min(length - 1),
            },
            // "A suffix-range is satisfiable if the suffix-length is non-zero".
            Spec::Suffix(0) => RangeAnswer::Unsatisfiable,
            // The last bytes of nothing are nothing, which a Content-Range cannot say: the (empty) whole is the answer.
            Spec::Suffix(_) if length == 0 => RangeAnswer::Whole,
            // "If the selected representation is shorter than the specified suffix-length, the entire representation is used".
            Spec::Suffix(suffix) => RangeAnswer::Part {
                first: length - suffix.min(length),
                last: length - 1,
            },
        }
    }
}

/// A Range value of one byte range; `None` for other units, several ranges, and what is malformed.
fn parse(value: &[u8]) -> Option<Spec> {
    let at = memchr::memchr(b'=', value)?;
    // Section 14.1: range units are case-insensitive.
    if !value.get(..at)?.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let mut specs = value
        .get(at + 1..)?
        .split(|&b| b == b',')
        .map(trim)
        .filter(|spec| !spec.is_empty());
    let spec = specs.next()?;
    if specs.next().is_some() {
        return None;
    }
    let dash = memchr::memchr(b'-', spec)?;
    match (spec.get(..dash)?, spec.get(dash + 1..)?) {
        (b"", suffix) => Some(Spec::Suffix(position(suffix)?)),
        (first, b"") => Some(Spec::From {
            first: position(first)?,
            last: u64::MAX,
        }),
        (first, last) => {
            let (first, last) = (position(first)?, position(last)?);
            // "An int-range is invalid if the last-pos value is present and less than first-pos".
            (first <= last).then_some(Spec::From { first, last })
        }
    }
}

/// `1*DIGIT`, saturating: no body is that long.
fn position(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0u64, |n, byte| {
        byte.is_ascii_digit()
            .then(|| n.saturating_mul(10).saturating_add(u64::from(byte - b'0')))
    })
}

/// Section 13.1.5: whether the client's part is of the representation stored.
fn if_range_holds(request: Fields<'_>, stored: Fields<'_>) -> bool {
    let Some(validator) = single(request, Name::IfRange) else {
        return false;
    };
    // Rule 2: an entity tag must match by the strong comparison; a weak one never does.
    if memchr::memchr(b'"', validator).is_some() {
        return stored
            .get(Name::Etag)
            .is_some_and(|tag| strong_eq(validator, tag));
    }
    // Rule 1: a date must match Last-Modified exactly and be a strong validator: at least one second older than the
    // response's Date (section 8.8.2.2), or it may have been changed twice within it.
    let (Some(validator), Some(modified), Some(date)) = (
        date::parse(validator),
        stored.get(Name::LastModified).and_then(date::parse),
        stored.get(Name::Date).and_then(date::parse),
    ) else {
        return false;
    };
    validator == modified && modified < date
}
