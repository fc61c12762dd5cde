//! What a crossing to a child process costs: processor time of both sides and time by the clock, heads and bodies.
//!
//! `transport [IN_FLIGHT [THREADS]]` prints heads, then pieces of 1 KiB to 1 MiB, looked at and replaced, through the socket and through the
//! arena. docs/adr/0002-process-transport.md says what came of it.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use understudy_module::{
    About, Bytes, Completion, Edits, Event, Head, Hook, Hooks, Lines, Module, Operation, Part,
    Piece, Transaction, Verdict,
};
use understudy_runtimes::{
    Called, Environment, Kind, Library, Limits, Link, Mailboxes, Seat, Services, Spec, Visit, load,
    process,
};

struct Work;

impl Module for Work {
    fn about(&self) -> About {
        About::new("work", "1", Hooks::TRANSACTION)
    }
    fn response_body(&self, tx: &mut Transaction<'_>) -> Verdict {
        if tx.method() == b"PUT" {
            Verdict::Replace(Bytes::copy_from_slice(tx.piece()))
        } else {
            // It looks at all of it.
            let sum: u64 = tx.piece().chunks(64).map(|c| u64::from(c[0])).sum();
            std::hint::black_box(sum);
            Verdict::Continue
        }
    }
}

#[derive(Debug)]
struct WorkLibrary;

impl Library for WorkLibrary {
    fn make(&self) -> Result<Arc<dyn Module>, String> {
        Ok(Arc::new(Work))
    }
}

struct NoProxy;

impl Services for NoProxy {
    fn perform(&self, _: u64, _: Operation, _: Box<dyn FnOnce(Completion) + Send>) {}
    fn forget(&self, _: u64) {}
    fn setting(&self, _: &str) -> Option<String> {
        None
    }
}

/// Nanoseconds of processor time of all threads of a process.
fn spent(pid: u32) -> u64 {
    std::fs::read_dir(format!("/proc/{pid}/task"))
        .unwrap()
        .flatten()
        .filter_map(|task| std::fs::read_to_string(task.path().join("schedstat")).ok())
        .filter_map(|stat| stat.split(' ').next()?.parse::<u64>().ok())
        .sum()
}

fn children() -> Vec<u32> {
    let me = std::process::id();
    std::fs::read_to_string(format!("/proc/{me}/task/{me}/children"))
        .unwrap_or_default()
        .split_whitespace()
        .filter_map(|pid| pid.parse().ok())
        .collect()
}

async fn one(link: &Link, id: u64, event: &Event<'_>) {
    let mut visit = Visit::default();
    let mut edits = Edits::new();
    match link.call(&mut visit, event, &mut edits) {
        Called::Now(outcome) => drop(outcome.unwrap()),
        Called::Later(mut call) => {
            let polled =
                |cx: &mut std::task::Context<'_>| link.poll(&mut call, &mut visit, &mut edits, cx);
            drop(std::future::poll_fn(polled).await.unwrap());
        }
    }
    link.leave(&mut visit, id);
}

