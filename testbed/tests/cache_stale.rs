//! Stale responses served while they are validated behind the answer (RFC 5861 section 3), and marked as what they are.
#![allow(clippy::unwrap_used)]

use std::time::{Duration, Instant};
use understudy_testbed::{Client, Gate, Origin, PATIENCE, Request, Response, Site, get, reply};

/// Stale by 40 seconds on arrival, within a window of 600.
const BEHIND: &str = "Cache-Control: max-age=60, stale-while-revalidate=600";
const OLD: &str = "Age: 100";
const FRESH: &str = "Cache-Control: max-age=60";
const MARK: &str = "detail=stale-while-revalidate";

/// What is stale in its window at first; a door stands before whatever is asked later, which `later` answers.
fn behind(gate: &Gate, later: impl Fn(&Request) -> Vec<u8> + Send + Sync + 'static) -> Site {
    let gate = gate.clone();
    Site::new(move |r| {
        if r.n == 1 {
            return reply(200, &[BEHIND, OLD, "ETag: \"a\""], "1");
        }
        gate.wait();
        later(r)
    })
}

fn fresh(r: &Request) -> Vec<u8> {
    reply(200, &[FRESH, "ETag: \"b\""], r.n.to_string())
}

/// Asks until the answer is as wanted.
#[track_caller]
fn until(ask: impl Fn() -> Response, wanted: impl Fn(&Response) -> bool) -> Response {
    let end = Instant::now() + PATIENCE;
    loop {
        let response = ask();
        if wanted(&response) {
            return response;
        }
        assert!(Instant::now() < end, "still {}", response.head.text());
        std::thread::sleep(Duration::from_millis(5));
    }
}

#[track_caller]
fn expect_marked(response: Response) -> Response {
    let said = response.cache_status();
    let ttl = said.split("; ").find_map(|p| p.strip_prefix("ttl="));
    let ttl: i64 = ttl.unwrap_or("1").parse().unwrap();
    assert!(response.is_hit() && ttl <= 0, "{said}");
    assert!(said.contains(MARK), "{said}");
    response
}

