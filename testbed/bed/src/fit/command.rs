//! `understudy-bed fit` and `understudy-bed replay`.

use super::{
    build::{Error, Fitted, build},
    log::{Format, Log},
    replay::{Replay, schedule, untimed},
    survey::Survey,
    write::write,
};
use crate::{
    record::Results,
    robots::{self, Mode, Plan},
    seed::Seed,
    workload::{self, Workload},
    world::World,
};
use std::{io::Write as _, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc};

/// The code of what could not be done at all.
const COULD_NOT: u8 = 2;
/// Seconds between two lines of progress.
const PROGRESS: u64 = 5;

/// Which log.
#[derive(Debug, Clone, clap::Args)]
pub struct LogArgs {
    /// The access log, gzip or not; `-` is standard input
    pub log: PathBuf,
    /// How its lines are written
    #[arg(long, value_enum, default_value = "auto")]
    pub format: Format,
}

/// What `fit` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct FitArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub log: LogArgs,
    /// Where the workload file goes; standard output if left out
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Reads a log, and fits a workload to it.
///
/// # Errors
/// The log cannot be read, or has nothing of use.
pub fn fit(args: &LogArgs) -> Result<(Survey, Fitted, String), Error> {
    let log = Log::open(&args.log, args.format)
        .map_err(|e| Error::File(args.log.display().to_string(), e))?;
    let survey = Survey::of(log);
    let fitted = build(&survey)?;
    let text = write(&fitted, &survey);
    // What is given away is what the other commands will read, so it is read here first.
    Workload::parse(&text)?;
    Ok((survey, fitted, text))
}

/// `understudy-bed fit`.
#[must_use]
pub fn fit_command(args: FitArgs) -> ExitCode {
    let made = fit(&args.log).map_err(|e| e.to_string());
    let written = made.and_then(|(survey, _, text)| {
        tell(&survey);
        match &args.out {
            Some(path) => {
                std::fs::write(path, &text).map_err(|e| format!("{}: {e}", path.display()))
            }
            None => std::io::stdout()
                .write_all(text.as_bytes())
                .map_err(|e| format!("standard output: {e}")),
        }
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("understudy-bed: {message}");
            ExitCode::from(COULD_NOT)
        }
    }
}

/// What `replay` is told.
#[derive(Debug, Clone, clap::Args)]
#[command(mut_arg("log", |a| a.help("The access log, gzip or not; a file, for it is read twice")))]
pub struct ReplayArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub log: LogArgs,
    /// The proxy's address and port
    #[arg(long)]
    pub proxy: SocketAddr,
    /// What the proxy is
    #[arg(long, value_enum, default_value = "forward")]
    pub mode: Mode,
    /// How many times as fast as the log
    #[arg(long, default_value_t = 1.0)]
    pub speed: f64,
    /// Instead of the log's times: so many requests always under way, in the log's order
    #[arg(long, conflicts_with = "speed")]
    pub closed: Option<usize>,
    /// The seed of the objects that URLs become
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// The proxy's cache size in bytes (k, m, g: times 1024): for false misses
    #[arg(long, value_parser = workload::bytes)]
    pub cache: Option<u64>,
    /// A directory for results, report, faulty exchanges and the fitted workload
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// Starts the proxy by this command; {proxy}, {host}, {port} and {origin} are filled in
    #[arg(long)]
    pub start: Option<String>,
    /// What the proxy is called in reports; if left out, by the program that --start names
    #[arg(long)]
    pub name: Option<String>,
    /// Watches the processor time and memory of this process and its children
    #[arg(long)]
    pub watch: Vec<u32>,
    /// How many addresses the origin has
    #[arg(long, default_value_t = 1)]
    pub servers: usize,
    /// Where the origin listens; with port 0 anywhere, else on this port and those behind it
    #[arg(long, default_value = "127.0.0.1:0")]
    pub listen: SocketAddr,
    /// The origin that `understudy-bed origin` runs elsewhere, of this log's fitted workload and this seed
    #[arg(long)]
    pub origin: Option<SocketAddr>,
}

/// `understudy-bed replay`. `page` makes the report of results.
#[must_use]
pub fn replay_command(args: ReplayArgs, page: fn(&Results) -> String) -> ExitCode {
    match replay(&args, page) {
        Ok(code) => ExitCode::from(code),
        Err(message) => {
            eprintln!("understudy-bed: {message}");
            ExitCode::from(COULD_NOT)
        }
    }
}

fn replay(args: &ReplayArgs, page: fn(&Results) -> String) -> Result<u8, String> {
    if !(args.speed >= 0.001 && args.speed <= 1e6) {
        return Err(format!("--speed {} must be 0.001 to 1000000", args.speed));
    }
    if args.log.log.as_os_str() == "-" {
        return Err("a replay reads its log twice: name a file, not `-`".to_owned());
    }
    let (survey, fitted, text) = fit(&args.log).map_err(|e| e.to_string())?;
    tell(&survey);
    if let Some(directory) = &args.out {
        let path = directory.join("workload.toml");
        std::fs::create_dir_all(directory)
            .and_then(|()| std::fs::write(&path, text))
            .map_err(|e| format!("{}: {e}", path.display()))?;
    }
    let mut phases = schedule(&survey, &fitted.workload, args.speed);
    if args.closed.is_some() {
        phases = untimed(phases);
    }
    // The epoch moves lives of objects alone, and neither sizes nor formats, so the run may choose its own.
    let world = World::new(Arc::new(fitted.workload.clone()), Seed(args.seed), 0);
    let log = Log::open(&args.log.log, args.log.format)
        .map_err(|e| format!("{}: {e}", args.log.log.display()))?;
    let arrivals = Replay::new(log, &survey, world, phases.clone(), args.speed);
    let plan = Plan {
        seed: args.seed,
        mode: args.mode,
        cache: args.cache,
        servers: args.servers.clamp(1, 1000),
        listen: args.listen,
        origin: args.origin,
        start: args.start.clone(),
        name: args.name.clone(),
        watch: args.watch.clone(),
        out: args.out.clone(),
        closed: args.closed.map(|n| n.clamp(1, 100_000)),
        ..Plan::new(fitted.workload, args.proxy)
    };
    let mut told = 0;
    let on_progress = move |progress: &crate::record::Progress| {
        // By the run's time: a second may be told of late, or with the next.
        let now = progress.at as u64 / PROGRESS;
        if now > told {
            told = now;
            eprintln!("{progress}");
        }
    };
    let results = robots::run_arrivals(&plan, phases, Box::new(arrivals), on_progress)
        .map_err(|e| e.to_string())?;
    robots::tell(args.out.as_deref(), &results, page)
}

/// Says on standard error what became of the lines.
pub(super) fn tell(survey: &Survey) {
    let (unread, left) = (&survey.unread, survey.left_out);
    eprintln!(
        "{} lines: {} used, {} bad; left out {} tunnels, {} of the proxy's own, {} errors, {} redirects, {} other methods",
        unread.lines,
        survey.requests.used,
        unread.bad,
        left.tunnels,
        left.own,
        left.errors,
        left.redirects,
        left.methods
    );
    for (line, why) in &unread.first {
        eprintln!("line {line}: {why}");
    }
    if let Some(why) = &unread.ended {
        eprintln!("the log ends before its end: {why}; what was there is used");
    }
}
