//! What a parsed head answers, and what edits and writing do to it.
#![allow(clippy::unwrap_used)]

use understudy_http::wire::head::{HeadError, HeadLimits, parse_request, parse_response};
use understudy_http::wire::hop::{clean_trailers, strip_request, strip_response};
use understudy_http::{Method, Name, RequestHead, ResponseHead, Version};

const LIMITS: HeadLimits = HeadLimits {
    bytes: 64 * 1024,
    target: 8 * 1024,
    fields: 100,
};

fn request(bytes: &[u8]) -> RequestHead<&[u8]> {
    parse_request(bytes, &LIMITS, Vec::new())
        .unwrap()
        .unwrap()
        .with(bytes)
}
fn response(bytes: &[u8]) -> ResponseHead<&[u8]> {
    parse_response(bytes, &LIMITS, Vec::new())
        .unwrap()
        .unwrap()
        .with(bytes)
}
fn written(head: &RequestHead<&[u8]>) -> String {
    let mut out = Vec::new();
    head.write(&mut out);
    String::from_utf8(out).unwrap()
}
fn written_response(head: &ResponseHead<&[u8]>) -> String {
    let mut out = Vec::new();
    head.write(&mut out);
    String::from_utf8(out).unwrap()
}

#[test]
fn a_request_head_answers_its_parts() {
    let bytes =
        b"\r\nGET /a?b HTTP/1.1\r\nHost: x\r\nAccept:\t a, b \r\nX-One:\r\naccept: c\r\n\r\nbody";
    let head = request(bytes);
    assert_eq!(head.method(), Method::Get);
    assert_eq!(head.method_bytes(), b"GET");
    assert_eq!(head.target(), b"/a?b");
    assert_eq!(head.version(), Version::Http11);
    let fields = head.fields();
    assert_eq!(fields.len(), 4);
    assert_eq!(fields.get(Name::Host), Some(&b"x"[..]));
    assert_eq!(fields.get(Name::Age), None);
    assert_eq!(fields.find(b"x-one"), Some(&b""[..]));
    assert_eq!(
        fields.find_all(b"ACCEPT").collect::<Vec<_>>(),
        [&b"a, b"[..], b"c"]
    );
    assert_eq!(
        fields.list(Name::Accept).collect::<Vec<_>>(),
        [&b"a"[..], b"b", b"c"]
    );
    assert_eq!(fields.count(Name::Accept), 2);
    assert_eq!(
        fields.iter().nth(3),
        Some((Name::Accept, &b"accept"[..], &b"c"[..]))
    );
    assert_eq!(
        parse_request(bytes, &LIMITS, Vec::new())
            .unwrap()
            .unwrap()
            .len(),
        bytes.len() - 4
    );
}

#[test]
fn a_list_respects_quoted_strings_and_skips_empty_members() {
    let head =
        request(b"GET / HTTP/1.1\r\nVia: , a ,,\"b, \\\", c\" ;d,\t\r\nVia: \"open, e\r\n\r\n");
    let members: Vec<_> = head.fields().list(Name::Via).collect();
    assert_eq!(members, [&b"a"[..], b"\"b, \\\", c\" ;d", b"\"open, e"]);
}

#[test]
fn a_response_head_answers_its_parts() {
    for (line, status, reason) in [
        (&b"HTTP/1.1 200 OK\r\n\r\n"[..], 200, &b"OK"[..]),
        (b"HTTP/1.1 204 \r\n\r\n", 204, b""),
        (b"HTTP/1.0 404\r\n\r\n", 404, b""),
        (b"HTTP/1.1 200 d\xe9j\xe0 vu\r\n\r\n", 200, b"d\xe9j\xe0 vu"),
        (b"HTTP/1.7 999 a\tb\r\n\r\n", 999, b"a\tb"),
    ] {
        let head = response(line);
        assert_eq!((head.status(), head.reason()), (status, reason));
        assert_eq!(
            head.version() == Version::Http10,
            line.starts_with(b"HTTP/1.0")
        );
    }
}

