//! `understudy modules`: commands about modules, most of them to a proxy that runs, over its admin.
//!
//! Invariant: what is wrong with a command is told with its cure on standard error; the exit code is 1 when it was refused.
//! Awkward case: what is changed here lasts until the next reload or restart, and every answer says so.

pub(crate) mod check;
mod client;
pub(crate) mod explain;
mod list;
pub(crate) mod purge;
mod test;

use crate::{
    config::{address, modules::KINDS, resolve::word},
    exit::Exit,
    modules::change::Change,
    show,
};
use clap::{Args, Subcommand, ValueHint};
use client::Client;
use serde_json::Value;
use std::{
    collections::BTreeMap,
    io::{self, Write},
    path::{Path, PathBuf},
};
use understudy_abi::template::{self, Lang, Source};
use understudy_runtimes::Kind;

const EXAMPLES: &str = "\
Examples:
  understudy modules list                                  what runs, and what it costs
  understudy modules set filter runtime=process            move it out of the proxy
  understudy modules load extra --library builtin:add-headers --option name.1=X-By
  understudy modules reconfigure extra value.1=me
  understudy modules unload extra
  understudy modules check ./libfilter.so

Transactions in progress finish with the modules they began with. Changes last until the next reload or restart: what is to stay belongs in the configuration.";

/// See, change, check and test modules.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct Modules {
    /// The admin of the proxy that is meant: address and port, or unix:PATH
    #[arg(
        long,
        value_name = "ADDR",
        global = true,
        env = "UNDERSTUDY_ADMIN",
        default_value = "127.0.0.1:3130"
    )]
    admin: String,
    #[command(subcommand)]
    command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
enum Command {
    /// Show the modules that run: calls, times, bytes, failures
    List {
        /// Print what the admin answers
        #[arg(long)]
        json: bool,
        /// A line for each hook too
        #[arg(long)]
        hooks: bool,
    },
    /// Load a library in a process of its own and print what it says of itself; no proxy is needed
    Check {
        /// A path, or builtin:NAME
        #[arg(value_hint = ValueHint::FilePath)]
        library: String,
    },
    /// Run a module's cases in every runtime, on every cutting of bodies, and compare; no proxy is needed
    Test {
        /// A path, or builtin:NAME
        #[arg(value_hint = ValueHint::FilePath)]
        library: String,
        /// The directory of the cases (*.toml)
        #[arg(long, value_hint = ValueHint::DirPath)]
        cases: PathBuf,
        /// Only this runtime: inline, threads or process; may be repeated
        #[arg(long, short, value_name = "RUNTIME", value_parser = kind)]
        runtime: Vec<Kind>,
        /// An option of the module, dotted, where a case says nothing else; may be repeated
        #[arg(long = "option", short, value_name = "KEY=VALUE", value_parser = pair)]
        options: Vec<(String, String)>,
    },
    /// Write the beginnings of a new module, in Rust or in C
    New {
        /// Its name: small letters, digits, - and _
        name: String,
        /// In C
        #[arg(long)]
        c: bool,
        /// Where to; a directory of its name when left out
        #[arg(long, short, value_hint = ValueHint::DirPath)]
        dir: Option<PathBuf>,
        /// In Rust: the directory of the crate understudy-module (modules/api of the sources); when left out, that of the sources this program was built from, while they are there
        #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with = "c")]
        interface: Option<PathBuf>,
    },
    /// Load one more module into the running proxy
    Load {
        /// Its name
        name: String,
        /// A path, or builtin:NAME
        #[arg(long, short, value_hint = ValueHint::FilePath)]
        library: String,
        /// inline, threads or process
        #[arg(long, short)]
        runtime: Option<String>,
        /// An option of the module, dotted; may be repeated
        #[arg(long = "option", short, value_name = "KEY=VALUE", value_parser = pair)]
        options: Vec<(String, String)>,
        /// Another key of its table, such as deadline=2s; may be repeated
        #[arg(long = "set", short, value_name = "KEY=VALUE", value_parser = pair)]
        settings: Vec<(String, String)>,
        /// Where among those that run, from 0; behind all when left out
        #[arg(long, short, value_name = "N")]
        position: Option<usize>,
    },
    /// Unload a module; transactions that are with it finish
    Unload {
        /// Its name
        name: String,
    },
    /// Give a module other options; those not named stay
    Reconfigure {
        /// Its name
        name: String,
        /// Options, dotted
        #[arg(value_name = "KEY=VALUE", value_parser = pair)]
        options: Vec<(String, String)>,
        /// Remove an option; may be repeated
        #[arg(long, value_name = "KEY")]
        unset: Vec<String>,
    },
    /// Change keys of a module's table: runtime, threads, processes, nice, memory, deadline, queue, hold, on_failure
    Set {
        /// Its name
        name: String,
        /// Keys and values, such as runtime=process
        #[arg(value_name = "KEY=VALUE", value_parser = pair, required = true)]
        settings: Vec<(String, String)>,
    },
}

