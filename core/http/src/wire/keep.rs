//! Writing the lines of a head as its next hop gets them: most stay as they are, some go, some get another value.
//!
//! Invariant: what comes out is `name: value CRLF` for each line that stays, in order. Lines that stand in the head as they are written,
//! one behind the other, are copied together; so are lines that were set from text (`set_lines`). Awkward case: white space around a
//! value, or a value on its own without any; such a line is put together anew.

use super::field::{FieldSpan, Fields, Name, Span};
use std::borrow::Cow;
use std::ops::Range;

/// What becomes of a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept<'v> {
    /// It is written as it is.
    Whole,
    /// It is not written.
    Not,
    /// It is written with this value.
    With(Cow<'v, [u8]>),
}

impl<'a> Fields<'a> {
    /// Writes the lines: of each `keep` (known name, name, value) says what becomes of it.
    #[inline]
    pub fn write<'v>(
        &self,
        out: &mut Vec<u8>,
        mut keep: impl FnMut(Name, &'a [u8], &'a [u8]) -> Kept<'v>,
    ) {
        let mut run = Run {
            of: &[],
            overlaid: 0,
            range: 0..0,
        };
        for span in self.spans() {
            let base = self.base(span.name);
            let (name, value) = (self.part(span.name), self.part(span.value));
            match keep(span.id, name, value) {
                Kept::Not => {}
                Kept::Whole => match standing(base, span) {
                    Some(range) => run.add(base, span.name.start & Span::OVERLAY, range, out),
                    None => {
                        run.end(out);
                        line(out, name, value);
                    }
                },
                Kept::With(value) => {
                    run.end(out);
                    line(out, name, &value);
                }
            }
        }
        run.end(out);
    }
}

/// Lines that are copied together.
struct Run<'a> {
    of: &'a [u8],
    /// [`Span::OVERLAY`] for those in the overlay.
    overlaid: u32,
    range: Range<usize>,
}

impl<'a> Run<'a> {
    #[inline]
    fn add(&mut self, of: &'a [u8], overlaid: u32, line: Range<usize>, out: &mut Vec<u8>) {
        let is_next = line.start == self.range.end && overlaid == self.overlaid;
        if is_next && !self.range.is_empty() {
            self.range.end = line.end;
            return;
        }
        self.end(out);
        *self = Run {
            of,
            overlaid,
            range: line,
        };
    }

    #[inline]
    fn end(&mut self, out: &mut Vec<u8>) {
        let range = std::mem::take(&mut self.range);
        if let Some(text) = self.of.get(range)
            && !text.is_empty()
        {
            out.extend_from_slice(text);
        }
    }
}

/// Where the line stands, when it does so as it is written.
#[inline]
fn standing(base: &[u8], line: &FieldSpan) -> Option<Range<usize>> {
    let name_end = line.name.start + line.name.len;
    if line.value.start != name_end + 2 {
        return None;
    }
    let at = |start: u32| (start & !Span::OVERLAY) as usize;
    let (colon, end) = (at(name_end), at(line.value.start + line.value.len));
    let is_written = base.get(colon..colon + 2)? == b": " && base.get(end..end + 2)? == b"\r\n";
    is_written.then_some(at(line.name.start)..end + 2)
}

/// Appends a line.
fn line(out: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    out.reserve(name.len() + value.len() + 4);
    for part in [name, b": ", value, b"\r\n"] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::wire::head::{HeadLimits, parse_request};
    use crate::wire::lines::FieldLines;

    const LIMITS: HeadLimits = HeadLimits {
        bytes: 1000,
        target: 100,
        fields: 100,
    };

    #[test]
    fn a_line_at_the_very_start_comes_out() {
        let span = |start, len| Span { start, len };
        let text = b"A: 1\r\nB: 2\r\n";
        let table = [0, 6].map(|at| FieldSpan {
            id: Name::Other,
            name: span(at, 1),
            value: span(at + 3, 1),
        });
        let mut out = Vec::new();
        Fields::new(text, b"", &table).write(&mut out, |_, _, _| Kept::Whole);
        assert_eq!(out, text);
    }

    #[test]
    fn lines_come_out_alike_however_they_stood() {
        let ways: [&[u8]; 6] = [
            b"A: one\r\n",
            b"A:one\r\n",
            b"A: one \r\n",
            b"A:\t one\r\n",
            b"A:\r\n",
            b"A: \r\n",
        ];
        for number in 0..ways.len().pow(3) {
            let picked = [number % 6, number / 6 % 6, number / 36].map(|at| ways[at]);
            let received = [b"GET / HTTP/1.1\r\n", &picked.concat()[..], b"\r\n"].concat();
            let parts = parse_request(&received, &LIMITS, Vec::new()).unwrap();
            let mut head = parts.unwrap().with(&received[..]);
            head.append(b"B", b"two").unwrap();
            let mut more = FieldLines::new();
            more.push(b"C", b"three").unwrap();
            more.push(b"D", b"").unwrap();
            head.set_lines(&more).unwrap();
            // Each line stays, goes or gets another value.
            for what in (number % 7..3_usize.pow(6)).step_by(7) {
                let fate = |at: usize| what / 3_usize.pow(at as u32) % 3;
                let (mut out, mut plain, mut at) = (Vec::new(), Vec::new(), 0);
                head.fields().write(&mut out, |_, _, _| {
                    at += 1;
                    match fate(at - 1) {
                        0 => Kept::Whole,
                        1 => Kept::Not,
                        _ => Kept::With(b"other"[..].into()),
                    }
                });
                for (at, (_, name, value)) in head.fields().iter().enumerate() {
                    match fate(at) {
                        0 => line(&mut plain, name, value),
                        1 => {}
                        _ => line(&mut plain, name, b"other"),
                    }
                }
                assert_eq!(out, plain);
            }
        }
    }
}
