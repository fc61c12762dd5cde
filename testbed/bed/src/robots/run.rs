//! A run from its plan to its results: origin, proxy, robots, and what is seen of them.
//!
//! Its life: 1. the world is made, and the origin that serves it; 2. the proxy is started, if the plan says how; 3. the load is driven
//! through its phases; 4. everything is ended, and what was recorded becomes results.

use super::{
    Mode, Plan,
    adapting::Adapting,
    clock::Clock,
    closed::drive_closed,
    drive::drive,
    identity::identity,
    interrupt,
    judges::{self, Judges},
    judging::Judging,
    kept::Kept,
    load::{Asked, Counts, Host, Load, Parts},
    observer::Observer,
    request::Target,
    side::{Asking, Side},
    start::Started,
};
use crate::{
    content::Library,
    demand::{Arrival, Demand},
    origin::{self, Reading, Wall, remote},
    record::{Answered, Closing, Generator, Observation, Progress, Recorder, Results, Sample},
    seed::Seed,
    watch::Thread,
    workload::{self, Bodies, Schedule, Workload},
    world::World,
};
use rustix::time::{ClockId, clock_gettime};
use std::{
    cell::{Cell, RefCell},
    io,
    net::SocketAddr,
    path::PathBuf,
    rc::Rc,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::Notify, task::LocalSet};

/// How many exchanges tell what the clock of an origin elsewhere says.
const SIGHTS: usize = 8;

