//! What a module may write as a field line.

use crate::edits::Refused;
use understudy_http::Name;
pub(crate) use understudy_http::wire::{is_name, is_value};

/// White space around a value is no part of it (RFC 9110 section 5.5).
pub(crate) fn trim(value: &[u8]) -> &[u8] {
    value.trim_ascii()
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
