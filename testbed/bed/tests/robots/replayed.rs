//! A log driven again, over sockets.

use super::{
    Results,
    proxy::{Lie, start},
};
use std::process::Command;

#[test]
fn a_log_is_asked_again_of_the_testbeds_own_origin_and_nobody_else() {
    let proxy = start(Lie::Stores);
    let directory = tempfile::tempdir().unwrap();
    let out = directory.path().join("out");
    let log = concat!(env!("CARGO_MANIFEST_DIR"), "/samples/squid.log");
    let done = Command::new(env!("CARGO_BIN_EXE_understudy-bed"))
        .args([
            "replay",
            log,
            "--proxy",
            &proxy.address.to_string(),
            "--out",
        ])
        .arg(&out)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&done.stderr).into_owned();
    let said = String::from_utf8_lossy(&done.stdout).into_owned();
    // A debug build beside other tests may well be late.
    assert!(matches!(done.status.code(), Some(0 | 3)), "{told}{said}");
    assert!(told.contains("300 lines: 296 used"), "{told}");
    let total = Results::read(&out.join("results.json")).unwrap().total;
    assert!(total.faults.is_empty(), "{:?}", total.faults);
    assert_eq!(total.requests + total.aborted, 296);
    assert!(total.sources.hit.documents > 20, "{said}");
    // The log's hosts are www.example and the like.
    for text in proxy.heard.lock().unwrap().iter() {
        assert!(text.contains(" http://127.0.0.1:"), "{text}");
    }
    assert!(out.join("workload.toml").exists() && out.join("report.html").exists());
}

#[test]
fn the_help_of_a_replay_says_whom_it_asks() {
    let done = Command::new(env!("CARGO_BIN_EXE_understudy-bed"))
        .args(["replay", "--help"])
        .output()
        .unwrap();
    let help = String::from_utf8(done.stdout).unwrap();
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(
        help.contains("becomes an object of the testbed's own origin"),
        "{help}"
    );
}
