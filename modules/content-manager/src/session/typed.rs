//! What is typed: the secret, lines, and the bytes that some lines bring.
//!
//! Invariant: bytes that belong to a line are never taken for lines, also when the line was not understood or is refused. Awkward case: how
//! many there are is then a guess from its words, and where there is none the session ends; but not where a person types each key, who
//! sees what is wrong before there are any.

use super::{Desk, HIGH, Mode, SHOWN, Session, TRIES};
use crate::console::SHUT;
use crate::editor::Typed;
use crate::telnet::Got;
use crate::verbs::{self, Env, Request, Run};
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use understudy_module::Level;

impl Session {
    /// Looks at what was typed, until a request is under way or the peer is to read first.
    pub(super) fn consume(&mut self, desk: &mut Desk<'_>) {
        let input = std::mem::take(&mut self.input);
        let mut rest = &input[..];
        while let Some((byte, behind)) = rest.split_first() {
            if self.run.is_some() || self.leaving || self.out.len() >= HIGH {
                break;
            }
            if let (Mode::Body(_, left, _), false) = (&mut self.mode, self.telnet.speaks) {
                if self.editor.swallows(*byte) {
                    rest = behind;
                    continue;
                }
                let take = usize::try_from(*left).unwrap_or(usize::MAX).min(rest.len());
                let (body, behind) = rest.split_at(take);
                self.add(body, desk);
                rest = behind;
                continue;
            }
            rest = behind;
            match self.telnet.take(*byte, &mut self.out) {
                Got::Byte(byte) if self.editor.swallows(byte) => {}
                Got::Byte(byte) if matches!(self.mode, Mode::Body(..)) => self.add(&[byte], desk),
                Got::Byte(byte) => self.typed(byte, desk),
                Got::Interrupt => self.typed(3, desk),
                Got::Nothing => {}
            }
        }
        self.input = rest.to_vec();
        if self.ended && self.input.is_empty() && self.run.is_none() && !self.leaving {
            match self.mode {
                Mode::Body(..) => self.leave("the bytes ended early: nothing is stored\n"),
                // A last line without its end.
                _ if !self.editor.is_empty() => self.typed(b'\n', desk),
                _ => {}
            }
            if self.run.is_none() {
                self.leave("\n");
            }
        }
    }

    fn typed(&mut self, byte: u8, desk: &mut Desk<'_>) {
        let secret = matches!(self.mode, Mode::Secret(_));
        let echo = self.telnet.echoes.then_some(&mut self.out);
        match self.editor.push(byte, secret, echo) {
            Typed::Nothing => {}
            Typed::Line(line) => self.line(&line, desk),
            // A secret is no verb, and brings nothing.
            Typed::Bad(why, line) => self.misread(why, if secret { "" } else { &line }, desk),
            Typed::Interrupt => self.prompt(),
            Typed::End => self.leave("goodbye\n"),
        }
    }

    fn line(&mut self, line: &str, desk: &mut Desk<'_>) {
        if let Mode::Secret(tries) = self.mode {
            return self.secret(line, tries, desk);
        }
        let mut words = line.split_ascii_whitespace();
        match words.next() {
            None => {}
            Some("quit" | "exit") => self.leave("goodbye\n"),
            Some("edit") => self.telnet.offer(&mut self.out),
            Some("help" | "?") => {
                let about = words.next();
                self.say(&verbs::help(about));
                if about.is_none() {
                    self.say(&format!(
                        "{:<44} edit lines here (telnet)\n{:<44} leave\n",
                        "edit", "quit"
                    ));
                }
            }
            Some(_) => return self.request(line, desk),
        }
        self.prompt();
    }

    fn secret(&mut self, given: &str, tries: u8, desk: &mut Desk<'_>) {
        // Others may have tried for this address since it was welcome.
        if desk.wrong.shuts(self.peer.ip()) {
            return self.leave(SHUT);
        }
        if desk.options.is_secret(given) {
            self.mode = Mode::Line;
        } else {
            desk.wrong.add(self.peer.ip());
            desk.host.count("wrong_secrets", 1);
            desk.host
                .log(Level::Warn, &format!("wrong secret from {}", self.peer));
            self.mode = Mode::Secret(tries + 1);
            self.say("that is not it\n");
            if tries + 1 >= TRIES {
                self.leave("goodbye\n");
            }
        }
        self.prompt();
    }

    fn request(&mut self, line: &str, desk: &mut Desk<'_>) {
        match verbs::parse(line) {
            Ok(verbs::Line {
                request,
                takes: None,
            }) => self.begin(request, desk),
            Ok(verbs::Line {
                request,
                takes: Some(takes),
            }) => {
                let most = desk.options.body;
                let checked = match self.open.check(&request, Instant::now()) {
                    Ok(()) if takes > most => Err(format!(
                        "{takes} bytes are more than {most}, which may follow a line; inject pieces, or a file"
                    )),
                    checked => checked,
                };
                if let Err(why) = &checked {
                    self.say(&format!("{why}\n"));
                }
                self.mode = Mode::Body(checked.ok().map(|()| request), takes, Vec::new());
                self.add(b"", desk);
            }
            Err(why) => self.misread(&why, line, desk),
        }
    }

    /// A line was not understood.
    fn misread(&mut self, why: &str, line: &str, desk: &mut Desk<'_>) {
        self.say(&format!("{}\n", verbs::visible(why.as_bytes())));
        // Where a person types they see it, and type no bytes. A program has written them already.
        match verbs::follows(line).filter(|_| !self.telnet.echoes) {
            Some(Some(bytes)) => {
                self.mode = Mode::Body(None, bytes, Vec::new());
                self.add(b"", desk);
            }
            Some(None) => self.leave("what follows cannot be told from lines; goodbye\n"),
            None => self.prompt(),
        }
    }

    /// More bytes of those that follow a line.
    fn add(&mut self, more: &[u8], desk: &mut Desk<'_>) {
        let Mode::Body(request, left, bytes) = &mut self.mode else {
            return;
        };
        *left -= (more.len() as u64).min(*left);
        if request.is_some() {
            bytes.extend_from_slice(more);
        }
        if *left > 0 {
            return;
        }
        let (request, bytes) = (request.take(), std::mem::take(bytes));
        self.mode = Mode::Line;
        match request {
            Some(mut request) => {
                request.give(bytes.into());
                self.begin(request, desk);
            }
            None => self.prompt(),
        }
    }

    fn begin(&mut self, request: Request, desk: &mut Desk<'_>) {
        if let Err(why) = self.open.check(&request, Instant::now()) {
            self.say(&format!("{why}\n"));
            return self.prompt();
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let env = Env {
            number: desk.host.number(),
            now: now.map_or(0, |since| since.as_secs() as i64),
            root: desk.options.root.clone(),
            parallel: desk.options.parallel,
            shown: SHOWN,
            most_shown: u64::MAX,
            most_listed: usize::MAX,
        };
        desk.host.count("verbs", 1);
        let (run, step) = Run::begin(request, &env);
        self.run = Some(run);
        self.step(step, desk);
    }
}
