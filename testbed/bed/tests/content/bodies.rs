//! What holds for bodies of every format.

use crate::kit::{LIBRARY, SEED, WORLD, objects, packed};
use std::collections::HashSet;
use understudy_bed::{
    content::Library,
    seed::Seed,
    world::{Format, Object},
};

const KINDS: [&str; 8] = [
    "html", "page", "image", "other", "text", "download", "poster", "release",
];

fn some(count: u64) -> impl Iterator<Item = Object> {
    let kinds = KINDS.map(|kind| WORLD.workload().kind(kind).unwrap());
    kinds
        .into_iter()
        .flat_map(move |kind| (0..count).map(move |id| Object { kind, id }))
}

#[test]
fn length_is_told_exactly_and_is_the_same_in_every_version() {
    for object in some(40) {
        let told = LIBRARY.length(&WORLD, object);
        for version in [-3, 0, 1, 7] {
            let body = LIBRARY.body(&WORLD, object, version);
            let (format, size) = (WORLD.format(object), WORLD.size(object));
            assert_eq!(body.len(), told, "{format:?} of {size}");
            assert!(body.slices.iter().all(|slice| !slice.is_empty()));
        }
    }
}

#[test]
fn length_is_the_drawn_size_where_the_format_can_be_as_small() {
    let smallest = |format| match format {
        // As much as the references need: the pages' own test.
        Format::Html => 1500,
        Format::Jpeg | Format::Png | Format::WebP => 700,
        Format::Gif => 60,
        Format::Css | Format::JavaScript | Format::Json | Format::Text => 60,
        Format::Font => 1600,
        Format::Gzip => 1200,
        Format::Zip => 150,
    };
    for object in some(150) {
        let (format, size) = (WORLD.format(object), WORLD.size(object));
        let length = LIBRARY.length(&WORLD, object);
        if size < smallest(format) {
            assert!(length <= smallest(format), "{format:?} {size} {length}");
        } else if format == Format::WebP {
            assert_eq!(length, size.next_multiple_of(2));
        } else {
            assert_eq!(length, size, "{format:?}");
        }
    }
}

#[test]
fn no_two_objects_or_versions_have_equal_bodies() {
    let mut seen = HashSet::new();
    let mut count = 0;
    for object in some(60).filter(|&o| WORLD.size(o) < 100_000) {
        for version in [-1, 0, 1, 2] {
            seen.insert(LIBRARY.body(&WORLD, object, version).to_vec());
            count += 1;
        }
    }
    assert!(count > 1000);
    assert_eq!(seen.len(), count);
}

#[test]
fn a_version_before_is_told_from_the_one_now_within_the_first_bytes() {
    // A proxy that sends the old version's bytes is caught even when the answer breaks off early.
    for object in some(20) {
        let (old, new) = (
            LIBRARY.body(&WORLD, object, 1),
            LIBRARY.body(&WORLD, object, 2),
        );
        let old = old.to_vec();
        let differs = new.check(0, &old).unwrap();
        let format = WORLD.format(object);
        match format {
            // Their numbers stand behind the image; the images themselves differ where there is a choice.
            Format::Gif | Format::WebP => assert!(differs < new.len()),
            _ => assert!(differs < 700, "{format:?} {differs}"),
        }
    }
}

#[test]
fn the_same_seed_gives_the_same_bytes_from_a_library_of_its_own() {
    // All parts made at once, on threads.
    let other = Library::new(SEED);
    assert_eq!(other.digest(), LIBRARY.digest());
    for object in some(5) {
        let body = LIBRARY.body(&WORLD, object, 1);
        assert_eq!(other.body(&WORLD, object, 1).check(0, &body.to_vec()), None);
    }
    assert_ne!(
        Library::lazy(Seed(1964))
            .body(&WORLD, some(1).next().unwrap(), 1)
            .to_vec(),
        crate::kit::body(some(1).next().unwrap())
    );
}

#[test]
fn bodies_are_those_of_the_results_that_are_published() {
    // A change of these is a change of content: results from before it and after it are not of the same bytes. What encoders of other
    // crates make is not pinned, for a new version of theirs may make other bytes.
    let sums = ["html", "other", "text"].map(|kind| {
        let kind = WORLD.workload().kind(kind).unwrap();
        let mut crc = flate2::Crc::new();
        for id in 0..30 {
            crc.update(&LIBRARY.body(&WORLD, Object { kind, id }, 1).to_vec());
        }
        crc.sum()
    });
    assert_eq!(
        sums,
        [1_997_271_260, 1_219_061_287, 2_021_554_756],
        "html, other, text"
    );
}

#[test]
fn a_byte_that_is_wrong_is_found_wherever_it_is() {
    for object in some(8).filter(|&o| WORLD.size(o) < 400_000) {
        let body = LIBRARY.body(&WORLD, object, 1);
        let mut bytes = body.to_vec();
        assert_eq!(body.check(0, &bytes), None);
        for share in [0.0, 0.3, 0.6, 0.999] {
            let at = (share * bytes.len() as f64) as usize;
            bytes[at] ^= 1;
            assert_eq!(body.check(0, &bytes), Some(at as u64));
            assert_eq!(body.check(at as u64, &bytes[at..]), Some(at as u64));
            bytes[at] ^= 1;
        }
    }
}

/// How many times smaller gzip makes bodies of a format.
fn gain(kind: &str, format: Format) -> f64 {
    let bodies: Vec<Vec<u8>> = objects(kind, format, 20)
        .into_iter()
        .filter(|&o| WORLD.size(o) >= 4000)
        .map(crate::kit::body)
        .collect();
    let whole: usize = bodies.iter().map(Vec::len).sum();
    let packed: usize = bodies.iter().map(|b| packed(b)).sum();
    whole as f64 / packed as f64
}

#[test]
fn text_compresses_as_it_does_on_the_web() {
    for (kind, format, most) in [
        ("html", Format::Html, 5.0),
        ("page", Format::Html, 5.0),
        ("text", Format::Text, 5.0),
        ("other", Format::JavaScript, 6.0),
        ("other", Format::Css, 6.0),
        ("other", Format::Json, 6.0),
    ] {
        let gain = gain(kind, format);
        assert!((2.5..most).contains(&gain), "{kind} {format:?} {gain}");
    }
}

#[test]
fn images_and_archives_do_not_compress_again() {
    for (kind, format) in [
        ("image", Format::Jpeg),
        ("image", Format::Png),
        ("image", Format::Gif),
        ("image", Format::WebP),
        ("download", Format::Gzip),
        ("download", Format::Zip),
    ] {
        let gain = gain(kind, format);
        assert!((0.98..1.1).contains(&gain), "{kind} {format:?} {gain}");
    }
}
