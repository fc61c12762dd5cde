//! The line that is being typed.
//!
//! Where the peer sends characters one by one the line is edited and echoed here; where it sends whole lines, the same bytes arrive, and
//! only the echo is missing. Invariant: a line is never longer than [`LONGEST`], nor is what is remembered. Awkward case: a line ends in
//! CR LF, CR NUL (RFC 854), LF or CR; the second byte of two may come much later, and belongs to no next line and to no body.

use std::collections::VecDeque;

/// Bytes of a line.
pub(crate) const LONGEST: usize = 8192;
/// Lines that the arrows bring back.
const REMEMBERED: usize = 32;

const BELL: u8 = 7;

/// What a byte made of the line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Typed {
    /// Nothing yet.
    Nothing,
    /// This line.
    Line(String),
    /// A line that is too long, or no text: why, and its beginning, or all of it.
    Bad(&'static str, String),
    /// It is given up.
    Interrupt,
    /// The end of what is typed.
    End,
}

/// Where in a sequence for an arrow.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum At {
    #[default]
    Plain,
    Escape,
    Arrow,
}

/// The line.
#[derive(Debug, Default)]
pub(crate) struct Editor {
    line: Vec<u8>,
    too_long: bool,
    at: At,
    /// The line ended in CR: LF or NUL belongs to it.
    cr: bool,
    lines: VecDeque<Vec<u8>>,
    /// Which of those is shown, from the newest.
    shown: Option<usize>,
}

impl Editor {
    /// Whether nothing was typed.
    pub(crate) fn is_empty(&self) -> bool {
        self.line.is_empty() && !self.too_long
    }

    /// Whether a byte is the second of a line's end.
    pub(crate) fn swallows(&mut self, byte: u8) -> bool {
        std::mem::take(&mut self.cr) && matches!(byte, b'\n' | 0)
    }

    /// The next byte; `echo` is what the peer is to see of it, when that is wanted, and `secret` lines are not echoed or remembered.
    pub(crate) fn push(&mut self, byte: u8, secret: bool, echo: Option<&mut Vec<u8>>) -> Typed {
        let (mut unseen, mut sink) = (Vec::new(), None);
        let shown = match echo {
            Some(echo) if secret => {
                sink = Some(echo);
                &mut unseen
            }
            Some(echo) => echo,
            None => &mut unseen,
        };
        match (std::mem::take(&mut self.at), byte) {
            (At::Plain, 0x1b) => self.at = At::Escape,
            (At::Escape, b'[' | b'O') => self.at = At::Arrow,
            (At::Escape, _) => {}
            // With parameters it is no arrow; the letter ends it.
            (At::Arrow, b'0'..=b';') => self.at = At::Arrow,
            (At::Arrow, b'A') => self.recall(1, shown),
            (At::Arrow, b'B') => self.recall(-1, shown),
            (At::Arrow, _) => {}
            (At::Plain, b'\r' | b'\n') => {
                self.cr = byte == b'\r';
                // The end of a line is seen even if the line is not.
                sink.unwrap_or(shown).extend_from_slice(b"\r\n");
                return self.end(secret);
            }
            (At::Plain, 8 | 0x7f) => self.erase(1, shown),
            // ^U and ^W: the line, and the last word.
            (At::Plain, 0x15) => self.erase(usize::MAX, shown),
            (At::Plain, 0x17) => {
                let word = |bytes: &[u8]| bytes.iter().rposition(|byte| *byte == b' ');
                let end = self.line.trim_ascii_end().len();
                let start = word(self.line.get(..end).unwrap_or_default()).map_or(0, |at| at + 1);
                let text = self.line.get(start..).unwrap_or_default();
                self.erase(characters(text), shown);
            }
            (At::Plain, 3) => {
                shown.extend_from_slice(b"^C\r\n");
                self.line.clear();
                self.too_long = false;
                return Typed::Interrupt;
            }
            (At::Plain, 4) if self.line.is_empty() => return Typed::End,
            (At::Plain, 0..0x20) if byte != b'\t' => {}
            (At::Plain, byte) if self.line.len() < LONGEST => {
                self.line.push(byte);
                shown.push(byte);
            }
            (At::Plain, _) => {
                self.too_long = true;
                shown.push(BELL);
            }
        }
        Typed::Nothing
    }

    fn end(&mut self, secret: bool) -> Typed {
        self.shown = None;
        let line = std::mem::take(&mut self.line);
        if std::mem::take(&mut self.too_long) {
            // What is missing may be how many bytes follow.
            let start = line
                .split(u8::is_ascii_whitespace)
                .find(|word| !word.is_empty());
            let start = String::from_utf8_lossy(start.unwrap_or_default());
            return Typed::Bad("the line is longer than 8192 bytes", start.into_owned());
        }
        if !secret && !line.is_empty() && self.lines.front() != Some(&line) {
            self.lines.push_front(line.clone());
            self.lines.truncate(REMEMBERED);
        }
        match String::from_utf8(line) {
            Ok(line) => Typed::Line(line),
            Err(why) => Typed::Bad(
                "the line is no text",
                String::from_utf8_lossy(why.as_bytes()).into_owned(),
            ),
        }
    }

