//! Purging: PURGE on a listener, the admin, the command line; by URL, prefix, tag, key; soft, dry, and while fetches are under way.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use std::process::Command;
use understudy_testbed::{
    Client, Finished, Gate, Launch, Origin, Proxy, Request, Response, get, proxy::binary, reply,
    run,
};

/// Answers are fresh for a minute, numbered, and have the fields that the request names in `X-Send`.
fn answer(r: &Request) -> Vec<u8> {
    let mut fields = vec!["Cache-Control: max-age=60"];
    fields.extend(r.head.all("x-send"));
    if r.get("if-none-match").is_some() {
        return reply(304, &fields, "");
    }
    reply(200, &fields, r.n.to_string())
}

/// A reverse and a forward listener before one origin; who may purge on the reverse one.
struct Site {
    origin: Origin,
    proxy: Proxy,
}

impl Site {
    fn of(origin: Origin, purge: &str) -> Site {
        Site::ruled(origin, purge, "")
    }

    fn ruled(origin: Origin, purge: &str, rules: &str) -> Site {
        let proxy = Launch::bare()
            .config(&format!(
                "workers = 2\n{rules}\n[admin]\naddress = \"127.0.0.1:0\"\n[access]\nallow_to = [\"loopback\"]\n\
                 [[listen]]\nname = \"site\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"\nto = \"o\"\npurge = [{purge}]\n\
                 [[listen]]\nname = \"forward\"\naddress = \"127.0.0.1:0\"\n\
                 [[upstream]]\nname = \"o\"\nservers = [\"{}\"]\n",
                origin.addr
            ))
            .start();
        Site { origin, proxy }
    }

    fn new() -> Site {
        Site::of(Origin::answering(answer), "\"loopback\"")
    }

    #[track_caller]
    fn get(&self, path: &str, send: &[&str]) -> Response {
        let fields: String = send.iter().map(|f| format!("X-Send: {f}\r\n")).collect();
        get(self.proxy.listener("site"), path, "site.test", &fields).expect(200)
    }

    #[track_caller]
    fn send(&self, method: &str, path: &str, fields: &str) -> Response {
        Client::to(self.proxy.listener("site")).ask(format!(
            "{method} {path} HTTP/1.1\r\nHost: site.test\r\n{fields}\r\n"
        ))
    }

    /// The receipt of a PURGE.
    #[track_caller]
    fn purge(&self, path: &str, fields: &str) -> Value {
        let answer = self.send("PURGE", path, fields).expect(200);
        serde_json::from_slice(&answer.body).unwrap()
    }

    #[track_caller]
    fn admin(&self, query: &str, body: &str, fields: &str) -> Response {
        Client::to(self.proxy.listener("admin")).ask(format!(
            "POST /purge{query} HTTP/1.1\r\n{fields}Content-Length: {}\r\n\r\n{body}",
            body.len()
        ))
    }

    #[track_caller]
    fn by_admin(&self, asked: Value) -> Value {
        let fields = "Host: 127.0.0.1\r\nContent-Type: application/json\r\n";
        let answer = self.admin("", &asked.to_string(), fields).expect(200);
        serde_json::from_slice(&answer.body).unwrap()
    }

    fn command(&self, args: &[&str]) -> Finished {
        let admin = self.proxy.listener("admin").to_string();
        run(Command::new(binary())
            .arg("purge")
            .args(args)
            .args(["--admin", &admin]))
    }

    fn is_stored(&self, path: &str) -> bool {
        let fields = "Cache-Control: only-if-cached\r\n";
        get(self.proxy.listener("site"), path, "site.test", fields).status == 200
    }

