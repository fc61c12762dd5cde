//! An image in, another out: what kind it is, whether it may be decoded at all, and the way of one that stands still.
//!
//! Invariant: nothing is allocated by what a header says before its dimensions are within the limit, and whoever gets [`Kept`]
//! still has the original. Awkward case: GIFs that only become gray never are decoded, see `palette`.

use crate::encode::{self, Target};
use crate::{color, frames, palette};
use image::codecs::{gif::GifDecoder, jpeg::JpegDecoder, png::PngDecoder, webp::WebPDecoder};
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageResult, Limits};
use std::io::Cursor;

/// What is wanted of an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Want {
    /// Gray instead of colours.
    pub gray: bool,
    /// Encode what is lossy at this quality, 1 to 100; `None`: at 80 where it is encoded for another reason.
    pub quality: Option<u8>,
    /// No wider than this.
    pub width: Option<u32>,
    /// No higher than this.
    pub height: Option<u32>,
    /// The client takes WebP.
    pub webp: bool,
    /// The client takes AVIF.
    pub avif: bool,
}

/// The image that was made.
#[derive(Debug)]
pub struct Made {
    /// Its bytes.
    pub bytes: Vec<u8>,
    /// Its media type.
    pub kind: &'static str,
}

/// Why the original is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is as it is wanted.
    Fits,
    /// The result is larger.
    Larger,
    /// Too many pixels, in one frame or in all.
    Bomb,
    /// It cannot be read or written: damaged, not what it claims to be, or beyond what the libraries know.
    Broken,
    /// Read well enough, but not without loss of what matters: APNG, colours for print.
    Unsupported,
}

impl Kept {
    /// The name of its counter.
    pub fn name(self) -> &'static str {
        match self {
            Kept::Fits => "kept_fits",
            Kept::Larger => "kept_larger",
            Kept::Bomb => "kept_bomb",
            Kept::Broken => "kept_broken",
            Kept::Unsupported => "kept_unsupported",
        }
    }
}

impl From<image::ImageError> for Kept {
    fn from(error: image::ImageError) -> Kept {
        match error {
            image::ImageError::Limits(_) => Kept::Bomb,
            _ => Kept::Broken,
        }
    }
}

/// Refuses too many pixels, before anything is allocated for them. A frame costs something even when it is empty.
fn afford((width, height): (u32, u32), frames: u64, max_pixels: u64) -> Result<(), Kept> {
    let frame = u64::from(width) * u64::from(height) + 1024;
    if frame.saturating_mul(frames) > max_pixels {
        return Err(Kept::Bomb);
    }
    Ok(())
}

/// What a decoder may allocate: sixteen bits a channel, and as much again for its own use. Profiles and texts are packed, too.
fn limits(max_pixels: u64) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(max_pixels.saturating_mul(16));
    limits
}

/// Makes of an image what is wanted.
///
/// # Errors
/// Why the original is to be kept.
pub fn transcode(bytes: &[u8], want: &Want, max_pixels: u64) -> Result<Made, Kept> {
    let made = made(bytes, want, max_pixels)?;
    // Gray was asked for its own sake; everything else for the sake of size.
    if made.bytes.len() >= bytes.len() && !want.gray {
        return Err(Kept::Larger);
    }
    Ok(made)
}

