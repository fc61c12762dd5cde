//! Every verb, at the console in every runtime and at the admin.

use crate::common::*;
use serde_json::json;
use understudy_testbed::{Origin, reply};

#[test]
fn what_is_managed_at_the_console_is_what_clients_get_in_every_runtime() {
    for runtime in RUNTIMES {
        let (origin, proxy) = (pages(), start(runtime, ""));
        let mut console = Console::at(&proxy);
        let url = format!("http://{}/a", origin.addr);
        let none = format!("http://{}/none", origin.addr);

        assert_eq!(
            console.ask(format!("query {url}")),
            "not stored\n",
            "{runtime}"
        );
        assert_eq!(console.ask(format!("validate {url}")), "not stored\n");
        assert_eq!(
            console.ask(format!("fetch {url}")),
            "fetched: 200, stored\n"
        );
        let told = console.ask(format!("query {url}"));
        let length = "page /a\n".len();
        assert!(
            told.starts_with(&format!("stored: 200 {length} bytes, text/html, age ")),
            "{told}"
        );
        fetch(&proxy, &url)
            .expect(200)
            .expect_hit()
            .expect_body("page /a\n");
        assert_eq!(origin.count(), 1);

        // Validated, whether it is fresh or not.
        assert_eq!(
            console.ask(format!("validate {url}")),
            "fetched: 304, still good\n"
        );
        assert_eq!(origin.count(), 2);
        assert_eq!(
            console.ask(format!("expire {url} -1")),
            "its expiration is set\n"
        );
        fetch(&proxy, &url).expect(200).expect_fwd("stale");
        assert_eq!(origin.count(), 3);
        assert_eq!(
            console.ask(format!("expire {url} 'Sun, 06 Nov 2044 08:49:37 GMT'")),
            "its expiration is set\n"
        );
        fetch(&proxy, &url).expect_hit();

        assert_eq!(console.ask(format!("delete {url}")), "deleted\n");
        assert_eq!(console.ask(format!("expire {url} 9")), "not stored\n");
        assert_eq!(console.ask(format!("read {url}")), "not stored\n");
        fetch(&proxy, &url).expect_fwd("uri-miss");
        assert_eq!(
            console.ask(format!("fetch {none}")),
            "fetched: 404, not stored\n"
        );
        let nobody = format!("http://{}/", Origin::nobody());
        assert!(
            console
                .ask(format!("fetch {nobody}"))
                .starts_with("failed: ")
        );
        console.send("quit\n");
        assert_eq!(console.rest(), b"goodbye\n", "{runtime}");
    }
}

/// Every byte, and ends of lines where they may be taken for some.
fn binary() -> Vec<u8> {
    (0..=255).chain(*b"\r\nquit\n\xff\xf4\x04").collect()
}

#[test]
fn what_is_injected_is_served_and_read_byte_for_byte_in_every_runtime() {
    for runtime in RUNTIMES {
        let proxy = start(runtime, "root = \".\"");
        let mut console = Console::at(&proxy);
        let body = binary();
        let length = body.len();
        let whole = [
            format!("inject http://a.test/whole image/x {length} 60\n").as_bytes(),
            &body,
        ]
        .concat();
        console.send(whole);
        assert_eq!(
            console.until(PROMPT),
            format!("stored\n{PROMPT}"),
            "{runtime}"
        );
        let got = fetch(&proxy, "http://a.test/whole")
            .expect(200)
            .expect_hit();
        assert_eq!(
            (&got.body, got.get("content-type")),
            (&body, Some("image/x"))
        );

        let begun = console.ask("inject-start http://a.test/parts text/plain");
        let number: u64 = begun.split(' ').nth(1).unwrap().parse().unwrap();
        for piece in body.chunks(100) {
            console.send(format!("inject-part {number} {}\r\n", piece.len()));
            console.send(piece);
            assert_eq!(console.until(PROMPT), format!("taken\n{PROMPT}"));
            assert_eq!(console.ask("query http://a.test/parts"), "not stored\n");
        }
        assert_eq!(console.ask(format!("inject-done {number}")), "stored\n");
        assert_eq!(fetch(&proxy, "http://a.test/parts").expect_hit().body, body);
        assert!(
            console
                .ask(format!("inject-done {number}"))
                .starts_with("there is no injection")
        );
        let begun = console.ask("inject-start http://a.test/given-up text/plain");
        let number: u64 = begun.split(' ').nth(1).unwrap().parse().unwrap();
        assert_eq!(console.ask(format!("inject-abort {number}")), "forgotten\n");
        assert!(
            console
                .ask(format!("inject-done {number}"))
                .starts_with("there is no injection")
        );

        let large: Vec<u8> = (0..300_000_u32)
            .map(|i| (i / 251 + i % 251) as u8)
            .collect();
        std::fs::write(proxy.dir().join("large.bin"), &large).unwrap();
        assert_eq!(
            console.ask("inject http://a.test/file a/b <large.bin"),
            "stored\n"
        );
        assert_eq!(fetch(&proxy, "http://a.test/file").expect_hit().body, large);

        console.send("read http://a.test/whole all raw\n");
        let head = console.until("\n\n");
        assert!(head.starts_with("200\nContent-Type: image/x\n"), "{head}");
        assert_eq!(console.exactly(length), body);
    }
}

