//! curl through the proxy, forward and reverse, with nginx behind it.
#![allow(clippy::unwrap_used)]

use std::process::Command;
use tempfile::TempDir;
use understudy_testbed::{Finished, Launch, Nginx, Proxy, run};

struct Scene {
    nginx: Nginx,
    proxy: Proxy,
    dir: TempDir,
}

fn site() -> (TempDir, Nginx) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("page.html"), "<p>page</p>").unwrap();
    std::fs::write(dir.path().join("digits"), "0123456789").unwrap();
    let big: Vec<u8> = (0..5_000_000u32).map(|i| (i * 7 % 253) as u8).collect();
    std::fs::write(dir.path().join("big"), big).unwrap();
    let nginx = Nginx::serving(
        dir.path(),
        "add_header Cache-Control max-age=600; location /put { client_max_body_size 10m; return 200 put; }",
    );
    (dir, nginx)
}

fn forward() -> Scene {
    let (dir, nginx) = site();
    let config = format!("[access]\nconnect_ports = [{}]\n", nginx.tls.port());
    let proxy = Launch::forward().config(&config).start();
    Scene { nginx, proxy, dir }
}

impl Scene {
    /// curl with the proxy, silent, failing on errors of transport only.
    fn curl(&self, args: &[&str]) -> Finished {
        let proxy = format!("http://{}", self.proxy.addr());
        let mut command = Command::new("curl");
        command
            .args([
                "-q",
                "-sS",
                "--max-time",
                "60",
                "--noproxy",
                "",
                "-x",
                &proxy,
            ])
            .args(args)
            .current_dir(self.dir.path());
        for name in [
            "http_proxy",
            "https_proxy",
            "all_proxy",
            "no_proxy",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "NO_PROXY",
        ] {
            command.env_remove(name);
        }
        run(&mut command)
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.nginx.addr)
    }
}

#[test]
fn twice_is_a_hit() {
    let scene = forward();
    let url = scene.url("/page.html");
    assert!(
        scene
            .curl(&["-i", &url])
            .expect(0)
            .stdout
            .ends_with("<p>page</p>")
    );
    let second = scene.curl(&["-i", &url]).expect(0).stdout.to_lowercase();
    assert!(
        second.contains("cache-status: understudy; hit") && second.contains("\nage: "),
        "{second}"
    );
    assert_eq!(scene.nginx.logged(1).len(), 1);
}

#[test]
fn http_1_0_and_1_1() {
    let scene = forward();
    for version in ["--http1.0", "--http1.1"] {
        for path in ["/page.html", "/big"] {
            let got = scene
                .curl(&[
                    version,
                    "-o",
                    "got",
                    "-w",
                    "%{http_code} %{size_download}",
                    &scene.url(path),
                ])
                .expect(0);
            assert!(got.stdout.starts_with("200 "), "{}", got.stdout);
            assert_eq!(
                std::fs::read(scene.dir.path().join("got")).unwrap(),
                std::fs::read(scene.dir.path().join(&path[1..])).unwrap()
            );
        }
    }
}

#[test]
fn several_urls_on_one_connection() {
    let scene = forward();
    let url = scene.url("/digits");
    let got = scene
        .curl(&["-w", "%{num_connects} ", &url, &url, &url])
        .expect(0)
        .stdout;
    assert_eq!(got, "01234567891 01234567890 01234567890 ");
}

#[test]
fn ranges() {
    let scene = forward();
    let url = scene.url("/digits");
    for _ in 0..2 {
        assert_eq!(scene.curl(&["-r", "2-4", &url]).expect(0).stdout, "234");
        assert_eq!(scene.curl(&["-r", "-3", &url]).expect(0).stdout, "789");
        assert_eq!(scene.curl(&[&url]).expect(0).stdout, "0123456789");
    }
    std::fs::write(scene.dir.path().join("part"), "0123").unwrap();
    scene.curl(&["-C", "-", "-o", "part", &url]).expect(0);
    assert_eq!(
        std::fs::read_to_string(scene.dir.path().join("part")).unwrap(),
        "0123456789"
    );
}

