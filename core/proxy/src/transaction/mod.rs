//! A transaction: one request and its answer, as a table of steps.
//!
//! | step | ends in |
//! |---|---|
//! | `request_head` | `look_up`, `pass`, `tunnel`, `purge`, `answer` (refusals, PAC, TRACE), `respond` (a module's own answer) |
//! | `look_up` | `hit`, `ask`, `answer` (only-if-cached) |
//! | `ask` | `lead`, `follow`, `look_up` again |
//! | `hit` | `deliver` from the store |
//! | `lead` | `hit` (validated, or stale), `deliver` from its own fill, `deliver` past the store |
//! | `follow` | `deliver` from another's fill, `look_up` again, `ask` to lead alone, `hit` (stale, when the leader failed) |
//! | `pass` | `deliver` past the store |
//! | `purge` | `log` (the receipt), `answer` |
//! | `tunnel` | bytes both ways until an end |
//! | `deliver` | `log` |
//! | `log` | the client again, or the end of its connection |
//!
//! Plain hits take the same steps on the spot, without a transaction: see [`fast`]. Step names appear in the trace (`-v`).
//! Invariant: a transaction owns the client's socket from its start to its end, and exactly one record is logged for it,
//! also when it is dropped on its way.

mod answer;
mod ask;
mod asking;
mod complete;
mod confirm;
mod deliver;
mod exchange;
pub(crate) mod fast;
mod follow;
mod foretell;
mod forwarded;
mod head_effects;
mod hearing;
mod hit;
mod hooks;
mod injected;
pub(crate) mod internal;
mod invalidate;
mod labels;
mod lead;
mod lead_part;
mod local;
mod look_up;
mod naming;
mod on_the_spot;
mod origin;
mod part;
mod partition;
mod pass;
mod pump;
mod purge;
mod ranged;
mod refusal;
mod request_body;
mod request_head;
mod request_out;
mod respond;
mod response_head;
mod returning;
mod revalidate;
mod route;
mod ruled;
mod select;
mod sending;
mod storable;
mod tunnel;
mod withheld;

pub(crate) use answer::too_many_connections;
pub(crate) use foretell::foretell;
pub(crate) use injected::prepare as prepare_injected;
pub(crate) use partition::url as url_of;
pub(crate) use ruled::rekey;

use crate::client::Client;
use crate::modules::handle::Handle;
use crate::modules::party::Ran;
use crate::record::{Outcome, OwnedRecord, Record};
use crate::worker::{Live, Source, Worker};
use bytes::Bytes;
use refusal::Refusal;
use request_body::RequestBody;
use route::Route;
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use understudy_cache::{Fill, FillReader, Slot, Stored};
use understudy_http::semantics::cache_control::RequestDirectives;
use understudy_http::semantics::reuse::Stale;
use understudy_http::semantics::{cache_status::Forward, date::Seconds, storing::NoStoreReason};
use understudy_http::wire::head::HeadError;
use understudy_http::{Method, Name, RequestHead, Version};
use understudy_module::Response;

/// A transaction.
pub(crate) struct Transaction {
    id: u64,
    worker: Rc<Worker>,
    live: Rc<Live>,
    source: Rc<Source>,
    peer: SocketAddr,
    client: Client,
    head: RequestHead<Bytes>,
    directives: RequestDirectives,
    body: RequestBody,
    /// Where to, and under which key; `None` until `request_head` found out.
    route: Option<Route>,
    started: Instant,
    /// Whether the client's connection is to persist after the answer.
    persist: bool,
    /// What the index held at the last look.
    seen: Option<Arc<Slot>>,
    /// What may stand in for the origin if it fails a request that goes past the store.
    stands_by: Option<Arc<Stored>>,
    /// How often an answer was looked for again because another's fill did not serve.
    detours: u32,
    /// The URL for the record when no route was made (a hit that was answered on the spot and did not fit into the socket).
    logged_url: Option<Bytes>,
    /// There was no request that could be read; the head is a stand-in.
    unread: bool,
    /// The record was written.
    recorded: bool,
    tally: Tally,
    /// The modules' part, when there are modules.
    party: Option<Handle>,
    /// What was asked of modules before there was a transaction.
    before: Option<hooks::Before>,
    /// `response_return` was asked there, too.
    returned: Option<Box<(Ran, Box<understudy_module::Edits>)>>,
    /// What modules said of storing the answer.
    said: hooks::Said,
    /// The request that went out last had credentials from a module.
    lent: bool,
    /// The whole is longer than a range miss may fetch.
    too_long: bool,
}

