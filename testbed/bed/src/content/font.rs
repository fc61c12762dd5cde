//! TrueType fonts: real tables, made-up letters, padded by a private table.
//!
//! A body's own are the directory, `head` (whose adjustment makes the whole file's checksum a constant) and the private table's first
//! bytes; all else is shared by the fonts of its size.

use super::{
    body::Maker,
    dice::{Dice, Tag},
    pool::Noise,
};
use crate::seed::Seed;
use bytes::Bytes;

const TABLES: [&[u8; 4]; 11] = [
    b"BEDp", b"OS/2", b"cmap", b"glyf", b"head", b"hhea", b"hmtx", b"loca", b"maxp", b"name",
    b"post",
];
const HEAD: usize = 54;
/// The directory, and `head` with what fills it up to a word.
const FRONT: usize = 12 + 16 * TABLES.len() + HEAD + 2;
/// Fewest bytes of the private table: the version's number.
const PRIVATE: u64 = 8;
const EM: i16 = 1000;

/// A font without what is a body's own.
#[derive(Debug)]
struct Font {
    /// The directory and `head`, with nothing where a body writes.
    front: Vec<u8>,
    /// The tables behind.
    tables: Bytes,
    /// The sum of all words of both.
    sum: u32,
}

impl Font {
    fn len(&self) -> u64 {
        (self.front.len() + self.tables.len()) as u64
    }
}

/// Fonts, the smallest first.
#[derive(Debug)]
pub(super) struct Fonts(Vec<Font>);

impl Fonts {
    pub(super) fn new(seed: Seed) -> Self {
        let mut dice = Dice::new(seed, "fonts");
        let mut fonts = Vec::new();
        let mut glyphs = 4.0_f64;
        while glyphs < 1500.0 {
            fonts.push(font(&mut dice, glyphs as usize));
            glyphs = (glyphs * 1.06).max(glyphs + 1.0);
        }
        fonts.sort_by_key(Font::len);
        Self(fonts)
    }

    /// All of them, for a digest.
    pub(super) fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        self.0.iter().flat_map(|f| [&f.front[..], &f.tables])
    }

    /// The fewest bytes of a body.
    pub(super) fn smallest(&self) -> u64 {
        self.0.first().map_or(0, Font::len) + PRIVATE
    }

    /// Adds the body of `len` bytes, at least [`Fonts::smallest`].
    pub(super) fn put(&self, maker: &mut Maker, tag: Tag, len: u64, noise: &Noise) {
        let most = len.saturating_sub(PRIVATE);
        let above = self.0.partition_point(|f| f.len() <= most);
        let below = self.0.partition_point(|f| f.len() < most - most / 6);
        let first = below.min(above.saturating_sub(1));
        let among = above.saturating_sub(first).max(1) as u64;
        let Some(font) = self.0.get(first + (tag.choice(1) % among) as usize) else {
            return;
        };
        let padding = len.saturating_sub(font.len() + PRIVATE);
        let slices = noise.slices(tag.choice(2), padding);
        let private = slices.map(sum).fold(sum(&tag.bytes()), u32::wrapping_add);
        // A table's entry: name, checksum, offset, length. The private one is the first by name and the last by place.
        let (offset, length) = (font.len() as u32, (PRIVATE + padding) as u32);
        let own = [private, offset, length].map(u32::to_be_bytes).concat();
        // OpenType, "Calculating checksums": the whole file's is 0xB1B0AFBA.
        let whole = font.sum.wrapping_add(sum(&own)).wrapping_add(private);
        let adjustment = 0xb1b0_afba_u32.wrapping_sub(whole).to_be_bytes();
        let at = FRONT - HEAD - 2 + 8;
        maker.own(&font.front[..16]).own(&own);
        maker.own(&font.front[28..at]).own(&adjustment);
        maker.own(&font.front[at + 4..]);
        maker.shared(font.tables.clone()).own(&tag.bytes());
        noise.put(maker, tag.choice(2), padding);
    }
}

/// The sum of words of four bytes, as if zeros filled up the last.
fn sum(bytes: &[u8]) -> u32 {
    let (words, rest) = bytes.as_chunks::<4>();
    let mut last = [0; 4];
    last[..rest.len()].copy_from_slice(rest);
    words
        .iter()
        .chain([&last])
        .fold(0, |sum, &word| sum.wrapping_add(u32::from_be_bytes(word)))
}

/// A table in the making: numbers as OpenType has them, the high byte first.
#[derive(Default)]
struct Table(Vec<u8>);

impl Table {
    fn u16s(mut self, numbers: &[u16]) -> Self {
        self.0.extend(numbers.iter().flat_map(|n| n.to_be_bytes()));
        self
    }

    fn u32s(mut self, numbers: &[u32]) -> Self {
        self.0.extend(numbers.iter().flat_map(|n| n.to_be_bytes()));
        self
    }

    fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }
}

