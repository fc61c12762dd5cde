//! All connections, and all messages under way: what hooks, ready descriptors and the clock act upon, one at a time.
//!
//! Invariant: a message waits for a connection, or has one, or needs none; each of its questions to come is answered or ends in a
//! failure by the clock. Whatever is called ends with [`Engine::work`], which brings every message that something happened to as far
//! as it goes. Awkward case: connections given to messages waiting for one, while another message is looked at; so what happened is
//! noted, and worked off one after the other.

mod connections;
mod pool;

use crate::exchange::Allowed;
use crate::job::{Job, Message};
use crate::server::Server;
use crate::settings::Settings;
use crate::terms::Transfer;
use crate::wire::{Answer as Parser, Ask, Method};
use bytes::Bytes;
use connections::Conn;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use understudy_module::{Answer, Host, Level, Verdict};

/// Numbers connections and messages, over all engines of this process: a descriptor's event is for one of them at most.
static NUMBER: AtomicU64 = AtomicU64::new(1);

fn number() -> u64 {
    NUMBER.fetch_add(1, Ordering::Relaxed)
}

/// A service: the same at each of its servers.
#[derive(Debug)]
struct Service {
    method: Method,
    servers: Vec<usize>,
    turn: usize,
    waiting: VecDeque<Waits>,
}

/// A message waits for a connection.
#[derive(Debug, Clone, Copy)]
struct Waits {
    job: u64,
    /// The service's place in its chain.
    at: usize,
    since: Instant,
    /// It was tried before: a connection that is new, and rather not to this server.
    failed: Option<usize>,
}

/// What happened, to which message, at which service of its chain.
#[derive(Debug)]
enum News {
    /// Something.
    Look(u64),
    /// A connection is there.
    Begin(u64, usize, u64),
    /// The exchange failed, with this server.
    Fail(u64, usize, Option<usize>, String),
    /// Not to a message: there may be more to read from this connection.
    Read(u64),
    /// There may be connections for those that wait.
    Serve,
}

/// What goes over a connection.
#[derive(Debug)]
enum Use {
    Idle,
    Options(Box<Parser>),
    Message(u64, usize),
}

/// The engine.
#[derive(Debug)]
pub(crate) struct Engine {
    host: Host,
    pub(crate) settings: Settings,
    servers: Vec<Server>,
    services: Vec<Service>,
    reqmod: Vec<usize>,
    respmod: Vec<usize>,
    conns: HashMap<u64, Conn>,
    jobs: HashMap<u64, Job>,
    /// What happened and was not worked off yet.
    news: VecDeque<News>,
}

impl Engine {
    pub(crate) fn new(host: Host, settings: Settings) -> Engine {
        let now = Instant::now();
        let mut engine = Engine {
            host,
            servers: Vec::new(),
            services: Vec::new(),
            reqmod: Vec::new(),
            respmod: Vec::new(),
            conns: HashMap::new(),
            jobs: HashMap::new(),
            news: VecDeque::new(),
            settings,
        };
        for method in [Method::Reqmod, Method::Respmod] {
            let groups = match method {
                Method::Reqmod => engine.settings.reqmod.clone(),
                Method::Respmod => engine.settings.respmod.clone(),
            };
            for group in groups {
                let servers = group.into_iter().map(|uri| {
                    let known = engine.servers.iter().position(|server| server.uri == uri);
                    known.unwrap_or_else(|| {
                        engine.servers.push(Server::new(uri, now));
                        engine.servers.len() - 1
                    })
                });
                let servers = servers.collect();
                engine.services.push(Service {
                    method,
                    servers,
                    turn: 0,
                    waiting: VecDeque::new(),
                });
                let chain = match method {
                    Method::Reqmod => &mut engine.reqmod,
                    Method::Respmod => &mut engine.respmod,
                };
                chain.push(engine.services.len() - 1);
            }
        }
        engine.look_after(now);
        engine
    }

    /// Whether any service adapts what this method is for.
    pub(crate) fn does(&self, method: Method) -> bool {
        !self.chain(method).is_empty()
    }

    fn chain(&self, method: Method) -> &[usize] {
        match method {
            Method::Reqmod => &self.reqmod,
            Method::Respmod => &self.respmod,
        }
    }

    fn count(&self, name: &str) {
        self.host.count(name, 1);
    }

    /// Takes a message; its number.
    pub(crate) fn submit(&mut self, message: Message) -> u64 {
        let (keep, answer) = (self.settings.keep, self.settings.answer);
        let chain = self.chain(message.method).to_vec();
        let job = Job::new(message, &chain, keep, answer);
        let id = number();
        self.jobs.insert(id, job);
        id
    }

    /// A message, while it is under way.
    pub(crate) fn job(&mut self, id: u64) -> Option<&mut Job> {
        self.jobs.get_mut(&id)
    }

    /// The proxy asks: here is a piece, if it is about a body. The answer, if it is there already; the message must then be given a
    /// token before anybody else is let in.
    pub(crate) fn ask(&mut self, id: u64, piece: Option<(Bytes, bool)>) -> Option<Answer> {
        let Some(job) = self.jobs.get_mut(&id) else {
            return Some(Verdict::Continue.into());
        };
        if let Some((piece, last)) = piece {
            job.push(piece, last);
        }
        job.asking = true;
        self.news.push_back(News::Look(id));
        self.work(Instant::now());
        let job = self.jobs.get_mut(&id)?;
        let reply = job.reply.take();
        if job.over && reply.is_some() {
            self.forget(id);
        }
        reply
    }

    /// Nobody asks about this message any more.
    pub(crate) fn forget(&mut self, id: u64) {
        if let Some(job) = self.jobs.remove(&id) {
            self.leave(&job);
            self.work(Instant::now());
        }
    }

    /// A message is over; what services still say of it is of no use.
    fn leave(&mut self, job: &Job) {
        for conn in job.stages.iter().filter_map(|stage| stage.conn) {
            self.close(conn);
        }
    }

    /// Ends if nothing is under way. Says whether it did.
    pub(crate) fn end_if_quiet(&mut self) -> bool {
        let quiet = self.jobs.is_empty();
        if quiet {
            self.end();
        }
        quiet
    }

    /// Closes all connections.
    pub(crate) fn end(&mut self) {
        let all: Vec<u64> = self.conns.keys().copied().collect();
        all.into_iter().for_each(|conn| self.close(conn));
    }

    /// Works off what happened, until nothing more does.
    fn work(&mut self, now: Instant) {
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
                self.leave(&job);
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
        if let Some(conn) = stage.conn.take() {
            self.close(conn);
        }
        let service = &mut self.services[stage.service];
        service
            .waiting
            .retain(|waits| (waits.job, waits.at) != (id, at));
        // Once at each server, and once more for a connection that was closed while it was idle.
        let again = stage.tried > 0 && stage.tried <= service.servers.len();
        if again && stage.exchange.rewind() {
            service.waiting.push_front(Waits {
                job: id,
                at,
                since: now,
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
    fn blame(&mut self, server: usize, why: &str, at_once: bool, now: Instant) {
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

    /// What the clock says.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.look_after(now);
        self.work(now);
    }
}
