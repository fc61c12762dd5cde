//! Fonts are fonts.

use crate::kit::{body, objects};
use understudy_bed::world::Format;

#[test]
fn fonts_parse_and_have_their_letters() {
    for object in objects("other", Format::Font, 30) {
        let bytes = body(object);
        let face = ttf_parser::Face::parse(&bytes, 0).unwrap();
        assert_eq!(face.units_per_em(), 1000);
        let letters = face.number_of_glyphs() - 1;
        assert!(letters >= 4);
        for place in [0, letters - 1] {
            let letter = char::from_u32(0x21 + u32::from(place)).unwrap();
            let glyph = face.glyph_index(letter).unwrap();
            assert_eq!(glyph.0, place + 1);
            assert!(face.glyph_bounding_box(glyph).is_some());
            assert!(face.glyph_hor_advance(glyph).unwrap() >= 500);
        }
        assert!(face.glyph_index('\u{20}').is_none());
        let names: Vec<String> = face
            .names()
            .into_iter()
            .filter_map(|n| n.to_string())
            .collect();
        assert!(names.contains(&"Bed Regular".to_owned()));
    }
}

#[test]
fn checksums_of_tables_and_of_the_file_hold() {
    fn sum(bytes: &[u8]) -> u32 {
        bytes.chunks(4).fold(0, |sum, word| {
            let mut whole = [0; 4];
            whole[..word.len()].copy_from_slice(word);
            sum.wrapping_add(u32::from_be_bytes(whole))
        })
    }
    for object in objects("other", Format::Font, 30) {
        let bytes = body(object);
        let be = |at: usize| u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
        assert_eq!(sum(&bytes), 0xb1b0_afba);
        let count = usize::from(u16::from_be_bytes([bytes[4], bytes[5]]));
        let mut end = 0;
        let mut names = Vec::new();
        for entry in (12..12 + 16 * count).step_by(16) {
            let (offset, length) = (be(entry + 8) as usize, be(entry + 12) as usize);
            let mut table = bytes[offset..offset + length].to_vec();
            let name = bytes[entry..entry + 4].to_vec();
            if name == b"head" {
                table[8..12].fill(0);
            }
            assert_eq!(sum(&table), be(entry + 4), "{}", name.escape_ascii());
            assert_eq!(offset % 4, 0);
            end = end.max(offset + length);
            names.push(name);
        }
        assert_eq!(end, bytes.len());
        assert!(names.is_sorted());
    }
}
