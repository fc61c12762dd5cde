//! Parts: what a Content-Range may say, what may be joined, and that joined parts are the bytes of the original.

use crate::support::{Head, SUN, SUN_06_NOV, date, head};
use proptest::prelude::*;
use understudy_http::semantics::range::content_range::{
    ContentRange, PartRefusal, PartRefusal::*, storable,
};
use understudy_http::semantics::range::parts::{
    CombineRefusal, CombineRefusal::*, MOST_SPANS, Piece, bounded, cover, is_whole, join,
    may_combine, may_keep_incomplete, missing, spans,
};
use understudy_http::semantics::range::{ByteSpan, multipart};

fn span(first: u64, last: u64) -> ByteSpan {
    ByteSpan::of(first, last).unwrap()
}

#[test]
fn a_content_range_is_read() {
    for (value, first, last, complete) in [
        ("bytes 0-0/1", 0, 0, Some(1)),
        ("bytes 4-8/10", 4, 8, Some(10)),
        ("BYTES 4-8/10", 4, 8, Some(10)),
        ("bytes 4-9/*", 4, 9, None),
        (
            "bytes 0-18446744073709551613/18446744073709551614",
            0,
            u64::MAX - 2,
            Some(u64::MAX - 1),
        ),
    ] {
        let span = span(first, last);
        let range = ContentRange { span, complete };
        assert_eq!(ContentRange::parse(value.as_bytes()), Ok(range), "{value}");
    }
}

#[test]
fn a_content_range_that_makes_no_sense_is_refused() {
    let refused = |value: &str, why: PartRefusal| {
        assert_eq!(ContentRange::parse(value.as_bytes()), Err(why), "{value}");
    };
    for value in [
        "",
        "bytes",
        "bytes ",
        "bytes 0-4",
        "bytes */10",
        "bytes 0-/10",
        "bytes -4/10",
        "bytes 0-4/",
        "bytes a-4/10",
        "bytes 0-4/a",
        "bytes=0-4/10",
        "items 0-4/10",
        "0-4/10",
        "bytes 0 -4/10",
        "bytes 0-4/10, bytes 5-6/10",
        "bytes +0-4/10",
        "bytes 0-99999999999999999999/*",
        "bytes 0-4/99999999999999999999",
    ] {
        refused(value, Malformed);
    }
    for value in [
        "bytes 4-3/10",
        "bytes 0-10/10",
        "bytes 10-10/10",
        "bytes 0-0/0",
        "bytes 0-18446744073709551615/*",
    ] {
        refused(value, Invalid);
    }
}

#[test]
fn a_part_is_kept_only_when_what_it_says_is_true() {
    let check =
        |fields: &str, content: Option<u64>, expected: Result<(u64, u64, u64), PartRefusal>| {
            let expected = expected.map(|(first, last, complete)| (span(first, last), complete));
            assert_eq!(
                storable(head(fields).fields(), content),
                expected,
                "{fields} {content:?}"
            );
        };
    let said = "Content-Range: bytes 4-8/10";
    check(said, Some(5), Ok((4, 8, 10)));
    check(said, None, Ok((4, 8, 10)));
    check(said, Some(4), Err(Untrue));
    check(said, Some(6), Err(Untrue));
    check("", Some(5), Err(Absent));
    check("Content-Range: bytes 4-8/*", Some(5), Err(Unknown));
    check("Content-Range: bytes 8-4/10", Some(5), Err(Invalid));
    check(&format!("{said}\n{said}"), Some(5), Err(Malformed));
}

