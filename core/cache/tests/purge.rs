//! Purging: by key, URL, prefix, tag and group, hard and soft, and what it means for fetches under way.
#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::*;
use std::sync::Arc;
use understudy_cache::{Ask, Cache, Labels, Prepared, Purge, Purged, Scope, Selector};
use understudy_http::semantics::{storing::NoStoreReason, vary::VaryKey};

fn labels(tags: &[&str], groups: &[&str], scope: &str) -> Labels {
    Labels::new(
        tags.iter().map(|tag| tag.as_bytes()),
        groups.iter().map(|group| group.as_bytes()),
        scope.as_bytes(),
    )
}

fn tagged(tags: &[&str]) -> Arc<Prepared> {
    with_labels(labels(tags, &[], ""), VaryKey::default())
}

fn with_labels(labels: Labels, vary: VaryKey) -> Arc<Prepared> {
    let mut prepared = Arc::into_inner(varied(Some(4), vary)).unwrap();
    prepared.labels = labels;
    Arc::new(prepared)
}

async fn put(cache: &Cache, name: &str, prepared: Arc<Prepared>) {
    let mut fill = lead(cache, alone(name)).await;
    fill.respond(prepared).await.unwrap();
    fill.append(b"body").unwrap();
    fill.commit(Bytes::new()).await.unwrap();
}

fn tag(tag: &str) -> Selector {
    Selector::Tag(Bytes::copy_from_slice(tag.as_bytes()))
}

fn group(group: &str, scope: Scope) -> Selector {
    Selector::Group(Bytes::copy_from_slice(group.as_bytes()), scope)
}

fn hard(what: Vec<Selector>) -> Purge {
    Purge {
        what,
        soft: false,
        dry_run: false,
        now: 10,
    }
}

async fn purge(cache: &Cache, what: Selector) -> Purged {
    cache.purge(1, hard(vec![what])).await
}

fn names(cache: &Cache, all: &[&str]) -> String {
    let here = all.iter().filter(|name| find(cache, name).is_some());
    here.copied().collect::<Vec<_>>().join(" ")
}

fn ttl(cache: &Cache, name: &str) -> i64 {
    hit(cache, name).unwrap().prepared().freshness.ttl(10)
}

#[actix_rt::test]
async fn a_purge_takes_what_it_means_and_leaves_the_rest() {
    const ALL: [&str; 6] = ["a", "a\norigin", "a?q", "ab", "b/1", "b/2"];
    for (what, left) in [
        (Selector::Key(key("a")), "a\norigin a?q ab b/1 b/2"),
        (Selector::Url(key("a")), "a?q ab b/1 b/2"),
        (Selector::Prefix(key("a")), "b/1 b/2"),
        (Selector::Prefix(key("b/")), "a a\norigin a?q ab"),
        (Selector::Prefix(key("")), ""),
        (Selector::Prefix(key("c")), "a a\norigin a?q ab b/1 b/2"),
        (tag("news"), "a a\norigin a?q b/1"),
        (tag("new"), "a a\norigin a?q ab b/1 b/2"),
        (tag("t:a"), "a\norigin a?q ab b/1 b/2"),
    ] {
        let cache = cache(MIB);
        for name in ALL {
            let own = format!("t:{name}");
            let tags: &[&str] = match name {
                "ab" | "b/2" => &["x", "news", &own],
                _ => &[&own],
            };
            put(&cache, name, tagged(tags)).await;
        }
        let purged = purge(&cache, what.clone()).await;
        assert_eq!(names(&cache, &ALL), left, "{what:?}");
        let gone = 6 - cache.stats().entries;
        assert_eq!((purged.matched, purged.removed), (gone, gone), "{what:?}");
        assert_eq!(purged.keys.len() as u64, gone, "{what:?}");
        assert_eq!((purged.remain, purged.staled), (0, 0), "{what:?}");
    }
}

