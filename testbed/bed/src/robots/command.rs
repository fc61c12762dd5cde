//! `understudy-bed run`: the command line of a run.

use super::{Mode, Plan, Shape, run};
use crate::{
    oracle::Adaptations,
    record::{Fault, Results, Times},
    workload::Workload,
};
use std::{
    net::{SocketAddr, TcpStream, ToSocketAddrs},
    path::{Path, PathBuf},
    process::ExitCode,
    time::Duration,
};

/// The code of a run in which the proxy failed at something.
const FAILED: u8 = 1;
/// The code of what could not be run at all.
const COULD_NOT_RUN: u8 = 2;
/// The code of a run whose figures say nothing.
const INVALID: u8 = 3;
/// How long a proxy that runs already may take to accept a connection.
const REACHED: Duration = Duration::from_secs(10);
/// Seconds between two lines of progress.
const PROGRESS: u64 = 5;

/// What `run` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct RunArgs {
    /// A standard workload (polymix-3, polymix-4, webaxe-4) or a workload file
    pub workload: String,
    /// The proxy's address, HOST:PORT
    #[arg(long, value_parser = address)]
    pub proxy: SocketAddr,
    /// What the proxy is
    #[arg(long, value_enum, default_value = "forward")]
    pub mode: Mode,
    /// Multiplies the lengths of all phases but those that fill
    #[arg(long, default_value_t = 1.0, conflicts_with = "quick")]
    pub scale: f64,
    /// Peak requests a second, embedded ones included; the workload's own if left out
    #[arg(long)]
    pub rate: Option<f64>,
    /// The seed: the same seed asks the same
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The proxy's cache size in bytes (k, m, g: times 1024): for filling phases and false misses
    #[arg(long, value_parser = bytes)]
    pub cache: Option<u64>,
    /// A minute and a half in all: warm, fill, ramp, a plateau of a minute
    #[arg(long)]
    pub quick: bool,
    /// A directory for results.json, report.html, faults.jsonl and proxy.log; without it only the summary is printed
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Starts the proxy by this command (no shell); {proxy}, {host} and {port} of --proxy and the address {origin} are filled in
    #[arg(long)]
    pub start: Option<String>,
    /// What the proxy is called in reports; if left out, by the program that --start names behind taskset, nice and the like
    #[arg(long)]
    pub name: Option<String>,
    /// Watches the processor time and memory of the process of this number and of its children
    #[arg(long)]
    pub watch: Vec<u32>,
    /// How many addresses the origin has
    #[arg(long, default_value_t = 1)]
    pub servers: usize,
    /// Where the origin listens; with port 0 anywhere, else on this port and those behind it
    #[arg(long, default_value = "127.0.0.1:0", value_parser = address)]
    pub listen: SocketAddr,
    /// The origin that `understudy-bed origin` runs elsewhere, instead of one here
    #[arg(long, value_parser = address)]
    pub origin: Option<SocketAddr>,
    /// What the proxy's modules may change: gray[=WIDTHxHEIGHT], compressed, injected=TEXT (the last one: it takes all that follows),
    /// with KIND: before a word for one kind of content. Such answers are judged through that; robots ask for codings then
    #[arg(long, value_name = "WHAT[,WHAT...]")]
    pub adapts: Vec<String>,
    /// The same, and what comes as it was is a fault
    #[arg(long, value_name = "WHAT[,WHAT...]")]
    pub must_adapt: Vec<String>,
    /// Seconds an answer may take
    #[arg(long, default_value_t = 60.0)]
    pub timeout: f64,
}

