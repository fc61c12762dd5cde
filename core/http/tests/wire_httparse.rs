//! Against `httparse` alone: what is accepted here it accepts with the same fields, and what it refuses is refused here,
//! but for HTTP/1.2 to 1.9. Where this codec is stricter, each category stands in a table with an example.
#![allow(clippy::unwrap_used)]

use proptest::prelude::*;
use understudy_http::wire::head::{HeadError, HeadLimits, parse_request, parse_response};

const LIMITS: HeadLimits = HeadLimits {
    bytes: 64 * 1024,
    target: 8 * 1024,
    fields: 64,
};

/// Length, start line and field lines.
type Outline = (usize, Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>);
/// `None`: more is wanted.
type Verdict<E> = Result<Option<Outline>, E>;

fn ours(bytes: &[u8]) -> Verdict<HeadError> {
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

fn theirs(bytes: &[u8]) -> Verdict<httparse::Error> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Request::new(&mut headers);
    let httparse::Status::Complete(len) = head.parse(bytes)? else {
        return Ok(None);
    };
    let lines = head
        .headers
        .iter()
        .map(|header| (header.name.as_bytes().to_vec(), header.value.to_vec()))
        .collect();
    Ok(Some((
        len,
        [head.method.unwrap(), " ", head.path.unwrap()]
            .concat()
            .into_bytes(),
        lines,
    )))
}

fn our_response(bytes: &[u8]) -> Verdict<HeadError> {
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
    Ok(Some((len, head.status().to_string().into_bytes(), lines)))
}

fn their_response(bytes: &[u8]) -> Verdict<httparse::Error> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(len) = head.parse(bytes)? else {
        return Ok(None);
    };
    let lines = head
        .headers
        .iter()
        .map(|header| (header.name.as_bytes().to_vec(), header.value.to_vec()))
        .collect();
    Ok(Some((
        len,
        head.code.unwrap().to_string().into_bytes(),
        lines,
    )))
}

/// Where this codec refuses what `httparse` takes.
#[test]
fn stricter_than_httparse_in_these_ways_only() {
    for (category, bytes, error) in [
        (
            "bare LF after the start line",
            &b"GET / HTTP/1.1\nA: b\r\n\r\n"[..],
            HeadError::LineEnding,
        ),
        (
            "bare LF after a field",
            b"GET / HTTP/1.1\r\nA: b\n\r\n",
            HeadError::LineEnding,
        ),
        (
            "bare LF as the empty line",
            b"GET / HTTP/1.1\r\nA: b\r\n\n",
            HeadError::LineEnding,
        ),
        (
            "bare LF before the request line",
            b"\nGET / HTTP/1.1\r\n\r\n",
            HeadError::LineEnding,
        ),
        (
            "target above ASCII",
            "GET /\u{e9} HTTP/1.1\r\n\r\n".as_bytes(),
            HeadError::StartLine,
        ),
    ] {
        assert!(matches!(theirs(bytes), Ok(Some(_))), "{category}");
        assert_eq!(ours(bytes), Err(error), "{category}");
    }
    for (category, bytes, error) in [
        (
            "bare LF after the status line",
            &b"HTTP/1.1 200 OK\nA: b\r\n\r\n"[..],
            HeadError::LineEnding,
        ),
        (
            "empty line before the status line",
            b"\r\nHTTP/1.1 200 OK\r\n\r\n",
            HeadError::StartLine,
        ),
        (
            "status below 100",
            b"HTTP/1.1 099 OK\r\n\r\n",
            HeadError::StartLine,
        ),
    ] {
        assert!(matches!(their_response(bytes), Ok(Some(_))), "{category}");
        assert_eq!(our_response(bytes), Err(error), "{category}");
    }
}

#[test]
fn more_lenient_than_httparse_in_minor_versions_only() {
    let bytes = b"GET / HTTP/1.2\r\n\r\n";
    assert_eq!(theirs(bytes), Err(httparse::Error::Version));
    assert!(matches!(ours(bytes), Ok(Some(_))));
}

/// Whether one of the categories of the table above explains a refusal.
fn stricter(bytes: &[u8], error: HeadError) -> bool {
    let bare_lf =
        (0..bytes.len()).any(|at| bytes[at] == b'\n' && (at == 0 || bytes[at - 1] != b'\r'));
    match error {
        HeadError::LineEnding => bare_lf,
        HeadError::StartLine => bytes.iter().any(|byte| *byte > 0x7f),
        _ => false,
    }
}

/// Whether one of the categories explains a refused response.
fn stricter_response(bytes: &[u8], error: HeadError) -> bool {
    match error {
        HeadError::StartLine => matches!(bytes, [b'\r' | b'\n', ..]) || bytes.get(9) == Some(&b'0'),
        error => stricter(bytes, error),
    }
}

