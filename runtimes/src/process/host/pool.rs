//! Answering events on whichever thread is free: for modules that wait on the spot.
//!
//! One thread reads and deals out. Invariant: of one transaction one frame is with a thread at a time; what comes meanwhile waits
//! behind it, so `free` is behind every hook. Every answer is written at once: the next hook may wait long.

use super::desk::Desk;
use super::doors::{Door, Input};
use super::serve::{frames, one};
use crate::process::child::lock;
use crate::process::event::{Told, get_told, put_free};
use std::collections::{HashMap, VecDeque};
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
    /// Transactions that are with a thread or in `jobs`, and what waits behind.
    busy: HashMap<u64, VecDeque<Job>>,
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

    /// Frees a transaction behind whatever is under way of it.
    pub(super) fn free(&self, desk: &Arc<Desk>, transaction: u64) {
        let mut frame = Vec::new();
        put_free(&mut frame, transaction);
        let Some(door) = desk.visits.door(transaction) else {
            return;
        };
        let job = Job {
            door,
            transaction,
            content: frame.split_off(crate::process::wire::PREFIX),
        };
        if lock(&self.0.queue).put(job) {
            self.0.more.notify_one();
        }
    }
}

impl Queue {
    /// Whether a thread may have it now.
    fn put(&mut self, job: Job) -> bool {
        if let Some(behind) = self.busy.get_mut(&job.transaction) {
            behind.push_back(job);
            return false;
        }
        self.busy.insert(job.transaction, VecDeque::new());
        self.jobs.push_back(job);
        true
    }

    /// What comes behind a job that is done.
    fn next(&mut self, transaction: u64) -> Option<Job> {
        let next = self.busy.get_mut(&transaction)?.pop_front();
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