impl RunArgs {
    /// The run that this asks for.
    ///
    /// # Errors
    /// There is no such workload, or a value cannot be; in words for the one who typed it.
    pub fn plan(self) -> Result<Plan, String> {
        let workload = Workload::load(&self.workload).map_err(|e| e.to_string())?;
        if !(self.timeout > 0.0 && self.timeout <= 86_400.0) {
            return Err(format!(
                "--timeout {} must be above 0 and at most a day",
                self.timeout
            ));
        }
        if self.servers == 0 || self.servers > 1000 {
            return Err(format!("--servers {} must be 1 to 1000", self.servers));
        }
        let mut adapts = Adaptations::default();
        for (what, option, must) in [
            (&self.adapts, "--adapts", false),
            (&self.must_adapt, "--must-adapt", true),
        ] {
            for what in what {
                adapts
                    .add(what, must)
                    .map_err(|e| format!("{option}: {e}"))?;
            }
        }
        adapts.check(&workload)?;
        Ok(Plan {
            adapts,
            shape: if self.quick {
                Shape::Quick
            } else {
                Shape::Scaled(self.scale)
            },
            rate: self.rate,
            cache: self.cache,
            seed: self.seed,
            mode: self.mode,
            servers: self.servers,
            listen: self.listen,
            origin: self.origin,
            start: self.start,
            name: self.name,
            watch: self.watch,
            timeout: Duration::from_secs_f64(self.timeout),
            out: self.out,
            ..Plan::new(workload, self.proxy)
        })
    }
}

/// An address of a name and port.
fn address(text: &str) -> Result<SocketAddr, String> {
    text.to_socket_addrs()
        .map_err(|e| format!("{e}: say HOST:PORT"))?
        .next()
        .ok_or_else(|| "this name has no address".to_owned())
}

/// Bytes, with a unit or without.
fn bytes(text: &str) -> Result<u64, String> {
    let (digits, unit) = match text.char_indices().next_back() {
        Some((at, 'k' | 'K')) => (&text[..at], 1u64 << 10),
        Some((at, 'm' | 'M')) => (&text[..at], 1 << 20),
        Some((at, 'g' | 'G')) => (&text[..at], 1 << 30),
        _ => (text, 1),
    };
    let number: u64 = digits
        .parse()
        .map_err(|_| "say bytes as 1000000, 512m or 4g".to_owned())?;
    number
        .checked_mul(unit)
        .filter(|n| *n > 0)
        .ok_or_else(|| "must be above 0 and fit in 64 bits".to_owned())
}

