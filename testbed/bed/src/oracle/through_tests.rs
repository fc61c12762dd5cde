//! Adaptations one by one and together, right and wrong.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::oracle::adapted::Picture;
use std::io::Write;

const PAGE: &[u8] = b"<html><head><title>a</title></head><body>words, words, words</body></html>";
const TEXT: &str = "<b>news</b>";

fn compressed() -> Meant {
    Meant {
        compressed: Some(false),
        gains: true,
        ..Meant::default()
    }
}

fn both() -> Meant {
    Meant {
        injected: Some((TEXT.into(), false)),
        ..compressed()
    }
}

fn gzip(body: &[u8]) -> Vec<u8> {
    let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::new(6));
    out.write_all(body).unwrap();
    out.finish().unwrap()
}

/// The page with this put behind its title.
fn with(text: &str) -> Vec<u8> {
    let at = PAGE.windows(7).position(|w| w == b"</head>").unwrap();
    [&PAGE[..at], text.as_bytes(), &PAGE[at..]].concat()
}

#[test]
fn each_adaptation_of_a_right_answer_has_its_fate() {
    use Adaptation::{Compressed, Injected};
    use Fate::{Adapted, Passed, Unasked, Unjudged};
    let all = Accept::All;
    for (name, answer, coding, accept, meant, fates) in [
        (
            "inflates",
            gzip(PAGE),
            Coding::Gzip,
            all,
            compressed(),
            vec![(Compressed, Adapted)],
        ),
        (
            "plain",
            PAGE.to_vec(),
            Coding::Plain,
            all,
            compressed(),
            vec![(Compressed, Passed)],
        ),
        (
            "plain for who does not ask",
            PAGE.to_vec(),
            Coding::Plain,
            Accept::Nothing,
            compressed(),
            vec![(Compressed, Unasked)],
        ),
        (
            "injected and compressed",
            gzip(&with(TEXT)),
            Coding::Gzip,
            Accept::Gzip,
            both(),
            vec![(Compressed, Adapted), (Injected, Adapted)],
        ),
        (
            "compressed alone",
            gzip(PAGE),
            Coding::Gzip,
            all,
            both(),
            vec![(Compressed, Adapted), (Injected, Passed)],
        ),
        (
            "injected alone",
            with(TEXT),
            Coding::Plain,
            Accept::Nothing,
            both(),
            vec![(Compressed, Unasked), (Injected, Adapted)],
        ),
    ] {
        let found = through(PAGE, &answer, coding, accept, &meant);
        assert_eq!(found.fates, fates, "{name}");
        assert_eq!((found.faults, found.why), (vec![], None), "{name}");
    }
    let found = unchanged(&both(), Accept::All);
    assert_eq!(found.fates, [(Compressed, Passed), (Injected, Passed)]);
    assert!(found.may_be_as_it_was());
    assert!(!unchanged(&compressed(), Accept::All).may_be_as_it_was());
    for (fate, may_be) in [(Unjudged, true), (Passed, true), (Adapted, false)] {
        let found = Judged::all(&both(), Coding::Gzip, fate);
        assert_eq!(found.may_be_as_it_was(), may_be, "{fate:?}");
        let found = Judged::all(&compressed(), Coding::Gzip, fate);
        assert!(!found.may_be_as_it_was(), "{fate:?}");
    }
}

#[test]
fn what_is_wrong_is_told_of_the_adaptation_that_did_it() {
    use Adaptation::{Compressed, Injected};
    let mut damaged = PAGE.to_vec();
    damaged[20] ^= 1;
    let mut torn = with(TEXT);
    torn[60] ^= 1;
    let bomb = gzip(&vec![b'a'; 1 << 20]);
    for (name, answer, coding, accept, meant, wrong) in [
        (
            "a byte",
            gzip(&damaged),
            Coding::Gzip,
            Accept::All,
            compressed(),
            Compressed,
        ),
        (
            "cut off",
            gzip(PAGE)[..30].to_vec(),
            Coding::Gzip,
            Accept::All,
            compressed(),
            Compressed,
        ),
        (
            "not asked for",
            gzip(PAGE),
            Coding::Gzip,
            Accept::Nothing,
            compressed(),
            Compressed,
        ),
        (
            "another coding",
            gzip(PAGE),
            Coding::Br,
            Accept::Gzip,
            compressed(),
            Compressed,
        ),
        (
            "an unknown coding",
            gzip(PAGE),
            Coding::Other,
            Accept::All,
            compressed(),
            Compressed,
        ),
        (
            "a bomb",
            bomb,
            Coding::Gzip,
            Accept::All,
            both(),
            Compressed,
        ),
        (
            "half of the text",
            with("<b>ne"),
            Coding::Plain,
            Accept::All,
            both(),
            Injected,
        ),
        (
            "twice",
            with("<b>news</b><b>news</b>"),
            Coding::Plain,
            Accept::All,
            both(),
            Injected,
        ),
        (
            "another text",
            gzip(&with("<b>olds</b>")),
            Coding::Gzip,
            Accept::All,
            both(),
            Injected,
        ),
        (
            "a byte beside it",
            gzip(&torn),
            Coding::Gzip,
            Accept::All,
            both(),
            Injected,
        ),
    ] {
        let found = through(PAGE, &answer, coding, accept, &meant);
        assert!(
            found.fates.contains(&(wrong, Fate::Wrong)),
            "{name}: {found:?}"
        );
        let each = [meant.compressed.is_some(), meant.injected.is_some()];
        let each = each.into_iter().filter(|there| *there).count();
        assert_eq!(found.fates.len(), each, "{name}: {found:?}");
        assert_eq!(found.faults, [Fault::WronglyAdapted], "{name}");
        assert!(found.why.unwrap().starts_with(wrong.name()), "{name}");
    }
    // Without a coding and without a text it is as ever.
    let found = through(PAGE, &damaged, Coding::Plain, Accept::All, &compressed());
    assert_eq!(found.faults, [Fault::WrongBytes]);
}

#[test]
fn what_must_be_adapted_and_was_not_is_a_fault() {
    let must = |meant: Meant| Meant {
        compressed: meant.compressed.map(|_| true),
        injected: meant.injected.map(|(text, _)| (text, true)),
        ..meant
    };
    assert_eq!(
        unchanged(&must(compressed()), Accept::All).faults,
        [Fault::NotAdapted]
    );
    // Who does not ask gets what he asks for.
    assert_eq!(unchanged(&must(compressed()), Accept::Nothing).faults, []);
    let found = through(PAGE, &gzip(PAGE), Coding::Gzip, Accept::All, &must(both()));
    assert_eq!(found.faults, [Fault::NotAdapted]);
    let image = Meant {
        gray: Some((Picture::default(), true)),
        compressed: Some(true),
        ..Meant::default()
    };
    assert_eq!(unchanged(&image, Accept::All).faults, [Fault::NotAdapted]);
    assert_eq!(
        unchanged(&image, Accept::All).fates,
        [(Adaptation::Gray, Fate::Passed)]
    );
}
