//! Parts of a body that are held, what they can answer, and what they make together (RFC 9111 sections 3.3 and 3.4).
//!
//! Invariant: what is held is a sorted list of spans of which no two touch, and no byte comes from two representations.
//! Awkward case: validators that look equal. A weak one does not promise the same bytes, so parts that have no strong one
//! in common are never joined, however fitting their ranges.

use super::ByteSpan;
use crate::semantics::conditional::strong_eq;
use crate::semantics::date;
use crate::semantics::text::members;
use crate::{Fields, Name};

/// Most spans kept of one body; the shortest go.
pub const MOST_SPANS: usize = 32;

/// Why two parts are not joined.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum CombineRefusal {
    /// One of them has no strong validator (RFC 9110 section 8.8.1).
    #[error("no-strong-validator")]
    Weak,
    /// They are of different representations.
    #[error("validators-differ")]
    Different,
    /// They disagree about how long the whole is.
    #[error("complete-length-differs")]
    Length,
}

/// A validator that promises the same bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strong<'a> {
    /// An entity tag that is not marked as weak.
    Tag(&'a [u8]),
    /// A Last-Modified that is at least a second older than the Date beside it (RFC 9110 section 8.8.2.2).
    Date(&'a [u8]),
}

impl<'a> Strong<'a> {
    /// Of a response; `None` when it has none. A weak tag is not made good by a date: the origin says that the bytes may
    /// differ.
    pub fn of(response: Fields<'a>) -> Option<Strong<'a>> {
        if let Some(tag) = response.get(Name::Etag) {
            return strong_eq(tag, tag).then_some(Strong::Tag(tag));
        }
        let value = response.get(Name::LastModified)?;
        let modified = date::parse(value)?;
        let sent = date::parse(response.get(Name::Date)?)?;
        (modified < sent).then_some(Strong::Date(value))
    }

    /// As it stands in If-Range (RFC 9110 section 13.1.5).
    pub fn value(self) -> &'a [u8] {
        match self {
            Strong::Tag(value) | Strong::Date(value) => value,
        }
    }
}

/// Whether two partial responses may be joined (RFC 9111 section 3.4): both have the same strong validator and are of a whole of
/// the same length.
pub fn may_combine(
    stored: Fields<'_>,
    stored_complete: Option<u64>,
    new: Fields<'_>,
    new_complete: Option<u64>,
) -> Result<(), CombineRefusal> {
    let same = match (Strong::of(stored), Strong::of(new)) {
        (Some(Strong::Tag(ours)), Some(Strong::Tag(theirs))) => strong_eq(ours, theirs),
        (Some(Strong::Date(ours)), Some(Strong::Date(theirs))) => {
            date::parse(ours) == date::parse(theirs)
        }
        (Some(_), Some(_)) => false,
        _ => return Err(CombineRefusal::Weak),
    };
    if !same {
        return Err(CombineRefusal::Different);
    }
    if stored_complete.is_none() || stored_complete != new_complete {
        return Err(CombineRefusal::Length);
    }
    Ok(())
}

/// Whether what broke off may be kept as a part (RFC 9111 section 3.3): a 200 of known length that could be completed later,
/// because it has a strong validator and its origin knows ranges: it has shown it (`ranged`), or says so.
pub fn may_keep_incomplete(
    status: u16,
    response: Fields<'_>,
    length: Option<u64>,
    ranged: bool,
) -> bool {
    status == 200
        && length.is_some_and(|length| length > 0)
        && Strong::of(response).is_some()
        && (ranged
            || response.find(b"Accept-Ranges").is_some_and(|units| {
                members(units).any(|unit| unit.eq_ignore_ascii_case(b"bytes"))
            }))
}

/// Whether these spans hold all of another.
pub fn cover(held: &[ByteSpan], wanted: &ByteSpan) -> bool {
    let after = held.partition_point(|span| span.first() <= wanted.first());
    after
        .checked_sub(1)
        .and_then(|at| held.get(at))
        .is_some_and(|span| span.contains(wanted))
}

/// Whether these spans hold everything.
pub fn is_whole(held: &[ByteSpan], complete: u64) -> bool {
    match held {
        [one] => one.first() == 0 && one.end() == complete,
        _ => false,
    }
}

/// What is to be asked for to have everything: from the first byte missing to the last. `None` when nothing is.
pub fn missing(held: &[ByteSpan], complete: u64) -> Option<ByteSpan> {
    let (Some(begin), Some(end)) = (held.first(), held.last()) else {
        return ByteSpan::head(complete);
    };
    let first = if begin.first() == 0 { begin.end() } else { 0 };
    let last = if end.end() >= complete {
        end.first().checked_sub(1)?
    } else {
        complete - 1
    };
    ByteSpan::of(first, last)
}

/// Where a stretch of a joined body comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Piece {
    /// From what was held before.
    Old(ByteSpan),
    /// From what came now.
    New(ByteSpan),
}

impl Piece {
    /// The bytes it is.
    pub fn span(&self) -> ByteSpan {
        match self {
            Piece::Old(span) | Piece::New(span) => *span,
        }
    }
}

/// Puts a new span to those held: the pieces in ascending order, none overlapping. What both have comes from the new one, the
/// more recent.
pub fn join(held: &[ByteSpan], new: ByteSpan) -> Vec<Piece> {
    let mut pieces = Vec::with_capacity(held.len() + 3);
    let mut placed = false;
    for span in held {
        let before = new
            .first()
            .checked_sub(1)
            .and_then(|last| ByteSpan::of(span.first(), span.last().min(last)));
        pieces.extend(before.map(Piece::Old));
        if !placed && span.last() >= new.first() {
            pieces.push(Piece::New(new));
            placed = true;
        }
        let after = ByteSpan::of(span.first().max(new.end()), span.last());
        pieces.extend(after.map(Piece::Old));
    }
    if !placed {
        pieces.push(Piece::New(new));
    }
    pieces
}

/// The spans that pieces in ascending order make.
pub fn spans(pieces: &[Piece]) -> Vec<ByteSpan> {
    let mut spans: Vec<ByteSpan> = Vec::with_capacity(pieces.len());
    for span in pieces.iter().map(Piece::span) {
        match spans.last_mut() {
            Some(last) if last.touches(&span) => *last = last.hull(&span),
            _ => spans.push(span),
        }
    }
    spans
}

/// Leaves out the shortest spans until no more than [`MOST_SPANS`] are left, but never the one that came now.
pub fn bounded(mut pieces: Vec<Piece>) -> Vec<Piece> {
    loop {
        let spans = spans(&pieces);
        if spans.len() <= MOST_SPANS {
            return pieces;
        }
        let is_new = |span: &ByteSpan| {
            pieces
                .iter()
                .any(|piece| matches!(piece, Piece::New(new) if span.contains(new)))
        };
        let Some(shortest) = spans
            .iter()
            .filter(|span| !is_new(span))
            .min_by_key(|span| span.len())
            .copied()
        else {
            return pieces;
        };
        pieces.retain(|piece| !shortest.contains(&piece.span()));
    }
}
