//! X-Forwarded-For and its kin towards the servers of a reverse listener.
//!
//! What an untrusted client says of itself is replaced; what a trusted proxy in front of us says is extended. Forward and
//! transparent listeners add nothing: their clients' addresses are nobody else's business.

use super::request_out::set;
use crate::settings::Access;
use bytes::Bytes;
use std::net::SocketAddr;
use understudy_http::{Name, RequestHead};

pub(super) fn add(head: &mut RequestHead<Bytes>, peer: SocketAddr, access: &Access) {
    let ip = peer.ip().to_canonical();
    let trusted = access.trusted.iter().any(|net| net.contains(&ip));
    let mut chain = Vec::new();
    if trusted {
        for value in head.fields().all(Name::XForwardedFor) {
            chain.extend_from_slice(value);
            chain.extend_from_slice(b", ");
        }
    } else {
        head.remove_if(|id, _, _| {
            matches!(
                id,
                Name::XForwardedFor
                    | Name::XForwardedHost
                    | Name::XForwardedProto
                    | Name::Forwarded
            )
        });
    }
    chain.extend_from_slice(ip.to_string().as_bytes());
    set(head, b"X-Forwarded-For", &chain);
    if head.fields().get(Name::XForwardedProto).is_none() {
        set(head, b"X-Forwarded-Proto", b"http");
    }
}
