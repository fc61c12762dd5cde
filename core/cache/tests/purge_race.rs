//! Stores and purges at once, over several shards: once a purge has ended, nothing that was fetched before it began is found, whichever
//! way the two met.
#![allow(clippy::unwrap_used)]

mod common;

use actix_rt::task::yield_now;
use bytes::Bytes;
use common::*;
use futures_util::future::join_all;
use std::{cell::Cell, future::Future, rc::Rc, sync::Arc, time::Duration};
use understudy_cache::{Answer, Ask, Cache, Labels, Purge, Selector};

const STORERS: usize = 24;
const NAMES: usize = 16;
const PURGES: usize = 60;

/// Fails a test that waits for this for ever.
async fn guard<T>(what: &str, wait: impl Future<Output = T>) -> T {
    let waited = tokio::time::timeout(Duration::from_secs(60), wait).await;
    waited.unwrap_or_else(|_| panic!("never: {what}"))
}

/// Stores an answer; its time of receipt is the version of the content that was there when it was asked for.
async fn store_one(cache: &Cache, version: &Cell<i64>, turn: usize) {
    let name = format!("object-{}", turn % NAMES);
    let ask = Ask {
        alone: turn.is_multiple_of(3),
        ..plain(&name)
    };
    let Ok(Answer::Lead(mut fill)) = cache.ask(ask).await else {
        return;
    };
    // From here on the origin may answer, and its answer takes some time to come.
    let fetched = version.get();
    for _ in 0..turn % 4 {
        yield_now().await;
    }
    let mut prepared = Arc::into_inner(received_at(fetched)).unwrap();
    prepared.freshness.response_time = 0;
    prepared.labels = Labels::new([b"t".as_slice()], [], b"");
    if fill.respond(Arc::new(prepared)).await.is_err() {
        return;
    }
    for _ in 0..turn % 5 {
        yield_now().await;
    }
    let _ = fill.commit(Bytes::new()).await;
}

fn purges(turn: usize) -> Purge {
    let what = match turn % 3 {
        0 => Selector::Tag(Bytes::from_static(b"t")),
        1 => Selector::Prefix(key("object-")),
        _ => Selector::Prefix(key("")),
    };
    Purge {
        what: vec![what],
        soft: turn.is_multiple_of(2),
        dry_run: false,
        now: 10,
    }
}

#[actix_rt::test]
async fn nothing_older_than_a_purge_is_found_fresh_behind_it() {
    let arbiters: Vec<actix_rt::Arbiter> = (0..3).map(|_| actix_rt::Arbiter::new()).collect();
    let cache = cache_on(MIB, &arbiters);
    let (version, over) = (Rc::new(Cell::new(0)), Rc::new(Cell::new(false)));
    let storers = (0..STORERS).map(|first| {
        let (cache, version, over) = (cache.clone(), version.clone(), over.clone());
        actix_rt::spawn(async move {
            let mut turn = first;
            while !over.get() {
                store_one(&cache, &version, turn).await;
                yield_now().await;
                turn += 1;
            }
        })
    });
    let storers: Vec<_> = storers.collect();
    let mut met = 0;
    for turn in 0..PURGES {
        let stored = async {
            while cache.stats().entries < NAMES as u64 / 4 {
                yield_now().await;
            }
        };
        guard("enough is stored again", stored).await;
        version.set(version.get() + 1);
        let purged = cache.purge(1, purges(turn)).await;
        met += purged.fills + purged.fills_watched;
        assert_eq!(purged.remain, 0);
        for name in 0..NAMES {
            let slot = find(&cache, &format!("object-{name}"));
            for stored in slot.iter().flat_map(|slot| slot.variants()) {
                let prepared = stored.prepared();
                let fresh = prepared.freshness.ttl(10) > 0;
                assert!(!fresh || prepared.received >= version.get(), "{turn}");
            }
        }
    }
    over.set(true);
    guard("the storers end", join_all(storers)).await;
    // Else this would have shown nothing.
    assert!(met > 0);
    cache
        .purge(
            1,
            Purge {
                soft: false,
                ..purges(2)
            },
        )
        .await;
    settle(&cache).await;
    let stats = cache.stats();
    assert_eq!((stats.entries, stats.members, stats.fills), (0, 0, 0));
    arbiters.iter().for_each(|arbiter| {
        arbiter.stop();
    });
}
