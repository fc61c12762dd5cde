//! One message of a transaction on its way through a chain of services, and what the proxy is told of it.
//!
//! Invariant: each question of the proxy (a hook) is answered once. Bytes that came from it are in the first exchange; those that go to
//! it come from the last. Awkward case: a service answers a request with a response; the chain ends there, and so does the request.

use crate::exchange::{Exchange, FULL, Outcome};
use crate::wire::{Head, Method, Start, difference};
use bytes::Bytes;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Instant;
use understudy_module::{Answer, Edits, Refused, Response, Token, Verdict, words};

/// Bytes between two services of a chain, or between the last and the proxy while it does not ask.
const BETWEEN: usize = 4 * FULL;

/// One service's part.
#[derive(Debug)]
pub(crate) struct Stage {
    /// Which service.
    pub(crate) service: usize,
    /// The head it gets, once that is known.
    pub(crate) head: Option<Arc<Head>>,
    pub(crate) exchange: Exchange,
    /// Its connection.
    pub(crate) conn: Option<u64>,
    /// It has asked for one, then.
    pub(crate) asked: Option<Instant>,
    /// How often it was begun.
    pub(crate) tried: usize,
    /// What came out was taken: the original is not to be had any more.
    pub(crate) taken: bool,
    /// The end was given to the next.
    ended: bool,
}

/// A message.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) method: Method,
    pub(crate) url: Bytes,
    pub(crate) client: IpAddr,
    /// For answers: the head of the request.
    pub(crate) request: Option<Arc<Head>>,
    head: Arc<Head>,
    pub(crate) body: bool,
    /// The length of its body, where that is known.
    pub(crate) length: Option<u64>,
    pub(crate) stages: Vec<Stage>,
    alone: bool,
    keep: usize,
    answer: usize,
    /// No piece follows.
    last: bool,
    /// The proxy has been given something else than it gave, or has been told to forget it.
    given: bool,
    /// The head was given.
    told: bool,
    /// The proxy waits for an answer.
    pub(crate) asking: bool,
    /// How it gets one, when its hook has returned.
    pub(crate) token: Option<Token>,
    /// The answer, when its hook has not.
    pub(crate) reply: Option<Answer>,
    pub(crate) failed: Option<String>,
    /// What a service says it found: for the access log.
    pub(crate) found: Option<String>,
    pub(crate) over: bool,
}

/// What a job is made of.
#[derive(Debug)]
pub(crate) struct Message {
    pub(crate) method: Method,
    pub(crate) url: Bytes,
    pub(crate) client: IpAddr,
    pub(crate) request: Option<Arc<Head>>,
    pub(crate) head: Head,
    pub(crate) body: bool,
    pub(crate) length: Option<u64>,
    /// The transaction has no other message that could be under way.
    pub(crate) alone: bool,
}

impl Job {
    pub(crate) fn new(message: Message, services: &[usize], keep: usize, answer: usize) -> Job {
        let head = Arc::new(message.head);
        let mut stages: Vec<Stage> = services
            .iter()
            .map(|service| Stage {
                service: *service,
                head: None,
                exchange: Exchange::new(message.method, message.body, keep),
                conn: None,
                asked: None,
                tried: 0,
                taken: false,
                ended: false,
            })
            .collect();
        if let Some(first) = stages.first_mut() {
            first.head = Some(head.clone());
        }
        Job {
            method: message.method,
            url: message.url,
            client: message.client,
            request: message.request,
            head,
            body: message.body,
            length: message.length,
            stages,
            alone: message.alone,
            keep,
            answer,
            last: !message.body,
            given: false,
            told: false,
            asking: false,
            token: None,
            reply: None,
            failed: None,
            found: None,
            over: false,
        }
    }

    /// A piece from the proxy.
    pub(crate) fn push(&mut self, piece: Bytes, last: bool) {
        self.last |= last;
        if let Some(first) = self.stages.first_mut() {
            first.exchange.push(piece, last);
        }
    }

