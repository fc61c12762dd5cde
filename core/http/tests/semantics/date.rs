//! HTTP dates: cases in tables, one RFC rule a test.

use crate::support::{SUN, SUN_06_NOV};
use understudy_http::semantics::date::{LAST, format, parse};

fn check(text: &str, expected: Option<i64>) {
    assert_eq!(parse(text.as_bytes()), expected, "{text:?}");
}

#[test]
fn all_three_forms_say_the_same() {
    check(SUN, Some(SUN_06_NOV));
    check("Sunday, 06-Nov-94 08:49:37 GMT", Some(SUN_06_NOV));
    check("Sun Nov  6 08:49:37 1994", Some(SUN_06_NOV));
    check("Wed Nov 16 08:49:37 1994", Some(SUN_06_NOV + 10 * 86400));
}

#[test]
fn case_does_not_count() {
    for text in [
        "Sun, 06 Nov 1994 08:49:37 gmt",
        "Sun, 06 Nov 1994 08:49:37 gMT",
        "sun, 06 nov 1994 08:49:37 GMT",
        "SUN, 06 NOV 1994 08:49:37 GMT",
        "SUN, 06 Nov 1994 08:49:37 GMT",
        "sUNDAY, 06-nOV-94 08:49:37 Gmt",
        "SUN NOV  6 08:49:37 1994",
    ] {
        check(text, Some(SUN_06_NOV));
    }
}

#[test]
fn a_wrong_day_of_the_week_beside_a_full_date_does_not_count() {
    check("Mon, 06 Nov 1994 08:49:37 GMT", Some(SUN_06_NOV));
    check("mon, 06 NOV 1994 08:49:37 gmt", Some(SUN_06_NOV));
    check("Sat Nov  6 08:49:37 1994", Some(SUN_06_NOV));
}

#[test]
fn the_bounds_of_what_a_date_says() {
    check("Thu, 01 Jan 1970 00:00:00 GMT", Some(0));
    check("Fri, 31 Dec 9999 23:59:59 GMT", Some(LAST));
    check("Wed, 31 Dec 1969 23:59:59 GMT", None);
    check("Tue, 29 Feb 2000 00:00:00 GMT", Some(951_782_400));
    check("Thu, 29 Feb 2024 12:00:00 GMT", Some(1_709_208_000));
}

#[test]
fn years_of_two_digits_lie_between_1970_and_2069() {
    check("Thursday, 01-Jan-70 00:00:00 GMT", Some(0));
    check("Thursday, 01-Jan-26 00:00:00 GMT", Some(1_767_225_600));
    check("Wednesday, 01-Jan-26 00:00:00 GMT", None);
}

#[test]
fn what_is_malformed_is_no_date() {
    for text in [
        "",
        "0",
        "-1",
        "now",
        "784111777",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 UTC",
        "Sun, 06 Nov 1994 08:49:37 +0000",
        "SUN, 06 NOV 1994 08:49:37 utc",
        "Mod, 06 Nov 1994 08:49:37 GMT",
        "Monday, 06 Nov 1994 08:49:37 GMT",
        "Monday, 06-Nov-94 08:49:37 GMT",
        "Sun, 6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 94 08:49:37 GMT",
        "Sun, 06-Nov-1994 08:49:37 GMT",
        "Sun 06 Nov 1994 08:49:37 GMT",
        "Sun,  06 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 8:49:37 GMT",
        "Sun, 06 Nov 1994 08:49 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:60:00 GMT",
        "Sun, 06 Nov 1994 08:49:60 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT ",
        " Sun, 06 Nov 1994 08:49:37 GMT",
        "\tSun, 06 Nov 1994 08:49:37 GMT",
        "\"Sun, 06 Nov 1994 08:49:37 GMT\"",
        "Sun, 06 Nov 1994 08:49:37 GMT; length=10",
        "Sun, 06 Nov 1994 08:49:37 GMT, Sun, 06 Nov 1994 08:49:37 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
        "Thu, 31 Jun 1994 08:49:37 GMT",
        "Wed, 29 Feb 2023 00:00:00 GMT",
        "Sun, 06 Foo 1994 08:49:37 GMT",
        "06 Nov 1994 08:49:37 GMT",
        "1994-11-06T08:49:37Z",
        "Sun Nov 06 08:49:37 1994 GMT",
        "Sun Nov 6 08:49:37 1994",
        "S\u{fc}n, 06 Nov 1994 08:49:37 GMT",
    ] {
        check(text, None);
    }
}

#[test]
fn a_time_is_written_as_an_imf_fixdate() {
    assert_eq!(&format(SUN_06_NOV), SUN.as_bytes());
    assert_eq!(&format(0), b"Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(&format(LAST), b"Fri, 31 Dec 9999 23:59:59 GMT");
}

#[test]
fn a_time_no_date_can_say_is_written_as_the_bound() {
    assert_eq!(format(-1), format(0));
    assert_eq!(format(i64::MIN), format(0));
    assert_eq!(format(LAST + 1), format(LAST));
    assert_eq!(format(i64::MAX), format(LAST));
}
