//! What a hostile reading of the proxy found: who is waited for in each phase, what a refusal leaves behind, what is logged
//! of a transaction that is cut.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};
use understudy_testbed::{Client, Gate, Launch, Origin, Site, client::status, reply};

const ASK: &str = "GET / HTTP/1.1\r\nHost: site.test\r\n\r\n";
/// More than the socket buffers between two programs of one machine hold.
const MUCH: usize = 32 << 20;
/// A patience that the pauses below exceed, and a machine that stalls for seconds does not.
const SHORT: &str = "[timeouts]\nbetween_bytes = \"8s\"\n";
const PAUSE: Duration = Duration::from_secs(12);

/// An origin that sends a chunked body of [`MUCH`] bytes after its door has opened. Until then it says "hi", and again each second, so
/// that nobody loses patience with it however long that takes; so often, the number tells.
fn much(gate: &Gate) -> (Origin, Arc<AtomicUsize>) {
    let (gate, said) = (gate.clone(), Arc::new(AtomicUsize::new(0)));
    let count = said.clone();
    let origin = Origin::scripted(move |conn| {
        if conn.request().is_none() {
            return;
        }
        conn.send(
            "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n",
        );
        loop {
            count.fetch_add(1, Ordering::SeqCst);
            if !conn.send("2\r\nhi\r\n") {
                return;
            }
            if gate.is_open() {
                break;
            }
            std::thread::sleep(Duration::from_secs(1));
        }
        let piece = [b"100000\r\n", &vec![b'x'; 1 << 20][..], b"\r\n"].concat();
        for _ in 0..MUCH >> 20 {
            conn.send(&piece);
        }
        conn.send("0\r\n\r\n");
    });
    (origin, said)
}

/// Reads chunks to the last one; how many bytes they held.
fn drain(client: &mut Client) -> usize {
    let mut sum = 0;
    loop {
        match client.wire.chunk().len() {
            0 => return sum,
            n => sum += n,
        }
    }
}

#[test]
fn a_client_that_pauses_longer_than_an_origin_may_gets_everything() {
    let gate = Gate::new();
    gate.open();
    let site = Site::with(much(&gate).0, SHORT);
    let mut client = site.client();
    client.send(ASK).head();
    std::thread::sleep(PAUSE);
    assert_eq!(drain(&mut client), MUCH + 2);
}

#[test]
fn a_follower_that_pauses_survives_its_leader() {
    // Stored: the fill waits for its fastest reader. Not stored: for its slowest.
    let survives = |memory: &str| {
        let gate = Gate::new();
        let config = format!("[cache]\nmemory = \"{memory}\"\n{SHORT}");
        let (origin, said) = much(&gate);
        let site = Site::with(origin, &config);
        let mut leader = site.client();
        leader.send(ASK).head();
        let mut follower = site.client();
        follower.send(ASK).head();
        // What was said more than once may come in one piece.
        let first = follower.wire.chunk();
        assert!(first.starts_with(b"hi"), "{first:?}");
        drop(leader);
        gate.open();
        std::thread::sleep(PAUSE);
        let all = first.len() + drain(&mut follower);
        assert_eq!(all, MUCH + 2 * said.load(Ordering::SeqCst), "{memory}");
        assert_eq!(site.origin.count(), 1);
    };
    std::thread::scope(|threads| {
        for memory in ["2G", "64M"] {
            threads.spawn(move || survives(memory));
        }
    });
}

#[test]
fn nobody_loses_patience_with_the_origin_over_a_slow_follower() {
    let gate = Gate::new();
    let config = format!("[cache]\nmemory = \"64M\"\n{SHORT}");
    let (origin, said) = much(&gate);
    let site = Site::with(origin, &config);
    let [leader, fast, mut slow] = [0; 3].map(|_| {
        let mut client = site.client();
        client.send(ASK).head();
        client
    });
    gate.open();
    let reading = [leader, fast].map(|mut client| std::thread::spawn(move || drain(&mut client)));
    std::thread::sleep(PAUSE);
    let slow = drain(&mut slow);
    let all = MUCH + 2 * said.load(Ordering::SeqCst);
    assert_eq!(slow, all);
    for reading in reading {
        assert_eq!(reading.join().unwrap(), all);
    }
    assert_eq!(site.origin.count(), 1);
}

