//! The rules: what was expected and what was seen give the source and the faults. Pure; times are arguments.
//!
//! A rule that cannot be decided for certain is decided for the proxy: a fault counted here is one that a person can look up in the
//! exchange kept and call a fault too.
//!
//! How old an answer is, is told by the robots' own clock where they saw the origin's answer come (RFC 9111 4.2.3: an age is counted, not
//! read off a wall). The origin's wall is asked for where they did not; it may have been set meanwhile, which `doubt` allows for.

use super::{CacheControl, Claims, Earlier, Known};
use crate::{
    demand::{Method, RequestType},
    record::{Fault, Source},
    world::Version,
};

/// Seconds by which the clocks of an exchange may differ: fields count whole seconds, and an answer is under way for a while.
const SLACK: i64 = 2;
/// Microseconds between an answer's last byte here and its being in the store for certain.
const SETTLED: u64 = 20_000;

/// What the exchange should have been.
#[derive(Debug, Clone)]
pub struct Expectation {
    /// The method.
    pub method: Method,
    /// What kind of request.
    pub kind: RequestType,
    /// Whether the object may be stored.
    pub cachable: bool,
    /// The date of If-Modified-Since, Unix seconds.
    pub since: Option<i64>,
    /// What is known of the request that the answer names.
    pub known: Known,
    /// Whether anybody else asked for the object.
    pub others: bool,
    /// The version that the answer names; if it names none or one that is not, the one there was when the request was sent.
    pub version: Version,
    /// Whether the answer names a version that is.
    pub version_is: bool,
    /// The version there was when the answer came.
    pub later: Version,
    /// Bytes of the object.
    pub length: u64,
    /// Whether the proxy may have changed the body on purpose: how long it is, is then judged through that.
    pub adapted: bool,
    /// What a store should have.
    pub earlier: Option<Earlier>,
    /// The size of the store, if it is known.
    pub cache: Option<u64>,
    /// Whether the origin broke off the answer on purpose.
    pub broken: bool,
    /// When the request was sent: Unix seconds, microseconds of the run.
    pub sent: (i64, u64),
    /// By how many seconds the origin's wall may have been behind `sent` when it said what the answer has.
    pub doubt: i64,
    /// When the answer of the origin to the request that this answer names was there, if a robot had it: microseconds of the run.
    pub there: Option<u64>,
    /// When that request was made, if it is remembered.
    pub made: Option<u64>,
    /// When it was due, microseconds of the run.
    pub due: u64,
}

/// How the exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// With the answer's end.
    Whole,
    /// The robot broke it off on purpose.
    Aborted,
    /// The connection was closed within the answer.
    Closed,
    /// The connection could not be made, was reset, or was closed before an answer began.
    Lost,
    /// What came is not HTTP.
    NotHttp(&'static str),
    /// Time was up.
    TimedOut,
}

/// What was seen.
#[derive(Debug, Clone)]
pub struct Observed {
    /// How it ended.
    pub outcome: Outcome,
    /// The status, if there was a head.
    pub status: Option<u16>,
    /// What the head says.
    pub claims: Claims,
    /// Bytes of the body.
    pub bytes: u64,
    /// Whether a byte was not the object's.
    pub wrong: bool,
    /// Whether nothing but the connection's end told where the body ends.
    pub until_closed: bool,
}

/// What is to be thought of an exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Where the answer came from.
    pub source: Source,
    /// What was wrong.
    pub faults: Vec<Fault>,
    /// Whether a store with room for everything could have answered.
    pub offered: bool,
}

