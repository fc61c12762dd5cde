//! `understudy-bed`: the testbed's one command.
#![forbid(unsafe_code)]

use clap::Parser;
use std::process::ExitCode;
use understudy_bed::tables;

#[derive(Parser)]
#[command(about = "Drives a caching proxy and tells what it saw")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    #[command(flatten)]
    Tables(tables::Command),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Tables(command) => tables::command(command),
    };
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
