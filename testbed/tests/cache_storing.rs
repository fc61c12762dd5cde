//! What is stored and served again, and what is not (RFC 9111 sections 3 and 4.2).
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Origin, Site, http_date, reply};

/// A row: what it is, status, response fields, request fields, whether the second answer is a hit.
type Row = (&'static str, u16, Vec<String>, &'static str, bool);

fn row(name: &'static str, fields: &[&str], hit: bool) -> Row {
    (
        name,
        200,
        fields.iter().map(|f| (*f).to_owned()).collect(),
        "",
        hit,
    )
}

/// Asks each row's path twice on one proxy and gathers what differs from the table.
#[track_caller]
fn check(rows: Vec<Row>) {
    let table = rows.clone();
    let site = Site::new(move |r| {
        let (_, status, fields, ..) = &table[r.target[1..].parse::<usize>().unwrap()];
        reply(
            *status,
            &fields.iter().map(String::as_str).collect::<Vec<_>>(),
            if *status == 204 { "" } else { "body" },
        )
    });
    let mut wrong = Vec::new();
    for (i, (name, status, _, request, hit)) in rows.into_iter().enumerate() {
        let path = format!("/{i}");
        let first = site.get(&path, request).expect(status);
        let second = site
            .get(&path, request)
            .expect(status)
            .expect_body(first.text());
        let asked = site
            .origin
            .requests()
            .iter()
            .filter(|r| r.target == path)
            .count();
        if second.is_hit() != hit || asked != if hit { 1 } else { 2 } {
            wrong.push(format!(
                "{name}: wanted hit={hit}; origin asked {asked} times; {}; then {}",
                first.cache_status(),
                second.cache_status()
            ));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn explicit_freshness() {
    check(vec![
        row("max-age", &["Cache-Control: max-age=60"], true),
        row("s-maxage", &["Cache-Control: s-maxage=60"], true),
        row(
            "public and max-age",
            &["Cache-Control: public, max-age=60"],
            true,
        ),
        row(
            "directive names in capitals",
            &["Cache-Control: MAX-AGE=60"],
            true,
        ),
        row(
            "two lines",
            &["Cache-Control: public", "Cache-Control: max-age=60"],
            true,
        ),
        row(
            "an unknown directive beside",
            &["Cache-Control: foo=\"a, b\", max-age=60"],
            true,
        ),
        row(
            "max-age huge",
            &["Cache-Control: max-age=99999999999999999999"],
            true,
        ),
        row("max-age=0", &["Cache-Control: max-age=0"], false),
        row(
            "s-maxage=0 over max-age",
            &["Cache-Control: max-age=60, s-maxage=0"],
            false,
        ),
        row(
            "s-maxage over max-age=0",
            &["Cache-Control: max-age=0, s-maxage=60"],
            true,
        ),
        row(
            "max-age within a quoted string is not a directive",
            &["Cache-Control: foo=\"max-age=60\""],
            false,
        ),
        row(
            "a longer name is another directive",
            &["Cache-Control: x-max-age=60"],
            false,
        ),
        row(
            "max-age that is no number",
            &["Cache-Control: max-age=soon"],
            false,
        ),
    ]);
}

#[test]
fn expires() {
    let at = |s: i64| format!("Expires: {}", http_date(s));
    // As far off as no start of a proxy takes.
    check(vec![
        row("in the future", &[&at(3600)], true),
        row("in the past", &[&at(-60)], false),
        row("zero is the past", &["Expires: 0"], false),
        row("nonsense is the past", &["Expires: soon"], false),
        row(
            "nonsense is the past also with Last-Modified",
            &[
                "Expires: -1",
                &format!("Last-Modified: {}", http_date(-864_000)),
            ],
            false,
        ),
        row(
            "max-age over a past Expires",
            &["Cache-Control: max-age=60", &at(-60)],
            true,
        ),
        row(
            "max-age=0 over a future Expires",
            &["Cache-Control: max-age=0", &at(3600)],
            false,
        ),
        row(
            "s-maxage over a past Expires",
            &["Cache-Control: s-maxage=60", &at(-60)],
            true,
        ),
    ]);
}

#[test]
fn heuristics() {
    let modified = |s: i64| format!("Last-Modified: {}", http_date(s));
    let now = http_date(0);
    check(vec![
        row("nothing said at all", &[], false),
        row("a tenth of ten days", &[&modified(-864_000)], true),
        // Of one moment: the table is older than the answers.
        row(
            "modified just now",
            &[&format!("Last-Modified: {now}"), &format!("Date: {now}")],
            false,
        ),
        row("modified in the future", &[&modified(86_400)], false),
        row(
            "older than the heuristic gives",
            &[&modified(-1000), "Age: 5000"],
            false,
        ),
        row(
            "no-cache forbids it",
            &[&modified(-864_000), "Cache-Control: no-cache"],
            false,
        ),
        (
            "a status without heuristic freshness",
            302,
            vec![modified(-864_000)],
            "",
            false,
        ),
        (
            "public lends it to any status",
            404,
            vec![modified(-864_000), "Cache-Control: public".into()],
            "",
            true,
        ),
    ]);
}

#[test]
fn prohibitions() {
    check(vec![
        row("no-store", &["Cache-Control: no-store, max-age=60"], false),
        row("private", &["Cache-Control: private, max-age=60"], false),
        row("no-cache", &["Cache-Control: no-cache, max-age=60"], false),
        row(
            "no-store on another line",
            &["Cache-Control: max-age=60", "Cache-Control: no-store"],
            false,
        ),
        row("Vary: *", &["Cache-Control: max-age=60", "Vary: *"], false),
        row(
            "Vary: * among others",
            &["Cache-Control: max-age=60", "Vary: Accept, *"],
            false,
        ),
        (
            "the request's no-store",
            200,
            vec!["Cache-Control: max-age=60".into()],
            "Cache-Control: no-store\r\n",
            false,
        ),
    ]);
}

#[test]
fn arrived_with_an_age() {
    check(vec![
        row(
            "younger than its lifetime",
            &["Cache-Control: max-age=60", "Age: 30"],
            true,
        ),
        row(
            "older than its lifetime",
            &["Cache-Control: max-age=60", "Age: 61"],
            false,
        ),
        row(
            "a Date long past",
            &[
                "Cache-Control: max-age=60",
                &format!("Date: {}", http_date(-120)),
            ],
            false,
        ),
        row(
            "a Date in the future",
            &[
                "Cache-Control: max-age=60",
                &format!("Date: {}", http_date(300)),
            ],
            true,
        ),
    ]);
}

#[test]
fn statuses() {
    let explicit: &[u16] = &[200, 203, 204, 300, 301, 308, 404, 405, 410, 414, 501];
    check(
        explicit
            .iter()
            .map(|&s| {
                (
                    "with max-age",
                    s,
                    vec!["Cache-Control: max-age=60".to_owned()],
                    "",
                    true,
                )
            })
            .collect(),
    );
    let none: &[u16] = &[200, 204, 301, 302, 307, 404, 410, 500, 503];
    check(
        none.iter()
            .map(|&s| ("without freshness", s, vec![], "", false))
            .collect(),
    );
}

#[test]
fn requests_with_authorization() {
    let with = |name, cc: &str, hit| -> Row {
        (
            name,
            200,
            vec![format!("Cache-Control: {cc}")],
            "Authorization: Basic eDp5\r\n",
            hit,
        )
    };
    check(vec![
        with("max-age alone does not allow it", "max-age=60", false),
        with("public allows it", "public, max-age=60", true),
        with("s-maxage allows it", "s-maxage=60", true),
        with(
            "must-revalidate allows it",
            "must-revalidate, max-age=60",
            true,
        ),
    ]);
}

#[test]
fn methods_but_get_are_not_stored() {
    let site = Site::new(|r| {
        reply(
            200,
            &["Cache-Control: max-age=60"],
            format!("{} {}", r.method, r.n),
        )
    });
    for (i, method) in ["POST", "PUT", "PATCH", "OPTIONS", "PURR"]
        .iter()
        .enumerate()
    {
        let path = format!("/{method}");
        for k in 1..3 {
            site.ask(method, &path, "Content-Length: 0\r\n")
                .expect(200)
                .expect_body(format!("{method} {}", i * 3 + k));
        }
        site.get(&path, "")
            .expect_body(format!("GET {}", i * 3 + 3));
    }
}

#[test]
fn queries_are_part_of_the_key_and_fragments_are_not_sent() {
    let site = Site::new(|r| reply(200, &["Cache-Control: max-age=60"], r.target.clone()));
    for path in ["/", "/?", "/?a", "/?b", "/a", "/A", "//a", "/a/", "/%61"] {
        site.get(path, "").expect_body(path);
        site.get(path, "").expect_body(path).expect_hit();
    }
}

#[test]
fn an_origin_without_date_is_given_one() {
    let site = Site::of(Origin::scripted(|conn| {
        while conn.request().is_some() {
            conn.send(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 2\r\n\r\nok",
            );
        }
    }));
    let first = site.get("/", "");
    assert!(
        first.get("date").is_some_and(|d| d.ends_with(" GMT")),
        "{}",
        first.head.text()
    );
    assert_eq!(
        site.get("/", "").expect_hit().get("date"),
        first.get("date"),
        "a hit keeps the date of its response"
    );
}

#[test]
fn a_hit_adds_its_age_to_the_one_received() {
    let site = Site::new(|_| reply(200, &["Cache-Control: max-age=600", "Age: 100"], "x"));
    site.get("/", "");
    let age: u32 = site
        .get("/", "")
        .expect_hit()
        .get("age")
        .unwrap()
        .parse()
        .unwrap();
    assert!((100..130).contains(&age), "{age}");
}

#[test]
fn a_hit_has_the_fields_of_its_response_in_order_and_case() {
    let site = Site::new(|_| {
        reply(
            200,
            &[
                "X-One: 1",
                "cache-control: max-age=60",
                "x-TWO: 2",
                "Set-Thing: a",
                "Set-Thing: b",
                "Connection: x-hop",
                "X-Hop: gone",
            ],
            "x",
        )
    });
    let ours = [
        "via",
        "age",
        "cache-status",
        "connection",
        "date",
        "content-length",
        "keep-alive",
    ];
    let kept = |r: &understudy_testbed::Response| {
        r.head
            .fields
            .iter()
            .filter(|(n, _)| !ours.contains(&n.to_ascii_lowercase().as_str()))
            .map(|(n, v)| format!("{n}: {v}"))
            .collect::<Vec<_>>()
    };
    let first = site.get("/", "");
    let second = site.get("/", "").expect_hit();
    assert_eq!(
        kept(&first),
        [
            "X-One: 1",
            "cache-control: max-age=60",
            "x-TWO: 2",
            "Set-Thing: a",
            "Set-Thing: b"
        ]
    );
    assert_eq!(kept(&first), kept(&second));
}

#[test]
fn a_body_of_any_framing_is_stored_whole() {
    let body: String = (0..20_000)
        .map(|i| char::from(b'a' + (i % 26) as u8))
        .collect();
    let sent = body.clone();
    let site = Site::of(Origin::scripted(move |conn| {
        while let Some(r) = conn.request() {
            let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";
            match r.target.as_str() {
                "/length" => conn.send(format!(
                    "{head}Content-Length: {}\r\n\r\n{sent}",
                    sent.len()
                )),
                "/chunked" => {
                    conn.send(format!("{head}Transfer-Encoding: chunked\r\n\r\n"));
                    for piece in sent.as_bytes().chunks(777) {
                        conn.send(format!(
                            "{:X};ext=\"v\"\r\n{}\r\n",
                            piece.len(),
                            std::str::from_utf8(piece).unwrap()
                        ));
                    }
                    conn.send("0\r\n\r\n")
                }
                _ => {
                    conn.send(format!("{head}\r\n{sent}"));
                    return;
                }
            };
        }
    }));
    for path in ["/length", "/chunked", "/close"] {
        site.get(path, "").expect(200).expect_body(&body);
        let hit = site.get(path, "").expect_hit().expect_body(&body);
        assert_eq!(
            hit.get("content-length"),
            Some("20000"),
            "{path}: a stored body's length is known"
        );
    }
    assert_eq!(site.origin.count(), 3);
}

#[test]
fn an_empty_body_is_stored() {
    let site = Site::new(|_| reply(200, &["Cache-Control: max-age=60"], ""));
    site.get("/", "");
    assert_eq!(
        site.get("/", "").expect_hit().get("content-length"),
        Some("0")
    );
}

#[test]
fn a_broken_off_body_is_not_stored() {
    let site = Site::of(Origin::scripted(|conn| {
        let r = conn.request().unwrap();
        let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\n";
        match (r.target.as_str(), r.n % 2) {
            ("/length", 1) => conn.send(format!("{head}Content-Length: 10\r\n\r\nhalf")),
            ("/chunked", 1) => conn.send(format!(
                "{head}Transfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n"
            )),
            _ => conn.send(format!("{head}Content-Length: 5\r\n\r\nwhole")),
        };
    }));
    for path in ["/length", "/chunked"] {
        let mut client = site.client();
        client.send(format!("GET {path} HTTP/1.1\r\nHost: site.test\r\n\r\n"));
        let got = client.rest();
        assert!(
            !got.ends_with(b"0\r\n\r\n"),
            "a broken body must not look complete: {:?}",
            String::from_utf8_lossy(&got)
        );
        site.get(path, "").expect(200).expect_body("whole");
    }
}

#[test]
fn cache_off_stores_nothing() {
    let site = Site::with(
        Origin::answering(|_| reply(200, &["Cache-Control: max-age=60"], "x")),
        "[cache]\nenabled = false\n",
    );
    for _ in 0..2 {
        assert!(!site.get("/", "").expect(200).is_hit());
    }
    assert_eq!(site.origin.count(), 2);
}

/// RFC 9111 section 3.1: what is a proxy's own "MUST NOT be stored"; RFC 9110 section 11.7.3: it is for that proxy's client.
#[test]
fn what_a_proxy_behind_us_says_to_us_is_passed_to_nobody() {
    let site = Site::new(|_| {
        let fields = [
            "Cache-Control: max-age=60",
            "proxy-Authentication-info: nextnonce=\"1\"",
        ];
        reply(200, &fields, "body")
    });
    for _ in 0..2 {
        let got = site.get("/", "").expect_body("body");
        assert_eq!(got.get("proxy-authentication-info"), None);
    }
}
