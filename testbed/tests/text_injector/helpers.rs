//! Who is asked, and what becomes of pages when it is quick, slow, wrong, silent or dead.

use crate::peer::{Peer, script};
use crate::{PAGE, RUNTIMES, counted, get, origin, proxy, with};
use std::net::{IpAddr, SocketAddr};
use std::time::Instant;
use understudy_testbed::wire::Wire;
use understudy_testbed::{Client, Gate, PATIENCE, Proxy, modules::module, run};

const LINES: &str = r#"#!/usr/bin/env python3
import sys
for line in sys.stdin:
    number, client, host, url = line.split()
    if url.endswith("/die"):
        sys.exit(1)
    if url.endswith("/noise"):
        print("no number\n99999 nobody asked this", flush=True)
    print(number, f"<!-- {client} {host} {url} -->", flush=True)
"#;

const EACH: &str = r#"#!/bin/sh
read client host url
case $url in
    */fails) echo text; exit 1 ;;
    */long) head -c 70000 /dev/zero | tr '\0' x ;;
    */silent) exit 0 ;;
    */hangs) exec sleep 1000 ;;
    */binary) printf '\377\n' ;;
    *) echo "<!-- $client $host $url -->" ;;
esac
"#;

/// A client that comes from this address.
fn client_from(address: [u8; 4], to: SocketAddr) -> Client {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    let from = SocketAddr::from((IpAddr::from(address), 0));
    socket.bind(&from.into()).unwrap();
    socket.connect(&to.into()).unwrap();
    Client {
        wire: Wire::new(socket.into()),
    }
}

/// Each client gets its own text, out of the cache too, and a shared cache behind is told that it is its own.
fn each_client_gets_its_own(runtime: &str, option: &str) {
    let origin = origin(PAGE);
    let proxy = proxy(&origin, runtime, &format!("{option}timeout = \"60s\""));
    for (address, hit) in [([127, 0, 0, 1], false), ([127, 0, 0, 3], true)] {
        let mut client = client_from(address, proxy.addr());
        let from = IpAddr::from(address);
        let response = get(&mut client, "/a", "").expect(200);
        assert_eq!(response.is_hit(), hit);
        assert_eq!(response.get("etag"), Some("W/\"1\""));
        assert!(response.head.list("cache-control").contains("private"));
        response.expect_body(with(
            PAGE,
            &format!("<!-- {from} site.test http://site.test/a -->"),
        ));
    }
    counted(&proxy, "inserted", 2);
    assert_eq!(origin.count(), 1);
}

#[test]
fn each_client_gets_its_own_text_of_a_command_that_is_kept_running() {
    let dir = tempfile::tempdir().unwrap();
    let path = script(dir.path(), "lines", LINES);
    for runtime in RUNTIMES {
        each_client_gets_its_own(
            runtime,
            &format!("helper = [\"python3\", \"{}\"]\n", path.display()),
        );
    }
}

#[test]
fn each_client_gets_its_own_text_of_a_command_that_is_run_for_each_page() {
    let dir = tempfile::tempdir().unwrap();
    let path = script(dir.path(), "each", EACH);
    for runtime in RUNTIMES {
        each_client_gets_its_own(runtime, &format!("command = [\"{}\"]\n", path.display()));
    }
}

#[test]
fn each_client_gets_its_own_text_of_a_socket() {
    for runtime in RUNTIMES {
        let peer = Peer::answering(|line| Some(format!("<!-- {line} -->")));
        each_client_gets_its_own(runtime, &peer.option());
        assert_eq!(peer.lines().len(), 2);
    }
}

/// Reads what is there of a chunked body until it is so long.
fn read_to(client: &mut Client, body: &mut Vec<u8>, length: usize) {
    while body.len() < length {
        let data = client.wire.chunk();
        assert!(!data.is_empty(), "the body ended early");
        body.extend(data);
    }
}

