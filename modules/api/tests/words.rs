//! The words of the extended log format.

use understudy_module::words;

#[test]
fn a_status_code_has_its_reason_phrase() {
    for (code, phrase) in [
        (200, "OK"),
        (304, "Not Modified"),
        (404, "Not Found"),
        (413, "Content Too Large"),
        (504, "Gateway Timeout"),
        (299, ""),
        (0, ""),
        (u16::MAX, ""),
    ] {
        assert_eq!(words::status(code), phrase, "{code}");
    }
}
