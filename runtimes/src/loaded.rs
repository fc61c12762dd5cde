//! A loaded module: its runtime, its accounts, its budget.
//!
//! Life: 1. [`load`]: made, initialised, ready; 2. called through [`crate::Link`]s, reconfigured; 3. unloaded: no new transaction
//! finds it (the proxy's chain no longer has it), and when the last one that holds it has left, it is dropped, with `fini`.

use crate::accounts::{Accounts, Sum};
use crate::actor::{Close, ModuleActor};
use crate::attention::Promise;
use crate::counts::Counts;
use crate::inline::Inline;
use crate::life::Maker;
use crate::office::{Mailboxes, Office, Services};
use crate::runtime::{Notice, Runtime};
use crate::spec::{Kind, Library, Spec};
use actix::{Actor, Addr};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use understudy_module::{About, Hook, Hooks};

/// What a module is loaded into.
#[derive(Clone)]
pub struct Environment {
    /// The proxy.
    pub services: Arc<dyn Services>,
    /// The workers.
    pub mailboxes: Mailboxes,
    /// The program to start child processes from, and the arguments before those of the runtime.
    pub program: PathBuf,
}

impl std::fmt::Debug for Environment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Environment")
            .field("program", &self.program)
            .finish_non_exhaustive()
    }
}

/// A loaded module.
#[derive(Debug)]
pub struct Loaded {
    spec: Spec,
    about: About,
    number: u32,
    runtime: Arc<dyn Runtime>,
    office: Weak<Office>,
    actor: Addr<ModuleActor>,
    accounts: Mutex<Vec<Arc<Accounts>>>,
    counts: Arc<Counts>,
    promise: Arc<Promise>,
    /// The options in force; held while others are on their way.
    options: tokio::sync::Mutex<BTreeMap<String, String>>,
    held: AtomicU64,
    unwatchable: Arc<AtomicU64>,
}

/// Loads a module. To be called within an actix system, on an arbiter that is not a worker's.
///
/// # Errors
/// A sentence that says why not: the library, the module's own refusal, or a runtime that does not fit it.
pub async fn load(
    spec: Spec,
    library: Arc<dyn Library>,
    number: u32,
    environment: &Environment,
) -> Result<Arc<Loaded>, String> {
    let (about, runtime, office): (About, Arc<dyn Runtime>, Arc<Office>) = match spec.kind {
        Kind::Inline => {
            let (maker, office, about) = prepare(&spec, library, environment)?;
            if about.blocking {
                return Err(format!(
                    "module `{}` declares itself blocking: it cannot run inline, where a wait would stop every client of the worker; choose runtime = \"threads\" or \"process\"",
                    spec.name
                ));
            }
            let life = maker.make()?;
            (about, Arc::new(Inline::new(number, maker, life)), office)
        }
        Kind::Threads => {
            let (maker, office, about) = prepare(&spec, library, environment)?;
            let life = maker.make()?;
            let pool = crate::threads::Threads::start(&spec, &about, number, maker, life)?;
            (about, Arc::new(pool), office)
        }
        Kind::Process => crate::process::start(&spec, number, environment).await?,
    };
    let unwatchable = office.unwatchable().clone();
    let actor = ModuleActor::new(&runtime, about.timer, unwatchable.clone()).start();
    office.settle(&runtime, actor.clone());
    Ok(Arc::new(Loaded {
        office: Arc::downgrade(&office),
        options: tokio::sync::Mutex::new(spec.options.clone()),
        spec,
        about,
        number,
        runtime,
        actor,
        accounts: Mutex::new(vec![office.accounts().clone()]),
        counts: office.counts().clone(),
        promise: office.promise().clone(),
        held: AtomicU64::new(0),
        unwatchable,
    }))
}

fn prepare(
    spec: &Spec,
    library: Arc<dyn Library>,
    environment: &Environment,
) -> Result<(Maker, Arc<Office>, About), String> {
    let about = {
        let module = understudy_module::guard(|| library.make())
            .map_err(|panicked| format!("it cannot be made: {}", panicked.0))??;
        let about = understudy_module::guard(|| module.about())
            .map_err(|panicked| format!("about() panicked: {}", panicked.0));
        crate::life::let_go(&spec.name, module);
        about?
    };
    let office = Office::new(
        spec.name.clone(),
        about.blocking,
        environment.services.clone(),
        environment.mailboxes.clone(),
    );
    let (desk, accounts) = (office.clone(), office.accounts().clone());
    // On the thread of everything else; elsewhere a hang is ended.
    let bound = (spec.kind == Kind::Inline).then_some(spec.limits.deadline);
    let maker = Maker::new(
        spec.name.clone(),
        library,
        spec.options.clone(),
        move |options| desk.host(options),
        move |hook, spent, went| {
            let late = bound.zip(spent).is_some_and(|(most, spent)| spent > most);
            if late && !matches!(hook, Hook::Init | Hook::Fini) {
                accounts.overdue.add_shared(1);
            }
            accounts.note(hook, spent, went);
        },
    );
    Ok((maker, office, about))
}

