//! Coalescing: one leader, any number of followers, and every way a fill can end.
#![allow(clippy::unwrap_used)]

mod common;

use bytes::Bytes;
use common::*;
use futures_util::future::join_all;
use std::{future::poll_fn, sync::Arc, time::Duration};
use understudy_cache::{Answer, Ask, FillEvent, FillHead, WINDOW};
use understudy_http::{Name, semantics::storing::NoStoreReason};

#[actix_rt::test]
async fn a_committed_response_is_found_by_the_next_look_up() {
    let cache = cache(MIB);
    assert!(find(&cache, "a").is_none());
    let mut fill = lead(&cache, plain("a")).await;
    fill.respond(prepared(Some(5))).await.unwrap();
    fill.append(b"hello").unwrap();
    fill.commit(Bytes::from_static(b"X: y\r\n")).await.unwrap();
    let stored = hit(&cache, "a").unwrap();
    assert_eq!(body_of(&stored), b"hello");
    assert_eq!(stored.length(), 5);
    assert_eq!(stored.trailers(), "X: y\r\n");
    assert_eq!(
        (
            cache.stats().entries,
            cache.stats().stored,
            cache.stats().fills
        ),
        (1, 1, 0)
    );
}

#[actix_rt::test]
async fn many_askers_are_coalesced_into_one_lead() {
    let cache = cache(MIB);
    let answers = join_all((0..100).map(|_| cache.ask(plain("a")))).await;
    let mut leads = Vec::new();
    let mut followers = Vec::new();
    for answer in answers {
        match answer.unwrap() {
            Answer::Lead(fill) => leads.push(fill),
            Answer::Follow(reader) => followers.push(reader),
            Answer::Again => panic!("nothing was committed"),
        }
    }
    assert_eq!((leads.len(), followers.len()), (1, 99));
    let mut fill = leads.pop().unwrap();
    assert_eq!(fill.followers(), 99);
    fill.respond(prepared(None)).await.unwrap();
    fill.append(b"same").unwrap();
    fill.commit(Bytes::new()).await.unwrap();
    for mut reader in followers {
        assert!(matches!(reader.head().await, FillHead::Shared(_)));
        assert_eq!(
            read_all(&mut reader).await,
            (b"same".to_vec(), Some(Bytes::new()))
        );
    }
}

#[actix_rt::test]
async fn a_follower_reads_the_body_as_it_grows() {
    let cache = cache(MIB);
    let mut fill = lead(&cache, plain("a")).await;
    let mut own = fill.reader();
    let mut follower = follow(&cache, plain("a")).await;
    assert!(ready(&mut follower).is_none());
    fill.respond(prepared(None)).await.unwrap();
    let mut whole = Vec::new();
    // Long and short pieces, so that both blocks and the stage are read.
    for length in [10, 5000, 3, 3, 4096, 1, 70_000] {
        let piece = pattern(length);
        fill.append(&piece).unwrap();
        assert_eq!(drain(&mut own), piece);
        whole.extend_from_slice(&piece);
    }
    let mut late = follow(&cache, plain("a")).await;
    assert_eq!(drain(&mut follower), whole);
    assert_eq!(drain(&mut late), whole);
    let stored = fill.commit(Bytes::new()).await.unwrap();
    assert_eq!(body_of(&stored), whole);
    assert!(matches!(next(&mut late).await, FillEvent::End(_)));
}

#[actix_rt::test]
async fn a_fill_goes_on_while_a_module_has_a_piece_and_once_behind_that() {
    let cache = cache(MIB);
    let mut fill = lead(&cache, plain("a")).await;
    let follower = follow(&cache, plain("a")).await;
    let mut heard = 0;
    assert!(!follower.goes_on(&mut heard));
    fill.heard();
    assert!(follower.goes_on(&mut heard));
    assert!(!follower.goes_on(&mut heard));
    let long = Some(Duration::from_secs(600));
    fill.away(long);
    for _ in 0..3 {
        assert!(follower.goes_on(&mut heard));
    }
    fill.away(None);
    assert!(follower.goes_on(&mut heard));
    assert!(!follower.goes_on(&mut heard));
    // What comes of it says as much.
    fill.away(long);
    fill.respond(prepared(None)).await.unwrap();
    assert!(follower.goes_on(&mut heard));
    assert!(!follower.goes_on(&mut heard));
    fill.away(long);
    fill.append(b"piece").unwrap();
    assert!(follower.goes_on(&mut heard));
    assert!(!follower.goes_on(&mut heard));
    // Its time is over, and nobody was there to end it.
    fill.away(Some(Duration::ZERO));
    assert!(follower.goes_on(&mut heard));
    assert!(!follower.goes_on(&mut heard));
}

