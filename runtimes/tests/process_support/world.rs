//! A worker with a module in child processes, and no proxy around it.

use super::probe::ProbeLibrary;
use std::collections::BTreeMap;
use std::future::Future;
use std::rc::Rc;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::{Duration, Instant};
use understudy_module::{
    Bytes, Completion, Edits, Event, Head, Hook, Lines, LogEntry, ObjectInfo, Operation, Part,
    Piece, Response, Verdict,
};
use understudy_runtimes::{
    Called, Environment, Failure, Kind, Limits, Link, Loaded, Mailboxes, Seat, Services, Spec,
    Visit, load,
};

/// A whole object, of 8 MiB.
static LARGE: LazyLock<Bytes> = LazyLock::new(|| vec![b'x'; 8 << 20].into());

/// The proxy: it hears words and answers operations.
#[derive(Default)]
pub(crate) struct Proxy {
    words: Mutex<Vec<String>>,
    /// Settings that were changed.
    changed: Mutex<BTreeMap<String, String>>,
}

impl Proxy {
    /// How often a word was said.
    pub(crate) fn said(&self, word: &str) -> usize {
        let words = self.words.lock().unwrap();
        words.iter().filter(|said| *said == word).count()
    }

    /// What was said last behind these words.
    pub(crate) fn told(&self, start: &str) -> Option<String> {
        let words = self.words.lock().unwrap();
        let told = words.iter().rev().find_map(|word| word.strip_prefix(start));
        told.map(str::to_owned)
    }

    /// Another value of a setting.
    pub(crate) fn set(&self, name: &str, value: &str) {
        let mut changed = self.changed.lock().unwrap();
        changed.insert(name.to_owned(), value.to_owned());
    }
}

impl Services for Proxy {
    fn perform(&self, _: u64, operation: Operation, done: Box<dyn FnOnce(Completion) + Send>) {
        let completion = match &operation {
            Operation::Query(_) => Completion::Found(ObjectInfo {
                status: 200,
                length: 10,
                age: 1,
                ttl: -1,
                content_type: Some("text/plain".to_owned()),
            }),
            Operation::Read(_) => {
                Completion::Object(Box::new(Response::new(200, LARGE.clone()).unwrap()))
            }
            _ => Completion::Done,
        };
        let word = match &operation {
            Operation::Delete(id) => Some(String::from_utf8_lossy(id.key()).into_owned()),
            Operation::InjectBody(_, bytes) => Some(format!("piece of {}", bytes.len())),
            Operation::InjectAbort(_) => Some("given up".to_owned()),
            Operation::InjectDone(_) => Some("done".to_owned()),
            _ => None,
        };
        self.words.lock().unwrap().extend(word);
        if !operation.completes() {
            return;
        }
        // Never before this returns.
        actix_rt::spawn(async move { done(completion) });
    }
    fn forget(&self, _: u64) {}
    fn setting(&self, _: &str) -> Option<String> {
        None
    }
    fn settings(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::from([("cache.memory".to_owned(), "128M".to_owned())]);
        all.extend(self.changed.lock().unwrap().clone());
        all
    }
}

/// A deadline that no case meets by itself, however the machine stalls.
pub(crate) const FAR_OFF: Duration = Duration::from_secs(600);

pub(crate) struct World {
    pub(crate) proxy: Arc<Proxy>,
    pub(crate) loaded: Arc<Loaded>,
    pub(crate) seat: Rc<Seat>,
    pub(crate) link: Rc<Link>,
}

pub(crate) fn spec(library: &str) -> Spec {
    Spec {
        name: "probe".into(),
        library: library.to_owned(),
        kind: Kind::Process,
        limits: Limits {
            threads: 1,
            deadline: FAR_OFF,
            ..Limits::default()
        },
        options: BTreeMap::new(),
    }
}

pub(crate) fn with(mut spec: Spec, change: impl FnOnce(&mut Spec)) -> Spec {
    change(&mut spec);
    spec
}

