//! An exchange that is over, brought before the oracle: what it was, what is remembered of it, and what is kept if it was faulty.

use super::{
    adapting::Known as Adapted,
    answer::Reader,
    connection::Connection,
    exchange::{Exchange, shown},
    kept::{Kept, KeptExchange},
    load::Load,
    tags::Tags,
};
use crate::{
    demand::Method,
    oracle::{
        Coding, Earlier, Expectation, Known, Memory, Observed, Outcome, Verdict, fresh_until,
        judge, may_be_old, through::Judged,
    },
    origin,
    record::{Fault, Sample, Source},
    world::Object,
};

/// What is known of an exchange that is over.
pub(crate) struct Over {
    /// What is recorded of it.
    pub(crate) sample: Sample,
    /// Whether the robot has read a page whole.
    pub(crate) read: bool,
    /// What is known of a body that may be adapted.
    pub(crate) adapted: Option<Adapted>,
    expected: Expectation,
    seen: Observed,
    /// The answer's head, if it may be wanted.
    answer: String,
    /// What is wrong with an adapted body, in words.
    why: Option<String>,
}

impl Over {
    /// What was found of its body.
    pub(crate) fn add(&mut self, judged: Judged) {
        self.sample.adapted = judged.fates;
        self.sample.faults.extend(judged.faults);
        self.sample.faults.sort_unstable();
        self.sample.faults.dedup();
        self.why = judged.why;
    }
}

/// The oracle with its memory.
pub(crate) struct Judging {
    memory: Memory,
    /// Bytes of the proxy's store, if they are known.
    cache: Option<u64>,
    kept: Option<Kept>,
    tags: Tags,
    /// Idle connections that bytes came on.
    spoke: u32,
}

impl Judging {
    /// Of a proxy with a store of so many bytes; faulty exchanges are kept there. An object is never asked for again when there are
    /// `window` newer ones.
    pub(crate) fn new(cache: Option<u64>, kept: Option<Kept>, window: u64) -> Self {
        Self {
            memory: Memory::new(window),
            cache,
            kept,
            tags: Tags::default(),
            spoke: 0,
        }
    }

    /// A request is about to be sent.
    pub(crate) fn asked(&mut self, object: Object, number: u64, method: Method, now: u64) {
        self.memory.asked(object, number, now);
        // At its end it was invalidated for certain; when within, nobody here knows.
        if method == Method::Post {
            self.memory.invalidated(object);
        }
    }

    /// Forgets some of what is never asked for again. To be called once a second.
    pub(crate) fn forget(&mut self) {
        self.memory.forget();
    }

    /// Bytes came on an idle connection. They belong to no exchange; the next one tells of them.
    pub(crate) fn spoke(&mut self) {
        self.spoke += 1;
    }

    /// The exchange is over.
    pub(crate) fn over(
        &mut self,
        load: &Load,
        exchange: &mut Exchange,
        outcome: Outcome,
        slot: &Option<Connection>,
    ) -> Over {
        let reader = slot.as_ref().map(|c| &c.reader);
        let head = reader.map(|r| r.head()).filter(|head| head.status != 0);
        let seen = Observed {
            outcome,
            status: head.map(|h| h.status),
            claims: head.map(|h| h.claims).unwrap_or_default(),
            bytes: exchange.body.bytes(),
            wrong: exchange.body.difference().is_some()
                && !exchange.adapted.as_ref().is_some_and(|g| g.decoded()),
            until_closed: reader.is_some_and(Reader::until_closed),
        };
        let coding = head.map_or(Coding::Plain, |h| h.coding);
        let mut expected = self.expectation(load, exchange, &seen);
        expected.adapted = load
            .adapting
            .right_length(load, exchange, coding, seen.claims.length);
        let mut verdict = judge(&expected, &seen);
        if self.spoke > 0 {
            self.spoke -= 1;
            verdict.faults.push(Fault::Protocol);
        }
        let whole = outcome == Outcome::Whole && seen.status == Some(200);
        if let Some(tag) = head.and_then(|h| h.tag)
            && whole
            && exchange.adapted.is_some()
            && !self
                .tags
                .right(exchange.arrival.object, tag, coding, seen.bytes)
            && !verdict.faults.contains(&Fault::Fields)
        {
            verdict.faults.push(Fault::Fields);
        }
        // RFC 9110 12.5.3: what has a body to be judged by is told by that, but HEAD has none, and what is not meant is compared as it comes.
        if seen.status == Some(200)
            && exchange.adapted.is_none()
            && !load.adapting.accept(load, &exchange.arrival).takes(coding)
            && !verdict.faults.contains(&Fault::Fields)
        {
            verdict.faults.push(Fault::Fields);
        }
        let excused = expected.broken && seen.until_closed;
        let adapted = load.adapting.over(exchange, outcome, excused);
        // What a module had no time for goes on as it is, and may not be stored. Whether it had is known when it is judged.
        let certain = match &adapted {
            Some(Adapted::Judged(judged)) => !judged.may_be_as_it_was(),
            Some(Adapted::Soon(_)) => false,
            None => true,
        };
        let variant = certain.then(|| load.adapting.variant(load, &exchange.arrival));
        self.remember(exchange, &expected, &seen, &verdict, variant);
        let arrival = &exchange.arrival;
        let sample = Sample {
            object: arrival.object,
            phase: arrival.phase,
            kind: arrival.kind,
            method: arrival.method,
            due: super::clock::micros(arrival.due),
            taken: exchange.taken,
            begun: exchange.begun,
            sent: exchange.sent,
            head: exchange.head,
            done: exchange.done,
            bytes: seen.bytes,
            cachable: expected.cachable,
            offered: verdict.offered,
            source: verdict.source,
            aborted: outcome == Outcome::Aborted,
            adapted: Vec::new(),
            faults: verdict.faults,
        };
        // The connection is another's when the judges have come to it.
        let wanted = self.kept.is_some() && (adapted.is_some() || !sample.faults.is_empty());
        let answer = reader.filter(|_| wanted).map(|r| shown(r.text()));
        let page = outcome == Outcome::Whole && matches!(seen.status, Some(200 | 304));
        let read = page && arrival.method == Method::Get && arrival.abort.is_none();
        Over {
            sample,
            read,
            adapted,
            expected,
            seen,
            answer: answer.unwrap_or_default(),
            why: None,
        }
    }