#[test]
fn an_endless_body_that_nobody_reads_any_more_is_given_up() {
    let (joined, gone) = (Gate::new(), Gate::new());
    let (enough, theirs) = (joined.clone(), gone.clone());
    let origin = Origin::scripted(move |conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhi\r\n");
        enough.wait();
        let piece = [b"10000\r\n", &[b'x'; 0x10000][..], b"\r\n"].concat();
        while conn.send(&piece) {}
        theirs.open();
    });
    let site = Site::with(origin, "[cache]\nmax_object = \"1M\"\n");
    let mut leader = site.client();
    leader.send(ASK).head();
    let mut follower = site.client();
    follower.send(ASK).head();
    assert_eq!(follower.wire.chunk(), b"hi");
    assert_eq!(site.origin.count(), 1);
    drop(leader);
    joined.open();
    // The body has long outgrown what may be stored when this one leaves, too.
    for _ in 0..256 {
        follower.wire.chunk();
    }
    drop(follower);
    gone.wait();
}

/// A plain hit is answered on the spot, one with a condition that does not hold by a transaction: nobody can tell.
#[test]
fn a_hit_is_the_same_by_either_way() {
    for body in [
        "Content-Length: 4\r\n\r\nbody",
        "Transfer-Encoding: chunked\r\n\r\n4\r\nbody\r\n0\r\n\r\n",
        "Vary: Accept\r\nVia: 1.0 x\r\nCache-Status: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ] {
        let site = Site::of(Origin::scripted(move |conn| {
            while conn.request().is_some() {
                conn.send(format!(
                    "HTTP/1.1 200 Fine\r\nCache-Control: max-age=60\r\nETag: \"1\"\r\nAge: 5\r\n{body}"
                ));
            }
        }));
        site.get("/", "").expect(200);
        for version in ["1.0", "1.1"] {
            for connection in ["", "Connection: close\r\n", "Connection: keep-alive\r\n"] {
                let ask = |fields: &str| {
                    let answer = site.client().ask(format!(
                        "GET / HTTP/{version}\r\nHost: site.test\r\n{connection}{fields}\r\n"
                    ));
                    (answer.head.text(), answer.text())
                };
                // A second may pass between two answers.
                let same = (0..5).any(|_| {
                    let (plain, other) = (ask(""), ask("If-None-Match: \"2\"\r\n"));
                    assert!(plain.0.contains("; hit"), "{}", plain.0);
                    plain == other
                });
                assert!(same, "{version} {connection}{body}");
            }
        }
    }
}