/// A font of so many letters, from U+0021 on; glyph 0 is the one for what is missing.
fn font(dice: &mut Dice, letters: usize) -> Font {
    // Fewer than 2,000 letters, so all their numbers fit 16 bits.
    let count = letters as u16 + 1;
    let (mut glyf, mut loca) = (Vec::new(), vec![0u32]);
    for _ in 0..count {
        glyph(dice, &mut glyf);
        loca.push(glyf.len() as u32);
    }
    let em = EM as u16;
    let last = 0x20 + count - 1;
    let cmap = Table::default()
        .u16s(&[0, 1, 3, 1])
        .u32s(&[12])
        // Format 4: one range, and the one that must end the table.
        .u16s(&[4, 32, 0, 4, 4, 1, 0, last, 0xffff, 0, 0x21, 0xffff])
        .u16s(&[1u16.wrapping_sub(0x21), 1, 0, 0]);
    let hhea = Table::default()
        .u32s(&[0x1_0000])
        .u16s(&[
            em,
            0u16.wrapping_sub(200),
            0,
            em,
            0,
            0,
            em,
            1,
            0,
            0,
            0,
            0,
            0,
            0,
            0,
        ])
        .u16s(&[count]);
    let hmtx = (0..count).fold(Table::default(), |table, _| {
        table.u16s(&[500 + dice.below(400) as u16, 0])
    });
    let maxp = Table::default()
        .u32s(&[0x1_0000])
        .u16s(&[count, 24, 2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0]);
    let os2 = Table::default()
        .u16s(&[
            3, 600, 400, 5, 0, 650, 600, 0, 75, 650, 600, 0, 350, 50, 300, 0,
        ])
        .bytes(&[0; 10])
        .u32s(&[1, 0, 0, 0])
        .bytes(b"BED ")
        .u16s(&[0x40, 0x21, last, em, 0u16.wrapping_sub(200), 0, em, 200])
        .u32s(&[1, 0])
        .u16s(&[500, 700, 0, 0x20, 0]);
    let tables = [
        (1, os2.0),
        (2, cmap.0),
        (3, glyf),
        (5, hhea.0),
        (6, hmtx.0),
        (7, Table::default().u32s(&loca).0),
        (8, maxp.0),
        (9, name()),
        (
            10,
            Table::default()
                .u32s(&[0x3_0000, 0, 0xff9c_0032, 0, 0, 0, 0, 0])
                .0,
        ),
    ];
    let head = Table::default()
        .u32s(&[0x1_0000, 0x1_0000, 0, 0x5f0f_3cf5])
        .u16s(&[3, em, 0, 0, 0, 0, 0, 0, 0, 0])
        .u16s(&[0, 0, em, em, 0, 8, 2, 1, 0]);
    let mut entries = [[0u32; 3]; TABLES.len()];
    let mut data = Vec::new();
    entries[4] = [sum(&head.0), (FRONT - HEAD - 2) as u32, HEAD as u32];
    for (place, table) in tables {
        entries[place] = [sum(&table), (FRONT + data.len()) as u32, table.len() as u32];
        data.extend_from_slice(&table);
        data.resize(data.len().next_multiple_of(4), 0);
    }
    let count = TABLES.len() as u16;
    // The largest power of two up to the number of tables is 8.
    let directory =
        Table::default()
            .u32s(&[0x1_0000])
            .u16s(&[count, 8 * 16, 3, count * 16 - 8 * 16]);
    let front = TABLES
        .iter()
        .zip(&entries)
        .fold(directory, |table, (name, entry)| {
            table.bytes(*name).u32s(entry)
        });
    let front = front.bytes(&head.0).u16s(&[0]).0;
    Font {
        sum: sum(&front).wrapping_add(sum(&data)),
        front,
        tables: data.into(),
    }
}

/// The names that a font must have: family, style, full name, PostScript name.
fn name() -> Vec<u8> {
    let text = ["Bed", "Regular", "Bed Regular", "Bed-Regular"];
    let (mut records, mut letters) = (Table::default().u16s(&[0, 4, 6 + 4 * 12]), Vec::new());
    for (id, text) in [1u16, 2, 4, 6].into_iter().zip(text) {
        let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let (length, offset) = (utf16.len() as u16, letters.len() as u16);
        records = records.u16s(&[3, 1, 0x409, id, length, offset]);
        letters.extend_from_slice(&utf16);
    }
    records.bytes(&letters).0
}

/// A letter of one or two outlines with straight sides.
fn glyph(dice: &mut Dice, out: &mut Vec<u8>) {
    let contours = 1 + dice.below(2);
    let (mut ends, mut points) = (Vec::new(), Vec::new());
    for _ in 0..contours {
        for _ in 0..3 + dice.below(9) {
            points.push([(); 2].map(|()| dice.below(EM as usize) as i16));
        }
        ends.push(points.len() as u16 - 1);
    }
    let least = |axis: usize| points.iter().map(|p| p[axis]).min().unwrap_or(0) as u16;
    let most = |axis: usize| points.iter().map(|p| p[axis]).max().unwrap_or(0) as u16;
    let mut table = Table::default()
        .u16s(&[contours as u16])
        .u16s(&[least(0), least(1), most(0), most(1)])
        .u16s(&ends)
        .u16s(&[0])
        // Every point is on its curve, and its coordinates are differences of 16 bits.
        .bytes(&vec![1; points.len()]);
    for axis in 0..2 {
        let mut before = 0;
        for point in &points {
            table = table.u16s(&[(point[axis] - before) as u16]);
            before = point[axis];
        }
    }
    out.extend_from_slice(&table.0);
    out.resize(out.len().next_multiple_of(4), 0);
}