    /// Takes away so many characters.
    fn erase(&mut self, count: usize, shown: &mut Vec<u8>) {
        for _ in 0..count {
            // Bytes that go on with a character go with it.
            while self.line.last().is_some_and(|byte| byte & 0xc0 == 0x80) {
                self.line.pop();
            }
            if self.line.pop().is_none() {
                break;
            }
            shown.extend_from_slice(b"\x08 \x08");
        }
    }

    /// Goes to an older line, or to a newer one.
    fn recall(&mut self, step: isize, shown: &mut Vec<u8>) {
        let next = match self.shown {
            None if step < 0 => return,
            None => Some(0),
            Some(at) => at.checked_add_signed(step),
        };
        let line = next.map_or(Some(Vec::new()), |at| self.lines.get(at).cloned());
        if let Some(line) = line {
            self.shown = next;
            self.erase(usize::MAX, shown);
            shown.extend_from_slice(&line);
            self.line = line;
        }
    }
}

/// Characters in the bytes of a text.
fn characters(text: &[u8]) -> usize {
    text.iter().filter(|byte| *byte & 0xc0 != 0x80).count()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    /// Everything that the bytes made, and what was seen.
    fn typed(editor: &mut Editor, bytes: &[u8], secret: bool) -> (Vec<Typed>, Vec<u8>) {
        let (mut made, mut seen) = (Vec::new(), Vec::new());
        for byte in bytes {
            if !editor.swallows(*byte) {
                made.push(editor.push(*byte, secret, Some(&mut seen)));
            }
        }
        made.retain(|typed| *typed != Typed::Nothing);
        (made, seen)
    }

    fn line(text: &str) -> Typed {
        Typed::Line(text.to_owned())
    }

    #[test]
    fn a_line_is_what_is_left_of_what_was_typed() {
        for (bytes, text) in [
            (&b"abc\n"[..], "abc"),
            (b"abc\r\n", "abc"),
            (b"abc\r\0", "abc"),
            (b"abx\x7fc\n", "abc"),
            (b"abx\x08c\n", "abc"),
            (b"\x7f\x7fabc\n", "abc"),
            (b"xyz\x15abc\n", "abc"),
            (b"a\xc3\xa4\x7fb\n", "ab"),
            (b"one two  \x17three\n", "one three"),
            (b"a\x01\x07b\tc\n", "ab\tc"),
            (b"a\x1b[Cb\x1b[3~c\x1bOd\n", "abc"),
            (b"\n", ""),
        ] {
            let (made, _) = typed(&mut Editor::default(), bytes, false);
            assert_eq!(made, [line(text)], "{bytes:?}");
        }
    }

    #[test]
    fn the_end_of_a_line_is_one_however_it_is_written() {
        let (made, _) = typed(&mut Editor::default(), b"a\r\nb\nc\rd\r\0e\r\r\n", false);
        assert_eq!(made, ["a", "b", "c", "d", "e", ""].map(line));
    }

    #[test]
    fn arrows_bring_lines_back_and_a_secret_is_not_among_them() {
        for (bytes, text) in [
            (&b"\x1b[A\n"[..], "two"),
            (b"\x1b[A\x1b[A\n", "one"),
            (b"\x1b[A\x1b[A\x1b[A\x1b[A\x1b[B!\n", "two!"),
            (b"x\x1b[A\x1b[B\n", ""),
            (b"x\x1b[B\n", "x"),
        ] {
            let mut editor = Editor::default();
            typed(&mut editor, b"one\ntwo\n", false);
            let (_, seen) = typed(&mut editor, b"secret\r\n", true);
            assert_eq!(seen, b"\r\n");
            assert_eq!(
                typed(&mut editor, bytes, false).0,
                [line(text)],
                "{bytes:?}"
            );
        }
    }

    #[test]
    fn what_is_erased_is_erased_on_the_screen() {
        let (_, seen) = typed(&mut Editor::default(), b"a\xc3\xa4\x7f\x7f", false);
        assert_eq!(seen, b"a\xc3\xa4\x08 \x08\x08 \x08");
    }

    #[test]
    fn a_line_that_is_too_long_or_no_text_is_told_and_the_next_is_good() {
        let mut editor = Editor::default();
        let long = [&[b'x'; LONGEST + 1][..], b"\nok\n\xff\nok\n"].concat();
        let (made, _) = typed(&mut editor, &long, false);
        let [Typed::Bad(..), first, Typed::Bad(..), second] = &made[..] else {
            panic!("{made:?}");
        };
        assert_eq!((first, second), (&line("ok"), &line("ok")));
    }

    #[test]
    fn a_line_is_given_up_and_an_empty_one_can_end_the_session() {
        let (made, _) = typed(&mut Editor::default(), b"ab\x03c\x04\n\x04", false);
        assert_eq!(made, [Typed::Interrupt, line("c"), Typed::End]);
    }
}
