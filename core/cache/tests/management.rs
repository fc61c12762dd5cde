//! What modules do with stored responses: store what no origin sent, and give a stored one another head.
#![allow(clippy::unwrap_used)]

mod common;

use actix_rt::Arbiter;
use bytes::Bytes;
use common::*;
use std::sync::Arc;
use understudy_cache::{Answer, Cache, Prepared, Stored};
use understudy_http::semantics::{storing::NoStoreReason, vary::VaryKey};

/// The head of a stored response with another lifetime.
fn living(stored: &Stored, lifetime: u32) -> Prepared {
    let mut prepared = Arc::into_inner(varied(
        Some(stored.length()),
        stored.prepared().vary.clone(),
    ))
    .unwrap();
    prepared.freshness.lifetime = lifetime;
    prepared
}

async fn renew(cache: &Cache, name: &str, old: &Arc<Stored>, lifetime: u32) -> bool {
    let prepared = living(old, lifetime);
    cache.renew(1, key(name), old, prepared).await.unwrap()
}

#[actix_rt::test]
async fn what_is_led_apart_is_not_followed_and_seen_only_at_its_end() {
    let cache = cache(MIB);
    let mut apart = cache.apart(1, key("a"), true).await.unwrap();
    apart.respond(prepared(Some(4))).await.unwrap();
    apart.append(b"made").unwrap();
    assert!(matches!(cache.ask(plain("a")).await, Ok(Answer::Lead(_))));
    assert!(find(&cache, "a").is_none());
    apart.commit(Bytes::new()).await.unwrap();
    assert_eq!(body_of(&hit(&cache, "a").unwrap()), b"made");
}

#[actix_rt::test]
async fn what_is_led_apart_lets_others_be_followed() {
    let cache = cache(MIB);
    let _apart = cache.apart(1, key("a"), true).await.unwrap();
    let _lead = lead(&cache, plain("a")).await;
    let _follow = follow(&cache, plain("a")).await;
}

#[actix_rt::test]
async fn what_is_led_apart_and_invalidated_is_not_stored() {
    let cache = cache(MIB);
    let mut apart = cache.apart(1, key("a"), true).await.unwrap();
    apart.respond(prepared(Some(0))).await.unwrap();
    cache.invalidate(2, key("a")).await;
    let end = apart.commit(Bytes::new()).await;
    assert_eq!(end.unwrap_err(), NoStoreReason::Expired);
}

/// Of two injections under one key the one that ends last is stored, whenever it began: the clock may have moved on meanwhile. Of two
/// answers of an origin's the newer one is.
#[actix_rt::test]
async fn an_injection_is_as_new_as_its_end() {
    for injected in [true, false] {
        let cache = cache(MIB);
        let mut first = cache.apart(1, key("a"), injected).await.unwrap();
        first.respond(received_at(10)).await.unwrap();
        let mut second = cache.apart(2, key("a"), injected).await.unwrap();
        second.respond(received_at(11)).await.unwrap();
        second.commit(Bytes::new()).await.unwrap();
        let end = first.commit(Bytes::new()).await;
        assert_eq!(end.is_ok(), injected);
        let stays = if injected { 10 } else { 11 };
        assert_eq!(hit(&cache, "a").unwrap().prepared().received, stays);
    }
}

#[actix_rt::test]
async fn a_renewed_response_has_its_body_and_its_new_head_and_is_counted_once() {
    let cache = cache(MIB);
    let old = store(&cache, "a", &pattern(50_000)).await;
    let before = cache.stats();
    assert!(renew(&cache, "a", &old, 7).await);
    drop(old);
    let new = hit(&cache, "a").unwrap();
    assert_eq!(new.prepared().freshness.lifetime, 7);
    assert_eq!(body_of(&new), pattern(50_000));
    let after = cache.stats();
    assert_eq!((after.entries, after.bytes), (before.entries, before.bytes));
}

#[actix_rt::test]
async fn only_what_is_still_stored_is_renewed() {
    let cache = cache(MIB);
    let old = store(&cache, "a", b"old").await;
    let _new = store(&cache, "a", b"new").await;
    assert!(!renew(&cache, "a", &old, 7).await);
    assert_eq!(body_of(&hit(&cache, "a").unwrap()), b"new");
    cache.invalidate(1, key("a")).await;
    assert!(!renew(&cache, "a", &old, 7).await);
    assert!(find(&cache, "a").is_none());
    assert_eq!(cache.stats().entries, 0);
}