#[actix_rt::test]
async fn a_group_is_one_origins() {
    for (scope, left) in [
        (Scope::Any, "c"),
        (Scope::Exactly(Bytes::from_static(b"http://a:80")), "a2 b c"),
        (
            Scope::Exactly(Bytes::from_static(b"http://a:80\nup")),
            "a b c",
        ),
        (Scope::Origin(Bytes::from_static(b"http://a:80")), "b c"),
        (Scope::Origin(Bytes::from_static(b"http://a:8")), "a a2 b c"),
    ] {
        let cache = cache(MIB);
        for (name, of, scope) in [
            ("a", "g", "http://a:80"),
            ("a2", "g", "http://a:80\nup"),
            ("b", "g", "http://b:80"),
            ("c", "other", "http://a:80"),
        ] {
            let labels = labels(&[], &[of], scope);
            put(&cache, name, with_labels(labels, VaryKey::default())).await;
        }
        purge(&cache, group("g", scope.clone())).await;
        assert_eq!(names(&cache, &["a", "a2", "b", "c"]), left, "{scope:?}");
    }
}

#[actix_rt::test]
async fn a_tag_and_a_group_of_one_name_are_two_things() {
    let cache = cache(MIB);
    put(&cache, "a", tagged(&["x"])).await;
    assert_eq!(purge(&cache, group("x", Scope::Any)).await.matched, 0);
    assert_eq!(purge(&cache, tag("x")).await.matched, 1);
}

#[actix_rt::test]
async fn all_variants_of_a_key_go_and_of_a_tag_only_those_that_have_it() {
    let cache = cache(MIB);
    let put_both = async || {
        for (language, tag) in [("de", "german"), ("en", "english")] {
            let prepared = with_labels(labels(&[tag, "all"], &[], ""), in_language(language));
            put(&cache, "a", prepared).await;
        }
        assert_eq!(find(&cache, "a").unwrap().variants().len(), 2);
    };
    put_both().await;
    assert_eq!(purge(&cache, tag("german")).await.removed, 1);
    assert_eq!(find(&cache, "a").unwrap().variants().len(), 1);
    put_both().await;
    let purged = purge(&cache, Selector::Url(key("a"))).await;
    assert_eq!((purged.removed, purged.keys.len()), (2, 1));
    assert!(find(&cache, "a").is_none());
    put_both().await;
    let both = hard(vec![tag("german"), tag("all"), Selector::Key(key("a"))]);
    assert_eq!(cache.purge(1, both).await.matched, 2);
}

#[actix_rt::test]
async fn a_soft_purge_leaves_what_is_stale_from_now_on() {
    let cache = cache(MIB);
    put(&cache, "a", tagged(&["x"])).await;
    put(&cache, "b", tagged(&["y"])).await;
    let before = cache.stats();
    let soft = Purge {
        soft: true,
        ..hard(vec![tag("x")])
    };
    let purged = cache.purge(1, soft.clone()).await;
    assert_eq!((purged.staled, purged.removed, purged.remain), (1, 0, 0));
    // By a second, for whoever has not seen this one begin.
    assert_eq!((ttl(&cache, "a"), ttl(&cache, "b")), (-1, 50));
    assert_eq!(body_of(&hit(&cache, "a").unwrap()), b"body");
    assert_eq!(
        (cache.stats().bytes, cache.stats().members),
        (before.bytes, before.members)
    );
    // It is found a second time, and is stale already; and a hard purge still finds it.
    assert_eq!(cache.purge(1, soft).await.staled, 0);
    assert_eq!(purge(&cache, tag("x")).await.removed, 1);
}

#[actix_rt::test]
async fn what_there_is_no_room_to_mark_is_removed() {
    let cache = cache(MIB);
    put(&cache, "a", tagged(&["x"])).await;
    let used = cache.stats().bytes;
    // In use, so that nothing can be evicted for the new head.
    let _held = hit(&cache, "a");
    cache.reconfigure(config(used + 8));
    let soft = Purge {
        soft: true,
        ..hard(vec![tag("x")])
    };
    let purged = cache.purge(1, soft).await;
    assert_eq!((purged.staled, purged.removed), (0, 1));
    assert!(find(&cache, "a").is_none());
}

#[actix_rt::test]
async fn a_dry_run_counts_and_changes_nothing() {
    let cache = cache(MIB);
    put(&cache, "a", tagged(&["x"])).await;
    let mut fill = lead(&cache, alone("b")).await;
    fill.respond(tagged(&["x"])).await.unwrap();
    let before = cache.stats();
    let dry = Purge {
        dry_run: true,
        ..hard(vec![tag("x")])
    };
    let purged = cache.purge(1, dry).await;
    assert_eq!((purged.matched, purged.removed, purged.fills), (1, 0, 1));
    assert_eq!(cache.stats(), before);
    fill.append(b"body").unwrap();
    fill.commit(Bytes::new()).await.unwrap();
    assert!(find(&cache, "b").is_some());
}

