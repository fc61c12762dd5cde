//! What is counted of a phase or of a kind of content, as plain data.
//!
//! Invariant: hit and miss times are never mixed but in `latency.all`. Exchanges that a robot broke off on purpose are counted in
//! `aborted`, and in `faults` if what came of them was wrong, and nowhere else; exchanges without a whole answer have no latency and are
//! told by their faults.

use super::{Adaptation, Adapted, Fault, Process, Source, Times};
use crate::demand::{Method, RequestType};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What is counted of a phase, of a kind of content or of a whole run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Figures {
    /// Seconds that it lasted.
    pub seconds: f64,
    /// Exchanges, those broken off on purpose aside.
    pub requests: u64,
    /// Exchanges that robots broke off on purpose.
    pub aborted: u64,
    /// Bytes of answers' bodies.
    pub bytes: u64,
    /// Bytes that came of answers that robots broke off on purpose.
    #[serde(default)]
    pub aborted_bytes: u64,
    /// Requests by type.
    pub types: Types,
    /// Requests by method.
    pub methods: Methods,
    /// Answers by where they came from.
    pub sources: Sources,
    /// How many exchanges had each fault, also of those that robots broke off.
    pub faults: BTreeMap<Fault, u64>,
    /// What became of answers that the proxy was to change on purpose.
    #[serde(default)]
    pub adapted: BTreeMap<Adaptation, Adapted>,
    /// Hit ratios.
    pub hits: Hits,
    /// From the time a request was due to its answer's last byte.
    pub latency: BySource,
    /// From the time a request was due to its answer's head.
    pub first_byte: BySource,
    /// From a request's being sent to its answer's last byte: the proxy's time and that of what is behind it, without the waiting for
    /// a connection and without the making of one. Only to be put beside figures of others that run from there.
    #[serde(default)]
    pub service: BySource,
    /// From the generator's coming to a request to its robot's having a connection for it: all of them were busy.
    pub queueing: Times,
    /// From there to its being sent: a connection was made, after another perhaps that the proxy had closed. The proxy's time, where it
    /// is slow to accept; nothing, where a connection was idle.
    #[serde(default)]
    pub connecting: Times,
    /// From the time a request was due to the generator's coming to it.
    pub lateness: Times,
    /// Processor time that the proxy took, and the most memory it had, where it was looked at.
    pub proxy: Option<Process>,
    /// What the origin did.
    pub origin: Option<OriginSide>,
    /// Processor time of the generator's own threads.
    pub generator: Option<Generator>,
    /// Requests that were asked again: the connection, used before, was closed without an answer (RFC 9112 9.3.1).
    #[serde(default)]
    pub retried: Option<u64>,
}

impl Figures {
    /// Exchanges a second.
    #[must_use]
    pub fn rate(&self) -> Option<f64> {
        (self.seconds > 0.0).then(|| self.requests as f64 / self.seconds)
    }

    /// All exchanges, those broken off on purpose too.
    pub(crate) fn exchanges(&self) -> u64 {
        self.requests.saturating_add(self.aborted)
    }

    /// How many faults that a right proxy never has.
    #[must_use]
    pub fn failures(&self) -> u64 {
        let failures = self.faults.iter().filter(|(f, _)| f.is_failure());
        failures.fold(0, |sum: u64, (_, n)| sum.saturating_add(*n))
    }

    /// Microseconds of the proxy's processor time for a request: user, system.
    #[must_use]
    pub fn processor(&self) -> Option<(f64, f64)> {
        let (proxy, n) = (self.proxy.as_ref()?, self.exchanges());
        (n > 0).then(|| (proxy.user * 1e6 / n as f64, proxy.system * 1e6 / n as f64))
    }
}

/// Requests by type.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Types {
    pub plain: u64,
    pub ims200: u64,
    pub ims304: u64,
    pub reload: u64,
}

/// Requests by method.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Methods {
    pub get: u64,
    pub head: u64,
    pub post: u64,
}

/// Answers and their bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Answers {
    pub documents: u64,
    pub bytes: u64,
}

/// Answers by where they came from; see [`Source`].
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Sources {
    pub hit: Answers,
    pub validated: Answers,
    pub miss: Answers,
    pub joined: Answers,
    pub none: Answers,
}

