//! The listener for operators: a small actix-web server on a thread of its own.
//!
//! Invariant: it asks the overseer by message and never touches the proxy; only `POST /modules`, `POST /purge` and `POST /content`
//! change anything.
//! Awkward case: a Unix socket left behind by a process that died is removed, one that somebody answers on is not.

mod content;
mod explain;
mod index;
mod livez;
mod metrics;
mod module_metrics;
mod modules;
pub(crate) mod pac;
mod purge;
mod readyz;
mod status;

pub(crate) use explain::field;

use crate::{config::address::Admin, overseer::Overseer};
use actix::Addr;
use actix_web::{App, HttpServer, Route, dev::ServerHandle, guard, web};
use std::{
    io,
    net::TcpListener,
    os::unix::{
        fs::FileTypeExt,
        net::{UnixListener, UnixStream},
    },
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::Duration,
};

/// Connections at a time: a few scrapers and a person.
const CONNECTIONS: usize = 64;
/// How long a client may take to send its request.
const REQUEST: Duration = Duration::from_secs(5);

/// Whether the proxy takes work, as `/readyz` tells it.
#[derive(Debug, Default)]
pub(crate) struct Health {
    ready: AtomicBool,
}

impl Health {
    /// Every listener is bound; or the drain has begun.
    pub(crate) fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Relaxed);
    }

    /// Whether new work is taken.
    pub(crate) fn ready(&self) -> bool {
        self.ready.load(Relaxed)
    }
}

/// A socket that is bound, before anything is served on it.
#[derive(Debug)]
pub(crate) enum Socket {
    /// TCP.
    Tcp(TcpListener),
    /// Unix, with its path.
    Unix(UnixListener, PathBuf),
}

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    handle: ServerHandle,
    /// Where, for people: the bound address or `unix:PATH`.
    pub(crate) address: String,
    path: Option<PathBuf>,
}

impl Socket {
    /// Binds; none when the admin is off.
    pub(crate) fn bind(admin: &Admin) -> io::Result<Option<Socket>> {
        match admin {
            Admin::Off => Ok(None),
            Admin::Tcp(address) => TcpListener::bind(address).map(Socket::Tcp).map(Some),
            Admin::Unix(path) => {
                remove_stale(path)?;
                UnixListener::bind(path).map(|socket| Some(Socket::Unix(socket, path.clone())))
            }
        }
    }

    /// Serves on the socket, until the server is stopped.
    pub(crate) fn serve(self, overseer: Addr<Overseer>, health: Arc<Health>) -> io::Result<Server> {
        let health = web::Data::from(health);
        let overseer = web::Data::new(overseer);
        let server = HttpServer::new(move || {
            App::new()
                .app_data(health.clone())
                .app_data(overseer.clone())
                .configure(routes)
        })
        .workers(1)
        .worker_max_blocking_threads(1)
        .max_connections(CONNECTIONS)
        .client_request_timeout(REQUEST)
        .disable_signals();
        let (server, address, path) = match self {
            Socket::Tcp(socket) => {
                let address = socket.local_addr()?.to_string();
                (server.listen(socket)?, address, None)
            }
            Socket::Unix(socket, path) => (
                server.listen_uds(socket)?,
                format!("unix:{}", path.display()),
                Some(path),
            ),
        };
        let server = server.run();
        let handle = server.handle();
        actix_rt::spawn(server);
        Ok(Server {
            handle,
            address,
            path,
        })
    }
}

impl Server {
    /// Stops serving; answers under way are finished.
    pub(crate) async fn stop(self) {
        self.handle.stop(true).await;
        if let Some(path) = &self.path {
            let _ = std::fs::remove_file(path);
        }
    }
}

fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/").route(read().to(index::get)))
        .service(web::resource("/livez").route(read().to(livez::get)))
        .service(web::resource("/readyz").route(read().to(readyz::get)))
        .service(web::resource("/metrics").route(read().to(metrics::get)))
        .service(web::resource("/status").route(read().to(status::get)))
        .service(
            web::resource("/modules")
                .app_data(modules::json_config())
                .route(read().to(modules::get))
                .route(web::post().to(modules::post)),
        )
        .service(
            web::resource("/purge")
                .app_data(purge::payload_config())
                .route(web::post().to(purge::post)),
        )
        .service(
            web::resource("/content")
                .app_data(content::json_config())
                .route(web::post().to(content::post)),
        )
        .service(
            web::resource("/explain")
                .app_data(modules::json_config())
                .route(web::get().to(explain::get))
                .route(web::post().to(explain::post)),
        )
        .service(web::resource("/proxy.pac").route(read().to(pac::get)));
}

/// GET, and HEAD where GET is.
fn read() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// Removes a socket that nobody answers on. Anything else is left, and binding fails on it.
fn remove_stale(path: &Path) -> io::Result<()> {
    let is_socket = std::fs::symlink_metadata(path).is_ok_and(|meta| meta.file_type().is_socket());
    match is_socket.then(|| UnixStream::connect(path)) {
        Some(Err(e)) if e.kind() == io::ErrorKind::ConnectionRefused => std::fs::remove_file(path),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