fn made(bytes: &[u8], want: &Want, max_pixels: u64) -> Result<Made, Kept> {
    let cursor = Cursor::new(bytes);
    match image::guess_format(bytes)? {
        ImageFormat::Jpeg => still(JpegDecoder::new(cursor), Target::Jpeg, want, max_pixels),
        ImageFormat::Png => {
            let decoder = PngDecoder::with_limits(cursor, limits(max_pixels))?;
            if decoder.is_apng()? {
                return Err(Kept::Unsupported);
            }
            still(Ok(decoder), Target::Png, want, max_pixels)
        }
        ImageFormat::Gif => {
            let mut decoder = GifDecoder::new(cursor)?;
            let size = decoder.dimensions();
            afford(size, 1, max_pixels)?;
            // It says of no orientation.
            if !want.webp && want.fit(size) == size {
                return if want.gray {
                    palette::gray(bytes)
                } else {
                    Err(Kept::Fits)
                };
            }
            let (frames, pixels, rounds) = palette::survey(bytes)?;
            afford(size, frames, max_pixels)?;
            if pixels > max_pixels {
                return Err(Kept::Bomb);
            }
            decoder.set_limits(limits(max_pixels))?;
            frames::of_gif(decoder, rounds, want)
        }
        ImageFormat::WebP => {
            let mut decoder = WebPDecoder::new(cursor)?;
            let target = Target::WebP {
                lossless: count(bytes, b"VP8 ") == 0,
            };
            if !decoder.has_animation() {
                return still(Ok(decoder), target, want, max_pixels);
            }
            afford(decoder.dimensions(), count(bytes, b"ANMF"), max_pixels)?;
            decoder.set_limits(limits(max_pixels))?;
            frames::of_webp(decoder, target, want)
        }
        _ => Err(Kept::Broken),
    }
}

/// How many chunks of this name a WebP has, or a few more (RFC 9649 section 2.3): a lossy bitstream, a frame.
fn count(bytes: &[u8], chunk: &[u8; 4]) -> u64 {
    bytes.windows(4).filter(|name| name == chunk).count() as u64
}

fn still<D: ImageDecoder>(
    decoder: ImageResult<D>,
    own: Target,
    want: &Want,
    max_pixels: u64,
) -> Result<Made, Kept> {
    let mut decoder = decoder?;
    let size = decoder.dimensions();
    afford(size, 1, max_pixels)?;
    let target = match own {
        _ if want.avif => Target::Avif,
        Target::Jpeg if want.webp => Target::WebP { lossless: false },
        Target::Png if want.webp => Target::WebP { lossless: true },
        own => own,
    };
    let is_gray = !decoder.color_type().has_color();
    let loses_colors = want.gray && !is_gray;
    if target == own && !loses_colors && !want.shrinks(size) && !want.lessens(own) {
        return Err(Kept::Fits);
    }
    let profile = decoder.icc_profile()?;
    let orientation = decoder.orientation()?;
    decoder.set_limits(limits(max_pixels))?;
    let mut image = color::to_srgb(DynamicImage::from_decoder(decoder)?, profile)?;
    image.apply_orientation(orientation);
    let image = want.fitted(color::flat(image, want.gray || is_gray))?;
    encode::still(&image, target, want.quality)
}

impl Want {
    /// The dimensions of an image of this size, kept in proportion and never enlarged.
    fn fit(&self, (width, height): (u32, u32)) -> (u32, u32) {
        let scale = |limit: Option<u32>, size: u32| {
            f64::from(limit.unwrap_or(size)) / f64::from(size.max(1))
        };
        let scale = scale(self.width, width)
            .min(scale(self.height, height))
            .min(1.0);
        let to = |size: u32| ((f64::from(size) * scale).round() as u32).clamp(1, size.max(1));
        (to(width), to(height))
    }

    /// Whether an image of this size becomes smaller. Turned by its orientation it may have to, too.
    pub(crate) fn shrinks(&self, (width, height): (u32, u32)) -> bool {
        self.fit((width, height)) != (width, height) || self.fit((height, width)) != (height, width)
    }

    /// Whether the quality of this format is to be lowered.
    pub(crate) fn lessens(&self, target: Target) -> bool {
        self.quality.is_some() && matches!(target, Target::Jpeg | Target::WebP { lossless: false })
    }

    /// The image in the dimensions wanted.
    pub(crate) fn fitted(&self, image: DynamicImage) -> Result<DynamicImage, Kept> {
        let size = (image.width(), image.height());
        let (width, height) = self.fit(size);
        if (width, height) == size {
            return Ok(image);
        }
        let mut smaller = DynamicImage::new(width, height, image.color());
        fast_image_resize::Resizer::new()
            .resize(&image, &mut smaller, None)
            .map_err(|_| Kept::Broken)?;
        Ok(smaller)
    }
}
