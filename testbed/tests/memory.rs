//! Bounds of memory: a reader that does not read, a ceiling that holds, objects too large to store.
#![allow(clippy::unwrap_used)]

use std::{
    io::{ErrorKind, Read, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};
use understudy_testbed::{Client, Gate, Launch, Origin, Proxy, Site, get, reply};

const MIB: u64 = 1024 * 1024;
/// What sockets on both sides and the proxy together may hold of a transfer nobody reads.
const IN_FLIGHT: u64 = 48 * MIB;

/// Resident memory of the proxy's own in bytes. Pages of its program file are not of it: they come as code is first run, and a
/// program of many modules has megabytes of them.
fn resident(proxy: &Proxy) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", proxy.id())).unwrap();
    let line = status.lines().find(|l| l.starts_with("RssAnon:")).unwrap();
    line.split_whitespace()
        .nth(1)
        .unwrap()
        .parse::<u64>()
        .unwrap()
        * 1024
}

/// Writes until the peer takes nothing for a second, then opens the gate, and goes on to `total`.
fn push(stream: &std::net::TcpStream, total: u64, written: &AtomicU64, stuck: &Gate) {
    let block = vec![b'x'; 64 * 1024];
    stream
        .set_write_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let mut out = stream;
    while written.load(Ordering::SeqCst) < total {
        let n = block
            .len()
            .min((total - written.load(Ordering::SeqCst)) as usize);
        match out.write(&block[..n]) {
            Ok(n) => {
                written.fetch_add(n as u64, Ordering::SeqCst);
            }
            Err(e) if matches!(e.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                stuck.open()
            }
            Err(_) => return,
        }
    }
    // Also when it never got stuck: the test then sees how much was taken.
    stuck.open();
}

/// An origin of one response of this many bytes, and how many of them it has written.
fn huge(total: u64, head: &'static str) -> (Origin, Arc<AtomicU64>, Gate) {
    let (written, stuck) = (Arc::new(AtomicU64::new(0)), Gate::new());
    let (theirs, gate) = (written.clone(), stuck.clone());
    let origin = Origin::scripted(move |conn| {
        if conn.request().is_some() {
            conn.send(head);
            push(&conn.wire.stream, total, &theirs, &gate);
        }
    });
    (origin, written, stuck)
}

#[test]
fn a_client_that_does_not_read_stops_the_reading_of_its_origin() {
    for control in ["no-store", "max-age=60"] {
        let head: &'static str = Box::leak(
            format!(
                "HTTP/1.1 200 OK\r\nCache-Control: {control}\r\nContent-Length: {}\r\n\r\n",
                256 * MIB
            )
            .into_boxed_str(),
        );
        let (origin, written, stuck) = huge(256 * MIB, head);
        let site = Site::of(origin);
        let before = resident(&site.proxy);
        let mut client = site.client();
        client.send("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n");
        stuck.wait();
        let taken = written.load(Ordering::SeqCst);
        assert!(
            taken < IN_FLIGHT,
            "{control}: {} MiB were read for a client that does not",
            taken / MIB
        );
        let grown = resident(&site.proxy).saturating_sub(before);
        assert!(grown < 16 * MIB, "{control}: grew by {} MiB", grown / MIB);
        // It goes on when the client reads.
        client.head();
        let mut left = 256 * MIB;
        let mut buffer = vec![0; 256 * 1024];
        left -= client.wire.unread().len() as u64;
        while left > 0 {
            let n = client.wire.stream.read(&mut buffer).unwrap() as u64;
            assert!(n > 0, "{control}: ended with {left} bytes to come");
            left -= n;
        }
        let grown = resident(&site.proxy).saturating_sub(before);
        assert!(
            grown < 32 * MIB,
            "{control}: grew by {} MiB over the transfer",
            grown / MIB
        );
    }
}

#[test]
fn an_origin_that_does_not_read_stops_the_reading_of_its_client() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let origin = Origin::scripted(move |conn| {
        conn.request_head();
        theirs.wait();
        let mut left = 128 * MIB - conn.wire.unread().len() as u64;
        let mut buffer = vec![0; 256 * 1024];
        while left > 0 {
            left -= conn.wire.stream.read(&mut buffer).unwrap() as u64;
        }
        conn.send(reply(200, &[], "all of it"));
    });
    let site = Site::of(origin);
    let before = resident(&site.proxy);
    let mut client = site.client();
    client.send(format!(
        "POST / HTTP/1.1\r\nHost: site.test\r\nContent-Length: {}\r\n\r\n",
        128 * MIB
    ));
    let (written, stuck) = (AtomicU64::new(0), Gate::new());
    let stream = client.wire.stream.try_clone().unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| push(&stream, 128 * MIB, &written, &stuck));
        stuck.wait();
        let taken = written.load(Ordering::SeqCst);
        assert!(
            taken < IN_FLIGHT,
            "{} MiB were read for an origin that does not",
            taken / MIB
        );
        assert!(resident(&site.proxy).saturating_sub(before) < 16 * MIB);
        gate.open();
    });
    client
        .response_to("POST")
        .expect(200)
        .expect_body("all of it");
}