#[actix_rt::test]
async fn a_waiting_follower_is_woken_by_head_body_and_end() {
    let cache = cache(MIB);
    let mut fill = lead(&cache, plain("a")).await;
    let mut follower = follow(&cache, plain("a")).await;
    let reading = actix_rt::spawn(async move {
        assert!(matches!(follower.head().await, FillHead::Shared(_)));
        read_all(&mut follower).await
    });
    actix_rt::task::yield_now().await;
    fill.respond(prepared(None)).await.unwrap();
    for piece in [b"one".as_slice(), b"two"] {
        actix_rt::task::yield_now().await;
        fill.append(piece).unwrap();
    }
    fill.commit(Bytes::new()).await.unwrap();
    assert_eq!(
        reading.await.unwrap(),
        (b"onetwo".to_vec(), Some(Bytes::new()))
    );
}

#[actix_rt::test]
async fn followers_of_a_vanished_leader_ask_again_and_one_of_them_leads() {
    let cache = cache(MIB);
    let fill = lead(&cache, plain("a")).await;
    let mut follower = follow(&cache, plain("a")).await;
    drop(fill);
    assert!(matches!(follower.head().await, FillHead::Again));
    // At once: the notice may still be on its way.
    let fill = lead(&cache, plain("a")).await;
    drop((fill, follower));
    settle(&cache).await;
    assert_eq!((cache.stats().fills, cache.stats().bytes), (0, 0));
}

#[actix_rt::test]
async fn a_leader_that_vanishes_in_the_body_breaks_its_readers_off() {
    let cache = cache(MIB);
    let mut fill = lead(&cache, plain("a")).await;
    let mut follower = follow(&cache, plain("a")).await;
    fill.respond(prepared(Some(10))).await.unwrap();
    assert!(matches!(follower.head().await, FillHead::Shared(_)));
    fill.append(b"half").unwrap();
    drop(fill);
    assert_eq!(read_all(&mut follower).await, (b"half".to_vec(), None));
    assert!(find(&cache, "a").is_none());
}

#[actix_rt::test]
async fn a_refusal_sends_followers_to_fetch_and_the_next_askers_are_not_serialised() {
    let cache = cache(MIB);
    let fill = lead(&cache, plain("a")).await;
    let mut follower = follow(&cache, plain("a")).await;
    fill.refuse(NoStoreReason::Private);
    assert!(matches!(
        follower.head().await,
        FillHead::Refused(NoStoreReason::Private)
    ));
    settle(&cache).await;
    let _first = lead(&cache, plain("a")).await;
    let _second = lead(&cache, plain("a")).await;
    // Another key is not concerned.
    let _other = lead(&cache, plain("b")).await;
    let _follower = follow(&cache, plain("b")).await;
}

#[actix_rt::test]
async fn a_refusal_nobody_waited_for_leaves_coalescing_as_it_was() {
    let cache = cache(MIB);
    lead(&cache, plain("a"))
        .await
        .refuse(NoStoreReason::Private);
    settle(&cache).await;
    assert_eq!(cache.stats().bytes, 0);
    let _first = lead(&cache, plain("a")).await;
    let _second = follow(&cache, plain("a")).await;
}

