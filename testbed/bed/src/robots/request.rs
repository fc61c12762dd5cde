//! Requests as bytes.
//!
//! Invariant: a request is a function of its arrival and of the connection's place in its life: the same seed writes the same.

use super::Mode;
use crate::{
    demand::{Arrival, Method, RequestType},
    oracle::Accept,
    world::World,
};
use std::{
    io::Write,
    time::{Duration, UNIX_EPOCH},
};

/// Whom requests name.
#[derive(Debug, Clone)]
pub(crate) struct Target {
    /// What the proxy is taken for.
    pub(crate) mode: Mode,
    /// The origin's addresses for a forward proxy, the proxy's own for a reverse one.
    pub(crate) authorities: Vec<String>,
}

impl Target {
    /// The authority of this server.
    fn authority(&self, server: usize) -> &str {
        self.authorities.get(server).map_or("", String::as_str)
    }

    /// Writes the request's head into `out`, which is emptied first.
    #[allow(clippy::too_many_arguments)]
    pub(crate) fn write(
        &self,
        out: &mut Vec<u8>,
        world: &World,
        arrival: &Arrival,
        server: usize,
        since: Option<i64>,
        accept: Accept,
        last: bool,
    ) {
        out.clear();
        let method = match arrival.method {
            Method::Get => "GET ",
            Method::Head => "HEAD ",
            Method::Post => "POST ",
        };
        out.extend_from_slice(method.as_bytes());
        let authority = self.authority(server);
        // Writing to a vector does not fail.
        if self.mode == Mode::Forward {
            let _ = write!(out, "http://{authority}");
        }
        out.extend_from_slice(world.path(arrival.object).as_bytes());
        let _ = write!(
            out,
            " HTTP/1.1\r\nHost: {authority}\r\nUser-Agent: understudy-bed\r\nAccept: */*\r\nX-Bed-Request: {:x}\r\n",
            arrival.number
        );
        if let Some(since) = since {
            let date = UNIX_EPOCH + Duration::from_secs(since.max(0).unsigned_abs());
            let _ = write!(
                out,
                "If-Modified-Since: {}\r\n",
                httpdate::fmt_http_date(date)
            );
        }
        if let Some(codings) = accept.field() {
            let _ = write!(out, "Accept-Encoding: {codings}\r\n");
        }
        if arrival.kind == RequestType::Reload {
            // RFC 9111 5.4: Pragma for caches that know HTTP/1.0 alone.
            out.extend_from_slice(b"Cache-Control: no-cache\r\nPragma: no-cache\r\n");
        }
        if arrival.method == Method::Post {
            let _ = write!(
                out,
                "Content-Type: application/octet-stream\r\nContent-Length: {}\r\n",
                arrival.request_body
            );
        }
        if last {
            out.extend_from_slice(b"Connection: close\r\n");
        }
        out.extend_from_slice(b"\r\n");
    }
}

/// The date that a conditional request names, of an object last modified then.
pub(crate) fn since(kind: RequestType, modified: i64) -> Option<i64> {
    match kind {
        RequestType::Ims200 => Some(modified - 1),
        RequestType::Ims304 => Some(modified + 1),
        RequestType::Plain | RequestType::Reload => None,
    }
}
