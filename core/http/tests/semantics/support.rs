//! Heads out of text: one `Name: value` a line, so that a case reads like the wire.

use understudy_http::wire::field::Span;
use understudy_http::{FieldSpan, Fields, Name};

pub(crate) const SUN_06_NOV: i64 = 784_111_777;
pub(crate) const SUN: &str = "Sun, 06 Nov 1994 08:49:37 GMT";

pub(crate) struct Head {
    bytes: Vec<u8>,
    table: Vec<FieldSpan>,
}

impl Head {
    pub(crate) fn fields(&self) -> Fields<'_> {
        Fields::new(&self.bytes, &[], &self.table)
    }

    pub(crate) fn push(&mut self, name: &[u8], value: &[u8]) {
        let mut span = |part: &[u8]| {
            let start = self.bytes.len() as u32;
            self.bytes.extend_from_slice(part);
            Span {
                start,
                len: part.len() as u32,
            }
        };
        let (name_span, value_span) = (span(name), span(value));
        self.table.push(FieldSpan {
            id: Name::of(name),
            name: name_span,
            value: value_span,
        });
    }
}

pub(crate) fn empty() -> Head {
    Head {
        bytes: Vec::new(),
        table: Vec::new(),
    }
}

/// A head of these lines; an empty text has none.
pub(crate) fn head(text: &str) -> Head {
    let mut head = empty();
    for line in text.lines() {
        let (name, value) = line.split_once(':').unwrap();
        head.push(name.trim().as_bytes(), value.trim().as_bytes());
    }
    head
}

/// The date of so many seconds since 1970.
pub(crate) fn date(at: i64) -> String {
    String::from_utf8(understudy_http::semantics::date::format(at).to_vec()).unwrap()
}
