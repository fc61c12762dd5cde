//! Which of several variants a request selects (RFC 9111 sections 4 and 4.1).
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use understudy_cache::Cache;
use understudy_http::Fields;
use understudy_http::semantics::vary::VaryKey;
use understudy_http::wire::head::{HeadLimits, parse_request, parse_response};

const LIMITS: HeadLimits = HeadLimits {
    bytes: 4096,
    target: 1024,
    fields: 64,
};

fn with<R>(lines: &str, f: impl FnOnce(Fields<'_>) -> R) -> R {
    let request = format!("GET / HTTP/1.1\r\n{lines}\r\n");
    let request = parse_request(request.as_bytes(), &LIMITS, Vec::new())
        .unwrap()
        .unwrap()
        .with(request.as_bytes());
    f(request.fields())
}

/// Stores a body for a response with the first lines to a request with the second.
async fn stores(cache: &Cache, response: &str, request: &str, body: &str) {
    let response = format!("HTTP/1.1 200 OK\r\n{response}\r\n");
    let response = parse_response(response.as_bytes(), &LIMITS, Vec::new())
        .unwrap()
        .unwrap()
        .with(response.as_bytes());
    let vary = with(request, |request| {
        VaryKey::of(response.fields(), request).unwrap()
    });
    store_as(cache, "v", body.as_bytes(), vary).await;
}

fn selects(cache: &Cache, request: &str) -> Option<String> {
    let slot = find(cache, "v").unwrap();
    with(request, |request| {
        let stored = slot.select(request)?;
        Some(String::from_utf8(body_of(stored)).unwrap())
    })
}

#[actix_rt::test]
async fn a_preference_written_in_another_way_selects_the_same() {
    let cache = cache(MIB);
    for value in ["gzip, br", "gzip", "br;q=0.5"] {
        stores(
            &cache,
            "Vary: Accept-Encoding\r\n",
            &format!("Accept-Encoding: {value}\r\n"),
            value,
        )
        .await;
    }
    for (wanted, expected) in [
        ("gzip, br", Some("gzip, br")),
        ("BR,gzip", Some("gzip, br")),
        ("x-gzip", Some("gzip")),
        ("br; q=0.50", Some("br;q=0.5")),
        ("br", None),
    ] {
        let request = format!("Accept-Encoding: {wanted}\r\n");
        assert_eq!(selects(&cache, &request).as_deref(), expected, "{wanted}");
    }
    // The same variant: it is replaced and not kept beside.
    stores(
        &cache,
        "Vary: Accept-Encoding\r\n",
        "Accept-Encoding: br, gzip\r\n",
        "newer",
    )
    .await;
    assert_eq!(
        selects(&cache, "Accept-Encoding: gzip, br\r\n").as_deref(),
        Some("newer")
    );
    assert_eq!(cache.stats().entries, 3);
}

#[actix_rt::test]
async fn of_several_that_match_the_most_recent_is_used() {
    let cache = cache(MIB);
    let request = "X: 1\r\nAccept-Encoding: gzip, br\r\n";
    stores(&cache, "Vary: X\r\n", request, "older").await;
    stores(&cache, "Vary: Accept-Encoding\r\n", request, "newer").await;
    // Fetched with just these fields is only the older one; the newer one matches by what they mean.
    assert_eq!(
        selects(&cache, "X: 1\r\nAccept-Encoding: br,gzip\r\n").as_deref(),
        Some("newer")
    );
    assert_eq!(selects(&cache, request).as_deref(), Some("newer"));
    assert_eq!(
        selects(&cache, "X: 1\r\nAccept-Encoding: gzip\r\n").as_deref(),
        Some("older")
    );
}

#[actix_rt::test]
async fn what_was_fetched_with_the_same_fields_goes_before_what_is_in_the_wanted_language() {
    let cache = cache(MIB);
    let varies = "Vary: Accept-Language\r\nContent-Language: de\r\n";
    stores(&cache, varies, "Accept-Language: de\r\n", "for de").await;
    stores(&cache, varies, "Accept-Language: en, de\r\n", "for en, de").await;
    assert_eq!(
        selects(&cache, "Accept-Language: de\r\n").as_deref(),
        Some("for de")
    );
    assert_eq!(
        selects(&cache, "Accept-Language: de, fr;q=0.1\r\n").as_deref(),
        Some("for en, de")
    );
    assert_eq!(selects(&cache, "Accept-Language: fr\r\n"), None);
}
