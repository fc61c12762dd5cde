//! Padding of images, each format's own: what its readers are told to skip.
//!
//! Invariant: what a function here adds is its overhead ([`super::image::Album`] knows it) and exactly `padding` bytes. Awkward case:
//! GIF's blocks and JPEG's segments have lengths of their own, so a few bytes left over move a boundary.

use super::{body::Maker, dice::Tag, pool::Noise};

/// A comment segment's payload at most (ISO/IEC 10918-1, B.2.4.5: the length counts its own two bytes).
const SEGMENT: u64 = 65_533;

/// JPEG: as many COM segments as it takes.
pub(super) fn comments(maker: &mut Maker, tag: Tag, padding: u64, noise: &Noise) {
    let mut rest = padding + 8;
    let mut first = true;
    loop {
        // A segment has four bytes of its own, so never leave fewer than those.
        let now = match rest {
            ..=SEGMENT => rest,
            _ => SEGMENT.min(rest - 4),
        };
        maker
            .own(&[0xff, 0xfe])
            .own(&(now as u16 + 2).to_be_bytes());
        if first {
            maker.own(&tag.bytes());
        }
        let own = if first { 8 } else { 0 };
        noise.put(maker, tag.choice(2), now - own);
        rest -= now;
        if rest == 0 {
            return;
        }
        (rest, first) = (rest - 4, false);
    }
}

/// PNG: a chunk that is ancillary, private and safe to copy (PNG 3rd edition, 5.4).
pub(super) fn chunk(maker: &mut Maker, tag: Tag, padding: u64, noise: &Noise) {
    const KIND: &[u8] = b"bdPd";
    let mut crc = flate2::Crc::new();
    crc.update(KIND);
    crc.update(&tag.bytes());
    for piece in noise.slices(tag.choice(2), padding) {
        crc.update(piece);
    }
    // Bodies are of 64 MiB at most, a chunk of up to 2 GiB.
    maker.own(&(padding as u32 + 8).to_be_bytes());
    maker.own(KIND).own(&tag.bytes());
    noise.put(maker, tag.choice(2), padding);
    maker.own(&crc.sum().to_be_bytes());
}

/// GIF: a comment extension, in blocks of up to 255 bytes, each behind its length (GIF89a, 24).
pub(super) fn blocks(maker: &mut Maker, tag: Tag, padding: u64, noise: &Noise) {
    maker.own(&[0x21, 0xfe]);
    // With its length the first block has 9 bytes and what whole blocks of 256 leave over.
    let (over, whole) = (padding % 256, padding / 256);
    // What is left behind a full first block is 2 bytes at the least: a length and a byte. One alone is no block.
    let one = if over == 248 { 246 } else { over.min(255 - 8) };
    maker.own(&[8 + one as u8]).own(&tag.bytes());
    noise.put(maker, tag.choice(2), one);
    match over - one {
        0 => {}
        // A block of no bytes would be the end: the last of `over` bytes moves the boundary.
        rest => {
            return long(maker, tag, rest + whole * 256, noise);
        }
    }
    noise.put_blocks(maker, tag.choice(3), whole);
    maker.own(&[0]);
}

/// The rest of a comment when its first block is full: `len` bytes, lengths counted in; not one more than whole blocks.
fn long(maker: &mut Maker, tag: Tag, len: u64, noise: &Noise) {
    let (over, whole) = (len % 256, len / 256);
    match over {
        0 => noise.put_blocks(maker, tag.choice(3), whole),
        _ => {
            maker.own(&[over as u8 - 1]);
            noise.put(maker, tag.choice(4), over - 1);
            noise.put_blocks(maker, tag.choice(3), whole);
        }
    }
    maker.own(&[0]);
}

/// WebP: the file's head and VP8X, without which there may be no unknown chunks (RFC 9649, section 2.7).
pub(super) fn container(maker: &mut Maker, len: u64, image: &[u8]) {
    let (width, height) = key_frame(image);
    maker.own(b"RIFF").own(&(len as u32 - 8).to_le_bytes());
    maker.own(b"WEBPVP8X").own(&10u32.to_le_bytes());
    maker.own(&[0; 4]);
    maker.own(&(u32::from(width) - 1).to_le_bytes()[..3]);
    maker.own(&(u32::from(height) - 1).to_le_bytes()[..3]);
}

/// The sides of a VP8 key frame in its chunk (RFC 6386, section 9.1: three bytes of tag, three of start code, then the sides).
fn key_frame(chunk: &[u8]) -> (u16, u16) {
    let side = |at: usize| (u16::from_le_bytes([chunk[at], chunk[at + 1]]) & 0x3fff).max(1);
    (side(14), side(16))
}

/// WebP: a chunk that readers do not know and so ignore.
pub(super) fn unknown(maker: &mut Maker, tag: Tag, padding: u64, noise: &Noise) {
    maker.own(b"BEDP").own(&(padding as u32 + 8).to_le_bytes());
    maker.own(&tag.bytes());
    noise.put(maker, tag.choice(2), padding);
}
