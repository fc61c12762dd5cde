//! A server's answer, parsed as it comes.
//!
//! Life: 1. its head; for 100 that is all, and another head follows; 2. the HTTP head in it, if there is one; 3. its body, if there is
//! one; 4. over. Invariant: each step is bounded, and nothing is taken from the buffer beyond the answer's end.

use super::{Chunk, Chunks, Encapsulated, Head, Wrong};
use bytes::{Buf, Bytes, BytesMut};

/// Longest head of an answer.
pub const MAX_ICAP_HEAD: usize = 16 * 1024;
/// Longest HTTP head in one.
pub const MAX_HTTP_HEAD: usize = 64 * 1024;

/// What an answer says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IcapHead {
    /// The status.
    pub status: u16,
    /// The parts that follow.
    pub parts: Encapsulated,
    lines: Vec<(String, String)>,
}

impl IcapHead {
    /// The value of a field; of several the first.
    pub fn get(&self, name: &str) -> Option<&str> {
        let mut lines = self.lines.iter();
        let found = lines.find(|(n, _)| n.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    /// The value of a field that is a list; it may stand in several lines.
    pub fn list(&self, name: &str) -> String {
        let named = self.lines.iter();
        let named = named.filter(|(n, _)| n.eq_ignore_ascii_case(name));
        let values: Vec<&str> = named.map(|(_, value)| value.as_str()).collect();
        values.join(",")
    }
}

/// A part of an answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// Its head; behind a 100 another follows.
    Icap(IcapHead),
    /// The adapted HTTP head.
    Http(Head),
    /// Bytes of the adapted body.
    Body(Bytes),
    /// The end; `Some`: the original body goes on from there.
    End(Option<u64>),
}

/// A parser.
#[derive(Debug, Default)]
pub struct Answer {
    state: State,
}

#[derive(Debug, Default)]
enum State {
    #[default]
    Icap,
    Http(Encapsulated),
    Body(Chunks),
    NoBody,
    Over,
}

impl Answer {
    /// Whether it is over.
    pub fn is_over(&self) -> bool {
        matches!(self.state, State::Over)
    }

    /// The next part; `None`: more bytes are wanted, or it is over.
    ///
    /// # Errors
    /// What is not ICAP, or is more than the bounds.
    pub fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Event>, Wrong> {
        match &mut self.state {
            State::Icap => {
                let Some(head) = head(buf)? else {
                    return Ok(None);
                };
                self.state = match head.parts {
                    _ if head.status == 100 => State::Icap,
                    // Nothing is changed: there is nothing to follow.
                    _ if head.status == 204 => State::NoBody,
                    Encapsulated {
                        head: 0,
                        body: false,
                        ..
                    } => State::NoBody,
                    Encapsulated { head: 0, .. } => State::Body(Chunks::default()),
                    parts => State::Http(parts),
                };
                Ok(Some(Event::Icap(head)))
            }
            State::Http(parts) => {
                if buf.len() < parts.head {
                    return Ok(None);
                }
                let http = Head::parse(&buf[..parts.head], parts.response)?;
                buf.advance(parts.head);
                self.state = if parts.body {
                    State::Body(Chunks::default())
                } else {
                    State::NoBody
                };
                Ok(Some(Event::Http(http)))
            }
            State::Body(chunks) => Ok(chunks.next(buf)?.map(|chunk| match chunk {
                Chunk::Data(bytes) => Event::Body(bytes),
                Chunk::End(original) => {
                    self.state = State::Over;
                    Event::End(original)
                }
            })),
            State::NoBody => {
                self.state = State::Over;
                Ok(Some(Event::End(None)))
            }
            State::Over => Ok(None),
        }
    }
}

fn head(buf: &mut BytesMut) -> Result<Option<IcapHead>, Wrong> {
    const WRONG: Wrong = Wrong("its answer is not ICAP/1.0");
    let window = &buf[..buf.len().min(MAX_ICAP_HEAD)];
    let start = &b"ICAP/1.0 "[..window.len().min(9)];
    if !window.starts_with(start) {
        return Err(WRONG);
    }
    let Some(end) = window.windows(4).position(|four| four == b"\r\n\r\n") else {
        if window.len() == MAX_ICAP_HEAD {
            return Err(Wrong("the head of its answer is too long"));
        }
        return Ok(None);
    };
    let first = window.windows(2).position(|two| two == b"\r\n");
    let first = first.unwrap_or(end);
    let status = std::str::from_utf8(&window[..first])
        .ok()
        .and_then(|line| line.get(9..12)?.parse().ok())
        .filter(|status| (100..600).contains(status) && matches!(window[12], b' ' | b'\r'))
        .ok_or(WRONG)?;
    let mut fields = [httparse::EMPTY_HEADER; 128];
    let text = unfolded(&window[first + 2..end + 4]);
    let lines = match httparse::parse_headers(&text, &mut fields) {
        Ok(httparse::Status::Complete((_, fields))) => fields,
        _ => return Err(WRONG),
    };
    let lines: Vec<_> = lines
        .iter()
        .map(|field| {
            let value = String::from_utf8_lossy(field.value).into_owned();
            (field.name.to_owned(), value)
        })
        .collect();
    let mut parts = lines
        .iter()
        .filter(|(name, _)| name.eq_ignore_ascii_case("encapsulated"));
    let parts = match (parts.next(), parts.next()) {
        (Some((_, parts)), None) => Encapsulated::parse(parts.as_bytes())?,
        (None, _) => Encapsulated::default(),
        _ => return Err(Wrong("it has two Encapsulated fields")),
    };
    buf.advance(end + 4);
    Ok(Some(IcapHead {
        status,
        parts,
        lines,
    }))
}

/// Lines that go on in the next are made one: ICAP has them still (X-Violations-Found is always written so).
fn unfolded(lines: &[u8]) -> Vec<u8> {
    let mut text = lines.to_vec();
    for at in 2..lines.len() {
        if lines[at - 2..at] == *b"\r\n" && matches!(lines[at], b' ' | b'\t') {
            text[at - 2..=at].fill(b' ');
        }
    }
    text
}