/// The whole page came in one piece, the helper is slow: the part before the point is with the client, and then the rest comes.
#[test]
fn nothing_before_the_point_waits_for_the_helper() {
    for runtime in RUNTIMES {
        let gates = [Gate::new(), Gate::new()];
        let theirs = gates.clone();
        let peer = Peer::answering(move |line| {
            theirs[usize::from(line.ends_with("hit"))].wait();
            Some("<!--+-->".to_owned())
        });
        let origin = origin(PAGE);
        let options = format!(
            "{}timeout = \"60s\"\nask = \"{{field:x-which}}\"",
            peer.option()
        );
        let proxy = proxy(&origin, runtime, &options);
        let mut client = Client::to(proxy.addr());
        for (which, gate) in ["miss", "hit"].iter().zip(&gates) {
            client.send(format!(
                "GET / HTTP/1.1\r\nHost: site.test\r\nX-Which: {which}\r\n\r\n"
            ));
            let head = client.head();
            assert_eq!(head.get("transfer-encoding"), Some("chunked"));
            let before = PAGE.find("</head>").unwrap();
            let mut body = Vec::new();
            read_to(&mut client, &mut body, before);
            assert_eq!(
                String::from_utf8_lossy(&body),
                PAGE[..before],
                "{runtime} {which}"
            );
            gate.open();
            body.extend(client.wire.body(understudy_testbed::Framing::Chunked).0);
            assert_eq!(String::from_utf8_lossy(&body), with(PAGE, "<!--+-->"));
        }
        assert_eq!(peer.lines(), ["miss", "hit"]);
    }
}

#[test]
fn a_helper_that_is_silent_costs_the_text_and_not_the_page() {
    for runtime in RUNTIMES {
        let (peer, origin) = (Peer::answering(|_| None), origin(PAGE));
        let proxy = proxy(
            &origin,
            runtime,
            &format!("{}timeout = \"30ms\"", peer.option()),
        );
        let mut client = Client::to(proxy.addr());
        for _ in 0..3 {
            get(&mut client, "/", "").expect(200).expect_body(PAGE);
        }
        counted(&proxy, "timeouts", 3);
        counted(&proxy, "inserted", 0);
    }
}

/// Fifty ask at once and are answered in any order.
#[test]
fn answers_in_any_order_go_to_those_who_asked() {
    for runtime in RUNTIMES {
        let all = Gate::new();
        let (opened, came) = (all.clone(), std::sync::atomic::AtomicUsize::new(0));
        let peer = Peer::answering(move |line| {
            if came.fetch_add(1, std::sync::atomic::Ordering::SeqCst) == 49 {
                opened.open();
            }
            opened.wait();
            Some(line.to_owned())
        });
        let origin = origin(PAGE);
        let options = format!("{}timeout = \"60s\"\nask = \"{{url}}\"", peer.option());
        let proxy = proxy(&origin, runtime, &options);
        let mut clients: Vec<Client> = (0..50).map(|_| Client::to(proxy.addr())).collect();
        for (i, client) in clients.iter_mut().enumerate() {
            client.send(format!("GET /{i} HTTP/1.1\r\nHost: site.test\r\n\r\n"));
        }
        for (i, client) in clients.iter_mut().enumerate() {
            client
                .response()
                .expect(200)
                .expect_body(with(PAGE, &format!("http://site.test/{i}")));
        }
        assert!(all.is_open());
    }
}

