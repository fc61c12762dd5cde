//! `understudy run` with no flag at all, on the ports it takes by default: in a network namespace, where they are free. Needs root.
#![allow(clippy::unwrap_used)]

use rustix::process::Signal;
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener},
    os::unix::net::UnixStream,
};
use understudy_testbed::{Launch, Origin, PATIENCE, get, netns::Namespace, reply};

const FORWARD: &str = "127.0.0.1:3128";
const ADMIN: &str = "127.0.0.1:3130";

fn at(address: &str) -> SocketAddr {
    address.parse().unwrap()
}

#[test]
fn no_flag_at_all_is_a_forward_proxy_with_a_cache_and_an_admin() {
    let space = Namespace::new("d");
    let mut proxy = Launch::command("run")
        .behind(&["ip", "netns", "exec", &space.name])
        .start();
    assert_eq!(proxy.addr(), at(FORWARD));
    assert_eq!(proxy.listener("admin"), at(ADMIN));
    assert_eq!(proxy.listeners()[0].1, "forward");
    // A site of the namespace's own that is neither loopback nor link-local.
    space.sh("ip addr add 10.78.0.1/32 dev lo");
    let listener = space.within(|| TcpListener::bind("10.78.0.1:80").unwrap());
    let origin = Origin::on(listener, |conn| {
        conn.answer_all(&|_| reply(200, &["Cache-Control: max-age=60"], "site"))
    });
    space.within(|| {
        get(at(FORWARD), "http://10.78.0.1/", "10.78.0.1", "")
            .expect(200)
            .expect_body("site");
        get(at(FORWARD), "http://10.78.0.1/", "10.78.0.1", "")
            .expect(200)
            .expect_hit();
        get(at(FORWARD), "http://127.0.0.1/", "127.0.0.1", "").expect(403);
        get(at(ADMIN), "/readyz", "x", "Connection: close\r\n").expect(200);
    });
    assert_eq!(origin.count(), 1);
    // What it had to say is there when it has ended.
    proxy.signal(Signal::TERM);
    assert_eq!(proxy.wait_exit(), Some(0));
    assert!(proxy.stdout.wait_end(PATIENCE));
    assert!(proxy.stdout.all().is_empty(), "the access log is off");
}

#[test]
fn an_admin_port_nobody_chose_may_be_taken() {
    let space = Namespace::new("a");
    let _taken = space.within(|| TcpListener::bind(ADMIN).unwrap());
    let proxy = Launch::command("run")
        .behind(&["ip", "netns", "exec", &space.name])
        .start();
    assert!(proxy.listeners().iter().all(|l| l.1 != "admin"));
    assert!(
        proxy.stderr.text().contains("3130"),
        "nothing was said:\n{}",
        proxy.stderr.text()
    );
    space.within(|| get(at(FORWARD), "/proxy.pac", FORWARD, "").expect(200));
}

#[test]
fn to_alone_listens_where_a_forward_proxy_would() {
    let space = Namespace::new("t");
    let listener = space.within(|| TcpListener::bind("127.0.0.1:8080").unwrap());
    let _origin = Origin::on(listener, |conn| {
        conn.answer_all(&|_| reply(200, &[], "site"))
    });
    let proxy = Launch::command("run")
        .arg("--to")
        .arg("http://127.0.0.1:8080")
        .behind(&["ip", "netns", "exec", &space.name])
        .start();
    assert_eq!(
        (proxy.addr(), proxy.listeners()[0].1.as_str()),
        (at(FORWARD), "reverse")
    );
    space.within(|| {
        get(at(FORWARD), "/", "site.test", "")
            .expect(200)
            .expect_body("site")
    });
}

#[test]
fn the_admin_may_be_a_unix_socket() {
    let launch = Launch::bare();
    let path = launch.dir().join("admin.sock");
    let proxy = launch
        .arg("--admin")
        .arg(format!("unix:{}", path.display()))
        .start();
    let mut admin = UnixStream::connect(&path).unwrap();
    admin
        .write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    admin.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
    drop(proxy);
}

#[test]
fn ipv6_on_both_sides() {
    let origin = Origin::on(TcpListener::bind("[::1]:0").unwrap(), |conn| {
        conn.answer_all(&|r| reply(200, &["Cache-Control: max-age=60"], r.get("host").unwrap()));
    });
    let proxy = Launch::forward().arg("--listen").arg("[::1]:0").start();
    let host = origin.addr.to_string();
    for _ in 0..2 {
        get(proxy.addr(), &format!("http://{host}/"), &host, "")
            .expect(200)
            .expect_body(&host);
    }
    assert_eq!(origin.count(), 1);
    let proxy = Launch::bare()
        .arg("--to")
        .arg(format!("http://{host}"))
        .start();
    get(proxy.addr(), "/", "site.test", "")
        .expect(200)
        .expect_body("site.test");
}

#[test]
fn the_address_dialled_is_what_counts_not_the_name() {
    let space = Namespace::new("n");
    space.sh("ip addr add 10.78.0.1/32 dev lo");
    space.etc("hosts", "127.0.0.1 localhost inner.test\n::1 inner.test\n127.0.0.1 mixed.test\n10.78.0.1 mixed.test outer.test\n");
    space.etc(
        "resolv.conf",
        "nameserver 127.0.0.1\noptions timeout:1 attempts:1\n",
    );
    let serving = |address: &'static str| {
        let listener = space.within(|| TcpListener::bind((address, 80)).unwrap());
        Origin::on(listener, move |conn| {
            conn.answer_all(&|_| reply(200, &["Cache-Control: no-store"], address));
        })
    };
    let (inner, _outer) = (serving("127.0.0.1"), serving("10.78.0.1"));
    let _proxy = Launch::command("run")
        .behind(&["ip", "netns", "exec", &space.name])
        .start();
    space.within(|| {
        let ask = |host: &str| get(at(FORWARD), &format!("http://{host}/"), host, "");
        ask("outer.test").expect(200).expect_body("10.78.0.1");
        ask("inner.test").expect(403);
        // A name with addresses of both kinds leads to the one that is allowed, or nowhere.
        let mixed = ask("mixed.test");
        assert!(
            mixed.status == 403 || mixed.text() == "10.78.0.1",
            "{}",
            mixed.head.text()
        );
    });
    assert_eq!(inner.connections(), 0);
}