/// Judges an exchange.
#[must_use]
pub fn judge(expected: &Expectation, seen: &Observed) -> Verdict {
    let mut faults = Vec::new();
    let offered = expected.cachable
        && expected.method != Method::Post
        && expected.kind != RequestType::Reload
        && expected
            .earlier
            .map_or(expected.others, |e| expected.sent.0 < e.until);
    ending(expected, seen, &mut faults);
    let Some(status) = seen.status else {
        return Verdict {
            source: Source::None,
            faults,
            offered,
        };
    };
    let mut source = Source::None;
    if expected.broken && status >= 500 {
        // The origin gave it no answer to pass on: an error is the right one (RFC 9110 15.6.3).
    } else if !right_status(expected, status) {
        faults.push(
            // Of an answer that the origin gave to this request; a store holds its own against the condition.
            if status == 200 && expected.since.is_some() && expected.known == Known::Own {
                Fault::Unconfirmed
            } else {
                Fault::Status
            },
        );
    }
    if status == 200 || status == 304 {
        source = where_from(expected, seen, status);
        stored_or_not(expected, seen, source, &mut faults);
        if !right_fields(expected, &seen.claims, status) {
            faults.push(Fault::Fields);
        }
        if seen.wrong {
            faults.push(Fault::WrongBytes);
        }
        let body = status == 200 && expected.method != Method::Head;
        let whole = seen.outcome == Outcome::Whole;
        // What the origin broke off must not pass for whole (RFC 9112 8), from a store least of all. Without length and chunks the
        // end of the connection is the only end there is.
        let excused = expected.broken && seen.until_closed;
        if body && whole && seen.bytes != expected.length && !excused && !expected.adapted {
            faults.push(Fault::Truncated);
        }
    }
    if !matches!(seen.outcome, Outcome::Whole | Outcome::Aborted) {
        source = Source::None;
    }
    faults.sort_unstable();
    faults.dedup();
    Verdict {
        source,
        faults,
        offered,
    }
}

/// Faults of how it ended.
fn ending(expected: &Expectation, seen: &Observed, faults: &mut Vec<Fault>) {
    match seen.outcome {
        Outcome::Whole | Outcome::Aborted => {}
        // What the origin broke off, the proxy must break off too: it has no other way to say so once the head is sent.
        Outcome::Closed | Outcome::Lost if expected.broken => {}
        Outcome::Closed => faults.push(Fault::Truncated),
        Outcome::Lost => faults.push(Fault::Connection),
        Outcome::NotHttp(_) => faults.push(Fault::Protocol),
        Outcome::TimedOut => faults.push(Fault::TimedOut),
    }
}

/// RFC 9110 13.1.3: 304 when the object was not modified since; by the version that the answer carries.
fn right_status(expected: &Expectation, status: u16) -> bool {
    let Some(since) = expected.since else {
        return status == 200;
    };
    let by = |version: Version| if version.modified <= since { 304 } else { 200 };
    // An answer without the origin's field names no version: either of those during the exchange may be it.
    status == by(expected.version) || (!expected.version_is && status == by(expected.later))
}

fn where_from(expected: &Expectation, seen: &Observed, status: u16) -> Source {
    let Some(reply) = seen.claims.reply else {
        // A 304 may leave out fields that describe the body (RFC 9110 15.4.5); the origin's own always has this one, so the proxy
        // made it: of what it has stored, or of a 200 that it fetched for this request. Nothing tells which, so it is a hit only where
        // a store can have had the object.
        let could = expected.cachable && (expected.earlier.is_some() || expected.others);
        return match status {
            304 if could => Source::Hit,
            304 => Source::Miss,
            _ => Source::None,
        };
    };
    match expected.known {
        Known::Own if reply.not_modified && (status == 200 || expected.earlier.is_some()) => {
            Source::Validated
        }
        Known::Own => Source::Miss,
        Known::UnderWay => Source::Joined,
        Known::Earlier | Known::Never => Source::Hit,
    }
}

