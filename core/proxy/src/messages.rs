//! The typed messages of this crate's actors: the worker's and the connection's.

use crate::record::TransactionLog;
use crate::settings::Settings;
use crate::worker::BoundListener;
use actix::Message;
use std::sync::Arc;

/// To a worker: these are the settings from now on, and the listeners to accept on.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Adopt {
    pub(crate) settings: Arc<Settings>,
    pub(crate) log: Option<Arc<dyn TransactionLog>>,
    pub(crate) resolver: Arc<understudy_upstream::Shared>,
    /// Listeners to start, by name.
    pub(crate) start: Vec<BoundListener>,
    /// Names of listeners to stop; their connections drain.
    pub(crate) stop: Vec<String>,
}

/// To a worker: stop accepting and let every connection end after what it is doing. Answers how many are left.
#[derive(Message)]
#[rtype(result = "usize")]
pub(crate) struct Drain;

/// To a worker: what would become of this request?
#[derive(Message)]
#[rtype(result = "Result<crate::explain::Explanation, String>")]
pub(crate) struct Foretell(pub(crate) crate::explain::Request);

/// To a worker: how many connections are open.
#[derive(Message)]
#[rtype(result = "usize")]
pub(crate) struct Open;

/// To a worker: close every connection at once. Answers how many were cut off.
#[derive(Message)]
#[rtype(result = "usize")]
pub(crate) struct Cut;

/// To a connection: look whether you are to end (the worker drains, the listener is gone): when idle, or after the transaction
/// in progress.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Retire;

/// To a connection: close now.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Close;

/// To a worker: do this for a module.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Perform(pub(crate) crate::content::Work);

/// To a worker: forget what this owner has under way.
#[derive(Message)]
#[rtype(result = "()")]
pub(crate) struct Forget(pub(crate) u64);
