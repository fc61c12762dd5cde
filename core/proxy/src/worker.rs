//! A worker: one arbiter's share of the proxy, and the actor that rules it.
//!
//! [`Worker`] is what every connection of the arbiter shares by `Rc`: settings, clock, upstream pool, counters, scratch buffers.
//! [`WorkerActor`] accepts connections, adopts settings, drains. Invariant: nothing of a worker is touched by another thread
//! but its counters.
//!
//! Life of a worker: 1. started with its listeners; 2. adopts settings any number of times; 3. drains; 4. cut off.

use crate::afterwards::Afterwards;
use crate::background::{self, Background};
use crate::clock::{Clock, TICK};
use crate::connection::Connection;
use crate::explain::{Explanation, Refusals};
use crate::messages::Foretell;
use crate::messages::{Adopt, Close, Cut, Drain, Open, Retire};
use crate::modules::chain::Chain;
use crate::record::TransactionLog;
use crate::settings::{Listener, Settings};
use crate::stats::WorkerStats;
use crate::transaction;
use actix::{Actor, Addr, AsyncContext, Context, Handler, ResponseFuture};
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::fmt;
use std::io::{Read, Write};
use std::net::SocketAddr;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use understudy_cache::Cache;
use understudy_http::FieldSpan;
use understudy_module::Edits;
use understudy_runtimes::Seat;
use understudy_upstream::Upstreams;

/// Bytes read from a client at a time while a head is expected; a request with its head and some body usually fits.
pub(crate) const SCRATCH: usize = 32 * 1024;
/// How long a worker waits before it accepts again when the process is out of descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A listener with its socket for one worker.
pub(crate) struct BoundListener {
    pub(crate) listener: Listener,
    pub(crate) address: SocketAddr,
    pub(crate) socket: std::net::TcpListener,
}

/// A listener as its connections see it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) listener: Listener,
    /// The address bound.
    pub(crate) address: SocketAddr,
    /// The listener is gone: its connections end after what they are doing.
    pub(crate) retired: Cell<bool>,
    /// No listener: the proxy asks itself, for a module or to validate what is stale.
    pub(crate) internal: bool,
    /// It asks for the origin's word on what is stale, so that others may be served it meanwhile.
    pub(crate) refreshes: bool,
    /// Nothing is done, it is only found out what would be.
    pub(crate) explains: bool,
}

/// The settings in force and what is derived from them; a transaction keeps the one it began with.
pub(crate) struct Live {
    pub(crate) settings: Arc<Settings>,
    pub(crate) upstreams: Rc<Upstreams>,
    pub(crate) log: Option<Arc<dyn TransactionLog>>,
    /// The pseudonym in Via: the configured name and a part of its own for each process, or loops through two proxies of one
    /// name could not be told from one.
    pub(crate) pseudonym: String,
    pub(crate) chain: Rc<Chain>,
}

impl Drop for Live {
    fn drop(&mut self) {
        self.chain.close();
    }
}

/// What all connections of an arbiter share.
pub(crate) struct Worker {
    pub(crate) clock: Rc<Clock>,
    /// Exists even when nothing is to be stored; whether it is used is the settings' word.
    pub(crate) cache: Cache,
    pub(crate) stats: Arc<WorkerStats>,
    /// Those of all workers.
    pub(crate) all: Arc<[Arc<WorkerStats>]>,
    pub(crate) draining: Cell<bool>,
    pub(crate) connections: RefCell<Slab<Addr<Connection>>>,
    /// Open connections of all workers.
    pub(crate) open: Arc<AtomicUsize>,
    live: RefCell<Rc<Live>>,
    next_id: Cell<u64>,
    /// Buffers lent for the length of one call.
    pub(crate) scratch: RefCell<Box<[u8]>>,
    pub(crate) table: Cell<Vec<FieldSpan>>,
    pub(crate) key: Cell<Vec<u8>>,
    pub(crate) lines: Cell<Vec<u8>>,
    pub(crate) edits: Lent,
    pub(crate) asked: Lent,
    pub(crate) told: Lent,
    /// Where calls of modules are waited for.
    pub(crate) seat: Rc<Seat>,
    /// What is left to be done for transactions that are over.
    pub(crate) afterwards: Rc<Afterwards>,
    /// What is validated behind its readers' backs.
    pub(crate) background: Background,
    /// Why what was asked for last is not stored.
    pub(crate) refusals: Arc<Refusals>,
}

/// A record of edits that is lent for one hook, with the room it had.
#[derive(Default)]
pub(crate) struct Lent(Cell<Option<Box<Edits>>>);

impl Lent {
    /// An empty record; another one while this is away.
    #[inline]
    pub(crate) fn take(&self) -> Box<Edits> {
        let mut edits = self.0.take().unwrap_or_default();
        edits.clear();
        edits
    }

    /// Takes it back.
    #[inline]
    pub(crate) fn set(&self, edits: Box<Edits>) {
        self.0.set(Some(edits));
    }
}

