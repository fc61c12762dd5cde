//! Bytes may arrive in any pieces: neither a verdict nor a body depends on where they were cut.
#![allow(clippy::unwrap_used)]

use bytes::BytesMut;
use proptest::prelude::*;
use understudy_http::wire::body::{BodyError, BodyReader, Decoded};
use understudy_http::wire::chunked::{LAST_CHUNK, chunk_line};
use understudy_http::wire::framing::Framing;
use understudy_http::wire::head::{HeadError, HeadLimits, parse_request, parse_response};

const LIMITS: HeadLimits = HeadLimits {
    bytes: 4096,
    target: 256,
    fields: 40,
};

/// What a head amounts to: its length, its start line, its field lines.
type Outline = (usize, Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>);

fn request(bytes: &[u8]) -> Result<Option<Outline>, HeadError> {
    let Some(parts) = parse_request(bytes, &LIMITS, Vec::new())? else {
        return Ok(None);
    };
    let len = parts.len();
    let head = parts.with(bytes);
    let lines = head
        .fields()
        .iter()
        .map(|(_, name, value)| (name.to_vec(), value.to_vec()))
        .collect();
    Ok(Some((
        len,
        [head.method_bytes(), b" ", head.target()].concat(),
        lines,
    )))
}

fn response(bytes: &[u8]) -> Result<Option<Outline>, HeadError> {
    let Some(parts) = parse_response(bytes, &LIMITS, Vec::new())? else {
        return Ok(None);
    };
    let len = parts.len();
    let head = parts.with(bytes);
    let lines = head
        .fields()
        .iter()
        .map(|(_, name, value)| (name.to_vec(), value.to_vec()))
        .collect();
    Ok(Some((
        len,
        [head.status().to_string().as_bytes(), b" ", head.reason()].concat(),
        lines,
    )))
}

/// A prefix of an acceptable head wants more; of a refused one it wants more or is refused; and what follows does not matter.
fn check_prefixes(bytes: &[u8], parse: impl Fn(&[u8]) -> Result<Option<Outline>, HeadError>) {
    let whole = parse(bytes);
    for end in 0..bytes.len() {
        match (parse(&bytes[..end]), &whole) {
            (Ok(None), _) => {}
            (Err(_), Err(_)) => {}
            (Ok(Some(part)), Ok(Some(whole))) => assert!(end >= whole.0 && part == *whole),
            (part, whole) => panic!(
                "{end} bytes give {part:?}, all {whole:?}: {}",
                bytes.escape_ascii()
            ),
        }
    }
    if let Ok(Some((len, ..))) = whole {
        assert_eq!(parse(&bytes[..len]), whole);
        assert_eq!(parse(&[&bytes[..len], b"\n\r\0 more"].concat()), whole);
    }
}