/// What the record will say.
#[derive(Debug)]
struct Tally {
    status: u16,
    bytes_out: u64,
    body_out: u64,
    outcome: Outcome,
    forward: Option<Forward>,
    not_stored: Option<NoStoreReason>,
    collapsed: bool,
    /// By whose leave a stale response is served.
    stale: Option<Stale>,
    /// The status of the origin's answer, where something else is served in its place.
    received: Option<u16>,
    origin: Option<SocketAddr>,
    error: Option<&'static str>,
    aborted: bool,
    content_type: Option<Bytes>,
}

/// A step and what it needs.
enum Step {
    RequestHead,
    LookUp,
    Ask {
        validate: Option<Arc<Stored>>,
        alone: bool,
        forward: Forward,
    },
    Hit {
        stored: Arc<Stored>,
        how: Outcome,
    },
    Resume(Box<fast::BlockedHit>),
    Lead {
        fill: Fill,
        validate: Option<Arc<Stored>>,
    },
    Follow {
        reader: FillReader,
    },
    /// Something of a response: a range, or what completes parts.
    AskPart {
        errand: part::Errand,
        alone: bool,
        forward: Forward,
    },
    LeadPart {
        fill: Fill,
        errand: part::Errand,
    },
    Pass {
        why: NoStoreReason,
    },
    Tunnel,
    Answer(Refusal),
    /// A module answers.
    Respond(Box<Response>),
    Pac,
    Echo,
    Options,
    Purge,
    Log,
}

impl Step {
    fn name(&self) -> &'static str {
        match self {
            Step::RequestHead => "request_head",
            Step::LookUp => "look_up",
            Step::Ask { .. } | Step::AskPart { .. } => "ask",
            Step::Hit { .. } | Step::Resume(_) => "hit",
            Step::Lead { .. } | Step::LeadPart { .. } => "lead",
            Step::Follow { .. } => "follow",
            Step::Pass { .. } => "pass",
            Step::Tunnel => "tunnel",
            Step::Respond(_) => "respond",
            Step::Answer(_) | Step::Pac | Step::Echo | Step::Options => "answer",
            Step::Purge => "purge",
            Step::Log => "log",
        }
    }
}

/// A transaction's id as the trace and the logs write it: sixteen hexadecimal digits.
struct Id(u64);

impl std::fmt::Display for Id {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// Why there is no request at all.
pub(crate) enum Rejected {
    Head(HeadError),
    Late,
}

/// Runs a transaction to its end; the client comes back when its connection persists.
pub(crate) fn run(tx: Box<Transaction>) -> impl Future<Output = Option<Client>> {
    Running::of(tx).end(Step::RequestHead)
}

/// Goes on with a hit whose answer did not fit into the socket at once.
pub(crate) fn resume_hit(
    mut tx: Box<Transaction>,
    hit: Box<fast::BlockedHit>,
) -> impl Future<Output = Option<Client>> {
    tx.persist = hit.persist;
    Running::of(tx).end(Step::Resume(hit))
}

/// Answers bytes that are no request, and ends the connection.
pub(crate) fn reject(
    mut tx: Box<Transaction>,
    why: Rejected,
    line: Bytes,
) -> impl Future<Output = Option<Client>> {
    tx.persist = false;
    tx.body = RequestBody::unknown();
    let refusal = match why {
        Rejected::Late => Refusal::new(408, "head-timeout"),
        Rejected::Head(error) => Refusal::head(error, line),
    };
    tx.unread = true;
    Running::of(tx).end(Step::Answer(refusal))
}

/// A transaction on its way. Dropped before its end (its connection is cut, its worker stops), it is counted and logged all
/// the same.
struct Running {
    tx: Option<Box<Transaction>>,
}

impl Running {
    fn of(tx: Box<Transaction>) -> Running {
        Running { tx: Some(tx) }
    }

