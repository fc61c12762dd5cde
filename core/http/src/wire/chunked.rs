//! The chunked transfer coding (RFC 9112 section 7.1): a strict incremental decoder and the few bytes an encoder writes.

/// Longest chunk-size line, extensions included, in bytes.
pub const MAX_CHUNK_LINE: usize = 4096;
/// Longest trailer section, in bytes.
pub const MAX_TRAILERS: usize = 16 * 1024;
/// What ends a chunked body without trailers.
pub const LAST_CHUNK: &[u8] = b"0\r\n\r\n";

/// Why chunked bytes were refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum ChunkedError {
    #[error("a chunk size is malformed")] Size,
    #[error("a chunk extension is malformed or too long")] Extension,
    #[error("a chunk does not end in CRLF")] Crlf,
    #[error("the trailer section is malformed or too long")] Trailer,
}
/// The chunk-size line for a chunk of `len` bytes, written into `out` (at most 18 bytes), returned as the filled part.
pub fn chunk_line(len: usize, out: &mut [u8; 18]) -> &[u8] { todo!() }
