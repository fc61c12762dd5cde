//! What crosses: heads and bodies as a service gets them, and as it leaves them.

use crate::server::{ALL, Asked, Server};
use crate::{RUNTIMES, counted, proxy};
use std::time::{Duration, Instant};
use understudy_testbed::{Client, Gate, Origin, PATIENCE, get, reply};

const FRESH: &str = "Cache-Control: max-age=600";

fn origin() -> Origin {
    Origin::answering(|r| {
        let length: usize = r.target[1..]
            .split(['.', '?'])
            .next()
            .unwrap()
            .parse()
            .unwrap_or(5);
        reply(200, &[FRESH, "X-Origin: yes"], "o".repeat(length))
    })
}

fn respmod(server: &Server, more: &str) -> String {
    format!("respmod = [\"{}\"]\n{more}", server.uri())
}

fn reqmod(server: &Server) -> String {
    format!("reqmod = [\"{}\"]\n", server.uri())
}

const ADAPTED: &str = "HTTP/1.1 203 Whatever\r\nCache-Control: max-age=600\r\nX-Adapted: yes\r\nContent-Length: 999\r\n\r\n";

#[test]
fn an_adapted_answer_is_stored_as_the_service_made_it() {
    let server = Server::start(ALL, |peer, asked| {
        let body = peer.all(asked);
        peer.adapt(
            ADAPTED,
            format!("[{}]", String::from_utf8(body).unwrap()).as_bytes(),
        );
        true
    });
    let origin = origin();
    for runtime in RUNTIMES {
        let proxy = proxy(&origin, runtime, &respmod(&server, ""));
        for length in [1, 16, 17, 100_000] {
            let before = server.seen().len();
            for hit in [false, true] {
                let got = get(proxy.addr(), &format!("/{length}"), "site.test", "").expect(203);
                assert_eq!(got.get("x-adapted"), Some("yes"));
                assert_eq!(got.get("x-origin"), None, "the service left it out");
                assert!(
                    got.body == format!("[{}]", "o".repeat(length)).into_bytes(),
                    "{runtime} {length}"
                );
                if hit {
                    got.expect_hit();
                }
            }
            assert_eq!(server.seen().len(), before + 1, "a hit asks no service");
        }
    }
}

#[test]
fn a_service_is_told_of_the_request_and_of_no_hop() {
    let server = Server::start(
        &format!("{ALL}X-Include: X-Client-IP\r\n"),
        |peer, asked| {
            peer.all(asked);
            peer.adapt(ADAPTED, b"x");
            true
        },
    );
    let origin = Origin::answering(|_| {
        reply(
            200,
            &[FRESH, "Connection: X-Hop", "X-Hop: 1", "Keep-Alive: 5"],
            "abc",
        )
    });
    for runtime in RUNTIMES {
        let before = server.seen().len();
        let proxy = proxy(
            &origin,
            runtime,
            &respmod(&server, "headers = [\"X-Group: staff\"]\n"),
        );
        get(
            proxy.addr(),
            "/path?q=1",
            "site.test",
            "User-Agent: test\r\n",
        )
        .expect(203);
        let asked = &server.seen()[before];
        assert_eq!(asked.get("X-Client-IP"), Some("127.0.0.1"));
        assert_eq!(asked.get("X-Group"), Some("staff"));
        assert_eq!(asked.get("Preview"), Some("16"));
        assert_eq!(
            asked.get("Allow"),
            Some("204, 206"),
            "all of it is known to be short"
        );
        assert!(
            asked
                .http
                .starts_with("GET http://site.test/path?q=1 HTTP/1.1\r\n"),
            "{}",
            asked.http
        );
        assert!(asked.http.contains("User-Agent: test\r\n"));
        assert!(asked.http.contains("\r\n\r\nHTTP/1.1 200 OK\r\n"));
        let lower = asked.http.to_lowercase();
        for hop in ["keep-alive:", "connection:", "transfer-encoding:"] {
            assert!(!lower.contains(hop), "{}", asked.http);
        }
    }
}

