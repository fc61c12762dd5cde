//! A text as bytes of the page's encoding.
//!
//! Invariant: what comes out means the same in the page as the text did. Awkward case: characters the encoding has not, or an encoding
//! that nobody told. They become references (`&#8364;`), which HTML reads in every encoding, but not within a script or a style: a text
//! that has one is left out then.

use encoding_rs::Encoding;
use std::borrow::Cow;

/// The text in this encoding, which is compatible with ASCII; `None` when it cannot be told.
pub(crate) fn encode<'t>(
    text: &'t str,
    encoding: Option<&'static Encoding>,
) -> Option<Cow<'t, [u8]>> {
    if text.is_ascii() {
        return Some(Cow::Borrowed(text.as_bytes()));
    }
    let (bytes, references) = match encoding {
        Some(encoding) => {
            let (bytes, _, references) = encoding.encode(text);
            (bytes, references)
        }
        None => (Cow::Owned(referred(text).into_bytes()), true),
    };
    (!references || !has_raw_text(text)).then_some(bytes)
}

/// With references for whatever is not ASCII.
fn referred(text: &str) -> String {
    let mut out = String::with_capacity(text.len() * 2);
    for char in text.chars() {
        if char.is_ascii() {
            out.push(char);
        } else {
            out.push_str(&format!("&#{};", u32::from(char)));
        }
    }
    out
}

/// Whether it may hold an element in which references mean nothing.
fn has_raw_text(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    [
        "<script",
        "<style",
        "<xmp",
        "<iframe",
        "<noembed",
        "<noframes",
        "<noscript",
        "<plaintext",
        "<!--",
    ]
    .iter()
    .any(|tag| lower.contains(tag))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn a_text_is_told_in_the_pages_encoding_or_by_references_or_not_at_all() {
        let label = |label: &str| Encoding::for_label(label.as_bytes());
        for (text, encoding, expected) in [
            ("<b>x</b>", None, Some(&b"<b>x</b>"[..])),
            ("é", label("utf-8"), Some(b"\xc3\xa9")),
            ("é", label("iso-8859-1"), Some(b"\xe9")),
            ("Жо", label("koi8-r"), Some(b"\xf6\xcf")),
            ("日本", label("shift_jis"), Some(b"\x93\xfa\x96\x7b")),
            ("Ж", label("latin1"), Some(b"&#1046;")),
            ("é", None, Some(b"&#233;")),
            (
                "<script>'é'</script>",
                label("latin1"),
                Some(b"<script>'\xe9'</script>"),
            ),
            ("<SCRIPT>'Ж'</SCRIPT>", label("latin1"), None),
            ("<style>é</style>", None, None),
        ] {
            assert_eq!(
                encode(text, encoding).as_deref(),
                expected,
                "{text} {encoding:?}"
            );
        }
    }
}
