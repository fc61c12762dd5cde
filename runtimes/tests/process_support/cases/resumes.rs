//! Calls that are parked, and who resumes them.

use super::deadlines::overdue;
use crate::world::{World, said, spec, until};
use understudy_module::{Edits, Hook, Verdict};
use understudy_runtimes::{Failure, Visit};

cases! {
    a_resume_may_come_early_or_later
    a_second_resume_is_counted
    an_unknown_resume_is_counted
    a_late_resume_is_counted_and_its_transaction_alone_has_failed
    a_transaction_that_goes_away_while_parked_is_freed_once
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

/// The call before this one has said `Pending`: a child of one thread answers in order.
async fn parked(world: &World) {
    let went = world.head(1 << 40, Hook::RequestHead, "none").await.0;
    assert_eq!(went, Ok(Verdict::Continue));
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
