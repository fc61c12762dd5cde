//! Calls whose deadline passes: which child hangs, and which has much to do.

use super::panics::{OTHERS, faulty};
use crate::world::{FAR_OFF, World, said, spec, until, with};
use std::future::Future;
use std::time::{Duration, Instant};
use understudy_module::{Bytes, Edits, Hook, Verdict};
use understudy_runtimes::process::THRESHOLD;
use understudy_runtimes::{Failure, Spec, Visit};

cases! {
    a_hanging_hook_has_its_child_killed
    a_hanging_hook_has_its_child_killed_also_when_its_client_went_away
    a_hang_in_each_other_hook_has_its_child_killed
    a_child_that_stands_still_is_killed
    a_call_that_is_late_in_a_child_that_answers_others_is_given_up_alone
    a_child_that_hangs_behind_an_answer_is_killed_a_deadline_later
    a_thread_of_a_child_that_hangs_is_avoided_while_others_answer
    an_answer_to_another_worker_shows_that_a_child_lives
    a_call_whose_client_left_before_it_was_begun_is_not_begun
}

/// What becomes of a call whose deadline passes when this has come about.
pub(super) async fn overdue<T>(
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

/// The child's only thread hangs.
pub(super) async fn hangs(world: &World) {
    until("hangs", || async { world.proxy.said("hangs") > 0 }).await;
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
const SOON: Duration = Duration::from_secs(10);

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

/// Gates at which hooks stand that are told to: `stands1`, `stands2`.
pub(super) struct Gates(tempfile::TempDir);

impl Gates {
    pub(super) fn new() -> Gates {
        Gates(tempfile::tempdir().unwrap())
    }
    pub(super) fn of(&self, spec: Spec) -> Spec {
        let path = self.0.path().to_str().unwrap().to_owned();
        with(spec, |spec| {
            drop(spec.options.insert("gates".to_owned(), path))
        })
    }
    pub(super) fn open(&self, gate: &str) {
        std::fs::write(self.0.path().join(gate), "").unwrap();
    }
}

pub(super) async fn queued(world: &World, calls: u64) {
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
    world.told_given_up().await;
    gates.open("stands2");
    queued(&world, 0).await;
    for id in 1..=2 {
        said(&world, &format!("free {id} 1"), 1).await;
    }
    assert_eq!(world.seat.waiting(), 0);
    assert_eq!(world.pid(10).await, pid);
    said(&world, "free 10 1", 1).await;
    // It was not begun, so there was nothing to free.
    assert_eq!(world.proxy.said("free 3 1"), 0);
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
        world.told_given_up().await;
        gates.open("stands2");
    };
    let ((first, second), ()) = futures_util::future::join(theirs, ours).await;
    assert_eq!(
        (first.0, second.0),
        (Ok(Verdict::Continue), Ok(Verdict::Continue))
    );
    queued(&world, 0).await;
    world.head(4, hook, "none").await.0.unwrap();
    said(&world, "free 4 1", 1).await;
    assert_eq!(world.proxy.said("free 3 1"), 0, "it was not begun");
    assert_eq!((world.gauge("killed"), world.gauge("restarts")), (0, 0));
}

async fn a_call_whose_client_left_before_it_was_begun_is_not_begun() {
    let gates = Gates::new();
    let world = World::new(gates.of(spec("probe"))).await;
    let (hook, large) = (Hook::RequestHead, Bytes::from(vec![b'x'; 2 * THRESHOLD]));
    // The child has seen something of one of them.
    let (mut known, mut new) = (Visit::default(), Visit::default());
    let mut edits = Edits::new();
    let went = world.hook(&mut known, 2, hook, "count", &mut edits).await;
    assert_eq!(went, Ok(Verdict::Continue));
    let behind = async {
        said(&world, "stands1", 1).await;
        {
            let theirs = futures_util::future::join(
                world.piece(&mut known, 2, "replace", &large, true, &[]),
                world.piece(&mut new, 3, "replace", &large, true, &[]),
            );
            tokio::select! {
                // They are sent first.
                biased;
                _ = theirs => panic!("they were answered"),
                () = queued(&world, 3) => {}
            }
        }
        world.link.leave(&mut known, 2);
        world.link.leave(&mut new, 3);
        world.told_given_up().await;
        gates.open("stands1");
    };
    let first = world.head(1, hook, "stands1");
    let (first, ()) = futures_util::future::join(first, behind).await;
    assert_eq!(first.0, Ok(Verdict::Continue));
    queued(&world, 0).await;
    world.head(4, hook, "none").await.0.unwrap();
    // Of each what it had heard is freed, once.
    for (word, times) in [
        ("free 4 1", 1),
        ("free 2 1", 1),
        ("free 2 2", 0),
        ("free 3 1", 0),
    ] {
        said(&world, word, times).await;
    }
    assert_eq!(world.seat.waiting(), 0);
    for name in ["garbage", "killed", "restarts"] {
        assert_eq!(world.gauge(name), 0, "{name}");
    }
}
