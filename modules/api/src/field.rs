//! What a module may write as a field line.

use crate::edits::Refused;
use understudy_http::Name;

/// For each byte: whether it may stand in a token (RFC 9110 section 5.6.2).
const TOKEN: [bool; 256] = {
    let mut table = [false; 256];
    let marks = b"!#$%&'*+-.^_`|~";
    let mut i = 0;
    while i < marks.len() {
        table[marks[i] as usize] = true;
        i += 1;
    }
    let mut b = 0;
    while b < 128 {
        if (b as u8).is_ascii_alphanumeric() {
            table[b] = true;
        }
        b += 1;
    }
    table
};

/// White space around a value is no part of it (RFC 9110 section 5.5).
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    value.trim_ascii()
}

/// Whether it is a token.
pub(crate) fn is_name(name: &[u8]) -> bool {
    !name.is_empty() && name.iter().all(|b| TOKEN[usize::from(*b)])
}

/// Whether a field value may hold these bytes: visible ones, space, tab, and those above ASCII.
pub(crate) fn is_value(value: &[u8]) -> bool {
    value
        .iter()
        .all(|b| *b == b'\t' || (*b >= 0x20 && *b != 0x7f))
}

/// Whether a field speaks of the framing or of one connection: the proxy's own business. So is Expect: a client that sent it waits
/// for a 100, which comes only if the origin is asked for one (RFC 9110 section 10.1.1).
fn is_hop(name: &[u8]) -> bool {
    matches!(
        Name::of(name),
        Name::Connection
            | Name::ContentLength
            | Name::Expect
            | Name::KeepAlive
            | Name::ProxyConnection
            | Name::Te
            | Name::Trailer
            | Name::TransferEncoding
            | Name::Upgrade
    )
}

/// A name a module may add or delete lines of.
pub(crate) fn check(name: &[u8]) -> Result<(), Refused> {
    if !is_name(name) {
        return Err(Refused::Name);
    }
    if is_hop(name) {
        return Err(Refused::Framing);
    }
    Ok(())
}

/// A name of which there may be two lines, or none: of Host there is one (RFC 9112 section 3.2), or the next hop takes a request
/// for another than the proxy does.
pub(crate) fn check_plural(name: &[u8]) -> Result<(), Refused> {
    if Name::of(name) == Name::Host {
        return Err(Refused::Framing);
    }
    Ok(())
}
