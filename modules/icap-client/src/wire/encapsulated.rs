//! The Encapsulated field: where the parts of an answer begin (RFC 3507 section 4.4.1).
//!
//! Invariant: a list that is accepted names at most one HTTP head, at offset 0, and then one body, behind it. Awkward case: offsets
//! that lie, going back or beyond any head there is; they are refused before a byte is taken by them.

use super::{MAX_HTTP_HEAD, Wrong};

/// The parts of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Encapsulated {
    /// Bytes of the HTTP head in front; 0: there is none.
    pub head: usize,
    /// That head is a response's.
    pub response: bool,
    /// A body follows.
    pub body: bool,
}

impl Encapsulated {
    /// Parses the field's value.
    ///
    /// # Errors
    /// When it is not a list of an optional head and a body, in that order, with offsets that fit.
    pub fn parse(value: &[u8]) -> Result<Encapsulated, Wrong> {
        const WRONG: Wrong = Wrong("its Encapsulated field is malformed");
        let text = std::str::from_utf8(value).map_err(|_| WRONG)?;
        let mut found = Encapsulated::default();
        let (mut heads, mut ended) = (0, false);
        for member in text.split(',') {
            let (name, offset) = member.trim().split_once('=').ok_or(WRONG)?;
            if offset.is_empty() || offset.len() > 9 || !offset.bytes().all(|b| b.is_ascii_digit())
            {
                return Err(WRONG);
            }
            let offset: usize = offset.parse().map_err(|_| WRONG)?;
            let name = name.to_ascii_lowercase();
            match name.as_str() {
                _ if ended => return Err(WRONG),
                "req-hdr" | "res-hdr" if heads == 0 && offset == 0 => {
                    heads = 1;
                    found.response = name == "res-hdr";
                }
                "req-body" | "res-body" | "opt-body" | "null-body" => {
                    // Without a head there is nothing the body could be behind.
                    if offset > MAX_HTTP_HEAD || (heads == 0) != (offset == 0) {
                        return Err(Wrong("an offset of its Encapsulated field lies"));
                    }
                    (found.head, found.body, ended) = (offset, name != "null-body", true);
                }
                _ => return Err(WRONG),
            }
        }
        if ended { Ok(found) } else { Err(WRONG) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_taken_or_refused_as_a_whole() {
        let head = |head, response, body| {
            Some(Encapsulated {
                head,
                response,
                body,
            })
        };
        for (text, expected) in [
            ("null-body=0", head(0, false, false)),
            ("opt-body=0", head(0, false, true)),
            ("res-hdr=0, res-body=137", head(137, true, true)),
            ("res-hdr=0,null-body=137", head(137, true, false)),
            ("REQ-HDR=0, req-body=9", head(9, false, true)),
            ("", None),
            ("res-hdr=0", None),
            ("res-hdr=1, res-body=137", None),
            ("res-hdr=0, res-body=0", None),
            ("res-body=5", None),
            ("res-hdr=0, res-hdr=0, res-body=7", None),
            ("res-hdr=0, res-body=-7", None),
            ("res-hdr=0, res-body=+7", None),
            ("res-hdr=0, res-body=99999999", None),
            ("res-hdr=0, res-body=18446744073709551617", None),
            ("null-body=0, res-hdr=0", None),
            ("res-hdr, res-body=1", None),
        ] {
            assert_eq!(
                Encapsulated::parse(text.as_bytes()).ok(),
                expected,
                "{text}"
            );
        }
    }
}