/// What a transaction refuses is not answered on the spot because it happens to be stored.
#[test]
fn what_is_refused_is_refused_when_it_is_stored() {
    let origin = Origin::answering(|_| reply(200, &["Cache-Control: max-age=60"], "stored"));
    let url = format!("http://{}/", origin.addr);
    for (proxy, target) in [
        (Launch::reverse(&origin).start(), "/"),
        (Launch::forward().start(), url.as_str()),
    ] {
        let host = origin.addr.to_string();
        let ask = |head: String| Client::to(proxy.addr()).ask(head);
        let plain = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\n\r\n");
        ask(plain.clone()).expect(200);
        ask(plain).expect(200).expect_hit();
        for (lines, status) in [
            ("", 400),
            ("Host: {h}\r\nHost: {h}\r\n", 400),
            ("Host: {h}, {h}\r\n", 400),
            ("Host: u@{h}\r\n", 400),
            ("Host: {h}/\r\n", 400),
            (
                "Host: {h}\r\nContent-Length: 0\r\nContent-Length: 0\r\n",
                400,
            ),
            (
                "Host: {h}\r\nContent-Length: 0\r\nTransfer-Encoding: chunked\r\n",
                400,
            ),
            ("Host: {h}\r\nTransfer-Encoding: identity\r\n", 501),
            ("Host: {h}\r\nContent-Length: x\r\n", 400),
            ("Host: {h}\r\nExpect: a-pony\r\n", 417),
            ("Host : {h}\r\n", 400),
            ("Host: {h}\r\n X: folded\r\n", 400),
        ] {
            let lines = lines.replace("{h}", &host);
            let answer = ask(format!("GET {target} HTTP/1.1\r\n{lines}\r\n"));
            assert_eq!(answer.status, status, "{target} {lines}{}", answer.text());
            assert!(!answer.is_hit(), "{lines}");
        }
        for version in ["HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/1.1 x"] {
            let status = ask(format!("GET {target} {version}\r\nHost: {host}\r\n\r\n")).status;
            assert!(matches!(status, 400 | 505), "{version}: {status}");
        }
        // A name of its own in Via is a loop, stored or not.
        let via = proxy_name(&origin, target, &proxy, &host);
        let looped =
            format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nVia: 1.1 other, {via}\r\n\r\n");
        ask(looped).expect(508);
    }
}

/// Our member of Via as an origin sees it.
fn proxy_name(
    origin: &Origin,
    target: &str,
    proxy: &understudy_testbed::Proxy,
    host: &str,
) -> String {
    Client::to(proxy.addr())
        .ask(format!("GET {target}?via HTTP/1.1\r\nHost: {host}\r\n\r\n"))
        .expect(200);
    origin.last().get("via").unwrap().to_owned()
}

/// Whatever becomes of them, transactions end, are counted once, and each has its line in the log.
#[test]
fn what_is_open_comes_down_again() {
    let origin = Origin::scripted(|conn| {
        while let Some(request) = conn.request_head() {
            match &request.target[..] {
                "/half" => drop(conn.send("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")),
                "/silent" => drop(conn.wire.rest()),
                _ => drop(conn.send(reply(200, &["Cache-Control: max-age=60"], "x"))),
            }
            if request.target != "/" {
                return;
            }
        }
    });
    let mut proxy = Launch::reverse(&origin)
        .arg("--access-log")
        .arg("-")
        .config("[timeouts]\nhead = \"6s\"\nfirst_byte = \"6s\"\nbody = \"6s\"\n")
        .start();
    let head = "HTTP/1.1\r\nHost: site.test\r\n";
    for request in [
        format!("GET / {head}\r\n"),
        format!("GET / {head}\r\n"),
        format!("GET /half {head}\r\n"),
        format!("GET /silent {head}\r\n"),
        format!("POST /silent {head}Content-Length: 9\r\n\r\nhalf"),
        format!("POST /up {head}Transfer-Encoding: chunked\r\n\r\nx"),
        format!("CONNECT x:1 {head}\r\n"),
        format!("GET / {head}"),
        "nonsense\r\n\r\n".to_owned(),
    ] {
        // One reads the answer, the other does not.
        let mut client = Client::to(proxy.addr());
        client.send(&request).finish();
        client.rest();
        Client::to(proxy.addr()).send(&request);
    }
    let end = std::time::Instant::now() + understudy_testbed::PATIENCE;
    let status = loop {
        let status = proxy.status();
        let open = ["connections", "transactions"].map(|what| status[what]["open"].clone());
        // The last of them may not have begun yet. A head that does not end is no request when its client is gone.
        if open.iter().all(|n| n == 0) && status["transactions"]["requests"] == 16 {
            break status;
        }
        assert!(std::time::Instant::now() < end, "{status}");
        std::thread::sleep(Duration::from_millis(20));
    };
    let outcomes = status["transactions"]["outcomes"].as_object().unwrap();
    let ended: u64 = outcomes.values().filter_map(|n| n.as_u64()).sum();
    assert_eq!(ended, 16, "{status}");
    // What clients did wrong is not held against the origin.
    assert_eq!(status["origins"]["failures"], 2, "{status}");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_exit(), Some(0));
    // With the pipe's end there is no other line to come.
    assert!(!proxy.stdout.wait(|_| false));
    assert_eq!(proxy.stdout.all().len(), 16, "{}", proxy.stdout.text());
}

