//! Purges while something is under way: fetches, validations, answers that pass; and what a soft purge leaves meanwhile.
#![allow(clippy::unwrap_used)]

#[path = "purge/common.rs"]
mod common;

use common::Site;
use serde_json::json;
use understudy_testbed::{Client, Gate, Origin, get, reply};

#[test]
fn a_soft_purge_has_the_next_request_validate() {
    for fields in [
        "Purge-Soft: 1\r\n",
        "Fastly-Soft-Purge: 1\r\n",
        "xkey-softpurge: t\r\n",
    ] {
        let site = Site::new();
        let send = ["ETag: \"v\"", "Surrogate-Key: t"];
        site.get("/", &send).expect_body("1");
        let receipt = site.purge("/", fields);
        assert_eq!(receipt["made_stale"], 1, "{fields}");
        assert_eq!(receipt["removed"], 0, "{fields}");
        assert_eq!(receipt["remained"], 0, "{fields}");
        let next = site.get("/", &send).expect_body("1");
        assert_eq!(next.fwd().as_deref(), Some("stale"), "{fields}");
        assert_eq!(site.origin.last().get("if-none-match"), Some("\"v\""));
        // It is good again, and still known by its tag.
        site.get("/", &send).expect_body("1").expect_hit();
        assert_eq!(site.by_admin(json!({"tag": "t"}))["removed"], 1);
    }
}

#[test]
fn what_was_made_stale_serves_when_the_origin_fails() {
    let site = Site::of(
        Origin::answering(|r| {
            let fields = [
                "Cache-Control: max-age=60, stale-if-error=60",
                "ETag: \"v\"",
            ];
            match r.n {
                1 => reply(200, &fields, "kept"),
                _ => reply(503, &[], "down"),
            }
        }),
        "\"loopback\"",
    );
    site.get("/", &[]);
    site.purge("/", "Purge-Soft: 1\r\n");
    site.get("/", &[]).expect_body("kept");
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn what_was_made_stale_serves_while_it_is_validated_if_the_origin_allows() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let site = Site::of(
        Origin::answering(move |r| {
            if r.n == 2 {
                theirs.wait();
            }
            let fields = ["Cache-Control: max-age=60, stale-while-revalidate=600"];
            reply(200, &fields, r.n.to_string())
        }),
        "\"loopback\"",
    );
    site.get("/", &[]).expect_body("1");
    site.purge("/", "Purge-Soft: 1\r\n");
    site.get("/", &[]).expect_body("1");
    site.origin.wait_requests(2);
    // A second purge means the one that is under way, too.
    assert_eq!(site.purge("/", "")["fills"]["marked"], 1);
    gate.open();
    site.get("/", &[]).expect_body("3");
}

#[test]
fn what_is_fetched_while_a_purge_comes_is_delivered_and_not_stored() {
    for before_the_head in [true, false] {
        for asked in [
            json!({"tag": "t"}),
            json!({"url": "http://site.test/"}),
            json!({"prefix": "http://site.test/"}),
            json!({"tag": "t", "soft": true}),
        ] {
            let gate = Gate::new();
            let theirs = gate.clone();
            let site = Site::of(
                Origin::scripted(move |conn| {
                    while let Some(request) = conn.request() {
                        if before_the_head && request.n == 1 {
                            theirs.wait();
                        }
                        conn.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nSurrogate-Key: t\r\nContent-Length: 4\r\n\r\nbo");
                        if !before_the_head && request.n == 1 {
                            theirs.wait();
                        }
                        conn.send("dy");
                    }
                }),
                "",
            );
            let mut client = Client::to(site.proxy.listener("site"));
            client.send("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n");
            site.origin.wait_requests(1);
            if !before_the_head {
                client.head();
                client.wire.exactly(2);
            }
            let receipt = site.by_admin(asked.clone());
            let by_tag = asked.get("tag").is_some();
            let (marked, watched) = match before_the_head && by_tag {
                true => (0, 1),
                false => (1, 0),
            };
            assert_eq!(
                receipt["fills"],
                json!({"marked": marked, "watched": watched}),
                "{asked}"
            );
            gate.open();
            if before_the_head {
                client.response().expect(200).expect_body("body");
            } else {
                assert_eq!(client.wire.exactly(2), b"dy");
            }
            assert!(!site.get("/", &[]).is_hit(), "{asked}");
            site.get("/", &[]).expect_hit();
        }
    }
}

