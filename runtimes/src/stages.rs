//! The three real stages of the test kit: a module as the proxy runs it, without the proxy.
//!
//! Each stage has an actix system of its own on the calling thread, which runs while a call is made or waited for, with a worker's
//! seat in it. A transaction visits through a [`Link`], as in the proxy.

use crate::Failure;
use crate::link::{Call as Pending, Called, Link};
use crate::loaded::{Environment, Loaded, load};
use crate::office::{Mailboxes, Services};
use crate::process::Libraries;
use crate::seat::Seat;
use crate::spec::{Kind, Library, Spec};
use crate::visit::Visit;
use actix_rt::{System, SystemRunner};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::poll_fn;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::{Duration, Instant};
use understudy_module::kit::{self, Call, Failed, Outcome, Report, Seated, Stage};
use understudy_module::{About, Bytes, Completion, Edits, Event, Hook, Module, Operation, Verdict};

/// How often deadlines are looked after.
const SWEEP: Duration = Duration::from_millis(5);
/// How long the stage of a closed module goes on, so that its last words are heard and its threads and children end.
const CLOSE: Duration = Duration::from_millis(20);

/// How long the end of a transaction may take to be heard.
const PATIENCE: Duration = Duration::from_secs(10);

/// A module on one of the runtimes.
#[derive(Debug, Clone)]
pub struct Real {
    spec: Spec,
    library: Arc<dyn Library>,
    program: PathBuf,
}

/// The stage of this runtime. `program` is what child processes are started from.
pub fn stage(kind: Kind, spec: &Spec, library: Arc<dyn Library>, program: &Path) -> Real {
    let mut spec = spec.clone();
    spec.kind = kind;
    Real {
        spec,
        library,
        program: program.to_owned(),
    }
}

/// Checks a module with the cases of a directory in all three runtimes; in two when it declares itself blocking.
///
/// # Errors
/// The report, when anything differs, is not as a case expects, or cannot be run.
pub fn check(
    spec: &Spec,
    library: Arc<dyn Library>,
    program: &Path,
    cases: &Path,
) -> Result<Report, Report> {
    let refuse = |why: String| Report {
        refused: vec![why],
        ..Report::default()
    };
    let mut cases = kit::cases(cases).map_err(refuse)?;
    for case in &mut cases {
        // What the module's table says holds where the case says nothing.
        for (name, value) in &spec.options {
            let value = || value.clone();
            case.options.entry(name.clone()).or_insert_with(value);
        }
    }
    let about = library.make().and_then(|module| {
        let asked = understudy_module::guard(|| module.about());
        asked.map_err(|panicked| format!("about() panicked: {}", panicked.0))
    });
    let about = about.map_err(refuse)?;
    let kinds = [Kind::Inline, Kind::Threads, Kind::Process];
    let stages: Vec<Real> = kinds
        .into_iter()
        .filter(|kind| *kind != Kind::Inline || !about.blocking)
        .map(|kind| stage(kind, spec, library.clone(), program))
        .collect();
    let all: Vec<&dyn Stage> = stages.iter().map(|stage| stage as &dyn Stage).collect();
    let mut report = kit::check(&all, &cases);
    if about.blocking {
        let why = "inline: the module declares itself blocking";
        report.left_out.push(why.to_owned());
    }
    report.into_result()
}

/// A library whose modules are watched.
#[derive(Debug)]
struct Watching(Arc<dyn Library>);

impl Library for Watching {
    fn make(&self) -> Result<Arc<dyn Module>, String> {
        Ok(Arc::new(kit::Watched::new(self.0.make()?)))
    }
}

/// How the name of a library begins for a child that is to watch its module: as no name of a file may.
const WATCHED: &str = "\0watched:";

/// The library of this name, as a child makes it.
pub(crate) fn in_child(
    library: &str,
    libraries: Libraries<'_>,
) -> Result<Arc<dyn Library>, String> {
    match library.strip_prefix(WATCHED) {
        Some(library) => Ok(Arc::new(Watching(libraries(library)?))),
        None => libraries(library),
    }
}