#[test]
fn minor_versions_above_1_count_as_1() {
    for minor in b'1'..=b'9' {
        let mut bytes = b"GET / HTTP/1.x\r\nHost: a\r\n\r\n".to_vec();
        bytes[13] = minor;
        let head = request(&bytes);
        assert_eq!(
            (head.version(), head.fields().get(Name::Host)),
            (Version::Http11, Some(&b"a"[..]))
        );
    }
}

#[test]
fn as_many_fields_as_the_limit_and_no_more() {
    for count in [0, 1, 31, 32, 33, 99, 100, 101, 300] {
        let bytes = format!("GET / HTTP/1.1\r\n{}\r\n", "a:b\r\n".repeat(count));
        let parsed = parse_request(bytes.as_bytes(), &LIMITS, Vec::new());
        let reply = format!("HTTP/1.1 200 OK\r\n{}\r\n", "a:b\r\n".repeat(count));
        let replied = parse_response(reply.as_bytes(), &LIMITS, Vec::new());
        if count <= 100 {
            assert_eq!(parsed.unwrap().unwrap().with(bytes).fields().len(), count);
            assert_eq!(replied.unwrap().unwrap().with(reply).fields().len(), count);
        } else {
            assert_eq!(parsed.unwrap_err(), HeadError::TooManyFields);
            assert_eq!(replied.unwrap_err(), HeadError::TooManyFields);
        }
    }
}

#[test]
fn a_head_as_long_as_the_limit_is_taken_and_a_longer_one_is_not() {
    let bytes = format!("GET / HTTP/1.1\r\na: {}\r\n\r\n", "b".repeat(100));
    let limits = |bytes| HeadLimits { bytes, ..LIMITS };
    assert!(
        parse_request(bytes.as_bytes(), &limits(bytes.len()), Vec::new())
            .unwrap()
            .is_some()
    );
    let less = limits(bytes.len() - 1);
    assert_eq!(
        parse_request(bytes.as_bytes(), &less, Vec::new()).unwrap_err(),
        HeadError::TooLarge
    );
    let partial = &bytes.as_bytes()[..less.bytes];
    assert_eq!(
        parse_request(partial, &less, Vec::new()).unwrap_err(),
        HeadError::TooLarge
    );
    assert!(
        parse_request(&partial[..partial.len() - 1], &less, Vec::new())
            .unwrap()
            .is_none()
    );
    let crlfs = b"\r\n".repeat(50);
    assert_eq!(
        parse_request(&crlfs, &limits(100), Vec::new()).unwrap_err(),
        HeadError::TooLarge
    );
    assert!(
        parse_request(&crlfs, &limits(101), Vec::new())
            .unwrap()
            .is_none()
    );
    for start in [
        "\r\n\r\nGET / HTTP/1.2\r\nA: bcdefghi",
        "\r\n\r\nGET / HTTP/1.2",
    ] {
        let parse = |bytes| parse_request(start.as_bytes(), &limits(bytes), Vec::new());
        assert_eq!(parse(start.len()).unwrap_err(), HeadError::TooLarge);
        assert!(parse(start.len() + 1).unwrap().is_none());
    }
    let reply = b"HTTP/1.1 200 OK\r\nServer: a\r\n\r\n";
    assert_eq!(
        parse_response(reply, &limits(20), Vec::new()).unwrap_err(),
        HeadError::TooLarge
    );
}

#[test]
fn a_target_too_long_is_refused_before_the_head_is_complete() {
    let limits = HeadLimits {
        target: 10,
        bytes: 50,
        ..LIMITS
    };
    let parse = |bytes: &str| {
        parse_request(bytes.as_bytes(), &limits, Vec::new()).map(|parts| parts.is_some())
    };
    assert_eq!(parse("GET /234567890"), Ok(false));
    assert_eq!(parse("GET /234567890 HTTP/1.1\r\n\r\n"), Ok(true));
    assert_eq!(parse("GET /2345678901"), Err(HeadError::TargetTooLong));
    assert_eq!(parse("\r\nGET /2345678901"), Err(HeadError::TargetTooLong));
    assert_eq!(
        parse("GET /2345678901 HTTP/1.1\r\n\r\n"),
        Err(HeadError::TargetTooLong)
    );
    assert_eq!(
        parse(&format!("GET /{}", "a".repeat(100))),
        Err(HeadError::TargetTooLong)
    );
    assert_eq!(
        parse(&format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(100))),
        Err(HeadError::TargetTooLong)
    );
}

