//! What crosses between the proxy and a child: verdicts, edits, values, pieces, counts.

use crate::probe::heads;
use crate::world::{World, said, set, spec, until, with};
use understudy_module::{Bytes, Edit, Edits, Hook, Verdict};
use understudy_runtimes::process::THRESHOLD;
use understudy_runtimes::{Failure, Visit};

cases! {
    every_verdict_comes_back
    edits_cross_both_ways
    the_opaque_value_stays_over_all_hooks_and_is_freed_once
    what_is_held_stays_in_the_child
    addresses_injections_and_logs_cross
    an_injection_that_is_too_long_to_cross_is_dropped_and_counted
    what_a_module_counts_crosses_ahead_of_its_answer
    what_is_counted_where_nothing_is_answered_crosses_too
    pieces_of_every_size_come_back_byte_for_byte
    hundred_thousand_mixed_calls
}

async fn every_verdict_comes_back() {
    let world = World::new(spec("probe")).await;
    for hook in heads() {
        for (word, verdict) in [("none", Verdict::Continue), ("done", Verdict::Done)] {
            assert_eq!(world.head(1, hook, word).await.0, Ok(verdict));
        }
        let Ok(Verdict::Respond(response)) = world.head(1, hook, "respond").await.0 else {
            panic!("no answer");
        };
        assert_eq!(response.status(), 403);
        assert_eq!(&response.body()[..], b"no");
        assert_eq!(response.fields().len(), 2);
        let failed = world.head(1, hook, "fail").await.0;
        assert_eq!(failed, Err(Failure::Fail("on purpose".to_owned())));
        // No answer to a head.
        let misfit = world.head(1, hook, "drop").await.0;
        assert!(matches!(misfit, Err(Failure::Fail(_))), "{misfit:?}");
    }
    let piece = Bytes::from_static(b"abc");
    for (word, verdict) in [
        ("drop", Verdict::Drop),
        ("hold", Verdict::Hold),
        ("replace", Verdict::Replace(Bytes::from_static(b"cba"))),
    ] {
        let mut visit = Visit::default();
        let went = world.piece(&mut visit, 2, word, &piece, false, &[]).await;
        assert_eq!(went, Ok(verdict));
        world.link.leave(&mut visit, 2);
    }
}

async fn edits_cross_both_ways() {
    let world = World::new(spec("probe")).await;
    let mut visit = Visit::default();
    let mut edits = Edits::new();
    edits.add(b"X-Before", b"four").unwrap();
    let hook = Hook::ResponseHead;
    let went = world.hook(&mut visit, 1, hook, "edits", &mut edits).await;
    assert_eq!(went, Ok(Verdict::Continue));
    world.link.leave(&mut visit, 1);
    let all: Vec<Edit<'_>> = edits.iter().collect();
    assert_eq!(
        all,
        [
            Edit::Add(b"X-Before", b"four"),
            Edit::Add(b"X-A", b"1"),
            Edit::Set(b"X-B", b"2"),
            Edit::Delete(b"X-Gone"),
            Edit::Note(b"probe", b"noted"),
            Edit::Add(b"X-Seen", b"4"),
        ]
    );
}

async fn the_opaque_value_stays_over_all_hooks_and_is_freed_once() {
    let world = World::new(spec("probe")).await;
    let mut visit = Visit::default();
    for (nth, hook) in heads().into_iter().enumerate() {
        let mut edits = Edits::new();
        let went = world.hook(&mut visit, 5, hook, "count", &mut edits).await;
        assert_eq!(went, Ok(Verdict::Continue));
        assert_eq!(set(&edits, "X-Count"), Some((nth + 1).to_string()));
    }
    world.link.leave(&mut visit, 5);
    said(&world, "free 5 4", 1).await;
    // Another one under the same number begins anew.
    world.head(5, Hook::RequestHead, "none").await.0.unwrap();
    said(&world, "free 5 1", 1).await;
    assert_eq!(world.proxy.said("free 5 4"), 1);
}