#[actix_rt::test]
async fn what_was_fetched_before_a_purge_is_not_stored() {
    for (what, stored) in [
        (Selector::Key(key("a")), false),
        (Selector::Url(key("a")), false),
        (Selector::Prefix(key("")), false),
        (tag("x"), false),
        (tag("y"), true),
        (Selector::Prefix(key("b")), true),
    ] {
        for soft in [false, true] {
            let cache = cache(MIB);
            let mut early = lead(&cache, alone("a")).await;
            early.respond(tagged(&["x"])).await.unwrap();
            let mut late = lead(&cache, alone("a")).await;
            let purge = Purge {
                soft,
                ..hard(vec![what.clone()])
            };
            let purged = cache.purge(1, purge).await;
            late.respond(tagged(&["x"])).await.unwrap();
            for mut fill in [early, late] {
                fill.append(b"body").unwrap();
                let end = fill.commit(Bytes::new()).await;
                let why = (!stored).then_some(NoStoreReason::Expired);
                assert_eq!(end.err(), why, "{what:?}");
            }
            let is_tag = matches!(what, Selector::Tag(_));
            let marked = match (stored, is_tag) {
                (true, _) => 0,
                (false, true) => 1,
                (false, false) => 2,
            };
            assert_eq!(purged.fills, marked, "{what:?}");
        }
    }
}

#[actix_rt::test]
async fn nobody_joins_a_fetch_that_a_purge_has_meant() {
    let cache = cache(MIB);
    let mut fill = lead(&cache, plain("a")).await;
    cache.purge(1, hard(vec![tag("x")])).await;
    fill.respond(tagged(&["x"])).await.unwrap();
    let _other = lead(&cache, plain("a")).await;
}

#[actix_rt::test]
async fn what_is_fetched_after_a_purge_is_stored() {
    let cache = cache(MIB);
    cache.purge(1, hard(vec![tag("x")])).await;
    put(&cache, "a", tagged(&["x"])).await;
    assert!(find(&cache, "a").is_some());
}

#[actix_rt::test]
async fn a_validation_that_began_before_a_purge_brings_nothing_back() {
    for soft in [false, true] {
        let cache = cache(MIB);
        put(&cache, "a", tagged(&["x"])).await;
        let ask = Ask {
            validate: hit(&cache, "a"),
            ..plain("a")
        };
        let fill = lead(&cache, ask).await;
        let purge = Purge {
            soft,
            ..hard(vec![tag("x")])
        };
        cache.purge(1, purge).await;
        // The answer has other tags by now.
        fill.freshen(tagged(&["y"])).await;
        match soft {
            false => assert!(find(&cache, "a").is_none()),
            true => assert_eq!(ttl(&cache, "a"), -1),
        }
    }
}

#[actix_rt::test]
async fn what_an_origin_chose_of_what_was_purged_meanwhile_is_not_stored_again() {
    let cache = cache(MIB);
    put(&cache, "a", tagged(&["x"])).await;
    let old = hit(&cache, "a").unwrap();
    let mut fill = lead(&cache, alone("a")).await;
    cache.purge(1, hard(vec![tag("x")])).await;
    fill.choose(old);
    fill.freshen(tagged(&["y"])).await;
    assert!(find(&cache, "a").is_none());
}

#[actix_rt::test]
async fn more_purges_than_a_fetch_can_keep_count_as_meant() {
    let cache = cache(MIB);
    let mut fill = lead(&cache, alone("a")).await;
    for at in 0..100 {
        purge(&cache, tag(&format!("other-{at}"))).await;
    }
    fill.respond(tagged(&["x"])).await.unwrap();
    fill.append(b"body").unwrap();
    assert!(fill.commit(Bytes::new()).await.is_err());
}

#[actix_rt::test]
async fn a_freshened_response_has_its_new_tags_and_not_the_old_ones() {
    let cache = cache(MIB);
    put(&cache, "a", tagged(&["old"])).await;
    let ask = Ask {
        validate: hit(&cache, "a"),
        ..plain("a")
    };
    lead(&cache, ask).await.freshen(tagged(&["new"])).await;
    assert_eq!(purge(&cache, tag("old")).await.matched, 0);
    assert_eq!(purge(&cache, tag("new")).await.matched, 1);
    assert_eq!((cache.stats().members, cache.stats().bytes), (0, 0));
}