    /// Which of these are stored.
    fn stored(&self, paths: &[&str]) -> String {
        let stored = paths.iter().filter(|path| self.is_stored(path));
        stored.copied().collect::<Vec<_>>().join(" ")
    }
}

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
fn the_admin_purges_for_local_requests_that_no_page_can_make() {
    let site = Site::new();
    site.get("/", &["Surrogate-Key: t"]);
    let json = "Content-Type: application/json\r\n";
    for (query, body, fields, status) in [
        (
            "",
            r#"{"tag":"t"}"#,
            format!("Host: rebound.example\r\n{json}"),
            403,
        ),
        (
            "?tag=t",
            "",
            "Host: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n".to_owned(),
            403,
        ),
        (
            "",
            r#"{"tag":"t"}"#,
            "Host: 127.0.0.1\r\nContent-Type: text/plain\r\n".to_owned(),
            400,
        ),
        (
            "",
            r#"{"tag":""}"#,
            format!("Host: 127.0.0.1\r\n{json}"),
            400,
        ),
        (
            "",
            r#"{"tga":"t"}"#,
            format!("Host: 127.0.0.1\r\n{json}"),
            400,
        ),
        ("", "", "Host: 127.0.0.1\r\n".to_owned(), 400),
        ("?url=/x", "", "Host: 127.0.0.1\r\n".to_owned(), 400),
    ] {
        let answer = site.admin(query, body, &fields).expect(status);
        let said: Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(said["outcome"], "refused", "{query} {body} {fields}");
    }
    assert!(site.is_stored("/"));
    let answer = site.admin("?tag=t", "", "Host: 127.0.0.1\r\n").expect(200);
    let receipt: Value = serde_json::from_slice(&answer.body).unwrap();
    assert_eq!(receipt["removed"], 1);
    assert!(!site.is_stored("/"));
}

#[test]
fn the_command_shows_the_receipt() {
    let site = Site::new();
    site.get("/a", &["Surrogate-Key: t"]);
    let out = site.command(&["--tag", "u, t", "--dry-run"]).expect(0);
    let text = out.text();
    assert!(
        text.contains("a dry run") && text.contains("matched     1"),
        "{text}"
    );
    assert!(text.contains("  http://site.test:80/a\\no"), "{text}");
    assert!(site.is_stored("/a"));
    let out = site
        .command(&["http://site.test/a", "--soft", "--json"])
        .expect(0);
    let receipt: Value = serde_json::from_str(&out.text()).unwrap();
    assert_eq!(
        (&receipt["made_stale"], &receipt["asked"]["soft"]),
        (&json!(1), &json!(true))
    );
    site.command(&["--key", "http://site.test:80/a\\no"])
        .expect(0);
    assert!(!site.is_stored("/a"));
    for args in [
        &[][..],
        &["/x"],
        &["https://a/"],
        &["--tag", "t", "--origin", "http://a/"],
    ] {
        site.command(args).expect(2);
    }
}

#[test]
fn purges_are_counted() {
    let site = Site::new();
    let counts = || -> Vec<String> {
        let text = site.proxy.admin("/metrics").expect(200).text();
        let lines = text.lines().map(str::to_owned);
        lines
            .filter(|line| line.starts_with("understudy_cache_purge") && !line.contains("bytes"))
            .collect()
    };
    for path in ["/a", "/b", "/c"] {
        site.get(path, &[]);
    }
    site.purge("/a", "");
    site.purge("/b", "Purge-Soft: 1\r\n");
    site.purge("/c", "Purge-Dry-Run: 1\r\n");
    assert_eq!(
        counts(),
        [
            "understudy_cache_purges_total 2",
            "understudy_cache_purged_total{result=\"removed\"} 1",
            "understudy_cache_purged_total{result=\"made_stale\"} 1",
        ]
    );
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

/// The keys of a JSON object, and of those in it.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(map) => map
            .iter()
            .filter(|(key, _)| *key != "asked")
            .map(|(key, value)| (key.clone(), shape(value)))
            .collect(),
        _ => Value::Null,
    }
}

#[test]
fn the_documented_receipt_is_the_one_that_is_given() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/purging.md");
    let text = std::fs::read_to_string(root).unwrap();
    let documented = text.split("```json\n").nth(1).unwrap();
    let documented: Value = serde_json::from_str(documented.split("```").next().unwrap()).unwrap();
    let site = Site::new();
    site.get("/", &["Surrogate-Key: product-17"]);
    let receipt = site.by_admin(documented["asked"].clone());
    assert_eq!(receipt["asked"], documented["asked"]);
    assert_eq!(shape(&receipt), shape(&documented));
    let table = text.split("## The receipt").nth(1).unwrap();
    for key in receipt.as_object().unwrap().keys() {
        let is_told =
            ["time", "asked"].contains(&key.as_str()) || table.contains(&format!("`{key}`"));
        assert!(is_told, "{key} is not in the table");
    }
}