/// What a watched module told, by transaction. Stored objects there are none, and no origin.
#[derive(Default)]
struct Ears(Mutex<HashMap<u64, Vec<Hook>>>);

impl Ears {
    fn heard(&self) -> MutexGuard<'_, HashMap<u64, Vec<Hook>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the module heard the ends of all these transactions.
    fn have(&self, transactions: &[u64]) -> bool {
        let heard = self.heard();
        let ended = |id| {
            heard
                .get(id)
                .is_some_and(|hooks| hooks.contains(&Hook::Free))
        };
        transactions.iter().all(ended)
    }

    /// What it heard of the end of one.
    fn end(&self, transaction: u64) -> Vec<Hook> {
        let heard = self.heard().remove(&transaction).unwrap_or_default();
        let end = heard.into_iter().skip_while(|hook| *hook != Hook::Free);
        end.collect()
    }
}

impl Services for Ears {
    fn perform(&self, _: u64, operation: Operation, done: Box<dyn FnOnce(Completion) + Send>) {
        if let Some((transaction, hook)) = kit::told(&operation) {
            self.heard().entry(transaction).or_default().push(hook);
            return;
        }
        if let Some(completion) = kit::completion(&operation) {
            // Never before this returns.
            std::thread::spawn(move || done(completion));
        }
    }
    fn forget(&self, _: u64) {}
    fn setting(&self, _: &str) -> Option<String> {
        None
    }
}

impl Stage for Real {
    fn name(&self) -> String {
        self.spec.kind.as_str().to_owned()
    }

    fn open(&self, options: &BTreeMap<String, String>) -> Result<Box<dyn Seated>, String> {
        let mut spec = self.spec.clone();
        spec.options.clone_from(options);
        let mailboxes = Mailboxes::default();
        let ears = Arc::new(Ears::default());
        if spec.kind == Kind::Process {
            spec.library.insert_str(0, WATCHED);
        }
        let environment = Environment {
            services: ears.clone(),
            mailboxes: mailboxes.clone(),
            program: self.program.clone(),
        };
        let runner = System::new();
        let library = Arc::new(Watching(self.library.clone()));
        let (seat, loaded) = runner.block_on(async move {
            let seat = Seat::new(0);
            mailboxes.enter(0, seat.mailbox().clone());
            actix_rt::spawn(seat.clone().run());
            actix_rt::spawn(sweep(seat.clone()));
            let loaded = load(spec, library, 1, &environment).await?;
            Ok::<_, String>((seat, loaded))
        })?;
        let link = runner.block_on(async { Link::new(loaded.clone(), &seat) });
        // Cases that fail on purpose fail on every chunking.
        link.be_patient();
        Ok(Box::new(Open {
            ears,
            visits: HashMap::new(),
            passed: HashSet::new(),
            patience: PATIENCE,
            away: Vec::new(),
            link: Some(link),
            loaded: Some(loaded),
            seat,
            runner,
        }))
    }
}

/// Ends late calls, for ever.
async fn sweep(seat: Rc<Seat>) {
    loop {
        tokio::time::sleep(SWEEP).await;
        seat.sweep(Instant::now());
    }
}

/// A module that is loaded. Dropped in this order: the system last.
struct Open {
    ears: Arc<Ears>,
    away: Vec<Away>,
    visits: HashMap<u64, Visit>,
    /// Transactions by which the module was passed all along.
    passed: HashSet<u64>,
    patience: Duration,
    link: Option<Link>,
    loaded: Option<Arc<Loaded>>,
    seat: Rc<Seat>,
    runner: SystemRunner,
}

struct Away {
    transaction: u64,
    call: Pending,
    edits: Edits,
}

impl Seated for Open {
    fn about(&self) -> &About {
        // It is there until this is dropped.
        static NONE: std::sync::LazyLock<About> =
            std::sync::LazyLock::new(|| About::new("", "", understudy_module::Hooks::NONE));
        self.loaded.as_ref().map_or(&NONE, |loaded| loaded.about())
    }

