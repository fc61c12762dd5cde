//! Advertisements are answered out of the cache, by the kind that was asked for, on every listener and in every runtime.
#![allow(clippy::unwrap_used)]

#[path = "ad_remover/common.rs"]
mod common;

use common::{RUNTIMES, answer, ask, count, proxy, send, until, until_count};
use understudy_testbed::{Client, Origin, Response};

/// The blank comes, and out of the cache once it is stored.
#[track_caller]
fn blank(proxy: &understudy_testbed::Proxy, url: &str, fields: &str) -> Response {
    until(
        url,
        || ask(proxy, url, fields).expect(200),
        Response::is_hit,
    )
}

#[test]
fn the_second_advertisement_of_a_kind_is_a_hit_wherever_it_is_from() {
    for runtime in RUNTIMES {
        let origin = Origin::answering(answer);
        let proxy = proxy(&origin, runtime, "sample = 0");
        let image = "Accept: image/avif,image/webp,*/*;q=0.8\r\n";
        let first = blank(&proxy, "http://ad.doubleclick.net/one.gif?7", image);
        assert_eq!(first.get("content-type"), Some("image/gif"));
        assert!(first.body.starts_with(b"GIF89a"));
        for url in [
            "http://ib.adnxs.com/two",
            "http://x.adform.net/a/b.gif?c=d",
            "http://2mdn.net/",
        ] {
            let other = ask(&proxy, url, image).expect(200).expect_hit();
            assert_eq!(other.body, first.body, "{url}");
        }
        // What is none goes its way.
        let own = format!("http://{}/news.gif", origin.addr);
        ask(&proxy, &own, image)
            .expect_fwd("uri-miss")
            .expect_body("own /news.gif");
        ask(&proxy, &own, image).expect_hit();
        assert_eq!(origin.count(), 1);
        assert!(count(&proxy, "removed_image") >= 4, "{runtime}");
    }
}

