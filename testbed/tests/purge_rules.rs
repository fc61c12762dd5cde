//! Purging and invalidating what rules have parted into several keys.
#![allow(clippy::unwrap_used)]

#[path = "purge/common.rs"]
mod common;

use common::Site;
use serde_json::{Value, json};
use understudy_testbed::{Client, Origin, Response, get, reply};

/// Rules that part a URL by a field of the request, and leave parameters out.
const PARTED: &str =
    "[[rule]]\nname = \"r\"\nkey_fields = [\"X-Country\"]\nquery_without = [\"utm_*\"]\n";

/// A site with those rules; `/a?id=1` and `/b` are stored for two countries, by both listeners.
fn parted() -> (Site, impl Fn(&Site, &str, &str, &str) -> Response) {
    let site = Site::ruled(
        Origin::answering(|r| {
            let mut fields = vec!["Cache-Control: max-age=60"];
            fields.extend(r.head.all("x-send"));
            reply(200, &fields, r.n.to_string())
        }),
        "\"loopback\"",
        PARTED,
    );
    let ask = |site: &Site, listener: &str, target: &str, country: &str| {
        let host = site.origin.addr.to_string();
        let target = match listener {
            "forward" => format!("http://{host}{target}"),
            _ => target.to_owned(),
        };
        let fields = match country {
            "" => String::new(),
            country => format!("X-Country: {country}\r\n"),
        };
        get(site.proxy.listener(listener), &target, &host, &fields).expect(200)
    };
    for listener in ["site", "forward"] {
        for (target, country) in [
            ("/a?id=1&utm_x=1", "de"),
            ("/a?id=1", "fr"),
            ("/b", "de"),
            ("/b", "fr"),
        ] {
            ask(&site, listener, target, country);
        }
    }
    assert_eq!(site.origin.count(), 8);
    (site, ask)
}

#[test]
fn a_url_goes_with_all_the_keys_that_rules_made_of_it() {
    for way in ["purge", "admin", "written otherwise"] {
        let (site, ask) = parted();
        let host = site.origin.addr;
        let receipt = match way {
            "purge" => {
                let request = format!("PURGE /a?utm_z&id=1 HTTP/1.1\r\nHost: {host}\r\n\r\n");
                let answer = Client::to(site.proxy.listener("site")).ask(request);
                serde_json::from_slice(&answer.expect(200).body).unwrap()
            }
            "admin" => site.by_admin(json!({ "url": format!("http://{host}/a?id=1") })),
            _ => site.by_admin(json!({ "url": format!("http://{host}/a?id=1&utm_x=1") })),
        };
        assert_eq!(receipt["removed"], 4, "{way}");
        for (listener, country) in [("site", "de"), ("forward", "fr")] {
            assert!(!ask(&site, listener, "/a?id=1", country).is_hit(), "{way}");
            ask(&site, listener, "/b", country).expect_hit();
        }
    }
}

#[test]
fn a_key_with_what_rules_added_is_purged_alone() {
    let (site, ask) = parted();
    let url = format!("http://{}/b", site.origin.addr);
    let receipt = site.by_admin(json!({"url": url, "dry_run": true}));
    let keys = receipt["keys"].as_array().unwrap();
    assert_eq!(keys.len(), 4);
    let chosen = |key: &&Value| {
        let key = key.as_str().unwrap();
        key.contains("de;") && !key.contains("\no\n")
    };
    let key = keys.iter().find(chosen).unwrap().as_str().unwrap();
    let receipt = site
        .command(&["--json", "--key", &key.replace('\n', "\\n")])
        .expect(0);
    assert!(
        receipt.text().contains("\"removed\": 1"),
        "{}",
        receipt.text()
    );
    assert!(!ask(&site, "forward", "/b", "de").is_hit());
    ask(&site, "forward", "/b", "fr").expect_hit();
    ask(&site, "site", "/b", "de").expect_hit();
}

#[test]
fn an_unsafe_request_invalidates_all_the_keys_that_rules_made_of_its_urls_from_its_upstream() {
    for (listener, other) in [("site", "forward"), ("forward", "site")] {
        for (target, location) in [("/a?id=1&utm_y", "/b?utm_q"), ("/b", "/a?utm_y&id=1")] {
            let (site, ask) = parted();
            let host = site.origin.addr;
            let target = match listener {
                "forward" => format!("http://{host}{target}"),
                _ => target.to_owned(),
            };
            Client::to(site.proxy.listener(listener))
                .ask(format!(
                    "POST {target} HTTP/1.1\r\nHost: {host}\r\nX-Country: it\r\nX-Send: Location: {location}\r\n\
                     Content-Length: 0\r\n\r\n"
                ))
                .expect(200);
            for (target, country) in [
                ("/a?id=1", "de"),
                ("/a?id=1", "fr"),
                ("/b", "de"),
                ("/b", "fr"),
            ] {
                let mine = ask(&site, listener, target, country);
                assert!(!mine.is_hit(), "{listener} {target} {country}");
                ask(&site, other, target, country).expect_hit();
            }
        }
    }
}
