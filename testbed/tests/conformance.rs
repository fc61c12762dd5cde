//! The public HTTP cache test suite (npm `http-cache-tests`, whose code is not ours) against the program, as a reverse and as a
//! forward proxy: every test that it calls required or optimal is passed, or stands in `conformance/exceptions` with the sentence
//! that says otherwise. What is listed there and passes fails the run, so the list only shrinks.
//!
//! The suite is installed once, into the target directory, and needs no network from then on. It runs its tests side by side and
//! has waits of three seconds in many; a mode takes about 14 seconds, most of them idle. `CACHE_TESTS`, a directory with the suite's
//! sources and their dependencies installed, runs these instead (about 52 seconds).
#![allow(clippy::unwrap_used)]

use serde_json::Value;
use std::{
    collections::BTreeMap,
    fmt::Write as _,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
    sync::OnceLock,
};
use understudy_testbed::{
    Launch,
    programs::{Background, LONG, run_within},
};

/// What a proxy can run of the release, by its kind.
const RELEASE: [(&str, u64); 2] = [("required", 157), ("optimal", 86)];

/// Our part: the script, what it installs, the exceptions.
fn ours(file: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("conformance")
        .join(file)
}

/// The suite that is run, and the word that names it in the exceptions.
fn suite() -> (PathBuf, &'static str) {
    static RELEASED: OnceLock<Result<PathBuf, String>> = OnceLock::new();
    match std::env::var_os("CACHE_TESTS") {
        Some(sources) => (sources.into(), "sources"),
        None => match RELEASED.get_or_init(installed) {
            Ok(suite) => (suite.clone(), "release"),
            Err(why) => panic!("{why}"),
        },
    }
}

/// Installs the release unless that was done. The directory appears whole or not at all.
fn installed() -> Result<PathBuf, String> {
    let package = std::fs::read_to_string(ours("package.json")).unwrap();
    let wanted: Value = serde_json::from_str(&package).unwrap();
    let version = wanted["dependencies"]["http-cache-tests"].as_str().unwrap();
    let tmp = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let home = tmp.join(format!("http-cache-tests-{version}"));
    let suite = home.join("node_modules/http-cache-tests");
    if suite.exists() {
        return Ok(suite);
    }
    let staged = tempfile::tempdir_in(tmp).unwrap();
    std::fs::write(staged.path().join("package.json"), package).unwrap();
    let npm = run_within(
        Command::new("npm")
            .args(["install", "--ignore-scripts", "--no-package-lock"])
            .args(["--no-audit", "--no-fund", "--loglevel=error"])
            .args(["--fetch-retries=1", "--fetch-retry-mintimeout=1000"])
            .current_dir(staged.path()),
        LONG,
    );
    if npm.code != 0 {
        return Err(format!(
            "npm cannot install http-cache-tests {version}, the public HTTP cache test suite; it needs a package registry, once.\n{}",
            npm.text()
        ));
    }
    // Another process may have been quicker, and what it has put there is the same.
    if let Err(e) = std::fs::rename(staged.path(), &home) {
        assert!(suite.exists(), "{}: {e}", home.display());
    }
    Ok(suite)
}

/// `run.mjs` with these arguments.
fn script(arguments: &[&str]) -> Command {
    let mut node = Command::new("node");
    node.arg(ours("run.mjs")).args(arguments);
    node
}

/// The suite's origin on a port of its own.
fn origin(suite: &str) -> (Background, u16) {
    let mut child = script(&["serve", suite])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap_or_else(|e| panic!("cannot start node: {e}"));
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let child = Background(child);
    let mut lines = stdout.lines().map_while(Result::ok);
    // `Listening on http://[::]:PORT/`
    let port = lines
        .find_map(|line| line.strip_suffix('/')?.rsplit(':').next()?.parse().ok())
        .expect("the suite's origin does not listen");
    // It writes warnings; nobody reading them must not stop it.
    std::thread::spawn(move || lines.count());
    (child, port)
}

/// The exceptions of this edition of the suite, with their reasons.
fn exceptions(edition: &str) -> BTreeMap<String, String> {
    let mut exceptions = BTreeMap::new();
    for line in std::fs::read_to_string(ours("exceptions")).unwrap().lines() {
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let (which, rest) = line.split_once(char::is_whitespace).unwrap();
        let (id, reason) = rest.trim_start().split_once(char::is_whitespace).unwrap();
        let reason = reason.trim();
        assert!(["release", "sources", "both"].contains(&which), "{line}");
        assert!(reason == "not yet" || reason.starts_with("RFC "), "{line}");
        if which == edition || which == "both" {
            let twice = exceptions.insert(id.to_owned(), reason.to_owned());
            assert!(twice.is_none(), "{id} is listed twice");
        }
    }
    exceptions
}

