//! What the threads of a child share: the module, the way to the proxy, and what is under way.
//!
//! Order of locks: visits, then a door's output. Nothing of the module runs while one is held.

use super::doors::{Door, Doors};
use super::notices::{Notices, Told};
use super::visits::Visits;
use crate::accounts::Went;
use crate::counts::Counts;
use crate::life::{Life, Maker};
use crate::process::child::lock;
use crate::process::control::{Hello, Map, Report};
use crate::process::reply::put_counted;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};
use std::cell::Cell;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::SyncSender;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use understudy_module::{About, Completion, Hook, Level, Operation};

thread_local! {
    static ANSWERS: Cell<bool> = const { Cell::new(false) };
}

/// Who waits for an operation.
pub(super) enum Ticket {
    /// The module, by its `completed`.
    Tag(u64),
    /// A hook, on the spot.
    Here(SyncSender<Completion>),
}

/// Reports of calls that went well, and were not sent: whoever wants to know how often `ready` was called wants it to be quick first.
#[derive(Default)]
struct Calls {
    frames: Vec<u8>,
    since: Option<Instant>,
}

/// What nobody waits for is kept so long, at most, to go with what somebody does.
const KEPT: Duration = Duration::from_millis(10);

/// The desk.
pub(super) struct Desk {
    control: Mutex<OwnedFd>,
    /// The proxy's settings, as it told them last.
    pub(super) settings: Mutex<Map>,
    pub(super) blocking: AtomicBool,
    /// It declares `free`.
    pub(super) frees: AtomicBool,
    numbers: AtomicU64,
    /// What is only mentioned to a worker is told after so long.
    pub(super) latest: Duration,
    maker: OnceLock<Maker>,
    current: Mutex<Option<Arc<Life>>>,
    tickets: Mutex<HashMap<u64, Ticket>>,
    pub(super) visits: Visits,
    pub(super) doors: Doors,
    pub(super) notices: Notices,
    /// What the module counts itself, and was not sent.
    pub(super) counts: Counts,
    /// It was said that the module is ready.
    ready: Mutex<bool>,
    called: Mutex<Calls>,
    closing: AtomicBool,
    /// There is no instance, for none could be made in place of one that panicked.
    barren: AtomicBool,
    /// It was said that the module watches descriptors.
    watching: AtomicBool,
    /// Held by who ends the process.
    ending: Mutex<()>,
}

impl Desk {
    pub(super) fn new(control: OwnedFd, hello: &Hello) -> Result<Arc<Desk>, String> {
        let text = |why: Errno| why.to_string();
        Ok(Arc::new(Desk {
            control: Mutex::new(control),
            settings: Mutex::new(hello.settings.clone()),
            blocking: AtomicBool::new(false),
            frees: AtomicBool::new(false),
            numbers: AtomicU64::new(hello.numbers),
            // Long before a call that is parked could be taken for one that hangs.
            latest: KEPT.min(hello.deadline / 8),
            maker: OnceLock::new(),
            current: Mutex::new(None),
            tickets: Mutex::default(),
            visits: Visits::default(),
            doors: Doors::new(hello.threads as usize).map_err(text)?,
            notices: Notices::new().map_err(text)?,
            counts: Counts::default(),
            ready: Mutex::default(),
            called: Mutex::default(),
            closing: AtomicBool::new(false),
            barren: AtomicBool::new(false),
            watching: AtomicBool::new(false),
            ending: Mutex::default(),
        }))
    }

    /// A number that was not given before to any child.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// A call that is no event of a transaction, to be counted. One that went well is told with others, so that the proxy is not
    /// woken behind each of them; the thread of the notices sees to it. A long one is told at once: the next may be as long, and the
    /// proxy would see no sign of life over both.
    pub(super) fn called(&self, hook: Hook, spent: Option<Duration>, went: Went) {
        let report = Report::Counted(hook, spent, went);
        let short = spent.is_none_or(|spent| spent < self.latest);
        let often = matches!(hook, Hook::Ready | Hook::Completed | Hook::Timer);
        if went == Went::Well && short && often {
            self.keep(&report);
        } else {
            self.report(&report);
        }
    }