/// Askers of something stale whose origin fails: one of them asks it, all of them are served.
#[test]
fn followers_of_a_failed_validation_serve_stale_too() {
    for failure in [&reply(503, &[], "down")[..], b"not http"] {
        let gate = Gate::new();
        let (theirs, failure) = (gate.clone(), failure.to_vec());
        let origin = Origin::scripted(move |conn| {
            while let Some(request) = conn.request() {
                if request.get("if-none-match").is_none() && request.target == "/" {
                    conn.send(reply(
                        200,
                        &["Cache-Control: max-age=1", "Age: 1", "ETag: \"1\""],
                        "old",
                    ));
                } else if request.target == "/" {
                    theirs.wait();
                    conn.send(&failure);
                    return;
                } else {
                    conn.send(reply(200, &["Cache-Control: no-store"], "other"));
                }
            }
        });
        let proxy = Launch::reverse(&origin).workers(1).start();
        Client::to(proxy.addr()).ask(ASK).expect(200);
        let mut askers: Vec<Client> = (0..5)
            .map(|_| {
                let mut client = Client::to(proxy.addr());
                client.send(ASK);
                client
            })
            .collect();
        origin.wait_requests(2);
        // The one worker has read the askers' requests when it has answered a later one.
        Client::to(proxy.addr())
            .ask("GET /other HTTP/1.1\r\nHost: site.test\r\n\r\n")
            .expect(200);
        gate.open();
        for client in &mut askers {
            client.response().expect(200).expect_body("old");
        }
        assert_eq!(origin.count(), 3, "the origin was asked once more for each");
    }
}

#[test]
fn an_upload_that_ends_leaves_the_answer_its_own_time() {
    let (answered, uploaded) = (Gate::new(), Gate::new());
    let (theirs, done) = (answered.clone(), uploaded.clone());
    let origin = Origin::scripted(move |conn| {
        conn.request_head().unwrap();
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nfirst-");
        theirs.wait();
        assert_eq!(conn.wire.exactly(8), b"halfhalf");
        done.open();
        std::thread::sleep(PAUSE);
        conn.send("second");
    });
    let site = Site::with(origin, "[timeouts]\nbody = \"8s\"\n");
    let mut client = site.client();
    client
        .send("POST / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 8\r\n\r\nhalf")
        .head();
    assert_eq!(client.wire.exactly(6), b"first-");
    answered.open();
    client.send("half");
    uploaded.wait();
    assert_eq!(client.wire.exactly(6), b"second");
}

#[test]
fn an_origin_that_does_not_take_the_request_is_to_blame_for_it() {
    let over = Gate::new();
    let theirs = over.clone();
    let origin = Origin::scripted(move |conn| {
        conn.request_head();
        theirs.wait();
    });
    let site = Site::with(origin, "[timeouts]\nbody = \"8s\"\n");
    let mut client = site.client();
    let head = format!("POST / HTTP/1.1\r\nHost: site.test\r\nContent-Length: {MUCH}\r\n\r\n");
    let mut up = understudy_testbed::wire::Wire::new(client.wire.stream.try_clone().unwrap());
    // In one, so that the client is nowhere waited for.
    let sending =
        std::thread::spawn(move || up.send(&[head.as_bytes(), &vec![b'x'; MUCH]].concat()));
    client.response_to("POST").expect(504);
    drop(client);
    over.open();
    sending.join().unwrap();
}