#[test]
fn a_preview_says_when_it_is_everything_and_the_rest_is_sent_when_it_is_wanted() {
    let server = Server::start(ALL, |peer, asked| {
        let (preview, whole) = peer.chunks();
        let mut told = format!("{}:{whole}", preview.len());
        if asked.http.contains("want=rest") && !whole {
            peer.send("ICAP/1.0 100 Continue\r\n\r\n");
            told.push_str(&format!("+{}", peer.chunks().0.len()));
        }
        peer.adapt(ADAPTED, told.as_bytes());
        true
    });
    let origin = origin();
    for runtime in RUNTIMES {
        let proxy = proxy(&origin, runtime, &respmod(&server, ""));
        for (path, expected) in [
            ("/15", "15:true"),
            ("/16", "16:true"),
            ("/17", "16:false"),
            ("/300000", "16:false"),
            ("/17?want=rest", "16:false+1"),
            ("/300000?want=rest", "16:false+299984"),
        ] {
            let got = get(proxy.addr(), path, "site.test", "").expect(203);
            assert_eq!(
                String::from_utf8_lossy(&got.body),
                expected,
                "{runtime} {path}"
            );
        }
    }
}

#[test]
fn what_is_not_changed_stays_as_it_is_in_and_behind_the_preview() {
    let server = Server::start(ALL, |peer, asked| {
        if asked.http.contains("behind=1") {
            peer.all(asked);
        } else {
            peer.chunks();
        }
        peer.unchanged();
        true
    });
    let origin = origin();
    for runtime in RUNTIMES {
        let proxy = proxy(&origin, runtime, &respmod(&server, "keep = \"256K\"\n"));
        for path in [
            "/5",
            "/5?behind=1",
            "/200000",
            "/200000?behind=1",
            "/2000000",
        ] {
            let length: usize = path[1..].split('?').next().unwrap().parse().unwrap();
            for _ in 0..2 {
                let got = get(proxy.addr(), path, "site.test", "").expect(200);
                assert_eq!(got.get("x-origin"), Some("yes"));
                assert!(
                    got.body == "o".repeat(length).into_bytes(),
                    "{runtime} {path}"
                );
            }
        }
        assert_eq!(counted(&proxy, "unmodified"), 5);
        assert_eq!(counted(&proxy, "connections"), 1);
    }
}

#[test]
fn behind_a_preview_of_what_is_too_long_to_keep_204_is_not_allowed() {
    let server = Server::start(ALL, |peer, asked| {
        peer.all(asked);
        peer.unchanged();
        true
    });
    let origin = origin();
    for runtime in RUNTIMES {
        let proxy = proxy(&origin, runtime, &respmod(&server, "keep = \"1K\"\n"));
        let got = get(proxy.addr(), "/5000", "site.test", "");
        assert_eq!(got.status, 502, "{runtime}");
        assert_eq!(
            server.seen().last().unwrap().get("Allow"),
            Some("206"),
            "in the preview it is"
        );
        get(proxy.addr(), "/500", "site.test", "").expect(200);
    }
}

#[test]
fn the_original_goes_on_where_a_partial_answer_ends() {
    let head = "HTTP/1.1 200 OK\r\nCache-Control: max-age=600\r\n\r\n";
    let server = Server::start(ALL, move |peer, asked| {
        if asked.http.contains("behind=1") {
            peer.all(asked);
        } else {
            peer.chunks();
        }
        peer.send(format!(
            "ICAP/1.0 206 Partial Content\r\nEncapsulated: res-hdr=0, res-body={}\r\n\r\n{head}3\r\nnew\r\n0; use-original-body=10\r\n\r\n",
            head.len()
        ));
        true
    });
    let origin = origin();
    for runtime in RUNTIMES {
        let proxy = proxy(&origin, runtime, &respmod(&server, ""));
        for path in ["/10", "/16", "/300000", "/5000?behind=1"] {
            let length: usize = path[1..].split('?').next().unwrap().parse().unwrap();
            let got = get(proxy.addr(), path, "site.test", "").expect(200);
            let expected = format!("new{}", "o".repeat(length - 10));
            assert!(
                got.body == expected.into_bytes(),
                "{runtime} {path}: {}",
                got.body.len()
            );
        }
        assert_eq!(counted(&proxy, "partial"), 4);
    }
}

