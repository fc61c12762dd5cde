//! Answering events on whichever thread is free: for modules that wait on the spot.
//!
//! One thread reads and deals out. Invariant: of one transaction one frame is with a thread at a time; what comes meanwhile waits
//! behind it, so `free` is behind every hook. Every answer is written at once: the next hook may wait long. Awkward case: a door that
//! closes while events of its transactions still wait, and some were not begun: each is freed behind whatever is left of it.

use super::desk::Desk;
use super::doors::{Door, Input};
use super::serve::{frames, one};
use crate::process::child::lock;
use crate::process::event::{Told, get_told, put_free};
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Instant;

struct Job {
    door: Arc<Door>,
    transaction: u64,
    content: Vec<u8>,
}

#[derive(Default)]
struct Queue {
    jobs: VecDeque<Job>,
    /// Transactions that are with a thread or in `jobs`.
    busy: HashMap<u64, Busy>,
}

/// A transaction's door, by its number, and what waits behind what is under way of it.
struct Busy {
    door: u64,
    behind: VecDeque<Job>,
}

#[derive(Default)]
struct Inner {
    queue: Mutex<Queue>,
    more: Condvar,
}

/// The pool.
pub(super) struct Pool(Arc<Inner>);

impl Pool {
    pub(super) fn start(desk: &Arc<Desk>, threads: usize) -> Pool {
        let inner = Arc::new(Inner::default());
        for number in 0..threads {
            let (desk, inner) = (desk.clone(), inner.clone());
            let started = std::thread::Builder::new()
                .name(format!("waits-{number}"))
                .spawn(move || work(&desk, &inner));
            if let Err(why) = started {
                // With one thread at least it goes on, slower.
                if number == 0 {
                    eprintln!("module-host: no thread for hooks: {why}");
                    std::process::exit(1);
                }
            }
        }
        Pool(inner)
    }

    /// Deals out what was read.
    pub(super) fn batch(&self, desk: &Arc<Desk>, door: &Arc<Door>, input: &mut Input) {
        let mut queue = lock(&self.0.queue);
        let mut dealt = 0;
        frames(desk, input, |content| {
            let transaction = match get_told(content) {
                Ok(Told::Event(sent)) => sent.transaction,
                Ok(Told::Free(transaction)) => transaction,
                Err(why) => desk.refuse(&format!("the proxy sent garbage: {why}")),
            };
            let job = Job {
                door: door.clone(),
                transaction,
                content: content.to_vec(),
            };
            dealt += usize::from(queue.put(job));
        });
        drop(queue);
        (0..dealt).for_each(|_| self.0.more.notify_one());
    }

    /// Frees what a door that was closed has left, behind whatever is under way of it.
    pub(super) fn gone(&self, desk: &Desk, door: &Arc<Door>) {
        let mut left: HashSet<u64> = {
            let queue = lock(&self.0.queue);
            let of_door = queue.busy.iter().filter(|(_, b)| b.door == door.number);
            of_door.map(|(transaction, _)| *transaction).collect()
        };
        // In this order: what is not busy any more is among the visits.
        left.extend(desk.visits.of(door));
        for transaction in left {
            let mut frame = Vec::new();
            put_free(&mut frame, transaction);
            let job = Job {
                door: door.clone(),
                transaction,
                content: frame.split_off(crate::process::wire::PREFIX),
            };
            if lock(&self.0.queue).put(job) {
                self.0.more.notify_one();
            }
        }
    }
}

impl Queue {
    /// Whether a thread may have it now.
    fn put(&mut self, job: Job) -> bool {
        if let Some(busy) = self.busy.get_mut(&job.transaction) {
            busy.behind.push_back(job);
            return false;
        }
        let busy = Busy {
            door: job.door.number,
            behind: VecDeque::new(),
        };
        self.busy.insert(job.transaction, busy);
        self.jobs.push_back(job);
        true
    }

    /// What comes behind a job that is done.
    fn next(&mut self, transaction: u64) -> Option<Job> {
        let next = self.busy.get_mut(&transaction)?.behind.pop_front();
        if next.is_none() {
            self.busy.remove(&transaction);
        }
        next
    }
}

fn work(desk: &Arc<Desk>, inner: &Inner) {
    Desk::answers();
    loop {
        let mut queue = lock(&inner.queue);
        let mut job = loop {
            match queue.jobs.pop_front() {
                Some(job) => break job,
                None => queue = inner.more.wait(queue).unwrap_or_else(|e| e.into_inner()),
            }
        };
        drop(queue);
        loop {
            one(desk, &job.door, &job.content, Instant::now());
            match lock(&inner.queue).next(job.transaction) {
                Some(next) => job = next,
                None => break,
            }
        }
    }
}
