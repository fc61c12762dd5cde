//! Parts in the index: joined, completed, salvaged, evicted, and always within the budget.
#![allow(clippy::unwrap_used)]

mod common;

use common::*;
use proptest::prelude::*;
use std::future::Future;
use std::sync::Arc;
use understudy_cache::{Answer, Cache, Fill, Prepared, Purge, Selector, Stored};
use understudy_http::Fields;
use understudy_http::semantics::{range::ByteSpan, storing::NoStoreReason};

fn span(first: u64, last: u64) -> ByteSpan {
    ByteSpan::of(first, last).unwrap()
}

/// The head of a whole of this length, with this tag.
fn tagged(length: u64, tag: &str) -> Arc<Prepared> {
    let head = format!("HTTP/1.1 200 OK\r\nETag: {tag}\r\nAccept-Ranges: bytes\r\n");
    let mut prepared = Arc::into_inner(prepared(Some(length))).unwrap();
    prepared.head = head.into_bytes().into();
    Arc::new(prepared)
}

async fn lead_part(cache: &Cache, name: &str) -> Fill {
    let seen = find(cache, name);
    match cache.ask_part(plain(name), seen, None).await.unwrap() {
        Answer::Lead(fill) => fill,
        other => panic!("expected to lead: {other:?}"),
    }
}

async fn put(
    cache: &Cache,
    name: &str,
    prepared: Arc<Prepared>,
    span: ByteSpan,
    bytes: &[u8],
) -> Result<Arc<Stored>, NoStoreReason> {
    let mut fill = lead_part(cache, name).await;
    fill.respond_part(prepared, span, None).await?;
    fill.append(bytes)?;
    fill.commit(bytes::Bytes::new()).await
}

fn cut(body: &[u8], span: ByteSpan) -> &[u8] {
    &body[span.first() as usize..span.end() as usize]
}

fn slice(stored: &Stored, span: ByteSpan) -> Option<Vec<u8>> {
    let mut bytes = Vec::new();
    stored
        .slice(span, |block| bytes.extend_from_slice(&block))
        .then_some(bytes)
}

fn held(cache: &Cache, name: &str) -> Option<Arc<Stored>> {
    find(cache, name)?
        .select_part(Fields::new(&[], &[], &[]))
        .cloned()
}

#[actix_rt::test]
async fn a_part_is_found_as_a_part_and_never_as_the_whole() {
    let (cache, body) = (cache(MIB), pattern(1000));
    let part = span(100, 299);
    put(&cache, "a", tagged(1000, "\"a\""), part, cut(&body, part))
        .await
        .unwrap();
    assert!(hit(&cache, "a").is_none());
    let stored = held(&cache, "a").unwrap();
    assert_eq!((stored.length(), stored.complete_length()), (200, 1000));
    assert_eq!(
        slice(&stored, span(150, 160)).unwrap(),
        cut(&body, span(150, 160))
    );
    assert_eq!(slice(&stored, span(99, 160)), None);
    assert_eq!(slice(&stored, span(299, 300)), None);
}

#[actix_rt::test]
async fn a_part_of_another_length_than_its_range_is_not_stored() {
    let (cache, body) = (cache(MIB), pattern(1000));
    for (first, last) in [(0, 9), (0, 7)] {
        let stored = put(
            &cache,
            "a",
            tagged(1000, "\"a\""),
            span(first, last),
            &body[..9],
        )
        .await;
        assert_eq!(stored.unwrap_err(), NoStoreReason::Incomplete);
        settle(&cache).await;
        assert!(find(&cache, "a").is_none());
    }
    assert_eq!(cache.stats().bytes, 0);
}

#[actix_rt::test]
async fn parts_of_another_representation_replace_what_is_held() {
    let (cache, body) = (cache(MIB), pattern(1000));
    for (tag, other) in [("\"b\"", 1000), ("\"a\"", 999), ("W/\"a\"", 1000)] {
        let first = span(0, 99);
        put(&cache, "a", tagged(1000, "\"a\""), first, cut(&body, first))
            .await
            .unwrap();
        let next = span(100, 199);
        put(&cache, "a", tagged(other, tag), next, cut(&body, next))
            .await
            .unwrap();
        assert_eq!(
            held(&cache, "a").unwrap().spans(),
            Some(&[next][..]),
            "{tag} {other}"
        );
        assert_eq!(cache.stats().entries, 1);
    }
}

