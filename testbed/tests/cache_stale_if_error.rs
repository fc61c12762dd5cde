//! Stale responses in place of an error (RFC 5861 section 4; RFC 9111 section 4.2.4), and when they are not.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use understudy_testbed::{Conn, Gate, Launch, Origin, Response, Site, get, reply};

const STALE: &str = "Cache-Control: max-age=60";
const OLD: &str = "Age: 100";
const ASK: &str = "GET / HTTP/1.1\r\nHost: site.test\r\n\r\n";

/// Answers once with what is stale by 40 seconds, and then fails so.
fn failing(control: &str, fail: impl Fn(&mut Conn) + Send + Sync + 'static) -> Origin {
    let control = control.to_owned();
    Origin::scripted(move |conn| {
        while let Some(r) = conn.request() {
            if r.n > 1 {
                fail(conn);
                return;
            }
            conn.send(reply(200, &[&control, OLD, "ETag: \"a\""], "body"));
        }
    })
}

fn answering(status: u16) -> impl Fn(&mut Conn) + Send + Sync + 'static {
    move |conn| {
        conn.send(reply(status, &["Connection: close"], "error"));
    }
}

#[track_caller]
fn expect_marked(response: Response) {
    let response = response.expect(200).expect_body("body").expect_hit();
    let said = response.cache_status();
    assert!(said.contains("detail=stale-if-error"), "{said}");
    assert!(said.contains("ttl=-"), "{said}");
    let age: u32 = response.get("age").unwrap().parse().unwrap();
    assert!(age >= 100, "{age}");
}

