//! Modules behave the same in every runtime, on every chunking, among other transactions; and one that does not is named.
//!
//! A program of its own, without the usual harness: the children of the process runtime are started from it.
#![allow(clippy::unwrap_used)]

mod everything;
mod odd;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;
use understudy_module::Module;
use understudy_module::kit::{self, Bare, Case, Report, Stage};
use understudy_runtimes::{Kind, Library, Limits, Spec, process, stages};

/// The runtimes, in the order in which they are compared.
const KINDS: [Kind; 3] = [Kind::Inline, Kind::Threads, Kind::Process];

/// A module that is linked in.
#[derive(Clone, Copy)]
struct Linked(fn() -> Arc<dyn Module>);

impl std::fmt::Debug for Linked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Linked")
    }
}

impl Library for Linked {
    fn make(&self) -> Result<Arc<dyn Module>, String> {
        Ok((self.0)())
    }
}

/// The modules, by name.
fn linked(name: &str) -> Option<Linked> {
    Some(Linked(match name {
        "empty" => || Arc::new(understudy_empty::Empty),
        "ad-remover" => || Arc::new(understudy_ad_remover::AdRemover::default()),
        "add-headers" => || Arc::new(understudy_add_headers::AddHeaders::default()),
        "body-and-headers" => || Arc::new(understudy_body_and_headers::BodyAndHeaders::default()),
        "content-manager" => || Arc::new(understudy_content_manager::ContentManager::default()),
        "compressor" => || Arc::new(understudy_compressor::Compressor::default()),
        "text-injector" => || Arc::new(understudy_text_injector::TextInjector::default()),
        "icap-client" => || Arc::new(understudy_icap_client::IcapClient::default()),
        "transcoder" => || Arc::new(understudy_transcoder::Transcoder::default()),
        "everything" => || Arc::new(everything::Everything::default()),
        "by-thread" => || Arc::new(odd::ByThread),
        "by-process" => || Arc::new(odd::ByProcess),
        "by-piece" => || Arc::new(odd::ByPiece),
        _ => return None,
    }))
}

fn library(name: &str) -> Result<Arc<dyn Library>, String> {
    let name = name.strip_prefix("builtin:").unwrap_or(name);
    match linked(name) {
        Some(linked) => Ok(Arc::new(linked)),
        None => Err(format!("there is no module `{name}`")),
    }
}

fn spec(name: &str) -> Spec {
    Spec {
        name: name.into(),
        library: format!("builtin:{name}"),
        kind: Kind::Inline,
        // None of them is about the deadline: no call of theirs meets it, however the machine stalls.
        limits: Limits {
            deadline: Duration::from_secs(600),
            ..Limits::default()
        },
        options: Default::default(),
    }
}

fn program() -> std::path::PathBuf {
    std::env::current_exe().unwrap()
}

/// Checks a module without a runtime and in all of them.
fn check(name: &str, cases: &[Case]) -> Report {
    let linked = linked(name).unwrap();
    let bare = Bare::made_by(linked.0);
    // Inline refuses who may wait.
    let blocking = (linked.0)().about().blocking;
    let kinds = KINDS
        .into_iter()
        .filter(|kind| !blocking || *kind != Kind::Inline);
    let real: Vec<_> = kinds
        .map(|kind| stages::stage(kind, &spec(name), library(name).unwrap(), &program()))
        .collect();
    let mut all: Vec<&dyn Stage> = vec![&bare];
    all.extend(real.iter().map(|stage| stage as &dyn Stage));
    kit::check(&all, cases)
}

fn shipped(name: &str) {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../modules")
        .join(name)
        .join("tests/cases");
    let report = check(name, &kit::cases(&cases).unwrap());
    assert!(report.is_ok(), "{report}");
    // And as the command does it.
    let library = library(name).unwrap();
    let report = stages::check(&spec(name), library, &program(), &cases);
    let report = report.unwrap_or_else(|report| panic!("{report}"));
    assert!(report.is_ok(), "{report}");
}

fn everything_is_the_same_everywhere() {
    let report = check("everything", &everything::cases());
    assert!(report.is_ok(), "{report}");
}
/// Stages of the runs that differ.
fn named(report: &Report) -> Vec<&str> {
    let mut stages: Vec<&str> = report
        .differences
        .iter()
        .map(|one| one.stage.as_str())
        .collect();
    stages.dedup();
    stages
}

fn a_module_that_shows_its_thread_is_named() {
    let report = check("by-thread", &[odd::case()]);
    assert!(report.refused.is_empty(), "{report}");
    assert_eq!(named(&report), ["threads", "process"], "{report}");
}

fn a_module_that_shows_its_process_is_named() {
    let report = check("by-process", &[odd::case()]);
    assert!(report.refused.is_empty(), "{report}");
    assert_eq!(named(&report), ["process"], "{report}");
}

fn a_module_that_shows_pieces_is_named_everywhere() {
    let report = check("by-piece", &[odd::case()]);
    assert_eq!(named(&report), ["bare", "inline", "threads", "process"]);
}

fn what_cannot_be_checked_is_told() {
    let library = library("empty").unwrap();
    let none = Path::new("/no/such/place");
    let report = stages::check(&spec("empty"), library, &program(), none).unwrap_err();
    assert!(report.to_string().contains("/no/such/place"), "{report}");
}

const TESTS: &[(&str, fn())] = &[
    ("empty_is_the_same_everywhere", || shipped("empty")),
    ("ad_remover_is_the_same_everywhere", || {
        shipped("ad-remover")
    }),
    ("add_headers_is_the_same_everywhere", || {
        shipped("add-headers")
    }),
    ("body_and_headers_is_the_same_everywhere", || {
        shipped("body-and-headers")
    }),
    ("content_manager_is_the_same_everywhere", || {
        shipped("content-manager")
    }),
    ("compressor_is_the_same_everywhere", || {
        shipped("compressor")
    }),
    ("text_injector_is_the_same_everywhere", || {
        shipped("text-injector")
    }),
    ("icap_client_is_the_same_everywhere", || {
        shipped("icap-client")
    }),
    ("transcoder_is_the_same_everywhere", || {
        shipped("transcoder")
    }),
    (
        "everything_is_the_same_everywhere",
        everything_is_the_same_everywhere,
    ),
    (
        "a_module_that_shows_its_thread_is_named",
        a_module_that_shows_its_thread_is_named,
    ),
    (
        "a_module_that_shows_its_process_is_named",
        a_module_that_shows_its_process_is_named,
    ),
    (
        "a_module_that_shows_pieces_is_named_everywhere",
        a_module_that_shows_pieces_is_named_everywhere,
    ),
    (
        "what_cannot_be_checked_is_told",
        what_cannot_be_checked_is_told,
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments
        .first()
        .is_some_and(|first| first == "module-host")
    {
        return process::host_main(&library);
    }
    if arguments.iter().any(|argument| argument == "--list") {
        TESTS.iter().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let wanted: Vec<&String> = arguments.iter().filter(|a| !a.starts_with('-')).collect();
    let mut failed = 0;
    for (name, test) in TESTS {
        if !wanted.is_empty() && !wanted.iter().any(|part| name.contains(part.as_str())) {
            continue;
        }
        let began = std::time::Instant::now();
        let passed = std::panic::catch_unwind(test).is_ok();
        let outcome = if passed { "ok" } else { "FAILED" };
        println!("test {name} ... {outcome} ({:.1?})", began.elapsed());
        failed += usize::from(!passed);
    }
    if failed == 0 {
        ExitCode::SUCCESS
    } else {
        println!("{failed} failed");
        ExitCode::FAILURE
    }
}
