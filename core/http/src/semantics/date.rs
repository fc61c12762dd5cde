//! HTTP dates (RFC 9110 section 5.6.7) as seconds since 1970, and their text.
//!
//! Invariant: `parse(&format(t)) == Some(t)` for every time a four-digit year since 1970 can say.
//! Strict in form: what no calendar has (31 June, 24:00:00, a leap second) is malformed; so is what lies before 1970, and every
//! zone but GMT. Callers give malformed dates their conservative meaning. Case does not count, since a cache "SHOULD match the
//! field value case-insensitively" (RFC 9111 section 4.2), and a wrong day of the week beside a full date does not:
//! "recipients of timestamp values are encouraged to be robust in parsing" them (RFC 9110 section 5.6.7).
//! Awkward case: the two-digit years of the RFC 850 form. 70 to 99 are of the last century and the rest of this one, since the
//! RFC's rule (never more than 50 years ahead) needs a clock; the day of the week catches a wrong century.

use std::io::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Seconds since 1970-01-01 UTC.
pub type Seconds = i64;

/// The last second a date can say: 9999-12-31 23:59:59.
pub const LAST: Seconds = 253_402_300_799;

/// The longest form (RFC 850, Wednesday) has so many bytes.
const LONGEST: usize = 33;

/// Parses any of the three forms; `None` when malformed.
pub fn parse(value: &[u8]) -> Option<Seconds> {
    // The shortest form (asctime) has 24 bytes. White space is not ours to trim.
    if !(24..=LONGEST).contains(&value.len()) || value.iter().any(|b| !(b' '..=b'~').contains(b)) {
        return None;
    }
    let text = std::str::from_utf8(value).ok()?;
    if text.trim().len() != text.len() {
        return None;
    }
    // Nearly all are written as they should be; only what is not is spelt again.
    let time = httpdate::parse_http_date(text)
        .ok()
        .or_else(|| parse_leniently(text))?;
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

/// Of any case, and with any day of the week where that tells nothing: only the RFC 850 form needs it, for its century.
#[cold]
fn parse_leniently(text: &str) -> Option<SystemTime> {
    let mut buffer = [0; LONGEST];
    let respelt = respell(text, buffer.get_mut(..text.len())?);
    if let Ok(time) = httpdate::parse_http_date(std::str::from_utf8(respelt).ok()?) {
        return Some(time);
    }
    const DAYS: [[u8; 3]; 7] = [
        *b"Mon", *b"Tue", *b"Wed", *b"Thu", *b"Fri", *b"Sat", *b"Sun",
    ];
    if !DAYS.contains(respelt.first_chunk()?) || !matches!(respelt.get(3), Some(b',' | b' ')) {
        return None;
    }
    DAYS.iter().find_map(|day| {
        *respelt.first_chunk_mut()? = *day;
        httpdate::parse_http_date(std::str::from_utf8(respelt).ok()?).ok()
    })
}

/// The same date with the case the grammar asks for: each word with a capital, the zone in capitals.
fn respell<'a>(text: &str, out: &'a mut [u8]) -> &'a mut [u8] {
    out.copy_from_slice(text.as_bytes());
    let mut inside = false;
    for byte in out.iter_mut() {
        match inside {
            true => byte.make_ascii_lowercase(),
            false => byte.make_ascii_uppercase(),
        }
        inside = byte.is_ascii_alphabetic();
    }
    if let Some(zone) = out.last_chunk_mut::<3>().filter(|zone| **zone == *b"Gmt") {
        *zone = *b"GMT";
    }
    out
}