#[test]
fn extensions_that_a_service_ignores_or_wants_whole() {
    let options =
        format!("{ALL}Transfer-Preview: *\r\nTransfer-Ignore: gif\r\nTransfer-Complete: exe\r\n");
    let server = Server::start(&options, |peer, asked| {
        peer.all(asked);
        peer.adapt(ADAPTED, asked.get("Preview").unwrap_or("none").as_bytes());
        true
    });
    let origin = origin();
    for runtime in RUNTIMES {
        let proxy = proxy(&origin, runtime, &respmod(&server, ""));
        for (path, status, body) in [
            ("/3.gif", 200, "ooo"),
            ("/4.gif", 200, "oooo"),
            ("/3.exe", 203, "none"),
            ("/3.html", 203, "16"),
        ] {
            let got = get(proxy.addr(), path, "site.test", "").expect(status);
            assert_eq!(String::from_utf8_lossy(&got.body), body, "{runtime} {path}");
        }
        assert_eq!(counted(&proxy, "ignored"), 2);
    }
}

#[test]
fn a_page_takes_the_place_of_what_cannot_be_edited_into_it() {
    let server = Server::start(ALL, |peer, asked| {
        peer.all(asked);
        peer.adapt("HTTP/1.1 403 Forbidden\r\nX-Page: yes\r\n\r\n", b"no");
        true
    });
    let origin = Origin::answering(|r| match r.target.as_str() {
        "/part" => reply(206, &["Content-Range: bytes 0-2/9"], "abc"),
        "/none" => b"HTTP/1.1 204 No Content\r\n\r\n".to_vec(),
        _ => reply(200, &[FRESH], ""),
    });
    for runtime in RUNTIMES {
        let proxy = proxy(&origin, runtime, &respmod(&server, ""));
        for path in ["/part", "/none", "/empty"] {
            let got = get(proxy.addr(), path, "site.test", "Range: bytes=0-2\r\n").expect(403);
            assert_eq!(
                (got.get("x-page"), &got.body[..]),
                (Some("yes"), &b"no"[..]),
                "{runtime} {path}"
            );
        }
        let got = Client::to(proxy.addr()).ask("HEAD /x HTTP/1.1\r\nHost: site.test\r\n\r\n");
        assert_eq!((got.status, got.get("x-page")), (403, Some("yes")));
    }
}

#[test]
fn a_request_is_changed_before_the_cache_is_asked() {
    let server = Server::start(ALL, |peer, asked| {
        let body = peer.all(asked);
        let line = asked.http.split("\r\n").next().unwrap();
        let head = format!(
            "{}\r\nHost: site.test\r\nX-Seen: {line}\r\n\r\n",
            line.replace("/old", "/new")
        );
        if asked.body {
            peer.adapt(&head, &body.to_ascii_uppercase());
        } else {
            let length = head.len();
            peer.send(format!(
                "ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, null-body={length}\r\n\r\n{head}"
            ));
        }
        true
    });
    let origin = Origin::answering(|r| {
        let said = format!(
            "{} {} {}",
            r.target,
            r.get("x-seen").unwrap_or("-"),
            String::from_utf8_lossy(&r.body)
        );
        reply(200, &[FRESH], said)
    });
    for runtime in RUNTIMES {
        let proxy = proxy(&origin, runtime, &reqmod(&server));
        let got = get(proxy.addr(), "/old", "site.test", "X-Client: 1\r\n").expect(200);
        assert_eq!(
            String::from_utf8_lossy(&got.body),
            "/new GET http://site.test/old HTTP/1.1 "
        );
        assert_eq!(origin.last().get("x-client"), None);
        get(proxy.addr(), "/new", "site.test", "").expect_hit();
        let got = Client::to(proxy.addr())
            .ask("POST /old HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\ndef\r\n0\r\n\r\n")
            .expect(200);
        assert_eq!(
            String::from_utf8_lossy(&got.body),
            "/new POST http://site.test/old HTTP/1.1 ABCDEF"
        );
        for body in ["abc".to_owned(), "x".repeat(200_000)] {
            let got = Client::to(proxy.addr())
                .ask(format!(
                    "POST /old HTTP/1.1\r\nHost: site.test\r\nContent-Length: {}\r\n\r\n{body}",
                    body.len()
                ))
                .expect(200);
            let expected = format!(
                "/new POST http://site.test/old HTTP/1.1 {}",
                body.to_uppercase()
            );
            assert!(got.body == expected.into_bytes(), "{runtime}");
        }
    }
}

