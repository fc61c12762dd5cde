//! Where the hooks on heads and on the end of a transaction fire, and what comes of them.
//!
//! A request meets `request_head` when it is clear what it means and that it is allowed, so modules see no request that would be
//! refused anyway; what they change is checked like a client's own. Awkward case: a plain hit is answered on the spot, and its
//! modules were asked before there was a transaction; then it goes on from what they said ([`Handed`]).

use super::exchange::Exchanged;
use super::refusal::Refusal;
use super::request_out::Purpose;
use super::route::{self, Route, Wanted};
use super::withheld::Unheard;
use super::{Step, Transaction};
use crate::modules::edited::{self, Made};
use crate::modules::party::{Party, Ran, Subject};
use crate::modules::whence::NOWHERE;
use crate::record::{ModuleRecord, OwnedRecord, Record};
use crate::settings::Mode;
use bytes::Bytes;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::Duration;
use understudy_cache::Fill;
use understudy_http::semantics::cache_control::{RequestDirectives, ResponseDirectives};
use understudy_http::semantics::freshness::Freshness;
use understudy_http::semantics::storing::NoStoreReason;
use understudy_http::wire::hop::Crossing;
use understudy_http::{Method, Name};
use understudy_module::{Edit, Edits, Head, Hook, Hooks, Lines, LogEntry, Mark, Part};

