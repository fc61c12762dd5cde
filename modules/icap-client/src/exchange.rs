//! One message with one service: what is sent, what may be answered, what comes out. No socket and no clock.
//!
//! Life: 1. `Waiting` for a connection; 2. `Preview`, then `Asked`: the service has it and decides (RFC 3507 section 4.5); 3. `Sending`
//! the rest, or everything where there is no preview; 4. `Sent`. From each of them the answer leads to 5. `Passing`: the original goes
//! on, from some offset; or 6. `Over`: what comes out is the service's, and what still goes in is thrown away.
//!
//! Invariant: while `complete`, `kept` is all that was put in, so the original can be had, and the exchange begun anew. Awkward case: a
//! service that answers before it has everything; its answer is streamed, and when that ends first, sending stops.

use crate::queue::Queue;
use crate::wire::{Answer, Event, Head, IcapHead, Method, Wrong, last_chunk, write_chunk};
use bytes::{Buf, Bytes, BytesMut};

/// Bytes that wait for a socket, beyond which no more are given to it.
pub(crate) const FULL: usize = 64 * 1024;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Waiting,
    /// So many bytes of the preview may still be sent.
    Preview(usize),
    /// The preview was sent; whether it was everything.
    Asked(bool),
    Sending,
    Sent,
    /// So many bytes of the original are left out first.
    Passing(u64),
    Over,
}

/// What the service made of the head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// Nothing: the message stays as it is.
    Same,
    /// This, and whether a body belongs to it.
    Adapted(Head, bool),
}

/// Why an exchange failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Failure {
    /// It sent what may not be sent.
    Wrong(Wrong),
    /// It refused, with this status.
    Status(u16),
}

/// What was allowed to the service.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Allowed {
    pub(crate) preview: Option<usize>,
    pub(crate) no_change: bool,
    pub(crate) partial: bool,
}

/// One exchange.
#[derive(Debug)]
pub(crate) struct Exchange {
    method: Method,
    body: bool,
    keep: usize,
    state: State,
    allowed: Allowed,
    answer: Answer,
    partial: bool,
    adapted_body: bool,
    /// The request had been sent whole, or as far as it was wanted, when the answer was over.
    clean: bool,
    input: Queue,
    ended: bool,
    kept: Queue,
    complete: bool,
    outcome: Option<Outcome>,
    output: Queue,
    output_ended: bool,
}

impl Exchange {
    /// An exchange about a message that has a body, or none. `keep`: most bytes of it that are kept once the service wants all of it.
    pub(crate) fn new(method: Method, body: bool, keep: usize) -> Exchange {
        Exchange {
            method,
            body,
            keep,
            state: State::Waiting,
            allowed: Allowed::default(),
            answer: Answer::default(),
            partial: false,
            adapted_body: false,
            clean: false,
            input: Queue::default(),
            ended: !body,
            kept: Queue::default(),
            complete: true,
            outcome: None,
            output: Queue::default(),
            output_ended: false,
        }
    }

    /// Whether there is a body.
    pub(crate) fn has_body(&self) -> bool {
        self.body
    }

    /// A piece of the body.
    pub(crate) fn push(&mut self, piece: Bytes, last: bool) {
        self.ended |= last;
        if self.complete {
            self.kept.push(piece.clone());
        }
        match &mut self.state {
            State::Over => {}
            State::Passing(skip) => pass(skip, piece, &mut self.output),
            _ => self.input.push(piece),
        }
        self.output_ended |= self.ended && matches!(self.state, State::Passing(_));
        self.limit();
    }

    /// Forgets the original where it is more than may be kept. A service that has not decided may still want it unchanged.
    fn limit(&mut self) {
        let undecided = matches!(
            self.state,
            State::Waiting | State::Preview(_) | State::Asked(_)
        );
        if !undecided && self.kept.len() > self.keep {
            self.complete = false;
            self.kept = Queue::default();
        }
    }

    /// All of the body that is there was put in, and is not more than may be kept.
    pub(crate) fn is_small(&self) -> bool {
        self.ended && self.kept.len() <= self.keep
    }

    /// A connection is there, and its server was told of what is allowed.
    pub(crate) fn begin(&mut self, allowed: Allowed) {
        self.allowed = allowed;
        self.state = match allowed.preview {
            _ if !self.body => State::Sent,
            Some(most) => State::Preview(most),
            None => State::Sending,
        };
        self.limit();
    }

    /// Gives what may be sent now to a connection.
    pub(crate) fn send(&mut self, out: &mut BytesMut) {
        let mut chunks = Vec::new();
        loop {
            let most = match self.state {
                State::Preview(left) => left,
                State::Sending if out.len() + chunks.len() < FULL => usize::MAX,
                _ => break,
            };
            if most > 0
                && let Some(piece) = self.input.pop(most)
            {
                if let State::Preview(left) = &mut self.state {
                    *left -= piece.len();
                }
                write_chunk(&piece, &mut chunks);
                continue;
            }
            let end = self.ended && self.input.len() == 0;
            let preview = matches!(self.state, State::Preview(_));
            if !end && most > 0 {
                break;
            }
            chunks.extend_from_slice(last_chunk(preview && end));
            self.state = if preview {
                State::Asked(end)
            } else {
                State::Sent
            };
        }
        out.extend_from_slice(&chunks);
    }

