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
}

impl Desk {
    pub(super) fn new(control: OwnedFd, hello: &Hello) -> Result<Arc<Desk>, String> {
        let text = |why: Errno| why.to_string();
        Ok(Arc::new(Desk {
            control: Mutex::new(control),
            settings: Mutex::new(hello.settings.clone()),
            blocking: AtomicBool::new(false),
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
        }))
    }

    /// A number that was not given before to any child.
    pub(super) fn number(&self) -> u64 {
        self.numbers.fetch_add(1, Ordering::Relaxed)
    }

    /// A call that is no event of a transaction, to be counted. One that went well is told with others, so that the proxy is not
    /// woken behind each of them; the thread of the notices sees to it.
    pub(super) fn called(&self, hook: Hook, spent: Option<Duration>, went: Went) {
        let report = Report::Counted(hook, spent, went);
        if went != Went::Well || !matches!(hook, Hook::Ready | Hook::Completed | Hook::Timer) {
            self.report(&report);
            return;
        }
        let mut called = lock(&self.called);
        report.put(&mut called.frames);
        called.since.get_or_insert_with(Instant::now);
    }

    /// Tells of calls that were kept long enough; how long to wait before the next look, when some are left.
    pub(super) fn tell_calls(&self) -> Option<Duration> {
        let kept = lock(&self.called).since?.elapsed();
        if kept < KEPT {
            return Some(KEPT - kept);
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
        let life = maker.make()?;
        let _ = self.maker.set(maker);
        *lock(&self.current) = Some(life);
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

    /// The instance for what begins now.
    pub(super) fn current(&self) -> Option<Arc<Life>> {
        lock(&self.current).clone()
    }

    /// An instance panicked: what begins from now on is with another.
    pub(super) fn poison(&self, life: &Arc<Life>) {
        life.poison();
        let mut current = lock(&self.current);
        if !current.as_ref().is_some_and(|now| Arc::ptr_eq(now, life)) {
            return;
        }
        let made = match self.maker.get() {
            Some(maker) => maker.make(),
            None => Err("it was never made".to_owned()),
        };
        match made {
            Ok(life) => *current = Some(life),
            Err(why) => {
                *current = None;
                drop(current);
                let text = format!("cannot be made again after a panic: {why}");
                self.log(Level::Error, &text);
            }
        }
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

    /// Ends the process, with `fini`, when the module was unloaded and the last transaction has left.
    pub(super) fn end_if_over(&self) {
        if self.closing.load(Ordering::Acquire) && self.doors.is_empty() && self.visits.is_empty() {
            let last = lock(&self.current).take();
            // `fini`.
            drop(last);
            self.exit(0);
        }
    }

    /// Ends the process; no destructor runs behind other threads' backs.
    pub(super) fn exit(&self, code: i32) -> ! {
        std::process::exit(code)
    }
}