#[actix_rt::test]
async fn a_large_purge_goes_on_where_it_stopped_in_every_shard() {
    let arbiters: Vec<actix_rt::Arbiter> = (0..3).map(|_| actix_rt::Arbiter::new()).collect();
    for soft in [false, true] {
        for what in [tag("x"), Selector::Prefix(key("object-"))] {
            let cache = cache_on(32 * MIB, &arbiters);
            const MANY: u64 = 3000;
            for at in 0..MANY {
                put(&cache, &format!("object-{at}"), tagged(&["x"])).await;
            }
            put(&cache, "other", tagged(&["y"])).await;
            let purge = Purge {
                soft,
                ..hard(vec![what, tag("y")])
            };
            let purged = cache.purge(1, purge).await;
            assert_eq!((purged.matched, purged.remain), (MANY + 1, 0));
            assert_eq!(purged.removed + purged.staled, MANY + 1);
            assert_eq!(purged.keys.len(), understudy_cache::MOST_KEYS);
            let left = if soft { MANY + 1 } else { 0 };
            assert_eq!(cache.stats().entries, left);
        }
    }
    arbiters.iter().for_each(|arbiter| {
        arbiter.stop();
    });
}

#[actix_rt::test]
async fn a_purge_looks_at_nothing_that_it_does_not_mean() {
    for (what, means) in [
        (Selector::Key(key("object-7")), 1),
        (Selector::Url(key("object-7")), 1),
        (Selector::Prefix(key("object-77")), 11),
        (tag("t7"), 1),
        (tag("even"), 500),
        (tag("none"), 0),
        (group("g7", Scope::Any), 1),
        (group("none", Scope::Any), 0),
        (Selector::Prefix(key("zzz")), 0),
    ] {
        let cache = cache(8 * MIB);
        for at in 0..1000 {
            let (own, of) = (format!("t{at}"), format!("g{at}"));
            let parity = if at % 2 == 0 { "even" } else { "odd" };
            let labels = labels(&[&own, parity, "all"], &[&of], "http://a:80");
            let prepared = with_labels(labels, VaryKey::default());
            put(&cache, &format!("object-{at}"), prepared).await;
        }
        let purged = purge(&cache, what.clone()).await;
        let counts = (purged.matched, purged.looked_at);
        assert_eq!(counts, (means, means), "{what:?}");
    }
}

#[actix_rt::test]
async fn many_selectors_are_one_purge_of_each() {
    let cache = cache(8 * MIB);
    for at in 0..900 {
        put(
            &cache,
            &format!("object-{at}"),
            tagged(&[&format!("t{at}")]),
        )
        .await;
    }
    // More than a part takes, half of them for nothing, and one of them all that is left.
    let mut what: Vec<Selector> = (0..600).map(|at| tag(&format!("t{}", at * 2))).collect();
    what.push(Selector::Prefix(key("object-89")));
    let purged = cache.purge(1, hard(what)).await;
    assert_eq!(
        (purged.matched, purged.removed, purged.remain),
        (456, 456, 0)
    );
    assert_eq!(cache.stats().entries, 900 - 456);
}

#[actix_rt::test]
async fn a_response_without_tags_pays_for_none() {
    let cost = async |tags: &[&str]| {
        let cache = cache(MIB);
        put(&cache, "a", tagged(tags)).await;
        (cache.stats().bytes, cache.stats().members)
    };
    let (plain, members) = cost(&[]).await;
    let (labelled, more) = cost(&["x", "y", "x"]).await;
    assert_eq!((members, more), (1, 3));
    assert!(labelled >= plain + 2 * 48);
}

/// Workers see a second begin one after another.
#[test]
fn what_was_made_stale_is_stale_by_every_clock() {
    let mut prepared = Arc::into_inner(received_at(1000)).unwrap();
    for (initial, lifetime) in [(0, 60), (1, 60), (30, 60), (30, 20)] {
        prepared.freshness.corrected_initial_age = initial;
        prepared.freshness.lifetime = lifetime;
        for now in 1000..1050 {
            let spent = prepared.spent(now);
            for clock in [now - 1, now, now + 1] {
                assert!(spent.freshness.ttl(clock) <= 0, "{initial} {now} {clock}");
            }
            assert!(spent.freshness.lifetime <= lifetime);
            // No more than that second staler than it is.
            assert!(lifetime < initial + 49 || spent.freshness.ttl(now) >= -1);
        }
    }
}
