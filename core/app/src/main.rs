//! `understudy`: the command line over the proxy. Only this crate names concrete parts and wires them together.
//!
//! What is absent: no decision about HTTP, no caching, no sockets of clients. Those live on the floors beneath.
#![forbid(unsafe_code)]

mod admin;
mod cli;
mod commands;
mod config;
mod content;
mod exit;
mod log;
mod messages;
mod modules;
mod overseer;
mod process;
mod run;
mod settings;
mod signals;
mod supervisor;
mod trace;

use clap::{CommandFactory, Parser};
use cli::{Cli, Command};
use config::{Layers, Loaded};
use exit::Exit;
use std::{
    io::{self, Write},
    process::ExitCode,
};

#[global_allocator]
static ALLOCATOR: understudy_alloc::Allocator = understudy_alloc::Allocator;

fn main() -> ExitCode {
    understudy_alloc::tune();
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => {
            // Help and version come as errors too, but are none.
            let _ = e.print();
            return if e.use_stderr() {
                Exit::Usage.into()
            } else {
                Exit::Ok.into()
            };
        }
    };
    let exit = match cli.command {
        Command::Run {
            settings,
            supervise,
        } => return start(settings, supervise),
        Command::ModuleHost => {
            return understudy_runtimes::process::host_main(&modules::registry::library);
        }
        Command::Check { settings, print } => check(settings, print),
        Command::Modules(modules) => commands::run(modules),
        Command::Purge(purge) => commands::purge::run(purge),
        Command::Explain(explain) => commands::explain::run(explain),
        Command::ModuleAbout { library } => commands::check::about(&library),
        Command::Version => show(format!("understudy {}\n", env!("CARGO_PKG_VERSION")).as_bytes()),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "understudy", &mut script);
            show(&script)
        }
        Command::Man => {
            let mut page = Vec::new();
            match cli::manual(&mut page) {
                Ok(()) => show(&page),
                Err(_) => Exit::Failed,
            }
        }
        Command::Schema => show(config::schema::text().as_bytes()),
    };
    exit.into()
}

/// Runs the proxy, or the supervisor that runs it.
fn start(settings: cli::Settings, supervise: bool) -> ExitCode {
    let supervised = supervisor::supervised();
    if supervised && let Err(e) = supervisor::adopt() {
        let _ = writeln!(io::stderr(), "understudy: cannot be supervised: {e}");
        return Exit::Failed.into();
    }
    match load(settings) {
        Ok((_, loaded)) if !supervised && (supervise || loaded.values.modules.endanger()) => {
            supervisor::run()
        }
        Ok((layers, loaded)) => run::run(layers, loaded).into(),
        Err(exit) => exit.into(),
    }
}

/// Reads the configuration, or tells what is wrong with it.
fn load(settings: cli::Settings) -> Result<(Layers, Loaded), Exit> {
    let layers = Layers::new(&settings.into_flags(), |name| std::env::var_os(name));
    let loaded = layers.and_then(|layers| config::load(&layers).map(|loaded| (layers, loaded)));
    loaded.map_err(|problems| {
        let _ = writeln!(io::stderr(), "{problems}");
        if problems.only_flags() {
            Exit::Usage
        } else {
            Exit::Failed
        }
    })
}

fn check(settings: cli::Settings, print: bool) -> Exit {
    match load(settings) {
        Ok((_, loaded)) if print => show(config::print::table(&loaded.entries).as_bytes()),
        Ok((_, loaded)) => match &loaded.file {
            Some(file) => {
                show(format!("{}: the configuration is good\n", file.display()).as_bytes())
            }
            None => show(b"the configuration is good\n"),
        },
        Err(exit) => exit,
    }
}

/// Writes to standard output. A reader that went away (`| head`) is no failure.
pub(crate) fn show(bytes: &[u8]) -> Exit {
    let mut out = io::stdout().lock();
    match out.write_all(bytes).and_then(|()| out.flush()) {
        Ok(()) => Exit::Ok,
        Err(e) if e.kind() == io::ErrorKind::BrokenPipe => Exit::Ok,
        Err(_) => Exit::Failed,
    }
}
