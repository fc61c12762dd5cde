//! What a newcomer does: a new module from nothing, built, tested, and loaded in all three runtimes.
#![allow(clippy::unwrap_used)]

#[path = "modules_admin/common.rs"]
mod common;

use common::*;
use std::path::{Path, PathBuf};
use std::process::Command;
use understudy_testbed::{
    Launch,
    programs::{LONG, run_within},
    proxy::binary,
    run,
};

const RUNTIMES: [&str; 3] = ["inline", "threads", "process"];

/// `understudy modules ...` where the newcomer stands.
fn command(place: &Path, args: &[&str]) -> String {
    let ran = Command::new(binary())
        .arg("modules")
        .args(args)
        .current_dir(place)
        .output()
        .unwrap();
    let told = String::from_utf8([ran.stdout, ran.stderr].concat()).unwrap();
    assert!(ran.status.success(), "{args:?}\n{told}");
    told
}

fn table(library: &Path, runtime: &str, options: &str) -> String {
    format!(
        "[[module]]\nname = \"mine\"\nlibrary = \"{}\"\nruntime = \"{runtime}\"\n{options}",
        library.display()
    )
}

/// It says what it is, passes its case, and greets in each runtime.
fn is_whole(place: &Path, library: &Path) {
    let text = library.to_str().unwrap();
    let checked = command(place, &["check", text]);
    assert!(checked.contains("name:    my-module"), "{checked}");
    command(place, &["test", text, "--cases", "cases"]);
    let origin = plain();
    for runtime in RUNTIMES {
        let options = "[module.options]\ngreeting = \"good morning\"\n";
        let proxy = Launch::bare()
            .config(&file(&origin, &table(library, runtime, options)))
            .start();
        let response = ask(&proxy, "/greet").expect_body("/greet");
        assert_eq!(
            response.get("x-greeting"),
            Some("good morning"),
            "{runtime}"
        );
        assert_eq!(module(&proxy, "mine")["runtime"], runtime);
    }
}

#[test]
fn a_new_module_in_rust_builds_and_runs_in_all_three_runtimes() {
    let dir = tempfile::tempdir().unwrap();
    let written = command(dir.path(), &["new", "my-module"]);
    assert!(written.contains("Cargo.toml"), "{written}");
    let place = dir.path().join("my-module");
    // What the workspace was resolved to is there without a network.
    let lock = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.lock");
    std::fs::copy(lock, place.join("Cargo.lock")).unwrap();
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("modules_new");
    for step in ["test", "build"] {
        run_within(
            Command::new(env!("CARGO"))
                .args([step, "--offline", "--quiet"])
                .current_dir(&place)
                .env("CARGO_TARGET_DIR", &target),
            LONG,
        )
        .expect(0);
    }
    is_whole(&place, &target.join("debug/libmy_module.so"));
}

#[test]
fn a_new_module_in_c_builds_and_runs_in_all_three_runtimes() {
    let dir = tempfile::tempdir().unwrap();
    command(dir.path(), &["new", "my-module", "--c"]);
    let place = dir.path().join("my-module");
    let library = place.join("my-module.so");
    run(Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg("my-module.c")
        .current_dir(&place))
    .expect(0);
    is_whole(&place, &library);
}

#[test]
fn a_module_reads_the_proxy_s_settings_in_all_three_runtimes() {
    let dir = tempfile::tempdir().unwrap();
    let library = compiled("setting", dir.path());
    let origin = plain();
    for runtime in RUNTIMES {
        let proxy = Launch::bare()
            .config(&(file(&origin, &table(&library, runtime, "")) + "[cache]\nmemory = \"77M\"\n"))
            .start();
        assert_eq!(ask(&proxy, "/").get("x-memory"), Some("77M"), "{runtime}");
    }
}
