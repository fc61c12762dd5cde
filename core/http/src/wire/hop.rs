//! What must not cross a hop (RFC 9110 section 7.6.1): hop-by-hop fields and those that Connection nominates,
//! except framing and routing fields, which a peer cannot nominate away.

use super::head::{RequestHead, ResponseHead};

/// Removes from a request what is for this hop only (Connection and what it nominates, Keep-Alive, Proxy-Connection, Proxy-Authorization,
/// TE (but `trailers` is kept as our own), Transfer-Encoding, Content-Length, Upgrade, Expect is kept). Framing is written anew by the caller.
pub fn strip_request<B: AsRef<[u8]>>(head: &mut RequestHead<B>) { todo!() }
/// Removes from a response what is for this hop only, Transfer-Encoding and Content-Length included; framing is written anew by the caller.
pub fn strip_response<B: AsRef<[u8]>>(head: &mut ResponseHead<B>) { todo!() }
/// Keeps of a received trailer section only lines that may be forwarded (RFC 9110 section 6.5.1: no framing, routing, authentication,
/// request modifiers or Connection-nominated fields); the result is field lines each ending in CRLF.
pub fn clean_trailers(section: &[u8], out: &mut Vec<u8>) { todo!() }
