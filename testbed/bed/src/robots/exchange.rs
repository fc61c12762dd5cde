//! One request and its answer, as a robot sees them.
//!
//! The steps: 1. a connection, idle or new; 2. the request is written; 3. the head, which says what version's body must follow;
//! 4. the body, compared as it comes; 5. how it ended.

use super::{
    adapting::Gathered,
    answer::{Event, Problem},
    connection::Connection,
    load::Load,
    request,
};
use crate::{
    demand::{Arrival, Method},
    oracle::{Comparison, Outcome},
    world::Version,
};
use std::{io, time::Duration};

/// The most bytes of a head, of a request or an answer, that are kept with a faulty exchange.
const KEPT_HEAD: usize = 8 << 10;

/// What the emulated network is drawn for.
const CONNECT: u64 = 1;
const REQUEST: u64 = 2;
const ANSWER: u64 = 3;

/// An exchange, as far as it has come.
#[derive(Debug)]
pub(crate) struct Exchange {
    /// What is asked.
    pub(crate) arrival: Arrival,
    /// When the generator came to it, microseconds of the run.
    pub(crate) taken: u64,
    /// When its robot had a connection for it, or began to make one.
    pub(crate) begun: u64,
    /// When its first byte was sent.
    pub(crate) sent: u64,
    /// When the head was there.
    pub(crate) head: u64,
    /// When it was over.
    pub(crate) done: u64,
    /// The date of If-Modified-Since.
    pub(crate) since: Option<i64>,
    /// Whether the request was the last of its connection.
    pub(crate) last: bool,
    /// The version the answer names, if there is such a version; else the one at that time.
    pub(crate) version: Version,
    /// Whether the answer names it.
    pub(crate) named: bool,
    /// The body against what it should be.
    pub(crate) body: Comparison,
    /// The body, if the proxy may change it on purpose.
    pub(crate) adapted: Option<Box<Gathered>>,
    /// Whether it was asked again on a fresh connection.
    pub(crate) again: bool,
    /// Whether the connection can carry another request.
    pub(crate) keep: bool,
    /// What the system or the reader said of the end, if it was none.
    pub(crate) error: Option<String>,
}

impl Exchange {
    /// Nothing was sent yet.
    pub(crate) fn new(load: &Load, arrival: Arrival, taken: u64) -> Self {
        let now = load.clock.now();
        let version = load
            .world
            .version(arrival.object, load.clock.unix_seconds(now));
        Self {
            since: request::since(arrival.kind, version.modified),
            arrival,
            taken,
            begun: now,
            sent: now,
            head: 0,
            done: 0,
            last: false,
            version,
            named: false,
            body: Comparison::default(),
            adapted: None,
            again: false,
            keep: false,
            error: None,
        }
    }

    /// Makes the exchange on this connection, or on a new one that is then left there.
    pub(crate) async fn run(&mut self, load: &Load, slot: &mut Option<Connection>) -> Outcome {
        let deadline = load.clock.instant(load.clock.now()) + load.timeout;
        let attempts = self.attempts(load, slot);
        let outcome = match tokio::time::timeout_at(deadline.into(), attempts).await {
            Ok(outcome) => outcome,
            Err(_) => Outcome::TimedOut,
        };
        self.keep = slot.as_ref().is_some_and(|c| {
            let open = c.reader.head().keep && !c.reader.until_closed();
            outcome == Outcome::Whole && c.more() && !self.last && open
        });
        self.done = load.clock.now();
        if let Some(path) = load.path
            && self.head > 0
        {
            // The network between proxy and robot: the head one way later, the body as fast as windows and losses let it.
            let text = slot.as_ref().map_or(0, |c| c.reader.text().len() as u64);
            let stream = load.network(self.arrival.number, ANSWER);
            let arrival = path.arrival(text + self.body.bytes(), stream);
            let way = path.delay.as_micros() as u64;
            let there = self.head + arrival.as_micros() as u64;
            let wait = (self.done + way).max(there) - self.done;
            self.head += way;
            self.done += wait;
            load.wait(Duration::from_micros(wait)).await;
        }
        outcome
    }

