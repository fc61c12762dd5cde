//! Reading a body of any framing, piece by piece, without copying: pieces are split off the read buffer.

use super::chunked::ChunkedError;
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
#[allow(missing_docs)]
pub enum BodyError {
    #[error("{0}")] Chunked(#[from] ChunkedError),
    #[error("the connection ended before the body did")] Truncated,
}

/// Decodes one body. Life: made from a [`Framing`]; `decode` until `End`; or `eof` when the connection ends first.
#[derive(Debug)]
pub struct BodyReader { _p: () }
impl BodyReader {
    /// A reader for one body.
    pub fn new(framing: Framing) -> BodyReader { todo!() }
    /// Takes what it can from the front of `buf`. After `End` it answers `End` again and takes nothing.
    pub fn decode(&mut self, buf: &mut BytesMut) -> Result<Decoded, BodyError> { todo!() }
    /// The connection ended: fine for a close-delimited body, an error for one that is not complete.
    pub fn eof(&mut self) -> Result<(), BodyError> { todo!() }
    /// Whether the body is complete.
    pub fn is_done(&self) -> bool { todo!() }
    /// Bytes of a length-delimited body still to come.
    pub fn remaining(&self) -> Option<u64> { todo!() }
    /// A length-delimited body can be read straight into the caller's own buffer: tells the reader that `n` body bytes were taken
    /// without `decode` (n at most `remaining`).
    pub fn advance(&mut self, n: u64) { todo!() }
}
