//! Parts of responses: stored, answered from, joined and completed under strong validators only (RFC 9111 sections 3.3, 3.4).
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Request, Response, Site, reply};

const BODY: &str = "0123456789abcdefghij";
const TAG: &str = "ETag: \"a\"";
const FRESH: &str = "Cache-Control: max-age=60";
const KIND: &str = "Content-Type: text/x";

/// The span a request's single range asks for of a body of this length.
fn wanted(r: &Request, length: usize) -> Option<(usize, usize)> {
    let (first, last) = r.get("range")?.strip_prefix("bytes=")?.split_once('-')?;
    Some(match (first, last) {
        ("", n) => (length - n.parse::<usize>().unwrap().min(length), length - 1),
        (first, "") => (first.parse().unwrap(), length - 1),
        (first, last) => {
            let last = last.parse::<usize>().unwrap();
            (first.parse().unwrap(), last.min(length - 1))
        }
    })
}

/// An origin that knows ranges of this body, with these fields.
fn ranges(r: &Request, fields: &[&str], body: &str) -> Vec<u8> {
    let holds = r
        .get("if-range")
        .is_none_or(|v| fields.contains(&&*format!("ETag: {v}")));
    match wanted(r, body.len()).filter(|_| holds) {
        Some((first, last)) => {
            let range = format!("Content-Range: bytes {first}-{last}/{}", body.len());
            let all: Vec<&str> = fields.iter().copied().chain([&*range]).collect();
            reply(206, &all, &body[first..=last])
        }
        None => reply(200, fields, body),
    }
}

fn site(fields: &'static [&'static str]) -> Site {
    Site::new(move |r| ranges(r, fields, BODY))
}

/// A GET with this range.
#[track_caller]
fn ask_range(site: &Site, range: &str) -> Response {
    site.get("/", &format!("Range: bytes={range}\r\n"))
}

#[track_caller]
fn part(response: Response, range: &str) -> Response {
    let (first, last) = range.split_once('-').unwrap();
    let (first, last): (usize, usize) = (first.parse().unwrap(), last.parse().unwrap());
    let response = response.expect(206).expect_body(&BODY[first..=last]);
    let said = format!("bytes {range}/{}", BODY.len());
    assert_eq!(response.get("content-range"), Some(&*said));
    let length = (last + 1 - first).to_string();
    assert_eq!(response.get("content-length"), Some(&*length));
    response
}