#[actix_rt::test]
async fn parts_are_joined_up_to_the_largest_body_stored() {
    // At most 512 KiB are stored of a body.
    let (cache, body) = (cache(MIB), pattern(700_000));
    let (first, next, last) = (
        span(0, 299_999),
        span(300_000, 499_999),
        span(500_000, 599_999),
    );
    for part in [first, next] {
        put(
            &cache,
            "a",
            tagged(700_000, "\"a\""),
            part,
            cut(&body, part),
        )
        .await
        .unwrap();
    }
    assert_eq!(
        held(&cache, "a").unwrap().spans(),
        Some(&[span(0, 499_999)][..])
    );
    put(
        &cache,
        "a",
        tagged(700_000, "\"a\""),
        last,
        cut(&body, last),
    )
    .await
    .unwrap();
    assert_eq!(held(&cache, "a").unwrap().spans(), Some(&[last][..]));
}

#[actix_rt::test]
async fn a_body_in_crumbs_is_not_joined_for_ever() {
    let cache = cache(16 * MIB);
    let body = pattern(8192);
    for at in 0..1500 {
        let one = span(at, at);
        put(&cache, "a", tagged(8192, "\"a\""), one, cut(&body, one))
            .await
            .unwrap();
        let held = held(&cache, "a").unwrap();
        assert!(held.blocks().len() <= 300, "{at}");
        assert_eq!(slice(&held, one).unwrap(), cut(&body, one));
    }
}

#[actix_rt::test]
async fn a_body_in_crumbs_does_not_keep_the_blocks_it_was_cut_from() {
    let cache = cache(64 * MIB);
    let body = pattern(16 * 1024);
    let length = body.len() as u64;
    for at in 1..1500 {
        let rest = span(at, length - 1);
        put(&cache, "a", tagged(length, "\"a\""), rest, cut(&body, rest))
            .await
            .unwrap();
    }
    let used = cache.stats().bytes;
    assert!(used < 6 * MIB, "{used}");
}

#[actix_rt::test]
async fn a_whole_takes_the_place_of_parts_and_a_late_part_does_not_take_its() {
    let (cache, body) = (cache(MIB), pattern(1000));
    let part = span(0, 99);
    let late = lead_part(&cache, "a").await;
    put(&cache, "a", tagged(1000, "\"a\""), part, cut(&body, part))
        .await
        .unwrap();
    store(&cache, "a", &body).await;
    assert!(held(&cache, "a").is_none());
    let mut late = late;
    late.respond_part(tagged(1000, "\"a\""), part, None)
        .await
        .unwrap();
    late.append(cut(&body, part)).unwrap();
    let refused = late.commit(bytes::Bytes::new()).await;
    assert_eq!(refused.unwrap_err(), NoStoreReason::Partial);
    assert_eq!(body_of(&hit(&cache, "a").unwrap()), body);
    assert_eq!(cache.stats().entries, 1);
}

#[actix_rt::test]
async fn a_part_of_one_variant_leaves_the_others() {
    let (cache, body) = (cache(MIB), pattern(1000));
    store_as(&cache, "a", &body, in_language("en")).await;
    let part = span(0, 99);
    for language in ["de", "fr"] {
        let mut prepared = Arc::into_inner(tagged(1000, "\"a\"")).unwrap();
        prepared.vary = in_language(language);
        put(&cache, "a", Arc::new(prepared), part, cut(&body, part))
            .await
            .unwrap();
    }
    let slot = find(&cache, "a").unwrap();
    with_request("en", |request| {
        assert!(slot.select(request).is_some() && slot.select_part(request).is_none());
    });
    for language in ["de", "fr"] {
        with_request(language, |request| {
            assert!(slot.select(request).is_none() && slot.select_part(request).is_some());
        });
    }
    assert_eq!((cache.stats().entries, slot.all().count()), (3, 3));
    cache.invalidate(1, key("a")).await;
    drop(slot);
    assert!(find(&cache, "a").is_none());
    assert_eq!((cache.stats().entries, cache.stats().bytes), (0, 0));
}

