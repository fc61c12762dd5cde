//! Heads: no panic; a prefix of an accepted head wants more; what is written parses as what it was; edits keep it so.
#![no_main]

use libfuzzer_sys::fuzz_target;
use understudy_http::wire::framing::{persists, request_framing, response_framing};
use understudy_http::wire::head::{HeadLimits, parse_request, parse_response};
use understudy_http::wire::hop::{strip_request, strip_response};
use understudy_http::wire::target::{host, parse_target};
use understudy_http::{Fields, Name};

const LIMITS: HeadLimits = HeadLimits {
    bytes: 2048,
    target: 256,
    fields: 40,
};

type Lines = Vec<(Name, Vec<u8>, Vec<u8>)>;

fn lines(fields: Fields<'_>) -> Lines {
    fields
        .iter()
        .map(|(id, name, value)| (id, name.to_vec(), value.to_vec()))
        .collect()
}

/// What forwarding must never let through.
fn hop_by_hop(fields: Fields<'_>) -> bool {
    [
        Name::TransferEncoding,
        Name::ContentLength,
        Name::KeepAlive,
        Name::ProxyAuthorization,
        Name::Upgrade,
    ]
    .into_iter()
    .any(|name| fields.has(name))
}

fn request(bytes: &[u8]) {
    let Ok(Some(parts)) = parse_request(bytes, &LIMITS, Vec::new()) else {
        return;
    };
    let len = parts.len();
    for end in 0..len {
        assert!(
            matches!(parse_request(&bytes[..end], &LIMITS, Vec::new()), Ok(None)),
            "prefix of {end}"
        );
    }
    let mut head = parts.with(bytes);
    let _ = request_framing(head.version(), head.fields());
    let _ = (
        persists(head.version(), head.fields()),
        host(head.version(), head.fields()),
    );
    let _ = parse_target(head.method(), head.target());
    let mut out = Vec::new();
    head.write(&mut out);
    out.extend_from_slice(b"\r\n");
    let wide = HeadLimits {
        bytes: 1 << 20,
        ..LIMITS
    };
    let again = parse_request(&out, &wide, Vec::new())
        .expect("well-formed")
        .expect("complete");
    assert_eq!(again.len(), out.len());
    let again = again.with(&out);
    assert_eq!(again.method_bytes(), head.method_bytes());
    assert_eq!(again.target(), head.target());
    assert_eq!(lines(again.fields()), lines(head.fields()));
    let before = head.fields().has(Name::Host);
    strip_request(&mut head);
    assert!(!hop_by_hop(head.fields()));
    assert_eq!(
        head.fields().has(Name::Host),
        before,
        "Host is not nominated away"
    );
    // Anything may be set as a value or a target without breaking the head.
    let (name, value) = bytes.split_at(bytes.len() / 2);
    let fits = head.set(name, value).is_ok();
    head.set_target(value);
    out.clear();
    head.write(&mut out);
    out.extend_from_slice(b"\r\n");
    let widest = HeadLimits {
        bytes: 1 << 20,
        target: 1 << 20,
        fields: 1000,
    };
    let again = parse_request(&out, &widest, Vec::new())
        .expect("well-formed")
        .expect("complete")
        .with(&out);
    assert_eq!(lines(again.fields()), lines(head.fields()));
    assert!(!fits || again.fields().find(name).is_some());
}

fn response(bytes: &[u8]) {
    let Ok(Some(parts)) = parse_response(bytes, &LIMITS, Vec::new()) else {
        return;
    };
    let len = parts.len();
    for end in 0..len {
        assert!(
            matches!(parse_response(&bytes[..end], &LIMITS, Vec::new()), Ok(None)),
            "prefix of {end}"
        );
    }
    let mut head = parts.with(bytes);
    let _ = response_framing(
        understudy_http::Method::Get,
        head.status(),
        head.version(),
        head.fields(),
    );
    head.set_status(head.status(), &head.reason().to_vec());
    let mut out = Vec::new();
    head.write(&mut out);
    out.extend_from_slice(b"\r\n");
    let wide = HeadLimits {
        bytes: 1 << 20,
        ..LIMITS
    };
    let again = parse_response(&out, &wide, Vec::new())
        .expect("well-formed")
        .expect("complete")
        .with(&out);
    assert_eq!(
        (again.status(), again.reason()),
        (head.status(), head.reason())
    );
    assert_eq!(lines(again.fields()), lines(head.fields()));
    strip_response(&mut head);
    assert!(!hop_by_hop(head.fields()));
}

fuzz_target!(|bytes: &[u8]| {
    request(bytes);
    response(bytes);
    // Most random bytes have no start line: as lines of a head with one, they get further.
    request(&[b"GET / HTTP/1.1\r\n", bytes, b"\r\n\r\n"].concat());
    response(&[b"HTTP/1.1 200 OK\r\n", bytes, b"\r\n\r\n"].concat());
});