#[test]
fn what_is_stored_is_listed_in_order_from_page_to_page() {
    for runtime in RUNTIMES {
        let proxy = start(runtime, "");
        let mut console = Console::at(&proxy);
        // More than one operation tells.
        for i in 0..300 {
            console.send(format!("inject http://a.test/{i:03} text/css 2\nab"));
            console.until(PROMPT);
        }
        console.send("inject http://b.test/ text/css 2\nab");
        console.until(PROMPT);
        let line = |name: &str| format!("http://{name} 200 2 bytes, text/css, age ");
        let all = console.ask("list http://a.test/");
        assert_eq!(all.lines().count(), 300, "{runtime}");
        for (i, told) in all.lines().enumerate() {
            assert!(
                told.starts_with(&line(&format!("a.test:80/{i:03}"))),
                "{told}"
            );
        }
        let page = console.ask("list http://a.test/29 4");
        let (objects, more) = page.rsplit_once("-- ").unwrap();
        assert_eq!(objects.lines().count(), 4);
        assert_eq!(
            more,
            "there is more: list PREFIX COUNT 'http://a.test:80/293'\n"
        );
        let rest = console.ask("list http://a.test/29 9 'http://a.test:80/293'");
        assert_eq!(rest.lines().count(), 6, "{rest}");
        assert_eq!(console.ask("list * 1000").lines().count(), 301);
        assert_eq!(console.ask("list http://c.test/"), "");
        let figures = console.ask("stats");
        assert!(figures.contains("objects          301\n"), "{figures}");
    }
}

