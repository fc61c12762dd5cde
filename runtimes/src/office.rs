//! What all instances of a module in this process share: the way back to the proxy.
//!
//! [`Services`] is the proxy as the runtimes see it: operations on stored objects and settings. [`Office`] is one module's desk: it
//! makes the hosts of its instances, and knows its runtime and its actor.

use crate::accounts::Accounts;
use crate::actor::{ModuleActor, Unwatch, Watch};
use crate::attention::Promise;
use crate::counts::Counts;
use crate::life::{Options, too_early};
use crate::runtime::{Notice, Runtime};
use crate::seat::{Letter, Mailbox};
use actix::Addr;
use std::collections::BTreeMap;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::RecvError;
use std::sync::{Arc, Mutex, OnceLock, RwLock, Weak};
use understudy_module::{
    Answer, Attention, Bytes, Calls, Completion, Interest, Level, Operation, Token,
};

/// The proxy, as runtimes see it.
pub trait Services: Send + Sync {
    /// Does an operation; `done` is called at its end, on any thread, never before this returns. `owner` keeps the numbers of
    /// different modules apart.
    fn perform(&self, owner: u64, operation: Operation, done: Box<dyn FnOnce(Completion) + Send>);
    /// Forgets what this owner has under way.
    fn forget(&self, owner: u64);
    /// A setting of the proxy by its dotted name.
    fn setting(&self, name: &str) -> Option<String>;
    /// All of them: what a child process is given to answer from, and given anew when they change ([`crate::Loaded::settings_changed`]).
    fn settings(&self) -> BTreeMap<String, String> {
        BTreeMap::new()
    }
}

/// The mailboxes of the workers, by number.
#[derive(Debug, Clone, Default)]
pub struct Mailboxes(Arc<RwLock<Vec<Option<Arc<Mailbox>>>>>);

impl Mailboxes {
    /// Enters a worker's.
    pub fn enter(&self, worker: u8, mailbox: Arc<Mailbox>) {
        let mut all = self.0.write().unwrap_or_else(|e| e.into_inner());
        let at = usize::from(worker);
        if all.len() <= at {
            all.resize(at + 1, None);
        }
        all[at] = Some(mailbox);
    }

    /// Posts a letter to the worker of a transaction; says whether there is such a worker.
    pub fn post(&self, transaction: u64, letter: Letter) -> bool {
        let all = self.0.read().unwrap_or_else(|e| e.into_inner());
        match all.get((transaction >> 56) as usize) {
            Some(Some(mailbox)) => {
                mailbox.post(letter);
                true
            }
            _ => false,
        }
    }
}

/// One module's desk.
pub struct Office {
    name: Arc<str>,
    owner: u64,
    blocking: bool,
    services: Arc<dyn Services>,
    mailboxes: Mailboxes,
    /// What is counted on no worker, or on any thread.
    accounts: Arc<Accounts>,
    /// What the module counts itself.
    counts: Arc<Counts>,
    /// What the module promised of its answers.
    promise: Arc<Promise>,
    /// Descriptors it wanted watched that cannot be.
    unwatchable: Arc<AtomicU64>,
    runtime: OnceLock<Weak<dyn Runtime>>,
    actor: OnceLock<Addr<ModuleActor>>,
    /// What came before the runtime was there: from `init`. `None` since.
    early: Mutex<Option<Vec<Early>>>,
}

/// What an instance asks for in its `init`, before there is anybody to do it.
enum Early {
    Watch(Watch),
    Unwatch(Unwatch),
    Completed(u64, Completion),
}

impl std::fmt::Debug for Office {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Office")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

static NUMBERS: AtomicU64 = AtomicU64::new(1);

/// A number not given before.
pub fn number() -> u64 {
    NUMBERS.fetch_add(1, Ordering::Relaxed)
}

impl Office {
    /// A desk for the module of this name. `blocking`: it may wait on the spot.
    pub fn new(
        name: Arc<str>,
        blocking: bool,
        services: Arc<dyn Services>,
        mailboxes: Mailboxes,
    ) -> Arc<Office> {
        Arc::new(Office {
            name,
            owner: number(),
            blocking,
            services,
            mailboxes,
            accounts: Arc::default(),
            counts: Arc::default(),
            promise: Arc::default(),
            unwatchable: Arc::default(),
            runtime: OnceLock::new(),
            actor: OnceLock::new(),
            early: Mutex::new(Some(Vec::new())),
        })
    }

    /// The module's name.
    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    /// The proxy.
    pub fn services(&self) -> &Arc<dyn Services> {
        &self.services
    }

    /// The workers' mailboxes.
    pub fn mailboxes(&self) -> &Mailboxes {
        &self.mailboxes
    }

    /// What is counted of the module on no worker, or on any thread: only by `add_shared`.
    pub fn accounts(&self) -> &Arc<Accounts> {
        &self.accounts
    }

    /// What the module counts itself.
    pub fn counts(&self) -> &Arc<Counts> {
        &self.counts
    }

    /// What the module promised of its answers.
    pub(crate) fn promise(&self) -> &Arc<Promise> {
        &self.promise
    }

    /// Descriptors it wanted watched that cannot be: counted by whoever watches.
    pub(crate) fn unwatchable(&self) -> &Arc<AtomicU64> {
        &self.unwatchable
    }

    /// Adds to a counter of the module's own.
    pub fn count(&self, name: &str, amount: u64) {
        if let Some(complaint) = self.counts.add(name, amount) {
            self.log(Level::Warn, &complaint);
        }
    }

