//! Archives: tar in gzip, and zip.
//!
//! Both have members compressed ahead, one behind the other, and one of the body's own with the version's number; they are padded in
//! fields that unpackers skip: gzip's extra field, zip's comment.

use super::{
    body::Maker,
    dice::{Dice, Tag},
    pool::{Chain, Noise},
    words::Words,
};
use crate::seed::Seed;
use bytes::Bytes;
use flate2::{Compression, Crc, GzBuilder, write::DeflateEncoder};
use std::io::Write as _;

/// Bytes of all members of a kind of archive.
const CHAIN: usize = 2 << 20;
/// A member's content at most, before compression; what is missing to a body's length is less than a member, so it fits the fields
/// that are padded, which hold 65,535 bytes.
const CONTENT: usize = 40_000;
/// A tar header's length, and what contents are filled up to.
const BLOCK: usize = 512;

/// Files to be put into archives: text for the most part.
fn content(dice: &mut Dice, words: &Words, out: &mut Vec<u8>) {
    out.clear();
    // Short ones are more frequent.
    let len = 200 + ((CONTENT - 200) as f32 * dice.share().powi(3)) as usize;
    if dice.one_in(5) {
        out.resize(len, 0);
        dice.fill(out);
        return;
    }
    while out.len() < len {
        words.sentence(dice, out);
        out.push(b'\n');
    }
    out.truncate(len);
}

/// Members of tar in gzip, each a gzip member of its own (RFC 1952, section 2.2: a file is members one behind the other).
#[derive(Debug)]
pub(super) struct Gzip {
    members: Chain,
    /// The two empty blocks that end a tar file.
    end: Bytes,
}

impl Gzip {
    /// Around the extra field: header, its length, a subfield's name and length; the stored member; checksum and length.
    const OWN: u64 = 10 + 2 + 4 + 5 + 2 * BLOCK as u64 + 8;

    pub(super) fn new(seed: Seed, words: &Words) -> Self {
        let mut dice = Dice::new(seed, "gzip");
        let (mut data, mut number) = (Vec::new(), 0);
        let members = Chain::new(CHAIN, |out| {
            content(&mut dice, words, &mut data);
            let name = format!("files/{}-{number}.dat", words.name(&mut dice));
            number += 1;
            let mut entry = tar(&name, data.len()).to_vec();
            entry.extend_from_slice(&data);
            entry.resize(entry.len().next_multiple_of(BLOCK), 0);
            member(out, &entry);
        });
        let mut end = Vec::new();
        member(&mut end, &[0; 2 * BLOCK]);
        Self {
            members,
            end: end.into(),
        }
    }

    /// All of it, for a digest.
    pub(super) fn bytes(&self) -> [&[u8]; 2] {
        [self.members.bytes(), &self.end]
    }

    /// The fewest bytes of a body.
    pub(super) fn smallest(&self) -> u64 {
        Self::OWN + self.end.len() as u64
    }

    /// Adds the body of `len` bytes, at least [`Gzip::smallest`].
    pub(super) fn put(&self, maker: &mut Maker, tag: Tag, len: u64, noise: &Noise) {
        // The members first, to know how much they leave over.
        let mut members = Maker::new(0);
        let room = len.saturating_sub(self.smallest());
        self.members.put(&mut members, tag.choice(1), room);
        // Less than a member, so less than the field holds.
        let padding = (room - members.len()) as u16;

        let mut entry = [0; 2 * BLOCK];
        entry[..BLOCK].copy_from_slice(&tar("README", 16));
        entry[BLOCK..BLOCK + 16].copy_from_slice(&tag.hex());
        let mut crc = Crc::new();
        crc.update(&entry);
        // RFC 1952, section 2.3: deflate, FEXTRA, no time, no hint, Unix.
        maker.own(&[0x1f, 0x8b, 8, 4, 0, 0, 0, 0, 0, 3]);
        maker.own(&(padding + 4).to_le_bytes());
        maker.own(b"BD").own(&padding.to_le_bytes());
        noise.put(maker, tag.choice(2), u64::from(padding));
        // RFC 1951, section 3.2.4: a last block, stored.
        let stored = entry.len() as u16;
        maker.own(&[1]).own(&stored.to_le_bytes());
        maker.own(&(!stored).to_le_bytes()).own(&entry);
        maker.own(&crc.sum().to_le_bytes());
        maker.own(&u32::from(stored).to_le_bytes());
        for slice in members.finish().slices {
            maker.shared(slice);
        }
        maker.shared(self.end.clone());
    }
}

/// Adds a gzip member of this content.
fn member(out: &mut Vec<u8>, content: &[u8]) {
    let mut encoder = GzBuilder::new().write(out, Compression::new(6));
    // Writing to a vector does not fail.
    let _ = encoder.write_all(content);
    let _ = encoder.finish();
}

