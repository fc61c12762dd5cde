//! Vary over preferences, and targeted cache control: no panic; a request selects what it fetched, and two requests select each
//! other's exactly when their keys are equal; a targeted field that is not usable changes nothing.
#![no_main]

use libfuzzer_sys::fuzz_target;
use understudy_http::semantics::cache_control::ResponseDirectives;
use understudy_http::semantics::targeted::{DEFAULT_TARGETS, response_directives};
use understudy_http::semantics::vary::VaryKey;
use understudy_http::{RequestHead, ResponseHead};

const FIELDS: [&[u8]; 4] = [b"Accept", b"Accept-Encoding", b"Accept-Language", b"X"];

/// A request that has this line of each field, as far as it can stand in a head.
fn request(line: &[u8]) -> RequestHead {
    let mut head = RequestHead::new(b"GET", b"/").expect("a fitting start line");
    for name in FIELDS {
        let _ = head.append(name, line);
    }
    head
}

fuzz_target!(|bytes: &[u8]| {
    let at = bytes
        .iter()
        .position(|b| *b == b'\n')
        .unwrap_or(bytes.len());
    let (one, other) = (
        request(&bytes[..at]),
        request(bytes.get(at + 1..).unwrap_or_default()),
    );
    for name in FIELDS {
        let mut response = ResponseHead::new(200, b"OK");
        response.append(b"Vary", name).expect("a fitting line");
        let key = |request: &RequestHead| {
            VaryKey::of(response.fields(), request.fields()).expect("no star")
        };
        let (first, second) = (key(&one), key(&other));
        assert!(first.matches(one.fields()) && second.matches(other.fields()));
        assert_eq!(first.matches(other.fields()), first == second);
        assert_eq!(second.matches(one.fields()), first == second);
        assert!(!first.matches_as_sent(other.fields()) || first == second);
    }
    let mut response = ResponseHead::new(200, b"OK");
    if response.append(b"CDN-Cache-Control", bytes).is_ok() {
        response
            .append(b"Cache-Control", b"max-age=7")
            .expect("a fitting line");
        let cc = response_directives(response.fields(), DEFAULT_TARGETS);
        assert!(cc.targeted || cc == ResponseDirectives::parse(response.fields()));
    }
});
