//! Images: encoded ahead in many sizes, then padded to the byte where their format lets decoders skip.
//!
//! Invariant: of two versions of an object the image itself differs (most of the time) and its padding always, for the version's
//! number stands in front of it. Awkward cases: a WebP file has an even number of bytes; above the largest image made ahead
//! everything is padding.

use super::{
    body::Maker,
    dice::{Dice, Tag},
    picture::{COLOURS, Cut, SIDE, drawing, photograph},
    pool::Noise,
};
use crate::{seed::Seed, world::Format};
use bytes::Bytes;
use std::sync::OnceLock;

/// A comment segment's payload at most (ISO/IEC 10918-1, B.2.4.5: the length counts its own two bytes).
const SEGMENT: u64 = 65_533;

/// From this length on, images are made in larger steps.
const COMMON: f64 = 24.0 * 1024.0;

/// What images are cut from.
#[derive(Debug)]
pub(super) struct Sheets {
    seed: Seed,
    photographs: [OnceLock<Vec<[u8; 3]>>; 2],
    drawings: [OnceLock<Vec<u8>>; 2],
}

impl Sheets {
    pub(super) fn new(seed: Seed) -> Self {
        Self {
            seed,
            photographs: Default::default(),
            drawings: Default::default(),
        }
    }

    /// The pixels of a photograph.
    fn photograph(&self, which: usize, cut: Cut) -> Vec<u8> {
        let names = ["photograph 0", "photograph 1"];
        let sheet = self.photographs[which]
            .get_or_init(|| photograph(&mut Dice::new(self.seed, names[which])));
        cut.places().flat_map(|place| sheet[place]).collect()
    }

    /// The numbers of colours of a drawing.
    fn drawing(&self, which: usize, cut: Cut) -> Vec<u8> {
        let names = ["drawing 0", "drawing 1"];
        let sheet =
            self.drawings[which].get_or_init(|| drawing(&mut Dice::new(self.seed, names[which])));
        cut.places().map(|place| sheet[place]).collect()
    }
}

/// An image: padding goes between its two halves.
#[derive(Debug)]
struct Image {
    front: Bytes,
    back: Bytes,
}

impl Image {
    fn len(&self) -> u64 {
        (self.front.len() + self.back.len()) as u64
    }
}

/// All images of one format, the smallest first.
#[derive(Debug)]
pub(super) struct Album {
    format: Format,
    images: Vec<Image>,
}

/// What an image's length depends on, beside how many pixels it has.
struct Aim {
    /// How long it should become.
    target: f64,
    /// How many pixels that takes, by what was seen.
    pixels: f64,
    /// The image's number.
    number: usize,
}

impl Album {
    /// Makes the images of a format.
    pub(super) fn new(seed: Seed, format: Format, sheets: &Sheets) -> Self {
        let (least, most, step, frame): (f64, f64, f64, f64) = match format {
            Format::Jpeg => (640.0, 100_000.0, 1.06, 620.0),
            Format::Png => (120.0, 60_000.0, 1.08, 70.0),
            Format::Gif => (36.0, 60_000.0, 1.08, 90.0),
            _ => (100.0, 60_000.0, 1.08, 44.0),
        };
        let mut dice = Dice::new(seed, format.extension());
        let mut images = Vec::new();
        // Bytes a pixel, as the images before had: two kinds of image in turn.
        let mut density = [0.3; 2];
        let mut target = least;
        while target < most {
            let number = images.len();
            let seen = &mut density[number % 2];
            let aim = Aim {
                target,
                pixels: ((target - frame).max(1.0) / *seen).clamp(1.0, (SIDE * SIDE) as f64),
                number,
            };
            let made = match format {
                Format::Jpeg => jpeg(&mut dice, sheets, &aim),
                Format::Png => png(&mut dice, sheets, &aim),
                Format::Gif => gif(&mut dice, sheets, &aim),
                _ => webp(&mut dice, sheets, &aim),
            };
            // Encoders write into memory and have images they can encode; were one to fail, there is an image less.
            if let Some(bytes) = made {
                let now = (bytes.len() as f64 - frame).max(8.0) / aim.pixels;
                *seen = (0.5 * *seen + 0.5 * now).clamp(0.01, 4.0);
                let at = split(format, &bytes).min(bytes.len());
                let mut front = Bytes::from(bytes);
                let back = front.split_off(at);
                images.push(Image { front, back });
            }
            target *= if target < COMMON { step } else { 1.25 };
        }
        images.sort_by_key(Image::len);
        Self { format, images }
    }

    /// The fewest bytes of a body.
    pub(super) fn smallest(&self) -> u64 {
        let least = self.images.first().map_or(0, Image::len);
        self.even(least + self.overhead())
    }

