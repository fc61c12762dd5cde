//! A module in Rust as a shared object behaves as one that is linked in.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Bench, TOKEN, build};
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;
use understudy_module::{
    Completion, Hook, LogEntry, ObjectInfo, Operation, Panicked, Part, Response, Verdict, raw,
};

fn guest() -> PathBuf {
    example("guest")
}

/// The example, built as its author would.
fn example(name: &str) -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("guest");
    let built = Command::new(env!("CARGO"))
        .args([
            "build",
            "--offline",
            "--quiet",
            "-p",
            "understudy-abi",
            "--example",
            name,
        ])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", &target)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{told}");
    target.join(format!("debug/examples/lib{name}.so"))
}

#[test]
fn what_a_module_says_of_itself_crosses() {
    let about = understudy_abi::open(guest()).unwrap();
    assert!(!about.aborts());
    let about = about.about();
    assert_eq!((&*about.name, &*about.version), ("guest", "0.3"));
    assert_eq!(about.timer, Some(Duration::from_millis(1500)));
    assert!(about.single && !about.blocking && !about.only_looks && !about.orders_addresses);
    let hooks: Vec<_> = about.hooks.iter().map(Hook::name).collect();
    assert_eq!(
        hooks,
        [
            "request_head",
            "resolve",
            "response_head",
            "response_body",
            "log"
        ]
    );
}

#[test]
fn heads_bodies_addresses_and_the_log_cross() {
    let mut bench = Bench::load(&guest());
    assert_eq!(bench.request("Host: a\r\n"), Ok(Verdict::Continue));
    let set = "set x-guest: blue 192.0.2.9:1234 http://origin.test/a?b true";
    assert_eq!(bench.edits(), [set]);

    bench.edits.clear();
    assert_eq!(
        bench.response(Hook::ResponseHead, "A: 1\r\nB: 2\r\n"),
        Ok(Verdict::Continue)
    );
    assert_eq!(bench.edits(), ["Freshness(200)", "note lines: A,B"]);

    assert_eq!(
        bench.piece(Hook::ResponseBody, &[], "one ", false),
        Ok(Verdict::Hold)
    );
    assert_eq!(
        bench.piece(Hook::ResponseBody, &["one ", "two "], "three", true),
        Ok(Verdict::Replace("ONE TWO THREE".into()))
    );

    bench.edits.clear();
    let found = ["192.0.2.1".parse().unwrap(), "2001:db8::2".parse().unwrap()];
    let host = Part::Host {
        name: "origin.test",
        port: 80,
        found: &found,
    };
    assert_eq!(bench.call(Hook::Resolve, host), Ok(Verdict::Continue));
    assert_eq!(
        bench.edits(),
        ["Address(2001:db8::2)", "Address(192.0.2.1)"]
    );

    let entry = LogEntry {
        status: 200,
        elapsed: Duration::from_nanos(1_234_567_891),
        bytes_out: 3,
        body_out: 2,
        body_in: 1,
        code: "TCP_HIT",
        hierarchy: "HIER_NONE/-",
        timeout: "",
        error: "x",
        aborted: true,
    };
    bench.call(Hook::Log, Part::Log(&entry)).unwrap();
    assert_eq!(
        *bench.asked.told.lock().unwrap(),
        [format!("Warn {:?}", Some(entry))]
    );
    bench.free();
    // One value all along: made by the only request_head, dropped at the end, without `free`, which is no hook of it.
    let injected = bench.asked.injected.lock().unwrap().clone();
    assert_eq!(injected, [(7, "freed after 1".into())]);
}

#[test]
fn a_panic_is_a_panic_and_the_opaque_value_outlives_it() {
    let mut bench = Bench::load(&guest());
    assert_eq!(
        bench.request("X-Do: panic\r\n"),
        Err(Panicked("as asked".to_owned()))
    );
    assert!(bench.edits.is_empty());
    bench.request("").unwrap();
    bench.free();
    let injected = bench.asked.injected.lock().unwrap().clone();
    assert_eq!(injected, [(7, "freed after 2".into())]);
}

