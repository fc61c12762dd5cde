//! What is kept of each exchange, and the results of a run.
//!
//! A [`Recorder`] belongs to the thread of the robots: to record is an increment here and there, without a lock or a message. Results
//! are plain data that serialise to JSON; reports are made of them alone, so a report can be made again from a file.

mod adapted;
mod figures;
mod recorder;
mod results;
mod series;
#[cfg(test)]
mod tests;
mod times;
mod validity;

pub use adapted::{Adaptation, Adapted, Fate};
pub use figures::{
    Answers, BySource, Figures, Generator, Hits, Methods, OriginSide, Share, Sources, Spared, Types,
};
pub use recorder::Recorder;
pub use results::{
    ContentResults, FORMAT, Host, Identity, PhaseResults, ReadError, Results, Validity,
};
pub use series::{Answered, Slot};
pub use times::{LONGEST, Times};

use crate::{
    demand::{Method, RequestType},
    world::Object,
};
use serde::{Deserialize, Serialize};

/// Where an answer came from, as headers of the origin tell it (never as the proxy says it).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// From the proxy's store, without the origin.
    Hit,
    /// From the proxy's store after the origin said that it still holds.
    Validated,
    /// Fetched from the origin for this request.
    Miss,
    /// Fetched from the origin for another request that was under way when this one was sent.
    Joined,
    /// There was no whole answer.
    None,
}

/// What was wrong with an exchange. One exchange can have several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// Came from a store though nobody had asked for it before.
    FalseHit,
    /// Came from a store though it may not be stored.
    UncachableHit,
    /// Came from a store though the request said `no-cache`.
    ReloadHit,
    /// Came from a store past the time its origin said it is fresh.
    StaleHit,
    /// Did not come from the store though it was there, fresh, and had not had to give way to others.
    FalseMiss,
    /// Bytes that are not the object's.
    WrongBytes,
    /// An answer that was changed on purpose, and is not the object through that change.
    WronglyAdapted,
    /// An answer that was to be changed on purpose whatever happens, and was not.
    NotAdapted,
    /// Fewer or more bytes than the object has.
    Truncated,
    /// All of an object that was fetched, though the condition could have been answered 304. RFC 9110 13.1.3 and RFC 9111 4.3.2 only
    /// recommend the 304, and who fetches for a store asks without conditions: it costs bytes and breaks no rule.
    Unconfirmed,
    /// Another status than it should have had (200 for 304 and the reverse, 5xx).
    Status,
    /// Fields that are missing, doubled or changed on the way.
    Fields,
    /// Not HTTP: what cannot be parsed, bytes behind the end.
    Protocol,
    /// The connection could not be made, or broke off.
    Connection,
    /// No answer within the time allowed.
    TimedOut,
}

impl Fault {
    /// Whether a right proxy can never have it. A false miss and a 200 where 304 would do cost time and break no rule: they are counted
    /// apart.
    #[must_use]
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::FalseMiss | Self::Unconfirmed)
    }
}

/// One exchange, seen by a robot. Times are microseconds from the run's beginning.
#[derive(Debug, Clone, PartialEq)]
pub struct Sample {
    /// What was asked for.
    pub object: Object,
    /// The phase the request was due in.
    pub phase: usize,
    /// What kind of request.
    pub kind: RequestType,
    /// The method.
    pub method: Method,
    /// When the request was due: latencies run from here.
    pub due: u64,
    /// When the generator came to it; later than due by its own lateness alone.
    pub taken: u64,
    /// When its robot had a connection for it, or began to make one: later than taken while all connections of its robot are busy.
    pub begun: u64,
    /// When its first byte was sent, on the connection that it was answered on.
    pub sent: u64,
    /// When the answer's head was there.
    pub head: u64,
    /// When its last byte was there.
    pub done: u64,
    /// Bytes of the answer's body.
    pub bytes: u64,
    /// Whether the object may be stored by caches.
    pub cachable: bool,
    /// Whether a store with room for everything could have answered it: asked for before, may be stored, still fresh, and the
    /// request did not forbid it. The ideal hit ratio counts these.
    pub offered: bool,
    /// Where the answer came from.
    pub source: Source,
    /// Whether the robot broke it off on purpose.
    pub aborted: bool,
    /// What became of it, for each adaptation that was meant for it.
    pub adapted: Vec<(Adaptation, Fate)>,
    /// What was wrong with it.
    pub faults: Vec<Fault>,
}

