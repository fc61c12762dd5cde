//! The compressor before real origins and odd ones: validations, origins that compress themselves, bodies that are not what they say.
#![allow(clippy::unwrap_used)]

#[path = "compressor/support.rs"]
mod support;

use std::path::{Path, PathBuf};
use support::{RUNTIMES, counted, curl, piped, start, table, text};
use understudy_testbed::{Client, Framing, Launch, Nginx, Origin, Proxy, get, reply};

const HOST: &str = "site.test";
const CACHED: &str = "Cache-Control: max-age=600";
const HTML: &str = "Content-Type: text/html";
const GZIP: &str = "Content-Encoding: gzip";

/// A reverse proxy of nginx.
#[track_caller]
fn before(nginx: &Nginx, runtime: &str, options: &str) -> Proxy {
    let rest = format!(
        "workers = 2\n{}[admin]\naddress = \"127.0.0.1:0\"\n\
         [[listen]]\nname = \"site\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"\nto = \"o\"\n\
         [[upstream]]\nname = \"o\"\nservers = [\"{}\"]\n",
        table(runtime, options),
        nginx.addr
    );
    Launch::bare().config(&rest).start()
}

/// Texts as they are: this repository's pages and sources.
fn texts() -> Vec<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let kinds = [
        "docs",
        "modules/compressor/src",
        "modules/abi/include",
        "config",
    ];
    let listed = kinds
        .iter()
        .flat_map(|kind| std::fs::read_dir(here.join(kind)).unwrap());
    let files = listed.map(|entry| entry.unwrap().path());
    files.filter(|path| path.is_file()).collect()
}

#[test]
fn real_texts_from_nginx_are_smaller_and_the_same() {
    let site = tempfile::tempdir().unwrap();
    let mut names = Vec::new();
    for path in texts() {
        // A name that nginx knows a type of.
        let name = format!("{}.html", path.file_name().unwrap().to_str().unwrap());
        std::fs::copy(&path, site.path().join(&name)).unwrap();
        names.push(name);
    }
    assert!(names.len() > 20);
    let nginx = Nginx::serving(site.path(), "add_header Cache-Control max-age=600;");
    for runtime in RUNTIMES {
        let proxy = before(&nginx, runtime, "");
        for accept in ["gzip", "br", "zstd", "identity"] {
            for name in &names {
                let (_, body) = curl(&proxy, &format!("/{name}"), accept);
                assert!(
                    body == std::fs::read(site.path().join(name)).unwrap(),
                    "{runtime} {accept} {name}"
                );
            }
        }
        let (bytes_in, bytes_out) = (counted(&proxy, "bytes_in"), counted(&proxy, "bytes_out"));
        assert!(
            bytes_out * 2 < bytes_in,
            "{runtime}: {bytes_in} became {bytes_out}"
        );
    }
}

/// The store has the weak tag and nginx the strong one: 304, and the compressed form is good again.
#[test]
fn a_stale_compressed_page_is_validated_with_nginx() {
    let site = tempfile::tempdir().unwrap();
    std::fs::write(site.path().join("page.html"), text(5000)).unwrap();
    let nginx = Nginx::serving(site.path(), "add_header Cache-Control no-cache;");
    for (n, runtime) in RUNTIMES.into_iter().enumerate() {
        let proxy = before(&nginx, runtime, "");
        let ask = |fields: &str| {
            get(
                proxy.addr(),
                "/page.html",
                HOST,
                &format!("Accept-Encoding: gzip\r\n{fields}"),
            )
        };
        let first = ask("").expect(200);
        let tag = first.get("etag").unwrap().to_owned();
        assert!(tag.starts_with("W/\""), "{tag}");
        let again = ask("").expect(200);
        assert_eq!(again.body, first.body, "{runtime}");
        assert_eq!(again.get("etag"), Some(&*tag), "{runtime}");
        assert_eq!(again.get("content-encoding"), Some("gzip"), "{runtime}");
        assert_eq!(again.get("vary"), Some("Accept-Encoding"), "{runtime}");
        assert_eq!(
            again.framing,
            Framing::Length(first.body.len()),
            "{runtime}"
        );
        // And for a client that has it already.
        let condition = format!("If-None-Match: {tag}\r\n");
        ask(&condition).expect(304);
        assert_eq!(counted(&proxy, "compressed"), 1, "{runtime}");
        // And where nothing is stored: the proxy fetches all of it and compares the tags itself.
        let other = get(
            proxy.addr(),
            "/page.html?other",
            HOST,
            &format!("Accept-Encoding: gzip\r\n{condition}"),
        )
        .expect(304);
        assert_eq!(other.get("etag"), Some(&*tag), "{runtime}");
        let log = nginx.logged(4 * (n + 1));
        let seen: Vec<&str> = log
            .iter()
            .map(|line| line.split(' ').nth(8).unwrap())
            .skip(4 * n)
            .collect();
        assert_eq!(seen, ["200", "304", "304", "200"], "{runtime}");
    }
}

