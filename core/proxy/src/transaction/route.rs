//! Where a request goes: what its target and Host mean on this listener (RFC 9112 section 3.2, 3.3).

use super::refusal::Refusal;
use super::{partition, ruled};
use crate::settings::{HostMode, Intercept, Mode, Settings};
use crate::worker::Source;
use bytes::Bytes;
use std::net::SocketAddr;
use understudy_http::semantics::key::write_key;
use understudy_http::wire::target::{Authority, Scheme, Target, TargetError, host, parse_target};
use understudy_http::{Method, RequestHead};
use understudy_upstream::Destination;

/// A request's way.
#[derive(Debug, Clone)]
pub(super) struct Route {
    /// The cache key: the canonical URL and its partition. For CONNECT `host:port`.
    pub(super) key: Bytes,
    pub(super) destination: Destination,
    /// Host as the origin gets it.
    pub(super) host: Bytes,
    /// The origin-form target as the origin gets it.
    pub(super) path: Bytes,
    /// Transparent: the name in Host must be found to belong to the destination before anything is stored under it.
    pub(super) verify: Option<SocketAddr>,
}

impl Route {
    /// Whether its host is found by its name.
    pub(super) fn is_by_name(&self) -> bool {
        matches!(self.destination, Destination::Host { .. })
    }

    /// Transparent: a module led the request to another host than the client dialled, so that is found by its name, and no client's
    /// word is in it.
    pub(super) fn by_name(mut self) -> Route {
        if self.verify.is_none() {
            return self;
        }
        let Ok(Authority { host, port }) = Authority::parse(&self.host) else {
            return self;
        };
        let (Ok(host), port) = (utf8(host), port.unwrap_or(80)) else {
            return self;
        };
        self.destination = Destination::Host { host, port };
        self.verify = None;
        self
    }
}

/// What a request wants.
#[derive(Debug)]
pub(super) enum Wanted {
    Fetch(Route),
    Tunnel(Route),
    Pac,
    /// OPTIONS * (RFC 9110 section 9.3.7).
    Server,
}

/// Finds the way, and what rules make of its key. `original` is the destination of an intercepted connection.
pub(super) fn find(
    source: &Source,
    settings: &Settings,
    head: &RequestHead<Bytes>,
    peer: SocketAddr,
    original: Option<SocketAddr>,
) -> Result<Wanted, Refusal> {
    let mut wanted = by_target(source, settings, head, peer, original)?;
    if let Wanted::Fetch(route) = &mut wanted
        && let Some(key) = ruled::rekeyed(settings, head.fields(), &route.key)
    {
        route.key = key;
    }
    Ok(wanted)
}

/// `original` is the destination of an intercepted connection.
fn by_target(
    source: &Source,
    settings: &Settings,
    head: &RequestHead<Bytes>,
    peer: SocketAddr,
    original: Option<SocketAddr>,
) -> Result<Wanted, Refusal> {
    let target = parse_target(head.method(), head.target()).map_err(Refusal::target)?;
    let host = host(head.version(), head.fields()).map_err(Refusal::target)?;
    match &source.listener.mode {
        Mode::Forward => forward(head, target),
        Mode::Reverse { group, host: mode } => {
            let mut groups = settings.upstream.groups.iter();
            // A connection of a listener that a reload has taken away may find its upstream gone as well.
            let index = groups
                .position(|g| g.name == *group)
                .ok_or_else(|| Refusal::new(503, "no-upstream"))?;
            let (authority, path) = origin_form(target, host, Some(source.address))?;
            let Some(path) = path else {
                return Ok(Wanted::Server);
            };
            let set;
            let (authority, host) = match mode {
                HostMode::Keep => (authority.borrow(), None),
                HostMode::Set(value) => {
                    set = value.clone();
                    let parsed = Authority::parse(set.as_bytes()).map_err(Refusal::target)?;
                    (parsed, Some(Bytes::copy_from_slice(set.as_bytes())))
                }
            };
            let host = host.unwrap_or_else(|| written(authority));
            Ok(Wanted::Fetch(Route {
                key: keyed(&source.listener.mode, authority, &path),
                destination: Destination::Group(index),
                host,
                path,
                verify: None,
            }))
        }
        Mode::Transparent {
            intercept,
            keep_client_address,
        } => {
            let to = original.ok_or_else(|| Refusal::new(400, "no-destination"))?;
            let (authority, path) = origin_form(target, host, Some(to))?;
            let Some(path) = path else {
                return Ok(Wanted::Server);
            };
            let from = (*intercept == Intercept::Tproxy && *keep_client_address).then_some(peer);
            Ok(Wanted::Fetch(Route {
                key: key(authority.borrow(), &path),
                destination: Destination::Address { to, from },
                host: written(authority.borrow()),
                path,
                verify: Some(to),
            }))
        }
    }
}

