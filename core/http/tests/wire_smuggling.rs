//! Exact bytes and their verdict, for every rule of RFC 9112 sections 2 to 5 that can make two recipients disagree about
//! where a message begins or ends, or whom it is for. Whatever is ambiguous is refused.
//! The others are in `wire_smuggling_framing`, `wire_smuggling_body` and `wire_smuggling_target`.
#![allow(clippy::unwrap_used)]

use understudy_http::wire::head::{HeadError, HeadLimits, parse_request, parse_response};

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
