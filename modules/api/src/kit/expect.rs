//! What a case expects beside equality.

use crate::kit::transcript::{Message, Transcript, excerpt};
use std::collections::BTreeMap;

/// What is expected of a transaction; what is not said is not looked at.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Expect {
    /// The hooks called, in order, those for the pieces of one body as one.
    pub hooks: Option<Vec<String>>,
    /// The verdict of a hook that is not about pieces, by the hook's name.
    pub verdict: BTreeMap<String, String>,
    /// The word of the failure; `none`: it must not fail. Unsaid, it must not fail either.
    pub failure: Option<String>,
    /// The request's head as `request_head` left it.
    pub request: ExpectMessage,
    /// The request as the origin gets it.
    pub forwarded: ExpectMessage,
    /// The answer as it is stored.
    pub stored: ExpectMessage,
    /// The answer as the client gets it.
    pub returned: ExpectMessage,
    /// Bytes injected into the answer.
    pub injected: Option<Vec<u8>>,
    /// Notes for the access log.
    pub notes: BTreeMap<String, String>,
}

/// What is expected of a message.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExpectMessage {
    /// The status.
    pub status: Option<u16>,
    /// The target.
    pub target: Option<String>,
    /// Fields that are there once, with this value.
    pub fields: BTreeMap<String, String>,
    /// Fields that are not there.
    pub absent: Vec<String>,
    /// The body.
    pub body: Option<Vec<u8>>,
}

impl Expect {
    /// What is not as expected, in words.
    pub fn unmet(&self, of: &Transcript) -> Vec<String> {
        let mut unmet = Vec::new();
        let expected = self.failure.as_deref().unwrap_or("none");
        let found = of.failure.as_deref().unwrap_or("none");
        if expected != found {
            let why = if of.why.is_empty() {
                String::new()
            } else {
                format!(" ({})", of.why)
            };
            unmet.push(format!(
                "expected failure `{expected}`, found `{found}`{why}"
            ));
        }
        let hooks: Vec<&str> = of.hooks.iter().map(|(hook, _)| hook.name()).collect();
        if let Some(expected) = &self.hooks
            && *expected != hooks
        {
            let (expected, found) = (expected.join(" "), hooks.join(" "));
            unmet.push(format!("expected hooks `{expected}`, found `{found}`"));
        }
        for (hook, expected) in &self.verdict {
            let found = of.hooks.iter().find(|(h, _)| h.name() == hook);
            let found = found.map_or("was not called", |(_, verdict)| verdict);
            if found != expected {
                unmet.push(format!(
                    "{hook}: expected verdict `{expected}`, found `{found}`"
                ));
            }
        }
        for (name, expected, found) in [
            ("request", &self.request, &of.request),
            ("forwarded", &self.forwarded, &of.forwarded),
            ("stored", &self.stored, &of.stored),
            ("returned", &self.returned, &of.returned),
        ] {
            expected.look(name, found.as_ref(), &mut unmet);
        }
        if let Some(expected) = &self.injected {
            bytes("injected", expected, Some(&of.injected), &mut unmet);
        }
        for (name, expected) in &self.notes {
            let line = (name.as_bytes().to_vec(), expected.as_bytes().to_vec());
            if !of.notes.contains(&line) {
                unmet.push(format!("there is no note {name}={expected}"));
            }
        }
        unmet
    }
}

impl ExpectMessage {
    fn look(&self, name: &str, found: Option<&Message>, unmet: &mut Vec<String>) {
        if *self == ExpectMessage::default() {
            return;
        }
        let Some(found) = found else {
            unmet.push(format!("{name}: there is none"));
            return;
        };
        let mut words = found.start.split(' ');
        let first = words.next().unwrap_or_default();
        if let Some(status) = self.status
            && first != status.to_string()
        {
            unmet.push(format!("{name}: expected status {status}, found {first}"));
        }
        let target = words.next().unwrap_or_default();
        if let Some(expected) = &self.target
            && target != expected
        {
            unmet.push(format!(
                "{name}: expected target {expected}, found {target}"
            ));
        }
        for (field, expected) in &self.fields {
            let values = found.values(field);
            if values != [expected.as_bytes()] {
                let values: Vec<String> = values
                    .iter()
                    .map(|value| value.escape_ascii().to_string())
                    .collect();
                unmet.push(format!(
                    "{name}: expected `{field}: {expected}` once, found {values:?}"
                ));
            }
        }
        for field in &self.absent {
            if !found.values(field).is_empty() {
                unmet.push(format!("{name}: there should be no `{field}`"));
            }
        }
        if let Some(expected) = &self.body {
            bytes(
                &format!("{name} body"),
                expected,
                found.body.as_ref(),
                unmet,
            );
        }
    }
}

fn bytes(name: &str, expected: &[u8], found: Option<&Vec<u8>>, unmet: &mut Vec<String>) {
    let Some(found) = found else {
        unmet.push(format!("{name}: there is none"));
        return;
    };
    if found != expected {
        let at = expected
            .iter()
            .zip(found)
            .take_while(|(a, b)| a == b)
            .count();
        unmet.push(format!(
            "{name}: at byte {at} expected `{}`, found `{}`",
            excerpt(expected, at),
            excerpt(found, at)
        ));
    }
}
