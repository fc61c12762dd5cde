//! Which keys may meet: what a reverse listener's servers say of a host is not what that host says.
//!
//! A cache key is the canonical URL, and behind a reverse listener a line break and the name of the upstream. Invariant: a
//! URL holds no line break (targets with controls are refused), so no URL can reach into another's partition. Listeners of
//! one upstream share; forward and transparent ones share with each other, since both fetch from the host itself.

use crate::settings::Mode;

/// Ends the URL in a key.
const BREAK: u8 = b'\n';

/// Appends what separates this listener's keys from others'.
pub(super) fn append(mode: &Mode, key: &mut Vec<u8>) {
    if let Mode::Reverse { group, .. } = mode {
        key.push(BREAK);
        key.extend_from_slice(group.as_bytes());
    }
}

/// The URL in a key.
pub(super) fn url(key: &[u8]) -> &[u8] {
    match memchr::memchr(BREAK, key) {
        Some(at) => &key[..at],
        None => key,
    }
}

/// The key of another URL in the same partition.
pub(super) fn beside(key: &[u8], mut other: Vec<u8>) -> Vec<u8> {
    other.extend_from_slice(&key[url(key).len()..]);
    other
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_url_and_a_partition() {
        assert_eq!(url(b"http://a:80/x\norigin"), b"http://a:80/x");
        assert_eq!(url(b"http://a:80/x"), b"http://a:80/x");
        let other = b"http://a:80/y".to_vec();
        assert_eq!(
            beside(b"http://a:80/x\norigin", other.clone()),
            b"http://a:80/y\norigin"
        );
        assert_eq!(beside(b"http://a:80/x", other.clone()), other);
    }
}