/// Bytes that are almost a head: mostly right, with something wrong now and then.
fn almost_head(first: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        8 => "[A-Za-z!#-]{1,12}: ?[ -~\t]{0,20}",
        2 => "(Content-Length|Transfer-Encoding|Host|Connection): ?[0-9a-z, ]{0,12}",
        1 => "[ -~\t]{0,20}",
    ];
    let end = prop_oneof![30 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r"), 1 => Just("\r\r\n"), 1 => Just("\0\r\n")];
    let first = proptest::sample::select(first);
    let noise = proptest::option::weighted(0.1, (any::<proptest::sample::Index>(), any::<u8>()));
    (
        first,
        proptest::collection::vec((line, end), 0..6),
        noise,
        "[ -~]{0,8}",
    )
        .prop_map(|(first, lines, noise, rest)| {
            let mut bytes = first.as_bytes().to_vec();
            for (line, end) in lines {
                bytes.extend_from_slice(line.as_bytes());
                bytes.extend_from_slice(end.as_bytes());
            }
            bytes.extend_from_slice(b"\r\n");
            bytes.extend_from_slice(rest.as_bytes());
            if let Some((at, byte)) = noise {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        })
}

const REQUEST_LINES: &[&str] = &[
    "GET / HTTP/1.1\r\n",
    "\r\nPOST /a?b HTTP/1.0\r\n",
    "CONNECT a:1 HTTP/1.1\r\n",
    "X-M http://a/b HTTP/1.4\r\n",
    "GET /  HTTP/1.1\r\n",
    "GET / HTTP/1.1\n",
    "\nGET / HTTP/1.1\r\n",
];
const STATUS_LINES: &[&str] = &[
    "HTTP/1.1 200 OK\r\n",
    "HTTP/1.0 404\r\n",
    "HTTP/1.1 500 \r\n",
    "HTTP/1.2 200 OK\r\n",
    "HTTP/1.1 200 OK\n",
];

/// Everything a reader gives: the body, the trailers when it ended, what was left in the buffer; or why not.
type Outcome = Result<(Vec<u8>, Option<Vec<u8>>, Vec<u8>), BodyError>;

fn read(framing: Framing, pieces: &[&[u8]]) -> Outcome {
    let mut reader = BodyReader::new(framing);
    let (mut buf, mut body, mut end) = (BytesMut::new(), Vec::new(), None);
    for piece in pieces {
        buf.extend_from_slice(piece);
        while end.is_none() {
            match reader.decode(&mut buf)? {
                Decoded::Data(data) => {
                    assert!(!data.is_empty());
                    body.extend_from_slice(&data);
                }
                Decoded::End(trailers) => end = Some(trailers.to_vec()),
                Decoded::More => {
                    assert!(buf.is_empty(), "more is asked for only when all was taken");
                    break;
                }
            }
        }
    }
    assert_eq!(end.is_some(), reader.is_done());
    Ok((body, end, buf.to_vec()))
}

/// Cuts the bytes at the given places.
fn cut<'a>(bytes: &'a [u8], places: &[proptest::sample::Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = places
        .iter()
        .map(|place| place.index(bytes.len() + 1))
        .collect();
    places.extend([0, bytes.len()]);
    places.sort_unstable();
    places
        .windows(2)
        .map(|pair| &bytes[pair[0]..pair[1]])
        .collect()
}

fn almost_chunked() -> impl Strategy<Value = Vec<u8>> {
    let chunk = (
        1usize..40,
        proptest::option::weighted(0.2, ";[a-z]{1,5}(=([a-z]{1,4}|\"[ -!#-\\[]{0,5}\"))?"),
    );
    let trailers = proptest::collection::vec("[A-Z][a-z]{0,5}:[ -~]{0,8}\r\n", 0..3);
    let noise = proptest::option::weighted(0.4, (any::<proptest::sample::Index>(), any::<u8>()));
    (
        proptest::collection::vec(chunk, 0..6),
        trailers,
        noise,
        "[ -~]{0,8}",
    )
        .prop_map(|(chunks, trailers, noise, rest)| {
            let mut bytes = Vec::new();
            for (len, extension) in chunks {
                bytes.extend(format!("{len:x}{}\r\n", extension.unwrap_or_default()).bytes());
                bytes.extend((0..len).map(|at| b'a' + (at % 26) as u8));
                bytes.extend(b"\r\n");
            }
            bytes.extend(format!("0\r\n{}\r\n{rest}", trailers.concat()).bytes());
            if let Some((at, byte)) = noise {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
            bytes
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_request_head_may_arrive_in_any_pieces(bytes in almost_head(REQUEST_LINES)) {
        check_prefixes(&bytes, request);
    }

    #[test]
    fn a_response_head_may_arrive_in_any_pieces(bytes in almost_head(STATUS_LINES)) {
        check_prefixes(&bytes, response);
    }

    #[test]
    fn a_request_written_parses_as_what_it_was(bytes in almost_head(REQUEST_LINES)) {
        if let Ok(Some((_, first, lines))) = request(&bytes) {
            let mut out = Vec::new();
            parse_request(&bytes, &LIMITS, Vec::new()).unwrap().unwrap().with(&bytes).write(&mut out);
            out.extend_from_slice(b"\r\n");
            prop_assert_eq!(request(&out), Ok(Some((out.len(), first, lines))));
        }
    }

    #[test]
    fn a_response_written_parses_as_what_it_was(bytes in almost_head(STATUS_LINES)) {
        if let Ok(Some((_, first, lines))) = response(&bytes) {
            let mut out = Vec::new();
            parse_response(&bytes, &LIMITS, Vec::new()).unwrap().unwrap().with(&bytes).write(&mut out);
            out.extend_from_slice(b"\r\n");
            prop_assert_eq!(response(&out), Ok(Some((out.len(), first, lines))));
        }
    }

    #[test]
    fn a_chunked_body_may_arrive_in_any_pieces(
        bytes in almost_chunked(),
        places in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
    ) {
        let whole = read(Framing::Chunked, &[&bytes]);
        let single: Vec<_> = bytes.chunks(1).collect();
        let one_by_one = read(Framing::Chunked, &single);
        let in_pieces = read(Framing::Chunked, &cut(&bytes, &places));
        prop_assert_eq!(&one_by_one, &whole);
        prop_assert_eq!(&in_pieces, &whole);
    }

    #[test]
    fn other_bodies_may_arrive_in_any_pieces(
        bytes in proptest::collection::vec(any::<u8>(), 0..100),
        length in 0u64..120,
        places in proptest::collection::vec(any::<proptest::sample::Index>(), 0..8),
    ) {
        for framing in [Framing::None, Framing::Length(length), Framing::UntilClose] {
            let whole = read(framing, &[&bytes]);
            prop_assert_eq!(&read(framing, &cut(&bytes, &places)), &whole);
            let (body, _, left) = whole.unwrap();
            let expected = match framing {
                Framing::Length(length) => bytes.len().min(length as usize),
                Framing::UntilClose => bytes.len(),
                _ => 0,
            };
            prop_assert_eq!(body, &bytes[..expected]);
            prop_assert!(left.is_empty() || left == bytes[expected..]);
        }
    }

    #[test]
    fn what_is_chunked_is_decoded_to_what_it_was(lengths in proptest::collection::vec(1usize..5000, 0..5)) {
        let (mut bytes, mut body) = (Vec::new(), Vec::new());
        for len in lengths {
            let data: Vec<u8> = (0..len).map(|at| at as u8).collect();
            let mut line = [0; 18];
            bytes.extend_from_slice(chunk_line(len, &mut line));
            bytes.extend_from_slice(&data);
            bytes.extend_from_slice(b"\r\n");
            body.extend_from_slice(&data);
        }
        bytes.extend_from_slice(LAST_CHUNK);
        prop_assert_eq!(read(Framing::Chunked, &[&bytes]), Ok((body, Some(Vec::new()), Vec::new())));
    }

    #[test]
    fn a_chunk_line_is_lower_case_hexadecimal(len: usize) {
        for len in [len, len >> 32, 0, usize::MAX] {
            let line = format!("{len:x}\r\n");
            let mut out = [0; 18];
            prop_assert_eq!(chunk_line(len, &mut out), line.as_bytes());
        }
    }
}

#[test]
fn data_is_split_off_the_buffer_not_copied() {
    let mut buf = BytesMut::from("5\r\nhello\r\n0\r\n\r\n");
    let before = buf.as_ptr() as usize;
    let mut reader = BodyReader::new(Framing::Chunked);
    let Decoded::Data(data) = reader.decode(&mut buf).unwrap() else {
        panic!("no data")
    };
    assert_eq!(
        (data.as_ptr() as usize, &data[..]),
        (before + 3, &b"hello"[..])
    );
}

#[test]
fn noise_is_judged_alike_however_it_arrives() {
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..2000 {
        let bytes: Vec<u8> = (0..64)
            .map(|_| {
                seed ^= seed << 13;
                seed ^= seed >> 7;
                seed ^= seed << 17;
                let alphabet = b"GET /HTP1.0 \r\n:a\0\xff,;\"";
                alphabet[(seed >> 32) as usize % alphabet.len()]
            })
            .collect();
        check_prefixes(&bytes, request);
        check_prefixes(&bytes, response);
        let _ = read(Framing::Chunked, &[&bytes]);
    }
}
