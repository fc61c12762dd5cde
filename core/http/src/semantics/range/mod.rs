//! Byte ranges (RFC 9110 section 14): what a request asks of a body, what a 206 says it holds, and how parts make a whole.
//!
//! Invariant: every span given out lies within the body: `first <= last < length`.
//! Awkward case: what is malformed is ignored and the whole is sent (section 14.2); only well-formed ranges that all lie
//! outside the body are unsatisfiable.

pub mod content_range;
pub mod multipart;
mod parse;
pub mod parts;
mod span;

use super::conditional::{single, strong_eq};
use super::date;
use crate::{Fields, Name};
use parse::{Spec, specs};
pub use span::ByteSpan;

/// Most ranges of one request that are answered as such. Section 14.2 allows to ignore "a set of many small ranges"; no
/// player or downloader asks for so many at once.
pub const MOST_RANGES: usize = 64;
/// Ranges that do not stand in ascending order are many from here on (section 14.2).
const MANY: usize = 8;

/// What a Range field asks of a body of a known length.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum RangeAnswer {
    /// No (usable) Range: send the whole.
    Whole,
    /// Bytes `first..=last`.
    Part { first: u64, last: u64 },
    /// Two or more, in the order asked for, none of which overlaps or abuts another.
    Parts(Vec<ByteSpan>),
    /// 416.
    Unsatisfiable,
}

impl RangeAnswer {
    /// The spans it is made of; none for the whole and for what cannot be satisfied.
    pub fn spans(&self) -> Vec<ByteSpan> {
        match self {
            RangeAnswer::Part { first, last } => ByteSpan::of(*first, *last).into_iter().collect(),
            RangeAnswer::Parts(spans) => spans.clone(),
            RangeAnswer::Whole | RangeAnswer::Unsatisfiable => Vec::new(),
        }
    }
}

/// What can be said of a request's Range before anything of the body is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// There is none, or one that is to be ignored: the whole is asked for.
    Whole,
    /// Byte ranges.
    Bytes,
    /// Something that is not understood here, but may be by the origin: another unit, several lines.
    Other,
}

/// What the request asks for, by its Range alone.
pub fn asked(request: Fields<'_>) -> Asked {
    if !request.has(Name::Range) {
        return Asked::Whole;
    }
    match single(request, Name::Range).and_then(specs) {
        Some(_) => Asked::Bytes,
        None => Asked::Other,
    }
}

/// Decides for a GET. If-Range (section 13.1.5) is evaluated against the stored response: strong ETag or exact date.
pub fn answer(request: Fields<'_>, stored: Fields<'_>, length: u64) -> RangeAnswer {
    // Section 14.2: Range is not a list of lines; several are ambiguous and ignored.
    let Some(specs) = single(request, Name::Range).and_then(specs) else {
        return RangeAnswer::Whole;
    };
    if request.has(Name::IfRange) && !if_range_holds(request, stored) {
        return RangeAnswer::Whole;
    }
    match &specs[..] {
        [spec] => spec.within(length),
        specs => several(specs, length),
    }
}

/// Section 14.2 and section 15.3.7.2, for more than one range.
fn several(specs: &[Spec], length: u64) -> RangeAnswer {
    if specs.len() > MOST_RANGES {
        return RangeAnswer::Whole;
    }
    let mut spans = Vec::with_capacity(specs.len());
    for spec in specs {
        match spec.within(length) {
            RangeAnswer::Part { first, last } => spans.extend(ByteSpan::of(first, last)),
            // The last bytes of an empty body: there is nothing to be sent in parts.
            RangeAnswer::Whole => return RangeAnswer::Whole,
            RangeAnswer::Parts(_) | RangeAnswer::Unsatisfiable => {}
        }
    }
    // "A server MAY ignore [...] a ranges-specifier with more than two overlapping ranges, or a set of many small ranges
    // that are not listed in ascending order": signs of a broken client or an attack (section 17.15).
    let mut sorted = spans.clone();
    sorted.sort_unstable();
    let overlaps = sorted.windows(2).filter(|pair| match pair {
        [a, b] => b.first() <= a.last(),
        _ => false,
    });
    if overlaps.count() > 2 || (spans.len() > MANY && sorted != spans) {
        return RangeAnswer::Whole;
    }
    let spans = coalesce(spans);
    match &spans[..] {
        [] => RangeAnswer::Unsatisfiable,
        // Section 15.3.7.2: what is one range after coalescing may be sent as one.
        [one] => RangeAnswer::Part {
            first: one.first(),
            last: one.last(),
        },
        _ => RangeAnswer::Parts(spans),
    }
}

/// Joins what overlaps or abuts (section 15.3.7.2); a joined range stands where its first piece stood.
fn coalesce(spans: Vec<ByteSpan>) -> Vec<ByteSpan> {
    let mut out: Vec<ByteSpan> = Vec::with_capacity(spans.len());
    for mut span in spans {
        let mut place = None;
        // What is joined can reach others, which are joined in turn.
        while let Some(at) = out.iter().position(|other| other.touches(&span)) {
            span = span.hull(&out.remove(at));
            place = Some(place.map_or(at, |place: usize| place.min(at)));
        }
        out.insert(place.unwrap_or(out.len()).min(out.len()), span);
    }
    out
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
