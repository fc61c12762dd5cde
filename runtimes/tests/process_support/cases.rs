//! The cases.

use super::probe::{PANICS_IN_FREE, heads};
use super::world::{FAR_OFF, World, said, set, spec, until, with};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};
use understudy_module::{Bytes, Edit, Edits, Hook, Verdict};
use understudy_runtimes::process::THRESHOLD;
use understudy_runtimes::{Failure, Spec, Visit};

pub(crate) type Case = (&'static str, fn());

macro_rules! cases {
    ($($name:ident)*) => {
        pub(crate) const ALL: &[Case] = &[$((stringify!($name), || {
            actix_rt::System::new().block_on($name());
        })),*];
    };
}

cases! {
    every_verdict_comes_back
    events_with_a_known_answer_go_ahead_of_the_next
    a_broken_promise_is_the_answer_to_the_next_event
    a_promise_broken_ahead_of_free_alone_is_counted
    a_promise_that_is_withdrawn_meanwhile_is_not_broken
    edits_cross_both_ways
    the_opaque_value_stays_over_all_hooks_and_is_freed_once
    what_is_held_stays_in_the_child
    addresses_injections_and_logs_cross
    an_injection_that_is_too_long_to_cross_is_dropped_and_counted
    what_a_module_counts_crosses_ahead_of_its_answer
    what_is_counted_where_nothing_is_answered_crosses_too
    settings_and_options_are_there
    settings_that_change_are_told
    a_module_that_may_wait_waits_for_an_operation
    an_injection_with_a_piece_that_is_too_long_to_cross_is_given_up
    a_panic_in_any_hook_fails_that_transaction_alone
    a_panic_in_free_is_survived
    a_panic_in_each_other_hook_makes_a_new_instance_and_harms_nobody
    an_instance_that_cannot_be_made_again_is_tried_for_again
    a_child_without_an_instance_and_without_transactions_is_replaced
    panics_and_new_instances_of_a_child_are_told
    free_and_fini_of_a_child_have_their_time
    a_resume_may_come_early_or_later
    a_second_resume_is_counted
    an_unknown_resume_is_counted
    a_late_resume_is_counted_and_its_transaction_alone_has_failed
    a_transaction_that_goes_away_while_parked_is_freed_once
    a_child_killed_in_the_middle_is_back_by_itself
    a_hanging_hook_has_its_child_killed
    a_hanging_hook_has_its_child_killed_also_when_its_client_went_away
    a_hang_in_each_other_hook_has_its_child_killed
    a_child_that_stands_still_is_killed
    a_leak_ends_at_the_memory_limit
    large_objects_that_are_read_as_they_come_are_all_told
    a_child_that_does_not_read_what_it_asked_for_is_killed
    garbage_has_the_child_killed
    a_child_that_closes_a_door_is_replaced
    a_refusal_is_told
    init_may_not_wait_for_an_operation
    dying_at_start_is_told
    a_child_that_dies_at_its_restarts_is_tried_with_back_off
    a_full_queue_refuses
    a_call_that_is_late_in_a_child_that_answers_others_is_given_up_alone
    a_child_that_hangs_behind_an_answer_is_killed_a_deadline_later
    a_thread_of_a_child_that_hangs_is_avoided_while_others_answer
    an_answer_to_another_worker_shows_that_a_child_lives
    a_worker_that_ends_while_all_threads_are_busy_leaves_nothing_behind
    pieces_of_every_size_come_back_byte_for_byte
    hundred_thousand_mixed_calls
    several_children_share_the_transactions
    a_module_with_one_state_is_refused_two_processes
    several_threads_work_side_by_side
    several_threads_keep_the_order_of_a_transaction
    new_options_are_taken_by_all_or_by_none
    options_that_are_taken_too_late_are_given_back
    a_child_that_starts_while_the_options_change_has_the_new_ones
    a_child_that_is_ready_while_the_options_change_takes_part
    a_child_that_starts_anew_has_promised_nothing_before_it_says_so
    timers_completions_and_descriptors_are_told
    what_cannot_be_watched_is_counted_and_does_not_spin
    unloading_ends_with_fini_and_leaves_no_process
    the_child_is_as_nice_as_told
    restarts_leave_no_descriptors_and_no_zombies
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

fn attends(spec: Spec) -> Spec {
    with(spec, |spec| {
        spec.options.insert("attend".to_owned(), "1".to_owned());
    })
}

async fn events_with_a_known_answer_go_ahead_of_the_next() {
    for library in ["probe", "probe blocking"] {
        let threads = |spec: &mut Spec| spec.limits.threads = 2;
        let world = World::new(attends(with(spec(library), threads))).await;
        let (mut visit, mut edits) = (Visit::default(), Edits::new());
        for (hook, said) in [
            // Not called at all, or it would fail.
            (Hook::RequestHead, Some(Edit::SkipBody)),
            (Hook::RequestOut, None),
            (Hook::ResponseHead, Some(Edit::WithholdHead)),
        ] {
            let mark = edits.mark();
            let word = "request_head-fail";
            let went = world.hook(&mut visit, 1, hook, word, &mut edits).await;
            assert_eq!(went, Ok(Verdict::Continue));
            assert_eq!(edits.since(mark).next(), said);
        }
        let calls = |hook: Hook| world.loaded.sum().hooks[hook as usize].calls;
        assert_eq!(calls(Hook::RequestHead), 0);
        assert_eq!((calls(Hook::RequestOut), calls(Hook::ResponseHead)), (1, 1));
        let piece = Bytes::from_static(b"abc");
        let word = "response_body-replace";
        let went = world.piece(&mut visit, 1, word, &piece, true, &[]).await;
        assert_eq!(went, Ok(Verdict::Replace(Bytes::from_static(b"cba"))));
        world.link.leave(&mut visit, 1);
        said(&world, "free 1 3", 1).await;
        // Nothing came behind it: it is heard with `free`.
        let went = world.head(2, Hook::RequestOut, "none").await.0;
        assert_eq!(went, Ok(Verdict::Continue));
        said(&world, "free 2 1", 1).await;
        // Passed by all along, there is nothing to free.
        let went = world.head(3, Hook::RequestHead, "none").await.0;
        assert_eq!(went, Ok(Verdict::Continue));
        assert_eq!(calls(Hook::Free), 2);
    }
}

async fn a_broken_promise_is_the_answer_to_the_next_event() {
    let world = World::new(attends(spec("probe"))).await;
    let fail = |why: &str| Err(Failure::Fail(why.to_owned()));
    for (word, answer) in [
        ("fail", fail("on purpose")),
        ("panic", Err(Failure::Panic("on purpose".to_owned()))),
        ("done", Ok(Verdict::Done)),
        ("edits", fail("it edited where it had promised not to")),
        (
            "never",
            fail("it said pending where it had promised to go on"),
        ),
        (
            "respond",
            fail("it said respond where it had promised to go on"),
        ),
    ] {
        let (mut visit, mut edits) = (Visit::default(), Edits::new());
        let word = format!("request_out-{word}");
        for hook in [Hook::RequestOut, Hook::ResponseHead] {
            let went = world.hook(&mut visit, 3, hook, &word, &mut edits).await;
            assert_eq!(went, Ok(Verdict::Continue));
        }
        let piece = Bytes::from_static(b"abc");
        let went = world.piece(&mut visit, 3, &word, &piece, true, &[]).await;
        assert_eq!(went, answer, "{word}");
        world.link.leave(&mut visit, 3);
    }
    // None was shown another event behind that.
    said(&world, "free 3 1", 6).await;
    world.back(4).await;
}

async fn a_promise_broken_ahead_of_free_alone_is_counted() {
    let world = World::new(attends(spec("probe"))).await;
    let failures = |kind: usize| world.loaded.sum().failures[kind];
    let (panic, fail) = (
        Failure::Panic(String::new()).kind(),
        Failure::Fail(String::new()).kind(),
    );
    for (nth, (word, kind)) in [
        ("panic", panic),
        ("fail", fail),
        ("edits", fail),
        ("never", fail),
    ]
    .into_iter()
    .enumerate()
    {
        let before = failures(kind);
        let went = world.head(nth as u64, Hook::RequestOut, word).await.0;
        assert_eq!(went, Ok(Verdict::Continue));
        until(word, || async { failures(kind) == before + 1 }).await;
        said(&world, &format!("free {nth} 1"), 1).await;
    }
    // No failure: it wants to hear no more.
    world.head(9, Hook::RequestOut, "done").await.0.unwrap();
    said(&world, "free 9 1", 1).await;
    let of = world.loaded.sum().hooks[Hook::RequestOut as usize];
    assert_eq!((of.calls, of.failures), (5, 4));
    assert_eq!((failures(panic), failures(fail)), (1, 3));
}

async fn a_promise_that_is_withdrawn_meanwhile_is_not_broken() {
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    let mut promises = attends(spec("probe"));
    let gated = ("gate".to_owned(), gate.display().to_string());
    promises.options.extend([gated]);
    let world = World::new(promises).await;
    std::fs::write(&gate, "").unwrap();
    // The child's only thread for hooks is busy.
    let mut first = Visit::default();
    let mut none = Edits::new();
    let busy = world.hook(&mut first, 1, Hook::Resolve, "stand", &mut none);
    let change = async {
        said(&world, "stands", 1).await;
        let (mut visit, mut edits) = (Visit::default(), Edits::new());
        let word = "request_out-coloured";
        let went = world
            .hook(&mut visit, 2, Hook::RequestOut, word, &mut edits)
            .await;
        assert_eq!(went, Ok(Verdict::Continue));
        // With these it edits there, and promises nothing.
        let options = coloured("blue", &gate);
        world.loaded.reconfigure(options).await.unwrap();
        std::fs::remove_file(&gate).unwrap();
        let piece = Bytes::from_static(b"abc");
        let went = world.piece(&mut visit, 2, word, &piece, true, &[]).await;
        assert_eq!(went, Ok(Verdict::Continue));
        assert!(edits.is_empty());
        world.link.leave(&mut visit, 2);
        // It was called.
        said(&world, "free 2 2", 1).await;
    };
    let (went, ()) = futures_util::future::join(busy, change).await;
    assert_eq!(went, Ok(Verdict::Continue));
    world.link.leave(&mut first, 1);
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

async fn settings_and_options_are_there() {
    let mut spec = spec("probe");
    spec.options.insert("colour".to_owned(), "red".to_owned());
    let world = World::new(spec).await;
    let (_, edits) = world.head(1, Hook::RequestHead, "setting").await;
    assert_eq!(set(&edits, "X-Setting").as_deref(), Some("128M"));
    assert_eq!(set(&edits, "X-Option").as_deref(), Some("red"));
}

async fn settings_that_change_are_told() {
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    let memory = async |world: &World, id: u64| {
        let (_, edits) = world.head(id, Hook::RequestHead, "setting").await;
        set(&edits, "X-Setting").unwrap()
    };
    let mut spec = with(spec("probe"), |s| s.limits.processes = 2);
    spec.options = starts(coloured("red", &gate));
    let world = World::new(spec.clone()).await;
    world.proxy.set("cache.memory", "256M");
    world.loaded.settings_changed();
    // Ahead of whatever is told behind it.
    world
        .loaded
        .reconfigure(spec.options.clone())
        .await
        .unwrap();
    for id in 0..4 {
        assert_eq!(memory(&world, id).await, "256M");
    }
    // One that started meanwhile has them, too.
    drop(world);
    let world = one_starts(1, &gate).await;
    world.proxy.set("cache.memory", "512M");
    world.loaded.settings_changed();
    std::fs::remove_file(&gate).unwrap();
    until("it is there", || async { world.gauge("processes") == 1 }).await;
    // It reads what it is told by one thread and answers by another.
    until("told", || async { memory(&world, 5).await == "512M" }).await;
}

async fn a_module_that_may_wait_waits_for_an_operation() {
    for threads in [1, 3] {
        let world = World::new(with(spec("blocking"), |s| s.limits.threads = threads)).await;
        let (went, edits) = world.head(1, Hook::RequestHead, "perform").await;
        assert_eq!(went, Ok(Verdict::Continue));
        assert!(set(&edits, "X-Done").unwrap().starts_with("Found"));
        let word = "perform_piece";
        let (_, edits) = world.head(2, Hook::RequestHead, word).await;
        let done = set(&edits, "X-Done").unwrap();
        assert!(done.contains("no completion"), "{done}");
    }
    let world = World::new(spec("probe")).await;
    let (_, edits) = world.head(1, Hook::RequestHead, "perform").await;
    assert!(set(&edits, "X-Done").unwrap().starts_with("Failed"));
}

async fn an_injection_with_a_piece_that_is_too_long_to_cross_is_given_up() {
    let world = World::new(spec("probe")).await;
    let (went, _) = world.head(1, Hook::RequestHead, "pieces").await;
    assert_eq!(went, Ok(Verdict::Continue));
    said(&world, "done", 1).await;
    // In their order; what comes behind finds no injection.
    assert_eq!(world.proxy.said("given up"), 1);
    assert_eq!(world.proxy.said("piece of 4"), 1);
}

async fn a_panic_in_any_hook_fails_that_transaction_alone() {
    let world = World::new(with(spec("probe"), |s| s.limits.threads = 2)).await;
    let mut other = Visit::default();
    let mut edits = Edits::new();
    let hook = Hook::RequestHead;
    world
        .hook(&mut other, 1, hook, "count", &mut edits)
        .await
        .unwrap();
    let transaction_hooks = Hook::ALL.into_iter().take(9);
    for (nth, hook) in transaction_hooks.enumerate() {
        let id = 100 + nth as u64;
        let (went, edits) = world.head(id, hook, "panic").await;
        assert_eq!(
            went,
            Err(Failure::Panic("on purpose".to_owned())),
            "{hook:?}"
        );
        assert!(edits.is_empty());
        said(&world, &format!("free {id} 1"), 1).await;
    }
    // It was with the first instance, and is still.
    world
        .hook(&mut other, 1, hook, "count", &mut edits)
        .await
        .unwrap();
    assert_eq!(set(&edits, "X-Count").as_deref(), Some("2"));
    world.link.leave(&mut other, 1);
    said(&world, "free 1 2", 1).await;
    assert_eq!(world.gauge("restarts"), 0);
}

async fn panics_and_new_instances_of_a_child_are_told() {
    let world = World::new(with(spec("probe"), |s| s.limits.threads = 2)).await;
    assert_eq!((world.gauge("panics"), world.gauge("rebuilt")), (0, 0));
    let (mut old, hook) = (Visit::default(), Hook::RequestHead);
    let mut edits = Edits::new();
    let began = world.hook(&mut old, 1, hook, "count", &mut edits).await;
    began.unwrap();
    let gauges = |panics: u64, rebuilt: u64| {
        let world = &world;
        async move {
            until("the gauges are told", || async {
                (world.gauge("panics"), world.gauge("rebuilt")) == (panics, rebuilt)
            })
            .await;
        }
    };
    for times in 1..=3 {
        world.head(10 + times, hook, "panic").await.0.unwrap_err();
        gauges(times, times).await;
    }
    // An instance that was replaced already panics once more: nothing is made for that.
    let went = world.hook(&mut old, 1, hook, "panic", &mut edits).await;
    went.unwrap_err();
    world.link.leave(&mut old, 1);
    gauges(4, 3).await;
    assert_eq!(world.gauge("restarts"), 0);
}

async fn free_and_fini_of_a_child_have_their_time() {
    for library in ["probe", "probe blocking"] {
        let world = World::new(with(spec(library), |s| s.limits.threads = 2)).await;
        let free = || world.loaded.sum().hooks[Hook::Free as usize];
        for id in 1..=3 {
            let went = world.head(id, Hook::RequestHead, "none").await.0;
            went.unwrap();
        }
        until("the time of free is told", || async {
            !free().time.is_zero()
        })
        .await;
        assert_eq!((free().calls, free().failures), (3, 0));
        let office = world.loaded.office().upgrade().unwrap();
        let accounts = office.accounts().clone();
        drop(office);
        drop(world);
        let fini = &accounts.hooks[Hook::Fini as usize];
        until("fini is told", || async { fini.time.get() > 0 }).await;
        assert_eq!((fini.calls.get(), fini.failures.get()), (1, 0));
    }
}

async fn a_panic_in_free_is_survived() {
    let world = World::new(spec("probe")).await;
    let hook = Hook::RequestHead;
    world.head(PANICS_IN_FREE, hook, "none").await.0.unwrap();
    world.head(1, hook, "none").await.0.unwrap();
    said(&world, &format!("free {PANICS_IN_FREE} 1"), 1).await;
    let sum = || world.loaded.sum();
    until("counted", || async { sum().failures[0] == 1 }).await;
    assert_eq!(sum().hooks[Hook::Free as usize].failures, 1);
    // Another instance was made in place of it.
    until("counted", || async {
        sum().hooks[Hook::Init as usize].calls == 2
    })
    .await;
    assert_eq!(world.gauge("restarts"), 0);
}

/// Hooks that are no events of a transaction, and are called while it runs.
const OTHERS: [Hook; 4] = [Hook::Timer, Hook::Completed, Hook::Ready, Hook::Reconfigure];

/// A module with this fault in this hook, once it is armed.
fn faulty(fault: &str, hook: Hook) -> Spec {
    let library = match hook {
        Hook::Timer => "timer",
        _ => "probe",
    };
    with(spec(library), |spec| {
        let options = &mut spec.options;
        options.insert(fault.to_owned(), hook.name().to_owned());
    })
}

async fn a_panic_in_each_other_hook_makes_a_new_instance_and_harms_nobody() {
    for hook in OTHERS {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("fini");
        let spec = with(faulty("panics", hook), |spec| {
            let option = path.to_str().unwrap().to_owned();
            spec.options.insert("fini".to_owned(), option);
        });
        let world = World::new(spec.clone()).await;
        let (mut visit, mut edits) = (Visit::default(), Edits::new());
        let first = Hook::RequestHead;
        let went = world.hook(&mut visit, 1, first, "arm", &mut edits).await;
        assert_eq!(went, Ok(Verdict::Continue));
        if hook == Hook::Reconfigure {
            let told = world.loaded.reconfigure(spec.options).await;
            assert!(told.unwrap_err().contains("on purpose"));
        }
        let sum = || world.loaded.sum();
        until(hook.name(), || async {
            sum().hooks[Hook::Init as usize].calls == 2
        })
        .await;
        assert_eq!(sum().hooks[hook as usize].failures, 1, "{hook:?}");
        assert_eq!(sum().failures[0], 1, "{hook:?}");
        // Who began with the first one stays with it.
        let next = Hook::ResponseHead;
        let went = world.hook(&mut visit, 1, next, "count", &mut edits).await;
        assert_eq!(went, Ok(Verdict::Continue));
        assert_eq!(set(&edits, "X-Count").as_deref(), Some("2"));
        world.link.leave(&mut visit, 1);
        said(&world, "free 1 2", 1).await;
        world.head(2, first, "none").await.0.unwrap();
        assert_eq!(world.gauge("restarts"), 0);
        drop(world);
        until("the second one has its fini", || async { path.exists() }).await;
    }
}

/// A module whose `init` refuses as often as there are bytes in a file.
async fn refuses_at_times() -> (World, tempfile::NamedTempFile) {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let spec = with(spec("probe"), |spec| {
        spec.options.insert("refuses".to_owned(), path);
    });
    (World::new(spec).await, file)
}

async fn an_instance_that_cannot_be_made_again_is_tried_for_again() {
    let (world, file) = refuses_at_times().await;
    let (mut visit, mut edits) = (Visit::default(), Edits::new());
    let hook = Hook::RequestHead;
    // As long as this one is there, the child is not to end.
    let went = world.hook(&mut visit, 1, hook, "count", &mut edits).await;
    assert_eq!(went, Ok(Verdict::Continue));
    std::fs::write(file.path(), "xx").unwrap();
    let went = world.head(2, hook, "panic").await.0;
    assert!(matches!(went, Err(Failure::Panic(_))), "{went:?}");
    // Each that comes meanwhile is told, and has it tried again.
    let went = world.head(3, hook, "none").await.0;
    assert_eq!(went, Err(Failure::Unavailable));
    let went = world.head(4, hook, "none").await.0;
    assert_eq!(went, Ok(Verdict::Continue));
    let went = world.hook(&mut visit, 1, hook, "count", &mut edits).await;
    assert_eq!(went, Ok(Verdict::Continue));
    assert_eq!(set(&edits, "X-Count").as_deref(), Some("2"));
    world.link.leave(&mut visit, 1);
    said(&world, "free 1 2", 1).await;
    let sum = world.loaded.sum();
    let init = sum.hooks[Hook::Init as usize];
    assert_eq!((init.calls, init.failures), (4, 2));
    assert_eq!(world.gauge("restarts"), 0);
}

async fn a_child_without_an_instance_and_without_transactions_is_replaced() {
    let (world, file) = refuses_at_times().await;
    std::fs::write(file.path(), "x").unwrap();
    let went = world.head(1, Hook::RequestHead, "panic").await.0;
    assert!(matches!(went, Err(Failure::Panic(_))), "{went:?}");
    // Nobody asks for it.
    until("another", || async {
        world.gauge("restarts") == 1 && world.gauge("processes") == 1
    })
    .await;
    let went = world.head(2, Hook::RequestHead, "none").await.0;
    assert_eq!(went, Ok(Verdict::Continue));
    assert_eq!((world.gauge("killed"), world.gauge("garbage")), (0, 0));
}

async fn a_resume_may_come_early_or_later() {
    let world = World::new(spec("probe")).await;
    for nth in 0..50 {
        for word in ["early", "later"] {
            let went = world.head(nth, Hook::RequestHead, word).await.0;
            assert_eq!(went, Ok(Verdict::Done));
        }
    }
    assert_eq!(world.seat.stray_resumes(), 0);
    assert_eq!(world.gauge("queued"), 0);
}

async fn a_second_resume_is_counted() {
    let world = World::new(spec("probe")).await;
    let went = world.head(1, Hook::RequestHead, "twice").await.0;
    assert_eq!(went, Ok(Verdict::Done));
    until("counted", || async { world.seat.stray_resumes() == 1 }).await;
    assert_eq!(world.loaded.sum().stray_resumes, 1);
    world.head(2, Hook::RequestHead, "none").await.0.unwrap();
}

async fn an_unknown_resume_is_counted() {
    let world = World::new(spec("probe")).await;
    world.head(1, Hook::RequestHead, "unknown").await.0.unwrap();
    until("counted", || async { world.seat.stray_resumes() == 1 }).await;
    assert_eq!(world.loaded.sum().stray_resumes, 1);
    assert_eq!(world.gauge("garbage"), 0);
}

/// What becomes of a call whose deadline passes when this has come about.
async fn overdue<T>(
    world: &World,
    call: impl Future<Output = T>,
    so: impl Future<Output = ()>,
) -> T {
    let pass = async {
        so.await;
        world.much_later();
    };
    futures_util::future::join(call, pass).await.0
}

/// The call before this one has said `Pending`: a child of one thread answers in order.
async fn parked(world: &World) {
    let went = world.head(1 << 40, Hook::RequestHead, "none").await.0;
    assert_eq!(went, Ok(Verdict::Continue));
}

/// The child's only thread hangs.
async fn hangs(world: &World) {
    until("hangs", || async { world.proxy.said("hangs") > 0 }).await;
}

async fn a_late_resume_is_counted_and_its_transaction_alone_has_failed() {
    let world = World::new(spec("probe")).await;
    let mut visit = Visit::default();
    let mut edits = Edits::new();
    let hook = Hook::RequestHead;
    let call = world.hook(&mut visit, 1, hook, "late", &mut edits);
    let went = overdue(&world, call, parked(&world)).await;
    assert_eq!(went, Err(Failure::Deadline));
    world.head(2, hook, "wake").await.0.unwrap();
    until("counted", || async { world.seat.stray_resumes() == 1 }).await;
    assert_eq!(world.loaded.sum().stray_resumes, 1);
    world.link.leave(&mut visit, 1);
    said(&world, "free 1 1", 1).await;
    let call = world.head(3, hook, "never");
    let (went, _) = overdue(&world, call, parked(&world)).await;
    assert_eq!(went, Err(Failure::Deadline));
    said(&world, "free 3 1", 1).await;
    assert_eq!((world.gauge("killed"), world.gauge("restarts")), (0, 0));
}

async fn a_transaction_that_goes_away_while_parked_is_freed_once() {
    let world = World::new(spec("probe")).await;
    let hook = Hook::RequestHead;
    for nth in 1..=3 {
        let id = 2 * nth;
        let (mut visit, mut edits) = (Visit::default(), Edits::new());
        {
            let calling = world.hook(&mut visit, id, hook, "late", &mut edits);
            tokio::select! {
                // It is sent first, and answered first.
                biased;
                _ = calling => panic!("it answered"),
                () = parked(&world) => {}
            }
        }
        world.link.leave(&mut visit, id);
        said(&world, &format!("free {id} 1"), 1).await;
        assert_eq!(world.seat.waiting(), 0);
        // Whoever resumes it then is late.
        world.head(id + 1, hook, "wake").await.0.unwrap();
        let strays = || world.seat.stray_resumes();
        until("counted", || async { strays() == nth }).await;
    }
    for name in ["queued", "garbage", "killed", "restarts"] {
        assert_eq!(world.gauge(name), 0, "{name}");
    }
    assert_eq!(world.loaded.sum().stray_resumes, 3);
}

async fn a_child_killed_in_the_middle_is_back_by_itself() {
    let world = World::new(spec("probe")).await;
    let pid = world.pid(1).await;
    let mut visit = Visit::default();
    let mut edits = Edits::new();
    let kill = async {
        until("parked", || async { world.seat.waiting() == 1 }).await;
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    };
    let hook = Hook::RequestHead;
    let call = world.hook(&mut visit, 2, hook, "never", &mut edits);
    let (went, ()) = futures_util::future::join(call, kill).await;
    assert_eq!(went, Err(Failure::Died));
    world.link.leave(&mut visit, 2);
    // Nobody asks for it; and the first who asks then is served.
    until("another", || async {
        world.gauge("restarts") == 1 && world.gauge("processes") == 1
    })
    .await;
    assert_ne!(world.pid(3).await, pid);
    assert_eq!(world.gauge("restarts"), 1);
    assert_eq!(world.gauge("queued"), 0);
}

async fn a_hanging_hook_has_its_child_killed_also_when_its_client_went_away() {
    let world = World::new(spec("probe")).await;
    let (mut visit, mut edits) = (Visit::default(), Edits::new());
    {
        let hook = Hook::RequestHead;
        let calling = world.hook(&mut visit, 1, hook, "hang", &mut edits);
        tokio::select! { _ = calling => panic!("it answered"), () = hangs(&world) => {} }
    }
    world.link.leave(&mut visit, 1);
    world.much_later();
    until("killed", || async { world.gauge("killed") == 1 }).await;
    world.back(2).await;
    assert_eq!(world.seat.waiting(), 0);
}

async fn a_hanging_hook_has_its_child_killed() {
    let world = World::new(spec("probe")).await;
    let call = world.head(1, Hook::RequestHead, "hang");
    let (went, _) = overdue(&world, call, hangs(&world)).await;
    assert_eq!(went, Err(Failure::Deadline));
    world.back(2).await;
    assert_eq!(world.gauge("killed"), 1);
    assert_eq!(world.gauge("restarts"), 1);
    until("nothing is queued", || async { world.gauge("queued") == 0 }).await;
    assert_eq!(world.seat.waiting(), 0);
}

/// A deadline that is met, and that whoever is not held up keeps.
const SOON: Duration = Duration::from_secs(2);

async fn a_hang_in_each_other_hook_has_its_child_killed() {
    let all = OTHERS.map(|hook| async move {
        let spec = with(faulty("hangs", hook), |s| s.limits.deadline = SOON);
        let world = World::new(spec.clone()).await;
        let (went, _) = world.head(1, Hook::RequestHead, "arm").await;
        assert_eq!(went, Ok(Verdict::Continue));
        if hook == Hook::Reconfigure {
            assert!(world.loaded.reconfigure(spec.options).await.is_err());
        }
        until(hook.name(), || async { world.gauge("killed") == 1 }).await;
        world.back(2).await;
        assert_eq!(world.gauge("garbage"), 0);
    });
    futures_util::future::join_all(all).await;
}

async fn a_child_that_stands_still_is_killed() {
    let world = World::new(with(spec("timer"), |s| s.limits.deadline = SOON)).await;
    let pid = world.pid(1).await;
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    // No call waits for it: the timer alone is not answered.
    until("killed", || async { world.gauge("killed") == 1 }).await;
    world.back(2).await;
}

async fn large_objects_that_are_read_as_they_come_are_all_told() {
    let world = World::new(spec("probe")).await;
    for round in 1..=3 {
        let went = world.head(round, Hook::RequestHead, "feast").await.0;
        assert_eq!(went, Ok(Verdict::Continue));
        said(&world, "large", 10 * round as usize).await;
    }
    assert_eq!((world.gauge("garbage"), world.gauge("restarts")), (0, 0));
}

async fn a_child_that_does_not_read_what_it_asked_for_is_killed() {
    let world = World::new(spec("probe")).await;
    let went = world.head(1, Hook::RequestHead, "gorge").await.0;
    assert!(matches!(went, Err(Failure::Garbage(_))), "{went:?}");
    world.back(2).await;
    assert_eq!((world.gauge("garbage"), world.gauge("restarts")), (1, 1));
    assert_eq!(world.gauge("killed"), 0);
}

async fn a_leak_ends_at_the_memory_limit() {
    let memory = Some(512 << 20);
    let world = World::new(with(spec("probe"), |s| s.limits.memory = memory)).await;
    let went = world.head(1, Hook::RequestHead, "leak").await.0;
    assert_eq!(went, Err(Failure::Died));
    world.back(2).await;
    assert_eq!(world.gauge("killed"), 0);
}

async fn garbage_has_the_child_killed() {
    let world = World::new(spec("probe")).await;
    for nth in 1..4 {
        let went = world.head(nth, Hook::RequestHead, "garbage").await.0;
        assert!(matches!(went, Err(Failure::Garbage(_))), "{went:?}");
        world.back(100 + nth).await;
        assert_eq!(world.gauge("garbage"), nth);
    }
    assert_eq!(world.gauge("restarts"), 3);
}

async fn a_child_that_closes_a_door_is_replaced() {
    let world = World::new(spec("probe")).await;
    let went = world.head(1, Hook::RequestHead, "closes").await.0;
    assert_eq!(went, Err(Failure::Died));
    world.back(2).await;
    assert_eq!(world.gauge("restarts"), 1);
}

async fn refused(spec: understudy_runtimes::Spec) -> String {
    match World::try_new(spec).await {
        Ok(_) => panic!("it was loaded"),
        Err(why) => why,
    }
}

async fn a_refusal_is_told() {
    let mut refuses = spec("probe");
    refuses
        .options
        .insert("init".to_owned(), "refuse".to_owned());
    assert!(refused(refuses).await.contains("not today"));
    let mut panics = spec("probe");
    panics.options.insert("init".to_owned(), "panic".to_owned());
    assert!(refused(panics).await.contains("in init"));
    assert!(refused(spec("nowhere")).await.contains("no such library"));
}

async fn init_may_not_wait_for_an_operation() {
    for (library, why) in [
        ("blocking", "init may not wait for an operation"),
        ("probe", "blocking"),
    ] {
        let mut performs = spec(library);
        let (name, value) = ("init".to_owned(), "perform".to_owned());
        performs.options.insert(name, value);
        let told = refused(performs).await;
        assert!(told.contains(why), "{told}");
    }
}

async fn dying_at_start_is_told() {
    let mut dies = spec("probe");
    dies.options.insert("init".to_owned(), "die".to_owned());
    assert!(refused(dies).await.contains("ended before it was ready"));
}

async fn a_child_that_dies_at_its_restarts_is_tried_with_back_off() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let mut dies = spec("probe");
    dies.options.insert("init".to_owned(), path.clone());
    let world = World::new(dies).await;
    std::fs::write(&path, "xx").unwrap();
    let pid = world.pid(1).await;
    let began = Instant::now();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    // The first restart is at once, the second 100 ms behind, the third 200 ms behind that.
    until("unavailable", || async {
        world.head(2, Hook::RequestHead, "none").await.0 == Err(Failure::Unavailable)
    })
    .await;
    world.back(3).await;
    assert!(began.elapsed() >= Duration::from_millis(300));
    assert_eq!(world.gauge("restarts"), 3);
}

async fn a_full_queue_refuses() {
    let world = World::new(with(spec("probe"), |s| s.limits.queue = 2)).await;
    let hook = Hook::RequestHead;
    let (a, b, c) = (
        world.head(1, hook, "slow"),
        world.head(2, hook, "slow"),
        world.head(3, hook, "slow"),
    );
    let (a, b, c) = futures_util::future::join3(a, b, c).await;
    assert_eq!((a.0, b.0), (Ok(Verdict::Continue), Ok(Verdict::Continue)));
    assert_eq!(c.0, Err(Failure::QueueFull));
    world.head(4, hook, "none").await.0.unwrap();
}

/// Gates at which hooks stand that are told to: `stands1`, `stands2`.
struct Gates(tempfile::TempDir);

impl Gates {
    fn new() -> Gates {
        Gates(tempfile::tempdir().unwrap())
    }
    fn of(&self, spec: Spec) -> Spec {
        let path = self.0.path().to_str().unwrap().to_owned();
        with(spec, |spec| {
            drop(spec.options.insert("gates".to_owned(), path))
        })
    }
    fn open(&self, gate: &str) {
        std::fs::write(self.0.path().join(gate), "").unwrap();
    }
}

async fn queued(world: &World, calls: u64) {
    until("queued", || async { world.gauge("queued") == calls }).await;
}

async fn a_call_that_is_late_in_a_child_that_answers_others_is_given_up_alone() {
    let gates = Gates::new();
    let world = World::new(gates.of(spec("probe"))).await;
    let (hook, pid) = (Hook::RequestHead, world.pid(9).await);
    let behind = async {
        said(&world, "stands1", 1).await;
        let pass = async {
            gates.open("stands1");
            said(&world, "stands2", 1).await;
            queued(&world, 2).await;
            world.much_later();
        };
        let (second, third) = (world.head(2, hook, "stands2"), world.head(3, hook, "count"));
        let (second, third, ()) = futures_util::future::join3(second, third, pass).await;
        (second.0, third.0)
    };
    let first = world.head(1, hook, "stands1");
    let (first, late) = futures_util::future::join(first, behind).await;
    assert_eq!(first.0, Ok(Verdict::Continue));
    assert_eq!(late, (Err(Failure::Deadline), Err(Failure::Deadline)));
    assert_eq!(world.gauge("queued"), 2, "the child has them still");
    assert_eq!(world.seat.waiting(), 2);
    gates.open("stands2");
    queued(&world, 0).await;
    for id in 1..=3 {
        said(&world, &format!("free {id} 1"), 1).await;
    }
    assert_eq!(world.seat.waiting(), 0);
    assert_eq!(world.pid(10).await, pid);
    assert_eq!((world.gauge("killed"), world.gauge("restarts")), (0, 0));
    let sum = world.loaded.sum();
    assert_eq!(sum.failures[Failure::Deadline.kind()], 2);
}

async fn a_child_that_hangs_behind_an_answer_is_killed_a_deadline_later() {
    let gates = Gates::new();
    let world = World::new(gates.of(spec("probe"))).await;
    let hook = Hook::RequestHead;
    let behind = async {
        said(&world, "stands1", 1).await;
        let pass = async {
            gates.open("stands1");
            hangs(&world).await;
            queued(&world, 1).await;
            world.much_later();
        };
        let hang = world.head(2, hook, "hang");
        futures_util::future::join(hang, pass).await.0.0
    };
    let first = world.head(1, hook, "stands1");
    let (first, late) = futures_util::future::join(first, behind).await;
    assert_eq!(first.0, Ok(Verdict::Continue));
    assert_eq!(late, Err(Failure::Deadline));
    assert_eq!(world.gauge("killed"), 0, "it may be busy");
    world.seat.sweep(Instant::now() + 3 * FAR_OFF);
    assert_eq!(world.gauge("killed"), 1, "nothing came since");
    world.back(3).await;
    assert_eq!(world.gauge("restarts"), 1);
    until("nothing waits", || async { world.seat.waiting() == 0 }).await;
}

async fn a_thread_of_a_child_that_hangs_is_avoided_while_others_answer() {
    let world = World::new(with(spec("probe"), |s| s.limits.threads = 2)).await;
    let hook = Hook::RequestHead;
    let others = async {
        hangs(&world).await;
        let went = world.head(2, hook, "none").await.0;
        assert_eq!(went, Ok(Verdict::Continue));
        world.much_later();
    };
    let hang = world.head(1, hook, "hang");
    let (hang, ()) = futures_util::future::join(hang, others).await;
    assert_eq!(hang.0, Err(Failure::Deadline));
    assert_eq!(world.gauge("killed"), 0);
    for id in 3..9 {
        let went = world.head(id, hook, "none");
        let went = tokio::time::timeout(Duration::from_secs(60), went).await;
        assert_eq!(went.unwrap().0, Ok(Verdict::Continue));
    }
    // They began behind the moment at which the call that hangs was given up, and were answered.
    world.seat.sweep(Instant::now() + 3 * FAR_OFF);
    assert_eq!(world.gauge("killed"), 1);
    world.back(9).await;
    until("nothing waits", || async { world.seat.waiting() == 0 }).await;
}

async fn an_answer_to_another_worker_shows_that_a_child_lives() {
    let gates = Gates::new();
    let world = World::new(gates.of(spec("probe"))).await;
    let (other, hook) = (world.beside(), Hook::RequestHead);
    // The thread has both of them before it looks at another door.
    let theirs = futures_util::future::join(
        other.head(1, hook, "stands1"),
        other.head(2, hook, "stands2"),
    );
    let ours = async {
        said(&world, "stands1", 1).await;
        let pass = async {
            gates.open("stands1");
            said(&world, "stands2", 1).await;
            queued(&world, 2).await;
            other.seat.sweep(Instant::now());
            world.much_later();
        };
        let call = world.head(3, hook, "count");
        let (went, ()) = futures_util::future::join(call, pass).await;
        assert_eq!(went.0, Err(Failure::Deadline));
        assert_eq!(world.gauge("killed"), 0);
        gates.open("stands2");
    };
    let ((first, second), ()) = futures_util::future::join(theirs, ours).await;
    assert_eq!(
        (first.0, second.0),
        (Ok(Verdict::Continue), Ok(Verdict::Continue))
    );
    queued(&world, 0).await;
    said(&world, "free 3 1", 1).await;
    assert_eq!((world.gauge("killed"), world.gauge("restarts")), (0, 0));
}

/// Doors that this child waits for.
fn doors(pid: &str) -> usize {
    let infos = std::fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap();
    let infos = infos.filter_map(|info| std::fs::read_to_string(info.ok()?.path()).ok());
    infos.map(|info| info.matches("tfd:").count()).sum()
}

async fn a_worker_that_ends_while_all_threads_are_busy_leaves_nothing_behind() {
    let gates = Gates::new();
    let spec = with(attends(gates.of(spec("blocking"))), |s| {
        s.limits.threads = 2
    });
    let world = World::new(spec).await;
    let other = world.beside();
    let theirs = async {
        said(&world, "stands1", 1).await;
        said(&world, "stands2", 1).await;
        let pid = world.proxy.told("pid ").unwrap();
        until("two doors", || async { doors(&pid) == 2 }).await;
        // It goes ahead of an event that never comes, and waits for a thread when its door closes.
        let (mut visit, mut edits) = (Visit::default(), Edits::new());
        let hook = Hook::RequestOut;
        let went = other.hook(&mut visit, 7, hook, "none", &mut edits).await;
        assert_eq!(went, Ok(Verdict::Continue));
        drop((visit, other));
        until("one door", || async { doors(&pid) == 1 }).await;
        gates.open("stands1");
        gates.open("stands2");
    };
    let busy = futures_util::future::join(
        world.head(1, Hook::Resolve, "stands1"),
        world.head(2, Hook::Resolve, "stands2"),
    );
    let ((first, second), ()) = futures_util::future::join(busy, theirs).await;
    assert_eq!(
        (first.0, second.0),
        (Ok(Verdict::Continue), Ok(Verdict::Continue))
    );
    for id in [1, 2, 7] {
        said(&world, &format!("free {id} 1"), 1).await;
    }
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

async fn several_children_share_the_transactions() {
    let world = World::new(with(spec("probe"), |s| s.limits.processes = 3)).await;
    assert_eq!(world.gauge("processes"), 3);
    let hook = Hook::RequestHead;
    let mut visits: Vec<Visit> = (0..6).map(|_| Visit::default()).collect();
    let mut pids = Vec::new();
    for (id, visit) in visits.iter_mut().enumerate() {
        let mut edits = Edits::new();
        world
            .hook(visit, id as u64, hook, "pid", &mut edits)
            .await
            .unwrap();
        pids.push(set(&edits, "X-Pid").unwrap());
    }
    for (id, visit) in visits.iter_mut().enumerate() {
        let mut edits = Edits::new();
        let hook = Hook::ResponseHead;
        world
            .hook(visit, id as u64, hook, "pid", &mut edits)
            .await
            .unwrap();
        assert_eq!(set(&edits, "X-Pid").as_ref(), pids.get(id), "it stays");
        world.link.leave(visit, id as u64);
    }
    pids.sort();
    pids.dedup();
    assert_eq!(pids.len(), 3);
}

async fn a_module_with_one_state_is_refused_two_processes() {
    let two = with(spec("single"), |s| s.limits.processes = 2);
    assert!(refused(two).await.contains("processes = 1"));
    World::new(spec("single")).await;
}

async fn several_threads_work_side_by_side() {
    let world = World::new(with(spec("blocking"), |s| s.limits.threads = 4)).await;
    // One after the other none of them would come to its end.
    let calls = (0..4).map(|id| world.head(id, Hook::RequestHead, "meet"));
    for (went, _) in futures_util::future::join_all(calls).await {
        assert_eq!(went, Ok(Verdict::Continue));
    }
}

async fn several_threads_keep_the_order_of_a_transaction() {
    let world = World::new(with(spec("blocking"), |s| s.limits.threads = 4)).await;
    let hook = Hook::RequestHead;
    // A transaction that goes away while its hook runs is freed behind it.
    let mut visit = Visit::default();
    let mut edits = Edits::new();
    let url = "slow";
    {
        let call = world.hook(&mut visit, 9, hook, url, &mut edits);
        let mut call = std::pin::pin!(call);
        let begun =
            std::future::poll_fn(|cx| std::task::Poll::Ready(call.as_mut().poll(cx).is_pending()));
        assert!(begun.await);
    }
    world.link.leave(&mut visit, 9);
    said(&world, "free 9 1", 1).await;
}

async fn new_options_are_taken_by_all_or_by_none() {
    let mut spec = with(spec("probe"), |s| s.limits.processes = 2);
    spec.options.insert("colour".to_owned(), "red".to_owned());
    let world = World::new(spec).await;
    let colour = |colour: &str| [("colour".to_owned(), colour.to_owned())].into();
    world.loaded.reconfigure(colour("blue")).await.unwrap();
    let refused = world.loaded.reconfigure(colour("bad")).await;
    assert_eq!(refused, Err("no such colour".to_owned()));
    for id in 0..4 {
        let (_, edits) = world.head(id, Hook::RequestHead, "setting").await;
        assert_eq!(set(&edits, "X-Option").as_deref(), Some("blue"));
    }
    // What comes in place of a child has them, too.
    let pid = world.pid(7).await;
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    until("another", || async {
        world.gauge("restarts") == 1 && world.gauge("processes") == 2
    })
    .await;
    for id in 10..14 {
        let (_, edits) = world.head(id, Hook::RequestHead, "setting").await;
        assert_eq!(set(&edits, "X-Option").as_deref(), Some("blue"));
    }
}

/// Options of this colour, and a gate to stand at while it is there.
fn coloured(colour: &str, gate: &Path) -> BTreeMap<String, String> {
    let gate = gate.display().to_string();
    [("colour", colour.to_owned()), ("gate", gate)]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}

async fn options_that_are_taken_too_late_are_given_back() {
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    let mut spec = spec("probe");
    spec.limits.deadline = Duration::from_millis(100);
    spec.options = coloured("red", &gate);
    let world = World::new(spec).await;
    std::fs::write(&gate, "").unwrap();
    let refused = world.loaded.reconfigure(coloured("late", &gate)).await;
    assert!(refused.is_err());
    std::fs::remove_file(&gate).unwrap();
    // Who hangs so long may be replaced as well.
    let told = || world.loaded.sum().hooks[Hook::Reconfigure as usize].calls;
    until("given back", || async {
        told() == 2 || world.gauge("restarts") > 0
    })
    .await;
    // On a machine that stalls a call may be late itself.
    let edits = RefCell::new(None);
    until("an answer", || async {
        let (went, made) = world.head(1, Hook::RequestHead, "setting").await;
        *edits.borrow_mut() = went.is_ok().then_some(made);
        edits.borrow().is_some()
    })
    .await;
    let edits = edits.take();
    assert_eq!(set(&edits.unwrap(), "X-Option").as_deref(), Some("red"));
}

/// A world of red children, and one of them on its way back: it stands at the gate in `init`.
async fn one_starts(processes: usize, gate: &Path) -> World {
    let mut spec = with(spec("probe"), |s| s.limits.processes = processes);
    spec.options = starts(coloured("red", gate));
    let world = World::new(spec).await;
    let pid = world.pid(1).await;
    std::fs::write(gate, "").unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    said(&world, "stands", 1).await;
    world
}

fn starts(mut options: BTreeMap<String, String>) -> BTreeMap<String, String> {
    options.insert("init".to_owned(), "stands".to_owned());
    options
}

async fn a_child_that_starts_while_the_options_change_has_the_new_ones() {
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    for processes in [1, 2] {
        let world = one_starts(processes, &gate).await;
        let blue = starts(coloured("blue", &gate));
        world.loaded.reconfigure(blue).await.unwrap();
        std::fs::remove_file(&gate).unwrap();
        until("all are there", || async {
            world.gauge("processes") == processes as u64
        })
        .await;
        for id in 10..14 {
            let (_, edits) = world.head(id, Hook::RequestHead, "setting").await;
            assert_eq!(set(&edits, "X-Option").as_deref(), Some("blue"));
        }
        assert_eq!(world.gauge("restarts"), 1);
    }
}

async fn a_child_that_starts_anew_has_promised_nothing_before_it_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    let mut spec = attends(spec("probe"));
    spec.options.extend(starts(coloured("red", &gate)));
    let world = World::new(spec).await;
    std::fs::write(&gate, "").unwrap();
    let died = world.head(1, Hook::Resolve, "abort").await.0;
    assert_eq!(died, Err(Failure::Died));
    said(&world, "stands", 1).await;
    // With these it would not be asked at the heads of requests; the others say nothing of that.
    let blue = starts(coloured("blue", &gate));
    world.loaded.reconfigure(blue).await.unwrap();
    std::fs::remove_file(&gate).unwrap();
    until("it is there", || async { world.gauge("processes") == 1 }).await;
    let (_, edits) = world.head(2, Hook::RequestHead, "setting").await;
    assert_eq!(set(&edits, "X-Option").as_deref(), Some("blue"));
}

async fn a_child_that_is_ready_while_the_options_change_takes_part() {
    let directory = tempfile::tempdir().unwrap();
    let gate = directory.path().join("gate");
    let world = one_starts(2, &gate).await;
    let late = world.loaded.reconfigure(starts(coloured("late", &gate)));
    let open = async {
        // The other one stands at the gate as well, with the new options.
        said(&world, "stands", 2).await;
        std::fs::remove_file(&gate).unwrap();
    };
    let (taken, ()) = futures_util::future::join(late, open).await;
    assert_eq!(taken, Ok(()));
    until("both are there", || async { world.gauge("processes") == 2 }).await;
    for id in 10..14 {
        let (_, edits) = world.head(id, Hook::RequestHead, "setting").await;
        assert_eq!(set(&edits, "X-Option").as_deref(), Some("late"));
    }
}

async fn timers_completions_and_descriptors_are_told() {
    let mut spec = spec("timer");
    spec.options.insert("watch".to_owned(), "yes".to_owned());
    let world = World::new(spec).await;
    until("timer", || async { world.proxy.said("timer") > 2 }).await;
    said(&world, "ready x 7", 1).await;
    said(&world, "ready y 7", 1).await;
    let found = "completed Found(ObjectInfo { status: 200, length: 10, age: 1, ttl: -1, content_type: Some(\"text/plain\") })";
    said(&world, found, 1).await;
}

async fn what_cannot_be_watched_is_counted_and_does_not_spin() {
    let mut spec = spec("timer");
    spec.options.insert("watch".to_owned(), "files".to_owned());
    let world = World::new(spec).await;
    until("counted", || async { world.loaded.unwatchable() == 2 }).await;
    // Before each of them it is looked which descriptors are ready.
    until("timer", || async { world.proxy.said("timer") > 2 }).await;
    let ready = world.loaded.sum().hooks[Hook::Ready as usize].calls;
    assert_eq!((ready, world.loaded.unwatchable()), (0, 2));
}

async fn unloading_ends_with_fini_and_leaves_no_process() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("fini");
    let mut spec = spec("probe");
    let option = path.to_str().unwrap().to_owned();
    spec.options.insert("fini".to_owned(), option);
    let world = World::new(spec).await;
    let pid = world.pid(1).await;
    let mut visit = Visit::default();
    let mut edits = Edits::new();
    let hook = Hook::RequestHead;
    world
        .hook(&mut visit, 2, hook, "none", &mut edits)
        .await
        .unwrap();
    assert!(!path.exists());
    world.link.leave(&mut visit, 2);
    let proxy = world.proxy.clone();
    drop(world);
    until("fini", || async { path.exists() }).await;
    until("reaped", || async {
        rustix::process::test_kill_process(pid).is_err()
    })
    .await;
    assert_eq!(proxy.said("free 2 1"), 1);
}

async fn the_child_is_as_nice_as_told() {
    let world = World::new(with(spec("probe"), |s| s.limits.nice = 7)).await;
    let (_, edits) = world.head(1, Hook::RequestHead, "nice").await;
    assert_eq!(set(&edits, "X-Nice").as_deref(), Some("7"));
}

fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}

async fn restarts_leave_no_descriptors_and_no_zombies() {
    let world = World::new(spec("probe")).await;
    world.back(1).await;
    let before = descriptors();
    let mut pids = Vec::new();
    for nth in 0..3 {
        let pid = world.pid(10 + nth).await;
        pids.push(pid);
        let went = world.head(20 + nth, Hook::RequestHead, "abort").await.0;
        assert_eq!(went, Err(Failure::Died));
        world.back(30 + nth).await;
    }
    assert_eq!(world.gauge("restarts"), 3);
    assert_eq!(descriptors(), before);
    for pid in pids {
        let gone = rustix::process::test_kill_process(pid);
        assert!(gone.is_err(), "{pid:?} was not reaped");
    }
}
