//! The supervisor: a parent that starts the proxy again when it crashes, without the module that ended it in its address space.
//!
//! A module that runs inline or in threads shares the proxy's memory, so what it does wrong ends the proxy. The supervisor shares a
//! page with the proxy in which each thread notes the module it is in; when the proxy is killed by its own fault, those that were
//! noted run as processes from then on.
//! Life: (1) the page is made; (2) the proxy is started with the page as its standard input; (3) signals are passed on until it ends;
//! (4) it ended by itself: so does the supervisor, with its exit code; or it crashed: back to (2).
//! Invariant: no proxy outlives its supervisor.
//! Awkward cases: several threads were in modules when it crashed; which one was it cannot be told, so all of them move out. And a
//! module may have started a thread, which crashes in no call: at the second crash in no module, all whose code is foreign move out.

mod child;
mod page;

pub(crate) use child::{adopt, inside, note_foreign, note_name, supervised};

use crate::{
    exit::Exit,
    signals::{Event, Signals},
};
use page::Page;
use rustix::process::{Pid, Signal, kill_process};
use std::{
    collections::BTreeSet,
    io::{self, Write},
    os::unix::process::{CommandExt, ExitStatusExt},
    process::{ExitCode, ExitStatus},
    time::{Duration, Instant},
};
use tokio::process::{Child, Command};

/// Names the modules that are to run as processes, parted by commas.
pub(crate) const DEMOTE: &str = "UNDERSTUDY_DEMOTE";
/// Holds the supervisor's process id, in the proxy that it started.
const SUPERVISED: &str = "UNDERSTUDY_SUPERVISED";
/// The wait after the first crash that is no module's; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait.
const LONGEST_WAIT: Duration = Duration::from_secs(10);
/// After so long without a crash, the next one is the first again.
const GOOD_RUN: Duration = Duration::from_secs(60);

/// Two crashes in no module that are no further apart than this are taken for one fault that comes again.
const AGAIN: Duration = Duration::from_secs(3600);

/// Signals by which a process ends for a fault of its own.
const CRASHES: [(i32, &str); 5] = [
    (Signal::SEGV.as_raw(), "SIGSEGV"),
    (Signal::BUS.as_raw(), "SIGBUS"),
    (Signal::ILL.as_raw(), "SIGILL"),
    (Signal::FPE.as_raw(), "SIGFPE"),
    (Signal::ABORT.as_raw(), "SIGABRT"),
];

/// Runs the proxy as a child, until it ends by itself.
pub(crate) fn run() -> ExitCode {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    // On this very thread: the proxy is killed when the thread that started it ends.
    let ended = runtime.and_then(|runtime| runtime.block_on(supervise()));
    ended.unwrap_or_else(|e| {
        say(&format!("cannot supervise: {e}"));
        Exit::Failed.into()
    })
}

async fn supervise() -> io::Result<ExitCode> {
    let mut signals = Signals::listen()?;
    let page = Page::new()?;
    let mut demoted: BTreeSet<String> = self::demoted();
    let mut wait = FIRST_WAIT;
    let mut unexplained: Option<Instant> = None;
    loop {
        let began = Instant::now();
        let (status, stopping) = watch(start(&page, &demoted)?, &mut signals).await?;
        if let Some(code) = ended(status, stopping) {
            return Ok(code);
        }
        let how = describe(status);
        let crashed = CRASHES
            .iter()
            .any(|(signal, _)| status.signal() == Some(*signal));
        let found: Vec<String> = if crashed { page.running() } else { Vec::new() };
        let there = page.foreign();
        page.clear();
        let anew = |names: Vec<String>| -> Vec<String> {
            let names = names.into_iter();
            names.filter(|name| !demoted.contains(name)).collect()
        };
        let guilty = anew(found);
        for name in &guilty {
            say(&format!(
                "module `{name}` was running when the proxy ended by {how}; it runs as a process from now on"
            ));
        }
        if !guilty.is_empty() {
            unexplained = None;
            demoted.extend(guilty);
            continue;
        }
        let before = unexplained.filter(|_| crashed);
        if before.is_some_and(|before| before.elapsed() < AGAIN) {
            let suspected = anew(there);
            for name in &suspected {
                say(&format!(
                    "the proxy ended by {how}, in no module, once more; module `{name}` may have started what ended it, and runs as a process from now on"
                ));
            }
            if !suspected.is_empty() {
                unexplained = None;
                demoted.extend(suspected);
                continue;
            }
        }
        if crashed {
            unexplained = Some(Instant::now());
        }
        if began.elapsed() >= GOOD_RUN {
            wait = FIRST_WAIT;
        }
        say(&format!(
            "the proxy ended by {how}, in no module; it is started again in {} ms",
            wait.as_millis()
        ));
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = stop(&mut signals) => return Ok(Exit::Ok.into()),
        }
        wait = (wait * 2).min(LONGEST_WAIT);
    }
}

