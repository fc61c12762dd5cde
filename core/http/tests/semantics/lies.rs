//! What lies, repeats itself, overflows or jumps: each row of the table of docs/caching.md has its cases here, and none is missing.

use crate::support::{SUN_06_NOV as NOW, date, head};
use understudy_http::semantics::cache_control::ResponseDirectives;
use understudy_http::semantics::freshness::{Freshness, Heuristic};

const MAX: i64 = 1 << 31;

/// Cases of one row: the response's lines, and the freshness left on arrival. `@5` stands for the date 5 seconds later.
type Row = (&'static str, &'static [(&'static str, i64)]);

const ROWS: &[Row] = &[
    (
        "a time that is missing, negative, a fraction, in single quotes, with a letter",
        &[
            ("Cache-Control: max-age", 0),
            ("Cache-Control: max-age=", 0),
            ("Cache-Control: max-age=\"\"", 0),
            ("Cache-Control: max-age=-60", 0),
            ("Cache-Control: max-age=60.0", 0),
            ("Cache-Control: max-age=60.5", 0),
            ("Cache-Control: max-age='60'", 0),
            ("Cache-Control: max-age=60s", 0),
            ("Cache-Control: max-age=s60", 0),
            ("Cache-Control: max-age=0x60", 0),
            ("Cache-Control: max-age=6 0", 0),
            ("Cache-Control: s-maxage=x, max-age=60", 0),
        ],
    ),
    (
        "a time beyond 2^31, however long",
        &[
            ("Cache-Control: max-age=2147483647", MAX - 1),
            ("Cache-Control: max-age=2147483648", MAX),
            ("Cache-Control: max-age=4294967297", MAX),
            ("Cache-Control: max-age=18446744073709551617", MAX),
            (
                "Cache-Control: max-age=00000000000000000000000000000000000000060",
                60,
            ),
            ("Expires: Fri, 31 Dec 9999 23:59:59 GMT", MAX),
        ],
    ),
    (
        "a directive given twice",
        &[
            ("Cache-Control: max-age=60, max-age=30", 30),
            ("Cache-Control: max-age=30, max-age=60", 30),
            ("Cache-Control: max-age=60\nCache-Control: max-age=30", 30),
            ("Cache-Control: max-age=60, max-age", 0),
            ("Cache-Control: s-maxage=90, max-age=5, s-maxage=60", 60),
        ],
    ),
    (
        "`max-age=\"60\"`, `MAX-AGE = 60`",
        &[
            ("Cache-Control: max-age=\"60\"", 60),
            ("Cache-Control: MAX-AGE = 60", 60),
            ("Cache-Control: max-age =60", 60),
            ("Cache-Control: max-age= 60", 60),
            ("Cache-Control:\tmax-age=60\t,", 60),
        ],
    ),
    (
        "a comma in a quoted argument",
        &[
            ("Cache-Control: x=\"a, max-age=5\", max-age=60", 60),
            ("Cache-Control: x=\"a\\\", max-age=5\", max-age=60", 60),
            ("Cache-Control: x=\"a, max-age=5, max-age=60", 5),
        ],
    ),
    (
        "an unknown directive",
        &[
            ("Cache-Control: foo, max-age=60, bar=1, =, =2, ,", 60),
            (
                "Cache-Control: maxage=5, max_age=5, xmax-age=5, max-age=60",
                60,
            ),
        ],
    ),
    (
        "`public=1`, `immutable=x`",
        &[("Cache-Control: public=1, immutable=x, max-age=60", 60)],
    ),
    (
        "`no-store=1`",
        &[("Cache-Control: no-store=1, max-age=60", 60)],
    ),
    (
        "an Expires that is no date, or several",
        &[
            ("Expires: 0", 0),
            ("Expires: -1", 0),
            ("Expires: never", 0),
            ("Expires:", 0),
            ("Expires: @60\nExpires: @30", 30),
            ("Expires: @60\nExpires: soon", 0),
            ("Expires: @-60", 0),
            ("Expires: 0\nCache-Control: max-age=60", 60),
        ],
    ),
    (
        "a date in the wrong case, or with a wrong day of the week",
        &[
            ("Expires: sun, 06 NOV 1994 08:50:37 gmt", 60),
            ("Expires: Mon, 06 Nov 1994 08:50:37 GMT", 60),
            ("Expires: Fri Nov  6 08:50:37 1994", 60),
        ],
    ),
    (
        "a date in another zone than GMT, or that no calendar has",
        &[
            ("Expires: Sun, 06 Nov 2094 08:50:37 UTC", 0),
            ("Expires: Sun, 06 Nov 2094 08:50:37 +0100", 0),
            ("Expires: Thu, 31 Jun 2094 08:50:37 GMT", 0),
            ("Expires: Sun, 06 Nov 2094 24:00:00 GMT", 0),
        ],
    ),
    (
        "Age that is no number; several",
        &[
            ("Cache-Control: max-age=60\nAge: x", 60),
            ("Cache-Control: max-age=60\nAge: -7", 60),
            ("Cache-Control: max-age=60\nAge: 7.5", 60),
            ("Cache-Control: max-age=60\nAge: 7, 9", 53),
            ("Cache-Control: max-age=60\nAge: 7\nAge: 9", 53),
            (
                "Cache-Control: max-age=60\nAge: 99999999999999999999",
                60 - MAX,
            ),
        ],
    ),
    (
        "Date in the future, or none that can be read",
        &[
            ("Cache-Control: max-age=60\nDate: @1000", 60),
            (
                "Cache-Control: max-age=60\nDate: Fri, 31 Dec 9999 23:59:59 GMT",
                60,
            ),
            ("Cache-Control: max-age=60\nDate: today", 60),
            ("Cache-Control: max-age=60\nDate:", 60),
            ("Expires: @1060\nDate: @1000", 60),
            ("Expires: @60\nDate: today", 60),
        ],
    ),
    (
        "Date long ago",
        &[
            ("Cache-Control: max-age=60\nDate: @-40", 20),
            ("Cache-Control: max-age=60\nDate: @-40\nAge: 50", 10),
            ("Cache-Control: max-age=60\nDate: @-40\nAge: 3", 20),
            (
                "Cache-Control: max-age=60\nDate: Thu, 01 Jan 1970 00:00:00 GMT",
                60 - NOW,
            ),
        ],
    ),
];

fn dated(lines: &str) -> String {
    let mut out = String::new();
    for line in lines.lines() {
        out += &match line.split_once('@') {
            Some((name, offset)) => {
                format!("{name}{}\n", date(NOW + offset.parse::<i64>().unwrap()))
            }
            None => format!("{line}\n"),
        };
    }
    out
}

fn received(lines: &str, asked: i64, answered: i64) -> Freshness {
    let head = head(&dated(lines));
    let cc = ResponseDirectives::parse(head.fields());
    let h = Heuristic {
        percent: 10,
        max: 86_400,
    };
    Freshness::of(200, head.fields(), &cc, asked, answered, &h)
}

#[test]
fn what_is_said_means_what_the_table_says() {
    for (row, cases) in ROWS {
        for (lines, left) in *cases {
            assert_eq!(received(lines, NOW, NOW).ttl(NOW), *left, "{row}: {lines}");
        }
    }
}

#[test]
fn each_row_of_the_documentation_has_cases() {
    let text = include_str!("../../../../docs/caching.md");
    let (_, table) = text.split_once("### Values that lie").unwrap();
    let (table, _) = table.split_once("\n## ").unwrap();
    let documented: Vec<&str> = table
        .lines()
        .filter_map(|line| line.strip_prefix("| ")?.split(" | ").next())
        .filter(|row| *row != "what is said")
        .collect();
    // The clock has a test of its own, below.
    let tested: Vec<&str> = ROWS
        .iter()
        .map(|(row, _)| *row)
        .chain(["our clock jumps back"])
        .collect();
    assert_eq!(documented, tested);
}

#[test]
fn a_clock_that_jumps_neither_makes_younger_nor_ends_anything_early() {
    // Received with an age of 7 and 60 to live; the clock as it is read later, and what it makes of the age.
    let f = received("Cache-Control: max-age=60\nAge: 7", NOW, NOW);
    for (clock, age) in [
        (NOW, 7),
        (NOW - 1, 7),
        (NOW - 1_000_000, 7),
        (NOW + 3, 10),
        (NOW - 5, 7),
        (0, 7),
        (i64::MIN, 7),
        (NOW + 53, 60),
        (NOW + (1 << 40), 1 << 31),
        (i64::MAX, 1 << 31),
    ] {
        assert_eq!(
            (f.age(clock), f.ttl(clock)),
            (age, 60 - i64::from(age)),
            "{clock}"
        );
    }
    // It jumps between the request and its answer: a delay is at least 0, and counts in full when it jumps ahead.
    assert_eq!(
        received("Cache-Control: max-age=60", NOW, NOW - 1000).ttl(NOW - 1000),
        60
    );
    assert_eq!(
        received("Cache-Control: max-age=60", NOW - 50, NOW).ttl(NOW),
        10
    );
    assert_eq!(
        received("Cache-Control: max-age=60", i64::MIN, i64::MAX).ttl(i64::MAX),
        60 - MAX
    );
    // It jumps back after the answer, and forth again: what was counted is counted once.
    let later = received("Cache-Control: max-age=60\nDate: @0", NOW, NOW + 20);
    assert_eq!(
        [
            later.age(NOW + 20),
            later.age(NOW - 500),
            later.age(NOW + 25)
        ],
        [20, 20, 25]
    );
}
