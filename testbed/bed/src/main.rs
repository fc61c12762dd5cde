//! `understudy-bed`: the testbed's one command. Each subcommand's arguments and work are its module's own; here is only the list.
//!
//! Every subcommand ends with one of four codes: 0 all is well, 1 the proxy failed at something, 2 it could not be run, 3 it ran, but
//! its figures say nothing because the generator was the bottleneck.
#![forbid(unsafe_code)]

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use understudy_bed::{robots, tables, workload};

/// Drives a caching proxy with real content, judges every answer, and tells what it saw.
#[derive(Debug, Parser)]
#[command(name = "understudy-bed", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a workload against a proxy: origin, robots and report in one
    Run(robots::RunArgs),
    /// Shows what a workload would run, and what is to be expected of it
    Workload(workload::WorkloadArgs),
    #[command(flatten)]
    Tables(tables::Command),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => robots::run_command(args),
        Command::Workload(args) => told(args.run()),
        Command::Tables(command) => told(tables::command(command)),
    }
}

/// Prints what a subcommand made, or why it could not.
fn told(done: Result<String, String>) -> ExitCode {
    match done {
        Ok(text) => {
            print!("{text}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("understudy-bed: {why}");
            ExitCode::FAILURE
        }
    }
}