#[actix_rt::test]
async fn a_response_stored_after_all_brings_coalescing_back() {
    let cache = cache(MIB);
    let fill = lead(&cache, plain("a")).await;
    let follower = follow(&cache, plain("a")).await;
    fill.refuse(NoStoreReason::Private);
    drop(follower);
    settle(&cache).await;
    store(&cache, "a", b"now public").await;
    cache.invalidate(1, key("a")).await;
    let _first = lead(&cache, plain("a")).await;
    let _second = follow(&cache, plain("a")).await;
}

#[actix_rt::test]
async fn a_failed_origin_gives_followers_its_status() {
    let cache = cache(MIB);
    let fill = lead(&cache, plain("a")).await;
    let mut follower = follow(&cache, plain("a")).await;
    fill.fail(504);
    assert!(matches!(follower.head().await, FillHead::Failed(504)));
}

#[actix_rt::test]
async fn an_origin_that_breaks_off_breaks_readers_off_after_what_came() {
    let cache = cache(MIB);
    let mut fill = lead(&cache, plain("a")).await;
    let mut own = fill.reader();
    fill.respond(prepared(None)).await.unwrap();
    fill.append(b"some").unwrap();
    fill.broken();
    assert_eq!(read_all(&mut own).await, (b"some".to_vec(), None));
    assert!(find(&cache, "a").is_none());
}

#[actix_rt::test]
async fn a_body_of_another_length_than_declared_is_not_stored() {
    for declared in [3, 5] {
        let cache = cache(MIB);
        let mut fill = lead(&cache, plain("a")).await;
        let mut own = fill.reader();
        fill.respond(prepared(Some(declared))).await.unwrap();
        fill.append(b"four").unwrap();
        assert_eq!(
            fill.commit(Bytes::new()).await.unwrap_err(),
            NoStoreReason::Incomplete
        );
        assert_eq!(read_all(&mut own).await, (b"four".to_vec(), None));
        assert!(find(&cache, "a").is_none());
    }
}

#[actix_rt::test]
async fn a_declared_length_above_the_limit_is_refused_at_the_head() {
    let cache = cache(MIB);
    let mut fill = lead(&cache, plain("a")).await;
    let mut follower = follow(&cache, plain("a")).await;
    assert_eq!(
        fill.respond(prepared(Some(MIB / 2 + 1))).await.unwrap_err(),
        NoStoreReason::TooLarge
    );
    assert!(matches!(
        follower.head().await,
        FillHead::Refused(NoStoreReason::TooLarge)
    ));
}

#[actix_rt::test]
async fn a_body_that_outgrows_the_limit_goes_on_as_a_stream_and_frees_what_was_read() {
    let cache = cache(MIB);
    let mut fill = lead(&cache, plain("a")).await;
    let mut own = fill.reader();
    let mut follower = follow(&cache, plain("a")).await;
    fill.respond(prepared(None)).await.unwrap();
    let piece = pattern(64 * 1024);
    let (mut read, mut refused) = (0, 0);
    for _ in 0..40 {
        assert!(has_room(&mut fill));
        refused += usize::from(fill.append(&piece).is_err());
        assert_eq!(drain(&mut own), piece);
        read += drain(&mut follower).len();
        assert!(cache.stats().bytes < 700 * 1024, "{:?}", cache.stats());
    }
    assert_eq!(
        (refused, read),
        (1, 40 * piece.len()),
        "the reason is given once, and all bytes arrive"
    );
    // Nobody joins a stream any more: its beginning is gone.
    let _second = lead(&cache, plain("a")).await;
    assert_eq!(
        fill.commit(Bytes::new()).await.unwrap_err(),
        NoStoreReason::TooLarge
    );
    assert!(matches!(next(&mut follower).await, FillEvent::End(_)));
    assert!(matches!(next(&mut own).await, FillEvent::End(_)));
    assert!(find(&cache, "a").is_none());
}

