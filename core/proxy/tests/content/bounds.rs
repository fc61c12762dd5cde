//! When, how often and on whose stack the end of an operation is told; and how much may be under way.

use crate::support::{Fixture, OWNER, answer, guard, perform, response, settings, until};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::time::{Duration, Instant};
use tokio::sync::oneshot;
use understudy_module::{Completion, ObjectId, Operation};
use understudy_proxy::{Content, Proxy};
use understudy_runtimes::Services;

fn fresh(_: &str) -> String {
    answer("200 OK", "Cache-Control: max-age=60\r\n", "fetched")
}

fn failed(why: &str) -> Completion {
    Completion::Failed(why.to_owned())
}

fn url(number: usize) -> ObjectId {
    ObjectId::of_key(format!("http://a.test:80/{number}").as_bytes())
}

/// An origin that answers when it is allowed to: one answer a message.
fn gated() -> (impl Fn(&str) -> String + Send + 'static, mpsc::Sender<()>) {
    let (open, gate) = mpsc::channel();
    let script = move |request: &str| {
        let _ = gate.recv();
        fresh(request)
    };
    (script, open)
}

/// Asks, and gives what comes of it to a counter and a channel.
fn count(
    content: &Content,
    operation: Operation,
    told: &Arc<AtomicUsize>,
    to: &tokio::sync::mpsc::UnboundedSender<Completion>,
) {
    let (told, to) = (told.clone(), to.clone());
    let done = Box::new(move |completion| {
        told.fetch_add(1, Ordering::SeqCst);
        let _ = to.send(completion);
    });
    content.perform(OWNER, operation, done);
}

#[actix_rt::test]
async fn a_thousand_operations_at_once_each_end_once() {
    let f = Fixture::start(fresh).await;
    let told = Arc::new(AtomicUsize::new(0));
    let (to, mut ends) = tokio::sync::mpsc::unbounded_channel();
    for number in 0..1000 {
        let object = f.object(&format!("/{}", number % 50));
        let operation = match number % 7 {
            0 => Operation::Query(object),
            1 => Operation::Inject(object, response("made")),
            2 => Operation::Fetch(object),
            3 => Operation::Read(object),
            4 => Operation::Delete(object),
            5 => Operation::Validate(object),
            _ => Operation::SetExpiration(object, 3_000_000_000),
        };
        count(&f.content, operation, &told, &to);
    }
    drop(to);
    let mut failures = Vec::new();
    while let Some(end) = guard("the next end", ends.recv()).await {
        if let Completion::Failed(why) = end {
            failures.push(why);
        }
    }
    assert_eq!(told.load(Ordering::SeqCst), 1000);
    // An injection that is deleted on its way fails; nothing else does.
    failures.retain(|why| why != "deleted");
    assert_eq!(failures, [""; 0]);
}

#[actix_rt::test]
async fn more_fetches_than_may_wait_are_told_so_and_the_others_end() {
    const MOST: usize = 64 + 1024;
    let (script, open) = gated();
    let f = Fixture::start(script).await;
    let told = Arc::new(AtomicUsize::new(0));
    let (to, mut ends) = tokio::sync::mpsc::unbounded_channel();
    // One object, so all are one worker's.
    for _ in 0..MOST + 10 {
        count(&f.content, Operation::Fetch(f.object("/a")), &told, &to);
    }
    for _ in 0..10 {
        let end = guard("a refusal", ends.recv()).await;
        assert_eq!(end, Some(failed("busy")));
    }
    for _ in 0..MOST {
        open.send(()).unwrap();
    }
    for _ in 0..MOST {
        let end = guard("a fetch's end", ends.recv()).await.unwrap();
        assert!(
            matches!(end, Completion::Fetched { status: 200, .. }),
            "{end:?}"
        );
    }
    assert_eq!(told.load(Ordering::SeqCst), MOST + 10);
}

