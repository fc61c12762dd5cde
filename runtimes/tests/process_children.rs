//! Modules in child processes, without a proxy. The binary of these tests is its own child: see `main`.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "process_support/cases/mod.rs"]
mod cases;
#[path = "process_support/probe.rs"]
mod probe;
#[path = "process_support/world.rs"]
mod world;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::Arc;
use understudy_runtimes::Library;

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if arguments.first().is_some_and(|word| word == "module-host") {
        return understudy_runtimes::process::host_main(&|library| {
            if library == "nowhere" {
                return Err("there is no such library".to_owned());
            }
            Ok(Arc::new(probe::ProbeLibrary(library.to_owned())) as Arc<dyn Library>)
        });
    }
    let wanted = arguments.iter().find(|word| !word.starts_with('-'));
    if arguments.iter().any(|word| word == "--list") {
        cases::all().for_each(|(name, _)| println!("{name}: test"));
        return ExitCode::SUCCESS;
    }
    let mut failed = Vec::new();
    for (name, case) in cases::all() {
        if wanted.is_some_and(|part| !name.contains(part.as_str())) {
            continue;
        }
        // A system and a thread of its own: its children die with it.
        let went = std::thread::scope(|scope| {
            let run = || catch_unwind(AssertUnwindSafe(case));
            scope.spawn(run).join()
        });
        let well = matches!(went, Ok(Ok(())));
        println!("test {name} ... {}", if well { "ok" } else { "FAILED" });
        if !well {
            failed.push(*name);
        }
    }
    if failed.is_empty() {
        return ExitCode::SUCCESS;
    }
    println!("failed: {failed:?}");
    ExitCode::FAILURE
}