#[test]
fn bytes_behind_a_refused_connect_are_no_request() {
    let origin = Origin::answering(|_| reply(200, &[], "reached"));
    let proxy = Launch::forward().start();
    let mut client = Client::to(proxy.addr());
    client.send(format!(
        "CONNECT 127.0.0.1:22 HTTP/1.1\r\nHost: 127.0.0.1:22\r\n\r\nGET http://{0}/ HTTP/1.1\r\nHost: {0}\r\n\r\n",
        origin.addr
    ));
    let refused = client.response_to("CONNECT");
    assert_eq!(refused.status, 403);
    assert_eq!(refused.get("connection"), Some("close"));
    client.expect_closed();
    assert_eq!(origin.count(), 0);
}

#[test]
fn a_connect_that_announces_a_body_is_refused() {
    let origin = Origin::scripted(|conn| drop(conn.wire.rest()));
    let config = format!("[access]\nconnect_ports = [{}]\n", origin.addr.port());
    let proxy = Launch::forward().config(&config).start();
    for framing in ["Content-Length: 5", "Transfer-Encoding: chunked"] {
        let mut client = Client::to(proxy.addr());
        client.send(format!(
            "CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n{framing}\r\n\r\n",
            origin.addr
        ));
        client.response().expect(400);
        client.expect_closed();
    }
    assert_eq!(origin.connections(), 0);
}

#[test]
fn an_answer_that_is_broken_before_a_byte_went_out_is_a_bad_gateway() {
    for control in ["no-store", "max-age=60"] {
        let site = Site::new(move |_| {
            format!("HTTP/1.1 200 OK\r\nCache-Control: {control}\r\nTransfer-Encoding: chunked\r\n\r\nnot a size\r\n").into()
        });
        let mut client = site.client();
        client.ask(ASK).expect(502);
    }
}

#[test]
fn a_101_that_does_not_say_to_what_is_a_bad_gateway() {
    let site = Site::of(Origin::scripted(|conn| {
        conn.request_head();
        conn.send("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n\r\n");
    }));
    let mut client = site.client();
    client.send(
        "GET / HTTP/1.1\r\nHost: site.test\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
    );
    assert_eq!(status(&client.head()), 502);
}

#[test]
fn a_transaction_that_is_cut_is_logged() {
    let over = Gate::new();
    let theirs = over.clone();
    let origin = Origin::scripted(move |conn| {
        conn.request();
        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\nfirst-");
        theirs.wait();
    });
    let mut proxy = Launch::reverse(&origin)
        .arg("--access-log")
        .arg("-")
        .config("[timeouts]\ndrain = \"300ms\"\n")
        .start();
    let mut client = Client::to(proxy.addr());
    client.send(ASK).head();
    assert_eq!(client.wire.exactly(6), b"first-");
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_exit(), Some(3));
    over.open();
    proxy.wait_stdout(|line| line.contains("_ABORTED/200"));
    // With the pipe's end there is no other line to come.
    assert!(!proxy.stdout.wait(|_| false));
    assert_eq!(proxy.stdout.all().len(), 1, "{}", proxy.stdout.text());
}

#[test]
fn bytes_that_are_no_request_are_logged_as_such() {
    let origin = Origin::answering(|_| reply(200, &[], ""));
    let proxy = Launch::reverse(&origin)
        .arg("--access-log")
        .arg("-")
        .start();
    Client::to(proxy.addr())
        .ask("no request\r\n\r\n")
        .expect(400);
    proxy.wait_stdout(|line| line.contains("/400 "));
    let line = proxy.stdout.text();
    assert!(line.contains(" NONE error:invalid-request "), "{line}");
}