/// Times by where the answer came from; see [`Source`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct BySource {
    pub all: Times,
    pub hit: Times,
    pub validated: Times,
    pub miss: Times,
    pub joined: Times,
}

/// A part of a whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Share {
    pub part: u64,
    pub whole: u64,
}

impl Share {
    /// The part over the whole, unless the whole is nothing.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        (self.whole > 0).then(|| self.part as f64 / self.whole as f64)
    }

    pub(crate) fn count(&mut self, whole: u64, counts: bool) {
        self.whole += whole;
        self.part += if counts { whole } else { 0 };
    }
}

/// What the origin was spared: below 0 where a proxy asks it for more than it was asked for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spared {
    /// What robots had less what the origin gave.
    pub part: i64,
    /// What robots had.
    pub whole: u64,
}

impl Spared {
    pub(crate) fn new(robots: u64, origin: u64) -> Self {
        let signed = |number| i64::try_from(number).unwrap_or(i64::MAX);
        Self {
            part: signed(robots) - signed(origin),
            whole: robots,
        }
    }

    /// The part over the whole, unless the whole is nothing.
    #[must_use]
    pub fn value(self) -> Option<f64> {
        (self.whole > 0).then(|| self.part as f64 / self.whole as f64)
    }
}

/// Hit ratios. A hit is an answer from the store without a word to the origin, told by the origin's own fields in it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hits {
    /// Hits among all exchanges.
    pub documents: Share,
    /// Hits' bytes among all bytes.
    pub bytes: Share,
    /// Hits among plain GETs for what may be stored.
    pub cachable: Share,
    /// Hits' bytes among those of plain GETs for what may be stored.
    pub cachable_bytes: Share,
    /// What a store with room for everything could have answered among all exchanges: the ideal beside `documents`.
    pub ideal: Share,
    /// The ideal beside `bytes`.
    pub ideal_bytes: Share,
    /// The ideal beside `cachable`.
    pub ideal_cachable: Share,
    /// Seen from both sides: (requests of robots - requests at the origin) / requests of robots, those broken off among them.
    pub spared: Option<Spared>,
    /// Seen from both sides, in bytes of bodies, also of those broken off.
    pub spared_bytes: Option<Spared>,
}

/// What the origin did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OriginSide {
    /// Requests that came.
    pub requests: u64,
    /// Those of them with a condition.
    pub conditional: u64,
    /// Those answered 304.
    pub not_modified: u64,
    /// Bytes of bodies it sent.
    pub bytes: u64,
    /// Connections it took.
    pub connections: u64,
    /// Microseconds that its answers left later than they were due, all together.
    #[serde(default)]
    pub late: u64,
}

/// Processor seconds of this program's own threads, each of which can have one core at most.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Generator {
    /// Of the robots' busiest thread.
    pub robots: f64,
    /// Of the origin: of its threads here, or, as it told, of each of its workers in the mean, if it runs elsewhere. One elsewhere that
    /// tells none, as those of before do not, has 0.
    pub origin: f64,
    /// Of the threads that decode and judge what was adapted, together. They give way to all others.
    #[serde(default)]
    pub judges: f64,
    /// Of the threads that were there before the run, together: they do something else beside it.
    #[serde(default)]
    pub beside: f64,
}

impl Types {
    pub(crate) fn count(&mut self, kind: RequestType) {
        *match kind {
            RequestType::Plain => &mut self.plain,
            RequestType::Ims200 => &mut self.ims200,
            RequestType::Ims304 => &mut self.ims304,
            RequestType::Reload => &mut self.reload,
        } += 1;
    }
}

impl Methods {
    pub(crate) fn count(&mut self, method: Method) {
        *match method {
            Method::Get => &mut self.get,
            Method::Head => &mut self.head,
            Method::Post => &mut self.post,
        } += 1;
    }
}

impl Sources {
    pub(crate) fn count(&mut self, source: Source, bytes: u64) {
        let answers = match source {
            Source::Hit => &mut self.hit,
            Source::Validated => &mut self.validated,
            Source::Miss => &mut self.miss,
            Source::Joined => &mut self.joined,
            Source::None => &mut self.none,
        };
        answers.documents += 1;
        answers.bytes += bytes;
    }
}
