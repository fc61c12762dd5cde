//! Content management for modules: operations on stored objects, done by the workers (section 3.2 of the paper).
//!
//! Made before the modules, since they are loaded with it, and opened when the proxy has started.

use crate::worker::WorkerActor;
use actix::Addr;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, OnceLock};
use understudy_cache::Cache;
use understudy_module::{Completion, Operation};
use understudy_runtimes::{Mailboxes, Services};

/// The proxy, as modules reach it.
#[derive(Debug, Default)]
pub struct Content {
    mailboxes: Mailboxes,
    proxy: OnceLock<(Cache, Vec<Addr<WorkerActor>>)>,
    settings: Mutex<Arc<BTreeMap<String, String>>>,
}

impl Content {
    /// Not open yet.
    pub fn new() -> Arc<Content> {
        Arc::default()
    }

    /// The workers' mailboxes.
    pub fn mailboxes(&self) -> &Mailboxes {
        &self.mailboxes
    }

    /// The settings that modules may look up, by dotted name.
    pub fn set_settings(&self, settings: BTreeMap<String, String>) {
        *self.settings.lock().unwrap_or_else(|e| e.into_inner()) = Arc::new(settings);
    }

    /// The proxy runs.
    pub(crate) fn open(&self, cache: Cache, workers: Vec<Addr<WorkerActor>>) {
        let _ = self.proxy.set((cache, workers));
    }
}

impl Services for Content {
    fn perform(
        &self,
        _owner: u64,
        _operation: Operation,
        done: Box<dyn FnOnce(Completion) + Send>,
    ) {
        done(Completion::Failed("not built yet".to_owned()));
    }
    fn forget(&self, _owner: u64) {}
    fn setting(&self, name: &str) -> Option<String> {
        let settings = self.settings.lock().unwrap_or_else(|e| e.into_inner());
        settings.get(name).cloned()
    }
}
