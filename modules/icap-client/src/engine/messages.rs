//! Messages brought on, one step after the other.
//!
//! Invariant: while a message is looked at it is not in the table, and whatever concerns it meanwhile is news for later. Awkward case: an
//! exchange fails; whether it can be begun anew, or the message can go on without it, depends on what is kept and what was given.

use super::{Engine, News, Waits};
use crate::exchange::Allowed;
use crate::job::Job;
use crate::terms::Transfer;
use crate::wire::Ask;
use std::time::Instant;
use understudy_module::Level;

impl Engine {
    /// Works off what happened, until nothing more does.
    pub(super) fn work(&mut self, now: Instant) {
        while let Some(news) = self.news.pop_front() {
            let id = match news {
                News::Look(id) | News::Begin(id, ..) | News::Fail(id, ..) => id,
                News::Read(conn) => {
                    self.read(conn, now);
                    continue;
                }
                News::Serve => {
                    self.serve_all(now);
                    continue;
                }
            };
            let Some(mut job) = self.jobs.remove(&id) else {
                if let News::Begin(.., conn) = news {
                    self.close(conn);
                }
                continue;
            };
            match news {
                News::Begin(_, at, conn) => self.begin(&mut job, at, conn),
                News::Fail(_, at, server, why) => self.failed(id, &mut job, at, server, &why, now),
                _ => {}
            }
            self.bring_on(id, &mut job, now);
            if let Some(answer) = job.decide() {
                match job.token.take() {
                    Some(token) => self.host.resume(token, answer),
                    None => job.reply = Some(answer),
                }
                // What it took makes room.
                self.bring_on(id, &mut job, now);
            }
            // One whose hook has not returned yet is forgotten by that.
            if job.over && job.reply.is_none() {
                self.leave(id, &job);
            } else {
                self.jobs.insert(id, job);
            }
        }
    }

    /// Brings a message as far as it goes.
    fn bring_on(&mut self, id: u64, job: &mut Job, now: Instant) {
        job.advance();
        for at in 0..job.stages.len() {
            let reads = job.reads(at);
            let Some(stage) = job.stages.get_mut(at) else {
                break;
            };
            match stage.conn {
                Some(conn) => {
                    while let Some(there) = self.conns.get_mut(&conn) {
                        stage.exchange.send(&mut there.out);
                        if there.out.is_empty() || there.is_blocked() {
                            break;
                        }
                        there.since = now;
                        self.flush(conn, now);
                    }
                    self.read_on(conn, reads);
                }
                None if stage.head.is_some() && stage.asked.is_none() => {
                    stage.asked = Some(now);
                    let service = stage.service;
                    if self.ignores(service, &job.url) {
                        stage.exchange.pass();
                        self.count("ignored");
                        self.news.push_back(News::Look(id));
                    } else if self.services[service].waiting.len() < self.settings.waiting {
                        let waits = Waits {
                            job: id,
                            at,
                            since: now,
                            again: false,
                            failed: None,
                        };
                        self.services[service].waiting.push_back(waits);
                        self.serve(service, now);
                    } else {
                        let why = "too many messages wait for a connection".to_owned();
                        self.news.push_back(News::Fail(id, at, None, why));
                    }
                }
                None => {}
            }
        }
    }

    /// A message begins with a connection.
    fn begin(&mut self, job: &mut Job, at: usize, conn: u64) {
        let (length, method) = (job.length.filter(|_| at == 0), job.method);
        let (url, client) = (job.url.clone(), job.client);
        let request = job.request.clone();
        let (Some(stage), Some(there)) = (job.stages.get_mut(at), self.conns.get_mut(&conn)) else {
            return self.close(conn);
        };
        let server = &self.servers[there.server];
        let (Some(head), Some(terms)) = (stage.head.clone(), &server.terms) else {
            return self.close(conn);
        };
        if terms.transfer(&url) == Transfer::Ignore {
            stage.exchange.pass();
            self.count("ignored");
            return self.rest(conn, Instant::now());
        }
        let body = stage.exchange.has_body();
        let settings = &self.settings;
        // Section 4.6: who allows 204 promises to have the whole message still.
        let whole = stage.exchange.is_small()
            || length.is_some_and(|length| length <= settings.keep as u64);
        let previews = body && terms.transfer(&url) == Transfer::Preview;
        let preview = terms.preview.zip(settings.preview).filter(|_| previews);
        let preview = preview.map(|(theirs, ours)| theirs.min(ours));
        let partial = settings.allow_206 && terms.allow_206 && body;
        let no_change = settings.allow_204 && terms.allow_204 && whole;
        let allowed = Allowed {
            preview,
            no_change,
            partial: partial && (no_change || preview.is_some()),
        };
        let tells = settings.client_ip.unwrap_or(terms.wants_client);
        let ask = Ask {
            method,
            uri: &server.uri.text,
            host: &server.uri.authority(),
            request: request.as_deref(),
            head: &head,
            body,
            preview,
            allow_204: allowed.no_change,
            allow_206: allowed.partial,
            client: tells.then_some(client),
            more: &settings.headers,
        };
        let mut out = Vec::with_capacity(2048);
        ask.write(&mut out);
        there.out.extend_from_slice(&out);
        stage.exchange.begin(allowed);
        stage.conn = Some(conn);
        stage.tried += 1;
        self.count("requests");
    }

    /// A message's exchange with one service failed: it is begun anew, or the message goes on without it, or fails.
    fn failed(
        &mut self,
        id: u64,
        job: &mut Job,
        at: usize,
        server: Option<usize>,
        why: &str,
        now: Instant,
    ) {
        let passes = self.settings.bypass && job.may_pass(at);
        let Some(stage) = job.stages.get_mut(at) else {
            return;
        };
        let begun = stage.conn.take();
        if let Some(conn) = begun {
            self.close(conn);
        }
        let service = &mut self.services[stage.service];
        service
            .waiting
            .retain(|waits| (waits.job, waits.at) != (id, at));
        // Once at each server, and once more for a connection that was closed while it was idle. One that got no connection gets none
        // now either.
        let again = begun.is_some() && stage.tried <= service.servers.len();
        if again && stage.exchange.rewind() {
            service.waiting.push_front(Waits {
                job: id,
                at,
                since: now,
                again: true,
                failed: server,
            });
            self.serve(stage.service, now);
            self.count("retries");
        } else if passes {
            stage.exchange.pass();
            self.count("bypassed");
        } else {
            let uri = service
                .servers
                .first()
                .map_or("", |server| &self.servers[*server].uri.text);
            job.failed = Some(format!("{} {uri}: {why}", job.method.word()));
            self.count("failures");
        }
    }

    /// A server failed.
    pub(super) fn blame(&mut self, server: usize, why: &str, at_once: bool, now: Instant) {
        if self.servers[server].failed(now, at_once) {
            self.count("breaks");
            let uri = &self.servers[server].uri.text;
            self.host.log(
                Level::Warn,
                &format!("{uri} is left alone for a while: {why}"),
            );
            self.news.push_back(News::Serve);
        }
    }
}
