//! A worker without a proxy: a seat, a loaded module, a link, and events made by hand.
#![allow(dead_code, unreachable_pub, clippy::unwrap_used, missing_docs)]

pub mod accounting;
pub mod ahead;
pub mod cases;
pub mod failures;
pub mod gate;
pub mod remote;
pub mod script;
pub mod watching;

use script::Script;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use understudy_module::*;
use understudy_runtimes::*;

/// How long a test waits for what must happen before it fails.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// A deadline that no test meets by itself, however the machine stalls.
pub const FAR_OFF: Duration = Duration::from_secs(600);

/// A proxy that does nothing: each operation ends with `Absent`, on another thread.
pub struct Nothing;

impl Services for Nothing {
    fn perform(&self, _: u64, _: Operation, done: Box<dyn FnOnce(Completion) + Send>) {
        std::thread::spawn(move || done(Completion::Absent));
    }
    fn forget(&self, _: u64) {}
    fn setting(&self, _: &str) -> Option<String> {
        None
    }
}

/// A worker.
pub struct Worker {
    pub seat: Rc<Seat>,
    pub environment: Environment,
    next: Cell<u64>,
}

/// Runs a test on a worker.
pub fn on_a_worker<F: Future<Output = ()>>(test: impl FnOnce(Worker) -> F) {
    actix::System::new().block_on(async {
        let seat = Seat::new(3);
        let mailboxes = Mailboxes::default();
        mailboxes.enter(3, seat.mailbox().clone());
        actix_rt::spawn(seat.clone().run());
        let swept = seat.clone();
        actix_rt::spawn(async move {
            let mut tick = tokio::time::interval(Duration::from_millis(5));
            loop {
                tick.tick().await;
                swept.sweep(Instant::now());
            }
        });
        let worker = Worker {
            seat,
            environment: Environment {
                services: Arc::new(Nothing),
                mailboxes,
                program: PathBuf::new(),
            },
            next: Cell::new(1),
        };
        tokio::time::timeout(PATIENCE, test(worker))
            .await
            .expect("the test hangs");
    });
}

/// A specification.
pub fn spec(kind: Kind) -> Spec {
    Spec {
        name: "m".into(),
        library: "builtin:m".into(),
        kind,
        limits: Limits {
            deadline: FAR_OFF,
            ..Limits::default()
        },
        options: BTreeMap::new(),
    }
}

impl Worker {
    /// The deadline [`FAR_OFF`] of every call has passed.
    pub fn much_later(&self) {
        self.seat.sweep(Instant::now() + FAR_OFF);
    }

    pub async fn try_load(&self, spec: Spec, script: &Script) -> Result<Arc<Loaded>, String> {
        load(spec, Arc::new(script.clone()), 1, &self.environment).await
    }

    pub async fn link(&self, spec: Spec, script: &Script) -> Rc<Link> {
        let loaded = self.try_load(spec, script).await.unwrap();
        Rc::new(Link::new(loaded, &self.seat))
    }

    /// A new transaction's id.
    pub fn id(&self) -> u64 {
        self.next.set(self.next.get() + 1);
        (3 << 56) | self.next.get()
    }

    /// One whole transaction of one head hook.
    pub async fn one(&self, link: &Link) -> Result<Verdict, Failure> {
        let (id, mut visit) = (self.id(), Visit::default());
        let told = call(
            link,
            &mut visit,
            &head(id, Hook::RequestHead),
            &mut Edits::new(),
        )
        .await;
        link.leave(&mut visit, id);
        told
    }
}

/// A whole call.
pub async fn call(
    link: &Link,
    visit: &mut Visit,
    event: &Event<'_>,
    edits: &mut Edits,
) -> Result<Verdict, Failure> {
    match link.call(visit, event, edits) {
        Called::Now(outcome) => outcome,
        Called::Later(mut call) => {
            std::future::poll_fn(|cx| link.poll(&mut call, visit, edits, cx)).await
        }
    }
}

/// Tells the module something and waits until it has dealt with it.
pub async fn tell(link: &Link, notice: Notice) -> Result<(), String> {
    let (done, told) = tokio::sync::oneshot::channel();
    let tell = Box::new(move |outcome| drop(done.send(outcome)));
    link.loaded().runtime().notify(notice, tell);
    told.await.unwrap()
}

/// Waits until something is so.
pub async fn until(so: impl Fn() -> bool) {
    while !so() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

pub fn gauge(loaded: &Loaded, name: &str) -> u64 {
    let gauges = loaded.runtime().gauges();
    gauges.iter().find(|(n, _)| *n == name).unwrap().1
}

pub fn client() -> SocketAddr {
    "192.0.2.7:4711".parse().unwrap()
}

static LINES: &[u8] = b"Host: a.example\r\nAccept: x\r\nAccept: y\r\n";

/// An event of a head.
pub fn head(id: u64, hook: Hook) -> Event<'static> {
    let lines = Lines::Text(LINES);
    let part = match hook {
        Hook::RequestHead | Hook::RequestOut => Head::Request {
            target: b"/path?q",
            lines,
        },
        _ => Head::Response { status: 203, lines },
    };
    Event {
        hook,
        id,
        client: client(),
        method: b"GET",
        url: b"http://a.example/path?q",
        part: Part::Head(part),
    }
}

static PIECE: Bytes = Bytes::from_static(b"piece");
static HELD: [Bytes; 2] = [Bytes::from_static(b"one"), Bytes::from_static(b"two")];
static ENTRY: LogEntry<'static> = LogEntry {
    status: 200,
    elapsed: Duration::from_millis(12),
    bytes_out: 3,
    body_out: 2,
    body_in: 1,
    code: "TCP_MISS",
    hierarchy: "HIER_DIRECT/192.0.2.1",
    timeout: "",
    error: "reset",
    aborted: true,
};

/// An event of any hook on a transaction.
pub fn event(id: u64, hook: Hook) -> Event<'static> {
    let part = match hook {
        Hook::Log => Part::Log(&ENTRY),
        Hook::Resolve => Part::Host {
            name: "a.example",
            port: 81,
            found: &[std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)],
        },
        hook if hook.is_body() => Part::Piece(Piece {
            bytes: &PIECE,
            last: true,
            held: &HELD,
            head_waits: false,
        }),
        hook => return head(id, hook),
    };
    Event {
        part,
        hook,
        ..head(id, Hook::RequestHead)
    }
}

/// The hooks that are events of a transaction.
pub fn events() -> impl Iterator<Item = Hook> {
    Hook::ALL.into_iter().filter(|hook| *hook < Hook::Free)
}

/// Makes a test of each case, for one execution model.
#[macro_export]
macro_rules! cases {
    ($kind:expr; $($module:ident: $($case:ident),+ $(,)?);+ $(;)?) => {
        $($(#[test] fn $case() { common::$module::$case($kind); })+)+
    };
}
