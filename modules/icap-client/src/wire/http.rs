//! HTTP heads inside of ICAP, and how two of them differ.
//!
//! Invariant: what is written here has no fields of framing or of one connection (RFC 3507 section 4.4.2), but for Content-Length,
//! which tells a service how long the body is going to be. What comes back is not trusted: its lines reach the proxy as edits, which
//! check them.

use super::Wrong;
use understudy_http::Name;
use understudy_module::{Edits, Lines, Refused, words};

/// A start line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Start {
    /// Method and target.
    Request(Vec<u8>, Vec<u8>),
    /// Status.
    Response(u16),
}

/// A head.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The start line.
    pub start: Start,
    /// The field lines: `name: value CRLF` each.
    text: Vec<u8>,
}

/// Whether a field is none of an adapter's business: it speaks of one hop, or of the framing.
fn is_hop(name: &[u8]) -> bool {
    matches!(
        Name::of(name),
        Name::Connection
            | Name::ContentLength
            | Name::Expect
            | Name::KeepAlive
            | Name::ProxyAuthenticate
            | Name::ProxyAuthorization
            | Name::ProxyConnection
            | Name::Te
            | Name::Trailer
            | Name::TransferEncoding
            | Name::Upgrade
    )
}

impl Head {
    /// A head of these lines, those for one hop left out.
    pub fn new<'a>(start: Start, lines: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Head {
        let mut text = Vec::with_capacity(512);
        for (name, value) in lines {
            if !is_hop(name) || Name::of(name) == Name::ContentLength {
                for part in [name, b": ", value, b"\r\n"] {
                    text.extend_from_slice(part);
                }
            }
        }
        Head { start, text }
    }

    /// Parses a whole head.
    ///
    /// # Errors
    /// What is not an HTTP head of this kind.
    pub fn parse(bytes: &[u8], response: bool) -> Result<Head, Wrong> {
        const WRONG: Wrong = Wrong("the HTTP head in its answer is malformed");
        let mut fields = [httparse::EMPTY_HEADER; 256];
        let (start, parsed) = if response {
            let mut head = httparse::Response::new(&mut fields);
            let parsed = head.parse(bytes);
            (head.code.map(Start::Response), parsed)
        } else {
            let mut head = httparse::Request::new(&mut fields);
            let parsed = head.parse(bytes);
            let line = head.method.zip(head.path);
            (
                line.map(|(method, target)| Start::Request(method.into(), target.into())),
                parsed,
            )
        };
        match (parsed, start) {
            (Ok(httparse::Status::Complete(length)), Some(start)) if length == bytes.len() => {
                let lines = fields.iter().take_while(|field| !field.name.is_empty());
                let lines = lines.map(|field| (field.name.as_bytes(), field.value));
                Ok(Head::new(start, lines))
            }
            _ => Err(WRONG),
        }
    }

    /// Writes it, with its empty line.
    pub fn write(&self, out: &mut Vec<u8>) {
        match &self.start {
            Start::Request(method, target) => {
                for part in [method, &b" "[..], target, b" HTTP/1.1\r\n"] {
                    out.extend_from_slice(part);
                }
            }
            Start::Response(status) => {
                let reason = words::status(*status);
                out.extend_from_slice(format!("HTTP/1.1 {status} {reason}\r\n").as_bytes());
            }
        }
        out.extend_from_slice(&self.text);
        out.extend_from_slice(b"\r\n");
    }

    /// Its lines.
    pub fn lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        Lines::Text(&self.text).iter()
    }

    /// Its lines that may be sent on.
    pub fn own_lines(&self) -> impl Iterator<Item = (&[u8], &[u8])> {
        self.lines().filter(|(name, _)| !is_hop(name))
    }

    fn values<'a>(&'a self, name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
        let named = self
            .own_lines()
            .filter(move |(n, _)| n.eq_ignore_ascii_case(name));
        named.map(|(_, value)| value)
    }
}

/// The edits of fields that make one head of another.
///
/// # Errors
/// What the proxy does not take: the adapted head is wrong.
pub fn difference(from: &Head, to: &Head, edits: &mut Edits) -> Result<(), Refused> {
    if from.text == to.text {
        return Ok(());
    }
    for (at, (name, _)) in from.own_lines().enumerate() {
        let first = from
            .own_lines()
            .take(at)
            .all(|(n, _)| !n.eq_ignore_ascii_case(name));
        if first && to.values(name).next().is_none() && Name::of(name) != Name::Host {
            edits.delete(name)?;
        }
    }
    for (at, (name, value)) in to.own_lines().enumerate() {
        let first = to
            .own_lines()
            .take(at)
            .all(|(n, _)| !n.eq_ignore_ascii_case(name));
        if first && !from.values(name).eq(to.values(name)) {
            edits.set(name, value)?;
            for more in to.values(name).skip(1) {
                edits.add(name, more)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn head(lines: &str) -> Head {
        let text = format!("HTTP/1.1 200 OK\r\n{lines}\r\n");
        Head::parse(text.as_bytes(), true).unwrap()
    }

    #[test]
    fn the_difference_is_no_more_than_what_differs() {
        for (from, to, expected) in [
            ("A: 1\r\n", "A: 1\r\n", &[][..]),
            ("A: 1\r\nB: 2\r\n", "B: 2\r\nA: 1\r\n", &[]),
            ("A: 1\r\n", "a: 1\r\n", &[]),
            ("A: 1\r\nA: 2\r\n", "B: 1\r\n", &["delete A", "set B 1"]),
            ("A: 1\r\n", "A: 1\r\nA: 2\r\n", &["set A 1", "add A 2"]),
            (
                "Content-Length: 5\r\n",
                "Content-Length: 9\r\nConnection: close\r\n",
                &[],
            ),
            ("Host: a\r\n", "Via: x\r\n", &["set Via x"]),
        ] {
            let mut edits = Edits::new();
            difference(&head(from), &head(to), &mut edits).unwrap();
            let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
            let told: Vec<String> = edits
                .iter()
                .map(|edit| match edit {
                    understudy_module::Edit::Delete(name) => format!("delete {}", text(name)),
                    understudy_module::Edit::Set(n, v) => format!("set {} {}", text(n), text(v)),
                    understudy_module::Edit::Add(n, v) => format!("add {} {}", text(n), text(v)),
                    other => format!("{other:?}"),
                })
                .collect();
            assert_eq!(told, expected, "{from} to {to}");
        }
    }

    #[test]
    fn a_head_that_is_none_is_refused() {
        for (bytes, response) in [
            ("", true),
            ("HTTP/1.1 200 OK\r\n", true),
            ("HTTP/1.1 200 OK\r\n\r\nmore", true),
            ("HTTP/1.1 OK\r\n\r\n", true),
            ("GET / HTTP/1.1\r\n\r\n", true),
            ("HTTP/1.1 200 OK\r\n\r\n", false),
            ("HTTP/1.1 200 OK\r\nA B: c\r\n\r\n", true),
        ] {
            assert!(Head::parse(bytes.as_bytes(), response).is_err(), "{bytes}");
        }
    }
}
