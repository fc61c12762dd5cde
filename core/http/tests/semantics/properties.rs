//! What holds for any bytes: nothing panics, and the invariants each file states.

use crate::support::{Head, empty};
use proptest::prelude::*;
use understudy_http::Method;
use understudy_http::semantics::cache_control::{RequestDirectives, ResponseDirectives};
use understudy_http::semantics::freshness::{Freshness, Heuristic};
use understudy_http::semantics::range::RangeAnswer;
use understudy_http::semantics::vary::VaryKey;
use understudy_http::semantics::{
    cache_status, conditional, date, key, range, reuse, storing, targeted, update,
};
use understudy_http::wire::target::{Authority, Scheme};

const NAMES: &[&str] = &[
    "Cache-Control",
    "Pragma",
    "Age",
    "Date",
    "Expires",
    "Last-Modified",
    "ETag",
    "Vary",
    "If-None-Match",
    "If-Modified-Since",
    "If-Range",
    "Range",
    "Connection",
    "Set-Cookie",
    "Accept-Encoding",
    "Accept-Language",
    "Accept",
    "CDN-Cache-Control",
    "X-Other",
];

/// Bytes that grammars care about, mostly.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        4 => "[ \t,;=\"\\\\*/-]",
        3 => "[a-zA-Z0-9]{1,3}",
        1 => prop::sample::select(vec![
            "max-age", "no-store", "no-cache", "private", "public", "s-maxage=5", "bytes=", "W/\"", "Vary", "X-Other",
            "Accept-Encoding", "Accept-Language", "Accept", ";q=0.5", "text/*", "gzip", "GZIP", "de", "\"set-cookie, vary\"", "Sun, 06 Nov 1994 08:49:37 GMT", "99999999999999999999",
        ]).prop_map(str::to_owned),
    ];
    prop_oneof![
        3 => prop::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat().into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..24),
    ]
}

fn any_head() -> impl Strategy<Value = Vec<(&'static str, Vec<u8>)>> {
    prop::collection::vec((prop::sample::select(NAMES.to_vec()), value()), 0..8)
}

fn built(lines: &[(&str, Vec<u8>)]) -> Head {
    let mut head = empty();
    for (name, value) in lines {
        head.push(name.as_bytes(), value);
    }
    head
}

