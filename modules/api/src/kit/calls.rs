//! The host of a module on the bare stage: options, and what the module says outside of a hook, kept until it is asked for.
//!
//! Stored objects there are none, and descriptors are not watched: that needs a runtime.

use crate::host::{
    Answer, COUNTS, Calls, Completion, Interest, Level, Operation, Token, is_count_name,
};
use bytes::Bytes;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::os::fd::RawFd;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

/// What modules counted, by name.
pub(crate) type Counts = Arc<Mutex<BTreeMap<String, u64>>>;

/// The functions behind the host.
#[derive(Debug, Default)]
pub(crate) struct BareCalls {
    options: BTreeMap<String, String>,
    blocking: bool,
    counts: Counts,
    told: Mutex<Told>,
    bell: Condvar,
}

#[derive(Debug, Default)]
struct Told {
    resumed: VecDeque<(Token, Answer)>,
    completed: VecDeque<(u64, Completion)>,
    injected: HashMap<u64, Vec<Bytes>>,
    number: u64,
}

/// Something a module waits for.
#[derive(Debug)]
pub(crate) enum News {
    Resumed(Token, Answer),
    Completed(u64, Completion),
}

impl BareCalls {
    pub(crate) fn new(
        options: &BTreeMap<String, String>,
        blocking: bool,
        counts: Counts,
    ) -> BareCalls {
        BareCalls {
            options: options.clone(),
            blocking,
            counts,
            ..BareCalls::default()
        }
    }

    fn told(&self) -> MutexGuard<'_, Told> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The next piece of news; `None` when there was none until then.
    pub(crate) fn news(&self, until: Instant) -> Option<News> {
        let mut told = self.told();
        loop {
            if let Some((token, answer)) = told.resumed.pop_front() {
                return Some(News::Resumed(token, answer));
            }
            if let Some((tag, completion)) = told.completed.pop_front() {
                return Some(News::Completed(tag, completion));
            }
            let left = until.checked_duration_since(Instant::now())?;
            (told, _) = self
                .bell
                .wait_timeout(told, left)
                .unwrap_or_else(PoisonError::into_inner);
        }
    }

    pub(crate) fn open(&self, transaction: u64) {
        self.told().injected.entry(transaction).or_default();
    }

    pub(crate) fn close(&self, transaction: u64) -> Vec<Bytes> {
        let injected = self.told().injected.remove(&transaction);
        injected.unwrap_or_default()
    }
}

impl Calls for BareCalls {
    fn option(&self, name: &str) -> Option<String> {
        self.options.get(name).cloned()
    }
    fn options(&self) -> Vec<(String, String)> {
        let pairs = self.options.iter();
        pairs.map(|(k, v)| (k.clone(), v.clone())).collect()
    }
    fn setting(&self, _: &str) -> Option<String> {
        None
    }
    fn submit(&self, tag: u64, operation: Operation) {
        if let Some(completion) = completion(&operation) {
            self.told().completed.push_back((tag, completion));
            self.bell.notify_all();
        }
    }
    fn resume(&self, token: Token, answer: Answer) {
        self.told().resumed.push_back((token, answer));
        self.bell.notify_all();
    }
    fn inject(&self, transaction: u64, bytes: Bytes) {
        if let Some(injected) = self.told().injected.get_mut(&transaction) {
            injected.push(bytes);
        }
    }
    fn watch(&self, _: RawFd, _: Interest, _: u64) {}
    fn unwatch(&self, _: RawFd, _: Interest) {}
    fn log(&self, _: Level, _: &str) {}
    fn perform(&self, operation: Operation) -> Option<Completion> {
        self.blocking
            .then(|| completion(&operation).unwrap_or(Completion::Done))
    }
    fn number(&self) -> u64 {
        let mut told = self.told();
        told.number += 1;
        told.number
    }
    fn count(&self, name: &str, amount: u64) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if is_count_name(name) && (counts.len() < COUNTS || counts.contains_key(name)) {
            *counts.entry(name.to_owned()).or_default() += amount;
        }
    }
}

/// How an operation ends where nothing is stored and there is no origin; `None` for those that do not complete.
pub fn completion(operation: &Operation) -> Option<Completion> {
    match operation {
        Operation::Query(_)
        | Operation::Validate(_)
        | Operation::SetExpiration(..)
        | Operation::Read(_)
        | Operation::ReadStart(..) => Some(Completion::Absent),
        Operation::List(..) => Some(Completion::Listed(Vec::new(), None)),
        Operation::Statistics => Some(Completion::Statistics(Vec::new())),
        Operation::Delete(_) | Operation::Inject(..) | Operation::InjectDone(_) => {
            Some(Completion::Done)
        }
        Operation::Fetch(_) => Some(Completion::Failed("there is no origin".to_owned())),
        Operation::ReadPart(..) => Some(Completion::Failed("nothing is read".to_owned())),
        Operation::InjectStart(..)
        | Operation::InjectBody(..)
        | Operation::InjectAbort(_)
        | Operation::ReadDone(_) => None,
    }
}
