//! A worker's desk: takes modules' operations one by one and does them, or has a task do them.
//!
//! Owns the readings and injections in pieces whose numbers chose this worker, by owner. Invariant: an owner that is forgotten leaves
//! nothing behind. Awkward case: operations on one number arrive in order and are taken here in that order, while those on a key only
//! begin in order; who needs one behind the other waits for the first to complete.

use super::fetch::{self, Fetches};
use super::injection::{self, Injection};
use super::reading::Reading;
use super::work::{Tell, Work};
use super::{listing, objects};
use crate::messages::{Forget, Perform};
use crate::worker::{Worker, WorkerActor};
use actix::Handler;
use bytes::Bytes;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use understudy_module::{Completion, ObjectId, Operation};

/// Readings, and as many injections in pieces, that an owner may have open on a worker.
const MOST_OPEN: usize = 64;

/// The desk.
pub(crate) struct Desk {
    worker: Rc<Worker>,
    owners: RefCell<HashMap<u64, Owned>>,
    fetches: Rc<Fetches>,
}

/// What an owner has under way, by number.
#[derive(Default)]
struct Owned {
    readings: HashMap<u64, Reading>,
    injections: HashMap<u64, Injection>,
}

impl Desk {
    pub(crate) fn new(worker: Rc<Worker>) -> Rc<Desk> {
        Rc::new(Desk {
            worker,
            owners: RefCell::default(),
            fetches: Fetches::new(),
        })
    }

    fn perform(&self, work: Work) {
        let Work {
            owner,
            operation,
            tell,
        } = work;
        let worker = &self.worker;
        if worker.draining.get() {
            // What is open ends with the worker.
            return tell.failed("draining");
        }
        match operation {
            Operation::Query(object) => tell.later(objects::query(worker, object.key())),
            Operation::Read(object) => {
                let stored = objects::newest(worker, object.key());
                tell.later(stored.map_or(Completion::Absent, |s| objects::object(&s, true)));
            }
            Operation::Delete(object) => {
                let (worker, key) = (worker.clone(), key(&object));
                actix_rt::spawn(async move { tell.done(objects::delete(&worker, key).await) });
            }
            Operation::SetExpiration(object, at) => {
                let (worker, key) = (worker.clone(), key(&object));
                actix_rt::spawn(
                    async move { tell.done(objects::expire_at(&worker, key, at).await) },
                );
            }
            Operation::Inject(object, response) => {
                let (worker, key) = (worker.clone(), key(&object));
                actix_rt::spawn(async move {
                    tell.done(injection::whole(&worker, key, &response).await);
                });
            }
            Operation::Fetch(object) => self.fetch(object, fetch::Why::Fetch, tell),
            Operation::Validate(object) => self.fetch(object, fetch::Why::Validate, tell),
            Operation::InjectStart(object, number, response) => {
                self.with(owner, |owned| {
                    if owned.injections.len() < MOST_OPEN || owned.injections.contains_key(&number)
                    {
                        let injection = Injection::start(worker.clone(), key(&object), response);
                        owned.injections.insert(number, injection);
                    }
                });
            }
            Operation::InjectBody(number, piece) => self.with(owner, |owned| {
                if let Some(injection) = owned.injections.get(&number) {
                    injection.piece(piece, tell);
                }
            }),
            Operation::InjectDone(number) => {
                match self.with(owner, |owned| owned.injections.remove(&number)) {
                    Some(injection) => injection.end(tell),
                    None => tell.failed("no such injection"),
                }
            }
            Operation::InjectAbort(number) => {
                self.with(owner, |owned| owned.injections.remove(&number));
            }
            Operation::ReadStart(object, number) => {
                tell.later(self.read_start(owner, &object, number));
            }
            Operation::ReadPart(number, most) => {
                let part = self.with(owner, |owned| {
                    owned.readings.get_mut(&number).map(|r| r.next(most))
                });
                match part {
                    Some((piece, last)) => tell.later(Completion::Part(piece, last)),
                    None => tell.failed("no such reading"),
                }
            }
            Operation::ReadDone(number) => {
                self.with(owner, |owned| owned.readings.remove(&number));
            }
            Operation::List(prefix, after, limit) => {
                let worker = worker.clone();
                actix_rt::spawn(async move {
                    tell.done(listing::list(&worker, prefix, after, limit).await);
                });
            }
            Operation::Statistics => tell.later(listing::statistics(worker)),
        }
    }

    fn read_start(&self, owner: u64, object: &ObjectId, number: u64) -> Completion {
        let Some(stored) = objects::newest(&self.worker, object.key()) else {
            return Completion::Absent;
        };
        self.with(owner, |owned| {
            if owned.readings.len() >= MOST_OPEN && !owned.readings.contains_key(&number) {
                return Completion::Failed("too many readings".to_owned());
            }
            let head = objects::object(&stored, false);
            owned.readings.insert(number, Reading::new(stored));
            head
        })
    }

    fn fetch(&self, object: ObjectId, why: fetch::Why, tell: Tell) {
        let (worker, fetches) = (self.worker.clone(), self.fetches.clone());
        let Some(place) = fetches.enter() else {
            return tell.failed("busy");
        };
        actix_rt::spawn(async move {
            let completion = fetch::fetch(&worker, place, key(&object), why).await;
            tell.done(completion);
        });
    }

    /// Works on what an owner has under way. Nothing may be told in here: who is told may ask for more.
    fn with<R>(&self, owner: u64, f: impl FnOnce(&mut Owned) -> R) -> R {
        let mut owners = self.owners.borrow_mut();
        let owned = owners.entry(owner).or_default();
        let result = f(owned);
        if owned.readings.is_empty() && owned.injections.is_empty() {
            owners.remove(&owner);
        }
        result
    }
}

fn key(object: &ObjectId) -> Bytes {
    Bytes::copy_from_slice(object.key())
}

impl Handler<Perform> for WorkerActor {
    type Result = ();

    fn handle(&mut self, Perform(work): Perform, _: &mut Self::Context) {
        self.desk.perform(work);
    }
}

impl Handler<Forget> for WorkerActor {
    type Result = ();

    fn handle(&mut self, Forget(owner): Forget, _: &mut Self::Context) {
        self.desk.owners.borrow_mut().remove(&owner);
    }
}
