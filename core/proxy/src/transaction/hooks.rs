//! Where the hooks on heads and on the end of a transaction fire, and what comes of them.
//!
//! The heads have their own files (`asking.rs`, `sending.rs`, `hearing.rs`, `returning.rs`), all of one shape: modules are asked on the
//! spot, and only where one does not say yes at once a future is made of what is left. Awkward case: a plain hit is answered on the
//! spot, and its modules were asked before there was a transaction; then it goes on from what they said ([`Handed`]).

use super::refusal::Refusal;
use super::route::Route;
use super::{Step, Transaction};
use crate::modules::handle::Handle;
use crate::modules::party::{Party, Ran, Subject};
use crate::modules::whence::NOWHERE;
use crate::record::{ModuleRecord, OwnedRecord, Record};
use bytes::Bytes;
use std::time::Duration;
use understudy_http::semantics::cache_control::ResponseDirectives;
use understudy_http::semantics::freshness::Freshness;
use understudy_http::semantics::storing::NoStoreReason;
use understudy_module::{Edit, Edits, Head, Hook, Lines, LogEntry, Mark, Part};

/// What modules were asked before there was a transaction.
pub(crate) struct Handed {
    pub(crate) party: Handle,
    pub(crate) before: Before,
}

/// What came of it.
pub(crate) struct Before {
    pub(crate) ran: Ran,
    pub(crate) edits: Box<Edits>,
    /// The edits were put to use on the head already.
    pub(crate) applied: bool,
    /// `response_return` was asked as well, and has not answered.
    pub(crate) returned: Option<Box<(Ran, Box<Edits>)>>,
}

/// What modules said of storing an answer.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub(super) no_store: bool,
    /// Seconds from now.
    fresh: Option<u32>,
}

impl Said {
    #[inline]
    pub(super) fn hear(&mut self, edits: &Edits) {
        if !edits.says_of_storing() {
            return;
        }
        for edit in edits.asides(Mark::default()) {
            match edit {
                Edit::NoStore => self.no_store = true,
                Edit::Freshness(seconds) => self.fresh = Some(seconds),
                _ => {}
            }
        }
    }

    /// The freshness that is kept: a module's word is stronger than the answer's fields.
    pub(super) fn freshness(&self, mut of_fields: Freshness) -> Freshness {
        if let Some(seconds) = self.fresh {
            of_fields.lifetime = of_fields.corrected_initial_age.saturating_add(seconds);
            of_fields.heuristic = false;
        }
        of_fields
    }
}

/// The word for what a module's failure does to a transaction.
pub(super) const FAILED: &str = "module-failed";

/// A request head as modules see it.
pub(crate) fn request_subject<'a, B: AsRef<[u8]>>(
    head: &'a understudy_http::RequestHead<B>,
    key: &'a [u8],
) -> Subject<'a> {
    Subject {
        method: head.method_bytes(),
        url: key,
        part: Part::Head(Head::Request {
            target: head.target(),
            lines: Lines::Table(head.fields()),
        }),
    }
}

impl Transaction {
    /// Keeps what modules said of storing.
    pub(super) fn hear(&mut self, edits: &Edits) {
        self.said.hear(edits);
    }

    /// What modules were asked on the spot, and what this transaction has no use for: refused, or no hit any more. A call on its
    /// way goes on behind it, or whoever asks that module next would wait for ever.
    #[inline]
    pub(super) fn give_up(&mut self) {
        if self.before.is_some() || self.returned.is_some() {
            self.give_up_asked();
        }
    }

    #[cold]
    fn give_up_asked(&mut self) {
        let (before, mut returned) = (self.before.take(), self.returned.take());
        let Some(party) = &self.party else { return };
        if let Some(before) = before {
            party.give_up(Hook::RequestHead, before.ran);
            returned = returned.or(before.returned);
        }
        if let Some(returned) = returned {
            party.give_up(Hook::ResponseReturn, returned.0);
        }
    }

    /// Whether a module sent credentials for the client, and the answer does not say that it is for others as well: then it is as if
    /// the client had sent them (RFC 9111 section 3.5).
    pub(super) fn is_personal(&self, directives: &ResponseDirectives) -> bool {
        let d = directives;
        self.lent && !(d.public || d.must_revalidate || d.s_maxage.is_some())
    }