fn forward(head: &RequestHead<Bytes>, target: Target<'_>) -> Result<Wanted, Refusal> {
    match target {
        Target::Absolute {
            scheme: Scheme::Http,
            authority,
            path,
        } => {
            let path = normal_path(path);
            if head.method() == Method::Options && path.is_empty() {
                // RFC 9112 section 3.2.4: the last proxy on the way sends OPTIONS with an empty path as `*`.
                return fetch(authority, Bytes::from_static(b"*"));
            }
            fetch(
                authority,
                if path.is_empty() {
                    Bytes::from_static(b"/")
                } else {
                    path
                },
            )
        }
        Target::Absolute {
            scheme: Scheme::Https,
            ..
        } => Err(Refusal::new(501, "https-by-connect-only")),
        Target::Authority(authority) => {
            let port = authority
                .port
                .ok_or_else(|| Refusal::target(TargetError::Authority))?;
            let host = utf8(authority.host)?;
            Ok(Wanted::Tunnel(Route {
                key: Bytes::copy_from_slice(head.target()),
                destination: Destination::Host { host, port },
                host: Bytes::new(),
                path: Bytes::new(),
                verify: None,
            }))
        }
        Target::Origin(b"/proxy.pac") if matches!(head.method(), Method::Get | Method::Head) => {
            Ok(Wanted::Pac)
        }
        Target::Origin(_) => Err(Refusal::new(400, "not-absolute-form")),
        Target::Asterisk => Ok(Wanted::Server),
    }
}

fn fetch(authority: Authority<'_>, path: Bytes) -> Result<Wanted, Refusal> {
    let port = authority.port.unwrap_or(80);
    let host = utf8(authority.host)?;
    Ok(Wanted::Fetch(Route {
        key: key(authority, &path),
        destination: Destination::Host { host, port },
        host: written(authority),
        path,
        verify: None,
    }))
}

/// A host and port of our own, for a request without Host (HTTP/1.0) that is known only by where it came in.
enum Named<'a> {
    Given(Authority<'a>),
    Socket(String, u16),
}

impl Named<'_> {
    fn borrow(&self) -> Authority<'_> {
        match self {
            Named::Given(authority) => *authority,
            Named::Socket(host, port) => Authority {
                host: host.as_bytes(),
                port: Some(*port),
            },
        }
    }
}

/// The authority and path of a request to an origin (or what it takes for one). No path: `*`.
fn origin_form<'a>(
    target: Target<'a>,
    host: Option<Authority<'a>>,
    socket: Option<SocketAddr>,
) -> Result<(Named<'a>, Option<Bytes>), Refusal> {
    let by_host = || match (host, socket) {
        (Some(authority), _) => Ok(Named::Given(authority)),
        (None, Some(at)) => {
            let ip = at.ip().to_canonical();
            let name = if ip.is_ipv6() {
                format!("[{ip}]")
            } else {
                ip.to_string()
            };
            Ok(Named::Socket(name, at.port()))
        }
        (None, None) => Err(Refusal::target(TargetError::HostMissing)),
    };
    match target {
        Target::Origin(path) => Ok((by_host()?, Some(Bytes::copy_from_slice(path)))),
        // RFC 9112 section 3.2.2: a server must accept absolute-form, and it overrides Host.
        Target::Absolute {
            scheme: Scheme::Http,
            authority,
            path,
        } => {
            let path = normal_path(path);
            let path = if path.is_empty() {
                Bytes::from_static(b"/")
            } else {
                path
            };
            Ok((Named::Given(authority), Some(path)))
        }
        Target::Absolute { .. } => Err(Refusal::new(421, "https-on-http-listener")),
        Target::Asterisk => Ok((by_host()?, None)),
        Target::Authority(_) => Err(Refusal::new(405, "connect-not-here")),
    }
}

/// An absolute URI may have a query and no path: the path is then `/`.
fn normal_path(path: &[u8]) -> Bytes {
    if path.first() == Some(&b'?') {
        let mut with = Vec::with_capacity(path.len() + 1);
        with.push(b'/');
        with.extend_from_slice(path);
        return with.into();
    }
    Bytes::copy_from_slice(path)
}

fn key(authority: Authority<'_>, path: &[u8]) -> Bytes {
    let mut key = Vec::with_capacity(authority.host.len() + path.len() + 16);
    write_key(Scheme::Http, authority, path, &mut key);
    key.into()
}

fn keyed(mode: &Mode, authority: Authority<'_>, path: &[u8]) -> Bytes {
    let mut key = Vec::with_capacity(authority.host.len() + path.len() + 32);
    write_key(Scheme::Http, authority, path, &mut key);
    partition::append(mode, &mut key);
    key.into()
}

fn written(authority: Authority<'_>) -> Bytes {
    let mut host = authority.host.to_vec();
    if let Some(port) = authority.port {
        host.push(b':');
        host.extend_from_slice(itoa::Buffer::new().format(port).as_bytes());
    }
    host.into()
}

fn utf8(host: &[u8]) -> Result<Box<str>, Refusal> {
    match std::str::from_utf8(host) {
        Ok(host) => Ok(host.into()),
        Err(_) => Err(Refusal::target(TargetError::Authority)),
    }
}
