//! The chunked transfer coding (RFC 9112 section 7.1): a strict incremental decoder and the few bytes an encoder writes.
//!
//! Invariant: every byte of the buffer is looked at once and taken, so bytes may come one by one at no extra cost,
//! and chunk data is split off the buffer, never copied. Only a trailer section is copied, for it is wanted whole.
//! Awkward case: white space around a chunk size and anything about extensions is where decoders differ, so white space
//! outside of quoted strings is refused, and what is well-formed is checked and dropped.

use bytes::{Buf, Bytes, BytesMut};

/// Longest chunk-size line, extensions included, in bytes.
pub const MAX_CHUNK_LINE: usize = 4096;
/// Most bytes of chunk extensions in one body, so that tiny chunks cannot hide behind long extensions.
pub const MAX_EXTENSIONS: usize = 16 * 1024;
/// Longest trailer section, in bytes.
pub const MAX_TRAILERS: usize = 16 * 1024;
/// What ends a chunked body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";
/// Most hexadecimal digits of a chunk size: what 64 bits hold.
const MAX_DIGITS: usize = 16;

/// Why chunked bytes were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ChunkedError {
    #[error("a chunk size is malformed")]
    Size,
    #[error("a chunk extension is malformed or too long")]
    Extension,
    #[error("a chunk does not end in CRLF")]
    Crlf,
    #[error("the trailer section is malformed or too long")]
    Trailer,
}

/// The chunk-size line for a chunk of `len` bytes, written into `out` (at most 18 bytes), returned as the filled part.
pub fn chunk_line(len: usize, out: &mut [u8; 18]) -> &[u8] {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = (len.checked_ilog2().unwrap_or(0) / 4 + 1) as usize;
    for (at, byte) in out.iter_mut().enumerate().take(digits) {
        *byte = DIGITS[(len >> (4 * (digits - 1 - at))) & 15];
    }
    out[digits] = b'\r';
    out[digits + 1] = b'\n';
    &out[..digits + 2]
}

/// Where in the coding the next byte lies. Life: `Size`, `Data` and so on round and round, then the trailer, then `Done`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// In a chunk size of which so many digits were seen.
    Size { value: u64, digits: usize },
    /// After a `;`: the first byte of an extension's name.
    NameStart,
    /// In an extension's name.
    Name,
    /// After a `=`: the first byte of an extension's value.
    ValueStart,
    /// In an extension's value that is a token.
    Token,
    /// In an extension's value that is a quoted string.
    Quoted,
    /// After a backslash in a quoted string.
    Escaped,
    /// After a quoted string.
    Unquoted,
    /// After the CR of a chunk-size line.
    SizeLf,
    /// So many bytes of chunk data to come.
    Data(u64),
    /// Chunk data is complete: its CR.
    DataCr,
    /// Its LF.
    DataLf,
    /// The first byte of a trailer line, or the CR of the final empty line.
    Line,
    /// In a trailer's name.
    LineName,
    /// In a trailer's value.
    LineValue,
    /// After the CR of a trailer line.
    LineLf,
    /// After the CR of the final empty line.
    EndLf,
    /// The body is complete.
    Done,
    /// The body was refused, and stays so.
    Failed(ChunkedError),
}

/// What [`ChunkedDecoder::decode`] found.
pub(super) enum Piece {
    More,
    Data(Bytes),
    End(Bytes),
}

/// Decodes one chunked body.
#[derive(Debug)]
pub(super) struct ChunkedDecoder {
    state: State,
    /// The size in the line being read.
    size: u64,
    /// Bytes of the chunk-size line so far.
    line: usize,
    /// Bytes of extensions so far in the whole body.
    extensions: usize,
    trailers: Vec<u8>,
}

