//! X-Forwarded-For and its kin towards the servers of a reverse listener.
//!
//! What an untrusted client says of itself is replaced; what a trusted proxy in front of us says is extended. Forward and
//! transparent listeners add nothing: their clients' addresses are nobody else's business.

use super::request_out::line;
use crate::settings::Access;
use std::io::Write;
use std::net::{IpAddr, SocketAddr};
use understudy_http::{Fields, Name};

/// What is said of one client.
#[derive(Debug)]
pub(super) struct Forwarded {
    client: IpAddr,
    trusted: bool,
}

impl Forwarded {
    /// `internal`: the proxy's own request, which says what the key says.
    pub(super) fn of(peer: SocketAddr, access: &Access, internal: bool) -> Forwarded {
        let client = peer.ip().to_canonical();
        Forwarded {
            client,
            trusted: internal || access.trusted.iter().any(|net| net.contains(&client)),
        }
    }

    /// Whether lines of this field say nothing here.
    pub(super) fn disbelieves(&self, id: Name) -> bool {
        !self.trusted && self.replaces(id)
    }

    /// Whether lines of this field are ours to write, or not believed.
    pub(super) fn replaces(&self, id: Name) -> bool {
        match id {
            Name::XForwardedFor => true,
            Name::XForwardedHost | Name::XForwardedProto | Name::Forwarded => !self.trusted,
            _ => false,
        }
    }

    /// Writes the lines.
    pub(super) fn write(&self, fields: Fields<'_>, out: &mut Vec<u8>) {
        out.extend_from_slice(b"X-Forwarded-For: ");
        if self.trusted {
            for value in fields.all(Name::XForwardedFor) {
                out.extend_from_slice(value);
                out.extend_from_slice(b", ");
            }
        }
        match self.client {
            IpAddr::V4(v4) => {
                for (n, octet) in v4.octets().into_iter().enumerate() {
                    if n > 0 {
                        out.push(b'.');
                    }
                    out.extend_from_slice(itoa::Buffer::new().format(octet).as_bytes());
                }
            }
            // Writing to a vector cannot fail.
            IpAddr::V6(v6) => drop(write!(out, "{v6}")),
        }
        out.extend_from_slice(b"\r\n");
        if !(self.trusted && fields.has(Name::XForwardedProto)) {
            line(out, b"X-Forwarded-Proto", b"http");
        }
    }
}
