//! GIFs made gray without being decoded: their palettes change, and nothing else does.
//!
//! Frames, delays, disposal, transparency and the number of rounds stay as they were, so does the size, and a bomb has nothing to
//! unpack. Comments are left out.

use crate::transcode::{Kept, Made};
use gif::{ColorOutput, DecodeOptions, Decoder, Encoder, Repeat};

/// The GIF with its frames left as they are packed.
fn packed(bytes: &[u8]) -> Result<Decoder<&[u8]>, Kept> {
    let mut options = DecodeOptions::new();
    options.set_color_output(ColorOutput::Indexed);
    options.skip_frame_decoding(true);
    options.read_info(bytes).map_err(|_| Kept::Broken)
}

/// How many frames a GIF has, the pixels of all of them (one may be larger than the screen), and how often they are shown: that stands
/// before the first of them.
pub(crate) fn survey(bytes: &[u8]) -> Result<(u64, u64, Repeat), Kept> {
    let mut decoder = packed(bytes)?;
    let (mut frames, mut pixels) = (0, 0);
    while let Some(frame) = decoder.read_next_frame().map_err(|_| Kept::Broken)? {
        frames += 1;
        pixels += u64::from(frame.width) * u64::from(frame.height);
    }
    Ok((frames, pixels, decoder.repeat()))
}

/// The same GIF in gray.
pub(crate) fn gray(bytes: &[u8]) -> Result<Made, Kept> {
    let mut decoder = packed(bytes)?;
    let palette = decoder
        .global_palette()
        .map(gray_palette)
        .unwrap_or_default();
    let mut out = Vec::with_capacity(bytes.len());
    let mut encoder = Encoder::new(&mut out, decoder.width(), decoder.height(), &palette)
        .map_err(|_| Kept::Broken)?;
    let mut is_first = true;
    while let Some(frame) = decoder.read_next_frame().map_err(|_| Kept::Broken)? {
        let mut frame = frame.clone();
        frame.palette = frame.palette.as_deref().map(gray_palette);
        // What says how often it is shown stands before the first frame.
        if std::mem::take(&mut is_first) {
            encoder
                .set_repeat(decoder.repeat())
                .map_err(|_| Kept::Broken)?;
        }
        encoder
            .write_lzw_pre_encoded_frame(&frame)
            .map_err(|_| Kept::Broken)?;
    }
    drop(encoder);
    if is_first {
        return Err(Kept::Broken);
    }
    Ok(Made {
        bytes: out,
        kind: "image/gif",
    })
}

/// Luma of each colour, with the weights that the `image` crate uses for everything else (ITU-R BT.709).
fn gray_palette(palette: &[u8]) -> Vec<u8> {
    let luma = |c: &[u8]| {
        (2126 * u32::from(c[0]) + 7152 * u32::from(c[1]) + 722 * u32::from(c[2])) / 10_000
    };
    palette
        .chunks_exact(3)
        .flat_map(|color| [luma(color) as u8; 3])
        .collect()
}