/// What modules were asked before there was a transaction.
pub(crate) struct Handed {
    pub(crate) party: Rc<Party>,
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
    fn hear(&mut self, edits: &Edits) {
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
    /// Asks modules about the request; a step when it ends there.
    pub(super) async fn ask_request_head(&mut self) -> Option<Step> {
        let before = self.before.take();
        let key = key_of(&self.route);
        let party = match &self.party {
            Some(party) => party.clone(),
            None => {
                let party = Party::new(&self.live.chain, self.id, self.peer, key);
                self.party.insert(party).clone()
            }
        };
        let (ran, mut edits, applied) = match before {
            Some(Before {
                ran,
                edits,
                applied,
                returned,
            }) => {
                self.returned = returned;
                (ran, edits, applied)
            }
            None => {
                let mut edits = self.worker.asked.take();
                let subject = request_subject(&self.head, key);
                let ran = if party.wants(Hook::RequestHead) {
                    party.run(Hook::RequestHead, 0, subject, &mut edits)
                } else {
                    Ran::Through
                };
                (ran, edits, false)
            }
        };
        let head = &self.head;
        let subject = || request_subject(head, key);
        let ran = match ran {
            // By far the commonest: without another future.
            Ran::Through => Ran::Through,
            ran => {
                party
                    .finish(Hook::RequestHead, ran, subject, &mut edits)
                    .await
            }
        };
        match ran {
            Ran::Answer(response) => return Some(Step::Respond(response)),
            Ran::Closed => return Some(closed()),
            Ran::Through | Ran::Later(_) | Ran::Busy(_) => {}
        }
        if !edits.is_empty()
            && !applied
            && let Err(refusal) = self.edit_request(&edits)
        {
            return Some(Step::Answer(refusal));
        }
        self.worker.asked.set(edits);
        if !self.body.is_empty() {
            let key = self.key();
            self.body.filter = party.filter(Hook::RequestBody, self.head.method_bytes(), &key);
            if self
                .body
                .filter
                .as_ref()
                .is_some_and(|f| f.withholds_head())
            {
                // In a box, as it is rare.
                let edits = match Box::pin(self.withheld_request()).await {
                    Ok(edits) => edits,
                    Err(step) => return Some(step),
                };
                if !edits.is_empty()
                    && let Err(refusal) = self.edit_request(&edits)
                {
                    return Some(Step::Answer(refusal));
                }
            }
        }
        None
    }

    /// Puts modules' edits of the request to use.
    fn edit_request(&mut self, edits: &Edits) -> Result<(), Refusal> {
        edited::request(&mut self.head, edits);
        if !edited::are_strange(edits) {
            self.directives = RequestDirectives::parse(self.head.fields());
        }
        // A rule may put fields into the key, and they are what the origin will see of them.
        let renames = self.live.settings.rules.speak_of_keys();
        if renames || edited::reroutes(edits) {
            self.reroute(edits)?;
        }
        Ok(())
    }

    /// Keeps what modules said of storing.
    pub(super) fn hear(&mut self, edits: &Edits) {
        self.said.hear(edits);
    }

    /// What modules were asked on the spot, and what this transaction has no use for: refused, or no hit any more. A call on its
    /// way goes on behind it, or whoever asks that module next would wait for ever.
    pub(super) fn give_up(&mut self) {
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

    /// A module changed where the request goes: it is routed as if the client had asked so.
    fn reroute(&mut self, edits: &Edits) -> Result<(), Refusal> {
        if self.head.method() == Method::Connect {
            return Ok(());
        }
        let target = edits.iter().rev().find_map(|edit| match edit {
            // What is validated behind an answer has the name already that modules led its first request to.
            Edit::Target(target) if !self.source.refreshes => Some(target),
            _ => None,
        });
        // An edit before may have led an intercepted request to another host already: it stays there.
        let led = self.route.as_ref().is_some_and(Route::is_by_name);
        let forward = matches!(self.source.listener.mode, Mode::Forward);
        if let Some(target) = target {
            let host = self.route.as_ref().map(|route| route.host.clone());
            match host {
                Some(host) if (forward || led) && target.first() == Some(&b'/') => {
                    let whole = [b"http://", &host[..], target].concat();
                    self.head.set_target(&whole);
                }
                _ => self.head.set_target(target),
            }
        }
        let before = self.route.as_ref().map(|route| route.host.clone());
        let original = self.original_destination()?;
        let wanted = route::find(
            &self.source,
            &self.live.settings,
            &self.head,
            self.peer,
            original,
        )?;
        match wanted {
            // Not the address that the client dialled: it is of another host.
            Wanted::Fetch(route)
                if led || target.is_some() && before.is_some_and(|host| host != route.host) =>
            {
                self.route = Some(route.by_name());
                Ok(())
            }
            Wanted::Fetch(route) => {
                self.route = Some(route);
                Ok(())
            }
            Wanted::Tunnel(_) | Wanted::Pac | Wanted::Server => {
                Err(Refusal::new(502, "module-target"))
            }
        }
    }

    /// The head an origin gets, with what modules make of it.
    pub(super) async fn going_out(&mut self, purpose: Purpose<'_>) -> Result<Bytes, Step> {
        let head = self.request_out(purpose);
        self.lent = false;
        let Some(party) = self.party.as_ref().filter(|p| p.wants(Hook::RequestOut)) else {
            return Ok(head);
        };
        let key = key_of(&self.route);
        let method = self.head.method_bytes();
        let path = self.route.as_ref().map_or(&b""[..], |route| &route.path);
        let subject = || Subject {
            method,
            url: key,
            part: Part::Head(Head::Request {
                target: path,
                lines: Lines::Whole(&head),
            }),
        };
        let mut edits = self.worker.edits.take();
        let ran = party.run(Hook::RequestOut, 0, subject(), &mut edits);
        let ran = match ran {
            // By far the commonest: without another future.
            Ran::Through => Ran::Through,
            ran => {
                party
                    .finish(Hook::RequestOut, ran, subject, &mut edits)
                    .await
            }
        };
        match ran {
            Ran::Answer(response) => Err(Step::Respond(response)),
            Ran::Closed => Err(closed()),
            _ if edits.is_empty() => {
                self.worker.edits.set(edits);
                Ok(head)
            }
            Ran::Through | Ran::Later(_) | Ran::Busy(_) => {
                self.lent = edits.lines().has_known(Name::Authorization);
                let whole = head.strip_suffix(b"\r\n").unwrap_or(&head);
                // What was set in the request as it came, and stayed in it.
                let (fields, mut set) = self.head.parted();
                if !Crossing::of(fields).nominates_nothing() {
                    set = b"";
                }
                let out = match edited::made(whole, &edits, set) {
                    Made::Same | Made::Stands(_) => head,
                    Made::More(lines) => [whole, lines, b"\r\n"].concat().into(),
                    Made::Anew(mut out) => {
                        out.extend_from_slice(b"\r\n");
                        out.into()
                    }
                };
                self.worker.edits.set(edits);
                Ok(out)
            }
        }
    }

    /// What modules make of an origin's head, and of the body behind it. `fill`: whose followers wait for it.
    pub(super) async fn heard(
        &mut self,
        exchanged: &mut Exchanged,
        fill: Option<&Fill>,
    ) -> Result<(), Unheard> {
        self.said = Said::default();
        let Some(party) = &self.party else {
            return Ok(());
        };
        if exchanged.head.status() == 101 {
            return Ok(());
        }
        if let Some(filter) = &mut self.body.filter {
            // An origin that answers early: a module that still has a piece of the request is asked nothing else until it gave it
            // back, and here nobody else would take it.
            let next = Hooks::of(&[Hook::ResponseHead]);
            poll_fn(|cx| filter.poll_free(next, cx)).await;
        }
        let key = key_of(&self.route);
        if party.wants(Hook::ResponseHead) {
            let stored = fill.filter(|_| exchanged.head.status() == 304);
            party.validates(stored.and_then(Fill::validates).and_then(|stored| {
                let stored = stored.prepared();
                stored.with_fields(|f| f.get(Name::ContentType).map(Bytes::copy_from_slice))
            }));
            let mut edits = self.worker.edits.take();
            let (method, head) = (self.head.method_bytes(), &exchanged.head);
            let subject = || Subject {
                method,
                url: key,
                part: Part::Head(Head::Response {
                    status: head.status(),
                    lines: Lines::Table(head.fields()),
                }),
            };
            let ran = party.run(Hook::ResponseHead, 0, subject(), &mut edits);
            let ran = match ran {
                // By far the commonest: without another future.
                Ran::Through => Ran::Through,
                ran => {
                    party
                        .finish(Hook::ResponseHead, ran, subject, &mut edits)
                        .await
                }
            };
            match ran {
                Ran::Answer(response) => return Err(Unheard::Ends(Step::Respond(response))),
                Ran::Closed => return Err(Unheard::Ends(closed())),
                Ran::Through | Ran::Later(_) | Ran::Busy(_) => {}
            }
            if !edits.is_empty() {
                edited::response(&mut exchanged.head, &edits);
                self.said.hear(&edits);
            }
            self.worker.edits.set(edits);
        }
        if !matches!(exchanged.head.status(), 204 | 304) {
            let filter = party.filter(Hook::ResponseBody, self.head.method_bytes(), key);
            exchanged.origin.through(filter);
            if exchanged.origin.withholds_head() && !self.is_head() {
                // In a box, as it is rare.
                Box::pin(self.withheld_response(exchanged, fill)).await?;
            }
        }
        Ok(())
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

    /// Who is to be told that the transaction is over; made now when none was asked before (it was refused).
    pub(super) fn logging_party(&self) -> Option<Rc<Party>> {
        if !crate::modules::FIRE || self.live.chain.is_empty() {
            return None;
        }
        match &self.party {
            Some(party) => Some(party.clone()),
            None if self.live.chain.wants(Hook::Log) => Some(Party::new(
                &self.live.chain,
                self.id,
                self.peer,
                &self.key(),
            )),
            None => None,
        }
    }
}

/// The key, as modules see it: empty where no route was made.
fn key_of(route: &Option<Route>) -> &Bytes {
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
    party: &Rc<Party>,
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
        .map(|(name, cost, failed, notes)| ModuleRecord {
            name,
            cost: *cost,
            failed: *failed,
            notes,
        })
        .collect();
    log.log(&Record {
        modules: &modules,
        ..record
    });
}
