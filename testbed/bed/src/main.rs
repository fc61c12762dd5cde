//! `understudy-bed`: the testbed's one command. Each subcommand's arguments and work are its module's own; here is only the list.
//!
//! Every subcommand ends with one of four codes: 0 all is well, 1 the proxy failed at something, 2 it could not be run, 3 it ran, but
//! its figures say nothing because the generator was the bottleneck.
#![forbid(unsafe_code)]

use clap::{Parser, Subcommand};
use std::process::ExitCode;
use understudy_bed::{fit, origin, peers, report, robots, tables, workload};

/// Drives a caching proxy with real content, judges every answer, and tells what it saw.
#[derive(Debug, Parser)]
#[command(name = "understudy-bed", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs a workload against a proxy: origin, robots and report in one; with --origin the robots alone
    Run(robots::RunArgs),
    /// The robots alone, with the origin that --origin names on another machine
    Robots(robots::RunArgs),
    /// Tells how many requests a second the generator itself can make and judge
    Ceiling(robots::CeilingArgs),
    /// Serves a workload's objects alone, for robots on another machine
    Origin(origin::command::Args),
    /// Makes a workload file of an access log, with nothing of the log in it but its figures
    Fit(fit::command::FitArgs),
    /// Asks a proxy for what an access log says was asked for, at the log's times. Each URL becomes an object of the testbed's own
    /// origin, of the size and kind that the log tells; the log's hosts are not asked
    Replay(fit::command::ReplayArgs),
    /// Makes the report again from a run's results
    Report(report::ReportArgs),
    /// Tells what differs between two runs
    Compare(report::CompareArgs),
    /// Runs two proxies in pairs, by turns, and says which differences are more than chance
    Ab(Box<report::AbArgs>),
    /// Starts a proxy or cache to be measured, with a cache of stated size, on a port of this machine
    Peer(peers::PeerArgs),
    /// Shows what a workload would run, and what is to be expected of it
    Workload(workload::WorkloadArgs),
    #[command(flatten)]
    Tables(tables::Command),
}

fn main() -> ExitCode {
    match Cli::parse().command {
        Command::Run(args) => robots::run_command(args, report::html),
        Command::Robots(args) => robots::robots_command(args, report::html),
        Command::Ceiling(args) => robots::ceiling_command(args),
        Command::Origin(args) => origin::command::origin_command(&args),
        Command::Fit(args) => fit::command::fit_command(args),
        Command::Replay(args) => fit::command::replay_command(args, report::html),
        Command::Report(args) => report::report_command(args),
        Command::Compare(args) => report::compare_command(args),
        Command::Ab(args) => report::ab_command(*args),
        Command::Peer(args) => peers::peer_command(args),
        Command::Workload(args) => workload::workload_command(&args),
        Command::Tables(command) => tables::tables_command(command),
    }
}
