//! How operators purge: by the admin and the command line; what receipts, metrics and `explain` tell.
#![allow(clippy::unwrap_used)]

#[path = "purge/common.rs"]
mod common;

use common::Site;
use serde_json::{Value, json};
use std::process::Command;
use understudy_testbed::{proxy::binary, run};

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
fn explain_tells_tags_and_groups() {
    let site = Site::new();
    let url = "http://site.test/a";
    let told = |json: bool| {
        let admin = site.proxy.listener("admin").to_string();
        let mut command = Command::new(binary());
        command.args(["explain", url, "--listener", "site", "--admin", &admin]);
        run(command.args(json.then_some("--json"))).expect(0).text()
    };
    site.get("/a", &["Surrogate-Key: one two", "Cache-Groups: \"g\""]);
    let answer: Value = serde_json::from_str(&told(true)).unwrap();
    let variant = &answer["variants"][0];
    assert_eq!(variant["tags"], json!(["one", "two"]));
    assert_eq!(variant["groups"], json!(["g"]));
    let text = told(false);
    assert!(
        text.contains("tags: one, two") && text.contains("groups: g"),
        "{text}"
    );
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