    /// How many faulty exchanges are kept, if any are to be.
    pub(crate) fn kept(&self) -> Option<u64> {
        self.kept.as_ref().map(|kept| u64::from(kept.count()))
    }

    /// What came of an exchange's body, found when it was over already. Whether a store has it for certain is known now.
    pub(crate) fn judged(&mut self, load: &Load, exchange: &Exchange, judged: &Judged) {
        if exchange.since.is_none() && !judged.may_be_as_it_was() {
            let variant = load.adapting.variant(load, &exchange.arrival);
            self.memory
                .certain(exchange.arrival.object, exchange.done, variant);
        }
    }

    /// Keeps the exchange if something was wrong with it.
    pub(crate) fn keep(&mut self, load: &Load, exchange: &Exchange, over: &Over) {
        if over.sample.faults.is_empty() {
            return;
        }
        if let Some(kept) = &mut self.kept {
            kept.keep(&KeptExchange::new(
                load,
                exchange,
                &over.sample,
                &over.expected,
                &over.seen,
                over.answer.clone(),
                over.why.as_deref(),
            ));
        }
    }

    fn expectation(&self, load: &Load, exchange: &Exchange, seen: &Observed) -> Expectation {
        let arrival = &exchange.arrival;
        let (object, own) = (arrival.object, arrival.number);
        let sent = load.clock.unix_seconds(exchange.sent);
        let named = seen.claims.reply.map(|reply| reply.request);
        let made = named.and_then(|request| self.memory.made(object, request));
        let known = seen.claims.reply.map_or(Known::Never, |reply| {
            self.memory.known(object, own, reply.request, exchange.sent)
        });
        let broken = |number| origin::breaks_off(&load.world, number);
        // Whose answer it would be: the one it names; else its own, or that of any request it may have been joined to.
        let broken = match seen.claims.reply {
            Some(reply) => broken(reply.request),
            None => {
                broken(own)
                    || self
                        .memory
                        .under_way(object, own, exchange.sent)
                        .any(broken)
            }
        };
        Expectation {
            method: arrival.method,
            kind: arrival.kind,
            cachable: load.world.cachable(object),
            since: exchange.since,
            known,
            others: self.memory.others(object, own),
            version: exchange.version,
            version_is: exchange.named,
            later: load
                .world
                .version(object, load.clock.unix_seconds(exchange.done)),
            length: load.library.length(&load.world, object),
            adapted: false,
            earlier: self
                .memory
                .earlier(object, load.adapting.variant(load, arrival)),
            cache: self.cache,
            broken,
            sent: (sent, exchange.sent),
            // Nothing that the origin said of a request is older than the request.
            doubt: load.clock.doubt(made.unwrap_or(0), exchange.sent),
            there: named.and_then(|request| self.memory.there(object, request)),
            made,
            due: super::clock::micros(arrival.due),
        }
    }

    fn remember(
        &mut self,
        exchange: &Exchange,
        expected: &Expectation,
        seen: &Observed,
        verdict: &Verdict,
        variant: Option<u8>,
    ) {
        let (object, number) = (exchange.arrival.object, exchange.arrival.number);
        match verdict.source {
            // A 304 without the origin's field may have been made after the origin was asked under this very number.
            Source::Hit | Source::Joined if seen.claims.reply.is_some() => {
                // Within what clocks may differ by: the proxy takes it for stale perhaps, and fetches anew behind the robot's back.
                let answered = seen.claims.reply.map_or(0, |r| r.answered);
                let old = may_be_old(expected, answered);
                self.memory.served(object, number, exchange.done, old);
            }
            source => {
                let own = matches!(source, Source::Miss | Source::Validated);
                let there = own.then_some(exchange.head);
                self.memory.ended(object, number, exchange.done, there);
            }
        }
        if exchange.arrival.method == Method::Post {
            self.memory.invalidated(object);
        }
        let whole = seen.outcome == Outcome::Whole && seen.status == Some(200);
        let stored = matches!(verdict.source, Source::Miss | Source::Validated)
            && expected.cachable
            && exchange.arrival.method == Method::Get
            && whole
            && exchange.named;
        if stored {
            let bytes = if verdict.source == Source::Miss {
                seen.bytes
            } else {
                0
            };
            let until = expected.version.until;
            // A second less: fields count whole ones. And from when it was asked for, as caches count (RFC 9111 4.2.3).
            let answered = seen.claims.reply.map_or(0, |r| r.answered);
            self.memory.stored(
                object,
                Earlier {
                    until,
                    fresh: fresh_until(exchange.sent, answered, until - 1),
                    done: exchange.done,
                    since: bytes,
                    certain: expected.since.is_none() && variant.is_some(),
                },
                variant.unwrap_or(0),
            );
        }
    }
}
