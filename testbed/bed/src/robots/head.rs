//! What an answer's head says, as far as robots and oracle ask: parsed once, kept small.
//!
//! Awkward case: a field that comes twice where it may come once is remembered as doubled, and its first value counts.

use super::answer::Problem;
use crate::oracle::{Claims, Coding};
use std::hash::{DefaultHasher, Hash, Hasher};

/// How the body's end is told (RFC 9112 6.3).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) enum Framing {
    /// By Content-Length.
    Length(u64),
    /// By chunks.
    Chunked,
    /// By the connection's end.
    #[default]
    Close,
}

/// A strong entity tag, told from others by a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Tag(u64);

impl Tag {
    /// Of this field's value; none if it is weak.
    pub(crate) fn of(value: &[u8]) -> Option<Self> {
        let mut hasher = DefaultHasher::new();
        value.hash(&mut hasher);
        (!value.starts_with(b"W/")).then(|| Self(hasher.finish()))
    }
}

/// A head.
#[derive(Debug, Clone, Default)]
pub(crate) struct Head {
    /// The status.
    pub(crate) status: u16,
    /// How the body ends.
    pub(crate) framing: Framing,
    /// Whether the connection can be used again.
    pub(crate) keep: bool,
    /// What the oracle judges.
    pub(crate) claims: Claims,
    /// Content-Encoding; a second one makes it another.
    pub(crate) coding: Coding,
    /// ETag, if it is strong.
    pub(crate) tag: Option<Tag>,
}

impl Head {
    /// What this head says.
    ///
    /// # Errors
    /// The framing contradicts itself: nobody can tell where the body ends.
    pub(crate) fn of(answer: &httparse::Response<'_, '_>) -> Result<Self, Problem> {
        let mut claims = Claims::default();
        let (mut length, mut chunked) = (None, false);
        let (mut coding, mut tag) = (Coding::Plain, None);
        let mut tagged = false;
        // RFC 9112 9.3: HTTP/1.1 stays open unless it says otherwise, HTTP/1.0 the reverse.
        let (mut close, mut keep_alive) = (false, false);
        for field in answer.headers.iter() {
            let (name, value) = (field.name, field.value);
            if name.eq_ignore_ascii_case("content-length") {
                let number = content_length(value)?;
                if length.is_some_and(|before| before != number) {
                    return Err("two Content-Lengths that differ");
                }
                claims.doubled |= length.is_some();
                length = Some(number);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                if chunked || !value.eq_ignore_ascii_case(b"chunked") {
                    return Err("a Transfer-Encoding that is not chunked");
                }
                chunked = true;
            } else if name.eq_ignore_ascii_case("connection") {
                close |= has_token(value, "close");
                keep_alive |= has_token(value, "keep-alive");
            } else if name.eq_ignore_ascii_case("content-encoding") {
                coding = match coding {
                    Coding::Plain => Coding::of(value),
                    _ => Coding::Other,
                };
            } else if name.eq_ignore_ascii_case("etag") {
                match tagged {
                    true => claims.doubled = true,
                    false => tag = Tag::of(value),
                }
                tagged = true;
            } else {
                claims.field(name, value);
            }
        }
        if chunked && length.is_some() {
            return Err("both Content-Length and Transfer-Encoding");
        }
        if chunked && answer.version == Some(0) {
            return Err("Transfer-Encoding in HTTP/1.0");
        }
        claims.length = length;
        let framing = match length {
            _ if chunked => Framing::Chunked,
            Some(length) => Framing::Length(length),
            None => Framing::Close,
        };
        Ok(Self {
            status: answer.code.unwrap_or(0),
            framing,
            keep: if answer.version == Some(1) {
                !close
            } else {
                keep_alive && !close
            },
            claims,
            coding,
            tag,
        })
    }
}

/// Digits alone (RFC 9110 8.6): no sign, no list.
fn content_length(value: &[u8]) -> Result<u64, Problem> {
    const BAD: Problem = "a Content-Length that is no number";
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(BAD);
    }
    let text = std::str::from_utf8(value).map_err(|_| BAD)?;
    text.parse().map_err(|_| BAD)
}

/// Whether a list has this word.
fn has_token(value: &[u8], token: &str) -> bool {
    value
        .split(|&b| b == b',')
        .any(|part| part.trim_ascii().eq_ignore_ascii_case(token.as_bytes()))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn head(fields: &str) -> Head {
        let text = format!("HTTP/1.1 200 OK\r\n{fields}\r\n");
        let mut headers = [httparse::EMPTY_HEADER; 8];
        let mut answer = httparse::Response::new(&mut headers);
        assert!(answer.parse(text.as_bytes()).unwrap().is_complete());
        Head::of(&answer).unwrap()
    }

    #[test]
    fn a_tag_that_comes_twice_is_doubled_and_the_first_one_counts() {
        for (fields, doubled, tag) in [
            ("Server: a\r\n", false, None),
            ("ETag: \"a\"\r\n", false, Tag::of(b"\"a\"")),
            ("ETag: W/\"a\"\r\n", false, None),
            ("ETag: \"a\"\r\netag: \"b\"\r\n", true, Tag::of(b"\"a\"")),
            ("ETag: W/\"a\"\r\nETag: \"a\"\r\n", true, None),
        ] {
            let head = head(fields);
            assert_eq!((head.claims.doubled, head.tag), (doubled, tag), "{fields}");
        }
    }
}
