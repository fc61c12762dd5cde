//! Exact bytes and their verdict, for every rule of RFC 9112 sections 2 to 9 that can make two recipients disagree about
//! where a message begins or ends, or whom it is for. Whatever is ambiguous is refused.
#![allow(clippy::unwrap_used)]

use bytes::BytesMut;
use understudy_http::wire::body::{BodyError, BodyReader, Decoded};
use understudy_http::wire::chunked::{ChunkedError, MAX_CHUNK_LINE, MAX_EXTENSIONS, MAX_TRAILERS};
use understudy_http::wire::framing::{
    Framing, FramingError, persists, request_framing, response_framing,
};
use understudy_http::wire::head::{HeadError, HeadLimits, parse_request, parse_response};
use understudy_http::wire::target::{Authority, Scheme, Target, TargetError, host, parse_target};
use understudy_http::{Method, Version};

const LIMITS: HeadLimits = HeadLimits {
    bytes: 64 * 1024,
    target: 8 * 1024,
    fields: 100,
};

/// Accepted with so many field lines, wanting more, or refused.
#[track_caller]
fn check_request(bytes: &[u8], expected: Result<Option<usize>, HeadError>) {
    let found = parse_request(bytes, &LIMITS, Vec::new());
    let found = found.map(|parts| parts.map(|parts| parts.with(bytes).fields().len()));
    assert_eq!(found, expected, "{}", bytes.escape_ascii());
}
#[track_caller]
fn check_response(bytes: &[u8], expected: Result<Option<usize>, HeadError>) {
    let found = parse_response(bytes, &LIMITS, Vec::new());
    let found = found.map(|parts| parts.map(|parts| parts.with(bytes).fields().len()));
    assert_eq!(found, expected, "{}", bytes.escape_ascii());
}

// Section 2.2: message parsing.

#[test]
fn a_line_ends_in_crlf_and_nothing_else() {
    use HeadError::LineEnding;
    check_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", Ok(Some(1)));
    check_request(b"GET / HTTP/1.1\nHost: a\r\n\r\n", Err(LineEnding));
    check_request(b"GET / HTTP/1.1\r\nHost: a\n\r\n", Err(LineEnding));
    check_request(b"GET / HTTP/1.1\r\nHost: a\r\n\n", Err(LineEnding));
    check_request(b"GET / HTTP/1.1\r\nHost: a\n\n", Err(LineEnding));
    check_request(b"GET / HTTP/1.1\n\n", Err(LineEnding));
    check_request(b"GET / HTTP/1.1\n\r\n", Err(LineEnding));
    check_request(b"GET / HTTP/1.1\r\n\n", Err(LineEnding));
    check_request(b"GET / HTTP/1.1\r\nA:\nHost: a\r\n\r\n", Err(LineEnding));
    check_request(b"GET / HTTP/1.1\r\nA: \nHost: a\r\n\r\n", Err(LineEnding));
    check_request(b"GET / HTTP/1.1\r\nA: b \nHost: a\r\n\r\n", Err(LineEnding));
    check_request(b"GET / HTTP/1.1\r\n\nHost: a\r\n\r\n", Err(LineEnding));
    // The empty line of a lenient reader, then more.
    check_request(
        b"GET / HTTP/1.1\r\nA: b\n\nGET /x HTTP/1.1\r\nHost: a\r\n\r\n",
        Err(LineEnding),
    );
    check_response(b"HTTP/1.1 200 OK\nA: b\r\n\r\n", Err(LineEnding));
    check_response(b"HTTP/1.1 200 OK\r\nA: b\n\r\n", Err(LineEnding));
    check_response(b"HTTP/1.1 200\n\r\n", Err(LineEnding));
    check_response(b"HTTP/1.1 200 OK\n\n", Err(LineEnding));
}

