//! Origins: resolve, dial, pool, balance, fail over, and speak HTTP/1.1 to them. One [`Upstreams`] a worker; nothing here is shared between threads
//! but the resolver's cache and the health of servers.
//!
//! Deadlines of an exchange are the caller's (it drops the future); only dialling several addresses has times of its own.
#![forbid(unsafe_code)]

pub mod error;
pub mod policy;

use bytes::{Bytes, BytesMut};
use std::{io::IoSlice, net::{IpAddr, SocketAddr}, rc::Rc, sync::Arc, task::{Context, Poll}, time::Duration};
use tokio::net::TcpStream;
use understudy_http::{Method, ResponseHead, wire::{body::Decoded, head::HeadLimits}};
pub use error::UpstreamError;
pub use policy::DialPolicy;

/// Settings.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Config {
    pub connect_timeout: Duration,
    /// How long an idle connection is kept.
    pub idle_timeout: Duration,
    /// Idle connections kept for one destination, and for all, on one worker.
    pub idle_per_destination: usize,
    pub idle_total: usize,
    pub head_limits: HeadLimits,
    /// Named groups of servers (`[[upstream]]`).
    pub groups: Vec<GroupConfig>,
}
/// A named group of servers.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct GroupConfig { pub name: String, /// `host:port` each.
 pub servers: Vec<(String, u16)> }

/// Where a request goes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Destination {
    /// A host by name or literal (brackets for IPv6) and port: forward mode, guarded by the policy on the addresses actually dialled.
    Host { #[allow(missing_docs)] host: Box<str>, #[allow(missing_docs)] port: u16 },
    /// A named group: reverse mode. Index into `Config::groups`.
    Group(usize),
    /// An address: transparent mode; `from` is the client's address to dial from (TPROXY with the client's address kept).
    Address { #[allow(missing_docs)] to: SocketAddr, #[allow(missing_docs)] from: Option<SocketAddr> },
}
/// The resolver's cache and the servers' health, shared by all workers.
#[derive(Debug)]
pub struct Shared { _p: () }
impl Shared { 
    /// Reads the system's resolver configuration and hosts file; literals and `localhost` need neither. 
    pub fn new(config: &Config) -> Arc<Shared> { todo!() } 
}
/// A worker's way to origins.
#[derive(Debug)]
pub struct Upstreams { _p: () }
impl Upstreams {
    /// One a worker.
    pub fn new(config: Config, policy: Arc<dyn DialPolicy>, shared: Arc<Shared>) -> Rc<Upstreams> { todo!() }
    /// A pooled connection, or a new one. `fresh`: never a pooled one (a retry after a reused one turned out dead). Pooled connections that have become readable (closed, or unsolicited bytes) are discarded without a syscall.
    /// The fast path (an idle connection is there) completes on the first poll and allocates nothing.
    pub async fn connect(self: &Rc<Self>, destination: &Destination, fresh: bool) -> Result<OriginStream, UpstreamError> { todo!() }
    /// A connection for a tunnel: never pooled.
    pub async fn connect_tunnel(self: &Rc<Self>, destination: &Destination) -> Result<TcpStream, UpstreamError> { todo!() }
    /// Closes idle connections past their time; called about once a second.
    pub fn sweep(&self, now: std::time::Instant) { todo!() }
    /// Idle connections kept now.
    pub fn idle(&self) -> usize { todo!() }
}
/// One origin connection in use. Dropped it is closed; [`OriginStream::release`] gives it back.
#[derive(Debug)]
pub struct OriginStream { _p: () }
impl OriginStream {
    /// Whether it served another exchange before: a failure before the first response byte may then be retried on a fresh one.
    pub fn reused(&self) -> bool { todo!() }
    /// The address dialled.
    pub fn peer(&self) -> SocketAddr { todo!() }
    /// Writes all of the slices.
    pub async fn write_all(&mut self, bufs: &mut [IoSlice<'_>]) -> Result<(), UpstreamError> { todo!() }
    /// Polls one vectored write.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bufs: &[IoSlice<'_>]) -> Poll<std::io::Result<usize>> { todo!() }
    /// Reads the next response head, interim (1xx) ones included: the caller loops until a final one (or 101). After it, `poll_piece` reads its body.
    /// `method` is that of the request, for framing; a head whose framing is refused is an error.
    pub async fn read_head(&mut self, method: Method) -> Result<ResponseHead<Bytes>, UpstreamError> { todo!() }
    /// Same, polled (a request body may still be going out meanwhile).
    pub fn poll_head(&mut self, cx: &mut Context<'_>, method: Method) -> Poll<Result<ResponseHead<Bytes>, UpstreamError>> { todo!() }
    /// The declared body length of the final response, when it has one.
    pub fn body_length(&self) -> Option<u64> { todo!() }
    /// The next piece of the body: buffered bytes first, then one read of up to 64 KiB. Never `Decoded::More`. A truncated body is an error.
    pub fn poll_piece(&mut self, cx: &mut Context<'_>) -> Poll<Result<Decoded, UpstreamError>> { todo!() }
    /// A piece that is already buffered, without reading: lets head and first bytes go out in one write.
    pub fn buffered_piece(&mut self) -> Result<Option<Decoded>, UpstreamError> { todo!() }
    /// After a 101 or a CONNECT: the bare stream and the bytes already read behind the head.
    pub fn into_tunnel(self) -> (TcpStream, BytesMut) { todo!() }
    /// Gives the connection back to the pool if response and request are complete and it persists; else closes it. `request_complete`: the whole request was written.
    pub fn release(self, request_complete: bool) { todo!() }
}
#[allow(dead_code)]
fn _unused(_: IpAddr) {}