/// Faults of storing: what came from a store and may not, and the reverse.
fn stored_or_not(expected: &Expectation, seen: &Observed, source: Source, faults: &mut Vec<Fault>) {
    match source {
        Source::Hit | Source::Joined => {
            let named = seen.claims.reply.is_some();
            if (named && expected.known == Known::Never) || (!named && !expected.others) {
                faults.push(Fault::FalseHit);
            }
            if !expected.cachable || expected.method == Method::Post {
                faults.push(Fault::UncachableHit);
            }
            // RFC 9111 5.2.1.4: not without the origin's word. An answer that the origin gave while this request waited is its word.
            let answered = seen.claims.reply.map_or(0, |r| r.answered);
            let seen_since = expected.there.is_some_and(|there| there >= expected.sent.1);
            let by_the_wall = answered / 1000 + SLACK >= expected.sent.0 - expected.doubt;
            let meanwhile = source == Source::Joined && (seen_since || by_the_wall);
            if expected.kind == RequestType::Reload && !meanwhile {
                faults.push(Fault::ReloadHit);
            }
            // RFC 9111 4.2: fresh while its age is below Expires minus Date, both the origin's: until Expires.
            if named && source == Source::Hit && expected.version_is && over(expected, answered) {
                faults.push(Fault::StaleHit);
            }
        }
        Source::Miss => {
            let plain = expected.method == Method::Get && expected.kind == RequestType::Plain;
            if let (Some(earlier), Some(cache)) = (expected.earlier, expected.cache)
                && plain
                && expected.cachable
                && earlier.certain
                && expected.sent.1
                    < earlier
                        .fresh
                        .saturating_sub(SLACK.unsigned_abs() * 1_000_000)
                && earlier.done + SETTLED < expected.due
                && earlier.since < cache / 4
            {
                faults.push(Fault::FalseMiss);
            }
        }
        Source::Validated | Source::None => {}
    }
}

/// Whether the version's time is up for certain, that the origin answered with then (Unix milliseconds).
fn over(expected: &Expectation, answered: i64) -> bool {
    let until = expected.version.until;
    match expected.there {
        Some(there) => expected.sent.1 > fresh_until(there, answered, until + SLACK),
        // A wall that was set and has not been looked at since says anything; but nothing is older than the request for it.
        None => {
            let by_the_wall = expected.sent.0 - expected.doubt > until + SLACK;
            let may_be = |made| expected.sent.1 > fresh_until(made, answered, until + SLACK);
            by_the_wall && expected.made.is_none_or(may_be)
        }
    }
}

/// Whether a proxy may have taken an answer that it gave from its store for stale, or nearly: that the origin answered with at
/// `answered` (Unix milliseconds). It may then fetch it anew behind the robot's back.
pub(crate) fn may_be_old(expected: &Expectation, answered: i64) -> bool {
    let until = expected.version.until - SLACK;
    // By the wall, which may have been set meanwhile, and by how old it can be at most.
    expected.sent.0 >= until
        || expected
            .made
            .is_some_and(|made| expected.sent.1 >= fresh_until(made, answered, until))
}

/// Until which moment of the run an answer is fresh whose time began at this one: the origin gave it at `answered` (Unix milliseconds)
/// and it is fresh until `until` (Unix seconds).
pub(crate) fn fresh_until(from: u64, answered: i64, until: i64) -> u64 {
    let lifetime = until.saturating_mul(1000).saturating_sub(answered);
    from.saturating_add_signed(lifetime.saturating_mul(1000))
}

/// Whether the origin's fields came through as it sends them.
fn right_fields(expected: &Expectation, claims: &Claims, status: u16) -> bool {
    if claims.doubled || claims.unreadable || claims.date.is_none() {
        return false;
    }
    if status == 304 {
        return claims.reply.is_none() || expected.version_is;
    }
    let post = expected.method == Method::Post;
    let stored_as = match (post, expected.cachable) {
        (true, _) => CacheControl::NoStore,
        (false, true) => CacheControl::Public,
        (false, false) => CacheControl::Private,
    };
    expected.version_is
        && claims.cache_control == stored_as
        && claims.last_modified == Some(expected.version.modified)
        && (post || !expected.cachable || claims.expires == Some(expected.version.until))
        && (expected.adapted || claims.length.is_none_or(|length| length == expected.length))
}

#[cfg(test)]
#[path = "judge_tests.rs"]
mod tests;