#[actix_rt::test]
async fn what_is_asked_before_the_start_is_done_after_it_in_order() {
    let content = Content::new();
    let mut ends = Vec::new();
    for number in 0..100 {
        content.perform(
            OWNER,
            Operation::InjectStart(url(number as usize), number, response("one ")),
            Box::new(|_| ()),
        );
        content.perform(
            OWNER,
            Operation::InjectBody(number, bytes::Bytes::from_static(b"two")),
            Box::new(|_| ()),
        );
        let (done, end) = oneshot::channel();
        let done = Box::new(move |completion| done.send(completion).unwrap());
        content.perform(OWNER, Operation::InjectDone(number), done);
        ends.push(end);
    }
    let settings = settings(std::net::SocketAddr::from(([127, 0, 0, 1], 1)));
    let _proxy = Proxy::start(settings, None, &content).await.unwrap();
    for (number, end) in ends.into_iter().enumerate() {
        assert_eq!(end.await.unwrap(), Completion::Done);
        match perform(&content, OWNER, Operation::Read(url(number))).await {
            Completion::Object(read) => assert_eq!(&read.body()[..], b"one two"),
            other => panic!("{other:?}"),
        }
    }
}

#[actix_rt::test]
async fn more_than_may_wait_for_the_start_are_refused_at_once_but_not_on_the_stack() {
    let content = Content::new();
    let on_stack = Arc::new(Mutex::new(()));
    for number in 0..1024 {
        content.perform(OWNER, Operation::Query(url(number)), Box::new(|_| ()));
    }
    let (done, end) = oneshot::channel();
    let held = on_stack.clone();
    let me = std::thread::current().id();
    let told = Box::new(move |completion| {
        let _free = held.lock().unwrap();
        let _ = done.send((completion, std::thread::current().id()));
    });
    {
        let _calling = on_stack.lock().unwrap();
        content.perform(OWNER, Operation::Query(url(0)), told);
    }
    let (completion, thread) = end.await.unwrap();
    assert_eq!(completion, failed("busy"));
    assert_ne!(thread, me);
    content.forget(OWNER);
    // There is room again.
    let (done, mut end) = oneshot::channel();
    let done = Box::new(move |completion| done.send(completion).unwrap());
    content.perform(OWNER, Operation::Query(url(0)), done);
    assert!(end.try_recv().is_err());
}

#[actix_rt::test]
async fn a_piece_without_a_place_ends_its_injection() {
    let content = Content::new();
    let piece = || bytes::Bytes::from(vec![0; 30 << 20]);
    content.perform(
        OWNER,
        Operation::InjectStart(url(1), 1, response("")),
        Box::new(|_| ()),
    );
    for _ in 0..3 {
        content.perform(OWNER, Operation::InjectBody(1, piece()), Box::new(|_| ()));
    }
    let (done, end) = oneshot::channel();
    let done = Box::new(move |completion| done.send(completion).unwrap());
    content.perform(OWNER, Operation::InjectDone(1), done);
    let settings = settings(std::net::SocketAddr::from(([127, 0, 0, 1], 1)));
    let _proxy = Proxy::start(settings, None, &content).await.unwrap();
    assert_eq!(end.await.unwrap(), failed("no such injection"));
}

#[actix_rt::test]
async fn while_the_proxy_drains_operations_fail() {
    let f = Fixture::start(fresh).await;
    f.get("/a").await;
    assert_eq!(f.proxy.drain(Duration::from_secs(30)).await, 0);
    for operation in [
        Operation::Query(f.object("/a")),
        Operation::Fetch(f.object("/a")),
        Operation::Inject(f.object("/b"), response("x")),
        Operation::Delete(f.object("/a")),
        Operation::ReadStart(f.object("/a"), 1),
        Operation::InjectDone(2),
    ] {
        assert_eq!(
            f.perform(operation.clone()).await,
            failed("draining"),
            "{operation:?}"
        );
    }
}