impl World {
    pub(crate) async fn try_new(spec: Spec) -> Result<World, String> {
        let proxy = Arc::new(Proxy::default());
        let mailboxes = Mailboxes::default();
        let seat = Seat::new(0);
        mailboxes.enter(0, seat.mailbox().clone());
        let environment = Environment {
            services: proxy.clone(),
            mailboxes,
            program: std::env::current_exe().unwrap(),
        };
        let library = Arc::new(ProbeLibrary(spec.library.clone()));
        let loaded = load(spec, library, 1, &environment).await?;
        actix_rt::spawn(seat.clone().run());
        let swept = Rc::downgrade(&seat);
        actix_rt::spawn(async move {
            while let Some(seat) = swept.upgrade() {
                seat.sweep(Instant::now());
                drop(seat);
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        });
        let link = Rc::new(Link::new(loaded.clone(), &seat));
        Ok(World {
            proxy,
            loaded,
            seat,
            link,
        })
    }

    pub(crate) async fn new(spec: Spec) -> World {
        World::try_new(spec).await.unwrap()
    }

    /// Another worker with the same module. Nobody but the case sweeps its seat.
    pub(crate) fn beside(&self) -> World {
        let seat = Seat::new(1);
        let link = Rc::new(Link::new(self.loaded.clone(), &seat));
        World {
            proxy: self.proxy.clone(),
            loaded: self.loaded.clone(),
            seat,
            link,
        }
    }

    pub(crate) fn gauge(&self, name: &str) -> u64 {
        let gauges = self.loaded.runtime().gauges();
        gauges.iter().find(|(n, _)| *n == name).unwrap().1
    }

    pub(crate) async fn call(
        &self,
        visit: &mut Visit,
        event: &Event<'_>,
        edits: &mut Edits,
    ) -> Result<Verdict, Failure> {
        match self.link.call(visit, event, edits) {
            Called::Now(outcome) => outcome,
            Called::Later(mut call) => {
                std::future::poll_fn(|cx| self.link.poll(&mut call, visit, edits, cx)).await
            }
        }
    }

    /// A head hook of a transaction of its own.
    pub(crate) async fn head(
        &self,
        transaction: u64,
        hook: Hook,
        word: &str,
    ) -> (Result<Verdict, Failure>, Edits) {
        let mut visit = Visit::default();
        let mut edits = Edits::new();
        let outcome = self
            .hook(&mut visit, transaction, hook, word, &mut edits)
            .await;
        self.link.leave(&mut visit, transaction);
        (outcome, edits)
    }

    pub(crate) async fn hook(
        &self,
        visit: &mut Visit,
        transaction: u64,
        hook: Hook,
        word: &str,
        edits: &mut Edits,
    ) -> Result<Verdict, Failure> {
        let url = format!("http://host/{word}");
        let lines = Lines::Text(b"Host: host\r\nX-Gone: 1\r\n");
        let entry = LogEntry {
            status: 207,
            elapsed: Duration::from_millis(3),
            bytes_out: 1,
            body_out: 2,
            body_in: 3,
            code: "TCP_HIT",
            hierarchy: "HIER_NONE/-",
            timeout: "",
            error: "",
            aborted: false,
        };
        let empty = Bytes::new();
        let part = match hook {
            Hook::RequestHead | Hook::RequestOut => Part::Head(Head::Request {
                target: url.as_bytes(),
                lines,
            }),
            Hook::ResponseHead | Hook::ResponseReturn => {
                Part::Head(Head::Response { status: 200, lines })
            }
            Hook::Resolve => Part::Host {
                name: "host",
                port: 80,
                found: &[],
            },
            Hook::Log => Part::Log(&entry),
            _ => Part::Piece(Piece {
                bytes: &empty,
                last: true,
                held: &[],
                head_waits: false,
            }),
        };
        let event = Event {
            hook,
            id: transaction,
            client: ([127, 0, 0, 1], 9).into(),
            method: b"GET",
            url: url.as_bytes(),
            part,
        };
        self.call(visit, &event, edits).await
    }

    /// A piece of a body.
    pub(crate) async fn piece(
        &self,
        visit: &mut Visit,
        transaction: u64,
        word: &str,
        bytes: &Bytes,
        last: bool,
        held: &[Bytes],
    ) -> Result<Verdict, Failure> {
        let url = format!("http://host/{word}");
        let event = Event {
            hook: Hook::ResponseBody,
            id: transaction,
            client: ([127, 0, 0, 1], 9).into(),
            method: b"GET",
            url: url.as_bytes(),
            part: Part::Piece(Piece {
                bytes,
                last,
                held,
                head_waits: false,
            }),
        };
        self.call(visit, &event, &mut Edits::new()).await
    }

    /// The process of the child.
    pub(crate) async fn pid(&self, transaction: u64) -> rustix::process::Pid {
        let (outcome, edits) = self.head(transaction, Hook::RequestHead, "pid").await;
        assert_eq!(outcome, Ok(Verdict::Continue));
        let pid: i32 = set(&edits, "X-Pid").unwrap().parse().unwrap();
        rustix::process::Pid::from_raw(pid).unwrap()
    }

    /// The deadline [`FAR_OFF`] of every call has passed.
    pub(crate) fn much_later(&self) {
        self.seat.sweep(Instant::now() + FAR_OFF);
    }

    /// Waits until a transaction goes well again.
    pub(crate) async fn back(&self, transaction: u64) {
        until("the child is back", || async {
            let mut visit = Visit::default();
            let mut edits = Edits::new();
            let hook = Hook::RequestHead;
            let went = self
                .hook(&mut visit, transaction, hook, "none", &mut edits)
                .await;
            self.link.leave(&mut visit, transaction);
            went == Ok(Verdict::Continue)
        })
        .await;
    }
}

/// The last value set or added of a field.
pub(crate) fn set(edits: &Edits, name: &str) -> Option<String> {
    use understudy_module::Edit;
    edits.iter().rev().find_map(|edit| match edit {
        Edit::Set(n, value) | Edit::Add(n, value) if n == name.as_bytes() => {
            Some(String::from_utf8_lossy(value).into_owned())
        }
        _ => None,
    })
}

/// Waits until something is so, and fails when it never is.
pub(crate) async fn until<F: Future<Output = bool>>(what: &str, mut so: impl FnMut() -> F) {
    let began = Instant::now();
    while !so().await {
        assert!(began.elapsed() < Duration::from_secs(60), "never: {what}");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// Waits until a word was said so often, and looks that it was not said more often.
pub(crate) async fn said(world: &World, word: &str, times: usize) {
    until(word, || async { world.proxy.said(word) >= times }).await;
    assert_eq!(world.proxy.said(word), times, "{word}");
}
