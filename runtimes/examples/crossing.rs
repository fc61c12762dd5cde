//! What one crossing costs: processor time of all threads, user and system, for one event and its verdict.
//!
//! `cargo run --release --example crossing [CALLS] [IN FLIGHT] [THREADS]`. One worker keeps so many transactions going, each of one
//! `request_head` whose module does nothing. What a worker does itself for a transaction is in every line; the difference to
//! `inline` is the crossing.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};
use understudy_module::*;
use understudy_runtimes::*;

#[derive(Debug)]
struct Empty;

impl Module for Empty {
    fn about(&self) -> About {
        About::new("empty", "1", Hooks::of(&[Hook::RequestHead]))
    }
}

impl Library for Empty {
    fn make(&self) -> Result<Arc<dyn Module>, String> {
        Ok(Arc::new(Empty))
    }
}

struct Nothing;

impl Services for Nothing {
    fn perform(&self, _: u64, _: Operation, _: Box<dyn FnOnce(Completion) + Send>) {}
    fn forget(&self, _: u64) {}
    fn setting(&self, _: &str) -> Option<String> {
        None
    }
}

/// Processor time of this process so far: user and system, of the threads that are there.
fn processor() -> std::io::Result<Duration> {
    let mut all = 0;
    for task in std::fs::read_dir("/proc/self/task")? {
        let text = std::fs::read_to_string(task?.path().join("schedstat"))?;
        let first = text.split(' ').next().unwrap_or_default();
        all += first.parse::<u64>().unwrap_or_default();
    }
    Ok(Duration::from_nanos(all))
}

const LINES: &[u8] = b"Host: www.example.net\r\nUser-Agent: crossing/1\r\nAccept: */*\r\nAccept-Language: en\r\nAccept-Encoding: gzip\r\nCookie: a=b; c=d\r\n";

async fn one(link: &Link, id: u64) -> Result<(), Failure> {
    let (mut visit, mut edits) = (Visit::default(), Edits::new());
    let event = Event {
        hook: Hook::RequestHead,
        id,
        client: ([127, 0, 0, 1], 4711).into(),
        method: b"GET",
        url: b"http://www.example.net/some/path",
        part: Part::Head(Head::Request {
            target: b"/some/path",
            lines: Lines::Text(LINES),
        }),
    };
    let outcome = match link.call(&mut visit, &event, &mut edits) {
        Called::Now(outcome) => outcome,
        Called::Later(mut call) => {
            std::future::poll_fn(|cx| link.poll(&mut call, &mut visit, &mut edits, cx)).await
        }
    };
    link.leave(&mut visit, id);
    outcome.map(drop)
}

async fn measure(kind: Kind, calls: u64, flying: u64, threads: usize) -> Result<(), String> {
    let seat = Seat::new(0);
    let mailboxes = Mailboxes::default();
    mailboxes.enter(0, seat.mailbox().clone());
    let reader = actix_rt::spawn(seat.clone().run());
    let swept = seat.clone();
    let sweeper = actix_rt::spawn(async move {
        let mut tick = tokio::time::interval(Duration::from_millis(5));
        loop {
            swept.sweep(tick.tick().await.into());
        }
    });
    let environment = Environment {
        services: Arc::new(Nothing),
        mailboxes,
        program: PathBuf::new(),
    };
    let spec = Spec {
        name: "empty".into(),
        library: "builtin:empty".into(),
        kind,
        limits: Limits {
            threads,
            ..Limits::default()
        },
        options: BTreeMap::new(),
    };
    let loaded = load(spec, Arc::new(Empty), 1, &environment).await?;
    let link = Rc::new(Link::new(loaded, &seat));
    // Once to warm up.
    for round in 0..2 {
        let (before, began) = (processor().map_err(|e| e.to_string())?, Instant::now());
        let all: Vec<_> = (0..flying)
            .map(|flight| {
                let link = link.clone();
                actix_rt::spawn(async move {
                    for number in 0..calls / flying {
                        one(&link, flight * calls + number).await?;
                        // Each transaction has a turn of its own, as requests have.
                        tokio::task::yield_now().await;
                    }
                    Ok::<_, Failure>(())
                })
            })
            .collect();
        for one in all {
            one.await
                .map_err(|e| e.to_string())?
                .map_err(|e| e.to_string())?;
        }
        if round == 1 {
            let each = |all: Duration| all.as_nanos() as f64 / calls as f64 / 1000.0;
            let spent = processor()
                .map_err(|e| e.to_string())?
                .saturating_sub(before);
            println!(
                "{:8} {:6.3} us of processor time, {:6.3} us of wall time a call",
                kind.as_str(),
                each(spent),
                each(began.elapsed())
            );
        }
    }
    reader.abort();
    sweeper.abort();
    Ok(())
}

fn main() -> Result<(), String> {
    let mut numbers = std::env::args().skip(1).map(|n| n.parse::<u64>());
    let mut number = |otherwise| match numbers.next() {
        Some(Ok(number)) => Ok(number),
        Some(Err(why)) => Err(why.to_string()),
        None => Ok(otherwise),
    };
    let (calls, flying, threads) = (number(1_000_000)?, number(64)?, number(2)?);
    actix::System::new().block_on(async move {
        for kind in [Kind::Inline, Kind::Threads] {
            measure(kind, calls, flying.max(1), threads as usize).await?;
        }
        Ok(())
    })
}
