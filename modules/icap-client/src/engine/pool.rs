//! Which message gets which connection.
//!
//! Invariant: a server has no more connections than it and the options allow (Max-Connections, RFC 3507 section 4.10.2); messages get
//! them in the order they came. Awkward case: no server of a service can be used. While one may still say its options the messages
//! wait for that; when all are left alone they fail at once.

use super::{Engine, News, Service, Use, Waits};
use crate::terms::Transfer;
use crate::wire::Method;
use std::time::Instant;

/// What a message that waits is told.
enum Choice {
    Connection(u64),
    Later,
    Never(&'static str),
}

impl Engine {
    /// Serves whoever waits for anything.
    pub(super) fn serve_all(&mut self, now: Instant) {
        (0..self.services.len()).for_each(|service| self.serve(service, now));
    }

    /// Gives connections to the messages that wait for a service, as long as there are any.
    pub(super) fn serve(&mut self, service: usize, now: Instant) {
        while let Some(waits) = self.services[service].waiting.front().copied() {
            let (job, at) = (waits.job, waits.at);
            let news = match self.choose(service, waits, now) {
                Choice::Later => return,
                Choice::Connection(id) => {
                    if let Some(conn) = self.conns.get_mut(&id) {
                        (conn.using, conn.since) = (Use::Message(job, at), now);
                    }
                    News::Begin(job, at, id)
                }
                Choice::Never(why) => News::Fail(job, at, None, why.to_owned()),
            };
            self.services[service].waiting.pop_front();
            self.news.push_back(news);
        }
    }

    fn choose(&mut self, service: usize, waits: Waits, now: Instant) -> Choice {
        let Service {
            method,
            servers,
            turn,
            ..
        } = &mut self.services[service];
        let (method, mut servers) = (*method, servers.clone());
        if self.settings.round {
            let count = servers.len().max(1);
            servers.rotate_left(*turn % count);
            *turn = turn.wrapping_add(1);
        }
        servers.sort_by_key(|at| Some(*at) == waits.failed);
        let mut choice = Choice::Never("none of its servers can be used");
        for at in servers {
            if self.servers[at].is_due(now) {
                self.ask_options(at, now);
            }
            let most = self.most(at);
            let server = &mut self.servers[at];
            if server.is_away() {
                continue;
            }
            match &server.terms {
                None => choice = Choice::Later,
                Some(terms) if !terms.does(method) => {
                    choice = Choice::Never(match method {
                        Method::Reqmod => "it does no REQMOD",
                        Method::Respmod => "it does no RESPMOD",
                    });
                }
                Some(_) => {
                    // The last used is the least likely to be closed, and those that are not needed time out.
                    if !waits.again {
                        if let Some(idle) = self.idle(at) {
                            return Choice::Connection(idle);
                        }
                    } else if let Some(idle) = server.idle.pop() {
                        self.close(idle);
                    }
                    if self.servers[at].open >= most {
                        choice = Choice::Later;
                        continue;
                    }
                    match self.open(at, Use::Idle, now) {
                        Ok(conn) => return Choice::Connection(conn),
                        Err(why) => self.blame(at, &why, true, now),
                    }
                }
            }
        }
        choice
    }

    /// The most connections that a server may have.
    pub(super) fn most(&self, server: usize) -> usize {
        let theirs = self.servers[server].terms.as_ref();
        let theirs = theirs.and_then(|terms| terms.max_connections);
        theirs.map_or(self.settings.connections, |most| {
            most.min(self.settings.connections)
        })
    }

    /// Whether what lies there is not for this service, as far as that is known: then no connection is wanted.
    pub(super) fn ignores(&self, service: usize, url: &[u8]) -> bool {
        let servers = self.services[service].servers.iter();
        let mut known = servers.filter_map(|at| self.servers[*at].terms.as_ref());
        known
            .next()
            .is_some_and(|terms| terms.transfer(url) == Transfer::Ignore)
    }

    /// Connections and messages that are late, servers that are due.
    pub(super) fn look_after(&mut self, now: Instant) {
        self.end_late(now);
        for service in 0..self.services.len() {
            while let Some(waits) = self.services[service].waiting.front().copied()
                && now.saturating_duration_since(waits.since) > self.settings.timeout
            {
                self.services[service].waiting.pop_front();
                let why = "no connection was free in time".to_owned();
                self.news
                    .push_back(News::Fail(waits.job, waits.at, None, why));
            }
        }
        for server in 0..self.servers.len() {
            let unknown = self.servers[server].terms.is_none() || self.servers[server].is_away();
            if unknown && self.servers[server].is_due(now) {
                self.ask_options(server, now);
            }
        }
    }
}