impl ChunkedDecoder {
    pub(super) fn new() -> ChunkedDecoder {
        let state = State::Size {
            value: 0,
            digits: 0,
        };
        ChunkedDecoder {
            state,
            size: 0,
            line: 0,
            extensions: 0,
            trailers: Vec::new(),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.state == State::Done
    }

    /// Takes coding from the front of `buf` until a piece of data, the end, or the end of the buffer.
    pub(super) fn decode(&mut self, buf: &mut BytesMut) -> Result<Piece, ChunkedError> {
        let mut taken = 0;
        for &byte in buf.iter() {
            if matches!(self.state, State::Data(_) | State::Done) {
                break;
            }
            self.step(byte)
                .inspect_err(|error| self.state = State::Failed(*error))?;
            taken += 1;
        }
        buf.advance(taken);
        match self.state {
            State::Data(left) if !buf.is_empty() => {
                let len = usize::try_from(left).unwrap_or(usize::MAX).min(buf.len());
                let left = left - len as u64;
                self.state = if left == 0 {
                    State::DataCr
                } else {
                    State::Data(left)
                };
                Ok(Piece::Data(buf.split_to(len).freeze()))
            }
            State::Done => Ok(Piece::End(std::mem::take(&mut self.trailers).into())),
            State::Failed(error) => Err(error),
            _ => Ok(Piece::More),
        }
    }

    /// One byte of coding (never of data).
    fn step(&mut self, byte: u8) -> Result<(), ChunkedError> {
        self.state = match self.state {
            State::Size { value, digits } => self.size_byte(value, digits, byte)?,
            State::NameStart
            | State::Name
            | State::ValueStart
            | State::Token
            | State::Quoted
            | State::Escaped
            | State::Unquoted => self.extension_byte(byte)?,
            State::SizeLf if byte != b'\n' => return Err(ChunkedError::Size),
            State::SizeLf if self.size == 0 => State::Line,
            State::SizeLf => State::Data(self.size),
            State::DataCr if byte == b'\r' => State::DataLf,
            State::DataLf if byte == b'\n' => {
                self.line = 0;
                State::Size {
                    value: 0,
                    digits: 0,
                }
            }
            State::DataCr | State::DataLf => return Err(ChunkedError::Crlf),
            State::Line | State::LineName | State::LineValue | State::LineLf | State::EndLf => {
                self.trailer_byte(byte)?
            }
            State::Failed(error) => return Err(error),
            state @ (State::Data(_) | State::Done) => state,
        };
        Ok(())
    }

    fn size_byte(&mut self, value: u64, digits: usize, byte: u8) -> Result<State, ChunkedError> {
        self.line += 1;
        if digits > 0 && matches!(byte, b'\r' | b';') {
            self.size = value;
            return Ok(if byte == b';' {
                State::NameStart
            } else {
                State::SizeLf
            });
        }
        let digit = char::from(byte).to_digit(16).ok_or(ChunkedError::Size)?;
        // A size that a signed 64-bit number does not hold is nobody's chunk, and overflows in somebody's arithmetic.
        if digits == MAX_DIGITS || value >> 59 != 0 {
            return Err(ChunkedError::Size);
        }
        Ok(State::Size {
            value: value << 4 | u64::from(digit),
            digits: digits + 1,
        })
    }

    /// `chunk-ext = *( ";" name [ "=" ( token / quoted-string ) ] )`, without its "bad" white space.
    fn extension_byte(&mut self, byte: u8) -> Result<State, ChunkedError> {
        self.line += 1;
        self.extensions += 1;
        if self.line > MAX_CHUNK_LINE || self.extensions > MAX_EXTENSIONS {
            return Err(ChunkedError::Extension);
        }
        Ok(match (self.state, byte) {
            (State::NameStart | State::Name, _) if is_token(byte) => State::Name,
            (State::Name, b'=') => State::ValueStart,
            (State::ValueStart, b'"') => State::Quoted,
            (State::ValueStart | State::Token, _) if is_token(byte) => State::Token,
            (State::Name | State::Token | State::Unquoted, b';') => State::NameStart,
            (State::Name | State::Token | State::Unquoted, b'\r') => State::SizeLf,
            (State::Quoted, b'"') => State::Unquoted,
            (State::Quoted, b'\\') => State::Escaped,
            (State::Quoted | State::Escaped, _) if is_text(byte) => State::Quoted,
            _ => return Err(ChunkedError::Extension),
        })
    }

    /// Field lines as strict as a head's, each kept with its CRLF.
    fn trailer_byte(&mut self, byte: u8) -> Result<State, ChunkedError> {
        let state = match (self.state, byte) {
            (State::Line, b'\r') => return Ok(State::EndLf),
            (State::EndLf, b'\n') => return Ok(State::Done),
            (State::Line | State::LineName, _) if is_token(byte) => State::LineName,
            (State::LineName, b':') => State::LineValue,
            (State::LineValue, b'\r') => State::LineLf,
            (State::LineValue, _) if is_text(byte) => State::LineValue,
            (State::LineLf, b'\n') => State::Line,
            _ => return Err(ChunkedError::Trailer),
        };
        if self.trailers.len() == MAX_TRAILERS {
            return Err(ChunkedError::Trailer);
        }
        self.trailers.push(byte);
        Ok(state)
    }
}

/// `tchar` of RFC 9110 section 5.6.2.
pub(super) fn is_token(byte: u8) -> bool {
    TOKEN[usize::from(byte)]
}

/// For each byte whether it may stand in a token.
const TOKEN: [bool; 256] = {
    let marks = b"!#$%&'*+-.^_`|~";
    let mut table = [false; 256];
    let mut i = 0;
    while i < marks.len() {
        table[marks[i] as usize] = true;
        i += 1;
    }
    let mut byte = 0;
    while byte < 128 {
        table[byte] |= (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    table
};

/// What a field value and a quoted string may hold: HTAB, SP, VCHAR, obs-text.
pub(super) fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}
