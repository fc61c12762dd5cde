//! What the log learns of a transaction when it is over.

use std::{
    net::SocketAddr,
    time::{Duration, SystemTime},
};
use understudy_http::semantics::{cache_status::Forward, reuse::Stale, storing::NoStoreReason};

/// One finished transaction, borrowed from the worker for the length of the call. Times are measured from
/// when the request's head was complete.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Record<'a> {
    pub id: u64,
    pub at: SystemTime,
    pub elapsed: Duration,
    pub listener: &'a str,
    pub client: SocketAddr,
    /// Empty when no request could be read.
    pub method: &'a [u8],
    /// The URL asked for, normalised as the key of the cache is; `host:port` for CONNECT; the target as received when the
    /// request was refused before it was clear what it means; empty when no request could be read.
    pub url: &'a [u8],
    pub version: understudy_http::Version,
    /// Status sent; 0 when the client went away before any.
    pub status: u16,
    /// Bytes written to the client, head included.
    pub bytes_out: u64,
    /// Bytes of body written to the client.
    pub body_out: u64,
    /// Bytes of body read from the client.
    pub body_in: u64,
    pub outcome: Outcome,
    pub forward: Option<Forward>,
    pub not_stored: Option<NoStoreReason>,
    /// By whose leave it is stale, when it is.
    pub stale: Option<Stale>,
    /// The origin dialled.
    pub origin: Option<SocketAddr>,
    /// `Content-Type` sent.
    pub content_type: Option<&'a [u8]>,
    pub referer: Option<&'a [u8]>,
    pub user_agent: Option<&'a [u8]>,
    /// A word for what went wrong, when something did.
    pub error: Option<&'static str>,
    /// The client went away before the answer was complete.
    pub aborted: bool,
    /// The modules that were called, in order.
    pub modules: &'a [ModuleRecord<'a>],
    /// The names of the rules that applied, between commas; filled in when a log is kept.
    pub rules: &'a str,
}
/// One module's part of a transaction.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct ModuleRecord<'a> {
    pub name: &'a str,
    /// Calls of its hooks, and what they cost: exact when a log is kept.
    pub cost: understudy_runtimes::Cost,
    /// The same by hook, with bytes and failures: when a log is kept that wants it.
    pub hooks: &'a [understudy_runtimes::HookCost],
    /// Why it failed in this transaction, when it did.
    pub failed: Option<&'static str>,
    /// What it noted for the log: names and values.
    pub notes: &'a [(Vec<u8>, Vec<u8>)],
}
impl Record<'_> {
    /// Squid's result code, without what tells of a client that went away.
    pub fn code(&self) -> &'static str {
        self.outcome.code(self.forward)
    }
}
/// How a transaction was answered; Squid's words in the native log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Outcome {
    Hit,
    /// Fresh hit answered with 304 to a conditional request.
    HitNotModified,
    Stale,
    Revalidated,
    Miss,
    /// Followed another's fetch.
    Collapsed,
    Pass,
    Tunnel,
    /// Refused by access rules.
    Denied,
    /// Answered by the proxy itself (errors, PAC, TRACE).
    Local,
}
impl Outcome {
    /// Squid's result code for it, and for why it was forwarded.
    pub(crate) fn code(self, forward: Option<Forward>) -> &'static str {
        match self {
            // Memory is the only tier.
            Outcome::Hit => "TCP_MEM_HIT",
            Outcome::HitNotModified => "TCP_IMS_HIT",
            Outcome::Stale | Outcome::Collapsed => "TCP_HIT",
            Outcome::Revalidated => "TCP_REFRESH_UNMODIFIED",
            // Something stale was stored, and the origin sent something new.
            Outcome::Miss if forward == Some(Forward::Stale) => "TCP_REFRESH_MODIFIED",
            Outcome::Miss | Outcome::Pass => "TCP_MISS",
            Outcome::Tunnel => "TCP_TUNNEL",
            Outcome::Denied => "TCP_DENIED",
            Outcome::Local => "NONE",
        }
    }
}
/// Where records go. Called on workers: must not block.
pub trait TransactionLog: std::fmt::Debug + Send + Sync {
    /// Takes one record.
    fn log(&self, record: &Record<'_>);

    /// Whether it writes what modules cost: then every call is timed.
    fn wants_modules(&self) -> bool {
        false
    }
}

/// A record that waits for a module before it is written.
#[derive(Debug)]
pub(crate) struct OwnedRecord {
    text: Text,
    rest: Record<'static>,
}

#[derive(Debug)]
struct Text {
    listener: String,
    method: Vec<u8>,
    url: Vec<u8>,
    content_type: Option<Vec<u8>>,
    referer: Option<Vec<u8>>,
    user_agent: Option<Vec<u8>>,
    rules: String,
}

impl OwnedRecord {
    /// A copy of this record.
    pub(crate) fn of(record: &Record<'_>) -> OwnedRecord {
        let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
        OwnedRecord {
            text: Text {
                listener: record.listener.to_owned(),
                method: record.method.to_vec(),
                url: record.url.to_vec(),
                content_type: owned(record.content_type),
                referer: owned(record.referer),
                user_agent: owned(record.user_agent),
                rules: record.rules.to_owned(),
            },
            rest: Record {
                listener: "",
                method: b"",
                url: b"",
                content_type: None,
                referer: None,
                user_agent: None,
                modules: &[],
                rules: "",
                ..*record
            },
        }
    }

    /// The record.
    pub(crate) fn borrow(&self) -> Record<'_> {
        let Text {
            listener,
            method,
            url,
            content_type,
            referer,
            user_agent,
            rules,
        } = &self.text;
        Record {
            listener,
            method,
            url,
            content_type: content_type.as_deref(),
            referer: referer.as_deref(),
            user_agent: user_agent.as_deref(),
            rules,
            ..self.rest
        }
    }
}