/// As many as may fail for want of time; more are not run again.
const MANY: usize = 60;

/// What of this report is against the exceptions, a line a test. `alone` tells whether a test passes by itself.
///
/// The suite has lifetimes of 2 s within which another request must come, and runs a hundred tests side by side: on a busy machine
/// that request comes too late. The 2 s are part of a test and its 99 neighbours are not, so what fails is run once more without
/// them, and is a surprise only if it fails then, too.
fn surprises(
    report: &Value,
    exceptions: &BTreeMap<String, String>,
    alone: impl Fn(&str) -> bool,
) -> String {
    let (mut found, mut failed) = (String::new(), Vec::new());
    let tests = report["tests"].as_object().unwrap();
    for (id, test) in tests.iter().filter(|(_, t)| t["kind"] != "check") {
        match (test["passed"].as_bool().unwrap(), exceptions.get(id)) {
            (true, None) | (false, Some(_)) => {}
            (true, Some(reason)) => writeln!(found, "{id} passes: take it off ({reason})").unwrap(),
            (false, None) => failed.push((id, test)),
        }
    }
    // Alone a test does not depend on others. So what failed with another one comes last, and counts unless one was excused.
    let depends = |test: &Value| test["outcome"] == "dependency_fail";
    failed.sort_by_key(|(_, test)| depends(test));
    let (many, mut excused) = (failed.len() > MANY, false);
    for (id, test) in failed {
        let (kind, outcome, said) = (&test["kind"], &test["outcome"], &test["said"]);
        if !many && (excused || !depends(test)) && alone(id) {
            excused = true;
            eprintln!("{id} ({kind}): {outcome} {said}; it passes alone");
        } else {
            writeln!(found, "{id} ({kind}): {outcome} {said}").unwrap();
        }
    }
    for id in exceptions.keys().filter(|id| !tests.contains_key(*id)) {
        writeln!(found, "{id} is listed, and no such test was run").unwrap();
    }
    found
}

/// Runs the suite through what `launch` makes of the origin's address, and compares.
#[track_caller]
fn passes(launch: impl FnOnce(&str) -> Launch, forward: bool) {
    let (suite, edition) = suite();
    let suite = suite.to_str().unwrap();
    let (_origin, port) = origin(suite);
    let origin = format!("http://127.0.0.1:{port}");
    let proxy = launch(&origin).start();
    let through = format!("http://{}", proxy.addr());
    let [base, by] = match forward {
        true => [origin.as_str(), through.as_str()],
        false => [through.as_str(), ""],
    };
    let client = |id: &[&str]| -> (Value, String) {
        let arguments = [&["test", suite, base, by][..], id].concat();
        let client = run_within(&mut script(&arguments), LONG).expect(0);
        // Before the report a test that is run alone is printed message by message.
        let at = client.stdout.rfind("{\n \"counts\"").unwrap_or(0);
        let report = serde_json::from_str(&client.stdout[at..])
            .unwrap_or_else(|e| panic!("the suite's client: {e}\n{}", client.text()));
        (report, client.stderr)
    };
    let (report, counts) = client(&[]);
    if edition == "release" {
        for (kind, count) in RELEASE {
            assert_eq!(report["counts"][kind]["of"], count, "{kind} tests");
        }
    }
    let alone = |id: &str| client(&[id]).0["tests"][id]["passed"] == true;
    let surprises = surprises(&report, &exceptions(edition), alone);
    assert!(surprises.is_empty(), "{counts}{surprises}");
}

#[test]
fn reverse_proxy_passes_the_public_suite() {
    passes(|origin| Launch::bare().arg("--to").arg(origin), false);
}

#[test]
fn forward_proxy_passes_the_public_suite() {
    passes(|_| Launch::forward(), true);
}

/// `age-parse-negative` may stand there as `-negative`, behind another of its kind.
#[test]
fn the_document_names_what_is_not_passed() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/conformance.md");
    let document = std::fs::read_to_string(path).unwrap();
    let named = |id: &str| document.contains(&format!("`{id}`"));
    let missing: Vec<String> = ["release", "sources"]
        .into_iter()
        .flat_map(exceptions)
        .filter(|(_, reason)| reason != "not yet")
        .map(|(id, _)| id)
        .filter(|id| !named(id) && !id.match_indices('-').any(|(at, _)| named(&id[at..])))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}
