//! Exact bytes and their verdict, for every rule of RFC 9112 sections 7 and 8 that can make two recipients disagree about
//! where a message begins or ends, or whom it is for. Whatever is ambiguous is refused.
#![allow(clippy::unwrap_used)]

use bytes::BytesMut;
use understudy_http::wire::body::{BodyError, BodyReader, Decoded};
use understudy_http::wire::chunked::{ChunkedError, MAX_CHUNK_LINE, MAX_EXTENSIONS, MAX_TRAILERS};
use understudy_http::wire::framing::Framing;

// Section 7.1: the chunked coding.

/// The body and the trailer section.
type Whole = (Vec<u8>, Vec<u8>);

/// A whole body, or why it was refused; `None` when it is not complete.
fn chunked(bytes: &[u8]) -> Result<Option<Whole>, ChunkedError> {
    let mut reader = BodyReader::new(Framing::Chunked);
    let (mut buf, mut body) = (BytesMut::from(bytes), Vec::new());
    loop {
        match reader.decode(&mut buf) {
            Ok(Decoded::Data(data)) => body.extend_from_slice(&data),
            Ok(Decoded::More) => return Ok(None),
            Ok(Decoded::End(trailers)) => return Ok(Some((body, trailers.to_vec()))),
            Err(BodyError::Chunked(error)) => {
                assert_eq!(
                    reader.decode(&mut buf),
                    Err(error.into()),
                    "a refusal is final"
                );
                return Err(error);
            }
            Err(error) => panic!("{error}"),
        }
    }
}
#[track_caller]
fn check_chunked(bytes: &[u8], expected: Result<Option<&[u8]>, ChunkedError>) {
    let found = chunked(bytes).map(|whole| whole.map(|(body, _)| body));
    assert_eq!(
        found,
        expected.map(|whole| whole.map(<[u8]>::to_vec)),
        "{}",
        bytes.escape_ascii()
    );
}

#[test]
fn a_chunk_size_is_hexadecimal_digits_and_crlf() {
    use ChunkedError::{Crlf, Extension, Size};
    check_chunked(b"0\r\n\r\n", Ok(Some(b"")));
    check_chunked(b"000\r\n\r\n", Ok(Some(b"")));
    check_chunked(b"5\r\nhello\r\n0\r\n\r\n", Ok(Some(b"hello")));
    check_chunked(
        b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
        Ok(Some(b"01234567890123456789")),
    );
    check_chunked(
        b"0000000000000005\r\nhello\r\n0\r\n\r\n",
        Ok(Some(b"hello")),
    );
    check_chunked(b"00000000000000005\r\nhello\r\n0\r\n\r\n", Err(Size));
    check_chunked(b"7fffffffffffffff\r\nhello", Ok(None));
    check_chunked(b"8000000000000000\r\nhello", Err(Size));
    check_chunked(b"10000000000000000\r\n", Err(Size));
    for size in [
        &b""[..],
        b" ",
        b"+5",
        b"-5",
        b"-0",
        b"0x5",
        b"0X5",
        b" 5",
        b"5 ",
        b"\t5",
        b"5\t",
        b"5 ;a",
        b"5h",
        b"5h\r",
        b"g",
        b"5_",
        b"5,",
        b"5.0",
        b"\"5\"",
        b"5\0",
        b"\xef\xbc\x95",
        b"5 5",
        b";a",
        b"\r",
    ] {
        check_chunked(&[size, b"\r\nhello\r\n0\r\n\r\n"].concat(), Err(Size));
    }
    check_chunked(b"\n5\r\nhello\r\n0\r\n\r\n", Err(Size));
    check_chunked(b"5\nhello\r\n0\r\n\r\n", Err(Size));
    check_chunked(b"5\rhello\r\n0\r\n\r\n", Err(Size));
    check_chunked(b"5\r\r\nhello\r\n0\r\n\r\n", Err(Size));
    check_chunked(b"5\r\nhello\n0\r\n\r\n", Err(Crlf));
    check_chunked(b"5\r\nhello\r0\r\n\r\n", Err(Crlf));
    check_chunked(b"5\r\nhello0\r\n\r\n", Err(Crlf));
    check_chunked(b"5\r\nhelloo\r\n0\r\n\r\n", Err(Crlf));
    check_chunked(b"6\r\nhello\r\n0\r\n\r\n", Err(Crlf));
    check_chunked(b"5;\r\nhello\r\n0\r\n\r\n", Err(Extension));
    check_chunked(b"5\r\nhello\r\n", Ok(None));
    check_chunked(b"5\r\nhello\r\n\r\n", Err(Size));
    check_chunked(b"0\r\n", Ok(None));
    check_chunked(b"0\r\n\r", Ok(None));
}

