//! The codings (RFC 9110 section 8.4.1, RFC 7932, RFC 8878), as streams that take pieces and give pieces.
//!
//! Invariant: what went in comes out of the matching decoder, however it was cut and flushed. Awkward case: a few bytes that decode
//! to gigabytes. A decoder may give so many times what it took and no more ([`GRACE`] beside), so it fails before it fills the memory.

use brotli::{CompressorWriter, DecompressorWriter};
use flate2::Compression;
use flate2::write::{GzEncoder, MultiGzDecoder};
use std::io::{self, Write};
use zstd::stream::write as zstd;

/// Window of brotli and zstd, 512 KiB: it bounds what a stream costs here and in the client (RFC 9659 allows zstd 8 MiB).
const WINDOW_LOG: u32 = 19;
/// The libraries' own buffers.
const BUFFER: usize = 8 * 1024;
/// What the libraries are given at once.
const BLOCK: usize = 64 * 1024;
/// What a decoder may give beyond the ratio.
const GRACE: usize = 1 << 20;

/// A content coding.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub(crate) enum Coding {
    Gzip,
    Br,
    Zstd,
}

impl Coding {
    /// All of them, by number.
    pub(crate) const ALL: [Coding; 3] = [Coding::Gzip, Coding::Br, Coding::Zstd];

    /// As it is written in Content-Encoding.
    pub(crate) fn name(self) -> &'static str {
        ["gzip", "br", "zstd"][self as usize]
    }

    /// The coding of this name.
    pub(crate) fn named(name: &[u8]) -> Option<Coding> {
        let name = name.trim_ascii();
        let known = |one: &Coding| name.eq_ignore_ascii_case(one.name().as_bytes());
        // RFC 9110 section 8.4.1.3: x-gzip is gzip.
        let old = name.eq_ignore_ascii_case(b"x-gzip").then_some(Coding::Gzip);
        Coding::ALL.into_iter().find(known).or(old)
    }

    /// The levels it has.
    pub(crate) fn levels(self) -> std::ops::RangeInclusive<u32> {
        [1..=9, 0..=11, 1..=19][self as usize].clone()
    }
}

/// A stream that compresses.
pub(crate) struct Encoder {
    stream: Encoding,
    /// Not yet in the stream: without flushing it gets blocks of one size, or how a body was cut would show in its bytes.
    pending: Vec<u8>,
}

enum Encoding {
    Gzip(GzEncoder<Vec<u8>>),
    Br(Box<CompressorWriter<Vec<u8>>>),
    Zstd(zstd::Encoder<'static, Vec<u8>>),
}

impl Encoder {
    /// A new one.
    pub(crate) fn new(coding: Coding, level: u32) -> io::Result<Encoder> {
        let out = Vec::new();
        let stream = match coding {
            Coding::Gzip => Encoding::Gzip(GzEncoder::new(out, Compression::new(level))),
            Coding::Br => Encoding::Br(Box::new(CompressorWriter::new(
                out, BUFFER, level, WINDOW_LOG,
            ))),
            Coding::Zstd => {
                let mut encoder = zstd::Encoder::new(out, level as i32)?;
                encoder.window_log(WINDOW_LOG)?;
                Encoding::Zstd(encoder)
            }
        };
        let pending = Vec::new();
        Ok(Encoder { stream, pending })
    }

    /// What there is to send behind these bytes; `flush`: all of it, so that the client can read up to here.
    pub(crate) fn push(&mut self, bytes: &[u8], flush: bool) -> io::Result<Vec<u8>> {
        let stream: &mut dyn Write = match &mut self.stream {
            Encoding::Gzip(stream) => stream,
            Encoding::Br(stream) => stream,
            Encoding::Zstd(stream) => stream,
        };
        if flush {
            stream.write_all(&std::mem::take(&mut self.pending))?;
            stream.write_all(bytes)?;
            stream.flush()?;
        } else {
            self.pending.extend_from_slice(bytes);
            let full = self.pending.len() / BLOCK * BLOCK;
            self.pending
                .drain(..full)
                .as_slice()
                .chunks(BLOCK)
                .try_for_each(|block| stream.write_all(block))?;
        }
        Ok(std::mem::take(match &mut self.stream {
            Encoding::Gzip(stream) => stream.get_mut(),
            Encoding::Br(stream) => stream.get_mut(),
            Encoding::Zstd(stream) => stream.get_mut(),
        }))
    }

    /// The rest, with the last of the bytes.
    pub(crate) fn finish(mut self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        let mut out = self.push(bytes, false)?;
        let rest = &self.pending;
        out.append(&mut match self.stream {
            Encoding::Gzip(mut stream) => stream.write_all(rest).and_then(|()| stream.finish())?,
            Encoding::Br(mut stream) => stream.write_all(rest).map(|()| stream.into_inner())?,
            Encoding::Zstd(mut stream) => stream.write_all(rest).and_then(|()| stream.finish())?,
        });
        Ok(out)
    }
}

/// Where a decoder writes: it refuses more than it has room for.
pub(crate) struct Sink {
    out: Vec<u8>,
    room: usize,
    /// There was something to decode.
    begun: bool,
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.room = self
            .room
            .checked_sub(bytes.len())
            .ok_or_else(|| io::Error::other("it grows beyond `max_ratio`"))?;
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// A stream that decompresses.
pub(crate) enum Decoder {
    Gzip(Box<MultiGzDecoder<Sink>>),
    Br(Box<DecompressorWriter<Sink>>),
    Zstd(zstd::Decoder<'static, Sink>),
}

impl Decoder {
    /// A new one.
    pub(crate) fn new(coding: Coding) -> io::Result<Decoder> {
        let sink = Sink {
            out: Vec::new(),
            room: GRACE,
            begun: false,
        };
        Ok(match coding {
            Coding::Gzip => Decoder::Gzip(Box::new(MultiGzDecoder::new(sink))),
            Coding::Br => Decoder::Br(Box::new(DecompressorWriter::new(sink, BUFFER))),
            Coding::Zstd => {
                let mut decoder = zstd::Decoder::new(sink)?;
                // RFC 9659: a decoder of this coding need not take more than 8 MiB.
                decoder.window_log_max(23)?;
                Decoder::Zstd(decoder)
            }
        })
    }

    fn sink(&mut self) -> &mut Sink {
        match self {
            Decoder::Gzip(stream) => stream.get_mut(),
            Decoder::Br(stream) => stream.get_mut(),
            Decoder::Zstd(stream) => stream.get_mut(),
        }
    }

    /// What these bytes decode to, no more than `ratio` times as many; `last`: none follow, so they must be whole.
    pub(crate) fn push(&mut self, bytes: &[u8], ratio: usize, last: bool) -> io::Result<Vec<u8>> {
        let sink = self.sink();
        sink.room = sink.room.saturating_add(bytes.len().saturating_mul(ratio));
        sink.begun |= !bytes.is_empty();
        if !sink.begun {
            // Some origins name a coding for no bytes at all.
            return Ok(Vec::new());
        }
        let stream: &mut dyn Write = match self {
            Decoder::Gzip(stream) => stream,
            Decoder::Br(stream) => stream,
            Decoder::Zstd(stream) => stream,
        };
        stream.write_all(bytes)?;
        stream.flush()?;
        if last {
            match self {
                Decoder::Gzip(stream) => stream.try_finish()?,
                Decoder::Br(stream) => stream.close()?,
                Decoder::Zstd(stream) => stream.do_finish()?,
            }
        }
        Ok(std::mem::take(&mut self.sink().out))
    }
}

#[cfg(test)]
mod tests;