/// The modules that [`DEMOTE`] names.
pub(crate) fn demoted() -> BTreeSet<String> {
    let names = std::env::var(DEMOTE).unwrap_or_default();
    names
        .split(',')
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Starts the proxy: this very program (also when its file was replaced meanwhile), with the same arguments.
fn start(page: &Page, demoted: &BTreeSet<String>) -> io::Result<Child> {
    let names: Vec<&str> = demoted.iter().map(String::as_str).collect();
    let mut args = std::env::args_os();
    let mut command = std::process::Command::new("/proc/self/exe");
    command
        .arg0(args.next().unwrap_or_else(|| "understudy".into()))
        .args(args)
        .env(DEMOTE, names.join(","))
        .env(SUPERVISED, std::process::id().to_string())
        .stdin(page.as_stdin()?)
        // A group of its own: what a terminal sends to the group (Ctrl-C) would otherwise reach the proxy twice.
        .process_group(0);
    Command::from(command).spawn()
}

/// Passes signals on until the proxy ends. Answers how it ended, and whether it was asked to.
async fn watch(mut child: Child, signals: &mut Signals) -> io::Result<(ExitStatus, bool)> {
    let pid = child
        .id()
        .and_then(|id| i32::try_from(id).ok())
        .and_then(Pid::from_raw);
    let mut stopping = false;
    loop {
        let event = tokio::select! {
            status = child.wait() => return Ok((status?, stopping)),
            event = signals.next() => event,
        };
        let signal = match event {
            Event::Stop => Signal::TERM,
            Event::Reload => Signal::HUP,
            Event::Reopen => Signal::USR1,
        };
        stopping |= event == Event::Stop;
        if let Some(pid) = pid {
            // It may have ended meanwhile, and is not waited for yet: then the signal goes nowhere.
            let _ = kill_process(pid, signal);
        }
    }
}

/// The exit code, when this was the end.
fn ended(status: ExitStatus, stopping: bool) -> Option<ExitCode> {
    if let Some(code) = status.code() {
        return Some(ExitCode::from(u8::try_from(code).unwrap_or(u8::MAX)));
    }
    if !stopping {
        return None;
    }
    // Before it listened to signals there was nothing to finish; behind that, something was cut off.
    let quiet = status.signal() == Some(Signal::TERM.as_raw());
    Some(if quiet { Exit::Ok } else { Exit::Forced }.into())
}

fn describe(status: ExitStatus) -> String {
    let signal = status.signal().unwrap_or(0);
    match CRASHES.iter().find(|(number, _)| *number == signal) {
        Some((_, name)) => (*name).to_owned(),
        None => format!("signal {signal}"),
    }
}

async fn stop(signals: &mut Signals) {
    while signals.next().await != Event::Stop {}
}

fn say(line: &str) {
    let _ = io::stderr()
        .lock()
        .write_all(format!("understudy: {line}\n").as_bytes());
}
