//! What can go wrong on the way to an origin and back: the kind, whether a retry on a fresh connection helps, and the
//! status it means.
//!
//! Invariant: the variants tell apart what happened before the first byte of a response from what happened after it,
//! because only the former may be retried. Awkward case: a reset is `Read` before that byte and `Broken` after it.

use std::io::ErrorKind;
use understudy_http::wire::body::BodyError;
use understudy_http::wire::framing::FramingError;
use understudy_http::wire::head::HeadError;

/// The kinds; `Display` shows one level, `source` the cause.
#[derive(Debug, thiserror::Error)]
pub enum UpstreamError {
    /// The host's name could not be resolved, or is not one that may be looked up.
    #[error("the host name could not be resolved")]
    Resolve(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// No name server answered in time.
    #[error("resolving the host name took too long")]
    ResolveTimeout,
    /// The name exists (or existed) without an address.
    #[error("the host has no address")]
    NoAddress,
    /// The policy refused every address of the destination; this is the first of them.
    #[error("destination {0} is not allowed")]
    Refused(std::net::IpAddr),
    /// Whoever was to name its addresses failed.
    #[error("a module failed to name the host's addresses")]
    Namer,
    /// No address could be connected to; the cause is that of the last one to fail.
    #[error("connecting to the origin failed")]
    Connect(#[source] std::io::Error),
    /// No address answered within the connect time-out.
    #[error("connecting to the origin took too long")]
    ConnectTimeout,
    /// The group is empty, or every one of its servers was tried in vain.
    #[error("no server of the upstream is available")]
    NoServer,
    /// The request could not be written.
    #[error("writing to the origin failed")]
    Write(#[source] std::io::Error),
    /// Reading failed before the first byte of a response.
    #[error("reading from the origin failed")]
    Read(#[source] std::io::Error),
    /// The origin closed the connection in order before the first byte of a response.
    #[error("the origin closed the connection before answering")]
    Closed,
    /// The origin closed the connection within a response head.
    #[error("the origin closed the connection within its response head")]
    Truncated,
    /// Reading failed after a part of the response had arrived.
    #[error("the connection to the origin broke within its response")]
    Broken(#[source] std::io::Error),
    /// More interim responses than [`MAX_INTERIM`](crate::http1::MAX_INTERIM) for one request.
    #[error("the origin sent too many interim responses")]
    TooManyInterim,
    /// The head is malformed or over its limits.
    #[error("the origin's response head was refused: {0}")]
    Head(#[from] HeadError),
    /// The length of the body is ambiguous (RFC 9112 section 6.3).
    #[error("the origin's framing was refused: {0}")]
    Framing(#[from] FramingError),
    /// The body is malformed or ended early.
    #[error("the origin's body was refused: {0}")]
    Body(#[from] BodyError),
}

impl UpstreamError {
    /// The status for the client: 403 for a refused destination, 504 for time-outs, 503 for no server, else 502.
    pub fn status(&self) -> u16 {
        match self {
            UpstreamError::Refused(_) => 403,
            UpstreamError::ResolveTimeout | UpstreamError::ConnectTimeout => 504,
            UpstreamError::NoServer => 503,
            UpstreamError::Connect(e)
            | UpstreamError::Write(e)
            | UpstreamError::Read(e)
            | UpstreamError::Broken(e)
                if e.kind() == ErrorKind::TimedOut =>
            {
                504
            }
            _ => 502,
        }
    }

    /// A short word for logs and Proxy-Status (the error types of RFC 9209 section 2.3).
    pub fn word(&self) -> &'static str {
        match self {
            UpstreamError::Resolve(_) | UpstreamError::NoAddress => "dns_error",
            UpstreamError::Namer => "module-failed",
            UpstreamError::ResolveTimeout => "dns_timeout",
            UpstreamError::Refused(_) => "destination_ip_prohibited",
            UpstreamError::Connect(e) => match e.kind() {
                ErrorKind::ConnectionRefused => "connection_refused",
                ErrorKind::TimedOut => "connection_timeout",
                ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
                    "destination_ip_unroutable"
                }
                ErrorKind::ConnectionReset | ErrorKind::ConnectionAborted => {
                    "connection_terminated"
                }
                // What remains is our own lack: descriptors, ports, rights.
                _ => "proxy_internal_error",
            },
            UpstreamError::ConnectTimeout => "connection_timeout",
            UpstreamError::NoServer => "destination_unavailable",
            UpstreamError::Write(e) if e.kind() == ErrorKind::TimedOut => {
                "connection_write_timeout"
            }
            UpstreamError::Read(e) | UpstreamError::Broken(e)
                if e.kind() == ErrorKind::TimedOut =>
            {
                "connection_read_timeout"
            }
            UpstreamError::Write(_) | UpstreamError::Read(_) | UpstreamError::Closed => {
                "connection_terminated"
            }
            UpstreamError::Truncated
            | UpstreamError::Broken(_)
            | UpstreamError::Body(BodyError::Truncated) => "http_response_incomplete",
            UpstreamError::Head(HeadError::TooLarge | HeadError::TooManyFields) => {
                "http_response_header_section_size"
            }
            UpstreamError::Framing(FramingError::Encoding | FramingError::EncodingIn10)
            | UpstreamError::Body(BodyError::Chunked(_)) => "http_response_transfer_coding",
            UpstreamError::Head(_) | UpstreamError::Framing(_) | UpstreamError::TooManyInterim => {
                "http_protocol_error"
            }
        }
    }

    /// Whether a connection was there but nothing of a response had arrived on it, so that an idempotent request may
    /// be sent again on a fresh connection. Errors of dialling are not of this kind: the connection was a fresh one.
    pub fn before_response(&self) -> bool {
        matches!(
            self,
            UpstreamError::Write(_) | UpstreamError::Read(_) | UpstreamError::Closed
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use understudy_http::wire::chunked::ChunkedError;

    #[track_caller]
    fn check(error: UpstreamError, status: u16, word: &str, before_response: bool) {
        assert_eq!((error.status(), error.word()), (status, word), "{error:?}");
        assert_eq!(error.before_response(), before_response, "{error:?}");
    }

    #[test]
    fn statuses_and_words_are_those_documented() {
        let refused: std::net::IpAddr = std::net::Ipv4Addr::LOCALHOST.into();
        check(UpstreamError::Resolve("x".into()), 502, "dns_error", false);
        check(UpstreamError::ResolveTimeout, 504, "dns_timeout", false);
        check(UpstreamError::NoAddress, 502, "dns_error", false);
        check(
            UpstreamError::Refused(refused),
            403,
            "destination_ip_prohibited",
            false,
        );
        check(
            UpstreamError::ConnectTimeout,
            504,
            "connection_timeout",
            false,
        );
        check(
            UpstreamError::NoServer,
            503,
            "destination_unavailable",
            false,
        );
        check(UpstreamError::Closed, 502, "connection_terminated", true);
        check(
            UpstreamError::Truncated,
            502,
            "http_response_incomplete",
            false,
        );
        check(
            UpstreamError::TooManyInterim,
            502,
            "http_protocol_error",
            false,
        );
        check(
            HeadError::TooLarge.into(),
            502,
            "http_response_header_section_size",
            false,
        );
        check(
            HeadError::StartLine.into(),
            502,
            "http_protocol_error",
            false,
        );
        check(
            FramingError::Encoding.into(),
            502,
            "http_response_transfer_coding",
            false,
        );
        check(
            FramingError::Lengths.into(),
            502,
            "http_protocol_error",
            false,
        );
        check(
            BodyError::Truncated.into(),
            502,
            "http_response_incomplete",
            false,
        );
        check(
            BodyError::Chunked(ChunkedError::Size).into(),
            502,
            "http_response_transfer_coding",
            false,
        );
    }

    #[test]
    fn the_kind_of_an_io_error_counts() {
        use UpstreamError::{Broken, Connect, Read, Write};
        check(
            Connect(ErrorKind::ConnectionRefused.into()),
            502,
            "connection_refused",
            false,
        );
        check(
            Connect(ErrorKind::TimedOut.into()),
            504,
            "connection_timeout",
            false,
        );
        check(
            Connect(ErrorKind::HostUnreachable.into()),
            502,
            "destination_ip_unroutable",
            false,
        );
        check(
            Connect(ErrorKind::PermissionDenied.into()),
            502,
            "proxy_internal_error",
            false,
        );
        check(
            Write(ErrorKind::BrokenPipe.into()),
            502,
            "connection_terminated",
            true,
        );
        check(
            Write(ErrorKind::TimedOut.into()),
            504,
            "connection_write_timeout",
            true,
        );
        check(
            Read(ErrorKind::ConnectionReset.into()),
            502,
            "connection_terminated",
            true,
        );
        check(
            Read(ErrorKind::TimedOut.into()),
            504,
            "connection_read_timeout",
            true,
        );
        check(
            Broken(ErrorKind::ConnectionReset.into()),
            502,
            "http_response_incomplete",
            false,
        );
    }
}
