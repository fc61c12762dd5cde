//! The host of an instance in a child.

use super::desk::{Desk, Ticket};
use crate::life::{Options, too_early};
use crate::office::waited;
use crate::process::child::lock;
use crate::process::control::Report;
use crate::process::event::Id;
use crate::process::reply::{put_counted, put_inject, put_resume};
use std::os::fd::RawFd;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use understudy_module::{
    Answer, Attention, Bytes, Calls, Completion, Interest, Level, Operation, Token,
};

/// The host.
pub(super) struct ChildCalls {
    desk: Arc<Desk>,
    options: Arc<Options>,
}

impl ChildCalls {
    pub(super) fn new(desk: Arc<Desk>, options: Arc<Options>) -> ChildCalls {
        ChildCalls { desk, options }
    }
}

impl Calls for ChildCalls {
    fn option(&self, name: &str) -> Option<String> {
        self.options.get().get(name).cloned()
    }
    fn options(&self) -> Vec<(String, String)> {
        let options = self.options.get();
        options
            .iter()
            .map(|(k, v)| (k.clone(), v.clone()))
            .collect()
    }
    fn setting(&self, name: &str) -> Option<String> {
        lock(&self.desk.settings).get(name).cloned()
    }
    fn submit(&self, tag: u64, operation: Operation) {
        self.desk.submit(Ticket::Tag(tag), operation);
    }
    fn resume(&self, token: Token, answer: Answer) {
        let (id, door) = match self.desk.visits.resume(token.transaction, token.call) {
            Some((id, door)) => (id, Some(door)),
            None => {
                // Late, second or unknown: the proxy counts it, whichever door it hears it through.
                let none = Id {
                    slot: u32::MAX,
                    call: token.call,
                };
                let door = self.desk.visits.door(token.transaction);
                (none, door.or_else(|| self.desk.doors.any()))
            }
        };
        if let Some(door) = door {
            door.say(|out| {
                put_counted(out, &self.desk.counts.take());
                put_resume(out, id, token.transaction, &answer);
            });
        }
    }
    fn inject(&self, transaction: u64, bytes: Bytes) {
        if let Some(door) = self.desk.visits.door(transaction) {
            door.say(|out| put_inject(out, transaction, &bytes));
        }
    }
    fn watch(&self, fd: RawFd, interest: Interest, tag: u64) {
        match self.desk.notices.watch(fd, interest, tag) {
            Ok(()) => self.desk.watches(),
            Err(why) => {
                self.desk.report(&Report::Unwatchable);
                let text = format!("descriptor {fd} cannot be watched: {why}");
                self.desk.log(Level::Warn, &text);
            }
        }
    }
    fn unwatch(&self, fd: RawFd, interest: Interest) {
        self.desk.notices.unwatch(fd, interest);
    }
    fn log(&self, level: Level, text: &str) {
        self.desk.log(level, text);
    }
    fn perform(&self, operation: Operation) -> Option<Completion> {
        if !self.desk.blocking.load(Ordering::Relaxed) {
            return None;
        }
        if let Some(refused) = too_early() {
            return Some(refused);
        }
        let (done, completion) = std::sync::mpsc::sync_channel(1);
        self.desk.submit(Ticket::Here(done), operation);
        Some(waited(completion.recv()))
    }
    fn number(&self) -> u64 {
        self.desk.number()
    }
    fn count(&self, name: &str, amount: u64) {
        self.desk.count(name, amount);
    }
    fn attend(&self, attention: Attention) {
        self.options.word().give(attention);
        self.desk.report(&Report::Attend(attention));
    }
}
