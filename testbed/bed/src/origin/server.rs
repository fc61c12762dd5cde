//! The origin's threads and listeners, and the steps of a request.
//!
//! 1. It is counted, and takes its turn on its connection.
//! 2. What is asked for is found; what cannot be answered is refused at once.
//! 3. A POST's body is read whole and compared.
//! 4. The request travels, the origin thinks, the answer travels: one wait.
//! 5. The answer is made for the time when the origin had thought, and sent.

use super::{
    Config, answer,
    connection::Connection,
    control, drawn,
    network::Path,
    private,
    statistics::{Counters, Statistics, count},
};
use crate::{
    content::Library,
    workload::{Distribution, Network},
    world::{Object, World},
};
use actix_web::{
    App, HttpRequest, HttpResponse, HttpServer,
    http::{
        Method, StatusCode,
        header::{self, Header},
    },
    web::{self, Data, Payload},
};
use std::{
    io,
    net::{SocketAddr, TcpListener},
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::Instant;

/// The largest body of a POST.
pub(super) const LARGEST_POST: usize = 1 << 20;

/// The longest the origin thinks, whatever was drawn.
const LONGEST_THOUGHT: Duration = Duration::from_secs(3600);

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
    pub(super) chunked: f64,
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) counters: Arc<Counters>,
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

    /// Begins a run at `epoch` (Unix seconds): versions of objects are told from there, and counting begins anew.
    pub fn begin(&self, epoch: i64) {
        self.origin.begin(epoch);
    }

    /// Stops it: connections are closed at once.
    pub fn stop(self) {}

    /// Waits until it stops by itself.
    pub fn wait(mut self) {
        if let Some(thread) = self.thread.take() {
            // What a thread panicked with was printed by it.
            let _ = thread.join();
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // The command is sent here; the future only waits for it.
        drop(self.handle.stop(false));
        if let Some(thread) = self.thread.take() {
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
        chunked: config.chunked,
        addresses,
        counters: Arc::default(),
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
                match serve(&shared, listeners, config.workers, idle) {
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
    workers: usize,
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
    .workers(workers.max(1))
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

async fn handle(origin: Data<Origin>, request: HttpRequest, payload: Payload) -> HttpResponse {
    if let Some(path) = request.path().strip_prefix(control::PREFIX) {
        return control::handle(&origin, path, &request, payload).await;
    }
    let counters = &origin.counters;
    count(&counters.requests);
    let Some(world) = origin.world() else {
        count(&counters.refused);
        return control::not_begun();
    };
    let connection = request.conn_data::<Connection>();
    let turn = connection.map(|c| c.turn(&world));
    let asked = match asked(&origin, &world, &request, payload).await {
        Ok(asked) => asked,
        Err(refusal) => {
            count(&counters.refused);
            return refusal.response(turn.is_some_and(|t| t.last));
        }
    };
    let network = &world.workload().network;
    let path = path(network);
    let stream = |what| world.seed().stream(&drawn::of(what, asked.number));
    let mut travel = path.arrival(asked.posted, stream(drawn::UPLOAD));
    if let (Some(connection), true) = (connection, turn.is_some_and(|t| t.first)) {
        travel += path.handshake(&mut connection.stream(&world, drawn::HANDSHAKE));
    }
    let thought = travel + think(&network.think, &mut stream(drawn::THINK));
    let leaves = thought + path.delay;
    let answered = milliseconds().saturating_add(i64::try_from(thought.as_millis()).unwrap_or(0));
    if !leaves.is_zero() {
        tokio::time::sleep_until(Instant::now() + leaves).await;
    }
    let last = turn.is_some_and(|t| t.last);
    answer::answer(&origin, &world, &request, asked, answered, path, last)
}

/// What a request asks for.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked {
    /// Its number; 0 if it has none.
    pub(super) number: u64,
    pub(super) object: Object,
    /// Bytes of its body.
    pub(super) posted: u64,
}

/// Why a request is not answered with an object.
enum Refusal {
    Method,
    Number,
    Path,
    TooLong,
    Unread,
    Body,
}

impl Refusal {
    fn response(&self, last: bool) -> HttpResponse {
        let (status, text) = match self {
            Self::Method => (
                StatusCode::METHOD_NOT_ALLOWED,
                "objects answer GET, HEAD and POST\n",
            ),
            Self::Number => (
                StatusCode::BAD_REQUEST,
                "X-Bed-Request is not one hexadecimal number\n",
            ),
            Self::Path => (StatusCode::NOT_FOUND, "no object has this path\n"),
            Self::TooLong => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "the request's body is above 1 MiB\n",
            ),
            Self::Unread => (
                StatusCode::BAD_REQUEST,
                "the request's body ended too early\n",
            ),
            Self::Body => (
                StatusCode::BAD_REQUEST,
                "the request's body is not the one of its X-Bed-Request\n",
            ),
        };
        let mut response = HttpResponse::build(status);
        if status == StatusCode::METHOD_NOT_ALLOWED {
            response.insert_header((header::ALLOW, "GET, HEAD, POST"));
        }
        if last {
            response.force_close();
        }
        response
            .insert_header((header::CACHE_CONTROL, "no-store"))
            .content_type("text/plain")
            .body(text)
    }
}

async fn asked(
    origin: &Origin,
    world: &World,
    request: &HttpRequest,
    payload: Payload,
) -> Result<Asked, Refusal> {
    let counters = &origin.counters;
    match *request.method() {
        Method::GET => count(&counters.get),
        Method::HEAD => count(&counters.head),
        Method::POST => count(&counters.post),
        _ => return Err(Refusal::Method),
    }
    let mut numbers = request.headers().get_all(private::REQUEST);
    let number = match (numbers.next(), numbers.next()) {
        (None, _) => {
            count(&counters.unnumbered);
            None
        }
        (Some(value), None) => Some(
            value
                .to_str()
                .ok()
                .and_then(private::number)
                .ok_or(Refusal::Number)?,
        ),
        _ => return Err(Refusal::Number),
    };
    // No object has a query.
    let object = match request.uri().query() {
        None => world.object(request.uri().path()).ok_or(Refusal::Path)?,
        Some(_) => return Err(Refusal::Path),
    };
    let mut posted = 0;
    if request.method() == Method::POST {
        // What says that it is too long is not waited for.
        if header::ContentLength::parse(request).is_ok_and(|length| *length > LARGEST_POST) {
            return Err(Refusal::TooLong);
        }
        let body = payload
            .to_bytes_limited(LARGEST_POST)
            .await
            .map_err(|_| Refusal::TooLong)?
            .map_err(|_| Refusal::Unread)?;
        posted = body.len() as u64;
        if number.is_some_and(|n| private::posted(world.seed(), n, body.len()) != body) {
            count(&counters.wrong_bodies);
            return Err(Refusal::Body);
        }
    }
    Ok(Asked {
        number: number.unwrap_or(0),
        object,
        posted,
    })
}

/// The path between proxy and origin.
fn path(network: &Network) -> Path {
    Path {
        delay: seconds(network.server_delay),
        loss: network.server_loss,
    }
}

fn think(think: &Distribution, stream: &mut crate::seed::Stream) -> Duration {
    seconds(think.sample(stream)).min(LONGEST_THOUGHT)
}

/// A file's seconds; what is none or below 0 is 0.
fn seconds(seconds: f64) -> Duration {
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::ZERO)
}

/// Unix milliseconds.
fn milliseconds() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    now.map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX))
}
