//! A case: the script of one transaction.

use crate::kit::expect::Expect;
use bytes::Bytes;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// One transaction: what comes from the client and from the origin, and what is expected of the module.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// Its name in reports.
    pub name: String,
    /// The module's options.
    pub options: BTreeMap<String, String>,
    /// The client's address.
    pub client: SocketAddr,
    /// The request's method.
    pub method: String,
    /// Its target, as received: a URL, or a path beside a Host field.
    pub target: String,
    /// Its field lines, `name: value CRLF` each.
    pub request: Vec<u8>,
    /// Its body; `None`: it has none.
    pub request_body: Option<Bytes>,
    /// The origin's status.
    pub status: u16,
    /// Its field lines.
    pub response: Vec<u8>,
    /// Its body; `None`: it has none.
    pub response_body: Option<Bytes>,
    /// The answer comes from the cache: no hook towards the origin is called.
    pub cached: bool,
    /// The addresses that a look-up of the host finds.
    pub addresses: Vec<IpAddr>,
    /// Places in the bodies around which they are to be cut, such as the two halves of a word that is replaced.
    pub boundaries: Vec<usize>,
    /// What is expected beside equality.
    pub expect: Expect,
}

impl Case {
    /// A request for this target that is answered with 200, no fields, and no body.
    pub fn new(name: &str, method: &str, target: &str) -> Case {
        Case {
            name: name.to_owned(),
            options: BTreeMap::new(),
            client: SocketAddr::from(([192, 0, 2, 7], 40_000)),
            method: method.to_owned(),
            target: target.to_owned(),
            request: Vec::new(),
            request_body: None,
            status: 200,
            response: Vec::new(),
            response_body: None,
            cached: false,
            addresses: vec![IpAddr::V4(Ipv4Addr::new(192, 0, 2, 80))],
            boundaries: Vec::new(),
            expect: Expect::default(),
        }
    }

    /// With one more field line in the request.
    #[must_use]
    pub fn asks(mut self, name: &str, value: &str) -> Case {
        line(&mut self.request, name, value);
        self
    }

    /// With this body in the request.
    #[must_use]
    pub fn sends(mut self, body: impl Into<Bytes>) -> Case {
        self.request_body = Some(body.into());
        self
    }

    /// With one more field line in the origin's answer.
    #[must_use]
    pub fn answers(mut self, name: &str, value: &str) -> Case {
        line(&mut self.response, name, value);
        self
    }

    /// With this status and body from the origin.
    #[must_use]
    pub fn gives(mut self, status: u16, body: impl Into<Bytes>) -> Case {
        self.status = status;
        self.response_body = Some(body.into());
        self
    }

    /// With an option of the module.
    #[must_use]
    pub fn option(mut self, name: &str, value: &str) -> Case {
        self.options.insert(name.to_owned(), value.to_owned());
        self
    }

    /// Answered from the cache.
    #[must_use]
    pub fn cached(mut self) -> Case {
        self.cached = true;
        self
    }

    /// With bodies cut around this place.
    #[must_use]
    pub fn boundary(mut self, at: usize) -> Case {
        self.boundaries.push(at);
        self
    }
}

fn line(lines: &mut Vec<u8>, name: &str, value: &str) {
    for part in [name, ": ", value, "\r\n"] {
        lines.extend_from_slice(part.as_bytes());
    }
}