#[test]
fn the_admin_does_the_same_verbs_in_json() {
    let (origin, proxy) = (pages(), start("inline", ""));
    let url = format!("http://{}/a", origin.addr);
    let ask = |verb: &str| manage(&proxy, &json!({"verb": verb, "url": url}).to_string());
    assert_eq!(ask("query"), (404, json!({"outcome": "absent"})));
    assert_eq!(
        ask("fetch"),
        (
            200,
            json!({"outcome": "fetched", "status": 200, "stored": true})
        )
    );
    let (status, found) = ask("query");
    assert_eq!(
        (status, &found["outcome"], &found["length"], &found["type"]),
        (200, &json!("found"), &json!(8), &json!("text/html"))
    );
    let (_, read) = ask("read");
    assert_eq!(
        (&read["status"], &read["body"]),
        (&json!(200), &json!("page /a\n"))
    );
    assert!(
        read["fields"]
            .as_array()
            .unwrap()
            .contains(&json!(["ETag", "\"one\""])),
        "{read}"
    );
    assert_eq!(ask("validate").1["status"], 304);
    let expire = json!({"verb": "expire", "url": url, "at": -1}).to_string();
    assert_eq!(manage(&proxy, &expire), (200, json!({"outcome": "done"})));
    assert!(ask("query").1["ttl"].as_i64().unwrap() <= 0);
    assert_eq!(ask("delete").1["outcome"], "done");
    assert_eq!(ask("query").0, 404);

    let inject = json!({"verb": "inject", "url": url, "type": "a/b", "body": {"base64": "/wA="}, "fresh": 600}).to_string();
    assert_eq!(manage(&proxy, &inject).1["outcome"], "done");
    assert_eq!(fetch(&proxy, &url).expect_hit().body, b"\xff\x00");
    assert_eq!(ask("read").1["body"], json!({"base64": "/wA="}));
    let start = json!({"verb": "inject-start", "url": url, "type": "text/plain"}).to_string();
    let number = manage(&proxy, &start).1["number"].as_u64().unwrap();
    for part in ["in ", "two"] {
        let part = json!({"verb": "inject-part", "number": number, "body": part}).to_string();
        assert_eq!(manage(&proxy, &part).0, 200);
    }
    assert_eq!(
        manage(
            &proxy,
            &json!({"verb": "inject-done", "number": number}).to_string()
        )
        .0,
        200
    );
    fetch(&proxy, &url).expect_hit().expect_body("in two");

    let (_, list) = manage(&proxy, r#"{"verb":"list","count":1}"#);
    assert_eq!(list["objects"][0]["url"], url);
    assert_eq!(list["objects"].as_array().unwrap().len(), 1);
    assert_eq!(
        manage(&proxy, r#"{"verb":"stats"}"#).1["statistics"]["objects"],
        1
    );
    // The console sees what the admin did.
    assert!(
        Console::at(&proxy)
            .ask(format!("query {url}"))
            .starts_with("stored: 200 6 bytes")
    );
}

#[test]
fn what_the_admin_does_not_understand_or_cannot_do_it_says() {
    let proxy = start("inline", "");
    for (json, status, why) in [
        (
            r#"{"verb":"qeury","url":"http://a/"}"#,
            400,
            "unknown variant",
        ),
        (
            r#"{"verb":"query","url":"https://a/"}"#,
            400,
            "only what http URLs name",
        ),
        (
            r#"{"verb":"inject-done","number":7}"#,
            400,
            "there is no injection 7",
        ),
        (r#"{"verb":"preload"}"#, 409, "say what is to be preloaded"),
        (
            r#"{"verb":"preload","file":"/etc/passwd"}"#,
            409,
            "files cannot be named here",
        ),
        (
            r#"{"verb":"inject","url":"http://a/","type":"a\r\nb","body":""}"#,
            409,
            "TYPE",
        ),
    ] {
        let (got, document) = manage(&proxy, json);
        assert_eq!(got, status, "{json}: {document}");
        assert!(document.to_string().contains(why), "{json}: {document}");
    }
}

#[test]
fn no_web_page_can_make_the_admin_do_a_verb() {
    let proxy = start("inline", "");
    let body = r#"{"verb":"stats"}"#;
    for (fields, status) in [
        ("Host: 127.0.0.1\r\nContent-Type: application/json\r\n", 200),
        ("Host: 127.0.0.1\r\nContent-Type: text/plain\r\n", 400),
        (
            "Host: rebound.test\r\nContent-Type: application/json\r\n",
            403,
        ),
        (
            "Host: 127.0.0.1\r\nOrigin: http://evil.test\r\nContent-Type: application/json\r\n",
            403,
        ),
    ] {
        let length = body.len();
        let request =
            format!("POST /content HTTP/1.1\r\n{fields}Content-Length: {length}\r\n\r\n{body}");
        let response = understudy_testbed::Client::to(proxy.listener("admin")).ask(request);
        assert_eq!(response.status, status, "{fields}");
    }
}

#[test]
fn objects_behind_a_reverse_listener_have_a_second_line_in_their_names() {
    let origin = Origin::answering(|_| reply(200, &["Cache-Control: max-age=600"], "theirs"));
    let config = format!(
        "[[listen]]\nname = \"site\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"\nto = \"up\"\n[[upstream]]\nname = \"up\"\nservers = [\"{}\"]\n[[module]]",
        origin.addr
    );
    let config = text("inline", "").replace("[[module]]", &config);
    let proxy = understudy_testbed::Launch::bare().config(&config).start();
    understudy_testbed::get(proxy.listener("site"), "/x", "www.test", "").expect(200);
    let mut console = Console::at(&proxy);
    let listed = console.ask("list");
    let name = listed.split(' ').next().unwrap();
    assert_eq!(name, r"http://www.test:80/x\nup");
    assert_eq!(console.ask("query http://www.test:80/x"), "not stored\n");
    assert!(
        console
            .ask(format!("query '{name}'"))
            .starts_with("stored: 200 6 bytes")
    );
    assert!(
        console
            .ask(format!("read '{name}'"))
            .ends_with("\ntheirs\n")
    );
}