#[test]
fn it_is_served_at_once_and_replaced_by_what_the_origin_says() {
    let gate = Gate::new();
    let site = behind(&gate, fresh);
    site.get("/", "").expect_body("1");
    // Nobody has let the origin answer yet.
    expect_marked(site.get("/", "").expect(200)).expect_body("1");
    site.origin.wait_requests(2);
    expect_marked(site.get("/", "").expect(200)).expect_body("1");
    gate.open();
    let new = until(|| site.get("/", ""), |r| r.text() == "2").expect_hit();
    assert!(!new.cache_status().contains(MARK), "{}", new.cache_status());
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn a_304_freshens_it_behind_the_answer() {
    let gate = Gate::new();
    let site = behind(&gate, |_| reply(304, &[FRESH, "ETag: \"a\"", "X: new"], ""));
    site.get("/", "");
    expect_marked(site.get("/", "")).expect_body("1");
    gate.open();
    let new = until(|| site.get("/", ""), |r| r.get("x") == Some("new"));
    new.expect_hit().expect_body("1");
    assert_eq!(site.origin.last().get("if-none-match"), Some("\"a\""));
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn any_number_of_askers_is_one_request_behind_them() {
    // Every input of the kind: so many askers, on one connection or one each, plain or in need of thought.
    let mut cases = Vec::new();
    for askers in [1, 2, 3, 7, 20, 50] {
        for connections in [1, askers] {
            for shape in ["", "If-None-Match: \"x\"\r\n", "Range: bytes=0-\r\n"] {
                cases.push((askers, connections, shape, Gate::new()));
            }
        }
    }
    let gates: Vec<Gate> = cases.iter().map(|(.., gate)| gate.clone()).collect();
    let site = Site::new(move |r| match r.get("if-none-match") {
        None => reply(200, &[BEHIND, OLD, "ETag: \"a\""], "old"),
        Some(_) => {
            let case: usize = r.target[1..].parse().unwrap();
            gates[case].wait();
            reply(200, &[FRESH], "new")
        }
    });
    for (case, (askers, connections, shape, gate)) in cases.into_iter().enumerate() {
        let path = format!("/{case}");
        let ask = format!("GET {path} HTTP/1.1\r\nHost: site.test\r\n{shape}\r\n");
        site.get(&path, "").expect_body("old");
        let mut clients: Vec<Client> = (0..connections).map(|_| site.client()).collect();
        for client in &mut clients {
            client.send(ask.repeat(askers / connections));
        }
        for client in &mut clients {
            for _ in 0..askers / connections {
                expect_marked(client.response()).expect_body("old");
            }
        }
        site.origin.wait_requests(2 * (case + 1));
        gate.open();
        until(|| site.get(&path, ""), |r| r.text() == "new").expect_hit();
        let requests = site.origin.requests();
        let of_it = requests.iter().filter(|r| r.target == path).count();
        assert_eq!(of_it, 2, "{askers} {connections} {shape}");
    }
}

#[test]
fn the_request_behind_has_nothing_of_the_client() {
    let gate = Gate::new();
    let site = behind(&gate, fresh);
    site.get("/path?q", "");
    let own = "Authorization: Basic eA==\r\nCookie: a=b\r\nIf-None-Match: \"mine\"\r\nRange: bytes=0-0\r\n\
               Cache-Control: max-stale\r\nReferer: http://x/\r\nX-Own: 1\r\nAccept-Language: de\r\n";
    expect_marked(site.get("/path?q", own));
    let behind = site.origin.wait_requests(2).pop().unwrap();
    assert_eq!((&*behind.method, &*behind.target), ("GET", "/path?q"));
    assert_eq!(behind.get("host"), Some("site.test"));
    assert_eq!(behind.get("if-none-match"), Some("\"a\""));
    for name in [
        "authorization",
        "cookie",
        "range",
        "cache-control",
        "referer",
        "x-own",
        "accept-language",
    ] {
        assert_eq!(behind.get(name), None, "{}", behind.head.text());
    }
    gate.open();
}

#[test]
fn the_request_behind_selects_the_variant_that_is_stale() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let site = Site::new(move |r| {
        let said = format!(
            "{} {}",
            r.get("accept-language").unwrap_or("-"),
            r.get("x-kind").unwrap_or("-")
        );
        let tag = format!("ETag: \"{said}\"");
        let vary = "Vary: Accept-Language, X-Kind, X-Absent";
        if r.get("if-none-match") == tag.strip_prefix("ETag: ") {
            theirs.wait();
            return reply(200, &[FRESH, vary], format!("new {said}"));
        }
        reply(200, &[BEHIND, OLD, &tag, vary], format!("old {said}"))
    });
    let german = "Accept-Language: de\r\nX-Kind: a\r\n";
    let english = "Accept-Language: en\r\nX-Kind: b\r\n";
    site.get("/", german).expect_body("old de a");
    site.get("/", english).expect_body("old en b");
    expect_marked(site.get("/", german)).expect_body("old de a");
    let behind = site.origin.wait_requests(3).pop().unwrap();
    assert_eq!(behind.get("if-none-match"), Some("\"de a\""));
    gate.open();
    let is = |body: &'static str| move |r: &Response| r.text() == body;
    until(|| site.get("/", german), is("new de a")).expect_hit();
    expect_marked(site.get("/", english)).expect_body("old en b");
    until(|| site.get("/", english), is("new en b")).expect_hit();
}

#[test]
fn what_varies_by_credentials_is_validated_before_it_is_served() {
    for field in ["Cookie", "Authorization"] {
        let site = Site::new(move |r| {
            let control = format!("{BEHIND}, public");
            let vary = format!("Vary: {field}");
            reply(200, &[&control, OLD, "ETag: \"a\"", &vary], r.n.to_string())
        });
        let own = format!("{field}: a=b\r\n");
        site.get("/", &own).expect_body("1");
        site.get("/", &own).expect_fwd("stale").expect_body("2");
        assert_eq!(site.origin.last().get(field), Some("a=b"));
    }
}

#[test]
fn a_client_or_an_origin_may_want_better() {
    let cases = [
        ("", "Cache-Control: max-age=1000", "stale"),
        ("", "Cache-Control: min-fresh=1", "stale"),
        ("", "Cache-Control: max-stale=5", "stale"),
        ("", "Cache-Control: no-cache", "request"),
        ("", "Pragma: no-cache", "request"),
        (", must-revalidate", "A: b", "stale"),
        (", proxy-revalidate", "A: b", "stale"),
        (", s-maxage=60", "A: b", "stale"),
        (", no-cache", "A: b", "stale"),
        (", stale-while-revalidate=40", "A: b", "stale"),
    ];
    for (stored, request, why) in cases {
        let site = Site::new(move |r| {
            let control = format!("{BEHIND}{stored}");
            reply(200, &[&control, OLD, "ETag: \"a\""], r.n.to_string())
        });
        site.get("/", "").expect_body("1");
        let request = format!("{request}\r\n");
        site.get("/", &request).expect_fwd(why).expect_body("2");
        assert_eq!(site.origin.count(), 2, "{stored} {request}");
    }
}

#[test]
fn every_request_that_a_hit_answers_is_served_behind() {
    let gate = Gate::new();
    let site = behind(&gate, fresh);
    site.get("/", "").expect_body("1");
    expect_marked(site.ask("HEAD", "/", "")).expect_body("");
    expect_marked(site.get("/", "If-None-Match: \"a\"\r\n")).expect(304);
    expect_marked(site.get("/", "Range: bytes=0-0\r\n")).expect(206);
    expect_marked(site.get("/", "Cache-Control: only-if-cached\r\n")).expect_body("1");
    expect_marked(site.get("/", "Cache-Control: max-stale\r\n")).expect_body("1");
    site.origin.wait_requests(2);
    assert_eq!(site.origin.count(), 2);
    gate.open();
}

#[test]
fn what_the_origin_no_longer_lets_be_stored_goes() {
    let cases: [(u16, &[&str]); 4] = [
        (200, &["Cache-Control: no-store"]),
        (200, &["Cache-Control: private"]),
        (404, &["Cache-Control: no-store"]),
        (410, &["Cache-Control: no-store"]),
    ];
    for (status, fields) in cases {
        let gate = Gate::new();
        let site = behind(&gate, move |r| reply(status, fields, r.n.to_string()));
        site.get("/", "").expect_body("1");
        expect_marked(site.get("/", "")).expect_body("1");
        gate.open();
        let new = until(|| site.get("/", ""), |r| r.text() != "1");
        assert_eq!(new.status, status);
        new.expect_fwd("uri-miss");
    }
}

#[test]
fn a_failure_behind_leaves_what_is_stale_and_is_not_repeated_for_each_asker() {
    let failures: [fn() -> Vec<u8>; 6] = [
        || reply(500, &[FRESH], "error"),
        || reply(502, &[FRESH], "error"),
        || reply(503, &[FRESH, "Retry-After: 1"], "error"),
        || reply(504, &[], "error"),
        || b"HTTP/1.1 200 OK\r\nContent-Le".to_vec(),
        Vec::new,
    ];
    for failure in failures {
        let origin = Origin::scripted(move |conn| {
            while let Some(r) = conn.request() {
                if r.n > 1 {
                    conn.send(failure());
                    return;
                }
                conn.send(reply(200, &[BEHIND, OLD, "ETag: \"a\""], "1"));
            }
        });
        let site = Site::of(origin);
        site.get("/", "").expect_body("1");
        let asks = 200;
        for _ in 0..asks {
            expect_marked(site.get("/", "").expect(200)).expect_body("1");
        }
        site.origin.wait_requests(2);
        // Rests of 1, 2, 4 ... seconds: so many failures would need minutes. A broken exchange may be repeated once.
        assert!(
            site.origin.count() <= 20,
            "{} requests",
            site.origin.count()
        );
    }
}

#[test]
fn a_forward_proxy_serves_behind_too() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let origin = Origin::answering(move |r| {
        if r.n == 1 {
            return reply(200, &[BEHIND, OLD, "ETag: \"a\""], "1");
        }
        theirs.wait();
        fresh(r)
    });
    let proxy = understudy_testbed::Launch::forward().start();
    let url = format!("http://{}/x?y", origin.addr);
    let host = origin.addr.to_string();
    let ask = || get(proxy.addr(), &url, &host, "");
    ask().expect_body("1");
    expect_marked(ask()).expect_body("1");
    let behind = origin.wait_requests(2).pop().unwrap();
    assert_eq!(
        (&*behind.target, behind.get("host")),
        ("/x?y", Some(&*host))
    );
    gate.open();
    until(ask, |r| r.text() == "2").expect_hit();
}