impl Worker {
    /// The settings in force.
    pub(crate) fn live(&self) -> Rc<Live> {
        self.live.borrow().clone()
    }

    /// Reads the settings in force without holding them.
    pub(crate) fn with_live<R>(&self, f: impl FnOnce(&Live) -> R) -> R {
        f(&self.live.borrow())
    }

    /// A transaction id: unique in the process, and over restarts with high probability.
    pub(crate) fn transaction_id(&self) -> u64 {
        let id = self.next_id.get();
        self.next_id.set(id.wrapping_add(1));
        id
    }
}

impl fmt::Debug for Worker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Worker")
            .field("draining", &self.draining)
            .finish_non_exhaustive()
    }
}

/// What a worker is started with; crosses to its arbiter.
pub(crate) struct Seed {
    pub(crate) index: usize,
    /// Random, the same for all workers of a process.
    pub(crate) epoch: u64,
    pub(crate) cache: Cache,
    pub(crate) stats: Arc<WorkerStats>,
    pub(crate) all: Arc<[Arc<WorkerStats>]>,
    pub(crate) open: Arc<AtomicUsize>,
    pub(crate) resolver: Arc<understudy_upstream::Shared>,
    pub(crate) settings: Arc<Settings>,
    pub(crate) log: Option<Arc<dyn TransactionLog>>,
    pub(crate) mailboxes: understudy_runtimes::Mailboxes,
    pub(crate) refusals: Arc<Refusals>,
}

/// The actor of a worker.
pub(crate) struct WorkerActor {
    worker: Rc<Worker>,
    /// Does what modules ask of stored objects.
    pub(crate) desk: Rc<crate::content::Desk>,
    epoch: u64,
    listeners: HashMap<String, (Rc<Source>, JoinHandle<()>)>,
}

impl WorkerActor {
    /// Made on the worker's own arbiter.
    pub(crate) fn new(seed: Seed) -> WorkerActor {
        let seat = Seat::new(seed.index as u8);
        seed.mailboxes
            .enter(seed.index as u8, seat.mailbox().clone());
        let afterwards = Rc::<Afterwards>::default();
        let live = live(
            &seat,
            &afterwards,
            None,
            seed.epoch,
            seed.settings,
            &seed.resolver,
            seed.log,
        );
        let worker = Worker {
            clock: Clock::new(),
            cache: seed.cache,
            stats: seed.stats,
            all: seed.all,
            draining: Cell::new(false),
            connections: RefCell::new(Slab::new()),
            open: seed.open,
            live: RefCell::new(Rc::new(live)),
            // 8 bits of worker, 24 of epoch, 32 to count (and then on into the epoch).
            next_id: Cell::new(((seed.index as u64) << 56) | ((seed.epoch & 0xff_ffff) << 32)),
            scratch: RefCell::new(vec![0; SCRATCH].into_boxed_slice()),
            table: Cell::new(Vec::with_capacity(32)),
            key: Cell::new(Vec::with_capacity(256)),
            lines: Cell::new(Vec::with_capacity(256)),
            edits: Lent::default(),
            asked: Lent::default(),
            told: Lent::default(),
            seat,
            afterwards,
            background: Background::default(),
            refusals: seed.refusals,
        };
        let worker = Rc::new(worker);
        WorkerActor {
            desk: crate::content::Desk::new(worker.clone()),
            worker,
            epoch: seed.epoch,
            listeners: HashMap::new(),
        }
    }

    fn listen(&mut self, bound: BoundListener) {
        let name = bound.listener.name.clone();
        let source = Rc::new(Source {
            listener: bound.listener,
            address: bound.address,
            retired: Cell::new(false),
            internal: false,
            refreshes: false,
            explains: false,
        });
        match TcpListener::from_std(bound.socket) {
            Ok(socket) => {
                let task = actix_rt::spawn(accept(self.worker.clone(), source.clone(), socket));
                self.listeners.insert(name, (source, task));
            }
            Err(error) => {
                tracing::error!(listener = name, %error, "cannot watch a listening socket")
            }
        }
    }

    /// Has every connection look whether it is to end.
    fn retire(&self) {
        for (_, connection) in self.worker.connections.borrow().iter() {
            // Sent past the mailbox bound on purpose: a message a connection and reload, and none may be lost.
            connection.do_send(Retire);
        }
    }

    fn stop_listening(&mut self, name: &str) {
        if let Some((source, task)) = self.listeners.remove(name) {
            source.retired.set(true);
            task.abort();
        }
    }
}

fn live(
    seat: &Rc<Seat>,
    afterwards: &Rc<Afterwards>,
    old: Option<&Chain>,
    epoch: u64,
    settings: Arc<Settings>,
    resolver: &Arc<understudy_upstream::Shared>,
    log: Option<Arc<dyn TransactionLog>>,
) -> Live {
    let upstreams = Upstreams::new(
        settings.upstream.clone(),
        settings.access.clone(),
        resolver.clone(),
    );
    let pseudonym = format!("{}-{:08x}", settings.name, epoch as u32);
    let chain = Chain::new(
        &settings.modules,
        seat,
        afterwards,
        old,
        log.as_ref().is_some_and(|log| log.wants_modules()),
    );
    Live {
        chain: Rc::new(chain),
        pseudonym,
        settings,
        upstreams,
        log,
    }
}

