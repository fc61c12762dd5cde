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
