//! Ranges of what is not stored yet: of a body still growing, of one that broke off, and by the policy for misses.
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Client, Gate, Origin, Request, Response, Site, reply, site::HOST};

const TAG: &str = "ETag: \"a\"";
const FRESH: &str = "Cache-Control: max-age=60";

/// A body whose bytes tell their place.
fn pattern(length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| b'a' + (at * 7 + at / 1000) as u8 % 26)
        .collect()
}

/// An origin that knows ranges of this body.
fn ranges(r: &Request, body: &[u8]) -> Vec<u8> {
    let asked = r
        .get("range")
        .and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
    let Some((first, last)) = asked else {
        return reply(200, &[TAG, FRESH, "Accept-Ranges: bytes"], body);
    };
    let first: usize = first.parse().unwrap();
    let last = last.parse().unwrap_or(body.len() - 1).min(body.len() - 1);
    let range = format!("Content-Range: bytes {first}-{last}/{}", body.len());
    reply(206, &[TAG, FRESH, &range], &body[first..=last])
}

#[track_caller]
fn part(response: Response, first: usize, last: usize, body: &[u8]) -> Response {
    let response = response.expect(206).expect_body(&body[first..=last]);
    let said = format!("bytes {first}-{last}/{}", body.len());
    assert_eq!(response.get("content-range"), Some(&*said));
    response
}

fn whole_policy(body: &[u8], most: &str) -> Site {
    let sent = body.to_vec();
    let origin = Origin::answering(move |r| ranges(r, &sent));
    Site::with(
        origin,
        &format!("[cache]\nrange_miss = \"whole\"\nrange_whole_max = \"{most}\"\n"),
    )
}

