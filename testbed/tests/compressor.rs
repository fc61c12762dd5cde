//! The compressor: what is compressed, stored and sent, decoded by curl, in every runtime.
#![allow(clippy::unwrap_used)]

#[path = "compressor/support.rs"]
mod support;

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::mpsc;
use support::{RUNTIMES, counted, curl, curl_command, start, table, text};
use understudy_testbed::{
    Client, Framing, Launch, Origin, get, modules, proxy::binary, reply, run,
};

const HOST: &str = "site.test";
const CACHED: &str = "Cache-Control: max-age=600";
const HTML: &str = "Content-Type: text/html; charset=utf-8";

/// `/FRAMING/SIZE`: a page of that size.
fn pages() -> Origin {
    Origin::scripted(|conn| {
        while let Some(request) = conn.request() {
            let parts: Vec<&str> = request.target.split('/').collect();
            let body = text(parts[2].parse().unwrap());
            if parts[1] == "length" {
                conn.send(reply(200, &[HTML, CACHED, "ETag: \"page\""], body));
                continue;
            }
            conn.send(format!("HTTP/1.1 200 OK\r\n{HTML}\r\n{CACHED}\r\nETag: \"page\"\r\nTransfer-Encoding: chunked\r\n\r\n"));
            for piece in body.chunks(9000) {
                conn.send(format!("{:x}\r\n", piece.len()));
                conn.send(piece);
                conn.send("\r\n");
            }
            conn.send("0\r\n\r\n");
        }
    })
}

/// Each client gets what it accepts and decodes the same page; the second of each kind is a hit, and the origin was asked once a
/// kind.
#[test]
fn every_coding_is_stored_beside_the_others_and_decoded_by_curl() {
    for runtime in RUNTIMES {
        let origin = pages();
        let proxy = start(&origin, runtime, "");
        let mut asked = 0;
        for page in [
            "/length/300",
            "/length/300000",
            "/chunked/5000",
            "/chunked/300000",
        ] {
            let page_text = text(page.rsplit('/').next().unwrap().parse().unwrap());
            for (accept, coding, shared) in [
                ("gzip", "gzip", false),
                ("br", "br", false),
                ("zstd", "zstd", false),
                ("identity", "", false),
                // Whoever accepts the same shares what is stored.
                ("gzip, deflate", "gzip", true),
                ("deflate;q=0.5,GZIP;q=1, br;q=0.2, zstd;q=0", "gzip", true),
                ("gzip;q=0, deflate", "", true),
            ] {
                for hit in [false, true] {
                    let told = format!("{runtime} {page} {accept} {hit}");
                    let (head, body) = curl(&proxy, page, accept);
                    assert!(body == page_text, "{told}: another page");
                    assert_eq!(
                        head.contains("\r\ncache-status: understudy; hit"),
                        hit || shared,
                        "{told}: {head}"
                    );
                    assert!(
                        head.contains("\r\nvary: accept-encoding\r\n"),
                        "{told}: {head}"
                    );
                    let found = head.split("\r\ncontent-encoding: ").nth(1);
                    assert_eq!(
                        found.and_then(|rest| rest.lines().next()).unwrap_or(""),
                        coding,
                        "{told}"
                    );
                    let tag = if coding.is_empty() {
                        "etag: \"page\"\r\n"
                    } else {
                        "etag: w/\"page\"\r\n"
                    };
                    assert!(head.contains(tag), "{told}: {head}");
                }
                asked += usize::from(!shared);
            }
        }
        assert_eq!(origin.count(), asked, "{runtime}");
        assert_eq!(counted(&proxy, "compressed"), 12, "{runtime}");
        let (bytes_in, bytes_out) = (counted(&proxy, "bytes_in"), counted(&proxy, "bytes_out"));
        assert_eq!(bytes_in, 3 * (300 + 300_000 + 5000 + 300_000), "{runtime}");
        assert!(
            bytes_out * 4 < bytes_in,
            "{runtime}: {bytes_in} became {bytes_out}"
        );
    }
}