async fn what_is_held_stays_in_the_child() {
    let world = World::new(spec("probe")).await;
    for size in [10, THRESHOLD + 1] {
        let pieces: Vec<Bytes> = (0..4u8).map(|n| vec![n; size].into()).collect();
        let mut visit = Visit::default();
        for nth in 0..3 {
            let held = &pieces[..nth];
            let went = world
                .piece(&mut visit, 1, "hold", &pieces[nth], false, held)
                .await;
            assert_eq!(went, Ok(Verdict::Hold));
        }
        let went = world
            .piece(&mut visit, 1, "hold", &pieces[3], true, &pieces[..3])
            .await;
        assert_eq!(went, Ok(Verdict::Replace(pieces.concat().into())));
        world.link.leave(&mut visit, 1);
    }
}

async fn addresses_injections_and_logs_cross() {
    let world = World::new(spec("probe")).await;
    let (went, edits) = world.head(1, Hook::Resolve, "resolve").await;
    assert_eq!(went, Ok(Verdict::Continue));
    let local = std::net::Ipv4Addr::LOCALHOST.into();
    assert_eq!(edits.iter().collect::<Vec<_>>(), [Edit::Address(local)]);
    world.head(2, Hook::Log, "log").await.0.unwrap();
    said(&world, "logged 207", 1).await;
    world.seat.open_for_injection(3);
    world.head(3, Hook::ReturnBody, "inject").await.0.unwrap();
    let injected = std::future::poll_fn(|cx| match world.seat.poll_injected(3, cx) {
        Some(pieces) => std::task::Poll::Ready(pieces),
        None => std::task::Poll::Pending,
    })
    .await;
    assert_eq!(injected, [Bytes::from_static(b"injected")]);
}

async fn an_injection_that_is_too_long_to_cross_is_dropped_and_counted() {
    let world = World::new(spec("probe")).await;
    let dropped = || world.loaded.sum().injections_dropped;
    let word = "inject_much";
    // Not of an answer that is over, as elsewhere.
    world.head(1, Hook::ReturnBody, word).await.0.unwrap();
    assert_eq!(dropped(), 0);
    world.seat.open_for_injection(3);
    world.head(3, Hook::ReturnBody, word).await.0.unwrap();
    let injected = std::future::poll_fn(|cx| match world.seat.poll_injected(3, cx) {
        Some(pieces) => std::task::Poll::Ready(pieces),
        None => std::task::Poll::Pending,
    })
    .await;
    assert_eq!(injected, [Bytes::from_static(b"injected")]);
    assert_eq!(dropped(), 1);
    assert_eq!(world.gauge("garbage"), 0);
}

async fn what_a_module_counts_crosses_ahead_of_its_answer() {
    for (library, threads) in [("probe", 1), ("probe", 3), ("blocking", 3)] {
        let world = World::new(with(spec(library), |s| s.limits.threads = threads)).await;
        let count = |name: &str| world.loaded.sum().counts.get(name).copied();
        assert_eq!(count("begun"), Some(1));
        // Through one door they come in order. Each thread has a door of its own, and between those there is no order: what one
        // thread of the child took of the table may come behind an answer of another.
        let arrives = async |name: &str, amount: u64| {
            if threads > 1 {
                until(name, || async { count(name) >= Some(amount) }).await;
            }
            assert_eq!(count(name), Some(amount), "{name}");
        };
        for round in 1..=20 {
            let (went, _) = world.head(round, Hook::RequestHead, "tally").await;
            assert_eq!(went, Ok(Verdict::Continue));
            arrives("tallied", 2 * round).await;
            let (went, _) = world
                .head(100 + round, Hook::RequestHead, "tally_later")
                .await;
            assert_eq!(went, Ok(Verdict::Done));
            arrives("later", round).await;
        }
    }
}

async fn what_is_counted_where_nothing_is_answered_crosses_too() {
    let world = World::new(spec("timer")).await;
    let count = |name: &str| world.loaded.sum().counts.get(name).copied();
    let word = "tally_elsewhere";
    world.head(1, Hook::RequestHead, word).await.0.unwrap();
    for name in ["freed", "rung", "elsewhere"] {
        until(name, || async { count(name).is_some() }).await;
    }
    assert_eq!((count("freed"), count("elsewhere")), (Some(1), Some(1)));
}

