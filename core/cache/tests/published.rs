//! Whoever has all of a body finds it stored: the last piece of a fill of known length is held back until it is published.
#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::*;
use std::future::poll_fn;
use std::task::{Context, Poll, Waker};
use understudy_cache::{FillEvent, FillReader, WINDOW};
use understudy_http::semantics::storing::NoStoreReason;

const LENGTH: usize = 70_000;

/// Reads to the end, and sees at every piece whether the whole is here before it can be found.
async fn read_watching(mut reader: FillReader, cache: understudy_cache::Cache) -> usize {
    let mut had = 0;
    loop {
        match next(&mut reader).await {
            FillEvent::Data(piece) => {
                had += piece.len();
                if had == LENGTH {
                    assert!(hit(&cache, "a").is_some(), "had before it was stored");
                }
            }
            FillEvent::End(_) => return had,
            FillEvent::Broken => panic!("broken off at {had}"),
        }
    }
}

#[actix_rt::test]
async fn nobody_has_the_whole_before_it_is_stored() {
    for size in [1, 999, 4096, 65_536, LENGTH - 1, LENGTH] {
        let cache = cache(MIB);
        let mut fill = lead(&cache, plain("a")).await;
        let mut own = fill.reader();
        let early = follow(&cache, plain("a")).await;
        fill.respond(prepared(Some(LENGTH as u64))).await.unwrap();
        let early = actix_rt::spawn(read_watching(early, cache.clone()));
        let mut had = Vec::new();
        for piece in pattern(LENGTH).chunks(size) {
            assert!(has_room(&mut fill));
            fill.append(piece).unwrap();
            had.extend_from_slice(&drain(&mut own));
            assert!(had.len() < LENGTH, "pieces of {size}");
            actix_rt::task::yield_now().await;
        }
        let late = follow(&cache, plain("a")).await;
        let late = actix_rt::spawn(read_watching(late, cache.clone()));
        actix_rt::task::yield_now().await;
        assert!(!early.is_finished() && !late.is_finished());
        fill.commit(Bytes::new()).await.unwrap();
        had.extend_from_slice(&drain(&mut own));
        assert_eq!(had, pattern(LENGTH), "pieces of {size}");
        assert_eq!(early.await.unwrap(), LENGTH);
        assert_eq!(late.await.unwrap(), LENGTH);
    }
}

#[actix_rt::test]
async fn a_reader_knows_that_its_last_piece_is_held_back() {
    for (length, before) in [(0, ""), (4, "123"), (4, "")] {
        let cache = cache(MIB);
        let mut fill = lead(&cache, plain("a")).await;
        let mut follower = follow(&cache, plain("a")).await;
        assert!(!follower.withholds());
        fill.respond(prepared(Some(length))).await.unwrap();
        fill.append(before.as_bytes()).unwrap();
        assert_eq!(drain(&mut follower), before.as_bytes());
        assert_eq!(follower.withholds(), length == 0);
        fill.append(&b"1234"[before.len()..length as usize])
            .unwrap();
        assert!(ready(&mut follower).is_none());
        assert!(follower.withholds(), "{length} {before}");
        fill.commit(Bytes::new()).await.unwrap();
        assert!(!follower.withholds());
        assert!(ready(&mut follower).is_some());
        assert!(hit(&cache, "a").is_some());
    }
}

#[actix_rt::test]
async fn a_leader_does_not_wait_for_those_who_wait_for_it() {
    let cache = cache(8 * MIB);
    let mut fill = lead(&cache, plain("a")).await;
    let _own = fill.reader();
    let _follower = follow(&cache, plain("a")).await;
    fill.respond(prepared(Some(2 * WINDOW))).await.unwrap();
    fill.append(&pattern(2 * WINDOW as usize - 1)).unwrap();
    assert!(!has_room(&mut fill));
    fill.append(b"x").unwrap();
    assert!(has_room(&mut fill), "nobody can take what is held back");
}

