//! Images: encoded ahead in many sizes, then padded to the byte where their format lets decoders skip.
//!
//! Invariant: of two versions of an object the image itself differs (most of the time) and its padding always, for the version's
//! number stands in front of it. Awkward cases: a WebP file has an even number of bytes; above the largest image made ahead
//! everything is padding.

use super::{
    body::Maker,
    dice::{Dice, Tag},
    encode::{Aim, gif, jpeg, png, webp},
    padding::{blocks, chunk, comments, container, unknown},
    picture::{Cut, SIDE, drawing, photograph},
    pool::Noise,
};
use crate::{seed::Seed, world::Format};
use bytes::Bytes;
use std::sync::OnceLock;

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
    pub(super) fn photograph(&self, which: usize, cut: Cut) -> Vec<u8> {
        let names = ["photograph 0", "photograph 1"];
        let sheet = self.photographs[which]
            .get_or_init(|| photograph(&mut Dice::new(self.seed, names[which])));
        cut.places().flat_map(|place| sheet[place]).collect()
    }

    /// The numbers of colours of a drawing.
    pub(super) fn drawing(&self, which: usize, cut: Cut) -> Vec<u8> {
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
