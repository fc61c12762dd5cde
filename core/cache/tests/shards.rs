//! Several shards on threads of their own, asked from several threads at once: the sums come out right whatever the order.
#![allow(clippy::unwrap_used)]

mod common;

use actix_rt::Arbiter;
use bytes::Bytes;
use common::*;
use futures_util::future::join_all;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};
use understudy_cache::{Answer, Cache, FillHead};
use understudy_http::{Fields, semantics::storing::NoStoreReason};

/// One request of a worker: a hit, or whatever the shard says; gives the body it would send.
async fn fetch(cache: &Cache, name: &str, body: &[u8], fetches: &AtomicUsize) -> Vec<u8> {
    let mut alone_now = false;
    loop {
        let seen = find(cache, name);
        let stored = seen
            .as_ref()
            .and_then(|slot| slot.select(Fields::new(&[], &[], &[])));
        if let Some(stored) = stored {
            stored.touch();
            return body_of(stored);
        }
        let ask = if alone_now { alone(name) } else { plain(name) };
        // Told what the look-up gave: another thread may commit between the two, and a question that
        // knows only what is published when it is put would fetch again what that thread stored.
        match cache.ask_after(ask, seen).await.unwrap() {
            Answer::Lead(mut fill) => {
                fetches.fetch_add(1, Ordering::Relaxed);
                let mut own = fill.reader();
                fill.respond(prepared(Some(body.len() as u64)))
                    .await
                    .unwrap();
                for piece in body.chunks(3000) {
                    std::future::poll_fn(|cx| fill.poll_room(cx)).await;
                    fill.append(piece).unwrap();
                }
                // Invalidated meanwhile it is not stored, and still good for this client.
                assert!(matches!(
                    fill.commit(Bytes::new()).await,
                    Ok(_) | Err(NoStoreReason::Expired)
                ));
                return read_all(&mut own).await.0;
            }
            Answer::Follow(mut reader) => match reader.head().await {
                FillHead::Shared(_) => {
                    let (read, end) = read_all(&mut reader).await;
                    assert!(end.is_some());
                    return read;
                }
                FillHead::Again => alone_now = false,
                FillHead::Refused(_) => alone_now = true,
                FillHead::Failed(status) => panic!("{status}"),
            },
            Answer::Again => {}
        }
    }
}

/// Runs `work` on each of the arbiters and waits for all.
async fn on_each<F, Fut>(arbiters: &[Arbiter], work: F)
where
    F: Fn(usize) -> Fut + Send + Clone + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let waits = arbiters.iter().enumerate().map(|(at, arbiter)| {
        let (done, wait) = tokio::sync::oneshot::channel();
        let work = work.clone();
        arbiter.spawn_fn(move || {
            actix_rt::spawn(async move {
                work(at).await;
                let _ = done.send(());
            });
        });
        wait
    });
    for wait in join_all(waits).await {
        wait.expect("a worker panicked");
    }
}

#[actix_rt::test]
async fn workers_on_several_threads_fetch_each_response_once() {
    let arbiters = [Arbiter::new(), Arbiter::new(), Arbiter::new()];
    let cache = cache_on(16 * MIB, &arbiters);
    let fetches = Arc::new(AtomicUsize::new(0));
    let (shared, counted) = (cache.clone(), Arc::clone(&fetches));
    on_each(&arbiters, move |_| {
        let (cache, fetches) = (shared.clone(), Arc::clone(&counted));
        async move {
            // All workers together stay below what makes a shard count as overloaded.
            join_all((0..300).map(|at| {
                let (cache, fetches) = (&cache, &fetches);
                async move {
                    let body = pattern(100 + at % 20 * 1000);
                    assert_eq!(
                        fetch(cache, &format!("{}", at % 20), &body, fetches).await,
                        body
                    );
                }
            }))
            .await;
        }
    })
    .await;
    let stats = cache.stats();
    assert_eq!(
        (stats.fills, stats.evicted, stats.expired),
        (0, 0, 0),
        "{stats:?}"
    );
    assert_eq!(
        (fetches.load(Ordering::Relaxed), stats.stored, stats.entries),
        (20, 20, 20),
        "{stats:?}"
    );
}

