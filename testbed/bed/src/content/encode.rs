//! Encoding of images: cut from a sheet, in the quality and the number of colours that sites use.

use super::{
    dice::Dice,
    image::Sheets,
    picture::{COLOURS, Cut},
};

/// What an image's length depends on, beside how many pixels it has.
pub(super) struct Aim {
    /// How long it should become.
    pub(super) target: f64,
    /// How many pixels that takes, by what was seen.
    pub(super) pixels: f64,
    /// The image's number.
    pub(super) number: usize,
}

/// How much of a sheet small images show.
fn stride(target: f64) -> usize {
    match target as u32 {
        0..3000 => 3,
        3000..16_000 => 2,
        _ => 1,
    }
}

pub(super) fn jpeg(dice: &mut Dice, sheets: &Sheets, aim: &Aim) -> Option<Vec<u8>> {
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

pub(super) fn png(dice: &mut Dice, sheets: &Sheets, aim: &Aim) -> Option<Vec<u8>> {
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

pub(super) fn gif(dice: &mut Dice, sheets: &Sheets, aim: &Aim) -> Option<Vec<u8>> {
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
pub(super) fn webp(dice: &mut Dice, sheets: &Sheets, aim: &Aim) -> Option<Vec<u8>> {
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
