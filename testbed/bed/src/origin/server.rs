//! The origin's threads and listeners, and what they share.
//!
//! 1. Listeners are bound, so that addresses are known and errors told before anything runs.
//! 2. A thread runs the server, whose workers answer ([`handle`]).
//! 3. Stopped or dropped, it closes all connections at once, and its threads have ended.

use super::{
    Config, Reading, Wall,
    connection::Connection,
    handle::handle,
    statistics::{Counters, Statistics},
};
use crate::{content::Library, world::World};
use actix_web::{
    App, HttpServer,
    web::{self, Data},
};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::Duration,
};

/// How long a new connection may be without its first request. Longer than robots ever wait, shorter than a run.
const FIRST_REQUEST: Duration = Duration::from_secs(120);

/// What all threads of an origin share.
#[derive(Debug)]
pub(super) struct Origin {
    /// What was told at the start; its epoch counts only if robots do not tell it.
    pub(super) told: World,
    /// What is served, once the run's beginning is known.
    pub(super) world: RwLock<Option<World>>,
    pub(super) library: Arc<Library>,
    pub(super) workload_text: String,
    pub(super) digest: Option<u32>,
    pub(super) chunked: f64,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) counters: Arc<Counters>,
    pub(super) wall: Wall,
    /// Threads that answer.
    pub(super) workers: usize,
    accepted: AtomicU64,
}

impl Origin {
    /// The world, if the run has begun.
    pub(super) fn world(&self) -> Option<World> {
        // A thread that panics does not hold it.
        self.world
            .read()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Begins a run at this time; what was counted before belongs to none.
    pub(super) fn begin(&self, epoch: i64) {
        let told = &self.told;
        let world = World::new(Arc::clone(told.workload()), told.seed(), epoch);
        self.counters.reset();
        *self.world.write().unwrap_or_else(PoisonError::into_inner) = Some(world);
    }
}

/// An origin that runs. Dropped, it stops.
#[derive(Debug)]
pub struct Running {
    origin: Arc<Origin>,
    handle: actix_web::dev::ServerHandle,
    thread: Option<JoinHandle<()>>,
}

impl Running {
    /// Where it listens, in the order that was asked for.
    #[must_use]
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.origin.addresses
    }

    /// What it did up to now.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.origin.counters.snapshot()
    }

    /// What its clock says now.
    #[must_use]
    pub fn clock(&self) -> Reading {
        Reading::here(|| self.origin.wall.microseconds())
    }

    /// Begins a run at `epoch` (Unix seconds): versions of objects are told from there, and counting begins anew.
    pub fn begin(&self, epoch: i64) {
        self.origin.begin(epoch);
    }

    /// Stops it: connections are closed at once.
    pub fn stop(self) {}
}

impl Drop for Running {
    fn drop(&mut self) {
        // The command is sent here; the future only waits for it.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
            // What a thread panicked with was printed by it.
            let _ = thread.join();
        }
    }
}

/// Starts an origin on threads of its own.
///
/// # Errors
/// It cannot listen at one of the addresses, or there are no threads to be had.
pub fn start(config: Config) -> io::Result<Running> {
    super::raise_open_files();
    let listeners = config
        .listen
        .iter()
        .map(|address| {
            TcpListener::bind(address).map_err(|e| {
                io::Error::new(e.kind(), format!("origin: cannot listen at {address}: {e}"))
            })
        })
        .collect::<io::Result<Vec<_>>>()?;
    let addresses = listeners
        .iter()
        .map(TcpListener::local_addr)
        .collect::<io::Result<Vec<_>>>()?;
    let origin = Arc::new(Origin {
        world: RwLock::new((!config.wait).then(|| config.world.clone())),
        told: config.world,
        library: config.library,
        workload_text: config.workload_text,
        digest: config.digest,
        chunked: config.chunked,
        addresses,
        counters: Arc::default(),
        wall: config.wall,
        workers: config.workers.max(1),
        accepted: AtomicU64::new(0),
    });
    let idle = seconds(
        origin
            .told
            .workload()
            .connections
            .server_idle
            .max(f64::MIN_POSITIVE),
    );
    let (told, tells) = std::sync::mpsc::sync_channel(1);
    let shared = Arc::clone(&origin);
    let thread = std::thread::Builder::new()
        .name("origin".into())
        .spawn(move || {
            actix_rt::System::new().block_on(async move {
                match serve(&shared, listeners, idle) {
                    Ok(server) => {
                        // Whoever started it waits for this.
                        let _ = told.send(Ok(server.handle()));
                        if let Err(e) = server.await {
                            eprintln!("origin: the server stopped: {e}");
                        }
                    }
                    Err(e) => drop(told.send(Err(e))),
                }
            });
        })?;
    let handle = tells
        .recv()
        .map_err(|_| io::Error::other("origin: its thread ended before it served"))??;
    Ok(Running {
        origin,
        handle,
        thread: Some(thread),
    })
}

fn serve(
    origin: &Arc<Origin>,
    listeners: Vec<TcpListener>,
    idle: Duration,
) -> io::Result<actix_web::dev::Server> {
    let data = Data::from(Arc::clone(origin));
    let accepting = Arc::clone(origin);
    let mut server = HttpServer::new(move || {
        App::new()
            .app_data(data.clone())
            .default_service(web::to(handle))
    })
    .on_connect(move |_, extensions| {
        let number = accepting.accepted.fetch_add(1, Relaxed);
        extensions.insert(Connection::accepted(number, &accepting.counters));
    })
    .workers(origin.workers)
    .keep_alive(idle)
    .client_request_timeout(FIRST_REQUEST)
    .tcp_nodelay(true)
    .backlog(4096)
    // Per thread; the system's limit of open files is the only one meant.
    .max_connections(1 << 20)
    .disable_signals();
    for listener in listeners {
        server = server.listen(listener)?;
    }
    Ok(server.run())
}

/// A file's seconds; what is none or below 0 is 0.
pub(super) fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
}
