//! The Range field (RFC 9110 section 14.1.1 and 14.2).
//!
//! Invariant: a list with one malformed member is malformed as a whole.
//! Awkward case: numbers beyond any body. They are well-formed, and saturate.

use super::RangeAnswer;
use crate::semantics::text::trim;
use smallvec::SmallVec;

/// One range-spec (section 14.1.1).
#[derive(Debug, Clone, Copy)]
pub(super) enum Spec {
    From { first: u64, last: u64 },
    Suffix(u64),
}

impl Spec {
    /// Section 14.1.2.
    pub(super) fn within(self, length: u64) -> RangeAnswer {
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

/// The byte ranges of a Range value, at least one; `None` for other units and what is malformed.
pub(super) fn specs(value: &[u8]) -> Option<SmallVec<[Spec; 2]>> {
    let at = memchr::memchr(b'=', value)?;
    // Section 14.1: range units are case-insensitive.
    if !value.get(..at)?.eq_ignore_ascii_case(b"bytes") {
        return None;
    }
    let specs = value
        .get(at + 1..)?
        .split(|&b| b == b',')
        .map(trim)
        .filter(|spec| !spec.is_empty())
        .map(spec)
        .collect::<Option<SmallVec<[Spec; 2]>>>()?;
    (!specs.is_empty()).then_some(specs)
}

fn spec(spec: &[u8]) -> Option<Spec> {
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
