//! Simultaneous askers of one object: one fetch for all of them, unless it cannot be shared.
#![allow(clippy::unwrap_used)]

use understudy_testbed::{Client, Gate, Origin, Site, reply};

const GET: &str = "GET /big HTTP/1.1\r\nHost: site.test\r\n\r\n";

/// `n` clients that have sent their request. One more exchange over every worker's head makes it likely that all were read.
fn askers(site: &Site, n: usize) -> Vec<Client> {
    (0..n)
        .map(|_| {
            let mut client = site.client();
            client.send(GET);
            client
        })
        .collect()
}

/// Half of a body, a door, the other half; each request is answered so.
fn halves(gate: &Gate) -> Origin {
    let gate = gate.clone();
    Origin::scripted(move |conn| {
        while conn.request().is_some() {
            conn.send(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 12\r\n\r\nfirst-",
            );
            gate.wait();
            conn.send("second");
        }
    })
}

#[test]
fn fifty_askers_are_one_request() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let site = Site::new(move |r| {
        theirs.wait();
        reply(
            200,
            &["Cache-Control: max-age=60"],
            format!("answer {}", r.n),
        )
    });
    let mut clients = askers(&site, 50);
    site.origin.wait_requests(1);
    gate.open();
    for client in &mut clients {
        client.response().expect(200).expect_body("answer 1");
    }
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn followers_read_while_it_grows() {
    let gate = Gate::new();
    let site = Site::of(halves(&gate));
    let mut leader = site.client();
    leader.send(GET).head();
    assert_eq!(leader.wire.exactly(6), b"first-");
    let mut followers = askers(&site, 3);
    for follower in &mut followers {
        let head = follower.head();
        assert!(head.start.contains("200"), "{}", head.text());
        assert_eq!(head.get("content-length"), Some("12"));
        assert_eq!(follower.wire.exactly(6), b"first-");
    }
    gate.open();
    for client in followers.iter_mut().chain([&mut leader]) {
        assert_eq!(client.wire.exactly(6), b"second");
    }
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn followers_of_a_chunked_response_read_while_it_grows() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let site = Site::of(Origin::scripted(move |conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n6\r\nfirst-\r\n");
        theirs.wait();
        conn.send("6\r\nsecond\r\n0\r\n\r\n");
    }));
    let mut clients = askers(&site, 4);
    for client in &mut clients {
        assert_eq!(client.head().get("transfer-encoding"), Some("chunked"));
        assert_eq!(client.wire.chunk(), b"first-");
    }
    gate.open();
    for client in &mut clients {
        assert_eq!(client.wire.chunk(), b"second");
        assert!(client.wire.chunk().is_empty());
        assert!(client.wire.trailers().is_empty());
    }
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn a_leader_that_leaves_before_the_head_does_not_break_its_followers() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let site = Site::new(move |_| {
        theirs.wait();
        reply(200, &["Cache-Control: max-age=60"], "whole")
    });
    let leader = askers(&site, 1);
    site.origin.wait_requests(1);
    let mut followers = askers(&site, 3);
    drop(leader);
    gate.open();
    for follower in &mut followers {
        follower.response().expect(200).expect_body("whole");
    }
}

#[test]
fn a_leader_that_leaves_in_the_body_does_not_break_its_followers() {
    let gate = Gate::new();
    let site = Site::of(halves(&gate));
    let mut leader = site.client();
    leader.send(GET).head();
    assert_eq!(leader.wire.exactly(6), b"first-");
    let mut followers = askers(&site, 3);
    for follower in &mut followers {
        follower.head();
        assert_eq!(follower.wire.exactly(6), b"first-");
    }
    drop(leader);
    gate.open();
    for follower in &mut followers {
        assert_eq!(follower.wire.exactly(6), b"second");
    }
    // Nobody has its last bytes before it is published.
    site.get("/big", "")
        .expect(200)
        .expect_body("first-second")
        .expect_hit();
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn a_private_response_is_fetched_by_each_for_itself() {
    for control in ["private", "no-store"] {
        let gate = Gate::new();
        let theirs = gate.clone();
        let site = Site::new(move |r| {
            if r.n == 1 {
                theirs.wait();
            }
            reply(
                200,
                &[&format!("Cache-Control: {control}")],
                r.n.to_string(),
            )
        });
        let mut clients = askers(&site, 6);
        site.origin.wait_requests(1);
        gate.open();
        let mut bodies: Vec<String> = clients
            .iter_mut()
            .map(|c| c.response().expect(200).text())
            .collect();
        bodies.sort();
        assert_eq!(
            bodies,
            ["1", "2", "3", "4", "5", "6"],
            "{control}: an answer was shared"
        );
    }
}

#[test]
fn another_variant_is_fetched_for_itself() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let site = Site::new(move |r| {
        if r.n == 1 {
            theirs.wait();
        }
        reply(
            200,
            &["Cache-Control: max-age=60", "Vary: Accept-Encoding"],
            r.head.list("accept-encoding"),
        )
    });
    let ask = |encoding: &str| {
        let mut client = site.client();
        client.send(format!(
            "GET / HTTP/1.1\r\nHost: site.test\r\nAccept-Encoding: {encoding}\r\n\r\n"
        ));
        client
    };
    let mut gzip = ask("gzip");
    site.origin.wait_requests(1);
    let (mut br, mut again) = (ask("br"), ask("gzip"));
    gate.open();
    gzip.response().expect_body("gzip");
    br.response().expect_body("br");
    again.response().expect_body("gzip");
    assert_eq!(site.origin.count(), 2);
}

