//! Reading a body of any framing, piece by piece, without copying: pieces are split off the read buffer.
//!
//! Invariant: after `More` the buffer is empty, so a caller may always read into it; the pieces of a body do not
//! depend on how its bytes arrived, only where they are cut does.
//! Awkward case: a length of 0 is complete before anything was read.

use super::chunked::{ChunkedDecoder, ChunkedError, Piece};
use super::framing::Framing;
use bytes::{Bytes, BytesMut};

/// What decoding the buffered bytes gave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decoded {
    /// The buffer holds nothing more for now: read more.
    More,
    /// A piece of the body (never empty).
    Data(Bytes),
    /// The body is complete; trailer section as received (field lines each ending in CRLF), empty when there was none.
    End(Bytes),
}

/// Why a body was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BodyError {
    /// The chunked coding is broken.
    #[error("{0}")]
    Chunked(#[from] ChunkedError),
    /// The connection ended too early.
    #[error("the connection ended before the body did")]
    Truncated,
}

/// Decodes one body. Life: made from a [`Framing`]; `decode` until `End`; or `eof` when the connection ends first.
#[derive(Debug)]
pub struct BodyReader {
    state: State,
}

#[derive(Debug)]
enum State {
    /// So many bytes to come; 0 is the end.
    Length(u64),
    Chunked(ChunkedDecoder),
    UntilClose,
    /// No body, or the connection that delimited it has ended.
    Done,
}

impl BodyReader {
    /// A reader for one body.
    pub fn new(framing: Framing) -> BodyReader {
        let state = match framing {
            Framing::None => State::Done,
            Framing::Length(length) => State::Length(length),
            Framing::Chunked => State::Chunked(ChunkedDecoder::new()),
            Framing::UntilClose => State::UntilClose,
        };
        BodyReader { state }
    }

    /// Takes what it can from the front of `buf`. After `End` it answers `End` again (its trailers are given once)
    /// and takes nothing. A refusal is final: it is given again.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Decoded, BodyError> {
        match &mut self.state {
            State::Done | State::Length(0) => Ok(Decoded::End(Bytes::new())),
            State::Chunked(decoder) => Ok(match decoder.decode(buf)? {
                Piece::More => Decoded::More,
                Piece::Data(data) => Decoded::Data(data),
                Piece::End(trailers) => Decoded::End(trailers),
            }),
            _ if buf.is_empty() => Ok(Decoded::More),
            State::Length(left) => {
                let len = usize::try_from(*left).unwrap_or(usize::MAX).min(buf.len());
                *left -= len as u64;
                Ok(Decoded::Data(buf.split_to(len).freeze()))
            }
            State::UntilClose => Ok(Decoded::Data(buf.split().freeze())),
        }
    }

    /// The connection ended: fine for a close-delimited body, an error for one that is not complete.
    pub fn eof(&mut self) -> Result<(), BodyError> {
        match &self.state {
            State::UntilClose => {
                self.state = State::Done;
                Ok(())
            }
            _ if self.is_done() => Ok(()),
            _ => Err(BodyError::Truncated),
        }
    }

    /// Whether the body is complete.
    pub fn is_done(&self) -> bool {
        match &self.state {
            State::Done => true,
            State::Length(left) => *left == 0,
            State::Chunked(decoder) => decoder.is_done(),
            State::UntilClose => false,
        }
    }

    /// Bytes of a length-delimited body still to come; `None` for every other framing.
    pub fn remaining(&self) -> Option<u64> {
        match self.state {
            State::Length(left) => Some(left),
            _ => None,
        }
    }

    /// A length-delimited body can be read straight into the caller's own buffer: tells the reader that `n` body bytes were taken
    /// without `decode` (n at most `remaining`).
    pub fn advance(&mut self, n: u64) {
        if let State::Length(left) = &mut self.state {
            debug_assert!(n <= *left, "more taken than the body has");
            *left = left.saturating_sub(n);
        }
    }
}