#[test]
fn a_tunnel_nobody_reads_is_bounded_too() {
    let (written, stuck) = (Arc::new(AtomicU64::new(0)), Gate::new());
    let (theirs, gate) = (written.clone(), stuck.clone());
    let origin = Origin::scripted(move |conn| push(&conn.wire.stream, 256 * MIB, &theirs, &gate));
    let proxy = Launch::forward()
        .config(&format!(
            "[access]\nconnect_ports = [{}]\n",
            origin.addr.port()
        ))
        .start();
    let mut client = Client::to(proxy.addr());
    client.send(format!(
        "CONNECT {0} HTTP/1.1\r\nHost: {0}\r\n\r\n",
        origin.addr
    ));
    stuck.wait();
    assert!(written.load(Ordering::SeqCst) < IN_FLIGHT);
}

#[test]
fn pipelining_without_reading_is_bounded() {
    let site = Site::new(|_| reply(200, &["Cache-Control: max-age=60"], vec![b'x'; 100_000]));
    site.get("/", "");
    let before = resident(&site.proxy);
    let client = site.client();
    let block = "GET / HTTP/1.1\r\nHost: site.test\r\n\r\n".repeat(500);
    client
        .wire
        .stream
        .set_write_timeout(Some(Duration::from_secs(1)))
        .unwrap();
    let mut sent = 0;
    // 2 GiB of answers are asked for; the proxy must stop taking requests.
    while sent < 20_000 && (&client.wire.stream).write_all(block.as_bytes()).is_ok() {
        sent += 500;
    }
    assert!(resident(&site.proxy).saturating_sub(before) < 32 * MIB);
    site.get("/", "").expect_hit();
}

fn bytes(proxy: &Proxy) -> u64 {
    let status = proxy.status();
    status["cache"]["bytes"]
        .as_u64()
        .unwrap_or_else(|| panic!("no cache.bytes in {status}"))
}

#[test]
fn the_ceiling_holds_and_what_is_new_is_stored() {
    let origin =
        Origin::answering(|_| reply(200, &["Cache-Control: max-age=600"], vec![b'x'; 10_000]));
    let proxy = Launch::reverse(&origin).arg("--memory").arg("4M").start();
    let mut client = Client::to(proxy.addr());
    for i in 0..2000 {
        client
            .ask(format!("GET /{i} HTTP/1.1\r\nHost: site.test\r\n\r\n"))
            .expect(200);
        if i % 100 == 0 {
            assert!(bytes(&proxy) <= 4 * MIB, "over the ceiling after {i}");
        }
    }
    assert!(
        (MIB..=4 * MIB).contains(&bytes(&proxy)),
        "{} bytes are held",
        bytes(&proxy)
    );
    client.ask("GET /new HTTP/1.1\r\nHost: site.test\r\n\r\n");
    client
        .ask("GET /new HTTP/1.1\r\nHost: site.test\r\n\r\n")
        .expect_hit();
}

#[test]
fn many_small_objects_are_under_the_ceiling_too() {
    let origin = Origin::answering(|_| reply(200, &["Cache-Control: max-age=600"], ""));
    let proxy = Launch::reverse(&origin).arg("--memory").arg("1M").start();
    let before = resident(&proxy);
    let mut client = Client::to(proxy.addr());
    for i in 0..8000 {
        client
            .ask(format!("GET /{i} HTTP/1.1\r\nHost: site.test\r\n\r\n"))
            .expect(200);
    }
    assert!(bytes(&proxy) <= MIB);
    let grown = resident(&proxy).saturating_sub(before);
    assert!(
        grown < 8 * MIB,
        "index and heads are counted: grew by {} KiB",
        grown / 1024
    );
}