    /// Tells it the runtime and the actor, once.
    pub fn settle(&self, runtime: &Arc<dyn Runtime>, actor: Addr<ModuleActor>) {
        let _ = self.runtime.set(Arc::downgrade(runtime));
        let _ = self.actor.set(actor);
        loop {
            // In order: what comes meanwhile still goes behind what lies here.
            let kept = {
                let mut early = self.early.lock().unwrap_or_else(|e| e.into_inner());
                match early.as_mut().map(std::mem::take) {
                    Some(kept) if !kept.is_empty() => kept,
                    _ => {
                        *early = None;
                        return;
                    }
                }
            };
            kept.into_iter().for_each(|what| self.act(what));
        }
    }

    /// Does it, or keeps it until there is somebody to do it.
    fn ask(&self, what: Early) {
        {
            let mut early = self.early.lock().unwrap_or_else(|e| e.into_inner());
            if let Some(early) = &mut *early {
                early.push(what);
                return;
            }
        }
        self.act(what);
    }

    fn act(&self, what: Early) {
        match (what, self.actor.get()) {
            // Past the mailbox bound on purpose: none may be lost, and there are no more than the module has descriptors.
            (Early::Watch(watch), Some(actor)) => actor.do_send(watch),
            (Early::Unwatch(unwatch), Some(actor)) => actor.do_send(unwatch),
            (Early::Completed(tag, completion), _) => {
                if let Some(runtime) = self.runtime() {
                    runtime.notify(Notice::Completed(tag, completion), Box::new(|_| {}));
                }
            }
            (Early::Watch(_) | Early::Unwatch(_), None) => {}
        }
    }

    /// The runtime, while the module is loaded.
    pub fn runtime(&self) -> Option<Arc<dyn Runtime>> {
        self.runtime.get()?.upgrade()
    }

    /// Begins an operation whose completion goes to the module.
    pub fn submit(self: &Arc<Self>, tag: u64, operation: Operation) {
        let office = self.clone();
        let done = Box::new(move |completion| {
            office.ask(Early::Completed(tag, completion));
        });
        self.services.perform(self.owner, operation, done);
    }

    /// The host of an instance in this address space that answers for these options.
    pub fn host(self: &Arc<Self>, options: Arc<Options>) -> Arc<dyn Calls> {
        Arc::new(Local {
            office: self.clone(),
            options,
        })
    }

    /// Writes a line of the module into the proxy's log.
    pub fn log(&self, level: Level, text: &str) {
        let module = &*self.name;
        match level {
            Level::Debug => tracing::debug!(module, "{text}"),
            Level::Info => tracing::info!(module, "{text}"),
            Level::Warn => tracing::warn!(module, "{text}"),
            Level::Error => tracing::error!(module, "{text}"),
        }
    }
}

impl Drop for Office {
    fn drop(&mut self) {
        self.services.forget(self.owner);
    }
}

/// What becomes of an operation that was waited for.
pub(crate) fn waited(completion: Result<Completion, RecvError>) -> Completion {
    let none = |_| Completion::Failed("it has no completion to wait for".to_owned());
    completion.unwrap_or_else(none)
}

/// The host of an instance in this address space.
struct Local {
    office: Arc<Office>,
    options: Arc<Options>,
}

impl Calls for Local {
    fn option(&self, name: &str) -> Option<String> {
        self.options.get().get(name).cloned()
    }
    fn options(&self) -> Vec<(String, String)> {
        let options = self.options.get();
        options
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    }
    fn setting(&self, name: &str) -> Option<String> {
        self.office.services.setting(name)
    }
    fn submit(&self, tag: u64, operation: Operation) {
        self.office.submit(tag, operation);
    }
    fn resume(&self, token: Token, answer: Answer) {
        let accounts = self.office.accounts.clone();
        let letter = Letter::Resume(token, Box::new(answer), accounts);
        if !self.office.mailboxes.post(token.transaction, letter) {
            // Of a worker that there is not: as unknown as any.
            self.office.accounts.stray_resumes.add_shared(1);
        }
    }
    fn inject(&self, transaction: u64, bytes: Bytes) {
        let letter = Letter::Inject(transaction, bytes, self.office.accounts.clone());
        self.office.mailboxes.post(transaction, letter);
    }
    fn watch(&self, fd: RawFd, interest: Interest, tag: u64) {
        let own = understudy_shared::duplicate(fd);
        self.office.ask(Early::Watch(Watch {
            fd,
            own,
            interest,
            tag,
        }));
    }
    fn unwatch(&self, fd: RawFd, interest: Interest) {
        self.office.ask(Early::Unwatch(Unwatch { fd, interest }));
    }
    fn log(&self, level: Level, text: &str) {
        self.office.log(level, text);
    }
    fn perform(&self, operation: Operation) -> Option<Completion> {
        if !self.office.blocking {
            return None;
        }
        if let Some(refused) = too_early() {
            return Some(refused);
        }
        let (done, completion) = std::sync::mpsc::sync_channel(1);
        let tell = Box::new(move |completion| {
            let _ = done.send(completion);
        });
        self.office
            .services
            .perform(self.office.owner, operation, tell);
        Some(waited(completion.recv()))
    }
    fn number(&self) -> u64 {
        number()
    }
    fn count(&self, name: &str, amount: u64) {
        self.office.count(name, amount);
    }
    fn attend(&self, attention: Attention) {
        self.options.word().give(attention);
        self.office.promise.set(attention);
    }
}
