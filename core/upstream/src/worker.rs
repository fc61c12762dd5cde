//! A worker's way to origins: from a destination to a connection, pooled if one is there, dialled if not.
//!
//! Invariant: no cell is borrowed across an await. Awkward case: a group whose chosen server fails goes on to the next
//! one within the same `connect`.

use crate::balance::{Group, Server};
use crate::dial::Dial;
use crate::hosts::Addresses;
use crate::http1::{BLOCK, Lease};
use crate::namer::Namer;
use crate::pool::{Limits, Pool, Slot, is_quiet};
use crate::resolve::NameClient;
use crate::{Config, Destination, DialPolicy, OriginStream, Shared, UpstreamError};
use bytes::BytesMut;
use std::cell::RefCell;
use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;
use tokio::net::TcpStream;
use tokio::time::Instant as Deadline;
use understudy_http::FieldSpan;

/// Field tables kept for reuse.
const TABLES: usize = 16;

/// An idle connection and the address it was dialled at.
type Connection = (TcpStream, SocketAddr);

/// A worker's way to origins.
#[derive(Debug)]
pub struct Upstreams {
    pub(crate) config: Config,
    policy: Arc<dyn DialPolicy>,
    shared: Arc<Shared>,
    names: NameClient,
    pool: RefCell<Pool<Connection>>,
    /// Places in the pool of hosts and addresses; those of groups are in the groups.
    slots: RefCell<HashMap<Destination, Rc<Slot>>>,
    groups: Vec<Group>,
    /// The block all connections of this worker read into.
    pub(crate) block: RefCell<BytesMut>,
    tables: RefCell<Vec<Vec<FieldSpan>>>,
}

/// The key of a destination in the pool: the client's port plays no part. Borrowed where it can be.
enum Key<'a> {
    Given(&'a Destination),
    Made(Destination),
}

impl Key<'_> {
    fn of(destination: &Destination) -> Key<'_> {
        match *destination {
            Destination::Address {
                to,
                from: Some(from),
            } => Key::Made(Destination::Address {
                to,
                from: Some(SocketAddr::new(from.ip(), 0)),
            }),
            _ => Key::Given(destination),
        }
    }

    fn get(&self) -> &Destination {
        match self {
            Key::Given(destination) => destination,
            Key::Made(destination) => destination,
        }
    }
}

impl Upstreams {
    /// One a worker.
    pub fn new(config: Config, policy: Arc<dyn DialPolicy>, shared: Arc<Shared>) -> Rc<Upstreams> {
        let server = |(host, port): &(String, u16)| Server {
            host: host.clone(),
            port: *port,
            slot: Slot::new(),
            health: shared.health(&(host.clone(), *port)),
        };
        let groups = config
            .groups
            .iter()
            .map(|g| Group::new(g.servers.iter().map(server).collect()))
            .collect();
        let limits = Limits {
            per_destination: config.idle_per_destination,
            total: config.idle_total,
        };
        Rc::new(Upstreams {
            policy,
            names: NameClient::new(shared.names.clone()),
            pool: RefCell::new(Pool::new(limits)),
            slots: RefCell::default(),
            groups,
            block: RefCell::new(BytesMut::with_capacity(BLOCK)),
            tables: RefCell::default(),
            config,
            shared,
        })
    }

    /// A pooled connection, or a new one. `fresh`: never a pooled one (a retry after a reused one turned out dead).
    /// Pooled connections that have become readable (closed, or unsolicited bytes) are discarded; looking costs no
    /// system call on those that have not. The fast path (an idle connection is there) completes on the first poll and
    /// allocates nothing.
    ///
    /// # Errors
    /// Those of resolving and dialling; never one for which [`UpstreamError::before_response`] holds.
    pub async fn connect(
        self: &Rc<Self>,
        destination: &Destination,
        fresh: bool,
    ) -> Result<OriginStream, UpstreamError> {
        self.connect_named(destination, fresh, None).await
    }

