//! All entries of a log, in its order; what cannot be read is counted and told, and never stops anything.
//!
//! Awkward case: a file that ends in the middle of its gzip stream, as one copied while it was written does. What was there is used, and the
//! end is told.

use super::{
    common,
    entry::{Bad, Entry},
    json,
    lines::Lines,
    squid,
};
use std::{io, path::Path};

/// How many bad lines are told one by one.
const TOLD: usize = 5;

/// How a log's lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// Squid's native log.
    Squid,
    /// The Common Log Format.
    Common,
    /// The Combined Log Format: Common, Referer and User-Agent.
    Combined,
    /// Understudy's log in JSON.
    Json,
    /// The format that the first readable line has.
    Auto,
}

/// What of a log could not be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Unread {
    /// Lines, the unreadable and empty ones included.
    pub lines: u64,
    /// Lines that are no entry.
    pub bad: u64,
    /// The first of those: the number of the line, and why.
    pub first: Vec<(u64, Bad)>,
    /// Why the log could not be read to its end.
    pub ended: Option<String>,
}

/// A log being read.
pub struct Log {
    lines: Lines,
    format: Format,
    /// What could not be read so far.
    pub unread: Unread,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("format", &self.format)
            .field("unread", &self.unread)
            .finish_non_exhaustive()
    }
}

impl Log {
    /// The log in this file (`-`: standard input), gzip or not.
    ///
    /// # Errors
    /// The file cannot be opened or read.
    pub fn open(path: &Path, format: Format) -> io::Result<Self> {
        Ok(Self::of(Lines::open(path)?, format))
    }

    /// The log that this gives.
    ///
    /// # Errors
    /// Nothing can be read of it.
    pub fn new(from: impl io::Read + 'static, format: Format) -> io::Result<Self> {
        Ok(Self::of(Lines::new(from)?, format))
    }

    fn of(lines: Lines, format: Format) -> Self {
        Self {
            lines,
            format,
            unread: Unread::default(),
        }
    }

    /// The format; [`Format::Auto`] while no line was readable.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// Hands every entry to `take`, in the log's order, until that says to stop by `false`. Returns whether there may be more.
    pub fn each(&mut self, mut take: impl FnMut(&Entry<'_>) -> bool) -> bool {
        loop {
            let line = match self.lines.next() {
                Ok(Some(line)) => line,
                Ok(None) => return false,
                Err(e) => {
                    self.unread.ended = Some(e.to_string());
                    return false;
                }
            };
            self.unread.lines += 1;
            let parsed = match line.text {
                None => Err(Bad::Long),
                // Empty lines and W3C's directives are no news.
                Some([] | [b'#', ..]) => continue,
                Some(text) => parse(text, &mut self.format),
            };
            match parsed {
                Ok(entry) => {
                    if !take(&entry) {
                        return true;
                    }
                }
                Err(bad) => {
                    self.unread.bad += 1;
                    if self.unread.first.len() < TOLD {
                        self.unread.first.push((line.number, bad));
                    }
                }
            }
        }
    }
}

/// The entry of a line; a format found out is kept for the lines that follow.
fn parse<'a>(line: &'a [u8], format: &mut Format) -> Result<Entry<'a>, Bad> {
    match format {
        Format::Squid => squid::parse(line),
        Format::Common | Format::Combined => common::parse(line),
        Format::Json => json::parse(line),
        Format::Auto => {
            // A line of one format is never one of another: JSON begins with a brace, Squid's with a number and a blank, the others
            // have a bracket before the first quote.
            let known = [Format::Json, Format::Squid, Format::Combined];
            for mut candidate in known {
                if let Ok(entry) = parse(line, &mut candidate) {
                    *format = candidate;
                    return Ok(entry);
                }
            }
            Err(Bad::Format)
        }
    }
}
