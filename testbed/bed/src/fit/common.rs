//! The Common Log Format and the Combined one: `host ident user [time] "request" status bytes "referer" "agent"`.
//!
//! Awkward cases: a user may hold blanks, so the time is looked for by its bracket; quotes in a request are escaped by a backslash
//! (Apache) or as `\x22` (nginx); a request may be anything at all (`"\x16\x03\x01"`, `"-"`), which is a bad line and no more.

use super::entry::{Bad, Entry, Outcome, Verb, hash, known, status, whole};
use std::borrow::Cow;

pub(super) fn parse(line: &[u8]) -> Result<Entry<'_>, Bad> {
    let client = line.split(|b| *b == b' ').next().unwrap_or_default();
    let open = line
        .windows(2)
        .position(|w| w == b" [")
        .ok_or(Bad::Fields)?;
    let rest = &line[open + 2..];
    let close = rest.iter().position(|b| *b == b']').ok_or(Bad::Time)?;
    let end = time(&rest[..close]).ok_or(Bad::Time)?;
    let (request, rest) = quoted(&rest[close + 1..])?;
    let mut fields = rest.split(|b| *b == b' ').filter(|f| !f.is_empty());
    let result = fields.next().and_then(status).ok_or(Bad::Status)?;
    let size = fields.next().ok_or(Bad::Fields)?;
    let body = match known(size) {
        None => 0,
        Some(size) => whole(size).ok_or(Bad::Size)?,
    };
    let (method, url) = request_line(request)?;
    Ok(Entry {
        end,
        exact: false,
        elapsed: None,
        client: known(client).map(hash),
        connection: None,
        method,
        url,
        status: result,
        body,
        sent: None,
        media: None,
        outcome: Outcome::Unknown,
        storable: None,
        aborted: false,
    })
}

/// What is between quotes, and what follows them.
fn quoted(text: &[u8]) -> Result<(Cow<'_, [u8]>, &[u8]), Bad> {
    let begin = text.iter().position(|b| *b == b'"').ok_or(Bad::Quote)? + 1;
    let text = &text[begin..];
    let mut at = 0;
    while at < text.len() && text[at] != b'"' {
        at += if text[at] == b'\\' { 2 } else { 1 };
    }
    if at >= text.len() {
        return Err(Bad::Quote);
    }
    Ok((unescape(&text[..at]), &text[at + 1..]))
}

/// `\"`, `\\`, `\t`, `\n`, `\r` and `\xHH` as Apache and nginx write them.
fn unescape(text: &[u8]) -> Cow<'_, [u8]> {
    if !text.contains(&b'\\') {
        return Cow::Borrowed(text);
    }
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        rest = tail;
        let [escaped, after @ ..] = tail else {
            out.push(*first);
            break;
        };
        if *first != b'\\' {
            out.push(*first);
            continue;
        }
        rest = after;
        match escaped {
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'x' => match after {
                [a, b, more @ ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit() => {
                    out.push(hex(*a) << 4 | hex(*b));
                    rest = more;
                }
                _ => out.extend(b"\\x"),
            },
            other => out.push(*other),
        }
    }
    Cow::Owned(out)
}

/// `GET /a b HTTP/1.1`: what is between the first blank and the version is the target; before HTTP/1.0 there was no version.
fn request_line(request: Cow<'_, [u8]>) -> Result<(Verb, Cow<'_, [u8]>), Bad> {
    let first = request
        .iter()
        .position(|b| *b == b' ')
        .ok_or(Bad::Request)?;
    let method = &request[..first];
    // Tokens of methods are more than letters (RFC 9110, 9.1), but none that anybody uses is.
    if method.is_empty() || !method.iter().all(|b| b.is_ascii_alphabetic() || *b == b'-') {
        return Err(Bad::Request);
    }
    let verb = Verb::from(method);
    let last = request.iter().rposition(|b| *b == b' ').unwrap_or(first);
    let to = if last > first && request[last + 1..].starts_with(b"HTTP/") {
        last
    } else {
        request.len()
    };
    if to <= first + 1 {
        return Err(Bad::Request);
    }
    Ok((
        verb,
        match request {
            Cow::Borrowed(text) => Cow::Borrowed(&text[first + 1..to]),
            Cow::Owned(text) => Cow::Owned(text[first + 1..to].to_vec()),
        },
    ))
}

/// `10/Oct/2000:13:55:36 -0700`.
fn time(text: &[u8]) -> Option<f64> {
    const MONTHS: [&str; 12] = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ];
    let text = std::str::from_utf8(text).ok()?;
    let (stamp, zone) = text.split_once(' ')?;
    let (date, clock) = stamp.split_once(':')?;
    let mut date = date.split('/');
    let day: i64 = within(date.next()?, 1, 31)?;
    let month = date.next()?;
    let month = MONTHS.iter().position(|m| m.eq_ignore_ascii_case(month))? as i64 + 1;
    let year = within(date.next()?, 1970, 5000)?;
    let mut clock = clock.split(':');
    let hour = within(clock.next()?, 0, 23)?;
    let minute = within(clock.next()?, 0, 59)?;
    // 60 is a leap second.
    let second = within(clock.next()?, 0, 60)?;
    let (sign, zone) = match zone.split_at_checked(1)? {
        ("+", zone) => (1, zone),
        ("-", zone) => (-1, zone),
        _ => return None,
    };
    let (hours, minutes) = zone.split_at_checked(2)?;
    let away = sign * (within(hours, 0, 23)? * 3600 + within(minutes, 0, 59)? * 60);
    let found = days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second - away;
    (found >= 0).then_some(found as f64)
}

fn within(text: &str, least: i64, most: i64) -> Option<i64> {
    let found = text.bytes().all(|b| b.is_ascii_digit()).then_some(text)?;
    found.parse().ok().filter(|n| (least..=most).contains(n))
}

/// Days from 1970-01-01 to a day of the Gregorian calendar (Hinnant's days_from_civil: years begin with March).
fn days(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let (era, of_era) = (year.div_euclid(400), year.rem_euclid(400));
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468
}

fn hex(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}
