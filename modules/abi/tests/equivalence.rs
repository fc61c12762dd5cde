//! Modules that are loaded from shared objects, in Rust and in C, do the same in every runtime as those that are linked in.
//!
//! A program of its own, without the usual harness: the children of the process runtime are started from it.
#![allow(clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::time::Duration;
use understudy_abi::template::{self, Lang};
use understudy_ad_remover::AdRemover;
use understudy_add_headers::AddHeaders;
use understudy_body_and_headers::BodyAndHeaders;
use understudy_compressor::Compressor;
use understudy_content_manager::ContentManager;
use understudy_empty::Empty;
use understudy_icap_client::IcapClient;
use understudy_module::Module;
use understudy_module::kit::{self, Bare, Stage};
use understudy_runtimes::{Kind, Library, Limits, Spec, process, stages};
use understudy_text_injector::TextInjector;
use understudy_transcoder::Transcoder;

const KINDS: [Kind; 3] = [Kind::Inline, Kind::Threads, Kind::Process];

/// A shared object, opened anew for each instance.
#[derive(Debug)]
struct Shared(PathBuf);

impl Library for Shared {
    fn make(&self) -> Result<Arc<dyn Module>, String> {
        let opened = understudy_abi::open(&self.0).map_err(|why| why.to_string())?;
        opened.make().map_err(|why| why.to_string())
    }
}

fn run(command: &mut Command) {
    let ran = command.output().unwrap();
    let told = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.success(), "{command:?}\n{told}");
}

/// The shared object of a shipped module, built as its author would.
fn shipped(name: &str) -> PathBuf {
    let target = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("linked");
    run(Command::new(env!("CARGO"))
        .args(["build", "--offline", "--quiet", "--lib", "-p"])
        .arg(format!("understudy-{name}"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .env("CARGO_TARGET_DIR", &target));
    target.join(format!("debug/libunderstudy_{}.so", name.replace('-', "_")))
}

/// Compares the loaded module in every runtime with the linked one, or, where there is none, with itself called directly.
fn same(linked: Option<Bare>, library: &Path, cases: &Path) {
    let own = library.to_owned();
    let bare = Bare::shared(move || Shared(own.clone()).make().unwrap());
    // Inline refuses who may wait.
    let blocking = Shared(library.to_owned()).make().unwrap().about().blocking;
    let kinds = KINDS
        .into_iter()
        .filter(|kind| !blocking || *kind != Kind::Inline);
    let real = kinds.map(|kind| {
        let spec = Spec {
            name: "loaded".into(),
            library: library.to_str().unwrap().to_owned(),
            kind,
            // None of them is about the deadline: no call of theirs meets it, however the machine stalls.
            limits: Limits {
                deadline: Duration::from_secs(600),
                ..Limits::default()
            },
            options: Default::default(),
        };
        let library = Arc::new(Shared(library.to_owned()));
        stages::stage(kind, &spec, library, &std::env::current_exe().unwrap())
    });
    let real: Vec<_> = real.collect();
    let mut all: Vec<&dyn Stage> = linked.iter().map(|stage| stage as &dyn Stage).collect();
    all.push(&bare);
    all.extend(real.iter().map(|stage| stage as &dyn Stage));
    let report = kit::check(&all, &kit::cases(cases).unwrap());
    assert!(report.is_ok(), "{report}");
}

fn shipped_is_the_same(name: &str, linked: Bare) {
    let modules = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    same(
        Some(linked),
        &shipped(name),
        &modules.join(name).join("tests/cases"),
    );
}

fn the_template_in_c_is_the_same() {
    let dir = tempfile::tempdir().unwrap();
    template::write(dir.path(), "greeter", Lang::C).unwrap();
    let library = dir.path().join("greeter.so");
    run(Command::new("cc")
        .args(["-shared", "-fPIC", "-o"])
        .arg(&library)
        .arg("greeter.c")
        .current_dir(dir.path()));
    same(None, &library, &dir.path().join("cases"));
}

const TESTS: &[(&str, fn())] = &[
    ("empty_loaded_is_the_same_everywhere", || {
        shipped_is_the_same("empty", Bare::new(|| Empty));
    }),
    ("ad_remover_loaded_is_the_same_everywhere", || {
        shipped_is_the_same("ad-remover", Bare::new(AdRemover::default));
    }),
    ("add_headers_loaded_is_the_same_everywhere", || {
        shipped_is_the_same("add-headers", Bare::new(AddHeaders::default));
    }),
    ("body_and_headers_loaded_is_the_same_everywhere", || {
        shipped_is_the_same("body-and-headers", Bare::new(BodyAndHeaders::default));
    }),
    ("content_manager_loaded_is_the_same_everywhere", || {
        shipped_is_the_same("content-manager", Bare::new(ContentManager::default));
    }),
    ("compressor_loaded_is_the_same_everywhere", || {
        shipped_is_the_same("compressor", Bare::new(Compressor::default));
    }),
    ("text_injector_loaded_is_the_same_everywhere", || {
        shipped_is_the_same("text-injector", Bare::new(TextInjector::default));
    }),
    ("icap_client_loaded_is_the_same_everywhere", || {
        shipped_is_the_same("icap-client", Bare::new(IcapClient::default));
    }),
    ("transcoder_loaded_is_the_same_everywhere", || {
        shipped_is_the_same("transcoder", Bare::new(Transcoder::default));
    }),
    (
        "a_module_in_c_is_the_same_everywhere",
        the_template_in_c_is_the_same,
    ),
];

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|word| word == "module-host") {
        return process::host_main(&|library| {
            Ok(Arc::new(Shared(library.into())) as Arc<dyn Library>)
        });
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
        let passed = std::panic::catch_unwind(test).is_ok();
        println!("test {name} ... {}", if passed { "ok" } else { "FAILED" });
        failed += usize::from(!passed);
    }
    ExitCode::from(u8::from(failed > 0))
}
