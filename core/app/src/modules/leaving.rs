//! Modules on their way out: replaced or unloaded, with transactions still.
//!
//! Invariant: what their end cost is not lost with them. `fini` runs when there is nobody any more of whom it could be told, so it is kept
//! here by name, and told with whoever has the name then.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use understudy_module::Hook;
use understudy_runtimes::accounts::{Accounts, HookSum, Sum};
use understudy_runtimes::{Loaded, Office};

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Leaving {
    modules: Vec<One>,
    /// What `fini` cost of those that have left.
    ended: BTreeMap<Arc<str>, HookSum>,
}

#[derive(Debug)]
struct One {
    name: Arc<str>,
    module: Weak<Loaded>,
    office: Weak<Office>,
    accounts: Option<Arc<Accounts>>,
}

impl One {
    fn fini(&self) -> HookSum {
        let mut sum = Sum::default();
        if let Some(accounts) = &self.accounts {
            accounts.add_to(&mut sum);
        }
        sum.hooks[Hook::Fini as usize]
    }
}

fn add(to: &mut HookSum, more: HookSum) {
    to.calls += more.calls;
    to.time += more.time;
    to.failures += more.failures;
}

impl Leaving {
    /// One more.
    pub(super) fn add(&mut self, loaded: &Arc<Loaded>) {
        self.tidy();
        let office = loaded.office();
        self.modules.push(One {
            name: loaded.name().clone(),
            module: Arc::downgrade(loaded),
            accounts: office.upgrade().map(|office| office.accounts().clone()),
            office,
        });
    }

    /// Keeps of those that have left what is to be kept.
    fn tidy(&mut self) {
        let ended = &mut self.ended;
        self.modules.retain(|one| {
            let there = one.office.strong_count() > 0;
            if !there {
                add(ended.entry(one.name.clone()).or_default(), one.fini());
            }
            there
        });
    }

    /// Those that have transactions still.
    pub(super) fn modules(&self) -> Vec<Arc<Loaded>> {
        let modules = self.modules.iter();
        modules.filter_map(|one| one.module.upgrade()).collect()
    }

    /// What `fini` cost of those of this name that are no [`Leaving::modules`] any more.
    pub(super) fn fini(&self, name: &str) -> HookSum {
        let mut sum = self.ended.get(name).copied().unwrap_or_default();
        let gone = |one: &&One| &*one.name == name && one.module.strong_count() == 0;
        let left = self.modules.iter().filter(gone);
        left.for_each(|one| add(&mut sum, one.fini()));
        sum
    }

    /// Lets go of them: their desks.
    pub(super) fn take(&mut self) -> impl Iterator<Item = Weak<Office>> + use<> {
        let modules = std::mem::take(&mut self.modules).into_iter();
        modules.map(|one| one.office)
    }
}