impl Sample {
    /// Whether it could have been answered from a store with room for everything. What rightly was is proof that it could: a store may
    /// have had it before any robot saw its end.
    #[must_use]
    pub fn possible(&self) -> bool {
        let right = self.source == Source::Hit && !self.faults.iter().any(|f| f.is_failure());
        self.offered || right
    }
}

/// What a process and its children took, as [`crate::watch`] sees it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Process {
    /// Processor seconds in user mode.
    pub user: f64,
    /// Processor seconds in the kernel.
    pub system: f64,
    /// Bytes of memory, shared pages in proportion (PSS); in figures of a phase, the most it had.
    pub memory: u64,
    /// How many processes; in figures of a phase, the most there were.
    pub processes: usize,
}

/// What is seen from outside once a second. All counts are from a beginning of their own; the recorder takes differences.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Observation {
    /// When, microseconds from the run's beginning.
    pub at: u64,
    /// Connections that robots have open.
    pub connections: u64,
    /// Requests asked again on a fresh connection.
    pub retried: u64,
    /// The proxy, if its process is known.
    pub proxy: Option<Process>,
    /// The origin, if it can be asked.
    pub origin: Option<OriginSide>,
    /// The generator's own threads.
    pub generator: Option<Generator>,
}

/// What is said once at the run's end.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Closing {
    /// What was run.
    pub identity: Identity,
    /// When it ended, microseconds from its beginning.
    pub at: u64,
    /// How many faulty exchanges are kept, if the run has a directory for them.
    pub kept: Option<u64>,
    /// Whether it was broken off.
    pub interrupted: bool,
    /// Reasons why it is not valid, beside those that the recorder sees itself.
    pub reasons: Vec<String>,
}

/// The figures of a progress line; of the last second, but for requests and failures, which are of the run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Progress {
    /// Seconds from the run's beginning.
    pub at: f64,
    /// Seconds of the whole run, at most.
    pub of: f64,
    /// The phase's name.
    pub phase: String,
    /// Exchanges that ended a second.
    pub rate: f64,
    /// Hits among them.
    pub hit_ratio: Option<f64>,
    /// The median latency of hits, microseconds.
    pub hit: Option<u64>,
    /// The median latency of misses, microseconds.
    pub miss: Option<u64>,
    /// Connections that robots have open.
    pub connections: u64,
    /// Exchanges so far.
    pub requests: u64,
    /// Faults so far that a right proxy never has.
    pub failures: u64,
    /// How late the generator was for 99 % of the phase's requests so far, microseconds, if that shows in the times of its hits.
    pub late: Option<u64>,
}

impl std::fmt::Display for Progress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let millis = |t: Option<u64>| match t {
            Some(t) => format!("{:.1} ms", t as f64 / 1e3),
            None => "-".to_owned(),
        };
        write!(
            f,
            "{:>5.0}/{:.0} s {}: {:.1}/s, hits {:.1} % ({}), misses ({}), {} connections, {} requests, {} failures",
            self.at,
            self.of,
            self.phase,
            self.rate,
            self.hit_ratio.unwrap_or(0.0) * 100.0,
            millis(self.hit),
            millis(self.miss),
            self.connections,
            self.requests,
            self.failures,
        )?;
        match self.late {
            Some(late) => write!(f, ", generator late by {}", millis(Some(late))),
            None => Ok(()),
        }
    }
}
