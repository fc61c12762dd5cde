//! Ranges out of a stored whole, If-Range, and HEAD from a stored GET (RFC 9110 sections 9.3.2, 13.1.5, 14).
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Request, Response, Site, http_date, reply, site::HOST};

const BODY: &str = "0123456789";

/// A site whose `/` is stored with these fields.
fn stored(fields: &[String]) -> Site {
    let fields: Vec<String> = fields
        .iter()
        .cloned()
        .chain([
            "Cache-Control: max-age=60".into(),
            "Content-Type: text/x".into(),
        ])
        .collect();
    let site = Site::new(move |_| {
        reply(
            200,
            &fields.iter().map(String::as_str).collect::<Vec<_>>(),
            BODY,
        )
    });
    site.get("/", "").expect(200);
    site
}

#[track_caller]
fn part(response: Response, range: &str, body: &str) {
    let response = response.expect(206).expect_body(body);
    assert_eq!(response.get("content-range"), Some(range));
    assert_eq!(
        response.get("content-length"),
        Some(body.len().to_string().as_str())
    );
    assert_eq!(response.get("content-type"), Some("text/x"));
}

#[test]
fn a_range_of_a_stored_whole() {
    let site = stored(&["ETag: \"a\"".into()]);
    for (range, content_range, body) in [
        ("0-3", "bytes 0-3/10", "0123"),
        ("4-", "bytes 4-9/10", "456789"),
        ("-3", "bytes 7-9/10", "789"),
        ("9-9", "bytes 9-9/10", "9"),
        ("5-100", "bytes 5-9/10", "56789"),
        ("-100", "bytes 0-9/10", BODY),
        ("0-99999999999999999999", "bytes 0-9/10", BODY),
    ] {
        let response = site
            .get("/", &format!("Range: bytes={range}\r\n"))
            .expect_hit();
        assert_eq!(response.get("etag"), Some("\"a\""));
        part(response, content_range, body);
    }
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn the_unit_is_case_insensitive() {
    part(
        stored(&[]).get("/", "Range: Bytes=0-0\r\n"),
        "bytes 0-0/10",
        "0",
    );
}

#[test]
fn a_range_outside_is_not_satisfiable() {
    let site = stored(&[]);
    for range in ["10-", "100-200", "-0"] {
        let response = site
            .get("/", &format!("Range: bytes={range}\r\n"))
            .expect(416);
        assert_eq!(response.get("content-range"), Some("bytes */10"), "{range}");
    }
    site.get("/", "").expect(200).expect_body(BODY).expect_hit();
}

#[test]
fn a_range_that_is_none_is_ignored() {
    let site = stored(&[]);
    for range in [
        "bytes=3-1",
        "bytes=a-b",
        "bytes=",
        "bytes",
        "lines=0-1",
        "bytes=--1",
        "bytes=1 - 2",
    ] {
        site.get("/", &format!("Range: {range}\r\n"))
            .expect(200)
            .expect_body(BODY);
    }
}

#[test]
fn several_ranges_come_as_parts_in_the_order_asked_for() {
    let site = stored(&["ETag: \"a\"".into()]);
    for (ranges, parts) in [
        ("0-0,9-9", &[("0-0", "0"), ("9-9", "9")][..]),
        ("7-8,0-2", &[("7-8", "78"), ("0-2", "012")]),
        ("-2,0-0,50-60", &[("8-9", "89"), ("0-0", "0")]),
    ] {
        let response = site
            .get("/", &format!("Range: bytes={ranges}\r\n"))
            .expect(206)
            .expect_hit();
        assert_eq!(response.get("content-range"), None);
        let kind = response.get("content-type").unwrap();
        let boundary = kind
            .strip_prefix("multipart/byteranges; boundary=")
            .unwrap();
        let mut expected = String::new();
        for (range, bytes) in parts {
            expected += &format!(
                "\r\n--{boundary}\r\nContent-Type: text/x\r\nContent-Range: bytes {range}/10\r\n\r\n{bytes}"
            );
        }
        expected += &format!("\r\n--{boundary}--\r\n");
        let length = expected.len().to_string();
        assert_eq!(response.get("content-length"), Some(&*length));
        response.expect_body(&*expected);
    }
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn ranges_that_come_to_one_are_sent_as_one() {
    let site = stored(&[]);
    for ranges in ["0-1,2-3", "2-3,0-1", "0-2,1-3", "0-3,90-99"] {
        let response = site.get("/", &format!("Range: bytes={ranges}\r\n"));
        part(response, "bytes 0-3/10", "0123");
    }
}

#[test]
fn several_ranges_outside_are_not_satisfiable_and_abusive_ones_are_ignored() {
    let site = stored(&[]);
    let ask = |ranges: &str| site.get("/", &format!("Range: bytes={ranges}\r\n"));
    assert_eq!(
        ask("10-,20-30").expect(416).get("content-range"),
        Some("bytes */10")
    );
    ask("0-,0-,0-,0-").expect(200).expect_body(BODY);
}

#[test]
fn if_range() {
    let modified = http_date(-100_000);
    for (fields, condition, status) in [
        (vec!["ETag: \"a\"".to_owned()], "\"a\"".to_owned(), 206),
        (vec!["ETag: \"a\"".to_owned()], "\"b\"".to_owned(), 200),
        (vec!["ETag: W/\"a\"".to_owned()], "W/\"a\"".to_owned(), 200),
        (vec!["ETag: \"a\"".to_owned()], "W/\"a\"".to_owned(), 200),
        (
            vec![format!("Last-Modified: {modified}")],
            modified.clone(),
            206,
        ),
        (
            vec![format!("Last-Modified: {modified}")],
            http_date(-99_999),
            200,
        ),
        (
            vec![format!("Last-Modified: {modified}")],
            http_date(0),
            200,
        ),
        (vec![], "\"a\"".to_owned(), 200),
    ] {
        let response = stored(&fields).get(
            "/",
            &format!("Range: bytes=0-3\r\nIf-Range: {condition}\r\n"),
        );
        assert_eq!(response.status, status, "{fields:?} {condition}");
        assert_eq!(response.text(), if status == 206 { "0123" } else { BODY });
    }
}

#[test]
fn a_304_comes_before_a_range() {
    stored(&["ETag: \"a\"".into()])
        .get("/", "Range: bytes=0-3\r\nIf-None-Match: \"a\"\r\n")
        .expect(304);
}

fn ranged(r: &Request) -> Vec<u8> {
    match r.get("range") {
        Some("bytes=0-3") => reply(
            206,
            &[
                "Cache-Control: max-age=60",
                "ETag: \"a\"",
                "Content-Range: bytes 0-3/10",
                "Content-Type: text/x",
            ],
            "0123",
        ),
        // What completes the part, or the whole.
        _ => reply(
            200,
            &[
                "Cache-Control: max-age=60",
                "ETag: \"a\"",
                "Content-Type: text/x",
            ],
            BODY,
        ),
    }
}

#[test]
fn a_range_on_a_miss_is_answered_and_never_served_as_the_whole() {
    let site = Site::new(ranged);
    part(
        site.get("/", "Range: bytes=0-3\r\n"),
        "bytes 0-3/10",
        "0123",
    );
    site.get("/", "").expect(200).expect_body(BODY);
    part(
        site.get("/", "Range: bytes=0-3\r\n"),
        "bytes 0-3/10",
        "0123",
    );
    site.get("/", "").expect(200).expect_body(BODY).expect_hit();
}

#[test]
fn a_range_of_a_stale_whole_is_validated_first() {
    let site = Site::new(|r| match (r.get("if-none-match"), r.get("range")) {
        (Some(_), _) => reply(304, &["ETag: \"a\"", "Cache-Control: max-age=0"], ""),
        (None, Some(_)) => reply(
            206,
            &["Content-Range: bytes 0-3/10", "Content-Type: text/x"],
            "0123",
        ),
        (None, None) => reply(
            200,
            &[
                "ETag: \"a\"",
                "Cache-Control: max-age=0",
                "Content-Type: text/x",
            ],
            BODY,
        ),
    });
    site.get("/", "").expect_body(BODY);
    part(
        site.get("/", "Range: bytes=0-3\r\n"),
        "bytes 0-3/10",
        "0123",
    );
    site.get("/", "").expect(200).expect_body(BODY);
}

#[test]
fn ranges_of_a_large_body_cut_where_they_should() {
    let body: Vec<u8> = (0..300_000u32).map(|i| b'a' + (i % 23) as u8).collect();
    let sent = body.clone();
    let site = Site::new(move |_| reply(200, &["Cache-Control: max-age=60"], &sent));
    site.get("/", "");
    for (first, last) in [
        (0, 0),
        (65_535, 65_536),
        (1, 299_999),
        (100_000, 250_000),
        (299_999, 299_999),
    ] {
        site.get("/", &format!("Range: bytes={first}-{last}\r\n"))
            .expect(206)
            .expect_body(&body[first..=last]);
    }
}

#[test]
fn head_is_answered_from_a_stored_get() {
    let site = stored(&["ETag: \"a\"".into()]);
    let mut client = site.client();
    for _ in 0..2 {
        let response = client
            .ask(format!("HEAD / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"))
            .expect(200)
            .expect_hit();
        assert_eq!(
            (response.get("content-length"), response.get("etag")),
            (Some("10"), Some("\"a\""))
        );
        client
            .ask(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"))
            .expect_body(BODY);
    }
    client
        .ask(format!(
            "HEAD / HTTP/1.1\r\nHost: {HOST}\r\nRange: bytes=0-3\r\n\r\n"
        ))
        .expect(200);
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn a_head_on_a_miss_is_never_stored_as_an_empty_get() {
    let site = Site::new(|r| {
        let whole = reply(200, &["Cache-Control: max-age=60"], BODY);
        if r.method == "HEAD" {
            whole[..whole.len() - BODY.len()].to_vec()
        } else {
            whole
        }
    });
    let mut client = site.client();
    client
        .ask(format!("HEAD / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"))
        .expect(200);
    client
        .ask(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"))
        .expect(200)
        .expect_body(BODY);
    client
        .ask(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n\r\n"))
        .expect_hit()
        .expect_body(BODY);
}
