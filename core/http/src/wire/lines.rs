//! Field lines that are ready to be written: checked when they come in, kept as the text they will be on the wire.
//!
//! Invariant: the text is `name: value CRLF` line behind line, each name a token and each value free of controls (RFC 9110
//! sections 5.1 and 5.5), so any run of lines may be copied onto the wire or into a head without another look.

use super::edit::{is_name, is_same_name, is_value};
use super::field::{FieldSpan, Name, Span};
use super::head::HeadError;
use super::list::trim;

/// The lines.
#[derive(Debug, Clone, Default)]
pub struct FieldLines {
    text: Vec<u8>,
    /// Spans over the text.
    spans: Vec<FieldSpan>,
    /// Two may have one name.
    repeats: bool,
    kinds: Kinds,
}

/// Which names some lines may have: known ones by their number, others by their length. So one look tells mostly that a name is not there.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Kinds {
    known: u64,
    others: u64,
}

impl Kinds {
    const NONE: Kinds = Kinds {
        known: 0,
        others: 0,
    };

    #[inline]
    fn add(&mut self, id: Name, length: u32) {
        match id {
            Name::Other => self.others |= 1 << (length & 63),
            known => self.known |= 1 << (known as u32 & 63),
        }
    }

    fn of(spans: &[FieldSpan]) -> Kinds {
        let mut kinds = Kinds::NONE;
        spans
            .iter()
            .for_each(|line| kinds.add(line.id, line.name.len));
        kinds
    }

    fn join(&mut self, other: Kinds) {
        self.known |= other.known;
        self.others |= other.others;
    }

    /// Whether one of the lines may have the name of this one.
    #[inline]
    pub(super) fn may_have(&self, line: &FieldSpan) -> bool {
        match line.id {
            Name::Other => self.others >> (line.name.len & 63) & 1 != 0,
            known => self.known >> (known as u32 & 63) & 1 != 0,
        }
    }
}

impl FieldLines {
    /// No line.
    pub const fn new() -> FieldLines {
        FieldLines {
            text: Vec::new(),
            spans: Vec::new(),
            repeats: false,
            kinds: Kinds::NONE,
        }
    }

    /// Appends a line; white space around the value is no part of it.
    ///
    /// # Errors
    /// `FieldName`, `FieldValue` for what no line may hold; `TooLarge` when the text would outgrow its offsets.
    pub fn push(&mut self, name: &[u8], value: &[u8]) -> Result<(), HeadError> {
        if !is_name(name) {
            return Err(HeadError::FieldName);
        }
        let value = trim(value);
        if !is_value(value) {
            return Err(HeadError::FieldValue);
        }
        self.reserve(name.len() + value.len() + 4)?;
        let start = self.text.len() as u32;
        for part in [name, b": ", value, b"\r\n"] {
            self.text.extend_from_slice(part);
        }
        let id = Name::of(name);
        self.repeats |= self.has(id, name);
        self.kinds.add(id, name.len() as u32);
        self.spans.push(FieldSpan {
            id,
            name: Span {
                start,
                len: name.len() as u32,
            },
            value: Span {
                start: start + name.len() as u32 + 2,
                len: value.len() as u32,
            },
        });
        Ok(())
    }

    /// Appends lines that were checked before: one copy.
    ///
    /// # Errors
    /// `TooLarge` when the text would outgrow its offsets.
    pub fn extend(&mut self, lines: &FieldLines) -> Result<(), HeadError> {
        self.reserve(lines.text.len())?;
        self.repeats |= lines.repeats
            || (!self.is_empty() && lines.names().any(|(id, name)| self.has(id, name)));
        self.kinds.join(lines.kinds);
        let base = self.text.len() as u32;
        self.text.extend_from_slice(&lines.text);
        self.spans
            .extend(lines.spans.iter().map(|line| moved(*line, base)));
        Ok(())
    }

    /// Makes room for so many bytes of text, whose offsets have 31 bits.
    fn reserve(&mut self, bytes: usize) -> Result<(), HeadError> {
        let fits = self
            .text
            .len()
            .checked_add(bytes)
            .is_some_and(|end| end < Span::OVERLAY as usize);
        if !fits {
            return Err(HeadError::TooLarge);
        }
        if self.text.capacity() == 0 {
            // Once, instead of growing line by line.
            self.text.reserve(bytes.max(256));
            self.spans.reserve(8);
        }
        Ok(())
    }