/// `understudy-bed run`. `page` makes the report of results: reports stand above robots.
#[must_use]
pub fn run_command(args: RunArgs, page: fn(&Results) -> String) -> ExitCode {
    match carry_out(args, page) {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            eprintln!("understudy-bed: {message}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

/// `understudy-bed robots`: the same without an origin of its own, which must be named.
#[must_use]
pub fn robots_command(args: RunArgs, page: fn(&Results) -> String) -> ExitCode {
    if args.origin.is_none() {
        eprintln!(
            "understudy-bed: robots alone need --origin, the address of `understudy-bed origin`; `run` has an origin of its own"
        );
        return ExitCode::from(COULD_NOT_RUN);
    }
    run_command(args, page)
}

fn carry_out(args: RunArgs, page: fn(&Results) -> String) -> Result<u8, String> {
    let plan = args.plan()?;
    if plan.start.is_none() {
        // Nobody wants to wait for the end of a run in which every exchange fails.
        TcpStream::connect_timeout(&plan.proxy, REACHED).map_err(|e| {
            format!(
                "nothing answers at {}: {e}; start the proxy before, or say how by --start",
                plan.proxy
            )
        })?;
    }
    let mut told = 0;
    let results = run(&plan, move |progress| {
        // By the run's time: a second may be told of late, or with the next.
        let now = progress.at as u64 / PROGRESS;
        if now > told {
            told = now;
            eprintln!("{progress}");
        }
    })
    .map_err(|e| e.to_string())?;
    tell(plan.out.as_deref(), &results, page)
}

/// Writes what a run found into its directory, if it has one, and prints it in a few lines; the code that it ends with.
///
/// # Errors
/// The files cannot be written.
pub fn tell(
    directory: Option<&Path>,
    results: &Results,
    page: fn(&Results) -> String,
) -> Result<u8, String> {
    if let Some(directory) = directory {
        let json = results.to_json().map_err(|e| e.to_string())?;
        write(directory, "results.json", &json)?;
        write(directory, "report.html", &page(results))?;
    }
    print!("{}", summary(results));
    if let Some(directory) = directory {
        println!("report    {}", directory.join("report.html").display());
    }
    Ok(code(results))
}

fn write(directory: &Path, name: &str, text: &str) -> Result<(), String> {
    let path = directory.join(name);
    std::fs::write(&path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// The code that a run ends with: a failure of the proxy counts also where the figures do not.
fn code(results: &Results) -> u8 {
    if results.total.failures() > 0 {
        FAILED
    } else if results.validity.valid {
        0
    } else {
        INVALID
    }
}

/// What a fault is called in `results.json` and `faults.jsonl`.
fn named(fault: Fault) -> String {
    serde_json::to_value(fault)
        .ok()
        .and_then(|name| name.as_str().map(str::to_owned))
        .unwrap_or_else(|| format!("{fault:?}"))
}

/// A run in a few lines.
fn summary(results: &Results) -> String {
    let figures = if results.measured.requests > 0 {
        &results.measured
    } else {
        &results.total
    };
    let millis = |due: &Times, sent: &Times| {
        if due.count == 0 {
            return "none".to_owned();
        }
        let ms = |t: &Times| format!("{:.2} / {:.2} ms", t.p50 as f64 / 1e3, t.p99 as f64 / 1e3);
        format!("{} since due, {} since sent", ms(due), ms(sent))
    };
    let percent =
        |share: Option<f64>| share.map_or("-".to_owned(), |s| format!("{:.1} %", s * 100.0));
    let mut text = format!(
        "requests  {} measured, {} in all, {:.1}/s\n\
         hit ratio {} of documents, {} of bytes ({} offered)\n\
         hit  p50 / p99  {}\n\
         miss p50 / p99  {}\n",
        figures.requests,
        results.total.requests,
        figures.rate().unwrap_or(0.0),
        percent(figures.hits.documents.value()),
        percent(figures.hits.bytes.value()),
        percent(figures.hits.ideal.value()),
        millis(&figures.latency.hit, &figures.service.hit),
        millis(&figures.latency.miss, &figures.service.miss),
    );
    // Nobody knows what must still be stored in a cache of unknown size.
    let looked = results.identity.cache.is_some();
    match (results.total.faults.is_empty(), looked) {
        (true, true) => text.push_str("faults    none\n"),
        (true, false) => {
            text.push_str("faults    none, but false misses were not looked for (--cache)\n")
        }
        (false, true) => {}
        (false, false) => text.push_str("faults    false misses were not looked for (--cache)\n"),
    }
    for (fault, count) in &results.total.faults {
        let apart = match fault.is_failure() {
            true => "",
            false => ", no failure",
        };
        text.push_str(&format!("fault     {}: {count}{apart}\n", named(*fault)));
    }
    for (adaptation, counts) in &results.total.adapted {
        text.push_str(&format!(
            "adapted   {}: {} adapted, {} as they were, {} wrong, {} not asked for, {} not judged\n",
            adaptation.name(),
            counts.adapted,
            counts.passed,
            counts.wrong,
            counts.unasked,
            counts.unjudged,
        ));
    }
    if let Some(again) = results.total.retried.filter(|n| *n > 0) {
        text.push_str(&format!(
            "again     {again} requests, on a fresh connection\n"
        ));
    }
    for reason in &results.validity.reasons {
        text.push_str(&format!("not valid {reason}\n"));
    }
    for doubt in &results.validity.doubts {
        text.push_str(&format!("in doubt  {doubt}\n"));
    }
    text
}
