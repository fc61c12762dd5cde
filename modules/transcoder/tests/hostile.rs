//! Images that lie, are cut off, or are too large: an error or an image, never a panic, and nothing beyond the limit.
#![allow(clippy::unwrap_used)]

use image::ImageFormat;
use std::path::PathBuf;
use understudy_transcoder::{Kept, Made, Want, transcode};

const PIXELS: u64 = 1_000_000;

/// Each way through the module.
fn wants() -> [Want; 3] {
    let gray = Want {
        gray: true,
        ..Want::default()
    };
    [
        gray,
        Want {
            width: Some(10),
            ..gray
        },
        Want {
            webp: true,
            ..Want::default()
        },
    ]
}

fn images() -> Vec<(String, Vec<u8>)> {
    let place = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/images");
    let mut all: Vec<_> = std::fs::read_dir(place)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.display().to_string(), std::fs::read(&path).unwrap()))
        .collect();
    all.sort();
    all
}

/// What was made is an image of the type it is said to be, whole.
fn assert_whole(made: &Made, what: &str) {
    let format = ImageFormat::from_mime_type(made.kind).unwrap();
    image::load_from_memory_with_format(&made.bytes, format)
        .unwrap_or_else(|why| panic!("{what}: {why}"));
}

#[test]
fn an_image_that_is_cut_off_is_kept_or_makes_a_whole_one() {
    for (name, bytes) in images() {
        for length in (0..bytes.len()).step_by(11) {
            for want in wants() {
                if let Ok(made) = transcode(&bytes[..length], &want, PIXELS) {
                    // Palettes change without a look at the pixels: these are as broken as they were.
                    if made.kind != "image/gif" {
                        assert_whole(&made, &format!("{name} cut at {length}"));
                    }
                }
            }
        }
    }
}

#[test]
fn an_image_with_a_byte_changed_never_panics() {
    for (_, bytes) in images() {
        for at in (0..bytes.len()).step_by(3) {
            let mut changed = bytes.clone();
            changed[at] ^= [0x01, 0x80, 0xff, 0x10][at % 4];
            let _ = transcode(&changed, &wants()[at % 2], PIXELS);
        }
    }
}

#[test]
fn headers_that_promise_too_much_are_refused_whatever_is_behind_them() {
    let crc = |chunk: &[u8]| {
        !chunk.iter().fold(!0u32, |crc, byte| {
            (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
                (crc >> 1) ^ (0xedb8_8320 & (crc & 1).wrapping_neg())
            })
        })
    };
    let mut png = std::fs::read("tests/images/rgb.png").unwrap();
    png[16..24].copy_from_slice(&[0, 0, 0xc3, 0x50, 0, 0, 0xc3, 0x50]);
    let sum = crc(&png[12..29]).to_be_bytes();
    png[29..33].copy_from_slice(&sum);
    let mut gif = std::fs::read("tests/images/moving.gif").unwrap();
    gif[6..10].copy_from_slice(&[0xff; 4]);
    let mut jpeg = std::fs::read("tests/images/plain.jpg").unwrap();
    let frame = jpeg.windows(2).position(|m| m == [0xff, 0xc0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xff; 4]);
    for (name, bytes) in [("png", png), ("gif", gif), ("jpeg", jpeg)] {
        for want in wants() {
            let kept = transcode(&bytes, &want, 16_000_000).unwrap_err();
            assert_eq!(kept, Kept::Bomb, "{name} {want:?}");
        }
    }
}

#[test]
fn frames_count_together() {
    let moving = std::fs::read("tests/images/moving.webp").unwrap();
    let want = wants()[0];
    // Three frames of 24 by 16; each counts something beside its pixels.
    let enough = 3 * (24 * 16 + 1024);
    assert_eq!(
        transcode(&moving, &want, enough - 1).unwrap_err(),
        Kept::Bomb
    );
    assert!(transcode(&moving, &want, enough).is_ok());
}

#[test]
fn images_fit_in_proportion_and_never_grow() {
    for (from, width, height, to) in [
        ((40, 20), Some(20), None, (20, 10)),
        ((40, 20), None, Some(5), (10, 5)),
        ((40, 20), Some(30), Some(5), (10, 5)),
        ((40, 20), Some(80), Some(80), (40, 20)),
        ((40, 1), Some(4), None, (4, 1)),
        ((1, 300), None, Some(1), (1, 1)),
    ] {
        let noise = image::RgbImage::from_fn(from.0, from.1, |x, y| {
            image::Rgb([
                (x * 97 + y * 31) as u8,
                (x * 13 + y * 57) as u8,
                (x ^ y) as u8,
            ])
        });
        let mut png = Vec::new();
        noise
            .write_to(&mut std::io::Cursor::new(&mut png), ImageFormat::Png)
            .unwrap();
        let want = Want {
            gray: true,
            width,
            height,
            ..Want::default()
        };
        let made = transcode(&png, &want, PIXELS).unwrap();
        let made = image::load_from_memory(&made.bytes).unwrap();
        assert_eq!(
            (made.width(), made.height()),
            to,
            "{from:?} {width:?} {height:?}"
        );
    }
}

/// A GIF with so many frames of this size, on a screen of that one.
fn gif_of(frames: usize, (width, height): (u16, u16), screen: (u16, u16)) -> Vec<u8> {
    let pixels = vec![0; usize::from(width) * usize::from(height)];
    let frame = gif::Frame::from_palette_pixels(width, height, pixels, [200, 10, 10], None);
    let mut bytes = Vec::new();
    let mut encoder = gif::Encoder::new(&mut bytes, screen.0, screen.1, &[]).unwrap();
    (0..frames).for_each(|_| encoder.write_frame(&frame).unwrap());
    drop(encoder);
    bytes
}

#[test]
fn frames_larger_than_the_screen_count_as_what_they_are() {
    let bomb = gif_of(5, (900, 900), (10, 10));
    let fair = gif_of(1, (900, 900), (10, 10));
    for want in [
        Want {
            width: Some(5),
            gray: true,
            ..Want::default()
        },
        Want {
            webp: true,
            ..Want::default()
        },
    ] {
        assert_eq!(transcode(&bomb, &want, PIXELS).unwrap_err(), Kept::Bomb);
        assert!(transcode(&fair, &want, PIXELS).is_ok(), "{want:?}");
    }
}

#[test]
fn a_gif_that_fits_is_not_encoded_anew_for_the_way_it_might_be_turned() {
    let tall = gif_of(1, (10, 30), (10, 30));
    let gray = wants()[0];
    let fits = Want {
        width: Some(20),
        ..gray
    };
    let made = |want| transcode(&tall, want, PIXELS).unwrap().bytes;
    assert_eq!(made(&fits), made(&gray));
}