/// All of them at once, on pages that nobody asked for before: whoever waits for another's fetch gets what that one accepts.
#[test]
fn clients_of_every_coding_at_once_get_each_its_own() {
    for runtime in RUNTIMES {
        let origin = pages();
        let proxy = start(&origin, runtime, "");
        std::thread::scope(|threads| {
            for n in 0..24 {
                let accept = ["gzip", "br", "zstd", "identity"][n % 4];
                let proxy = &proxy;
                threads.spawn(move || {
                    for page in ["/length/100000", "/chunked/100000"] {
                        let (head, body) = curl(proxy, page, accept);
                        assert!(body == text(100_000), "{runtime} {accept}: {head}");
                        let coded = head.contains(&format!("\r\ncontent-encoding: {accept}\r\n"));
                        assert_eq!(coded, accept != "identity", "{runtime}: {head}");
                    }
                });
            }
        });
        let asked = origin.count();
        for accept in ["gzip", "br", "zstd", "identity"] {
            let (head, _) = curl(&proxy, "/chunked/100000", accept);
            assert!(
                head.contains("understudy; hit"),
                "{runtime} {accept}: {head}"
            );
        }
        assert_eq!(origin.count(), asked, "{runtime}");
    }
}

#[test]
fn what_is_not_stored_is_compressed_for_each() {
    for runtime in RUNTIMES {
        let fields = [HTML, "Cache-Control: no-store"];
        let origin = Origin::answering(move |_| reply(200, &fields, text(700_000)));
        let proxy = start(&origin, runtime, "");
        for accept in ["gzip", "br", "zstd"] {
            let (head, body) = curl(&proxy, "/", accept);
            assert!(body == text(700_000), "{runtime} {accept}");
            let coded = head.contains(&format!("\r\ncontent-encoding: {accept}\r\n"));
            assert!(coded, "{runtime}: {head}");
        }
        assert_eq!(origin.count(), 3, "{runtime}");
    }
}

#[test]
fn what_was_stored_is_told_with_its_own_length() {
    for runtime in RUNTIMES {
        let origin = pages();
        let proxy = start(&origin, runtime, "");
        let gzip = "Accept-Encoding: gzip\r\n";
        get(proxy.addr(), "/length/300000", HOST, gzip).expect(200);
        let hit = get(proxy.addr(), "/length/300000", HOST, gzip).expect(200);
        assert_eq!(hit.framing, Framing::Length(hit.body.len()), "{runtime}");
        assert!(hit.body.len() < 100_000, "{runtime}");
        assert!(support::piped("gzip", &["-dc"], &hit.body) == text(300_000));
        // A HEAD says what a GET says.
        let mut client = Client::to(proxy.addr());
        client.send(format!(
            "HEAD /length/300000 HTTP/1.1\r\nHost: {HOST}\r\n{gzip}\r\n"
        ));
        let head = client.response_to("HEAD");
        for name in ["etag", "vary", "content-encoding", "content-length"] {
            assert_eq!(head.get(name), hit.get(name), "{runtime} {name}");
        }
        assert_eq!(origin.count(), 1, "{runtime}");
    }
}

#[test]
fn a_head_that_goes_to_the_origin_tells_no_length_and_spoils_nothing() {
    for runtime in RUNTIMES {
        let origin = Origin::scripted(|conn| {
            while let Some(request) = conn.request() {
                let mut whole = reply(200, &[HTML, CACHED, "ETag: \"page\""], text(3000));
                if request.method == "HEAD" {
                    whole.truncate(whole.len() - 3000);
                }
                conn.send(whole);
            }
        });
        let proxy = start(&origin, runtime, "");
        let ask = |method: &str, fields: &str| {
            let mut client = Client::to(proxy.addr());
            client.send(format!(
                "{method} / HTTP/1.1\r\nHost: {HOST}\r\nAccept-Encoding: br\r\n{fields}\r\n"
            ));
            client.response_to(method).expect(200)
        };
        let first = ask("HEAD", "");
        assert_eq!(first.get("content-encoding"), Some("br"), "{runtime}");
        assert_eq!(first.get("etag"), Some("W/\"page\""), "{runtime}");
        assert_eq!(first.get("content-length"), None, "{runtime}");
        ask("GET", "");
        ask("HEAD", "Cache-Control: no-cache\r\n");
        assert_eq!(origin.count(), 3, "{runtime}");
        // The plain length of that HEAD is no word about the compressed body.
        assert!(ask("GET", "").cache_status().contains("; hit"), "{runtime}");
    }
}

