//! A head as a module sees it: the flat record of what was received or stored, seen through the edits made so far.
//!
//! Invariant: looking gives the same answer in every runtime. Inline the record is the proxy's own table of ranges; a child
//! has the text of the same lines. Nothing is copied to look.

use crate::edits::{Edit, Edits};
use smallvec::SmallVec;
use understudy_http::{Fields, Name};

/// The field lines of a head before edits.
#[derive(Debug, Clone, Copy)]
pub enum Lines<'a> {
    /// Parsed already.
    Table(Fields<'a>),
    /// As text: `name: value CRLF` each, as the proxy writes them, without start line and final empty line.
    Text(&'a [u8]),
    /// A head as text, with its start line and perhaps its final empty line.
    Whole(&'a [u8]),
}

/// The start line of a head, and its lines.
#[derive(Debug, Clone, Copy)]
pub enum Head<'a> {
    /// A request: the target is as received (absolute or origin form) in `request_head`, and origin form in `request_out`.
    Request {
        /// The target.
        target: &'a [u8],
        /// The fields.
        lines: Lines<'a>,
    },
    /// A response.
    Response {
        /// The status code.
        status: u16,
        /// The fields.
        lines: Lines<'a>,
    },
}

impl<'a> Head<'a> {
    /// The fields, before edits.
    pub fn lines(&self) -> Lines<'a> {
        match self {
            Head::Request { lines, .. } | Head::Response { lines, .. } => *lines,
        }
    }
}

impl<'a> Lines<'a> {
    /// Name and value of each line.
    pub fn iter(self) -> impl Iterator<Item = (&'a [u8], &'a [u8])> {
        // One of the two is empty.
        let (table, mut text) = match self {
            Lines::Table(fields) => (Some(fields), &b""[..]),
            Lines::Text(text) => (None, text),
            Lines::Whole(head) => (None, behind_start_line(head)),
        };
        let parsed = table
            .into_iter()
            .flat_map(|fields| fields.iter().map(|(_, name, value)| (name, value)));
        let scanned = std::iter::from_fn(move || {
            loop {
                let end = memchr::memchr(b'\n', text)?;
                let (line, rest) = text.split_at(end + 1);
                text = rest;
                if let Some(colon) = memchr::memchr(b':', line) {
                    return Some((&line[..colon], line[colon + 1..].trim_ascii()));
                }
            }
        });
        parsed.chain(scanned)
    }

    /// Writes the lines as text.
    pub fn write(self, out: &mut Vec<u8>) {
        match self {
            Lines::Text(text) => out.extend_from_slice(text),
            Lines::Whole(head) => {
                let lines = behind_start_line(head);
                let end = match lines.strip_suffix(b"\r\n") {
                    // Only the final empty line: the line end before it is the last field's.
                    Some(rest) if rest.is_empty() || rest.ends_with(b"\r\n") => rest.len(),
                    _ => lines.len(),
                };
                out.extend_from_slice(&lines[..end]);
            }
            Lines::Table(fields) => {
                for (_, name, value) in fields.iter() {
                    for part in [name, b": ", value, b"\r\n"] {
                        out.extend_from_slice(part);
                    }
                }
            }
        }
    }

    fn values(self, name: &[u8], out: &mut SmallVec<[&'a [u8]; 4]>) {
        match self {
            Lines::Table(fields) => match Name::of(name) {
                Name::Other => out.extend(fields.find_all(name)),
                known => out.extend(fields.all(known)),
            },
            Lines::Text(_) | Lines::Whole(_) => out.extend(
                self.iter()
                    .filter(|(n, _)| n.eq_ignore_ascii_case(name))
                    .map(|(_, v)| v),
            ),
        }
    }
}

/// What is behind the first line.
fn behind_start_line(head: &[u8]) -> &[u8] {
    let start = memchr::memchr(b'\n', head).map_or(head.len(), |at| at + 1);
    &head[start..]
}

/// The values of a field, edits applied, in order.
pub fn values<'a>(lines: Lines<'a>, edits: &'a Edits, name: &[u8]) -> SmallVec<[&'a [u8]; 4]> {
    let mut found = SmallVec::new();
    lines.values(name, &mut found);
    for edit in edits.iter() {
        match edit {
            Edit::Add(n, value) if n.eq_ignore_ascii_case(name) => found.push(value),
            Edit::Set(n, value) if n.eq_ignore_ascii_case(name) => {
                found.clear();
                found.push(value);
            }
            Edit::Delete(n) if n.eq_ignore_ascii_case(name) => found.clear(),
            _ => {}
        }
    }
    found
}

/// All lines, edits applied. A field that was set stands where its first line stood, as when the proxy writes it.
pub fn all<'a>(lines: Lines<'a>, edits: &'a Edits) -> Vec<(&'a [u8], &'a [u8])> {
    let mut all: Vec<(&[u8], &[u8])> = lines.iter().collect();
    for edit in edits.iter() {
        match edit {
            Edit::Add(name, value) => all.push((name, value)),
            Edit::Delete(name) => all.retain(|(n, _)| !n.eq_ignore_ascii_case(name)),
            Edit::Set(name, value) => {
                let mut placed = false;
                all.retain_mut(|line| {
                    if !line.0.eq_ignore_ascii_case(name) {
                        return true;
                    }
                    let first = !placed;
                    if first {
                        *line = (name, value);
                        placed = true;
                    }
                    first
                });
                if !placed {
                    all.push((name, value));
                }
            }
            _ => {}
        }
    }
    all
}
