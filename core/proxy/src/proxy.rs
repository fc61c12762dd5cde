//! The running proxy: its workers and listeners, started, reconfigured and drained as one.
//!
//! Life: 1. `start` binds every listener and starts the workers, all or nothing; 2. `reconfigure` any number of times, all or
//! nothing; 3. `drain`.

use crate::content::Content;
use crate::explain::{self, Explanation, Refusals};
use crate::listener;
use crate::messages::{Adopt, Cut, Drain, Foretell, Open};
use crate::purge::{self, Receipt, Request};
use crate::record::TransactionLog;
use crate::settings::{Listener, Settings};
use crate::stats::{Snapshot, WorkerStats};
use crate::worker::{BoundListener, Seed, WorkerActor};
use actix::{Actor, Addr};
use actix_rt::Arbiter;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::net::SocketAddr;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use understudy_cache::Cache;
use understudy_http::semantics::policy::Rules;

/// How often a draining proxy looks whether all connections have ended.
const DRAIN_POLL: Duration = Duration::from_millis(10);
/// How often it looks whether those it cut off are gone.
const CUT_POLLS: usize = 50;

/// A running proxy: its workers, each with its own listeners, connections and upstream pool. Made on the thread of the actix
/// system.
pub struct Proxy {
    workers: Vec<WorkerHandle>,
    cache: Cache,
    state: Mutex<State>,
}

struct WorkerHandle {
    actor: Addr<WorkerActor>,
    stats: Arc<WorkerStats>,
    _arbiter: Arbiter,
}

struct State {
    bound: Vec<(Listener, SocketAddr)>,
    /// The rules in force.
    rules: Arc<Rules>,
}

/// Why the proxy did not start.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum StartError {
    #[error("listener `{name}`: cannot listen on {address}")]
    Bind {
        name: String,
        address: SocketAddr,
        #[source]
        source: std::io::Error,
    },
    #[error("cannot start a worker")]
    Worker(#[source] std::io::Error),
    #[error("a worker is gone")]
    Gone,
}

impl std::fmt::Debug for Proxy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Proxy")
            .field("workers", &self.workers.len())
            .finish_non_exhaustive()
    }
}

impl Proxy {
    /// Binds every listener once a worker and starts the workers. All or nothing. `content` is what the modules in the settings
    /// were loaded with; from now on it reaches the cache.
    pub async fn start(
        settings: Settings,
        log: Option<Arc<dyn TransactionLog>>,
        content: &Arc<Content>,
    ) -> Result<Proxy, StartError> {
        let settings = Arc::new(settings);
        let count = settings.workers.max(1);
        let (bound, mut sockets) = bind_all(&settings.listeners, count)?;

        let runtimes = (0..count).map(|_| runtime()).collect::<Result<Vec<_>, _>>();
        let runtimes = runtimes.map_err(StartError::Worker)?;
        let arbiters: Vec<Arbiter> = runtimes
            .into_iter()
            .map(|runtime| Arbiter::with_tokio_rt(move || runtime))
            .collect();
        let handles: Vec<_> = arbiters.iter().map(Arbiter::handle).collect();
        let cache = Cache::start(cache_config(&settings), &handles);

        let epoch = RandomState::new().build_hasher().finish();
        let resolver = understudy_upstream::Shared::new(&settings.upstream);
        let open = Arc::new(AtomicUsize::new(0));
        let refusals = Arc::<Refusals>::default();
        let all: Arc<[_]> = (0..count).map(|_| Arc::<WorkerStats>::default()).collect();
        let mut workers = Vec::with_capacity(count);
        for ((index, arbiter), stats) in arbiters.into_iter().enumerate().zip(all.iter()) {
            let stats = stats.clone();
            let seed = Seed {
                index,
                epoch,
                cache: cache.clone(),
                stats: stats.clone(),
                all: all.clone(),
                open: open.clone(),
                resolver: resolver.clone(),
                settings: settings.clone(),
                log: log.clone(),
                mailboxes: content.mailboxes().clone(),
                refusals: refusals.clone(),
            };
            let actor =
                WorkerActor::start_in_arbiter(&arbiter.handle(), move |_| WorkerActor::new(seed));
            workers.push(WorkerHandle {
                actor,
                stats,
                _arbiter: arbiter,
            });
        }
        for worker in &workers {
            let adopt = Adopt {
                settings: settings.clone(),
                log: log.clone(),
                resolver: resolver.clone(),
                start: take_column(&mut sockets),
                stop: Vec::new(),
            };
            worker
                .actor
                .send(adopt)
                .await
                .map_err(|_| StartError::Gone)?;
        }
        content.open(workers.iter().map(|worker| worker.actor.downgrade()));
        Ok(Proxy {
            workers,
            cache,
            state: Mutex::new(State {
                bound,
                rules: settings.rules.clone(),
            }),
        })
    }

    /// The addresses bound, by listener name (port 0 resolved).
    pub fn addresses(&self) -> Vec<(String, SocketAddr)> {
        let state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        state
            .bound
            .iter()
            .map(|(listener, at)| (listener.name.clone(), *at))
            .collect()
    }