#[test]
fn a_part_is_stored_and_answers_what_lies_in_it() {
    let site = site(&[TAG, FRESH, KIND]);
    let first = part(ask_range(&site, "5-14"), "5-14");
    assert!(
        first.get("cache-status").unwrap().contains("stored"),
        "{}",
        first.head.text()
    );
    for range in ["5-14", "5-5", "14-14", "7-9"] {
        let hit = part(ask_range(&site, range), range).expect_hit();
        assert_eq!(
            (hit.get("etag"), hit.get("content-type")),
            (Some("\"a\""), Some("text/x"))
        );
    }
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn a_part_at_the_end_answers_suffixes_and_open_ranges() {
    let site = site(&[FRESH]);
    part(ask_range(&site, "-8"), "12-19");
    part(ask_range(&site, "-8"), "12-19").expect_hit();
    part(ask_range(&site, "-3"), "17-19").expect_hit();
    part(ask_range(&site, "15-"), "15-19").expect_hit();
    part(ask_range(&site, "19-400"), "19-19").expect_hit();
    assert_eq!(
        ask_range(&site, "20-").expect(416).get("content-range"),
        Some("bytes */20")
    );
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn a_range_beyond_the_part_is_fetched() {
    let site = site(&[TAG, FRESH]);
    part(ask_range(&site, "5-9"), "5-9");
    let more = part(ask_range(&site, "8-12"), "8-12");
    assert!(
        more.get("cache-status").unwrap().contains("fwd=partial"),
        "{}",
        more.head.text()
    );
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn parts_are_joined_under_a_strong_tag() {
    let site = site(&[TAG, FRESH]);
    for range in ["0-4", "10-14", "5-9"] {
        part(ask_range(&site, range), range);
    }
    part(ask_range(&site, "0-14"), "0-14").expect_hit();
    part(ask_range(&site, "3-12"), "3-12").expect_hit();
    let several = ask_range(&site, "0-1,13-14").expect(206).expect_hit();
    assert!(
        several
            .get("content-type")
            .unwrap()
            .starts_with("multipart/byteranges")
    );
    assert_eq!(site.origin.count(), 3);
}

#[test]
fn parts_without_a_strong_validator_replace_each_other() {
    for fields in [&[FRESH][..], &[FRESH, "ETag: W/\"a\""]] {
        let site = Site::new({
            let fields = fields.to_vec();
            move |r| ranges(r, &fields, BODY)
        });
        part(ask_range(&site, "0-4"), "0-4");
        part(ask_range(&site, "5-9"), "5-9");
        part(ask_range(&site, "5-9"), "5-9").expect_hit();
        part(ask_range(&site, "0-9"), "0-9");
        assert_eq!(site.origin.count(), 3, "{fields:?}");
    }
}

#[test]
fn parts_of_two_representations_are_never_joined() {
    let site = Site::new(|r| {
        let tag = if r.get("range") == Some("bytes=0-4") {
            TAG
        } else {
            "ETag: \"b\""
        };
        ranges(r, &[tag, FRESH], BODY)
    });
    part(ask_range(&site, "0-4"), "0-4");
    part(ask_range(&site, "5-9"), "5-9");
    let both = part(ask_range(&site, "0-9"), "0-9");
    assert_eq!(both.get("etag"), Some("\"b\""));
    assert_eq!(site.origin.count(), 3);
}

#[test]
fn parts_that_make_the_whole_are_the_whole() {
    let site = site(&[TAG, FRESH, KIND]);
    for range in ["10-19", "0-12"] {
        part(ask_range(&site, range), range);
    }
    let whole = site.get("/", "").expect(200).expect_body(BODY).expect_hit();
    assert_eq!(
        (whole.get("content-length"), whole.get("content-type")),
        (Some("20"), Some("text/x"))
    );
    assert_eq!(whole.get("content-range"), None);
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn a_request_for_the_whole_completes_the_parts() {
    let site = site(&[TAG, FRESH, KIND]);
    part(ask_range(&site, "0-4"), "0-4");
    let whole = site.get("/", "").expect(200).expect_body(BODY);
    assert_eq!(whole.get("content-length"), Some("20"));
    assert_eq!(
        (
            site.origin.requests()[1].get("range"),
            site.origin.requests()[1].get("if-range")
        ),
        (Some("bytes=5-"), Some("\"a\""))
    );
    site.get("/", "").expect(200).expect_body(BODY).expect_hit();
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn what_is_missing_is_asked_for_wherever_it_lies() {
    for (held, asked) in [
        (&["15-19"][..], "bytes=0-14"),
        (&["0-4", "15-19"], "bytes=5-14"),
        (&["0-1", "5-6", "18-19"], "bytes=2-17"),
    ] {
        let site = site(&[TAG, FRESH]);
        for range in held {
            part(ask_range(&site, range), range);
        }
        site.get("/", "").expect(200).expect_body(BODY);
        assert_eq!(site.origin.requests()[held.len()].get("range"), Some(asked));
        site.get("/", "").expect(200).expect_body(BODY).expect_hit();
    }
}

#[test]
fn a_changed_representation_replaces_the_parts() {
    let site = Site::new(|r| match r.get("if-range") {
        None if r.get("range").is_some() => ranges(r, &[TAG, FRESH], BODY),
        _ => reply(200, &["ETag: \"b\"", FRESH], "another"),
    });
    part(ask_range(&site, "0-4"), "0-4");
    site.get("/", "").expect(200).expect_body("another");
    ask_range(&site, "0-4")
        .expect(206)
        .expect_body("anoth")
        .expect_hit();
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn a_part_that_does_not_fit_is_fetched_again_whole() {
    for wrong in [
        "bytes 6-19/20",
        "bytes 5-19/21",
        "bytes 5-18/20",
        "bytes 5-19/*",
        "bytes 19-5/20",
    ] {
        let site = Site::new(move |r| match r.get("if-range") {
            Some(_) => reply(
                206,
                &[TAG, FRESH, &format!("Content-Range: {wrong}")],
                &BODY[5..],
            ),
            None => ranges(r, &[TAG, FRESH], BODY),
        });
        part(ask_range(&site, "0-4"), "0-4");
        site.get("/", "").expect(200).expect_body(BODY);
        site.get("/", "").expect(200).expect_body(BODY).expect_hit();
        assert_eq!(site.origin.count(), 3, "{wrong}");
    }
}

#[test]
fn a_content_range_that_lies_is_passed_and_not_stored() {
    for said in [
        "bytes 0-5/20",
        "bytes 0-3/20",
        "bytes 4-0/20",
        "bytes 0-4/4",
        "bytes 0-4/*",
        "lines 0-4/20",
        "bytes 0-4",
        "",
    ] {
        let site = Site::new(move |_| {
            let range = format!("Content-Range: {said}");
            let fields = [TAG, FRESH, &range];
            reply(
                206,
                if said.is_empty() {
                    &fields[..2]
                } else {
                    &fields
                },
                "01234",
            )
        });
        for _ in 0..2 {
            let response = ask_range(&site, "0-4").expect(206).expect_body("01234");
            assert_eq!(response.get("content-range").unwrap_or_default(), said);
        }
        assert_eq!(site.origin.count(), 2, "{said}");
    }
}

#[test]
fn a_part_never_answers_for_the_whole() {
    let site = Site::new(|r| match r.get("range") {
        Some("bytes=0-4") => ranges(r, &[FRESH], BODY),
        // An origin that ignores ranges now.
        _ => reply(200, &[FRESH], BODY),
    });
    part(ask_range(&site, "0-4"), "0-4");
    site.get("/", "").expect(200).expect_body(BODY);
    site.get("/", "").expect(200).expect_body(BODY).expect_hit();
}

#[test]
fn an_origin_that_ignores_ranges_fills_the_whole() {
    let site = Site::new(|_| reply(200, &[TAG, FRESH], BODY));
    part(ask_range(&site, "5-9"), "5-9");
    part(ask_range(&site, "0-3"), "0-3").expect_hit();
    site.get("/", "").expect(200).expect_body(BODY).expect_hit();
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn a_stale_part_is_validated_with_its_range() {
    let site = Site::new(|r| match r.get("if-none-match") {
        Some("\"a\"") => reply(304, &[TAG, FRESH], ""),
        _ => ranges(r, &[TAG, "Cache-Control: max-age=0"], BODY),
    });
    part(ask_range(&site, "0-9"), "0-9");
    let again = part(ask_range(&site, "2-5"), "2-5");
    assert!(
        again
            .get("cache-status")
            .unwrap()
            .contains("fwd-status=304"),
        "{}",
        again.head.text()
    );
    assert_eq!(site.origin.requests()[1].get("range"), Some("bytes=2-5"));
    part(ask_range(&site, "0-9"), "0-9").expect_hit();
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn a_stale_part_that_changed_is_replaced() {
    let site = Site::new(|r| match r.get("if-none-match") {
        Some(_) => ranges(r, &["ETag: \"b\"", FRESH], BODY),
        _ => ranges(r, &[TAG, "Cache-Control: max-age=0"], BODY),
    });
    part(ask_range(&site, "0-9"), "0-9");
    part(ask_range(&site, "2-5"), "2-5");
    assert_eq!(
        part(ask_range(&site, "3-4"), "3-4")
            .expect_hit()
            .get("etag"),
        Some("\"b\"")
    );
    part(ask_range(&site, "0-9"), "0-9");
    assert_eq!(site.origin.count(), 3);
}

/// RFC 9110 section 13.1.5: whoever has the rest of one representation gets no part of another.
#[test]
fn a_stale_part_that_changed_is_no_part_for_who_goes_on_with_the_old_one() {
    const OTHER: &str = "ABCDEFGHIJKLMNOPQRST";
    let old = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT";
    let cases = [
        (TAG, "\"a\"", "ETag: \"b\""),
        (
            old,
            "Sun, 06 Nov 1994 08:49:37 GMT",
            "Last-Modified: Mon, 07 Nov 1994 08:49:37 GMT",
        ),
    ];
    for (validator, has, new) in cases {
        let site = Site::new(move |r| match r.n {
            1 => ranges(
                r,
                &[validator, "Cache-Control: max-age=60", "Age: 61"],
                BODY,
            ),
            _ if r.get("if-range") == Some(has) => reply(200, &[new, FRESH], OTHER),
            _ => ranges(r, &[new, FRESH], OTHER),
        });
        part(ask_range(&site, "5-14"), "5-14");
        let goes_on = format!("Range: bytes=5-14\r\nIf-Range: {has}\r\n");
        site.get("/", &goes_on).expect(200).expect_body(OTHER);
        assert_eq!(site.origin.last().get("if-range"), Some(has));
        site.get("/", "").expect_body(OTHER).expect_hit();
    }
}

#[test]
fn a_client_that_has_the_part_gets_a_304() {
    let site = site(&[TAG, FRESH]);
    part(ask_range(&site, "0-9"), "0-9");
    let fields = "Range: bytes=0-4\r\nIf-None-Match: \"a\"\r\n";
    site.get("/", fields).expect(304);
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn if_range_is_judged_by_the_part() {
    let site = site(&[TAG, FRESH]);
    part(ask_range(&site, "0-9"), "0-9");
    let ask = |tag| site.get("/", &format!("Range: bytes=0-4\r\nIf-Range: {tag}\r\n"));
    part(ask("\"a\""), "0-4").expect_hit();
    ask("\"b\"").expect(200).expect_body(BODY);
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn parts_are_kept_for_each_variant() {
    let site = Site::new(|r| {
        let tag = format!("ETag: \"{}\"", r.get("x-kind").unwrap_or_default());
        ranges(r, &[&tag, FRESH, "Vary: X-Kind"], BODY)
    });
    let ask = |kind, range| {
        let response = site.get("/", &format!("Range: bytes={range}\r\nX-Kind: {kind}\r\n"));
        part(response, range)
    };
    ask("one", "0-9");
    ask("two", "0-9");
    for kind in ["one", "two"] {
        let hit = ask(kind, "3-4").expect_hit();
        assert_eq!(hit.get("etag"), Some(&*format!("\"{kind}\"")));
    }
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn an_unsafe_method_invalidates_parts() {
    let site = Site::new(|r| match &*r.method {
        "POST" => reply(204, &[], ""),
        _ => ranges(r, &[TAG, FRESH], BODY),
    });
    part(ask_range(&site, "0-9"), "0-9");
    site.ask("POST", "/", "Content-Length: 0\r\n").expect(204);
    part(ask_range(&site, "0-9"), "0-9");
    assert_eq!(site.origin.count(), 3);
}

#[test]
fn no_store_and_private_hold_for_parts() {
    for said in ["no-store", "private", "private, max-age=60"] {
        let site = Site::new(move |r| ranges(r, &[TAG, &format!("Cache-Control: {said}")], BODY));
        part(ask_range(&site, "0-4"), "0-4");
        part(ask_range(&site, "0-4"), "0-4");
        assert_eq!(site.origin.count(), 2, "{said}");
    }
}

#[test]
fn a_head_is_not_answered_by_a_part() {
    let site = Site::new(|r| {
        let whole = ranges(r, &[TAG, FRESH], BODY);
        let end = if r.method == "HEAD" { BODY.len() } else { 0 };
        whole[..whole.len() - end].to_vec()
    });
    part(ask_range(&site, "0-4"), "0-4");
    site.ask("HEAD", "/", "").expect(200);
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn only_if_cached_is_answered_by_a_part_that_has_it() {
    let site = site(&[TAG, FRESH]);
    part(ask_range(&site, "0-4"), "0-4");
    let ask = |range| {
        site.get(
            "/",
            &format!("Range: bytes={range}\r\nCache-Control: only-if-cached\r\n"),
        )
    };
    part(ask("1-2"), "1-2").expect_hit();
    ask("5-6").expect(504);
    site.get("/", "Cache-Control: only-if-cached\r\n")
        .expect(504);
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn parts_fetched_with_credentials_are_stored_only_when_they_may_be_shared() {
    for (said, shared) in [("max-age=60", false), ("max-age=60, public", true)] {
        let fields = [TAG.to_owned(), format!("Cache-Control: {said}")];
        let site = Site::new(move |r| ranges(r, &[&fields[0], &fields[1]], BODY));
        // What is held came without credentials.
        part(ask_range(&site, "0-4"), "0-4");
        let credentials = "Authorization: Basic eDp5\r\n";
        let ask = |range| site.get("/", &format!("Range: bytes={range}\r\n{credentials}"));
        part(ask("5-9"), "5-9");
        part(ask_range(&site, "5-9"), "5-9");
        assert_eq!(site.origin.count(), if shared { 2 } else { 3 }, "{said}");
        site.get("/", credentials).expect(200).expect_body(BODY);
        site.get("/", "Cache-Control: only-if-cached\r\n")
            .expect(if shared { 200 } else { 504 });
    }
}

#[test]
fn parts_that_vary_by_another_field_are_not_joined() {
    let site = Site::new(|r| {
        let vary = if r.n == 1 { "Vary: X-A" } else { "Vary: X-B" };
        ranges(r, &[TAG, FRESH, vary], BODY)
    });
    let ask = |range, fields| {
        let response = site.get("/", &format!("Range: bytes={range}\r\n{fields}"));
        part(response, range)
    };
    ask("0-4", "X-A: 1\r\nX-B: 1\r\n");
    ask("5-9", "X-A: 1\r\nX-B: 1\r\n");
    // Joined they would answer whoever has the same X-A, whatever the X-B.
    ask("5-9", "X-A: 1\r\nX-B: 2\r\n");
    assert_eq!(site.origin.count(), 3);
}

#[test]
fn a_request_that_is_not_to_be_stored_leaves_no_part() {
    let site = site(&[TAG, FRESH]);
    part(ask_range(&site, "0-4"), "0-4");
    for _ in 0..2 {
        let response = site.get("/", "Range: bytes=5-9\r\nCache-Control: no-store\r\n");
        part(response, "5-9");
    }
    assert_eq!(site.origin.count(), 3);
}

#[test]
fn a_whole_longer_than_what_is_stored_is_not_completed_in_vain() {
    let body = vec![b'x'; 40_000];
    let origin = understudy_testbed::Origin::answering(move |r| {
        let text = std::str::from_utf8(&body).unwrap();
        ranges(r, &[TAG, FRESH], text)
    });
    let site = Site::with(origin, "[cache]\nmax_object = \"32K\"\n");
    ask_range(&site, "0-999").expect(206);
    ask_range(&site, "100-199").expect(206).expect_hit();
    site.get("/", "").expect(200);
    assert_eq!(site.origin.requests()[1].get("range"), None);
    assert_eq!(site.origin.count(), 2);
}
