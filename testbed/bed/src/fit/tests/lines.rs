//! Lines of every format, good and bad.

use super::{
    super::{
        common,
        entry::{Bad, Entry, Outcome, Verb, hash},
        json,
        lines::LONGEST,
        log::{Format, Log},
        squid,
    },
    log, survey,
};
use proptest::prelude::*;
use std::{borrow::Cow, io::Write as _};

fn url<'a>(entry: &'a Entry<'_>) -> &'a str {
    std::str::from_utf8(&entry.url).unwrap()
}

#[test]
fn squids_line_is_read() {
    let line = b"1795179665.081     15 192.0.2.7 TCP_MEM_HIT/200 11641 GET http://a.example/x - HIER_NONE/- text/html";
    let entry = squid::parse(line).unwrap();
    assert_eq!(
        entry,
        Entry {
            end: 1_795_179_665.081,
            exact: true,
            elapsed: Some(0.015),
            client: Some(hash(b"192.0.2.7")),
            connection: None,
            method: Verb::Get,
            url: Cow::Borrowed(b"http://a.example/x"),
            status: 200,
            body: 11_641 - squid::HEAD,
            sent: None,
            media: Some(Cow::Borrowed(b"text/html")),
            outcome: Outcome::Hit,
            storable: None,
            aborted: false,
        }
    );
}

#[test]
fn squids_codes_say_what_the_cache_did() {
    for (code, outcome, aborted) in [
        ("TCP_HIT", Outcome::Hit, false),
        ("TCP_IMS_HIT", Outcome::Hit, false),
        ("TCP_INM_HIT", Outcome::Hit, false),
        ("TCP_REFRESH_UNMODIFIED", Outcome::Unmodified, false),
        ("TCP_REFRESH_HIT", Outcome::Unmodified, false),
        ("TCP_REFRESH_MODIFIED", Outcome::Modified, false),
        ("TCP_REFRESH_MISS", Outcome::Modified, false),
        ("TCP_CLIENT_REFRESH_MISS", Outcome::Reload, false),
        ("TCP_MISS", Outcome::Miss, false),
        ("TCP_MISS_ABORTED", Outcome::Miss, true),
        ("TCP_SWAPFAIL_MISS", Outcome::Miss, false),
        ("TCP_TUNNEL", Outcome::Tunnel, false),
        ("TCP_DENIED", Outcome::Own, false),
        ("NONE_NONE", Outcome::Own, false),
        ("UDP_MISS", Outcome::Own, false),
        ("SOMETHING", Outcome::Unknown, false),
    ] {
        let line = format!("1.0 1 c {code}/200 1 GET http://a/ - HIER_DIRECT/192.0.2.1 image/png");
        let entry = squid::parse(line.as_bytes()).unwrap();
        assert_eq!((entry.outcome, entry.aborted), (outcome, aborted), "{code}");
    }
}

#[test]
fn a_url_of_squids_may_have_blanks() {
    let line =
        b"1.0 1 2001:db8::1 TCP_MISS/200 1 GET http://a/b c d - HIER_DIRECT/2001:db8::2 text/css";
    let entry = squid::parse(line).unwrap();
    assert_eq!(url(&entry), "http://a/b c d");
    assert_eq!(entry.media.as_deref(), Some(&b"text/css"[..]));
    assert_eq!(entry.client, Some(hash(b"2001:db8::1")));
}