#[test]
fn a_validation_brings_new_tags() {
    let site = Site::of(
        Origin::answering(|r| {
            let tag = format!("Surrogate-Key: t{}", r.n);
            let fields = ["Cache-Control: max-age=60", "ETag: \"v\"", &tag];
            match r.get("if-none-match") {
                Some(_) => reply(304, &fields, ""),
                None => reply(200, &fields, "body"),
            }
        }),
        "\"loopback\"",
    );
    site.get("/", &[]);
    site.purge("/", "Purge-Soft: 1\r\n");
    let validated = site.get("/", &[]).expect_body("body");
    assert_eq!(validated.head.get("surrogate-key"), None);
    site.get("/", &[]).expect_hit();
    assert_eq!(site.by_admin(json!({"tag": "t1"}))["matched"], 0);
    assert_eq!(site.by_admin(json!({"tag": "t2"}))["matched"], 1);
}

/// Whether `/` is stored and fresh when `method` has been answered, and perhaps a soft purge came while the origin waited.
fn is_fresh_after(method: &'static str, before: &str, purge: bool) -> bool {
    let gate = Gate::new();
    let theirs = gate.clone();
    let site = Site::of(
        Origin::answering(move |r| {
            if r.method == method {
                theirs.wait();
            }
            let fields = [
                "Cache-Control: max-age=60",
                "ETag: \"v\"",
                "Surrogate-Key: t",
                "Content-Location: /",
            ];
            let mut answer = reply(200, &fields, "body");
            if r.method == "HEAD" {
                answer.truncate(answer.len() - 4);
            }
            answer
        }),
        "\"loopback\"",
    );
    if !before.is_empty() {
        site.get(before, &[]).expect_body("body");
    }
    let mut client = Client::to(site.proxy.listener("site"));
    client.send(format!(
        "{method} / HTTP/1.1\r\nHost: site.test\r\nCache-Control: no-cache\r\nContent-Length: 0\r\n\r\n"
    ));
    let sent = usize::from(!before.is_empty()) + 1;
    site.origin.wait_requests(sent);
    if purge {
        site.purge("/", "Surrogate-Key: t\r\nPurge-Soft: 1\r\n");
    }
    gate.open();
    client.response_to(method).expect(200);
    site.is_stored("/")
}

#[test]
fn an_answer_to_post_that_a_purge_overtook_is_not_stored() {
    assert!(is_fresh_after("POST", "", false));
    assert!(!is_fresh_after("POST", "", true));
}

#[test]
fn an_answer_to_head_that_a_purge_overtook_freshens_nothing() {
    assert!(is_fresh_after("HEAD", "/", false));
    assert!(!is_fresh_after("HEAD", "/", true));
}

/// What a purge by tag finds while the second part of a whole is fetched is not joined to it.
#[test]
fn what_completes_a_purged_part_is_not_stored() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let site = Site::of(
        Origin::answering(move |r| {
            let mut fields = vec![
                "Cache-Control: max-age=60",
                "ETag: \"v\"",
                "Surrogate-Key: t",
            ];
            match r.get("range") {
                Some("bytes=0-3") => {
                    fields.push("Content-Range: bytes 0-3/10");
                    reply(206, &fields, "0123")
                }
                Some(_) => {
                    theirs.wait();
                    fields.push("Content-Range: bytes 4-9/10");
                    reply(206, &fields, "456789")
                }
                None => reply(200, &fields, "0123456789"),
            }
        }),
        "",
    );
    let fields = "Range: bytes=0-3\r\n";
    get(site.proxy.listener("site"), "/", "site.test", fields).expect(206);
    let mut client = Client::to(site.proxy.listener("site"));
    client.send("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n");
    site.origin.wait_requests(2);
    assert_eq!(site.by_admin(json!({"tag": "t"}))["removed"], 1);
    gate.open();
    client.response().expect(200).expect_body("0123456789");
    assert!(!site.is_stored("/"));
}