    /// How many lines there are.
    #[inline]
    pub fn len(&self) -> usize {
        self.spans.len()
    }

    /// Whether there is none.
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// All of them as they are written.
    #[inline]
    pub fn text(&self) -> &[u8] {
        &self.text
    }

    /// Line number `index`: the known name, the name as written, the value.
    #[inline]
    pub fn get(&self, index: usize) -> Option<(Name, &[u8], &[u8])> {
        let line = self.spans.get(index)?;
        let of = |span: Span| span.of(&self.text, &[]);
        Some((line.id, of(line.name), of(line.value)))
    }

    /// Each line as it is written, CRLF included, with its name.
    pub fn iter(&self) -> impl Iterator<Item = (Name, &[u8], &[u8])> {
        self.spans.iter().map(|line| {
            let end = (line.value.start + line.value.len) as usize + 2;
            let whole = self.text.get(line.name.start as usize..end);
            (
                line.id,
                line.name.of(&self.text, &[]),
                whole.unwrap_or_default(),
            )
        })
    }

    /// Forgets all but the first so many lines; keeps the room.
    pub fn truncate(&mut self, lines: usize) {
        if let Some(first) = self.spans.get(lines) {
            self.text.truncate(first.name.start as usize);
            self.spans.truncate(lines);
            self.repeats &= lines > 1;
            self.kinds = Kinds::of(&self.spans);
        }
    }

    /// Whether no two have one name; false also where some did that are gone.
    #[inline]
    pub fn are_distinct(&self) -> bool {
        !self.repeats
    }

    /// Whether a line has this known name.
    #[inline]
    pub fn has_known(&self, id: Name) -> bool {
        id != Name::Other && self.kinds.known >> (id as u32 & 63) & 1 != 0
    }

    /// Whether none of the names is a known one: then the lines say nothing to whoever reads fields by their known names.
    #[inline]
    pub fn are_unknown(&self) -> bool {
        self.kinds.known == 0
    }

    /// Whether a line may have an unknown name of this length.
    #[inline]
    pub fn may_have_length(&self, length: usize) -> bool {
        self.kinds.others >> (length & 63) & 1 != 0
    }

    /// Which names there may be.
    #[inline]
    pub(super) fn kinds(&self) -> Kinds {
        self.kinds
    }

    /// Known names, and names as written.
    #[inline]
    pub fn names(&self) -> impl Iterator<Item = (Name, &[u8])> + Clone {
        self.spans
            .iter()
            .map(|line| (line.id, line.name.of(&self.text, &[])))
    }

    fn has(&self, id: Name, name: &[u8]) -> bool {
        self.names()
            .any(|(other, old)| other == id && (id != Name::Other || is_same_name(old, name)))
    }

    /// The spans, with this added to their offsets.
    #[inline]
    pub(super) fn spans_from(&self, base: u32) -> impl Iterator<Item = FieldSpan> {
        self.spans.iter().map(move |line| moved(*line, base))
    }
}

