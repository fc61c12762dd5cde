//! One transaction's walk through the hooks of a module, in the order and with the rules of the proxy.
//!
//! | step | hook | then |
//! |---|---|---|
//! | `Asked` | `request_head` | `Asking`; cached: `Returning`; CONNECT, or answered: `Over` |
//! | `Asking` | `request_out` | `Resolving`; answered: `Over` |
//! | `Resolving`, `Ordering` | `resolve` | `Sending` |
//! | `Sending` | `request_body`, each piece | `Answered` |
//! | `Answered` | `response_head` | `Storing`; answered: `Over` |
//! | `Storing` | `response_body`, each piece | `Returning` |
//! | `Returning` | `response_return` | `Giving`; answered: `Over` |
//! | `Giving` | `return_body`, each piece | `Over` |
//! | `Over` | `log` | `Freed` |
//! | `Freed` | `free` | the end |
//!
//! Invariant: one call at a time. After `Done` or a failure no hook is called but `free`; after `Done` the transaction goes on as it
//! is, after a failure it ends, since what the policy makes of it is not the module's.

use crate::about::{About, Hook};
use crate::edits::{Edit, Edits};
use crate::event::{Event, LogEntry, Part, Piece};
use crate::head::{Head, Lines};
use crate::host::ObjectId;
use crate::kit::apply::{HeadText, authority, path};
use crate::kit::body::Body;
use crate::kit::case::Case;
use crate::kit::chunks::Chunking;
use crate::kit::run::Job;
use crate::kit::stage::{Call, Failed, Outcome, Seated};
use crate::kit::transcript::Transcript;
use crate::object;
use crate::verdict::{Response, Verdict};
use bytes::Bytes;
use std::net::IpAddr;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Asked,
    Asking,
    Resolving,
    Ordering,
    Sending,
    Answered,
    Storing,
    Returning,
    Giving,
    Over,
    Freed,
}

/// What one step gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Progress {
    /// A step is done.
    Again,
    /// A call is under way: its outcome goes to [`Walk::take`].
    UnderWay,
    /// The transaction is over.
    Finished,
}

/// A transaction under way.
#[derive(Debug)]
pub(crate) struct Walk<'a> {
    id: u64,
    case: &'a Case,
    chunking: &'a Chunking,
    tables: bool,
    about: About,
    step: Step,
    /// No hook but `free`: the module is done, or failed.
    closed: bool,
    called: bool,
    /// The module said in the last head hook that it keeps the length of the body behind it.
    keeps: bool,
    /// It keeps the length of the body under way.
    promised: bool,
    /// It said in the last head hook that the head waits for the body behind it.
    withholds: bool,
    /// The hook on the body behind the head is not to be called; and that on the body under way.
    skips: bool,
    skipping: bool,
    /// The head of the body under way waits, with these edits.
    late: Option<Edits>,
    /// The request's body, when it went before the request.
    sent: Option<Option<Vec<u8>>>,
    url: Vec<u8>,
    head: HeadText,
    body: Option<Body>,
    /// The answer's body, stored or returned.
    answer: Option<Vec<u8>>,
    addresses: Vec<IpAddr>,
    transcript: Transcript,
}

