//! One person, or program, at the console.
//!
//! Phases: (1) the secret, if there is one; (2) lines, each done to its end before the next is looked at, and the bytes that some bring;
//! (3) leaving, until all that was said is written. Invariant: what was typed ahead, what is not read yet by the peer, and what is under way are
//! bounded each: nothing is read while there is enough to do, and no operation is submitted while the peer does not read. Awkward
//! case: while a request runs nobody looks at what is typed, but for the wish to end it.

mod typed;

use crate::console::Wrong;
use crate::editor::Editor;
use crate::options::Options;
use crate::telnet::{Telnet, interrupt};
use crate::verbs::{Open, Request, Run, Step, Told};
use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::os::fd::AsRawFd;
use std::time::Instant;
use understudy_module::{Completion, Host, Interest, Operation};

/// Bytes typed ahead.
const AHEAD: usize = 64 * 1024;
/// Bytes that wait for the peer, before what runs waits as well, and when it goes on.
const HIGH: usize = 256 * 1024;
const LOW: usize = 64 * 1024;
/// Bytes of a body that are shown unless it is said how many.
const SHOWN: u64 = 64 * 1024;
/// Wrong secrets.
const TRIES: u8 = 3;
/// Where characters are not echoed, progress is told each time so many are through.
const EVERY: u64 = 100;

const PROMPT: &str = "understudy> ";

/// What a session needs of the console.
pub(crate) struct Desk<'a> {
    pub(crate) host: &'a Host,
    pub(crate) options: &'a Options,
    /// Whose an operation is, by the tag of its completion: a session, and the mark of its request.
    pub(crate) asked: &'a mut HashMap<u64, (u64, u16)>,
    pub(crate) wrong: &'a mut Wrong,
}

/// What the next bytes are.
#[derive(Debug)]
enum Mode {
    /// A secret; so many were wrong.
    Secret(u8),
    Line,
    /// So many bytes for this request, or for none that was understood.
    Body(Option<Request>, u64, Vec<u8>),
}

/// A session.
#[derive(Debug)]
pub(crate) struct Session {
    id: u64,
    pub(crate) peer: SocketAddr,
    stream: TcpStream,
    telnet: Telnet,
    editor: Editor,
    mode: Mode,
    run: Option<Run>,
    held: Vec<(u16, Operation)>,
    open: Open,
    input: Vec<u8>,
    out: Vec<u8>,
    ended: bool,
    leaving: bool,
    dead: bool,
    /// What is watched: reading, writing.
    watched: (bool, bool),
    used: Instant,
}

impl Session {
    pub(crate) fn new(
        id: u64,
        stream: TcpStream,
        peer: SocketAddr,
        desk: &mut Desk<'_>,
    ) -> Session {
        let mode = match desk.options.has_secret() {
            true => Mode::Secret(0),
            false => Mode::Line,
        };
        let mut session = Session {
            id,
            peer,
            stream,
            telnet: Telnet::default(),
            editor: Editor::default(),
            mode,
            run: None,
            held: Vec::new(),
            open: Open::default(),
            input: Vec::new(),
            out: Vec::new(),
            ended: false,
            leaving: false,
            dead: false,
            watched: (false, false),
            used: Instant::now(),
        };
        if desk.options.telnet {
            session.telnet.offer(&mut session.out);
        }
        session.say("understudy content-manager; help lists the verbs\n");
        session.prompt();
        session
    }

    /// Whether the secret is still to be said.
    pub(crate) fn is_stranger(&self) -> bool {
        matches!(self.mode, Mode::Secret(_))
    }

    fn say(&mut self, text: &str) {
        self.telnet.write(text.as_bytes(), false, &mut self.out);
    }

    fn prompt(&mut self) {
        if self.leaving || self.run.is_some() {
            return;
        }
        match self.mode {
            Mode::Secret(_) => self.say("secret: "),
            Mode::Line => self.say(PROMPT),
            Mode::Body(..) => {}
        }
    }

    fn leave(&mut self, why: &str) {
        if !self.leaving {
            self.leaving = true;
            self.say(why);
        }
    }

    /// The descriptor is ready; answers whether the session goes on.
    pub(crate) fn ready(&mut self, interest: Interest, desk: &mut Desk<'_>) -> bool {
        if interest == Interest::Read {
            self.read(desk);
        }
        self.go(desk)
    }

    /// Does what can be done; answers whether the session goes on.
    pub(crate) fn go(&mut self, desk: &mut Desk<'_>) -> bool {
        loop {
            self.consume(desk);
            self.write();
            if self.out.len() < LOW && !self.held.is_empty() {
                for (mark, operation) in std::mem::take(&mut self.held) {
                    self.submit(mark, operation, desk);
                }
            }
            // What was consumed may have made room for more that is here already.
            let idle = self.input.is_empty() || self.run.is_some() || self.leaving;
            if idle || self.out.len() >= HIGH {
                break;
            }
        }
        let done = self.leaving || (self.ended && self.input.is_empty() && self.run.is_none());
        if self.dead || (done && self.out.is_empty()) {
            return false;
        }
        let reads = !self.ended && !self.leaving && self.input.len() < AHEAD;
        let want = (reads, !self.out.is_empty());
        let fd = self.stream.as_raw_fd();
        for (now, before, interest) in [
            (want.0, self.watched.0, Interest::Read),
            (want.1, self.watched.1, Interest::Write),
        ] {
            match (now, before) {
                (true, false) => desk.host.watch(fd, interest, self.id),
                (false, true) => desk.host.unwatch(fd, interest),
                _ => {}
            }
        }
        self.watched = want;
        true
    }

