//! Content management for modules: operations on stored objects, done by the workers (section 3.2 of the paper).
//!
//! Owns the way from any thread to the worker that does the work, and its bounds. Made before the modules, since they are loaded with
//! it. Life: 1. closed: what is asked for waits; 2. open, when the proxy has started; the workers themselves refuse while they drain.
//! Invariant: what one thread asks of one injection or reading arrives in order, since its number chooses the worker. Awkward case: a
//! piece that finds no place may not just be missing from the middle of an object, so the injection is given up instead.

mod desk;
pub(crate) mod fetch;
mod injection;
mod listing;
mod objects;
mod reading;
mod work;

pub(crate) use desk::Desk;
pub(crate) use work::Work;

use crate::messages::{Forget, Perform};
use crate::worker::WorkerActor;
use actix::{Addr, WeakAddr};
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use understudy_module::Operation;
use understudy_runtimes::{Mailboxes, Services};
use work::{Done, Ledger};

/// Operations that wait for the proxy to start.
const MOST_BEFORE_OPEN: usize = 1024;
/// Operations under way in all workers.
const MOST: usize = 16 * 1024;
/// Bytes of pieces that no worker has taken into an object yet.
const MOST_BYTES: usize = 64 * 1024 * 1024;

/// The proxy, as modules reach it.
#[derive(Debug, Default)]
pub struct Content {
    mailboxes: Mailboxes,
    /// Weak, for the workers' settings hold the modules, and those hold this.
    workers: OnceLock<Box<[WeakAddr<WorkerActor>]>>,
    early: Mutex<Early>,
    ledger: Arc<Ledger>,
    settings: Mutex<Arc<BTreeMap<String, String>>>,
}

/// What waits for the proxy to start.
#[derive(Default)]
struct Early(Vec<Work>);

impl std::fmt::Debug for Early {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} waiting", self.0.len())
    }
}

impl Content {
    /// Not open yet.
    pub fn new() -> Arc<Content> {
        Arc::default()
    }

    /// The workers' mailboxes.
    pub fn mailboxes(&self) -> &Mailboxes {
        &self.mailboxes
    }

    /// The settings that modules may look up, by dotted name.
    pub fn set_settings(&self, settings: BTreeMap<String, String>) {
        *self.settings.lock().unwrap_or_else(|e| e.into_inner()) = Arc::new(settings);
    }

    /// All settings that modules may look up.
    pub fn settings(&self) -> Arc<BTreeMap<String, String>> {
        self.settings
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .clone()
    }

    /// The proxy runs: what waited goes to its workers, in order, and before anything new.
    pub(crate) fn open(&self, workers: impl Iterator<Item = WeakAddr<WorkerActor>>) {
        let workers: Box<[_]> = workers.collect();
        let mut early = self.early();
        for work in std::mem::take(&mut early.0) {
            send(&workers, work);
        }
        // Who does not see this yet waits for the lock.
        let _ = self.workers.set(workers);
    }

    fn early(&self) -> MutexGuard<'_, Early> {
        self.early.lock().unwrap_or_else(|e| e.into_inner())
    }
}

/// Hands work to its worker. A worker that is gone drops it, which tells who asked.
fn send(workers: &[WeakAddr<WorkerActor>], work: Work) {
    if let Some(worker) = worker_of(workers, &work.operation) {
        // Past the mailbox bound: the ledger's is what counts.
        worker.do_send(Perform(work));
    }
}

/// The worker for an operation: by number when it has one, since pieces must stay in order, else by key.
fn worker_of(
    workers: &[WeakAddr<WorkerActor>],
    operation: &Operation,
) -> Option<Addr<WorkerActor>> {
    use Operation::*;
    let chosen = match operation {
        InjectStart(_, number, _)
        | InjectBody(number, _)
        | InjectDone(number)
        | InjectAbort(number)
        | ReadStart(_, number)
        | ReadPart(number, _)
        | ReadDone(number) => *number,
        Query(object)
        | Fetch(object)
        | Validate(object)
        | SetExpiration(object, _)
        | Delete(object)
        | Inject(object, _)
        | Read(object) => {
            let mut hasher = DefaultHasher::new();
            object.key().hash(&mut hasher);
            hasher.finish()
        }
        // Any would do.
        List(..) | Statistics => 0,
    };
    let at = chosen.checked_rem(workers.len() as u64)?;
    workers.get(at as usize)?.upgrade()
}

/// Bytes of body an operation brings.
fn bytes_of(operation: &Operation) -> usize {
    match operation {
        Operation::InjectBody(_, piece) => piece.len(),
        Operation::Inject(_, response) | Operation::InjectStart(_, _, response) => {
            response.body().len()
        }
        _ => 0,
    }
}

impl Content {
    /// Finds a place for an operation, if it gets one among so many.
    fn admit(&self, owner: u64, mut operation: Operation, done: Done, most: usize) -> Option<Work> {
        let done = operation.completes().then_some(done);
        let mut bytes = bytes_of(&operation);
        let full =
            self.ledger.count() >= most || self.ledger.bytes().saturating_add(bytes) > MOST_BYTES;
        if full {
            if let Some(done) = done {
                self.ledger.refuse(done, "busy");
                return None;
            }
            match operation {
                // Its pieces will find no injection.
                Operation::InjectStart(..) => return None,
                Operation::InjectBody(number, _) => operation = Operation::InjectAbort(number),
                // They take no place for long, and make room.
                _ => {}
            }
            bytes = 0;
        }
        let tell = self.ledger.enter(done, bytes);
        Some(Work {
            owner,
            operation,
            tell,
        })
    }
}

impl Services for Content {
    fn perform(&self, owner: u64, operation: Operation, done: Done) {
        if let Some(workers) = self.workers.get() {
            if let Some(work) = self.admit(owner, operation, done, MOST) {
                send(workers, work);
            }
            return;
        }
        let mut early = self.early();
        if let Some(workers) = self.workers.get() {
            // It opened meanwhile, and what waited is on its way.
            drop(early);
            if let Some(work) = self.admit(owner, operation, done, MOST) {
                send(workers, work);
            }
            return;
        }
        let Some(work) = self.admit(owner, operation, done, MOST_BEFORE_OPEN) else {
            return;
        };
        match work.operation {
            Operation::InjectAbort(number) => {
                let of = |other: &Work| {
                    other.owner == owner && injects(&other.operation) == Some(number)
                };
                early.0.retain(|other| !of(other));
            }
            _ if early.0.len() < MOST_BEFORE_OPEN => early.0.push(work),
            // Only what ends a reading gets here, and the reading ends with its owner as well.
            _ => {}
        }
    }

    fn forget(&self, owner: u64) {
        let gone: Vec<Work>;
        {
            let mut early = self.early();
            let (theirs, others) = std::mem::take(&mut early.0)
                .into_iter()
                .partition(|work| work.owner == owner);
            gone = theirs;
            early.0 = others;
        }
        for work in gone {
            work.tell.refuse("forgotten");
        }
        for worker in self.workers.get().into_iter().flatten() {
            if let Some(worker) = worker.upgrade() {
                worker.do_send(Forget(owner));
            }
        }
    }

    fn setting(&self, name: &str) -> Option<String> {
        Content::settings(self).get(name).cloned()
    }

    fn settings(&self) -> BTreeMap<String, String> {
        (*Content::settings(self)).clone()
    }
}

/// The injection an operation belongs to, when it is a part of one.
fn injects(operation: &Operation) -> Option<u64> {
    match operation {
        Operation::InjectStart(_, number, _) | Operation::InjectBody(number, _) => Some(*number),
        _ => None,
    }
}
