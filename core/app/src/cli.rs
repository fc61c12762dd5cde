//! The command line.
//!
//! Invariant: every flag of `run` is one of `check` too, so that what is checked is what would run.
//! Awkward case: environment variables are laid under the flags later (`config::layers`), not by the parser, so that a wrong one is told by its own name.

use crate::{
    commands::{self, Modules},
    config::layers::Flags,
};
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand, ValueEnum, ValueHint};
use clap_complete::Shell;
use clap_mangen::Man;
use std::io;

/// Paragraphs are one line each: the terminal's width breaks them. Lines of examples fit into 80 columns.
const EXAMPLES: &str = "\
Examples:
  understudy run                                 forward proxy, cache in memory
  curl -x http://127.0.0.1:3128 http://example.org/           ask through it
  understudy run --to http://127.0.0.1:8080      cache in front of that origin
  understudy run --listen 0.0.0.0:3128           for the local network
  understudy check --config proxy.toml --print   what would run, and why

Every flag of `run` but -v can also be given in the environment, such as UNDERSTUDY_LISTEN for --listen. Flags are stronger than the environment, the environment is stronger than the file.

Signals: TERM, QUIT or INT finish what is under way and end, a second one ends at once; HUP reads the configuration again; USR1 reopens the access log.

Exit codes: 0 done, 1 cannot start or wrong configuration, 2 wrong command line, 3 ended before everything was finished.";

/// A caching HTTP proxy: forward, reverse and transparent.
#[derive(Debug, Parser)]
#[command(name = "understudy", version, after_help = EXAMPLES, max_term_width = 110, arg_required_else_help = true, subcommand_required = true)]
pub(crate) struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run the proxy; without any flag a forward proxy on 127.0.0.1:3128
    #[command(after_help = EXAMPLES)]
    Run {
        /// Flags as for `check`.
        #[command(flatten)]
        settings: Settings,
        /// Run the proxy as a child, and start it again when it crashes; without this flag that is done when a module from a file
        /// runs inline or in threads
        #[arg(long, env = "UNDERSTUDY_SUPERVISE", value_parser = clap::builder::FalseyValueParser::new(), help_heading = "Resources")]
        supervise: bool,
    },
    /// Check the configuration and say what is wrong: file, line, key and cure
    Check {
        /// Flags as for `run`.
        #[command(flatten)]
        settings: Settings,
        /// Print every value and where it came from
        #[arg(long)]
        print: bool,
    },
    /// See, change, check and test modules
    Modules(Modules),
    /// Remove what a running proxy has stored: by URL, tag, prefix, key or group
    Purge(commands::purge::Purge),
    /// Say what a running proxy would do with a request, and why
    Explain(commands::explain::Explain),
    /// Print the version
    Version,
    /// Print a completion script for a shell
    Completions {
        /// The shell
        shell: Shell,
    },
    /// Print the manual page (roff)
    Man,
    /// Print the JSON schema of the configuration file
    Schema,
    /// Run a module for the proxy that started this process
    #[command(hide = true)]
    ModuleHost,
    /// Say what a library says of itself, as JSON: for `modules check`, which reads it from a process of its own
    #[command(hide = true)]
    ModuleAbout {
        /// The library
        library: String,
    },
}

/// The flags that set values.
#[derive(Debug, Args, Default)]
pub(crate) struct Settings {
    /// Read this configuration file (TOML) [env: UNDERSTUDY_CONFIG]
    #[arg(long, short, value_name = "FILE", value_hint = ValueHint::FilePath)]
    config: Option<String>,
    /// Listen on this address [env: UNDERSTUDY_LISTEN] [default: 127.0.0.1:3128]
    #[arg(long, short, value_name = "ADDR", help_heading = "Serving")]
    listen: Option<String>,
    /// What the listener does [env: UNDERSTUDY_MODE] [default: forward, or reverse with --to]
    #[arg(long, short, value_name = "MODE", help_heading = "Serving")]
    mode: Option<Mode>,
    /// Be a reverse proxy of this origin, such as http://127.0.0.1:8080 [env: UNDERSTUDY_TO]
    #[arg(long, short, value_name = "URL", value_hint = ValueHint::Url, help_heading = "Serving")]
    to: Option<String>,
    /// Allow destinations in this range that are refused by default; may be repeated [env: UNDERSTUDY_ALLOW_TO]
    #[arg(long, value_name = "CIDR", help_heading = "Serving")]
    allow_to: Vec<String>,
    /// Worker threads [env: UNDERSTUDY_WORKERS] [default: number of cores]
    #[arg(long, short, value_name = "N", help_heading = "Resources")]
    workers: Option<String>,
    /// Memory for the cache, such as 256M or 2G [env: UNDERSTUDY_MEMORY] [default: 128M]
    #[arg(long, value_name = "SIZE", help_heading = "Resources")]
    memory: Option<String>,
    /// Address of the admin (metrics, health, status), unix:PATH or off [env: UNDERSTUDY_ADMIN] [default: 127.0.0.1:3130]
    #[arg(long, value_name = "ADDR", help_heading = "Watching")]
    admin: Option<String>,
    /// Write a line for each transaction to this file, to - (standard output), or off [env: UNDERSTUDY_ACCESS_LOG] [default: off]
    #[arg(long, value_name = "PATH", value_hint = ValueHint::FilePath, help_heading = "Watching")]
    access_log: Option<String>,
    /// The form of those lines [env: UNDERSTUDY_LOG_FORMAT] [default: squid]
    #[arg(long, value_name = "FORMAT", help_heading = "Watching")]
    log_format: Option<LogFormat>,
    /// Tell the steps of each transaction on standard error; twice: everything
    #[arg(long, short, action = ArgAction::Count, help_heading = "Watching")]
    verbose: u8,
}

/// What a listener does.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Mode {
    /// Clients know the proxy
    Forward,
    /// Clients take the proxy for the origin
    Reverse,
    /// Connections are intercepted
    Transparent,
}

/// The form of the access log.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum LogFormat {
    /// Squid's native line
    Squid,
    /// One JSON object a line
    Json,
}

/// The manual page: one for the program, with the flags of `run`, which are those of `check` too.
pub(crate) fn manual(out: &mut Vec<u8>) -> io::Result<()> {
    let mut command = Cli::command();
    command.build();
    let run = command.find_subcommand("run").cloned().unwrap_or_default();
    let (page, flags) = (Man::new(command), Man::new(run));
    page.render_title(out)?;
    page.render_name_section(out)?;
    page.render_synopsis_section(out)?;
    page.render_description_section(out)?;
    page.render_subcommands_section(out)?;
    flags.render_options_section(out)?;
    page.render_extra_section(out)?;
    page.render_version_section(out)
}

impl Settings {
    /// The flags as texts.
    pub(crate) fn into_flags(self) -> Flags {
        let word =
            |value: Option<clap::builder::PossibleValue>| value.map(|v| v.get_name().to_owned());
        Flags {
            config: self.config,
            listen: self.listen,
            mode: word(self.mode.and_then(|m| m.to_possible_value())),
            to: self.to,
            workers: self.workers,
            memory: self.memory,
            allow_to: self.allow_to,
            admin: self.admin,
            access_log: self.access_log,
            log_format: word(self.log_format.and_then(|f| f.to_possible_value())),
            verbose: self.verbose,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Cli;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
