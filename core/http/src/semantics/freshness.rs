//! Freshness lifetime and age (RFC 9111 section 4.2). Time is an argument.

use super::{cache_control::ResponseDirectives, date::Seconds};
use crate::Fields;

/// Settings of the heuristic (RFC 9111 section 4.2.2).
#[derive(Debug, Clone, Copy)]
pub struct Heuristic { 
    /// Per cent of the time since Last-Modified (10 is usual).
    pub percent: u32, 
    /// Ceiling in seconds.
    pub max: u32 
}
/// All that freshness needs of a stored response; fixed when it is stored or freshened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Freshness { pub response_time: Seconds, pub corrected_initial_age: u32, pub lifetime: u32, pub heuristic: bool }
impl Freshness {
    /// Computes lifetime (s-maxage, max-age, Expires, heuristic: section 4.2.1) and corrected initial age (section 4.2.3).
    pub fn of(status: u16, fields: Fields<'_>, cc: &ResponseDirectives, request_time: Seconds, response_time: Seconds, h: &Heuristic) -> Freshness { todo!() }
    /// Current age in seconds at `now` (never negative, saturating).
    pub fn age(&self, now: Seconds) -> u32 { todo!() }
    /// Seconds of freshness left; negative when stale.
    pub fn ttl(&self, now: Seconds) -> i64 { todo!() }
}