/// Asks until a page has its text.
fn until_there_is_a_text(proxy: &Proxy, path: &str, text: &str) {
    let end = Instant::now() + PATIENCE;
    let mut client = Client::to(proxy.addr());
    loop {
        let body = get(&mut client, path, "").expect(200).text();
        if body == with(PAGE, text) {
            return;
        }
        assert_eq!(body, PAGE);
        assert!(Instant::now() < end, "the helper did not come back");
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

#[test]
fn a_helper_that_dies_is_started_again_and_no_page_is_harmed() {
    let dir = tempfile::tempdir().unwrap();
    let path = script(dir.path(), "lines", LINES);
    for runtime in RUNTIMES {
        let origin = origin(PAGE);
        let options = format!(
            "helper = [\"python3\", \"{}\"]\ntimeout = \"60s\"",
            path.display()
        );
        let proxy = proxy(&origin, runtime, &options);
        let mut client = Client::to(proxy.addr());
        for _ in 0..2 {
            // It ends this page's wait by dying, not by the clock.
            get(&mut client, "/die", "").expect(200).expect_body(PAGE);
            until_there_is_a_text(
                &proxy,
                "/noise",
                "<!-- 127.0.0.1 site.test http://site.test/noise -->",
            );
        }
        counted(&proxy, "starts", 3);
        counted(&proxy, "timeouts", 0);
    }
}

#[test]
fn a_command_that_fails_costs_the_text_and_not_the_page() {
    let dir = tempfile::tempdir().unwrap();
    let path = script(dir.path(), "each", EACH);
    for runtime in RUNTIMES {
        let origin = origin(PAGE);
        let proxy = proxy(
            &origin,
            runtime,
            &format!("command = [\"{}\"]\ntimeout = \"60s\"", path.display()),
        );
        let mut client = Client::to(proxy.addr());
        for path in ["/fails", "/long", "/silent", "/binary"] {
            get(&mut client, path, "").expect(200).expect_body(PAGE);
        }
        counted(&proxy, "failures", 3);
        counted(&proxy, "no_text", 4);
    }
}

#[test]
fn a_command_that_hangs_is_ended() {
    let dir = tempfile::tempdir().unwrap();
    let path = script(dir.path(), "each", EACH);
    for runtime in RUNTIMES {
        let origin = origin(PAGE);
        let options = format!(
            "command = [\"{}\"]\nprocesses = 1\ntimeout = \"200ms\"",
            path.display()
        );
        let proxy = proxy(&origin, runtime, &options);
        let mut client = Client::to(proxy.addr());
        // Were one left, the next would never be run by the only thread.
        for _ in 0..3 {
            get(&mut client, "/hangs", "").expect(200).expect_body(PAGE);
        }
        until_there_is_a_text(
            &proxy,
            "/",
            "<!-- 127.0.0.1 site.test http://site.test/ -->",
        );
    }
}

#[test]
fn a_socket_where_nobody_listens_costs_the_text_until_somebody_does() {
    for runtime in RUNTIMES {
        let dir = tempfile::tempdir().unwrap();
        let (path, origin) = (dir.path().join("socket"), origin(PAGE));
        let proxy = proxy(
            &origin,
            runtime,
            &format!("socket = \"{}\"\ntimeout = \"60s\"", path.display()),
        );
        get(&mut Client::to(proxy.addr()), "/", "")
            .expect(200)
            .expect_body(PAGE);
        let peer = Peer::answering(|_| Some("late".to_owned()));
        std::os::unix::fs::symlink(peer.path(), &path).unwrap();
        until_there_is_a_text(&proxy, "/", "late");
    }
}

/// Who waits when the options change gets the answer of whom it asked.
#[test]
fn other_options_do_not_leave_pages_waiting() {
    for runtime in RUNTIMES {
        let gate = Gate::new();
        let opened = gate.clone();
        let peer = Peer::answering(move |_| {
            opened.wait();
            Some("before".to_owned())
        });
        let origin = origin(PAGE);
        let proxy = proxy(
            &origin,
            runtime,
            &format!("{}timeout = \"60s\"", peer.option()),
        );
        let mut waiting = Client::to(proxy.addr());
        waiting.send("GET / HTTP/1.1\r\nHost: site.test\r\n\r\n");
        waiting.head();
        let mut body = Vec::new();
        read_to(&mut waiting, &mut body, PAGE.find("</head>").unwrap());
        run(
            std::process::Command::new(understudy_testbed::proxy::binary())
                .args([
                    "modules",
                    "reconfigure",
                    "text",
                    "--unset",
                    "socket",
                    "text=after",
                    "--admin",
                ])
                .arg(proxy.listener("admin").to_string()),
        )
        .expect(0);
        get(&mut Client::to(proxy.addr()), "/", "").expect_body(with(PAGE, "after"));
        gate.open();
        body.extend(waiting.wire.body(understudy_testbed::Framing::Chunked).0);
        assert_eq!(
            String::from_utf8_lossy(&body),
            with(PAGE, "before"),
            "{runtime}"
        );
        assert_eq!(module(&proxy, "text")["state"], "running");
    }
}

#[test]
fn options_that_make_no_sense_are_refused_with_a_reason() {
    let origin = origin(PAGE);
    for (options, why) in [
        ("", "where the text comes from"),
        ("text = \"a\"\nsocket = \"b\"", "where the text comes from"),
        ("text = \"a\"\nplace = \"b\"", "no option `place`"),
        ("text = \"a\"\nselector = \"p[\"", "option `selector`"),
        (
            "text = \"a\"\nposition = \"middle\"",
            "before, prepend, append, after",
        ),
        ("text = \"a\"\ntimeout = \"1h\"", "option `timeout`"),
        ("text = \"a\"\nlimit = 0", "option `limit`"),
        ("text = \"a\"\nask = \"{nobody}\"", "{nobody}"),
        ("socket = \"a\"\non = \"store\"", "{client}"),
        ("helper = [\"/no/such/program\"]", "/no/such/program"),
    ] {
        let table = format!(
            "[[module]]\nname = \"text\"\nlibrary = \"builtin:text-injector\"\nruntime = \"inline\"\n[module.options]\n{options}\n"
        );
        let launch = understudy_testbed::Launch::bare();
        let path = launch.dir().join("bad.toml");
        std::fs::write(&path, understudy_testbed::modules::config(&origin, &table)).unwrap();
        let mut command = std::process::Command::new(understudy_testbed::proxy::binary());
        let ended = run(command.arg("run").arg("--config").arg(&path)).expect(1);
        assert!(ended.text().contains(why), "{options}\n{}", ended.text());
    }
}