    /// As [`Upstreams::connect`], with somebody who is asked for addresses when a host needs them.
    ///
    /// # Errors
    /// As there; and [`UpstreamError::Namer`].
    pub async fn connect_named(
        self: &Rc<Self>,
        destination: &Destination,
        fresh: bool,
        namer: Option<&dyn Namer>,
    ) -> Result<OriginStream, UpstreamError> {
        if !fresh && let Some(pooled) = self.pooled(destination) {
            return Ok(pooled);
        }
        // In a box, so that the future of the fast path is small.
        let (stream, peer, lease) = Box::pin(self.dial(destination, namer)).await?;
        Ok(OriginStream::new(stream, peer, false, lease))
    }

    /// A connection for a tunnel: never pooled.
    ///
    /// # Errors
    /// Those of resolving and dialling.
    pub async fn connect_tunnel(
        self: &Rc<Self>,
        destination: &Destination,
    ) -> Result<TcpStream, UpstreamError> {
        let (stream, _, _) = Box::pin(self.dial(destination, None)).await?;
        Ok(stream)
    }

    /// Whether `host` (a name or a literal) has the address of `to` among its own: what a transparent proxy asks before it
    /// believes a Host field. A name that cannot be resolved does not belong.
    pub async fn belongs(&self, host: &str, to: SocketAddr) -> bool {
        match self.names.resolve(host).await {
            Ok(addresses) => addresses
                .iter()
                .any(|a| a.to_canonical() == to.ip().to_canonical()),
            Err(_) => false,
        }
    }

    /// Closes idle connections past their time, or closed by their origins; called about once a second.
    pub fn sweep(&self, now: Instant) {
        self.pool
            .borrow_mut()
            .sweep(now, self.config.idle_timeout, |c| is_quiet(&c.0));
        self.slots
            .borrow_mut()
            .retain(|_, slot| slot.idle() > 0 || Rc::strong_count(slot) > 1);
    }

    /// Idle connections kept now.
    pub fn idle(&self) -> usize {
        self.pool.borrow().len()
    }

    /// Takes back the field table of a head that is no longer needed, so that the next head need not allocate one.
    pub fn recycle(&self, table: Vec<FieldSpan>) {
        let mut tables = self.tables.borrow_mut();
        if tables.len() < TABLES && table.capacity() > 0 {
            tables.push(table);
        }
    }

    pub(crate) fn table(&self) -> Vec<FieldSpan> {
        self.tables.borrow_mut().pop().unwrap_or_default()
    }

    /// Keeps a connection whose exchange is over.
    pub(crate) fn put(&self, slot: &Rc<Slot>, stream: TcpStream, peer: SocketAddr) {
        self.pool
            .borrow_mut()
            .put(slot, (stream, peer), Instant::now());
    }

    /// An idle connection to this destination.
    fn pooled(self: &Rc<Self>, destination: &Destination) -> Option<OriginStream> {
        if let Destination::Group(group) = destination {
            let group = self.groups.get(*group)?;
            let (at, server) = group.pick()?;
            let pooled = self.take(&server.slot)?;
            group.chose(at);
            return Some(pooled);
        }
        let slot = self.slots.borrow().get(Key::of(destination).get())?.clone();
        self.take(&slot)
    }

    fn take(self: &Rc<Self>, slot: &Rc<Slot>) -> Option<OriginStream> {
        let (stream, peer) = self.pool.borrow_mut().take(slot, |c| is_quiet(&c.0))?;
        Some(OriginStream::new(
            stream,
            peer,
            true,
            Lease::new(self, slot),
        ))
    }

    /// Resolves and dials, all of it within the time for connecting: the caller waits no longer than that.
    async fn dial(
        self: &Rc<Self>,
        destination: &Destination,
        namer: Option<&dyn Namer>,
    ) -> Result<(TcpStream, SocketAddr, Lease), UpstreamError> {
        let deadline = Deadline::now() + self.config.connect_timeout;
        let group = match destination {
            Destination::Group(group) => *group,
            Destination::Host { host, port } => {
                let lease = Lease::new(self, &self.slot(destination));
                let addresses = self.addresses(host, *port, deadline, namer).await?;
                let dial = self.guarded(&addresses, *port, None, deadline);
                let (stream, peer) = dial.run().await?;
                return Ok((stream, peer, lease));
            }
            Destination::Address { to, from } => {
                let lease = Lease::new(self, &self.slot(destination));
                let from = from.map(|from| from.ip());
                let only = [to.ip()];
                let dial = self.guarded(&only, to.port(), from, deadline);
                let (stream, peer) = dial.run().await?;
                return Ok((stream, peer, lease));
            }
        };
        let group = self.groups.get(group).ok_or(UpstreamError::NoServer)?;
        self.dial_group(group, deadline, namer).await
    }