#[test]
fn an_asker_beyond_the_window_waits_for_the_validation_that_is_under_way() {
    let gate = Gate::new();
    let site = behind(&gate, fresh);
    site.get("/", "").expect_body("1");
    expect_marked(site.get("/", "")).expect_body("1");
    site.origin.wait_requests(2);
    // It takes nothing stale, so it cannot be served behind, and there is one exchange for both.
    let mut waits = site.client();
    waits.send("GET / HTTP/1.1\r\nHost: site.test\r\nCache-Control: max-age=1000\r\n\r\n");
    gate.open();
    waits.response().expect_body("2");
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn what_goes_goes_alone() {
    let site = Site::new(|r| {
        let kind = r.get("x-kind").unwrap();
        match (kind, r.get("if-none-match")) {
            ("a", Some("\"a\"")) => reply(404, &["Cache-Control: no-store"], "gone"),
            _ => {
                let tag = format!("ETag: \"{kind}\"");
                let control = if kind == "a" { BEHIND } else { FRESH };
                let age = if kind == "a" { OLD } else { "Age: 0" };
                reply(200, &[control, age, &tag, "Vary: X-Kind"], kind)
            }
        }
    });
    site.get("/", "X-Kind: a\r\n").expect_body("a");
    site.get("/", "X-Kind: b\r\n").expect_body("b");
    expect_marked(site.get("/", "X-Kind: a\r\n")).expect_body("a");
    until(|| site.get("/", "X-Kind: a\r\n"), |r| !r.is_hit());
    site.get("/", "X-Kind: b\r\n").expect_hit().expect_body("b");
}

#[test]
fn a_page_for_one_client_does_not_take_away_the_one_for_all() {
    let site = Site::new(|r| match r.get("cookie") {
        Some(_) => reply(200, &["Cache-Control: private"], "mine"),
        None => reply(200, &[FRESH, "ETag: \"a\""], "for all"),
    });
    site.get("/", "").expect_body("for all");
    let mine = "Cookie: me=1\r\nCache-Control: no-cache\r\n";
    site.get("/", mine).expect_body("mine");
    site.get("/", "").expect_hit().expect_body("for all");
}

#[test]
fn an_end_does_not_wait_for_what_is_validated_behind() {
    let gate = Gate::new();
    let mut site = behind(&gate, fresh);
    site.get("/", "").expect_body("1");
    expect_marked(site.get("/", "")).expect_body("1");
    site.origin.wait_requests(2);
    site.proxy.signal(rustix::process::Signal::TERM);
    // The origin answers only afterwards.
    assert_eq!(site.proxy.wait_exit(), Some(0));
    gate.open();
}

#[test]
fn modules_see_hits_and_what_is_asked_behind_them() {
    for runtime in ["inline", "threads", "process"] {
        let gate = Gate::new();
        let theirs = gate.clone();
        let origin = Origin::answering(move |r| {
            if r.n == 1 {
                return reply(200, &[BEHIND, OLD, "ETag: \"a\""], "1");
            }
            theirs.wait();
            fresh(r)
        });
        let module = format!(
            "[[module]]\nname = \"copies\"\nlibrary = \"builtin:body-and-headers\"\nruntime = \"{runtime}\"\ndeadline = \"60s\"\n"
        );
        let config = understudy_testbed::modules::config(&origin, &module);
        let proxy = understudy_testbed::Launch::bare().config(&config).start();
        let ask = || get(proxy.addr(), "/", "site.test", "");
        ask().expect_body("1");
        expect_marked(ask()).expect_body("1");
        origin.wait_requests(2);
        expect_marked(ask()).expect_body("1");
        gate.open();
        until(ask, |r| r.text() == "2").expect_hit();
        assert_eq!(origin.count(), 2, "{runtime}");
    }
}

#[test]
fn the_log_says_by_whose_leave_it_is_stale() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let origin = Origin::answering(move |r| {
        if r.n == 1 {
            return reply(200, &[BEHIND, OLD, "ETag: \"a\""], "1");
        }
        theirs.wait();
        reply(304, &[FRESH, "ETag: \"a\""], "")
    });
    let proxy = understudy_testbed::Launch::reverse(&origin)
        .arg("--access-log")
        .arg("-")
        .arg("--log-format")
        .arg("json")
        .start();
    let has = |line: &str, words: [&str; 3]| words.iter().all(|word| line.contains(word));
    get(proxy.addr(), "/", "site.test", "").expect_body("1");
    let stale = ["\"outcome\":\"stale\"", "\"status\":200"];
    // On the spot, and by a transaction.
    for (method, own) in [("GET", ""), ("HEAD", "If-None-Match: \"x\"\r\n")] {
        Client::to(proxy.addr()).ask(format!(
            "{method} / HTTP/1.1\r\nHost: site.test\r\n{own}\r\n"
        ));
        let method = format!("\"method\":\"{method}\"");
        proxy.wait_stdout(|line| {
            has(line, [stale[0], stale[1], &method])
                && line.contains("\"stale\":\"stale-while-revalidate\"")
        });
    }
    // What is asked behind them has a line of its own.
    gate.open();
    let behind = ["\"listener\":\"internal\"", "\"outcome\":\"revalidated\""];
    proxy.wait_stdout(|line| has(line, [behind[0], behind[1], "\"forward\":\"stale\""]));
}

