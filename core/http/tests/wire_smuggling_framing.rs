//! Exact bytes and their verdict, for every rule of RFC 9112 sections 6 and 9 that can make two recipients disagree about
//! where a message begins or ends, or whom it is for. Whatever is ambiguous is refused.
#![allow(clippy::unwrap_used)]

use understudy_http::wire::framing::{
    Framing, FramingError, persists, request_framing, response_framing,
};
use understudy_http::wire::head::{HeadLimits, parse_request, parse_response};
use understudy_http::{Method, Version};

const LIMITS: HeadLimits = HeadLimits {
    bytes: 64 * 1024,
    target: 8 * 1024,
    fields: 100,
};

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
