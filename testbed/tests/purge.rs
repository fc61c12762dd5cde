//! Purging by PURGE on a listener: who may, what a URL, a prefix, tags, groups and keys mean, and dry runs.
#![allow(clippy::unwrap_used)]

#[path = "purge/common.rs"]
mod common;

use common::{Site, answer};
use serde_json::{Value, json};
use understudy_testbed::{Client, Launch, Origin, get, reply};

#[test]
fn purge_is_refused_where_it_is_not_allowed_and_no_origin_hears_of_it() {
    for (networks, fields, status) in [
        ("", "", 405),
        ("\"192.0.2.0/24\"", "", 403),
        ("\"loopback\"", "Origin: http://site.test\r\n", 403),
        ("\"127.0.0.1/32\", \"192.0.2.0/24\"", "", 200),
    ] {
        let site = Site::of(Origin::answering(answer), networks);
        site.get("/", &[]);
        site.send("PURGE", "/", fields).expect(status);
        assert_eq!(site.is_stored("/"), status != 200, "{networks} {fields}");
        assert_eq!(site.origin.count(), 1);
    }
}

#[test]
fn a_url_goes_with_all_its_variants_and_nothing_else_does() {
    let site = Site::new();
    for language in ["de", "en"] {
        site.send(
            "GET",
            "/a",
            &format!("X-Send: Vary: X-Language\r\nX-Language: {language}\r\n"),
        );
    }
    for path in ["/a?q", "/ab", "/"] {
        site.get(path, &[]);
    }
    let receipt = site.purge("/a", "");
    assert_eq!(receipt["matched"], 2);
    assert_eq!(receipt["removed"], 2);
    assert_eq!(receipt["remained"], 0);
    assert_eq!(receipt["keys"], json!(["http://site.test:80/a\no"]));
    assert_eq!(receipt["asked"]["url"], json!(["http://site.test:80/a"]));
    assert!(receipt["bytes_freed"].as_u64().unwrap() > 0);
    assert_eq!(receipt["id"].as_str().unwrap().len(), 16);
    assert_eq!(site.stored(&["/a", "/a?q", "/ab", "/"]), "/a?q /ab /");
    // Once more there is nothing to be found.
    assert_eq!(site.purge("/a", "")["matched"], 0);
}

#[test]
fn each_field_of_tags_is_read_in_its_own_way_and_none_is_passed_on() {
    for (field, tag, matches) in [
        ("Surrogate-Key: one two", "one", true),
        ("Surrogate-Key: one two", "two", true),
        ("Surrogate-Key: one,two", "one,two", true),
        ("Cache-Tag: one,two words , three", "two words", true),
        ("Cache-Tag: one,two words", "two", false),
        ("xkey: one, two three", "three", true),
        ("XKEY: one", "one", true),
        ("Surrogate-Key: one", "ONE", false),
        ("Surrogate-Key: ", "one", false),
    ] {
        let site = Site::new();
        let name = field.split(':').next().unwrap();
        for _ in 0..2 {
            let answer = site.get("/", &[field]);
            assert_eq!(answer.head.get(name), None, "{field}");
        }
        let receipt = site.by_admin(json!({ "tag": tag }));
        assert_eq!(receipt["removed"], u64::from(matches), "{field} {tag}");
        assert_eq!(site.is_stored("/"), !matches, "{field} {tag}");
    }
}

#[test]
fn answers_past_the_store_have_no_tags_either() {
    let site = Site::new();
    for (method, more) in [
        ("GET", "X-Send: Cache-Control: no-store\r\n"),
        ("POST", "Content-Length: 0\r\n"),
        ("HEAD", ""),
    ] {
        let fields = format!(
            "X-Send: Surrogate-Key: a\r\nX-Send: Cache-Tag: b\r\nX-Send: xkey: c\r\n{more}"
        );
        let mut client = Client::to(site.proxy.listener("site"));
        client.send(format!(
            "{method} /{method} HTTP/1.1\r\nHost: site.test\r\n{fields}\r\n"
        ));
        let answer = client.response_to(method);
        for name in ["surrogate-key", "cache-tag", "xkey"] {
            assert_eq!(answer.head.get(name), None, "{method}");
        }
    }
}

#[test]
fn purge_takes_tags_in_the_fields_that_each_has_and_leaves_the_url_alone() {
    for (fields, left) in [
        ("Surrogate-Key: one other\r\n", "/ /two"),
        ("Cache-Tag: one, two\r\n", "/"),
        ("xkey: two\r\n", "/ /one"),
        ("xkey-purge: one two\r\n", "/"),
        ("Surrogate-Key: one\r\nCache-Tag: two\r\n", "/"),
        ("Surrogate-Key: none\r\n", "/ /one /two"),
        ("Cache-Group-Invalidation: \"g\"\r\n", "/ /one"),
        ("Cache-Group-Invalidation: \"g\"\r\nxkey: one\r\n", "/"),
    ] {
        let site = Site::new();
        site.get("/", &[]);
        site.get("/one", &["Surrogate-Key: one", "Cache-Tag: x"]);
        site.get("/two", &["xkey: two", "Cache-Groups: \"g\""]);
        site.purge("/", fields);
        assert_eq!(site.stored(&["/", "/one", "/two"]), left, "{fields}");
    }
    let site = Site::new();
    site.get("/", &[]);
    for fields in [
        "Surrogate-Key: \r\n",
        "xkey-purge: ,\r\n",
        "Cache-Group-Invalidation: a\r\n",
    ] {
        site.send("PURGE", "/", fields).expect(400);
    }
    assert!(site.is_stored("/"));
}

