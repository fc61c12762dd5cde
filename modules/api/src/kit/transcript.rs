//! What became of a transaction: everything that can be seen of a module from outside.
//!
//! Invariant: two transcripts of one case are equal byte for byte, whatever the chunking, the stage and the other transactions. So
//! pieces of a body are folded into one, a body in which the module failed is left out (how much of it was given away before
//! depends on its pieces), and hooks are compared up to the body in which the module was done (how many pieces that took depends on
//! them too; what it then makes of the rest has to be the same), and again from `free` on. The transaction's id, which is another each time, is written as `ID`.

use crate::about::Hook;

/// A message as the hooks left it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Message {
    /// Method and target, or the status.
    pub start: String,
    /// The field lines.
    pub lines: Vec<(Vec<u8>, Vec<u8>)>,
    /// The body; `None`: there is none, or it was cut.
    pub body: Option<Vec<u8>>,
}

impl Message {
    /// The values of a field, in order.
    pub fn values(&self, name: &str) -> Vec<&[u8]> {
        self.lines
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name.as_bytes()))
            .map(|(_, value)| &**value)
            .collect()
    }

    fn head(&self) -> Vec<u8> {
        let mut text = self.start.clone().into_bytes();
        text.push(b'\n');
        for (name, value) in &self.lines {
            text.extend_from_slice(name);
            text.extend_from_slice(b": ");
            text.extend_from_slice(value);
            text.push(b'\n');
        }
        text
    }
}

/// What became of a transaction.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    /// The hooks in order, the calls for the pieces of one body as one, with the verdict where it is not about a piece. `free` stands where
    /// the module itself heard it; what came behind that, which is nothing, stands there as well.
    pub hooks: Vec<(Hook, &'static str)>,
    /// The request's head as `request_head` left it.
    pub request: Option<Message>,
    /// The request as the origin gets it.
    pub forwarded: Option<Message>,
    /// The addresses to dial, where `resolve` was called.
    pub addresses: Vec<String>,
    /// The answer as it is stored.
    pub stored: Option<Message>,
    /// What `response_head` says of storing.
    pub storing: Vec<String>,
    /// The answer as the client gets it.
    pub returned: Option<Message>,
    /// What was injected into it. Where it lands among the body's pieces is a matter of time and not compared.
    pub injected: Vec<u8>,
    /// Words for the access log, in order.
    pub notes: Vec<(Vec<u8>, Vec<u8>)>,
    /// The word for the failure that ended the module's part.
    pub failure: Option<String>,
    /// Its reason, for people; not compared.
    pub why: String,
}

impl Transcript {
    /// What is compared, part by part.
    pub fn sections(&self) -> Vec<(&'static str, Vec<u8>)> {
        self.sections_with(usize::MAX)
    }

    /// The same, of the hooks those up to the body of this place.
    fn sections_with(&self, until: usize) -> Vec<(&'static str, Vec<u8>)> {
        let mut all = Vec::new();
        let hooks: Vec<String> = self
            .hooks
            .iter()
            .take(until.saturating_add(1))
            .enumerate()
            .map(|(at, (hook, verdict))| match *verdict {
                _ if at == until => hook.name().to_owned(),
                "" => hook.name().to_owned(),
                verdict => format!("{} {verdict}", hook.name()),
            })
            .collect();
        all.push(("order of hooks", hooks.join(", ").into_bytes()));
        let end = self
            .hooks
            .iter()
            .skip_while(|(hook, _)| *hook != Hook::Free);
        let end: Vec<&str> = end.map(|(hook, _)| hook.name()).collect();
        all.push(("end", end.join(", ").into_bytes()));
        for (head, body, message) in [
            ("request", "body", &self.request),
            ("forwarded request", "forwarded body", &self.forwarded),
            ("stored answer", "stored body", &self.stored),
            ("returned answer", "returned body", &self.returned),
        ] {
            if let Some(message) = message {
                all.push((head, message.head()));
                if let Some(bytes) = &message.body {
                    all.push((body, bytes.clone()));
                }
            }
        }
        all.push(("addresses", self.addresses.join(" ").into_bytes()));
        all.push(("storing", self.storing.join(" ").into_bytes()));
        all.push(("injected bytes", self.injected.clone()));
        let mut notes = Vec::new();
        for (name, value) in &self.notes {
            notes.extend_from_slice(name);
            notes.push(b'=');
            notes.extend_from_slice(value);
            notes.push(b'\n');
        }
        all.push(("notes", notes));
        let failure = self.failure.clone().unwrap_or_default();
        all.push(("failure", failure.into_bytes()));
        all
    }

    /// The first difference, in words; `None` when they are equal. `self` is what was expected.
    pub fn difference(&self, other: &Transcript) -> Option<String> {
        let done = |of: &Transcript| {
            let mut hooks = of.hooks.iter();
            hooks.position(|(hook, verdict)| hook.is_body() && *verdict == "done")
        };
        let until = done(self).into_iter().chain(done(other)).min();
        let until = until.unwrap_or(usize::MAX);
        let (expected, found) = (self.sections_with(until), other.sections_with(until));
        for (name, bytes) in &expected {
            match found.iter().find(|(n, _)| n == name) {
                None => return Some(format!("there is no {name}{}", other.reason())),
                Some((_, others)) if others != bytes => {
                    return Some(format!(
                        "{name}: {}{}",
                        first_difference(bytes, others),
                        other.reason()
                    ));
                }
                Some(_) => {}
            }
        }
        let more = found
            .iter()
            .find(|(name, _)| expected.iter().all(|(n, _)| n != name))?;
        Some(format!("there is a {} that should not be", more.0))
    }

    fn reason(&self) -> String {
        match &self.failure {
            Some(word) => format!(" (the module failed: {word}: {})", self.why),
            None => String::new(),
        }
    }

    /// Writes `ID` in place of the transaction's id.
    pub(crate) fn forget_id(&mut self, id: u64) {
        let forms = [id.to_string(), format!("{id:x}"), format!("{id:X}")];
        let messages = [
            &mut self.request,
            &mut self.forwarded,
            &mut self.stored,
            &mut self.returned,
        ];
        let clean = |bytes: &mut Vec<u8>| {
            for form in &forms {
                replace(bytes, form.as_bytes());
            }
        };
        for message in messages.into_iter().flatten() {
            message.lines.iter_mut().for_each(|(_, value)| clean(value));
            if let Some(body) = &mut message.body {
                clean(body);
            }
        }
        self.notes.iter_mut().for_each(|(_, value)| clean(value));
        clean(&mut self.injected);
    }
}

fn replace(bytes: &mut Vec<u8>, what: &[u8]) {
    while let Some(at) = bytes.windows(what.len()).position(|window| window == what) {
        bytes.splice(at..at + what.len(), *b"ID");
    }
}

fn first_difference(expected: &[u8], found: &[u8]) -> String {
    let at = expected
        .iter()
        .zip(found)
        .take_while(|(a, b)| a == b)
        .count();
    format!(
        "at byte {at} (of {}, against {}) expected `{}`, found `{}`",
        expected.len(),
        found.len(),
        excerpt(expected, at),
        excerpt(found, at)
    )
}

/// Some bytes around a place.
pub(crate) fn excerpt(bytes: &[u8], at: usize) -> String {
    let (from, to) = (at.saturating_sub(24), (at + 40).min(bytes.len()));
    let text = bytes.get(from..to).unwrap_or_default().escape_ascii();
    let before = if from > 0 { "..." } else { "" };
    let behind = if to < bytes.len() { "..." } else { "" };
    format!("{before}{text}{behind}")
}