#[test]
fn tags_are_under_the_ceiling_too_and_go_with_what_they_are_of() {
    const CEILING: u64 = 8 * MIB;
    let origin = Origin::answering(|r| {
        // Each with tags of its own: as much label and as little body as there can be.
        let tags: Vec<String> = (0..200).map(|n| format!("{}-{n}", r.n)).collect();
        let tags = format!("Surrogate-Key: {}", tags.join(" "));
        reply(200, &["Cache-Control: max-age=600", &tags], "x")
    });
    let proxy = Launch::reverse(&origin).arg("--memory").arg("8M").start();
    let mut client = Client::to(proxy.addr());
    let mut ask = |n: usize| {
        client
            .ask(format!("GET /{n} HTTP/1.1\r\nHost: site.test\r\n\r\n"))
            .expect(200);
    };
    // Once full, so that buffers and tables have grown as far as they do.
    (0..800).for_each(&mut ask);
    let (full, before) = (resident(&proxy), bytes(&proxy));
    assert!(before > CEILING / 2 && before <= CEILING, "{before}");
    let entries = || proxy.status()["cache"]["entries"].as_u64().unwrap();
    let held = entries();
    // 200 tags with their places weigh more than 12 KiB.
    assert!(held > 50 && held < CEILING / (12 * 1024), "{held}");
    (800..1600).for_each(&mut ask);
    assert!(bytes(&proxy) <= CEILING);
    let grown = resident(&proxy).saturating_sub(full);
    assert!(grown < CEILING / 2, "grew by {} KiB", grown / 1024);
    let mut admin = Client::to(proxy.listener("admin"));
    admin
        .ask("POST /purge?prefix=http:// HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        .expect(200);
    assert_eq!((entries(), bytes(&proxy)), (0, 0));
}

#[test]
fn what_is_used_survives_a_scan() {
    let origin =
        Origin::answering(|_| reply(200, &["Cache-Control: max-age=600"], vec![b'x'; 10_000]));
    let proxy = Launch::reverse(&origin).arg("--memory").arg("4M").start();
    let mut client = Client::to(proxy.addr());
    let ask = |client: &mut Client, path: &str| {
        client.ask(format!("GET {path} HTTP/1.1\r\nHost: site.test\r\n\r\n"))
    };
    for i in 0..1500 {
        ask(&mut client, &format!("/scan/{i}"));
        ask(&mut client, "/popular");
        ask(&mut client, "/popular").expect_hit();
    }
    assert!(
        origin
            .requests()
            .iter()
            .filter(|r| r.target == "/popular")
            .count()
            <= 3,
        "a popular object was evicted by a scan"
    );
}

#[test]
fn objects_too_large_are_passed_on_and_not_stored() {
    let body = vec![b'x'; 1_000_000];
    let origin = Origin::scripted(move |conn| {
        while let Some(r) = conn.request() {
            if r.target == "/length" {
                conn.send(reply(200, &["Cache-Control: max-age=60"], &body));
            } else {
                conn.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nTransfer-Encoding: chunked\r\n\r\n");
                for piece in body.chunks(10_000) {
                    conn.send(format!("{:x}\r\n", piece.len()));
                    conn.send(piece);
                    conn.send("\r\n");
                }
                conn.send("0\r\n\r\n");
            }
        }
    });
    let site = Site::with(origin, "[cache]\nmax_object = \"64K\"\n");
    for path in ["/length", "/chunked"] {
        for _ in 0..2 {
            let response = site.get(path, "").expect(200);
            assert_eq!(response.body.len(), 1_000_000);
            assert!(!response.is_hit(), "{}", response.head.text());
        }
    }
    assert_eq!(site.origin.count(), 4);
    assert!(bytes(&site.proxy) < MIB);
}

#[test]
fn a_hundred_fills_at_once_are_under_the_ceiling() {
    let gate = Gate::new();
    let theirs = gate.clone();
    let origin = Origin::scripted(move |conn| {
        if conn.request().is_some() {
            conn.send("HTTP/1.1 200 OK\r\nCache-Control: max-age=60\r\nContent-Length: 100000\r\nConnection: close\r\n\r\n");
            conn.send(vec![b'x'; 90_000]);
            theirs.wait();
            conn.send(vec![b'x'; 10_000]);
        }
    });
    let proxy = Launch::reverse(&origin).arg("--memory").arg("2M").start();
    let mut clients: Vec<Client> = (0..100).map(|_| Client::to(proxy.addr())).collect();
    for (i, client) in clients.iter_mut().enumerate() {
        client.send(format!("GET /{i} HTTP/1.1\r\nHost: site.test\r\n\r\n"));
    }
    origin.wait_requests(100);
    assert!(bytes(&proxy) <= 2 * MIB, "fills in progress are counted");
    gate.open();
    for client in &mut clients {
        assert_eq!(client.response().expect(200).body.len(), 100_000);
    }
    assert!(bytes(&proxy) <= 2 * MIB);
    get(proxy.addr(), "/last", "site.test", "").expect(200);
}