#[test]
fn a_prefix_takes_what_begins_like_it() {
    let paths = ["/img/a", "/img/b?c", "/img", "/imgs", "/"];
    for (asked, left) in [
        ("http://site.test/img/", "/img /imgs /"),
        ("http://SITE.test:80/img", "/"),
        ("http://site.test", ""),
        ("http://", ""),
        ("http://site.tes", "/img/a /img/b?c /img /imgs /"),
        ("http://other.test/", "/img/a /img/b?c /img /imgs /"),
    ] {
        let site = Site::new();
        paths.iter().for_each(|path| {
            site.get(path, &[]);
        });
        site.by_admin(json!({ "prefix": asked }));
        assert_eq!(site.stored(&paths), left, "{asked}");
    }
    let site = Site::new();
    paths.iter().for_each(|path| {
        site.get(path, &[]);
    });
    site.purge("/img/", "Purge-Prefix: 1\r\n");
    assert_eq!(site.stored(&paths), "/img /imgs /");
}

#[test]
fn a_url_is_purged_whatever_upstream_it_is_from_and_a_key_alone() {
    let site = Site::new();
    let (host, forward) = (site.origin.addr, site.proxy.listener("forward"));
    let by_name = |listener, target: &str| get(listener, target, &host.to_string(), "");
    let reverse = site.proxy.listener("site");
    let url = format!("http://{host}/a");
    let both = || {
        by_name(reverse, "/a").expect(200);
        by_name(forward, &url).expect(200);
    };
    both();
    let receipt = site.by_admin(json!({ "url": url }));
    let mut keys: Vec<&str> = receipt["keys"]
        .as_array()
        .unwrap()
        .iter()
        .map(|key| key.as_str().unwrap())
        .collect();
    keys.sort_unstable();
    assert_eq!(keys, [url.clone(), format!("{url}\no")]);
    both();
    let receipt = site.by_admin(json!({ "key": format!("{url}\no") }));
    assert_eq!(receipt["removed"], 1);
    by_name(forward, &url).expect_hit();
    assert!(!by_name(reverse, "/a").is_hit());
}

#[test]
fn a_dry_run_tells_and_changes_nothing() {
    let site = Site::new();
    site.get("/", &[]);
    let receipt = site.purge("/", "Purge-Dry-Run: 1\r\n");
    assert_eq!(receipt["matched"], 1);
    assert_eq!(receipt["removed"], 0);
    assert_eq!(receipt["remained"], Value::Null);
    assert_eq!(receipt["asked"]["dry_run"], true);
    site.get("/", &[]).expect_hit();
}

#[test]
fn an_answer_with_more_tags_than_can_be_kept_is_not_stored() {
    let many: Vec<String> = (0..1025).map(|n| n.to_string()).collect();
    for (tags, stored) in [(&many[..1024], true), (&many[..], false)] {
        let field = format!("Surrogate-Key: {}", tags.join(" "));
        let site = Site::of(
            Origin::answering(move |_| reply(200, &["Cache-Control: max-age=60", &field], "body")),
            "",
        );
        site.get("/", &[]).expect_body("body");
        assert_eq!(site.is_stored("/"), stored);
    }
}

#[test]
fn a_forward_listener_purges_what_its_clients_name_whole() {
    let origin = Origin::answering(answer);
    let proxy = Launch::bare()
        .config(
            "[admin]\naddress = \"127.0.0.1:0\"\n[access]\nallow_to = [\"loopback\"]\n\
             [[listen]]\naddress = \"127.0.0.1:0\"\npurge = [\"127.0.0.1\"]\n",
        )
        .start();
    let ask = |method: &str, path: &str| {
        let host = origin.addr;
        Client::to(proxy.addr()).ask(format!(
            "{method} http://{host}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n"
        ))
    };
    ask("GET", "/a").expect_body("1");
    ask("GET", "/b").expect_body("2");
    ask("PURGE", "/a").expect(200);
    ask("GET", "/a").expect_body("3");
    ask("GET", "/b").expect_hit();
}

#[test]
fn parts_go_like_wholes() {
    for asked in [
        json!({"url": "http://site.test/"}),
        json!({"tag": "t"}),
        json!({"prefix": "http://site.test/"}),
        json!({"key": "http://site.test:80/\no"}),
    ] {
        for soft in [false, true] {
            let site = Site::of(
                Origin::answering(|r| {
                    let fields = [
                        "Cache-Control: max-age=60",
                        "ETag: \"v\"",
                        "Surrogate-Key: t",
                        "Content-Range: bytes 0-3/10",
                    ];
                    match (r.get("if-none-match"), r.get("range")) {
                        (Some(_), _) => reply(304, &fields[..2], ""),
                        (None, Some(_)) => reply(206, &fields, "0123"),
                        (None, None) => reply(200, &fields[..3], "0123456789"),
                    }
                }),
                "",
            );
            let part = || {
                let fields = "Range: bytes=0-3\r\n";
                get(site.proxy.listener("site"), "/", "site.test", fields).expect(206)
            };
            part();
            part().expect_hit();
            let mut asked = asked.clone();
            asked["soft"] = soft.into();
            let receipt = site.by_admin(asked.clone());
            let went = if soft { "made_stale" } else { "removed" };
            assert_eq!(
                (&receipt["matched"], &receipt[went]),
                (&json!(1), &json!(1)),
                "{asked}"
            );
            let next = part();
            assert!(!next.is_hit(), "{asked}");
            assert_eq!(
                site.origin.last().get("if-none-match").is_some(),
                soft,
                "{asked}"
            );
            part().expect_hit();
        }
    }
}