#[test]
fn it_covers_what_an_origin_can_fail_by() {
    type Failure = (&'static str, fn(&mut Conn));
    let failures: [Failure; 12] = [
        ("500", |c| answering(500)(c)),
        ("502", |c| answering(502)(c)),
        ("503", |c| answering(503)(c)),
        ("504", |c| answering(504)(c)),
        ("closed", |_| {}),
        ("reset", |c| c.reset()),
        ("truncated in the status line", |c| {
            c.send("HTTP/1.1 200");
        }),
        ("truncated in the head", |c| {
            c.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n");
        }),
        ("truncated behind an interim response", |c| {
            c.send("HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n");
        }),
        ("no HTTP", |c| {
            c.send("SSH-2.0-OpenSSH_9.6\r\n\r\n");
        }),
        ("ambiguous framing", |c| {
            c.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nbody!");
        }),
        ("a coding we cannot read", |c| {
            c.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: what\r\n\r\nbody");
        }),
    ];
    for control in [STALE, "Cache-Control: max-age=60, stale-if-error=600"] {
        for (name, fail) in failures {
            println!("{name}, {control}");
            let site = Site::of(failing(control, fail));
            site.get("/", "").expect_body("body");
            expect_marked(site.get("/", ""));
            expect_marked(site.get("/", "Cache-Control: max-age=0\r\n"));
        }
    }
}

#[test]
fn it_covers_an_origin_that_is_not_there_or_silent() {
    let proxy;
    {
        let origin = failing(STALE, |_| {});
        proxy = Launch::reverse(&origin).start();
        get(proxy.addr(), "/", "site.test", "").expect_body("body");
        expect_marked(get(proxy.addr(), "/", "site.test", ""));
    }
    // Its listener is gone with it, or will be when the thread that accepts has noticed; both are failures.
    expect_marked(get(proxy.addr(), "/", "site.test", ""));

    let silent = failing(STALE, |conn| {
        conn.wire.rest();
    });
    let proxy = Launch::reverse(&silent).config("").start();
    get(proxy.addr(), "/", "site.test", "").expect_body("body");
    // Only now: the first is to succeed however busy the machine is.
    proxy.rewrite_config("[timeouts]\nfirst_byte = \"200ms\"\n");
    proxy.signal(Signal::HUP);
    proxy.wait_stderr(|l| l == "reloaded");
    expect_marked(get(proxy.addr(), "/", "site.test", ""));
}

#[test]
fn a_forward_proxy_serves_it_too() {
    let origin = failing(STALE, |_| {});
    let proxy = Launch::forward().start();
    let url = format!("http://localhost:{}/", origin.addr.port());
    let own = format!("localhost:{}", origin.addr.port());
    get(proxy.addr(), &url, &own, "").expect_body("body");
    expect_marked(get(proxy.addr(), &url, &own, ""));
}

#[test]
fn other_statuses_are_the_origin_s_answer() {
    for status in [400, 403, 404, 410, 429, 501, 505, 511] {
        let site = Site::of(failing(STALE, answering(status)));
        site.get("/", "").expect_body("body");
        site.get("/", "").expect(status).expect_body("error");
    }
}

#[test]
fn an_origin_may_forbid_it_or_bound_it() {
    for control in [
        "max-age=60, must-revalidate, stale-if-error=600",
        "max-age=60, proxy-revalidate, stale-if-error=600",
        "s-maxage=60, stale-if-error=600",
        "no-cache, stale-if-error=600",
        "max-age=60, stale-if-error=30",
        "max-age=60, stale-if-error=0",
        "max-age=60, stale-if-error=soon",
    ] {
        let control = format!("Cache-Control: {control}");
        let site = Site::of(failing(&control, answering(503)));
        site.get("/", "").expect_body("body");
        site.get("/", "").expect(503).expect_body("error");
    }
}

#[test]
fn a_client_may_ask_for_it_or_refuse_it() {
    let cases = [
        (STALE, "stale-if-error=600", true),
        (STALE, "stale-if-error=10", false),
        (STALE, "stale-if-error=600, no-cache", true),
        (STALE, "no-cache", false),
        (STALE, "max-stale=10", false),
        (
            "Cache-Control: max-age=60, stale-if-error=10",
            "stale-if-error=600",
            true,
        ),
        (
            "Cache-Control: max-age=60, stale-if-error=600",
            "stale-if-error=10",
            false,
        ),
        (
            "Cache-Control: max-age=60, must-revalidate",
            "stale-if-error=600",
            false,
        ),
    ];
    for (control, own, served) in cases {
        println!("{control}; {own}");
        let site = Site::of(failing(control, answering(503)));
        site.get("/", "").expect_body("body");
        let answer = site.get("/", &format!("Cache-Control: {own}\r\n"));
        if served {
            expect_marked(answer);
        } else {
            answer.expect(503).expect_body("error");
        }
    }
}

#[test]
fn a_head_is_answered_so_too() {
    for status in [503, 0] {
        let site = Site::of(failing(STALE, move |conn| {
            if status > 0 {
                conn.send("HTTP/1.1 503 Busy\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
            }
        }));
        site.get("/", "").expect_body("body");
        let head = site.ask("HEAD", "/", "").expect(200).expect_hit();
        assert!(head.cache_status().contains("stale-if-error"));
        assert_eq!(head.get("content-length"), Some("4"));
    }
}

#[test]
fn whoever_waits_for_the_failure_is_served_so_too() {
    let failures: [fn(&mut Conn); 3] = [
        |c| answering(503)(c),
        |_| {},
        |c| {
            c.send("HTTP/1.1 2");
        },
    ];
    for fail in failures {
        let gate = Gate::new();
        let theirs = gate.clone();
        let site = Site::of(failing(STALE, move |conn| {
            theirs.wait();
            fail(conn);
        }));
        site.get("/", "").expect_body("body");
        let mut clients: Vec<_> = (0..20).map(|_| site.client()).collect();
        for client in &mut clients {
            client.send(ASK);
        }
        site.origin.wait_requests(2);
        gate.open();
        for client in &mut clients {
            expect_marked(client.response());
        }
    }
}

#[test]
fn without_anything_stored_the_error_is_passed_on() {
    let site = Site::new(|_| reply(503, &[], "error"));
    site.get("/", "").expect(503).expect_body("error");
    site.get("/", "Cache-Control: stale-if-error=600\r\n")
        .expect(503)
        .expect_body("error");
}

#[test]
fn the_log_tells_of_the_failure() {
    let origin = failing(STALE, |_| {});
    let proxy = Launch::reverse(&origin)
        .arg("--log-format")
        .arg("json")
        .arg("--access-log")
        .arg("-")
        .start();
    let ask = || get(proxy.addr(), "/", "site.test", "");
    ask().expect_body("body");
    expect_marked(ask());
    proxy.wait_stdout(|line| {
        line.contains("\"outcome\":\"stale\"")
            && line.contains("\"error\":\"connection_terminated\"")
    });
}

/// Nobody said that it may be shared: what came for one client's cookies is nobody's stand-in, whoever makes the origin fail.
#[test]
fn a_page_without_a_lifetime_that_came_for_cookies_stands_in_for_nothing() {
    for fields in [
        &["ETag: \"a\""][..],
        &["ETag: \"a\"", "Cache-Control: max-age=0"],
        &["ETag: \"a\"", "Expires: 0"],
    ] {
        let site = Site::new(move |r| match r.get("x-break") {
            Some(_) => reply(500, &[], "broken"),
            None => reply(200, fields, "page of alice"),
        });
        for own in ["", "Cookie: me=mallory\r\n"] {
            site.get("/me", "Cookie: me=alice\r\n");
            site.get("/me", &format!("{own}X-Break: 1\r\n"))
                .expect(500)
                .expect_body("broken");
        }
    }
}
