//! Chromium is the judge of what a policy allows: a script of ours runs in a page that forbids others, and nothing is complained of.

use crate::{RUNTIMES, proxy};
use std::process::Command;
use understudy_testbed::{Origin, reply, run};

const STRICT: &str = "<!DOCTYPE html><html><head><title>strict</title></head><body><p id=said>nobody</p>\
    <script>document.getElementById('said').textContent = 'a stranger'</script></body></html>";

/// The page as Chromium has it in the end, and what its console says.
fn loaded(url: &str) -> (String, String) {
    let profile = tempfile::tempdir().unwrap();
    let mut chromium = Command::new("chromium");
    chromium.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-extensions",
        "--disable-sync",
        "--virtual-time-budget=10000",
        "--enable-logging=stderr",
        "--dump-dom",
    ]);
    chromium
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url);
    let ended = run(chromium.env("HOME", profile.path())).expect(0);
    let console = ended.stderr.lines().filter(|line| line.contains("CONSOLE"));
    (ended.stdout.clone(), console.collect::<Vec<_>>().join("\n"))
}

#[test]
fn a_script_with_the_pages_nonce_runs_where_others_may_not() {
    let script = "<script>addEventListener('load', () => document.getElementById('said').textContent = 'the injector')</script>";
    let origin = Origin::answering(|request| {
        let policy = format!(
            "Content-Security-Policy: default-src 'none'; script-src 'nonce-n{}'",
            request.n
        );
        reply(
            200,
            &["Content-Type: text/html; charset=utf-8", &policy],
            STRICT,
        )
    });
    for runtime in RUNTIMES {
        for (csp, said) in [
            ("nonce", "the injector"),
            ("skip", "nobody"),
            ("ignore", "nobody"),
        ] {
            let proxy = proxy(
                &origin,
                runtime,
                &format!("text = \"{script}\"\ncsp = \"{csp}\""),
            );
            let (dom, console) = loaded(&format!("http://{}/", proxy.addr()));
            assert!(
                dom.contains(&format!(">{said}</p>")),
                "{runtime} {csp}\n{dom}"
            );
            // The stranger is complained of always; ours where no policy was looked at.
            let complaints = console
                .lines()
                .filter(|line| line.contains("inline script"))
                .count();
            assert_eq!(
                complaints,
                if csp == "ignore" { 2 } else { 1 },
                "{runtime} {csp}\n{console}"
            );
        }
    }
}
