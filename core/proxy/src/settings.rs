//! Checked values the proxy runs on. The application makes them from the configuration; nothing here is parsed again.

use ipnet::IpNet;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
    time::Duration,
};
use understudy_http::wire::head::HeadLimits;

/// Everything.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Settings {
    /// Worker arbiters, at least 1.
    pub workers: usize,
    pub listeners: Vec<Listener>,
    pub upstream: understudy_upstream::Config,
    /// `None`: nothing is stored and every request passes.
    pub cache: Option<understudy_cache::Config>,
    /// What a range that is not stored makes of a miss.
    pub range_miss: RangeMiss,
    pub heuristic: understudy_http::semantics::freshness::Heuristic,
    /// The fields that speak to this cache alone, strongest first (RFC 9213).
    pub targets: Arc<[understudy_http::semantics::targeted::TargetName]>,
    /// What the operator wants otherwise than the RFC has it.
    pub rules: Arc<understudy_http::semantics::policy::Rules>,
    pub limits: Limits,
    pub timeouts: Timeouts,
    pub access: Arc<Access>,
    /// The pseudonym in Via, Cache-Status and Server lines of our own; unique a proxy, or loops are not found (RFC 9110 section 7.6.3).
    pub name: String,
    /// The modules, in order.
    pub modules: crate::modules::Modules,
    /// Text of `/proxy.pac` answered on forward listeners; `{proxy}` in it stands for the host and port the client reached.
    pub pac: Option<Arc<str>>,
}
/// What is fetched when a range is asked for that is not stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RangeMiss {
    /// The range as it is; the part is stored.
    #[default]
    Range,
    /// The whole, when it is no longer than `up_to` bytes; the range is answered from it.
    Whole {
        #[allow(missing_docs)]
        up_to: u64,
    },
}
/// One listener.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Listener {
    pub name: String,
    pub address: SocketAddr,
    pub mode: Mode,
    /// Clients that may ask for PURGE here; nobody when empty.
    pub purge: Vec<IpNet>,
}
/// What a listener does with requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mode {
    /// Absolute-form and CONNECT.
    Forward,
    /// Origin-form, to a group of servers.
    Reverse {
        /// Name of one of the upstream configuration's groups: an index would mean another after a reload.
        group: String,
        /// Whether Host goes on as received, or as this value.
        host: HostMode,
    },
    /// Intercepted connections.
    Transparent {
        #[allow(missing_docs)]
        intercept: Intercept,
        /// TPROXY only: dial the origin from the client's address.
        keep_client_address: bool,
    },
}
/// How a reverse listener treats Host.
#[derive(Debug, Clone, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum HostMode {
    Keep,
    Set(String),
}
/// How connections reach a transparent listener.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Intercept {
    /// nftables redirect; the destination is read with SO_ORIGINAL_DST.
    Redirect,
    /// nftables tproxy; the socket is IP_TRANSPARENT and its local address is the destination.
    Tproxy,
}
/// Ceilings.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Limits {
    /// Request heads (431, 414) and response heads (502).
    pub head: HeadLimits,
    /// Largest request body (413).
    pub request_body: u64,
    /// Client connections over all workers; beyond, new ones get 503 and are closed.
    pub connections: usize,
    /// Requests on one connection before it is closed; 0: no limit.
    pub requests_per_connection: u64,
}
/// Times of each phase.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Timeouts {
    /// From a request's first byte to the end of its head (408).
    pub head: Duration,
    /// Between pieces of a request body (408), and of writes to a client that does not read (closed).
    pub body: Duration,
    /// An idle keep-alive connection.
    pub idle: Duration,
    /// Resolving and connecting, for each server of a group (504).
    pub connect: Duration,
    /// From the request sent to the response head (504).
    pub first_byte: Duration,
    /// Between pieces of a response (broken off).
    pub between_bytes: Duration,
    /// A tunnel without traffic either way.
    pub tunnel: Duration,
}
/// Who may ask for what.
#[derive(Debug, Clone)]
#[allow(missing_docs)]
pub struct Access {
    /// Clients of forward and transparent listeners (403 to others). Reverse listeners answer everybody.
    pub clients: Vec<IpNet>,
    /// Ports CONNECT may reach.
    pub connect_ports: Vec<u16>,
    /// Destinations refused and, stronger, allowed.
    pub deny_to: Vec<IpNet>,
    pub allow_to: Vec<IpNet>,
    /// Peers whose X-Forwarded-For is believed and extended, and whose Forwarded, X-Forwarded-Host and X-Forwarded-Proto go on as
    /// they are; from others none of these is taken.
    pub trusted: Vec<IpNet>,
}
impl Access {
    /// Whether this client may use forward and transparent listeners.
    pub fn client(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.clients.iter().any(|n| n.contains(&ip))
    }
}
impl understudy_upstream::DialPolicy for Access {
    fn allows(&self, ip: IpAddr) -> bool {
        let ip = ip.to_canonical();
        self.allow_to.iter().any(|n| n.contains(&ip))
            || !self.deny_to.iter().any(|n| n.contains(&ip))
    }
}