#[actix_rt::test]
async fn while_storing_the_fastest_reader_sets_the_pace() {
    let cache = cache(8 * MIB);
    let mut fill = lead(&cache, plain("a")).await;
    let mut slow = fill.reader();
    let mut fast = follow(&cache, plain("a")).await;
    fill.respond(prepared(Some(4 * WINDOW))).await.unwrap();
    let piece = pattern(WINDOW as usize);
    fill.append(&piece).unwrap();
    assert!(!has_room(&mut fill), "nobody has read the window");
    drain(&mut fast);
    assert!(has_room(&mut fill), "one reader has");
    fill.append(&piece).unwrap();
    drop(fast);
    assert!(!has_room(&mut fill), "the slow one is left alone");
    assert!(ready(&mut slow).is_some());
    assert!(!has_room(&mut fill), "it is still a whole window behind");
    assert!(ready(&mut slow).is_some());
    assert!(has_room(&mut fill));
    fill.append(&piece).unwrap();
    assert!(!has_room(&mut fill));
    drop(slow);
    assert!(
        has_room(&mut fill),
        "with no reader left the leader decides"
    );
}

#[actix_rt::test]
async fn a_stream_waits_for_its_slowest_reader_and_wakes_the_leader() {
    let cache = cache(2 * MIB);
    let mut fill = lead(&cache, plain("a")).await;
    let mut fast = fill.reader();
    let mut slow = follow(&cache, plain("a")).await;
    fill.respond(prepared(None)).await.unwrap();
    let piece = pattern(WINDOW as usize);
    while fill.append(&piece).is_ok() {}
    drain(&mut fast);
    assert!(!has_room(&mut fill));
    let leader = actix_rt::spawn(async move {
        poll_fn(|cx| fill.poll_room(cx)).await;
        fill
    });
    actix_rt::task::yield_now().await;
    drain(&mut slow);
    let mut fill = leader.await.unwrap();
    assert!(has_room(&mut fill));
}

#[actix_rt::test]
async fn who_asks_alone_leads_beside_the_leader_and_is_not_followed() {
    let cache = cache(MIB);
    let mut first = lead(&cache, plain("a")).await;
    let mut second = lead(&cache, alone("a")).await;
    let mut follower = follow(&cache, plain("a")).await;
    assert_eq!((first.followers(), second.followers()), (1, 0));
    second.respond(prepared(Some(6))).await.unwrap();
    second.append(b"second").unwrap();
    second.commit(Bytes::new()).await.unwrap();
    assert_eq!(body_of(&hit(&cache, "a").unwrap()), b"second");
    first.respond(prepared(Some(5))).await.unwrap();
    first.append(b"first").unwrap();
    first.commit(Bytes::new()).await.unwrap();
    assert_eq!(drain(&mut follower), b"first");
}

#[actix_rt::test]
async fn who_asks_alone_where_nobody_leads_is_followed() {
    let cache = cache(MIB);
    let _first = lead(&cache, alone("a")).await;
    let _second = follow(&cache, plain("a")).await;
}

#[actix_rt::test]
async fn an_invalidated_fill_is_not_committed_and_takes_no_new_followers() {
    let cache = cache(MIB);
    let mut old = lead(&cache, plain("a")).await;
    let mut follower = follow(&cache, plain("a")).await;
    old.respond(prepared(Some(3))).await.unwrap();
    cache.invalidate(1, key("a")).await;
    let _new = lead(&cache, plain("a")).await;
    old.append(b"old").unwrap();
    assert_eq!(
        old.commit(Bytes::new()).await.unwrap_err(),
        NoStoreReason::Expired
    );
    assert_eq!(
        read_all(&mut follower).await,
        (b"old".to_vec(), Some(Bytes::new()))
    );
    assert!(find(&cache, "a").is_none());
}

#[actix_rt::test]
async fn a_successful_validation_puts_the_new_head_over_the_same_body() {
    let cache = cache(MIB);
    let old = store(&cache, "a", b"body").await;
    let ask = || Ask {
        validate: Some(Arc::clone(&old)),
        ..plain("a")
    };
    let fill = lead(&cache, ask()).await;
    assert!(Arc::ptr_eq(fill.validates().unwrap(), &old));
    let mut follower = follow(&cache, ask()).await;
    let head = prepared(Some(4));
    let new = fill.freshen(Arc::clone(&head)).await;
    assert!(matches!(follower.head().await, FillHead::Again));
    let found = hit(&cache, "a").unwrap();
    assert!(Arc::ptr_eq(&found, &new) && std::ptr::eq(found.prepared(), &*head));
    assert_eq!(found.blocks()[0].as_ptr(), old.blocks()[0].as_ptr());
    assert_eq!((cache.stats().entries, cache.stats().freshened), (1, 1));
    // Who still wants to validate the old one is to look again.
    assert!(matches!(cache.ask(ask()).await.unwrap(), Answer::Again));
}

