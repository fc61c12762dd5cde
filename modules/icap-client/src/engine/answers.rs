//! What servers say: to messages, and of their options.
//!
//! Invariant: a connection whose answer is over is used again only if everything was sent and nothing is left over; bytes behind an
//! answer are never the next one's. Awkward case: an ISTag that is another than before; the options may be others then, too.

use super::{Engine, News, Use};
use crate::exchange::Failure;
use crate::terms::Terms;
use crate::wire::{Event, write_options};
use std::time::Instant;
use understudy_module::Level;

impl Engine {
    /// Reads what came for a message.
    pub(super) fn answer(&mut self, id: u64, job: u64, at: usize, now: Instant) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let Some(stage) = self
            .jobs
            .get_mut(&job)
            .and_then(|job| job.stages.get_mut(at))
        else {
            return;
        };
        let server = conn.server;
        let (mut closes, mut status, mut istag, mut found) = (false, 0, None, None);
        let received = stage.exchange.receive(&mut conn.input, |head| {
            let connection = head.get("Connection").unwrap_or_default();
            closes |= connection.eq_ignore_ascii_case("close");
            status = head.status;
            let findings = ["X-Infection-Found", "X-Virus-ID", "X-Response-Info"];
            let says = findings.iter().find_map(|name| head.get(name));
            found = says.map(str::to_owned).or(found.take());
            istag = head
                .get("ISTag")
                .map(|istag| istag.trim_matches('"').to_owned());
        });
        conn.closes |= closes;
        if let (Some(found), Some(job)) = (found, self.jobs.get_mut(&job)) {
            job.found = Some(found);
        }
        self.news.push_back(News::Look(job));
        if let Some(istag) = istag
            && self.servers[server].istag(&istag)
        {
            self.count("istag_changes");
        }
        match status {
            100 => self.count("continued"),
            204 => self.count("unmodified"),
            200 => self.count("adapted"),
            206 => self.count("partial"),
            _ => {}
        }
        let why = match received {
            Ok(()) => return self.answered(id, job, at, now),
            Err(Failure::Wrong(wrong)) => wrong.to_string(),
            Err(Failure::Status(status)) => format!("it says {status}"),
        };
        if let Some(conn) = self.conns.get_mut(&id) {
            conn.used = false;
        }
        self.lost(id, &why, false, now);
    }

    /// Lets go of a connection whose answer is over.
    fn answered(&mut self, id: u64, job: u64, at: usize, now: Instant) {
        let stage = self
            .jobs
            .get_mut(&job)
            .and_then(|job| job.stages.get_mut(at));
        let Some(stage) = stage else {
            return;
        };
        let Some(clean) = stage.exchange.is_answered() else {
            return;
        };
        stage.conn = None;
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        self.servers[conn.server].worked();
        conn.using = Use::Idle;
        if clean && !conn.closes {
            self.rest(id, now);
        } else {
            self.close(id);
        }
    }

    /// A connection waits for the next message; unless it holds what nobody asked for.
    pub(super) fn rest(&mut self, id: u64, now: Instant) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        if !conn.input.is_empty() || !conn.out.is_empty() {
            return self.close(id);
        }
        (conn.using, conn.used, conn.since) = (Use::Idle, true, now);
        let server = conn.server;
        self.servers[server].idle.push(id);
        self.read_on(id, true);
        self.news.push_back(News::Serve);
    }

    /// Asks a server for its options.
    pub(super) fn ask_options(&mut self, server: usize, now: Instant) {
        let most = self.most(server);
        let opened = match self.idle(server) {
            Some(idle) => Ok(idle),
            // One of those that are busy will be free.
            None if self.servers[server].open >= most => return,
            None => self.open(server, Use::Idle, now),
        };
        match opened {
            Ok(id) => {
                self.servers[server].asking = true;
                let uri = &self.servers[server].uri;
                let mut out = Vec::new();
                write_options(
                    &uri.text,
                    &uri.authority(),
                    &self.settings.headers,
                    &mut out,
                );
                if let Some(conn) = self.conns.get_mut(&id) {
                    (conn.using, conn.since) = (Use::Options(Box::default()), now);
                    conn.out.extend_from_slice(&out);
                }
                self.flush(id, now);
            }
            Err(why) => self.blame(server, &why, true, now),
        }
    }

    pub(super) fn options(&mut self, id: u64, now: Instant) {
        let Some(conn) = self.conns.get_mut(&id) else {
            return;
        };
        let (server, mut found) = (conn.server, None);
        let Use::Options(parser) = &mut conn.using else {
            return;
        };
        loop {
            match parser.next(&mut conn.input) {
                Ok(Some(Event::Icap(head))) if head.status == 200 => {
                    conn.closes |= head
                        .get("Connection")
                        .is_some_and(|c| c.eq_ignore_ascii_case("close"));
                    found = Some(Terms::of(&head));
                }
                Ok(Some(Event::Icap(head))) => {
                    let why = format!("it says {} to OPTIONS", head.status);
                    return self.lost(id, &why, true, now);
                }
                Ok(Some(Event::End(_))) => break,
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(wrong) => return self.lost(id, &wrong.to_string(), true, now),
            }
        }
        let over = parser.is_over();
        if let Some(terms) = found {
            self.host.log(
                Level::Debug,
                &format!("{}: {terms:?}", self.servers[server].uri.text),
            );
            if self.servers[server].options(terms, now) {
                self.count("istag_changes");
            }
        }
        if over {
            let closes = self.conns.get(&id).is_none_or(|conn| conn.closes);
            self.servers[server].asking = false;
            if let Some(conn) = self.conns.get_mut(&id) {
                conn.using = Use::Idle;
            }
            if closes {
                self.close(id)
            } else {
                self.rest(id, now)
            }
        }
        self.news.push_back(News::Serve);
    }
}
