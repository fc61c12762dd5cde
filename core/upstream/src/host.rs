//! What a host string is: an address, this machine, or a name that may be looked up.
//!
//! Invariant: only what is certainly a name is called one. Awkward case: `127.1`, `0x7f.1` and `017700000001` are names
//! by DNS's grammar and addresses to `inet_aton`; they are refused, so that nobody downstream can read them as one.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Longest name in its text form (RFC 1035 section 2.3.4), without the final dot.
const MAX_NAME: usize = 253;

/// A host, told apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host<'a> {
    /// A literal.
    Address(IpAddr),
    /// `localhost` or a name below it: always this machine (RFC 6761 section 6.3).
    Localhost,
    /// A name, without its final dot; `rooted` says whether it had one.
    Name { name: &'a str, rooted: bool },
}

/// Why a host is none of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HostError {
    #[error("the IPv6 literal is malformed")]
    Literal,
    #[error("the host looks like a number but is no IPv4 address in its usual form")]
    Numeric,
    #[error("the host is not a name that DNS could hold")]
    Name,
}

impl<'a> Host<'a> {
    /// Tells what `host` is; IPv6 literals may stand in brackets or without.
    pub(crate) fn parse(host: &'a str) -> Result<Host<'a>, HostError> {
        if let Some(inner) = host.strip_prefix('[') {
            let inner = inner.strip_suffix(']').ok_or(HostError::Literal)?;
            let address: Ipv6Addr = inner.parse().map_err(|_| HostError::Literal)?;
            return Ok(Host::Address(IpAddr::V6(address)));
        }
        if host.contains(':') {
            let address: Ipv6Addr = host.parse().map_err(|_| HostError::Literal)?;
            return Ok(Host::Address(IpAddr::V6(address)));
        }
        // The standard library's parser takes four decimal parts without leading zeros, and nothing else.
        if let Ok(address) = host.parse::<Ipv4Addr>() {
            return Ok(Host::Address(IpAddr::V4(address)));
        }
        let (name, rooted) = match host.strip_suffix('.') {
            Some(name) => (name, true),
            None => (host, false),
        };
        let last = name.rsplit('.').next().unwrap_or(name);
        if looks_numeric(last) {
            return Err(HostError::Numeric);
        }
        if name.is_empty() || name.len() > MAX_NAME || !name.split('.').all(is_label) {
            return Err(HostError::Name);
        }
        if last.eq_ignore_ascii_case("localhost") {
            return Ok(Host::Localhost);
        }
        Ok(Host::Name { name, rooted })
    }
}

/// Whether a final label would make an address parser of the `inet_aton` family take the host for a number. No
/// top-level domain is numeric (RFC 3696 section 2), so nothing real is lost.
fn looks_numeric(label: &str) -> bool {
    let hex = label
        .strip_prefix("0x")
        .or_else(|| label.strip_prefix("0X"));
    match hex {
        Some(digits) => digits.bytes().all(|b| b.is_ascii_hexdigit()),
        None => !label.is_empty() && label.bytes().all(|b| b.is_ascii_digit()),
    }
}

/// Letters, digits, hyphen, and the underscore that is found in practice.
fn is_label(label: &str) -> bool {
    !label.is_empty()
        && label.len() <= 63
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_')
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[track_caller]
    fn check(host: &str, expected: Result<Host<'_>, HostError>) {
        assert_eq!(Host::parse(host), expected, "{host:?}");
    }
    fn address(text: &str) -> Result<Host<'static>, HostError> {
        Ok(Host::Address(text.parse().unwrap()))
    }

    #[test]
    fn literals_are_addresses() {
        check("192.0.2.1", address("192.0.2.1"));
        check("[2001:db8::1]", address("2001:db8::1"));
        check("2001:db8::1", address("2001:db8::1"));
        check("[::ffff:127.0.0.1]", address("::ffff:127.0.0.1"));
    }

    #[test]
    fn malformed_literals_are_refused() {
        for host in [
            "[",
            "[]",
            "[::1",
            "[192.0.2.1]",
            "[fe80::1%eth0]",
            "::1]",
            "a:b",
            "[::1].",
            "[v1.x]",
        ] {
            check(host, Err(HostError::Literal));
        }
    }

    #[test]
    fn numbers_in_disguise_are_refused() {
        for host in [
            "127.1",
            "0x7f.1",
            "0x7f000001",
            "017700000001",
            "2130706433",
            "127.0.0.01",
            "1.2.3.4.5",
            "256.1.1.1",
            "127.0.0.1.",
            "a.0x",
            "example.1",
            "0X7F.0.0.0x1",
            "0",
            "0.",
        ] {
            check(host, Err(HostError::Numeric));
        }
    }

    #[test]
    fn localhost_is_this_machine_in_any_spelling() {
        for host in [
            "localhost",
            "LocalHost",
            "localhost.",
            "a.b.localhost",
            "x.LOCALHOST.",
        ] {
            check(host, Ok(Host::Localhost));
        }
    }

    #[test]
    fn names_are_names() {
        check(
            "example.com",
            Ok(Host::Name {
                name: "example.com",
                rooted: false,
            }),
        );
        check(
            "example.com.",
            Ok(Host::Name {
                name: "example.com",
                rooted: true,
            }),
        );
        check(
            "1.example",
            Ok(Host::Name {
                name: "1.example",
                rooted: false,
            }),
        );
        check(
            "0xy",
            Ok(Host::Name {
                name: "0xy",
                rooted: false,
            }),
        );
        check(
            "_srv.x-y",
            Ok(Host::Name {
                name: "_srv.x-y",
                rooted: false,
            }),
        );
        check(
            "localhost.example",
            Ok(Host::Name {
                name: "localhost.example",
                rooted: false,
            }),
        );
    }

    #[test]
    fn what_dns_cannot_hold_is_refused() {
        let long_label = "a".repeat(64);
        let long_name = "a.".repeat(127) + "ab";
        for host in [
            "",
            ".",
            "..",
            "a..b",
            ".a",
            "a b",
            "a\\.b",
            "ä.de",
            "a%2e",
            "a\0b",
            &long_label,
            &long_name,
        ] {
            check(host, Err(HostError::Name));
        }
    }
}
