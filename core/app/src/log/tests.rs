//! Lines exactly, and the sink with its writer over real files.

#![allow(clippy::unwrap_used)]

use super::{Counts, Log, Sink, WAITING_BYTES, json, squid};
use crate::config::{
    shape::{Level, LogFormat},
    values::AccessLog,
};
use std::{
    path::Path,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::{Duration, Instant, UNIX_EPOCH},
};
use understudy_http::{
    Version,
    semantics::{cache_status::Forward, reuse::Stale, storing::NoStoreReason},
};
use understudy_proxy::record::{ModuleRecord, Outcome, Record, TransactionLog};

/// A hit, on which each case varies something.
fn record() -> Record<'static> {
    Record {
        id: 0xabc,
        at: UNIX_EPOCH + Duration::from_micros(1_700_000_000_007_900),
        elapsed: Duration::from_micros(12_345),
        listener: "forward",
        client: "192.0.2.7:50000".parse().unwrap(),
        method: b"GET",
        url: b"http://example.org/a?b=c",
        version: Version::Http11,
        status: 200,
        bytes_out: 10_530,
        body_out: 10_240,
        body_in: 0,
        outcome: Outcome::Hit,
        forward: None,
        not_stored: None,
        stale: None,
        origin: None,
        content_type: Some(b"text/html; charset=utf-8"),
        referer: None,
        user_agent: None,
        error: None,
        aborted: false,
        modules: &[],
        rules: "",
    }
}

fn squid_line(record: &Record<'_>) -> String {
    let mut out = Vec::new();
    squid::line(record, &mut out);
    String::from_utf8(out).unwrap()
}

fn json_line(record: &Record<'_>) -> serde_json::Value {
    let mut out = Vec::new();
    json::line(record, &mut out);
    assert_eq!(out.iter().filter(|b| **b == b'\n').count(), 1);
    assert_eq!(out.last(), Some(&b'\n'));
    serde_json::from_slice(&out).unwrap()
}

