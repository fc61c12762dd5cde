//! The load in front of a fresh proxy: PolyMix at a fixed rate, a warm phase and one measured plateau.
//!
//! Invariant: every column of a table has the same seed, so the same requests; and a proxy of its own, started with an empty cache
//! and ended before the next.

use super::{row::Row, sheet::Model};
use crate::{
    peers::{child::Child, setup::Setup},
    record::{Progress, Results},
    robots::{self, Plan, Shape},
    workload::Workload,
};
use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
};

/// What tables are told of the load and the proxy.
#[derive(Debug, Clone, clap::Args)]
pub struct LoadArgs {
    /// The command that starts the proxy, without its subcommand; `taskset -c 0 understudy` gives it a core of its own. By default
    /// the `understudy` beside this program
    #[arg(long)]
    pub proxy_command: Option<String>,
    /// The same of a build without the interface (cargo build --release -p understudy --no-default-features): the baseline
    #[arg(long)]
    pub without: Option<String>,
    /// A standard workload or a workload file
    #[arg(long, default_value = "polymix-3")]
    pub workload: String,
    /// Requests a second
    #[arg(long, default_value_t = 500.0)]
    pub rate: f64,
    /// Seconds of the measured plateau
    #[arg(long, default_value_t = 60.0)]
    pub seconds: f64,
    /// Seconds of warming before it
    #[arg(long, default_value_t = 30.0)]
    pub warm: f64,
    /// How often everything is measured, the order turned round each time; medians are printed
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub rounds: u32,
    /// Bytes of the proxy's cache, with K, M or G
    #[arg(long, default_value = "256M", value_parser = crate::peers::bytes)]
    pub cache: u64,
    /// The proxy's workers
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
    /// Where modules run; the transcoder is refused inline, and only a process can be niced
    #[arg(
        long,
        value_enum,
        value_delimiter = ',',
        default_value = "inline,threads,process"
    )]
    pub models: Vec<Model>,
    /// The seed of everything
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
    /// A directory for the results of each run
    #[arg(long)]
    pub out: Option<PathBuf>,
    /// As a table of Markdown
    #[arg(long)]
    pub markdown: bool,
}

/// What is run for each column.
pub(super) struct Background {
    program: Vec<String>,
    without: Option<Vec<String>>,
    workload: Workload,
    args: LoadArgs,
}

/// A proxy for one column.
pub(super) struct Proxy {
    pub(super) child: Child,
    pub(super) address: SocketAddr,
}

impl Background {
    pub(super) fn new(args: LoadArgs) -> Result<Self, String> {
        let words = |command: &str| {
            let words = shlex::split(command).filter(|w| !w.is_empty());
            words.ok_or_else(|| format!("{command:?} is no command: its quotes do not close"))
        };
        for (name, value) in [
            ("rate", args.rate),
            ("seconds", args.seconds),
            ("warm", args.warm),
        ] {
            if !(value > 0.0 && value.is_finite()) {
                return Err(format!("--{name} {value} must be above 0"));
            }
        }
        Ok(Self {
            program: match &args.proxy_command {
                Some(command) => words(command)?,
                None => vec![
                    crate::peers::setup::beside("understudy")
                        .display()
                        .to_string(),
                ],
            },
            without: args.without.as_deref().map(words).transpose()?,
            workload: Workload::load(&args.workload).map_err(|e| e.to_string())?,
            args,
        })
    }

    pub(super) fn has_without(&self) -> bool {
        self.without.is_some()
    }

    /// Starts a proxy with these sections of modules; `without`: the build that has no interface.
    pub(super) fn proxy(&self, modules: &str, without: bool) -> Result<Proxy, String> {
        let words = match (&self.without, without) {
            (Some(words), true) => words,
            _ => &self.program,
        };
        let [program, arguments @ ..] = &words[..] else {
            return Err("the proxy's command is empty".to_owned());
        };
        let port = free_port()?;
        let mut setup = Setup::empty(absolute(program), port)?;
        let text = format!(
            "workers = {}\n\n[[listen]]\naddress = \"127.0.0.1:{port}\"\n\n[cache]\nmemory = {}\n\n\
             [access]\nallow_to = [\"loopback\"]\n\n[admin]\naddress = \"off\"\n\n{modules}",
            self.args.workers, self.args.cache
        );
        let path = setup.write("proxy.toml", &text)?;
        setup.arguments = arguments.iter().map(Into::into).collect();
        setup.arguments.extend(["run", "--config"].map(Into::into));
        setup.arguments.push(path);
        let mut child = Child::start(setup, true)?;
        let address = child.listening()?;
        Ok(Proxy { child, address })
    }

    /// Runs the load through the proxy; what is told of it is called `name`.
    pub(super) fn run(
        &self,
        proxy: &mut Proxy,
        name: &str,
        on_progress: impl FnMut(&Progress) + 'static,
    ) -> Result<Results, String> {
        eprintln!("{name}:");
        let plan = Plan {
            shape: Shape::Plateau {
                warm: self.args.warm,
                plateau: self.args.seconds,
            },
            rate: Some(self.args.rate),
            cache: Some(self.args.cache),
            seed: self.args.seed,
            watch: vec![proxy.child.id()],
            out: self.args.out.as_ref().map(|out| out.join(file_name(name))),
            ..Plan::new(self.workload.clone(), proxy.address)
        };
        let results = robots::run(&plan, on_progress).map_err(|e| e.to_string())?;
        if let Some(status) = proxy.child.ended()? {
            let said = proxy.child.said();
            return Err(format!("{name}: the proxy ended: {status}{said}"));
        }
        let row = Row::of(&results);
        eprintln!(
            "{name}: {} requests/s, hits {} ms, misses {} ms, {} faults{}",
            super::layout::number(row.throughput, 1),
            super::layout::number(row.hit, 3),
            super::layout::number(row.miss, 1),
            super::layout::number(row.faults, 0),
            if results.validity.valid {
                String::new()
            } else {
                format!("; invalid: {}", results.validity.reasons.join("; "))
            }
        );
        if let Some(out) = &plan.out {
            keep(out, &results)?;
        }
        match results.interrupted {
            true => Err("interrupted".to_owned()),
            false => Ok(results),
        }
    }
}

/// What a column's directory is called.
fn file_name(name: &str) -> String {
    let kept = |c: char| if c.is_ascii_alphanumeric() { c } else { '-' };
    name.to_ascii_lowercase().chars().map(kept).collect()
}

/// The results beside the exchanges that the robots kept.
fn keep(out: &std::path::Path, results: &Results) -> Result<(), String> {
    let path = out.join("results.json");
    let json = results.to_json().map_err(|e| e.to_string())?;
    fs::write(&path, json).map_err(|e| format!("{}: {e}", path.display()))
}

/// A program named by a path is started in another directory.
fn absolute(program: &str) -> PathBuf {
    match program.contains('/') {
        true => std::path::absolute(program).unwrap_or_else(|_| PathBuf::from(program)),
        false => PathBuf::from(program),
    }
}

fn free_port() -> Result<u16, String> {
    let bound = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|l| l.local_addr());
    bound
        .map(|address| address.port())
        .map_err(|e| format!("no port is free: {e}"))
}

/// A module's section: a built-in one where this model runs it, with more keys, then its options.
pub(super) fn module(name: &str, model: Model, keys: &str, options: &str) -> String {
    let runtime = model.word();
    format!(
        "[[module]]\nname = \"{name}\"\nlibrary = \"builtin:{name}\"\nruntime = \"{runtime}\"\n{keys}\
         [module.options]\n{options}\n"
    )
}
