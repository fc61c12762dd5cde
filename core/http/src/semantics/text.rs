//! The few pieces of field-value grammar that several rules share: list members, optional white space, delta-seconds.
//!
//! Awkward case: a quote that is opened and never closed. It counts as an ordinary byte, so that
//! `no-cache="x, no-store` cannot hide what stands behind the comma.

/// The largest delta-seconds value; greater ones count as this (RFC 9111 section 1.2.2).
pub(super) const DELTA_MAX: u32 = 1 << 31;

/// Without the spaces and tabs at both ends (OWS, RFC 9110 section 5.6.3).
pub(super) fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// The members of one field line, trimmed, empty ones included: an empty line has one empty member.
/// Commas within quoted strings do not separate (RFC 9110 sections 5.6.1 and 5.6.4).
pub(super) fn members(line: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(line);
    std::iter::from_fn(move || {
        let line = rest?;
        let end = member_end(line);
        rest = line.get(end + 1..);
        line.get(..end).map(trim)
    })
}

/// Where the first member of a line ends: at a comma outside quoted strings, or at the end of the line.
fn member_end(line: &[u8]) -> usize {
    let mut at = 0;
    while let Some(step) = line
        .get(at..)
        .and_then(|rest| memchr::memchr2(b',', b'"', rest))
    {
        at += step;
        if line.get(at) == Some(&b',') {
            return at;
        }
        at = quoted_end(line, at).unwrap_or(at + 1);
    }
    line.len()
}

/// One past the quote that closes the quoted string opened at `at`; `None` when nothing closes it.
fn quoted_end(line: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match line.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// `1*DIGIT`, saturating at [`DELTA_MAX`]; `None` for anything else, a sign included (RFC 9111 section 1.2.2).
pub(super) fn delta_seconds(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    let mut seconds: u32 = 0;
    for byte in digits {
        if !byte.is_ascii_digit() {
            return None;
        }
        seconds = seconds
            .saturating_mul(10)
            .saturating_add(u32::from(byte - b'0'))
            .min(DELTA_MAX);
    }
    Some(seconds)
}

/// Whether these bytes are a token (RFC 9110 section 5.6.2).
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&b| is_tchar(b))
}

/// Whether this byte may stand in a token (RFC 9110 section 5.6.2).
pub(super) fn is_tchar(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}
