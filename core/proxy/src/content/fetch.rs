//! Fetching and validating for modules: the proxy as its own client.
//!
//! A socket pair joins a connection of the worker with a client here, so such a request goes every step of a client's, modules
//! included. The connection sees to its own time-outs and always ends, and the end of the stream is the end of the answer. Awkward case:
//! whether the answer is stored *now*. The index is asked, before and after; the answer's Cache-Status tells only what was intended.

use crate::connection::Connection;
use crate::settings::Listener;
use crate::transaction::internal::{self, Internal, Said};
use crate::worker::{Source, Worker};
use actix::Actor;
use bytes::{Bytes, BytesMut};
use std::cell::Cell;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as StdUnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::sync::Semaphore;
use understudy_cache::Slot;
use understudy_http::ResponseHead;
use understudy_http::wire::head::{HeadLimits, parse_response};
use understudy_module::Completion;

/// Fetches under way on a worker, and such that wait.
const AT_ONCE: usize = 64;
const WAITING: usize = 1024;
/// Bytes of an answer read at a time.
const READ: usize = 16 * 1024;
/// The name such requests have in the log, where others have their listener's.
const NAME: &str = "internal";

/// Why something is fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Why {
    Fetch,
    Validate,
}

/// A worker's places for fetches.
pub(super) struct Fetches {
    at_once: Semaphore,
    entered: Cell<usize>,
}

/// A place, given back when dropped.
pub(super) struct Place(Rc<Fetches>);

impl Fetches {
    pub(super) fn new() -> Rc<Fetches> {
        Rc::new(Fetches {
            at_once: Semaphore::new(AT_ONCE),
            entered: Cell::new(0),
        })
    }

    /// A place to wait in, if there is one.
    pub(super) fn enter(self: &Rc<Self>) -> Option<Place> {
        let entered = self.entered.get();
        (entered < AT_ONCE + WAITING).then(|| {
            self.entered.set(entered + 1);
            Place(self.clone())
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.entered.set(self.0.entered.get() - 1);
    }
}

/// Fetches or validates.
pub(super) async fn fetch(worker: &Rc<Worker>, place: Place, key: Bytes, why: Why) -> Completion {
    // Never closed.
    let _turn = place.0.at_once.acquire().await;
    if worker.draining.get() {
        return failed("draining");
    }
    let before = worker.cache.find(&key);
    if why == Why::Validate && before.is_none() {
        return Completion::Absent;
    }
    // RFC 9111 sections 5.2.1.4 and 5.2.1.1: the origin's own answer, and its word on what is stored.
    let control = match why {
        Why::Fetch => "no-cache",
        Why::Validate => "max-age=0",
    };
    let live = worker.live();
    let newest = before.as_ref().and_then(|slot| slot.variants().first());
    let newest = newest.map(|stored| &**stored);
    let internal = match internal::request(&key, &live.settings, control, newest) {
        Ok(internal) => internal,
        Err(why) => return failed(why),
    };
    let answer = match exchange(worker, internal, false).await {
        Ok(Some(answer)) => answer,
        Ok(None) => return failed("cut"),
        Err(error) => return failed(&error.to_string()),
    };
    let after = worker.cache.find(&key);
    judge(&answer, &live.settings.name, is_new(&before, &after))
}

/// What became of it.
fn judge(answer: &ResponseHead<Bytes>, name: &str, new: bool) -> Completion {
    let fields = answer.fields();
    let said = Said::of(fields, name);
    let told = said.is_some();
    let said = said.unwrap_or_default();
    if told && (said.hit || internal::is_own(fields)) {
        // Ours, or an old one served because the origin failed.
        return failed(said.detail.as_deref().unwrap_or("no answer of the origin"));
    }
    Completion::Fetched {
        status: if said.validated { 304 } else { answer.status() },
        stored: new && (said.stored || !told),
    }
}

fn failed(why: &str) -> Completion {
    Completion::Failed(why.to_owned())
}

/// Whether the newest variant is one that was not there before.
fn is_new(before: &Option<Arc<Slot>>, after: &Option<Arc<Slot>>) -> bool {
    let Some(newest) = after.as_ref().and_then(|slot| slot.variants().first()) else {
        return false;
    };
    let before = before.iter().flat_map(|slot| slot.variants());
    !before.into_iter().any(|old| Arc::ptr_eq(old, newest))
}

/// Sends a request to ourselves; the head of the final answer once its body is read to the end. `None`: the connection ended first.
pub(crate) async fn exchange(
    worker: &Rc<Worker>,
    internal: Internal,
    refreshes: bool,
) -> std::io::Result<Option<ResponseHead<Bytes>>> {
    let mut near = connect(worker, internal.mode, refreshes)?;
    near.write_all(&internal.request).await?;
    let mut buf = BytesMut::new();
    let answer = loop {
        buf.reserve(READ);
        if near.read_buf(&mut buf).await? == 0 {
            return Ok(None);
        }
        if let Some(answer) = final_head(&mut buf)? {
            break answer;
        }
    };
    loop {
        buf.clear();
        buf.reserve(READ);
        if near.read_buf(&mut buf).await? == 0 {
            return Ok(Some(answer));
        }
    }
}

/// Takes heads off the buffer until a final one. They were checked and written by us, so only their framing is of interest.
fn final_head(buf: &mut BytesMut) -> std::io::Result<Option<ResponseHead<Bytes>>> {
    const LIMITS: HeadLimits = HeadLimits {
        bytes: 1024 * 1024,
        target: 0,
        fields: 8192,
    };
    loop {
        let parts = parse_response(buf, &LIMITS, Vec::new());
        let parts = parts.map_err(|error| std::io::Error::other(error.to_string()))?;
        let Some(parts) = parts else {
            return Ok(None);
        };
        let head = buf.split_to(parts.len()).freeze();
        let head = parts.with(head);
        if head.status() >= 200 {
            return Ok(Some(head));
        }
    }
}

/// The near end of a connection of our own, served like a client's.
fn connect(
    worker: &Rc<Worker>,
    mode: crate::settings::Mode,
    refreshes: bool,
) -> std::io::Result<UnixStream> {
    let (near, far) = StdUnixStream::pair()?;
    near.set_nonblocking(true)?;
    far.set_nonblocking(true)?;
    let near = UnixStream::from_std(near)?;
    // A connection asks no more of its socket than both kinds can do.
    let far = TcpStream::from_std(std::net::TcpStream::from(OwnedFd::from(far)))?;
    let nobody = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
    let source = Source {
        listener: Listener {
            name: NAME.to_owned(),
            address: nobody,
            mode,
            purge: Vec::new(),
        },
        address: nobody,
        retired: Cell::new(false),
        internal: true,
        refreshes,
        explains: false,
    };
    // Open like any other, but never refused: the places for fetches are its bound.
    worker.open.fetch_add(1, Ordering::Relaxed);
    worker.stats.connections_open.add(1);
    Connection::new(worker.clone(), Rc::new(source), far, nobody).start();
    Ok(near)
}
