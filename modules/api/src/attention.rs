//! Which of its hooks a module needs with the options in force, where that is less than [`crate::About`] says.
//!
//! A promise to the proxy by which events need not wait for answers that are known already: in threads and in a child they go ahead of
//! the next event of their transaction, in one crossing with it. Invariant: it never widens what a module hears, and inline nothing
//! changes. Awkward case: a head that is withheld only if a body is behind it; both sides must see the same head the same way, which is
//! what [`has_body`] is for.

use crate::about::{Hook, Hooks};
use crate::edits::Edits;
use crate::event::{Event, Part};
use crate::head::{Head, values};

/// Heads whose body goes its way with them.
const HEADS: Hooks = Hooks::of(&[
    Hook::RequestHead,
    Hook::RequestOut,
    Hook::ResponseHead,
    Hook::ResponseReturn,
]);
/// Heads that can be withheld.
const WITHHELD: Hooks = Hooks::of(&[Hook::RequestHead, Hook::ResponseHead]);

/// What a module promises of its hooks on heads; those of no set are asked as ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attention {
    /// It does nothing there: they are not called, and the body behind such a head passes it by, as after
    /// [`crate::Transaction::skip_body`].
    pub unheard: Hooks,
    /// It only takes note there: it answers `Continue` and edits nothing.
    pub noted: Hooks,
    /// It answers `Continue` there and withholds the head, whenever [`has_body`] says that a body is behind it; and edits nothing.
    pub withheld: Hooks,
}

/// What is to be done with an event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Heed {
    /// The module is to be asked.
    Ask,
    /// It is not called, and the body passes it by.
    Pass,
    /// It is called, and nobody waits for what it says.
    Note,
    /// The same, and the head waits for the body.
    Withhold,
}

impl Attention {
    /// As bits, to be kept in one word.
    pub fn bits(self) -> u64 {
        let low = |hooks: Hooks| u64::from(hooks.bits() & 0xffff);
        low(self.unheard) | low(self.noted) << 16 | low(self.withheld) << 32
    }

    /// Of these bits. Hooks of which nothing can be promised are left out.
    pub fn from_bits(bits: u64) -> Attention {
        let of =
            |shift: u32, may: Hooks| Hooks::from_bits((bits >> shift) as u32 & 0xffff & may.bits());
        Attention {
            unheard: of(0, HEADS),
            noted: of(16, HEADS),
            withheld: of(32, WITHHELD),
        }
    }

    /// What is to be done with this event, of which `edits` were made so far.
    pub fn heed(self, event: &Event<'_>, edits: &Edits) -> Heed {
        let hook = event.hook;
        if self.unheard.has(hook) {
            return Heed::Pass;
        }
        if self.noted.has(hook) {
            return Heed::Note;
        }
        match event.part {
            Part::Head(head) if self.withheld.has(hook) && has_body(event.method, head, edits) => {
                Heed::Withhold
            }
            _ => Heed::Ask,
        }
    }
}

/// Whether a body is behind this head, as a module sees it: a request says so by a length or a coding; an answer has one unless its
/// status, the method of its request or its length says otherwise (RFC 9112 section 6.3).
pub fn has_body(method: &[u8], head: Head<'_>, edits: &Edits) -> bool {
    let first = |name: &[u8]| values(head.lines(), edits, name).first().copied();
    let length = first(b"content-length").and_then(parsed);
    match head {
        Head::Request { .. } => {
            length.is_some_and(|length| length > 0) || first(b"transfer-encoding").is_some()
        }
        Head::Response { status, .. } => {
            method != b"HEAD" && !matches!(status, 204 | 205 | 304) && length != Some(0)
        }
    }
}

fn parsed(length: &[u8]) -> Option<u64> {
    std::str::from_utf8(length).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::head::Lines;

    fn answer(status: u16, lines: &[u8]) -> Head<'_> {
        let lines = Lines::Text(lines);
        Head::Response { status, lines }
    }

    #[test]
    fn what_cannot_be_promised_is_left_out_and_the_rest_is_kept_in_one_word() {
        let all = Hooks::from_bits(u32::MAX);
        let attention = Attention {
            unheard: all,
            noted: all,
            withheld: all,
        };
        let kept = Attention::from_bits(attention.bits());
        assert_eq!((kept.unheard, kept.noted), (HEADS, HEADS));
        assert_eq!(kept.withheld, WITHHELD);
        assert_eq!(Attention::from_bits(u64::MAX), kept);
        assert_eq!(Attention::from_bits(kept.bits()), kept);
        assert_eq!(Attention::from_bits(0), Attention::default());
    }

    #[test]
    fn a_body_is_behind_a_head_unless_the_head_says_otherwise() {
        let none = Edits::new();
        let lines = Lines::Text(b"Content-Length: 0\r\n");
        let target = &b"/"[..];
        assert!(!has_body(b"POST", Head::Request { target, lines }, &none));
        let lines = Lines::Text(b"Transfer-Encoding: chunked\r\n");
        assert!(has_body(b"POST", Head::Request { target, lines }, &none));
        assert!(has_body(b"GET", answer(200, b""), &none));
        assert!(!has_body(b"HEAD", answer(200, b""), &none));
        assert!(!has_body(b"GET", answer(304, b""), &none));
        assert!(!has_body(
            b"GET",
            answer(200, b"Content-Length: 0\r\n"),
            &none
        ));
    }
}
