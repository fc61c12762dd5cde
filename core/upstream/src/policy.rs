//! The seam where the application says which addresses may be dialled. Checked on the address actually dialled, so a
//! name cannot be rebound past it.
//!
//! Invariant: the policy sees addresses as the kernel would treat them: an IPv4-mapped IPv6 address is shown as the
//! IPv4 address it stands for, and the unspecified address, which Linux connects to itself, as loopback.

use std::{
    fmt::Debug,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Which addresses a forward proxy may dial.
pub trait DialPolicy: Debug + Send + Sync {
    /// Whether this address may be dialled for a request of a forward or transparent listener. Reverse groups are not
    /// asked.
    fn allows(&self, address: IpAddr) -> bool;
}

/// Allows everything.
#[derive(Debug, Clone, Copy)]
pub struct AllowAll;

impl DialPolicy for AllowAll {
    fn allows(&self, _: IpAddr) -> bool {
        true
    }
}

/// The address a connection to `address` really goes to: what the policy is shown, and what is dialled.
pub fn effective(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) if v4.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
        IpAddr::V6(v6) if v6.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[track_caller]
    fn check(given: &str, dialled: &str) {
        assert_eq!(
            effective(given.parse().unwrap()),
            dialled.parse::<IpAddr>().unwrap()
        );
    }

    #[test]
    fn addresses_are_shown_as_the_kernel_treats_them() {
        check("192.0.2.1", "192.0.2.1");
        check("2001:db8::1", "2001:db8::1");
        check("::ffff:127.0.0.1", "127.0.0.1");
        check("::ffff:7f00:1", "127.0.0.1");
        check("0.0.0.0", "127.0.0.1");
        check("::", "::1");
        check("::ffff:0.0.0.0", "127.0.0.1");
    }
}
