//! The encoders: an image of eight bits a channel, gray or in colours, becomes bytes.

use crate::transcode::{Kept, Made};
use image::codecs::avif::AvifEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::{DynamicImage, ImageEncoder};
use jpeg_encoder::{ColorType, SamplingFactor};
use webp_animation::{AnimParams, EncoderOptions, EncodingConfig};

/// The quality of what is lossy, when none was asked for.
pub(crate) const QUALITY: u8 = 80;
/// Of the ten that there are: a megapixel takes a second or two.
const AVIF_SPEED: u8 = 8;

/// What an image is to become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Target {
    Jpeg,
    Png,
    WebP { lossless: bool },
    Avif,
}

/// One image.
pub(crate) fn still(
    image: &DynamicImage,
    target: Target,
    quality: Option<u8>,
) -> Result<Made, Kept> {
    let (width, height) = (image.width(), image.height());
    let lossy = quality.unwrap_or(QUALITY);
    let mut bytes = Vec::new();
    let kind = match target {
        Target::Jpeg => {
            let side = |n: u32| u16::try_from(n).map_err(|_| Kept::Broken);
            let mut encoder = jpeg_encoder::Encoder::new(&mut bytes, lossy);
            encoder.set_optimized_huffman_tables(true);
            encoder.set_sampling_factor(SamplingFactor::F_2_2);
            let color = if image.color().has_color() {
                ColorType::Rgb
            } else {
                ColorType::Luma
            };
            encoder
                .encode(image.as_bytes(), side(width)?, side(height)?, color)
                .map_err(|_| Kept::Broken)?;
            "image/jpeg"
        }
        Target::Png => {
            PngEncoder::new_with_quality(
                &mut bytes,
                CompressionType::Default,
                FilterType::Adaptive,
            )
            .write_image(image.as_bytes(), width, height, image.color().into())?;
            "image/png"
        }
        Target::WebP { .. } => {
            let mut webp = WebP::begin(image, target, quality, 0)?;
            webp.add(image.clone(), 0)?;
            return webp.end();
        }
        Target::Avif => {
            AvifEncoder::new_with_speed_quality(&mut bytes, AVIF_SPEED, lossy)
                .with_num_threads(Some(1))
                .write_image(image.as_bytes(), width, height, image.color().into())?;
            "image/avif"
        }
    };
    Ok(Made { bytes, kind })
}

/// A WebP, of one frame or of several: of one it is written as an image that stands still.
pub(crate) struct WebP {
    encoder: webp_animation::Encoder,
    /// When the next frame is shown.
    at: i32,
}

impl WebP {
    /// With frames like this one, shown in so many rounds (0: for ever).
    pub(crate) fn begin(
        first: &DynamicImage,
        target: Target,
        quality: Option<u8>,
        rounds: i32,
    ) -> Result<WebP, Kept> {
        let config = match target {
            // The lossless quality is how much work is put in.
            Target::WebP { lossless: true } => EncodingConfig {
                quality: 60.0,
                ..Default::default()
            },
            _ => EncodingConfig::new_lossy(f32::from(quality.unwrap_or(QUALITY))),
        };
        let options = EncoderOptions {
            anim_params: AnimParams { loop_count: rounds },
            encoding_config: Some(config),
            ..Default::default()
        };
        let encoder =
            webp_animation::Encoder::new_with_options((first.width(), first.height()), options);
        Ok(WebP {
            encoder: encoder.map_err(|_| Kept::Broken)?,
            at: 0,
        })
    }

    /// One more frame, shown for so long.
    pub(crate) fn add(&mut self, image: DynamicImage, milliseconds: u32) -> Result<(), Kept> {
        let pixels = image.into_rgba8();
        self.encoder
            .add_frame(&pixels, self.at)
            .map_err(|_| Kept::Broken)?;
        // Two frames at one time are refused; no client shows one for less than this either.
        let shown = i32::try_from(milliseconds.max(1)).map_err(|_| Kept::Broken)?;
        self.at = self.at.checked_add(shown).ok_or(Kept::Broken)?;
        Ok(())
    }

    pub(crate) fn end(self) -> Result<Made, Kept> {
        let data = self.encoder.finalize(self.at).map_err(|_| Kept::Broken)?;
        Ok(Made {
            bytes: data.to_vec(),
            kind: "image/webp",
        })
    }
}