    /// Moves what came out of each service to the next.
    pub(crate) fn advance(&mut self) {
        for at in 1..self.stages.len() {
            let (before, behind) = self.stages.split_at_mut(at);
            let (Some(from), Some(to)) = (before.last_mut(), behind.first_mut()) else {
                return;
            };
            if to.head.is_none() {
                let body = match from.exchange.outcome() {
                    None => return,
                    Some(Outcome::Same) => self.body,
                    Some(Outcome::Adapted(head, _)) if answers(self.method, head) => {
                        // The rest of the chain is for requests.
                        self.stages.truncate(at);
                        return;
                    }
                    Some(Outcome::Adapted(_, body)) => *body,
                };
                to.head = match from.exchange.outcome() {
                    Some(Outcome::Adapted(head, _)) => {
                        // Nothing but the body that belongs to it may follow.
                        from.taken = true;
                        Some(Arc::new(head.clone()))
                    }
                    _ => from.head.clone(),
                };
                to.exchange = Exchange::new(self.method, body, self.keep);
            }
            while to.exchange.unsent() + to.exchange.output_len() < BETWEEN
                && let Some(piece) = from.exchange.output().pop(usize::MAX)
            {
                from.taken = true;
                to.exchange.push(piece, false);
            }
            let all = from.exchange.output_ended() && from.exchange.output_len() == 0;
            if all && !std::mem::replace(&mut from.ended, true) {
                to.exchange.push(Bytes::new(), true);
            }
        }
    }

    /// Whether more of this service's answer should be read.
    pub(crate) fn reads(&self, stage: usize) -> bool {
        let last = stage + 1 == self.stages.len();
        let waiting = self
            .stages
            .get(stage)
            .map_or(0, |stage| stage.exchange.output_len());
        // What is awaited whole fails beyond its bound; but only when the proxy asks, so no more than that is read before.
        let whole = last && (self.is_early() || self.needs_whole());
        waiting < BETWEEN || (whole && waiting <= self.answer)
    }

    /// Whether this is a request's, and its head has not gone on.
    fn is_early(&self) -> bool {
        self.method == Method::Reqmod && self.body && !self.told
    }

    /// Whether the original of a service's message can still be had.
    pub(crate) fn may_pass(&self, stage: usize) -> bool {
        let last = stage + 1 == self.stages.len();
        self.stages.get(stage).is_some_and(|stage| {
            stage.exchange.is_complete() && !stage.taken && !(last && self.told)
        })
    }

    /// Answers the proxy, if it asks and there is an answer.
    pub(crate) fn decide(&mut self) -> Option<Answer> {
        if !self.asking {
            return None;
        }
        let answer = match self.failed.take() {
            Some(why) => {
                self.over = true;
                Some(Verdict::fail(why).into())
            }
            None => self.verdict().map(|mut answer| {
                // A value that may not stand in a log is left out.
                if let Some(found) = self.found.take() {
                    let _ = answer.edits.note(b"found", found.trim().as_bytes());
                }
                answer
            }),
        };
        self.asking = answer.is_none();
        answer
    }

    fn fail(&mut self, why: impl Into<String>) -> Option<Answer> {
        self.over = true;
        Some(Verdict::fail(why.into()).into())
    }

    fn verdict(&mut self) -> Option<Answer> {
        let original = self
            .stages
            .first()
            .is_none_or(|stage| stage.exchange.is_complete());
        let same = |stage: &Stage| stage.exchange.outcome() == Some(&Outcome::Same);
        if self.stages.iter().all(same) && !self.given && original {
            // The proxy has all of it still, and what follows needs no look.
            self.over = true;
            let done = self.method == Method::Respmod && self.alone;
            return Some(match done {
                true => Verdict::Done.into(),
                false => Verdict::Continue.into(),
            });
        }
        let end = self.stages.last()?;
        let known = end.exchange.outcome().is_some();
        let (ended, waiting) = (end.exchange.output_ended(), end.exchange.output_len());
        let whole = known && self.needs_whole();
        let mut stages = self.stages.iter();
        let blocked = stages.any(|stage| stage.head.is_some() && stage.exchange.waits());
        // A request whose head waits is asked about at `request_out` before its body goes on, which must not wait for this hook.
        let early = self.is_early();
        if (whole || (early && self.last)) && waiting > self.answer {
            return self.fail("what a service made is longer than option `answer` allows");
        }
        if whole && ended {
            return self.respond();
        }
        let gives = waiting > 0 && self.body && !(early && self.last);
        if known && !whole && (ended || gives) {
            // What is there goes on at once; where no other piece may come now, the proxy asks again behind it.
            return self.give(ended, !ended && !early && (self.last || blocked));
        }
        if self.last || blocked {
            return None;
        }
        // The service wants more. While all of it is kept the proxy keeps it too, and could go on without us.
        let keeps = original && !self.given;
        self.given |= !keeps;
        Some(if keeps {
            Verdict::Hold.into()
        } else {
            Verdict::Drop.into()
        })
    }

