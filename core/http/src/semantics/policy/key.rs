//! What a policy makes of a key: parameters of the query dropped or put in order, fields of the request and cookies added.
//!
//! Invariant: two requests whose kept parameters, key fields and key cookies differ have different keys, whatever is in
//! them: each part has its length before it.
//! Awkward case: a query without any parameter left. Its `?` goes as well, so that `/x?utm_source=a` and `/x` are one.

use super::{CookieNames, Cookies, NamePattern, Policy, Query};
use crate::wire::hop::Crossing;
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
    let in_list = |list: &[NamePattern], name: &[u8]| list.iter().any(|one| one.matches(name));
    let mut kept: Vec<&[u8]> = query
        .split(|b| *b == b'&')
        .filter(|one| match &policy.query {
            Query::All => true,
            Query::None => false,
            Query::Only(list) => {
                is_ambiguous(one) || in_list(list, name(one)) || in_list(list, base(one))
            }
            Query::Without(list) => one.contains(&b';') || !in_list(list, name(one)),
        })
        .collect();
    if policy.sort_query && !kept.iter().any(|one| is_ambiguous(one)) {
        // Stable: parameters of one name keep their order, which may mean something.
        kept.sort_by_key(|one| base(one));
    }
    for (nth, one) in kept.iter().enumerate() {
        key.push(if nth == 0 { b'?' } else { b'&' });
        key.extend_from_slice(one);
    }
}

/// The name of a parameter, or of a cookie.
fn name(one: &[u8]) -> &[u8] {
    let end = memchr::memchr(b'=', one).unwrap_or(one.len());
    one.get(..end).unwrap_or(one)
}

/// The name without an index: to many origins `a[]` and `a` are one parameter.
fn base(one: &[u8]) -> &[u8] {
    let name = name(one);
    let end = memchr::memchr(b'[', name).unwrap_or(name.len());
    name.get(..end).unwrap_or(name)
}

/// Whether an origin may read another name here than we do: one that is encoded, or a second parameter behind a semicolon. What it
/// may read must stay in the key, or a client could choose what others get.
fn is_ambiguous(one: &[u8]) -> bool {
    one.contains(&b';') || name(one).iter().any(|b| matches!(b, b'%' | b'+'))
}

/// Appends the parts of the key that are no part of the URL: each a name, `-` when the request has no such field or `=` and
/// its lines with their lengths before them (`accept-language=2:de;`), and a semicolon.
pub fn write_parts(policy: &Policy, request: Fields<'_>, out: &mut Vec<u8>) {
    let crossing = match policy.key_fields {
        Some(_) => Crossing::of(request),
        None => Crossing::default(),
    };
    for name in policy.key_fields.iter().flat_map(|names| names.iter()) {
        // What Connection nominates does not reach the origin, so its answer is for those who have no such field.
        let lines = request.find_all(name.as_bytes());
        let crosses = !crossing.is_nominated(name.as_bytes());
        let mut lines = lines.filter(|_| crosses).peekable();
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
            // RFC 6265 section 4.2: `name=value` pairs between semicolons. Their order says nothing, but among those of one name:
            // section 5.4 puts the one of the longer path first, and many origins read that alone.
            let name = |pair: &[u8]| name(pair).trim_ascii().to_vec();
            let mut kept: Vec<&[u8]> = request
                .all(Name::Cookie)
                .flat_map(|line| line.split(|b| *b == b';'))
                .map(<[u8]>::trim_ascii)
                .filter(|pair| list.iter().any(|pattern| pattern.matches(&name(pair))))
                .collect();
            kept.sort_by_key(|pair| name(pair));
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
