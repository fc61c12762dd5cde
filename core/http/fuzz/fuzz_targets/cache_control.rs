//! Cache-Control: no panic; a refusal to store is not talked away by anything before or after it on other lines; field
//! names and directives have no case.
#![no_main]

use libfuzzer_sys::fuzz_target;
use understudy_http::RequestHead;
use understudy_http::semantics::cache_control::{RequestDirectives, ResponseDirectives};

fn parse(lines: &[&[u8]]) -> Option<(RequestDirectives, ResponseDirectives)> {
    let mut head = RequestHead::new(b"GET", b"/").expect("a fitting start line");
    for line in lines {
        head.append(b"cache-control", line).ok()?;
    }
    Some((
        RequestDirectives::parse(head.fields()),
        ResponseDirectives::parse(head.fields()),
    ))
}

fuzz_target!(|bytes: &[u8]| {
    let Some(alone) = parse(&[bytes]) else { return };
    assert_eq!(parse(&[bytes]), Some(alone));
    assert_eq!(parse(&[bytes, b""]), Some(alone));
    for lines in [[bytes, b"No-Store"], [b"no-store", bytes]] {
        let (request, response) = parse(&lines).expect("both lines fit");
        assert!(request.no_store && response.no_store);
        assert_eq!(request.no_cache, alone.0.no_cache);
        assert_eq!(response.private, alone.1.private);
    }
    assert_eq!(parse(&[&bytes.to_ascii_uppercase()]), Some(alone));
});
