//! `understudy explain`: what is foretold is what the next request does; what is told is what is stored.
#![allow(clippy::unwrap_used)]

use serde_json::{Value, json};
use understudy_testbed::{Client, Launch, Origin, Proxy, Response, get, reply, site::HOST};

/// The admin's answer to a question.
#[track_caller]
fn ask(proxy: &Proxy, question: &Value) -> Response {
    let body = question.to_string();
    let admin = proxy.listener("admin");
    Client::to(admin).ask(format!(
        "POST /explain HTTP/1.1\r\nHost: {admin}\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    ))
}

#[track_caller]
fn explain(proxy: &Proxy, path: &str, fields: &str) -> Value {
    let headers: Vec<(&str, &str)> = fields
        .lines()
        .map(|line| line.split_once(": ").unwrap())
        .collect();
    let question = json!({"url": format!("http://{HOST}{path}"), "headers": headers});
    let answer = ask(proxy, &question).expect(200);
    serde_json::from_slice(&answer.body).unwrap()
}

/// What Cache-Status says, in the words of `next`: whether it is a hit, why it was forwarded, and the detail.
fn happened(response: &Response) -> (bool, Option<String>, Option<String>) {
    let status = response.get("cache-status").unwrap_or_default();
    let parameter = |name: &str| {
        let mut words = status.split("; ");
        words.find_map(|word| word.strip_prefix(name).map(str::to_owned))
    };
    let hit = status.split("; ").any(|word| word == "hit");
    (hit, parameter("fwd="), parameter("detail="))
}

const MODIFIED: &str = "Last-Modified: Sun, 06 Nov 1994 08:49:37 GMT";

/// What the origin says, the rules, a first request (none: `-`), the request, and what it does.
type Situation<'a> = (&'a [&'a str], &'a str, &'a str, &'a str, &'a str);

const SITUATIONS: &[Situation<'_>] = &[
    (&["Cache-Control: max-age=60"], "", "-", "", "fetch"),
    (&["Cache-Control: max-age=60"], "", "", "", "hit"),
    (&["Cache-Control: no-store"], "", "", "", "fetch"),
    (&["Cache-Control: private"], "", "", "", "fetch"),
    (
        &["Cache-Control: max-age=60"],
        "",
        "",
        "Cache-Control: no-cache\r\n",
        "validate",
    ),
    (
        &["Cache-Control: max-age=60"],
        "",
        "",
        "Cache-Control: max-age=0\r\n",
        "validate",
    ),
    (
        &["Cache-Control: max-age=60"],
        "",
        "",
        "Cache-Control: min-fresh=600\r\n",
        "validate",
    ),
    (
        &["Cache-Control: max-age=60"],
        "",
        "",
        "Authorization: x\r\n",
        "hit",
    ),
    (
        &["Cache-Control: max-age=60"],
        "",
        "-",
        "Cache-Control: no-store\r\n",
        "pass",
    ),
    (
        &["Cache-Control: max-age=60"],
        "",
        "-",
        "Cache-Control: only-if-cached\r\n",
        "refuse",
    ),
    (
        &["Cache-Control: no-cache", "ETag: \"a\""],
        "",
        "",
        "",
        "validate",
    ),
    (
        &["Cache-Control: max-age=60", "Age: 90", "ETag: \"a\""],
        "",
        "",
        "",
        "validate",
    ),
    (
        &["Cache-Control: max-age=60", "Age: 90", "ETag: \"a\""],
        "",
        "",
        "Cache-Control: max-stale=100\r\n",
        "stale",
    ),
    (
        &[
            "Cache-Control: max-age=60, stale-while-revalidate=600",
            "Age: 90",
            "ETag: \"a\"",
        ],
        "",
        "",
        "",
        "stale",
    ),
    (
        &["Cache-Control: max-age=60", "Vary: Accept"],
        "",
        "Accept: a/a\r\n",
        "Accept: b/b\r\n",
        "fetch",
    ),
    (
        &["Cache-Control: max-age=60", "Vary: Accept"],
        "",
        "Accept: a/a\r\n",
        "Accept: a/a\r\n",
        "hit",
    ),
    (
        &["Cache-Control: max-age=60", "ETag: \"a\""],
        "",
        "",
        "If-None-Match: \"a\"\r\n",
        "hit",
    ),
    (&[MODIFIED], "", "", "", "hit"),
    (&[MODIFIED], "", "", "Cookie: a=b\r\n", "validate"),
    (&[], "ttl = \"1h\"", "", "", "hit"),
    (
        &["Cache-Control: max-age=60"],
        "store = false",
        "",
        "",
        "pass",
    ),
    (
        &["Cache-Control: max-age=60"],
        "cookies = \"refuse\"",
        "",
        "Cookie: a=b\r\n",
        "pass",
    ),
    (
        &["Cache-Control: max-age=60"],
        "request_no_cache = \"ignore\"",
        "",
        "Cache-Control: no-cache\r\n",
        "hit",
    ),
    (
        &["Cache-Control: max-age=60"],
        "key_fields = [\"X-A\"]",
        "X-A: 1\r\n",
        "X-A: 2\r\n",
        "fetch",
    ),
    (
        &["Cache-Control: max-age=60"],
        "key_fields = [\"X-A\"]",
        "X-A: 1\r\n",
        "X-A: 1\r\n",
        "hit",
    ),
];

#[test]
fn what_is_foretold_is_what_the_next_request_does() {
    for (lines, rule, first, request, does) in SITUATIONS {
        let answers: Vec<String> = lines.iter().map(|&line| line.to_owned()).collect();
        let origin = Origin::answering(move |r| {
            let lines: Vec<&str> = answers.iter().map(String::as_str).collect();
            reply(200, &lines, r.n.to_string())
        });
        let config = match *rule {
            "" => String::new(),
            rule => format!("[[rule]]\nname = \"r\"\n{rule}\n"),
        };
        let proxy = Launch::reverse(&origin).config(&config).start();
        let case = format!("{lines:?} {rule:?} {first:?} {request:?}");
        if *first != "-" {
            get(proxy.addr(), "/p", HOST, first);
        }
        let asked = origin.count();
        let told = explain(&proxy, "/p", request);
        assert_eq!(origin.count(), asked, "{case}");
        let again = explain(&proxy, "/p", request);
        assert_eq!(told["next"], again["next"], "{case}");
        let next = &told["next"];
        assert_eq!(next["does"], *does, "{case}: {next}");

        let response = get(proxy.addr(), "/p", HOST, request);
        let (hit, fwd, detail) = happened(&response);
        assert_eq!(hit, matches!(*does, "hit" | "stale"), "{case}");
        assert_eq!(next["fwd"].as_str(), fwd.as_deref(), "{case}");
        if let Some(status) = next["status"].as_u64() {
            assert_eq!(status, u64::from(response.status), "{case}");
        }
        if matches!(*does, "stale" | "pass" | "refuse") {
            assert_eq!(next["reason"].as_str(), detail.as_deref(), "{case}");
        }
    }
}

#[test]
fn the_arithmetic_is_that_of_the_answer() {
    for (lines, rule, from, lifetime) in [
        (
            &["Cache-Control: max-age=600", "Age: 100"][..],
            "",
            "max-age",
            600,
        ),
        (
            &["Cache-Control: s-maxage=600, max-age=5"],
            "",
            "s-maxage",
            600,
        ),
        (
            &["Cache-Control: max-age=600", "Age: 100"],
            "ttl = \"50m\"",
            "rule",
            3000,
        ),
        (&[MODIFIED], "", "heuristic", 86_400),
        (&["ETag: \"a\""], "", "none", 0),
    ] {
        let origin = Origin::answering(move |_| reply(200, lines, "body"));
        let config = match rule {
            "" => String::new(),
            rule => format!("[[rule]]\nname = \"r\"\n{rule}\n"),
        };
        let proxy = Launch::reverse(&origin).config(&config).start();
        get(proxy.addr(), "/", HOST, "");
        let told = explain(&proxy, "/", "");
        let variant = &told["variants"][0];
        let freshness = &variant["freshness"];
        let number = |name: &str| freshness[name].as_i64().unwrap();
        assert_eq!(freshness["from"], from, "{lines:?}");
        // A rule's time runs from when the answer came, however old it was then: a second may have passed on its way.
        let from_when = match from {
            "rule" => number("on_arrival"),
            _ => 0,
        };
        assert_eq!(number("lifetime") - from_when, lifetime, "{lines:?}");
        assert_eq!(number("age"), number("on_arrival") + number("here"));
        assert_eq!(number("ttl"), number("lifetime") - number("age"));
        assert_eq!(variant["selected"], true);
        assert_eq!(variant["length"], 4);
        let rules = if rule.is_empty() {
            json!([])
        } else {
            json!(["r"])
        };
        assert_eq!((&told["rules"], &variant["rules"]), (&rules, &rules));
    }
}

#[test]
fn every_variant_is_told_and_the_one_that_is_selected() {
    let origin = Origin::answering(|r| {
        reply(
            200,
            &["Cache-Control: max-age=60", "Vary: Accept"],
            r.n.to_string(),
        )
    });
    let proxy = Launch::reverse(&origin).start();
    for kind in ["a/a", "b/b"] {
        get(proxy.addr(), "/", HOST, &format!("Accept: {kind}\r\n"));
    }
    let told = explain(&proxy, "/", "Accept: a/a\r\n");
    let variants = told["variants"].as_array().unwrap();
    let seen: Vec<(bool, &str)> = variants
        .iter()
        .map(|v| (v["selected"] == true, v["vary"][0][1].as_str().unwrap()))
        .collect();
    assert_eq!(seen, [(false, "b/b"), (true, "a/a")]);
    assert_eq!(told["next"]["does"], "hit");
}

#[test]
fn why_something_is_not_stored_is_told_with_its_clause() {
    for (line, reason, clause) in [
        ("Cache-Control: no-store", "no-store", "5.2.2.5"),
        ("Cache-Control: private", "private", "5.2.2.7"),
        ("Vary: *", "vary-star", "4.1"),
        ("Set-Cookie: a=b", "set-cookie", "7.3"),
    ] {
        let origin = Origin::answering(move |_| reply(200, &[line], "x"));
        let proxy = Launch::reverse(&origin).start();
        assert_eq!(explain(&proxy, "/", "").get("not_stored"), None);
        let response = get(proxy.addr(), "/", HOST, "");
        let (_, _, detail) = happened(&response);
        let told = explain(&proxy, "/", "");
        let why = &told["not_stored"];
        assert_eq!(why["reason"], reason);
        assert_eq!(detail.as_deref(), Some(reason));
        assert!(why["clause"].as_str().unwrap().contains(clause), "{why}");
        assert_eq!(why["status"], 200);
    }
}

#[test]
fn what_is_told_of_an_answer_that_is_not_stored_is_the_origins_status_also_behind_a_304() {
    let origin = Origin::answering(|_| reply(200, &["Cache-Control: private", MODIFIED], "x"));
    let proxy = Launch::reverse(&origin).start();
    let since = "If-Modified-Since: Sun, 06 Nov 1994 08:49:37 GMT\r\n";
    get(proxy.addr(), "/", HOST, since).expect(304);
    let told = explain(&proxy, "/", "");
    assert_eq!(told["not_stored"]["reason"], "private");
    assert_eq!(told["not_stored"]["status"], 200);
}

#[test]
fn a_forward_listener_is_explained_too_and_the_key_tells_what_was_dropped() {
    let origin = Origin::answering(|_| reply(200, &["Cache-Control: max-age=60"], "x"));
    let config = "[[rule]]\nname = \"q\"\nquery_without = [\"utm_*\"]\nkey_fields = [\"X-A\"]\n";
    let proxy = Launch::forward().config(config).start();
    let url = format!("http://{}/x?utm_id=1&b=2", origin.addr);
    let told = ask(&proxy, &json!({"url": url, "headers": [["X-A", "1"]]})).expect(200);
    let told: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(
        told["key"],
        format!("http://{}/x?b=2\n\nx-a=1:1;", origin.addr)
    );
    assert_eq!(told["next"]["does"], "fetch");
}

#[test]
fn a_question_that_makes_no_sense_is_refused() {
    let origin = Origin::answering(|_| reply(200, &[], "x"));
    let proxy = Launch::reverse(&origin).start();
    for question in [
        json!({"url": "/path"}),
        json!({"url": "https://site.test/"}),
        json!({"url": "http://site.test/", "listener": "other"}),
        json!({"url": "http://site.test/", "headers": [["X", "a\r\nb: c"]]}),
        json!({"url": "http://site.test/", "headers": [["Host", "other"]]}),
        json!({"url": "http://site.test/", "method": "GET / HTTP/1.1\r\nX: "}),
        json!({"ulr": "http://site.test/"}),
    ] {
        ask(&proxy, &question).expect(400);
    }
    let admin = proxy.listener("admin");
    let target = format!("/explain?url=http://{HOST}/");
    get(admin, &target, "page.example", "").expect(403);
    get(
        admin,
        &target,
        &admin.to_string(),
        "Origin: http://page.example\r\n",
    )
    .expect(403);
    get(admin, &target, &admin.to_string(), "").expect(200);
    assert_eq!(origin.count(), 0);
}

#[test]
fn the_command_tells_it_in_words() {
    let origin =
        Origin::answering(|_| reply(200, &["Cache-Control: max-age=600", "Age: 100"], "body"));
    let config = "[[rule]]\nname = \"later\"\nttl = \"1h\"\n";
    let proxy = Launch::reverse(&origin).config(config).start();
    get(proxy.addr(), "/", HOST, "");
    let admin = proxy.listener("admin").to_string();
    let run = |more: &[&str]| {
        let mut launch = Launch::command("explain").arg("--admin").arg(&admin);
        for arg in more {
            launch = launch.arg(*arg);
        }
        launch.arg(format!("http://{HOST}/")).run()
    };
    let told = run(&["-H", "Accept: a/b"]);
    assert_eq!(told.code, 0, "{}", told.stderr);
    for want in [
        "request     GET http://site.test/",
        "rules       later",
        " s: rule ([[rule]] ttl or negative)",
        " s on arrival + ",
        "next        answered from the store: hit, status 200, fresh (RFC 9111 section 4.2)",
    ] {
        assert!(told.stdout.contains(want), "{want}:\n{}", told.stdout);
    }
    // `lifetime N s: ...` and `age N s = N s on arrival + ...`; a second may have passed while the answer was on its way.
    let number = |behind: &str| -> i64 {
        let (_, rest) = told.stdout.split_once(behind).unwrap();
        rest.split(' ').next().unwrap().parse().unwrap()
    };
    let on_arrival = number(" s = ");
    assert!(on_arrival >= 100, "{}", told.stdout);
    assert_eq!(number("lifetime ") - on_arrival, 3600, "{}", told.stdout);
    let json: Value = serde_json::from_str(&run(&["--json"]).stdout).unwrap();
    assert_eq!(json["next"]["does"], "hit");
    let nobody = Launch::command("explain")
        .arg("--admin")
        .arg(Origin::nobody().to_string())
        .arg("http://a/");
    assert_eq!(nobody.run().code, 1);
}

#[test]
fn the_admin_is_found_in_the_configuration_and_modules_are_mentioned() {
    let origin = Origin::answering(|_| reply(200, &["Cache-Control: max-age=60"], "x"));
    let launch = Launch::reverse(&origin);
    let socket = launch.dir().join("admin.sock");
    let config = format!(
        "[admin]\naddress = \"unix:{}\"\n[[module]]\nname = \"m\"\nlibrary = \"builtin:empty\"\n",
        socket.display()
    );
    let proxy = launch.config(&config).start();
    get(proxy.addr(), "/", HOST, "");
    let told = Launch::command("explain")
        .arg("--config")
        .arg(proxy.dir().join("understudy.toml").display().to_string())
        .arg("--method")
        .arg("HEAD")
        .arg(format!("http://{HOST}/"))
        .run()
        .expect(0);
    for want in [
        "request     HEAD http://site.test/",
        "hit, status 200",
        "note        modules were not asked",
    ] {
        assert!(told.stdout.contains(want), "{want}:\n{}", told.stdout);
    }
}

#[test]
fn an_unsafe_method_is_foretold_too() {
    let origin = Origin::answering(|r| reply(200, &["Cache-Control: max-age=60"], r.n.to_string()));
    let proxy = Launch::reverse(&origin).start();
    get(proxy.addr(), "/", HOST, "");
    let question = json!({"url": format!("http://{HOST}/"), "method": "DELETE"});
    let told = ask(&proxy, &question).expect(200);
    let told: Value = serde_json::from_slice(&told.body).unwrap();
    assert_eq!(told["next"]["does"], "pass");
    assert_eq!(told["next"]["reason"], "method");
    // It was only asked about.
    get(proxy.addr(), "/", HOST, "").expect_hit();
}

#[test]
fn parts_are_told_and_foretold() {
    let origin = Origin::answering(|r| match r.head.get("range") {
        Some(_) => reply(
            206,
            &[
                "Cache-Control: max-age=60",
                "ETag: \"a\"",
                "Content-Range: bytes 0-4/10",
            ],
            "01234",
        ),
        None => reply(
            200,
            &["Cache-Control: max-age=60", "ETag: \"a\""],
            "0123456789",
        ),
    });
    let config = "[cache]\nrange_miss = \"range\"\n";
    let proxy = Launch::reverse(&origin).config(config).start();
    get(proxy.addr(), "/", HOST, "Range: bytes=0-4\r\n").expect(206);
    for (range, does, fwd) in [
        ("Range: bytes=1-2\r\n", "hit", None),
        ("Range: bytes=5-9\r\n", "fetch", Some("partial")),
        ("", "fetch", Some("partial")),
    ] {
        let told = explain(&proxy, "/", range);
        assert_eq!(told["variants"][0]["parts"], json!([[0, 4]]), "{range}");
        assert_eq!(told["next"]["does"], does, "{range}");
        assert_eq!(told["next"]["fwd"].as_str(), fwd, "{range}");
    }
    let part = get(proxy.addr(), "/", HOST, "Range: bytes=1-2\r\n").expect(206);
    assert!(happened(&part).0);
}
