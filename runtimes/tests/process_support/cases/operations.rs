//! Operations, and what else is no event of a transaction: completions, timers, descriptors.

use crate::probe::GORGED;
use crate::world::{World, said, set, spec, stop, until, with};
use understudy_module::{Hook, Verdict};
use understudy_runtimes::Failure;

cases! {
    a_module_that_may_wait_waits_for_an_operation
    an_injection_with_a_piece_that_is_too_long_to_cross_is_given_up
    large_objects_that_are_read_as_they_come_are_all_told
    an_answer_that_a_child_is_too_slow_for_fails_and_the_child_lives_on
    a_child_that_does_not_read_what_it_asked_for_is_killed
    timers_completions_and_descriptors_are_told
    what_cannot_be_watched_is_counted_and_does_not_spin
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

async fn large_objects_that_are_read_as_they_come_are_all_told() {
    let world = World::new(spec("probe")).await;
    for round in 1..=3 {
        let went = world.head(round, Hook::RequestHead, "feast").await.0;
        assert_eq!(went, Ok(Verdict::Continue));
        said(&world, "large", 10 * round as usize).await;
    }
    assert_eq!((world.gauge("garbage"), world.gauge("restarts")), (0, 0));
}

async fn an_answer_that_a_child_is_too_slow_for_fails_and_the_child_lives_on() {
    let world = World::new(spec("probe")).await;
    let pid = world.pid(1).await;
    let went = world.head(2, Hook::RequestHead, "glut").await.0;
    assert_eq!(went, Ok(Verdict::Continue));
    until("held", || async { world.proxy.held() == 64 }).await;
    stop(pid).await;
    world.proxy.let_go();
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    // Of 8 MiB each there is room for so many.
    said(&world, "large", 15).await;
    said(&world, "failed", 49).await;
    // A piece is among those, and must not just be missing.
    said(&world, "read 77 no more", 1).await;
    assert_eq!(world.pid(3).await, pid);
    for name in ["garbage", "killed", "restarts"] {
        assert_eq!(world.gauge(name), 0, "{name}");
    }
}

async fn a_child_that_does_not_read_what_it_asked_for_is_killed() {
    let world = World::new(spec("probe")).await;
    let pid = world.pid(1).await;
    let all = async {
        until("held", || async { world.proxy.held() == GORGED }).await;
        stop(pid).await;
        world.proxy.let_go();
    };
    let call = world.head(1, Hook::RequestHead, "gorge");
    let ((went, _), ()) = futures_util::future::join(call, all).await;
    assert!(matches!(went, Err(Failure::Garbage(_))), "{went:?}");
    world.back(2).await;
    assert_eq!((world.gauge("garbage"), world.gauge("restarts")), (1, 1));
    assert_eq!(world.gauge("killed"), 0);
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