/// A line whose text lies elsewhere. The sums fit: they were within 31 bits when the text was put there.
#[inline]
fn moved(mut line: FieldSpan, base: u32) -> FieldSpan {
    line.name.start += base;
    line.value.start += base;
    line
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::{RequestHead, ResponseHead};

    fn lines(of: &[(&str, &str)]) -> FieldLines {
        let mut lines = FieldLines::new();
        for (name, value) in of {
            lines.push(name.as_bytes(), value.as_bytes()).unwrap();
        }
        lines
    }

    #[test]
    fn the_text_is_what_goes_onto_the_wire() {
        let mut all = lines(&[("A", " one "), ("Accept", "")]);
        all.extend(&lines(&[("B", "two")])).unwrap();
        assert_eq!(all.text(), b"A: one\r\nAccept: \r\nB: two\r\n");
        assert_eq!(all.get(2), Some((Name::Other, &b"B"[..], &b"two"[..])));
        let whole: Vec<_> = all.iter().map(|(_, _, whole)| whole).collect();
        assert_eq!(whole.concat(), all.text());
        all.truncate(1);
        assert_eq!((all.text(), all.len()), (&b"A: one\r\n"[..], 1));
        all.truncate(5);
        assert_eq!(all.len(), 1);
    }

    #[test]
    fn what_could_break_a_line_does_not_come_in() {
        let mut none = FieldLines::new();
        for (name, value) in [
            (&b""[..], &b"x"[..]),
            (b"a b", b"x"),
            (b"a:", b"x"),
            (b"a", b"x\r\ny: z"),
            (b"a", b"\0"),
        ] {
            assert!(none.push(name, value).is_err());
        }
        assert!(none.is_empty() && none.text().is_empty());
    }

    #[test]
    fn lines_are_set_as_one_by_one() {
        let sets: &[&[(&str, &str)]] = &[
            &[("X-1", "a"), ("X-2", "b")],
            &[("x-1", "a"), ("X-1", "b")],
            &[("HOST", "other"), ("X-3", "")],
            &[("X-9", "same length, another name")],
            &[],
        ];
        let received = b"GET / HTTP/1.1\r\nHost: h\r\nX-1: 1\r\nX-0: 0\r\nX-1: 2\r\n\r\n";
        let limits = crate::wire::head::HeadLimits {
            bytes: 1000,
            target: 100,
            fields: 100,
        };
        for set in sets {
            let parse = || {
                crate::wire::head::parse_request(received, &limits, Vec::new())
                    .unwrap()
                    .unwrap()
                    .with(&received[..])
            };
            let (mut one, mut other): (RequestHead<_>, RequestHead<_>) = (parse(), parse());
            one.set_lines(&lines(set)).unwrap();
            for (name, value) in *set {
                other.set(name.as_bytes(), value.as_bytes()).unwrap();
            }
            let (mut a, mut b) = (Vec::new(), Vec::new());
            one.write(&mut a);
            other.write(&mut b);
            assert_eq!(a, b);
        }
        let mut answer = ResponseHead::new(200, b"OK");
        answer.append(b"A", b"0").unwrap();
        answer
            .append_lines(&lines(&[("A", "1"), ("B", "2")]))
            .unwrap();
        answer.set_lines(&lines(&[("B", "3")])).unwrap();
        let mut out = Vec::new();
        answer.write(&mut out);
        assert_eq!(out, b"HTTP/1.1 200 OK\r\nA: 0\r\nA: 1\r\nB: 3\r\n");
    }

    #[test]
    fn lines_stand_as_they_were_set_until_another_edit() {
        let set = lines(&[("X-1", "a"), ("X-2", "b")]);
        let head = || {
            let mut head = ResponseHead::new(200, b"OK");
            head.append(b"Date", b"0").unwrap();
            head.set_lines(&set).unwrap();
            assert_eq!(head.last_set(), set.text());
            head
        };
        let edits: [&dyn Fn(&mut ResponseHead<_>); 6] = [
            &|head| head.remove(Name::Date),
            &|head| head.remove_if(|_, name, _| name == b"X-1"),
            &|head| head.append(b"X-1", b"c").unwrap(),
            &|head| head.set(b"X-2", b"c").unwrap(),
            &|head| head.append_lines(&set).unwrap(),
            &crate::wire::hop::strip_response,
        ];
        for edit in edits {
            let mut head = head();
            edit(&mut head);
            assert_eq!(head.last_set(), b"");
        }
        let mut again = head();
        again.set_status(404, b"Not Found");
        assert_eq!(again.last_set(), set.text());
        again.set_lines(&lines(&[("X-33", "c")])).unwrap();
        assert_eq!(again.last_set(), b"X-33: c\r\n");
        again.set_lines(&set).unwrap();
        assert_eq!(again.last_set(), b"");
        // Of these the proxy may have its own, or they stop here.
        for name in ["Via", "Proxy-Authentication-Info"] {
            let mut head = head();
            head.set_lines(&lines(&[(name, "x")])).unwrap();
            assert_eq!(head.last_set(), b"");
        }
    }

    #[test]
    fn which_names_there_are_is_known_also_when_some_are_gone() {
        let mut all = lines(&[("X-1", "a"), ("Host", "h")]);
        assert!(all.has_known(Name::Host) && !all.has_known(Name::Date));
        assert!(!all.are_unknown() && all.may_have_length(3) && !all.may_have_length(4));
        all.truncate(1);
        assert!(all.are_unknown() && !all.has_known(Name::Host));
        all.extend(&lines(&[("Date", "d"), ("X-22", "")])).unwrap();
        assert!(all.has_known(Name::Date) && all.may_have_length(4));
    }
}
