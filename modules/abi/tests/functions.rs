//! Every function of the proxy's table, called by a module in C that checks what it answers.
#![allow(clippy::unwrap_used)]

mod common;

use common::{Bench, TOKEN, build};
use std::time::Duration;
use understudy_module::{
    Bytes, Completion, Head, Hook, Interest, Lines, LogEntry, ObjectId, ObjectInfo, Opaque,
    Operation, Panicked, Part, Response, Verdict,
};

fn bench() -> Bench {
    let dir = tempfile::tempdir().unwrap();
    Bench::load(&build(
        dir.path(),
        "functions",
        include_str!("c/functions.c"),
        &[],
    ))
}

fn page(status: u16, body: &'static str) -> Box<Response> {
    let mut page = Response::new(status, body).unwrap();
    page.add(b"a", b"b").unwrap();
    Box::new(page)
}

#[test]
fn options_descriptors_and_the_log_are_reached_in_init() {
    let bench = bench();
    let about = bench.module.about();
    assert!(about.blocking && about.orders_addresses && !about.single && !about.only_looks);
    assert_eq!(about.timer, Some(Duration::from_secs(2)));
    let told = bench.asked.told.lock().unwrap().clone();
    let watched = [
        "count a_count 3",
        "attend unheard request_head noted request_out response_return withheld response_head",
        "watch 3 Read 11",
        "unwatch 3 Read",
        "unwatch 4 Read",
        "unwatch 4 Write",
        "Warn a line",
    ];
    assert_eq!(told, watched);
}

#[test]
fn a_request_head_is_seen_and_edited() {
    let mut bench = bench();
    assert_eq!(
        bench.request("A: 1\r\nA: 2\r\nB: 3\r\n"),
        Ok(Verdict::Pending)
    );
    let edits = [
        "add c: 4",
        "set a: 5",
        "delete b",
        "target /new",
        "KeepLength",
        "WithholdHead",
        "SkipBody",
        "note n: v",
    ];
    assert_eq!(bench.edits(), edits);
    assert!(matches!(bench.opaque, Opaque::Word(word) if word != 0));
    bench.free();
}

#[test]
fn answers_objects_and_operations_are_built() {
    let mut bench = bench();
    let head = Head::Request {
        target: b"/",
        lines: Lines::Text(b""),
    };
    assert_eq!(
        bench.call(Hook::RequestOut, Part::Head(head)),
        Ok(Verdict::Respond(page(403, "no")))
    );

    let resumed = bench.asked.resumed.lock().unwrap().clone();
    assert!(resumed.iter().all(|(token, _)| *token == TOKEN));
    let verdicts: Vec<_> = resumed
        .iter()
        .map(|(_, answer)| answer.verdict.clone())
        .collect();
    let expected = [
        Verdict::Respond(page(200, "body")),
        Verdict::Replace("other".into()),
        Verdict::fail("too late"),
        Verdict::Done,
        Verdict::fail("US_RESPOND without respond()"),
    ];
    assert_eq!(verdicts, expected);
    let edits: Vec<_> = resumed[0]
        .1
        .edits
        .iter()
        .map(|edit| common::show(&edit))
        .collect();
    let expected = [
        "add a: b",
        "set c: d",
        "delete e",
        "target /t",
        "Status(404)",
        "NoStore",
        "Freshness(60)",
        "KeepLength",
        "WithholdHead",
        "SkipBody",
        "Address(2001:db8::1)",
        "note n: v",
    ];
    assert_eq!(edits, expected);
    assert_eq!(
        *bench.asked.injected.lock().unwrap(),
        [(8, Bytes::from("more"))]
    );

    let k = || understudy_module::ObjectId::of_key(b"k");
    let expected = [
        Operation::Query(k()),
        Operation::Fetch(k()),
        Operation::Validate(k()),
        Operation::SetExpiration(k(), -6),
        Operation::Delete(k()),
        Operation::Inject(k(), page(200, "x")),
        Operation::InjectStart(k(), 5, page(200, "x")),
        Operation::InjectBody(5, "x".into()),
        Operation::InjectDone(5),
        Operation::InjectAbort(5),
        Operation::Read(k()),
        Operation::ReadStart(k(), 5),
        Operation::ReadPart(5, 7),
        Operation::ReadDone(5),
        Operation::List("x".into(), Some(k()), 7),
        Operation::Statistics,
        Operation::List("".into(), None, 9),
    ];
    let submitted = bench.asked.operations.lock().unwrap().clone();
    assert_eq!(submitted, (0..).zip(expected).collect::<Vec<_>>());
}