#[test]
fn a_request_is_answered_by_the_service() {
    let server = Server::start(ALL, |peer, asked| {
        // Before all of it is here.
        if asked.body {
            peer.chunks();
        }
        peer.adapt(
            "HTTP/1.1 403 Forbidden\r\nX-Page: yes\r\n\r\n",
            &[b'n'; 100_000],
        );
        !asked.body
    });
    let origin = origin();
    for runtime in RUNTIMES {
        let before = origin.count();
        let proxy = proxy(&origin, runtime, &reqmod(&server));
        let long = "x".repeat(100_000);
        for request in [
            "GET /5 HTTP/1.1\r\nHost: site.test\r\n\r\n".to_owned(),
            "POST /5 HTTP/1.1\r\nHost: site.test\r\nContent-Length: 3\r\n\r\nabc".to_owned(),
            format!("POST /5 HTTP/1.1\r\nHost: site.test\r\nContent-Length: 100000\r\n\r\n{long}"),
        ] {
            let got = Client::to(proxy.addr()).ask(&request).expect(403);
            assert_eq!(
                (got.get("x-page"), got.body.len()),
                (Some("yes"), 100_000),
                "{runtime}"
            );
        }
        assert_eq!(origin.count(), before, "the origin is not asked");
    }
}

#[test]
fn services_of_a_chain_see_what_those_before_left() {
    let mark = |mark: &'static str| {
        Server::start(ALL, move |peer, asked| {
            let mut body = peer.all(asked);
            body.extend_from_slice(mark.as_bytes());
            let seen = if asked.http.contains("X-Mark: ") {
                "both"
            } else {
                mark
            };
            peer.adapt(
                &format!("HTTP/1.1 200 OK\r\n{FRESH}\r\nX-Mark: {seen}\r\n\r\n"),
                &body,
            );
            true
        })
    };
    let (first, second) = (mark("A"), mark("B"));
    let same = Server::start(ALL, |peer, _| {
        peer.chunks();
        peer.unchanged();
        true
    });
    let origin = origin();
    for runtime in RUNTIMES {
        let chain = [&first, &same, &second]
            .map(|server| format!("\"{}\"", server.uri()))
            .join(", ");
        let proxy = proxy(&origin, runtime, &format!("respmod = [{chain}]\n"));
        for length in [3, 20, 150_000] {
            let got = get(proxy.addr(), &format!("/{length}"), "site.test", "").expect(200);
            assert_eq!(got.get("x-mark"), Some("both"), "{runtime} {length}");
            assert!(
                got.body == format!("{}AB", "o".repeat(length)).into_bytes(),
                "{runtime} {length}"
            );
        }
    }
}

#[test]
fn what_a_service_gives_goes_on_before_it_has_ended() {
    for runtime in RUNTIMES {
        let gate = Gate::new();
        let theirs = gate.clone();
        let server = Server::start(ALL, move |peer, asked| {
            peer.all(asked);
            let head = "HTTP/1.1 200 OK\r\n\r\n";
            peer.send(format!("ICAP/1.0 200 OK\r\nEncapsulated: res-hdr=0, res-body={}\r\n\r\n{head}5\r\nfirst\r\n", head.len()));
            theirs.wait();
            peer.send("6\r\nsecond\r\n0\r\n\r\n");
            true
        });
        let origin = origin();
        let proxy = proxy(&origin, runtime, &respmod(&server, ""));
        let mut client = Client::to(proxy.addr());
        client.send("GET /50 HTTP/1.1\r\nHost: site.test\r\n\r\n");
        client.head();
        assert_eq!(client.wire.chunk(), b"first");
        gate.open();
        assert_eq!(client.wire.chunk(), b"second");
    }
}

