//! Preloading: from a list, a file, sitemaps; how far it is, what failed, and how many at a time.

use crate::common::*;
use serde_json::json;
use std::{
    io::Write,
    process::{Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};
use understudy_testbed::{Origin, reply};

fn gzip(text: &str) -> Vec<u8> {
    let mut child = Command::new("gzip")
        .arg("-c")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    child.wait_with_output().unwrap().stdout
}

/// A site with an index of two sitemaps, one of them packed, in all the forms that a URL may be written in.
fn site() -> Origin {
    Origin::answering(|request| {
        let host = request.get("host").unwrap();
        let fresh = [
            "Cache-Control: max-age=600",
            "Content-Type: application/xml",
        ];
        match &*request.target {
            "/index.xml" => reply(
                200,
                &fresh,
                format!(
                    "<?xml version=\"1.0\"?>\n<sitemapindex xmlns=\"http://www.sitemaps.org/schemas/sitemap/0.9\">\n\
                 <sitemap><loc>http://{host}/one.xml</loc></sitemap>\n<sitemap><loc>http://{host}/two.xml.gz</loc></sitemap>\n</sitemapindex>"
                ),
            ),
            "/one.xml" => reply(
                200,
                &fresh,
                format!(
                    "\u{feff}<urlset xmlns:image=\"http://i\"><!-- <loc>http://{host}/no</loc> --><url><loc>\n http://{host}/a?x=1&amp;y=&#50;\n</loc>\
                 <image:image><image:loc>http://{host}/picture</image:loc></image:image></url>\
                 <url><loc><![CDATA[http://{host}/b?x&y]]></loc><lastmod>2026-01-01</lastmod></url>\
                 <url><loc>https://{host}/secure</loc></url></urlset>"
                ),
            ),
            "/two.xml.gz" => {
                let urls: String = (0..250)
                    .map(|i| format!("<url><loc>http://{host}/c/{i}</loc></url>"))
                    .collect();
                reply(200, &fresh, gzip(&format!("<urlset>{urls}</urlset>")))
            }
            "/private.xml" => reply(200, &["Cache-Control: no-store"], "<urlset></urlset>"),
            "/broken.xml" => reply(
                200,
                &fresh,
                format!("<urlset><url><loc>http://{host}/before</loc></url><url>"),
            ),
            "/page.xml" => reply(200, &fresh, "404, but said politely"),
            "/none" => reply(404, &[], ""),
            _ => page(request),
        }
    })
}

#[test]
fn all_that_sitemaps_name_is_fetched_and_told_on_the_way_in_every_runtime() {
    for runtime in RUNTIMES {
        let (origin, proxy) = (site(), start(runtime, ""));
        let at = origin.addr;
        let mut console = Console::at(&proxy);
        let told = console.ask(format!("preload http://{at}/index.xml"));
        let lines: Vec<&str> = told.lines().collect();
        assert!(
            lines
                .iter()
                .any(|line| line.starts_with(&format!("https://{at}/secure: "))
                    && line.contains("only what http URLs name")),
            "{told}"
        );
        assert!(
            lines.contains(&"100 done: 99 stored, 0 not stored, 1 failed"),
            "{told}"
        );
        assert_eq!(
            lines.last(),
            Some(&"preloaded: 253 done: 252 stored, 0 not stored, 1 failed"),
            "{runtime}"
        );
        for path in ["/a?x=1&y=2", "/b?x&y", "/c/0", "/c/249"] {
            fetch(&proxy, &format!("http://{at}{path}"))
                .expect(200)
                .expect_hit();
        }
        let asked: Vec<String> = origin
            .requests()
            .into_iter()
            .map(|request| request.target)
            .collect();
        assert!(
            !asked.iter().any(|path| path == "/no" || path == "/picture"),
            "{asked:?}"
        );
        assert_eq!(asked.len(), 3 + 252);
        // What is there is validated, which is as good.
        let again = console.ask(format!("preload http://{at}/index.xml"));
        assert!(
            again.ends_with("preloaded: 253 done: 252 stored, 0 not stored, 1 failed\n"),
            "{again}"
        );
    }
}

#[test]
fn a_file_names_urls_or_is_a_sitemap_and_lies_beneath_the_root() {
    for runtime in RUNTIMES {
        let origin = site();
        let launch = understudy_testbed::Launch::bare();
        let root = launch.dir().join("files");
        std::fs::create_dir(&root).unwrap();
        let at = origin.addr;
        std::fs::write(
            root.join("urls"),
            format!("# two\nhttp://{at}/x\r\n\n  http://{at}/none  \nnonsense\nhttp://{at}/y"),
        )
        .unwrap();
        std::fs::write(
            root.join("map.gz"),
            gzip(&format!(
                "<urlset><url><loc>http://{at}/z</loc></url></urlset>"
            )),
        )
        .unwrap();
        std::fs::write(launch.dir().join("outside"), format!("http://{at}/outside")).unwrap();
        std::os::unix::fs::symlink("../outside", root.join("link")).unwrap();
        Command::new("mkfifo")
            .arg(root.join("pipe"))
            .status()
            .unwrap();
        let options = format!("root = \"{}\"", root.display());
        let proxy = launch.config(&text(runtime, &options)).start();
        let mut console = Console::at(&proxy);
        let told = console.ask("preload urls");
        assert!(
            told.contains(&format!("http://{at}/none: status 404\n")),
            "{told}"
        );
        assert!(told.contains("nonsense: \"nonsense\" is no URL"), "{told}");
        assert!(
            told.ends_with("preloaded: 4 done: 2 stored, 0 not stored, 2 failed\n"),
            "{told}"
        );
        assert!(
            console
                .ask("preload map.gz")
                .ends_with("1 done: 1 stored, 0 not stored, 0 failed\n")
        );
        for path in ["/x", "/y", "/z"] {
            fetch(&proxy, &format!("http://{at}{path}")).expect_hit();
        }
        for name in ["../outside", "link", "/etc/passwd", "missing", "pipe", "."] {
            assert!(
                console
                    .ask(format!("preload {name}"))
                    .starts_with("failed: "),
                "{name}"
            );
            assert!(
                console
                    .ask(format!("inject http://a.test/ a/b <{name}"))
                    .starts_with("failed: "),
                "{name}"
            );
        }
        assert!(
            !origin
                .requests()
                .iter()
                .any(|request| request.target == "/outside")
        );
    }
}

#[test]
fn a_sitemap_that_cannot_be_read_says_why() {
    let (origin, proxy) = (site(), start("inline", ""));
    let at = origin.addr;
    let mut console = Console::at(&proxy);
    for (path, why) in [
        ("private.xml", "does not let it be stored"),
        ("broken.xml", "it ends early"),
        ("page.xml", "is no sitemap"),
        ("none", "status 404"),
    ] {
        let told = console.ask(format!("preload http://{at}/{path}"));
        assert!(told.contains(why), "{path}: {told}");
        assert!(told.trim_end().ends_with("1 failed"), "{path}: {told}");
    }
    fetch(&proxy, &format!("http://{at}/before")).expect_hit();
    let told = console.ask(format!("preload http://{}/", Origin::nobody()));
    assert!(
        told.ends_with("1 done: 0 stored, 0 not stored, 1 failed\n"),
        "{told}"
    );
}

#[test]
fn only_so_many_are_fetched_at_a_time() {
    let (now, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
    let (counted, highest) = (now.clone(), most.clone());
    let origin = Origin::answering(move |request| {
        let there = counted.fetch_add(1, Ordering::SeqCst) + 1;
        highest.fetch_max(there, Ordering::SeqCst);
        // Long enough for others to come, if they may.
        std::thread::sleep(std::time::Duration::from_millis(5));
        let answer = page(request);
        counted.fetch_sub(1, Ordering::SeqCst);
        answer
    });
    let launch = understudy_testbed::Launch::bare();
    let urls: String = (0..40)
        .map(|i| format!("http://{}/{i}\n", origin.addr))
        .collect();
    std::fs::write(launch.dir().join("urls"), urls).unwrap();
    let options = format!("parallel = 3\nroot = \"{}\"", launch.dir().display());
    let proxy = launch.config(&text("inline", &options)).start();
    assert!(
        Console::at(&proxy)
            .ask("preload urls")
            .ends_with("40 done: 40 stored, 0 not stored, 0 failed\n")
    );
    let most = most.load(Ordering::SeqCst);
    assert!((2..=3).contains(&most), "{most}");
}

#[test]
fn the_admin_preloads_a_list_or_a_sitemap() {
    let (origin, proxy) = (site(), start("inline", ""));
    let at = origin.addr;
    let list = json!({"verb": "preload", "urls": [format!("http://{at}/x"), format!("http://{at}/none"), "nonsense"]});
    let (status, told) = manage(&proxy, &list.to_string());
    assert_eq!(status, 200);
    assert_eq!(
        (&told["done"], &told["stored"], &told["failed"]),
        (&json!(3), &json!(1), &json!(2))
    );
    assert_eq!(told["troubles"].as_array().unwrap().len(), 2);
    let map = json!({"verb": "preload", "sitemap": format!("http://{at}/two.xml.gz")});
    assert_eq!(manage(&proxy, &map.to_string()).1["stored"], 250);
    fetch(&proxy, &format!("http://{at}/c/7")).expect_hit();
}