    fn read(&mut self, desk: &mut Desk<'_>) {
        let mut piece = [0; 16 * 1024];
        match self.stream.read(&mut piece) {
            Ok(0) => self.ended = true,
            Ok(read) => {
                self.used = Instant::now();
                self.input
                    .extend_from_slice(piece.get(..read).unwrap_or_default());
            }
            Err(why) if matches!(why.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            Err(_) => self.dead = true,
        }
        if self.run.is_some()
            && let Some(at) = interrupt(&self.input, &self.telnet)
        {
            self.input.drain(..at);
            self.cancel(desk);
            self.say("^C\ninterrupted\n");
            self.prompt();
        }
    }

    fn write(&mut self) {
        let mut written = 0;
        while let Some(rest) = self.out.get(written..).filter(|rest| !rest.is_empty()) {
            match self.stream.write(rest) {
                Ok(0) => break,
                Ok(more) => written += more,
                Err(why) if why.kind() == ErrorKind::Interrupted => {}
                Err(why) if why.kind() == ErrorKind::WouldBlock => break,
                Err(_) => {
                    self.dead = true;
                    break;
                }
            }
        }
        if written > 0 {
            self.used = Instant::now();
            self.out.drain(..written);
        }
    }

    /// An operation ended; answers whether the session goes on.
    pub(crate) fn completed(
        &mut self,
        mark: u16,
        completion: Completion,
        desk: &mut Desk<'_>,
    ) -> bool {
        self.used = Instant::now();
        if let Some(run) = &mut self.run {
            let step = run.completed(mark, completion);
            self.step(step, desk);
        }
        self.go(desk)
    }

    fn step(&mut self, step: Step, desk: &mut Desk<'_>) {
        for told in &step.told {
            self.open.note(told, self.used);
            self.tell(told);
            match told {
                Told::Failed(_) => desk.host.count("failed", 1),
                Told::Progress {
                    over: true, stored, ..
                } => desk.host.count("preloaded", *stored),
                _ => {}
            }
        }
        // What does not complete is only told to the proxy, and nobody waits for it.
        let wait = !step.over && self.out.len() >= HIGH;
        for (mark, operation) in step.submit {
            match wait {
                true => self.held.push((mark, operation)),
                false => self.submit(mark, operation, desk),
            }
        }
        if step.over {
            self.run = None;
            if self.out.last().is_some_and(|last| *last != b'\n') {
                self.say("\n");
            }
            self.prompt();
        }
    }

    fn tell(&mut self, told: &Told) {
        let text = told.text();
        match told {
            Told::Progress { over: false, .. } if self.telnet.echoes => {
                let text = String::from_utf8_lossy(&text);
                self.out.push(b'\r');
                self.say(text.trim_end());
            }
            Told::Progress {
                over: false, done, ..
            } if done % EVERY != 0 => {}
            Told::Progress { over: true, .. } | Told::Trouble(..) if self.telnet.echoes => {
                // The line of progress is still there.
                self.out.extend_from_slice(b"\r\x1b[K");
                self.telnet.write(&text, false, &mut self.out);
            }
            Told::Raw(_) => self.telnet.write(&text, true, &mut self.out),
            _ => self.telnet.write(&text, false, &mut self.out),
        }
    }

    fn submit(&self, mark: u16, operation: Operation, desk: &mut Desk<'_>) {
        use Operation::{InjectAbort, InjectBody, InjectStart, ReadDone};
        let completes = !matches!(
            operation,
            InjectStart(..) | InjectBody(..) | InjectAbort(_) | ReadDone(_)
        );
        let tag = if completes { desk.host.number() } else { 0 };
        if completes {
            desk.asked.insert(tag, (self.id, mark));
        }
        desk.host.submit(tag, operation);
    }

    /// Gives up what is under way.
    fn cancel(&mut self, desk: &mut Desk<'_>) {
        desk.asked.retain(|_, (session, _)| *session != self.id);
        self.held.clear();
        for operation in self.run.take().map(Run::cancel).unwrap_or_default() {
            self.submit(0, operation, desk);
        }
    }

    /// Time goes by; answers whether the session goes on.
    pub(crate) fn tick(&mut self, now: Instant, desk: &mut Desk<'_>) -> bool {
        if now.saturating_duration_since(self.used) >= desk.options.idle {
            if !self.out.is_empty() {
                // Whoever does not read is not told either.
                return false;
            }
            if self.run.is_none() {
                self.leave("\nnothing was typed for long; goodbye\n");
            }
        }
        self.go(desk)
    }

    /// It ends: everything it has open is given up.
    pub(crate) fn end(mut self, word: &str, desk: &mut Desk<'_>) {
        self.cancel(desk);
        for operation in self.open.abort() {
            self.submit(0, operation, desk);
        }
        self.leave(word);
        if !self.dead {
            self.write();
        }
        desk.host.closing(self.stream.as_raw_fd());
    }
}
