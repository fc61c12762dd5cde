//! Targets and authorities: no panic; an accepted one holds nothing that could end or widen it elsewhere, and put together
//! again from its parts it is the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use understudy_http::Method;
use understudy_http::wire::target::{Authority, Target, parse_target};

fn joined(authority: Authority<'_>) -> Vec<u8> {
    let port = authority
        .port
        .map(|port| format!(":{port}"))
        .unwrap_or_default();
    [authority.host, port.as_bytes()].concat()
}

fn sound(authority: Authority<'_>) {
    assert!(!authority.host.is_empty());
    assert!(
        authority
            .host
            .iter()
            .all(|byte| byte.is_ascii_graphic() && !b"@/?#\\\"<>^`{|}".contains(byte))
    );
    assert_eq!(
        authority.host.contains(&b':'),
        authority.host.starts_with(b"[")
    );
    assert_ne!(authority.port, Some(0));
    assert_eq!(Authority::parse(&joined(authority)), Ok(authority));
}

fuzz_target!(|bytes: &[u8]| {
    if let Ok(authority) = Authority::parse(bytes) {
        sound(authority);
    }
    for method in [Method::Get, Method::Connect, Method::Options] {
        let Ok(target) = parse_target(method, bytes) else {
            continue;
        };
        assert!(
            bytes
                .iter()
                .all(|byte| byte.is_ascii_graphic() && *byte != b'#')
        );
        match target {
            Target::Origin(path) => {
                assert!(path == bytes && path.starts_with(b"/") && method != Method::Connect)
            }
            Target::Authority(authority) => {
                assert!(method == Method::Connect && authority.port.is_some());
                sound(authority);
            }
            Target::Asterisk => assert!(method == Method::Options && bytes == b"*"),
            Target::Absolute {
                scheme,
                authority,
                path,
            } => {
                assert_ne!(method, Method::Connect);
                sound(authority);
                assert!(bytes.ends_with(path));
                let again = [scheme.as_str().as_bytes(), b"://", &joined(authority), path].concat();
                assert_eq!(parse_target(method, &again), Ok(target));
                let origin = target.origin_form(method);
                assert!(origin.starts_with(b"/") || &origin[..] == b"*");
                assert!(parse_target(method, &origin).is_ok());
            }
        }
    }
});