#[test]
fn what_is_asked_behind_is_counted() {
    let site = Site::new(|r| match r.n {
        1 => reply(200, &[BEHIND, OLD, "ETag: \"a\""], "1"),
        2 => reply(503, &[], "down"),
        _ => reply(200, &[FRESH], "new"),
    });
    let metric = |result: &str, n: u32| {
        let line = format!("understudy_background_validations_total{{result=\"{result}\"}} {n}\n");
        until(
            || site.proxy.admin("/metrics"),
            move |r| r.text().contains(&line),
        )
    };
    metric("failed", 0);
    site.get("/", "").expect_body("1");
    expect_marked(site.get("/", "")).expect_body("1");
    metric("failed", 1);
    until(|| site.get("/", ""), |r| r.text() == "new");
    metric("done", 1);
    assert_eq!(
        site.proxy.status()["origins"]["background_validations"]["failed"],
        1
    );
}

#[test]
fn to_explain_what_is_stale_asks_the_origin_nothing() {
    let gate = Gate::new();
    let site = behind(&gate, fresh);
    site.get("/", "").expect_body("1");
    let question = "{\"url\": \"http://site.test/\"}";
    let admin = site.proxy.listener("admin");
    let ask = format!(
        "POST /explain HTTP/1.1\r\nHost: {admin}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{question}",
        question.len()
    );
    let told = Client::to(admin).ask(ask).expect(200).text();
    assert!(told.contains("stale-while-revalidate"), "{told}");
    // Had one been begun, it would have ended before these do, and what is stored were fresh.
    gate.open();
    for other in 0..20 {
        site.get(&format!("/{other}"), "").expect(200);
    }
    expect_marked(site.get("/", "")).expect_body("1");
}
