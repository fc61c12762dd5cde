//! What a policy makes of a key: parameters of the query dropped or put in order, fields of the request and cookies added.
//!
//! Invariant: two requests whose kept parameters, key fields and key cookies differ have different keys, whatever is in
//! them: each part has its length before it.
//! Awkward case: a query without any parameter left. Its `?` goes as well, so that `/x?utm_source=a` and `/x` are one.

use super::{CookieNames, Cookies, NamePattern, Policy, Query};
use crate::{Fields, Name};

/// Rewrites the query at the end of `key`, which must be a URL still.
pub fn rewrite_query(policy: &Policy, key: &mut Vec<u8>) {
    if policy.query == Query::All && !policy.sort_query {
        return;
    }
    let Some(at) = memchr::memchr(b'?', key) else {
        return;
    };
    let query = key.split_off(at);
    let query = query.get(1..).unwrap_or_default();
    let named = |one: &[u8]| {
        let end = memchr::memchr(b'=', one).unwrap_or(one.len());
        one.get(..end).unwrap_or(one).to_vec()
    };
    let in_list = |list: &[NamePattern], one: &[u8]| {
        let name = named(one);
        list.iter().any(|pattern| pattern.matches(&name))
    };
    // Many origins read `;` as `&`. What would be dropped as one parameter could hold another there, which the key would not know.
    let several = |one: &[u8]| memchr::memchr(b';', one).is_some();
    let mut kept: Vec<&[u8]> = query
        .split(|b| *b == b'&')
        .filter(|one| match &policy.query {
            Query::All => true,
            Query::None => false,
            Query::Only(list) => several(one) || in_list(list, one),
            Query::Without(list) => several(one) || !in_list(list, one),
        })
        .collect();
    if policy.sort_query {
        // Stable: parameters of one name keep their order, which may mean something.
        kept.sort_by_key(|one| named(one));
    }
    for (nth, one) in kept.iter().enumerate() {
        key.push(if nth == 0 { b'?' } else { b'&' });
        key.extend_from_slice(one);
    }
}

/// Appends the parts of the key that are no part of the URL: each a name, `-` when the request has no such field or `=` and
/// its lines with their lengths before them (`accept-language=2:de;`), and a semicolon.
pub fn write_parts(policy: &Policy, request: Fields<'_>, out: &mut Vec<u8>) {
    for name in policy.key_fields.iter().flat_map(|names| names.iter()) {
        let mut lines = request.find_all(name.as_bytes()).peekable();
        out.extend_from_slice(name.as_bytes());
        // Absent differs from empty.
        out.push(if lines.peek().is_some() { b'=' } else { b'-' });
        for line in lines {
            sized(line, out);
        }
        out.push(b';');
    }
    if let Cookies::Key(names) = &policy.cookies {
        out.extend_from_slice(b"cookie=");
        write_cookies(names, request, out);
        out.push(b';');
    }
}

fn write_cookies(names: &CookieNames, request: Fields<'_>, out: &mut Vec<u8>) {
    match names {
        CookieNames::All => request.all(Name::Cookie).for_each(|line| sized(line, out)),
        CookieNames::Named(list) => {
            // RFC 6265 section 4.2: `name=value` pairs between semicolons. Their order says nothing.
            let mut kept: Vec<&[u8]> = request
                .all(Name::Cookie)
                .flat_map(|line| line.split(|b| *b == b';'))
                .map(<[u8]>::trim_ascii)
                .filter(|pair| {
                    let end = memchr::memchr(b'=', pair).unwrap_or(pair.len());
                    let name = pair.get(..end).unwrap_or(pair).trim_ascii();
                    list.iter().any(|pattern| pattern.matches(name))
                })
                .collect();
            kept.sort_unstable();
            if !kept.is_empty() {
                sized(&kept.join(&b"; "[..]), out);
            }
        }
    }
}

fn sized(part: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(part.len()).as_bytes());
    out.push(b':');
    out.extend_from_slice(part);
}

/// The field lines that [`write_parts`] wrote, so that a request can be made that has the same key; `None` for what it never writes.
pub fn read_parts(mut parts: &[u8]) -> Option<Vec<(&[u8], &[u8])>> {
    let mut lines = Vec::new();
    while !parts.is_empty() {
        let end = memchr::memchr2(b'=', b';', parts)?;
        let (mut name, rest) = parts.split_at_checked(end)?;
        if let Some(absent) = name.strip_suffix(b"-")
            && rest.starts_with(b";")
        {
            name = absent;
        }
        parts = rest.strip_prefix(b"=").unwrap_or(rest);
        while !parts.starts_with(b";") {
            let colon = memchr::memchr(b':', parts)?;
            let digits = std::str::from_utf8(parts.get(..colon)?).ok()?;
            let (value, rest) = parts
                .get(colon + 1..)?
                .split_at_checked(digits.parse().ok()?)?;
            lines.push((name, value));
            parts = rest;
        }
        parts = parts.get(1..)?;
    }
    Some(lines)
}