#[test]
fn a_service_that_answers_before_it_has_everything_is_sent_no_more() {
    let server = Server::start("Methods: RESPMOD\r\n", |peer, _| {
        peer.adapt(ADAPTED, b"enough");
        peer.drain();
        false
    });
    let origin = origin();
    for runtime in RUNTIMES {
        let proxy = proxy(&origin, runtime, &respmod(&server, ""));
        for hit in [false, true] {
            let got = get(proxy.addr(), "/5000000", "site.test", "").expect(203);
            assert_eq!(got.body, b"enough");
            if hit {
                got.expect_hit();
            }
        }
    }
}

#[test]
fn a_request_is_adapted_to_its_end_although_the_origin_has_answered() {
    let server = Server::start(ALL, |peer, asked| {
        if asked.head.starts_with("RESPMOD") {
            peer.all(asked);
            peer.unchanged();
            return true;
        }
        let head = asked.http.clone();
        peer.chunks();
        peer.send("ICAP/1.0 100 Continue\r\n\r\n");
        peer.send(format!(
            "ICAP/1.0 200 OK\r\nEncapsulated: req-hdr=0, req-body={}\r\n\r\n{head}5\r\nfirst\r\n",
            head.len()
        ));
        let (rest, _) = peer.chunks();
        let rest = String::from_utf8(rest).unwrap().to_uppercase();
        peer.send(format!("{:x}\r\n{rest}\r\n0\r\n\r\n", rest.len()));
        true
    });
    for runtime in RUNTIMES {
        for respmod in [false, true] {
            let here = Gate::new();
            let theirs = here.clone();
            let origin = Origin::scripted(move |conn| {
                let Some(mut request) = conn.request_head() else {
                    return;
                };
                theirs.open();
                conn.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nearly");
                while !request.body.ends_with(b"END") {
                    let chunk = conn.wire.chunk();
                    request.body.extend_from_slice(&chunk);
                }
                conn.record(&request);
                conn.send("later");
            });
            let mut options = reqmod(&server);
            if respmod {
                options.push_str(&format!("respmod = [\"{}\"]\n", server.uri()));
            }
            let before = server.seen().len();
            let proxy = proxy(&origin, runtime, &options);
            let mut client = Client::to(proxy.addr());
            client.send("POST /a HTTP/1.1\r\nHost: site.test\r\nTransfer-Encoding: chunked\r\n\r\n14\r\nxxxxxxxxxxxxxxxxxxxx\r\n");
            // What the service has given goes on with the next piece.
            let mut sent = 20;
            let end = Instant::now() + PATIENCE;
            while !here.is_open() {
                assert!(Instant::now() < end, "the origin is not asked");
                client.send("1\r\nx\r\n");
                sent += 1;
                std::thread::sleep(Duration::from_millis(5));
            }
            // The answer is on its way before the request is whole.
            let head = (!respmod).then(|| client.head());
            let asked = |asked: &Asked| asked.head.starts_with("RESPMOD");
            let end = Instant::now() + PATIENCE;
            while respmod && !server.seen().iter().skip(before).any(asked) {
                assert!(Instant::now() < end, "the service is not asked");
                std::thread::sleep(Duration::from_millis(5));
            }
            client.send("3\r\nend\r\n0\r\n\r\n");
            let expected = format!("first{}END", "X".repeat(sent - 16));
            let body = &origin.wait_requests(1)[0].body;
            assert_eq!(
                String::from_utf8_lossy(body),
                expected,
                "{runtime} {respmod}"
            );
            match head {
                Some(_) => assert_eq!(client.wire.exactly(10), b"earlylater"),
                None => drop(client.response().expect(200).expect_body("earlylater")),
            }
        }
    }
}
