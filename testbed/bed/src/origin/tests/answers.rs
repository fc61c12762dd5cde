//! What is answered to a request alone.

use super::*;
use crate::origin::{breaks_off, posted, server_of};

#[test]
fn a_cachable_object_comes_with_its_body_its_dates_and_the_request_s_number() {
    let bed = Bed::new(|_| {});
    let object = bed.object(TEXT, true);
    let before = i64::try_from(now().as_millis()).unwrap();
    let answer = bed.client().exchange(&bed.request("GET", object, 0x2a, ""));
    let reply = answer.reply();
    assert_eq!(
        (answer.status, reply.request, reply.not_modified),
        (200, 0x2a, false)
    );
    assert!(reply.answered >= before, "{reply} before {before}");
    assert_eq!(answer.body, bed.body(object, reply));
    let version = bed.world.version(object, reply.answered / 1000);
    assert_eq!(answer.seconds("date"), reply.answered / 1000);
    assert_eq!(answer.seconds("last-modified"), version.modified);
    assert_eq!(answer.seconds("expires"), version.until);
    assert_eq!(answer.field("cache-control"), "public");
    assert_eq!(answer.field("content-type"), "text/plain; charset=utf-8");
    assert!(!answer.has("etag") && !answer.has("pragma"));
}

#[test]
fn an_object_that_is_not_cachable_says_so_twice_and_has_no_expires() {
    let bed = Bed::new(|_| {});
    let object = bed.object(TEXT, false);
    let answer = bed.client().exchange(&bed.request("GET", object, 1, ""));
    assert_eq!(answer.field("cache-control"), "private, no-cache");
    assert_eq!(answer.field("pragma"), "no-cache");
    assert!(!answer.has("expires") && answer.has("last-modified"));
    assert_eq!(answer.body, bed.body(object, answer.reply()));
}

#[test]
fn a_version_that_the_client_has_is_not_sent_again() {
    let bed = Bed::new(|_| {});
    let object = bed.object(LONG, true);
    let mut client = bed.client();
    let first = client.exchange(&bed.request("GET", object, 1, ""));
    let since = format!("If-Modified-Since: {}\r\n", first.field("last-modified"));
    let second = client.exchange(&bed.request("GET", object, 2, &since));
    let reply = second.reply();
    assert_eq!(
        (second.status, reply.request, reply.not_modified),
        (304, 2, true)
    );
    for name in ["date", "last-modified", "expires", "cache-control"] {
        assert!(second.has(name), "{name}: {second:?}");
    }
    assert!(!second.has("content-length"));
    // The connection goes on where a 304 ends.
    assert_eq!(
        client.exchange(&bed.request("GET", object, 3, "")).body,
        first.body
    );
    let statistics = bed.running.statistics();
    assert_eq!((statistics.conditional, statistics.not_modified), (1, 1));
}

#[test]
fn head_is_answered_as_get_without_the_body() {
    let bed = Bed::new(|_| {});
    let object = bed.object(TEXT, true);
    let mut client = bed.client();
    let head = client.exchange(&bed.request("HEAD", object, 1, ""));
    let get = client.exchange(&bed.request("GET", object, 2, ""));
    assert_eq!(head.status, 200);
    assert_eq!(head.field("content-length"), get.body.len().to_string());
    for name in ["last-modified", "expires", "content-type", "cache-control"] {
        assert_eq!(head.field(name), get.field(name));
    }
    assert_eq!(head.reply().request, 1);
}