#[test]
fn a_bare_cr_stands_nowhere() {
    use HeadError::LineEnding;
    check_request(b"GET / HTTP/1.1\rHost: a\r\n\r\n", Err(LineEnding));
    check_request(b"GET / HTTP/1.1\r\r\nHost: a\r\n\r\n", Err(LineEnding));
    check_request(b"GET / HTTP/1.1\r\nHost: a\rb\r\n\r\n", Err(LineEnding));
    check_request(b"GET / HTTP/1.1\r\nHost: a\r\r\n\r\n", Err(LineEnding));
    check_request(b"GET / HTTP/1.1\r\nHo\rst: a\r\n\r\n", Err(LineEnding));
    check_request(b"GET / HTTP/1.1\r\nHost: a\r\n\r\r\n", Err(LineEnding));
    check_request(
        b"GET / HTTP/1.1\r\nHost: a\r\n\rX: y\r\n\r\n",
        Err(LineEnding),
    );
    check_request(b"GET /\r HTTP/1.1\r\nHost: a\r\n\r\n", Err(LineEnding));
    check_request(b"\rGET / HTTP/1.1\r\nHost: a\r\n\r\n", Err(LineEnding));
    check_response(b"HTTP/1.1 200 O\rK\r\n\r\n", Err(LineEnding));
    check_response(b"HTTP/1.1 200 OK\r\nA: b\rc\r\n\r\n", Err(LineEnding));
}

