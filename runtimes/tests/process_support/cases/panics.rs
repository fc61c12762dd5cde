//! Panics, and the instances that are made behind them.

use crate::probe::PANICS_IN_FREE;
use crate::world::{World, said, set, spec, until, with};
use understudy_module::{Edits, Hook, Verdict};
use understudy_runtimes::{Failure, Spec, Visit};

cases! {
    a_panic_in_any_hook_fails_that_transaction_alone
    a_panic_in_free_is_survived
    a_panic_in_each_other_hook_makes_a_new_instance_and_harms_nobody
    an_instance_that_cannot_be_made_again_is_tried_for_again
    a_child_without_an_instance_and_without_transactions_is_replaced
    panics_and_new_instances_of_a_child_are_told
    free_and_fini_of_a_child_have_their_time
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
pub(super) const OTHERS: [Hook; 4] = [Hook::Timer, Hook::Completed, Hook::Ready, Hook::Reconfigure];

/// A module with this fault in this hook, once it is armed.
pub(super) fn faulty(fault: &str, hook: Hook) -> Spec {
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
    // More often than anybody asks for it before the file is emptied.
    std::fs::write(file.path(), "x".repeat(1000)).unwrap();
    let went = world.head(2, hook, "panic").await.0;
    assert!(matches!(went, Err(Failure::Panic(_))), "{went:?}");
    // Each that comes meanwhile is told, and has it tried again.
    let went = world.head(3, hook, "none").await.0;
    assert_eq!(went, Err(Failure::Unavailable));
    let mut number = 4;
    loop {
        // Each time: one that is refused meanwhile may put back what it found, less one.
        std::fs::write(file.path(), "").unwrap();
        match world.head(number, hook, "none").await.0 {
            Ok(verdict) => break assert_eq!(verdict, Verdict::Continue),
            Err(failure) => assert_eq!(failure, Failure::Unavailable),
        }
        number += 1;
    }
    let went = world.hook(&mut visit, 1, hook, "count", &mut edits).await;
    assert_eq!(went, Ok(Verdict::Continue));
    assert_eq!(set(&edits, "X-Count").as_deref(), Some("2"));
    world.link.leave(&mut visit, 1);
    said(&world, "free 1 2", 1).await;
    let sum = world.loaded.sum();
    let init = sum.hooks[Hook::Init as usize];
    // The first, the one in its place, and those that were refused: behind the panic, and for each that asked.
    assert_eq!(init.calls, init.failures + 2);
    assert!((1..=4 * number).contains(&init.failures), "{init:?}");
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
