//! The primary cache key: scheme, host, port, path and query, normalised (RFC 9110 section 4.2.3). Never without host and port.
//!
//! Invariant: `scheme://host:port/...` with a lower-case host and a port always written; what differs in it differs as a key.
//! Awkward case: paths are kept as the client wrote them (percent-encoding, dot segments), since the origin sees them so;
//! only references in a response ([`resolve`]) lose their dot segments, as the client that follows them removes those.

use crate::wire::target::{Authority, Scheme};

/// Writes the key `scheme://host:port/path?query` into `out` (emptied first): host lower-cased, default port written out, fragment dropped, empty path as `/`.
pub fn write_key(scheme: Scheme, authority: Authority<'_>, path: &[u8], out: &mut Vec<u8>) {
    // `https://`, `:65535` and a `/` besides host and path.
    out.clear();
    out.reserve(authority.host.len() + path.len() + 15);
    out.extend_from_slice(match scheme {
        Scheme::Http => b"http://",
        Scheme::Https => b"https://",
    });
    let host = out.len();
    out.extend_from_slice(authority.host);
    if let Some(host) = out.get_mut(host..) {
        host.make_ascii_lowercase();
    }
    match (authority.port, scheme) {
        (None | Some(80), Scheme::Http) => out.extend_from_slice(b":80"),
        (None | Some(443), Scheme::Https) => out.extend_from_slice(b":443"),
        (port, _) => {
            out.push(b':');
            let port = port.unwrap_or(scheme.default_port());
            out.extend_from_slice(itoa::Buffer::new().format(port).as_bytes());
        }
    }
    // Covers the empty path and `?query` alone (RFC 9110 section 4.2.3: an empty path is `/`).
    if path.first() != Some(&b'/') {
        out.push(b'/');
    }
    let end = memchr::memchr(b'#', path).unwrap_or(path.len());
    out.extend_from_slice(path.get(..end).unwrap_or(path));
}

/// Whether two keys have the same origin: scheme, host and port (RFC 9111 section 4.4).
pub fn same_origin(a: &[u8], b: &[u8]) -> bool {
    match (origin(a), origin(b)) {
        (Some(a), Some(b)) => a == b,
        _ => false,
    }
}

/// The key a Location or Content-Location value names, resolved against `base` (a key); `None` when it is malformed or of another scheme.
/// (RFC 3986 section 5.2; the scheme must be that of `base`, as only then can the origin be the same.)
pub fn resolve(base: &[u8], reference: &[u8]) -> Option<Vec<u8>> {
    let origin = origin(base)?;
    let (scheme, scheme_name) = match base.starts_with(b"https:") {
        true => (Scheme::Https, b"https".as_slice()),
        false => (Scheme::Http, b"http".as_slice()),
    };
    // No byte outside these is part of a URI; a URI that needs repair is not repaired.
    if !reference.iter().all(|b| (0x21..=0x7e).contains(b)) {
        return None;
    }
    let reference = before(reference, b'#');

    // Section 5.2.2, a reference with a scheme. Without an authority it is no http URI (RFC 9110 section 4.2.1).
    let after_scheme = match reference
        .iter()
        .position(|b| matches!(b, b':' | b'/' | b'?'))
    {
        Some(at) if reference.get(at) == Some(&b':') => {
            // A relative path whose first segment holds a colon is malformed (section 4.2), so this is a scheme or nothing.
            if !reference.get(..at)?.eq_ignore_ascii_case(scheme_name)
                || !reference.get(at + 1..)?.starts_with(b"//")
            {
                return None;
            }
            reference.get(at + 1..)?
        }
        _ => reference,
    };

    let mut key = Vec::new();
    // A reference with an authority.
    if let Some(rest) = after_scheme.strip_prefix(b"//") {
        let end = rest
            .iter()
            .position(|b| matches!(b, b'/' | b'?'))
            .unwrap_or(rest.len());
        let (authority, path) = rest.split_at_checked(end)?;
        let authority = Authority::parse(authority).ok()?;
        write_key(scheme, authority, &without_dots(path), &mut key);
        return Some(key);
    }
    key.extend_from_slice(origin);
    let base = base.get(origin.len()..)?;
    match reference.first() {
        // The same document, with its query.
        None => key.extend_from_slice(base),
        // The same path with another query.
        Some(b'?') => {
            key.extend_from_slice(before(base, b'?'));
            key.extend_from_slice(reference);
        }
        // A path from the root.
        Some(b'/') => key.extend_from_slice(&without_dots(reference)),
        // A path from the base's last slash (section 5.2.3).
        Some(_) => {
            let path = before(base, b'?');
            let slash = memchr::memrchr(b'/', path)?;
            let mut merged = path.get(..=slash)?.to_vec();
            merged.extend_from_slice(reference);
            key.extend_from_slice(&without_dots(&merged));
        }
    }
    Some(key)
}

/// `scheme://host:port` of a key.
fn origin(key: &[u8]) -> Option<&[u8]> {
    let start = if key.starts_with(b"http://") {
        7
    } else if key.starts_with(b"https://") {
        8
    } else {
        return None;
    };
    match memchr::memchr(b'/', key.get(start..)?)? {
        0 => None,
        len => key.get(..start + len),
    }
}

/// What stands before the first `stop`, or everything.
fn before(bytes: &[u8], stop: u8) -> &[u8] {
    memchr::memchr(stop, bytes)
        .and_then(|at| bytes.get(..at))
        .unwrap_or(bytes)
}

/// Removes the dot segments of a path, and keeps the query behind it (RFC 3986 section 5.2.4).
fn without_dots(path_and_query: &[u8]) -> Vec<u8> {
    let path = before(path_and_query, b'?');
    let mut out: Vec<u8> = Vec::with_capacity(path_and_query.len());
    if let Some(relative) = path.strip_prefix(b"/") {
        let mut segments = relative.split(|&b| b == b'/').peekable();
        while let Some(segment) = segments.next() {
            match segment {
                b"." | b".." => {
                    if segment == b".." {
                        out.truncate(memchr::memrchr(b'/', &out).unwrap_or(0));
                    }
                    // A dot segment at the end leaves the slash before it.
                    if segments.peek().is_none() {
                        out.push(b'/');
                    }
                }
                _ => {
                    out.push(b'/');
                    out.extend_from_slice(segment);
                }
            }
        }
    }
    out.extend_from_slice(path_and_query.get(path.len()..).unwrap_or_default());
    out
}
