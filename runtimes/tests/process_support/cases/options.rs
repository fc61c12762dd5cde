//! Settings and options, and their changes while children start and run.

use crate::world::{World, said, set, spec, until, with};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use understudy_module::Hook;

cases! {
    settings_and_options_are_there
    settings_that_change_are_told
    new_options_are_taken_by_all_or_by_none
    options_that_are_taken_too_late_are_given_back
    a_child_that_starts_while_the_options_change_has_the_new_ones
    a_child_that_is_ready_while_the_options_change_takes_part
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
pub(super) fn coloured(colour: &str, gate: &Path) -> BTreeMap<String, String> {
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

pub(super) fn starts(mut options: BTreeMap<String, String>) -> BTreeMap<String, String> {
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
