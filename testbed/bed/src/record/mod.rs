//! What is kept of each exchange, and the results of a run.
//!
//! A [`Recorder`] belongs to the thread of the robots: to record is an increment here and there, without a lock or a message. Results
//! are plain data that serialise to JSON; reports are made of them alone, so a report can be made again from a file.

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
    /// Fewer or more bytes than the object has.
    Truncated,
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
    /// Whether a right proxy can never have it. A false miss costs time and breaks no rule: it is counted apart.
    #[must_use]
    pub fn is_failure(self) -> bool {
        !matches!(self, Self::FalseMiss)
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
    /// When its first byte was sent: later than taken while all connections of its robot are busy.
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
    /// What was wrong with it.
    pub faults: Vec<Fault>,
}
