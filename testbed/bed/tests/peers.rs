//! `understudy-bed peer`: a cache to be measured stores what it may, gives way to `no-cache`, and ends without a trace.
#![allow(clippy::unwrap_used)]

use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};
use understudy_bed::{
    content::Library,
    origin,
    seed::Seed,
    workload::Workload,
    world::{Object, World},
};

/// An origin whose texts may be stored, and a path of one.
fn origin() -> (origin::Running, SocketAddr, String) {
    let text = include_str!("../workloads/real.toml").replace("cachable = 0", "cachable = 1");
    let workload = Arc::new(Workload::parse(&text).unwrap());
    let world = World::new(workload.clone(), Seed(1), 1_700_000_000);
    let kind = workload.kind("texts").unwrap();
    let path = world.path(Object { kind, id: 1 });
    let library = Arc::new(Library::lazy(Seed(1)));
    let running = origin::start(origin::Config::new(world, library)).unwrap();
    let address = running.addresses()[0];
    (running, address, path)
}

/// The head of the answer to this request.
fn head(proxy: SocketAddr, target: &str, host: SocketAddr, fields: &str) -> String {
    let mut stream = TcpStream::connect(proxy).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    write!(
        stream,
        "GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\nX-Bed-Request: 7\r\n{fields}\r\n"
    )
    .unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let text = String::from_utf8_lossy(&answer);
    text.split("\r\n\r\n").next().unwrap().to_ascii_lowercase()
}

/// A peer under way, which ends with the test whatever comes of that.
struct Peer(Child);

impl Peer {
    fn end(&mut self) -> Option<i32> {
        if let Ok(None) = self.0.try_wait() {
            let pid = Pid::from_raw(i32::try_from(self.0.id()).unwrap()).unwrap();
            kill_process(pid, Signal::TERM).unwrap();
        }
        self.0.wait().unwrap().code()
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        self.end();
    }
}

/// Starts a peer, whose directories are within `dir`.
fn peer(name: &str, origin: SocketAddr, more: &[&str], dir: &Path) -> (Peer, SocketAddr) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let child = Peer(
        Command::new(env!("CARGO_BIN_EXE_understudy-bed"))
            .args(["peer", name, "--port", &address.port().to_string()])
            .args(["--origin", &origin.to_string(), "--cache", "64M"])
            .args(more)
            .env("TMPDIR", dir)
            .stdin(Stdio::null())
            .spawn()
            .unwrap(),
    );
    let until = Instant::now() + Duration::from_secs(60);
    while TcpStream::connect(address).is_err() {
        assert!(Instant::now() < until, "{name} does not listen");
        std::thread::sleep(Duration::from_millis(20));
    }
    (child, address)
}

#[test]
fn a_peer_stores_gives_way_to_no_cache_and_ends_without_a_trace() {
    let binary = understudy_testbed::proxy::binary().display().to_string();
    let understudy = ["--program", &binary];
    let backwards = ["--mode", "reverse", "--program", &binary];
    for (name, more, forward) in [
        ("nginx", &[][..], false),
        ("varnish", &[], false),
        ("squid", &[], true),
        ("squid", &["--mode", "reverse"], false),
        ("trafficserver", &[], true),
        ("trafficserver", &["--mode", "reverse"], false),
        ("understudy", &understudy[..], true),
        ("understudy", &backwards[..], false),
    ] {
        let (running, origin, path) = origin();
        let dir = tempfile::tempdir().unwrap();
        let (mut child, proxy) = peer(name, origin, more, dir.path());
        let (target, host) = match forward {
            true => (format!("http://{origin}{path}"), origin),
            false => (path, proxy),
        };
        let asked = |fields| {
            let head = head(proxy, &target, host, fields);
            assert!(head.starts_with("http/1.1 200"), "{name}: {head}");
            running.statistics().requests
        };
        // Some answer before their cache is open, or before what they store is whole.
        let until_hit = || {
            let until = Instant::now() + Duration::from_secs(30);
            let mut before = asked("");
            loop {
                let now = asked("");
                if now == before {
                    return now;
                }
                before = now;
                assert!(Instant::now() < until, "{name} stores nothing");
            }
        };
        let before = until_hit();
        let reload = "Cache-Control: no-cache\r\nPragma: no-cache\r\n";
        assert_eq!(asked(reload), before + 1, "{name}");
        until_hit();
        let process = child.0.id();
        assert_eq!(child.end(), Some(0), "{name}");
        let shared = format!("bed{process}x");
        for entry in Path::new("/dev/shm").read_dir().unwrap() {
            let entry = entry.unwrap().file_name();
            assert!(!entry.to_string_lossy().starts_with(&shared), "{entry:?}");
        }
        let left: Vec<PathBuf> = dir
            .path()
            .read_dir()
            .unwrap()
            .map(|e| e.unwrap().path())
            .collect();
        assert!(left.is_empty(), "{name}: {left:?}");
        assert!(TcpStream::connect(proxy).is_err(), "{name} still listens");
        running.stop();
    }
}

#[test]
fn what_cannot_be_is_refused_with_its_cure() {
    for (arguments, part) in [
        (
            &[
                "nginx",
                "--port",
                "1",
                "--mode",
                "forward",
                "--origin",
                "127.0.0.1:1",
            ][..],
            "--mode reverse",
        ),
        (&["varnish", "--port", "1"], "--origin"),
        (
            &["squid", "--port", "1", "--cache", "many"],
            "say 268435456 or 256M",
        ),
        (
            &["squid", "--port", "1", "--cache", "0"],
            "say 268435456 or 256M",
        ),
        (
            &["squid", "--port", "1", "--program", "/nowhere/squid"],
            "is it installed?",
        ),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_understudy-bed"));
        let output = command.arg("peer").args(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(part), "{told}");
    }
}
