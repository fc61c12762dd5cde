//! Files that are modules, files that are not, and files that change.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Bench, build};
use tempfile::tempdir;
use understudy_abi::open;
use understudy_module::{Hook, Hooks, Verdict};

#[test]
fn a_c_module_says_what_it_is_and_edits_a_head() {
    let dir = tempdir().unwrap();
    let path = build(dir.path(), "headers", include_str!("c/headers.c"), &[]);
    let about = open(&path).unwrap().about().clone();
    assert_eq!((&*about.name, &*about.version), ("headers", "1.2"));
    assert_eq!(about.hooks, Hooks::of(&[Hook::RequestHead, Hook::Free]));

    let mut bench = Bench::load(&path);
    assert_eq!(bench.request("X-In: seen\r\n"), Ok(Verdict::Continue));
    let edits = bench.edits();
    assert_eq!(edits.len(), 102);
    assert_eq!(
        edits[99..],
        ["add x-out: seen", "set x-twice: once", "delete x-in"]
    );
    assert!(!bench.opaque.is_none());
    assert_eq!(bench.request(""), Ok(Verdict::fail("no x-in")));
    bench.free();
}

/// A module whose entry is this.
fn entry(body: &str) -> String {
    format!(
        "#include \"understudy.h\"\nstatic us_module module = {{sizeof module, US_MAJOR, US_MINOR, 0, \"m\", \"1\"}};\n\
         US_EXPORT const us_module *understudy_module(const us_host *host) {{ (void)host; (void)module; {body} }}\n"
    )
}

#[test]
fn a_file_that_cannot_be_a_module_is_refused_with_its_reason() {
    let dir = tempdir().unwrap();
    // The first flags: the table's other fields are left zero.
    let lax = ["-Wno-missing-field-initializers"];
    let refused = |name: &str, source: &str| {
        let path = build(dir.path(), name, source, &lax);
        let why = open(&path).unwrap_err();
        assert!(why.contains(&*path.display().to_string()), "{why}");
        why
    };
    let check = |why: String, part: &str| assert!(why.contains(part), "{why}");

    check(
        open(dir.path().join("missing.so")).unwrap_err(),
        "there is no such file",
    );
    let text = dir.path().join("text.so");
    std::fs::write(&text, "not a library").unwrap();
    check(open(&text).unwrap_err(), "it is not a shared object");
    std::fs::write(&text, b"\x7fELF and then nothing").unwrap();
    let why = open(&text).unwrap_err();
    check(why.clone(), &text.display().to_string());
    assert!(!why.contains("/proc/self"), "{why}");

    check(
        refused("empty", "int nothing;\n"),
        "it exports no `understudy_module`",
    );
    check(
        refused(
            "unresolved",
            "int other(void);\nint f(void);\nint f(void) { return other(); }\n",
        ),
        "other",
    );
    check(
        refused("major", &entry("module.major = 9; return &module;")),
        "it was made for version 9.2 of the interface, this proxy has 1.2",
    );
    check(
        refused("short", &entry("module.size = 24; return &module;")),
        "its table has 24 bytes, version 1.0 has",
    );
    check(
        refused(
            "features",
            &entry("module.features = 1ull << 40; return &module;"),
        ),
        "features that this proxy lacks (0x10000000000)",
    );
    check(
        refused(
            "reason",
            &entry("host->fail(us_str(\"not on Mondays\")); return NULL;"),
        ),
        "it refused: not on Mondays",
    );
    check(
        refused("silent", &entry("return NULL;")),
        "it refused, without a reason",
    );
}

#[test]
fn a_longer_table_of_a_later_minor_version_is_taken() {
    let dir = tempdir().unwrap();
    let source = entry("module.minor = 7; module.size += 64; return &module;");
    let path = build(
        dir.path(),
        "later",
        &source,
        &["-Wno-missing-field-initializers"],
    );
    assert_eq!(open(&path).unwrap().about().name, "m");
}

/// A module that answers each head with a field of this value.
fn speaking(word: &str) -> String {
    format!(
        "#include \"understudy.h\"\nstatic const us_host *host;\n\
         static enum us_verdict say(void *s, us_transaction *tx, void **o) {{\n\
         (void)s; (void)o; host->header_set(tx, us_str(\"word\"), us_str(\"{word}\")); return US_CONTINUE; }}\n\
         static us_module module;\n\
         US_EXPORT const us_module *understudy_module(const us_host *h) {{\n\
         host = h; module.size = sizeof module; module.major = US_MAJOR; module.request_head = say; return &module; }}\n"
    )
}

#[test]
fn a_rebuilt_file_runs_its_new_code_while_old_instances_go_on() {
    let dir = tempdir().unwrap();
    let path = build(dir.path(), "word", &speaking("old"), &[]);
    let mut old = Bench::load(&path);
    let mut same = Bench::load(&path);
    build(dir.path(), "word", &speaking("new"), &[]);
    let mut new = Bench::load(&path);
    for (bench, edit) in [
        (&mut old, "set word: old"),
        (&mut new, "set word: new"),
        (&mut same, "set word: old"),
    ] {
        assert_eq!(bench.request(""), Ok(Verdict::Continue));
        assert_eq!(bench.edits(), [edit]);
    }
}

#[test]
fn a_file_that_changes_without_end_is_refused_at_a_bound() {
    let dir = tempdir().unwrap();
    let path = build(dir.path(), "many", &speaking("many"), &[]);
    let file = std::fs::read(&path).unwrap();
    let load = |generation: usize| {
        // What stands behind the last section changes the content and nothing else.
        std::fs::write(
            &path,
            [&file[..], format!("{generation}").as_bytes()].concat(),
        )
        .unwrap();
        open(&path)
    };
    for generation in 0..understudy_abi::GENERATIONS {
        load(generation).unwrap();
    }
    let why = load(understudy_abi::GENERATIONS).unwrap_err();
    assert!(why.contains("64 versions of this file"), "{why}");
    // One that is loaded already still is.
    load(3).unwrap();
}

#[test]
fn a_hook_before_init_fails_and_does_not_crash() {
    let dir = tempdir().unwrap();
    let path = build(dir.path(), "early", &speaking("early"), &[]);
    let mut bench = Bench::load(&path);
    bench.module = open(&path).unwrap().make().unwrap();
    assert_eq!(bench.request(""), Ok(Verdict::fail("a hook before init")));
}
