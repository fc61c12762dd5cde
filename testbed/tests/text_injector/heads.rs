//! What a text makes of validators, parts, encodings and what is stored.

use crate::peer::Peer;
use crate::{PAGE, RUNTIMES, counted, get, origin, proxy, with};
use std::process::Command;
use understudy_testbed::{Client, Launch, Nginx, Origin, modules::config, reply, run};

#[test]
fn a_client_that_holds_a_page_of_ours_is_told_that_it_is_good() {
    for runtime in RUNTIMES {
        let origin = origin(PAGE);
        let proxy = proxy(&origin, runtime, "text = \"+\"");
        let mut client = Client::to(proxy.addr());
        let tag = get(&mut client, "/", "")
            .expect(200)
            .get("etag")
            .unwrap()
            .to_owned();
        assert_eq!(tag, "W/\"1\"");
        let good = get(&mut client, "/", &format!("If-None-Match: {tag}\r\n")).expect(304);
        assert_eq!(good.get("etag"), Some("W/\"1\""), "{runtime}");
        // Whoever holds the origin's bytes holds something else than this.
        get(&mut client, "/", "If-Match: \"1\"\r\n");
    }
}

#[test]
fn a_part_is_the_origins_and_no_part_of_ours() {
    for runtime in RUNTIMES {
        let origin = origin(PAGE);
        let proxy = proxy(&origin, runtime, "text = \"+\"");
        let mut client = Client::to(proxy.addr());
        let whole = get(&mut client, "/", "")
            .expect(200)
            .expect_body(with(PAGE, "+"));
        assert_eq!(whole.get("accept-ranges"), None);
        // A client that wants to go on with ours gets it whole: a weak validator continues nothing (RFC 9110 section 13.1.5).
        get(
            &mut client,
            "/",
            "Range: bytes=10-\r\nIf-Range: W/\"1\"\r\n",
        )
        .expect(200)
        .expect_body(with(PAGE, "+"));
        let part = get(&mut client, "/", "Range: bytes=0-9\r\n").expect(206);
        assert_eq!(part.get("etag"), Some("\"1\""), "{runtime}");
        part.expect_body(&PAGE[..10]);
    }
}

#[test]
fn a_head_alone_says_what_the_page_would() {
    for runtime in RUNTIMES {
        let origin = origin(PAGE);
        let proxy = proxy(&origin, runtime, "text = \"+\"");
        let mut client = Client::to(proxy.addr());
        let whole = get(&mut client, "/", "").expect(200);
        let alone = client
            .ask("HEAD / HTTP/1.1\r\nHost: site.test\r\n\r\n")
            .expect(200);
        assert_eq!(alone.get("etag"), whole.get("etag"));
        // Not the length of the origin's (RFC 9110 section 8.6).
        assert_eq!(alone.get("content-length"), None, "{runtime}");
        client
            .ask("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n")
            .expect(200);
    }
}

#[test]
fn what_is_no_page_keeps_its_length_and_its_validator() {
    for runtime in RUNTIMES {
        let origin =
            Origin::answering(|_| reply(200, &["Content-Type: text/css", "ETag: \"1\""], PAGE));
        let proxy = proxy(&origin, runtime, "text = \"+\"");
        let plain = get(&mut Client::to(proxy.addr()), "/", "").expect(200);
        assert_eq!(
            (plain.get("etag"), plain.get("content-length")),
            (Some("\"1\""), Some(&*PAGE.len().to_string())),
            "{runtime}"
        );
        plain.expect_body(PAGE);
        counted(&proxy, "pages", 0);
    }
}

#[test]
fn a_text_by_language_is_stored_and_the_helper_asked_once_for_each() {
    for runtime in RUNTIMES {
        let peer = Peer::answering(|line| Some(format!("<!-- {line} -->")));
        let origin = origin(PAGE);
        let options = format!(
            "{}timeout = \"60s\"\non = \"store\"\nask = \"{{field:accept-language}} {{url}}\"",
            peer.option()
        );
        let proxy = proxy(&origin, runtime, &options);
        let mut client = Client::to(proxy.addr());
        for (language, hit) in [("de", false), ("en", false), ("de", true), ("en", true)] {
            let page = get(
                &mut client,
                "/",
                &format!("Accept-Language: {language}\r\n"),
            )
            .expect(200);
            assert_eq!(page.is_hit(), hit, "{runtime} {language}");
            assert_eq!(page.head.list("vary"), "accept-language");
            assert_eq!(page.get("etag"), Some("W/\"1\""));
            page.expect_body(with(
                PAGE,
                &format!("<!-- {language} http://site.test/ -->"),
            ));
        }
        assert_eq!(peer.lines().len(), 2, "{runtime}");
    }
}