proptest! {
    #[test]
    fn nothing_panics_on_any_bytes(
        request in any_head(),
        stored in any_head(),
        status in any::<u16>(),
        times in any::<(i64, i64, i64)>(),
        length in any::<u64>(),
    ) {
        let (request, stored) = (built(&request), built(&stored));
        let (request, stored) = (request.fields(), stored.fields());
        let (asked, cc) = (RequestDirectives::parse(request), ResponseDirectives::parse(stored));
        let h = Heuristic { percent: u32::MAX, max: u32::MAX };
        let freshness = Freshness::of(status, stored, &cc, times.0, times.1, &h);
        let _ = storing::may_store(Method::Get, request, &asked, status, stored, &cc, &freshness, &understudy_http::semantics::policy::Policy::default());
        let _ = reuse::may_reuse(&asked, &cc, &freshness, times.2);
        let _ = reuse::may_serve_stale_on_error(&asked, &cc, &freshness, times.2);
        let _ = conditional::evaluate(Method::Get, request, stored, times.1);
        let _ = range::answer(request, stored, length);
        let _ = update::validates(stored, request);
        let mut out = Vec::new();
        update::write_updated(stored, request, &mut out);
        let _ = VaryKey::of(stored, request);
        let _ = targeted::response_directives(stored, targeted::DEFAULT_TARGETS);
        for (_, _, value) in request.iter() {
            let _ = date::parse(value);
            let _ = key::resolve(b"http://a:80/b/c?d", value);
            let _ = key::same_origin(value, value);
            let _ = conditional::strong_eq(value, value);
        }
    }

    #[test]
    fn the_age_never_falls(initial in any::<u32>(), received in any::<i64>(), a in any::<i64>(), b in any::<i64>()) {
        let f = Freshness { response_time: received, corrected_initial_age: initial.min(1 << 31), lifetime: 60, heuristic: false };
        prop_assert!(f.age(a.min(b)) <= f.age(a.max(b)));
        prop_assert!(f.age(a) >= f.corrected_initial_age);
    }

    #[test]
    fn age_and_time_left_make_the_lifetime(initial in 0..=1u32 << 31, lifetime in any::<u32>(), received in any::<i64>(), now in any::<i64>()) {
        let f = Freshness { response_time: received, corrected_initial_age: initial, lifetime, heuristic: false };
        prop_assert_eq!(f.ttl(now) + i64::from(f.age(now)), i64::from(lifetime));
    }

    #[test]
    fn a_date_written_is_the_date_read(at in 0..=date::LAST) {
        prop_assert_eq!(date::parse(&date::format(at)), Some(at));
    }

    #[test]
    fn a_date_read_is_written_as_one_but_for_a_wrong_day(text in "(Sun|Mon|Thu), [0-3][0-9] (Jan|Feb|Nov) (19|20)[0-9]{2} [0-2][0-9]:[0-6][0-9]:[0-6][0-9] GMT") {
        if let Some(at) = date::parse(text.as_bytes()) {
            prop_assert_eq!(&date::format(at)[3..], &text.as_bytes()[3..]);
        }
    }

    #[test]
    fn a_range_lies_within_the_length(first in any::<u64>(), last in any::<u64>(), length in any::<u64>(), kind in 0..3, small in any::<bool>()) {
        let (first, last, length) = if small { (first % 20, last % 20, length % 20) } else { (first, last, length) };
        let value = match kind {
            0 => format!("bytes={first}-{last}"),
            1 => format!("bytes={first}-"),
            _ => format!("bytes=-{last}"),
        };
        let request = built(&[("Range", value.into_bytes())]);
        match range::answer(request.fields(), empty().fields(), length) {
            RangeAnswer::Part { first: from, last: to } => {
                prop_assert!(from <= to && to < length);
                prop_assert!(kind == 2 || from == first);
            }
            RangeAnswer::Parts(_) => prop_assert!(false, "one range gives one part"),
            RangeAnswer::Unsatisfiable => {
                let outside = if kind == 2 { last == 0 } else { first >= length };
                prop_assert!(outside);
            }
            RangeAnswer::Whole => {
                let ignored = if kind == 2 { length == 0 } else { kind == 0 && last < first };
                prop_assert!(ignored);
            }
        }
    }

    #[test]
    fn a_key_resolves_to_itself(host in "[a-zA-Z][a-zA-Z0-9.-]{0,12}", port in prop::option::of(1u16..), path in "(/[a-z0-9%~]{1,4}){0,4}(\\?[a-z=&/]{0,6})?", https in any::<bool>()) {
        let scheme = if https { Scheme::Https } else { Scheme::Http };
        let mut written = Vec::new();
        key::write_key(scheme, Authority { host: host.as_bytes(), port }, path.as_bytes(), &mut written);
        prop_assert_eq!(key::resolve(&written, &written), Some(written.clone()));
        let path_start = written.iter().enumerate().filter(|(_, b)| **b == b'/').nth(2).unwrap().0;
        prop_assert_eq!(key::resolve(&written, &written[path_start..]), Some(written.clone()));
        prop_assert!(key::same_origin(&written, &written));
    }

    #[test]
    fn what_resolves_without_authority_keeps_the_origin(reference in "[a-z./?#;=]{0,16}") {
        let base = b"http://a.example:80/b/c/d?e";
        let resolved = key::resolve(base, reference.as_bytes());
        if !reference.starts_with("//") {
            let resolved = resolved.unwrap();
            prop_assert!(key::same_origin(base, &resolved) && key::same_origin(&resolved, base));
        }
    }

    #[test]
    fn resolving_leaves_no_dot_segments(reference in "([a-z.]{0,3}/){0,6}[a-z.]{0,3}") {
        if let Some(key) = key::resolve(b"http://a:80/b/c", reference.as_bytes()) {
            let text = String::from_utf8(key).unwrap();
            prop_assert!(text.split('/').all(|segment| segment != "." && segment != ".."), "{}", text);
        }
    }

    #[test]
    fn two_keys_are_equal_when_the_variant_matches(vary in value(), first in any_head(), second in any_head()) {
        let response = built(&[("Vary", vary)]);
        let (first, second) = (built(&first), built(&second));
        if let Some(one) = VaryKey::of(response.fields(), first.fields()) {
            let other = VaryKey::of(response.fields(), second.fields()).unwrap();
            prop_assert_eq!(one.matches(second.fields()), one == other);
            prop_assert!(!one.matches_as_sent(second.fields()) || one == other);
            prop_assert!(one.matches(first.fields()));
        }
    }

    #[test]
    fn directives_stand_in_one_line_or_several(values in prop::collection::vec("[a-z-]{1,10}(=([0-9]{1,3}|\"[a-z0-9, ]{0,5}\"))?|max-age=[0-9]{1,3}|no-store|public", 0..6)) {
        let one = built(&[("Cache-Control", values.join(", ").into_bytes())]);
        let lines: Vec<(&str, Vec<u8>)> = values.iter().map(|value| ("Cache-Control", value.clone().into_bytes())).collect();
        let several = built(&lines);
        prop_assert_eq!(ResponseDirectives::parse(one.fields()), ResponseDirectives::parse(several.fields()));
        prop_assert_eq!(RequestDirectives::parse(one.fields()), RequestDirectives::parse(several.fields()));
    }

    #[test]
    fn a_304_leaves_what_describes_the_body(stored in any_head(), new in any_head(), length in 0u32..1000) {
        let mut old = built(&stored);
        old.push(b"Content-Length", length.to_string().as_bytes());
        let mut not_modified = built(&new);
        not_modified.push(b"content-length", b"7777");
        let mut out = Vec::new();
        update::write_updated(old.fields(), not_modified.fields(), &mut out);
        let line = format!("Content-Length: {length}\r\n").into_bytes();
        prop_assert_eq!(out.windows(line.len()).filter(|window| *window == line).count(), 1);
        prop_assert!(!out.windows(6).any(|window| window == b": 7777"));
        let has_tag = |lines: &[(&str, Vec<u8>)]| lines.iter().filter(|(name, _)| *name == "ETag").count();
        if has_tag(&stored) > 0 {
            prop_assert_eq!(out.windows(6).filter(|window| *window == b"ETag: ").count(), has_tag(&stored));
        }
    }

    #[test]
    fn a_cache_status_is_one_member(name in any::<String>(), detail in any::<String>()) {
        let status = cache_status::CacheStatus {
            hit: true, fwd: None, fwd_status: None, ttl: None, stored: false, collapsed: false, detail: Some(&detail),
        };
        let mut out = Vec::new();
        status.write(&name, &mut out);
        prop_assert!(out.iter().all(|b| (b' '..=b'~').contains(b)));
        // Outside its strings the member has no comma.
        let (mut quoted, mut escaped) = (false, false);
        for byte in out {
            match byte {
                _ if escaped => escaped = false,
                b'\\' if quoted => escaped = true,
                b'"' => quoted = !quoted,
                b',' => prop_assert!(quoted),
                _ => {}
            }
        }
        prop_assert!(!quoted);
    }
}
