//! The streams alone: every cutting of every body, truncation, garbage, bombs.
#![allow(clippy::unwrap_used)]

use super::{Coding, Decoder, Encoder, GRACE};
use proptest::prelude::*;

/// Compressed in these pieces.
fn encoded(coding: Coding, level: u32, pieces: &[&[u8]], flush: bool) -> Vec<u8> {
    let mut encoder = Encoder::new(coding, level).unwrap();
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(encoder.push(piece, flush).unwrap());
    }
    out.extend(encoder.finish(b"").unwrap());
    out
}

fn decoded(coding: Coding, pieces: &[&[u8]], ratio: usize) -> std::io::Result<Vec<u8>> {
    let mut decoder = Decoder::new(coding)?;
    let mut out = Vec::new();
    for piece in pieces {
        out.extend(decoder.push(piece, ratio, false)?);
    }
    out.extend(decoder.push(b"", ratio, true)?);
    Ok(out)
}

/// Cut at these places.
fn cut<'a>(mut bytes: &'a [u8], at: &[usize]) -> Vec<&'a [u8]> {
    let mut pieces = Vec::new();
    for place in at {
        let (piece, rest) = bytes.split_at(place % (bytes.len() + 1));
        pieces.push(piece);
        bytes = rest;
    }
    pieces.push(bytes);
    pieces
}

/// Bodies with repetitions, as text has them, and without.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::collection::vec("[a-e ]{1,9}", 0..1500);
    prop_oneof![
        words.clone().prop_map(|words| words.concat().into_bytes()),
        words.prop_map(|words| words.concat().repeat(20).into_bytes()),
        prop::collection::vec(any::<u8>(), 0..4000),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn what_went_in_comes_out_however_it_is_cut_and_flushed(
        body in body(),
        into in prop::collection::vec(any::<usize>(), 0..8),
        out_of in prop::collection::vec(any::<usize>(), 0..8),
        flush in any::<bool>(),
        level in 1_u32..=6,
    ) {
        for coding in Coding::ALL {
            let encoded = encoded(coding, level, &cut(&body, &into), flush);
            prop_assert_eq!(&decoded(coding, &cut(&encoded, &out_of), 2000).unwrap(), &body);
        }
    }

    #[test]
    fn without_flushing_cuts_leave_no_trace(body in body(), at in prop::collection::vec(any::<usize>(), 0..8)) {
        for coding in Coding::ALL {
            for level in [*coding.levels().start(), 4, 6] {
                let whole = encoded(coding, level, &[&body], false);
                prop_assert_eq!(encoded(coding, level, &cut(&body, &at), false), whole);
            }
        }
    }

    #[test]
    fn garbage_is_refused_or_decoded_but_never_fatal(bytes in prop::collection::vec(any::<u8>(), 1..400), keep in any::<usize>()) {
        for coding in Coding::ALL {
            // Right at first, then not: of a stream that begins well.
            let mut start = encoded(coding, 1, &[b"a body that begins well and goes on"], true);
            start.truncate(keep % start.len());
            start.extend(&bytes);
            let _ = decoded(coding, &[&start], 200);
        }
    }
}

/// Each flush is readable at once: a page that trickles still does.
#[test]
fn what_is_flushed_can_be_read() {
    for coding in Coding::ALL {
        let mut encoder = Encoder::new(coding, 4).unwrap();
        let mut decoder = Decoder::new(coding).unwrap();
        for n in 0..50 {
            let line = format!("<p>line {n}</p>\n");
            let sent = encoder.push(line.as_bytes(), true).unwrap();
            let read = decoder.push(&sent, 200, false).unwrap();
            assert_eq!(read, line.as_bytes(), "{coding:?}");
        }
    }
}

#[test]
fn a_body_that_was_cut_off_is_refused() {
    for coding in Coding::ALL {
        let whole = encoded(coding, 4, &[&b"0123456789".repeat(100)], false);
        for length in 1..whole.len() {
            let cut = decoded(coding, &[&whole[..length]], 200);
            assert!(cut.is_err(), "{coding:?}: {length} of {}", whole.len());
        }
        assert!(decoded(coding, &[&whole], 200).is_ok());
    }
}

#[test]
fn two_gzip_members_are_one_body() {
    let one = encoded(Coding::Gzip, 6, &[b"one, "], false);
    let two = encoded(Coding::Gzip, 6, &[b"two"], false);
    let both = decoded(Coding::Gzip, &[&one, &two], 200).unwrap();
    assert_eq!(both, b"one, two");
}

#[test]
fn a_bomb_is_refused_before_it_fills_the_memory() {
    for coding in Coding::ALL {
        let bomb = encoded(coding, 3, &[&vec![0; 8 << 20]], false);
        let refused = decoded(coding, &[&bomb], 200).unwrap_err();
        assert!(
            refused.to_string().contains("max_ratio"),
            "{coding:?}: {refused}"
        );
        // As far as the ratio allows, whatever the size.
        let fair = encoded(coding, 3, &[&vec![0; GRACE]], false);
        assert_eq!(decoded(coding, &[&fair], 1).unwrap().len(), GRACE);
    }
}

/// Some origins say a coding of no bytes at all.
#[test]
fn nothing_decodes_to_nothing() {
    for coding in Coding::ALL {
        assert_eq!(decoded(coding, &[], 200).unwrap(), b"", "{coding:?}");
    }
}
