//! Children that end, send garbage or leak, and the others in their place.

use crate::world::{World, spec, until, with};
use understudy_module::{Edits, Hook};
use understudy_runtimes::{Failure, Visit};

cases! {
    a_child_killed_in_the_middle_is_back_by_itself
    a_leak_ends_at_the_memory_limit
    garbage_has_the_child_killed
    a_child_that_closes_a_door_is_replaced
    restarts_leave_no_descriptors_and_no_zombies
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
        until("reaped", || async {
            rustix::process::test_kill_process(pid).is_err()
        })
        .await;
    }
}