#[actix_rt::test]
async fn under_pressure_from_several_threads_the_ceiling_holds_and_nothing_leaks() {
    const CEILING: u64 = 2 * MIB;
    let arbiters = [Arbiter::new(), Arbiter::new(), Arbiter::new()];
    let cache = cache_on(CEILING, &arbiters);
    let shared = cache.clone();
    on_each(&arbiters, move |worker| {
        let cache = shared.clone();
        async move {
            let fetches = AtomicUsize::new(0);
            for at in 0..600 {
                let number = (at * (worker + 7)) % 97;
                let name = format!("{number}");
                let body = pattern(number * 500);
                match at % 10 {
                    3 => cache.invalidate(1, key(&name)).await,
                    5 => drop(cache.ask(plain(&name)).await.unwrap()),
                    7 => {
                        if let Answer::Lead(fill) = cache.ask(plain(&name)).await.unwrap() {
                            fill.refuse(NoStoreReason::NoRoom);
                        }
                    }
                    _ => assert_eq!(fetch(&cache, &name, &body, &fetches).await, body),
                }
                assert!(cache.stats().bytes <= CEILING);
            }
        }
    })
    .await;
    settle(&cache).await;
    let weights: u64 = (0..97)
        .filter_map(|number| find(&cache, &number.to_string()))
        .flat_map(|slot| {
            slot.variants()
                .iter()
                .map(|stored| stored.weight())
                .collect::<Vec<_>>()
        })
        .sum();
    let stats = cache.stats();
    assert_eq!((stats.bytes, stats.fills), (weights, 0), "{stats:?}");
    assert!(stats.evicted > 0 && stats.invalidated > 0);
    for number in 0..97 {
        cache.invalidate(1, key(&number.to_string())).await;
    }
    assert_eq!((cache.stats().bytes, cache.stats().entries), (0, 0));
}

#[actix_rt::test]
async fn a_stopped_shard_is_passed_by() {
    let arbiter = Arbiter::new();
    let cache = Cache::start(config(MIB), &[arbiter.handle()]);
    let mut fill = lead(&cache, plain("a")).await;
    fill.respond(prepared(Some(4))).await.unwrap();
    let mut own = fill.reader();
    fill.append(b"body").unwrap();
    arbiter.stop();
    arbiter.join().unwrap();
    assert_eq!(
        cache.ask(plain("b")).await.unwrap_err(),
        NoStoreReason::NoRoom
    );
    assert!(fill.commit(Bytes::new()).await.is_err());
    assert_eq!(
        read_all(&mut own).await,
        (b"body".to_vec(), Some(Bytes::new()))
    );
}

#[actix_rt::test]
async fn with_the_last_handle_everything_goes() {
    let cache = cache(MIB);
    let stored = store(&cache, "a", b"body").await;
    let weak = Arc::downgrade(&stored);
    drop(stored);
    drop(cache);
    // The shard ends when its mailbox has noticed: as many turns as it needs, and never for ever.
    for _ in 0..1000 {
        actix_rt::task::yield_now().await;
    }
    assert!(weak.upgrade().is_none());
}

#[actix_rt::test]
async fn an_overloaded_shard_is_passed_by_and_recovers() {
    let cache = cache(64 * MIB);
    // All are sent before the shard has its first turn.
    let answers = join_all((0..3000).map(|at| {
        let cache = &cache;
        async move { cache.ask(plain(&at.to_string())).await.map(drop) }
    }))
    .await;
    let passed = answers
        .iter()
        .filter(|answer| matches!(answer, Err(NoStoreReason::NoRoom)))
        .count();
    assert!(passed > 0 && passed < 3000, "{passed} were passed");
    let _fill = lead(&cache, plain("later")).await;
}