#[actix_rt::test]
async fn nobody_follows_a_part_but_a_part_follows_a_whole() {
    let cache = cache(MIB);
    let part = lead_part(&cache, "a").await;
    let whole = lead(&cache, plain("a")).await;
    let answer = cache.ask_part(plain("a"), None, None).await.unwrap();
    assert!(matches!(answer, Answer::Follow(_)));
    drop((part, whole));
}

#[actix_rt::test]
async fn who_asks_in_the_same_words_follows_a_part() {
    let (cache, body) = (cache(MIB), pattern(1000));
    let part = span(100, 299);
    let ask = |name: Option<&'static str>| {
        let name = name.map(|name| bytes::Bytes::from_static(name.as_bytes()));
        cache.ask_part(plain("a"), None, name)
    };
    let Ok(Answer::Lead(mut leader)) = ask(Some("bytes=100-299")).await else {
        panic!("nobody else leads");
    };
    let Ok(Answer::Follow(mut follower)) = ask(Some("bytes=100-299")).await else {
        panic!("somebody leads");
    };
    for other in [Some("bytes=100-"), None] {
        assert!(matches!(ask(other).await, Ok(Answer::Lead(_))), "{other:?}");
    }
    assert!(matches!(cache.ask(plain("a")).await, Ok(Answer::Lead(_))));
    leader
        .respond_part(tagged(1000, "\"a\""), part, Some(200))
        .await
        .unwrap();
    assert_eq!(follower.part(), Some((part, Some(200))));
    leader.append(cut(&body, part)).unwrap();
    leader.commit(bytes::Bytes::new()).await.unwrap();
    assert_eq!(read_all(&mut follower).await.0, cut(&body, part));
}

#[actix_rt::test]
async fn a_reader_of_a_span_reads_it_and_nothing_else() {
    let (cache, body) = (cache(MIB), pattern(100_000));
    let mut fill = lead(&cache, plain("a")).await;
    fill.respond(tagged(100_000, "\"a\"")).await.unwrap();
    let (mut near, mut far, mut none) = (fill.reader(), fill.reader(), fill.reader());
    near.narrow(Some(span(10, 19)));
    far.narrow(Some(span(60_000, 99_999)));
    none.narrow(None);
    fill.append(&body[..30_000]).unwrap();
    assert_eq!(read_all(&mut near).await.0, &body[10..20]);
    assert!(ready(&mut far).is_none());
    assert_eq!(read_all(&mut none).await.0, b"");
    fill.append(&body[30_000..]).unwrap();
    fill.commit(bytes::Bytes::new()).await.unwrap();
    assert_eq!(read_all(&mut far).await.0, &body[60_000..]);
}

#[actix_rt::test]
async fn what_broke_off_is_kept_as_a_part_when_it_can_be_completed() {
    let body = pattern(1000);
    for (tag, kept) in [("\"a\"", true), ("W/\"a\"", false)] {
        for dropped in [false, true] {
            let cache = cache(MIB);
            let mut fill = lead(&cache, plain("a")).await;
            fill.respond(tagged(1000, tag)).await.unwrap();
            fill.keep_incomplete(false);
            fill.append(&body[..400]).unwrap();
            if dropped {
                drop(fill);
            } else {
                fill.broken();
            }
            settle(&cache).await;
            let held = held(&cache, "a");
            assert_eq!(held.is_some(), kept, "{tag} {dropped}");
            if let Some(held) = held {
                assert_eq!(slice(&held, span(0, 399)).unwrap(), &body[..400]);
            }
            assert_eq!(cache.stats().fills, 0);
        }
    }
}

#[actix_rt::test]
async fn what_broke_off_after_an_invalidation_is_not_kept() {
    let cache = cache(MIB);
    let mut fill = lead(&cache, plain("a")).await;
    fill.respond(tagged(1000, "\"a\"")).await.unwrap();
    fill.keep_incomplete(false);
    fill.append(&pattern(400)).unwrap();
    cache.invalidate(1, key("a")).await;
    fill.broken();
    settle(&cache).await;
    assert!(find(&cache, "a").is_none());
    assert_eq!(cache.stats().bytes, 0);
}