#[actix_rt::test]
async fn a_validation_that_brings_a_new_response_shares_it() {
    let cache = cache(MIB);
    let old = store(&cache, "a", b"old").await;
    let ask = || Ask {
        validate: Some(Arc::clone(&old)),
        ..plain("a")
    };
    let mut fill = lead(&cache, ask()).await;
    let mut follower = follow(&cache, ask()).await;
    fill.respond(prepared(Some(3))).await.unwrap();
    fill.append(b"new").unwrap();
    fill.commit(Bytes::new()).await.unwrap();
    assert!(matches!(follower.head().await, FillHead::Shared(_)));
    assert_eq!(read_all(&mut follower).await.0, b"new");
    assert_eq!(
        (body_of(&hit(&cache, "a").unwrap()), cache.stats().entries),
        (b"new".to_vec(), 1)
    );
}

#[actix_rt::test]
async fn an_invalidation_during_a_validation_stands() {
    let cache = cache(MIB);
    let old = store(&cache, "a", b"old").await;
    let fill = lead(
        &cache,
        Ask {
            validate: Some(Arc::clone(&old)),
            ..plain("a")
        },
    )
    .await;
    cache.invalidate(1, key("a")).await;
    let new = fill.freshen(prepared(Some(3))).await;
    assert_eq!(body_of(&new), b"old", "this client's answer is still good");
    assert!(find(&cache, "a").is_none());
}

#[actix_rt::test]
async fn a_newer_response_stored_meanwhile_is_not_replaced_by_a_freshened_one() {
    let cache = cache(MIB);
    let old = store(&cache, "a", b"old").await;
    let fill = lead(
        &cache,
        Ask {
            validate: Some(Arc::clone(&old)),
            ..plain("a")
        },
    )
    .await;
    store(&cache, "a", b"newer").await;
    fill.freshen(prepared(Some(3))).await;
    assert_eq!(body_of(&hit(&cache, "a").unwrap()), b"newer");
}

/// RFC 9111 section 4: of several "a cache MUST use the most recent one", whichever body took longer to come.
#[actix_rt::test]
async fn a_response_that_came_late_does_not_take_the_place_of_a_newer_one() {
    // A clock that was set back in between makes nothing newer than what is asked for afterwards.
    for (slow, quick, stays) in [(100, 105, 105), (100, 100, 100), (105, 100, 105)] {
        let cache = cache(MIB);
        let mut late = lead(&cache, alone("a")).await;
        late.respond(received_at(slow)).await.unwrap();
        let mut other = lead(&cache, alone("a")).await;
        other.respond(received_at(quick)).await.unwrap();
        other.commit(Bytes::new()).await.unwrap();
        let mut reader = late.reader();
        let _ = late.commit(Bytes::new()).await;
        assert!(
            read_all(&mut reader).await.1.is_some(),
            "its own client has all"
        );
        assert_eq!(hit(&cache, "a").unwrap().prepared().received, stays);
        // What is asked for afterwards is newer, whatever the clock says.
        let mut next = lead(&cache, alone("a")).await;
        next.respond(received_at(50)).await.unwrap();
        next.commit(Bytes::new()).await.unwrap();
        assert_eq!(hit(&cache, "a").unwrap().prepared().received, 50);
    }
}