    fn call(&mut self, event: &Event<'_>) -> Call {
        let Some(link) = &self.link else {
            return Call::Over(failed(&Failure::Unavailable));
        };
        let visit = self.visits.entry(event.id).or_default();
        let mut edits = Edits::new();
        let called = self
            .runner
            .block_on(async { link.call(visit, event, &mut edits) });
        match called {
            Called::Now(verdict) => Call::Over(outcome(verdict, edits)),
            Called::Later(call) => {
                self.away.push(Away {
                    transaction: event.id,
                    call,
                    edits,
                });
                Call::UnderWay
            }
        }
    }

    fn wait(&mut self) -> Option<(u64, Outcome)> {
        let link = self.link.as_ref()?;
        if self.away.is_empty() {
            return None;
        }
        let (away, visits) = (&mut self.away, &mut self.visits);
        let (at, verdict) = self.runner.block_on(poll_fn(|cx| {
            for (at, one) in away.iter_mut().enumerate() {
                let visit = visits.entry(one.transaction).or_default();
                if let Poll::Ready(verdict) = link.poll(&mut one.call, visit, &mut one.edits, cx) {
                    return Poll::Ready((at, verdict));
                }
            }
            Poll::Pending
        }));
        let over = self.away.swap_remove(at);
        Some((over.transaction, outcome(verdict, over.edits)))
    }

    fn answering(&mut self, transaction: u64) {
        self.seat.open_for_injection(transaction);
    }

    fn answered(&mut self, transaction: u64) -> Vec<Bytes> {
        let seat = &self.seat;
        let injected = self.runner.block_on(async {
            // The mailbox is read first: what was injected before the last verdict lies there.
            tokio::task::yield_now().await;
            poll_fn(|cx| Poll::Ready(seat.poll_injected(transaction, cx))).await
        });
        seat.close_for_injection(transaction);
        injected.unwrap_or_default()
    }

    fn free(&mut self, transaction: u64) {
        if let (Some(link), Some(mut visit)) = (&self.link, self.visits.remove(&transaction)) {
            if !visit.was_entered() {
                self.passed.insert(transaction);
            }
            self.runner
                .block_on(async { link.leave(&mut visit, transaction) });
        }
    }

    fn ends(&mut self, transactions: &[u64]) -> Vec<Vec<Hook>> {
        let (ears, passed) = (&self.ears, std::mem::take(&mut self.passed));
        let heard = |id: &u64| !passed.contains(id);
        let due: Vec<u64> = transactions.iter().copied().filter(heard).collect();
        self.runner.block_on(async {
            let began = Instant::now();
            // What was freed leaves with the next sweep.
            while !ears.have(&due) && began.elapsed() < self.patience {
                tokio::time::sleep(SWEEP).await;
            }
        });
        if !ears.have(&due) {
            // That was long enough to wait for nothing.
            self.patience = CLOSE;
        }
        let end = |id: &u64| match heard(id) {
            true => ears.end(*id),
            // It was never called (it promised its answers, or could not be reached), so there is nothing that it could free.
            false => vec![Hook::Free],
        };
        transactions.iter().map(end).collect()
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        let (away, visits) = (
            std::mem::take(&mut self.away),
            std::mem::take(&mut self.visits),
        );
        let (link, loaded) = (self.link.take(), self.loaded.take());
        self.runner.block_on(async move {
            drop((away, visits, link, loaded));
            tokio::time::sleep(CLOSE).await;
        });
    }
}

fn outcome(verdict: Result<Verdict, Failure>, edits: Edits) -> Outcome {
    match verdict {
        Ok(verdict) => Outcome {
            verdict: Ok(verdict),
            edits,
        },
        Err(failure) => failed(&failure),
    }
}

fn failed(failure: &Failure) -> Outcome {
    Failed::new(failure.word(), failure.to_string()).into()
}