async fn measure(
    link: &Rc<Link>,
    what: &str,
    flight: u64,
    each: u64,
    part: Part<'static>,
    method: &'static [u8],
) {
    let child = children()[0];
    let run = |each: u64| {
        let link = link.clone();
        async move {
            let tasks: Vec<_> = (0..flight)
                .map(|worker| {
                    let link = link.clone();
                    actix_rt::spawn(async move {
                        for nth in 0..each {
                            let id = (worker << 24) | nth;
                            let event = Event {
                                hook: match part {
                                    Part::Head(_) => Hook::RequestHead,
                                    _ => Hook::ResponseBody,
                                },
                                id,
                                client: ([127, 0, 0, 1], 4000).into(),
                                method,
                                url: b"http://www.example.com/a/path/of/some/length.html",
                                part,
                            };
                            one(&link, id, &event).await;
                        }
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
        }
    };
    run(each / 10 + 1).await;
    let (began, ours, theirs) = (Instant::now(), spent(std::process::id()), spent(child));
    run(each).await;
    let (took, calls) = (began.elapsed(), (flight * each) as f64);
    let ours = (spent(std::process::id()) - ours) as f64 / calls / 1000.0;
    let theirs = (spent(child) - theirs) as f64 / calls / 1000.0;
    println!(
        "{what:34} {:8.2} us clock  {ours:7.2} + {theirs:7.2} = {:7.2} us processor",
        took.as_secs_f64() * 1e6 / calls,
        ours + theirs
    );
}

/// One call a millisecond: what a crossing adds when everybody sleeps in between. Median and 99 of 100.
async fn latency(link: &Link, part: Part<'static>) {
    let mut took = Vec::new();
    for id in 0..2000 {
        tokio::time::sleep(Duration::from_millis(1)).await;
        let event = Event {
            hook: Hook::RequestHead,
            id,
            client: ([127, 0, 0, 1], 4000).into(),
            method: b"GET",
            url: b"http://www.example.com/a/path/of/some/length.html",
            part,
        };
        let began = Instant::now();
        one(link, id, &event).await;
        took.push(began.elapsed().as_nanos() as f64 / 1000.0);
    }
    took.sort_by(f64::total_cmp);
    println!(
        "head, one a millisecond            {:8.2} us p50  {:8.2} us p99",
        took[took.len() / 2],
        took[took.len() * 99 / 100]
    );
}

fn main() -> std::process::ExitCode {
    let argument = std::env::args().nth(1);
    if argument.as_deref() == Some("module-host") {
        return process::host_main(&|_| Ok(Arc::new(WorkLibrary) as Arc<dyn Library>));
    }
    let flight: u64 = argument.and_then(|n| n.parse().ok()).unwrap_or(64);
    let threads = std::env::args()
        .nth(2)
        .and_then(|n| n.parse().ok())
        .unwrap_or(1);
    actix_rt::System::new().block_on(async move {
        let mailboxes = Mailboxes::default();
        let seat = Seat::new(0);
        mailboxes.enter(0, seat.mailbox().clone());
        let environment = Environment {
            services: Arc::new(NoProxy),
            mailboxes,
            program: std::env::current_exe().unwrap(),
        };
        let spec = Spec {
            name: "work".into(),
            library: "builtin:work".to_owned(),
            kind: Kind::Process,
            limits: Limits {
                threads,
                deadline: Duration::from_secs(30),
                ..Limits::default()
            },
            options: BTreeMap::new(),
        };
        let loaded = load(spec, Arc::new(WorkLibrary), 1, &environment).await.unwrap();
        actix_rt::spawn(seat.clone().run());
        let link = Rc::new(Link::new(loaded, &seat));
        let lines = Lines::Text(
            b"Host: www.example.com\r\nUser-Agent: curl/8.5.0\r\nAccept: */*\r\nAccept-Encoding: gzip, br\r\nCookie: a=0123456789abcdef\r\nReferer: http://www.example.com/\r\n",
        );
        let head = Part::Head(Head::Request {
            target: b"/a/path/of/some/length.html",
            lines,
        });
        for _ in 0..3 {
            measure(&link, "head", flight, 400_000 / flight, head, b"GET").await;
        }
        latency(&link, head).await;
        for shift in 10..=20 {
            let size = 1usize << shift;
            let bytes: &'static Bytes = Box::leak(Box::new(vec![7; size].into()));
            let part = Part::Piece(Piece {
                bytes,
                last: true,
                held: &[],
                head_waits: false,
            });
            let each = (1 << 28) / size as u64 / flight + 10;
            for (how, threshold) in [("socket", usize::MAX), ("arena", 0)] {
                process::set_threshold(threshold);
                for (does, method) in [("look", &b"GET"[..]), ("replace", b"PUT")] {
                    let what = format!("{:>4} KiB {does} {how}", size / 1024);
                    measure(&link, &what, flight, each.min(2000), part, method).await;
                }
            }
        }
        let bytes: &'static Bytes = Box::leak(Box::new(vec![7; 10 * 1024].into()));
        let part = Part::Piece(Piece {
            bytes,
            last: true,
            held: &[],
            head_waits: false,
        });
        process::set_threshold(process::THRESHOLD);
        measure(&link, "10 KiB replace, as configured", flight, 2000, part, b"PUT").await;
    });
    std::process::ExitCode::SUCCESS
}
