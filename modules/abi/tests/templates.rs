//! A new module builds, passes its own tests, and does what its case says when it is loaded.
#![allow(clippy::unwrap_used)]

mod common;

use common::Bench;
use std::path::{Path, PathBuf};
use std::process::Command;
use understudy_abi::template::{Lang, Source, write};
use understudy_module::kit::{Bare, cases, check};
use understudy_module::{Hook, Verdict};

fn run(command: &mut Command) {
    let ran = command.output().unwrap();
    let told = [ran.stdout, ran.stderr].concat();
    assert!(
        ran.status.success(),
        "{command:?}\n{}",
        String::from_utf8_lossy(&told)
    );
}

/// The module that was built greets, and its case says so too.
fn greets(library: &Path, dir: &Path) {
    let mut bench = Bench::load(library);
    assert_eq!(
        bench.response(Hook::ResponseReturn, ""),
        Ok(Verdict::Continue)
    );
    assert_eq!(bench.edits(), ["set X-Greeting: hello"]);

    let opened = understudy_abi::open(library).unwrap();
    let stage = Bare::shared(move || opened.make().unwrap());
    let report = check(&[&stage], &cases(&dir.join("cases")).unwrap());
    assert!(report.is_ok(), "{report}");
}

#[test]
fn a_new_module_in_c_builds_and_greets() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("my-module");
    let written = write(&place, "my-module", Lang::C).unwrap();
    assert!(written.contains(&place.join("my-module.c")));
    run(Command::new("make")
        .current_dir(&place)
        .env("CFLAGS", "-Werror -pedantic"));
    greets(&place.join("my-module.so"), &place);
}

#[test]
fn a_new_module_in_rust_builds_passes_its_tests_and_greets() {
    let dir = tempfile::tempdir().unwrap();
    let place = dir.path().join("my-module");
    let root = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../..")
        .canonicalize()
        .unwrap();
    write(
        &place,
        "my-module",
        Lang::Rust(Source::Path(root.join("modules/api"))),
    )
    .unwrap();
    // What the workspace was resolved to is there without a network.
    std::fs::copy(root.join("Cargo.lock"), place.join("Cargo.lock")).unwrap();
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("template");
    for command in ["build", "test"] {
        run(Command::new(env!("CARGO"))
            .args([command, "--offline", "--quiet"])
            .current_dir(&place)
            .env("CARGO_TARGET_DIR", &target)
            .env("RUSTFLAGS", "-D warnings"));
    }
    greets(&target.join("debug/libmy_module.so"), &place);
}

#[test]
fn nothing_that_is_there_is_overwritten() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("README.md"), "mine").unwrap();
    let why = write(dir.path(), "mine", Lang::C).unwrap_err();
    assert!(why.contains("README.md is there already"), "{why}");
    assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 1);
    assert_eq!(
        std::fs::read_to_string(dir.path().join("README.md")).unwrap(),
        "mine"
    );
}

#[test]
fn a_name_that_is_no_crate_s_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    for name in [
        "",
        "1st",
        "Upper",
        "a b",
        "../up",
        "std",
        "understudy-module",
    ] {
        let why = write(&dir.path().join("x"), name, Lang::C).unwrap_err();
        assert!(why.contains("no name for a module"), "{why}");
    }
    assert!(!dir.path().join("x").exists());
}