#[test]
fn common_and_combined_lines_are_read() {
    let common = r#"192.0.2.7 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326"#;
    let combined = format!(r#"{common} "http://www.example/" "Agent \"x\" 1.0""#);
    for line in [common, &combined] {
        let entry = common::parse(line.as_bytes()).unwrap();
        assert_eq!(entry.end, 971_211_336.0);
        assert_eq!((entry.status, entry.body), (200, 2326));
        assert_eq!((url(&entry), entry.method), ("/a.gif", Verb::Get));
        assert_eq!(entry.client, Some(hash(b"192.0.2.7")));
        assert!(!entry.exact);
    }
}

#[test]
fn odd_common_lines_are_read() {
    for (line, path, status, body) in [
        (
            r#"2001:db8::1 - - [01/Jan/1970:00:00:00 +0000] "GET / HTTP/1.1" 304 -"#,
            "/",
            304,
            0,
        ),
        (
            r#"h - a user [29/Feb/2024:23:59:60 +0000] "GET /a b HTTP/1.1" 200 1"#,
            "/a b",
            200,
            1,
        ),
        (
            r#"h - - [01/Jan/2026:00:00:00 +0000] "GET /\"q\" HTTP/1.1" 200 1"#,
            "/\"q\"",
            200,
            1,
        ),
        (
            r#"h - - [01/Jan/2026:00:00:00 +0000] "GET /\x41\\\x HTTP/1.1" 200 1"#,
            "/A\\\\x",
            200,
            1,
        ),
        (
            r#"h - - [01/Jan/2026:00:00:00 +0000] "GET /old" 200 1"#,
            "/old",
            200,
            1,
        ),
        (
            r#"- - - [01/Jan/2026:00:00:00 +0000] "GET /%7Ea HTTP/2.0" 200 1 "-" "-" more fields"#,
            "/%7Ea",
            200,
            1,
        ),
    ] {
        let entry = common::parse(line.as_bytes()).unwrap();
        assert_eq!(
            (url(&entry), entry.status, entry.body),
            (path, status, body),
            "{line}"
        );
    }
}

#[test]
fn days_are_those_of_the_calendar() {
    for (date, seconds) in [
        ("01/Jan/1970:00:00:00 +0000", 0.0),
        ("28/Feb/2000:23:59:59 +0000", 951_782_399.0),
        ("29/Feb/2000:00:00:00 +0000", 951_782_400.0),
        ("01/Mar/2100:00:00:00 +0000", 4_107_542_400.0),
        ("31/Dec/2026:23:00:00 -0100", 1_798_761_600.0),
    ] {
        let line = format!(r#"h - - [{date}] "GET / HTTP/1.1" 200 1"#);
        assert_eq!(
            common::parse(line.as_bytes()).unwrap().end,
            seconds,
            "{date}"
        );
    }
}

#[test]
fn understudys_own_line_is_read() {
    let line = br#"{"time":1700000000.25,"elapsed":0.5,"id":"a","client":"[2001:db8::1]:50000","method":"POST","url":"http://a/\u0041?q","status":200,"bytes_out":900,"body_out":500,"body_in":70,"outcome":"pass","not_stored":"no-store","content_type":"image/gif","aborted":true,"news":[1]}"#;
    let entry = json::parse(line).unwrap();
    assert_eq!((entry.end, entry.elapsed), (1_700_000_000.25, Some(0.5)));
    assert_eq!((url(&entry), entry.method), ("http://a/A?q", Verb::Post));
    assert_eq!((entry.body, entry.sent), (500, Some(70)));
    assert_eq!(
        (entry.outcome, entry.storable),
        (Outcome::Miss, Some(false))
    );
    assert_eq!(entry.client, Some(hash(b"2001:db8::1")));
    assert!(entry.connection.is_some() && entry.connection != entry.client);
    assert!(entry.aborted);
}

#[test]
fn understudys_words_say_what_the_cache_did() {
    for (words, outcome, storable) in [
        (r#""outcome":"hit""#, Outcome::Hit, Some(true)),
        (r#""outcome":"hit-not-modified""#, Outcome::Hit, Some(true)),
        (
            r#""outcome":"stale","stale":"stale-if-error""#,
            Outcome::Hit,
            Some(true),
        ),
        (
            r#""outcome":"revalidated","forward":"stale""#,
            Outcome::Unmodified,
            Some(true),
        ),
        (
            r#""outcome":"revalidated","forward":"request""#,
            Outcome::Reload,
            Some(true),
        ),
        (
            r#""outcome":"miss","forward":"request""#,
            Outcome::Reload,
            None,
        ),
        (
            r#""outcome":"miss","forward":"stale""#,
            Outcome::Modified,
            Some(true),
        ),
        (
            r#""outcome":"miss","forward":"uri-miss""#,
            Outcome::Miss,
            Some(true),
        ),
        (
            r#""outcome":"miss","not_stored":"private""#,
            Outcome::Miss,
            Some(false),
        ),
        (
            r#""outcome":"miss","not_stored":"no-room""#,
            Outcome::Miss,
            None,
        ),
        (r#""outcome":"tunnel""#, Outcome::Tunnel, None),
        (r#""outcome":"denied""#, Outcome::Own, None),
        (r#""outcome":"local""#, Outcome::Own, None),
        (r#""outcome":"news""#, Outcome::Unknown, None),
    ] {
        let line = format!(r#"{{"time":1,"method":"GET","url":"http://a/","status":200,{words}}}"#);
        let entry = json::parse(line.as_bytes()).unwrap();
        assert_eq!(
            (entry.outcome, entry.storable),
            (outcome, storable),
            "{words}"
        );
    }
}

#[test]
fn a_bad_line_says_why() {
    let common = |rest: &str| format!("h - - [01/Jan/2026:00:00:00 +0000] {rest}");
    for (text, format, why) in [
        ("1.0 1 c TCP_MISS/200 1 GET", Format::Squid, Bad::Fields),
        (
            "x 1 c TCP_MISS/200 1 GET http://a/",
            Format::Squid,
            Bad::Time,
        ),
        (
            "1e99 1 c TCP_MISS/200 1 GET http://a/",
            Format::Squid,
            Bad::Time,
        ),
        (
            "NaN 1 c TCP_MISS/200 1 GET http://a/",
            Format::Squid,
            Bad::Time,
        ),
        (
            "1.0 inf c TCP_MISS/200 1 GET http://a/",
            Format::Squid,
            Bad::Elapsed,
        ),
        (
            "1.0 1 c TCP_MISS 1 GET http://a/",
            Format::Squid,
            Bad::Status,
        ),
        (
            "1.0 1 c TCP_MISS/20000 1 GET http://a/",
            Format::Squid,
            Bad::Status,
        ),
        (
            "1.0 1 c TCP_MISS/200 -1 GET http://a/",
            Format::Squid,
            Bad::Size,
        ),
        (
            "h - - [32/Jan/2026:00:00:00 +0000] \"GET / HTTP/1.1\" 200 1",
            Format::Common,
            Bad::Time,
        ),
        (
            "h - - [01/Jan/2026:00:00:00 +0000",
            Format::Common,
            Bad::Time,
        ),
        (
            &common("\"GET / HTTP/1.1 200 1"),
            Format::Common,
            Bad::Quote,
        ),
        (&common("\"GET /\\\""), Format::Common, Bad::Quote),
        (
            &common("\"\\x16\\x03\" 400 1"),
            Format::Common,
            Bad::Request,
        ),
        (&common("\"-\" 400 0"), Format::Common, Bad::Request),
        (
            &common("\"GET / HTTP/1.1\" 2x0 1"),
            Format::Common,
            Bad::Status,
        ),
        (
            &common("\"GET / HTTP/1.1\" 200 x"),
            Format::Common,
            Bad::Size,
        ),
        ("{\"time\":1}", Format::Json, Bad::Json),
        ("no log at all", Format::Auto, Bad::Format),
    ] {
        let mut log = log(text.as_bytes(), format);
        assert!(!log.each(|_| true));
        assert_eq!(log.unread.first, [(1, why)], "{text}");
    }
}

const SQUID: &str =
    "1795179665.081 15 192.0.2.7 TCP_MISS/200 11641 GET http://a.example/x - HIER_NONE/- text/html";

#[test]
fn bad_lines_are_counted_and_stop_nothing() {
    let long = "x".repeat(LONGEST + 1);
    let text = format!("# a comment\nbad\n\n{SQUID}\r\n{long}\n\u{fffd}\n{SQUID}");
    let survey = survey(&text);
    assert_eq!(survey.format, Format::Squid);
    assert_eq!((survey.unread.lines, survey.requests.used), (7, 2));
    let first = [(2, Bad::Format), (5, Bad::Long), (6, Bad::Fields)];
    assert_eq!(
        (survey.unread.bad, &survey.unread.first[..]),
        (3, &first[..])
    );
}

#[test]
fn the_longest_line_is_read() {
    let head = "1795179665.081 15 192.0.2.7 TCP_MISS/200 11641 GET http://a.example/";
    let text = format!("{head}{}", "x".repeat(LONGEST - head.len()));
    assert_eq!(survey(&text).requests.used, 1);
    assert_eq!(survey(&format!("{text}x")).requests.used, 0);
}

#[test]
fn a_zipped_log_is_read_member_by_member() {
    let mut zipped = Vec::new();
    for _ in 0..2 {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writeln!(out, "{SQUID}").unwrap();
        zipped.extend(out.finish().unwrap());
    }
    let mut seen = 0;
    let mut whole = log(&zipped, Format::Auto);
    whole.each(|_| {
        seen += 1;
        true
    });
    assert_eq!((seen, whole.unread.ended.clone()), (2, None));

    // Cut short, it is read as far as it goes, and its end is told.
    zipped.truncate(zipped.len() - 9);
    let mut cut = log(&zipped, Format::Auto);
    let mut seen = 0;
    cut.each(|_| {
        seen += 1;
        true
    });
    assert!(seen >= 1 && cut.unread.ended.is_some());
}

#[test]
fn what_robots_do_not_do_is_left_out_by_reason() {
    let line = |code: &str, method: &str| {
        format!("1.0 1 c {code} 400 {method} http://a/ - HIER_DIRECT/192.0.2.1 text/html\n")
    };
    let text = [
        line("TCP_TUNNEL/200", "CONNECT"),
        line("TCP_DENIED/403", "GET"),
        line("NONE/400", "GET"),
        line("TCP_MISS/500", "GET"),
        line("TCP_MISS_ABORTED/000", "GET"),
        line("TCP_MISS/301", "GET"),
        line("TCP_MISS/200", "PUT"),
        line("TCP_MISS/304", "GET"),
        line("TCP_MISS/206", "GET"),
    ];
    let survey = survey(&text.concat());
    let left = survey.left_out;
    assert_eq!((left.tunnels, left.own, left.errors), (1, 2, 2));
    assert_eq!((left.redirects, left.methods), (1, 1));
    assert_eq!((survey.requests.used, survey.requests.not_modified), (2, 1));
    assert_eq!(
        survey.unread.lines,
        survey.unread.bad + left.all() + survey.requests.used
    );
}

/// Bytes that look like some of a log.
fn pieces() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop::sample::select(vec![
        &b"1795179665.081 15 c "[..],
        b"TCP_MISS/200 400 ",
        b"HIER_DIRECT/",
        b"GET ",
        b"http://a/ ",
        b"h - - [10/Oct/2000:13:55:36 -0700] ",
        b"\"GET / HTTP/1.1\" 200 ",
        b"{\"time\":1,\"method\":\"GET\",\"url\":\"",
        b"\",\"outcome\":\"hit\"}",
        b"%4",
        b"\\x",
        b"\\",
        b"\"",
        b"[",
        b"-",
        b"\xff\xfe",
        b"999999999999999999999 ",
        b"\n",
    ]);
    prop::collection::vec(piece, 0..12).prop_map(|p| p.concat())
}

proptest! {
    #[test]
    fn any_bytes_are_entries_or_errors(text in prop_oneof![pieces(), any::<Vec<u8>>()]) {
        for format in [Format::Auto, Format::Squid, Format::Combined, Format::Json] {
            let mut log = log(&text, format);
            let mut entries = 0;
            log.each(|entry| {
                entries += 1;
                assert!(entry.end.is_finite() && entry.begin() <= entry.end);
                assert!(entry.elapsed.is_none_or(|e| e >= 0.0 && e.is_finite()));
                true
            });
            prop_assert!(entries + log.unread.bad <= log.unread.lines);
            // And whatever they are, they can be counted, and what comes of it is a workload.
            let survey = super::Survey::of(Log::new(std::io::Cursor::new(text.clone()), format).unwrap());
            if let Ok(fitted) = super::build(&survey) {
                let file = super::write(&fitted, &survey);
                prop_assert_eq!(&super::Workload::parse(&file).unwrap(), &fitted.workload);
            }
        }
    }
}
