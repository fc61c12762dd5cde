//! Lists that come from URLs: fetched, kept, swapped while clients ask, and never lost to a bad download.
#![allow(clippy::unwrap_used)]

#[path = "ad_remover/common.rs"]
mod common;

use common::{RUNTIMES, answer, ask, count, proxy, until, until_count};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Instant;
use understudy_testbed::{
    Nginx, Origin, PATIENCE, Request, Response,
    programs::{LONG, free_port, run_within},
    reply, run,
};

/// An origin of lists whose answer is changed by the test. With a tag it answers 304 to those that have it.
struct Lists {
    origin: Origin,
    next: Arc<Mutex<Vec<u8>>>,
}

impl Lists {
    fn new(first: Vec<u8>) -> Lists {
        let next = Arc::new(Mutex::new(first));
        let theirs = next.clone();
        let answer = move |r: &Request| {
            let answer = theirs.lock().unwrap().clone();
            match r.get("if-none-match") {
                Some(tag) if String::from_utf8_lossy(&answer).contains(tag) => reply(304, &[], ""),
                _ => answer,
            }
        };
        // One answer a connection, so that half of one ends.
        let origin = Origin::scripted(move |conn| {
            if let Some(request) = conn.request() {
                conn.send(answer(&request));
            }
        });
        Lists { origin, next }
    }

    fn answer(&self, next: Vec<u8>) {
        *self.next.lock().unwrap() = next;
    }

    fn url(&self) -> String {
        format!("http://{}/list.txt", self.origin.addr)
    }
}

fn list(tag: &str, rule: &str) -> Vec<u8> {
    reply(
        200,
        &[&format!("ETag: \"{tag}\"")],
        format!("[Adblock Plus 2.0]\n! A list\n{rule}\n"),
    )
}

fn is_removed(answer: &Response) -> bool {
    !answer.text().starts_with("own ")
}

#[test]
fn a_list_is_fetched_asked_for_again_and_swapped_in() {
    for runtime in RUNTIMES {
        let (origin, lists) = (Origin::answering(answer), Lists::new(list("one", "/one/")));
        let options = format!(
            "lists = [\"{}\"]\nkeep = \"{{dir}}/lists\"\nrefresh = 1",
            lists.url()
        );
        let proxy = proxy(&origin, runtime, &options);
        let get =
            |path: &str| ask(&proxy, &format!("http://{}{path}", origin.addr), "").expect(200);
        until("the first list", || get("/one/a.gif"), is_removed);
        get("/two/a.gif").expect_body("own /two/a.gif");
        // What did not change is not sent again.
        lists.origin.wait_requests(3);
        assert!(
            lists
                .origin
                .requests()
                .iter()
                .skip(1)
                .all(|r| r.get("if-none-match") == Some("\"one\"")),
            "{runtime}"
        );
        lists.answer(list("two", "/two/"));
        until("the second list", || get("/two/b.gif"), is_removed);
        get("/one/b.gif").expect_body("own /one/b.gif");
    }
}

#[test]
fn a_bad_download_leaves_the_list_there_is() {
    let short = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n/two/\n".to_vec();
    let chunks = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n/one/\n/two".to_vec();
    let bad = [
        ("an error", reply(500, &[], "/two/\n")),
        (
            "a page of error",
            reply(
                200,
                &["Content-Type: text/html"],
                "<!DOCTYPE html>\n<p>/two/\n",
            ),
        ),
        ("nothing", reply(200, &[], "")),
        ("comments alone", reply(200, &[], "! /two/\n")),
        ("half a list", short),
        ("half a list in chunks", chunks),
        ("a picture", reply(200, &[], b"\x89PNG\r\n\x1a\n/two/\n")),
        (
            "a packed list",
            reply(200, &["Content-Encoding: gzip"], "/two/\n"),
        ),
        ("no HTTP", b"/two/\r\n\r\n".to_vec()),
    ];
    let (origin, lists) = (Origin::answering(answer), Lists::new(list("one", "/one/")));
    let options = format!(
        "lists = [\"{}\"]\nkeep = \"{{dir}}/lists\"\nrefresh = 1",
        lists.url()
    );
    let proxy = proxy(&origin, "inline", &options);
    let get = |path: &str| ask(&proxy, &format!("http://{}{path}", origin.addr), "").expect(200);
    until("the first list", || get("/one/a.gif"), is_removed);
    for (what, answer) in bad {
        let before = count(&proxy, "fetches_failed");
        lists.answer(answer);
        until_count(&proxy, "fetches_failed", |n| n > before + 1);
        assert!(is_removed(&get("/one/b.gif")), "{what}");
        assert!(!is_removed(&get("/two/b.gif")), "{what}");
    }
    lists.answer(list("two", "/two/"));
    until("a good one", || get("/two/c.gif"), is_removed);
}

#[test]
fn the_copy_is_in_use_from_the_start_when_the_origin_is_gone() {
    for runtime in RUNTIMES {
        let (origin, keep) = (Origin::answering(answer), tempfile::tempdir().unwrap());
        let lists = Lists::new(list("one", "/one/"));
        let options = format!(
            "lists = [\"{}\"]\nkeep = \"{}\"",
            lists.url(),
            keep.path().display()
        );
        let url = format!("http://{}/one/a.gif", origin.addr);
        let first = proxy(&origin, runtime, &options);
        until("the list", || ask(&first, &url, ""), is_removed);
        drop((first, lists));
        let second = proxy(&origin, runtime, &options);
        assert!(is_removed(&ask(&second, &url, "")), "{runtime}");
    }
}

