//! Judges content that a proxy adapted, through the adaptation: a gray picture by the original's gray, a compressed body by what it
//! inflates to, a page with something put into it by what is left without it.
//!
//! Invariant: pure functions of the original's bytes and the answer's, and of nothing that adapted them: the decoders here are not
//! asked what the proxy meant. Awkward case: an answer that was not adapted is no fault. Proxies may pass what they have no time for,
//! so it is [`Seen::Passed`], and counted by whoever asks.

use image::{DynamicImage, GrayImage, ImageReader, imageops};
use std::io::{Cursor, Read};

/// What an answer without fault is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// Adapted, and rightly so.
    Adapted,
    /// The original, byte for byte.
    Passed,
}

/// What is wrong with an adapted answer.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
pub enum Wrong {
    /// The testbed's own original cannot be decoded: a fault of the testbed.
    #[error("the original is no picture: {0}")]
    Original(String),
    /// The answer is no picture that decodes.
    #[error("no picture: {0}")]
    NoPicture(String),
    /// Another width or height than it should have.
    #[error("a picture of {0}x{1} in place of {2}x{3}")]
    Dimensions(u32, u32, u32, u32),
    /// Colours are left.
    #[error("not gray at {0},{1}: {2:?}")]
    Colours(u32, u32, [u8; 3]),
    /// Another picture: the mean difference of all pixels, and what was allowed.
    #[error("another picture: pixels differ by {0:.1} of 255 in the mean, {1:.1} are allowed")]
    Picture(f64, f64),
    /// A coding that is not known here.
    #[error("Content-Encoding {0:?} is not known")]
    Coding(String),
    /// The body does not inflate.
    #[error("does not inflate after {0} bytes: {1}")]
    Inflating(usize, String),
    /// It inflates to other bytes; the first place that differs.
    #[error("inflates to other bytes, from byte {0} on")]
    Inflated(usize),
    /// It inflates to more or fewer bytes.
    #[error("inflates to {0} bytes or more in place of {1}")]
    Length(usize, usize),
    /// The page without what was put in is not the original; where it begins to differ.
    #[error("without what was put in it is not the original, from byte {0} on")]
    Page(usize),
    /// It is longer or shorter than original and text together.
    #[error("{0} bytes in place of {1} (the original and what was put in)")]
    PageLength(usize, usize),
}

/// What a picture should have become.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Picture {
    /// No wider and no higher than this, in proportion; as it was, if none is given.
    pub within: Option<(u32, u32)>,
    /// How far pixels may differ in the mean, of 255. An encoder's loss is 1 to 5, another weighting of the colours a few more;
    /// two photographs differ by 30 and more.
    pub tolerance: f64,
}

impl Default for Picture {
    fn default() -> Self {
        Self {
            within: None,
            tolerance: 10.0,
        }
    }
}

/// How far the channels of a gray pixel may lie apart: what a lossy encoder that keeps colours makes of gray.
const COLOUR: u8 = 8;

/// A picture that should have become gray. Of animations the first frame is looked at.
///
/// # Errors
/// What is wrong with it.
pub fn gray(original: &[u8], answer: &[u8], picture: Picture) -> Result<Seen, Wrong> {
    if original == answer {
        return Ok(Seen::Passed);
    }
    let expected = expected(original, picture.within)?;
    let answer = decoded(answer, expected.dimensions())?;
    if let Some(why) = coloured(&answer) {
        return Err(why);
    }
    let difference = difference(&expected, &answer.to_luma8());
    if difference > picture.tolerance {
        return Err(Wrong::Picture(difference, picture.tolerance));
    }
    Ok(Seen::Adapted)
}

/// The original's gray, made smaller if it must be.
fn expected(original: &[u8], within: Option<(u32, u32)>) -> Result<GrayImage, Wrong> {
    let original = image::load_from_memory(original)
        .map_err(|e| Wrong::Original(e.to_string()))?
        .to_luma8();
    let (width, height) = original.dimensions();
    let Some((most_wide, most_high)) = within else {
        return Ok(original);
    };
    let share = f64::min(
        f64::from(most_wide) / f64::from(width),
        f64::from(most_high) / f64::from(height),
    );
    if share >= 1.0 {
        return Ok(original);
    }
    let scaled = |n: u32| (f64::from(n) * share).round().max(1.0) as u32;
    let size = (scaled(width), scaled(height));
    Ok(imageops::resize(
        &original,
        size.0,
        size.1,
        imageops::FilterType::Triangle,
    ))
}

