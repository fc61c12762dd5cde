//! The lines of a log, one at a time.
//!
//! Invariant: memory is one line's, and a line is [`LONGEST`] bytes at the most. Awkward case: a longer line is told as such and its
//! rest is passed over, so that a file that is no log (one line of gigabytes) costs time alone.

use flate2::bufread::MultiGzDecoder;
use std::{
    io::{self, BufRead, BufReader, Read},
    path::Path,
};

/// The longest line that is read, in bytes. Squid cuts URLs at 8 KiB; a line holds one or two of those and two headers.
pub(super) const LONGEST: usize = 64 << 10;

/// Lines of something, with their numbers.
pub(super) struct Lines {
    from: Box<dyn BufRead>,
    line: Vec<u8>,
    number: u64,
}

/// One line.
pub(super) struct Line<'a> {
    /// Its number, the first is 1.
    pub(super) number: u64,
    /// What it says, without its end; nothing when it is longer than is read.
    pub(super) text: Option<&'a [u8]>,
}

impl Lines {
    /// Lines of a file, or of standard input when it is called `-`.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        if path.as_os_str() == "-" {
            return Self::new(io::stdin());
        }
        Self::new(std::fs::File::open(path)?)
    }

    /// Lines of what this gives; it is inflated when it begins as gzip does (RFC 1952, 2.3.1), whatever its name ends with.
    pub(super) fn new(from: impl Read + 'static) -> io::Result<Self> {
        let mut from = BufReader::with_capacity(256 << 10, from);
        let zipped = from.fill_buf()?.starts_with(&[0x1f, 0x8b]);
        let from: Box<dyn BufRead> = if zipped {
            // Rotated logs are often several members one behind the other.
            Box::new(BufReader::with_capacity(
                256 << 10,
                MultiGzDecoder::new(from),
            ))
        } else {
            Box::new(from)
        };
        Ok(Self {
            from,
            line: Vec::new(),
            number: 0,
        })
    }

    /// The next line; nothing at the end.
    pub(super) fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        self.line.clear();
        let (mut any, mut whole) = (false, true);
        loop {
            let piece = match self.from.fill_buf() {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => continue,
                piece => piece?,
            };
            if piece.is_empty() {
                break;
            }
            any = true;
            let end = piece.iter().position(|&b| b == b'\n');
            let text = &piece[..end.unwrap_or(piece.len())];
            if self.line.len() + text.len() > LONGEST {
                whole = false;
            } else if whole {
                self.line.extend_from_slice(text);
            }
            let used = end.map_or(piece.len(), |n| n + 1);
            self.from.consume(used);
            if end.is_some() {
                break;
            }
        }
        if !any {
            return Ok(None);
        }
        self.number += 1;
        let text = self.line.strip_suffix(b"\r").unwrap_or(&self.line);
        Ok(Some(Line {
            number: self.number,
            text: whole.then_some(text),
        }))
    }
}
