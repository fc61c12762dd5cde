//! Freshness lifetime and age (RFC 9111 section 4.2). Time is an argument.
//!
//! Invariant: `ttl(now) + age(now) == lifetime`, and age never falls while `now` rises.
//! Awkward case: clocks. The origin's may run ahead of ours or ours may jump back; every difference stops at 0.

use super::cache_control::ResponseDirectives;
use super::date::{self, Seconds};
use super::text::{DELTA_MAX, delta_seconds, members};
use crate::{Fields, Name};

/// Settings of the heuristic (RFC 9111 section 4.2.2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heuristic {
    /// Per cent of the time since Last-Modified (10 is usual).
    pub percent: u32,
    /// Ceiling in seconds.
    pub max: u32,
}

/// All that freshness needs of a stored response; fixed when it is stored or freshened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[allow(missing_docs)]
pub struct Freshness {
    pub response_time: Seconds,
    pub corrected_initial_age: u32,
    pub lifetime: u32,
    pub heuristic: bool,
}

impl Freshness {
    /// Computes lifetime (s-maxage, max-age, Expires, heuristic: section 4.2.1) and corrected initial age (section 4.2.3).
    pub fn of(
        status: u16,
        fields: Fields<'_>,
        cc: &ResponseDirectives,
        request_time: Seconds,
        response_time: Seconds,
        h: &Heuristic,
    ) -> Freshness {
        // RFC 9110 section 6.6.1: without a (usable) Date, the time of receipt stands for it.
        let date = fields
            .get(Name::Date)
            .and_then(date::parse)
            .unwrap_or(response_time);
        let explicit = explicit_lifetime(fields, cc, date);
        let guessed = if explicit.is_none() {
            heuristic_lifetime(status, fields, cc, date, h)
        } else {
            None
        };
        Freshness {
            response_time,
            corrected_initial_age: corrected_initial_age(fields, date, request_time, response_time),
            lifetime: explicit.or(guessed).unwrap_or(0),
            heuristic: guessed.is_some(),
        }
    }

    /// Current age in seconds at `now` (never negative, saturating at 2^31).
    #[inline]
    pub fn age(&self, now: Seconds) -> u32 {
        // Section 4.2.3: current_age = corrected_initial_age + resident_time.
        self.corrected_initial_age
            .saturating_add(elapsed(self.response_time, now))
            .min(DELTA_MAX)
    }

    /// Seconds of freshness left; negative when stale. Fresh is what has more than 0 (section 4.2: lifetime > age).
    #[inline]
    pub fn ttl(&self, now: Seconds) -> i64 {
        i64::from(self.lifetime) - i64::from(self.age(now))
    }
}

/// The lifetime that the origin itself states, whatever an operator's rule makes of it.
pub(super) fn stated_lifetime(
    fields: Fields<'_>,
    cc: &ResponseDirectives,
    response_time: Seconds,
) -> Option<u32> {
    let date = fields.get(Name::Date).and_then(date::parse);
    explicit_lifetime(fields, cc, date.unwrap_or(response_time))
}

/// Statuses whose responses may be given a heuristic lifetime (RFC 9110 section 15.1).
pub fn is_heuristically_cacheable(status: u16) -> bool {
    matches!(
        status,
        200 | 203 | 204 | 206 | 300 | 301 | 308 | 404 | 405 | 410 | 414 | 501
    )
}

/// Seconds from one time to another: at least 0, at most 2^31.
#[inline]
fn elapsed(from: Seconds, to: Seconds) -> u32 {
    u32::try_from(to.saturating_sub(from).max(0)).map_or(DELTA_MAX, |s| s.min(DELTA_MAX))
}

/// Section 4.2.1, rules 1 to 3.
fn explicit_lifetime(fields: Fields<'_>, cc: &ResponseDirectives, date: Seconds) -> Option<u32> {
    // 1. The cache is shared and s-maxage is present.
    if let Some(seconds) = cc.s_maxage {
        return Some(seconds);
    }
    // 2. max-age is present.
    if let Some(seconds) = cc.max_age {
        return Some(seconds);
    }
    // RFC 9213 section 2.2: with a targeted field Expires is ignored.
    if cc.targeted {
        return None;
    }
    // 3. Expires is present. Of several the earliest counts; one that is malformed, "0" above all, lies in the past (section 5.3).
    fields
        .all(Name::Expires)
        .map(|value| date::parse(value).map_or(0, |at| elapsed(date, at)))
        .min()
}

/// Section 4.2.1, rule 4, and section 4.2.2.
fn heuristic_lifetime(
    status: u16,
    fields: Fields<'_>,
    cc: &ResponseDirectives,
    date: Seconds,
    h: &Heuristic,
) -> Option<u32> {
    // Only for a status that allows it, or a response marked as cacheable by `public`.
    if !is_heuristically_cacheable(status) && !cc.public {
        return None;
    }
    let modified = fields.get(Name::LastModified).and_then(date::parse)?;
    let part = u64::from(elapsed(modified, date)) * u64::from(h.percent) / 100;
    Some(
        u32::try_from(part)
            .unwrap_or(u32::MAX)
            .min(h.max)
            .min(DELTA_MAX),
    )
}

/// Section 4.2.3.
fn corrected_initial_age(
    fields: Fields<'_>,
    date: Seconds,
    request_time: Seconds,
    response_time: Seconds,
) -> u32 {
    // Section 5.1: the first member counts where there are several; a value that is not a number is ignored.
    let age_value = fields
        .get(Name::Age)
        .and_then(|line| members(line).next())
        .and_then(delta_seconds)
        .unwrap_or(0);
    let apparent_age = elapsed(date, response_time);
    let response_delay = elapsed(request_time, response_time);
    let corrected_age_value = age_value.saturating_add(response_delay).min(DELTA_MAX);
    apparent_age.max(corrected_age_value)
}