#[test]
fn conditionals() {
    let scene = forward();
    let url = scene.url("/page.html");
    scene
        .curl(&["--etag-save", "etag", "-o", "page", &url])
        .expect(0);
    let code = |args: &[&str]| {
        scene
            .curl(&[args, &["-o", "again", "-w", "%{http_code}", &url]].concat())
            .expect(0)
            .stdout
    };
    assert_eq!(code(&["--etag-compare", "etag"]), "304");
    assert_eq!(
        code(&["-z", "page"]),
        "304",
        "modified since the file was written"
    );
    assert_eq!(code(&["-z", "Sun, 06 Nov 1994 08:49:37 GMT"]), "200");
    assert_eq!(scene.nginx.logged(1).len(), 1);
}

#[test]
fn head_and_uploads() {
    let scene = forward();
    assert!(
        scene
            .curl(&["-I", &scene.url("/digits")])
            .expect(0)
            .stdout
            .to_lowercase()
            .contains("content-length: 10")
    );
    assert_eq!(
        scene
            .curl(&["-T", "big", &scene.url("/put/x")])
            .expect(0)
            .stdout,
        "put"
    );
    assert_eq!(
        scene
            .curl(&["--data-binary", "@big", &scene.url("/put/x")])
            .expect(0)
            .stdout,
        "put"
    );
    assert_eq!(
        scene
            .curl(&[
                "-H",
                "Transfer-Encoding: chunked",
                "--data-binary",
                "@big",
                &scene.url("/put/x")
            ])
            .expect(0)
            .stdout,
        "put"
    );
}

#[test]
fn a_tls_server_by_connect() {
    let scene = forward();
    let url = format!("https://{}/digits", scene.nginx.tls);
    let certificate = scene.nginx.certificate();
    assert_eq!(
        scene
            .curl(&["--cacert", certificate.to_str().unwrap(), &url])
            .expect(0)
            .stdout,
        "0123456789"
    );
    let refused = scene.curl(&["-w", "%{http_connect}", "https://127.0.0.1:1/"]);
    assert!(refused.code == 56 && refused.stdout == "403", "{refused:?}");
}

#[test]
fn a_proxy_by_its_pac_address_and_errors() {
    let scene = forward();
    let page = run(Command::new("curl").args([
        "-q",
        "-sS",
        "--noproxy",
        "*",
        &format!("http://{}/proxy.pac", scene.proxy.addr()),
    ]))
    .expect(0);
    assert!(page.stdout.contains("FindProxyForURL"));
    assert_eq!(
        scene
            .curl(&[
                "-o",
                "page",
                "-w",
                "%{http_code}",
                "http://169.254.169.254/"
            ])
            .expect(0)
            .stdout,
        "403"
    );
    assert_eq!(
        scene
            .curl(&["-o", "page", "-w", "%{http_code}", &scene.url("/missing")])
            .expect(0)
            .stdout,
        "404"
    );
}

#[test]
fn reverse() {
    let (dir, nginx) = site();
    let proxy = Launch::bare()
        .arg("--to")
        .arg(format!("http://{}", nginx.addr))
        .start();
    let url = format!("http://{}", proxy.addr());
    let curl = |args: &[&str]| {
        run(Command::new("curl")
            .args(["-q", "-sS", "--noproxy", "*"])
            .args(args)
            .current_dir(dir.path()))
        .expect(0)
        .stdout
    };
    for version in ["--http1.0", "--http1.1"] {
        assert_eq!(curl(&[version, &format!("{url}/digits")]), "0123456789");
        curl(&[version, "-o", "got", &format!("{url}/big")]);
        assert_eq!(
            std::fs::read(dir.path().join("got")).unwrap(),
            std::fs::read(dir.path().join("big")).unwrap()
        );
    }
    assert_eq!(nginx.logged(2).len(), 2);
    assert_eq!(
        curl(&[
            "-r",
            "4999998-",
            "-o",
            "/dev/null",
            "-w",
            "%{http_code} %{size_download}",
            &format!("{url}/big")
        ]),
        "206 2"
    );
}

#[test]
fn many_at_once() {
    let scene = forward();
    let urls: Vec<String> = (0..60)
        .map(|i| format!("{}?{}", scene.url("/digits"), i % 20))
        .collect();
    let mut args = vec!["-Z", "--parallel-immediate", "--parallel-max", "30"];
    args.extend(urls.iter().map(String::as_str));
    assert_eq!(scene.curl(&args).expect(0).stdout, "0123456789".repeat(60));
    assert_eq!(scene.nginx.logged(20).len(), 20);
}