#[test]
fn origins_that_compare_letters_find_their_own_tags() {
    for runtime in RUNTIMES {
        let origin = Origin::answering(|request| {
            match (
                &*request.method,
                request.get("if-none-match"),
                request.get("if-match"),
            ) {
                ("GET", Some("\"v1\""), _) => reply(
                    304,
                    &["Cache-Control: no-cache", "ETag: \"v1\"", "Vary: Cookie"],
                    "",
                ),
                ("GET", ..) => reply(
                    200,
                    &[
                        HTML,
                        "Cache-Control: no-cache",
                        "ETag: \"v1\"",
                        "Vary: Cookie",
                    ],
                    text(3000),
                ),
                (_, _, Some("\"v1\"")) => reply(204, &[], ""),
                _ => reply(412, &[], ""),
            }
        });
        let proxy = start(&origin, runtime, "");
        let ask = || get(proxy.addr(), "/", HOST, "Accept-Encoding: gzip\r\n").expect(200);
        let first = ask();
        let second = ask();
        assert_eq!(second.body, first.body, "{runtime}");
        assert_eq!(second.get("etag"), Some("W/\"v1\""), "{runtime}");
        assert_eq!(
            second.get("vary"),
            Some("Cookie, Accept-Encoding"),
            "{runtime}"
        );
        assert_eq!(counted(&proxy, "compressed"), 1, "{runtime}");
        // Who edits what it got compressed names the version by the tag it got.
        let mut client = Client::to(proxy.addr());
        client.send(format!(
            "PUT / HTTP/1.1\r\nHost: {HOST}\r\nIf-Match: W/\"v1\"\r\nContent-Length: 0\r\n\r\n"
        ));
        assert_eq!(client.response_to("PUT").status, 204, "{runtime}");
    }
}

#[test]
fn an_origin_that_compresses_is_left_alone_and_asked_for_the_plain_form_by_option() {
    let site = tempfile::tempdir().unwrap();
    std::fs::write(site.path().join("page.html"), text(5000)).unwrap();
    let nginx = Nginx::serving(
        site.path(),
        "gzip on; gzip_proxied any; gzip_vary on; add_header Cache-Control max-age=600;",
    );
    for runtime in RUNTIMES {
        for (options, coding, made) in [("", "gzip", 0), ("ask_identity = true\n", "br", 1)] {
            let proxy = before(&nginx, runtime, options);
            let (head, body) = curl(&proxy, "/page.html", "gzip, br");
            assert!(
                head.contains(&format!("content-encoding: {coding}\r\n")),
                "{runtime}: {head}"
            );
            assert!(body == text(5000), "{runtime}");
            assert_eq!(counted(&proxy, "compressed"), made, "{runtime}");
        }
    }
}

/// nginx compresses and does not say that it depends on who asks: the one form stored is decompressed for who cannot read it.
#[test]
fn a_client_that_cannot_gets_a_decompressed_copy() {
    let site = tempfile::tempdir().unwrap();
    std::fs::write(site.path().join("page.html"), text(300_000)).unwrap();
    let nginx = Nginx::serving(
        site.path(),
        "gzip on; gzip_proxied any; gzip_vary off; add_header Cache-Control max-age=600;",
    );
    for runtime in RUNTIMES {
        let proxy = before(&nginx, runtime, "");
        let ask = |fields: &str| get(proxy.addr(), "/page.html", HOST, fields).expect(200);
        let first = ask("Accept-Encoding: gzip\r\n");
        assert_eq!(first.get("content-encoding"), Some("gzip"), "{runtime}");
        for fields in [
            "",
            "Accept-Encoding: br\r\n",
            "Accept-Encoding: gzip;q=0\r\n",
            "Accept-Encoding: *;q=0, identity\r\n",
        ] {
            let got = ask(fields);
            assert!(got.cache_status().contains("; hit"), "{runtime} {fields}");
            assert_eq!(got.get("content-encoding"), None, "{runtime} {fields}");
            assert_eq!(
                got.get("vary"),
                Some("Accept-Encoding"),
                "{runtime} {fields}"
            );
            assert!(got.body == text(300_000), "{runtime} {fields}");
        }
        assert_eq!(
            ask("Accept-Encoding: gzip\r\n").body,
            first.body,
            "{runtime}"
        );
        assert_eq!(counted(&proxy, "decompressed"), 4, "{runtime}");
    }
}

