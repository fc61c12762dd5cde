//! `understudy-bed`: the tables of the paper, measured here.
#![forbid(unsafe_code)]

mod table4;

use clap::{Parser, Subcommand};
use std::path::PathBuf;
use std::process::ExitCode;

#[derive(Parser)]
#[command(about = "The tables of the paper, measured here")]
struct Arguments {
    #[command(subcommand)]
    table: Table,
}

#[derive(Subcommand)]
enum Table {
    /// The code of each module: lines, statements and calls of the interface, beside the paper's figures
    Table4 {
        /// The directory of the modules
        #[arg(long, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../modules"))]
        modules: PathBuf,
        /// The sources of the interface; by default those beside the modules
        #[arg(long)]
        interface: Option<PathBuf>,
        /// As a table of Markdown
        #[arg(long)]
        markdown: bool,
    },
}

fn main() -> ExitCode {
    let Table::Table4 {
        modules,
        interface,
        markdown,
    } = Arguments::parse().table;
    let interface = interface.unwrap_or_else(|| modules.join("api/src"));
    match table4::table(&modules, &interface, markdown) {
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