#[test]
fn only_whole_empty_lines_come_before_a_request_and_none_before_a_response() {
    check_request(b"\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Ok(Some(1)));
    check_request(
        b"\r\n\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Ok(Some(1)),
    );
    check_request(
        b"\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Err(HeadError::LineEnding),
    );
    check_request(
        b"\r\n\nGET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Err(HeadError::LineEnding),
    );
    check_request(
        b" GET / HTTP/1.1\r\nHost: a\r\n\r\n",
        Err(HeadError::StartLine),
    );
    check_request(b"\r\n\r\n", Ok(None));
    check_request(b"\r\n\r\nGET", Ok(None));
    check_request(b"", Ok(None));
    check_response(b"", Ok(None));
    check_response(b"\r\nHTTP/1.1 200 OK\r\n\r\n", Err(HeadError::StartLine));
    check_response(b"\nHTTP/1.1 200 OK\r\n\r\n", Err(HeadError::StartLine));
    check_response(b"\0HTTP/1.1 200 OK\r\n\r\n", Err(HeadError::Version));
}

#[test]
fn no_white_space_comes_between_the_start_line_and_the_first_field() {
    check_request(
        b"GET / HTTP/1.1\r\n Host: a\r\n\r\n",
        Err(HeadError::FieldName),
    );
    check_request(
        b"GET / HTTP/1.1\r\n\tHost: a\r\n\r\n",
        Err(HeadError::FieldName),
    );
    check_request(
        b"GET / HTTP/1.1\r\n \r\nHost: a\r\n\r\n",
        Err(HeadError::FieldName),
    );
    check_response(
        b"HTTP/1.1 200 OK\r\n A: b\r\n\r\n",
        Err(HeadError::FieldName),
    );
}

// Sections 2.3, 3 and 4: versions and start lines.

#[test]
fn the_version_is_http_1() {
    use HeadError::Version;
    check_request(b"GET / HTTP/1.0\r\n\r\n", Ok(Some(0)));
    check_request(b"GET / HTTP/1.9\r\n\r\n", Ok(Some(0)));
    check_request(b"\r\nGET / HTTP/1.2\r\nA: b\r\n\r\n", Ok(Some(1)));
    check_request(
        b"GET / HTTP/1.2\r\nA: b\nC: d\r\n\r\n",
        Err(HeadError::LineEnding),
    );
    check_request(b"GET / HTTP/0.9\r\n\r\n", Err(Version));
    check_request(b"GET / HTTP/2.0\r\n\r\n", Err(Version));
    check_request(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Err(Version));
    check_request(b"GET / HTTP/1.10\r\n\r\n", Err(HeadError::StartLine));
    check_request(b"GET / HTTP/1.\r\n\r\n", Err(Version));
    check_request(b"GET / HTTP/1\r\n\r\n", Err(Version));
    check_request(b"GET / HTTP/01.1\r\n\r\n", Err(Version));
    check_request(b"GET / http/1.1\r\n\r\n", Err(Version));
    check_request(b"GET / HTTPS/1.1\r\n\r\n", Err(Version));
    check_request(b"GET / ICY/1.1\r\n\r\n", Err(Version));
    check_request(b"GET / HTTP/1.x\r\n\r\n", Err(Version));
    check_response(b"HTTP/2.0 200 OK\r\n\r\n", Err(Version));
    check_response(b"http/1.1 200 OK\r\n\r\n", Err(Version));
    check_response(b"ICY 200 OK\r\n\r\n", Err(Version));
    check_response(b"HTTP/1.3 200 OK\r\n\r\n", Ok(Some(0)));
}

#[test]
fn a_request_line_has_three_parts_and_one_space_between_them() {
    use HeadError::{StartLine, Version};
    check_request(b"GET  / HTTP/1.1\r\n\r\n", Err(StartLine));
    check_request(b"GET /  HTTP/1.1\r\n\r\n", Err(Version));
    check_request(b"GET\t/ HTTP/1.1\r\n\r\n", Err(StartLine));
    check_request(b"GET /\tHTTP/1.1\r\n\r\n", Err(StartLine));
    check_request(b"GET /\x0bHTTP/1.1\r\n\r\n", Err(StartLine));
    check_request(b"GET / HTTP/1.1 \r\n\r\n", Err(StartLine));
    check_request(b"GET / x HTTP/1.1\r\n\r\n", Err(Version));
    check_request(b"GET /\r\n\r\n", Err(StartLine));
    check_request(b"GET\r\n\r\n", Err(StartLine));
    check_request(b"GET HTTP/1.1\r\n\r\n", Err(StartLine));
    check_request(b"/ HTTP/1.1\r\n\r\n", Err(StartLine));
    check_request(b"G(T / HTTP/1.1\r\n\r\n", Err(StartLine));
    check_request(b"G\xe9T / HTTP/1.1\r\n\r\n", Err(StartLine));
    check_request(b"GET:/ HTTP/1.1\r\n\r\n", Err(StartLine));
    check_request(b"\x16\x03\x01\x02\x00\x01\x00", Err(StartLine));
    check_request(b"get / HTTP/1.1\r\n\r\n", Ok(Some(0)));
}

#[test]
fn a_target_is_printable_ascii() {
    use HeadError::StartLine;
    check_request(b"GET /\xc3\xa9 HTTP/1.1\r\n\r\n", Err(StartLine));
    check_request(b"GET /\x80 HTTP/1.1\r\n\r\n", Err(StartLine));
    check_request(b"GET /\0 HTTP/1.1\r\n\r\n", Err(StartLine));
    check_request(b"GET /\x7f HTTP/1.1\r\n\r\n", Err(StartLine));
    check_request(b"GET /\x1b HTTP/1.1\r\n\r\n", Err(StartLine));
    check_request(b"GET /\"<>^`{|}[]\\%zz HTTP/1.1\r\n\r\n", Ok(Some(0)));
}

#[test]
fn a_status_line_has_a_version_and_three_digits() {
    use HeadError::StartLine;
    check_response(b"HTTP/1.1 200 OK\r\n\r\n", Ok(Some(0)));
    check_response(b"HTTP/1.1 200\r\n\r\n", Ok(Some(0)));
    check_response(b"HTTP/1.1  200 OK\r\n\r\n", Err(StartLine));
    check_response(b"HTTP/1.1 20 OK\r\n\r\n", Err(StartLine));
    check_response(b"HTTP/1.1 2000 OK\r\n\r\n", Err(StartLine));
    check_response(b"HTTP/1.1 +20 OK\r\n\r\n", Err(StartLine));
    check_response(b"HTTP/1.1 000 OK\r\n\r\n", Err(StartLine));
    check_response(b"HTTP/1.1 099 OK\r\n\r\n", Err(StartLine));
    check_response(b"HTTP/1.1 200OK\r\n\r\n", Err(StartLine));
    check_response(b"HTTP/1.1 200\tOK\r\n\r\n", Err(StartLine));
    check_response(b"HTTP/1.1 200 O\0K\r\n\r\n", Err(StartLine));
    check_response(b"HTTP/1.1\r\n\r\n", Err(HeadError::Version));
}

// Section 5: field lines.

#[test]
fn a_field_name_is_a_token_with_its_colon_at_once() {
    use HeadError::FieldName;
    check_request(b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", Err(FieldName));
    check_request(b"GET / HTTP/1.1\r\nHost\t: a\r\n\r\n", Err(FieldName));
    check_request(
        b"GET / HTTP/1.1\r\nContent-Length : 5\r\n\r\n",
        Err(FieldName),
    );
    check_request(
        b"GET / HTTP/1.1\r\nTransfer-Encoding\x0b: chunked\r\n\r\n",
        Err(FieldName),
    );
    check_request(
        b"GET / HTTP/1.1\r\nTransfer-Encoding\0: chunked\r\n\r\n",
        Err(FieldName),
    );
    check_request(b"GET / HTTP/1.1\r\n: a\r\n\r\n", Err(FieldName));
    check_request(b"GET / HTTP/1.1\r\nHost\r\n\r\n", Err(FieldName));
    check_request(b"GET / HTTP/1.1\r\nHost a\r\n\r\n", Err(FieldName));
    check_request(b"GET / HTTP/1.1\r\nA B: c\r\n\r\n", Err(FieldName));
    check_request(b"GET / HTTP/1.1\r\nA\"B: c\r\n\r\n", Err(FieldName));
    check_request(b"GET / HTTP/1.1\r\nA(B: c\r\n\r\n", Err(FieldName));
    check_request(b"GET / HTTP/1.1\r\nA/B: c\r\n\r\n", Err(FieldName));
    check_request(b"GET / HTTP/1.1\r\nA\xe9: c\r\n\r\n", Err(FieldName));
    check_request(b"GET / HTTP/1.1\r\n\x00A: c\r\n\r\n", Err(FieldName));
    check_request(
        b"GET / HTTP/1.1\r\n!#$%&'*+-.^_`|~1: c\r\n\r\n",
        Ok(Some(1)),
    );
    check_response(
        b"HTTP/1.1 200 OK\r\nContent-Length : 5\r\n\r\n",
        Err(FieldName),
    );
    check_response(b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", Err(FieldName));
}

#[test]
fn a_field_value_holds_no_controls() {
    use HeadError::FieldValue;
    for byte in (0..=0x1f)
        .chain([0x7f])
        .filter(|byte| !b"\t\r\n".contains(byte))
    {
        check_request(
            &[&b"GET / HTTP/1.1\r\nA: b"[..], &[byte], b"c\r\n\r\n"].concat(),
            Err(FieldValue),
        );
        check_request(
            &[&b"GET / HTTP/1.1\r\nA: "[..], &[byte], b"\r\n\r\n"].concat(),
            Err(FieldValue),
        );
        check_response(
            &[&b"HTTP/1.1 200 OK\r\nA:"[..], &[byte], b"c\r\n\r\n"].concat(),
            Err(FieldValue),
        );
    }
    check_request(
        b"GET / HTTP/1.1\r\nA: b\tc \xe9\xff\r\nB:\r\nC: \t \r\n\r\n",
        Ok(Some(3)),
    );
}

#[test]
fn a_line_is_not_folded() {
    use HeadError::FieldName;
    check_request(b"GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", Err(FieldName));
    check_request(b"GET / HTTP/1.1\r\nA: b\r\n\tc\r\n\r\n", Err(FieldName));
    check_request(b"GET / HTTP/1.1\r\nA:\r\n b\r\n\r\n", Err(FieldName));
    check_request(
        b"GET / HTTP/1.1\r\nTransfer-Encoding:\r\n chunked\r\n\r\n",
        Err(FieldName),
    );
    check_request(
        b"GET / HTTP/1.1\r\nA: b\r\n \r\nC: d\r\n\r\n",
        Err(FieldName),
    );
    check_response(b"HTTP/1.1 200 OK\r\nA: b\r\n c\r\n\r\n", Err(FieldName));
}

// Sections 6.1 to 6.3: framing.

#[track_caller]
fn check_framing(lines: &str, expected: Result<Framing, FramingError>) {
    check_framing_of(lines, "1.1", expected);
}
#[track_caller]
fn check_framing_of(lines: &str, version: &str, expected: Result<Framing, FramingError>) {
    let bytes = format!("POST / HTTP/{version}\r\n{lines}\r\n");
    let head = parse_request(bytes.as_bytes(), &LIMITS, Vec::new())
        .unwrap()
        .unwrap()
        .with(&bytes);
    assert_eq!(
        request_framing(head.version(), head.fields()),
        expected,
        "request with {lines:?}"
    );
    let bytes = format!("HTTP/{version} 200 OK\r\n{lines}\r\n");
    let head = parse_response(bytes.as_bytes(), &LIMITS, Vec::new())
        .unwrap()
        .unwrap()
        .with(&bytes);
    let found = response_framing(Method::Get, 200, head.version(), head.fields());
    let expected = expected.map(|framing| {
        if framing == Framing::None {
            Framing::UntilClose
        } else {
            framing
        }
    });
    assert_eq!(found, expected, "response with {lines:?}");
}

#[test]
fn a_content_length_is_one_decimal_number_said_once() {
    use FramingError::{Length, Lengths};
    check_framing("", Ok(Framing::None));
    check_framing("Content-Length: 0\r\n", Ok(Framing::Length(0)));
    check_framing("content-length:5\t \r\n", Ok(Framing::Length(5)));
    check_framing("Content-Length: 0005\r\n", Ok(Framing::Length(5)));
    check_framing(
        "Content-Length: 18446744073709551615\r\n",
        Ok(Framing::Length(u64::MAX)),
    );
    for value in [
        "",
        "+5",
        "-5",
        "-0",
        "5 5",
        "5,5",
        "5, 5",
        "5, 6",
        ",5",
        "5,",
        "0x5",
        "5.0",
        "5e0",
        "five",
        "5;a",
        "\"5\"",
        "5\t5",
        "18446744073709551616",
        "99999999999999999999999",
        "\u{665}",
        "5_0",
        "5L",
        "0b1",
        "1 ;",
    ] {
        check_framing(&format!("Content-Length: {value}\r\n"), Err(Length));
    }
    check_framing("Content-Length: 5\r\nContent-Length: 5\r\n", Err(Lengths));
    check_framing("Content-Length: 5\r\nContent-Length: 6\r\n", Err(Lengths));
    check_framing(
        "Content-Length: 5\r\nA: b\r\nCONTENT-LENGTH:\r\n",
        Err(Lengths),
    );
    // Names that resemble it say nothing here, and nothing to the next hop either.
    check_framing(
        "Content_Length: 5\r\nXContent-Length: 5\r\nContent-Length-: 5\r\n",
        Ok(Framing::None),
    );
}

#[test]
fn a_transfer_encoding_is_chunked_said_once() {
    use FramingError::Encoding;
    check_framing("Transfer-Encoding: chunked\r\n", Ok(Framing::Chunked));
    check_framing("TRANSFER-encoding:\tChUnKeD \r\n", Ok(Framing::Chunked));
    for value in [
        "",
        "identity",
        "gzip",
        "gzip, chunked",
        "chunked, gzip",
        "chunked, chunked",
        "chunked, identity",
        "identity, chunked",
        "xchunked",
        "chunkedx",
        "chunked;a=b",
        "chunked,",
        ",chunked",
        "\"chunked\"",
        "'chunked'",
        "chunked chunked",
        "chunk",
        "chunked \t x",
        "cow",
        "\u{212a}",
        "chun\u{212a}ed",
    ] {
        check_framing(&format!("Transfer-Encoding: {value}\r\n"), Err(Encoding));
    }
    check_framing(
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        Err(Encoding),
    );
    check_framing(
        "Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n",
        Err(Encoding),
    );
    check_framing(
        "Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n",
        Err(Encoding),
    );
    check_framing(
        "Transfer-Encoding:\r\nTransfer-Encoding: chunked\r\n",
        Err(Encoding),
    );
    check_framing(
        "X-Transfer-Encoding: chunked\r\nTransfer_Encoding: chunked\r\n",
        Ok(Framing::None),
    );
    assert_eq!(Encoding.status(), 501);
    assert_eq!(FramingError::LengthAndEncoding.status(), 400);
}

#[test]
fn length_and_encoding_are_never_together_and_encoding_never_in_1_0() {
    use FramingError::{EncodingIn10, LengthAndEncoding};
    check_framing(
        "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        Err(LengthAndEncoding),
    );
    check_framing(
        "Transfer-Encoding: chunked\r\nContent-Length: 0\r\n",
        Err(LengthAndEncoding),
    );
    check_framing(
        "Transfer-Encoding: identity\r\nContent-Length: 5\r\n",
        Err(LengthAndEncoding),
    );
    check_framing(
        "Transfer-Encoding:\r\nContent-Length: 5\r\n",
        Err(LengthAndEncoding),
    );
    check_framing(
        "Transfer-Encoding: chunked\r\nContent-Length: x\r\n",
        Err(LengthAndEncoding),
    );
    check_framing_of("Transfer-Encoding: chunked\r\n", "1.0", Err(EncodingIn10));
    check_framing_of("Transfer-Encoding: identity\r\n", "1.0", Err(EncodingIn10));
    check_framing_of(
        "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n",
        "1.0",
        Err(EncodingIn10),
    );
    check_framing_of("Content-Length: 5\r\n", "1.0", Ok(Framing::Length(5)));
    // An HTTP/1.0 request without a length has no body: it is never delimited by the end of the connection.
    check_framing_of("", "1.0", Ok(Framing::None));
    check_framing_of(
        "Transfer-Encoding: chunked\r\n",
        "1.5",
        Ok(Framing::Chunked),
    );
}

#[test]
fn some_responses_have_no_body_whatever_their_fields_say() {
    let lies = [
        "",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Content-Length: 5\r\nContent-Length: 6\r\n",
    ];
    for lines in lies {
        let bytes = format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
        let head = parse_response(bytes.as_bytes(), &LIMITS, Vec::new())
            .unwrap()
            .unwrap()
            .with(&bytes);
        let framing =
            |method, status| response_framing(method, status, Version::Http11, head.fields());
        for status in [100, 101, 103, 199, 204, 304] {
            assert_eq!(framing(Method::Get, status), Ok(Framing::None));
        }
        assert_eq!(framing(Method::Head, 200), Ok(Framing::None));
        assert_eq!(framing(Method::Head, 500), Ok(Framing::None));
        assert_eq!(framing(Method::Connect, 200), Ok(Framing::None));
        assert_eq!(framing(Method::Connect, 299), Ok(Framing::None));
        for (method, status) in [
            (Method::Get, 200),
            (Method::Get, 205),
            (Method::Connect, 407),
            (Method::Options, 200),
        ] {
            assert_ne!(
                framing(method, status),
                Ok(Framing::None),
                "{method:?} {status} {lines:?}"
            );
        }
    }
}

// Section 7.1: the chunked coding.

/// The body and the trailer section, or why it was refused; `None` when it is not complete.
fn chunked(bytes: &[u8]) -> Result<Option<(Vec<u8>, Vec<u8>)>, ChunkedError> {
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
    check_chunked(b"ffffffffffffffff\r\nhello", Ok(None));
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

// Section 3.2: whom it is for.

#[track_caller]
fn check_authority(bytes: &str, expected: Result<(&str, Option<u16>), TargetError>) {
    let expected = expected.map(|(host, port)| Authority {
        host: host.as_bytes(),
        port,
    });
    assert_eq!(Authority::parse(bytes.as_bytes()), expected, "{bytes:?}");
}

#[test]
fn an_authority_is_a_host_and_a_port() {
    use TargetError::{Authority as Bad, UserInfo};
    check_authority("a", Ok(("a", None)));
    check_authority("A.b-c_d~:", Ok(("A.b-c_d~", None)));
    check_authority("a:1", Ok(("a", Some(1))));
    check_authority("a:65535", Ok(("a", Some(65535))));
    check_authority("127.0.0.1:080", Ok(("127.0.0.1", Some(80))));
    check_authority("[::1]", Ok(("[::1]", None)));
    check_authority("[::1]:", Ok(("[::1]", None)));
    check_authority("[2001:DB8::1:2]:443", Ok(("[2001:DB8::1:2]", Some(443))));
    check_authority("[::ffff:1.2.3.4]:1", Ok(("[::ffff:1.2.3.4]", Some(1))));
    check_authority("a%20b", Ok(("a%20b", None)));
    for bad in [
        "",
        ":",
        ":80",
        "a:0",
        "a:00",
        "a:65536",
        "a:99999",
        "a:100000",
        "a:+1",
        "a:-1",
        "a:1 ",
        "a: 1",
        "a:1:1",
        "a:b",
        "a b",
        " a",
        "a ",
        "a/",
        "/",
        "a?",
        "a#",
        "a\\b",
        "a\t",
        "a\0",
        "a\r\n",
        "\u{e9}",
        "a%",
        "a%2",
        "a%zz",
        "::1",
        "[::1",
        "::1]",
        "[]",
        "[:1]",
        "[::1]a",
        "[::1]]",
        "[::1]80",
        "[fe80::1%25eth0]",
        "[fe80::1%eth0]",
        "[1.2.3.4]",
        "[v1.a]",
        "[::1]:0",
        "a[b]",
        "a\"b",
        "<a>",
        "a|b",
        "a\u{7f}",
        "[ ::1]",
        "[::1 ]",
        "[[::1]]",
        "http://a",
    ] {
        check_authority(bad, Err(Bad));
    }
    for bad in ["user@a", "user:pass@a", "@a", "a@", "a:1@b:2", "a@[::1]"] {
        check_authority(bad, Err(UserInfo));
    }
}

#[track_caller]
fn check_target(method: Method, target: &str, expected: Result<Target<'_>, TargetError>) {
    assert_eq!(
        parse_target(method, target.as_bytes()),
        expected,
        "{method:?} {target:?}"
    );
}

#[test]
fn a_target_has_the_form_its_method_wants() {
    use TargetError::{Authority as Bad, Form, Malformed, Scheme as BadScheme, UserInfo};
    let authority = |host: &'static str, port| Authority {
        host: host.as_bytes(),
        port,
    };
    let absolute = |scheme, authority, path: &'static str| Target::Absolute {
        scheme,
        authority,
        path: path.as_bytes(),
    };
    check_target(Method::Get, "/", Ok(Target::Origin(b"/")));
    check_target(Method::Get, "//a/b", Ok(Target::Origin(b"//a/b")));
    check_target(
        Method::Get,
        "/\"<>^`{|}[]\\%",
        Ok(Target::Origin(b"/\"<>^`{|}[]\\%")),
    );
    check_target(
        Method::Get,
        "/?u=http://b/",
        Ok(Target::Origin(b"/?u=http://b/")),
    );
    check_target(
        Method::Get,
        "http://a",
        Ok(absolute(Scheme::Http, authority("a", None), "")),
    );
    check_target(
        Method::Get,
        "HTTP://a:1?b",
        Ok(absolute(Scheme::Http, authority("a", Some(1)), "?b")),
    );
    check_target(
        Method::Get,
        "hTTps://[::1]/b",
        Ok(absolute(Scheme::Https, authority("[::1]", None), "/b")),
    );
    check_target(
        Method::Get,
        "http://a/@b",
        Ok(absolute(Scheme::Http, authority("a", None), "/@b")),
    );
    check_target(
        Method::Connect,
        "a:443",
        Ok(Target::Authority(authority("a", Some(443)))),
    );
    check_target(
        Method::Connect,
        "[::1]:1",
        Ok(Target::Authority(authority("[::1]", Some(1)))),
    );
    check_target(Method::Options, "*", Ok(Target::Asterisk));
    check_target(Method::Options, "/", Ok(Target::Origin(b"/")));
    for (target, error) in [
        ("", Malformed),
        ("*", Form),
        ("a", Malformed),
        ("a:80", Form),
        ("*/", Malformed),
        ("?a", Malformed),
        ("a/b", Malformed),
        ("http:/a", Malformed),
        ("http:a", Malformed),
        ("://a/", Malformed),
        ("1http://a/", Malformed),
        ("ht tp://a/", Malformed),
        ("ftp://a/", BadScheme),
        ("httpx://a/", BadScheme),
        ("ws://a/", BadScheme),
        ("file:///a", BadScheme),
        ("http://", Bad),
        ("http:///", Bad),
        ("http://:80/", Bad),
        ("http://a:0/", Bad),
        ("http://a:x/", Bad),
        ("http://a\\b/", Bad),
        ("http://a\\@b/", UserInfo),
        ("http://u@a/", UserInfo),
        ("http://u:p@a/", UserInfo),
        ("http://a%zz/", Bad),
        ("/a#b", Malformed),
        ("http://a/#b", Malformed),
        ("http://a#b", Malformed),
        ("/a b", Malformed),
        ("/\u{e9}", Malformed),
        ("/\0", Malformed),
        ("/\x7f", Malformed),
        ("/\r\n", Malformed),
    ] {
        check_target(Method::Get, target, Err(error));
    }
    for (target, error) in [
        ("/", Form),
        ("*", Form),
        ("http://a:80/", Form),
        ("a", Bad),
        ("a:", Bad),
        ("a:0", Bad),
        ("u@a:443", UserInfo),
        ("a:443/", Bad),
        (":443", Bad),
        ("", Malformed),
    ] {
        check_target(Method::Connect, target, Err(error));
    }
    check_target(Method::Options, "**", Err(Malformed));
}

#[test]
fn an_absolute_target_becomes_its_origin_form() {
    for (method, target, expected) in [
        (Method::Get, "http://a", "/"),
        (Method::Get, "http://a?b", "/?b"),
        (Method::Get, "http://a/b?c", "/b?c"),
        (Method::Get, "/x", "/x"),
        (Method::Options, "http://a", "*"),
        (Method::Options, "http://a/", "/"),
        (Method::Options, "*", "*"),
    ] {
        let found = parse_target(method, target.as_bytes())
            .unwrap()
            .origin_form(method);
        assert_eq!(found, expected.as_bytes(), "{target}");
    }
}

#[test]
fn host_is_there_once_and_well_formed() {
    let check = |version: &str, lines: &str, expected: Result<Option<&str>, TargetError>| {
        let bytes = format!("GET / HTTP/{version}\r\n{lines}\r\n");
        let head = parse_request(bytes.as_bytes(), &LIMITS, Vec::new())
            .unwrap()
            .unwrap()
            .with(&bytes);
        let found = host(head.version(), head.fields()).map(|host| host.map(|host| host.host));
        assert_eq!(
            found,
            expected.map(|host| host.map(str::as_bytes)),
            "{version} {lines:?}"
        );
    };
    check("1.1", "Host: a:1\r\n", Ok(Some("a")));
    check("1.0", "Host: a\r\n", Ok(Some("a")));
    check("1.1", "", Err(TargetError::HostMissing));
    check("1.0", "", Ok(None));
    check("1.1", "Host:\r\n", Ok(None));
    for lines in [
        "Host: a\r\nHost: a\r\n",
        "Host: a\r\nhost: b\r\n",
        "Host:\r\nHost: a\r\n",
        "Host: a, b\r\n",
        "Host: a b\r\n",
        "Host: a/b\r\n",
        "Host: u@a\r\n",
        "Host: http://a\r\n",
        "Host: a:x\r\n",
        "Host: a:\tb\r\n",
        "Host: \u{e9}\r\n",
        "Host: a#\r\n",
        "Host: :80\r\n",
    ] {
        check("1.1", lines, Err(TargetError::Host));
        check("1.0", lines, Err(TargetError::Host));
    }
}

// Section 9.3: persistence.

#[test]
fn close_wins_wherever_it_stands() {
    let check = |version: &str, lines: &str, expected: bool| {
        let bytes = format!("GET / HTTP/{version}\r\n{lines}\r\n");
        let head = parse_request(bytes.as_bytes(), &LIMITS, Vec::new())
            .unwrap()
            .unwrap()
            .with(&bytes);
        assert_eq!(
            persists(head.version(), head.fields()),
            expected,
            "{version} {lines:?}"
        );
    };
    check("1.1", "", true);
    check("1.1", "Connection: x\r\n", true);
    check("1.1", "Connection: closed\r\n", true);
    check("1.1", "Connection: Close\r\n", false);
    check("1.1", "Connection: keep-alive, close\r\n", false);
    check("1.1", "Connection: close, keep-alive\r\n", false);
    check(
        "1.1",
        "Connection: keep-alive\r\nconnection: x,CLOSE\r\n",
        false,
    );
    check("1.1", "Proxy-Connection: close\r\n", true);
    check("1.0", "", false);
    check("1.0", "Connection: Keep-Alive\r\n", true);
    check(
        "1.0",
        "Connection: keep-alive\r\nConnection: close\r\n",
        false,
    );
    check("1.0", "Proxy-Connection: keep-alive\r\n", false);
    check("1.0", "Keep-Alive: 5\r\n", false);
}
