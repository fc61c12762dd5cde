//! What a command is asked, and what becomes of one whose time is over.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::time::{Duration, Instant};
use understudy_module::kit::{Bare, Case, Chunking, Job, Random, Stage, run_all};
use understudy_text_injector::TextInjector;

/// The number of what the command started, which it wrote there.
fn started(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[test]
fn what_a_command_started_ends_with_its_time() {
    let path = std::env::temp_dir().join(format!("text-injector-{}", std::process::id()));
    let script = format!("sleep 1000 & echo $! > '{}'; wait", path.display());
    let case = Case::new("a command", "GET", "http://example.org/")
        .option("command.0", "sh")
        .option("command.1", "-c")
        .option("command.2", &script)
        .option("timeout", "500ms")
        .answers("Content-Type", "text/html")
        .gives(200, "<head></head>");
    let mut seated = Bare::new(TextInjector::default)
        .open(&case.options)
        .unwrap();
    let chunking = Chunking::default();
    // On a busy machine its time may be over before it has started anything.
    let sleeper = loop {
        let job = Job {
            case: &case,
            chunking: &chunking,
            tables: false,
        };
        let found = run_all(&mut *seated, &[job], 1, &mut Random::new(1)).remove(0);
        assert_eq!(found.failure, None, "{}", found.why);
        if let Some(number) = started(&path) {
            break number;
        }
    };
    std::fs::remove_file(&path).unwrap();
    let command_line = format!("/proc/{sleeper}/cmdline");
    let end = Instant::now() + Duration::from_secs(60);
    // One that nobody waits for yet has no command line any more.
    while std::fs::read(&command_line).is_ok_and(|line| line.starts_with(b"sleep")) {
        assert!(Instant::now() < end, "it is still there");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A listener for both families sees clients of the older one by addresses of the newer.
#[test]
fn a_client_has_one_address_whatever_the_listener_is() {
    let mut case = Case::new("a client", "GET", "http://example.org/")
        .option("command.0", "cat")
        .option("ask", "{client}")
        .option("timeout", "60s")
        .answers("Content-Type", "text/html")
        .gives(200, "<head></head>");
    case.client = "[::ffff:192.0.2.7]:40000".parse().unwrap();
    let mut seated = Bare::new(TextInjector::default)
        .open(&case.options)
        .unwrap();
    let chunking = Chunking::default();
    let job = Job {
        case: &case,
        chunking: &chunking,
        tables: false,
    };
    let found = run_all(&mut *seated, &[job], 1, &mut Random::new(1)).remove(0);
    let body = found.returned.unwrap().body.unwrap();
    assert_eq!(body, b"<head>192.0.2.7</head>");
}
