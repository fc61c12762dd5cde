//! The line that a helper is asked with: words of the operator's, and what is known of the request.
//!
//! Invariant: a line has no line feed and no control character, and what a client sent is one word in it: bytes that are not printable
//! ASCII, spaces and `%` are percent-encoded. Awkward case: a line longer than [`MAX_LINE`] is not asked at all.

use std::fmt::Write;
use understudy_module::{Edits, Transaction};

/// Most bytes of a line.
const MAX_LINE: usize = 16 * 1024;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Client,
    Host,
    Url,
    /// The field of this number.
    Field(usize),
}

/// A line with gaps.
#[derive(Debug)]
pub(crate) struct Template {
    parts: Vec<Part>,
    fields: Vec<String>,
}

impl Template {
    /// Of words and `{client}`, `{host}`, `{url}`, `{field:NAME}`.
    ///
    /// # Errors
    /// A sentence about the first gap that is none of these.
    pub(crate) fn of(text: &str) -> Result<Template, String> {
        if text.chars().any(char::is_control) {
            return Err("option `ask`: it is one line, without control characters".to_owned());
        }
        let (mut parts, mut fields) = (Vec::new(), Vec::new());
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('{') {
            parts.push(Part::Text(before.to_owned()));
            let Some((name, behind)) = behind.split_once('}') else {
                return Err("option `ask`: a { without }".to_owned());
            };
            parts.push(match (name, name.strip_prefix("field:")) {
                ("client", _) => Part::Client,
                ("host", _) => Part::Host,
                ("url", _) => Part::Url,
                (_, Some(field)) if Edits::new().set(field.as_bytes(), b"").is_ok() => {
                    fields.push(field.to_ascii_lowercase());
                    Part::Field(fields.len() - 1)
                }
                _ => {
                    return Err(format!(
                        "option `ask`: {{{name}}} is none of {{client}}, {{host}}, {{url}}, {{field:NAME}}"
                    ));
                }
            });
            rest = behind;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Template { parts, fields })
    }

    /// The fields of the request that it takes.
    pub(crate) fn fields(&self) -> &[String] {
        &self.fields
    }

    /// Whether it takes the client's address.
    pub(crate) fn names_client(&self) -> bool {
        self.parts.contains(&Part::Client)
    }

    /// The line for a transaction. `fields`: the values of [`Template::fields`].
    pub(crate) fn line(&self, tx: &Transaction<'_>, fields: &[Vec<u8>]) -> Option<String> {
        let (scheme, host, path) = parts(tx.url());
        let mut line = String::new();
        for part in &self.parts {
            match part {
                Part::Text(text) => line.push_str(text),
                // The address alone: the port says nothing of who it is.
                Part::Client => write!(line, "{}", tx.client().ip().to_canonical()).ok()?,
                Part::Host => word(&mut line, host),
                Part::Url => word(&mut line, &[scheme, host, path].concat()),
                Part::Field(number) => word(
                    &mut line,
                    fields.get(*number).map_or(b"", |value| &value[..]),
                ),
            }
        }
        (line.len() <= MAX_LINE).then_some(line)
    }
}

/// Scheme, authority and the rest of a URL. The port that goes without saying is in the cache's keys, and not told.
fn parts(url: &[u8]) -> (&[u8], &[u8], &[u8]) {
    let slash = |text: &[u8]| text.iter().position(|byte| *byte == b'/');
    let start = slash(url).map_or(url.len(), |at| (at + 2).min(url.len()));
    let (scheme, rest) = url.split_at(start);
    let (host, path) = rest.split_at(slash(rest).unwrap_or(rest.len()));
    let plain = match scheme {
        b"http://" => host.strip_suffix(b":80"),
        b"https://" => host.strip_suffix(b":443"),
        _ => None,
    };
    (scheme, plain.unwrap_or(host), path)
}

/// One word; `-` when there is nothing, so that words can be counted.
fn word(line: &mut String, bytes: &[u8]) {
    if bytes.is_empty() {
        line.push('-');
    }
    for byte in bytes {
        match byte {
            b'%' => line.push_str("%25"),
            0x21..=0x7e => line.push(char::from(*byte)),
            // Writing to a string does not fail.
            _ => drop(write!(line, "%{byte:02X}")),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_word_holds_nothing_that_ends_it() {
        for (bytes, expected) in [
            (&b"Mozilla/5.0 (X)"[..], "Mozilla/5.0%20(X)"),
            (b"a%20b", "a%2520b"),
            (b"\r\n\t\x00\xff", "%0D%0A%09%00%FF"),
            (b"", "-"),
        ] {
            let mut line = String::new();
            word(&mut line, bytes);
            assert_eq!(line, expected);
        }
    }

    #[test]
    fn the_port_that_goes_without_saying_is_not_told() {
        for (url, expected) in [
            ("http://a:80/b/c:80", "http://,a,/b/c:80"),
            ("https://a:443/", "https://,a,/"),
            ("http://a:443/", "http://,a:443,/"),
            ("http://[::1]:80/", "http://,[::1],/"),
            ("a", "a,,"),
            ("", ",,"),
            ("/", "/,,"),
        ] {
            let (scheme, host, path) = parts(url.as_bytes());
            let all = [scheme, host, path].map(|part| std::str::from_utf8(part).unwrap());
            assert_eq!(all.join(","), expected);
        }
    }

    #[test]
    fn templates_are_refused_that_name_what_there_is_not() {
        for (text, why) in [
            ("{ip}", "{ip}"),
            ("{client", "without }"),
            ("{field:a b}", "{field:a b}"),
            ("a\nb", "one line"),
        ] {
            let refused = Template::of(text).unwrap_err();
            assert!(refused.contains(why), "{refused}");
        }
        let made = Template::of("go {field:X-Kind} {url}").unwrap();
        assert_eq!(made.fields(), ["x-kind"]);
    }
}
