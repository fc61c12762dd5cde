//! The tables of the paper, measured here and printed in its layout with its figures beside.

pub mod table4;

use clap::Subcommand;
use std::{path::PathBuf, process::ExitCode};

/// A command of this module.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// The code of each module: lines, statements and calls of the interface, beside the paper's figures
    Table4 {
        /// The directory of the modules
        #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../../modules"))]
        modules: PathBuf,
        /// The sources of the interface; by default those beside the modules
        #[arg(long)]
        interface: Option<PathBuf>,
        /// As a table of Markdown
        #[arg(long)]
        markdown: bool,
    },
}

/// Does what the command says; the table goes to standard output.
#[must_use]
pub fn tables_command(command: Command) -> ExitCode {
    let done = match command {
        Command::Table4 {
            modules,
            interface,
            markdown,
        } => {
            let interface = interface.unwrap_or_else(|| modules.join("api/src"));
            table4::table(&modules, &interface, markdown)
        }
    };
    match done {
        Ok(table) => {
            print!("{table}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("understudy-bed: {why}");
            ExitCode::FAILURE
        }
    }
}