#[test]
fn a_response_head_is_edited_and_a_broken_instance_is_a_panic() {
    let mut bench = bench();
    assert_eq!(bench.response(Hook::ResponseHead, ""), Ok(Verdict::Done));
    assert_eq!(bench.edits(), ["Status(404)", "NoStore", "Freshness(3)"]);
    let broken = bench.response(Hook::ResponseReturn, "");
    assert_eq!(broken, Err(Panicked("broken".to_owned())));
    assert_eq!(bench.edits().len(), 3);
}

#[test]
fn pieces_are_seen_kept_and_replaced() {
    let mut bench = bench();
    let replaced = bench.piece(Hook::ResponseBody, &["one", "two"], "three", true);
    assert_eq!(replaced, Ok(Verdict::Replace("mine".into())));
}

#[test]
fn each_number_is_its_verdict_and_others_are_failures() {
    let mut bench = bench();
    let mut answer = |number: &str| bench.piece(Hook::ReturnBody, &[], number, false).unwrap();
    assert_eq!(answer("0\0"), Verdict::Continue);
    assert_eq!(answer("1\0"), Verdict::Done);
    assert_eq!(answer("2\0"), Verdict::fail("US_RESPOND without respond()"));
    assert_eq!(answer("3\0"), Verdict::fail("US_REPLACE without replace()"));
    assert_eq!(answer("4\0"), Verdict::Drop);
    assert_eq!(answer("5\0"), Verdict::Hold);
    // Nobody could resume it: no token was taken.
    let stuck = "Pending without a token can never be resumed";
    assert_eq!(answer("6\0"), Verdict::fail(stuck));
    assert_eq!(answer("7\0"), Verdict::fail("it gave no reason"));
    assert_eq!(answer("8\0"), Verdict::fail("US_FIRST without replace()"));
    assert_eq!(answer("9\0"), Verdict::fail("9 is no verdict"));
    assert_eq!(answer("-1\0"), Verdict::fail("-1 is no verdict"));
}

#[test]
fn a_host_is_given_addresses() {
    let mut bench = bench();
    let found = ["2001:db8::7".parse().unwrap()];
    let host = Part::Host {
        name: "origin.test",
        port: 8080,
        found: &found,
    };
    assert_eq!(bench.call(Hook::Resolve, host), Ok(Verdict::Continue));
    assert_eq!(bench.edits(), ["Address(2001:db8::7)"]);
}

#[test]
fn the_end_of_a_transaction_is_seen() {
    let mut bench = bench();
    let entry = LogEntry {
        status: 200,
        elapsed: Duration::from_nanos(1_000_000_001),
        bytes_out: 3,
        body_out: 2,
        body_in: 1,
        code: "TCP_HIT",
        hierarchy: "HIER_NONE/-",
        timeout: "",
        error: "",
        aborted: true,
    };
    bench.call(Hook::Log, Part::Log(&entry)).unwrap();
    assert_eq!(bench.edits(), ["note entry: 200 1000000001 TCP_HIT 1"]);
}

#[test]
fn what_is_no_transaction_s_reaches_the_module() {
    let bench = bench();
    bench.asked.told.lock().unwrap().clear();
    bench.module.timer(&bench.host);
    bench
        .module
        .completed(&bench.host, 6, Completion::Object(page(200, "text")));
    let info = ObjectInfo {
        status: 200,
        length: 9,
        age: 4,
        ttl: -3,
        content_type: Some("text/css".to_owned()),
    };
    let listed = Completion::Listed(
        vec![(ObjectId::of_key(b"k"), info)],
        Some(ObjectId::of_key(b"next")),
    );
    bench.module.completed(&bench.host, 7, listed);
    let figures = Completion::Statistics(vec![("hits".to_owned(), u64::MAX)]);
    bench.module.completed(&bench.host, 8, figures);
    bench.module.ready(&bench.host, 8, Interest::Write, 9);
    assert_eq!(
        bench.module.reconfigure(&bench.host),
        Err("not these".to_owned())
    );
    bench.module.fini(&bench.host);
    let told = bench.asked.told.lock().unwrap().clone();
    let expected = [
        "Info tick",
        "Info tag 6 kind 4 status 200 fields 1 text",
        "Info listed k 200 4 -3 text/css, then next",
        "Info hits=18446744073709551615",
        "Info ready 8 1 9",
        "Info fini",
    ];
    assert_eq!(told, expected);
}