#[test]
fn edits_change_what_is_written_and_nothing_else() {
    let bytes = b"GET /a HTTP/1.0\r\nHost:x\r\nX-A: 1\r\nx-b: 2\r\nx-a: 3\r\nAge: 4\r\n\r\n";
    let mut head = request(bytes);
    head.set_target(b"/new?x");
    head.set(b"X-a", b" one ").unwrap();
    head.append(b"Via", b"1.1 me").unwrap();
    head.set(b"Date", b"now").unwrap();
    head.remove(Name::Age);
    head.remove_if(|id, name, value| id == Name::Other && name == b"x-b" && value == b"2");
    assert_eq!(head.target(), b"/new?x");
    assert_eq!(
        written(&head),
        "GET /new?x HTTP/1.1\r\nHost: x\r\nX-a: one\r\nVia: 1.1 me\r\nDate: now\r\n"
    );
    assert_eq!(head.fields().get(Name::Via), Some(&b"1.1 me"[..]));
    let owned = head.clone().to_owned();
    let mut out = Vec::new();
    owned.write(&mut out);
    assert_eq!(out, written(&head).as_bytes());
    assert_eq!(head.into_table().len(), 4);
}

#[test]
fn a_response_is_edited_the_same_way() {
    let mut head = response(b"HTTP/1.0 200 OK\r\nAge: 1\r\nServer: s\r\nage: 2\r\n\r\n");
    head.set(b"age", b"3").unwrap();
    head.set_status(304, b"Not\r\nModified");
    assert_eq!(
        written_response(&head),
        "HTTP/1.1 304 Not  Modified\r\nage: 3\r\nServer: s\r\n"
    );
}

