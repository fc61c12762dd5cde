//! Lengths to the byte, where formats count in segments, blocks and words.
#![allow(clippy::unwrap_used)]

use super::{
    body::Maker,
    dice::Tag,
    image::{Album, Sheets},
    pool::{Chain, Noise},
};
use crate::{seed::Seed, world::Format};
use proptest::prelude::*;
use std::sync::LazyLock;

const SEED: Seed = Seed(7);

static NOISE: LazyLock<Noise> = LazyLock::new(|| Noise::new(SEED));
static GIF: LazyLock<Album> = LazyLock::new(|| Album::new(SEED, Format::Gif, &Sheets::new(SEED)));
static JPEG: LazyLock<Album> = LazyLock::new(|| Album::new(SEED, Format::Jpeg, &Sheets::new(SEED)));

fn image(album: &Album, tag: u64, len: u64) -> Vec<u8> {
    let mut maker = Maker::new(64);
    album.put(&mut maker, Tag(tag), len, &NOISE);
    let body = maker.finish().to_vec();
    assert_eq!(body.len() as u64, len);
    body
}

#[test]
fn a_gif_can_have_every_length() {
    // Every remainder of the comment's blocks of 256, many of them behind several images.
    for len in GIF.smallest()..GIF.smallest() + 600 {
        let body = image(&GIF, len, len);
        image::load_from_memory(&body).unwrap_or_else(|e| panic!("{len}: {e}"));
    }
}

#[test]
fn a_gif_s_comment_can_have_every_length() {
    for len in 0..1200 {
        let mut maker = Maker::new(4);
        super::padding::blocks(&mut maker, Tag(len), len, &NOISE);
        let comment = maker.finish().to_vec();
        // Its mark, the first block's length, the tag, and the end.
        assert_eq!(comment.len() as u64, len + 2 + 1 + 8 + 1, "{len}");
        let mut at = 2;
        while comment[at] != 0 {
            at += 1 + usize::from(comment[at]);
        }
        assert_eq!(at + 1, comment.len(), "{len}: the end is the end");
    }
}

#[test]
fn a_gif_far_above_the_largest_made_ahead_is_padded_in_whole_blocks() {
    let large = 3 << 20;
    for len in large..large + 260 {
        let body = image(&GIF, len, len);
        // Decoding all of them takes long; lengths are checked for each.
        if len % 64 < 3 {
            image::load_from_memory(&body).unwrap();
        }
    }
}

#[test]
fn a_jpeg_can_have_every_length_about_where_a_segment_is_full() {
    let largest = (100_000..400_000)
        .step_by(1000)
        .map(|len| padding(&image(&JPEG, 1, len)))
        .position(|padding| padding > 65_000);
    let from = 100_000 + 1000 * largest.unwrap() as u64;
    let around = from..from + 1600;
    let several: Vec<usize> = around
        .map(|len| segments(&image(&JPEG, 1, len)).len())
        .collect();
    assert!(several.contains(&1) && several.contains(&2));
}

/// The lengths of a JPEG's comments.
fn segments(bytes: &[u8]) -> Vec<usize> {
    let (mut at, mut found) = (2, Vec::new());
    while bytes[at + 1] != 0xda {
        assert_eq!(bytes[at], 0xff, "a marker at {at}");
        let length = usize::from(u16::from_be_bytes([bytes[at + 2], bytes[at + 3]]));
        if bytes[at + 1] == 0xfe {
            found.push(length);
        }
        at += 2 + length;
    }
    found
}

fn padding(bytes: &[u8]) -> usize {
    segments(bytes).iter().sum()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn images_have_the_length_they_are_to_have(tag: u64, more in 0u64..1_000_000) {
        image(&GIF, tag, GIF.smallest() + more);
        image(&JPEG, tag, JPEG.smallest() + more);
    }

    #[test]
    fn a_chain_gives_whole_blocks_in_turn_and_as_many_as_fit(
        lens in prop::collection::vec(1usize..20, 1..8),
        choice: u64,
        most in 0u64..200,
    ) {
        let mut blocks = lens.iter().enumerate();
        let chain = Chain::new(lens.iter().sum(), |out| {
            let (number, &len) = blocks.next().unwrap();
            out.extend(std::iter::repeat_n(number as u8, len));
        });
        let mut maker = Maker::new(0);
        let next = chain.put(&mut maker, choice, most) as usize;
        let mut expected = Vec::new();
        let mut number = (choice % lens.len() as u64) as usize;
        while expected.len() + lens[number] <= most as usize {
            expected.extend(std::iter::repeat_n(number as u8, lens[number]));
            number = (number + 1) % lens.len();
        }
        prop_assert_eq!(maker.finish().to_vec(), expected);
        prop_assert_eq!(next, number);
    }
}
