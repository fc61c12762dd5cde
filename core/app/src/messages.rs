//! Every message of this crate. All go to the overseer, on the main thread, which alone holds the running proxy.

use crate::{
    config::{Loaded, Problems},
    log::Sink,
    modules::{change::Change, report::ModuleReport},
};
use actix::Message;
use serde_json::{Map, Value};
use std::{borrow::Cow, net::SocketAddr, sync::Arc, time::SystemTime};
use understudy_content_manager::verbs;
use understudy_proxy::{explain, purge, stats::Snapshot};

/// Asks how things are: for `/metrics` and `/status`.
#[derive(Debug, Message)]
#[rtype(result = "Report")]
pub(crate) struct Ask;

/// Reads the configuration again and puts it to use, all or nothing.
#[derive(Debug, Message)]
#[rtype(result = "Receipt")]
pub(crate) struct Reload;

/// Changes the modules in force, until the next reload.
#[derive(Debug, Message)]
#[rtype(result = "Receipt")]
pub(crate) struct ChangeModules(pub(crate) Change);

/// Purges what is stored; answers with a receipt, or with what is wrong with the request.
#[derive(Debug, Message)]
#[rtype(result = "Result<purge::Receipt, Vec<String>>")]
pub(crate) struct PurgeCache(pub(crate) purge::Request);

/// Does a verb of the content manager; answers with a document, or with why it was not begun.
#[derive(Debug, Message)]
#[rtype(result = "Result<Map<String, Value>, String>")]
pub(crate) struct Manage(pub(crate) verbs::Request);

/// What would become of a request? Answers with what is wrong with the question, else.
#[derive(Debug, Message)]
#[rtype(result = "Result<explain::Explanation, String>")]
pub(crate) struct Explain(pub(crate) explain::Request);

/// Reopens the access log.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub(crate) struct Reopen;

/// Takes no new work and lets what is under way finish, within the bound; answers how many connections were cut.
#[derive(Debug, Message)]
#[rtype(result = "usize")]
pub(crate) struct Drain;

/// Stops the admin, and hands back the access log for its last lines.
#[derive(Debug, Message)]
#[rtype(result = "Option<Arc<Sink>>")]
pub(crate) struct Finish;

/// How things are.
#[derive(Debug, Clone)]
pub(crate) struct Report {
    /// When the process started.
    pub(crate) started: SystemTime,
    /// Name, mode and bound address of each listener.
    pub(crate) listeners: Vec<(String, &'static str, SocketAddr)>,
    /// The configuration in use.
    pub(crate) loaded: Arc<Loaded>,
    /// Counters of all workers.
    pub(crate) counters: Snapshot,
    /// Sizes of the cache; none when it is off.
    pub(crate) cache: Option<understudy_cache::Stats>,
    /// The modules.
    pub(crate) modules: Vec<ModuleReport>,
    /// Access log lines written and dropped.
    pub(crate) log: (u64, u64),
    /// Reloads done and refused.
    pub(crate) reloads: (u64, u64),
    /// The last reload.
    pub(crate) receipt: Option<Receipt>,
    /// Whether the proxy is on its way out.
    pub(crate) draining: bool,
}

/// The answer to a reload or another change, part by part.
#[derive(Debug, Clone)]
pub(crate) struct Receipt {
    /// When it was asked for.
    pub(crate) at: SystemTime,
    /// What became of it.
    pub(crate) outcome: Result<Vec<Part>, Vec<String>>,
}

/// One part of what runs, and what a reload did to it.
#[derive(Debug, Clone)]
pub(crate) struct Part {
    /// Which.
    pub(crate) name: Cow<'static, str>,
    /// What was done.
    pub(crate) done: &'static str,
}

impl Part {
    /// A part and what was done to it.
    pub(crate) fn new(name: impl Into<Cow<'static, str>>, done: &'static str) -> Part {
        Part {
            name: name.into(),
            done,
        }
    }
}

impl Receipt {
    /// A refusal for what is wrong with the configuration.
    pub(crate) fn refused(at: SystemTime, problems: &Problems) -> Receipt {
        Receipt {
            at,
            outcome: Err(problems.0.iter().map(ToString::to_string).collect()),
        }
    }
}