#[test]
fn an_origin_that_breaks_off_breaks_every_reader_and_stores_nothing() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let site = Site::of(Origin::scripted(move |conn| {
        if conn.request().is_some_and(|r| r.n == 1) {
            conn.send(
                "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 12\r\n\r\nfirst-",
            );
            theirs.wait();
        } else {
            conn.send(reply(200, &["Cache-Control: max-age=60"], "whole"));
        }
    }));
    let mut clients = askers(&site, 3);
    for client in &mut clients {
        client.head();
        assert_eq!(client.wire.exactly(6), b"first-");
    }
    gate.open();
    for client in &mut clients {
        client.expect_closed();
    }
    site.get("/big", "").expect(200).expect_body("whole");
}

#[test]
fn an_origin_that_fails_before_the_head_fails_or_is_asked_again() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let site = Site::of(Origin::scripted(move |conn| {
        conn.request();
        theirs.wait();
    }));
    let mut clients = askers(&site, 4);
    site.origin.wait_requests(1);
    gate.open();
    for client in &mut clients {
        client.response().expect(502);
    }
}

#[test]
fn a_slow_follower_does_not_hold_back_the_others() {
    let body = vec![b'x'; 4 * 1024 * 1024];
    let sent = body.clone();
    let gate = Gate::new();
    let theirs = gate.clone();
    let site = Site::new(move |_| {
        theirs.wait();
        reply(200, &["Cache-Control: max-age=60"], &sent)
    });
    let mut clients = askers(&site, 3);
    site.origin.wait_requests(1);
    gate.open();
    // The first one never reads until the others are done.
    for client in clients.iter_mut().skip(1) {
        assert_eq!(client.response().expect(200).body.len(), body.len());
    }
    assert_eq!(clients[0].response().expect(200).body.len(), body.len());
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn many_askers_of_a_stale_object_validate_it_once() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let site = Site::new(move |r| match r.get("if-none-match") {
        Some(_) => {
            theirs.wait();
            reply(304, &["ETag: \"a\"", "Cache-Control: max-age=60"], "")
        }
        None => reply(200, &["ETag: \"a\"", "Cache-Control: max-age=0"], "body"),
    });
    site.get("/big", "").expect_body("body");
    let mut clients = askers(&site, 20);
    site.origin.wait_requests(2);
    gate.open();
    for client in &mut clients {
        client.response().expect(200).expect_body("body");
    }
    assert_eq!(site.origin.count(), 2);
}

/// RFC 9111 section 4: an answer that must not be used again without validation is for the one who asked.
#[test]
fn what_may_not_be_used_again_is_not_shared() {
    for fields in [
        &["ETag: \"a\""][..],
        &["ETag: \"a\"", "Cache-Control: no-cache"],
        &["ETag: \"a\"", "Cache-Control: max-age=60, no-cache"],
        &["ETag: \"a\"", "Cache-Control: max-age=0"],
        &[
            "ETag: \"a\"",
            "Cache-Control: public, max-age=60",
            "Age: 60",
        ],
    ] {
        let gate = Gate::new();
        let theirs = gate.clone();
        let site = Site::new(move |r| {
            theirs.wait();
            let whose = r.get("cookie").unwrap_or_default();
            reply(200, fields, format!("page of {whose}"))
        });
        let mut clients: Vec<Client> = (0..4)
            .map(|n| {
                let mut client = site.client();
                client.send(format!(
                    "GET /me HTTP/1.1\r\nHost: site.test\r\nCookie: {n}\r\n\r\n"
                ));
                client
            })
            .collect();
        site.origin.wait_requests(1);
        gate.open();
        for (n, client) in clients.iter_mut().enumerate() {
            let page = format!("page of {n}");
            client.response().expect(200).expect_body(&page);
        }
        assert_eq!(site.origin.count(), 4, "{fields:?}");
    }
}

#[test]
fn a_follower_that_never_reads_is_cut_off_and_the_others_go_on() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let origin = Origin::scripted(move |conn| {
        if conn.request().is_some() {
            theirs.wait();
            conn.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n");
            let piece = [&b"10000\r\n"[..], &[b'x'; 65_536], b"\r\n"].concat();
            for _ in 0..512 {
                conn.send(&piece);
            }
            conn.send("0\r\n\r\n");
        }
    });
    let site = Site::with(
        origin,
        "[cache]\nmax_object = \"64K\"\n[timeouts]\nbody = \"4s\"\n",
    );
    let mut clients = askers(&site, 2);
    site.origin.wait_requests(1);
    gate.open();
    // Whichever of the two leads: the one that reads gets all 32 MiB while the other reads nothing.
    assert_eq!(
        clients[1].response().expect(200).body.len(),
        32 * 1024 * 1024
    );
}