/// A header of tar (POSIX.1-1988, ustar).
fn tar(name: &str, len: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644\x000000000\x000000000\0");
    put(124, format!("{len:011o}\x0000000000000\0").as_bytes());
    // The checksum counts itself as spaces.
    put(148, b"        0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|&b| u32::from(b)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// Entries of zip.
#[derive(Debug)]
pub(super) struct Zip {
    /// All of them, each with its local header.
    locals: Bytes,
    entries: Vec<Entry>,
}

#[derive(Debug)]
struct Entry {
    /// Where it ends among all of them.
    end: usize,
    /// Its header in the central directory, with no offset.
    central: Vec<u8>,
}

/// Where a central header says where its entry begins (APPNOTE 4.3.12).
const OFFSET: usize = 42;

impl Zip {
    const NAME: &str = "README";
    /// The own entry, its central header, and the end of the directory.
    const OWN: u64 = (30 + 46 + 2 * Self::NAME.len() + 16 + 22) as u64;

    pub(super) fn new(seed: Seed, words: &Words) -> Self {
        let mut dice = Dice::new(seed, "zip");
        let (mut data, mut locals, mut entries) = (Vec::new(), Vec::new(), Vec::new());
        while locals.len() < CHAIN {
            content(&mut dice, words, &mut data);
            let name = format!("files/{}-{}.dat", words.name(&mut dice), entries.len());
            let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(6));
            let _ = encoder.write_all(&data);
            let packed = encoder.finish().unwrap_or_default();
            let (local, central) = headers(&name, 8, &data, packed.len());
            locals.extend_from_slice(&local);
            locals.extend_from_slice(&packed);
            let end = locals.len();
            entries.push(Entry { end, central });
        }
        Self {
            locals: locals.into(),
            entries,
        }
    }

    /// All of it, for a digest.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.locals
    }

    /// The fewest bytes of a body.
    pub(super) fn smallest() -> u64 {
        Self::OWN
    }

    /// Adds the body of `len` bytes, at least [`Zip::smallest`].
    pub(super) fn put(&self, maker: &mut Maker, tag: Tag, len: u64, noise: &Noise) {
        let hex = tag.hex();
        let (local, mut directory) = headers(Self::NAME, 0, &hex, hex.len());
        maker.own(&local).own(&hex);
        let mut count = 1u16;
        let mut room = len.saturating_sub(Self::OWN);
        let mut next = (tag.choice(1) % self.entries.len() as u64) as usize;
        let (mut begun, mut done) = (self.begin(next), self.begin(next));
        // An archive without extensions has up to 65,535 entries (APPNOTE 4.4.21).
        while count < u16::MAX {
            let entry = &self.entries[next];
            let needs = (entry.end - done + entry.central.len()) as u64;
            if needs > room {
                break;
            }
            let offset = (maker.len() as usize + done - begun) as u32;
            let at = directory.len() + OFFSET;
            directory.extend_from_slice(&entry.central);
            directory[at..at + 4].copy_from_slice(&offset.to_le_bytes());
            (count, room, done, next) = (count + 1, room - needs, entry.end, next + 1);
            if next == self.entries.len() {
                maker.shared(self.locals.slice(begun..done));
                (begun, done, next) = (0, 0, 0);
            }
        }
        maker.shared(self.locals.slice(begun..done));
        let begin = maker.len() as u32;
        maker.own(&directory);
        // APPNOTE 4.3.16: one disk, its entries, the directory's length and place, and a comment of less than an entry.
        maker.own(b"PK\x05\x06\0\0\0\0");
        maker.own(&count.to_le_bytes()).own(&count.to_le_bytes());
        maker.own(&(directory.len() as u32).to_le_bytes());
        maker.own(&begin.to_le_bytes());
        maker.own(&(room as u16).to_le_bytes());
        noise.put(maker, tag.choice(2), room);
    }

    fn begin(&self, entry: usize) -> usize {
        entry.checked_sub(1).map_or(0, |e| self.entries[e].end)
    }
}

/// The local and the central header of an entry (APPNOTE 4.3.7 and 4.3.12).
fn headers(name: &str, method: u16, content: &[u8], packed: usize) -> (Vec<u8>, Vec<u8>) {
    let mut crc = Crc::new();
    crc.update(content);
    // From the version needed to the length of the extra field; 1 January 1980.
    let mut common = Vec::with_capacity(26);
    for number in [20, 0, method, 0, 0x21] {
        common.extend_from_slice(&u16::to_le_bytes(number));
    }
    for number in [crc.sum(), packed as u32, content.len() as u32] {
        common.extend_from_slice(&number.to_le_bytes());
    }
    common.extend_from_slice(&(name.len() as u16).to_le_bytes());
    common.extend_from_slice(&[0; 2]);
    let local = [b"PK\x03\x04", &common[..], name.as_bytes()].concat();
    let central = [b"PK\x01\x02\x14\0", &common[..], &[0; 14], name.as_bytes()].concat();
    (local, central)
}