    /// What the proxy asked behind is dealt with.
    pub(super) fn settled(&self) {
        self.keep(&Report::Settled);
    }

    fn keep(&self, report: &Report) {
        let mut called = lock(&self.called);
        report.put(&mut called.frames);
        called.since.get_or_insert_with(Instant::now);
    }

    /// The module watches a descriptor. From the first one on the proxy sees to it that `ready` does not hang.
    pub(super) fn watches(&self) {
        if !self.watching.swap(true, Ordering::Relaxed) {
            self.report(&Report::Watches);
        }
    }

    /// Tells of calls that were kept long enough; how long to wait before the next look, when some are left.
    pub(super) fn tell_calls(&self) -> Option<Duration> {
        let kept = lock(&self.called).since?.elapsed();
        if kept < self.latest {
            return Some(self.latest - kept);
        }
        let frames = std::mem::take(&mut *lock(&self.called)).frames;
        self.send(&frames);
        None
    }

    /// Tells the proxy; waits while it does not read. Answers whether it fits a frame.
    pub(super) fn report(&self, report: &Report) -> bool {
        let mut bytes = std::mem::take(&mut *lock(&self.called)).frames;
        let fits = report.put(&mut bytes);
        self.send(&bytes);
        fits
    }

    fn send(&self, bytes: &[u8]) {
        let control = lock(&self.control);
        let mut rest = bytes;
        while !rest.is_empty() {
            match send(&*control, rest, SendFlags::NOSIGNAL) {
                Ok(n) => rest = &rest[n..],
                Err(Errno::INTR) => {}
                // The proxy is gone; the reader of orders sees it.
                Err(_) => break,
            }
        }
    }

    pub(super) fn log(&self, level: Level, text: &str) {
        self.report(&Report::Log(level, text.to_owned()));
    }

    /// Adds to a counter of the module's own. It goes with the next answer of this thread; a thread that gives none, since it is
    /// the module's own, has it sent by the one of the notices.
    pub(super) fn count(&self, name: &str, amount: u64) {
        if let Some(complaint) = self.counts.add(name, amount) {
            return self.log(Level::Warn, &complaint);
        }
        if self.counts.tell() && !ANSWERS.get() {
            self.notices.ring();
        }
    }

    /// This thread sends what is counted behind whatever it calls of the module.
    pub(super) fn answers() {
        ANSWERS.set(true);
    }

    /// Sends what was counted, where there is no answer to send it ahead of. Under a lock: what was taken by another thread is sent
    /// before this returns, so what is reported next is behind it.
    pub(super) fn tell_counts(&self) {
        let ready = lock(&self.ready);
        self.report_counts();
        drop(ready);
    }

    fn report_counts(&self) {
        let counted = self.counts.take();
        if !counted.is_empty() {
            self.report(&Report::Added(counted));
        }
    }

    /// The same, by way of a worker once there are answers: counts are taken and put under the lock of its door, so what it is told
    /// behind this is behind them, also when another thread takes what the answer's own thread had counted.
    pub(super) fn tell_counts_ahead(&self) {
        if !self.counts.is_told() {
            return;
        }
        let ready = lock(&self.ready);
        match self.doors.any().filter(|_| *ready) {
            Some(door) => door.say(|out| put_counted(out, &self.counts.take())),
            None => self.report_counts(),
        }
    }

    /// Makes the module and says that it is ready.
    pub(super) fn load(&self, maker: Maker, about: About) -> Result<(), String> {
        self.blocking.store(about.blocking, Ordering::Relaxed);
        let frees = about.hooks.has(Hook::Free);
        self.frees.store(frees, Ordering::Relaxed);
        let life = maker.make()?;
        {
            // Both together: who finds a maker and no instance makes one.
            let mut current = lock(&self.current);
            let _ = self.maker.set(maker);
            *current = Some(life);
        }
        self.tell_counts();
        self.report(&Report::Ready(about));
        *lock(&self.ready) = true;
        // What came while there was nobody to tell.
        self.notices.ring();
        Ok(())
    }

