//! Animations: each frame composed, made what is wanted, and encoded before the next is decoded.
//!
//! Invariant: no more than one frame is in memory at a time, beside what the encoder keeps; how many there are was counted before.
//! Delays and the number of rounds are those of the original, frames are whole, so that disposal needs no
//! care: the canvas is cleared behind each.

use crate::color;
use crate::encode::{Target, WebP};
use crate::transcode::{Kept, Made, Want};
use gif::{DisposalMethod, Encoder, Frame, Repeat};
use image::codecs::{gif::GifDecoder, webp::WebPDecoder};
use image::metadata::LoopCount;
use image::{AnimationDecoder, DynamicImage, Frames, ImageDecoder};
use std::io::Cursor;

/// A GIF, to a GIF or WebP.
pub(crate) fn of_gif(
    decoder: GifDecoder<Cursor<&[u8]>>,
    rounds: Repeat,
    want: &Want,
) -> Result<Made, Kept> {
    if want.webp {
        // GIF counts the rounds behind the first, WebP all of them; no round more is none at all.
        let rounds = match rounds {
            Repeat::Infinite => 0,
            Repeat::Finite(n) => i32::from(n) + 1,
        };
        let target = Target::WebP { lossless: true };
        return to_webp(decoder.into_frames(), None, target, rounds, want);
    }
    let mut encoder = None;
    each(decoder.into_frames(), None, want, |image, milliseconds| {
        let side = |n: u32| u16::try_from(n).map_err(|_| Kept::Broken);
        let (width, height) = (side(image.width())?, side(image.height())?);
        let mut rgba = image.into_rgba8();
        let mut frame = Frame::from_rgba_speed(width, height, &mut rgba, 10);
        frame.delay = u16::try_from(milliseconds / 10).unwrap_or(u16::MAX);
        frame.dispose = DisposalMethod::Background;
        if encoder.is_none() {
            let begun = Encoder::new(Vec::new(), width, height, &[]);
            let mut begun = begun.map_err(|_| Kept::Broken)?;
            begun.set_repeat(rounds).map_err(|_| Kept::Broken)?;
            encoder = Some(begun);
        }
        let encoder = encoder.as_mut().ok_or(Kept::Broken)?;
        encoder.write_frame(&frame).map_err(|_| Kept::Broken)
    })?;
    let bytes = encoder.and_then(|encoder| encoder.into_inner().ok());
    Ok(Made {
        bytes: bytes.ok_or(Kept::Broken)?,
        kind: "image/gif",
    })
}

/// An animated WebP.
pub(crate) fn of_webp(
    mut decoder: WebPDecoder<Cursor<&[u8]>>,
    target: Target,
    want: &Want,
) -> Result<Made, Kept> {
    let size = decoder.dimensions();
    if !want.gray && !want.shrinks(size) && !want.lessens(target) {
        return Err(Kept::Fits);
    }
    let profile = decoder.icc_profile()?;
    let rounds = match decoder.loop_count() {
        LoopCount::Infinite => 0,
        LoopCount::Finite(n) => i32::try_from(n.get()).unwrap_or(0),
    };
    to_webp(decoder.into_frames(), profile, target, rounds, want)
}

fn to_webp(
    frames: Frames<'_>,
    profile: Option<Vec<u8>>,
    target: Target,
    rounds: i32,
    want: &Want,
) -> Result<Made, Kept> {
    let mut webp = None;
    each(frames, profile, want, |image, milliseconds| {
        if webp.is_none() {
            webp = Some(WebP::begin(&image, target, want.quality, rounds)?);
        }
        webp.as_mut().ok_or(Kept::Broken)?.add(image, milliseconds)
    })?;
    webp.ok_or(Kept::Broken)?.end()
}

/// Each frame as it is wanted, with how long it is shown.
fn each(
    frames: Frames<'_>,
    profile: Option<Vec<u8>>,
    want: &Want,
    mut take: impl FnMut(DynamicImage, u32) -> Result<(), Kept>,
) -> Result<(), Kept> {
    let mut is_empty = true;
    for frame in frames {
        let frame = frame?;
        let (numerator, denominator) = frame.delay().numer_denom_ms();
        let image = DynamicImage::from(frame.into_buffer());
        let image = color::to_srgb(image, profile.clone())?;
        take(
            want.fitted(color::flat(image, want.gray))?,
            numerator / denominator.max(1),
        )?;
        is_empty = false;
    }
    if is_empty { Err(Kept::Broken) } else { Ok(()) }
}
