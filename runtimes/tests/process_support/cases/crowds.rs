//! Several threads, children and workers side by side, and the queue before them.

use super::deadlines::Gates;
use super::promises::attends;
use crate::world::{World, said, set, spec, until, with};
use understudy_module::{Edits, Hook, Verdict};
use understudy_runtimes::{Failure, Visit};

cases! {
    a_full_queue_refuses
    a_worker_that_ends_while_all_threads_are_busy_leaves_nothing_behind
    several_children_share_the_transactions
    several_threads_work_side_by_side
    several_threads_keep_the_order_of_a_transaction
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

async fn several_threads_work_side_by_side() {
    let world = World::new(with(spec("blocking"), |s| s.limits.threads = 4)).await;
    // One after the other none of them would come to its end.
    let calls = (0..4).map(|id| world.head(id, Hook::RequestHead, "meet"));
    for (went, _) in futures_util::future::join_all(calls).await {
        assert_eq!(went, Ok(Verdict::Continue));
    }
}

async fn several_threads_keep_the_order_of_a_transaction() {
    let gates = Gates::new();
    let four = with(gates.of(spec("blocking")), |s| s.limits.threads = 4);
    let world = World::new(four).await;
    let hook = Hook::RequestHead;
    // A transaction that goes away while its hook runs is freed behind it.
    let (mut visit, mut edits) = (Visit::default(), Edits::new());
    {
        let call = world.hook(&mut visit, 9, hook, "stands1", &mut edits);
        tokio::select! {
            biased;
            _ = call => panic!("it answered"),
            () = said(&world, "stands1", 1) => {}
        }
    }
    world.link.leave(&mut visit, 9);
    world.told_given_up().await;
    assert_eq!(world.proxy.said("free 9 1"), 0);
    gates.open("stands1");
    said(&world, "free 9 1", 1).await;
}