fn noise(seed: u64, size: usize) -> Bytes {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state as u8
    };
    (0..size).map(next).collect::<Vec<u8>>().into()
}

fn reversed(bytes: &Bytes) -> Bytes {
    bytes.iter().rev().copied().collect::<Vec<_>>().into()
}

async fn pieces_of_every_size_come_back_byte_for_byte() {
    let world = World::new(spec("probe")).await;
    let sizes = [
        0,
        1,
        4096,
        THRESHOLD - 1,
        THRESHOLD,
        THRESHOLD + 1,
        1 << 20,
        // Larger than the arena.
        (2 << 20) + 1,
    ];
    for size in sizes {
        let piece = noise(size as u64, size);
        let mut visit = Visit::default();
        let went = world
            .piece(&mut visit, 1, "replace", &piece, false, &[])
            .await;
        assert_eq!(went, Ok(Verdict::Replace(reversed(&piece))), "{size}");
        world.link.leave(&mut visit, 1);
    }
    // Given back from another thread, when only that has the piece.
    for size in [10, THRESHOLD, 300_000] {
        let piece = noise(size as u64, size);
        let mut visit = Visit::default();
        let went = world.piece(&mut visit, 2, "back", &piece, true, &[]).await;
        assert_eq!(went, Ok(Verdict::Replace(piece)));
        world.link.leave(&mut visit, 2);
    }
    // More at once than the arena holds.
    let pieces: Vec<Bytes> = (0..40).map(|n| noise(n, 100_000)).collect();
    let all = pieces.iter().enumerate().map(|(nth, piece)| {
        let world = &world;
        async move {
            let (id, mut visit) = (nth as u64 + 10, Visit::default());
            let went = world
                .piece(&mut visit, id, "replace", piece, true, &[])
                .await;
            world.link.leave(&mut visit, id);
            went
        }
    });
    let all = futures_util::future::join_all(all).await;
    for (piece, went) in pieces.iter().zip(all) {
        assert_eq!(went, Ok(Verdict::Replace(reversed(piece))));
    }
}

async fn hundred_thousand_mixed_calls() {
    let several = |s: &mut understudy_runtimes::Spec| {
        s.limits.processes = 2;
        s.limits.threads = 2;
    };
    let world = World::new(with(spec("probe"), several)).await;
    let workers = (0..64u64).map(|worker| {
        let world = &world;
        async move {
            let mut state = worker + 1;
            let mut calls = 0;
            while calls < 1563 {
                state = state
                    .wrapping_mul(6_364_136_223_846_793_005)
                    .wrapping_add(1);
                let id = (worker << 32) | calls;
                let mut visit = Visit::default();
                let mut edits = Edits::new();
                let hook = Hook::RequestHead;
                let went = world.hook(&mut visit, id, hook, "count", &mut edits).await;
                assert_eq!(went, Ok(Verdict::Continue));
                for _ in 0..(state >> 40) % 3 {
                    let size = match (state >> 50) % 64 {
                        0 => 100_000,
                        n => 37 * n as usize,
                    };
                    let piece = noise(state, size);
                    let word = ["replace", "drop", "later"][(state >> 20) as usize % 3];
                    let went = world.piece(&mut visit, id, word, &piece, false, &[]).await;
                    let expected = match word {
                        "replace" => Verdict::Replace(reversed(&piece)),
                        "drop" => Verdict::Drop,
                        _ => Verdict::Done,
                    };
                    assert_eq!(went, Ok(expected));
                    calls += 1;
                    if word == "later" {
                        break;
                    }
                }
                world.link.leave(&mut visit, id);
                calls += 1;
            }
            calls
        }
    });
    let calls: u64 = futures_util::future::join_all(workers).await.iter().sum();
    assert!(calls >= 100_000, "{calls}");
    assert_eq!(world.gauge("queued"), 0);
    assert_eq!(world.gauge("restarts"), 0);
    assert_eq!(world.seat.waiting(), 0);
    assert_eq!(world.seat.stray_resumes(), 0);
}
