//! An interrupt at any stage leaves nothing behind that the run has started.
#![allow(clippy::unwrap_used)]

use rustix::process::{Pid, Signal, kill_process, test_kill_process};
use std::{
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

const WORKLOAD: &str = r#"
name = "least"

[[content]]
name = "page"
bodies = "text"
direct = 1
size = { exp = 8704 }
cachable = 0.9
life = { length = { constant = 604800 } }

[demand]
robot_rate = 0.4
peak = 1
recurrence = 0.5
popularity = { zipf = { exponent = 0.8 } }
working_set = 600

[connections]
robot = { zipf = 64 }
robot_open = 4
server = { zipf = 16 }

[[phases]]
name = "top"
seconds = 600
from = 1
to = 1
measured = true
"#;

#[test]
fn a_proxy_that_is_only_starting_ends_with_the_interrupted_run() {
    let directory = tempfile::tempdir().unwrap();
    let workload = directory.path().join("least.toml");
    std::fs::write(&workload, WORKLOAD).unwrap();
    // Bound and not listening: nobody else can take it meanwhile.
    let held = tokio::net::TcpSocket::new_v4().unwrap();
    held.bind(([127, 0, 0, 1], 0).into()).unwrap();
    let proxy = held.local_addr().unwrap().to_string();
    let number = directory.path().join("pid");
    // It never listens.
    let start = format!(
        "sh -c 'echo $$ > {0}.new; mv {0}.new {0}; exec sleep 600'",
        number.display()
    );
    let mut bed = Command::new(env!("CARGO_BIN_EXE_understudy-bed"))
        .args(["run", workload.to_str().unwrap(), "--proxy", &proxy])
        .args(["--start", &start])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let began = Instant::now();
    let started = loop {
        match std::fs::read_to_string(&number) {
            Ok(text) => break Pid::from_raw(text.trim().parse().unwrap()).unwrap(),
            Err(_) => assert!(bed.try_wait().unwrap().is_none(), "it ended by itself"),
        }
        if began.elapsed() > Duration::from_secs(60) {
            bed.kill().unwrap();
            panic!("it does not start the proxy");
        }
        sleep(Duration::from_millis(10));
    };
    kill_process(
        Pid::from_raw(bed.id().try_into().unwrap()).unwrap(),
        Signal::INT,
    )
    .unwrap();
    let ended = bed.wait_with_output().unwrap();
    let said = String::from_utf8(ended.stderr).unwrap();
    assert_eq!(ended.status.code(), Some(2), "{said}");
    assert!(said.contains("interrupted"), "{said}");
    assert!(test_kill_process(started).is_err(), "it still runs");
}