#[test]
fn by_policy_a_range_fetches_the_whole_and_is_answered_from_it() {
    let body = pattern(50_000);
    let site = whole_policy(&body, "50000");
    let first = part(site.get("/", "Range: bytes=100-199\r\n"), 100, 199, &body);
    assert!(
        first.get("cache-status").unwrap().contains("stored"),
        "{}",
        first.head.text()
    );
    assert_eq!(site.origin.requests()[0].get("range"), None);
    part(
        site.get("/", "Range: bytes=40000-\r\n"),
        40_000,
        49_999,
        &body,
    );
    site.get("/", "").expect(200).expect_body(&*body);
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn by_policy_a_range_beyond_the_end_of_the_whole_is_not_satisfiable() {
    let body = pattern(1000);
    let site = whole_policy(&body, "50000");
    let response = site.get("/", "Range: bytes=1000-\r\n").expect(416);
    assert_eq!(response.get("content-range"), Some("bytes */1000"));
    site.get("/", "").expect(200).expect_body(&*body);
}

#[test]
fn a_whole_that_is_too_long_for_the_policy_is_not_fetched_for_a_range() {
    let body = pattern(50_001);
    let site = whole_policy(&body, "50000");
    part(site.get("/", "Range: bytes=100-199\r\n"), 100, 199, &body);
    part(site.get("/", "Range: bytes=150-160\r\n"), 150, 160, &body).expect_hit();
    let asked: Vec<Option<String>> = site
        .origin
        .requests()
        .iter()
        .map(|r| r.get("range").map(str::to_owned))
        .collect();
    assert_eq!(asked, [None, Some("bytes=100-199".to_owned())]);
}

/// Half of a body of 2000 bytes, a door, the other half, whatever is asked for.
fn halves(gate: &Gate, body: &[u8]) -> Site {
    let (gate, body) = (gate.clone(), body.to_vec());
    Site::of(Origin::scripted(move |conn| {
        while conn.request().is_some() {
            conn.send(format!(
                "HTTP/1.1 200 OK\r\n{TAG}\r\n{FRESH}\r\nContent-Length: 2000\r\n\r\n"
            ));
            conn.send(&body[..1000]);
            gate.wait();
            conn.send(&body[1000..]);
        }
    }))
}

fn asking(site: &Site, fields: &str) -> Client {
    let mut client = site.client();
    client.send(format!("GET / HTTP/1.1\r\nHost: {HOST}\r\n{fields}\r\n"));
    client
}

#[test]
fn a_range_of_a_growing_body_is_answered_as_it_grows() {
    let (gate, body) = (Gate::new(), pattern(2000));
    let site = halves(&gate, &body);
    let mut leader = asking(&site, "");
    leader.head();
    assert_eq!(leader.wire.exactly(1000), &body[..1000]);
    // Complete while the body is not.
    part(
        asking(&site, "Range: bytes=10-19\r\n").response(),
        10,
        19,
        &body,
    );
    let beyond = asking(&site, "Range: bytes=2000-\r\n")
        .response()
        .expect(416);
    assert_eq!(beyond.get("content-range"), Some("bytes */2000"));
    let mut later = asking(&site, "Range: bytes=990-1009\r\n");
    let head = later.head();
    assert!(head.start.contains("206"), "{}", head.text());
    assert_eq!(later.wire.exactly(10), &body[990..1000]);
    let mut tail = asking(&site, "Range: bytes=-5\r\n");
    gate.open();
    assert_eq!(later.wire.exactly(10), &body[1000..1010]);
    part(tail.response(), 1995, 1999, &body);
    assert_eq!(leader.wire.exactly(1000), &body[1000..]);
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn a_range_far_behind_what_has_come_is_fetched_by_itself() {
    let (gate, length) = (Gate::new(), 4_000_000);
    let (theirs, body) = (gate.clone(), pattern(length));
    let sent = body.clone();
    let site = Site::of(Origin::scripted(move |conn| {
        while let Some(request) = conn.request() {
            if request.get("range").is_some() {
                conn.send(ranges(&request, &sent));
                continue;
            }
            conn.send(format!(
                "HTTP/1.1 200 OK\r\n{TAG}\r\n{FRESH}\r\nContent-Length: {length}\r\n\r\n"
            ));
            conn.send(&sent[..1000]);
            theirs.wait();
            conn.send(&sent[1000..]);
        }
    }));
    let mut leader = asking(&site, "");
    leader.head();
    assert_eq!(leader.wire.exactly(1000), &body[..1000]);
    part(
        asking(&site, "Range: bytes=3000000-3000009\r\n").response(),
        3_000_000,
        3_000_009,
        &body,
    );
    gate.open();
    assert_eq!(leader.wire.exactly(length - 1000), &body[1000..]);
    assert_eq!(site.origin.count(), 2);
}

/// An origin whose first answer breaks off after 1200 of 2000 bytes.
fn breaking(fields: &'static [&'static str], body: &[u8]) -> Site {
    let body = body.to_vec();
    Site::of(Origin::scripted(move |conn| {
        while let Some(request) = conn.request() {
            if request.n > 1 {
                conn.send(ranges(&request, &body));
                continue;
            }
            let whole = reply(200, fields, &body);
            conn.send(&whole[..whole.len() - 800]);
            return;
        }
    }))
}

#[test]
fn what_came_of_a_body_that_broke_off_is_kept_and_completed() {
    let body = pattern(2000);
    let site = breaking(&[TAG, FRESH, "Accept-Ranges: bytes"], &body);
    let mut broken = asking(&site, "");
    broken.head();
    assert_eq!(broken.wire.rest(), &body[..1200]);
    part(
        site.get("/", "Range: bytes=1000-1199\r\n"),
        1000,
        1199,
        &body,
    )
    .expect_hit();
    site.get("/", "").expect(200).expect_body(&*body);
    let completing = &site.origin.requests()[1];
    assert_eq!(
        (completing.get("range"), completing.get("if-range")),
        (Some("bytes=1200-"), Some("\"a\""))
    );
    site.get("/", "")
        .expect(200)
        .expect_body(&*body)
        .expect_hit();
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn what_broke_off_and_could_not_be_completed_is_fetched_again() {
    for fields in [
        &[FRESH, "Accept-Ranges: bytes"][..],
        &[FRESH, "Accept-Ranges: bytes", "ETag: W/\"a\""],
        &[FRESH, TAG],
    ] {
        let body = pattern(2000);
        let site = breaking(fields, &body);
        let mut broken = asking(&site, "");
        broken.head();
        broken.wire.rest();
        site.get("/", "").expect(200).expect_body(&*body);
        assert_eq!(site.origin.requests()[1].get("range"), None, "{fields:?}");
    }
}

#[test]
fn a_completion_that_breaks_off_is_completed_the_next_time() {
    let body = pattern(2000);
    let sent = body.clone();
    let site = Site::of(Origin::scripted(move |conn| {
        while let Some(request) = conn.request() {
            let answer = ranges(&request, &sent);
            if request.n == 2 {
                conn.send(&answer[..answer.len() - 500]);
                return;
            }
            conn.send(answer);
        }
    }));
    part(site.get("/", "Range: bytes=0-999\r\n"), 0, 999, &body);
    let mut broken = asking(&site, "");
    broken.head();
    assert_eq!(broken.wire.rest(), &body[..1500]);
    site.get("/", "").expect(200).expect_body(&*body);
    let asked: Vec<String> = site
        .origin
        .requests()
        .iter()
        .map(|r| r.get("range").unwrap().to_owned())
        .collect();
    assert_eq!(asked, ["bytes=0-999", "bytes=1000-", "bytes=1500-"]);
    site.get("/", "")
        .expect(200)
        .expect_body(&*body)
        .expect_hit();
}

#[test]
fn a_part_whose_length_the_origin_does_not_tell_is_stored_when_it_is_true() {
    for (bytes, kept) in [(1000, true), (999, false), (1001, false)] {
        let body = pattern(2000);
        let sent = body.clone();
        let site = Site::of(Origin::scripted(move |conn| {
            while conn.request().is_some() {
                conn.send(format!(
                    "HTTP/1.1 206 Partial Content\r\n{TAG}\r\n{FRESH}\r\nContent-Range: bytes 0-999/2000\r\n\
                     Transfer-Encoding: chunked\r\n\r\n{bytes:x}\r\n"
                ));
                conn.send(&sent[..bytes]);
                conn.send("\r\n0\r\n\r\n");
            }
        }));
        for _ in 0..2 {
            let response = site.get("/", "Range: bytes=0-999\r\n").expect(206);
            response.expect_body(&body[..bytes]);
        }
        assert_eq!(site.origin.count(), if kept { 1 } else { 2 }, "{bytes}");
    }
}

#[test]
fn a_completion_longer_than_its_range_says_never_becomes_the_whole() {
    let body = pattern(2000);
    let sent = body.clone();
    let site = Site::of(Origin::scripted(move |conn| {
        while let Some(request) = conn.request() {
            if request.get("if-range").is_none() {
                conn.send(ranges(&request, &sent));
                continue;
            }
            conn.send(format!(
                "HTTP/1.1 206 Partial Content\r\n{TAG}\r\n{FRESH}\r\nContent-Range: bytes 1000-1499/2000\r\n\
                 Transfer-Encoding: chunked\r\n\r\n258\r\n"
            ));
            conn.send(&sent[1000..1600]);
            conn.send("\r\n0\r\n\r\n");
        }
    }));
    part(site.get("/", "Range: bytes=0-999\r\n"), 0, 999, &body);
    part(
        site.get("/", "Range: bytes=1500-1999\r\n"),
        1500,
        1999,
        &body,
    );
    let mut broken = asking(&site, "");
    broken.head();
    assert!(body.starts_with(&broken.wire.rest()));
    let after = asking(&site, "Cache-Control: only-if-cached\r\n").response();
    after.expect(504);
}

#[test]
fn ranges_of_other_units_are_the_origin_s() {
    let site = Site::new(|r| {
        let line = format!("X-Range: {}", r.get("range").unwrap_or("none"));
        reply(200, &[FRESH, &line], "all")
    });
    for _ in 0..2 {
        let response = site.get("/", "Range: lines=1-2\r\n").expect(200);
        assert_eq!(response.get("x-range"), Some("lines=1-2"));
    }
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn parts_joined_from_pieces_of_any_size_are_the_original() {
    let length = 200_000;
    let body = pattern(length);
    let sent = body.clone();
    let site = Site::new(move |r| ranges(r, &sent));
    let mut client = site.client();
    let mut ask = |first: usize, last: usize| {
        let response = client.ask(format!(
            "GET / HTTP/1.1\r\nHost: {HOST}\r\nRange: bytes={first}-{last}\r\n\r\n"
        ));
        part(response, first, last, &body);
    };
    // A walk through the body that meets every kind of overlap.
    let mut at = 1usize;
    for step in 1..60 {
        at = (at * 7919 + step * 104_729) % length;
        let last = (at + step * 331).min(length - 1);
        ask(at, last);
        ask(
            at.saturating_sub(step * 17),
            (last + step * 13).min(length - 1),
        );
    }
    site.get("/", "").expect(200).expect_body(&*body);
    site.get("/", "")
        .expect(200)
        .expect_body(&*body)
        .expect_hit();
    assert!(site.origin.count() < 120);
}

#[test]
fn twenty_askers_of_one_range_are_one_request() {
    let (gate, body) = (Gate::new(), pattern(2000));
    let (theirs, sent) = (gate.clone(), body.clone());
    let site = Site::new(move |r| {
        if r.get("range") == Some("bytes=500-599") {
            theirs.wait();
        }
        ranges(r, &sent)
    });
    let range = "Range: bytes=500-599\r\n";
    let mut leader = asking(&site, range);
    site.origin.wait_requests(1);
    let mut askers: Vec<Client> = (0..20).map(|_| asking(&site, range)).collect();
    // Another range waits for nobody.
    part(site.get("/", "Range: bytes=0-9\r\n"), 0, 9, &body);
    gate.open();
    for client in askers.iter_mut().chain([&mut leader]) {
        part(client.response(), 500, 599, &body);
    }
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn askers_of_one_range_that_may_not_be_shared_each_get_their_own() {
    let (gate, body) = (Gate::new(), pattern(2000));
    let (theirs, sent) = (gate.clone(), body.clone());
    let site = Site::new(move |r| {
        theirs.wait();
        let range = format!("Content-Range: bytes 0-9/{}", sent.len());
        let own = format!("X-N: {}", r.n);
        reply(206, &[&range, &own, "Cache-Control: private"], &sent[..10])
    });
    let mut leader = asking(&site, "Range: bytes=0-9\r\n");
    site.origin.wait_requests(1);
    let mut askers: Vec<Client> = (0..4)
        .map(|_| asking(&site, "Range: bytes=0-9\r\n"))
        .collect();
    gate.open();
    let mut seen = Vec::new();
    for client in askers.iter_mut().chain([&mut leader]) {
        let response = part(client.response(), 0, 9, &body);
        seen.push(response.get("x-n").unwrap().to_owned());
    }
    seen.sort();
    seen.dedup();
    assert_eq!(seen.len(), 5);
}

#[test]
fn a_stale_part_stands_in_when_the_origin_fails_and_may_not_otherwise() {
    for (said, status) in [
        ("max-age=0, stale-if-error=60", 206),
        ("max-age=0, must-revalidate", 503),
    ] {
        let body = pattern(2000);
        let sent = body.clone();
        let site = Site::new(move |r| {
            if r.n > 1 {
                return reply(503, &[], "down");
            }
            let line = format!("Cache-Control: {said}");
            reply(
                206,
                &[TAG, &line, "Content-Range: bytes 0-99/2000"],
                &sent[..100],
            )
        });
        part(site.get("/", "Range: bytes=0-99\r\n"), 0, 99, &body);
        let response = site.get("/", "Range: bytes=10-19\r\n").expect(status);
        if status == 206 {
            part(response, 10, 19, &body).expect_hit();
        }
        assert_eq!(site.origin.count(), 2, "{said}");
    }
}
