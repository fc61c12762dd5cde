//! The ceiling: what goes when room is wanted, what stays, and that the sums are right.
#![allow(clippy::unwrap_used)]

mod common;

use actix_rt::Arbiter;
use bytes::Bytes;
use common::*;
use std::sync::Arc;
use understudy_cache::{Cache, Config, KEEP_STALE};
use understudy_http::semantics::storing::NoStoreReason;

const BODY: usize = 16 * 1024;

fn names(count: usize) -> Vec<String> {
    (0..count).map(|at| format!("object-{at}")).collect()
}

fn kept<'a>(cache: &Cache, names: &'a [String]) -> Vec<&'a str> {
    names
        .iter()
        .filter(|name| find(cache, name).is_some())
        .map(String::as_str)
        .collect()
}

#[actix_rt::test]
async fn the_oldest_unused_go_first_and_the_ceiling_holds() {
    let cache = cache(MIB);
    let names = names(200);
    for name in &names {
        store(&cache, name, &pattern(BODY)).await;
        assert!(cache.stats().bytes <= MIB);
    }
    let kept = kept(&cache, &names);
    assert!(kept.len() > 50, "{} kept: the memory is used", kept.len());
    assert_eq!(
        kept,
        names[200 - kept.len()..]
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>()
    );
    let stats = cache.stats();
    assert_eq!(
        (stats.entries, stats.entries + stats.evicted),
        (kept.len() as u64, 200)
    );
}

#[actix_rt::test]
async fn what_is_used_stays_through_any_number_of_passers_by() {
    let cache = cache(MIB);
    let hot = names(10);
    for name in &hot {
        store(&cache, name, &pattern(BODY)).await;
    }
    for at in 0..500 {
        for name in &hot {
            hit(&cache, name)
                .unwrap_or_else(|| panic!("{name} went before passer-by {at}"))
                .touch();
        }
        store(&cache, &format!("once-{at}"), &pattern(BODY)).await;
    }
}

#[actix_rt::test]
async fn a_mark_spares_for_one_round_of_the_hand() {
    let cache = cache(MIB);
    store(&cache, "once", &pattern(BODY)).await.touch();
    for at in 0..200 {
        // Used themselves, so the hand goes all the way round.
        store(&cache, &format!("other-{at}"), &pattern(BODY))
            .await
            .touch();
    }
    assert!(find(&cache, "once").is_none());
}

#[actix_rt::test]
async fn a_response_being_sent_is_passed_by() {
    let cache = cache(MIB);
    let held = store(&cache, "held", &pattern(BODY)).await;
    for at in 0..300 {
        store(&cache, &format!("other-{at}"), &pattern(BODY)).await;
    }
    assert!(find(&cache, "held").is_some());
    assert_eq!(body_of(&held), pattern(BODY));
}

#[actix_rt::test]
async fn bytes_held_by_a_client_stay_counted_after_their_entry_went() {
    let cache = cache(MIB);
    let body: Vec<Bytes> = store(&cache, "a", &pattern(BODY)).await.blocks().to_vec();
    cache.invalidate(1, key("a")).await;
    assert_eq!(cache.stats().entries, 0);
    assert!(cache.stats().bytes >= BODY as u64);
    drop(body);
    assert_eq!(cache.stats().bytes, 0);
}

#[actix_rt::test]
async fn with_nothing_left_to_evict_a_fill_finds_no_room() {
    let cache = cache(MIB);
    let mut first = lead(&cache, plain("first")).await;
    first.respond(prepared(Some(MIB / 2))).await.unwrap();
    let mut second = lead(&cache, plain("second")).await;
    assert_eq!(
        second.respond(prepared(Some(MIB / 2))).await.unwrap_err(),
        NoStoreReason::NoRoom
    );
    drop((first, second));
    settle(&cache).await;
    assert_eq!(cache.stats().bytes, 0);
}

