//! Each fault and each innocent look-alike, as tables.
#![allow(clippy::unwrap_used)]

use super::*;
use image::{ImageFormat, Rgb, RgbImage, codecs::jpeg::JpegEncoder};
use std::io::Write;

/// A picture of colours; another `kind` is another picture.
fn picture(kind: u32, width: u32, height: u32) -> RgbImage {
    RgbImage::from_fn(width, height, |x, y| {
        let (x, y) = (x * 255 / width, y * 255 / height);
        match kind {
            0 => Rgb([x as u8, y as u8, 90]),
            _ => Rgb([255 - x as u8, (x ^ y) as u8, 200]),
        }
    })
}

fn written(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    image.write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn jpeg(image: &DynamicImage, quality: u8) -> Vec<u8> {
    let mut out = Vec::new();
    image
        .write_with_encoder(JpegEncoder::new_with_quality(&mut out, quality))
        .unwrap();
    out
}

#[test]
fn a_gray_picture_is_the_grays_of_the_original() {
    let colours: DynamicImage = picture(0, 96, 64).into();
    let gray: DynamicImage = colours.to_luma8().into();
    let original = jpeg(&colours, 85);
    let smaller: DynamicImage = gray.resize_exact(48, 32, imageops::FilterType::Lanczos3);
    let as_is = Picture::default();
    let half = Picture {
        within: Some((48, 48)),
        ..as_is
    };
    // Rec. 601 weighs colours otherwise than the image crate does: that is no fault of a proxy.
    let otherwise: DynamicImage = GrayImage::from_fn(96, 64, |x, y| {
        let [r, g, b] = colours.to_rgb8().get_pixel(x, y).0.map(f64::from);
        image::Luma([(0.299 * r + 0.587 * g + 0.114 * b) as u8])
    })
    .into();
    for (name, answer, want) in [
        ("gray JPEG", jpeg(&gray, 80), as_is),
        ("gray JPEG of low quality", jpeg(&gray, 30), as_is),
        (
            "gray in three channels",
            jpeg(&gray.to_rgb8().into(), 80),
            as_is,
        ),
        ("gray PNG", written(&gray, ImageFormat::Png), as_is),
        ("other weights", jpeg(&otherwise, 80), as_is),
        ("made smaller", jpeg(&smaller, 80), half),
    ] {
        assert_eq!(
            super::gray(&original, &answer, want),
            Ok(Seen::Adapted),
            "{name}"
        );
    }
    assert_eq!(
        super::gray(&original, &original, as_is),
        Ok(Seen::Passed),
        "the original"
    );
}

#[test]
fn what_is_wrong_with_a_picture_is_told() {
    let colours: DynamicImage = picture(0, 96, 64).into();
    let gray: DynamicImage = colours.to_luma8().into();
    let another: DynamicImage = DynamicImage::from(picture(1, 96, 64)).to_luma8().into();
    let original = jpeg(&colours, 85);
    let good = jpeg(&gray, 80);
    let told = |answer: &[u8]| super::gray(&original, answer, Picture::default()).unwrap_err();
    let mut upside_down = gray.clone();
    upside_down.apply_orientation(image::metadata::Orientation::Rotate180);
    assert!(matches!(told(b""), Wrong::NoPicture(_)));
    assert!(matches!(
        told(b"<html>502 Bad Gateway"),
        Wrong::NoPicture(_)
    ));
    assert!(matches!(told(&good[..40]), Wrong::NoPicture(_)));
    assert!(matches!(told(&jpeg(&colours, 60)), Wrong::Colours(..)));
    assert!(matches!(told(&jpeg(&another, 80)), Wrong::Picture(..)));
    assert!(matches!(told(&jpeg(&upside_down, 80)), Wrong::Picture(..)));
    let narrow = gray.resize_exact(90, 64, imageops::FilterType::Triangle);
    assert_eq!(told(&jpeg(&narrow, 80)), Wrong::Dimensions(90, 64, 96, 64));
    assert!(matches!(
        super::gray(b"noise", &good, Picture::default()),
        Err(Wrong::Original(_))
    ));
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    out.write_all(body).unwrap();
    out.finish().unwrap()
}

fn br(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    brotli::CompressorWriter::new(&mut out, 4096, 4, 20)
        .write_all(body)
        .unwrap();
    out
}

fn zstandard(body: &[u8]) -> Vec<u8> {
    zstd::encode_all(body, 3).unwrap()
}

#[test]
fn a_compressed_body_inflates_to_the_original() {
    let original = b"fn main() { println!(\"one, two\"); }\n".repeat(200);
    let mut other = original.clone();
    other[1000] ^= 1;
    let longer = [&original[..], b"\n"].concat();
    type Compress = fn(&[u8]) -> Vec<u8>;
    for (coding, compress) in [("gzip", gzip as Compress), ("br", br), ("zstd", zstandard)] {
        let body = compress(&original);
        let told = |body: &[u8]| compressed(&original, body, coding);
        assert_eq!(told(&body), Ok(Seen::Adapted), "{coding}");
        assert_eq!(told(&compress(&other)), Err(Wrong::Inflated(1000)));
        assert_eq!(
            told(&compress(&original[..100])),
            Err(Wrong::Length(100, original.len()))
        );
        assert_eq!(
            told(&compress(&longer)),
            Err(Wrong::Length(original.len() + 1, original.len()))
        );
        for cut in [0, 5, body.len() / 2, body.len() - 1] {
            assert!(told(&body[..cut]).is_err(), "{coding} cut at {cut}");
        }
        // The original under a label that it does not have.
        assert!(told(&original).is_err(), "{coding}");
    }
    assert_eq!(compressed(&original, &original, ""), Ok(Seen::Passed));
    assert_eq!(
        compressed(&original, &other, "identity"),
        Err(Wrong::Inflated(1000))
    );
    assert_eq!(
        compressed(&original, &original, "deflate"),
        Err(Wrong::Coding("deflate".into()))
    );
}

#[test]
fn a_page_without_the_text_is_the_original() {
    let page = b"<html><body><p>aab</p></body></html>";
    for (text, at) in [
        ("<b>news</b>", 0),
        ("<b>news</b>", 12),
        ("<b>news</b>", page.len()),
        // These begin or end as what is around them does.
        ("<body", 6),
        ("aa", 16),
        ("p>", 13),
    ] {
        let text = text.as_bytes();
        let right = [&page[..at], text, &page[at..]].concat();
        assert_eq!(injected(page, &right, text), Ok(Seen::Adapted), "at {at}");
        let mut wrong = right.clone();
        wrong[14] ^= 0x20;
        assert!(injected(page, &wrong, text).is_err(), "at {at}");
        let twice = [&right[..], text].concat();
        assert_eq!(
            injected(page, &twice, text),
            Err(Wrong::PageLength(twice.len(), right.len()))
        );
    }
    assert_eq!(injected(page, page, b"text"), Ok(Seen::Passed));
}
