//! The chunked body of an answer (RFC 3507 section 4.4.1), with the one extension that says something: `use-original-body`, which ends
//! a partial answer (draft-icap-extension-206).
//!
//! Invariant: data is split off the buffer, never copied; a chunk's line and the trailers are bounded. Lines end in CRLF and nothing
//! else: where decoders differ, one message can be made to look like two.

use super::Wrong;
use bytes::{Buf, Bytes, BytesMut};

/// Longest line of a chunk, and most bytes of trailers.
const MAX_LINE: usize = 4096;

/// A piece of a body.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Chunk {
    /// Data.
    Data(Bytes),
    /// The end; of a partial answer with the offset from which the original follows.
    End(Option<u64>),
}

/// A decoder.
#[derive(Debug, Default)]
pub struct Chunks {
    state: State,
}

#[derive(Debug, Default, Clone, Copy)]
enum State {
    #[default]
    Line,
    Data(u64),
    DataEnd,
    Trailers {
        original: Option<u64>,
        seen: usize,
    },
}

impl Chunks {
    /// What comes next; `None`: more bytes are wanted.
    ///
    /// # Errors
    /// What is not chunked.
    pub fn next(&mut self, buf: &mut BytesMut) -> Result<Option<Chunk>, Wrong> {
        loop {
            match self.state {
                State::Line => {
                    let Some(line) = line(buf, MAX_LINE)? else {
                        return Ok(None);
                    };
                    let (size, extensions) = size(&line)?;
                    self.state = match size {
                        0 => State::Trailers {
                            original: original(extensions)?,
                            seen: 0,
                        },
                        size => State::Data(size),
                    };
                }
                State::Data(left) => {
                    if buf.is_empty() {
                        return Ok(None);
                    }
                    let taken = left.min(buf.len() as u64);
                    self.state = match left - taken {
                        0 => State::DataEnd,
                        left => State::Data(left),
                    };
                    return Ok(Some(Chunk::Data(buf.split_to(taken as usize).freeze())));
                }
                State::DataEnd => {
                    if buf.len() < 2 {
                        return Ok(None);
                    }
                    if &buf[..2] != b"\r\n" {
                        return Err(Wrong("a chunk is longer than it says"));
                    }
                    buf.advance(2);
                    self.state = State::Line;
                }
                State::Trailers { original, seen } => {
                    let Some(line) = line(buf, MAX_LINE.saturating_sub(seen))? else {
                        return Ok(None);
                    };
                    if line.is_empty() {
                        return Ok(Some(Chunk::End(original)));
                    }
                    let seen = seen + line.len() + 2;
                    self.state = State::Trailers { original, seen };
                }
            }
        }
    }
}

/// A line without its end.
fn line(buf: &mut BytesMut, most: usize) -> Result<Option<Bytes>, Wrong> {
    let Some(end) = buf.iter().position(|b| *b == b'\n') else {
        if buf.len() > most {
            return Err(Wrong("a line between its chunks is too long"));
        }
        return Ok(None);
    };
    if end == 0 || end > most || buf[end - 1] != b'\r' {
        return Err(Wrong("a line between its chunks is malformed"));
    }
    let mut line = buf.split_to(end + 1).freeze();
    line.truncate(end - 1);
    Ok(Some(line))
}

fn size(line: &[u8]) -> Result<(u64, &[u8]), Wrong> {
    let digits = line.iter().take_while(|b| b.is_ascii_hexdigit()).count();
    let (size, rest) = line.split_at(digits);
    let rest = rest.trim_ascii_start();
    let text = std::str::from_utf8(size).unwrap_or_default();
    match u64::from_str_radix(text, 16) {
        Ok(size) if digits <= 15 && (rest.is_empty() || rest[0] == b';') => Ok((size, rest)),
        _ => Err(Wrong("the size of a chunk is malformed")),
    }
}

fn original(extensions: &[u8]) -> Result<Option<u64>, Wrong> {
    let text = String::from_utf8_lossy(extensions);
    let mut found = text.split(';').filter_map(|one| {
        let (name, value) = one.split_once('=')?;
        (name.trim() == "use-original-body").then(|| value.trim().parse())
    });
    match found.next() {
        None => Ok(None),
        Some(Ok(offset)) => Ok(Some(offset)),
        Some(Err(_)) => Err(Wrong("its use-original-body is no offset")),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    /// The body of these bytes, cut into pieces of `cut` bytes, and how it ended; or that it is refused.
    fn read(bytes: &[u8], cut: usize) -> Result<(Vec<u8>, Option<Option<u64>>), Wrong> {
        let (mut chunks, mut buf, mut body) = (Chunks::default(), BytesMut::new(), Vec::new());
        for piece in bytes.chunks(cut) {
            buf.extend_from_slice(piece);
            while let Some(chunk) = chunks.next(&mut buf)? {
                match chunk {
                    Chunk::Data(data) => body.extend_from_slice(&data),
                    Chunk::End(original) => return Ok((body, Some(original))),
                }
            }
        }
        Ok((body, None))
    }

    #[test]
    fn every_cutting_gives_the_same_body_or_the_same_refusal() {
        let long = format!("0;{}\r\n\r\n", "x".repeat(5000));
        for (bytes, expected) in [
            ("0\r\n\r\n", Ok(("", Some(None)))),
            (
                "3\r\nabc\r\n2;a=b\r\nde\r\n0\r\n\r\n",
                Ok(("abcde", Some(None))),
            ),
            (
                "A\r\n0123456789\r\n0; use-original-body=7\r\n\r\n",
                Ok(("0123456789", Some(Some(7)))),
            ),
            ("0; ieof\r\nX-Trailer: 1\r\n\r\n", Ok(("", Some(None)))),
            ("3\r\nab", Ok(("ab", None))),
            ("3\r\nabcd\r\n", Err(())),
            ("3\nabc\r\n", Err(())),
            ("-3\r\nabc\r\n", Err(())),
            ("0x3\r\nabc\r\n", Err(())),
            ("\r\n", Err(())),
            ("fffffffffffffffff\r\n", Err(())),
            ("0; use-original-body=x\r\n\r\n", Err(())),
            (&long, Err(())),
        ] {
            for cut in 1..=bytes.len().min(40) {
                let read = read(bytes.as_bytes(), cut).map_err(|_| ());
                let expected = expected.map(|(body, end)| (body.as_bytes().to_vec(), end));
                assert_eq!(read, expected, "{bytes} by {cut}");
            }
        }
    }
}
