//! Which keys may meet: what a reverse listener's servers say of a host is not what that host says.
//!
//! A cache key is the canonical URL, and behind a reverse listener a line break and the name of the upstream; where rules add
//! parts, another line break and those. Invariant: a
//! URL holds no line break (targets with controls are refused), so no URL can reach into another's partition. Listeners of
//! one upstream share; forward and transparent ones share with each other, since both fetch from the host itself.

use crate::settings::Mode;
use bytes::Bytes;
use std::borrow::Cow;
use understudy_cache::Selector;

/// Ends the URL in a key.
const BREAK: u8 = b'\n';

/// Appends what separates this listener's keys from others'.
pub(super) fn append(mode: &Mode, key: &mut Vec<u8>) {
    if let Mode::Reverse { group, .. } = mode {
        key.push(BREAK);
        key.extend_from_slice(group.as_bytes());
    }
}

/// Appends what rules add to a key (fields of the request, cookies): behind a second line break, which stands even where there
/// is no upstream.
pub(super) fn append_parts(parts: &[u8], key: &mut Vec<u8>) {
    if parts.is_empty() {
        return;
    }
    if url(key).len() == key.len() {
        key.push(BREAK);
    }
    key.push(BREAK);
    key.extend_from_slice(parts);
}

/// The upstream in a key; `None` when the host itself is asked.
pub(super) fn group(key: &[u8]) -> Option<&[u8]> {
    let rest = key.get(url(key).len() + 1..)?;
    let end = memchr::memchr(BREAK, rest).unwrap_or(rest.len());
    Some(&rest[..end]).filter(|group| !group.is_empty())
}

/// What rules added to a key.
pub(super) fn parts(key: &[u8]) -> &[u8] {
    let mut pieces = key.splitn(3, |b| *b == BREAK);
    pieces.nth(2).unwrap_or_default()
}

/// The URL in a key.
pub(crate) fn url(key: &[u8]) -> &[u8] {
    match memchr::memchr(BREAK, key) {
        Some(at) => &key[..at],
        None => key,
    }
}

/// The URL in a key as people write it: without the default port.
pub(super) fn shown(key: &[u8]) -> Cow<'_, [u8]> {
    const SCHEME: &[u8] = b"http://";
    const PORT: &[u8] = b":80";
    let url = url(key);
    let authority = url.strip_prefix(SCHEME).unwrap_or_default();
    let end = memchr::memchr(b'/', authority).unwrap_or(authority.len());
    match authority[..end].strip_suffix(PORT) {
        Some(host) => Cow::Owned([SCHEME, host, &authority[end..]].concat()),
        None => Cow::Borrowed(url),
    }
}

/// Whose what is said under a key is, where an origin speaks of all it has (RFC 9875 section 2.1): its scheme, host and port, and the
/// upstream that answers for it.
pub(super) fn scope(key: &[u8]) -> Vec<u8> {
    let url = url(key);
    let authority = memchr::memmem::find(url, b"://").map_or(0, |at| at + 3);
    let path = url
        .get(authority..)
        .and_then(|rest| memchr::memchr(b'/', rest));
    let end = path.map_or(url.len(), |path| authority + path);
    // Further parts of a key are a request's, not an origin's.
    beside(key, url.get(..end).unwrap_or(url).to_vec())
}

/// The key of another URL in the same partition, without what rules add.
pub(super) fn beside(key: &[u8], mut other: Vec<u8>) -> Vec<u8> {
    if let Some(group) = group(key) {
        other.push(BREAK);
        other.extend_from_slice(group);
    }
    other
}

/// Every key of this one's URL and upstream, whatever rules added to them.
pub(super) fn everywhere(key: &[u8]) -> Vec<Selector> {
    let url = url(key);
    let plain = Bytes::from(beside(key, url.to_vec()));
    if group(key).is_some() {
        return vec![Selector::Url(plain)];
    }
    let mut parted = url.to_vec();
    parted.push(BREAK);
    vec![Selector::Key(plain), Selector::Url(parted.into())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_a_url_and_a_partition() {
        assert_eq!(url(b"http://a:80/x\norigin"), b"http://a:80/x");
        assert_eq!(url(b"http://a:80/x"), b"http://a:80/x");
        assert_eq!(shown(b"http://a:80/x:80\norigin"), &b"http://a/x:80"[..]);
        assert_eq!(shown(b"http://[::1]:80/"), &b"http://[::1]/"[..]);
        assert_eq!(shown(b"http://a:8080/"), &b"http://a:8080/"[..]);
        assert_eq!(shown(b"a:443"), &b"a:443"[..]);
        for (key, parts_of, group_of) in [
            (&b"http://a:80/x"[..], &b""[..], None),
            (b"http://a:80/x\norigin", b"", Some(&b"origin"[..])),
            (
                b"http://a:80/x\norigin\nlang=2:de;",
                b"lang=2:de;",
                Some(b"origin"),
            ),
            (b"http://a:80/x\n\nlang=2:de;", b"lang=2:de;", None),
        ] {
            assert_eq!((parts(key), group(key)), (parts_of, group_of));
            let mut made = key[..key.len() - parts_of.len()].to_vec();
            if !parts_of.is_empty() {
                made.truncate(url(key).len() + group_of.map_or(0, |g| g.len() + 1));
            }
            append_parts(parts_of, &mut made);
            assert_eq!(made, key);
        }
        let other = b"http://a:80/y".to_vec();
        assert_eq!(
            beside(b"http://a:80/x\norigin", other.clone()),
            b"http://a:80/y\norigin"
        );
        assert_eq!(beside(b"http://a:80/x", other.clone()), other);
        assert_eq!(scope(b"http://a:80/x/y?z\norigin"), b"http://a:80\norigin");
        for (key, whose) in [
            (&b"http://a:80/x"[..], &b"http://a:80"[..]),
            (b"http://a:80/\norigin\nlang=2:de;", b"http://a:80\norigin"),
            (b"http://a:80/\n\nlang=2:de;", b"http://a:80"),
        ] {
            assert_eq!(scope(key), whose);
        }
    }
}
