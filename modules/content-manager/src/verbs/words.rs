//! The words of a request: names of objects, beginnings of names, times, bodies.
//!
//! Invariant: each is checked when it is read, so none that exists is wrong. Awkward case: the name of an object behind a reverse
//! listener has a second line, the part of the cache it is in, which a line of words writes as `\n`, as lists do; JSON
//! and sitemaps have no such words.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::Deserialize;
use understudy_http::semantics::date;
use understudy_module::{Bytes, ObjectId};

/// The name of an object, as its URL.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Name(pub ObjectId);

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(text: String) -> Result<Name, String> {
        let (url, part) = text.split_once('\n').unwrap_or((&text, ""));
        // A fragment is the reader's own: no request has one.
        let whole = url.split('#').next().unwrap_or(url);
        let object = ObjectId::of_url(whole).ok_or_else(|| {
            format!("{url:?} is no URL; write one such as http://www.example.org/path")
        })?;
        if !object.key().starts_with(b"http://") {
            return Err(format!("{url:?}: only what http URLs name is stored here"));
        }
        Ok(Name(match part {
            "" => object,
            part => ObjectId::of_key(&[object.key(), b"\n", part.as_bytes()].concat()),
        }))
    }
}

/// What a person reads and writes for a key: a line's end as `\n`, and so `\` as `\\`, which a URL may have.
pub fn url_of(key: &[u8]) -> String {
    let text = String::from_utf8_lossy(key);
    text.replace('\\', r"\\").replace('\n', r"\n")
}

/// The same the other way. What is written otherwise is as it is.
pub(super) fn written(text: &str) -> String {
    let (mut out, mut chars) = (String::with_capacity(text.len()), text.chars().peekable());
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' if chars.next_if_eq(&'n').is_some() => '\n',
            '\\' => {
                chars.next_if_eq(&'\\');
                '\\'
            }
            c => c,
        });
    }
    out
}

/// How names begin.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "String")]
pub struct Prefix(pub Bytes);

impl TryFrom<String> for Prefix {
    type Error = String;

    fn try_from(text: String) -> Result<Prefix, String> {
        if matches!(&*text, "" | "*" | "http://") {
            return Ok(Prefix::default());
        }
        let name = Name::try_from(text).map_err(|why| {
            format!("{why}; a prefix reaches to the end of the host at least, and * is all")
        })?;
        Ok(Prefix(Bytes::copy_from_slice(name.0.key())))
    }
}

/// A time: so many seconds from now, or a date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "Number")]
#[allow(missing_docs)]
pub enum When {
    In(i64),
    At(i64),
}

/// As JSON may have it.
#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Seconds(i64),
    Text(String),
}

impl TryFrom<Number> for When {
    type Error = String;

    fn try_from(number: Number) -> Result<When, String> {
        match number {
            Number::Seconds(seconds) => Ok(When::In(seconds)),
            Number::Text(text) => When::try_from(text),
        }
    }
}

impl TryFrom<String> for When {
    type Error = String;

    fn try_from(text: String) -> Result<When, String> {
        if let Ok(seconds) = text.parse() {
            return Ok(When::In(seconds));
        }
        date::parse(text.as_bytes()).map(When::At).ok_or_else(|| {
            format!(
                "{text:?} is no time; write the seconds from now, such as 3600 or -1, or a date such as \"Sun, 06 Nov 2033 08:49:37 GMT\""
            )
        })
    }
}

impl When {
    /// In seconds since 1970.
    pub fn at(self, now: i64) -> i64 {
        match self {
            When::In(seconds) => now.saturating_add(seconds),
            When::At(at) => at,
        }
    }
}

/// A body: in JSON a string, or `{"base64": "..."}`.
#[derive(Debug, Clone, PartialEq, Eq, Default, Deserialize)]
#[serde(try_from = "Written")]
pub struct Body(pub Bytes);

#[derive(Deserialize)]
#[serde(untagged)]
enum Written {
    Text(String),
    Coded { base64: String },
}

impl TryFrom<Written> for Body {
    type Error = String;

    fn try_from(written: Written) -> Result<Body, String> {
        Ok(Body(match written {
            Written::Text(text) => text.into(),
            Written::Coded { base64 } => {
                let bytes = STANDARD.decode(base64);
                bytes.map_err(|why| format!("base64: {why}"))?.into()
            }
        }))
    }
}

impl Body {
    /// As JSON.
    pub fn json(bytes: &[u8]) -> serde_json::Value {
        match std::str::from_utf8(bytes) {
            Ok(text) => text.into(),
            Err(_) => serde_json::json!({ "base64": STANDARD.encode(bytes) }),
        }
    }
}
