//! An exchange that is over, brought before the oracle: what it was, what is remembered of it, and what is kept if it was faulty.

use super::{
    answer::Reader,
    connection::Connection,
    exchange::{Exchange, shown},
    kept::{Kept, KeptExchange},
    load::Load,
};
use crate::{
    demand::Method,
    oracle::{
        Earlier, Expectation, Known, Memory, Observed, Outcome, SLACK, Verdict, fresh_until, judge,
    },
    origin,
    record::{Fault, Sample, Source},
    world::Object,
};

/// The oracle with its memory.
pub(crate) struct Judging {
    memory: Memory,
    /// Bytes of the proxy's store, if they are known.
    cache: Option<u64>,
    kept: Option<Kept>,
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
            spoke: 0,
        }
    }

    /// A request is about to be sent.
    pub(crate) fn asked(&mut self, object: Object, number: u64, method: Method) {
        self.memory.asked(object, number);
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

    /// The exchange is over: what is recorded of it, and whether the robot has read a page whole.
    pub(crate) fn over(
        &mut self,
        load: &Load,
        exchange: &Exchange,
        outcome: Outcome,
        slot: &Option<Connection>,
    ) -> (Sample, bool) {
        let reader = slot.as_ref().map(|c| &c.reader);
        let head = reader.map(|r| r.head()).filter(|head| head.status != 0);
        let seen = Observed {
            outcome,
            status: head.map(|h| h.status),
            claims: head.map(|h| h.claims).unwrap_or_default(),
            bytes: exchange.body.bytes(),
            wrong: exchange.body.difference().is_some(),
            until_closed: reader.is_some_and(Reader::until_closed),
        };
        let expected = self.expectation(load, exchange, &seen);
        let mut verdict = judge(&expected, &seen);
        if self.spoke > 0 {
            self.spoke -= 1;
            verdict.faults.push(Fault::Protocol);
        }
        self.remember(exchange, &expected, &seen, &verdict);
        let arrival = &exchange.arrival;
        let sample = Sample {
            object: arrival.object,
            phase: arrival.phase,
            kind: arrival.kind,
            method: arrival.method,
            due: super::clock::micros(arrival.due),
            taken: exchange.taken,
            sent: exchange.sent,
            head: exchange.head,
            done: exchange.done,
            bytes: seen.bytes,
            cachable: expected.cachable,
            offered: verdict.offered,
            source: verdict.source,
            aborted: outcome == Outcome::Aborted,
            faults: verdict.faults,
        };
        if !sample.faults.is_empty()
            && let Some(kept) = &mut self.kept
        {
            kept.keep(&KeptExchange::new(
                load,
                exchange,
                &sample,
                &expected,
                &seen,
                reader.map(|r| shown(r.text())).unwrap_or_default(),
            ));
        }
        let page = outcome == Outcome::Whole && matches!(seen.status, Some(200 | 304));
        let read = page && arrival.method == Method::Get && arrival.abort.is_none();
        (sample, read)
    }

    fn expectation(&self, load: &Load, exchange: &Exchange, seen: &Observed) -> Expectation {
        let arrival = &exchange.arrival;
        let (object, own) = (arrival.object, arrival.number);
        let sent = load.clock.unix_seconds(exchange.sent);
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
            earlier: self.memory.earlier(object),
            cache: self.cache,
            broken,
            sent: (sent, exchange.sent),
            doubt: load.clock.doubt(exchange.sent),
            there: (seen.claims.reply).and_then(|reply| self.memory.there(object, reply.request)),
            due: super::clock::micros(arrival.due),
        }
    }

    fn remember(
        &mut self,
        exchange: &Exchange,
        expected: &Expectation,
        seen: &Observed,
        verdict: &Verdict,
    ) {
        let (object, number) = (exchange.arrival.object, exchange.arrival.number);
        match verdict.source {
            // A 304 without the origin's field may have been made after the origin was asked under this very number.
            Source::Hit | Source::Joined if seen.claims.reply.is_some() => {
                // Within what clocks may differ by: the proxy takes it for stale perhaps, and fetches anew behind the robot's back.
                let old = expected.sent.0 >= expected.version.until - SLACK;
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
                    certain: expected.since.is_none(),
                },
            );
        }
    }
}