#[test]
fn each_kind_has_its_blank() {
    let origin = Origin::answering(answer);
    let proxy = proxy(&origin, "inline", "sample = 0");
    let page = "Referer: http://news.example/\r\n";
    let table: [(&str, &str, &str, &[u8]); 12] = [
        ("/a.png", page, "image/png", b"\x89PNG"),
        ("/a.jpg", page, "image/jpeg", b"\xff\xd8"),
        ("/a.webp", page, "image/webp", b"RIFF"),
        ("/a.svg", page, "image/svg+xml", b"<svg"),
        ("/a", "Sec-Fetch-Dest: image\r\n", "image/gif", b"GIF89a"),
        ("/a.js", page, "text/javascript", b""),
        (
            "/a?js",
            "Accept: */*\r\nReferer: http://news.example/\r\n",
            "text/javascript",
            b"",
        ),
        ("/a.css", "Accept: text/css,*/*;q=0.1\r\n", "text/css", b""),
        (
            "/a",
            "Accept: text/html,*/*;q=0.8\r\nReferer: http://news.example/\r\n",
            "text/html; charset=utf-8",
            b"<!doctype html>",
        ),
        ("/a", "Sec-Fetch-Dest: video\r\n", "audio/wav", b"RIFF"),
        ("/vast.xml", page, "text/xml", b"<VAST"),
        (
            "/a",
            "Sec-Fetch-Dest: empty\r\nAccept: application/json\r\n",
            "application/json",
            b"{}",
        ),
    ];
    for (path, fields, r#type, begins) in table {
        let answer = blank(&proxy, &format!("http://ads.doubleclick.net{path}"), fields);
        assert_eq!(answer.get("content-type"), Some(r#type), "{path} {fields}");
        assert!(answer.body.starts_with(begins), "{path} {fields}");
        assert!(
            !begins.is_empty() || answer.body.is_empty(),
            "{path} {fields}"
        );
    }
    assert_eq!(origin.count(), 0);
}

#[test]
fn what_a_client_holds_of_the_advertisement_does_not_bring_it_back() {
    let origin = Origin::answering(answer);
    let proxy = proxy(&origin, "inline", "");
    let url = "http://ads.doubleclick.net/a.gif";
    let whole = blank(&proxy, url, "");
    for fields in [
        "If-Modified-Since: Sat, 01 Nov 2036 00:00:00 GMT\r\n",
        "If-None-Match: \"theirs\"\r\n",
        "Range: bytes=2-3\r\n",
        "Cache-Control: no-cache\r\n",
        "Pragma: no-cache\r\n",
        "Cookie: id=7\r\n",
        "Authorization: Basic eDp5\r\n",
    ] {
        let answer = ask(&proxy, url, fields).expect(200).expect_hit();
        assert_eq!(answer.body, whole.body, "{fields}");
    }
    // But what it holds of the blank is good.
    let tag = whole.get("etag").unwrap();
    ask(&proxy, url, &format!("If-None-Match: {tag}\r\n")).expect(304);
    send(
        &proxy,
        &format!("HEAD {url} HTTP/1.1\r\nHost: ads.doubleclick.net\r\nConnection: close\r\n\r\n"),
    );
    assert_eq!(origin.count(), 0);
}

#[test]
fn a_reverse_listener_has_blanks_of_its_own_and_a_purged_one_comes_back() {
    for runtime in RUNTIMES {
        let origin = Origin::answering(answer);
        let proxy = proxy(
            &origin,
            runtime,
            "rules = [\"/banners/$image\"]\nsample = 0",
        );
        let site = proxy.listener("site");
        let get = |path: &str| understudy_testbed::get(site, path, "site.test", "");
        let first = get("/banners/a.png").expect(200);
        assert!(first.body.starts_with(b"\x89PNG"), "{runtime}");
        until("a blank", || get("/banners/b.png"), Response::is_hit);
        // Behind the forward listener it was stored when the module was loaded, or is about to be.
        blank(&proxy, "http://site.test/banners/a.png", "");
        let purged = Client::to(site)
            .ask("PURGE /ad-remover/image.png HTTP/1.1\r\nHost: ad-remover.invalid\r\n\r\n");
        assert!(
            purged.expect(200).text().contains("\"removed\":2"),
            "{runtime}"
        );
        assert_eq!(get("/banners/c.png").expect(200).body, first.body);
        until("it comes back", || get("/banners/d.png"), Response::is_hit);
        get("/pictures/a.png").expect_body("own /pictures/a.png");
        assert_eq!(origin.count(), 1);
    }
}

#[test]
fn a_reverse_listener_that_names_its_host_itself_has_blanks_too() {
    let origin = Origin::answering(answer);
    let proxy = proxy(
        &origin,
        "inline",
        "rules = [\"/banners/$image\"]\nsample = 0",
    );
    let get = |path: &str| understudy_testbed::get(proxy.listener("set"), path, "any.test", "");
    assert!(
        get("/banners/a.png")
            .expect(200)
            .body
            .starts_with(b"\x89PNG")
    );
    until("a blank", || get("/banners/b.png"), Response::is_hit);
    // What is not one of them is the site's own.
    get("/ad-remover/plan.html").expect_body("own /ad-remover/plan.html");
    assert_eq!(origin.count(), 1);
}

#[test]
fn all_who_wait_for_a_blank_that_is_not_stored_get_it() {
    for runtime in RUNTIMES {
        let origin = Origin::answering(answer);
        let proxy = proxy(&origin, runtime, "rules = [\"/banners/$image\"]");
        let site = proxy.listener("site");
        std::thread::scope(|scope| {
            for n in 0..40 {
                scope.spawn(move || {
                    let path = format!("/banners/{n}.png");
                    let answer = understudy_testbed::get(site, &path, "site.test", "").expect(200);
                    assert!(answer.body.starts_with(b"\x89PNG"), "{runtime}");
                });
            }
        });
        assert_eq!(origin.count(), 0);
    }
}

#[test]
fn scripts_that_ask_across_origins_are_allowed_to_see_nothing() {
    let origin = Origin::answering(answer);
    let proxy = proxy(&origin, "inline", "");
    let page = "Origin: http://news.example\r\nSec-Fetch-Dest: empty\r\n";
    let answer = blank(&proxy, "http://ads.doubleclick.net/bid", page);
    assert_eq!(
        answer.get("access-control-allow-origin"),
        Some("http://news.example")
    );
    assert_eq!(answer.get("access-control-allow-credentials"), Some("true"));
    let preflight = send(
        &proxy,
        "OPTIONS http://ads.doubleclick.net/bid HTTP/1.1\r\nHost: ads.doubleclick.net\r\n\
         Origin: http://news.example\r\nAccess-Control-Request-Method: POST\r\n\r\n",
    );
    assert_eq!(
        preflight.expect(204).get("access-control-allow-methods"),
        Some("POST")
    );
    let post = send(
        &proxy,
        "POST http://ads.doubleclick.net/bid HTTP/1.1\r\nHost: ads.doubleclick.net\r\nSec-Fetch-Dest: empty\r\nContent-Length: 2\r\n\r\n{}",
    );
    post.expect(200).expect_body("{}\n");
    let socket = "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n";
    ask(&proxy, "http://ads.doubleclick.net/live", socket).expect(200);
    assert_eq!(origin.count(), 0);
}

#[test]
fn a_tunnel_to_a_host_of_the_lists_is_refused_unless_tunnels_pass() {
    for (options, status) in [("", 403), ("tunnels = \"pass\"", 502)] {
        let origin = Origin::answering(answer);
        // Below `invalid` nothing is dialled.
        let options = format!("rules = [\"||ads.invalid^\"]\n{options}");
        let proxy = proxy(&origin, "inline", &options);
        let connect = "CONNECT ads.invalid:443 HTTP/1.1\r\nHost: ads.invalid:443\r\n\r\n";
        let answer = Client::to(proxy.listener("forward"))
            .send(connect)
            .response_to("CONNECT");
        assert_eq!(answer.status, status, "{}", answer.head.text());
    }
}

#[test]
fn clients_are_switched_by_network_and_for_one_request_by_a_field() {
    for (options, fields, removed) in [
        ("", "", true),
        ("clients.off = [\"127.0.0.0/8\"]", "", false),
        ("clients.on = [\"192.0.2.0/24\"]", "", false),
        (
            "clients.off = [\"127.0.0.0/8\"]\nclients.on = [\"127.0.0.1\"]",
            "",
            true,
        ),
        ("switch = \"X-Ads\"", "X-Ads: off\r\n", false),
        (
            "switch = \"X-Ads\"\nclients.off = [\"127.0.0.1\"]",
            "X-Ads: on\r\n",
            true,
        ),
    ] {
        let origin = Origin::answering(answer);
        let proxy = proxy(
            &origin,
            "inline",
            &format!("rules = [\"/banners/\"]\n{options}"),
        );
        let url = format!("http://{}/banners/a.gif", origin.addr);
        let answer = ask(&proxy, &url, fields).expect(200);
        assert_eq!(
            answer.text() != "own /banners/a.gif",
            removed,
            "{options} {fields}"
        );
        assert_eq!(
            count(&proxy, "switched_off"),
            u64::from(!removed),
            "{options} {fields}"
        );
        for request in origin.requests() {
            assert_eq!(
                request.get("x-ads"),
                None,
                "it is between the client and the proxy"
            );
        }
    }
}

#[test]
fn what_is_saved_is_told_by_what_passes() {
    for runtime in RUNTIMES {
        let photograph = vec![b'x'; 10_043];
        let origin = Origin::answering(move |_| understudy_testbed::reply(200, &[], &photograph));
        let proxy = proxy(&origin, runtime, "sample = 1");
        ask(&proxy, "http://ads.doubleclick.net/a.gif", "");
        assert_eq!(count(&proxy, "saved_bytes_image"), 0, "nobody knows yet");
        ask(&proxy, &format!("http://{}/photo.gif", origin.addr), "");
        // It is learned at the end of the transaction, which is behind its last byte.
        until(
            "learned",
            || ask(&proxy, "http://ads.doubleclick.net/a.gif", ""),
            |_| count(&proxy, "saved_bytes_image") > 0,
        );
        let saved = until_count(&proxy, "saved_bytes_image", |n| n > 0);
        assert_eq!(
            saved % 10_000,
            0,
            "{runtime}: each saves the photograph less the blank's 43 bytes"
        );
        assert_eq!(count(&proxy, "saved_bytes_script"), 0);
    }
}

#[test]
fn preferred_content_takes_the_place_of_a_kind() {
    for runtime in RUNTIMES {
        let origin = Origin::answering(answer);
        let notice = tempfile::NamedTempFile::with_suffix(".svg").unwrap();
        std::fs::write(
            notice.path(),
            "<svg xmlns=\"http://www.w3.org/2000/svg\"><text>no ads</text></svg>",
        )
        .unwrap();
        let options = format!("replace.image = \"{}\"", notice.path().display());
        let proxy = proxy(&origin, runtime, &options);
        let image = until(
            "it is stored",
            || ask(&proxy, "http://ads.doubleclick.net/a.gif", ""),
            Response::is_hit,
        );
        assert_eq!(image.get("content-type"), Some("image/svg+xml"));
        assert!(image.text().contains("no ads"));
        let script = ask(&proxy, "http://ads.doubleclick.net/a.js", "").expect(200);
        assert!(script.body.is_empty(), "other kinds are blank");
        let site = |path: &str| {
            understudy_testbed::get(proxy.listener("site"), path, "ads.doubleclick.net", "")
        };
        until(
            "it is stored there too",
            || site("/a.gif"),
            |a| a.is_hit() && a.text().contains("no ads"),
        );
        // The file changes: so do all answers, without a command.
        std::fs::write(
            notice.path(),
            "<svg xmlns=\"http://www.w3.org/2000/svg\"><text>still none</text></svg>",
        )
        .unwrap();
        until(
            "the new one",
            || ask(&proxy, "http://ads.doubleclick.net/b.png", ""),
            |a| a.text().contains("still none"),
        );
        site("/b.gif")
            .expect(200)
            .text()
            .find("still none")
            .unwrap();
    }
}