    /// All of them, for a digest.
    pub(super) fn bytes(&self) -> impl Iterator<Item = &[u8]> {
        self.images.iter().flat_map(|i| [&i.front[..], &i.back])
    }

    /// Bytes of the body when this many were drawn.
    pub(super) fn length(&self, size: u64) -> u64 {
        self.even(size.max(self.smallest()))
    }

    /// The chunks of a RIFF file are of even lengths (RFC 9649, section 2.3).
    fn even(&self, len: u64) -> u64 {
        match self.format {
            Format::WebP => len.next_multiple_of(2),
            _ => len,
        }
    }

    /// Bytes around the padding, the version's number among them.
    fn overhead(&self) -> u64 {
        match self.format {
            Format::Jpeg => 4 + 8,
            Format::Png => 12 + 8,
            Format::Gif => 4 + 8,
            // The file's head and VP8X stand before the image.
            _ => 30 + 8 + 8,
        }
    }

    /// Adds the body of `len` bytes, which [`Album::length`] gave.
    pub(super) fn put(&self, maker: &mut Maker, tag: Tag, len: u64, noise: &Noise) {
        let most = len.saturating_sub(self.overhead());
        // Among those that need little padding, so that images of about a size differ.
        let above = self.images.partition_point(|i| i.len() <= most);
        let below = self.images.partition_point(|i| i.len() < most - most / 6);
        let first = below.min(above.saturating_sub(1));
        let among = above.saturating_sub(first).max(1) as u64;
        let Some(image) = self.images.get(first + (tag.choice(1) % among) as usize) else {
            return;
        };
        let padding = len.saturating_sub(image.len() + self.overhead());
        let (front, back) = (image.front.clone(), image.back.clone());
        match self.format {
            Format::Jpeg => {
                maker.shared(front);
                comments(maker, tag, padding, noise);
                maker.shared(back);
            }
            Format::Png => {
                maker.shared(front);
                chunk(maker, tag, padding, noise);
                maker.shared(back);
            }
            Format::Gif => {
                maker.shared(front);
                blocks(maker, tag, padding, noise);
                maker.shared(back);
            }
            _ => {
                container(maker, len, &front);
                maker.shared(front);
                unknown(maker, tag, padding, noise);
            }
        }
    }
}

/// Where padding goes into an encoded image.
fn split(format: Format, bytes: &[u8]) -> usize {
    match format {
        // Behind SOI and APP0, which is to be the first segment (JFIF 1.02).
        Format::Jpeg => 4 + usize::from(u16::from_be_bytes([bytes[4], bytes[5]])),
        // Behind the signature and IHDR, which is to be the first chunk.
        Format::Png => 8 + 25,
        // Before the trailer.
        Format::Gif => bytes.len() - 1,
        // Behind the image: unknown chunks come last.
        _ => bytes.len(),
    }
}