    /// The head as the services left it.
    fn adapted(&self) -> &Head {
        let mut adapted =
            self.stages
                .iter()
                .rev()
                .filter_map(|stage| match stage.exchange.outcome() {
                    Some(Outcome::Adapted(head, _)) => Some(head),
                    _ => None,
                });
        adapted.next().unwrap_or(&self.head)
    }

    /// Whether what came out cannot be made of what there is by editing: it becomes an answer of its own, and is awaited whole.
    fn needs_whole(&self) -> bool {
        match (&self.head.start, &self.adapted().start) {
            (Start::Request(..), Start::Response(_)) => true,
            (Start::Response(was), Start::Response(is)) => {
                let gets_a_body = !self.body
                    && self
                        .stages
                        .last()
                        .is_some_and(|end| end.exchange.output_len() > 0);
                (was != is && (words::is_fixed(*was) || words::is_fixed(*is))) || gets_a_body
            }
            _ => false,
        }
    }

    /// A response of its own.
    fn respond(&mut self) -> Option<Answer> {
        let body = self.stages.last_mut()?.exchange.output().join();
        if self.told {
            return self.fail("a service's response came too late");
        }
        match own_response(self.adapted(), body) {
            Ok(response) => {
                self.over = true;
                Some(Verdict::Respond(Box::new(response)).into())
            }
            Err(refused) => self.fail(format!("a service's response: {refused}")),
        }
    }

    /// What there is goes to the proxy.
    fn give(&mut self, ended: bool, first: bool) -> Option<Answer> {
        let mut edits = Edits::new();
        let body = self.stages.last_mut()?.exchange.output().join();
        if !self.told
            && let Err(why) = self.edit(&mut edits)
        {
            return self.fail(why);
        }
        self.told = true;
        let verdict = match (self.body, body.is_empty()) {
            (true, true) => Verdict::Drop,
            (true, false) if first => Verdict::First(body),
            (true, false) => Verdict::Replace(body),
            (false, true) => Verdict::Continue,
            (false, false) => return self.fail("a service gave a body to a request that has none"),
        };
        self.given = true;
        self.over = self.last && ended;
        Some(Answer { verdict, edits })
    }

    fn edit(&self, edits: &mut Edits) -> Result<(), String> {
        let adapted = self.adapted();
        match (&self.head.start, &adapted.start) {
            (Start::Response(was), Start::Response(is)) if was != is => edits.status(*is),
            (Start::Request(was, _), Start::Request(is, _)) if was != is => {
                return Err("a service changed the method of a request".to_owned());
            }
            (Start::Request(_, was), Start::Request(_, is)) if was != is => edits.target(is),
            _ => Ok(()),
        }
        .and_then(|()| difference(&self.head, adapted, edits))
        .map_err(|refused| format!("a service's head: {refused}"))
    }
}

fn own_response(head: &Head, body: Bytes) -> Result<Response, Refused> {
    let Start::Response(status) = head.start else {
        return Err(Refused::Place);
    };
    let mut response = Response::new(status, body)?;
    for (name, value) in head.own_lines() {
        response.add(name, value)?;
    }
    Ok(response)
}

/// Whether this answers a request.
fn answers(method: Method, head: &Head) -> bool {
    method == Method::Reqmod && matches!(head.start, Start::Response(_))
}

#[cfg(test)]
#[path = "job_tests.rs"]
mod tests;
