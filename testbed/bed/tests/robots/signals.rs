//! The program itself, signalled while it runs: held up, it says that its figures do not count; interrupted, it leaves the report of what
//! there was. (What it does when its proxy is only starting is in `tests/interrupt.rs`.)

use super::{
    Results, TRAFFIC,
    proxy::{Lie, Proxy, start},
};
use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::{BufRead, BufReader},
    path::PathBuf,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::Duration,
};
use tempfile::TempDir;

/// The program while it runs a workload through a proxy of the test's own.
struct Bed {
    child: Child,
    proxy: Proxy,
    directory: TempDir,
}

impl Bed {
    /// The usual traffic for so many seconds.
    fn run(lie: Lie, seconds: u32, more: &[&str]) -> Self {
        let proxy = start(lie);
        let directory = tempfile::tempdir().unwrap();
        let text = TRAFFIC.replace("{LIFE}", "1000000");
        let text = text.replace("seconds = 3", &format!("seconds = {seconds}"));
        std::fs::write(directory.path().join("w.toml"), text).unwrap();
        let child = Command::new(env!("CARGO_BIN_EXE_understudy-bed"))
            .arg("run")
            .arg(directory.path().join("w.toml"))
            .args(["--proxy", &proxy.address.to_string(), "--out"])
            .arg(directory.path().join("out"))
            .args(more)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            child,
            proxy,
            directory,
        }
    }

    /// A file that it writes.
    fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join("out").join(name)
    }

    /// Until the proxy has heard so many requests.
    fn until_heard(&mut self, requests: usize) {
        while self.proxy.heard.lock().unwrap().len() < requests {
            assert_eq!(self.child.try_wait().unwrap(), None, "it ended by itself");
            sleep(Duration::from_millis(5));
        }
    }

    fn signal(&self, signal: Signal) {
        let number = i32::try_from(self.child.id()).unwrap();
        kill_process(Pid::from_raw(number).unwrap(), signal).unwrap();
    }

    /// Its code, and what it printed.
    fn end(&mut self) -> (Option<i32>, String) {
        use std::io::Read;
        let mut said = String::new();
        let mut out = self.child.stdout.take().unwrap();
        out.read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code(), said)
    }
}

impl Drop for Bed {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_generator_that_was_held_up_says_that_its_figures_do_not_count() {
    // Long enough that it is stopped in the middle, however late that is.
    let mut bed = Bed::run(Lie::Passes, 10, &[]);
    bed.until_heard(20);
    bed.signal(Signal::STOP);
    // What is due meanwhile, a fifth of all, is late, and one of a hundred may be.
    sleep(Duration::from_secs(2));
    bed.signal(Signal::CONT);
    let (code, said) = bed.end();
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("not valid the generator was late"), "{said}");
    let results = Results::read(&bed.file("results.json")).unwrap();
    assert!(results.total.lateness.max >= 500_000);
    assert!(results.total.latency.all.max >= 500_000);
}

#[test]
fn robots_alone_start_no_origin_of_their_own() {
    let proxy = start(Lie::Passes);
    let done = Command::new(env!("CARGO_BIN_EXE_understudy-bed"))
        .args(["robots", "polymix-3", "--quick", "--rate", "1"])
        .args(["--proxy", &proxy.address.to_string()])
        .output()
        .unwrap();
    let told = String::from_utf8(done.stderr).unwrap();
    assert_eq!(done.status.code(), Some(2), "{told}");
    assert!(told.contains("need --origin"), "{told}");
    assert!(proxy.heard.lock().unwrap().is_empty());
}

#[test]
fn an_interrupt_in_mid_run_leaves_the_results_and_the_report_so_far() {
    let mut bed = Bed::run(Lie::Stores, 600, &[]);
    bed.until_heard(20);
    bed.signal(Signal::INT);
    let (code, said) = bed.end();
    assert_eq!(code, Some(3), "{said}");
    let results = Results::read(&bed.file("results.json")).unwrap();
    assert!(results.interrupted && !results.validity.valid);
    assert!(results.total.requests >= 10, "{}", results.total.requests);
    let page = std::fs::read_to_string(bed.file("report.html")).unwrap();
    assert!(page.contains("it was interrupted before its end"));
    // It was told of no cache's size.
    assert!(said.contains("false misses were not looked for"), "{said}");
    assert!(page.contains("not looked for"));
}

#[test]
fn an_interrupt_is_heard_while_the_last_answers_are_waited_for() {
    let mut bed = Bed::run(Lie::KeepsSilent, 5, &["--timeout", "60"]);
    // The line of the last second is printed when all phases are over, and what is under way has a minute more.
    let mut lines = BufReader::new(bed.child.stderr.take().unwrap()).lines();
    let over = |line: &str| {
        let at = line.trim_start().split('/').next();
        at.and_then(|at| at.parse::<f64>().ok())
            .is_some_and(|at| at >= 5.0)
    };
    while !over(&lines.next().unwrap().unwrap()) {}
    bed.signal(Signal::INT);
    let (_, said) = bed.end();
    drop(lines);
    let results = Results::read(&bed.file("results.json")).unwrap();
    assert!(results.interrupted, "{said}");
}
