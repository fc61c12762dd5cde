//! Edits applied to the heads of a case, as the proxy applies them before it writes a head.

use crate::edits::{Edit, Edits};
use crate::head::{self, Lines};
use crate::kit::transcript::Message;
use bytes::Bytes;
use understudy_http::ResponseHead;

/// A head under way: text that hooks look at, edited between them.
#[derive(Debug, Clone, Default)]
pub(crate) struct HeadText {
    /// The target, where it is a request's.
    pub(crate) target: String,
    /// The status, where it is a response's.
    pub(crate) status: u16,
    /// The field lines.
    pub(crate) lines: Vec<u8>,
}

impl HeadText {
    /// Applies the edits of one hook.
    pub(crate) fn apply(&mut self, edits: &Edits) {
        let mut lines = Vec::with_capacity(self.lines.len());
        for (name, value) in head::all(Lines::Text(&self.lines), edits) {
            write(&mut lines, name, value);
        }
        self.lines = lines;
        for edit in edits.iter() {
            match edit {
                Edit::Target(target) => self.set_target(&String::from_utf8_lossy(target)),
                Edit::Status(status) => self.status = status,
                _ => {}
            }
        }
    }

    /// A path asked for instead stays at the same host.
    fn set_target(&mut self, target: &str) {
        if !target.starts_with('/') {
            target.clone_into(&mut self.target);
            return;
        }
        let path = self.target.len() - path(&self.target).len();
        self.target.truncate(path);
        self.target.push_str(target);
    }

    /// The field lines in a parsed head's table; whose head it is makes no difference to a table.
    pub(crate) fn table(&self) -> Option<ResponseHead<Bytes>> {
        let mut head = ResponseHead::new(200, b"");
        for (name, value) in Lines::Text(&self.lines).iter() {
            head.append(name, value).ok()?;
        }
        Some(head)
    }

    /// The body behind it may have any length: its length is not told.
    pub(crate) fn forget_length(&mut self) {
        let mut edits = Vec::with_capacity(self.lines.len());
        for (name, value) in Lines::Text(&self.lines).iter() {
            if !name.eq_ignore_ascii_case(b"content-length") {
                write(&mut edits, name, value);
            }
        }
        self.lines = edits;
    }

    /// As a message of the transcript, without body.
    pub(crate) fn message(&self, start: String) -> Message {
        Message {
            start,
            lines: Lines::Text(&self.lines)
                .iter()
                .map(|(name, value)| (name.to_vec(), value.to_vec()))
                .collect(),
            body: None,
        }
    }

    /// The value of a field, as text.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        Lines::Text(&self.lines)
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| String::from_utf8_lossy(value).into_owned())
    }
}

fn write(lines: &mut Vec<u8>, name: &[u8], value: &[u8]) {
    for part in [name, b": ", value, b"\r\n"] {
        lines.extend_from_slice(part);
    }
}

/// The path of a target, with its query.
pub(crate) fn path(target: &str) -> &str {
    match target.find("://") {
        Some(at) => match target[at + 3..].find('/') {
            Some(slash) => &target[at + 3 + slash..],
            None => "",
        },
        None => target,
    }
}

/// Host and port of a URL.
pub(crate) fn authority(url: &str) -> (&str, u16) {
    let (port, rest) = match url.split_once("://") {
        Some(("https", rest)) => (443, rest),
        Some((_, rest)) => (80, rest),
        None => (443, url),
    };
    let authority = rest.split('/').next().unwrap_or_default();
    match authority.rsplit_once(':') {
        Some((host, number)) if !number.ends_with(']') => (host, number.parse().unwrap_or(port)),
        _ => (authority, port),
    }
}