/// Or each of them would fetch the whole by itself because one had credentials, and so would all who come after.
#[actix_rt::test]
async fn followers_of_a_validation_with_credentials_look_again_and_are_one_again() {
    let cache = cache(MIB);
    let old = store(&cache, "a", b"old").await;
    let ask = || Ask {
        validate: Some(Arc::clone(&old)),
        ..plain("a")
    };
    let fill = lead(&cache, ask()).await;
    let mut follower = follow(&cache, ask()).await;
    fill.unpublished(prepared(Some(3)), NoStoreReason::Authorization);
    assert!(matches!(follower.head().await, FillHead::Again));
    settle(&cache).await;
    let _next = lead(&cache, ask()).await;
    follow(&cache, ask()).await;
    assert!(Arc::ptr_eq(&hit(&cache, "a").unwrap(), &old));
}

/// Else it would go on with what was removed: complete it, or have an origin choose it.
#[actix_rt::test]
async fn who_saw_what_was_removed_since_looks_again() {
    let cache = cache(MIB);
    store(&cache, "a", b"old").await;
    let seen = find(&cache, "a");
    cache.invalidate(1, key("a")).await;
    let answer = cache.ask_after(plain("a"), seen).await.unwrap();
    assert!(matches!(answer, Answer::Again), "{answer:?}");
    lead(&cache, plain("a")).await;
}

#[actix_rt::test]
async fn what_was_removed_before_its_validation_was_asked_for_stays_removed() {
    for insists in [false, true] {
        let cache = cache(MIB);
        let old = store(&cache, "a", b"old").await;
        let seen = find(&cache, "a");
        cache.invalidate(1, key("a")).await;
        let ask = Ask {
            validate: Some(Arc::clone(&old)),
            alone: insists,
            ..plain("a")
        };
        if let Answer::Lead(fill) = cache.ask_after(ask, seen).await.unwrap() {
            fill.freshen(prepared(Some(3))).await;
        }
        assert!(find(&cache, "a").is_none(), "insists: {insists}");
    }
}

#[actix_rt::test]
async fn what_an_origin_said_is_gone_is_not_brought_back_by_a_validation_under_way() {
    let cache = cache(MIB);
    let old = store(&cache, "a", b"old").await;
    let ask = Ask {
        validate: Some(Arc::clone(&old)),
        ..plain("a")
    };
    let fill = lead(&cache, ask).await;
    cache.discard(2, key("a"), old).await;
    fill.freshen(prepared(Some(3))).await;
    assert!(find(&cache, "a").is_none());
}

#[actix_rt::test]
async fn trailers_stay_paid_for_when_their_response_is_freshened() {
    let cache = cache(MIB);
    let mut fill = lead(&cache, plain("a")).await;
    fill.respond(prepared(None)).await.unwrap();
    fill.append(b"body").unwrap();
    let trailers = Bytes::from(vec![b't'; 4096]);
    let old = fill.commit(trailers.clone()).await.unwrap();
    let (before, weight) = (cache.stats().bytes, old.weight());
    let validate = Ask {
        validate: Some(old),
        ..plain("a")
    };
    let fill = lead(&cache, validate).await;
    let new = fill.freshen(prepared(None)).await;
    assert_eq!((new.trailers(), new.weight()), (&trailers, weight));
    assert_eq!(cache.stats().bytes, before);
}

#[actix_rt::test]
async fn a_commit_given_up_half_way_still_completes_its_readers() {
    let cache = cache(MIB);
    let mut fill = lead(&cache, plain("a")).await;
    let mut follower = follow(&cache, plain("a")).await;
    fill.respond(prepared(Some(4))).await.unwrap();
    fill.append(b"body").unwrap();
    // Polled once, so that the message is sent, then dropped.
    let mut commit = Box::pin(fill.commit(Bytes::new()));
    let waker = std::task::Waker::noop();
    assert!(
        commit
            .as_mut()
            .poll(&mut std::task::Context::from_waker(waker))
            .is_pending()
    );
    drop(commit);
    assert_eq!(
        read_all(&mut follower).await,
        (b"body".to_vec(), Some(Bytes::new()))
    );
    settle(&cache).await;
    assert_eq!(cache.stats().fills, 0);
}

