//! Transparent mode for real: a client, a router that runs the proxy, and servers, each in a network namespace of its own.
//! The rules and the listeners are those of `docs/transparent.md`, read from it. Needs root.
#![allow(clippy::unwrap_used)]

use std::net::{SocketAddr, TcpListener};
use understudy_testbed::{
    Client, Launch, Origin, Proxy, Response,
    modules::{compiled, patient},
    netns::{Namespace, join},
    reply,
};

/// The two servers, and names for them that the router knows.
const ONE: &str = "10.77.2.2";
const TWO: &str = "10.77.2.3";
const CLIENT: &str = "10.77.1.2";

struct Net {
    proxy: Proxy,
    one: Origin,
    two: Origin,
    client: Namespace,
    _router: Namespace,
    _servers: Namespace,
}

/// The fenced blocks of this language under the heading, up to the next heading of any level.
fn blocks(heading: &str, language: &str) -> Vec<String> {
    let doc = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../docs/transparent.md"
    ))
    .unwrap();
    let section = doc
        .split("\n#")
        .find(|s| s.trim_start_matches('#').trim_start().starts_with(heading))
        .unwrap_or_else(|| panic!("no section {heading}"));
    let parts: Vec<String> = section
        .split("```")
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect();
    parts
        .iter()
        .filter_map(|p| p.strip_prefix(&format!("{language}\n")))
        .map(str::to_owned)
        .collect()
}

/// Builds the network, applies the document's rules and starts its listener.
#[track_caller]
fn net(rules: &str, listener: &str) -> Net {
    net_with(rules, listener, "")
}

/// The same with these tables of modules.
#[track_caller]
fn net_with(rules: &str, listener: &str, modules: &str) -> Net {
    let (client, router, servers) = (
        Namespace::new("c"),
        Namespace::new("r"),
        Namespace::new("s"),
    );
    join(
        (&client, "eth0", "10.77.1.2/24"),
        (&router, "lan0", "10.77.1.1/24"),
    );
    join(
        (&router, "wan0", "10.77.2.1/24"),
        (&servers, "eth0", "10.77.2.2/24"),
    );
    servers.sh("ip addr add 10.77.2.3/24 dev eth0; ip route add default via 10.77.2.1");
    client.sh("ip route add default via 10.77.1.1");
    router.sh("sysctl -qw net.ipv4.ip_forward=1");
    router.etc(
        "hosts",
        &format!("127.0.0.1 localhost\n{ONE} one.test\n{TWO} two.test\n"),
    );
    // Nobody answers there: names other than those above do not resolve, and quickly so.
    router.etc(
        "resolv.conf",
        &format!("nameserver {ONE}\noptions timeout:1 attempts:1\n"),
    );
    for block in blocks(rules, "nft") {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), block).unwrap();
        router.sh(&format!("nft -f {}", file.path().display()));
    }
    for block in blocks(rules, "sh") {
        router.sh(&block);
    }
    let listen = blocks(listener, "toml")
        .pop()
        .expect("the section has a listener");
    let proxy = Launch::bare()
        .config(&format!(
            "{listen}\n[timeouts]\nconnect = \"20s\"\n{}\n",
            patient(modules)
        ))
        .behind(&["ip", "netns", "exec", &router.name])
        .start();
    let server = |address: &'static str, name: &'static str| {
        let listener = servers.within(|| TcpListener::bind((address, 80)).unwrap());
        Origin::on(listener, move |conn| {
            let from = conn.wire.stream.peer_addr().unwrap().ip();
            conn.answer_all(&move |r| {
                reply(
                    200,
                    &["Cache-Control: max-age=60", &format!("X-From: {from}")],
                    format!("{name} {}", r.target),
                )
            });
        })
    };
    let (one, two) = (server(ONE, "one"), server(TWO, "two"));
    Net {
        proxy,
        one,
        two,
        client,
        _router: router,
        _servers: servers,
    }
}

