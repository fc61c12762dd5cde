//! The primary cache key: scheme, host, port, path and query, normalised (RFC 9110 section 4.2.3). Never without host and port.

use crate::wire::target::{Authority, Scheme};

/// Writes the key `scheme://host:port/path?query` into `out` (emptied first): host lower-cased, default port written out, fragment dropped, empty path as `/`.
pub fn write_key(scheme: Scheme, authority: Authority<'_>, path: &[u8], out: &mut Vec<u8>) { todo!() }
/// Whether two keys have the same origin: scheme, host and port (RFC 9111 section 4.4).
pub fn same_origin(a: &[u8], b: &[u8]) -> bool { todo!() }
/// The key a Location or Content-Location value names, resolved against `base` (a key); `None` when it is malformed or of another scheme.
pub fn resolve(base: &[u8], reference: &[u8]) -> Option<Vec<u8>> { todo!() }