#[test]
fn a_post_is_answered_if_its_body_is_the_one_of_its_number() {
    let bed = Bed::new(|_| {});
    let object = bed.object(TEXT, true);
    let post = |number: u64, body: &[u8]| {
        let length = format!("Content-Length: {}\r\n", body.len());
        let mut client = bed.client();
        client.send(bed.request("POST", object, number, &length));
        client.send(body);
        client.answer("POST")
    };
    for length in [0, 1, 8192, 1 << 20] {
        let answer = post(5, &posted(bed.world.seed(), 5, length));
        assert_eq!(answer.status, 200, "{length} bytes");
        assert_eq!(answer.field("cache-control"), "no-store");
        assert!(!answer.has("expires"));
        assert_eq!(answer.body, bed.body(object, answer.reply()));
    }
    let mut wrong = posted(bed.world.seed(), 5, 8192);
    wrong[8191] ^= 1;
    assert_eq!(post(5, &wrong).status, 400);
    assert_eq!(post(6, &posted(bed.world.seed(), 5, 100)).status, 400);
    let statistics = bed.running.statistics();
    assert_eq!(
        (statistics.post, statistics.wrong_bodies, statistics.refused),
        (6, 2, 2)
    );
    // A post is no miss that a cache stores.
    assert_eq!(statistics.first_cachable_bytes, 0);
}

#[test]
fn a_post_above_a_mebibyte_is_refused() {
    let bed = Bed::new(|_| {});
    let length = format!("Content-Length: {}\r\n", (1 << 20) + 1);
    let mut client = bed.client();
    client.send(bed.request("POST", bed.object(TEXT, true), 1, &length));
    assert_eq!(client.head().status, 413);
}

#[test]
fn a_range_is_that_part_of_the_body() {
    let bed = Bed::new(|_| {});
    let object = bed.object(LONG, true);
    let mut client = bed.client();
    let whole = client.exchange(&bed.request("GET", object, 1, "")).body;
    let length = whole.len();
    for (range, first, end) in [
        ("0-0", 0, 1),
        ("100-299", 100, 300),
        ("70000-", 70_000, length),
        ("-5", length - 5, length),
    ] {
        let range = format!("Range: bytes={range}\r\n");
        let part = client.exchange(&bed.request("GET", object, 2, &range));
        assert_eq!(part.status, 206, "{range}");
        assert_eq!(
            part.field("content-range"),
            format!("bytes {first}-{}/{length}", end - 1)
        );
        assert_eq!(part.body, &whole[first..end], "{range}");
        assert_eq!(part.reply().request, 2);
    }
    let range = format!("Range: bytes={length}-\r\n");
    let none = client.exchange(&bed.request("GET", object, 3, &range));
    assert_eq!(none.status, 416);
    assert_eq!(none.field("content-range"), format!("bytes */{length}"));
    let matches = "If-Match: \"other\"\r\n";
    let other = client.exchange(&bed.request("GET", object, 4, matches));
    assert_eq!(other.status, 412);
    // The object may be stored, but not that this request failed.
    for failed in [none, other] {
        assert_eq!(failed.field("cache-control"), "no-store");
        assert!(!failed.has("expires"), "{failed:?}");
    }
}

#[test]
fn what_is_no_request_for_an_object_is_refused_and_the_connection_goes_on() {
    let bed = Bed::new(|_| {});
    let path = bed.world.path(bed.object(TEXT, true));
    let mut client = bed.client();
    let mut check = |method: &str, path: &str, fields: &str, status: u16| {
        let request = format!("{method} {path} HTTP/1.1\r\nHost: x\r\n{fields}\r\n");
        let answer = client.exchange(&request);
        assert_eq!(answer.status, status, "{request}");
        if status != 200 {
            assert_eq!(answer.field("cache-control"), "no-store");
        }
        if status == 405 {
            assert_eq!(answer.field("allow"), "GET, HEAD, POST");
        }
    };
    check("GET", "/", "", 404);
    check("GET", &format!("{path}x"), "", 404);
    check("GET", &format!("{path}?query"), "", 404);
    check("GET", &format!("/ads{path}"), "", 404);
    check("DELETE", &path, "", 405);
    check("OPTIONS", &path, "", 405);
    check("GET", &path, "X-Bed-Request: g\r\n", 400);
    check("GET", &path, "X-Bed-Request: -1\r\n", 400);
    check("GET", &path, "X-Bed-Request:\r\n", 400);
    let twice = "X-Bed-Request: 1\r\nX-Bed-Request: 1\r\n";
    check("GET", &path, twice, 400);
    check("GET", &path, "", 200);
    check("GET", &format!("http://elsewhere:99{path}"), "", 200);
    let statistics = bed.running.statistics();
    assert_eq!((statistics.requests, statistics.refused), (12, 10));
    assert_eq!(statistics.unnumbered, 6);
}

