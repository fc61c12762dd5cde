//! A page with images, scripts, advertisements and trackers through headless Chromium, with all modules on: `demo/demo.py`, which
//! looks at what is shown, fetched and complained of.
#![allow(clippy::unwrap_used)]

use std::{path::Path, process::Command};
use understudy_testbed::{
    programs::{LONG, run_within},
    proxy::binary,
};

#[test]
fn a_page_is_whole_gray_and_without_advertisements_and_nobody_complains() {
    let library = tempfile::tempdir().unwrap();
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "--disable-pip-version-check", "install"])
        .args(["--quiet", "--target"])
        .arg(library.path())
        .arg("pillow");
    run_within(&mut pip, LONG).expect(0);
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("demo/demo.py");
    let out = tempfile::tempdir().unwrap();
    let mut shown = Vec::new();
    for runtime in ["inline", "threads", "process"] {
        let mut command = Command::new("python3");
        command
            .arg(&demo)
            .arg(binary())
            .args(["--need", "--runtimes", runtime, "--out"])
            .arg(out.path())
            .env("PYTHONPATH", library.path())
            .env("PYTHONDONTWRITEBYTECODE", "1");
        let told = run_within(&mut command, LONG).expect(0);
        assert!(
            told.stdout.ends_with("nothing is wrong\n"),
            "{runtime}: {}",
            told.text()
        );
        shown.push(std::fs::read(out.path().join("demo-after.png")).unwrap());
    }
    assert!(shown.iter().all(|picture| *picture == shown[0]));
}