#[test]
fn only_one_strong_validator_joins_parts() {
    let check = |a: &str, b: &str, expected: Result<(), CombineRefusal>| {
        let (one, other) = (head(a), head(b));
        let both = |x: &Head, y: &Head| may_combine(x.fields(), Some(10), y.fields(), Some(10));
        assert_eq!(both(&one, &other), expected, "{a} / {b}");
        assert_eq!(both(&other, &one), expected, "{b} / {a}");
    };
    check("ETag: \"a\"", "ETag: \"a\"", Ok(()));
    check("ETag: \"a\"", "ETag: \"b\"", Err(Different));
    check("ETag: W/\"a\"", "ETag: W/\"a\"", Err(Weak));
    check("ETag: W/\"a\"", "ETag: \"a\"", Err(Weak));
    check("ETag: a", "ETag: a", Err(Weak));
    check("", "", Err(Weak));
    check("ETag: \"a\"", "", Err(Weak));
    let modified = |at: i64, sent: i64| {
        let (at, sent) = (date(SUN_06_NOV + at), date(SUN_06_NOV + sent));
        format!("Last-Modified: {at}\nDate: {sent}")
    };
    check(&modified(0, 9), &modified(0, 99), Ok(()));
    check(&modified(0, 9), &modified(1, 99), Err(Different));
    // Within the second of Date it may have been changed twice.
    check(&modified(0, 0), &modified(0, 99), Err(Weak));
    check(
        &format!("Last-Modified: {SUN}"),
        &modified(0, 99),
        Err(Weak),
    );
    // A tag on one side is no match for a date on the other.
    check("ETag: \"a\"", &modified(0, 99), Err(Different));
    // A weak tag says that the bytes may differ, whatever the date.
    let weak = format!("ETag: W/\"a\"\n{}", modified(0, 99));
    check(&weak, &weak, Err(Weak));
}

#[test]
fn parts_of_wholes_of_different_lengths_are_not_joined() {
    let tagged = head("ETag: \"a\"");
    let check = |a, b| may_combine(tagged.fields(), a, tagged.fields(), b);
    assert_eq!(check(Some(10), Some(11)), Err(Length));
    assert_eq!(check(None, None), Err(Length));
}

#[test]
fn what_broke_off_is_kept_when_it_can_be_completed() {
    let good = "ETag: \"a\"\nAccept-Ranges: bytes";
    let check = |status, fields: &str, length, kept| {
        let is = may_keep_incomplete(status, head(fields).fields(), length, false);
        assert_eq!(is, kept, "{status} {fields} {length:?}");
    };
    check(200, good, Some(10), true);
    check(200, "ETag: \"a\"\nAccept-Ranges: x, Bytes", Some(10), true);
    assert!(may_keep_incomplete(
        200,
        head("ETag: \"a\"").fields(),
        Some(10),
        true
    ));
    assert!(!may_keep_incomplete(200, head("").fields(), Some(10), true));
    check(200, good, None, false);
    check(200, good, Some(0), false);
    check(404, good, Some(10), false);
    check(200, "ETag: W/\"a\"\nAccept-Ranges: bytes", Some(10), false);
    check(200, "ETag: \"a\"", Some(10), false);
    check(200, "ETag: \"a\"\nAccept-Ranges: none", Some(10), false);
}

#[test]
fn what_is_missing_reaches_from_the_first_gap_to_the_last() {
    let check = |held: &[(u64, u64)], expected: Option<(u64, u64)>| {
        let held: Vec<ByteSpan> = held.iter().map(|(a, b)| span(*a, *b)).collect();
        let expected = expected.map(|(a, b)| span(a, b));
        assert_eq!(missing(&held, 10), expected, "{held:?}");
    };
    check(&[], Some((0, 9)));
    check(&[(0, 4)], Some((5, 9)));
    check(&[(5, 9)], Some((0, 4)));
    check(&[(3, 4)], Some((0, 9)));
    check(&[(0, 2), (8, 9)], Some((3, 7)));
    check(&[(0, 2), (4, 5), (8, 9)], Some((3, 7)));
    check(&[(0, 9)], None);
}

#[test]
fn a_multipart_length_is_what_is_written() {
    let parts = [span(0, 4), span(100, 299)];
    for kind in [None, Some(&b"text/plain"[..])] {
        let mut out = Vec::new();
        for part in parts {
            multipart::delimiter("b", kind, part, 300, &mut out);
            out.resize(out.len() + part.len() as usize, b'x');
        }
        multipart::close_delimiter("b", &mut out);
        assert_eq!(multipart::length("b", kind, &parts, 300), out.len() as u64);
    }
}

