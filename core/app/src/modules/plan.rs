//! From one set of modules to another: what is to be done for each module, and how it is taken back.
//!
//! Invariant: a failure at any step leaves every module as it was, its options and the settings it may look up included; so what can be
//! thrown away without a trace is done first, and what is done to modules that run is remembered. New settings come before all, for
//! whatever a module is asked of them it is asked of the new ones.
//! Awkward case: a shared library that was built anew under the same path is another library: its file's stamp is compared too.

use super::{
    manager::{Held, Lookup},
    registry,
};
use crate::{
    config::{self, modules::Module, problem::Place},
    supervisor,
};
use std::{collections::BTreeMap, sync::Arc, time::SystemTime};
use understudy_proxy::{Member, modules::ServerTiming};
use understudy_runtimes::{Environment, Kind, Loaded, Spec};

/// A file as it was when it was loaded.
pub(super) type Stamp = (SystemTime, u64);

/// Why a module cannot be as wanted.
#[derive(Debug)]
pub(crate) struct Refusal {
    /// Its position among those wanted.
    pub(crate) position: usize,
    /// The reason, with the module's name.
    pub(crate) reason: String,
}

/// Modules that are ready to be put in force.
#[must_use]
pub(crate) struct Plan {
    pub(super) members: Vec<Held>,
    pub(super) same_order: bool,
    pub(super) server_timing: ServerTiming,
    pub(super) done: Vec<(Arc<str>, &'static str)>,
    pub(super) undo: Vec<(Arc<Loaded>, BTreeMap<String, String>)>,
    /// The settings there were, when there are others now.
    pub(super) settings: Option<(Lookup, Arc<BTreeMap<String, String>>)>,
}

/// What is to be done for one module.
pub(super) struct Step {
    pub(super) table: Module,
    pub(super) module: Module,
    pub(super) number: u32,
    pub(super) demoted: bool,
    pub(super) stamp: Option<Stamp>,
    pub(super) held: Option<Held>,
}

impl Step {
    /// The module that runs, when it need not be loaded anew.
    fn kept(&self) -> Option<&Held> {
        let same = |held: &&Held| {
            let as_wanted = Spec {
                options: self.module.spec.options.clone(),
                ..held.module.spec.clone()
            };
            as_wanted == self.module.spec && held.stamp == self.stamp
        };
        self.held.as_ref().filter(same)
    }
}

impl Plan {
    /// Does all of it, or tells why not; what was done by then is in `undo`.
    pub(super) async fn make(
        &mut self,
        steps: Vec<Step>,
        environment: &Environment,
    ) -> Result<(), Vec<Refusal>> {
        let mut refusals = Vec::new();
        let mut fresh = Vec::new();
        // What can be thrown away without a trace comes first.
        for (position, step) in steps.iter().enumerate() {
            let loaded = match step.kept() {
                Some(_) => None,
                None => match load(step, environment).await {
                    Ok(loaded) => Some(loaded),
                    Err(why) => {
                        refusals.push(refusal(position, &step.module.spec, &why));
                        None
                    }
                },
            };
            fresh.push(loaded);
        }
        if !refusals.is_empty() {
            return Err(refusals);
        }
        for (position, (step, fresh)) in steps.into_iter().zip(fresh).enumerate() {
            let name = step.module.spec.name.clone();
            let (loaded, done) = match (fresh, step.kept()) {
                (Some(loaded), _) => (
                    loaded,
                    if step.held.is_some() {
                        "replaced"
                    } else {
                        "loaded"
                    },
                ),
                (None, Some(held)) if held.module.spec.options == step.module.spec.options => {
                    (held.loaded.clone(), "unchanged")
                }
                (None, Some(held)) => {
                    let options = step.module.spec.options.clone();
                    let inside =
                        (step.module.spec.kind != Kind::Process).then(|| Inside::of(step.number));
                    let told = held.loaded.reconfigure(options).await;
                    drop(inside);
                    if let Err(why) = told {
                        let why = format!("refused its options: {why}");
                        return Err(vec![refusal(position, &step.module.spec, &why)]);
                    }
                    self.undo
                        .push((held.loaded.clone(), held.module.spec.options.clone()));
                    (held.loaded.clone(), "reconfigured")
                }
                // It was kept above, or loaded.
                (None, None) => continue,
            };
            self.done.push((name, done));
            self.members.push(Held {
                table: step.table,
                module: step.module,
                loaded,
                demoted: step.demoted,
                stamp: step.stamp,
            });
        }
        Ok(())
    }

    /// The modules, for the proxy.
    pub(crate) fn modules(&self) -> understudy_proxy::Modules {
        understudy_proxy::Modules {
            members: self
                .members
                .iter()
                .map(|held| Member {
                    module: held.loaded.clone(),
                    matcher: held.module.matcher.clone(),
                })
                .collect(),
            same_order: self.same_order,
            server_timing: self.server_timing,
        }
    }

    /// Takes back what was done to modules that run.
    pub(crate) async fn undo(self) {
        if let Some((lookup, before)) = self.settings {
            // First, so that old options are asked of old settings.
            lookup.set((*before).clone());
        }
        for (module, options) in self.undo.into_iter().rev() {
            if let Err(why) = module.reconfigure(options).await {
                tracing::error!(module = %module.name(), "refuses the options it had before: {why}");
            }
        }
    }
}

async fn load(step: &Step, environment: &Environment) -> Result<Arc<Loaded>, String> {
    let spec = step.module.spec.clone();
    if spec.kind == Kind::Process {
        // Its code is not in this process: it need not even be one that can be opened here.
        let library = Arc::new(registry::Elsewhere(spec.library.clone()));
        return understudy_runtimes::load(spec, library, step.number, environment).await;
    }
    let _inside = Inside::of(step.number);
    let library = registry::within(&spec.library)?;
    understudy_runtimes::load(spec, library, step.number, environment).await
}

/// While it lives, a crash is this module's.
struct Inside;

impl Inside {
    fn of(number: u32) -> Inside {
        supervisor::inside(number);
        Inside
    }
}

impl Drop for Inside {
    fn drop(&mut self) {
        supervisor::inside(0);
    }
}

fn refusal(position: usize, spec: &Spec, why: &str) -> Refusal {
    let reason = if why.starts_with("module `") {
        why.to_owned()
    } else {
        format!("module `{}`: {why}", spec.name)
    };
    Refusal { position, reason }
}

/// A refusal with the place of the module in the file it was read from.
pub(crate) fn explain(refusal: &Refusal, loaded: &config::Loaded) -> String {
    let key = format!("module[{}]", refusal.position);
    let library = format!("{key}.library");
    match loaded.entries.iter().find(|e| e.key == library) {
        Some(entry) => format!("{}: {key}: {}", Place::of(&entry.origin), refusal.reason),
        None => refusal.reason.clone(),
    }
}

/// Of a library that is a file.
pub(super) fn stamp(library: &str) -> Option<Stamp> {
    if library.starts_with("builtin:") {
        return None;
    }
    let meta = std::fs::metadata(library).ok()?;
    Some((meta.modified().ok()?, meta.len()))
}