/// JPEG: as many COM segments as it takes.
fn comments(maker: &mut Maker, tag: Tag, padding: u64, noise: &Noise) {
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
fn chunk(maker: &mut Maker, tag: Tag, padding: u64, noise: &Noise) {
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
fn blocks(maker: &mut Maker, tag: Tag, padding: u64, noise: &Noise) {
    maker.own(&[0x21, 0xfe]);
    // With its length the first block has 9 bytes and what whole blocks of 256 leave over.
    let (over, whole) = (padding % 256, padding / 256);
    let one = over.min(255 - 8);
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

/// The rest of a comment when its first block is full: `len` bytes, lengths counted in.
fn long(maker: &mut Maker, tag: Tag, len: u64, noise: &Noise) {
    let (over, whole) = (len % 256, len / 256);
    match over {
        0 => noise.put_blocks(maker, tag.choice(3), whole),
        1 if whole == 0 => {}
        // One byte is no block: it and a whole block are two smaller ones.
        1 => {
            for n in [127u8, 128] {
                maker.own(&[n]);
                noise.put(maker, tag.choice(4), u64::from(n));
            }
            noise.put_blocks(maker, tag.choice(3), whole - 1);
        }
        _ => {
            maker.own(&[over as u8 - 1]);
            noise.put(maker, tag.choice(4), over - 1);
            noise.put_blocks(maker, tag.choice(3), whole);
        }
    }
    maker.own(&[0]);
}

/// WebP: the file's head and VP8X, without which there may be no unknown chunks (RFC 9649, section 2.7).
fn container(maker: &mut Maker, len: u64, image: &[u8]) {
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
fn unknown(maker: &mut Maker, tag: Tag, padding: u64, noise: &Noise) {
    maker.own(b"BEDP").own(&(padding as u32 + 8).to_le_bytes());
    maker.own(&tag.bytes());
    noise.put(maker, tag.choice(2), padding);
}

/// How much of a sheet small images show.
fn stride(target: f64) -> usize {
    match target as u32 {
        0..3000 => 3,
        3000..16_000 => 2,
        _ => 1,
    }
}

fn jpeg(dice: &mut Dice, sheets: &Sheets, aim: &Aim) -> Option<Vec<u8>> {
    let cut = Cut::new(dice, aim.pixels, stride(aim.target));
    let quality = [[60, 70, 75], [80, 85, 90]][aim.number % 2][dice.below(3)];
    let pixels = sheets.photograph(dice.below(2), cut);
    let mut bytes = Vec::new();
    image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, quality)
        .encode(
            &pixels,
            cut.width as u32,
            cut.height as u32,
            image::ExtendedColorType::Rgb8,
        )
        .ok()?;
    Some(bytes)
}

fn png(dice: &mut Dice, sheets: &Sheets, aim: &Aim) -> Option<Vec<u8>> {
    use image::{
        ImageEncoder as _,
        codecs::png::{CompressionType, FilterType, PngEncoder},
    };
    let cut = Cut::new(dice, aim.pixels, stride(aim.target));
    let numbers = sheets.drawing(dice.below(2), cut);
    let pixels: Vec<u8> = numbers
        .iter()
        .flat_map(|&n| COLOURS[usize::from(n)])
        .collect();
    let mut bytes = Vec::new();
    PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::NoFilter)
        .write_image(
            &pixels,
            cut.width as u32,
            cut.height as u32,
            image::ExtendedColorType::Rgb8,
        )
        .ok()?;
    Some(bytes)
}

fn gif(dice: &mut Dice, sheets: &Sheets, aim: &Aim) -> Option<Vec<u8>> {
    // The smallest have few colours: a table of sixteen has 48 bytes.
    let colours = match aim.target as u32 {
        0..100 => 2,
        100..200 => 4,
        _ => 16,
    };
    let frames = if aim.number % 10 == 9 { 4 } else { 1 };
    let cut = Cut::new(dice, aim.pixels / frames as f64, stride(aim.target));
    let which = dice.below(2);
    let palette = COLOURS[..colours].concat();
    let mut bytes = Vec::new();
    let (width, height) = (cut.width as u16, cut.height as u16);
    let mut encoder = gif::Encoder::new(&mut bytes, width, height, &palette).ok()?;
    if frames > 1 {
        encoder.set_repeat(gif::Repeat::Infinite).ok()?;
    }
    for number in 0..frames {
        let mut pixels = sheets.drawing(which, cut.moved(3 * number));
        pixels.iter_mut().for_each(|p| *p %= colours as u8);
        let mut frame = gif::Frame::from_indexed_pixels(width, height, pixels, None);
        frame.palette = None;
        frame.delay = 20;
        encoder.write_frame(&frame).ok()?;
    }
    drop(encoder);
    Some(bytes)
}

/// The chunk of a WebP image alone, without a file around it.
fn webp(dice: &mut Dice, sheets: &Sheets, aim: &Aim) -> Option<Vec<u8>> {
    use webp_animation::{
        ColorMode, Encoder, EncoderOptions, EncodingConfig, EncodingType, LossyEncodingConfig,
    };
    let cut = Cut::new(dice, aim.pixels, stride(aim.target));
    let quality = [[60.0, 70.0, 75.0], [80.0, 85.0, 90.0]][aim.number % 2][dice.below(3)];
    let pixels = sheets.photograph(dice.below(2), cut);
    let options = EncoderOptions {
        color_mode: ColorMode::Rgb,
        encoding_config: Some(EncodingConfig {
            quality,
            method: 2,
            encoding_type: EncodingType::Lossy(LossyEncodingConfig::new_from_photo_preset()),
        }),
        ..EncoderOptions::default()
    };
    let sides = (cut.width as u32, cut.height as u32);
    let mut encoder = Encoder::new_with_options(sides, options).ok()?;
    encoder.add_frame(&pixels, 0).ok()?;
    let file = encoder.finalize(100).ok()?;
    // The encoder makes an animation, or of one frame an image: its VP8 chunk is what is wanted in either.
    let at = file.windows(4).position(|name| name == b"VP8 ")?;
    let length = file.get(at + 4..at + 8)?;
    let length = u32::from_le_bytes([length[0], length[1], length[2], length[3]]);
    let end = at + 8 + (length as usize).next_multiple_of(2);
    file.get(at..end).map(<[u8]>::to_vec)
}
