//! The tables of the paper, measured here and printed in its layout with its figures beside.
//!
//! - [`table4`]: the code of modules. [`table5`]: what the interface costs. [`table6`]: modules at work beside a load.
//! - [`background`]: the load in front of a fresh proxy. [`adapted`], `real`: client and server of real content beside it (`beside`).
//! - [`row`], [`sheet`], [`layout`]: figures, columns and rounds of them, print. `findings`: Table 6 in words.

pub mod adapted;
pub mod background;
mod beside;
mod findings;
pub mod layout;
mod real;
pub mod row;
pub mod sheet;
pub mod table4;
pub mod table5;
pub mod table6;

use clap::Subcommand;
use std::{path::PathBuf, process::ExitCode};

/// A command of this module.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The code of each module: lines, statements and calls of the interface, beside the paper's figures
    Table4 {
        /// The directory of the modules; by default that of the sources this program was built from
        #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../modules"), hide_default_value = true)]
        modules: PathBuf,
        /// The sources of the interface; by default those beside the modules
        #[arg(long)]
        interface: Option<PathBuf>,
        /// As a table of Markdown
        #[arg(long)]
        markdown: bool,
    },
    /// What the interface of modules costs: baseline, enabled, empty, headers, bodies; in each execution model
    Table5(table5::Table5Args),
    /// Ad remover, transcoder and compressor at work beside a background load
    Table6(table6::Table6Args),
}

/// Does what the command says; the table goes to standard output, what is under way to standard error.
#[must_use]
pub fn tables_command(command: Command) -> ExitCode {
    // Before a proxy is started: an interrupt is to end that, too.
    if let (Command::Table5(_) | Command::Table6(_), Err(e)) = (&command, crate::robots::hear()) {
        eprintln!("understudy-bed: no signals: {e}");
        return ExitCode::from(2);
    }
    let done = match command {
        Command::Table4 {
            modules,
            interface,
            markdown,
        } => {
            let interface = interface.unwrap_or_else(|| modules.join("api/src"));
            table4::table(&modules, &interface, markdown).map(|table| (table, 0))
        }
        Command::Table5(args) => table5::table(args),
        Command::Table6(args) => table6::table(args),
    };
    match done {
        Ok((table, code)) => {
            print!("{table}");
            ExitCode::from(code)
        }
        Err(why) => {
            eprintln!("understudy-bed: {why}");
            ExitCode::from(2)
        }
    }
}