#[actix_rt::test]
async fn what_is_held_back_is_given_when_it_is_not_stored_after_all() {
    // Purged meanwhile.
    let cache = cache(MIB);
    let mut fill = lead(&cache, plain("a")).await;
    let mut follower = follow(&cache, plain("a")).await;
    fill.respond(prepared(Some(4))).await.unwrap();
    fill.append(b"four").unwrap();
    assert!(ready(&mut follower).is_none());
    cache.invalidate(1, key("a")).await;
    let refused = fill.commit(Bytes::new()).await.err();
    assert_eq!(refused, Some(NoStoreReason::Expired));
    assert_eq!(
        read_all(&mut follower).await,
        (b"four".to_vec(), Some(Bytes::new()))
    );
    // The same, and waited for.
    let mut fill = lead(&cache, plain("c")).await;
    let mut follower = follow(&cache, plain("c")).await;
    fill.respond(prepared(Some(4))).await.unwrap();
    fill.append(b"four").unwrap();
    let waiting = actix_rt::spawn(async move { read_all(&mut follower).await });
    actix_rt::task::yield_now().await;
    cache.invalidate(1, key("c")).await;
    assert!(fill.commit(Bytes::new()).await.is_err());
    assert_eq!(
        waiting.await.unwrap(),
        (b"four".to_vec(), Some(Bytes::new()))
    );
    // Broken off, or abandoned.
    for broken in [true, false] {
        let mut fill = lead(&cache, plain("b")).await;
        let mut follower = follow(&cache, plain("b")).await;
        fill.respond(prepared(Some(4))).await.unwrap();
        fill.append(b"four").unwrap();
        assert!(ready(&mut follower).is_none());
        let waiting = actix_rt::spawn(async move { read_all(&mut follower).await });
        actix_rt::task::yield_now().await;
        match broken {
            true => fill.broken(),
            false => drop(fill),
        }
        assert_eq!(waiting.await.unwrap(), (b"four".to_vec(), None));
    }
}

#[actix_rt::test]
async fn a_narrow_reader_waits_only_for_the_last_byte_of_all() {
    let cache = cache(MIB);
    let mut fill = lead(&cache, plain("a")).await;
    fill.respond(prepared(Some(10))).await.unwrap();
    let span = |from, until| understudy_http::semantics::range::ByteSpan::of(from, until);
    let mut middle = fill.reader();
    middle.narrow(span(2, 8));
    let mut last = fill.reader();
    last.narrow(span(5, 9));
    fill.append(b"0123456789").unwrap();
    assert_eq!(drain(&mut middle), b"2345678");
    assert_eq!(drain(&mut last), b"");
    fill.commit(Bytes::new()).await.unwrap();
    assert_eq!(drain(&mut last), b"56789");
    let end = poll_fn(|cx| last.poll_next(cx)).await;
    assert!(matches!(end, FillEvent::End(_)));
    let end = last.poll_next(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(end, Poll::Ready(FillEvent::End(_))));
}

/// What a part's Content-Range says is not how its readers know the end, unless its length was told as well.
#[actix_rt::test]
async fn the_last_piece_of_a_part_is_held_back_where_its_length_was_told() {
    let span = understudy_http::semantics::range::ByteSpan::of(10, 13).unwrap();
    for (content, before) in [(Some(4), &b""[..]), (None, b"part")] {
        let cache = cache(MIB);
        let mut fill = lead(&cache, plain("a")).await;
        let mut own = fill.reader();
        fill.respond_part(prepared(Some(100)), span, content)
            .await
            .unwrap();
        fill.append(b"part").unwrap();
        assert_eq!(drain(&mut own), before);
        if content.is_some() {
            // The Content-Range lied: what came is given.
            fill.append(b"more").unwrap();
            assert_eq!(drain(&mut own), b"partmore");
        }
    }
}

#[actix_rt::test]
async fn who_begins_far_on_wakes_a_leader_that_waits_for_room() {
    let cache = cache(8 * MIB);
    let mut fill = lead(&cache, plain("a")).await;
    let _own = fill.reader();
    let mut follower = follow(&cache, plain("a")).await;
    fill.respond(prepared(Some(4 * WINDOW))).await.unwrap();
    fill.append(&pattern(WINDOW as usize)).unwrap();
    let waiting = actix_rt::spawn(async move {
        poll_fn(|cx| fill.poll_room(cx)).await;
        fill
    });
    actix_rt::task::yield_now().await;
    assert!(!waiting.is_finished());
    follower.narrow(understudy_http::semantics::range::ByteSpan::of(
        3 * WINDOW,
        4 * WINDOW - 1,
    ));
    waiting.await.unwrap();
}
