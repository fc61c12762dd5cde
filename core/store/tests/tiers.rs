//! What every tier must do, as one list of cases run against each; and the one that keeps nothing.
#![allow(clippy::unwrap_used)]

use bytes::Bytes;
use std::{
    future::poll_fn,
    ops::ControlFlow,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};
use understudy_store::{
    Store,
    budget::Budget,
    memory::Memory,
    noop::Noop,
    tier::{Object, StoreError},
};

/// Runs a future that never has to wait.
fn now<F: Future>(future: F) -> F::Output {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(output) => output,
        Poll::Pending => panic!("it would wait"),
    }
}

async fn put(
    store: &dyn Store,
    key: &str,
    head: &str,
    pieces: &[&'static str],
    known: bool,
) -> Result<(), StoreError> {
    let length = pieces.iter().map(|piece| piece.len() as u64).sum();
    let head = Bytes::copy_from_slice(head.as_bytes());
    let mut put = store
        .put(key.as_bytes(), head, known.then_some(length))
        .await?;
    for piece in pieces {
        put.append(Bytes::from_static(piece.as_bytes())).await?;
    }
    put.commit(Bytes::from_static(b"T: 1\r\n")).await
}

async fn body(mut object: Object) -> String {
    let mut body = Vec::new();
    while let Some(piece) = poll_fn(|cx| object.body.poll_next(cx)).await {
        body.extend_from_slice(&piece.unwrap());
    }
    assert_eq!(body.len() as u64, object.length);
    String::from_utf8(body).unwrap()
}

async fn keys(store: &dyn Store) -> Vec<String> {
    let mut keys = Vec::new();
    let mut each = |key: &[u8], head: &Bytes, length: u64| {
        keys.push(format!(
            "{} {} {length}",
            String::from_utf8_lossy(key),
            String::from_utf8_lossy(head)
        ));
        ControlFlow::Continue(())
    };
    store.iterate(&mut each).await.unwrap();
    keys.sort();
    keys
}

async fn a_tier_keeps_what_was_committed_and_only_that(store: &dyn Store) {
    assert!(store.get(b"a").await.unwrap().is_none());
    for known in [true, false] {
        put(store, "a", "head", &["one", "two"], known)
            .await
            .unwrap();
        let object = store.get(b"a").await.unwrap().unwrap();
        assert_eq!(
            (&*object.head, &*object.trailers),
            (b"head".as_slice(), b"T: 1\r\n".as_slice())
        );
        assert_eq!(body(object).await, "onetwo");
    }
    put(store, "b", "", &[], true).await.unwrap();
    assert_eq!(keys(store).await, ["a head 6", "b  0"]);

    let mut unfinished = store.put(b"c", Bytes::new(), None).await.unwrap();
    unfinished
        .append(Bytes::from_static(b"torn"))
        .await
        .unwrap();
    drop(unfinished);
    let mut short = store.put(b"c", Bytes::new(), Some(5)).await.unwrap();
    short.append(Bytes::from_static(b"four")).await.unwrap();
    assert!(short.commit(Bytes::new()).await.is_err());
    assert!(store.get(b"c").await.unwrap().is_none());

    let reading = store.get(b"a").await.unwrap().unwrap();
    put(store, "a", "new", &["other"], true).await.unwrap();
    assert_eq!(
        body(reading).await,
        "onetwo",
        "a reader keeps what it began"
    );
    assert_eq!(body(store.get(b"a").await.unwrap().unwrap()).await, "other");

    assert_eq!(store.stats().objects, 2);
    assert!(store.remove(b"a").await.unwrap() && !store.remove(b"a").await.unwrap());
    assert!(store.remove(b"b").await.unwrap());
    assert_eq!((store.stats().objects, store.stats().bytes), (0, 0));
}

#[test]
fn memory_keeps_what_was_committed_and_only_that() {
    now(a_tier_keeps_what_was_committed_and_only_that(&Memory::new(
        Budget::new(1 << 20),
    )));
}

#[test]
fn memory_answers_no_room_and_keeps_what_it_has() {
    let budget = Budget::new(2000);
    let memory = Memory::new(Arc::clone(&budget));
    now(async {
        put(&memory, "a", "head", &["body"], true).await.unwrap();
        let refused = memory.put(b"b", Bytes::new(), Some(4000)).await;
        assert!(matches!(refused.err(), Some(StoreError::NoRoom)));
        let mut outgrown = memory.put(b"b", Bytes::new(), None).await.unwrap();
        let piece = Bytes::from(vec![0; 4000]);
        assert!(matches!(
            outgrown.append(piece).await,
            Err(StoreError::NoRoom)
        ));
        drop(outgrown);
        assert_eq!(keys(&memory).await, ["a head 4"]);
        assert!(budget.used() <= 2000);
    });
}

#[test]
fn iteration_stops_when_told() {
    let memory = Memory::new(Budget::new(1 << 20));
    now(async {
        for key in ["a", "b", "c"] {
            put(&memory, key, "", &[], true).await.unwrap();
        }
        let mut seen = 0;
        let mut each = |_: &[u8], _: &Bytes, _| {
            seen += 1;
            ControlFlow::Break(())
        };
        memory.iterate(&mut each).await.unwrap();
        assert_eq!(seen, 1);
    });
}

#[test]
fn noop_takes_everything_and_keeps_nothing() {
    now(async {
        put(&Noop, "a", "head", &["body"], true).await.unwrap();
        assert!(Noop.get(b"a").await.unwrap().is_none());
        assert!(keys(&Noop).await.is_empty());
        assert!(!Noop.remove(b"a").await.unwrap());
        assert_eq!(Noop.stats(), Default::default());
    });
}