/// Validated, it stays ours: the origin's 304 names its own bytes.
#[test]
fn a_stored_page_of_ours_stays_ours_when_the_origin_says_it_is_good() {
    for runtime in RUNTIMES {
        let origin = Origin::answering(|request| match request.get("if-none-match") {
            Some(_) => {
                b"HTTP/1.1 304 Not Modified\r\nETag: \"1\"\r\nCache-Control: no-cache\r\n\r\n"
                    .to_vec()
            }
            None => reply(
                200,
                &[
                    "Content-Type: text/html",
                    "ETag: \"1\"",
                    "Cache-Control: no-cache",
                ],
                PAGE,
            ),
        });
        let proxy = proxy(&origin, runtime, "text = \"+\"\non = \"store\"");
        let mut client = Client::to(proxy.addr());
        for asked in 1..4 {
            let page = get(&mut client, "/", "").expect(200);
            assert_eq!(page.get("etag"), Some("W/\"1\""), "{runtime} {asked}");
            page.expect_body(with(PAGE, "+"));
            assert_eq!(origin.count(), asked);
        }
        assert_eq!(origin.last().get("if-none-match"), Some("W/\"1\""));
        // Parts are those of the page that is stored.
        let part = get(&mut client, "/", "Range: bytes=0-9\r\nIf-Range: \"1\"\r\n");
        part.expect(200).expect_body(with(PAGE, "+"));
        counted(&proxy, "inserted", 1);
    }
}

#[test]
fn a_compressed_page_is_left_alone_and_by_option_not_asked_for() {
    let root = tempfile::tempdir().unwrap();
    let page = with(PAGE, &"<meta name=a content=b>".repeat(200));
    std::fs::write(root.path().join("index.html"), &page).unwrap();
    std::fs::write(root.path().join("a.css"), "p { color: red }\n".repeat(200)).unwrap();
    let nginx = Nginx::serving(
        root.path(),
        "gzip on; gzip_proxied any; gzip_types *; gzip_min_length 1;",
    );
    let asks = "Accept: text/html\r\nAccept-Encoding: gzip\r\n";
    for runtime in RUNTIMES {
        for identity in [false, true] {
            let table = format!(
                "[[module]]\nname = \"text\"\nlibrary = \"builtin:text-injector\"\nruntime = \"{runtime}\"\n\
                 deadline = \"60s\"\n[module.options]\ntext = \"+\"\nidentity = {identity}\n"
            );
            let nobody = Origin::answering(|_| Vec::new());
            let file =
                config(&nobody, &table).replace(&nobody.addr.to_string(), &nginx.addr.to_string());
            let proxy = Launch::bare().config(&file).start();
            let mut client = Client::to(proxy.addr());
            let got = get(&mut client, "/index.html", asks).expect(200);
            if identity {
                assert_eq!(got.get("content-encoding"), None);
                got.expect_body(with(&page, "+"));
            } else {
                assert_eq!(got.get("content-encoding"), Some("gzip"), "{runtime}");
                assert_eq!(&got.body[..2], b"\x1f\x8b");
                counted(&proxy, "skipped_encoded", 1);
            }
            // Whatever is no page is compressed as ever.
            let style = get(
                &mut client,
                "/a.css",
                "Accept: text/css\r\nAccept-Encoding: gzip\r\n",
            )
            .expect(200);
            assert_eq!(style.get("content-encoding"), Some("gzip"));
        }
    }
}

/// The two orders of the page in docs/, with a client that reads gzip.
#[test]
fn with_the_compressor_pages_go_out_plain_or_are_compressed_with_their_text() {
    let page: &str = with(PAGE, &"<meta name=a content=b>".repeat(200)).leak();
    let origin = Origin::answering(move |request| {
        let kind = if request.target == "/a.css" {
            "text/css"
        } else {
            "text/html"
        };
        let kind = format!("Content-Type: {kind}");
        reply(
            200,
            &[&kind, "Cache-Control: max-age=60", "ETag: \"1\""],
            page,
        )
    });
    let dir = tempfile::tempdir().unwrap();
    let plain = |body: &[u8]| {
        let path = dir.path().join("page.gz");
        std::fs::write(&path, body).unwrap();
        run(Command::new("gzip").arg("-dc").arg(path))
            .expect(0)
            .stdout
    };
    let asks = "Accept: text/html\r\nAccept-Encoding: gzip\r\n";
    for runtime in RUNTIMES {
        let module = |name: &str, options: &str| {
            format!(
                "[[module]]\nname = \"{name}\"\nlibrary = \"builtin:{name}\"\nruntime = \"{runtime}\"\n\
                 deadline = \"60s\"\n[module.options]\n{options}\n"
            )
        };
        let text = |options: &str| module("text-injector", &format!("text = \"+\"\n{options}"));
        let compressor = module("compressor", "codings = [\"gzip\"]");
        let returned = text("identity = true") + &compressor;
        let stored = compressor + &text("on = \"store\"");
        for (tables, coding) in [(returned, None), (stored, Some("gzip"))] {
            let proxy = Launch::bare().config(&config(&origin, &tables)).start();
            let mut client = Client::to(proxy.addr());
            for hit in [false, true] {
                let got = get(&mut client, "/", asks).expect(200);
                assert_eq!(
                    (got.is_hit(), got.get("content-encoding")),
                    (hit, coding),
                    "{runtime}"
                );
                let body = if coding.is_some() {
                    plain(&got.body)
                } else {
                    got.text()
                };
                assert_eq!(body, with(page, "+"), "{runtime} {coding:?}");
                let style = get(
                    &mut client,
                    "/a.css",
                    "Accept: */*\r\nAccept-Encoding: gzip\r\n",
                )
                .expect(200);
                assert_eq!(
                    style.get("content-encoding"),
                    Some("gzip"),
                    "{runtime} {coding:?}"
                );
                assert_eq!(plain(&style.body), page);
            }
        }
    }
}
