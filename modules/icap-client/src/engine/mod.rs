//! All connections, and all messages under way: what hooks, ready descriptors and the clock act upon, one at a time.
//!
//! Invariant: a message waits for a connection, or has one, or needs none; each of its questions to come is answered or ends in a
//! failure by the clock. Whatever is called ends with [`Engine::work`], which brings every message that something happened to as far
//! as it goes. Awkward case: connections given to messages waiting for one, while another message is looked at; so what happened is
//! noted, and worked off one after the other.

mod answers;
mod connections;
mod messages;
mod pool;

use crate::job::{Job, Message};
use crate::server::Server;
use crate::settings::Settings;
use crate::wire::{Answer as Parser, Method};
use bytes::Bytes;
use connections::Conn;
use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;
use understudy_module::{Answer, Host, Verdict};

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
    /// It was tried before: a connection that is new.
    again: bool,
    /// And rather not to this server.
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
            self.leave(id, &job);
            self.work(Instant::now());
        }
    }

    /// A message is over; what services still say of it is of no use.
    fn leave(&mut self, id: u64, job: &Job) {
        for stage in job.stages.iter().filter(|stage| stage.conn.is_none()) {
            self.services[stage.service]
                .waiting
                .retain(|waits| waits.job != id);
        }
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

    /// What the clock says.
    pub(crate) fn tick(&mut self, now: Instant) {
        self.look_after(now);
        self.work(now);
    }
}