#[test]
fn the_native_line_is_squids() {
    let origin = "203.0.113.9:80".parse().ok();
    let ms = Duration::from_millis;
    let cases: [(Record<'_>, &str); 9] = [
        (
            record(),
            "1700000000.007     12 192.0.2.7 TCP_MEM_HIT/200 10530 GET http://example.org/a?b=c - HIER_NONE/- text/html\n",
        ),
        (
            Record {
                outcome: Outcome::Miss,
                forward: Some(Forward::UriMiss),
                origin,
                elapsed: ms(1_234_567),
                ..record()
            },
            "1700000000.007 1234567 192.0.2.7 TCP_MISS/200 10530 GET http://example.org/a?b=c - HIER_DIRECT/203.0.113.9 text/html\n",
        ),
        (
            Record {
                outcome: Outcome::HitNotModified,
                status: 304,
                content_type: None,
                ..record()
            },
            "1700000000.007     12 192.0.2.7 TCP_IMS_HIT/304 10530 GET http://example.org/a?b=c - HIER_NONE/- -\n",
        ),
        (
            Record {
                outcome: Outcome::Tunnel,
                method: b"CONNECT",
                url: b"example.org:443",
                origin: "[2001:db8::9]:443".parse().ok(),
                content_type: None,
                ..record()
            },
            "1700000000.007     12 192.0.2.7 TCP_TUNNEL/200 10530 CONNECT example.org:443 - HIER_DIRECT/2001:db8::9 -\n",
        ),
        (
            Record {
                client: "[::ffff:192.0.2.8]:1".parse().unwrap(),
                outcome: Outcome::Denied,
                status: 403,
                ..record()
            },
            "1700000000.007     12 192.0.2.8 TCP_DENIED/403 10530 GET http://example.org/a?b=c - HIER_NONE/- text/html\n",
        ),
        (
            Record {
                outcome: Outcome::Miss,
                aborted: true,
                modules: &[],
                status: 0,
                bytes_out: 0,
                content_type: None,
                elapsed: Duration::ZERO,
                ..record()
            },
            "1700000000.007      0 192.0.2.7 TCP_MISS_ABORTED/000 0 GET http://example.org/a?b=c - HIER_NONE/- -\n",
        ),
        (
            Record {
                outcome: Outcome::Local,
                status: 400,
                method: b"",
                url: b"",
                content_type: Some(b""),
                ..record()
            },
            "1700000000.007     12 192.0.2.7 NONE/400 10530 NONE error:invalid-request - HIER_NONE/- -\n",
        ),
        (
            Record {
                method: b"G\"T",
                url: b"http://a/\r\n0 x \xff\"",
                content_type: Some(b" a/b\n c ;d"),
                ..record()
            },
            "1700000000.007     12 192.0.2.7 TCP_MEM_HIT/200 10530 G%22T http://a/%0D%0A0%20x%20%FF%22 - HIER_NONE/- a/b%0A%20c\n",
        ),
        (
            Record {
                at: UNIX_EPOCH - Duration::from_secs(1),
                ..record()
            },
            "0.000     12 192.0.2.7 TCP_MEM_HIT/200 10530 GET http://example.org/a?b=c - HIER_NONE/- text/html\n",
        ),
    ];
    for (record, want) in cases {
        assert_eq!(squid_line(&record), want);
    }
}

#[test]
fn every_outcome_has_squids_code() {
    let cases = [
        (Outcome::Hit, None, "TCP_MEM_HIT"),
        (Outcome::HitNotModified, None, "TCP_IMS_HIT"),
        (Outcome::Stale, None, "TCP_HIT"),
        (Outcome::Collapsed, Some(Forward::UriMiss), "TCP_HIT"),
        (
            Outcome::Revalidated,
            Some(Forward::Stale),
            "TCP_REFRESH_UNMODIFIED",
        ),
        (Outcome::Miss, Some(Forward::Stale), "TCP_REFRESH_MODIFIED"),
        (Outcome::Miss, Some(Forward::VaryMiss), "TCP_MISS"),
        (Outcome::Pass, Some(Forward::Method), "TCP_MISS"),
        (Outcome::Tunnel, None, "TCP_TUNNEL"),
        (Outcome::Denied, None, "TCP_DENIED"),
        (Outcome::Local, None, "NONE"),
    ];
    for (outcome, forward, want) in cases {
        let line = squid_line(&Record {
            outcome,
            forward,
            ..record()
        });
        assert_eq!(
            line.split_ascii_whitespace().nth(3),
            Some(format!("{want}/200").as_str())
        );
    }
}

#[test]
fn a_hostile_request_is_one_json_object() {
    let long = [b'x'; 4000];
    let line = json_line(&Record {
        url: b"http://a/\"}\n{\"forged\":1,\"x\":\"\xff\\",
        outcome: Outcome::Miss,
        forward: Some(Forward::Stale),
        not_stored: Some(NoStoreReason::ResponseNoStore),
        stale: Some(Stale::IfError),
        origin: "203.0.113.9:80".parse().ok(),
        referer: Some(b"\x00\x1b[2J"),
        user_agent: Some(&long),
        error: Some("connect"),
        aborted: true,
        modules: &[],
        ..record()
    });
    let want = serde_json::json!({
        "time": 1_700_000_000.007_9, "elapsed": 0.012_345, "id": "0000000000000abc", "listener": "forward", "client": "192.0.2.7:50000",
        "method": "GET", "url": "http://a/\"}\n{\"forged\":1,\"x\":\"%FF\\", "version": "HTTP/1.1", "status": 200, "bytes_out": 10530,
        "body_out": 10240, "body_in": 0, "outcome": "miss", "forward": "stale", "not_stored": "no-store", "stale": "stale-if-error", "origin": "203.0.113.9:80",
        "content_type": "text/html; charset=utf-8", "referer": "\u{0}\u{1b}[2J", "user_agent": "x".repeat(1024), "error": "connect",
        "aborted": true,
    });
    assert_eq!(line, want);
}

#[test]
fn what_is_not_known_is_left_out_of_json() {
    let line = json_line(&Record {
        content_type: None,
        version: Version::Http10,
        ..record()
    });
    let object = line.as_object().unwrap();
    for name in [
        "forward",
        "not_stored",
        "stale",
        "origin",
        "content_type",
        "referer",
        "user_agent",
        "error",
    ] {
        assert!(!object.contains_key(name), "{name}");
    }
    assert_eq!(line["version"], "HTTP/1.0");
}

fn open(path: &Path, counts: &Arc<Counts>) -> Arc<Sink> {
    let log = Log {
        access: AccessLog::File(path.to_owned()),
        format: LogFormat::Squid,
        level: Level::Info,
    };
    Sink::open(&log, counts).unwrap().unwrap()
}

#[test]
fn a_log_that_is_off_opens_nothing() {
    let log = Log {
        access: AccessLog::Off,
        format: LogFormat::Squid,
        level: Level::Info,
    };
    assert!(Sink::open(&log, &Arc::default()).unwrap().is_none());
}

#[test]
fn what_was_logged_by_many_threads_is_written_whole_at_the_end() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let counts = Arc::new(Counts::default());
    let sink = open(&path, &counts);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| (0..500).for_each(|_| sink.log(&record())));
        }
    });
    sink.close(Duration::from_secs(60));
    let text = std::fs::read_to_string(&path).unwrap();
    assert_eq!(text, squid_line(&record()).repeat(2000));
    assert_eq!(
        (counts.written.load(Relaxed), counts.dropped.load(Relaxed)),
        (2000, 0)
    );
    // After the end nothing is taken any more, and that is counted.
    sink.log(&record());
    assert_eq!(counts.dropped.load(Relaxed), 1);
}

#[test]
fn a_sink_that_everybody_let_go_of_writes_what_waits() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("access.log");
    let counts = Arc::new(Counts::default());
    let sink = open(&path, &counts);
    (0..100).for_each(|_| sink.log(&record()));
    drop(sink);
    let deadline = Instant::now() + Duration::from_secs(60);
    while counts.written.load(Relaxed) < 100 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 100);
}