    /// Runs the steps; the client, when its connection persists.
    async fn end(mut self, first: Step) -> Option<Client> {
        self.tx.as_mut()?.steps(first).await;
        let tx = self.tx.take()?;
        tx.worker.stats.transactions_open.sub(1);
        if !tx.persist {
            return None;
        }
        tx.worker.table.set(tx.head.into_table());
        let mut client = tx.client;
        client.served += 1;
        Some(client)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let Some(tx) = &mut self.tx else { return };
        if !tx.recorded {
            tx.tally.error.get_or_insert("cut");
            tx.aborted();
            tx.record();
        }
        tx.worker.stats.transactions_open.sub(1);
    }
}

pub(crate) use hooks::Handed;
/// The head of a request that could not be read.
pub(crate) use local::stand_in_head;

impl Transaction {
    pub(crate) fn new(
        worker: Rc<Worker>,
        source: Rc<Source>,
        peer: SocketAddr,
        client: Client,
        head: RequestHead<Bytes>,
        started: Instant,
        handed: Option<hooks::Handed>,
    ) -> Box<Transaction> {
        let live = worker.live();
        let (id, party, before) = match handed {
            Some(handed) => (handed.party.id(), Some(handed.party), Some(handed.before)),
            None => (worker.transaction_id(), None, None),
        };
        worker.stats.requests.add(1);
        worker.stats.transactions_open.add(1);
        let directives = RequestDirectives::parse(head.fields());
        let persist = may_persist(
            &live,
            &worker,
            &source,
            &client,
            head.version(),
            head.fields(),
        );
        // In a box from the start: it is moved from future to future.
        Box::new(Transaction {
            id,
            worker,
            live,
            source,
            peer,
            client,
            head,
            directives,
            body: RequestBody::none(),
            route: None,
            started,
            persist,
            seen: None,
            stands_by: None,
            detours: 0,
            logged_url: None,
            unread: false,
            recorded: false,
            party,
            before,
            returned: None,
            said: hooks::Said::default(),
            lent: false,
            too_long: false,
            tally: Tally {
                status: 0,
                bytes_out: 0,
                body_out: 0,
                outcome: Outcome::Local,
                forward: None,
                not_stored: None,
                collapsed: false,
                stale: None,
                received: None,
                origin: None,
                error: None,
                aborted: false,
                content_type: None,
            },
        })
    }

    /// The driver: step after step until the log is written.
    async fn steps(&mut self, first: Step) {
        let mut step = first;
        loop {
            tracing::debug!(id = %self.name(), step = step.name(), "step");
            step = match step {
                Step::RequestHead => self.request_head().await,
                Step::LookUp => {
                    let next = self.look_up().await;
                    if !matches!(next, Step::Hit { .. }) {
                        // The hit that modules were asked about on the spot is gone.
                        self.give_up();
                    }
                    next
                }
                Step::Ask {
                    validate,
                    alone,
                    forward,
                } => self.ask(validate, alone, forward).await,
                Step::Hit { stored, how } => self.hit(stored, how).await,
                Step::Resume(hit) => self.finish_hit(hit).await,
                Step::Lead { fill, validate } => self.lead(fill, validate).await,
                Step::AskPart {
                    errand,
                    alone,
                    forward,
                } => self.ask_part(errand, alone, forward).await,
                // In a box, as the most are of the whole.
                Step::LeadPart { fill, errand } => Box::pin(self.lead_part(fill, errand)).await,
                Step::Follow { reader } => self.follow(reader).await,
                Step::Pass { why } => self.pass(why).await,
                Step::Tunnel => self.tunnel().await,
                Step::Answer(refusal) => self.answer(refusal).await,
                Step::Respond(response) => self.respond(response).await,
                Step::Pac => self.pac().await,
                Step::Echo => self.echo().await,
                Step::Options => self.options().await,
                Step::Purge => self.purge().await,
                Step::Log => return self.log().await,
            }
        }
    }

    /// The id as it is written.
    fn name(&self) -> Id {
        Id(self.id)
    }

    /// Names a step within a step in the trace.
    fn trace(&self, step: &'static str) {
        tracing::debug!(id = %self.name(), step, "step");
    }

    fn now(&self) -> Seconds {
        self.worker.clock.now()
    }

    fn key(&self) -> Bytes {
        self.route
            .as_ref()
            .map(|r| r.key.clone())
            .unwrap_or_default()
    }

    fn is_head(&self) -> bool {
        self.head.method() == Method::Head
    }