#[test]
fn idle_connections_of_a_listener_that_is_gone_are_closed() {
    let origin = Origin::answering(|_| reply(200, &["Cache-Control: no-store"], "x"));
    let listener = |name: &str| {
        format!(
            "[[listen]]\nname = \"{name}\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"\nto = \"o\"\n"
        )
    };
    let rest = format!(
        "[admin]\naddress = \"127.0.0.1:0\"\n[[upstream]]\nname = \"o\"\nservers = [\"{}\"]\n",
        origin.addr
    );
    let both = rest.clone() + &listener("stays") + &listener("goes");
    let proxy = Launch::bare().config(&both).start();
    let mut stays = Client::to(proxy.listener("stays"));
    let mut goes = Client::to(proxy.listener("goes"));
    for client in [&mut stays, &mut goes] {
        client.ask(ASK).expect(200);
    }
    proxy.rewrite_config(&(rest + &listener("stays")));
    proxy.signal(Signal::HUP);
    proxy.wait_stderr(|l| l == "reloaded");
    goes.expect_closed();
    stays.ask(ASK).expect(200);
}

#[test]
fn empty_lines_between_requests_are_not_the_beginning_of_one() {
    let site = Site::with(
        Origin::answering(|_| reply(200, &[], "x")),
        "[timeouts]\nhead = \"2s\"\nidle = \"5s\"\n",
    );
    let mut client = site.client();
    client.ask(ASK).expect(200);
    client.send("\r\n");
    client.expect_closed();
    let mut client = site.client();
    client.send("\r\n\r\n").ask(ASK).expect(200);
}

#[test]
fn the_pac_file_quotes_no_host_that_is_script() {
    let proxy = Launch::forward().start();
    for (host, shown) in [
        ("proxy.test:1", true),
        ("[::1]:1", true),
        ("a');b('", false),
        ("a;b", false),
    ] {
        let mut client = Client::to(proxy.addr());
        let pac = client.ask(format!("GET /proxy.pac HTTP/1.1\r\nHost: {host}\r\n\r\n"));
        let name = host.trim_end_matches(":1");
        assert_eq!(pac.text().contains(name), shown, "{host}: {}", pac.text());
    }
}

#[test]
fn an_expectation_of_a_1_0_client_goes_no_further() {
    let site = Site::new(|r| reply(200, &[], r.head.list("expect")));
    site.client()
        .ask("POST / HTTP/1.0\r\nHost: site.test\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx")
        .expect(200)
        .expect_body("");
}

#[test]
fn a_group_goes_on_to_the_server_that_answers() {
    // Listeners whose queues are full: connecting to them neither succeeds nor fails.
    let mut held = Vec::new();
    let mut deaf = || {
        let socket =
            socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        socket
            .bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into())
            .unwrap();
        socket.listen(0).unwrap();
        let address = socket.local_addr().unwrap().as_socket().unwrap();
        // One that is late may have been off the processor; two of them running have found it full.
        let mut late = 0;
        while late < 2 {
            match std::net::TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
                Ok(stream) => {
                    held.push((Some(stream), None));
                    late = 0;
                }
                Err(_) => late += 1,
            }
            assert!(held.len() < 100, "the queue does not fill");
        }
        held.push((None, Some(socket)));
        address
    };
    let (one, two) = (deaf(), deaf());
    let origin = Origin::answering(|_| reply(200, &["Cache-Control: no-store"], "x"));
    let config = format!(
        "[admin]\naddress = \"127.0.0.1:0\"\n[timeouts]\nconnect = \"4s\"\n\
         [[listen]]\nname = \"site\"\nmode = \"reverse\"\naddress = \"127.0.0.1:0\"\nto = \"o\"\n\
         [[upstream]]\nname = \"o\"\nservers = [\"{one}\", \"{two}\", \"{}\"]\n",
        origin.addr
    );
    let proxy = Launch::bare().config(&config).workers(1).start();
    for _ in 0..3 {
        Client::to(proxy.addr()).ask(ASK).expect(200);
    }
}
