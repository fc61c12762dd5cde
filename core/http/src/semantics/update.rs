//! A 304 freshens a stored response (RFC 9111 sections 3.2 and 4.3.4).

use crate::Fields;

/// Whether the 304 validates this stored response: its validators do not disagree.
pub fn validates(stored: Fields<'_>, not_modified: Fields<'_>) -> bool { todo!() }
/// Writes the stored field lines updated by those of the 304 (each line ending in CRLF, no start line, no final empty line):
/// fields in the 304 replace those stored, except those section 3.2 exempts (hop-by-hop, Content-Length, Content-Encoding, Content-Range, Content-Type, Transfer-Encoding, ETag stays unless absent).
pub fn write_updated(stored: Fields<'_>, not_modified: Fields<'_>, out: &mut Vec<u8>) { todo!() }