    /// Tries the servers of a group until one connects. One that says nothing has half of the time that is left, so that
    /// there is some for the next; the last has all of it.
    async fn dial_group(
        self: &Rc<Self>,
        group: &Group,
        deadline: Deadline,
        namer: Option<&dyn Namer>,
    ) -> Result<(TcpStream, SocketAddr, Lease), UpstreamError> {
        let mut failure = UpstreamError::NoServer;
        let order = group.order(self.shared.clock());
        for (tried, server) in order.iter().enumerate() {
            server.claim(self.shared.clock());
            let lease = Lease::new(self, &server.slot);
            let now = Deadline::now();
            let until = if tried + 1 < order.len() {
                now + deadline.saturating_duration_since(now) / 2
            } else {
                deadline
            };
            match self.dial_server(server, until, namer).await {
                Ok((stream, peer)) => {
                    server.health.succeeded();
                    return Ok((stream, peer, lease));
                }
                Err(error) => {
                    tracing::debug!(host = server.host, port = server.port, %error, "server failed");
                    server.health.failed(self.shared.clock());
                    failure = error;
                }
            }
        }
        // The one server of a group says best itself what is wrong with it.
        Err(if group.servers.len() == 1 {
            failure
        } else {
            UpstreamError::NoServer
        })
    }

    async fn dial_server(
        &self,
        server: &Server,
        deadline: Deadline,
        namer: Option<&dyn Namer>,
    ) -> Result<(TcpStream, SocketAddr), UpstreamError> {
        let addresses = self
            .addresses(&server.host, server.port, deadline, namer)
            .await?;
        Dial {
            addresses: &addresses,
            port: server.port,
            policy: None,
            from: None,
            deadline,
        }
        .run()
        .await
    }

    /// The addresses of a host: a name server that hangs must not keep a group from trying its next server.
    async fn addresses(
        &self,
        host: &str,
        port: u16,
        deadline: Deadline,
        namer: Option<&dyn Namer>,
    ) -> Result<Addresses, UpstreamError> {
        if let Some(namer) = namer
            && let Some(given) = namer.addresses(host, port, &[]).await?
        {
            return Ok(given);
        }
        let found = self.found(host, deadline).await?;
        if let Some(namer) = namer.filter(|namer| namer.orders())
            && let Some(ordered) = namer.addresses(host, port, &found).await?
        {
            return Ok(ordered);
        }
        Ok(found)
    }

    async fn found(&self, host: &str, deadline: Deadline) -> Result<Addresses, UpstreamError> {
        match tokio::time::timeout_at(deadline, self.names.resolve(host)).await {
            Ok(found) => found,
            Err(_) => Err(UpstreamError::ResolveTimeout),
        }
    }

    /// A dial under the policy.
    fn guarded<'a>(
        &'a self,
        addresses: &'a [IpAddr],
        port: u16,
        from: Option<IpAddr>,
        deadline: Deadline,
    ) -> Dial<'a> {
        Dial {
            addresses,
            port,
            policy: Some(&*self.policy),
            from,
            deadline,
        }
    }

    /// The place of a destination in the pool, made if need be.
    fn slot(&self, destination: &Destination) -> Rc<Slot> {
        let key = Key::of(destination);
        let mut slots = self.slots.borrow_mut();
        if let Some(slot) = slots.get(key.get()) {
            return slot.clone();
        }
        let slot = Slot::new();
        slots.insert(key.get().clone(), slot.clone());
        slot
    }
}
