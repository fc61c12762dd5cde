//! The strict reader: what it takes, what it refuses, and that cuts do not matter.
#![allow(clippy::unwrap_used)]

use super::*;
use proptest::prelude::*;

/// Reads these pieces as one answer: the body, how many bytes are left behind its end, and whether it ended.
fn read(pieces: &[&[u8]], bodiless: bool) -> Result<(Vec<u8>, usize, bool), Problem> {
    let mut reader = Reader::new();
    reader.begin(bodiless);
    let (mut body, mut left, mut ended) = (Vec::new(), 0, false);
    for piece in pieces {
        if ended {
            left += piece.len();
            continue;
        }
        let mut input = *piece;
        loop {
            match reader.next(&mut input)? {
                Event::Head => {}
                Event::Body(bytes) => body.extend_from_slice(bytes),
                Event::More => break,
                Event::End => {
                    ended = true;
                    left += input.len();
                    break;
                }
            }
        }
    }
    Ok((body, left, ended || reader.end()))
}

const LENGTH: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const CHUNKED: &str = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;x=y\r\nhel\r\n2\r\nlo\r\n0\r\nT: v\r\n\r\n";

#[test]
fn answers_end_where_their_framing_says() {
    let interim = format!("HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n{LENGTH}");
    for (text, bodiless, body, whole) in [
        (LENGTH, false, "hello", true),
        (CHUNKED, false, "hello", true),
        (&interim, false, "hello", true),
        ("HTTP/1.1 200 OK\r\n\r\nhello", false, "hello", true),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n",
            true,
            "",
            true,
        ),
        (
            "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
            false,
            "",
            true,
        ),
        ("HTTP/1.1 204 No Content\r\n\r\n", false, "", true),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
            false,
            "",
            true,
        ),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nhello",
            false,
            "hello",
            false,
        ),
        ("HTTP/1.1 200 OK\r\n", false, "", false),
    ] {
        assert_eq!(
            read(&[text.as_bytes()], bodiless),
            Ok((body.as_bytes().to_vec(), 0, whole)),
            "{text:?}"
        );
    }
}

#[test]
fn what_is_not_http_is_refused() {
    for text in [
        "HTTP/1.1 200 OK\nContent-Length: 0\n\n",
        "HTTP/1.1 200 OK\r\nContent-Length: 5, 5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: +5\r\n\r\nhello",
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "HTTP/1.1 101 Switching Protocols\r\n\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nhello\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\nhel\r\n",
        "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nffffffffffffffff1\r\n",
        "HTTP/1.1 200 OK\r\nA b: c\r\n\r\n",
        "SSH-2.0-x\r\n\r\n",
    ] {
        assert!(read(&[text.as_bytes()], false).is_err(), "{text:?}");
    }
}

#[test]
fn an_endless_head_is_refused() {
    let mut text = b"HTTP/1.1 200 OK\r\n".to_vec();
    text.extend(b"A: b\r\n".repeat(20_000));
    assert!(read(&[&text], false).is_err());
}

#[test]
fn a_second_length_is_told_and_a_third_framing_word_is_not_lost() {
    let mut reader = Reader::new();
    reader.begin(false);
    let text =
        "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 5\r\nConnection: x, Close\r\n\r\n";
    let mut input = text.as_bytes();
    assert_eq!(reader.next(&mut input), Ok(Event::Head));
    assert!(reader.head().claims.doubled);
    assert!(!reader.head().keep);
}

proptest! {
    #[test]
    fn cuts_do_not_matter(cuts in prop::collection::vec(0usize..90, 0..8), chunked: bool, behind in 0usize..4) {
        let text = if chunked { CHUNKED } else { LENGTH };
        let mut bytes = text.as_bytes().to_vec();
        bytes.extend(std::iter::repeat_n(b'!', behind));
        let mut places: Vec<_> = cuts.into_iter().map(|c| c.min(bytes.len())).collect();
        places.extend([0, bytes.len()]);
        places.sort_unstable();
        let pieces: Vec<_> = places.windows(2).map(|w| &bytes[w[0]..w[1]]).collect();
        prop_assert_eq!(read(&pieces, false), Ok((b"hello".to_vec(), behind, true)));
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), framed: bool) {
        let mut text = if framed { CHUNKED.as_bytes()[..CHUNKED.len() - 30].to_vec() } else { Vec::new() };
        text.extend(bytes);
        let _ = read(&[&text], false);
    }
}