    /// Takes what came. `told` hears of each head.
    ///
    /// # Errors
    /// When it is not what may come now.
    pub(crate) fn receive(
        &mut self,
        buf: &mut BytesMut,
        mut told: impl FnMut(&IcapHead),
    ) -> Result<(), Failure> {
        while let Some(event) = self.answer.next(buf).map_err(Failure::Wrong)? {
            match event {
                Event::Icap(head) => {
                    told(&head);
                    self.icap(&head)?;
                }
                Event::Http(head) => {
                    self.outcome = Some(Outcome::Adapted(head, self.adapted_body));
                }
                Event::Body(bytes) => self.output.push(bytes),
                Event::End(original) => self.end(original)?,
            }
        }
        Ok(())
    }

    fn icap(&mut self, head: &IcapHead) -> Result<(), Failure> {
        let wrong = |what| Err(Failure::Wrong(Wrong(what)));
        let undecided = matches!(self.state, State::Preview(_) | State::Asked(_));
        if head.status == 100 {
            if self.state != State::Asked(false) {
                return wrong("it said 100 where nothing more was to come");
            }
            self.state = State::Sending;
            self.limit();
            return Ok(());
        }
        let partial = head.status == 206;
        match head.status {
            204 if !(undecided || self.allowed.no_change || !self.body) => {
                return wrong("it said 204 where that was not allowed");
            }
            204 if !self.complete => return wrong("it said 204 to more than was promised"),
            204 => {
                self.clean = self.is_its_turn();
                self.pass();
            }
            206 if !(self.allowed.partial && (undecided || self.allowed.no_change)) => {
                return wrong("it said 206 where that was not allowed");
            }
            200 | 206 if head.parts.head == 0 => {
                return wrong("there is no HTTP head in its answer");
            }
            200 | 206 if self.method == Method::Respmod && !head.parts.response => {
                return wrong("it answered an answer with a request");
            }
            200 | 206 => (self.partial, self.adapted_body) = (partial, head.parts.body),
            status => return Err(Failure::Status(status)),
        }
        Ok(())
    }

    fn end(&mut self, original: Option<u64>) -> Result<(), Failure> {
        if matches!(self.state, State::Passing(_)) {
            return Ok(());
        }
        self.clean = self.is_its_turn();
        match original.filter(|_| self.partial) {
            None => {
                self.output_ended = true;
                self.state = State::Over;
                self.input = Queue::default();
            }
            Some(_) if !self.complete => {
                return Err(Failure::Wrong(Wrong(
                    "it wants the original of more than was promised",
                )));
            }
            Some(from) => self.go_on_from(from),
        }
        Ok(())
    }

    /// The message stays as it is.
    pub(crate) fn pass(&mut self) {
        self.outcome = Some(Outcome::Same);
        self.output = Queue::default();
        self.go_on_from(0);
    }

    fn go_on_from(&mut self, mut skip: u64) {
        self.input = Queue::default();
        let mut kept = self.kept.clone();
        while let Some(piece) = kept.pop(usize::MAX) {
            pass(&mut skip, piece, &mut self.output);
        }
        self.state = State::Passing(skip);
        self.output_ended = self.ended;
    }

    /// Begins anew, if nothing came of it and the original is there. Says whether it does.
    pub(crate) fn rewind(&mut self) -> bool {
        let may = self.complete && self.outcome.is_none() && self.output.len() == 0;
        if may {
            self.state = State::Waiting;
            self.answer = Answer::default();
            self.input = self.kept.clone();
        }
        may
    }

    /// Whether the original is still there.
    pub(crate) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Whether the service decides, or a connection is waited for: it needs no more of the body now.
    pub(crate) fn waits(&self) -> bool {
        matches!(self.state, State::Waiting | State::Asked(_)) || self.input.len() >= FULL / 2
    }

    /// Bytes that wait to be sent.
    pub(crate) fn unsent(&self) -> usize {
        self.input.len()
    }

    /// Whether the service has all it may want now: then the next word is its.
    pub(crate) fn is_its_turn(&self) -> bool {
        matches!(self.state, State::Asked(_) | State::Sent)
    }

    /// Whether the answer is over; and whether its connection can be used again.
    pub(crate) fn is_answered(&self) -> Option<bool> {
        self.answer.is_over().then_some(self.clean)
    }

    pub(crate) fn outcome(&self) -> Option<&Outcome> {
        self.outcome.as_ref()
    }

    /// What comes out.
    pub(crate) fn output(&mut self) -> &mut Queue {
        &mut self.output
    }

    pub(crate) fn output_len(&self) -> usize {
        self.output.len()
    }

    /// Whether nothing comes out behind what is there.
    pub(crate) fn output_ended(&self) -> bool {
        self.output_ended
    }
}

/// A piece of the original goes on, without the bytes that the service has given itself.
fn pass(skip: &mut u64, mut piece: Bytes, output: &mut Queue) {
    let left_out = (*skip).min(piece.len() as u64);
    *skip -= left_out;
    piece.advance(left_out as usize);
    output.push(piece);
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
