//! What can go wrong on the way to an origin and back: kind, whether a retry on a fresh connection helps, and the status it means.

/// The kinds; `Display` shows one level, `source` the cause.
#[derive(Debug, thiserror::Error)]
#[allow(missing_docs)]
pub enum UpstreamError {
    #[error("the host name could not be resolved")] Resolve(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the host has no address")] NoAddress,
    #[error("destination {0} is not allowed")] Refused(std::net::IpAddr),
    #[error("connecting to the origin failed")] Connect(#[source] std::io::Error),
    #[error("connecting to the origin took too long")] ConnectTimeout,
    #[error("no server of the upstream is available")] NoServer,
    #[error("writing to the origin failed")] Write(#[source] std::io::Error),
    #[error("reading from the origin failed")] Read(#[source] std::io::Error),
    #[error("the origin closed the connection before answering")] Closed,
    #[error("the origin's response head was refused: {0}")] Head(#[from] understudy_http::wire::head::HeadError),
    #[error("the origin's framing was refused: {0}")] Framing(#[from] understudy_http::wire::framing::FramingError),
    #[error("the origin's body was refused: {0}")] Body(#[from] understudy_http::wire::body::BodyError),
}
impl UpstreamError {
    /// 403 for a refused destination, 504 for time-outs, 503 for no server, else 502.
    pub fn status(&self) -> u16 { todo!() }
    /// A short word for logs and Proxy-Status style details (`dns_error`, `connection_refused`, ...: RFC 9209 section 2.3).
    pub fn word(&self) -> &'static str { todo!() }
    /// Whether nothing of a response had arrived, so that an idempotent request may be sent again on a fresh connection.
    pub fn before_response(&self) -> bool { todo!() }
}