const LINES: &[&[u8]] = &[
    b"Host: a\r\n",
    b"A:b\r\n",
    b"A:  b\t\r\n",
    b"A:\r\n",
    b"Content-Length: 5\r\n",
    b"A: b\n",
    b"A : b\r\n",
    b" A: b\r\n",
    b"A: b\r",
    b"A: \xe9\xff\r\n",
    b"A: b\0c\r\n",
    b"no colon\r\n",
    b": a\r\n",
    b"A: b\x7f\r\n",
    b"\r\n",
    b"\n",
    b"\tb\r\n",
    b"A(: b\r\n",
    b"A: b\r\r\n",
    b"A: b c d e f g h i j k l m n o p q r s t u v w x y z\r\n",
];

const ENDS: &[&[u8]] = &[b"\r\n", b"\r\n", b"\r\n", b"\n", b""];

/// Heads put together from pieces that matter, right and wrong.
fn pieces(first: &'static [&'static [u8]]) -> impl Strategy<Value = Vec<u8>> {
    let lines = proptest::collection::vec(proptest::sample::select(LINES), 0..5);
    let noise = proptest::option::weighted(0.3, (any::<proptest::sample::Index>(), any::<u8>()));
    let end = proptest::sample::select(ENDS);
    (proptest::sample::select(first), lines, end, noise).prop_map(|(first, lines, end, noise)| {
        let mut bytes = [first, &lines.concat(), end].concat();
        if let Some((at, byte)) = noise {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        bytes
    })
}

const REQUEST_LINES: &[&[u8]] = &[
    b"GET / HTTP/1.1\r\n",
    b"GET / HTTP/1.1\r\n",
    b"\r\nPOST /a?b HTTP/1.0\r\n",
    b"GET / HTTP/1.3\r\n",
    b"GET  / HTTP/1.1\r\n",
    b"GET / HTTP/1.1\n",
    b"GET /\xc3\xa9 HTTP/1.1\r\n",
    b"GET / HTTP/2.0\r\n",
    b"\nGET / HTTP/1.1\r\n",
    b"GET /\r\n",
];
const STATUS_LINES: &[&[u8]] = &[
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 200 OK\r\n",
    b"HTTP/1.0 404\r\n",
    b"HTTP/1.1 500 \xe9\r\n",
    b"HTTP/1.3 200 OK\r\n",
    b"HTTP/1.1 200 OK\n",
    b"HTTP/1.1  200 OK\r\n",
    b"HTTP/2 200\r\n",
    b"\r\nHTTP/1.1 200 OK\r\n",
    b"HTTP/1.1 099 OK\r\n",
    b"HTTP/1.1 20\r\n",
];

/// HTTP/1.2 to 1.9 is read as HTTP/1.1, so that is what httparse is asked about.
fn as_http11(bytes: &[u8]) -> Vec<u8> {
    let mut plain = bytes.to_vec();
    let line = plain
        .iter()
        .skip_while(|byte| b"\r\n".contains(byte))
        .position(|byte| *byte == b'\r')
        .unwrap_or(0);
    let skipped = plain
        .iter()
        .take_while(|byte| b"\r\n".contains(byte))
        .count();
    let end = if bytes.starts_with(b"HTTP/1.") {
        8
    } else {
        skipped + line
    };
    if end >= 8
        && plain[end - 8..].starts_with(b"HTTP/1.")
        && (b'2'..=b'9').contains(&plain[end - 1])
    {
        plain[end - 1] = b'1';
    }
    plain
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4096, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn requests_are_judged_as_by_httparse_or_more_strictly(bytes in pieces(REQUEST_LINES)) {
        match (ours(&bytes), theirs(&as_http11(&bytes))) {
            (Ok(Some(ours)), theirs) => prop_assert_eq!(theirs, Ok(Some(ours))),
            (Ok(None), theirs) => prop_assert!(matches!(theirs, Ok(None) | Err(httparse::Error::Version)), "{theirs:?}"),
            (Err(error), Ok(_)) => prop_assert!(stricter(&bytes, error), "{error:?} {}", bytes.escape_ascii()),
            (Err(_), Err(_)) => {}
        }
    }

    #[test]
    fn responses_are_judged_as_by_httparse_or_more_strictly(bytes in pieces(STATUS_LINES)) {
        match (our_response(&bytes), their_response(&as_http11(&bytes))) {
            (Ok(Some(ours)), theirs) => prop_assert_eq!(theirs, Ok(Some(ours))),
            (Ok(None), theirs) => prop_assert_eq!(theirs, Ok(None)),
            (Err(error), Ok(_)) => prop_assert!(stricter_response(&bytes, error), "{error:?} {}", bytes.escape_ascii()),
            (Err(_), Err(_)) => {}
        }
    }
}
