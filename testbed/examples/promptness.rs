//! How promptly modules wait and come back: the figures that no test asserts.
//!
//! `cargo build --release && cargo run --release -p understudy-testbed --example promptness`. 400 transactions wait one second each
//! for a service, under each runtime; and a killed child is asked until it answers again. Prints a table and exits 1 when a goal is
//! not met: to be run on a machine that does nothing else.
#![allow(clippy::unwrap_used)]

use rustix::process::{Pid, Signal, kill_process};
use std::{
    io::Write,
    net::SocketAddr,
    process::ExitCode,
    sync::mpsc,
    time::{Duration, Instant},
};
use understudy_testbed::{
    Client, Launch, Origin, PATIENCE, get,
    modules::{compiled, config},
    origin::listener,
    reply,
};

const CLIENTS: usize = 400;
/// How long the service takes for each.
const SERVICE: Duration = Duration::from_secs(1);
/// What all of them together may take.
const TOGETHER: Duration = Duration::from_millis(1500);
/// How long a killed child may be away.
const AWAY: Duration = Duration::from_millis(100);
const DEATHS: usize = 10;
/// Between two attempts to reach the child: so few of them fail before it is back that the module is not left alone for that.
const ATTEMPTS: Duration = Duration::from_millis(5);

/// A service that says "so" a second after each connection came.
fn service() -> SocketAddr {
    let listener = listener();
    let address = listener.local_addr().unwrap();
    let (put, take) = mpsc::channel();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            if put.send((Instant::now() + SERVICE, stream)).is_err() {
                return;
            }
        }
    });
    std::thread::spawn(move || {
        while let Ok((due, mut stream)) = take.recv() {
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            // The proxy may be gone already.
            let _ = stream.write_all(b"so");
        }
    });
    address
}

fn origin() -> Origin {
    Origin::answering(|r| {
        let waited = r.get("x-waited").unwrap_or("not").to_owned();
        reply(200, &["Cache-Control: no-store"], waited)
    })
}

/// How long all took that wait at once.
fn together(runtime: &str) -> Duration {
    let (origin, service, launch) = (origin(), service(), Launch::bare());
    let library = compiled("waits", launch.dir());
    let table = format!(
        "[[module]]\nname = \"waits\"\nlibrary = \"{}\"\n{runtime}[module.options]\nservice = {}\n",
        library.display(),
        service.port()
    );
    let proxy = launch.config(&config(&origin, &table)).start();
    let mut clients: Vec<Client> = (0..CLIENTS).map(|_| Client::to(proxy.addr())).collect();
    let begun = Instant::now();
    for (i, client) in clients.iter_mut().enumerate() {
        client.send(format!("GET /wait/{i} HTTP/1.1\r\nHost: site.test\r\n\r\n"));
    }
    for client in &mut clients {
        client.response().expect(200).expect_body("so");
    }
    begun.elapsed()
}

/// How long a child was away that was killed for the first time.
fn away() -> Duration {
    let (origin, launch) = (origin(), Launch::bare());
    let library = compiled("trouble", launch.dir());
    let journal = launch.dir().join("journal");
    let table = format!(
        "[[module]]\nname = \"trouble\"\nlibrary = \"{}\"\nruntime = \"process\"\n[module.options]\njournal = \"{}\"\n",
        library.display(),
        journal.display()
    );
    let proxy = launch.config(&config(&origin, &table)).start();
    let ask = || get(proxy.addr(), "/good", "site.test", "").status;
    // The last process that a transaction was in.
    let process = || {
        let text = std::fs::read_to_string(&journal).unwrap();
        let word = text.lines().rev().find_map(|line| line.split(' ').nth(2));
        word.unwrap().parse::<i32>().unwrap()
    };
    assert_eq!(ask(), 200);
    let first = process();
    kill_process(Pid::from_raw(first).unwrap(), Signal::KILL).unwrap();
    let killed = Instant::now();
    while ask() != 200 || process() == first {
        assert!(killed.elapsed() < PATIENCE, "it does not come back");
        std::thread::sleep(ATTEMPTS);
    }
    killed.elapsed()
}

/// A line of the table; whether the goal is met.
fn line(what: &str, measured: &str, worst: Duration, goal: Duration) -> bool {
    let met = worst <= goal;
    let word = if met { "met" } else { "not met" };
    println!("| {what} | {measured} | {} ms | {word} |", goal.as_millis());
    met
}

fn main() -> ExitCode {
    println!("| | measured | goal | |\n|---|---|---|---|");
    let mut met = true;
    for (what, runtime) in [
        ("on five threads", "runtime = \"threads\"\nthreads = 5\n"),
        ("inline", "runtime = \"inline\"\n"),
        (
            "in a child with one thread",
            "runtime = \"process\"\nthreads = 1\n",
        ),
    ] {
        let took = together(runtime);
        let what = format!("{CLIENTS} transactions wait a second each {what}");
        met &= line(&what, &format!("{} ms", took.as_millis()), took, TOGETHER);
    }
    let all: Vec<Duration> = (0..DEATHS).map(|_| away()).collect();
    let best = all.iter().min().copied().unwrap_or_default();
    let worst = all.iter().max().copied().unwrap_or_default();
    let measured = format!("{} to {} ms", best.as_millis(), worst.as_millis());
    let what = format!("a killed child answers again, best and worst of {DEATHS}");
    met &= line(&what, &measured, worst, AWAY);
    if met {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}