    async fn attempts(&mut self, load: &Load, slot: &mut Option<Connection>) -> Outcome {
        loop {
            let fresh = slot.is_none();
            if fresh {
                let requests = load.requests_on_next(self.arrival.robot);
                match Connection::open(load.proxy, requests).await {
                    Ok(connection) => {
                        load.opened();
                        *slot = Some(connection);
                    }
                    Err(e) => {
                        self.error = Some(format!("connecting: {e}"));
                        return Outcome::Lost;
                    }
                }
                if let Some(path) = load.path {
                    let mut stream = load.network(self.arrival.number, CONNECT);
                    load.wait(path.handshake(&mut stream)).await;
                }
            }
            let Some(connection) = slot.as_mut() else {
                return Outcome::Lost;
            };
            let outcome = self.attempt(load, connection).await;
            let silent = connection.reader.text().is_empty();
            if outcome == Outcome::Lost && !fresh && silent && !self.again {
                self.again = true;
                load.retried();
                if let Some(connection) = slot.take() {
                    load.retire(connection);
                }
                continue;
            }
            return outcome;
        }
    }

    async fn attempt(&mut self, load: &Load, connection: &mut Connection) -> Outcome {
        self.last = connection.last();
        connection.count();
        connection.reader.begin(self.arrival.method == Method::Head);
        self.sent = load.clock.now();
        let bytes = load.write_request(self);
        if let Some(path) = load.path {
            let stream = load.network(self.arrival.number, REQUEST);
            load.wait(path.arrival(bytes.len() as u64, stream)).await;
        }
        let written = connection.write(&bytes).await;
        load.give_back(bytes);
        if let Err(e) = written {
            self.error = Some(format!("writing: {e}"));
            return Outcome::Lost;
        }
        self.read(load, connection).await
    }

    async fn read(&mut self, load: &Load, connection: &mut Connection) -> Outcome {
        loop {
            if let Err(e) = connection.readable().await {
                return self.lost(connection, &e);
            }
            // Borrowed between two waits only: all exchanges share it.
            let mut scratch = load.scratch.borrow_mut();
            match connection.read(&mut scratch) {
                Ok(0) if connection.reader.end() => return Outcome::Whole,
                Ok(0) if connection.reader.text().is_empty() => {
                    self.error = Some("closed without an answer".to_owned());
                    return Outcome::Lost;
                }
                Ok(0) => return Outcome::Closed,
                Ok(length) => match self.take(load, connection, &scratch[..length]) {
                    Ok(None) => {}
                    Ok(Some(outcome)) => return outcome,
                    Err(problem) => {
                        self.error = Some(problem.to_owned());
                        return Outcome::NotHttp(problem);
                    }
                },
                Err(e) if e.kind() == io::ErrorKind::WouldBlock => {}
                Err(e) => return self.lost(connection, &e),
            }
        }
    }

    fn lost(&mut self, connection: &Connection, error: &io::Error) -> Outcome {
        self.error = Some(format!("reading: {error}"));
        if connection.reader.text().is_empty() {
            Outcome::Lost
        } else {
            Outcome::Closed
        }
    }

    /// Takes bytes of the answer; how it ended, if it did.
    fn take(
        &mut self,
        load: &Load,
        connection: &mut Connection,
        mut input: &[u8],
    ) -> Result<Option<Outcome>, Problem> {
        loop {
            match connection.reader.next(&mut input)? {
                Event::More => return Ok(None),
                Event::Head => {
                    self.head = load.clock.now();
                    self.expect(load, connection);
                }
                Event::Body(bytes) => {
                    self.body.feed(bytes);
                    if let Some(adapted) = &mut self.adapted {
                        adapted.feed(bytes);
                    }
                    if self.breaks_off(load) {
                        return Ok(Some(Outcome::Aborted));
                    }
                }
                Event::End if input.is_empty() => return Ok(Some(Outcome::Whole)),
                Event::End => return Err("bytes behind the answer's end"),
            }
        }
    }

    /// The head is there: which body must follow.
    fn expect(&mut self, load: &Load, connection: &Connection) {
        let head = connection.reader.head();
        let object = self.arrival.object;
        if let Some(reply) = head.claims.reply
            && let Some(version) = load.version(object, reply.version, reply.answered)
        {
            self.version = version;
            self.named = true;
        }
        if head.status == 200 && self.arrival.method != Method::Head {
            let body = load.library.body(&load.world, object, self.version.number);
            self.adapted = load
                .adapting
                .expect(load, &self.arrival, head.coding, &body);
            self.body = Comparison::new(body);
        }
    }

    /// Whether the robot has had enough of the body.
    fn breaks_off(&self, load: &Load) -> bool {
        self.arrival.abort.is_some_and(|share| {
            let length = load.library.length(&load.world, self.arrival.object);
            self.body.bytes() as f64 >= share * length as f64
        })
    }
}

/// A head as text, not longer than is worth keeping.
pub(crate) fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(&bytes[..bytes.len().min(KEPT_HEAD)]).into_owned()
}