    /// Why the answer is not to be stored, when a module said so.
    pub(super) fn said_no(&self) -> Option<NoStoreReason> {
        self.said.no_store.then_some(NoStoreReason::Module)
    }

    /// Tells the modules that the transaction is over, where no record is written of it.
    pub(super) fn tell_end(&self, party: &Party, elapsed: Duration, edits: &mut Edits) -> Ran {
        if !party.wants(Hook::Log) {
            return Ran::Through;
        }
        let tally = &self.tally;
        let error = tally.error.unwrap_or("");
        let whence = tally.origin.map(|origin| party.whence(origin));
        let entry = LogEntry {
            status: tally.status,
            elapsed,
            bytes_out: tally.bytes_out,
            body_out: tally.body_out,
            body_in: self.body.received(),
            code: tally.outcome.code(tally.forward),
            hierarchy: whence.as_deref().unwrap_or(NOWHERE),
            timeout: timeout(error),
            error,
            aborted: tally.aborted,
        };
        let subject = Subject {
            method: self.method_read(),
            url: self.key_asked(),
            part: Part::Log(&entry),
        };
        party.run(Hook::Log, 0, subject, edits)
    }

    /// The method, when there was a request that could be read.
    pub(super) fn method_read(&self) -> &[u8] {
        match self.unread {
            true => b"",
            false => self.head.method_bytes(),
        }
    }

    /// Who is to be told that the transaction is over where no module was asked before: it was refused.
    #[inline]
    pub(super) fn late_party(&self) -> Option<Handle> {
        if !crate::modules::FIRE || !self.live.chain.wants(Hook::Log) {
            return None;
        }
        let chain = &self.live.chain;
        Some(Handle::new(chain, self.id, self.peer, &self.key()))
    }
}

/// The key, as modules see it: empty where no route was made.
pub(super) fn key_of(route: &Option<Route>) -> &Bytes {
    static NO_KEY: Bytes = Bytes::new();
    route.as_ref().map_or(&NO_KEY, |route| &route.key)
}

/// A module failed, and its policy is to go on with nothing.
pub(super) fn closed() -> Step {
    Step::Answer(Refusal::new(502, FAILED))
}

/// What a module's log hook sees of a record.
fn entry<'a>(record: &Record<'a>, hierarchy: &'a str) -> LogEntry<'a> {
    let error = record.error.unwrap_or("");
    LogEntry {
        status: record.status,
        elapsed: record.elapsed,
        bytes_out: record.bytes_out,
        body_out: record.body_out,
        body_in: record.body_in,
        code: record.code(),
        hierarchy,
        timeout: timeout(error),
        error,
        aborted: record.aborted,
    }
}

/// The word again, when it is of a time that was over.
fn timeout(error: &str) -> &str {
    if error.ends_with("timeout") {
        error
    } else {
        ""
    }
}

/// Tells the modules that a transaction is over, as far as they take note at once.
pub(crate) fn log(party: &Party, record: &Record<'_>, key: &[u8], edits: &mut Edits) -> Ran {
    if !party.wants(Hook::Log) {
        return Ran::Through;
    }
    let whence = record.origin.map(|origin| party.whence(origin));
    let entry = entry(record, whence.as_deref().unwrap_or(NOWHERE));
    let subject = Subject {
        method: record.method,
        url: key,
        part: Part::Log(&entry),
    };
    party.run(Hook::Log, 0, subject, edits)
}

/// Goes on with modules that did not.
pub(super) async fn log_later(
    party: &Handle,
    ran: Ran,
    record: &OwnedRecord,
    key: &[u8],
    edits: &mut Edits,
) {
    let record = record.borrow();
    let whence = record.origin.map(|origin| party.whence(origin));
    let entry = entry(&record, whence.as_deref().unwrap_or(NOWHERE));
    let subject = || Subject {
        method: record.method,
        url: key,
        part: Part::Log(&entry),
    };
    party.finish(Hook::Log, ran, subject, edits).await;
}

/// Writes a record with what modules cost and noted.
pub(crate) fn write(log: &dyn crate::record::TransactionLog, party: &Party, record: Record<'_>) {
    let told = party.told();
    let modules: Vec<ModuleRecord<'_>> = told
        .iter()
        .map(|(name, cost, failed, notes, hooks)| ModuleRecord {
            name,
            cost: *cost,
            hooks,
            failed: *failed,
            notes,
        })
        .collect();
    log.log(&Record {
        modules: &modules,
        ..record
    });
}