#[test]
fn every_coding_is_decompressed_for_whoever_cannot_on_a_miss_as_well() {
    let plain = text(100_000);
    let bodies = [
        ("gzip", piped("gzip", &["-c"], &plain)),
        ("zstd", piped("zstd", &["-cq", "-19"], &plain)),
    ];
    for runtime in RUNTIMES {
        for (coding, body) in bodies.clone() {
            let coded = format!("Content-Encoding: {coding}");
            let (coded, sent) = (coded.clone(), body.clone());
            let origin = Origin::answering(move |_| {
                reply(200, &[HTML, CACHED, &coded, "ETag: \"c\""], &sent)
            });
            let proxy = start(&origin, runtime, "");
            for hit in [false, true] {
                let got = get(proxy.addr(), "/", HOST, "").expect(200);
                assert_eq!(
                    got.cache_status().contains("; hit"),
                    hit,
                    "{runtime} {coding}"
                );
                assert!(got.body == plain, "{runtime} {coding}");
                assert_eq!(got.get("etag"), Some("W/\"c\""), "{runtime} {coding}");
            }
            let whole = get(
                proxy.addr(),
                "/",
                HOST,
                &format!("Accept-Encoding: {coding}\r\n"),
            )
            .expect(200);
            assert!(
                whole.body == body,
                "{runtime} {coding}: what is stored is the origin's"
            );
            assert_eq!(whole.get("etag"), Some("\"c\""), "{runtime} {coding}");
        }
    }
}

#[test]
fn bombs_garbage_and_stumps_are_broken_off_and_the_proxy_goes_on() {
    let zeros = vec![0; 64 << 20];
    let bomb = piped("gzip", &["-9c"], &zeros);
    let thick = piped("zstd", &["-19cq"], &zeros);
    let mut stump = piped("gzip", &["-c"], &text(50_000));
    stump.truncate(stump.len() - 9);
    for runtime in RUNTIMES {
        let (bomb, thick, stump) = (bomb.clone(), thick.clone(), stump.clone());
        let origin = Origin::answering(move |request| match &*request.target {
            "/bomb" => reply(200, &[HTML, CACHED, GZIP], &bomb),
            "/thick" => reply(200, &[HTML, CACHED, "Content-Encoding: zstd"], &thick),
            "/stump" => reply(200, &[HTML, CACHED, GZIP], &stump),
            "/garbage" => reply(200, &[HTML, CACHED, GZIP], "this is no gzip"),
            _ => reply(200, &[HTML], "fine"),
        });
        let proxy = start(&origin, runtime, "");
        for (n, path) in ["/bomb", "/thick", "/stump", "/garbage"]
            .into_iter()
            .enumerate()
        {
            let mut client = Client::to(proxy.addr());
            client.send(format!(
                "GET {path} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n"
            ));
            let rest = client.rest();
            // Told as an error, or cut before its end: nobody takes a part for the whole.
            let answer = String::from_utf8_lossy(&rest);
            let whole = answer.ends_with("\r\n0\r\n\r\n");
            assert!(
                answer.starts_with("HTTP/1.1 502") || !whole,
                "{runtime} {path}: {} bytes",
                rest.len()
            );
            assert!(
                rest.len() < 32 << 20,
                "{runtime} {path}: {} bytes",
                rest.len()
            );
            assert_eq!(counted(&proxy, "broken"), n as u64 + 1, "{runtime} {path}");
        }
        assert_eq!(
            get(proxy.addr(), "/", HOST, "").expect(200).text(),
            "fine",
            "{runtime}"
        );
        // Who can read it gets what the origin sent, bomb or not.
        get(proxy.addr(), "/bomb", HOST, "Accept-Encoding: gzip\r\n").expect(200);
    }
}
