//! What is told of the modules: for `/modules`, `/status` and `/metrics`.

use super::Manager;
use serde_json::{Map, Value, json};
use understudy_module::{Hook, Hooks};
use understudy_runtimes::{Failure, accounts::Sum};

/// One module, as it is now.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub(crate) struct ModuleReport {
    pub(crate) name: String,
    pub(crate) runtime: &'static str,
    pub(crate) library: String,
    pub(crate) version: String,
    /// `running`, `demoted`, or `leaving`: replaced, and with transactions still.
    pub(crate) state: &'static str,
    pub(crate) on_failure: &'static str,
    pub(crate) hooks: Hooks,
    pub(crate) sum: Sum,
    pub(crate) gauges: Vec<(&'static str, u64)>,
    pub(crate) held: u64,
    /// Descriptors it wanted watched that cannot be.
    pub(crate) unwatchable: u64,
}

/// All modules, those in force in order, then those on their way out.
pub(crate) fn of(manager: &Manager) -> Vec<ModuleReport> {
    let running = manager.members().iter().map(|held| {
        let state = if held.demoted { "demoted" } else { "running" };
        let mut report = one(&held.loaded, state);
        // Those before it had their end when they were not here any more.
        let (fini, before) = (
            &mut report.sum.hooks[Hook::Fini as usize],
            manager.ended(&report.name),
        );
        fini.calls += before.calls;
        fini.time += before.time;
        fini.failures += before.failures;
        report
    });
    let leaving = manager.leaving();
    running
        .chain(leaving.iter().map(|loaded| one(loaded, "leaving")))
        .collect()
}

fn one(loaded: &understudy_runtimes::Loaded, state: &'static str) -> ModuleReport {
    let spec = loaded.spec();
    ModuleReport {
        name: spec.name.to_string(),
        runtime: spec.kind.as_str(),
        library: spec.library.clone(),
        version: loaded.about().version.clone(),
        state,
        on_failure: match spec.limits.on_failure {
            understudy_runtimes::OnFailure::Open => "open",
            understudy_runtimes::OnFailure::Closed => "closed",
        },
        hooks: loaded.hooks(),
        sum: loaded.sum(),
        gauges: loaded.runtime().gauges(),
        held: loaded.held(),
        unwatchable: loaded.unwatchable(),
    }
}

impl ModuleReport {
    /// As JSON. Times are seconds, sizes are bytes.
    pub(crate) fn document(&self) -> Value {
        let mut total = understudy_runtimes::accounts::HookSum::default();
        let mut hooks = Map::new();
        for (hook, sum) in Hook::ALL.into_iter().zip(&self.sum.hooks) {
            total.calls += sum.calls;
            total.time += sum.time;
            total.wait += sum.wait;
            total.bytes_in += sum.bytes_in;
            total.bytes_out += sum.bytes_out;
            if sum.calls > 0 || self.hooks.has(hook) {
                hooks.insert(
                    hook.name().to_owned(),
                    json!({
                        "calls": sum.calls, "time": sum.time.as_secs_f64(), "wait": sum.wait.as_secs_f64(),
                        "bytes_in": sum.bytes_in, "bytes_out": sum.bytes_out, "failures": sum.failures,
                    }),
                );
            }
        }
        let failures: Map<String, Value> = Failure::WORDS
            .iter()
            .zip(self.sum.failures)
            .filter(|(_, n)| *n > 0)
            .map(|(word, n)| ((*word).to_owned(), n.into()))
            .collect();
        let gauges: Map<String, Value> = self
            .gauges
            .iter()
            .map(|(name, n)| ((*name).to_owned(), (*n).into()))
            .collect();
        json!({
            "name": self.name, "runtime": self.runtime, "library": self.library, "version": self.version, "state": self.state,
            "demoted": self.state == "demoted", "on_failure": self.on_failure, "calls": total.calls,
            "time": total.time.as_secs_f64(), "wait": total.wait.as_secs_f64(), "bytes_in": total.bytes_in,
            "bytes_out": total.bytes_out, "failures": failures, "held": self.held, "gauges": gauges, "hooks": hooks,
            "stray_resumes": self.sum.stray_resumes, "injections_dropped": self.sum.injections_dropped,
            "overdue": self.sum.overdue, "unwatchable": self.unwatchable, "counts": self.sum.counts,
            "transactions": {"cut": self.sum.cut, "opened": self.sum.opened, "closed": self.sum.closed},
        })
    }
}