#[test]
fn an_answer_and_a_late_answer_cross() {
    let mut bench = Bench::load(&guest());
    let page = Response::text(403, "no entry").unwrap();
    assert_eq!(
        bench.request("X-Do: respond\r\n"),
        Ok(Verdict::Respond(Box::new(page)))
    );
    assert_eq!(bench.request("X-Do: wait\r\n"), Ok(Verdict::Pending));
    let (token, answer) = loop {
        if let Some(resumed) = bench.asked.resumed.lock().unwrap().pop() {
            break resumed;
        }
        std::thread::yield_now();
    };
    assert_eq!(token, TOKEN);
    assert_eq!(answer.verdict, Verdict::Done);
    assert_eq!(answer.edits.len(), 1);
    bench.free();
}

#[test]
fn operations_and_their_ends_cross() {
    let bench = Bench::load(&guest());
    bench.module.timer(&bench.host);
    let told = std::mem::take(&mut *bench.asked.told.lock().unwrap());
    assert_eq!(told, ["count rung 8589934592"]);
    let object = bench.host.object("http://origin.test/").unwrap();
    assert_eq!(
        *bench.asked.operations.lock().unwrap(),
        [(5, Operation::Query(object))]
    );
    assert_eq!(
        bench.module.reconfigure(&bench.host),
        Err("blue it stays".to_owned())
    );
    let promise =
        "attend unheard request_head noted request_out response_return withheld response_head";
    let told = std::mem::take(&mut *bench.asked.told.lock().unwrap());
    assert_eq!(told, [promise]);

    let object = |key: &str| understudy_module::ObjectId::of_key(key.as_bytes());
    let mut page = Response::new(200, "body").unwrap();
    page.add(b"A", b"b").unwrap();
    let info = ObjectInfo {
        status: 200,
        length: 9,
        age: 4,
        ttl: -3,
        content_type: Some(String::new()),
    };
    for completion in [
        Completion::Done,
        Completion::Found(info.clone()),
        Completion::Found(ObjectInfo {
            content_type: None,
            ..info.clone()
        }),
        Completion::Listed(Vec::new(), None),
        Completion::Listed(
            vec![
                (object("a"), info.clone()),
                (
                    object("b"),
                    ObjectInfo {
                        content_type: None,
                        ..info
                    },
                ),
            ],
            Some(object("b")),
        ),
        Completion::Statistics(Vec::new()),
        Completion::Statistics(vec![("a".to_owned(), 0), ("b".to_owned(), u64::MAX)]),
        Completion::Absent,
        Completion::Fetched {
            status: 404,
            stored: true,
        },
        Completion::Object(Box::new(page)),
        Completion::Part("piece".into(), true),
        Completion::Failed("why".to_owned()),
    ] {
        let line = format!("Info 6 {completion:?}");
        bench.module.completed(&bench.host, 6, completion);
        assert_eq!(bench.asked.told.lock().unwrap().pop(), Some(line));
    }
    bench.module.fini(&bench.host);
}

#[test]
fn a_module_that_wants_free_is_given_its_opaque_value_there() {
    let path = example("freeing");
    let about = understudy_abi::open(&path).unwrap().about().clone();
    assert!(about.hooks.has(Hook::Free));
    let mut bench = Bench::load(&path);
    bench.request("").unwrap();
    bench.request("").unwrap();
    bench.free();
    let injected = bench.asked.injected.lock().unwrap().clone();
    assert_eq!(injected, [(7, "2 seen".into())]);
}

/// The example behind a proxy whose table has so many bytes.
fn older(table: usize) -> Result<Bench, String> {
    let dir = tempfile::tempdir().unwrap();
    let source = include_str!("c/older.c");
    let (guest, table) = (
        format!("-DGUEST=\"{}\"", guest().display()),
        format!("-DTABLE={table}u"),
    );
    let path = build(
        dir.path(),
        "older",
        source,
        &[&guest, &table, "-Wno-array-bounds"],
    );
    understudy_abi::open(path).map(|opened| Bench::new(opened.make().unwrap()))
}

#[test]
fn a_proxy_that_is_older_by_a_minor_version_is_asked_for_what_it_has() {
    let whole = std::mem::offset_of!(raw::HostTable, attend);
    let mut bench = older(whole).unwrap();
    assert_eq!(bench.request("Host: a\r\n"), Ok(Verdict::Continue));
    // It can be promised nothing, and has nothing to answer to that.
    let told = bench.module.reconfigure(&bench.host);
    assert_eq!(told, Err("blue it stays".to_owned()));
    assert!(bench.asked.told.lock().unwrap().is_empty());
    let why = older(whole - 8).err().unwrap();
    assert!(why.contains("it refused"), "{why}");
}