/// Why there are no results.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The plan's phases cannot be.
    #[error("{0}")]
    Workload(#[from] workload::Error),
    /// The origin cannot listen.
    #[error("the origin cannot be started on {0}: {1}")]
    Origin(SocketAddr, io::Error),
    /// The origin on another machine.
    #[error("{0}")]
    Remote(#[from] remote::Error),
    /// It serves something else.
    #[error(
        "the origin at {0} serves another {1}: start both sides with the same workload and seed"
    )]
    Other(SocketAddr, &'static str),
    /// The proxy's command.
    #[error("the proxy is not started by {0:?}: {1}")]
    Start(String, String),
    /// Somebody asked it to end before it had begun.
    #[error("interrupted before anything was asked")]
    Interrupted,
    /// A file of the output cannot be made.
    #[error("{0}: {1}")]
    Out(PathBuf, io::Error),
    /// The system has no thread, timer or descriptor for it.
    #[error("the load cannot be driven: {0}")]
    System(#[from] io::Error),
}

/// Runs it. `on_progress` is called once a second.
///
/// # Errors
/// It could not be run at all; what goes wrong while it runs is in the results.
pub fn run(plan: &Plan, on_progress: impl FnMut(&Progress) + 'static) -> Result<Results, Error> {
    run_asked(plan, plan.schedule()?, None, Box::new(on_progress))
}

/// Runs these requests, given in the order they are due, instead of the workload's own; nothing embedded is asked for beside them.
///
/// # Errors
/// As [`run`].
pub fn run_arrivals(
    plan: &Plan,
    schedule: Schedule,
    arrivals: Box<dyn Iterator<Item = Arrival>>,
    on_progress: impl FnMut(&Progress) + 'static,
) -> Result<Results, Error> {
    run_asked(plan, schedule, Some(arrivals), Box::new(on_progress))
}

fn run_asked(
    plan: &Plan,
    schedule: Schedule,
    arrivals: Option<Box<dyn Iterator<Item = Arrival>>>,
    on_progress: Box<dyn FnMut(&Progress)>,
) -> Result<Results, Error> {
    interrupt::hear()?;
    // Before the run has any of its own.
    let others = Thread::others();
    origin::raise_open_files();
    let kept = match &plan.out {
        None => None,
        Some(directory) => {
            let failed = |e| Error::Out(directory.clone(), e);
            std::fs::create_dir_all(directory).map_err(failed)?;
            Some(Kept::create(directory).map_err(failed)?)
        }
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (world, library, side, servers, wall) = begin(plan)?;
    if interrupt::asked() {
        return Err(Error::Interrupted);
    }
    let first = servers.first().copied().unwrap_or(plan.proxy);
    let proxy = if plan.direct { first } else { plan.proxy };
    let started = match &plan.start {
        None => None,
        Some(command) => Some(Started::start(
            command,
            plan.proxy,
            first,
            plan.out.as_deref(),
        )?),
    };
    let mut pids = plan.watch.clone();
    pids.extend(started.as_ref().map(Started::pid));
    let judges = match plan.adapts.is_empty() {
        true => None,
        false => Some(Judges::start()?),
    };
    let shared = judges.as_ref().map(Judges::shared);
    let recorder = Rc::new(RefCell::new(Recorder::new(&world, &schedule)));
    let host = Recording {
        recorder: Rc::clone(&recorder),
        side,
        observer: Observer::start(&pids),
        robots: Thread::current(),
        judges: shared.clone(),
        beside: Beside::new(others),
        process: processor(),
        thread: Thread::current().seconds().unwrap_or(0.0),
        phase: 0,
        on_progress,
    };
    // What the proxy took to start is in it: of a clock of one's own it is known.
    let clock = Clock::start(wall);
    let authorities = match plan.mode {
        Mode::Forward => servers.iter().map(ToString::to_string).collect(),
        Mode::Reverse => vec![proxy.to_string()],
    };
    let (asked, window) = match arrivals {
        None => {
            let demand = Demand::new(world.clone(), schedule.clone());
            (Asked::Demand(demand), schedule.working_set)
        }
        // Of given requests nobody knows which objects are over.
        Some(arrivals) => (Asked::Given(arrivals), u64::MAX),
    };
    let load = Rc::new(Load::new(Parts {
        clock: clock.clone(),
        world,
        library,
        schedule,
        asked,
        proxy,
        target: Target {
            mode: plan.mode,
            authorities,
        },
        timeout: plan.timeout,
        judging: Judging::new(plan.cache, kept, window),
        adapting: Adapting::new(plan.adapts.clone(), judges),
        host: Box::new(host),
    }));
    let (interrupted, at) = go(runtime, &load, plan.closed)?;
    let reasons = left(&load.counts(), shared.map_or(0, |judges| judges.lost()));
    let kept = load.kept();
    drop(load);
    drop(started);
    let Some(recorder) = Rc::into_inner(recorder) else {
        return Err(io::Error::other("an exchange outlived the run").into());
    };
    Ok(recorder.into_inner().finish(Closing {
        identity: identity(plan, clock.unix_seconds(0)),
        at,
        kept,
        interrupted,
        reasons,
    }))
}

/// What was left out of the figures, `lost` of it by judges that had too much to do.
fn left(counts: &Counts, lost: u64) -> Vec<String> {
    let told = [
        (
            counts.under_way,
            "requests had no answer yet when the run ended, and are in no figure",
        ),
        (
            counts.judging,
            "adapted answers were not judged yet when the run was interrupted, and are in no figure but those over time",
        ),
        (
            lost,
            "adapted answers were not judged: more came than can be decoded beside the load; lower the rate",
        ),
    ];
    let told = told.into_iter().filter(|(number, _)| *number > 0);
    told.map(|(number, what)| format!("{number} {what}"))
        .collect()
}

/// Drives the load on this runtime, of this thread; whether it was interrupted, and when nothing was under way any more.
fn go(
    runtime: tokio::runtime::Runtime,
    load: &Rc<Load>,
    closed: Option<usize>,
) -> Result<(bool, u64), io::Error> {
    let local = LocalSet::new();
    let stop = Notify::new();
    let driven = local.block_on(&runtime, async {
        let asked = async {
            // Looked at, since it may have come while everything was made ready.
            while !interrupt::asked() {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            stop.notify_one();
            // The load ends in its own time.
            std::future::pending::<()>().await;
        };
        let was = Cell::new(false);
        let driven = async {
            match closed {
                None => drive(load, &stop, &was).await,
                Some(under_way) => drive_closed(load, under_way as u64, &stop, &was).await,
            }
        };
        let at = tokio::select! {
            driven = driven => driven?,
            () = asked => load.clock.now(),
        };
        Ok::<_, io::Error>((was.get(), at))
    });
    // What is still under way ends with the runtime, and its exchanges let the load go.
    drop(local);
    drop(runtime);
    driven
}

/// World, library, origin, its addresses, and what its clock says.
#[allow(clippy::type_complexity)]
fn begin(plan: &Plan) -> Result<(World, Arc<Library>, Side, Vec<SocketAddr>, Reading), Error> {
    let seed = Seed(plan.seed);
    let workload = Arc::new(plan.workload.clone());
    let library = library(seed, &workload);
    if let Some(address) = plan.origin {
        let remote = remote::Remote::new(address);
        let hello = remote.hello()?;
        if let Some(what) = other(&hello, plan, || library.digest()) {
            return Err(Error::Other(address, what));
        }
        let wall = remote.clock(SIGHTS)?;
        let epoch = plan.epoch.unwrap_or(wall.unix.div_euclid(1_000_000));
        remote.begin(epoch)?;
        let world = World::new(workload, seed, epoch);
        let side = Side::There(Asking::start(remote));
        // It may listen on every address of its machine, which names no host for others: the host is how it was reached.
        let reached = |a: &SocketAddr| SocketAddr::new(address.ip(), a.port());
        let servers = hello.addresses.iter().map(reached).collect();
        return Ok((world, library, side, servers, wall));
    }
    let wall = Wall::default();
    let now = wall.microseconds();
    let epoch = plan.epoch.unwrap_or(now.div_euclid(1_000_000));
    let world = World::new(workload, seed, epoch);
    let listen = listeners(plan.listen, plan.servers);
    let running = origin::start(origin::Config {
        listen,
        wall,
        ..origin::Config::new(world.clone(), Arc::clone(&library))
    })
    .map_err(|e| Error::Origin(plan.listen, e))?;
    let servers = running.addresses().to_vec();
    let wall = running.clock();
    Ok((world, library, Side::Here(running), servers, wall))
}

/// What an origin elsewhere serves otherwise than this plan has it, if anything.
fn other(hello: &origin::Hello, plan: &Plan, digest: impl Fn() -> u32) -> Option<&'static str> {
    if hello.seed != plan.seed {
        return Some("seed");
    }
    if Workload::parse(&hello.workload).ok().as_ref() != Some(&plan.workload) {
        return Some("workload");
    }
    // Another build may make other bodies of the same seed, and every one of them would be called wrong.
    let bodies = hello.library.is_none_or(|theirs| theirs == digest());
    (!bodies).then_some("library of bodies, as another version of this program has it")
}

/// The library of this seed and workload. The last one is kept: runs in pairs and in tables have the same, and it takes a second to
/// make.
fn library(seed: Seed, workload: &Workload) -> Arc<Library> {
    type Made = (Seed, Vec<Bodies>, Arc<Library>);
    static LAST: Mutex<Option<Made>> = Mutex::new(None);
    let bodies: Vec<Bodies> = workload.content.iter().map(|c| c.bodies).collect();
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    match &*last {
        Some((of, made, library)) if *of == seed && *made == bodies => Arc::clone(library),
        _ => {
            let library = Arc::new(Library::of(seed, workload));
            *last = Some((seed, bodies, Arc::clone(&library)));
            library
        }
    }
}

/// So many addresses from this one on; all on port 0, if it has that.
fn listeners(first: SocketAddr, servers: usize) -> Vec<SocketAddr> {
    let place = |n: usize| {
        let mut address = first;
        if first.port() != 0 {
            let port = usize::from(first.port()) + n;
            address.set_port(u16::try_from(port).unwrap_or(0));
        }
        address
    };
    (0..servers.max(1)).map(place).collect()
}

/// Processor seconds of this whole program.
fn processor() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 / 1e9
}

/// The threads that were there before the run: what they take is not the origin's.
struct Beside(Vec<Other>);

/// One of them.
struct Other {
    thread: Thread,
    /// Processor seconds at the run's beginning, and since then when it was looked at last: it may have ended.
    began: f64,
    took: Cell<f64>,
}

impl Beside {
    /// Counted from now on.
    fn new(threads: Vec<Thread>) -> Self {
        let there = threads.into_iter().filter_map(|thread| {
            let began = thread.seconds()?;
            Some(Other {
                thread,
                began,
                took: Cell::new(0.0),
            })
        });
        Self(there.collect())
    }

    /// Processor seconds of all together.
    fn seconds(&self) -> f64 {
        let each = self.0.iter().map(|other| {
            if let Some(now) = other.thread.seconds() {
                other.took.set(now - other.began);
            }
            other.took.get()
        });
        each.sum()
    }
}

/// Records what the load does.
struct Recording {
    recorder: Rc<RefCell<Recorder>>,
    side: Side,
    observer: Option<Observer>,
    robots: Thread,
    judges: Option<Arc<judges::Shared>>,
    beside: Beside,
    /// Processor seconds of the program and of this thread, at the beginning.
    process: f64,
    thread: f64,
    phase: usize,
    on_progress: Box<dyn FnMut(&Progress)>,
}

impl Recording {
    fn observe(&self, now: u64, counts: &Counts) {
        let robots = self.robots.seconds().unwrap_or(0.0) - self.thread;
        let judges = self.judges.as_ref().map_or(0.0, |judges| judges.seconds());
        let beside = self.beside.seconds();
        self.recorder.borrow_mut().observe(&Observation {
            at: now,
            connections: counts.connections,
            retried: counts.retried,
            proxy: self.observer.as_ref().map(Observer::latest),
            origin: Some(self.side.counted()),
            generator: Some(Generator {
                robots,
                // What the program took and nobody else did. Of an origin elsewhere that says nothing.
                origin: self.side.processor().unwrap_or_else(|| {
                    (processor() - self.process - robots - judges - beside).max(0.0)
                }),
                judges,
                beside,
            }),
        });
    }
}

impl Host for Recording {
    fn answered(&mut self, sample: &Sample) -> Answered {
        self.recorder.borrow_mut().answered(sample)
    }

    fn judged(&mut self, answered: Answered, sample: &Sample) {
        self.recorder.borrow_mut().judged(answered, sample);
    }

    fn phase(&mut self, phase: usize, now: u64, counts: &Counts) {
        // What the origin did up to here belongs to the phase before.
        self.observe(now, counts);
        if phase > self.phase {
            self.recorder.borrow_mut().phase_begins(phase, now);
        }
        self.phase = phase;
    }

    fn second(&mut self, now: u64, counts: &Counts) {
        self.observe(now, counts);
        let progress = self.recorder.borrow().progress(now);
        (self.on_progress)(&progress);
    }

    fn wall(&self) -> Option<Reading> {
        self.side.clock()
    }

    fn stored(&self) -> u64 {
        self.side.statistics().first_cachable_bytes
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn what_was_left_out_is_told_for_each_reason_apart() {
        let counts = |under_way, judging| Counts {
            under_way,
            judging,
            ..Counts::default()
        };
        assert_eq!(left(&counts(0, 0), 0), [""; 0]);
        for (told, number, what) in [
            (left(&counts(3, 0), 0), "3 ", "had no answer yet"),
            (left(&counts(0, 4), 0), "4 ", "were not judged yet"),
            (left(&counts(0, 0), 5), "5 ", "lower the rate"),
        ] {
            assert_eq!(told.len(), 1, "{told:?}");
            assert!(told[0].starts_with(number) && told[0].contains(what));
        }
        assert_eq!(left(&counts(1, 1), 1).len(), 3);
    }

    #[test]
    fn what_a_thread_took_beside_the_run_stays_counted_when_it_has_ended() {
        let (tell, told) = std::sync::mpsc::channel();
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let thread = std::thread::spawn(move || {
            let own = Thread::current();
            // It worked before the run too.
            while own.seconds().unwrap() < 0.02 {
                std::hint::spin_loop();
            }
            tell.send(own.clone()).unwrap();
            ended.recv().unwrap();
            let began = own.seconds().unwrap();
            while own.seconds().unwrap() < began + 0.02 {
                std::hint::spin_loop();
            }
            tell.send(own).unwrap();
            ended.recv().unwrap_err();
        });
        let beside = Beside::new(vec![told.recv().unwrap()]);
        assert!(beside.0[0].began >= 0.02);
        end.send(()).unwrap();
        told.recv().unwrap();
        let took = beside.seconds();
        assert!(took >= 0.02, "{took}");
        drop(end);
        thread.join().unwrap();
        assert!(beside.seconds() >= 0.02);
    }

    #[test]
    fn an_origin_that_serves_something_else_is_told_from_one_that_does_not() {
        let workload = Workload::load("polymix-3").unwrap();
        let text = toml::to_string(&workload).unwrap();
        let plan = Plan::new(workload, SocketAddr::from(([127, 0, 0, 1], 1)));
        let hello = origin::Hello {
            seed: plan.seed,
            epoch: None,
            workload: text,
            library: Some(5),
            addresses: Vec::new(),
        };
        let told = |hello: &origin::Hello| other(hello, &plan, || 5).map(|w| w.split(' ').next());
        assert_eq!(told(&hello), None);
        for (change, what) in [
            ((|h| h.seed += 1) as fn(&mut origin::Hello), "seed"),
            (|h| h.workload.clear(), "workload"),
            (|h| h.library = Some(6), "library"),
        ] {
            let mut hello = hello.clone();
            change(&mut hello);
            assert_eq!(told(&hello), Some(Some(what)));
        }
        let unknown = origin::Hello {
            library: None,
            ..hello
        };
        assert_eq!(told(&unknown), None);
    }
}