impl Loaded {
    /// Its name.
    pub fn name(&self) -> &Arc<str> {
        &self.spec.name
    }

    /// Its table in the configuration.
    pub fn spec(&self) -> &Spec {
        &self.spec
    }

    /// What it says of itself.
    pub fn about(&self) -> &About {
        &self.about
    }

    /// The hooks it wants.
    #[inline]
    pub fn hooks(&self) -> Hooks {
        self.about.hooks
    }

    /// What it promised of its answers.
    pub(crate) fn promise(&self) -> &Promise {
        &self.promise
    }

    /// Its number, from 1, for [`crate::marker`].
    #[inline]
    pub fn number(&self) -> u32 {
        self.number
    }

    /// Its runtime.
    pub fn runtime(&self) -> &Arc<dyn Runtime> {
        &self.runtime
    }

    /// Accounts for one more worker.
    pub fn new_accounts(&self) -> Arc<Accounts> {
        let accounts = Arc::new(Accounts::default());
        self.accounts
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .push(accounts.clone());
        accounts
    }

    /// Its desk: gone when the module was unloaded and its last instance has ended, behind `fini`.
    pub fn office(&self) -> Weak<Office> {
        self.office.clone()
    }

    /// What it cost so far, over all workers.
    pub fn sum(&self) -> Sum {
        let mut sum = Sum::default();
        for accounts in self
            .accounts
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .iter()
        {
            accounts.add_to(&mut sum);
        }
        self.counts.add_to(&mut sum.counts);
        sum
    }

    /// Descriptors it wanted watched that cannot be.
    pub fn unwatchable(&self) -> u64 {
        self.unwatchable.load(Ordering::Relaxed)
    }

    /// Bytes it holds now.
    pub fn held(&self) -> u64 {
        self.held.load(Ordering::Relaxed)
    }

    /// Whether it may hold so many bytes more; then they are counted.
    pub fn hold(&self, bytes: u64) -> bool {
        let fits = |held: u64| (held + bytes <= self.spec.limits.hold).then_some(held + bytes);
        self.held
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits)
            .is_ok()
    }

    /// It holds so many bytes less.
    pub fn release(&self, bytes: u64) {
        self.held.fetch_sub(bytes, Ordering::Relaxed);
    }

    /// Puts other options in force, in the instance that is there. One change follows the other.
    ///
    /// # Errors
    /// When the module refuses, or does not answer within its deadline; then the old ones stay: whoever takes the others later is
    /// given the old ones behind them.
    pub async fn reconfigure(&self, options: BTreeMap<String, String>) -> Result<(), String> {
        let mut in_force = self.options.lock().await;
        let (done, mut told) = tokio::sync::oneshot::channel();
        let tell = Box::new(move |outcome| {
            let _ = done.send(outcome);
        });
        self.runtime
            .notify(Notice::Reconfigure(options.clone()), tell);
        let outcome = match tokio::time::timeout(self.spec.limits.deadline, &mut told).await {
            Ok(answered) => answered.ok(),
            Err(_) => {
                // What was answered just now counts; from here on nobody listens.
                told.close();
                let Ok(outcome) = told.try_recv() else {
                    self.take_back(&in_force);
                    return Err("the module did not answer within its deadline".to_owned());
                };
                Some(outcome)
            }
        };
        outcome.unwrap_or_else(|| Err("the module went away meanwhile".to_owned()))?;
        *in_force = options;
        Ok(())
    }

    /// The proxy's settings are others now. What the module is told behind this finds it knowing them.
    pub fn settings_changed(&self) {
        self.runtime.settings_changed();
    }

    /// Puts these options behind others that were given up, whatever becomes of those.
    fn take_back(&self, options: &BTreeMap<String, String>) {
        let name = self.name().clone();
        let tell = Box::new(move |outcome: Result<(), String>| {
            if let Err(why) = outcome {
                tracing::warn!(module = %name, "did not take back the options it had before: {why}");
            }
        });
        self.runtime
            .notify(Notice::Reconfigure(options.clone()), tell);
    }
}

impl Drop for Loaded {
    fn drop(&mut self) {
        self.actor.do_send(Close);
    }
}
