//! The time of each phase, with small configured values; the event waited for is the answer or the close itself.
#![allow(clippy::unwrap_used)]

use std::{
    io::ErrorKind,
    net::{SocketAddr, TcpStream},
    time::{Duration, Instant},
};
use understudy_testbed::{Client, Gate, Launch, Origin, Site, get, reply};

const ASK: &str = "GET / HTTP/1.1\r\nHost: site.test\r\n\r\n";

fn timed(timeouts: &str) -> Site {
    Site::with(
        Origin::answering(|r| reply(200, &[], &r.body)),
        &format!("[timeouts]\n{timeouts}\n"),
    )
}

/// An origin that does this and then holds its connection until the proxy ends it.
fn holding(before: &'static str) -> Origin {
    Origin::scripted(move |conn| {
        if conn.request().is_some() {
            conn.send(before);
            conn.wire.rest();
        }
    })
}

#[test]
fn a_head_that_does_not_end_is_408() {
    let site = timed("head = \"300ms\"");
    let mut client = site.client();
    client.send("GET / HTTP/1.1\r\nHost: si");
    client.response().expect(408);
    client.expect_closed();
    assert_eq!(site.origin.count(), 0);
}

#[test]
fn a_second_head_that_does_not_end_is_408_too() {
    let site = timed("head = \"3s\"");
    let mut client = site.client();
    client.ask(ASK).expect(200);
    client.send("GET / HTTP/1.1\r\n");
    client.response().expect(408);
    client.expect_closed();
}

#[test]
fn a_head_that_trickles_is_408() {
    let site = timed("head = \"400ms\"");
    let mut client = site.client();
    client.send("GET / HTTP/1.1\r\nHost: site.test\r\nX: ");
    let end = Instant::now() + understudy_testbed::PATIENCE;
    let mut out = client.wire.stream.try_clone().unwrap();
    // A byte each 50 ms must not renew the time.
    let trickle = std::thread::spawn(move || {
        while Instant::now() < end && std::io::Write::write_all(&mut out, b"x").is_ok() {
            std::thread::sleep(Duration::from_millis(50));
        }
    });
    let head = client.head();
    assert!(head.start.contains(" 408 "), "{}", head.text());
    drop(client);
    trickle.join().unwrap();
}

#[test]
fn a_body_that_stalls_is_408() {
    let site = Site::with(
        Origin::scripted(|conn| drop(conn.wire.rest())),
        "[timeouts]\nbody = \"300ms\"\n",
    );
    let mut client = site.client();
    client.send("POST / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 10\r\n\r\nhalf");
    client.response_to("POST").expect(408);
    client.expect_closed();
}

#[test]
fn an_idle_connection_is_closed_without_a_word() {
    let site = timed("idle = \"3s\"");
    let mut client = site.client();
    client.ask(ASK).expect(200);
    client.expect_closed();
}

#[test]
fn a_connection_that_never_asks_is_closed() {
    let site = timed("idle = \"300ms\"\nhead = \"300ms\"");
    let mut client = site.client();
    let said = String::from_utf8_lossy(&client.rest()).into_owned();
    assert!(
        said.is_empty() || said.starts_with("HTTP/1.1 408 "),
        "{said}"
    );
}

/// A listener whose queue is full, so that connecting to it neither succeeds nor fails. The streams keep it full.
fn unreachable() -> (socket2::Socket, SocketAddr, Vec<TcpStream>) {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket
        .bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into())
        .unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let (mut held, mut late) = (Vec::new(), 0);
    // One that is late may have been off the processor; two of them running have found it full.
    while late < 2 {
        match TcpStream::connect_timeout(&address, Duration::from_millis(300)) {
            Ok(stream) => {
                held.push(stream);
                late = 0;
            }
            Err(e) if e.kind() == ErrorKind::TimedOut => late += 1,
            Err(e) => panic!("{e}"),
        }
        assert!(held.len() < 100, "the queue does not fill");
    }
    (socket, address, held)
}

#[test]
fn connecting_for_too_long_is_504() {
    let (_socket, address, _held) = unreachable();
    let proxy = Launch::forward()
        .config("[timeouts]\nconnect = \"300ms\"\n")
        .start();
    get(
        proxy.addr(),
        &format!("http://{address}/"),
        &address.to_string(),
        "",
    )
    .expect(504);
}

#[test]
fn connecting_for_too_long_is_504_or_503_in_reverse_mode() {
    let (_socket, address, _held) = unreachable();
    let proxy = Launch::bare()
        .arg("--to")
        .arg(format!("http://{address}"))
        .config("[timeouts]\nconnect = \"300ms\"\n")
        .start();
    let status = get(proxy.addr(), "/", "site.test", "").status;
    assert!(matches!(status, 503 | 504), "{status}");
}

#[test]
fn a_refused_connection_is_502() {
    let nobody = Origin::nobody();
    let proxy = Launch::forward().start();
    get(
        proxy.addr(),
        &format!("http://{nobody}/"),
        &nobody.to_string(),
        "",
    )
    .expect(502);
}

#[test]
fn a_name_that_does_not_resolve_is_a_gateway_error() {
    let proxy = Launch::forward()
        .config("[timeouts]\nconnect = \"2s\"\n")
        .start();
    let status = get(
        proxy.addr(),
        "http://nothing.invalid/",
        "nothing.invalid",
        "",
    )
    .status;
    assert!(matches!(status, 502..=504), "{status}");
}