#[test]
fn chunk_extensions_are_well_formed_short_and_dropped() {
    use ChunkedError::Extension;
    for extension in [
        &b"a"[..],
        b"a=b",
        b"a=b;c",
        b"a=\"b c;\\\"\xe9\"",
        b"a=\"\"",
        b"a=\"b\";c=d",
        b"a=\"\t\\\\\"",
    ] {
        check_chunked(
            &[b"5;", extension, b"\r\nhello\r\n0;", extension, b"\r\n\r\n"].concat(),
            Ok(Some(b"hello")),
        );
    }
    for extension in [
        &b""[..],
        b" a",
        b"a ",
        b"a =b",
        b"a= b",
        b"a=b ;c",
        b"=b",
        b"a=",
        b"a==b",
        b";",
        b"a;",
        b"a=\"b\"c",
        b"a=\"\x01\"",
        b"a=\"b",
        b"a=\"b\\",
        b"a\nb",
        b"a\n",
        b"a=b\n",
        b"a\0",
        b"a=\xe9",
        b"a=\"\n\"",
        b"a=\"b\"\n",
    ] {
        check_chunked(
            &[b"5;", extension, b"\r\nhello\r\n0\r\n\r\n"].concat(),
            Err(Extension),
        );
    }
    check_chunked(b"5;a\rb\r\nhello\r\n0\r\n\r\n", Err(ChunkedError::Size));
    check_chunked(b"5;a=\"\r\n\"\r\nhello\r\n0\r\n\r\n", Err(Extension));
    let line = |len: usize| [b"5;", &b"a".repeat(len - 3)[..], b"\r\nhello\r\n0\r\n\r\n"].concat();
    check_chunked(&line(MAX_CHUNK_LINE), Ok(Some(b"hello")));
    check_chunked(&line(MAX_CHUNK_LINE + 1), Err(Extension));
    // Many one-byte chunks with an extension each.
    let many = |bytes: usize| [&b"1;aaaaaaa\r\nx\r\n".repeat(bytes / 8)[..], b"0\r\n\r\n"].concat();
    assert!(chunked(&many(MAX_EXTENSIONS)).unwrap().is_some());
    assert_eq!(chunked(&many(MAX_EXTENSIONS + 8)), Err(Extension));
}

#[test]
fn a_trailer_section_is_as_strict_as_a_head() {
    use ChunkedError::Trailer;
    let with = |section: &[u8]| chunked(&[b"1\r\nx\r\n0\r\n", section, b"\r\n"].concat());
    for section in [&b""[..], b"A: b\r\n", b"A:\r\nb:c\t\xe9 \r\n"] {
        assert_eq!(with(section), Ok(Some((b"x".to_vec(), section.to_vec()))));
    }
    for section in [
        &b": a\r\n"[..],
        b" A: b\r\n",
        b"A : b\r\n",
        b"A: b\n",
        b"A: b\r",
        b"A: b\r\n c\r\n",
        b"A\r\n",
        b"A: \0\r\n",
        b"A: b\rc\r\n",
        b"\n",
        b"A: b\r\n\n",
        b"\x7f: a\r\n",
        b"GET / HTTP/1.1\r\n",
        b"A: \x7f\r\n",
        b"A:\r\n\tb\r\n",
    ] {
        assert_eq!(with(section), Err(Trailer), "{}", section.escape_ascii());
    }
    let long = |len: usize| [b"a:", &b"b".repeat(len - 4)[..], b"\r\n"].concat();
    assert!(with(&long(MAX_TRAILERS)).unwrap().is_some());
    assert_eq!(with(&long(MAX_TRAILERS + 1)), Err(Trailer));
}

#[test]
fn a_body_ends_where_it_ends_and_leaves_the_rest() {
    for (framing, bytes) in [
        (
            Framing::Chunked,
            &b"5\r\nhello\r\n0\r\nA: b\r\n\r\nGET / HTTP/1.1\r\n"[..],
        ),
        (Framing::Length(5), b"helloGET / HTTP/1.1\r\n"),
        (Framing::Length(0), b"GET / HTTP/1.1\r\n"),
        (Framing::None, b"GET / HTTP/1.1\r\n"),
    ] {
        let mut reader = BodyReader::new(framing);
        let mut buf = BytesMut::from(bytes);
        while matches!(reader.decode(&mut buf).unwrap(), Decoded::Data(_)) {}
        assert_eq!(&buf[..], b"GET / HTTP/1.1\r\n", "{framing:?}");
        assert!(reader.is_done() && matches!(reader.decode(&mut buf), Ok(Decoded::End(_))));
        assert_eq!(reader.eof(), Ok(()));
        assert_eq!(buf.len(), 16);
    }
}

// Section 8: incomplete messages.

#[test]
fn a_body_cut_short_is_an_error_unless_the_close_delimits_it() {
    for (framing, bytes) in [
        (Framing::Length(6), &b"hello"[..]),
        (Framing::Length(1), b""),
        (Framing::Chunked, b""),
        (Framing::Chunked, b"5\r\nhello"),
        (Framing::Chunked, b"5\r\nhello\r\n"),
        (Framing::Chunked, b"5\r\nhello\r\n0\r\n"),
        (Framing::Chunked, b"5\r\nhello\r\n0\r\n\r"),
    ] {
        let mut reader = BodyReader::new(framing);
        let mut buf = BytesMut::from(bytes);
        while matches!(reader.decode(&mut buf).unwrap(), Decoded::Data(_)) {}
        assert!(!reader.is_done());
        assert_eq!(
            reader.eof(),
            Err(BodyError::Truncated),
            "{framing:?} {}",
            bytes.escape_ascii()
        );
    }
    let mut reader = BodyReader::new(Framing::UntilClose);
    assert_eq!(
        reader.decode(&mut BytesMut::from("hello")),
        Ok(Decoded::Data("hello".into()))
    );
    assert!(!reader.is_done());
    assert_eq!(reader.eof(), Ok(()));
    assert!(reader.is_done());
}

#[test]
fn a_length_delimited_body_may_be_taken_elsewhere() {
    let mut reader = BodyReader::new(Framing::Length(10));
    reader.advance(4);
    assert_eq!(reader.remaining(), Some(6));
    let mut buf = BytesMut::from("0123456789");
    assert_eq!(reader.decode(&mut buf), Ok(Decoded::Data("012345".into())));
    assert!(reader.is_done());
    assert_eq!(&buf[..], b"6789");
    assert_eq!(BodyReader::new(Framing::Chunked).remaining(), None);
}