#[test]
fn a_slow_page_trickles_in_every_coding() {
    for runtime in RUNTIMES {
        for (accept, length) in [
            ("gzip", ""),
            ("br", ""),
            ("zstd", ""),
            ("gzip", "Content-Length: 400\r\n"),
        ] {
            let (told, go) = mpsc::channel::<()>();
            let go = std::sync::Mutex::new(go);
            let origin = Origin::scripted(move |conn| {
                let Some(_) = conn.request() else { return };
                conn.send(format!(
                    "HTTP/1.1 200 OK\r\n{HTML}\r\n{length}Connection: close\r\n\r\n"
                ));
                for n in 0..4 {
                    // The next line comes when the client has shown the one before: nobody gets on otherwise.
                    let waits = n > 0;
                    if waits
                        && go
                            .lock()
                            .unwrap()
                            .recv_timeout(understudy_testbed::PATIENCE)
                            .is_err()
                    {
                        return;
                    }
                    conn.send(format!("{:>99}\n", format!("line {n}")));
                }
            });
            // Without a length nothing goes on before there is enough.
            let proxy = start(&origin, runtime, "min_length = 100\n");
            let mut curl = curl_command(&proxy, "/", accept)
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            let mut lines = BufReader::new(curl.stdout.take().unwrap()).lines();
            for n in 0..4 {
                let line = lines.next();
                let line =
                    line.unwrap_or_else(|| panic!("{runtime} {accept} {length:?}: no line {n}"));
                let line = line.unwrap();
                assert_eq!(line.trim(), format!("line {n}"), "{runtime} {accept}");
                let _ = told.send(());
            }
            assert!(lines.next().is_none());
            assert!(curl.wait().unwrap().success(), "{runtime} {accept}");
            assert_eq!(counted(&proxy, "compressed"), 1, "{runtime} {accept}");
        }
    }
}

#[test]
fn what_gains_nothing_stays_as_it_is() {
    let short = "Transfer-Encoding: chunked\r\n\r\n5\r\nshort\r\n0\r\n\r\n".to_owned();
    let whole = |fields: &str| {
        format!(
            "{fields}\r\nContent-Length: 3000\r\n\r\n{}",
            String::from_utf8(text(3000)).unwrap()
        )
    };
    for runtime in RUNTIMES {
        for (what, status, answer, framing) in [
            (
                "an image",
                200,
                whole("Content-Type: image/jpeg"),
                Framing::Length(3000),
            ),
            ("no type", 200, whole("X-Type: none"), Framing::Length(3000)),
            (
                "events",
                200,
                whole("Content-Type: text/event-stream"),
                Framing::Length(3000),
            ),
            ("an error", 404, whole(HTML), Framing::Length(3000)),
            (
                "no-transform",
                200,
                whole(&format!("{HTML}\r\nCache-Control: no-transform, max-age=9")),
                Framing::Length(3000),
            ),
            // All of it was seen before its head went on.
            (
                "little",
                200,
                format!("{HTML}\r\n{short}"),
                Framing::Length(5),
            ),
        ] {
            let sent = answer.clone();
            let origin = Origin::answering(move |_| {
                format!("HTTP/1.1 {status} X\r\nETag: \"e\"\r\n{sent}").into_bytes()
            });
            let proxy = start(&origin, runtime, "");
            let got = get(
                proxy.addr(),
                "/",
                HOST,
                "Accept-Encoding: gzip, br, zstd\r\n",
            )
            .expect(status);
            assert_eq!(got.get("content-encoding"), None, "{runtime} {what}");
            assert_eq!(got.get("etag"), Some("\"e\""), "{runtime} {what}");
            assert_eq!(got.framing, framing, "{runtime} {what}");
            assert_eq!(counted(&proxy, "compressed"), 0, "{runtime} {what}");
        }
    }
}

