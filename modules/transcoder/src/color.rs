//! Colours: any profile becomes sRGB, any depth eight bits, and colours become gray where that is wanted.
//!
//! Invariant: what leaves here needs no profile. That is why none is written: a gray image may not carry a profile for colours, AVIF
//! and GIF have no place for one here, and a profile is often larger than what was saved.

use crate::transcode::Kept;
use image::DynamicImage;
use moxcms::{ColorProfile, DataColorSpace, Layout, TransformOptions};

/// The image in sRGB. A profile for another number of channels than the image has (CMYK above all) is not guessed at.
pub(crate) fn to_srgb(image: DynamicImage, profile: Option<Vec<u8>>) -> Result<DynamicImage, Kept> {
    let Some(profile) = profile else {
        return Ok(image);
    };
    let profile = ColorProfile::new_from_slice(&profile).map_err(|_| Kept::Broken)?;
    let (has_color, has_alpha) = (image.color().has_color(), image.color().has_alpha());
    let space = if has_color {
        DataColorSpace::Rgb
    } else {
        DataColorSpace::Gray
    };
    if profile.color_space != space {
        return Err(Kept::Unsupported);
    }
    let from = match (has_color, has_alpha) {
        (true, true) => Layout::Rgba,
        (true, false) => Layout::Rgb,
        (false, true) => Layout::GrayAlpha,
        (false, false) => Layout::Gray,
    };
    let (to, channels) = if has_alpha {
        (Layout::Rgba, 4)
    } else {
        (Layout::Rgb, 3)
    };
    let transform = profile
        .create_transform_8bit(
            from,
            &ColorProfile::new_srgb(),
            to,
            TransformOptions::default(),
        )
        .map_err(|_| Kept::Broken)?;
    let (width, height) = (image.width(), image.height());
    let source = flat(image, !has_color).into_bytes();
    let mut srgb = vec![0; width as usize * height as usize * channels];
    transform
        .transform(&source, &mut srgb)
        .map_err(|_| Kept::Broken)?;
    let image = if has_alpha {
        image::RgbaImage::from_raw(width, height, srgb).map(DynamicImage::from)
    } else {
        image::RgbImage::from_raw(width, height, srgb).map(DynamicImage::from)
    };
    image.ok_or(Kept::Broken)
}

/// Eight bits a channel, with alpha if it has one, gray or in colours.
pub(crate) fn flat(image: DynamicImage, gray: bool) -> DynamicImage {
    match (gray, image.color().has_alpha()) {
        (true, true) => image.into_luma_alpha8().into(),
        (true, false) => image.into_luma8().into(),
        (false, true) => image.into_rgba8().into(),
        (false, false) => image.into_rgb8().into(),
    }
}