#[test]
fn a_log_moved_away_is_opened_again() {
    let dir = tempfile::tempdir().unwrap();
    let (path, moved) = (
        dir.path().join("access.log"),
        dir.path().join("access.log.1"),
    );
    let sink = open(&path, &Arc::default());
    sink.log(&record());
    std::fs::rename(&path, &moved).unwrap();
    sink.reopen();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !path.exists() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(1));
    }
    sink.log(&record());
    sink.log(&record());
    sink.close(Duration::from_secs(60));
    let lines = |path: &Path| std::fs::read_to_string(path).unwrap().lines().count();
    assert_eq!((lines(&moved), lines(&path)), (1, 2));
}

#[test]
fn a_full_disk_drops_lines_and_counts_them() {
    let counts = Arc::new(Counts::default());
    let sink = open(Path::new("/dev/full"), &counts);
    (0..10).for_each(|_| sink.log(&record()));
    sink.close(Duration::from_secs(60));
    assert_eq!(
        (counts.written.load(Relaxed), counts.dropped.load(Relaxed)),
        (0, 10)
    );
}

#[test]
fn a_writer_that_hangs_costs_lines_not_time() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("pipe");
    // A pipe that nobody reads takes 64 KiB and then blocks its writer.
    rustix::fs::mkfifoat(
        rustix::fs::CWD,
        &path,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
    )
    .unwrap();
    let reader = std::fs::OpenOptions::new()
        .read(true)
        .write(true)
        .open(&path)
        .unwrap();
    let counts = Arc::new(Counts::default());
    let sink = open(&path, &counts);
    let url = vec![b'x'; 16 << 10];
    let big = Record {
        url: &url,
        ..record()
    };
    let sent = 3 * WAITING_BYTES / url.len() as u64;
    // Were a worker to block, this would never end: nobody reads.
    (0..sent).for_each(|_| sink.log(&big));
    let dropped = counts.dropped.load(Relaxed);
    assert!(dropped > 0 && dropped < sent, "{dropped} of {sent}");
    sink.close(Duration::from_millis(10));
    drop(reader);
}

#[test]
fn the_json_line_says_what_each_module_cost() {
    let notes = [
        (b"verdict".to_vec(), b"maybe".to_vec()),
        (b"verdict".to_vec(), b"cle\"an\n".to_vec()),
        (b"score".to_vec(), b"3".to_vec()),
    ];
    let cost = |calls, time, wait| understudy_runtimes::Cost { calls, time, wait };
    let modules = [
        ModuleRecord {
            name: "filter",
            cost: cost(3, 1_500, 20_000),
            hooks: &[],
            failed: None,
            notes: &notes,
        },
        ModuleRecord {
            name: "tag",
            cost: cost(1, 0, 0),
            hooks: &[],
            failed: Some("deadline"),
            notes: &[],
        },
    ];
    let line = json_line(&Record {
        modules: &modules,
        ..record()
    });
    assert_eq!(
        line["modules"],
        serde_json::json!([
            {"name": "filter", "calls": 3, "time_us": 1.5, "wait_us": 20.0, "notes": {"verdict": "cle\"an\n", "score": "3"}},
            {"name": "tag", "calls": 1, "time_us": 0.0, "wait_us": 0.0, "failed": "deadline"},
        ])
    );
    assert!(json_line(&record()).get("modules").is_none());
}

#[test]
fn the_json_line_says_what_each_hook_cost_with_its_bytes_and_failures() {
    use understudy_module::Hook;
    use understudy_runtimes::HookCost;
    let hooks = [
        HookCost {
            calls: 1,
            time: 500,
            ..HookCost::new(Hook::ResponseHead)
        },
        HookCost {
            calls: 2,
            time: 1_000,
            wait: 20_000,
            bytes_in: 10,
            bytes_out: 7,
            failures: 1,
            ..HookCost::new(Hook::ResponseBody)
        },
    ];
    let modules = [ModuleRecord {
        name: "filter",
        cost: understudy_runtimes::Cost {
            calls: 3,
            time: 1_500,
            wait: 20_000,
        },
        hooks: &hooks,
        failed: None,
        notes: &[],
    }];
    let line = json_line(&Record {
        modules: &modules,
        ..record()
    });
    assert_eq!(
        line["modules"],
        serde_json::json!([{
            "name": "filter", "calls": 3, "time_us": 1.5, "wait_us": 20.0, "bytes_in": 10, "bytes_out": 7, "hooks": {
                "response_head": {"calls": 1, "time_us": 0.5, "wait_us": 0.0, "failures": 0},
                "response_body": {
                    "calls": 2, "time_us": 1.0, "wait_us": 20.0, "bytes_in": 10, "bytes_out": 7, "failures": 1,
                },
            },
        }])
    );
}

#[test]
fn the_names_of_rules_are_told_where_there_are_any() {
    let line = json_line(&Record {
        rules: "images,slow",
        ..record()
    });
    assert_eq!(line["rules"], "images,slow");
    assert!(json_line(&record()).get("rules").is_none());
}
