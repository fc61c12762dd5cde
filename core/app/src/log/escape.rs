//! Bytes from outside, made harmless for a line of a log.
//!
//! Invariant: what is written holds no line end, no control character and no invalid UTF-8; in the native line no blank and no quote either.

/// Writes `bytes` so that they are one field of a native line: blanks, controls, quotes and bytes above ASCII as `%HH`; `-` when empty.
pub(crate) fn field(bytes: &[u8], out: &mut Vec<u8>) {
    if bytes.is_empty() {
        out.push(b'-');
        return;
    }
    for &b in bytes {
        match b {
            // RFC 3986 section 2: what cannot stand in a URI as itself. A percent sign is left: it is an escape already.
            0..=b' '
            | b'"'
            | b'\''
            | b'<'
            | b'>'
            | b'\\'
            | b'^'
            | b'`'
            | b'{'
            | b'|'
            | b'}'
            | 0x7f.. => percent(b, out),
            _ => out.push(b),
        }
    }
}

/// Writes `bytes` as a JSON string with its quotes; bytes that are not UTF-8 as `%HH`.
pub(crate) fn json(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    for chunk in bytes.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '"' => out.extend_from_slice(b"\\\""),
                '\\' => out.extend_from_slice(b"\\\\"),
                // Line separators and controls of every kind: some readers take them for line ends.
                c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                    out.extend_from_slice(b"\\u");
                    let code = c as u32;
                    for shift in [12, 8, 4, 0] {
                        out.push(hex((code >> shift) as u8 & 15));
                    }
                }
                c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        for &b in chunk.invalid() {
            percent(b, out);
        }
    }
    out.push(b'"');
}

/// Writes a whole number, padded on the left to `width`.
pub(crate) fn number(n: u64, width: usize, pad: u8, out: &mut Vec<u8>) {
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(n);
    out.extend(std::iter::repeat_n(pad, width.saturating_sub(digits.len())));
    out.extend_from_slice(digits.as_bytes());
}

fn percent(b: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&[b'%', hex(b >> 4), hex(b & 15)]);
}

fn hex(n: u8) -> u8 {
    if n < 10 { b'0' + n } else { b'A' + n - 10 }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{field, json};
    use proptest::prelude::*;

    fn fielded(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        field(bytes, &mut out);
        String::from_utf8(out).unwrap()
    }

    fn jsoned(bytes: &[u8]) -> String {
        let mut out = Vec::new();
        json(bytes, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_field_holds_no_blank_quote_or_line_end() {
        let cases: [(&[u8], &str); 7] = [
            (b"", "-"),
            (b"http://a/b?c=%20d~[x]#y", "http://a/b?c=%20d~[x]#y"),
            (b"a b\tc", "a%20b%09c"),
            (
                b"a\r\n1700000000.000 0 forged",
                "a%0D%0A1700000000.000%200%20forged",
            ),
            (b"\"'<>\\", "%22%27%3C%3E%5C"),
            ("ü".as_bytes(), "%C3%BC"),
            (b"\xff\x00\x7f", "%FF%00%7F"),
        ];
        for (bytes, want) in cases {
            assert_eq!(fielded(bytes), want);
        }
    }

    #[test]
    fn json_strings_are_escaped() {
        let cases: [(&[u8], &str); 6] = [
            (b"", "\"\""),
            (b"say \"hi\" \\ ", r#""say \"hi\" \\ ""#),
            (b"a\r\nb\x1b[31m\x7f", r#""a\u000D\u000Ab\u001B[31m\u007F""#),
            ("ü \u{2028}\u{85}".as_bytes(), "\"ü \\u2028\\u0085\""),
            (b"a\xffb\xc3", "\"a%FFb%C3\""),
            ("🎭".as_bytes(), "\"🎭\""),
        ];
        for (bytes, want) in cases {
            assert_eq!(jsoned(bytes), want);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_make_one_field(bytes: Vec<u8>) {
            let text = fielded(&bytes);
            prop_assert!(!text.is_empty() && text.bytes().all(|b| b.is_ascii_graphic() && b != b'"'));
        }

        #[test]
        fn any_bytes_make_a_json_string(bytes: Vec<u8>) {
            let text = jsoned(&bytes);
            prop_assert!(!text.contains(char::is_control));
            serde_json::from_str::<String>(&text).unwrap();
        }

        #[test]
        fn text_in_json_reads_back(text: String) {
            prop_assert_eq!(serde_json::from_str::<String>(&jsoned(text.as_bytes())).unwrap(), text);
        }
    }
}
