//! Request targets and authorities (RFC 9112 section 3.2, RFC 3986): told apart and checked strictly, never repaired.

/// The four forms of a request target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Target<'a> {
    /// `/path?query`
    Origin(&'a [u8]),
    /// `http://host:port/path?query`; `path` may be empty (then `/` is meant) and holds the query
    Absolute { scheme: Scheme, authority: Authority<'a>, path: &'a [u8] },
    /// `host:port` (CONNECT)
    Authority(Authority<'a>),
    /// `*`
    Asterisk,
}
/// Schemes a proxy fetches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Scheme { Http, Https }
/// Host and port as written. `host` keeps the brackets of an IPv6 literal; case is as received.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Authority<'a> { pub host: &'a [u8], pub port: Option<u16> }

/// Why a target or an authority was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[allow(missing_docs)]
pub enum TargetError {
    #[error("the request target is malformed")] Malformed,
    #[error("the scheme is not http or https")] Scheme,
    #[error("the authority is malformed")] Authority,
    #[error("user information in the authority is refused")] UserInfo,
    #[error("the form of the request target does not fit the method")] Form,
    #[error("Host is missing")] HostMissing,
    #[error("Host is repeated or malformed")] Host,
}
impl Scheme { 
    /// 80 or 443.
    pub fn default_port(self) -> u16 { match self { Scheme::Http => 80, Scheme::Https => 443 } } 
    /// `http` or `https`.
    pub fn as_str(self) -> &'static str { match self { Scheme::Http => "http", Scheme::Https => "https" } }
}
impl<'a> Authority<'a> {
    /// Parses `host[:port]` (reg-name, IPv4, bracketed IPv6); refuses user information, empty hosts, bad ports.
    pub fn parse(bytes: &'a [u8]) -> Result<Authority<'a>, TargetError> { todo!() }
}
/// Tells the form of a request target for this method.
pub fn parse_target<'a>(method: super::head::Method, target: &'a [u8]) -> Result<Target<'a>, TargetError> { todo!() }
/// The Host field by the rules of RFC 9112 section 3.2: exactly one in HTTP/1.1, at most one in 1.0, well-formed. `Ok(None)`: absent in 1.0, or empty.
pub fn host<'a>(version: super::head::Version, fields: super::field::Fields<'a>) -> Result<Option<Authority<'a>>, TargetError> { todo!() }
