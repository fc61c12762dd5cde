//! Via (RFC 9110 section 7.6.3): adding our member, and finding ourselves in it, which is a loop.

use understudy_http::{Fields, Name, Version};

/// Whether a Via member names us as the recipient.
pub(crate) fn names_us(fields: Fields<'_>, pseudonym: &str) -> bool {
    fields.has(Name::Via)
        && fields.list(Name::Via).any(|member| {
            let mut words = member
                .split(|b| b.is_ascii_whitespace())
                .filter(|w| !w.is_empty());
            words
                .nth(1)
                .is_some_and(|by| by.eq_ignore_ascii_case(pseudonym.as_bytes()))
        })
}

/// Appends our member for a message received in this version.
pub(crate) fn write_member(version: Version, pseudonym: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(match version {
        Version::Http10 => b"1.0 ",
        Version::Http11 => b"1.1 ",
    });
    out.extend_from_slice(pseudonym.as_bytes());
}

/// Our member for a message received in this version.
pub(crate) fn member(version: Version, pseudonym: &str) -> Vec<u8> {
    let mut member = Vec::with_capacity(4 + pseudonym.len());
    write_member(version, pseudonym, &mut member);
    member
}