/// The original: every byte tells its place.
fn original(length: u64) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + at / 251) as u8).collect()
}

/// Bytes held, by span, joined as the cache does.
#[derive(Default)]
struct Held(Vec<(ByteSpan, Vec<u8>)>);

impl Held {
    fn spans(&self) -> Vec<ByteSpan> {
        self.0.iter().map(|(span, _)| *span).collect()
    }

    fn slice(&self, wanted: ByteSpan) -> Option<Vec<u8>> {
        let (span, bytes) = self.0.iter().find(|(span, _)| span.contains(&wanted))?;
        let from = (wanted.first() - span.first()) as usize;
        Some(bytes[from..from + wanted.len() as usize].to_vec())
    }

    fn put(&mut self, new: ByteSpan, bytes: &[u8]) {
        let pieces = bounded(join(&self.spans(), new));
        let mut joined = Held::default();
        for span in spans(&pieces) {
            let mut body = Vec::new();
            for piece in pieces.iter().filter(|piece| span.contains(&piece.span())) {
                match piece {
                    Piece::Old(old) => body.extend(self.slice(*old).unwrap()),
                    Piece::New(_) => body.extend_from_slice(bytes),
                }
            }
            joined.0.push((span, body));
        }
        *self = joined;
    }
}

proptest! {
    #[test]
    fn parts_in_any_order_are_the_bytes_of_the_original_or_nothing(
        length in 1u64..400,
        received in prop::collection::vec((any::<u64>(), any::<u64>()), 0..60),
        asked in prop::collection::vec((any::<u64>(), any::<u64>()), 1..20),
    ) {
        let original = original(length);
        let within = |(a, b): (u64, u64)| {
            let (a, b) = (a % length, b % length);
            span(a.min(b), a.max(b))
        };
        let bytes = |span: ByteSpan| &original[span.first() as usize..span.end() as usize];
        let mut held = Held::default();
        for part in received {
            let part = within(part);
            held.put(part, bytes(part));
            // What came last is always there.
            prop_assert!(cover(&held.spans(), &part));
            prop_assert!(held.0.len() <= MOST_SPANS);
            prop_assert!(held.spans().windows(2).all(|pair| pair[0].end() < pair[1].first()));
        }
        let spans = held.spans();
        for wanted in asked {
            let wanted = within(wanted);
            prop_assert_eq!(cover(&spans, &wanted), held.slice(wanted).is_some());
            if let Some(slice) = held.slice(wanted) {
                prop_assert_eq!(&slice[..], bytes(wanted));
            }
        }
        // What is missing, and nothing else, completes it.
        prop_assert_eq!(is_whole(&spans, length), missing(&spans, length).is_none());
        if let Some(rest) = missing(&spans, length) {
            held.put(rest, bytes(rest));
            prop_assert!(is_whole(&held.spans(), length));
            prop_assert_eq!(&held.0[0].1, &original);
        }
    }

    #[test]
    fn a_content_range_read_is_the_one_written(first in any::<u64>(), more in any::<u64>(), beyond in 1u64..9) {
        if let Some(span) = first.checked_add(more).and_then(|last| ByteSpan::of(first, last)) {
            let complete = span.last().saturating_add(beyond);
            let mut line = Vec::new();
            multipart::content_range_line(span, complete, &mut line);
            let value = line.strip_prefix(b"Content-Range: ").unwrap();
            let value = value.strip_suffix(b"\r\n").unwrap();
            let complete = Some(complete);
            prop_assert_eq!(ContentRange::parse(value), Ok(ContentRange { span, complete }));
        }
    }

    #[test]
    fn whatever_a_content_range_says_it_lies_within(value in "(bytes|b) ?[0-9]{0,3}-?[0-9]{0,3}/?[0-9*]{0,3}") {
        if let Ok(range) = ContentRange::parse(value.as_bytes()) {
            prop_assert!(range.span.first() <= range.span.last());
            prop_assert!(range.complete.is_none_or(|complete| range.span.last() < complete));
        }
    }
}
