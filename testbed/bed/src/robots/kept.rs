//! Faulty exchanges, kept for a person to look at: one line of JSON each, with the request, the answer's head, what it should have been,
//! and the bytes around the first difference. Bodies are not kept: the right one can be made again, and of a wrong one that is enough.
//!
//! Invariant: at most [`MOST`] are kept, so a proxy that fails at everything fills no disk; the counts in the results go on. Awkward case:
//! that no more are kept, for that or for a disk that is full, is said once; the results tell how many are.

use super::{
    exchange::{Exchange, shown},
    load::Load,
};
use crate::{
    demand::{Method, RequestType},
    oracle::{Difference, Expectation, Observed},
    record::{Fault, Sample, Source},
};
use serde::Serialize;
use std::{
    fs::File,
    io::{self, BufWriter, Write},
    path::Path,
};

/// The most exchanges that are kept.
const MOST: u32 = 10_000;

/// Where they are kept.
#[derive(Debug)]
pub(crate) struct Kept {
    file: BufWriter<File>,
    count: u32,
    /// The disk has no room.
    failed: bool,
}

/// One faulty exchange. Times are microseconds from the run's beginning.
#[derive(Debug, Serialize)]
pub(crate) struct KeptExchange<'a> {
    faults: &'a [Fault],
    phase: String,
    number: String,
    robot: u32,
    path: String,
    kind: RequestType,
    method: Method,
    source: Source,
    first: bool,
    cachable: bool,
    due: u64,
    taken: u64,
    begun: u64,
    sent: u64,
    head: u64,
    done: u64,
    outcome: String,
    error: Option<&'a str>,
    asked_again: bool,
    request: String,
    answer: String,
    bytes: u64,
    expected: Expected<'a>,
    difference: Option<&'a Difference>,
    /// What is wrong with an answer that was adapted.
    adapted: Option<&'a str>,
}

/// What it should have been.
#[derive(Debug, Serialize)]
struct Expected<'a> {
    length: u64,
    version: i64,
    version_named: bool,
    last_modified: i64,
    expires: i64,
    sent_unix: i64,
    known: String,
    earlier: Option<String>,
    broken_by_origin: bool,
    since: &'a Option<i64>,
}

impl<'a> KeptExchange<'a> {
    pub(crate) fn new(
        load: &Load,
        exchange: &'a Exchange,
        sample: &'a Sample,
        expected: &'a Expectation,
        seen: &Observed,
        answer: String,
        adapted: Option<&'a str>,
    ) -> Self {
        let arrival = &exchange.arrival;
        let request = shown(&load.write_request(exchange));
        Self {
            faults: &sample.faults,
            phase: load.phase_name(sample.phase),
            number: format!("{:x}", arrival.number),
            robot: arrival.robot,
            path: load.world.path(arrival.object),
            kind: arrival.kind,
            method: arrival.method,
            source: sample.source,
            first: arrival.first,
            cachable: sample.cachable,
            due: sample.due,
            taken: sample.taken,
            begun: sample.begun,
            sent: sample.sent,
            head: sample.head,
            done: sample.done,
            outcome: format!("{:?}", seen.outcome),
            error: exchange.error.as_deref(),
            asked_again: exchange.again,
            request,
            answer,
            bytes: seen.bytes,
            expected: Expected {
                length: expected.length,
                version: expected.version.number,
                version_named: expected.version_is,
                last_modified: expected.version.modified,
                expires: expected.version.until,
                sent_unix: expected.sent.0,
                known: format!("{:?}", expected.known),
                earlier: expected.earlier.map(|e| format!("{e:?}")),
                broken_by_origin: expected.broken,
                since: &expected.since,
            },
            // Through an adaptation every byte may differ.
            difference: match expected.adapted {
                true => None,
                false => exchange.body.difference(),
            },
            adapted,
        }
    }
}

impl Kept {
    /// Keeps them in this directory, in `faults.jsonl`.
    ///
    /// # Errors
    /// The file cannot be made.
    pub(crate) fn create(directory: &Path) -> io::Result<Self> {
        Ok(Self {
            file: BufWriter::new(File::create(directory.join("faults.jsonl"))?),
            count: 0,
            failed: false,
        })
    }

    /// How many are kept.
    pub(crate) fn count(&self) -> u32 {
        self.count
    }

    /// Keeps one. A disk that is full ends no run.
    pub(crate) fn keep(&mut self, exchange: &impl Serialize) {
        if self.count >= MOST || self.failed {
            return;
        }
        self.count += 1;
        if self.count == MOST {
            eprintln!("understudy-bed: {MOST} faulty exchanges are kept; more are counted alone");
        }
        let written = serde_json::to_writer(&mut self.file, exchange).map_err(io::Error::from);
        let written = written.and_then(|()| self.file.write_all(b"\n"));
        // Line by line: an interrupted run leaves them too, and what is counted is there.
        let written = written.and_then(|()| self.file.flush());
        if let Err(e) = written {
            eprintln!("understudy-bed: faulty exchanges are no longer kept: {e}");
            self.count -= 1;
            self.failed = true;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn no_more_are_kept_than_a_person_can_look_at_and_their_number_is_told() {
        let directory = tempfile::tempdir().unwrap();
        let mut kept = Kept::create(directory.path()).unwrap();
        for number in 0..MOST + 5 {
            kept.keep(&number);
        }
        assert_eq!(kept.count(), MOST);
        drop(kept);
        let text = std::fs::read_to_string(directory.path().join("faults.jsonl")).unwrap();
        assert_eq!(text.lines().count(), MOST as usize);
    }

    #[test]
    fn each_is_there_when_it_is_counted() {
        let directory = tempfile::tempdir().unwrap();
        let mut kept = Kept::create(directory.path()).unwrap();
        for number in 0..1005 {
            kept.keep(&number);
        }
        let text = std::fs::read_to_string(directory.path().join("faults.jsonl")).unwrap();
        assert_eq!((kept.count(), text.lines().count()), (1005, 1005));
    }

    #[test]
    fn what_the_disk_has_no_room_for_is_not_counted_as_kept() {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let mut kept = Kept {
            file: BufWriter::new(full),
            count: 0,
            failed: false,
        };
        kept.keep(&1);
        kept.keep(&2);
        assert_eq!(kept.count(), 0);
    }
}
