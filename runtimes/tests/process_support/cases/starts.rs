//! How a child starts and ends: refusals, the back-off, the last words.

use crate::world::{Proxy, World, set, spec, until, with};
use std::sync::Arc;
use std::time::{Duration, Instant};
use understudy_module::{Edits, Hook};
use understudy_runtimes::{Failure, Visit};

cases! {
    a_refusal_is_told
    init_may_not_wait_for_an_operation
    dying_at_start_is_told
    a_child_that_dies_at_its_restarts_is_tried_with_back_off
    a_module_with_one_state_is_refused_two_processes
    a_start_that_comes_to_nothing_leaves_nothing_of_what_was_begun
    unloading_ends_with_fini_and_leaves_no_process
    the_child_is_as_nice_as_told
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

async fn a_module_with_one_state_is_refused_two_processes() {
    let two = with(spec("single"), |s| s.limits.processes = 2);
    assert!(refused(two).await.contains("processes = 1"));
    World::new(spec("single")).await;
}

async fn a_start_that_comes_to_nothing_leaves_nothing_of_what_was_begun() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let begins = |library: &str, options: &[(&str, &str)]| {
        with(spec(library), |spec| {
            spec.limits.processes = 2;
            for (name, value) in options.iter().chain(&[("begins", "1")]) {
                let (name, value) = ((*name).to_owned(), (*value).to_owned());
                spec.options.insert(name, value);
            }
        })
    };
    std::fs::write(&path, "x").unwrap();
    for (spec, times) in [
        // The second child refuses.
        (begins("probe", &[("admits", &path)]), 2),
        // There must be but one.
        (begins("single", &[]), 1),
    ] {
        let proxy = Arc::new(Proxy::default());
        let loaded = World::try_of(proxy.clone(), spec).await;
        assert!(loaded.is_err());
        assert_eq!((proxy.said("begun"), proxy.open()), (times, 0));
    }
    // Nobody waits for it any more.
    let proxy = Arc::new(Proxy::default());
    let spec = begins("probe", &[("init", "stands"), ("gate", &path)]);
    tokio::select! {
        _ = World::try_of(proxy.clone(), spec) => panic!("it was loaded"),
        () = until("stands", || async { proxy.said("stands") == 1 }) => {}
    }
    assert_eq!((proxy.said("begun"), proxy.open()), (1, 0));
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
    // Whoever runs this may be nice itself.
    let own = rustix::process::getpriority_process(None).unwrap();
    let nice = (own + 7).min(19).to_string();
    assert_eq!(set(&edits, "X-Nice"), Some(nice));
}