    /// New connections and new transactions use the new settings; listeners that are new are bound first (an error changes
    /// nothing), those gone stop accepting and their connections drain. The number of workers, the name and whether there is
    /// a cache at all stay as they were at the start.
    pub async fn reconfigure(
        &self,
        settings: Settings,
        log: Option<Arc<dyn TransactionLog>>,
    ) -> Result<(), StartError> {
        let settings = Arc::new(settings);
        let old = {
            let state = self.state.lock().unwrap_or_else(|e| e.into_inner());
            state.bound.clone()
        };
        let fresh: Vec<Listener> = settings
            .listeners
            .iter()
            .filter(|listener| !old.iter().any(|(known, _)| known == *listener))
            .cloned()
            .collect();
        let gone: Vec<&(Listener, SocketAddr)> = old
            .iter()
            .filter(|(known, _)| !settings.listeners.contains(known))
            .collect();
        // A listener that keeps its address but changes its mode shares the port with its predecessor for a moment.
        let taken: Vec<SocketAddr> = gone.iter().map(|(_, at)| *at).collect();
        let (added, mut sockets) = bind_fresh(&fresh, self.workers.len(), &taken)?;
        let stop: Vec<String> = gone
            .iter()
            .map(|(listener, _)| listener.name.clone())
            .collect();
        let resolver = understudy_upstream::Shared::new(&settings.upstream);
        for worker in &self.workers {
            let adopt = Adopt {
                settings: settings.clone(),
                log: log.clone(),
                resolver: resolver.clone(),
                start: take_column(&mut sockets),
                stop: stop.clone(),
            };
            worker
                .actor
                .send(adopt)
                .await
                .map_err(|_| StartError::Gone)?;
        }
        self.cache.reconfigure(cache_config(&settings));
        let mut state = self.state.lock().unwrap_or_else(|e| e.into_inner());
        state.rules = settings.rules.clone();
        state.bound = old
            .into_iter()
            .filter(|(known, _)| settings.listeners.contains(known))
            .chain(added)
            .collect();
        Ok(())
    }

    /// Stops accepting, lets transactions finish, closes idle connections; after `bound` closes what is left. Answers how many
    /// were cut off.
    pub async fn drain(&self, bound: Duration) -> usize {
        for worker in &self.workers {
            let _ = worker.actor.send(Drain).await;
        }
        let until = tokio::time::Instant::now() + bound;
        loop {
            if self.open().await == 0 {
                return 0;
            }
            if tokio::time::Instant::now() >= until {
                break;
            }
            tokio::time::sleep(DRAIN_POLL).await;
        }
        let mut cut = 0;
        for worker in &self.workers {
            cut += worker.actor.send(Cut).await.unwrap_or(0);
        }
        // They were told; their records are written when they are gone.
        for _ in 0..CUT_POLLS {
            if self.open().await == 0 {
                break;
            }
            tokio::time::sleep(DRAIN_POLL).await;
        }
        cut
    }

    /// Connections open now, all workers.
    async fn open(&self) -> usize {
        let mut open = 0;
        for worker in &self.workers {
            open += worker.actor.send(Open).await.unwrap_or(0);
        }
        open
    }

    /// Counters of all workers, summed.
    pub fn stats(&self) -> Snapshot {
        let mut sum = Snapshot::default();
        for worker in &self.workers {
            worker.stats.add_to(&mut sum);
        }
        sum
    }

    /// Purges what an operator asks for.
    ///
    /// # Errors
    /// A sentence for each thing that is wrong with what was asked; nothing was purged then.
    pub async fn purge(&self, asked: Request) -> Result<Receipt, Vec<String>> {
        let selectors = asked.selectors()?;
        let rules = {
            let state = self.state.lock().unwrap_or_else(|e| e.into_inner());
            state.rules.clone()
        };
        let selectors = purge::ruled(selectors, &rules);
        let id = RandomState::new().build_hasher().finish();
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = now.map_or(0, |since| since.as_secs() as i64);
        Ok(purge::perform(&self.cache, id, now, asked, selectors).await)
    }

    /// What would become of a request, and why; nothing is fetched, stored or counted.
    ///
    /// # Errors
    /// A sentence that says what is wrong with the question.
    pub async fn explain(&self, asked: explain::Request) -> Result<Explanation, String> {
        let worker = self.workers.first().ok_or("there is no worker")?;
        let answer = worker.actor.send(Foretell(asked)).await;
        answer.unwrap_or_else(|_| Err("the proxy is going down".to_owned()))
    }

    /// The cache.
    pub fn cache(&self) -> Cache {
        self.cache.clone()
    }
}

/// What the cache is started with when nothing is to be stored: it exists, and holds nothing.
fn cache_config(settings: &Settings) -> understudy_cache::Config {
    settings.cache.clone().unwrap_or(understudy_cache::Config {
        memory: 0,
        max_object: 0,
        max_variants: 1,
    })
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
}

type Sockets = Vec<Vec<BoundListener>>;

fn bind_all(
    listeners: &[Listener],
    workers: usize,
) -> Result<(Vec<(Listener, SocketAddr)>, Sockets), StartError> {
    bind_fresh(listeners, workers, &[])
}

/// Binds each listener once a worker: the result's inner vectors hold one worker's sockets each.
fn bind_fresh(
    listeners: &[Listener],
    workers: usize,
    shared: &[SocketAddr],
) -> Result<(Vec<(Listener, SocketAddr)>, Sockets), StartError> {
    let mut sockets: Sockets = (0..workers).map(|_| Vec::new()).collect();
    let mut bound = Vec::new();
    for listener in listeners {
        let refused = |source| StartError::Bind {
            name: listener.name.clone(),
            address: listener.address,
            source,
        };
        if !shared.contains(&listener.address) {
            listener::check_free(listener).map_err(refused)?;
        }
        let mut address = listener.address;
        for column in &mut sockets {
            let socket = listener::bind(listener, address).map_err(refused)?;
            address = socket.local_addr().map_err(refused)?;
            column.push(BoundListener {
                listener: listener.clone(),
                address,
                socket,
            });
        }
        bound.push((listener.clone(), address));
    }
    Ok((bound, sockets))
}

fn take_column(sockets: &mut Sockets) -> Vec<BoundListener> {
    sockets.pop().unwrap_or_default()
}