/// The answer's picture. Its dimensions are looked at before it is decoded, so a peer cannot make us allocate what it likes.
fn decoded(answer: &[u8], expected: (u32, u32)) -> Result<DynamicImage, Wrong> {
    let reader = || {
        ImageReader::new(Cursor::new(answer))
            .with_guessed_format()
            .map_err(|e| Wrong::NoPicture(e.to_string()))
    };
    let none = |e: image::ImageError| Wrong::NoPicture(e.to_string());
    let (width, height) = reader()?.into_dimensions().map_err(none)?;
    // Proportions round either way.
    if width.abs_diff(expected.0) > 1 || height.abs_diff(expected.1) > 1 {
        return Err(Wrong::Dimensions(width, height, expected.0, expected.1));
    }
    reader()?.decode().map_err(none)
}

/// The first pixel that is not gray.
fn coloured(image: &DynamicImage) -> Option<Wrong> {
    if !image.color().has_color() {
        return None;
    }
    let image = image.to_rgb8();
    image.enumerate_pixels().find_map(|(x, y, pixel)| {
        let [r, g, b] = pixel.0;
        let apart = r.max(g).max(b) - r.min(g).min(b);
        (apart > COLOUR).then_some(Wrong::Colours(x, y, pixel.0))
    })
}

/// How far the pixels that both have differ in the mean.
fn difference(a: &GrayImage, b: &GrayImage) -> f64 {
    let (width, height) = (a.width().min(b.width()), a.height().min(b.height()));
    let mut sum = 0u64;
    for y in 0..height {
        for x in 0..width {
            sum += u64::from(a.get_pixel(x, y).0[0].abs_diff(b.get_pixel(x, y).0[0]));
        }
    }
    sum as f64 / (f64::from(width) * f64::from(height)).max(1.0)
}

/// A body that should have been compressed; `coding` is its Content-Encoding, empty if there is none.
///
/// # Errors
/// What is wrong with it.
pub fn compressed(original: &[u8], answer: &[u8], coding: &str) -> Result<Seen, Wrong> {
    if matches!(coding, "" | "identity") {
        return same(original, answer).map(|()| Seen::Passed);
    }
    let inflated = inflated(answer, coding, original.len())?;
    same(original, &inflated).map(|()| Seen::Adapted)
}

/// What comes out of a body of this coding: at most `most` bytes, or one more if there are more.
///
/// # Errors
/// It does not inflate, or the coding is not known.
pub fn inflated(answer: &[u8], coding: &str, most: usize) -> Result<Vec<u8>, Wrong> {
    match coding {
        "gzip" | "x-gzip" => inflate(flate2::read::MultiGzDecoder::new(answer), most),
        "br" => inflate(brotli::Decompressor::new(answer, 4096), most),
        "zstd" => match zstd::stream::read::Decoder::new(answer) {
            Ok(decoder) => inflate(decoder, most),
            Err(e) => Err(Wrong::Inflating(0, e.to_string())),
        },
        other => Err(Wrong::Coding(other.to_owned())),
    }
}

/// All that comes out, or a byte more than should: a body made to burst is not inflated to its end.
fn inflate(decoder: impl Read, most: usize) -> Result<Vec<u8>, Wrong> {
    let mut inflated = Vec::new();
    let mut bounded = decoder.take((most as u64).saturating_add(1));
    match bounded.read_to_end(&mut inflated) {
        Ok(_) => Ok(inflated),
        Err(e) => Err(Wrong::Inflating(inflated.len(), e.to_string())),
    }
}

/// Whether these are the original's bytes.
///
/// # Errors
/// They are not; where they begin to differ, or how many there are.
pub fn same(original: &[u8], inflated: &[u8]) -> Result<(), Wrong> {
    if let Some(at) = original.iter().zip(inflated).position(|(a, b)| a != b) {
        return Err(Wrong::Inflated(at));
    }
    if original.len() != inflated.len() {
        return Err(Wrong::Length(inflated.len(), original.len()));
    }
    Ok(())
}

/// A page that this text should have been put into once, at any place.
///
/// # Errors
/// What is wrong with it.
pub fn injected(original: &[u8], answer: &[u8], text: &[u8]) -> Result<Seen, Wrong> {
    if original == answer {
        return Ok(Seen::Passed);
    }
    let length = original.len() + text.len();
    if answer.len() != length {
        return Err(Wrong::PageLength(answer.len(), length));
    }
    let ahead = original
        .iter()
        .zip(answer)
        .take_while(|(a, b)| a == b)
        .count();
    let behind = original
        .iter()
        .rev()
        .zip(answer.iter().rev())
        .take_while(|(a, b)| a == b)
        .count();
    // The text may begin as what it was put before does, so every place that both ends allow is tried.
    let found = (original.len() - behind..=ahead).any(|at| answer[at..].starts_with(text));
    match found {
        true => Ok(Seen::Adapted),
        false => Err(Wrong::Page(ahead)),
    }
}

#[cfg(test)]
#[path = "adapted_tests.rs"]
mod tests;
