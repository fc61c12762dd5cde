//! Edits of a head: appended to the overlay, noted in the table; the bytes received are never touched.
//!
//! Invariant: what an edit lets in can be written on the wire as one field line, whatever its caller was given.
//! Awkward case: the overlay only grows, so a head is edited a few times in its life, not without end.

use super::chunked::{is_text, is_token};
use super::field::{FieldSpan, Fields, Name, Span};
use super::head::{HeadError, LastSet};
use super::hop;
use super::lines::FieldLines;
use super::list::trim;

/// Appends bytes to the overlay; refused when the overlay would outgrow its offsets.
pub(super) fn push(overlay: &mut Vec<u8>, bytes: &[u8]) -> Result<Span, HeadError> {
    let end = overlay
        .len()
        .checked_add(bytes.len())
        .ok_or(HeadError::TooLarge)?;
    if end >= Span::OVERLAY as usize {
        return Err(HeadError::TooLarge);
    }
    // Both fit: they are below 2^31.
    let span = Span {
        start: overlay.len() as u32 | Span::OVERLAY,
        len: bytes.len() as u32,
    };
    if overlay.capacity() == 0 {
        // Once, instead of growing edit by edit.
        overlay.reserve(256);
    }
    overlay.extend_from_slice(bytes);
    Ok(span)
}

/// Whether these bytes are a field name: a token (RFC 9110 section 5.1).
pub fn is_name(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|byte| is_token(*byte))
}

/// Whether a field value may hold these bytes (RFC 9110 section 5.5).
pub fn is_value(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| is_text(*byte))
}

/// A new line in the overlay, not yet in the table.
fn line(overlay: &mut Vec<u8>, name: &[u8], value: &[u8]) -> Result<FieldSpan, HeadError> {
    if !is_name(name) {
        return Err(HeadError::FieldName);
    }
    let value = trim(value);
    if !is_value(value) {
        return Err(HeadError::FieldValue);
    }
    Ok(FieldSpan {
        id: Name::of(name),
        name: push(overlay, name)?,
        value: push(overlay, value)?,
    })
}

/// Appends a line.
pub(super) fn append(
    overlay: &mut Vec<u8>,
    table: &mut Vec<FieldSpan>,
    name: &[u8],
    value: &[u8],
) -> Result<(), HeadError> {
    table.push(line(overlay, name, value)?);
    Ok(())
}

/// Replaces all lines of a field by one, at the place of the first, or appends it.
pub(super) fn set(
    bytes: &[u8],
    overlay: &mut Vec<u8>,
    table: &mut Vec<FieldSpan>,
    name: &[u8],
    value: &[u8],
) -> Result<(), HeadError> {
    let new = line(overlay, name, value)?;
    place(bytes, overlay, table, new);
    Ok(())
}

/// Appends lines that were checked before.
pub(super) fn append_lines(
    overlay: &mut Vec<u8>,
    table: &mut Vec<FieldSpan>,
    lines: &FieldLines,
) -> Result<(), HeadError> {
    let base = push(overlay, lines.text())?.start;
    table.extend(lines.spans_from(base));
    Ok(())
}

/// Sets lines that were checked before, one after the other. Answers where they stand, when they do as they were given, and nothing
/// else has one of their names, and no hop stops them by itself.
pub(super) fn set_lines(
    bytes: &[u8],
    overlay: &mut Vec<u8>,
    table: &mut Vec<FieldSpan>,
    lines: &FieldLines,
) -> Result<Option<LastSet>, HeadError> {
    let text = push(overlay, lines.text())?;
    let base = text.start;
    // Mostly no line of these names is there: then nothing has to make place.
    if lines.are_distinct() {
        let kinds = lines.kinds();
        if !table.iter().any(|line| kinds.may_have(line)) {
            table.extend(lines.spans_from(base));
            let crosses = lines.are_unknown() && !lines.may_have_length(hop::PROXY_INFO.len());
            let lines = lines.len() as u32;
            return Ok(crosses.then_some(LastSet { text, lines }));
        }
    }
    for new in lines.spans_from(base) {
        place(bytes, overlay, table, new);
    }
    Ok(None)
}

/// Puts a line that is in the overlay in the place of all of its name, or at the end.
fn place(bytes: &[u8], overlay: &[u8], table: &mut Vec<FieldSpan>, new: FieldSpan) {
    let name = new.name.of(bytes, overlay);
    let is_old = |old: &FieldSpan| {
        old.id == new.id
            && (new.id != Name::Other || is_same_name(old.name.of(bytes, overlay), name))
    };
    if !table.iter().any(is_old) {
        table.push(new);
        return;
    }
    let mut placed = false;
    table.retain_mut(|old| {
        let same = is_old(old);
        if same && !placed {
            placed = true;
            *old = new;
            return true;
        }
        !same
    });
}

/// Whether two names are one. Names of a kind differ mostly in their last letter.
#[inline]
pub fn is_same_name(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len()
        && a.last().map(u8::to_ascii_lowercase) == b.last().map(u8::to_ascii_lowercase)
        && a.eq_ignore_ascii_case(b)
}

/// Removes the lines for which the predicate is true.
pub(super) fn remove_if(
    bytes: &[u8],
    overlay: &[u8],
    table: &mut Vec<FieldSpan>,
    mut f: impl FnMut(Name, &[u8], &[u8]) -> bool,
) {
    table.retain(|line| {
        !f(
            line.id,
            line.name.of(bytes, overlay),
            line.value.of(bytes, overlay),
        )
    });
}

/// Writes `name: value CRLF` for each line.
pub(super) fn write(fields: Fields<'_>, out: &mut Vec<u8>) {
    for (_, name, value) in fields.iter() {
        out.extend_from_slice(name);
        out.extend_from_slice(b": ");
        out.extend_from_slice(value);
        out.extend_from_slice(b"\r\n");
    }
}

/// A request target that cannot break its line: what is not printable ASCII is percent-encoded, and empty becomes `/`.
pub(super) fn clean_target(target: &[u8]) -> Vec<u8> {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut clean = Vec::with_capacity(target.len().max(1));
    for &byte in target {
        if byte.is_ascii_graphic() {
            clean.push(byte);
        } else {
            clean.extend([
                b'%',
                DIGITS[usize::from(byte >> 4)],
                DIGITS[usize::from(byte & 15)],
            ]);
        }
    }
    if clean.is_empty() {
        clean.push(b'/');
    }
    clean
}

/// A reason phrase that cannot break its line: controls become spaces.
pub(super) fn clean_reason(reason: &[u8]) -> Vec<u8> {
    reason
        .iter()
        .map(|byte| if is_text(*byte) { *byte } else { b' ' })
        .collect()
}
