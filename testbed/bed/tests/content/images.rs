//! Images are what their type says, and decode.

use crate::kit::{body, objects};
use image::{AnimationDecoder as _, ImageFormat};
use std::io::Cursor;
use understudy_bed::world::Format;

const FORMATS: [(Format, ImageFormat); 4] = [
    (Format::Jpeg, ImageFormat::Jpeg),
    (Format::Png, ImageFormat::Png),
    (Format::Gif, ImageFormat::Gif),
    (Format::WebP, ImageFormat::WebP),
];

#[test]
fn images_of_every_size_decode_as_what_their_type_says() {
    for (format, known) in FORMATS {
        for (kind, count) in [("image", 20), ("poster", 4)] {
            for object in objects(kind, format, count) {
                let bytes = body(object);
                assert_eq!(image::guess_format(&bytes).unwrap(), known);
                let picture = image::load_from_memory_with_format(&bytes, known);
                let picture = picture.unwrap_or_else(|e| panic!("{format:?} {object:?}: {e}"));
                assert!(picture.width() >= 1 && picture.height() >= 1);
            }
        }
    }
}

#[test]
fn larger_images_show_something() {
    for (format, known) in FORMATS {
        for object in objects("poster", format, 3) {
            let picture = image::load_from_memory_with_format(&body(object), known).unwrap();
            assert!(picture.width() * picture.height() > 10_000);
            let colours: std::collections::HashSet<[u8; 3]> =
                picture.to_rgb8().pixels().map(|p| p.0).collect();
            let least = if matches!(format, Format::Png | Format::Gif) {
                5
            } else {
                500
            };
            assert!(colours.len() > least, "{format:?} {}", colours.len());
        }
    }
}

#[test]
fn images_of_about_a_size_differ() {
    for (format, known) in FORMATS {
        let pictures: std::collections::HashSet<Vec<u8>> = objects("image", format, 24)
            .into_iter()
            .map(|o| image::load_from_memory_with_format(&body(o), known))
            .map(|picture| picture.unwrap().to_rgb8().into_raw())
            .collect();
        assert!(pictures.len() > 14, "{format:?} {}", pictures.len());
    }
}

#[test]
fn padding_ends_where_the_image_does() {
    // A reader that walks segments, chunks and blocks comes out exactly at the end.
    for object in objects("image", Format::Png, 20) {
        let bytes = body(object);
        let mut at = 8;
        let mut last = Vec::new();
        while at < bytes.len() {
            let length = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
            last = bytes[at + 4..at + 8].to_vec();
            let mut crc = flate2::Crc::new();
            crc.update(&bytes[at + 4..at + 8 + length]);
            assert_eq!(crc.sum().to_be_bytes(), bytes[at + 8 + length..][..4]);
            at += 12 + length;
        }
        assert_eq!((at, &last[..]), (bytes.len(), &b"IEND"[..]));
    }
    for object in objects("image", Format::WebP, 20) {
        let bytes = body(object);
        let le = |at: usize| u32::from_le_bytes(bytes[at..at + 4].try_into().unwrap()) as usize;
        assert_eq!(le(4) + 8, bytes.len());
        let mut at = 12;
        while at < bytes.len() {
            at += 8 + le(at + 4).next_multiple_of(2);
        }
        assert_eq!(at, bytes.len());
    }
    for object in [
        objects("image", Format::Jpeg, 20),
        objects("poster", Format::Jpeg, 20),
    ]
    .concat()
    {
        let bytes = body(object);
        let mut at = 2;
        // Segments up to the start of scan.
        while bytes[at + 1] != 0xda {
            assert_eq!(bytes[at], 0xff);
            at += 2 + usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        }
        assert_eq!(bytes[bytes.len() - 2..], [0xff, 0xd9]);
    }
}

#[test]
fn the_comment_of_a_gif_ends_before_its_trailer() {
    // Sizes all alike but one, so that the comment's last block has every length there is.
    for object in objects("image", Format::Gif, 120) {
        let bytes = body(object);
        let mut options = gif::DecodeOptions::new();
        options.check_frame_consistency(true);
        let mut decoder = options.read_info(Cursor::new(&bytes)).unwrap();
        while decoder.read_next_frame().unwrap().is_some() {}
        assert_eq!(bytes.last(), Some(&0x3b));
        assert_eq!(behind_blocks(&bytes), bytes.len() - 1);
    }
}

/// Where the trailer is, by walking a GIF's blocks.
fn behind_blocks(bytes: &[u8]) -> usize {
    let table = |flags: u8| match flags & 0x80 {
        0 => 0,
        _ => 3 << ((flags & 7) + 1),
    };
    let mut at = 13 + table(bytes[10]);
    loop {
        match bytes[at] {
            0x21 => at += 2,
            0x2c => at += 11 + table(bytes[at + 9]),
            other => {
                assert_eq!(other, 0x3b);
                return at;
            }
        }
        while bytes[at] != 0 {
            at += 1 + usize::from(bytes[at]);
        }
        at += 1;
    }
}

#[test]
fn some_gifs_move() {
    let frames: Vec<usize> = objects("image", Format::Gif, 120)
        .into_iter()
        .map(|object| {
            let bytes = body(object);
            let decoder = image::codecs::gif::GifDecoder::new(Cursor::new(bytes)).unwrap();
            decoder.into_frames().collect_frames().unwrap().len()
        })
        .collect();
    let moving = frames.iter().filter(|&&f| f > 1).count();
    assert!((3..30).contains(&moving), "{moving} of {}", frames.len());
}