    /// It cannot be loaded.
    pub(super) fn refuse(&self, why: &str) -> ! {
        self.report(&Report::Refused(why.to_owned()));
        self.exit(1)
    }

    /// Whether there was an instance.
    pub(super) fn is_made(&self) -> bool {
        self.maker.get().is_some()
    }

    /// The instance for what begins now. Where there is none, since none could be made behind a panic, whoever asks has it tried again.
    /// The module's code may run in here, so no lock is held by who asks.
    pub(super) fn current(&self) -> Option<Arc<Life>> {
        let mut current = lock(&self.current);
        if current.is_none() {
            *current = self.make();
        }
        current.clone()
    }

    fn make(&self) -> Option<Arc<Life>> {
        // Nothing begins any more.
        if self.closing.load(Ordering::Acquire) {
            return None;
        }
        let made = self.maker.get()?.make();
        let before = self.barren.swap(made.is_err(), Ordering::AcqRel);
        if made.is_ok() {
            self.report(&Report::Rebuilt);
        }
        made.inspect_err(|why| {
            // Once is enough for the log.
            let level = if before { Level::Debug } else { Level::Error };
            self.log(level, &format!("cannot be made again after a panic: {why}"));
        })
        .ok()
    }

    /// An instance panicked: what begins from now on is with another.
    pub(super) fn poison(&self, life: &Arc<Life>) {
        life.poison();
        self.report(&Report::Panicked);
        let mut current = lock(&self.current);
        if !current.as_ref().is_some_and(|now| Arc::ptr_eq(now, life)) {
            return;
        }
        *current = None;
        *current = self.make();
    }

    /// Begins an operation.
    pub(super) fn submit(&self, ticket: Ticket, operation: Operation) {
        let number = self.number();
        if operation.completes() {
            lock(&self.tickets).insert(number, ticket);
        }
        let injection = match &operation {
            Operation::InjectBody(injection, _) => Some(*injection),
            _ => None,
        };
        if self.report(&Report::Submit(number, operation)) {
            return;
        }
        if let Some(injection) = injection {
            // It may not be missing from the middle of an object, so that is given up.
            self.report(&Report::Submit(number, Operation::InjectAbort(injection)));
        }
        let why = "the operation is too long to cross".to_owned();
        self.completed(number, Completion::Failed(why));
    }

    /// An operation is over.
    pub(super) fn completed(&self, number: u64, completion: Completion) {
        let ticket = lock(&self.tickets).remove(&number);
        match ticket {
            Some(Ticket::Tag(tag)) => self.notices.put(Told::Completed(tag, completion)),
            // A hook that was abandoned does not take it.
            Some(Ticket::Here(to)) => drop(to.try_send(completion)),
            None => {}
        }
    }

    /// A worker's door is there.
    pub(super) fn open(&self, door: Door) -> Result<(), String> {
        self.doors.open(door).map_err(|why| why.to_string())
    }

    /// The module is unloaded: the end comes with the last transaction.
    pub(super) fn close(&self) {
        self.closing.store(true, Ordering::Release);
        self.end_if_over();
    }

    /// Ends the process when the last transaction has left: with `fini`, when the module was unloaded; and when no instance can be
    /// made any more, for in a new process it may begin anew.
    pub(super) fn end_if_over(&self) {
        let closes = self.closing.load(Ordering::Acquire) && self.doors.is_empty();
        if !(closes || self.barren.load(Ordering::Acquire)) || !self.visits.is_empty() {
            return;
        }
        // Whoever is second must not end it in the middle of `fini`.
        let Ok(_first) = self.ending.try_lock() else {
            return;
        };
        let last = {
            let mut current = lock(&self.current);
            if current.is_some() && !closes {
                // One was made meanwhile.
                return;
            }
            current.take()
        };
        // `fini`.
        drop(last);
        self.exit(i32::from(!closes));
    }

    /// Ends the process; no destructor runs behind other threads' backs.
    pub(super) fn exit(&self, code: i32) -> ! {
        std::process::exit(code)
    }
}
