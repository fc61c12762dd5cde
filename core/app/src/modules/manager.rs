//! The modules in force, and the way from one set of them to another.
//!
//! Phases of a change: (1) [`Manager::plan`] puts other settings in force, loads what is new beside what runs, then puts other options in
//! force where only those differ; (2) the proxy is given the plan's modules; (3) [`Manager::commit`] makes the plan what is in force, or
//! [`Plan::undo`] takes it back. A module that was replaced leaves when the last transaction that entered it does.
//! Invariant: a failure at any step leaves every module as it was, its options included.
//! Awkward case: names are numbered for the life of the process, for a supervisor reads numbers after a crash.

use super::leaving::Leaving;
use super::plan::{Plan, Refusal, Stamp, Step, stamp};
use crate::{
    config::{self, modules::Module, options},
    process, supervisor,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    future::Future,
    path::PathBuf,
    sync::{Arc, Weak},
    time::Duration,
};
use understudy_proxy::{Content, modules::ServerTiming};
use understudy_runtimes::{Environment, Kind, Loaded, Office, accounts::HookSum};

/// A module in force.
#[derive(Debug, Clone)]
pub(crate) struct Held {
    /// Its table, with the options now in force.
    pub(crate) table: Module,
    /// The same with the runtime it really has.
    pub(crate) module: Module,
    /// The module.
    pub(crate) loaded: Arc<Loaded>,
    /// It runs as a process although its table says otherwise, for it ended the proxy before.
    pub(crate) demoted: bool,
    /// Of its library, when that is a file.
    pub(super) stamp: Option<Stamp>,
}

/// How often it is looked whether a module has left.
const LOOK: Duration = Duration::from_millis(2);

/// What is to be in force.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// The modules, in order.
    pub(crate) members: Vec<Module>,
    /// As in the configuration.
    pub(crate) same_order: bool,
    /// As in the configuration.
    pub(crate) server_timing: ServerTiming,
    /// What modules may look up, when that is to change.
    pub(crate) settings: Option<BTreeMap<String, String>>,
}

/// What modules may look up, and who is told when that changes.
pub(super) struct Lookup {
    content: Arc<Content>,
    running: Vec<Arc<Loaded>>,
}

impl Lookup {
    /// From now on these; answers with those before.
    pub(super) fn set(&self, settings: BTreeMap<String, String>) -> Arc<BTreeMap<String, String>> {
        let before = self.content.settings();
        if *before != settings {
            self.content.set_settings(settings);
            self.running.iter().for_each(|m| m.settings_changed());
        }
        before
    }
}

impl From<&config::Loaded> for Wanted {
    /// What a configuration wants.
    fn from(loaded: &config::Loaded) -> Wanted {
        let modules = &loaded.values.modules;
        Wanted {
            members: modules.members.clone(),
            same_order: modules.same_order,
            server_timing: modules.server_timing,
            settings: Some(options::settings(&loaded.entries)),
        }
    }
}

/// The modules of this process.
pub(crate) struct Manager {
    environment: Environment,
    content: Arc<Content>,
    numbers: HashMap<Arc<str>, u32>,
    demoted: BTreeSet<String>,
    same_order: bool,
    server_timing: ServerTiming,
    members: Vec<Held>,
    leaving: Leaving,
}

impl Manager {
    /// No modules yet. `demoted`: names of those that are to run as processes whatever their tables say.
    pub(crate) fn new(
        content: &Arc<Content>,
        program: PathBuf,
        demoted: BTreeSet<String>,
    ) -> Manager {
        Manager {
            environment: Environment {
                services: content.clone(),
                mailboxes: content.mailboxes().clone(),
                program,
            },
            content: content.clone(),
            numbers: HashMap::new(),
            demoted,
            same_order: false,
            server_timing: ServerTiming::Off,
            members: Vec::new(),
            leaving: Leaving::default(),
        }
    }

    fn lookup(&self) -> Lookup {
        let members = self.members.iter().map(|held| held.loaded.clone());
        Lookup {
            content: self.content.clone(),
            running: members.chain(self.leaving()).collect(),
        }
    }

    /// The modules in force, in order.
    pub(crate) fn members(&self) -> &[Held] {
        &self.members
    }

    /// Modules that were replaced or unloaded, and still have transactions.
    pub(crate) fn leaving(&self) -> Vec<Arc<Loaded>> {
        self.leaving.modules()
    }