async fn accept(worker: Rc<Worker>, source: Rc<Source>, socket: TcpListener) {
    loop {
        match socket.accept().await {
            Ok((stream, peer)) => welcome(&worker, &source, stream, peer),
            Err(error) if is_of_the_connection(&error) => {}
            Err(error) => {
                tracing::warn!(listener = source.listener.name, %error, "cannot accept; pausing");
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
}

/// Errors of accept(2) that are the dying connection's and not the listener's.
fn is_of_the_connection(error: &std::io::Error) -> bool {
    use std::io::ErrorKind::{ConnectionAborted, ConnectionRefused, ConnectionReset, Interrupted};
    matches!(
        error.kind(),
        ConnectionAborted | ConnectionRefused | ConnectionReset | Interrupted
    )
}

fn welcome(worker: &Rc<Worker>, source: &Rc<Source>, stream: TcpStream, peer: SocketAddr) {
    let limit = worker.with_live(|l| l.settings.limits.connections);
    if worker.open.fetch_add(1, Ordering::Relaxed) >= limit {
        worker.open.fetch_sub(1, Ordering::Relaxed);
        worker.stats.connections_refused.add(1);
        turn_away(worker, &stream);
        return;
    }
    worker.stats.connections.add(1);
    worker.stats.connections_open.add(1);
    let _ = stream.set_nodelay(true);
    Connection::new(worker.clone(), source.clone(), stream, peer).start();
}

/// Tells a client beyond the limit of connections so, without taking a place for it.
fn turn_away(worker: &Worker, stream: &TcpStream) {
    let now = worker.clock.now();
    let answer =
        worker.with_live(|live| transaction::too_many_connections(&live.settings.name, now));
    let socket = socket2::SockRef::from(stream);
    let mut socket = &*socket;
    // The socket is new, so its buffer takes these few bytes or the client is gone.
    let _ = socket.write_all(&answer);
    let _ = socket.shutdown(std::net::Shutdown::Write);
    // Closing on bytes that were not read is a reset, which can overtake the answer: what came already is read.
    let mut scratch = worker.scratch.borrow_mut();
    let _ = socket.read(&mut scratch[..]);
}

impl Actor for WorkerActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        actix_rt::spawn(self.worker.seat.clone().run());
        actix_rt::spawn(Afterwards::run(self.worker.afterwards.clone()));
        actix_rt::spawn(background::run(self.worker.clone()));
        ctx.run_interval(TICK, |act, _| {
            let now = Instant::now();
            act.worker.clock.advance(now);
            act.worker.seat.sweep(now);
        });
        ctx.run_interval(Duration::from_secs(1), |act, _| {
            act.worker.with_live(|live| {
                live.upstreams.sweep(Instant::now());
                act.worker
                    .stats
                    .origin_idle
                    .set(live.upstreams.idle() as u64);
            });
        });
    }
}

impl Handler<Adopt> for WorkerActor {
    type Result = ();

    fn handle(&mut self, msg: Adopt, _: &mut Self::Context) {
        for name in &msg.stop {
            self.stop_listening(name);
        }
        if !msg.stop.is_empty() {
            self.retire();
        }
        let old = self.worker.live();
        let new = live(
            &self.worker.seat,
            &self.worker.afterwards,
            Some(&old.chain),
            self.epoch,
            msg.settings,
            &msg.resolver,
            msg.log,
        );
        *self.worker.live.borrow_mut() = Rc::new(new);
        for bound in msg.start {
            self.listen(bound);
        }
    }
}

impl Handler<Drain> for WorkerActor {
    type Result = usize;

    fn handle(&mut self, _: Drain, _: &mut Self::Context) -> usize {
        self.worker.draining.set(true);
        let names: Vec<String> = self.listeners.keys().cloned().collect();
        for name in names {
            self.stop_listening(&name);
        }
        self.retire();
        self.worker.connections.borrow().len()
    }
}

impl Handler<Foretell> for WorkerActor {
    type Result = ResponseFuture<Result<Explanation, String>>;

    fn handle(&mut self, Foretell(asked): Foretell, _: &mut Self::Context) -> Self::Result {
        Box::pin(transaction::foretell(self.worker.clone(), asked))
    }
}

impl Handler<Open> for WorkerActor {
    type Result = usize;

    fn handle(&mut self, _: Open, _: &mut Self::Context) -> usize {
        self.worker.connections.borrow().len() + self.worker.afterwards.left()
    }
}

impl Handler<Cut> for WorkerActor {
    type Result = usize;

    fn handle(&mut self, _: Cut, _: &mut Self::Context) -> usize {
        let connections = self.worker.connections.borrow();
        for (_, connection) in connections.iter() {
            connection.do_send(Close);
        }
        connections.len()
    }
}
