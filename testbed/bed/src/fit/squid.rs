//! Squid's native log: `time elapsed client code/status bytes method URL user hierarchy/peer type`.
//!
//! Awkward cases: with `uri_whitespace allow` a URL holds blanks, so it ends where the hierarchy's field begins; the size includes the
//! answer's head, which is taken off as it usually is ([`HEAD`]).

use super::entry::{Bad, Entry, Outcome, Verb, hash, known, number, seconds, status, whole};
use std::borrow::Cow;

/// Bytes of an answer's head that are taken off Squid's sizes: what its own answers have with the usual ten fields.
pub(super) const HEAD: u64 = 350;

pub(super) fn parse(line: &[u8]) -> Result<Entry<'_>, Bad> {
    let fields: Vec<&[u8]> = line
        .split(|b| *b == b' ' || *b == b'\t')
        .filter(|f| !f.is_empty())
        .collect();
    // A line cut short still has all that is counted, but for user, peer and type.
    let [time, elapsed, client, code, size, method, url, ..] = fields[..] else {
        return Err(Bad::Fields);
    };
    let end = seconds(time).ok_or(Bad::Time)?;
    let elapsed = number(elapsed)
        .filter(|e| e.abs() < 1e11)
        .ok_or(Bad::Elapsed)?;
    let slash = code.iter().position(|b| *b == b'/').ok_or(Bad::Status)?;
    let (code, result) = (&code[..slash], status(&code[slash + 1..]));
    let result = result.ok_or(Bad::Status)?;
    let size = whole(size).ok_or(Bad::Size)?;
    let peer = (8..fields.len()).find(|n| hierarchy(fields[*n]));
    let url = match peer {
        Some(n) if n > 8 => Cow::Owned(fields[6..n - 1].join(&b' ')),
        _ => Cow::Borrowed(url),
    };
    let media = peer.and_then(|n| fields.get(n + 1)).copied();
    Ok(Entry {
        end,
        exact: true,
        // Squid has written negative times when the clock was set back.
        elapsed: Some(elapsed.max(0.0) / 1000.0),
        client: known(client).map(hash),
        connection: None,
        method: Verb::from(method),
        url,
        status: result,
        body: size.saturating_sub(HEAD),
        sent: None,
        media: media.and_then(known).map(Cow::Borrowed),
        outcome: outcome(code),
        storable: None,
        aborted: has(code, b"_ABORTED"),
    })
}

/// `HIER_DIRECT/192.0.2.1`, or as old versions have it, `DIRECT/...`, `TIMEOUT_...`.
fn hierarchy(field: &[u8]) -> bool {
    let name = field.split(|b| *b == b'/').next().unwrap_or_default();
    name.len() < field.len()
        && name.len() > 2
        && name
            .iter()
            .all(|b| b.is_ascii_uppercase() || *b == b'_' || b.is_ascii_digit())
}

/// Squid's words are put together of parts (`TCP_REFRESH_MODIFIED_ABORTED`), so the parts are looked for, the telling ones first.
fn outcome(code: &[u8]) -> Outcome {
    const PARTS: [(&[u8], Outcome); 11] = [
        (b"TUNNEL", Outcome::Tunnel),
        (b"DENIED", Outcome::Own),
        (b"REDIRECT", Outcome::Own),
        (b"UDP_", Outcome::Own),
        (b"CLIENT_REFRESH", Outcome::Reload),
        (b"REFRESH_MODIFIED", Outcome::Modified),
        // Before Squid 3.1.
        (b"REFRESH_MISS", Outcome::Modified),
        (b"REFRESH", Outcome::Unmodified),
        (b"HIT", Outcome::Hit),
        (b"MISS", Outcome::Miss),
        (b"NONE", Outcome::Own),
    ];
    PARTS
        .iter()
        .find(|(part, _)| has(code, part))
        .map_or(Outcome::Unknown, |(_, outcome)| *outcome)
}

fn has(code: &[u8], part: &[u8]) -> bool {
    code.windows(part.len()).any(|w| w == part)
}