#[test]
fn a_part_is_a_part_of_the_plain_form() {
    for runtime in RUNTIMES {
        let origin = Origin::answering(|request| {
            let body = text(3000);
            // As an origin that knows strong tags only (RFC 9110 section 13.1.5).
            let fits = request.get("if-range").is_none_or(|tag| tag == "\"page\"");
            match request.get("range") {
                Some("bytes=0-9") if fits => reply(
                    206,
                    &[
                        HTML,
                        CACHED,
                        "ETag: \"page\"",
                        "Content-Range: bytes 0-9/3000",
                    ],
                    &body[..10],
                ),
                _ => reply(
                    200,
                    &[HTML, CACHED, "ETag: \"page\"", "Accept-Ranges: bytes"],
                    body,
                ),
            }
        });
        let proxy = start(&origin, runtime, "");
        let ask = |fields: &str| {
            get(
                proxy.addr(),
                "/",
                HOST,
                &format!("Accept-Encoding: gzip\r\n{fields}"),
            )
        };
        // Before there is anything, and when the compressed form is stored.
        for stored in [false, true] {
            let part = ask("Range: bytes=0-9\r\n").expect(206);
            assert_eq!(part.body, &text(3000)[..10], "{runtime} {stored}");
            assert_eq!(part.get("etag"), Some("\"page\""), "{runtime} {stored}");
            assert_eq!(part.get("content-encoding"), None, "{runtime} {stored}");
            let whole = ask("").expect(200);
            assert_eq!(
                whole.get("content-encoding"),
                Some("gzip"),
                "{runtime} {stored}"
            );
            assert_eq!(whole.get("accept-ranges"), None, "{runtime} {stored}");
            assert_eq!(whole.cache_status().contains("; hit"), stored, "{runtime}");
        }
        // A weak tag names no bytes: whoever has a piece of the compressed form gets all of the plain one.
        let again = ask("Range: bytes=0-9\r\nIf-Range: W/\"page\"\r\n").expect(200);
        assert_eq!(again.body, text(3000), "{runtime}");
    }
}

#[test]
fn beyond_the_budget_answers_pass_as_they_are_and_are_counted() {
    for runtime in RUNTIMES {
        for options in ["budget = 0\n", "streams = 0\n"] {
            let origin = pages();
            let proxy = start(&origin, runtime, options);
            let (head, body) = curl(&proxy, "/length/3000", "gzip");
            assert!(
                !head.contains("content-encoding") && body == text(3000),
                "{head}"
            );
            assert!(head.contains("content-length: 3000"), "{head}");
            assert_eq!(counted(&proxy, "saturated"), 1, "{runtime} {options}");
            assert_eq!(counted(&proxy, "compressed"), 0, "{runtime} {options}");
        }
    }
}

#[test]
fn a_body_that_spent_the_budget_lets_the_next_pass() {
    let origin = pages();
    // Enough to begin with, and nothing for hours afterwards.
    let proxy = start(&origin, "inline", "budget = 0.0000001\n");
    let (head, _) = curl(&proxy, "/length/300000", "gzip");
    assert!(head.contains("content-encoding: gzip"), "{head}");
    let (head, body) = curl(&proxy, "/length/300001", "gzip");
    assert!(
        !head.contains("content-encoding") && body == text(300_001),
        "{head}"
    );
    assert_eq!(counted(&proxy, "saturated"), 1);
}

#[test]
fn options_are_taken_while_it_runs_and_bad_ones_are_refused_with_their_name() {
    let origin = pages();
    let proxy = start(&origin, "inline", "");
    let admin = proxy.listener("admin").to_string();
    let reconfigure = |option: &str| {
        let command = [
            "modules",
            "reconfigure",
            "compressor",
            option,
            "--admin",
            &admin,
        ];
        run(Command::new(binary()).args(command))
    };
    reconfigure("codings=br, gzip").expect(0);
    let (head, _) = curl(&proxy, "/length/3000", "gzip, br, zstd");
    assert!(head.contains("content-encoding: br"), "{head}");
    for (option, word) in [
        ("codings=deflate", "option `codings`: `deflate`"),
        ("level.gzip=10", "option `level.gzip`: `10`"),
        ("level.zstd=0", "option `level.zstd`: `0`"),
        ("min_length=-1", "option `min_length`: `-1`"),
        ("flush=maybe", "option `flush`: `maybe`"),
        ("budget=NaN", "option `budget`: `NaN`"),
        ("streams=many", "option `streams`: `many`"),
        ("max_ratio=0", "option `max_ratio`: `0`"),
        ("levels=3", "no option `levels`"),
    ] {
        let text = reconfigure(option).expect(1).text();
        assert!(text.contains(word), "{option}: {text}");
    }
    let (head, _) = curl(&proxy, "/length/3001", "gzip, br, zstd");
    assert!(
        head.contains("content-encoding: br"),
        "the old ones stay: {head}"
    );
    let bad = table("inline", "types = [\"text/*\"]\ntype = \"text/*\"\n");
    let refused = Launch::bare()
        .config(&modules::config(&origin, &bad))
        .run()
        .expect(1)
        .text();
    assert!(refused.contains("no option `type`"), "{refused}");
}
