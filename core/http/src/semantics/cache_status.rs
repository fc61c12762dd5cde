//! The Cache-Status line (RFC 9211): the same words as logs and metrics.

/// Why a request was forwarded (RFC 9211 section 2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum Forward { Bypass, Method, UriMiss, VaryMiss, Miss, Request, Stale, Partial }
/// One cache's handling.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct CacheStatus<'a> { pub hit: bool, pub fwd: Option<Forward>, pub fwd_status: Option<u16>, pub ttl: Option<i64>, pub stored: bool, pub collapsed: bool, pub detail: Option<&'a str> }
impl CacheStatus<'_> { 
    /// Appends the member (`name; hit; ttl=30`) for the cache called `name` (an sf-token or written as an sf-string).
    pub fn write(&self, name: &str, out: &mut Vec<u8>) { todo!() } 
}
