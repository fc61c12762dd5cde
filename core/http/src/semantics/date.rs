//! HTTP dates (RFC 9110 section 5.6.7) as seconds since 1970, and their text.

/// Seconds since 1970-01-01 UTC.
pub type Seconds = i64;
/// Parses any of the three forms; `None` when malformed.
pub fn parse(value: &[u8]) -> Option<Seconds> { todo!() }
/// The IMF-fixdate of a time (29 bytes).
pub fn format(at: Seconds) -> [u8; 29] { todo!() }