impl<'a> Walk<'a> {
    /// A walk of this case, whose transaction has this id.
    pub(crate) fn new(id: u64, job: &Job<'a>, about: &About) -> Walk<'a> {
        let Job {
            case,
            chunking,
            tables,
        } = *job;
        let head = HeadText {
            target: case.target.clone(),
            status: 0,
            lines: case.request.clone(),
        };
        let mut walk = Walk {
            id,
            case,
            chunking,
            tables,
            about: about.clone(),
            step: Step::Asked,
            closed: false,
            called: false,
            keeps: false,
            promised: false,
            withholds: false,
            skips: false,
            skipping: false,
            late: None,
            sent: None,
            url: Vec::new(),
            head,
            body: None,
            answer: None,
            addresses: Vec::new(),
            transcript: Transcript::default(),
        };
        walk.find_url();
        walk
    }

    pub(crate) fn id(&self) -> u64 {
        self.id
    }

    /// Whether the module is to hear of its end.
    pub(crate) fn is_freed(&self) -> bool {
        self.called && self.about.hooks.has(Hook::Free)
    }

    /// What became of it.
    pub(crate) fn finish(mut self) -> Transcript {
        self.transcript.forget_id(self.id);
        self.transcript
    }

    /// Goes on by one step: a call, or past a hook that is not to be called.
    pub(crate) fn go(&mut self, seated: &mut dyn Seated) -> Progress {
        let hook = match self.step {
            Step::Asked => Hook::RequestHead,
            Step::Asking => Hook::RequestOut,
            Step::Resolving | Step::Ordering => Hook::Resolve,
            Step::Sending => Hook::RequestBody,
            Step::Answered => Hook::ResponseHead,
            Step::Storing => Hook::ResponseBody,
            Step::Returning => Hook::ResponseReturn,
            Step::Giving => Hook::ReturnBody,
            Step::Over => Hook::Log,
            Step::Freed => {
                if self.called {
                    seated.free(self.id);
                }
                return Progress::Finished;
            }
        };
        if hook == Hook::ResponseReturn && self.injects() {
            seated.answering(self.id);
        }
        if self.closed
            || !self.about.hooks.has(hook)
            || (hook.is_body() && (self.skipping || !self.has_piece()))
        {
            self.pass(seated);
            return Progress::Again;
        }
        self.called = true;
        match self.call(hook, seated) {
            Call::UnderWay => Progress::UnderWay,
            Call::Over(outcome) => {
                self.take(outcome, seated);
                Progress::Again
            }
        }
    }

    fn has_piece(&self) -> bool {
        self.body.as_ref().is_some_and(|body| body.next().is_some())
    }

    fn injects(&self) -> bool {
        self.about.hooks.has(Hook::ReturnBody) && !self.about.only_looks
    }

    fn call(&self, hook: Hook, seated: &mut dyn Seated) -> Call {
        let table = self.tables.then(|| self.head.table()).flatten();
        let lines = match &table {
            Some(table) => Lines::Table(table.fields()),
            None => Lines::Text(&self.head.lines),
        };
        let (host, code, hierarchy);
        let entry;
        let empty = (Bytes::new(), true);
        let part = match hook {
            Hook::RequestHead | Hook::RequestOut => Part::Head(Head::Request {
                target: self.head.target.as_bytes(),
                lines,
            }),
            Hook::Resolve => {
                host = String::from_utf8_lossy(&self.url).into_owned();
                let (name, port) = authority(&host);
                let found: &[IpAddr] = match self.step {
                    Step::Ordering => &self.case.addresses,
                    _ => &[],
                };
                Part::Host { name, port, found }
            }
            Hook::ResponseHead | Hook::ResponseReturn => Part::Head(Head::Response {
                status: self.head.status,
                lines,
            }),
            Hook::Log => {
                (code, hierarchy) = self.outcome();
                let returned = self.transcript.returned.as_ref();
                let body = self.answer.as_ref().map_or(0, |body| body.len() as u64);
                entry = LogEntry {
                    status: returned.map_or(0, |_| self.head.status),
                    elapsed: Duration::from_millis(12),
                    bytes_out: body + self.head.lines.len() as u64,
                    body_out: body,
                    body_in: self.case.request_body.as_ref().map_or(0, Bytes::len) as u64,
                    code,
                    hierarchy: &hierarchy,
                    timeout: "",
                    error: "",
                    aborted: false,
                };
                Part::Log(&entry)
            }
            _ => {
                let body = self.body.as_ref();
                let (bytes, last) = body.and_then(Body::next).unwrap_or(&empty);
                Part::Piece(Piece {
                    bytes,
                    last: *last,
                    held: body.map_or(&[], |body| &*body.held),
                    head_waits: self.waits(),
                })
            }
        };
        seated.call(&Event {
            hook,
            id: self.id,
            client: self.case.client,
            method: self.case.method.as_bytes(),
            url: &self.url,
            part,
        })
    }

    /// Whether the head of the body under way may still be edited.
    fn waits(&self) -> bool {
        self.late.is_some() && self.body.as_ref().is_some_and(Body::gave_nothing)
    }

    /// The words of the log for how it was answered.
    fn outcome(&self) -> (&'static str, String) {
        let asked = self.transcript.forwarded.is_some();
        match self.case.addresses.first() {
            _ if self.case.cached => ("TCP_HIT", "HIER_NONE/-".to_owned()),
            Some(address) if asked => ("TCP_MISS", format!("HIER_DIRECT/{address}")),
            _ => ("TCP_MISS", "HIER_NONE/-".to_owned()),
        }
    }

    /// The outcome of the call that this step made.
    pub(crate) fn take(&mut self, outcome: Outcome, seated: &mut dyn Seated) {
        let hook = match self.step {
            Step::Asked => Hook::RequestHead,
            Step::Asking => Hook::RequestOut,
            Step::Resolving | Step::Ordering => Hook::Resolve,
            Step::Sending => Hook::RequestBody,
            Step::Answered => Hook::ResponseHead,
            Step::Storing => Hook::ResponseBody,
            Step::Returning => Hook::ResponseReturn,
            Step::Giving => Hook::ReturnBody,
            Step::Over => Hook::Log,
            Step::Freed => Hook::Free,
        };
        let verdict = match outcome.verdict {
            Ok(verdict) => verdict,
            Err(failed) => return self.fail(hook, failed, seated),
        };
        self.tell(hook, &verdict);
        self.read(hook, &outcome.edits);
        if hook.is_body() {
            let changes = matches!(
                verdict,
                Verdict::Replace(_) | Verdict::First(_) | Verdict::Drop
            );
            if self.about.only_looks && changes {
                let why = format!(
                    "it declares that it only looks, and says {}",
                    verdict.name()
                );
                return self.fail(hook, Failed::new("fail", why), seated);
            }
            let answers = matches!(verdict, Verdict::Respond(_));
            if !self.waits() && (answers || outcome.edits.iter().any(|edit| edit.is_of_head())) {
                let why = "it edits or answers in place of a head that does not wait";
                return self.fail(hook, Failed::new("fail", why), seated);
            }
            if let Some(late) = &mut self.late {
                // The room for edits is that of one hook.
                let repeated = outcome.edits.iter().try_for_each(|edit| late.repeat(edit));
                if let Err(refused) = repeated {
                    return self.fail(hook, Failed::new("fail", refused.to_string()), seated);
                }
            }
            if let Some(body) = &mut self.body {
                if body.is_spent(&verdict) {
                    let why = "it gives first parts of a piece without end";
                    return self.fail(hook, Failed::new("fail", why), seated);
                }
                body.settle(&verdict);
            }
        }
        match verdict {
            Verdict::Respond(response) => return self.respond(&response, seated),
            Verdict::Done => self.closed = true,
            _ => {}
        }
        if !hook.is_body() || !self.has_piece() {
            self.pass(seated);
        }
    }

    /// Notes a call; those for the pieces of one body are one.
    fn tell(&mut self, hook: Hook, verdict: &Verdict) {
        let hooks = &mut self.transcript.hooks;
        if !hook.is_body() {
            let name = if hook == Hook::Log {
                ""
            } else {
                verdict.name()
            };
            hooks.push((hook, name));
            return;
        }
        if hooks.last().is_none_or(|(last, _)| *last != hook) {
            hooks.push((hook, ""));
        }
        if *verdict == Verdict::Done
            && let Some(last) = hooks.last_mut()
        {
            last.1 = "done";
        }
    }

    fn read(&mut self, hook: Hook, edits: &Edits) {
        if hook.is_head() {
            self.head.apply(edits);
            self.keeps = false;
            self.withholds = false;
            self.skips = false;
        }
        for edit in edits.iter() {
            match edit {
                Edit::Note(name, value) => {
                    let note = (name.to_vec(), value.to_vec());
                    self.transcript.notes.push(note);
                }
                Edit::NoStore => self.transcript.storing.push("no-store".to_owned()),
                Edit::Freshness(seconds) => {
                    self.transcript.storing.push(format!("fresh for {seconds}"));
                }
                Edit::KeepLength => self.keeps = true,
                Edit::WithholdHead => self.withholds = true,
                Edit::SkipBody => self.skips = true,
                Edit::Address(address) => self.addresses.push(address),
                _ => {}
            }
        }
    }

    fn fail(&mut self, hook: Hook, failed: Failed, seated: &mut dyn Seated) {
        if self
            .transcript
            .hooks
            .last()
            .is_none_or(|(last, _)| *last != hook)
        {
            self.transcript.hooks.push((hook, ""));
        }
        if let Some(last) = self.transcript.hooks.last_mut() {
            last.1 = "fail";
        }
        self.transcript.failure = Some(failed.word);
        self.transcript.why = failed.why;
        if self.injects() {
            seated.answered(self.id);
        }
        self.closed = true;
        self.step = Step::Freed;
    }

    fn respond(&mut self, response: &Response, seated: &mut dyn Seated) {
        if self.injects() {
            seated.answered(self.id);
        }
        self.body = None;
        self.head = HeadText {
            status: response.status(),
            ..HeadText::default()
        };
        let mut edits = Edits::new();
        for (name, value) in response.fields() {
            // A response holds only lines that may be written.
            let _ = edits.add(name, value);
        }
        self.head.apply(&edits);
        let body = response.body().to_vec();
        let mut message = self
            .head
            .message(format!("{} from the module", self.head.status));
        message.body = Some(body.clone());
        self.answer = Some(body);
        self.transcript.returned = Some(message);
        self.step = Step::Over;
    }

    /// Ends this step: what it made goes into the transcript, and the next is prepared.
    fn pass(&mut self, seated: &mut dyn Seated) {
        match self.step {
            Step::Asked => {
                self.find_url();
                let message = self.head.message(self.request_line());
                self.transcript.request = Some(message);
                if self.case.method == "CONNECT" {
                    self.step = Step::Over;
                } else if self.case.cached {
                    self.begin_answer();
                    self.answer = self.origin_body().map(|body| body.to_vec());
                    self.step = Step::Returning;
                } else {
                    let body = self.case.request_body.clone();
                    let body = body.filter(|body| !body.is_empty());
                    self.begin_body(body, Hook::RequestBody);
                    if self.late.is_some() {
                        // What it makes of the body decides on what goes out.
                        self.step = Step::Sending;
                    } else {
                        self.go_out();
                        self.step = Step::Asking;
                    }
                }
            }
            Step::Asking => {
                self.go_out();
                let message = self.head.message(self.request_line());
                self.transcript.forwarded = Some(message);
                self.step = Step::Resolving;
            }
            Step::Resolving if self.addresses.is_empty() && self.orders() => {
                self.step = Step::Ordering;
            }
            Step::Resolving | Step::Ordering => {
                if self.addresses.is_empty() {
                    self.addresses.clone_from(&self.case.addresses);
                }
                let addresses = self.addresses.iter().map(ToString::to_string);
                self.transcript.addresses = addresses.collect();
                self.step = Step::Sending;
            }
            Step::Sending => {
                if self.late.is_some() {
                    if let Some(body) = self.end_body(Hook::RequestBody, seated) {
                        self.find_url();
                        self.transcript.request = Some(self.head.message(self.request_line()));
                        self.sent = Some(body);
                        self.go_out();
                        self.step = Step::Asking;
                    }
                } else if let Some(body) = self.end_body(Hook::RequestBody, seated) {
                    let body = self.sent.take().unwrap_or(body);
                    if let Some(message) = &mut self.transcript.forwarded {
                        message.body = body;
                    }
                    self.begin_answer();
                    self.step = Step::Answered;
                }
            }
            Step::Answered => {
                let body = self.origin_body();
                self.begin_body(body, Hook::ResponseBody);
                let message = self.head.message(self.head.status.to_string());
                self.transcript.stored = Some(message);
                self.step = Step::Storing;
            }
            Step::Storing => {
                if let Some(body) = self.end_body(Hook::ResponseBody, seated) {
                    let mut message = self.head.message(self.head.status.to_string());
                    message.body.clone_from(&body);
                    self.transcript.stored = Some(message);
                    self.answer = body;
                    self.step = Step::Returning;
                }
            }
            Step::Returning => {
                let body = self.answer.take().map(Bytes::from);
                self.begin_body(body, Hook::ReturnBody);
                let message = self.head.message(self.head.status.to_string());
                self.transcript.returned = Some(message);
                self.step = Step::Giving;
            }
            Step::Giving => {
                if let Some(body) = self.end_body(Hook::ReturnBody, seated) {
                    if let Some(message) = &mut self.transcript.returned {
                        message.body.clone_from(&body);
                    }
                    self.answer = body;
                    if self.injects() {
                        self.transcript.injected = seated.answered(self.id).concat();
                    }
                    self.step = Step::Over;
                }
            }
            Step::Over => self.step = Step::Freed,
            Step::Freed => {}
        }
    }

    fn orders(&self) -> bool {
        self.about.orders_addresses && !self.closed && !self.case.addresses.is_empty()
    }

    /// The target as an origin is asked for it: a path.
    fn go_out(&mut self) {
        let target = path(&self.head.target);
        self.head.target = if target.is_empty() { "/" } else { target }.to_owned();
    }

    fn request_line(&self) -> String {
        format!("{} {}", self.case.method, self.head.target)
    }

    /// The origin's head, or the stored one.
    fn begin_answer(&mut self) {
        self.head = HeadText {
            target: String::new(),
            status: self.case.status,
            lines: self.case.response.clone(),
        };
    }

    fn origin_body(&self) -> Option<Bytes> {
        let bodiless = self.case.method == "HEAD" || matches!(self.case.status, 204 | 304);
        (!bodiless)
            .then(|| self.case.response_body.clone())
            .flatten()
    }

    fn may_change(&self, hook: Hook) -> bool {
        let hears = self.about.hooks.has(hook) && !self.skipping;
        hears && !self.about.only_looks && !self.closed
    }

    fn begin_body(&mut self, body: Option<Bytes>, hook: Hook) {
        self.skipping = std::mem::take(&mut self.skips);
        if self.may_change(hook) && !self.keeps && body.is_some() {
            self.head.forget_length();
        }
        self.promised = std::mem::take(&mut self.keeps) && self.may_change(hook);
        let withholds = std::mem::take(&mut self.withholds) && self.may_change(hook);
        self.late = (withholds && body.is_some()).then(Edits::new);
        let cuts = match hook {
            Hook::RequestBody => &self.chunking.request,
            Hook::ResponseBody => &self.chunking.response,
            _ => &self.chunking.returned,
        };
        self.body = body.map(|bytes| Body::new(&bytes, cuts));
    }

    /// The body as it went on; `None` when it broke the module's promise about its length.
    fn end_body(&mut self, hook: Hook, seated: &mut dyn Seated) -> Option<Option<Vec<u8>>> {
        let Some(body) = self.body.take() else {
            return Some(None);
        };
        let (bytes, same) = body.finish();
        if self.promised && !same && !self.closed {
            let why = "it promised to keep the body's length, and did not";
            self.fail(hook, Failed::new("fail", why), seated);
            return None;
        }
        if let Some(late) = self.late.take() {
            self.head.apply(&late);
        }
        Some(Some(bytes))
    }

    /// The URL asked for, as the cache's key has it.
    fn find_url(&mut self) {
        let target = &self.head.target;
        let url = if target.starts_with('/') {
            let host = self.head.value("host").unwrap_or_default();
            format!("http://{host}{target}")
        } else {
            target.clone()
        };
        let named = object::of_url(&url);
        self.url = named
            .as_ref()
            .map(ObjectId::key)
            .map_or_else(|| url.into_bytes(), <[u8]>::to_vec);
    }
}
