//! `understudy-bed ab` with two real proxies: each pair asks both the same, and the comparison is of what they did.
#![allow(clippy::unwrap_used)]

use std::{
    net::{TcpListener, TcpStream},
    path::Path,
    process::Command,
};
use understudy_bed::record::Results;

const WORKLOAD: &str = r#"
name = "pairs"

[[content]]
name = "page"
bodies = "text"
direct = 1
size = { exp = 4000 }
cachable = 0.8
life = { length = { constant = 604800 } }

[demand]
robot_rate = 2
peak = 40
recurrence = 0.7
popularity = { uniform = {} }
working_set = 10

[connections]
robot = { zipf = 16 }
robot_open = 4
server = { zipf = 16 }

[[phases]]
name = "top"
seconds = 3
from = 1
to = 1
measured = true
"#;

#[test]
fn two_proxies_are_asked_the_same_in_pairs_and_compared() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    std::fs::write(path("pairs.toml"), WORKLOAD).unwrap();
    let free = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap();
    drop(free);
    let understudy = understudy_testbed::proxy::binary().display();
    let bed = env!("CARGO_BIN_EXE_understudy-bed");
    let a = format!("{understudy} run --listen {{proxy}} --allow-to 127.0.0.0/8");
    let b = format!("{bed} peer understudy --port {{port}} --cache 16M --program {understudy}");
    let done = Command::new(bed)
        .arg("ab")
        .arg(path("pairs.toml"))
        .args(["--proxy", &address.to_string(), "--pairs", "2"])
        .args(["--a", &a, "--b", &b, "--b-name", "as a peer", "--out"])
        .arg(path("out"))
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    let text = String::from_utf8(done.stdout).unwrap();
    // A debug build beside other tests may well be too slow for its figures to count.
    assert!(matches!(done.status.code(), Some(0 | 3)), "{told}{text}");
    assert!(text.contains("hit ratio"), "{text}");
    let page = std::fs::read_to_string(path("out/pairs.html")).unwrap();
    assert!(page.contains("A: understudy<br>B: as a peer"), "{page}");
    let results = |name: &str| {
        let directory = path("out").join(name);
        assert!(Path::new(&directory).join("report.html").exists());
        Results::read(&directory.join("results.json")).unwrap()
    };
    for (pair, seed) in [("01", 1), ("02", 2)] {
        let [a, b] = ["a", "b"].map(|side| results(&format!("{pair}-{side}")));
        for r in [&a, &b] {
            assert_eq!(r.identity.seed, seed);
            assert_eq!(r.total.failures(), 0, "{:?}", r.total.faults);
            assert!(r.total.sources.hit.documents > 10);
            assert!(r.total.proxy.unwrap().memory > 0);
        }
        // Nothing is embedded here, so which requests there are does not depend on the proxy.
        assert_eq!(a.total.requests, b.total.requests);
        assert_eq!(a.identity.digest, b.identity.digest);
        assert_eq!(a.identity.options, b.identity.options);
    }
    assert!(TcpStream::connect(address).is_err(), "a proxy still runs");
}
