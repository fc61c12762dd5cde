//! pip through the forward proxy: an index and a wheel made here, downloaded twice.
#![allow(clippy::unwrap_used)]

use std::{path::Path, process::Command};
use understudy_testbed::{
    Launch, Nginx,
    programs::{LONG, run_within},
    run, settled,
};

const WHEEL: &str = "understudy_demo-1.0-py3-none-any.whl";

/// Writes a wheel and the simple index (PEP 503) that names it.
fn index(root: &Path) {
    let script = format!(
        "import zipfile\n\
         with zipfile.ZipFile('{WHEEL}', 'w') as z:\n\
         \x20   z.writestr('understudy_demo.py', 'x = 1\\n' * 50000)\n\
         \x20   z.writestr('understudy_demo-1.0.dist-info/METADATA', 'Metadata-Version: 2.1\\nName: understudy-demo\\nVersion: 1.0\\n')\n\
         \x20   z.writestr('understudy_demo-1.0.dist-info/WHEEL', 'Wheel-Version: 1.0\\nGenerator: test\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n')\n\
         \x20   z.writestr('understudy_demo-1.0.dist-info/RECORD', '')\n"
    );
    run(Command::new("python3")
        .args(["-c", &script])
        .current_dir(root))
    .expect(0);
    let simple = root.join("simple/understudy-demo");
    std::fs::create_dir_all(&simple).unwrap();
    std::fs::write(
        simple.join("index.html"),
        format!("<!DOCTYPE html><html><body><a href=\"/{WHEEL}\">{WHEEL}</a></body></html>"),
    )
    .unwrap();
}

#[test]
fn download_twice_the_second_from_the_cache() {
    let root = tempfile::tempdir().unwrap();
    index(root.path());
    let nginx = Nginx::serving(root.path(), "add_header Cache-Control max-age=600;");
    let proxy = Launch::forward().start();
    let mut asked = Vec::new();
    for _ in 0..2 {
        let out = tempfile::tempdir().unwrap();
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "--isolated",
            "--disable-pip-version-check",
            "--no-cache-dir",
            "download",
            "--no-deps",
        ]);
        pip.args([
            "--proxy",
            &format!("http://{}", proxy.addr()),
            "--trusted-host",
            "127.0.0.1",
        ]);
        pip.args([
            "--index-url",
            &format!("http://{}/simple/", nginx.addr),
            "-d",
            ".",
            "understudy-demo",
        ])
        .current_dir(out.path());
        for name in [
            "http_proxy",
            "no_proxy",
            "HTTP_PROXY",
            "NO_PROXY",
            "ALL_PROXY",
            "all_proxy",
        ] {
            pip.env_remove(name);
        }
        run_within(&mut pip, LONG).expect(0);
        assert_eq!(
            std::fs::read(out.path().join(WHEEL)).unwrap(),
            std::fs::read(root.path().join(WHEEL)).unwrap()
        );
        // The index is always validated (pip asks with max-age=0); a 304 is no transfer.
        let log = settled(&nginx);
        asked.push(log.iter().filter(|l| l.contains("\" 200 ")).count());
    }
    assert!(asked[0] >= 2, "{:?}", nginx.log());
    assert_eq!(
        asked[0],
        asked[1],
        "the second client was not served from the cache: {:?}",
        nginx.log()
    );
}