#[test]
fn preferred_content_may_come_from_a_url() {
    for runtime in RUNTIMES {
        let (origin, site) = (
            Origin::answering(answer),
            Origin::answering(|_| reply(200, &[], "<svg>ours</svg>")),
        );
        let options = format!(
            "replace.image = \"http://{}/a.svg\"\nkeep = \"{{dir}}/kept\"",
            site.addr
        );
        let proxy = proxy(&origin, runtime, &options);
        let get = || ask(&proxy, "http://ads.doubleclick.net/a.png", "").expect(200);
        let ours = until("it is there", get, |a| {
            a.is_hit() && a.text() == "<svg>ours</svg>"
        });
        assert_eq!(ours.get("content-type"), Some("image/svg+xml"), "{runtime}");
        assert_eq!(
            site.count(),
            1,
            "{runtime}: it is fetched once, not for each client"
        );
    }
}

#[test]
fn a_list_may_come_by_https_from_who_is_trusted() {
    let site = tempfile::tempdir().unwrap();
    std::fs::write(site.path().join("list.txt"), "/one/\n").unwrap();
    let at = site.path().display();
    // A certificate of an authority's own is none for a server.
    let script = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout ca.key -out ca.pem -days 2 -subj /CN=ca\n\
                  openssl req -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -keyout key.pem -out csr.pem -subj /CN=localhost\n\
                  echo subjectAltName=DNS:localhost > names\n\
                  openssl x509 -req -in csr.pem -CA ca.pem -CAkey ca.key -CAcreateserial -days 2 -extfile names -out cert.pem";
    run(Command::new("sh")
        .args(["-ec", script])
        .current_dir(site.path()))
    .expect(0);
    let port = free_port();
    let _nginx = Nginx::serving(
        site.path(),
        &format!(
            "}} server {{ listen 127.0.0.1:{port} ssl; ssl_certificate {at}/cert.pem; ssl_certificate_key {at}/key.pem; root {at};"
        ),
    );
    let list = format!(
        "lists = [\"https://localhost:{port}/list.txt\"]\nkeep = \"{{dir}}/lists\"\nrefresh = 1"
    );
    let origin = Origin::answering(answer);
    let url = format!("http://{}/one/a.gif", origin.addr);
    let trusting = proxy(&origin, "inline", &format!("{list}\nca = \"{at}/ca.pem\""));
    until("the list", || ask(&trusting, &url, ""), is_removed);
    let careful = proxy(&origin, "inline", &list);
    until_count(&careful, "fetches_failed", |n| n > 0);
    assert!(!is_removed(&ask(&careful, &url, "")));
}

#[test]
fn transactions_go_on_while_lists_are_swapped() {
    let (origin, lists) = (Origin::answering(answer), Lists::new(list("one", "/one/")));
    let options = format!(
        "lists = [\"{}\"]\nkeep = \"{{dir}}/lists\"\nrefresh = 1\nrules = [\"/always/\"]",
        lists.url()
    );
    let proxy = proxy(&origin, "threads", &options);
    let host = origin.addr.to_string();
    until_count(&proxy, "swapped", |n| n == 1);
    lists.answer(list("two", "/two/"));
    let end = Instant::now() + PATIENCE;
    while count(&proxy, "swapped") < 2 {
        assert!(Instant::now() < end, "they are not swapped again");
        assert!(is_removed(
            &ask(&proxy, &format!("http://{host}/always/a.gif"), "").expect(200)
        ));
        assert!(!is_removed(
            &ask(&proxy, &format!("http://{host}/never/a.gif"), "").expect(200)
        ));
    }
}

/// EasyList and EasyPrivacy, as a Debian package has them.
#[test]
fn the_lists_of_the_field_find_what_they_are_for() {
    let dir = tempfile::tempdir().unwrap();
    let package = "webext-ublock-origin-chromium";
    let script = format!(
        "apt-get download {package} || {{ apt-get update -q && apt-get download {package}; }}; dpkg-deb -x {package}_*.deb ."
    );
    run_within(
        Command::new("sh")
            .args(["-ec", &script])
            .current_dir(dir.path()),
        LONG,
    )
    .expect(0);
    let place = dir
        .path()
        .join("usr/share/chromium/extensions/ublock-origin/assets/thirdparties/easylist");
    let lists = ["easylist.txt", "easyprivacy.txt"].map(|name| format!("{:?}", place.join(name)));
    let origin = Origin::answering(answer);
    for runtime in RUNTIMES {
        let proxy = proxy(
            &origin,
            runtime,
            &format!("lists = [{}]\nsample = 0", lists.join(", ")),
        );
        let page = "Referer: http://news.example/\r\n";
        for (url, fields) in [
            ("http://securepubads.g.doubleclick.net/tag/js/gpt.js", page),
            (
                "http://pagead2.googlesyndication.com/pagead/show_ads.js",
                page,
            ),
            ("http://static.criteo.net/js/ld/ld.js", page),
            ("http://cdn.taboola.com/libtrc/loader.js", page),
            ("http://www.google-analytics.com/analytics.js", page),
        ] {
            let answer = ask(&proxy, url, fields).expect(200);
            assert_eq!(
                answer.get("content-type"),
                Some("text/javascript"),
                "{runtime} {url}"
            );
        }
        for path in [
            "/",
            "/jquery.js",
            "/style.css",
            "/photo.jpg",
            "/news/2026/adapter.html",
        ] {
            let url = format!("http://{}{path}", origin.addr);
            ask(
                &proxy,
                &url,
                &format!("Referer: http://{}/\r\n", origin.addr),
            )
            .expect(200)
            .expect_body(format!("own {path}"));
        }
    }
}