#[test]
fn a_body_is_broken_off_where_its_number_was_drawn_to() {
    let bed = Bed::new(|workload| workload.aborts.server = 0.5);
    let object = bed.object(LONG, true);
    let mut broken = 0;
    for number in 1..=20 {
        let mut client = bed.client();
        client.send(bed.request("GET", object, number, "Connection: close\r\n"));
        let answer = client.head();
        let length: u64 = answer.field("content-length").parse().unwrap();
        let place = crate::origin::answer::break_off_at(&bed.world, number, length);
        assert!(place < length);
        let expected = if breaks_off(&bed.world, number) {
            broken += 1;
            place
        } else {
            length
        };
        let whole = bed.body(object, answer.reply());
        assert_eq!(
            client.end(),
            &whole[..usize::try_from(expected).unwrap()],
            "{number}"
        );
    }
    assert_eq!(bed.running.statistics().aborted, broken);
    assert!(0 < broken && broken < 20, "{broken}");
}

#[test]
fn an_answer_in_chunks_is_the_same_body_and_http_1_0_has_a_length() {
    let bed = Bed::configured(|_| {}, |config| config.chunked = 1.0);
    let object = bed.object(LONG, true);
    let mut client = bed.client();
    let head = client.exchange(&bed.request("HEAD", object, 1, ""));
    let chunked = client.exchange(&bed.request("GET", object, 1, ""));
    assert!(chunked.has("transfer-encoding") && head.has("transfer-encoding"));
    assert_eq!(chunked.body, bed.body(object, chunked.reply()));
    let old = bed.request("GET", object, 1, "").replace("1.1", "1.0");
    let old = bed.client().exchange(&old);
    assert!(!old.has("transfer-encoding"));
    assert_eq!(old.body, chunked.body);
}

#[test]
fn cachable_bytes_count_once_for_each_object_that_was_sent_whole() {
    let bed = Bed::new(|_| {});
    let (object, other) = (bed.object(LONG, true), bed.object(TEXT, true));
    let uncachable = bed.object(TEXT, false);
    let mut client = bed.client();
    let mut bytes = 0;
    let mut ask = |method: &str, object, fields: &str| {
        let answer = client.exchange(&bed.request(method, object, 1, fields));
        bytes += answer.body.len() as u64;
        answer.body.len() as u64
    };
    ask("HEAD", object, "");
    ask("GET", object, "Range: bytes=0-9\r\n");
    ask("GET", uncachable, "");
    let stored = ask("GET", object, "") + ask("GET", other, "");
    ask("GET", object, "");
    let statistics = bed.running.statistics();
    assert_eq!(
        (statistics.objects, statistics.first_cachable_bytes),
        (2, stored)
    );
    assert_eq!(statistics.bytes, bytes);
    assert_eq!(
        (statistics.requests, statistics.get, statistics.head),
        (6, 5, 1)
    );
    assert_eq!(statistics.partial, 1);
}

#[test]
fn objects_are_spread_over_servers_and_each_server_has_all() {
    let bed = Bed::configured(
        |_| {},
        |config| config.listen = vec!["127.0.0.1:0".parse().unwrap(); 3],
    );
    let object = bed.object(TEXT, true);
    let bodies: Vec<_> = bed
        .running
        .addresses()
        .iter()
        .map(|address| {
            Client::new(*address)
                .exchange(&bed.request("GET", object, 1, ""))
                .body
        })
        .collect();
    assert!(bodies.len() == 3 && bodies.iter().all(|b| *b == bodies[0]));
    let mut each = [0; 3];
    for id in 0..3000 {
        each[server_of(bed.world.seed(), Object { kind: TEXT, id }, 3)] += 1;
    }
    assert!(each.iter().all(|n| (850..1150).contains(n)), "{each:?}");
    assert_eq!(server_of(bed.world.seed(), object, 0), 0);
}