/// Does it.
pub(crate) fn run(modules: Modules) -> Exit {
    let change = match modules.command {
        Command::List { json, hooks } => return list(&modules.admin, json, hooks),
        Command::Check { library } => return check::check(&library),
        Command::Test {
            library,
            cases,
            runtime,
            options,
        } => {
            return test::test(
                absolute(library),
                &cases,
                &runtime,
                options.into_iter().collect(),
            );
        }
        Command::New {
            name,
            c,
            dir,
            interface,
        } => return new(&name, c, dir, interface),
        Command::Load {
            name,
            library,
            runtime,
            options,
            settings,
            position,
        } => {
            let mut settings: BTreeMap<_, _> = settings.into_iter().collect();
            if let Some(runtime) = runtime {
                settings.insert("runtime".to_owned(), runtime);
            }
            Change::Load {
                name,
                library: absolute(library),
                settings,
                options: options.into_iter().collect(),
                position,
            }
        }
        Command::Unload { name } => Change::Unload { name },
        Command::Reconfigure {
            name,
            options,
            unset,
        } => Change::Reconfigure {
            name,
            options: options.into_iter().collect(),
            unset,
        },
        Command::Set { name, settings } => Change::Set {
            name,
            settings: settings.into_iter().collect(),
        },
    };
    make(&modules.admin, &change)
}

fn new(name: &str, c: bool, dir: Option<PathBuf>, interface: Option<PathBuf>) -> Exit {
    let source = match interface.map(std::path::absolute) {
        Some(Ok(path)) if path.join("Cargo.toml").is_file() => Source::Path(path),
        Some(Ok(path)) => {
            return fail(&format!(
                "--interface: there is no crate in {}; write the path of modules/api",
                path.display()
            ));
        }
        Some(Err(e)) => return fail(&format!("--interface: {e}")),
        None => beside(),
    };
    let by_version = !c && matches!(source, Source::Version(_));
    let lang = if c { Lang::C } else { Lang::Rust(source) };
    let dir = dir.unwrap_or_else(|| PathBuf::from(name));
    match template::write(&dir, name, lang) {
        Ok(files) => {
            let lines: String = files
                .iter()
                .map(|path| format!("{}\n", path.display()))
                .collect();
            if by_version {
                // Said on standard error: what was written is a list to be read by programs.
                let _ = writeln!(
                    io::stderr(),
                    "understudy: hint: {} takes understudy-module from the registry; if cargo does not find it there, write\n\
                     understudy-module = {{ path = \".../modules/api\" }} with the path of Understudy's sources, or begin again with --interface",
                    dir.join("Cargo.toml").display()
                );
            }
            show(lines.as_bytes())
        }
        Err(why) => fail(&why),
    }
}

/// The interface from the sources this program was built from, while they are there; else the published one.
fn beside() -> Source {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../modules/api");
    match sources.canonicalize() {
        Ok(path) if path.join("Cargo.toml").is_file() => Source::Path(path),
        _ => Source::Version(env!("CARGO_PKG_VERSION").to_owned()),
    }
}

fn list(admin: &str, json: bool, hooks: bool) -> Exit {
    let answer = client(admin).and_then(|client| client.ask("GET", None));
    match answer {
        Ok(answer) if json => show(format!("{:#}\n", answer.body).as_bytes()),
        Ok(answer) => show(list::table(&answer.body, hooks).as_bytes()),
        Err(why) => fail(&why),
    }
}

fn make(admin: &str, change: &Change) -> Exit {
    let Ok(body) = serde_json::to_value(change) else {
        return fail("the change cannot be written as JSON");
    };
    match client(admin).and_then(|client| client.ask("POST", Some(&body))) {
        Ok(answer) if answer.status == 200 => {
            let parts = answer.body["parts"].as_object().into_iter().flatten();
            let changed = parts.filter(|(_, done)| *done != "unchanged");
            let mut text: String = changed
                .map(|(name, done)| format!("{name}: {}\n", done.as_str().unwrap_or_default()))
                .collect();
            if text.is_empty() {
                text.push_str("nothing is to be changed\n");
            } else if let Some(lasts) = answer.body["lasts"].as_str() {
                text.push_str(&format!(
                    "this lasts {lasts}; what is to stay belongs in the configuration\n"
                ));
            }
            show(text.as_bytes())
        }
        Ok(answer) => {
            let reasons = answer.body["reasons"].as_array().into_iter().flatten();
            let reasons: Vec<&str> = reasons.filter_map(Value::as_str).collect();
            if reasons.is_empty() {
                return fail(&format!("the admin answered {}", answer.status));
            }
            for reason in reasons {
                fail(reason);
            }
            Exit::Failed
        }
        Err(why) => fail(&why),
    }
}

fn client(admin: &str) -> Result<Client, String> {
    let admin = address::admin(admin).map_err(|f| format!("--admin: {}; {}", f.message, f.cure))?;
    Ok(Client::new(admin))
}

/// The proxy has another working directory.
fn absolute(library: String) -> String {
    if library.starts_with("builtin:") {
        return library;
    }
    match std::path::absolute(&library) {
        Ok(path) => path.display().to_string(),
        Err(_) => library,
    }
}

fn kind(text: &str) -> Result<Kind, String> {
    word(KINDS)(text).map_err(|fault| format!("{}; {}", fault.message, fault.cure))
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("write KEY=VALUE".to_owned()),
    }
}

/// Tells why not.
fn fail(why: &str) -> Exit {
    let _ = writeln!(io::stderr(), "understudy: {why}");
    Exit::Failed
}
