//! Field lines as ranges over one buffer: the table every head carries, and the borrowed view the rest reads.
//!
//! Invariant: every span lies within the head's bytes, or (top bit of `start` set) within its overlay.
//! Order and case are those received; edits append to the overlay and change the table, never the bytes.
//! Awkward case: a table joined with other bytes than its own gives wrong or empty values, never a panic.

use super::list;
pub use super::name::Name;

/// Where a name or value lies: in the head's bytes, or in the overlay of edits when [`Span::OVERLAY`] is set in `start`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Offset of the first byte; the top bit chooses the overlay.
    pub start: u32,
    /// Length in bytes.
    pub len: u32,
}

/// One field line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldSpan {
    /// The known name, or `Other`.
    pub id: Name,
    /// The name as received.
    pub name: Span,
    /// The value without surrounding white space.
    pub value: Span,
}

/// A borrowed view of a head's field lines: what every semantic function takes.
#[derive(Debug, Clone, Copy)]
pub struct Fields<'a> {
    bytes: &'a [u8],
    overlay: &'a [u8],
    table: &'a [FieldSpan],
}

impl Span {
    /// Set in `start` when the span lies in the overlay.
    pub const OVERLAY: u32 = 1 << 31;

    /// The bytes this span stands for; empty when it lies outside of both.
    #[inline]
    pub(crate) fn of<'a>(self, bytes: &'a [u8], overlay: &'a [u8]) -> &'a [u8] {
        let base = if self.start & Span::OVERLAY == 0 {
            bytes
        } else {
            overlay
        };
        let start = (self.start & !Span::OVERLAY) as usize;
        base.get(start..start + self.len as usize)
            .unwrap_or_default()
    }
}

impl<'a> Fields<'a> {
    /// A view over a buffer, its overlay and its table.
    #[inline]
    pub fn new(bytes: &'a [u8], overlay: &'a [u8], table: &'a [FieldSpan]) -> Self {
        Fields {
            bytes,
            overlay,
            table,
        }
    }

    /// Without so many of the last lines.
    #[inline]
    pub(super) fn without_last(mut self, lines: usize) -> Fields<'a> {
        let rest = self.table.len().saturating_sub(lines);
        self.table = self.table.get(..rest).unwrap_or_default();
        self
    }

    #[inline]
    pub(super) fn spans(&self) -> &'a [FieldSpan] {
        self.table
    }

    /// What a span lies in.
    #[inline]
    pub(super) fn base(&self, span: Span) -> &'a [u8] {
        if span.start & Span::OVERLAY == 0 {
            self.bytes
        } else {
            self.overlay
        }
    }

    #[inline]
    pub(super) fn part(&self, span: Span) -> &'a [u8] {
        span.of(self.bytes, self.overlay)
    }

    /// The first value of a known field.
    #[inline]
    pub fn get(&self, id: Name) -> Option<&'a [u8]> {
        let line = self.table.iter().find(|line| line.id == id)?;
        Some(line.value.of(self.bytes, self.overlay))
    }

    /// Every value of a known field, in order.
    #[inline]
    pub fn all(&self, id: Name) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let Fields {
            bytes,
            overlay,
            table,
        } = *self;
        table
            .iter()
            .filter(move |line| line.id == id)
            .map(move |line| line.value.of(bytes, overlay))
    }

    /// Whether the known field is present.
    #[inline]
    pub fn has(&self, id: Name) -> bool {
        self.table.iter().any(|line| line.id == id)
    }

    /// How many lines the known field has.
    #[inline]
    pub fn count(&self, id: Name) -> usize {
        self.table.iter().filter(|line| line.id == id).count()
    }

    /// How many lines there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is no line at all.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.table.is_empty()
    }

    /// The first value of a field by name (case-insensitive), known or not.
    pub fn find(&self, name: &[u8]) -> Option<&'a [u8]> {
        self.find_all(name).next()
    }

    /// Every value of a field by name (case-insensitive), known or not.
    pub fn find_all<'n>(&self, name: &'n [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a, 'n> {
        let Fields {
            bytes,
            overlay,
            table,
        } = *self;
        let id = Name::of(name);
        table
            .iter()
            .filter(move |line| {
                line.id == id
                    && (id != Name::Other
                        || line.name.of(bytes, overlay).eq_ignore_ascii_case(name))
            })
            .map(move |line| line.value.of(bytes, overlay))
    }

    /// Every line: known name, name as received, value.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = (Name, &'a [u8], &'a [u8])> + use<'a> {
        let Fields {
            bytes,
            overlay,
            table,
        } = *self;
        table.iter().map(move |line| {
            (
                line.id,
                line.name.of(bytes, overlay),
                line.value.of(bytes, overlay),
            )
        })
    }

    /// Members of a comma-separated list field over all its lines (RFC 9110 section 5.6.1), trimmed, empty ones skipped, quoted strings respected.
    pub fn list(&self, id: Name) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        self.all(id).flat_map(list::members)
    }
}