    /// What `fini` cost of modules of this name that have left.
    pub(crate) fn ended(&self, name: &str) -> HookSum {
        self.leaving.fini(name)
    }

    /// Lets go of all modules: the proxy is to end. Answers the desks of those that are still there.
    pub(crate) fn close(&mut self) -> Vec<Weak<Office>> {
        let members = std::mem::take(&mut self.members);
        let leaving = self.leaving.take();
        leaving
            .chain(members.iter().map(|held| held.loaded.office()))
            .collect()
    }

    /// What is in force, to be changed and planned again.
    pub(crate) fn wanted(&self) -> Wanted {
        Wanted {
            members: self.members.iter().map(|held| held.table.clone()).collect(),
            same_order: self.same_order,
            server_timing: self.server_timing,
            settings: None,
        }
    }

    /// Somebody chose the runtime of this module anew: what happened before counts no more. Answers whether it did.
    pub(crate) fn forgive(&mut self, name: &str) -> bool {
        self.demoted.remove(name)
    }

    /// It counts again.
    pub(crate) fn demote(&mut self, name: &str) {
        self.demoted.insert(name.to_owned());
    }

    /// Makes everything that is wanted, beside what runs.
    pub(crate) fn plan(
        &mut self,
        wanted: Wanted,
    ) -> impl Future<Output = Result<Plan, Vec<Refusal>>> + use<> {
        let steps: Vec<Step> = wanted
            .members
            .into_iter()
            .map(|module| self.step(module))
            .collect();
        let gone: Vec<_> = self
            .members
            .iter()
            .filter(|held| {
                steps
                    .iter()
                    .all(|step| step.module.spec.name != held.module.spec.name)
            })
            .map(|held| (held.module.spec.name.clone(), "unloaded"))
            .collect();
        let environment = self.environment.clone();
        let (same_order, server_timing) = (wanted.same_order, wanted.server_timing);
        let (lookup, settings) = (self.lookup(), wanted.settings);
        async move {
            let before = settings.map(|settings| lookup.set(settings));
            let mut plan = Plan {
                members: Vec::new(),
                same_order,
                server_timing,
                done: gone,
                undo: Vec::new(),
                settings: before.map(|before| (lookup, before)),
            };
            match plan.make(steps, &environment).await {
                Ok(()) => Ok(plan),
                Err(refusals) => {
                    plan.undo().await;
                    Err(refusals)
                }
            }
        }
    }

    fn step(&mut self, table: Module) -> Step {
        let mut module = table.clone();
        let name = module.spec.name.clone();
        let demoted = module.spec.kind != Kind::Process && self.demoted.contains(&*name);
        if demoted {
            module.spec.kind = Kind::Process;
        }
        let next = u32::try_from(self.numbers.len()).unwrap_or(u32::MAX - 1) + 1;
        let number = *self.numbers.entry(name.clone()).or_insert(next);
        supervisor::note_name(number, &name);
        if module.endangers() {
            supervisor::note_foreign(number);
        }
        let held = self
            .members
            .iter()
            .find(|held| held.module.spec.name == name)
            .cloned();
        Step {
            stamp: stamp(&module.spec.library),
            table,
            module,
            number,
            demoted,
            held,
        }
    }

    /// The plan is in force now. Answers what became of each module.
    pub(crate) fn commit(&mut self, plan: Plan) -> Vec<(Arc<str>, &'static str)> {
        let before = std::mem::replace(&mut self.members, plan.members);
        let foreign = |held: &&Held| held.module.endangers() && !supervisor::supervised();
        for held in self.members.iter().filter(foreign) {
            let module = &*held.module.spec.name;
            tracing::warn!(
                module,
                "shares the proxy's memory, and no supervisor runs; restart, or choose runtime = \"process\""
            );
        }
        (self.same_order, self.server_timing) = (plan.same_order, plan.server_timing);
        for old in before {
            if !self
                .members
                .iter()
                .any(|new| Arc::ptr_eq(&new.loaded, &old.loaded))
            {
                self.leaving.add(&old.loaded);
            }
        }
        plan.done
    }
}

/// Waits until these have ended, and their processes, which are children of this very thread.
pub(crate) async fn left(leaving: Vec<Weak<Office>>) {
    let there = || leaving.iter().any(|office| office.strong_count() > 0);
    while there() || process::has_children() {
        tokio::time::sleep(LOOK).await;
    }
}
