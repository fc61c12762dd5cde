//! Cache groups (RFC 9875): answers to unsafe requests invalidate what their origin says changes together.
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Client, Gate, Site, get, reply};

/// GET answers are cacheable, numbered, and in the groups that the request names; anything else invalidates those it names.
fn site() -> Site {
    Site::new(|r| {
        let name = match r.method.as_str() {
            "GET" => "Cache-Groups",
            _ => "Cache-Group-Invalidation",
        };
        let mut fields = vec!["Cache-Control: max-age=60".to_owned()];
        fields.extend(
            r.head
                .all("x-groups")
                .iter()
                .map(|v| format!("{name}: {v}")),
        );
        fields.extend(
            r.get("x-invalidate")
                .map(|v| format!("Cache-Group-Invalidation: {v}")),
        );
        let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
        let status = r.get("x-status").map_or(200, |s| s.parse().unwrap());
        reply(status, &fields, r.n.to_string())
    })
}

fn groups(lines: &[&str]) -> String {
    lines.iter().map(|v| format!("X-Groups: {v}\r\n")).collect()
}

/// Whether `/a`, in these groups, is stored still after a POST elsewhere that invalidates those.
#[track_caller]
fn stays(of: &[&str], invalidated: &[&str]) -> bool {
    let site = site();
    site.get("/a", &groups(of)).expect_body("1");
    let fields = format!("Content-Length: 0\r\n{}", groups(invalidated));
    site.ask("POST", "/elsewhere", &fields).expect(200);
    site.get("/a", "").is_hit()
}

#[test]
fn a_shared_group_is_invalidated() {
    let long = format!("\"{}\"", "x".repeat(64));
    let many: Vec<String> = (0..64).map(|n| format!("\"group-{n:026}\"")).collect();
    let many = many.join(", ");
    for (of, invalidated) in [
        (vec!["\"a\""], vec!["\"a\""]),
        (vec!["\"a\", \"b\""], vec!["\"b\""]),
        (vec!["\"a\"", "\"b\""], vec!["\"x\"", "\"b\", \"c\""]),
        (vec!["\"a\";p=1"], vec!["\"a\";q"]),
        (vec!["\"a \\\"b\\\"\""], vec!["\"a \\\"b\\\"\""]),
        (vec![long.as_str()], vec![long.as_str()]),
        (
            vec![many.as_str()],
            vec!["\"group-00000000000000000000000063\""],
        ),
        (
            vec!["\"group-00000000000000000000000063\""],
            vec![many.as_str()],
        ),
    ] {
        assert!(!stays(&of, &invalidated), "{of:?} {invalidated:?}");
    }
}

#[test]
fn another_group_and_a_malformed_field_are_not() {
    for (of, invalidated) in [
        (vec!["\"a\""], vec!["\"A\""]),
        (vec!["\"a\""], vec!["\"ab\""]),
        (vec!["\"a\""], vec!["a"]),
        (vec!["a"], vec!["\"a\""]),
        (vec!["\"a\""], vec!["\"a\", b"]),
        (vec!["\"a\", 7"], vec!["\"a\""]),
        (vec!["(\"a\")"], vec!["\"a\""]),
        (vec!["\"a\""], vec!["\"a\","]),
        (vec!["\"a"], vec!["\"a\""]),
        (vec!["\"\u{e4}\""], vec!["\"\u{e4}\""]),
        (vec!["\"a\""], vec![]),
    ] {
        assert!(stays(&of, &invalidated), "{of:?} {invalidated:?}");
    }
}

#[test]
fn a_safe_request_invalidates_no_group() {
    let site = site();
    site.get("/a", &groups(&["\"a\""])).expect_body("1");
    for method in ["GET", "HEAD", "OPTIONS"] {
        let mut client = Client::to(site.proxy.addr());
        client.send(format!(
            "{method} /x HTTP/1.1\r\nHost: site.test\r\nX-Invalidate: \"a\"\r\n\r\n"
        ));
        client.response_to(method).expect(200);
    }
    site.get("/a", "").expect_body("1").expect_hit();
}

#[test]
fn an_unsafe_request_that_failed_invalidates_the_groups_it_names_and_not_its_own_url() {
    let site = site();
    site.get("/a", &groups(&["\"a\""]));
    site.get("/form", "");
    let fields = format!(
        "Content-Length: 0\r\nX-Status: 500\r\n{}",
        groups(&["\"a\""])
    );
    site.ask("POST", "/form", &fields).expect(500);
    assert!(!site.get("/a", "").is_hit());
    site.get("/form", "").expect_hit();
}

#[test]
fn a_group_is_its_origins_alone() {
    let site = site();
    let other = |fields: &str| get(site.proxy.addr(), "/a", "other.test", fields);
    other(&groups(&["\"a\""])).expect(200);
    site.get("/a", &groups(&["\"a\""]));
    let fields = format!("Content-Length: 0\r\n{}", groups(&["\"a\""]));
    site.ask("POST", "/x", &fields).expect(200);
    other("").expect_hit();
    assert!(!site.get("/a", "").is_hit());
}

#[test]
fn groups_are_not_followed_further() {
    let site = site();
    site.get("/a", &groups(&["\"a\", \"b\""]));
    site.get("/b", &groups(&["\"b\""]));
    let fields = format!("Content-Length: 0\r\n{}", groups(&["\"a\""]));
    site.ask("POST", "/x", &fields).expect(200);
    assert!(!site.get("/a", "").is_hit());
    site.get("/b", "").expect_hit();
}

#[test]
fn clients_are_told_of_groups() {
    let site = site();
    for _ in 0..2 {
        let answer = site.get("/a", &groups(&["\"a\""]));
        assert_eq!(answer.head.get("cache-groups"), Some("\"a\""));
    }
}

#[test]
fn what_is_fetched_while_its_group_is_invalidated_is_not_stored() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let site = Site::new(move |r| match r.method.as_str() {
        "GET" => {
            if r.n == 1 {
                theirs.wait();
            }
            let fields = ["Cache-Control: max-age=60", "Cache-Groups: \"a\""];
            reply(200, &fields, r.n.to_string())
        }
        _ => reply(200, &["Cache-Group-Invalidation: \"a\""], ""),
    });
    let mut client = site.client();
    client.send("GET /a HTTP/1.1\r\nHost: site.test\r\n\r\n");
    site.origin.wait_requests(1);
    site.ask("POST", "/x", "Content-Length: 0\r\n").expect(200);
    gate.open();
    client.response().expect(200).expect_body("1");
    site.get("/a", "").expect_body("3");
}

#[test]
fn operators_purge_them_by_name() {
    let site = site();
    site.get("/a", &groups(&["\"a\""]));
    let mut admin = Client::to(site.proxy.listener("admin"));
    let ask = |query: &str| {
        format!("POST /purge?{query} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
    };
    for (query, removed) in [
        ("group=a&origin=http://other.test", 0),
        ("group=a&origin=http://SITE.test/", 1),
        ("group=a", 0),
    ] {
        let answer = admin.ask(ask(query)).expect(200);
        let receipt: serde_json::Value = serde_json::from_slice(&answer.body).unwrap();
        assert_eq!(receipt["removed"], removed, "{query}");
    }
}
