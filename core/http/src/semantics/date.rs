//! HTTP dates (RFC 9110 section 5.6.7) as seconds since 1970, and their text.
//!
//! Invariant: `parse(&format(t)) == Some(t)` for every time a four-digit year since 1970 can say.
//! Strict: case counts, the day of the week must be right, and what no calendar has (31 June, 24:00:00, a leap second) is
//! malformed; so is what lies before 1970. Callers give malformed dates their conservative meaning.
//! Awkward case: the two-digit years of the RFC 850 form. 70 to 99 are of the last century and the rest of this one, since the
//! RFC's rule (never more than 50 years ahead) needs a clock; the day of the week catches a wrong century.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01 UTC.
pub type Seconds = i64;

/// The last second a date can say: 9999-12-31 23:59:59.
pub const LAST: Seconds = 253_402_300_799;

/// Parses any of the three forms; `None` when malformed.
pub fn parse(value: &[u8]) -> Option<Seconds> {
    // The shortest form (asctime) has 24 bytes, the longest (RFC 850, Wednesday) 33. White space is not ours to trim.
    if !(24..=33).contains(&value.len()) || value.iter().any(|b| !(b' '..=b'~').contains(b)) {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    if text.trim().len() != text.len() {
        return None;
    }
    let time = httpdate::parse_http_date(text).ok()?;
    let since = time.duration_since(UNIX_EPOCH).ok()?;
    Seconds::try_from(since.as_secs()).ok()
}

/// The IMF-fixdate of a time (29 bytes). A time before 1970 or after [`LAST`] is written as that bound.
pub fn format(at: Seconds) -> [u8; 29] {
    let at: SystemTime = UNIX_EPOCH + Duration::from_secs(at.clamp(0, LAST).unsigned_abs());
    let mut text = [0; 29];
    write!(&mut text[..], "{}", httpdate::HttpDate::from(at)).expect("an IMF-fixdate has 29 bytes");
    text
}