#[actix_rt::test]
async fn a_stream_that_nobody_reads_any_more_says_so_at_every_piece() {
    let cache = cache(MIB);
    let mut fill = lead(&cache, plain("a")).await;
    let mut follower = follow(&cache, plain("a")).await;
    fill.respond(prepared(None)).await.unwrap();
    let piece = pattern(64 * 1024);
    let mut reasons = Vec::new();
    for _ in 0..20 {
        reasons.extend(fill.append(&piece).err());
        drain(&mut follower);
    }
    assert_eq!(reasons, [NoStoreReason::TooLarge], "once while it is read");
    drop(follower);
    for _ in 0..2 {
        assert_eq!(fill.append(&piece), Err(NoStoreReason::TooLarge));
    }
}

#[actix_rt::test]
async fn a_response_found_too_large_marks_its_key_before_its_leader_is_done_with_it() {
    let cache = cache(MIB);
    let mut fill = lead(&cache, plain("a")).await;
    let mut follower = follow(&cache, plain("a")).await;
    let refused = fill.respond(prepared(Some(MIB))).await;
    assert_eq!(refused.unwrap_err(), NoStoreReason::TooLarge);
    assert!(matches!(follower.head().await, FillHead::Refused(_)));
    // The leader is still relaying it: whoever comes now need not wait for another refusal.
    let _first = lead(&cache, plain("a")).await;
    let _second = lead(&cache, plain("a")).await;
    assert_eq!(cache.stats().fills, 2);
    drop(fill);
    settle(&cache).await;
    assert_eq!(cache.stats().fills, 2);
}

#[actix_rt::test]
async fn an_asker_whose_look_up_is_out_of_date_looks_again() {
    let cache = cache(MIB);
    store(&cache, "a", b"one").await;
    let old = find(&cache, "a");
    store(&cache, "a", b"two").await;
    for seen in [None, old] {
        let answer = cache.ask_after(plain("a"), seen).await.unwrap();
        assert!(matches!(answer, Answer::Again), "{answer:?}");
    }
    // Who saw what is there and cannot use it (another variant, say) leads.
    let now = find(&cache, "a");
    let answer = cache.ask_after(plain("a"), now).await.unwrap();
    assert!(matches!(answer, Answer::Lead(_)), "{answer:?}");
}

#[actix_rt::test]
async fn who_asks_alone_leads_whatever_was_committed_meanwhile() {
    let cache = cache(MIB);
    store(&cache, "a", b"one").await;
    let answer = cache.ask_after(alone("a"), None).await.unwrap();
    assert!(matches!(answer, Answer::Lead(_)), "{answer:?}");
}

#[actix_rt::test]
async fn the_fields_of_a_stored_head_can_be_read() {
    let cache = cache(MIB);
    let stored = store(&cache, "a", b"x").await;
    let etag = stored
        .prepared()
        .with_fields(|fields| fields.get(Name::Etag).map(<[u8]>::to_vec));
    assert_eq!(etag.unwrap(), b"\"a\"");
}

#[actix_rt::test]
async fn what_an_origin_chose_is_stored_a_second_time_without_a_second_body() {
    let cache = cache(MIB);
    let body = pattern(100_000);
    let german = store_as(&cache, "c", &body, in_language("de")).await;
    store_as(&cache, "c", b"english", in_language("en")).await;
    let before = cache.stats().bytes;

    let mut fill = lead(&cache, alone("c")).await;
    fill.choose(Arc::clone(&german));
    let french = fill.freshen(varied(None, in_language("fr"))).await;
    assert_eq!(body_of(&french), body);
    settle(&cache).await;

    let slot = find(&cache, "c").unwrap();
    for (language, length) in [("de", body.len()), ("en", 7), ("fr", body.len())] {
        let found = with_request(language, |request| slot.select(request).cloned());
        assert_eq!(found.unwrap().blocks().concat().len(), length, "{language}");
    }
    assert_eq!(cache.stats().entries, 3);
    let grown = cache.stats().bytes - before;
    assert!(grown < 2048, "{grown} bytes more");

    // Either may go without the other.
    cache.invalidate(2, key("c")).await;
    assert_eq!(body_of(&french), body);
}