    /// The last step: counts, writes the record, and decides about the connection.
    async fn log(&mut self) {
        self.record();
        self.leave().await;
    }

    fn record(&mut self) {
        self.recorded = true;
        self.give_up();
        let elapsed = self.started.elapsed();
        let tally = &self.tally;
        let stats = &self.worker.stats;
        stats
            .bytes_in
            .add(self.head.size() as u64 + self.body.received());
        stats.bytes_out.add(tally.bytes_out);
        stats.finished(tally.outcome, tally.status, elapsed);
        self.note_refusal(tally.received.unwrap_or(tally.status));
        let log = &self.live.log;
        let made;
        let party = match &self.party {
            Some(party) => party,
            None => match self.late_party() {
                Some(party) => {
                    made = party;
                    &made
                }
                None => {
                    if let Some(log) = log {
                        self.with_record(elapsed, |record| log.log(&record));
                    }
                    return;
                }
            },
        };
        let mut edits = self.worker.edits.take();
        let ran = self.tell_end(party, elapsed, &mut edits);
        if let Ran::Later(_) | Ran::Busy(_) = ran {
            let party = party.clone();
            let record = self.with_record(elapsed, |record| OwnedRecord::of(&record));
            let (log, key) = (log.clone(), self.key_asked().clone());
            self.worker.afterwards.add(async move {
                hooks::log_later(&party, ran, &record, &key, &mut edits).await;
                if let Some(log) = log {
                    hooks::write(&*log, &party, record.borrow());
                }
            });
            return;
        }
        self.worker.edits.set(edits);
        if let Some(log) = log {
            self.with_record(elapsed, |record| hooks::write(&**log, party, record));
        }
    }

    /// Puts the record together. Without a log only what modules may be told of it is looked up.
    fn with_record<R>(&self, elapsed: Duration, then: impl FnOnce(Record<'_>) -> R) -> R {
        let (log, tally) = (&self.live.log, &self.tally);
        let fields = self.head.fields();
        let target = match self.unread {
            true => b"",
            false => self.head.target(),
        };
        let url = match (&self.route, &self.logged_url) {
            _ if log.is_none() => target.into(),
            (Some(route), _) => partition::shown(&route.key),
            (None, Some(key)) => partition::shown(key),
            (None, None) => target.into(),
        };
        let logged = |name| log.as_ref().and_then(|_| fields.get(name));
        let rules = match (log, &self.route) {
            (Some(_), Some(route)) => ruled::names(
                &self.live.settings.rules,
                &route.key,
                tally.status,
                tally.content_type.as_deref(),
                tally.body_out,
            ),
            _ => String::new(),
        };
        then(Record {
            id: self.id,
            at: match log {
                Some(_) => std::time::SystemTime::now(),
                None => std::time::UNIX_EPOCH,
            },
            elapsed,
            listener: &self.source.listener.name,
            client: self.peer,
            method: self.method_read(),
            url: &url,
            version: self.head.version(),
            status: tally.status,
            bytes_out: tally.bytes_out,
            body_out: tally.body_out,
            body_in: self.body.received(),
            outcome: tally.outcome,
            forward: tally.forward,
            not_stored: tally.not_stored,
            stale: tally.stale,
            origin: tally.origin,
            content_type: tally.content_type.as_deref(),
            referer: logged(Name::Referer),
            user_agent: logged(Name::UserAgent),
            error: tally.error,
            aborted: tally.aborted,
            modules: &[],
            rules: &rules,
        })
    }
}

/// Whether the client's connection persists after this request (RFC 9112 section 9.3), and we want it to.
pub(crate) fn may_persist(
    live: &Live,
    worker: &Worker,
    source: &Source,
    client: &Client,
    version: Version,
    fields: understudy_http::Fields<'_>,
) -> bool {
    let limit = live.settings.limits.requests_per_connection;
    // RFC 9112 section 9.3: a proxy keeps no connection of an HTTP/1.0 client; a reverse proxy is an origin to its clients.
    let old = version == Version::Http10
        && !matches!(source.listener.mode, crate::settings::Mode::Reverse { .. });
    !old && understudy_http::wire::framing::persists(version, fields)
        && !worker.draining.get()
        && !source.retired.get()
        && (limit == 0 || client.served + 1 < limit)
}
