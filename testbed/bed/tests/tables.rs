//! `understudy-bed table5` and `table6` against a real proxy, for seconds.
#![allow(clippy::unwrap_used)]

use std::{path::Path, process::Command};

/// Runs a table; its text, and what was told meanwhile.
fn table(name: &str, workload: &Path, more: &[&str]) -> (String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_understudy-bed"))
        .args([name, "--proxy-command"])
        .arg(understudy_testbed::proxy::binary())
        .arg("--workload")
        .arg(workload)
        .args(["--rate", "20", "--seconds", "2", "--warm", "1"])
        .args(more)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    // A debug build beside other tests may well be too slow for its figures to count.
    assert!(matches!(output.status.code(), Some(0 | 3)), "{told}");
    (String::from_utf8(output.stdout).unwrap(), told)
}

/// A workload of small texts, some of them stored, from an origin that does not think.
fn workload(dir: &Path) -> std::path::PathBuf {
    let text = include_str!("../workloads/real.toml");
    // Without the photographs, which take long to make in a debug build.
    let (head, rest) = text.split_once("[[content]]").unwrap();
    let (_, rest) = rest.split_once("[[content]]").unwrap();
    let text = format!("{head}[[content]]{rest}")
        .replace("cachable = 0", "cachable = 0.8")
        .replace("recurrence = 0.0", "recurrence = 0.7");
    let path = dir.join("small.toml");
    std::fs::write(&path, text).unwrap();
    path
}

/// The values of a figure in a model.
fn values(table: &str, figure: &str, model: &str) -> Vec<String> {
    let mut lines = table.lines().skip_while(|l| !l.starts_with(figure));
    let line = lines.find(|l| l.contains(model)).unwrap();
    let values = line.split(model).nth(1).unwrap().split_whitespace();
    values.map(str::to_owned).collect()
}

#[test]
fn table_5_measures_each_column_on_a_proxy_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("out");
    let more = ["--columns", "api,headers", "--models", "inline", "--out"];
    let more = [&more[..], &[out.to_str().unwrap()]].concat();
    let (table, told) = table("table5", &workload(dir.path()), &more);
    let measured = |figure| values(&table, figure, "inline");
    for figure in ["Throughput", "Hit time", "Hit ratio", "Processor time"] {
        let values = measured(figure);
        assert_eq!([&values[0], &values[2], &values[4]], ["-"; 3], "{table}");
        for value in [&values[1], &values[3]] {
            assert!(
                value.parse::<f64>().unwrap() > 0.0,
                "{figure}: {table}\n{told}"
            );
        }
    }
    assert_eq!(measured("Faults")[1], "0", "{table}\n{told}");
    assert_eq!(measured("Faults")[3], "0", "{table}\n{told}");
    assert!(table.contains("- Add headers, inline: hits "), "{table}");
    assert_eq!(out.read_dir().unwrap().count(), 2);
}

#[test]
fn table_6_judges_what_modules_make() {
    let dir = tempfile::tempdir().unwrap();
    let more = [
        "--columns",
        "ads,text95",
        "--models",
        "threads",
        "--saturating",
        "50",
    ];
    let (table, told) = table("table6", &workload(dir.path()), &more);
    let adapted = values(&table, "Adapted", "threads");
    assert_eq!(adapted[1], "-", "the ad remover adapts nothing: {table}");
    assert!(adapted[6].parse::<f64>().unwrap() > 0.0, "{table}\n{told}");
    for column in [1, 6] {
        assert_eq!(
            values(&table, "Faults", "threads")[column],
            "0",
            "{table}\n{told}"
        );
    }
    assert!(table.contains("the loads are 39.5 and 50.0"), "{table}");
}

#[test]
fn what_is_no_load_is_refused() {
    for (arguments, part) in [
        (["--rate", "0"], "--rate 0 must be above 0"),
        (["--seconds", "0"], "--seconds"),
        (["--workload", "nothing"], "there is no workload"),
        (["--proxy-command", "'open"], "quotes do not close"),
        (["--proxy-command", "/nowhere/proxy"], "/nowhere/proxy"),
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_understudy-bed"));
        let output = command.arg("table5").args(arguments).output().unwrap();
        let told = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{told}");
        assert!(told.contains(part), "{told}");
    }
}
