//! A proxy with the compressor, and curl as the client that decodes.
#![allow(clippy::unwrap_used, dead_code)]

use std::io::Write;
use std::process::{Command, Stdio};
use understudy_testbed::{Launch, Origin, Proxy, modules, run};

/// The runtimes.
pub(crate) const RUNTIMES: [&str; 3] = ["inline", "threads", "process"];

/// A reverse proxy of this origin; `options` are lines of the module's table.
#[track_caller]
pub(crate) fn start(origin: &Origin, runtime: &str, options: &str) -> Proxy {
    Launch::bare()
        .config(&modules::config(origin, &table(runtime, options)))
        .start()
}

/// The module's table. Its budget and its deadline do not count here: the machine of a test may be busy.
pub(crate) fn table(runtime: &str, options: &str) -> String {
    format!(
        "[[module]]\nname = \"compressor\"\nlibrary = \"builtin:compressor\"\nruntime = \"{runtime}\"\n\
         deadline = \"60s\"\n[module.options]\n{}{options}\n",
        if options.contains("budget") {
            ""
        } else {
            "budget = 1000\n"
        }
    )
}

/// What the module counted.
#[track_caller]
pub(crate) fn counted(proxy: &Proxy, name: &str) -> u64 {
    modules::module(proxy, "compressor")["counts"][name]
        .as_u64()
        .unwrap_or(0)
}

/// What curl makes of an answer: the head as it came, and the body decoded.
#[track_caller]
pub(crate) fn curl(proxy: &Proxy, path: &str, accept: &str) -> (String, Vec<u8>) {
    let dir = tempfile::tempdir().unwrap();
    let head = dir.path().join("head");
    let done = run(curl_command(proxy, path, accept).arg("-D").arg(&head)).expect(0);
    (
        std::fs::read_to_string(head).unwrap().to_ascii_lowercase(),
        done.stdout.into_bytes(),
    )
}

/// curl on its way to this path.
pub(crate) fn curl_command(proxy: &Proxy, path: &str, accept: &str) -> Command {
    let mut command = Command::new("curl");
    command
        .args([
            "-q",
            "-sS",
            "-N",
            "--compressed",
            "--max-time",
            "60",
            "--noproxy",
            "*",
        ])
        .args(["-H", &format!("Accept-Encoding: {accept}")])
        .arg(format!("http://{}{path}", proxy.addr()));
    command
}

/// What a program makes of these bytes.
#[track_caller]
pub(crate) fn piped(program: &str, args: &[&str], bytes: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap_or_else(|why| panic!("cannot start {program}: {why}"));
    let mut into = child.stdin.take().unwrap();
    std::thread::scope(|threads| {
        threads.spawn(move || into.write_all(bytes).unwrap());
        let done = child.wait_with_output().unwrap();
        assert!(done.status.success(), "{program} {args:?}");
        done.stdout
    })
}

/// Text, as long as that: lines of a page that tell their place.
pub(crate) fn text(length: usize) -> Vec<u8> {
    let lines = (0..).flat_map(|n| {
        format!("<p class=\"line\">This is line {n} of the page.</p>\n").into_bytes()
    });
    lines.take(length).collect()
}
