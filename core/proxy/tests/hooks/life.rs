//! What a module is told that is no event of a transaction: its start, its timer, its descriptors.

use crate::scripted::everywhere;
use std::collections::BTreeMap;
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use understudy_module::{About, Hooks, Host, Interest, Module};
use understudy_proxy::Content;
use understudy_runtimes::{Environment, Kind, Library, Limits, Loaded, Notice, Spec, load};

type OnInit = Arc<dyn Fn(&Host) -> Result<(), String> + Send + Sync>;
type OnReady = Arc<dyn Fn(&Host, RawFd, Interest) + Send + Sync>;

/// A module that sees no transaction.
#[derive(Clone)]
struct Lively {
    timer: Option<Duration>,
    init: OnInit,
    ready: OnReady,
    rung: Arc<AtomicUsize>,
}

impl std::fmt::Debug for Lively {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Lively")
    }
}

impl Module for Lively {
    fn about(&self) -> About {
        let mut about = About::new("lively", "1", Hooks::NONE);
        about.timer = self.timer;
        about
    }
    fn init(&self, host: &Host) -> Result<(), String> {
        (self.init)(host)
    }
    fn timer(&self, _: &Host) {
        self.rung.fetch_add(1, Ordering::SeqCst);
    }
    fn ready(&self, host: &Host, fd: RawFd, interest: Interest, _: u64) {
        (self.ready)(host, fd, interest);
    }
}

impl Library for Lively {
    fn make(&self) -> Result<Arc<dyn Module>, String> {
        Ok(Arc::new(self.clone()))
    }
}

fn lively(init: impl Fn(&Host) -> Result<(), String> + Send + Sync + 'static) -> Lively {
    Lively {
        timer: None,
        init: Arc::new(init),
        ready: Arc::new(|_, _, _| {}),
        rung: Arc::default(),
    }
}

async fn start(kind: Kind, module: &Lively) -> Result<Arc<Loaded>, String> {
    let content = Content::new();
    let setting = ("cache.memory".to_owned(), "64M".to_owned());
    content.set_settings(BTreeMap::from([setting]));
    let environment = Environment {
        mailboxes: content.mailboxes().clone(),
        services: content,
        program: "none".into(),
    };
    let spec = Spec {
        name: "lively".into(),
        library: "test".to_owned(),
        kind,
        limits: Limits::default(),
        options: BTreeMap::from([("list.0".to_owned(), "first".to_owned())]),
    };
    load(spec, Arc::new(module.clone()), 1, &environment).await
}

/// Waits until the module has dealt with two rings of its timer: what was on its way before them has arrived.
async fn settle(loaded: &Loaded) {
    for _ in 0..2 {
        let (done, told) = tokio::sync::oneshot::channel();
        let tell = Box::new(move |outcome| drop(done.send(outcome)));
        loaded.runtime().notify(Notice::Timer, tell);
        told.await.unwrap().unwrap();
    }
}

async fn until(so: impl Fn() -> bool) {
    while !so() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn init_looks_up_options_and_settings() {
    everywhere(|kind| async move {
        let found = Arc::new(Mutex::new(Vec::new()));
        let to = found.clone();
        let module = lively(move |host| {
            let all = [
                host.option("list.0"),
                host.option("none"),
                host.setting("cache.memory"),
                host.setting("none"),
            ];
            to.lock().unwrap().extend(all);
            Ok(())
        });
        let loaded = start(kind, &module).await.unwrap();
        let expected = [Some("first"), None, Some("64M"), None];
        assert_eq!(
            *found.lock().unwrap(),
            expected.map(|v| v.map(str::to_owned))
        );
        drop(loaded);
    });
}

#[test]
fn init_refuses_to_load_with_its_reason() {
    everywhere(|kind| async move {
        let module = lively(|_| Err("the list is missing".to_owned()));
        let why = start(kind, &module).await.unwrap_err();
        assert!(why.contains("the list is missing"), "{why}");
    });
}

#[test]
fn a_timer_rings_for_whoever_names_a_time_and_for_nobody_else() {
    everywhere(|kind| async move {
        let without = lively(|_| Ok(()));
        let mut with = lively(|_| Ok(()));
        with.timer = Some(Duration::from_millis(5));
        let loaded = (
            start(kind, &without).await.unwrap(),
            start(kind, &with).await.unwrap(),
        );
        until(|| with.rung.load(Ordering::SeqCst) >= 3).await;
        assert_eq!(without.rung.load(Ordering::SeqCst), 0);
        drop(loaded);
    });
}

/// A module that watches one end of a socket for both directions, and ends that as told when either is ready.
async fn watched(kind: Kind, end: fn(&Host, RawFd)) -> (Arc<Mutex<Vec<Interest>>>, Arc<Loaded>) {
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    ours.set_nonblocking(true).unwrap();
    std::io::Write::write_all(&mut theirs, b"x").unwrap();
    let told = Arc::new(Mutex::new(Vec::new()));
    let to = told.clone();
    let fd = ours.as_raw_fd();
    let mut module = lively(move |host| {
        host.watch(fd, Interest::Write, 1);
        Ok(())
    });
    module.ready = Arc::new(move |host, fd, interest| {
        // The ends stay open as long as the module.
        let _ = (&ours, &theirs);
        to.lock().unwrap().push(interest);
        end(host, fd);
    });
    let loaded = start(kind, &module).await.unwrap();
    (told, loaded)
}

#[test]
fn a_descriptor_that_can_be_written_is_told_until_that_is_cleared() {
    everywhere(|kind| async move {
        let (told, loaded) = watched(kind, |host, fd| host.unwatch(fd, Interest::Write)).await;
        until(|| !told.lock().unwrap().is_empty()).await;
        settle(&loaded).await;
        assert_eq!(*told.lock().unwrap(), [Interest::Write]);
        // Watched on and on it would be told again.
        let (told, _loaded) = watched(kind, |_, _| {}).await;
        until(|| told.lock().unwrap().len() >= 3).await;
    });
}

#[test]
fn a_descriptor_that_is_closing_is_told_for_neither_direction() {
    everywhere(|kind| async move {
        let (told, loaded) = watched(kind, |host, fd| {
            host.watch(fd, Interest::Read, 2);
            host.closing(fd);
        })
        .await;
        until(|| !told.lock().unwrap().is_empty()).await;
        settle(&loaded).await;
        assert_eq!(*told.lock().unwrap(), [Interest::Write]);
    });
}
