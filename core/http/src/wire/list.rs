//! Members of one comma-separated field value (RFC 9110 section 5.6.1).
//!
//! Invariant: a comma within a quoted string does not divide, and a backslash there hides the byte after it.
//! Awkward case: a quoted string that never ends takes the rest of the value as one member.

/// The members of one value, trimmed, empty ones skipped.
pub(crate) fn members(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(value);
    std::iter::from_fn(move || {
        while let Some(current) = rest {
            let (member, after) = split(current);
            rest = after;
            let member = trim(member);
            if !member.is_empty() {
                return Some(member);
            }
        }
        None
    })
}

/// The bytes before the first dividing comma, and what follows it.
fn split(value: &[u8]) -> (&[u8], Option<&[u8]>) {
    let (mut quoted, mut escaped) = (false, false);
    for (at, &byte) in value.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b',' if !quoted => return (&value[..at], value.get(at + 1..)),
            _ => {}
        }
    }
    (value, None)
}

/// Without the optional white space (SP, HTAB) at either end.
pub(crate) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}