impl Net {
    #[track_caller]
    fn get(&self, to: &str, host: &str, path: &str) -> Response {
        let address: SocketAddr = format!("{to}:80").parse().unwrap();
        let mut client = self.client.within(|| Client::to(address));
        client.ask(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }
}

/// What every way of interception must do.
#[track_caller]
fn serves(net: &Net, seen_from: &str) {
    let first = net
        .get(ONE, "one.test", "/a")
        .expect(200)
        .expect_body("one /a");
    assert_eq!(first.get("x-from"), Some(seen_from));
    assert_eq!(net.one.last().get("host"), Some("one.test"));
    net.get(ONE, "one.test", "/a")
        .expect_hit()
        .expect_body("one /a");
    net.get(TWO, "two.test", "/a")
        .expect(200)
        .expect_body("two /a");
    // An address for a name agrees with itself.
    net.get(ONE, ONE, "/b").expect_body("one /b");
    net.get(ONE, ONE, "/b").expect_hit().expect_body("one /b");
    assert_eq!((net.one.count(), net.two.count()), (2, 1));
}

/// A Host that is not the destination's: fetched from the destination, and never stored under that name.
#[track_caller]
fn keeps_names_apart(net: &Net) {
    for _ in 0..2 {
        let lied = net
            .get(TWO, "one.test", "/x")
            .expect(200)
            .expect_body("two /x");
        assert!(!lied.is_hit() && !lied.is_stored(), "{}", lied.head.text());
    }
    net.get(ONE, "one.test", "/x").expect_body("one /x");
    // And what is stored under the name is not given to one who dialled elsewhere.
    net.get(ONE, "one.test", "/x").expect_hit();
    net.get(TWO, "one.test", "/x").expect_body("two /x");
    // Nor thrown away by him, while its own origin may do so.
    for (to, stays) in [(TWO, true), (ONE, false)] {
        let address: SocketAddr = format!("{to}:80").parse().unwrap();
        net.client
            .within(|| Client::to(address))
            .ask("POST /x HTTP/1.1\r\nHost: one.test\r\nContent-Length: 0\r\n\r\n")
            .expect(200);
        assert_eq!(net.get(ONE, "one.test", "/x").is_hit(), stays, "{to}");
    }
    // A name that does not resolve agrees with nothing.
    for _ in 0..2 {
        let unknown = net
            .get(ONE, "unknown.test", "/y")
            .expect(200)
            .expect_body("one /y");
        assert!(!unknown.is_hit(), "{}", unknown.head.text());
    }
    // An absolute target is no way around it.
    let address: SocketAddr = format!("{TWO}:80").parse().unwrap();
    let mut client = net.client.within(|| Client::to(address));
    client.ask("GET http://one.test/z HTTP/1.1\r\nHost: one.test\r\n\r\n");
    net.get(ONE, "one.test", "/z").expect_body("one /z");
}

/// Dialling the listener itself leads nowhere, and not round and round.
#[track_caller]
fn is_no_open_relay(net: &Net) {
    let address: SocketAddr = "10.77.1.1:3129".parse().unwrap();
    let answer = net.client.within(|| {
        let Ok(stream) = std::net::TcpStream::connect(address) else {
            return String::new();
        };
        let mut wire = understudy_testbed::wire::Wire::new(stream);
        wire.send(b"GET / HTTP/1.1\r\nHost: one.test\r\nConnection: close\r\n\r\n");
        String::from_utf8_lossy(&wire.rest()).into_owned()
    });
    let refused =
        answer.is_empty() || answer.starts_with("HTTP/1.1 4") || answer.starts_with("HTTP/1.1 5");
    assert!(refused, "{answer}");
}

#[test]
fn redirect() {
    let net = net("Redirect", "Redirect");
    assert_eq!(net.proxy.listeners()[0].1, "transparent");
    serves(&net, "10.77.2.1");
    keeps_names_apart(&net);
    is_no_open_relay(&net);
}

#[test]
fn tproxy() {
    let net = net("TPROXY", "TPROXY");
    serves(&net, "10.77.2.1");
    keeps_names_apart(&net);
    is_no_open_relay(&net);
}

#[test]
fn tproxy_keeping_the_client_s_address() {
    let net = net("TPROXY", "Keeping the client's address");
    serves(&net, CLIENT);
    keeps_names_apart(&net);
    is_no_open_relay(&net);
}

#[test]
fn a_module_leads_to_another_host_by_its_name() {
    let dir = tempfile::tempdir().unwrap();
    let library = compiled("leads", dir.path());
    let module = format!(
        "[[module]]\nname = \"leads\"\nlibrary = \"{}\"\n[module.options]\nto = \"http://two.test/there\"",
        library.display()
    );
    let net = net_with("Redirect", "Redirect", &module);
    net.get(ONE, "one.test", "/led").expect_body("two /there");
    assert_eq!(net.two.last().get("host"), Some("two.test"));
    // No client's word is in it, so what comes is for all.
    let shared = net.get(ONE, "unknown.test", "/led");
    shared.expect_hit().expect_body("two /there");
    net.get(TWO, "two.test", "/there").expect_hit();
    assert_eq!((net.one.count(), net.two.count()), (0, 1));
}

#[test]
fn advertisements_are_hits_for_intercepted_clients() {
    for runtime in ["inline", "threads", "process"] {
        let module = format!(
            "[[module]]\nname = \"ads\"\nlibrary = \"builtin:ad-remover\"\nruntime = \"{runtime}\"\n\
             deadline = \"60s\"\n[module.options]\nrules = [\"||one.test/banners/\"]"
        );
        let net = net_with("Redirect", "Redirect", &module);
        // The first may come before the blanks are stored.
        let first = net.get(ONE, "one.test", "/banners/a.gif").expect(200);
        assert!(first.body.starts_with(b"GIF89a"), "{runtime}");
        let ads = || net.get(ONE, "one.test", "/banners/b.gif").expect(200);
        let end = std::time::Instant::now() + understudy_testbed::PATIENCE;
        while !ads().is_hit() {
            assert!(std::time::Instant::now() < end, "{runtime}: no hit");
        }
        // Also where the name is nobody's.
        net.get(TWO, "ads.doubleclick.net", "/c.gif").expect_hit();
        net.get(ONE, "one.test", "/a.gif").expect_body("one /a.gif");
        assert_eq!((net.one.count(), net.two.count()), (1, 0), "{runtime}");
    }
}

#[test]
fn a_destination_without_a_server_is_a_gateway_error() {
    let net = net("Redirect", "Redirect");
    net.get("10.77.2.1", "one.test", "/")
        .status
        .checked_sub(400)
        .expect("an error");
    let status = net.get("10.77.2.9", "one.test", "/").status;
    assert!(matches!(status, 502..=504), "{status}");
}

#[test]
fn the_router_s_own_loopback_is_out_of_reach() {
    let net = net("Redirect", "Redirect");
    // The admin listener is on the router's loopback; neither Host nor target may lead there.
    let admin = net.proxy.listener("admin");
    let page = net
        .get(ONE, &admin.to_string(), "/status")
        .expect(200)
        .expect_body("one /status");
    assert!(!page.is_stored(), "{}", page.head.text());
}

#[test]
fn other_ports_pass_the_router_untouched() {
    let net = net("Redirect", "Redirect");
    let listener = net
        ._servers
        .within(|| TcpListener::bind((ONE, 8080)).unwrap());
    let other = Origin::on(listener, |conn| {
        conn.send(conn.wire.stream.peer_addr().unwrap().ip().to_string());
    });
    let seen = net.client.within(|| Client::to(other.addr).rest());
    assert_eq!(seen, CLIENT.as_bytes());
}