#[actix_rt::test]
async fn a_renewed_variant_keeps_its_place_among_the_others() {
    let cache = cache(MIB);
    let names = ["de", "en", "fr"];
    for name in names {
        store_as(&cache, "a", name.as_bytes(), in_language(name)).await;
    }
    let bodies = |cache: &Cache| -> Vec<Vec<u8>> {
        let slot = find(cache, "a").unwrap();
        slot.variants().iter().map(|v| body_of(v)).collect()
    };
    let order = bodies(&cache);
    for at in 0..names.len() {
        let old = find(&cache, "a").unwrap().variants()[at].clone();
        assert!(renew(&cache, "a", &old, 7).await);
        assert_eq!(bodies(&cache), order);
    }
    assert_eq!(cache.stats().entries, 3);
}

#[actix_rt::test]
async fn a_renewed_response_can_still_be_evicted_and_freshened() {
    let cache = cache(MIB);
    let old = store(&cache, "a", b"body").await;
    assert!(renew(&cache, "a", &old, 7).await);
    drop(old);
    let now = hit(&cache, "a").unwrap();
    let mut ask = plain("a");
    ask.validate = Some(now.clone());
    let fill = lead(&cache, ask).await;
    fill.freshen(Arc::new(living(&now, 9))).await;
    drop(now);
    assert_eq!(hit(&cache, "a").unwrap().prepared().freshness.lifetime, 9);
    let mut config = config(MIB);
    config.memory = 0;
    cache.reconfigure(config);
    settle(&cache).await;
    assert_eq!((cache.stats().entries, cache.stats().bytes), (0, 0));
}

#[actix_rt::test]
async fn a_validation_that_began_before_a_renewal_does_not_undo_it() {
    let cache = cache(MIB);
    let old = store(&cache, "a", b"body").await;
    let mut ask = plain("a");
    ask.validate = Some(old.clone());
    let fill = lead(&cache, ask).await;
    assert!(renew(&cache, "a", &old, 7).await);
    fill.freshen(Arc::new(living(&old, 9))).await;
    assert_eq!(hit(&cache, "a").unwrap().prepared().freshness.lifetime, 7);
    assert_eq!(old.prepared().vary, VaryKey::default());
}

#[actix_rt::test]
async fn without_room_for_its_head_a_response_is_not_renewed() {
    let cache = cache(MIB);
    let old = store(&cache, "a", b"body").await;
    let mut large = living(&old, 7);
    large.head = vec![b'x'; 2 << 20].into();
    let renewed = cache.renew(1, key("a"), &old, large).await;
    assert_eq!(renewed, Err(NoStoreReason::NoRoom));
    assert!(hit(&cache, "a").is_some());
}

#[actix_rt::test]
async fn what_is_stored_is_listed_in_order_page_by_page_from_all_shards() {
    let arbiters = [Arbiter::new(), Arbiter::new(), Arbiter::new()];
    let cache = cache_on(MIB, &arbiters);
    let mut names: Vec<String> = (0..40).map(|i| format!("a{i}")).collect();
    for name in names.iter().map(String::as_str).chain(["b", "A"]) {
        store(&cache, name, b"x").await;
    }
    names.sort();
    let want: Vec<Bytes> = names.iter().map(|name| key(name)).collect();
    for limit in [1, 7, 20, 39, 40, 41, 1000] {
        let (mut told, mut after) = (Vec::new(), None);
        loop {
            let (page, more) = cache.list(key("a"), after, limit).await;
            assert!(page.len() == limit || !more, "{limit}");
            after = page.last().cloned();
            told.extend(page);
            if !more {
                break;
            }
        }
        assert_eq!(told, want, "{limit}");
    }
    let none = (Vec::new(), false);
    assert_eq!(cache.list(key("c"), None, 9).await, none);
    assert_eq!(cache.list(key("a"), Some(key("b")), 9).await, none);
    // To go on from before the beginning is to begin.
    let (all, more) = cache.list(key("a"), Some(key("A")), 1000).await;
    assert_eq!((all, more), (want, false));
}