#[test]
fn an_edit_cannot_break_its_line() {
    let mut head = request(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    for (name, value, error) in [
        (&b""[..], &b""[..], HeadError::FieldName),
        (b"a b", b"", HeadError::FieldName),
        (b"a:", b"", HeadError::FieldName),
        (b"a\r\n", b"", HeadError::FieldName),
        (b"\xe9", b"", HeadError::FieldName),
        (b"a", b"b\r\nc: d", HeadError::FieldValue),
        (b"a", b"b\nc", HeadError::FieldValue),
        (b"a", b"b\0c", HeadError::FieldValue),
        (b"a", b"b\x7fc", HeadError::FieldValue),
    ] {
        assert_eq!(head.append(name, value), Err(error));
        assert_eq!(head.set(name, value), Err(error));
    }
    head.append(b"a", b"\tb \xe9\t").unwrap();
    head.set_target(b"/a b\r\nc\xe9");
    assert_eq!(head.target(), b"/a%20b%0D%0Ac%E9");
    assert_eq!(head.fields().find(b"A"), Some(&b"b \xe9"[..]));
    head.set_target(b"");
    assert_eq!(head.target(), b"/");
}

#[test]
fn heads_that_were_not_received_are_made() {
    let mut head = RequestHead::new(b"GET", b"/x").unwrap();
    head.append(b"Host", b"h").unwrap();
    let mut out = Vec::new();
    head.write(&mut out);
    assert_eq!(out, b"GET /x HTTP/1.1\r\nHost: h\r\n");
    assert!(RequestHead::new(b"", b"/x").is_err());
    assert!(RequestHead::new(b"G T", b"/x").is_err());
    assert!(RequestHead::new(b"GET", b"/ x").is_err());
    let mut head = ResponseHead::new(502, b"Bad Gateway");
    head.append(b"Age", b"0").unwrap();
    out.clear();
    head.write(&mut out);
    assert_eq!(out, b"HTTP/1.1 502 Bad Gateway\r\nAge: 0\r\n");
}

#[test]
fn parts_joined_with_other_bytes_do_not_panic() {
    let parts = parse_request(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", &LIMITS, Vec::new())
        .unwrap()
        .unwrap();
    let head = parts.with(&b"GET"[..]);
    assert_eq!(head.method_bytes(), b"GET");
    assert_eq!(head.target(), b"");
    assert_eq!(head.fields().get(Name::Host), Some(&b""[..]));
    assert_eq!(head.to_owned().target(), b"");
}

#[track_caller]
fn check_strip(received: &str, sent: &str) {
    let bytes = format!("GET / HTTP/1.1\r\n{received}\r\n");
    let mut head = request(bytes.as_bytes());
    strip_request(&mut head);
    assert_eq!(written(&head), format!("GET / HTTP/1.1\r\n{sent}"));
}

#[test]
fn what_is_for_one_hop_does_not_cross_it() {
    check_strip(
        "Host: a\r\nConnection: close\r\nAccept: b\r\n",
        "Host: a\r\nAccept: b\r\n",
    );
    check_strip(
        "Keep-Alive: 1\r\nProxy-Connection: a\r\nProxy-Authorization: b\r\nUpgrade: c\r\n",
        "",
    );
    check_strip(
        "Content-Length: 1\r\nTransfer-Encoding: chunked\r\nTE: deflate\r\n",
        "",
    );
    check_strip(
        "Expect: 100-continue\r\nTrailer: x\r\n",
        "Expect: 100-continue\r\nTrailer: x\r\n",
    );
    check_strip(
        "TE: gzip, Trailers\r\nConnection: TE\r\n",
        "TE: trailers\r\nConnection: TE\r\n",
    );
}

#[test]
fn nominated_fields_go_in_any_case_and_from_any_line() {
    check_strip(
        "X-a: 1\r\nConnection: close, x-A\r\nx-B: 2\r\nConnection: X-b\r\nx-c: 3\r\nX-A: 4\r\n",
        "x-c: 3\r\n",
    );
    check_strip(
        "HTTP2-Settings: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n",
        "",
    );
}

#[test]
fn what_decides_for_the_next_hop_cannot_be_nominated_away() {
    for name in [
        "Host",
        "Cache-Control",
        "Via",
        "Forwarded",
        "X-Forwarded-For",
        "X-Forwarded-Port",
        "X-Real-IP",
        "Authorization",
        "Cookie",
        "Content-Type",
        "Date",
        "Expires",
        "Age",
        "ETag",
        "Vary",
        "Set-Cookie",
        "Location",
        "Range",
        "Sec-Fetch-Site",
        "WWW-Authenticate",
        "Expect",
        "Max-Forwards",
    ] {
        check_strip(
            &format!("{name}: v\r\nConnection: {name}\r\n"),
            &format!("{name}: v\r\n"),
        );
    }
}

#[test]
fn a_response_is_stripped_too() {
    let mut head = response(
        b"HTTP/1.1 200 OK\r\nConnection: x, ETag\r\nX: 1\r\nETag: 2\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\nUpgrade: a\r\nProxy-Authenticate: b\r\nKeep-Alive: c\r\n\r\n",
    );
    strip_response(&mut head);
    assert_eq!(written_response(&head), "HTTP/1.1 200 OK\r\nETag: 2\r\n");
}

#[test]
fn trailers_that_mean_something_elsewhere_are_dropped() {
    let section = b"Server-Timing: a\r\nContent-Length: 5\r\nHost: b\r\nSet-Cookie: c\r\nETag:\"d\"\r\nx-forwarded-for: e\r\n\
        Transfer-Encoding: chunked\r\nAuthorization: f\r\nConnection: g\r\nwww-authenticate: h\r\nContent-Digest:  i \r\n\
        no colon\r\n: j\r\na b: k\r\nbare: l\nCache-Control: m\r\n";
    let mut out = b"kept\r\n".to_vec();
    clean_trailers(section, &mut out);
    let expected = "kept\r\nServer-Timing: a\r\nETag: \"d\"\r\nContent-Digest: i\r\n";
    assert_eq!(String::from_utf8(out).unwrap(), expected);
}