#[actix_rt::test]
async fn a_body_of_unknown_length_makes_room_as_it_grows() {
    let cache = cache(MIB);
    for at in 0..60 {
        store(&cache, &format!("old-{at}"), &pattern(BODY)).await;
    }
    let before = cache.stats().evicted;
    let mut fill = lead(&cache, plain("grows")).await;
    fill.respond(prepared(None)).await.unwrap();
    let piece = pattern(BODY);
    for _ in 0..30 {
        std::future::poll_fn(|cx| fill.poll_room(cx)).await;
        fill.append(&piece).unwrap();
        assert!(cache.stats().bytes <= MIB);
    }
    fill.commit(Bytes::new()).await.unwrap();
    assert_eq!(hit(&cache, "grows").unwrap().length(), 30 * BODY as u64);
    assert!(cache.stats().evicted > before);
}

#[actix_rt::test]
async fn a_body_whose_room_runs_out_goes_on_as_a_stream() {
    let cache = cache(MIB);
    // Room that cannot be evicted.
    let mut holder = lead(&cache, plain("holder")).await;
    holder.respond(prepared(Some(MIB / 2))).await.unwrap();
    let mut fill = lead(&cache, plain("grows")).await;
    let mut own = fill.reader();
    fill.respond(prepared(None)).await.unwrap();
    let piece = pattern(64 * 1024);
    let mut reasons = Vec::new();
    for _ in 0..20 {
        std::future::poll_fn(|cx| fill.poll_room(cx)).await;
        reasons.extend(fill.append(&piece).err());
        assert_eq!(drain(&mut own), piece);
        assert!(cache.stats().bytes <= MIB);
    }
    assert_eq!(reasons, [NoStoreReason::NoRoom]);
    assert_eq!(
        fill.commit(Bytes::new()).await.unwrap_err(),
        NoStoreReason::NoRoom
    );
}

#[actix_rt::test]
async fn a_smaller_ceiling_evicts() {
    let cache = cache(MIB);
    for at in 0..50 {
        store(&cache, &format!("a-{at}"), &pattern(BODY)).await;
    }
    cache.reconfigure(Config {
        memory: MIB / 4,
        max_object: 1000,
        max_variants: 1,
    });
    settle(&cache).await;
    let stats = cache.stats();
    assert!(stats.bytes <= MIB / 4 && stats.entries > 0, "{stats:?}");
    let mut fill = lead(&cache, plain("b")).await;
    assert_eq!(
        fill.respond(prepared(Some(1001))).await.unwrap_err(),
        NoStoreReason::TooLarge
    );
}

fn smaller(memory: u64) -> Config {
    Config {
        memory,
        ..config(MIB)
    }
}

#[actix_rt::test]
async fn a_much_smaller_ceiling_is_reached_in_turns_with_others() {
    let cache = cache(16 * MIB);
    for at in 0..5000 {
        store(&cache, &format!("a-{at}"), b"x").await;
    }
    cache.reconfigure(smaller(64 * 1024));
    let (mut entries, mut most) = (5000, 0);
    while cache.stats().bytes > 64 * 1024 {
        actix_rt::task::yield_now().await;
        let now = cache.stats().entries;
        most = most.max(entries - now);
        entries = now;
    }
    assert!(most <= 1024, "{most} went in one turn");
}

#[actix_rt::test]
async fn a_smaller_ceiling_gets_what_was_in_use_when_it_is_no_longer() {
    let cache = cache(MIB);
    let held = store(&cache, "held", &pattern(BODY)).await;
    cache.reconfigure(smaller(1024));
    settle(&cache).await;
    assert!(find(&cache, "held").is_some());
    drop(held);
    // Nobody asks for anything any more.
    let trimmed = async {
        while cache.stats().bytes > 1024 {
            actix_rt::task::yield_now().await;
        }
    };
    let limit = std::time::Duration::from_secs(60);
    actix_rt::time::timeout(limit, trimmed).await.unwrap();
}

