//! The end of a run, with a proxy of one answer and judges that the test plays.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::{
    content::Library,
    demand::{Arrival, Method, RequestType},
    oracle::{Adaptations, through::Judged},
    origin::Reading,
    record::{Adaptation, Answered, Fate, Sample},
    robots::{
        Mode,
        adapting::{Adapting, Gathered},
        clock::Clock,
        judges::Judges,
        judging::Judging,
        load::{Asked, Counts, Host, Parts},
        request::Target,
    },
    seed::Seed,
    workload::{Schedule, Workload},
    world::{Object, World},
};
use std::{
    cell::RefCell,
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    sync::{Arc, mpsc::Receiver},
};
use tokio::{sync::oneshot, task::LocalSet};

const WORKLOAD: &str = r#"
name = "one text"
[[content]]
name = "text"
bodies = "text"
direct = 1
size = { constant = 1000 }
cachable = 1
life = { length = { constant = 604800 } }
[demand]
robot_rate = 1
peak = 1
recurrence = 0.5
popularity = { uniform = {} }
working_set = 10
[connections]
robot = { constant = 10 }
robot_open = 1
server = { constant = 10 }
[[phases]]
name = "only"
seconds = 1
from = 1
to = 1
measured = true
"#;

/// Asks for one text; its robot accepts compressed ones.
const ARRIVAL: Arrival = Arrival {
    number: 1,
    due: 0.0,
    phase: 0,
    robot: 3,
    object: Object { kind: 0, id: 1 },
    first: true,
    kind: RequestType::Plain,
    method: Method::Get,
    request_body: 0,
    abort: None,
};

/// A proxy that gives one answer, which is compressed or says so.
fn proxy() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let answer = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 5\r\nConnection: close\r\n\r\nbytes";
        stream.write_all(answer).unwrap();
    });
    address
}

/// Keeps all that it is told of.
#[derive(Default, Clone)]
struct Heard(Rc<RefCell<Vec<Sample>>>);

impl Host for Heard {
    fn answered(&mut self, _: &Sample) -> Answered {
        Answered::default()
    }

    fn judged(&mut self, _: Answered, sample: &Sample) {
        self.0.borrow_mut().push(sample.clone());
    }

    fn phase(&mut self, _: usize, _: u64, _: &Counts) {}

    fn second(&mut self, _: u64, _: &Counts) {}

    fn wall(&self) -> Option<Reading> {
        None
    }

    fn stored(&self) -> u64 {
        0
    }
}

/// What comes before a judge.
type Work = Receiver<(Box<Gathered>, oneshot::Sender<Judged>)>;

/// Does this with a load whose one answer is there and not judged.
fn unjudged(test: impl AsyncFnOnce(Rc<Load>, Work, Heard)) {
    let workload = Arc::new(Workload::parse(WORKLOAD).unwrap());
    let schedule = Schedule::plateau(&workload, 1.0, 1.0, 1.0).unwrap();
    let mut adapts = Adaptations::default();
    adapts.add("compressed", false).unwrap();
    let (judges, work) = Judges::played();
    let heard = Heard::default();
    let load = Rc::new(Load::new(Parts {
        clock: Clock::start(Reading::here(|| 1_700_000_000_000_000)),
        world: World::new(workload, Seed(1), 1_700_000_000),
        library: Arc::new(Library::lazy(Seed(1))),
        schedule,
        asked: Asked::Given(Box::new(std::iter::empty())),
        proxy: proxy(),
        target: Target {
            mode: Mode::Forward,
            authorities: vec!["127.0.0.1:1".to_owned()],
        },
        timeout: Duration::from_secs(60),
        judging: Judging::new(None, None, 10),
        adapting: Adapting::new(adapts, Some(judges)),
        host: Box::new(heard.clone()),
    }));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    LocalSet::new().block_on(&runtime, async {
        load.take(ARRIVAL, 0);
        while load.counts().judging == 0 {
            assert_eq!(load.counts().done, 0);
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        assert_eq!(load.counts().under_way, 0);
        test(load, work, heard).await;
    });
}

#[test]
fn the_end_waits_for_judges_behind_the_last_answer() {
    unjudged(async |load, work, heard| {
        let stopped_early = Cell::new(false);
        let never = std::future::pending();
        let ending = end(&load, Duration::ZERO, never, &stopped_early);
        tokio::pin!(ending);
        let waited = timeout(Duration::from_millis(50), &mut ending).await;
        assert!(waited.is_err() && heard.0.borrow().is_empty());
        let (_, tell) = work.try_recv().unwrap();
        let judged = load.clock.now();
        tell.send(Judged {
            fates: vec![(Adaptation::Compressed, Fate::Adapted)],
            ..Judged::default()
        })
        .unwrap();
        // The judges' time is not the run's.
        assert!(ending.await < judged);
        assert_eq!(load.counts().judging, 0);
        let heard = heard.0.borrow();
        assert_eq!(heard.len(), 1);
        assert_eq!(heard[0].adapted, [(Adaptation::Compressed, Fate::Adapted)]);
    });
}

#[test]
fn who_interrupts_the_wait_for_judges_leaves_what_they_have_not_judged() {
    unjudged(async |load, _work, heard| {
        let stopped_early = Cell::new(false);
        end(&load, Duration::ZERO, async {}, &stopped_early).await;
        assert!(stopped_early.get() && heard.0.borrow().is_empty());
        assert_eq!(load.counts().judging, 1);
    });
}