#[test]
fn no_first_byte_is_504() {
    let site = Site::with(holding(""), "[timeouts]\nfirst_byte = \"300ms\"\n");
    let page = site.get("/", "").expect(504);
    assert_eq!(page.get("cache-control"), Some("no-store"));
}

#[test]
fn half_a_response_head_is_504() {
    let site = Site::with(
        holding("HTTP/1.1 200 OK\r\nContent-"),
        "[timeouts]\nfirst_byte = \"300ms\"\n",
    );
    site.get("/", "").expect(504);
}

#[test]
fn a_post_that_is_never_answered_is_504() {
    let site = Site::with(holding(""), "[timeouts]\nfirst_byte = \"300ms\"\n");
    site.client()
        .ask("POST / HTTP/1.1\r\nHost: site.test\r\nContent-Length: 2\r\n\r\nhi")
        .expect(504);
}

#[test]
fn a_body_that_stalls_between_bytes_is_broken_off() {
    for head in [
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 10\r\n\r\nhalf",
        "HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\n",
    ] {
        let site = Site::with(holding(head), "[timeouts]\nbetween_bytes = \"300ms\"\n");
        let mut client = site.client();
        client.send(ASK);
        let all = String::from_utf8_lossy(&client.rest()).into_owned();
        assert!(
            all.starts_with("HTTP/1.1 200 ") && !all.ends_with("0\r\n\r\n"),
            "{all}"
        );
        let again = site
            .client()
            .ask("GET / HTTP/1.1\r\nHost: site.test\r\nCache-Control: only-if-cached\r\n\r\n");
        assert_eq!(again.status, 504, "half a body was stored");
    }
}

#[test]
fn a_tunnel_without_traffic_is_closed() {
    let origin = Origin::scripted(|conn| assert!(conn.wire.rest().is_empty()));
    let config = format!(
        "[access]\nconnect_ports = [{}]\n[timeouts]\ntunnel = \"300ms\"\n",
        origin.addr.port()
    );
    let proxy = Launch::forward().config(&config).start();
    let mut client = Client::to(proxy.addr());
    client
        .ask(format!(
            "CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n",
            origin.addr
        ))
        .expect(200);
    client.expect_closed();
}

#[test]
fn a_slow_transfer_that_moves_is_not_cut() {
    let site = Site::with(
        Origin::scripted(|conn| {
            conn.request();
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\n");
            // Eighteen seconds in all; a stall of twelve between two bytes does no harm.
            for _ in 0..8 {
                std::thread::sleep(Duration::from_millis(2250));
                conn.send("x");
            }
        }),
        "[timeouts]\nbetween_bytes = \"15s\"\nfirst_byte = \"15s\"\nidle = \"15s\"\nbody = \"15s\"\nhead = \"15s\"\n",
    );
    site.get("/", "").expect(200).expect_body("xxxxxxxx");
}

#[test]
fn an_idle_origin_connection_is_closed() {
    let closed = Gate::new();
    let theirs = closed.clone();
    let origin = Origin::scripted(move |conn| {
        conn.answer_all(&|_| reply(200, &["Cache-Control: no-store"], "x"));
        theirs.open();
    });
    let site = Site::with(origin, "[timeouts]\norigin_idle = \"300ms\"\n");
    site.get("/", "").expect(200);
    closed.wait();
}

/// A response of a gigabyte with this head, to a client that reads nothing: the origin must be let go of.
#[track_caller]
fn unread(head: &'static str) {
    let let_go = Gate::new();
    let theirs = let_go.clone();
    let origin = Origin::scripted(move |conn| {
        if conn.request().is_some() {
            conn.send(format!("HTTP/1.1 200 OK\r\n{head}\r\n"));
            // For a chunked response this is one chunk; it is never finished either way.
            conn.send(if head.contains("chunked") {
                "40000000\r\n"
            } else {
                ""
            });
            let block = vec![b'x'; 100_000];
            while conn.send(&block) {}
            theirs.open();
        }
    });
    let site = Site::with(origin, "[timeouts]\nbody = \"500ms\"\n");
    let mut client = site.client();
    client.send(ASK);
    let_go.wait();
    // What was on its way may still arrive; then it is over, before the end of the body.
    assert!(client.rest().len() < 1_000_000_000);
}

#[test]
fn a_client_that_never_reads_is_cut_off() {
    unread("Cache-Control: no-store\r\nContent-Length: 1000000000\r\n");
}

#[test]
fn a_client_that_never_reads_a_response_being_stored_is_cut_off() {
    unread("Cache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n");
}

#[test]
fn a_client_that_reads_slowly_is_not_cut_off() {
    let body = vec![b'x'; 48_000_000];
    let sent = body.clone();
    let site = Site::with(
        Origin::answering(move |_| reply(200, &["Cache-Control: no-store"], &sent)),
        "[timeouts]\nbody = \"15s\"\nbetween_bytes = \"15s\"\n",
    );
    let mut client = site.client();
    client.send(ASK).head();
    let mut got = 0;
    // 2.4 MB each 900 ms: 18 seconds in all, well over the time between two reads, and buffers hold a small part of it.
    while got < body.len() {
        std::thread::sleep(Duration::from_millis(900));
        got += client.wire.exactly(2_400_000.min(body.len() - got)).len();
    }
}