#[actix_rt::test]
async fn a_shard_with_nothing_to_evict_gets_room_from_the_others() {
    let arbiters = [Arbiter::new(), Arbiter::new(), Arbiter::new()];
    let cache = cache_on(MIB, &arbiters);
    // Half the ceiling needs more than one shard's third of what fills it.
    for at in 0..100 {
        store(&cache, &format!("small-{at}"), &pattern(BODY)).await;
    }
    store(&cache, "large", &pattern(MIB as usize / 2)).await;
    assert!(hit(&cache, "large").is_some());
    assert!(cache.stats().bytes <= MIB);
}

#[actix_rt::test]
async fn an_entry_counts_its_key_its_head_and_its_place() {
    let cache = cache(MIB);
    let empty = store(&cache, "e", b"").await;
    let parts =
        key("e").len() + empty.prepared().head.len() + size_of::<understudy_cache::Stored>();
    assert!(empty.weight() > parts as u64);
    assert!(
        empty.weight() < 1024,
        "{} for an empty body",
        empty.weight()
    );
    assert_eq!(cache.stats().bytes, empty.weight());
}

#[actix_rt::test]
async fn variants_are_selected_newest_first_and_bounded() {
    let cache = cache(MIB);
    for language in ["de", "en", "fr", "it"] {
        store_as(&cache, "v", language.as_bytes(), in_language(language)).await;
    }
    let select = |language: &str| {
        let slot = find(&cache, "v").unwrap();
        with_request(language, |request| {
            slot.select(request).map(|stored| body_of(stored))
        })
    };
    assert_eq!(select("de").unwrap(), b"de");
    assert_eq!(select("fr").unwrap(), b"fr");
    assert_eq!(select("es"), None);
    store_as(&cache, "v", b"deutsch", in_language("de")).await;
    assert_eq!(select("de").unwrap(), b"deutsch");
    assert_eq!(cache.stats().entries, 4, "the same variant is replaced");
    store_as(&cache, "v", b"es", in_language("es")).await;
    assert_eq!(
        (select("en"), cache.stats().entries),
        (None, 4),
        "the oldest went"
    );
    store(&cache, "v", b"any").await;
    assert_eq!(
        (select("xx").unwrap(), cache.stats().entries),
        (b"any".to_vec(), 1),
        "the rest are out of reach"
    );
    drop(find(&cache, "v"));
    cache.invalidate(1, key("v")).await;
    assert_eq!((cache.stats().entries, cache.stats().bytes), (0, 0));
}

#[actix_rt::test]
async fn a_variant_evicted_leaves_the_others() {
    let cache = cache(MIB);
    store_as(&cache, "v", b"de", in_language("de")).await;
    let held = store_as(&cache, "v", b"en", in_language("en")).await;
    for at in 0..100 {
        store(&cache, &format!("other-{at}"), &pattern(BODY)).await;
    }
    let slot = find(&cache, "v").unwrap();
    assert!(slot.variants().len() == 1 && Arc::ptr_eq(&slot.variants()[0], &held));
}

#[actix_rt::test]
async fn what_has_been_stale_for_long_and_is_not_used_expires() {
    let cache = cache(MIB);
    store(&cache, "used", b"x").await.touch();
    store(&cache, "unused", b"x").await;
    // Fresh for 60 seconds from 0 on.
    let last = 60 + i64::from(KEEP_STALE);
    cache.expire(1, last).await;
    assert_eq!(cache.stats().entries, 2);
    cache.expire(1, last + 1).await;
    assert!(find(&cache, "used").is_some() && find(&cache, "unused").is_none());
    assert_eq!((cache.stats().entries, cache.stats().expired), (1, 1));
}

#[actix_rt::test]
async fn commits_of_later_responses_expire_earlier_ones() {
    let cache = cache(MIB);
    for at in 0..20 {
        store(&cache, &format!("early-{at}"), b"x").await;
    }
    for at in 0..30 {
        let mut fill = lead(&cache, plain(&format!("late-{at}"))).await;
        fill.respond(received_at(100_000)).await.unwrap();
        fill.commit(Bytes::new()).await.unwrap();
    }
    assert_eq!((cache.stats().entries, cache.stats().expired), (30, 20));
}