/// What it leaves is on its way to the shard, behind the purge, or behind a question and the purge.
#[actix_rt::test]
async fn what_broke_off_while_a_purge_waited_is_not_kept() {
    for asked in [false, true] {
        let cache = cache(MIB);
        let mut fill = lead(&cache, plain("a")).await;
        fill.respond(tagged(100, "\"a\"")).await.unwrap();
        fill.append(&[7; 40]).unwrap();
        fill.keep_incomplete(true);
        let mut cx = std::task::Context::from_waker(std::task::Waker::noop());
        let mut question = std::pin::pin!(cache.ask(alone("a")));
        if asked {
            assert!(question.as_mut().poll(&mut cx).is_pending());
        }
        let what = Purge {
            what: vec![Selector::Key(key("a"))],
            soft: false,
            dry_run: false,
            now: 10,
        };
        let mut purge = std::pin::pin!(cache.purge(1, what));
        assert!(purge.as_mut().poll(&mut cx).is_pending());
        fill.broken();
        purge.await;
        settle(&cache).await;
        assert!(find(&cache, "a").is_none(), "asked: {asked}");
    }
}

#[actix_rt::test]
async fn freshened_parts_are_still_parts() {
    let (cache, body) = (cache(MIB), pattern(1000));
    let part = span(0, 99);
    let old = put(&cache, "a", tagged(1000, "\"a\""), part, cut(&body, part))
        .await
        .unwrap();
    let mut ask = plain("a");
    ask.validate = Some(old);
    let Answer::Lead(fill) = cache.ask_part(ask, find(&cache, "a"), None).await.unwrap() else {
        panic!("nobody else leads");
    };
    let fresh = fill.freshen(tagged(1000, "\"a\"")).await;
    assert!(fresh.is_part() && Arc::ptr_eq(&fresh, &held(&cache, "a").unwrap()));
    assert_eq!(slice(&fresh, part).unwrap(), cut(&body, part));
    assert_eq!(cache.stats().entries, 1);
}

#[actix_rt::test]
async fn parts_are_evicted_like_wholes_and_the_ceiling_holds() {
    let (cache, body) = (cache(MIB), pattern(40_000));
    for at in 0..200u64 {
        let name = format!("{}", at % 60);
        let first = at * 97 % 20_000;
        let part = span(first, first + 19_999);
        put(
            &cache,
            &name,
            tagged(40_000, "\"a\""),
            part,
            cut(&body, part),
        )
        .await
        .unwrap();
        let stats = cache.stats();
        assert!(stats.bytes <= stats.ceiling, "{stats:?}");
    }
    assert!(cache.stats().evicted > 0);
    for at in 0..60 {
        cache.invalidate(1, key(&at.to_string())).await;
    }
    assert_eq!((cache.stats().entries, cache.stats().bytes), (0, 0));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn whatever_comes_in_whatever_order_a_slice_is_the_original_s(
        length in 1u64..60_000,
        parts in prop::collection::vec((any::<u64>(), any::<u64>()), 1..40),
        asked in prop::collection::vec((any::<u64>(), any::<u64>()), 1..10),
    ) {
        let body = pattern(length as usize);
        let within = |(a, b): (u64, u64)| {
            let (a, b) = (a % length, b % length);
            span(a.min(b), a.max(b))
        };
        actix_rt::System::new().block_on(async {
            let cache = cache(8 * MIB);
            for part in parts {
                let part = within(part);
                let stored = put(&cache, "a", tagged(length, "\"a\""), part, cut(&body, part)).await;
                let Ok(stored) = stored else {
                    // The whole is there already.
                    assert_eq!(body_of(&hit(&cache, "a").unwrap()), body);
                    break;
                };
                assert_eq!(slice(&stored, part).unwrap(), cut(&body, part));
                for &wanted in &asked {
                    let wanted = within(wanted);
                    if let Some(bytes) = slice(&stored, wanted) {
                        assert_eq!(bytes, cut(&body, wanted));
                    }
                }
                if !stored.is_part() {
                    assert_eq!(body_of(&hit(&cache, "a").unwrap()), body);
                }
            }
            cache.invalidate(1, key("a")).await;
            settle(&cache).await;
            assert_eq!((cache.stats().entries, cache.stats().bytes), (0, 0));
        });
    }
}