#[actix_rt::test]
async fn a_drain_waits_for_a_fetch_under_way_and_refuses_those_behind_it() {
    let (script, open) = gated();
    let f = Fixture::start(script).await;
    let told = Arc::new(AtomicUsize::new(0));
    let (to, mut ends) = tokio::sync::mpsc::unbounded_channel();
    // As many as go at once on a worker, and one that waits for its turn.
    for _ in 0..65 {
        count(&f.content, Operation::Fetch(f.object("/a")), &told, &to);
    }
    f.fills(64).await;
    let release = async {
        // The drain has begun when an operation is refused.
        let drains = async {
            while f.perform(Operation::Query(f.object("/a"))).await != failed("draining") {}
        };
        guard("a drain", drains).await;
        for _ in 0..64 {
            open.send(()).unwrap();
        }
    };
    let (cut, ()) = tokio::join!(f.proxy.drain(Duration::from_secs(60)), release);
    assert_eq!(cut, 0);
    let mut refused = 0;
    for _ in 0..65 {
        match guard("the next end", ends.recv()).await.unwrap() {
            Completion::Fetched { status: 200, .. } => {}
            other => {
                assert_eq!(other, failed("draining"));
                refused += 1;
            }
        }
    }
    assert_eq!(refused, 1);
}

#[actix_rt::test]
async fn a_fetch_that_a_drain_cuts_off_fails() {
    let (script, _closed) = gated();
    let f = Fixture::start(script).await;
    let fetch = f.perform(Operation::Fetch(f.object("/a")));
    let drain = async {
        f.fills(1).await;
        f.proxy.drain(Duration::ZERO).await
    };
    let (end, cut) = tokio::join!(fetch, drain);
    assert_eq!((end, cut), (failed("cut"), 1));
}

#[test]
fn when_the_workers_are_gone_operations_fail() {
    let system = actix_rt::System::new();
    let f = system.block_on(Fixture::start(fresh));
    let content = f.content.clone();
    actix_rt::System::current().stop();
    system.run().unwrap();
    let mut ends = Vec::new();
    // A worker that has not ended yet does its work.
    let began = Instant::now();
    while ends.last() != Some(&failed("the proxy ends")) {
        assert!(
            began.elapsed() < Duration::from_secs(60),
            "the workers do not end"
        );
        let (to, end) = mpsc::channel();
        let done = Box::new(move |completion| to.send(completion).unwrap());
        content.perform(OWNER, Operation::Query(url(1)), done);
        ends.push(end.recv_timeout(Duration::from_secs(60)).unwrap());
    }
    ends.retain(|end| *end != Completion::Absent);
    assert_eq!(ends, [failed("the proxy ends")]);
}

/// Asks again whenever it is told, until it is to stop.
fn on_and_on(content: Arc<Content>, stop: Arc<AtomicBool>, asked: Arc<AtomicUsize>) {
    asked.fetch_add(1, Ordering::Relaxed);
    let again = content.clone();
    let done = Box::new(move |_| {
        if !stop.load(Ordering::Relaxed) {
            on_and_on(again, stop, asked);
        }
    });
    content.perform(OWNER, Operation::Query(url(1)), done);
}

#[actix_rt::test]
async fn a_module_that_always_asks_again_leaves_the_worker_its_clients() {
    let f = Fixture::with(fresh, |settings| settings.workers = 1).await;
    let (stop, asked) = (Arc::default(), Arc::new(AtomicUsize::new(0)));
    on_and_on(f.content.clone(), Arc::clone(&stop), asked.clone());
    assert_eq!(f.get("/a").await.body, b"fetched");
    let before = asked.load(Ordering::Relaxed);
    let again = || asked.load(Ordering::Relaxed) != before;
    until("it is asked again", again).await;
    stop.store(true, Ordering::Relaxed);
}

#[actix_rt::test]
async fn who_panics_when_told_does_not_end_the_worker() {
    let f = Fixture::with(fresh, |settings| settings.workers = 1).await;
    for operation in [Operation::Query(url(1)), Operation::Delete(url(1))] {
        let done = Box::new(|_| panic!("told"));
        f.content.perform(OWNER, operation, done);
    }
    let query = Operation::Query(url(1));
    assert_eq!(f.perform(query).await, Completion::Absent);
    assert_eq!(f.get("/a").await.body, b"fetched");
}

#[actix_rt::test]
async fn settings_can_be_looked_up() {
    let content = Content::new();
    assert_eq!(content.setting("cache.memory"), None);
    let settings = [("cache.memory".to_owned(), "1M".to_owned())];
    content.set_settings(settings.clone().into());
    assert_eq!(content.setting("cache.memory").as_deref(), Some("1M"));
    // What a child process is given to answer from.
    let services: Arc<dyn Services> = content;
    assert_eq!(services.settings(), settings.into());
}
