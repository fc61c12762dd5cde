//! What a request tells: for people as text, for programs as JSON.
//!
//! Invariant: text for people does nothing to a terminal, whatever an origin put into a field or a body, unless raw bytes were asked for.

use super::{Body, url_of};
use serde_json::{Map, Value, json};
use std::borrow::Cow;
use std::fmt::Write;
use understudy_module::{Bytes, ObjectId, ObjectInfo, Response};

/// Something that is told.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs)]
pub enum Told {
    /// It is stored, like this.
    Found(ObjectInfo),
    /// It is not stored.
    Absent,
    /// It is done; how that is said.
    Done(&'static str),
    Fetched {
        status: u16,
        stored: bool,
    },
    /// Status and fields of what is read; its body follows in pieces.
    Head(Box<Response>),
    /// A piece of a body, as text for people.
    Piece(Bytes),
    /// A piece of a body, as it is.
    Raw(Bytes),
    /// The body goes on, but no more of it was wanted.
    Cut,
    Listed(ObjectId, ObjectInfo),
    /// There is more behind this one.
    Next(ObjectId),
    Figures(Vec<(String, u64)>),
    /// An injection with this number has begun, or ended.
    Begun(u64),
    Ended(u64),
    /// Of a preloading: how many are through, and of these those that are stored, that came and are not, that failed.
    Progress {
        done: u64,
        stored: u64,
        passed: u64,
        failed: u64,
        over: bool,
    },
    /// One of many failed.
    Trouble(String, String),
    /// It failed.
    Failed(String),
}

/// Text that does nothing to a terminal: what is no text, and all that controls one but line feed and tab, is written as `\x1b`.
pub fn visible(bytes: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(bytes);
    let controls = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
    if !text.contains(controls) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if controls(c) {
            // Writing to a string does not fail.
            let _ = write!(out, "\\x{:02x}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out.into()
}

fn info(info: &ObjectInfo) -> String {
    let kind = info.content_type.as_deref().unwrap_or("-");
    let kind = visible(kind.as_bytes());
    let (status, length, age, ttl) = (info.status, info.length, info.age, info.ttl);
    format!("{status} {length} bytes, {kind}, age {age} s, ttl {ttl} s")
}

impl Told {
    /// For people.
    pub fn text(&self) -> Cow<'_, [u8]> {
        let line = |text: String| Cow::Owned((text + "\n").into_bytes());
        match self {
            Told::Found(object) => line(format!("stored: {}", info(object))),
            Told::Absent => line("not stored".to_owned()),
            Told::Done(what) => line((*what).to_owned()),
            Told::Fetched { status: 304, .. } => line("fetched: 304, still good".to_owned()),
            Told::Fetched {
                status,
                stored: true,
            } => line(format!("fetched: {status}, stored")),
            Told::Fetched { status, .. } => line(format!("fetched: {status}, not stored")),
            Told::Head(head) => {
                let mut text = format!("{}\n", head.status());
                for (name, value) in head.fields() {
                    let _ = writeln!(text, "{}: {}", visible(name), visible(value));
                }
                line(text)
            }
            Told::Piece(bytes) => match visible(bytes) {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            },
            Told::Raw(bytes) => Cow::Borrowed(bytes),
            Told::Cut => line("\n-- there is more: say how many BYTES, or all".to_owned()),
            Told::Listed(object, of) => line(format!(
                "{} {}",
                visible(url_of(object.key()).as_bytes()),
                info(of)
            )),
            Told::Next(object) => {
                let url = url_of(object.key());
                let url = visible(url.as_bytes());
                // A URL may have a quotation mark (RFC 3986 section 2.2).
                let quoted = match url.contains('\'') {
                    true => shlex::try_quote(&url).unwrap_or_default(),
                    false => format!("'{url}'").into(),
                };
                line(format!("-- there is more: list PREFIX COUNT {quoted}"))
            }
            Told::Figures(figures) => {
                let figure = |(name, value): &(String, u64)| format!("{name:<16} {value}");
                let lines: Vec<String> = figures.iter().map(figure).collect();
                line(lines.join("\n"))
            }
            Told::Begun(number) => line(format!(
                "injection {number} has begun: inject-part {number} BYTES, then inject-done {number}"
            )),
            Told::Ended(_) => Cow::Borrowed(b""),
            Told::Progress {
                done,
                stored,
                passed,
                failed,
                over,
            } => line(format!(
                "{}{done} done: {stored} stored, {passed} not stored, {failed} failed",
                if *over { "preloaded: " } else { "" }
            )),
            Told::Trouble(url, why) => line(format!(
                "{}: {}",
                visible(url.as_bytes()),
                visible(why.as_bytes())
            )),
            Told::Failed(why) => line(format!("failed: {}", visible(why.as_bytes()))),
        }
    }
}

/// Most failures of single URLs that are told in JSON.
const MOST_TROUBLES: usize = 1000;

/// What was told, for programs: one document.
#[derive(Debug, Default)]
pub struct Collected {
    fields: Map<String, Value>,
    body: Vec<u8>,
    has_body: bool,
    objects: Vec<Value>,
    troubles: Vec<Value>,
}

fn described(info: &ObjectInfo) -> Map<String, Value> {
    let (status, length, age, ttl) = (info.status, info.length, info.age, info.ttl);
    let mut fields = Map::new();
    fields.insert("status".to_owned(), status.into());
    fields.insert("length".to_owned(), length.into());
    fields.insert("age".to_owned(), age.into());
    fields.insert("ttl".to_owned(), ttl.into());
    fields.insert("type".to_owned(), info.content_type.clone().into());
    fields
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

impl Collected {
    fn set(&mut self, name: &str, value: impl Into<Value>) {
        self.fields.insert(name.to_owned(), value.into());
    }

    fn outcome(&mut self, outcome: &str) {
        self.set("outcome", outcome);
    }

    /// One more.
    pub fn add(&mut self, told: Told) {
        match told {
            Told::Found(object) => {
                self.outcome("found");
                self.fields.extend(described(&object));
            }
            Told::Absent => self.outcome("absent"),
            Told::Done(_) => self.outcome("done"),
            Told::Fetched { status, stored } => {
                self.outcome("fetched");
                self.set("status", status);
                self.set("stored", stored);
            }
            Told::Head(head) => {
                self.outcome("found");
                self.set("status", head.status());
                let pair = |(name, value): &(Vec<u8>, Vec<u8>)| json!([text(name), text(value)]);
                let fields: Vec<Value> = head.fields().iter().map(pair).collect();
                self.set("fields", fields);
                self.has_body = true;
            }
            Told::Piece(bytes) | Told::Raw(bytes) => self.body.extend_from_slice(&bytes),
            Told::Cut => self.set("cut", true),
            Told::Listed(object, info) => {
                let mut one = described(&info);
                one.insert("url".to_owned(), text(object.key()).into());
                self.objects.push(one.into());
            }
            Told::Next(object) => self.set("next", text(object.key())),
            Told::Figures(figures) => {
                let figure = |(name, value): (String, u64)| (name, Value::from(value));
                let figures: Map<_, _> = figures.into_iter().map(figure).collect();
                self.outcome("done");
                self.set("statistics", figures);
            }
            Told::Begun(number) => {
                self.outcome("done");
                self.set("number", number);
            }
            Told::Ended(_) | Told::Progress { over: false, .. } => {}
            Told::Progress {
                done,
                stored,
                passed,
                failed,
                ..
            } => {
                self.outcome("done");
                for (name, count) in [
                    ("done", done),
                    ("stored", stored),
                    ("not_stored", passed),
                    ("failed", failed),
                ] {
                    self.set(name, count);
                }
            }
            Told::Trouble(url, why) => {
                if self.troubles.len() < MOST_TROUBLES {
                    self.troubles.push(json!({ "url": url, "why": why }));
                }
            }
            Told::Failed(why) => {
                self.outcome("failed");
                self.set("why", why);
            }
        }
    }

    /// The document, with its `outcome`: `done`, `found`, `absent`, `fetched` or `failed`.
    pub fn document(mut self) -> Map<String, Value> {
        if self.has_body {
            let body = Body::json(&self.body);
            self.set("body", body);
        }
        if !self.fields.contains_key("outcome") {
            self.outcome("done");
            let objects = std::mem::take(&mut self.objects);
            self.set("objects", objects);
        }
        if !self.troubles.is_empty() {
            let troubles = std::mem::take(&mut self.troubles);
            self.set("troubles", troubles);
        }
        self.fields
    }
}
