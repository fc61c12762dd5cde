//! Chromium through the forward proxy: a page with many parts, loaded twice with a fresh profile.
#![allow(clippy::unwrap_used)]

use std::{fmt::Write, path::Path, process::Command};
use understudy_testbed::{Launch, Nginx, Proxy, run, settled};

const PARTS: usize = 30;

/// A page of scripts, styles and images; each script counts itself and the page says at last how many there were.
fn site(root: &Path) {
    let mut page = String::from(
        "<!DOCTYPE html><html><head><title>parts</title><script>let n = 0, pictures = 0;</script>\n",
    );
    for i in 0..PARTS {
        writeln!(
            page,
            "<link rel=stylesheet href=/style{i}.css><script src=/script{i}.js></script>"
        )
        .unwrap();
        std::fs::write(
            root.join(format!("style{i}.css")),
            format!(
                ".c{i} {{ color: #{:06x}; }}\n{}",
                i * 1000,
                "/* filler */\n".repeat(100 * i)
            ),
        )
        .unwrap();
        std::fs::write(
            root.join(format!("script{i}.js")),
            format!("n += 1;\n{}", "// filler\n".repeat(200 * i)),
        )
        .unwrap();
    }
    page.push_str("</head><body>\n");
    for i in 0..PARTS {
        writeln!(page, "<img src=/image{i}.svg onload='pictures += 1'>").unwrap();
        let image = format!(
            "<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'><circle r='{i}'/></svg>"
        );
        std::fs::write(root.join(format!("image{i}.svg")), image).unwrap();
    }
    page.push_str("<p id=said></p><script>addEventListener('load', () => document.getElementById('said').textContent = `scripts ${n} pictures ${pictures}`)</script>\n");
    page.push_str("</body></html>\n");
    std::fs::write(root.join("index.html"), page).unwrap();
}

fn load(proxy: &Proxy, url: &str) {
    let profile = tempfile::tempdir().unwrap();
    let mut chromium = Command::new("chromium");
    chromium.args([
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-quic",
        "--no-first-run",
        "--disable-background-networking",
        "--disable-component-update",
        "--disable-default-apps",
        "--disable-extensions",
        "--disable-sync",
        "--virtual-time-budget=60000",
        "--proxy-bypass-list=<-loopback>",
        "--dump-dom",
    ]);
    chromium
        .arg(format!("--proxy-server=http://{}", proxy.addr()))
        .arg(format!("--user-data-dir={}", profile.path().display()))
        .arg(url);
    let dom = run(chromium.env("HOME", profile.path())).expect(0);
    let said = format!("scripts {PARTS} pictures {PARTS}");
    assert!(
        dom.stdout.contains(&said),
        "the page is not whole:\n{}\n{}",
        dom.stdout
            .lines()
            .rev()
            .take(5)
            .collect::<Vec<_>>()
            .join("\n"),
        dom.stderr
    );
}

#[test]
fn the_second_load_is_mostly_hits() {
    let root = tempfile::tempdir().unwrap();
    site(root.path());
    let nginx = Nginx::serving(root.path(), "add_header Cache-Control max-age=600;");
    let proxy = Launch::forward().arg("--access-log").arg("-").start();
    let url = format!("http://{}/", nginx.addr);
    load(&proxy, &url);
    let first = settled(&nginx).len();
    assert!(first > PARTS * 3, "only {first} requests reached the site");
    load(&proxy, &url);
    let log = settled(&nginx);
    let second = log.len() - first;
    assert!(
        second * 10 <= first,
        "{second} of {first} were fetched again:\n{}",
        log[first..].join("\n")
    );
    let hit = |l: &str| l.contains(&url) && l.contains("HIT/");
    proxy.stdout.wait_count(hit, PARTS * 2 + 1);
}
