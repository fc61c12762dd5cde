//! Origin, proxy and robots each on a host of its own, as far as one machine has them: network namespaces with an address each, on one
//! bridge, and an origin whose clock is seconds from that of the others. Needs root.
#![allow(clippy::unwrap_used)]

#[path = "robots/proxy.rs"]
#[allow(
    dead_code,
    reason = "of all that it can do wrong nothing is wanted here"
)]
mod proxy;

use proxy::{Lie, start_at};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{BufRead, BufReader},
    path::Path,
    process::{Child, ChildStdout, Command, Stdio},
};
use understudy_bed::record::Results;
use understudy_testbed::netns::Namespace;

const ORIGIN: &str = "10.88.0.1";
const PROXY: &str = "10.88.0.2";
const ROBOTS: &str = "10.88.0.3";

/// Objects live for two seconds, less than clocks differ by: whoever compares dates of two clocks finds all stale, or all fresh.
const WORKLOAD: &str = r#"
name = "apart"
[[content]]
name = "text"
bodies = "text"
direct = 1
size = { exp = 6000 }
cachable = 0.8
life = { length = { constant = 2 } }
[demand]
robot_rate = 2
peak = 40
recurrence = 0.7
popularity = { uniform = {} }
working_set = 10
[types]
ims200 = 0.05
ims304 = 0.1
reload = 0.1
[connections]
robot = { zipf = 16 }
robot_open = 4
server = { constant = 1000 }
[[phases]]
name = "only"
seconds = 6
from = 1
to = 1
measured = true
"#;

/// Three hosts on one bridge, which is in a namespace of its own.
struct Net {
    origin: Namespace,
    proxy: Namespace,
    robots: Namespace,
    _bridge: Namespace,
}

fn net() -> Net {
    let bridge = Namespace::new("b");
    bridge.sh("ip link add br0 type bridge; ip link set br0 up");
    let host = |kind, address| {
        let host = Namespace::new(kind);
        let (name, to) = (&host.name, format!("to-{kind}"));
        bridge.sh(&format!(
            "ip link add {to} type veth peer name eth0 netns {name}; ip link set {to} master br0 up"
        ));
        host.sh(&format!(
            "ip addr add {address}/24 dev eth0; ip link set eth0 up"
        ));
        host
    };
    Net {
        origin: host("o", ORIGIN),
        proxy: host("p", PROXY),
        robots: host("r", ROBOTS),
        _bridge: bridge,
    }
}

/// `understudy-bed` on a host.
fn bed(host: &Namespace, words: &[&str]) -> Command {
    let mut command = Command::new("ip");
    command
        .args(["netns", "exec", &host.name])
        .arg(env!("CARGO_BIN_EXE_understudy-bed"))
        .args(words);
    command
}

/// An origin that runs until this is dropped.
struct Origin {
    child: Child,
    /// Kept, for it tells what it did at its end.
    _said: BufReader<ChildStdout>,
}

impl Origin {
    fn start(host: &Namespace, workload: &Path, ahead: &str) -> Origin {
        let workload = workload.to_str().unwrap();
        let listen = format!("{ORIGIN}:8090");
        let words = ["origin", workload, "--listen", &listen, "--ahead", ahead];
        let mut child = bed(host, &words).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        let mut said = BufReader::new(child.stdout.take().unwrap());
        said.read_line(&mut line).unwrap();
        assert_eq!(line, format!("origin: http://{listen}/\n"));
        Origin { child, _said: said }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // `ip netns exec` becomes the command, so its process is the origin's.
        let pid = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        let _ = kill_process(pid, Signal::TERM);
        let _ = self.child.wait();
    }
}

#[test]
fn hosts_whose_clocks_differ_by_seconds_make_no_fault() {
    let net = net();
    let dir = tempfile::tempdir().unwrap();
    let workload = dir.path().join("apart.toml");
    std::fs::write(&workload, WORKLOAD).unwrap();
    let origin = format!("{ORIGIN}:8090");
    let proxy = format!("{PROXY}:3128");
    for ahead in ["7", "-7"] {
        let _origin = Origin::start(&net.origin, &workload, ahead);
        // A fresh store: objects of the run before have the same names.
        let port = if ahead == "7" { "3128" } else { "3129" };
        let proxy = proxy.replace("3128", port);
        let _proxy = net.proxy.within(|| start_at(Lie::Stores, &proxy));
        let out = dir.path().join(port);
        let words = [
            "robots",
            workload.to_str().unwrap(),
            "--origin",
            &origin,
            "--proxy",
            &proxy,
            "--cache",
            "1g",
            "--out",
            out.to_str().unwrap(),
        ];
        let run = bed(&net.robots, &words).output().unwrap();
        let said = String::from_utf8_lossy(if run.stdout.is_empty() {
            &run.stderr
        } else {
            &run.stdout
        });
        let results = Results::read(&out.join("results.json"));
        let total = results.unwrap_or_else(|e| panic!("{e}: {said}")).total;
        assert!(total.faults.is_empty(), "{ahead}: {said}");
        // Neither all was stale nor all fresh, and it went over the network.
        assert!(total.sources.hit.documents > 20, "{ahead}: {said}");
        assert!(total.sources.hit.documents < total.requests / 2, "{said}");
        assert!(total.origin.unwrap().requests > 50, "{ahead}: {said}");
    }
}
