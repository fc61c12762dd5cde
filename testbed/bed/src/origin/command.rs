//! `understudy-bed origin`: the origin alone, for robots on another machine, or to look at with a browser.

use super::{Config, Wall, ceiling, start};
use crate::{
    content::Library,
    seed::Seed,
    workload::{self, Workload},
    world::World,
};
use std::{io, net::SocketAddr, process::ExitCode, sync::Arc};
use tokio::signal::unix::{SignalKind, signal};

/// What the command line says.
#[derive(Debug, Clone, clap::Args)]
pub struct Args {
    /// The workload: polymix-3, polymix-4, webaxe-4, or a file
    workload: String,
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDR")]
    listen: SocketAddr,
    /// Listen on so many ports, one after the other from that of ADDR
    #[arg(long, default_value_t = 1, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=1024))]
    servers: u16,
    /// The seed: the same one is the same objects
    #[arg(long, default_value_t = 1, value_name = "N")]
    seed: u64,
    /// The run's beginning in Unix seconds; without it robots tell it, and objects are answered 503 until then
    #[arg(long, value_name = "SECONDS")]
    epoch: Option<i64>,
    /// The share of objects that are sent in chunks, without Content-Length
    #[arg(long, default_value_t = 0.0, value_name = "SHARE")]
    chunked: f64,
    /// Tells the time by a clock so many seconds ahead of this machine's: for tests of what clocks that differ do
    #[arg(
        long,
        default_value_t = 0.0,
        value_name = "SECONDS",
        allow_negative_numbers = true,
        hide = true
    )]
    ahead: f64,
    /// Threads that answer
    #[arg(long, default_value_t = 1, value_name = "N")]
    workers: usize,
    /// Instead of serving: how many requests a second this origin answers on this machine, without network and think time
    #[arg(long)]
    ceiling: bool,
}

/// Why the command failed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The workload is none.
    #[error(transparent)]
    Workload(#[from] workload::Error),
    /// What it did cannot be told.
    #[error("the statistics cannot be written as JSON: {0}")]
    Json(#[from] serde_json::Error),
    /// It cannot be told to robots.
    #[error("the workload cannot be written as TOML: {0}")]
    Text(#[from] toml::ser::Error),
    /// It cannot be served.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The ports run out.
    #[error("--servers {0}: there are not as many ports from {1} on; listen at a lower one")]
    Ports(u16, SocketAddr),
}

/// Runs the command. It ends at an interrupt, and then prints what the origin did, as JSON.
#[must_use]
pub fn origin_command(args: &Args) -> ExitCode {
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(e) => {
            eprintln!("understudy-bed origin: {e}");
            // It could not be run.
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<(), Error> {
    let workload = Workload::load(&args.workload)?;
    let text = toml::to_string(&workload)?;
    let seed = Seed(args.seed);
    let library = Arc::new(Library::new(seed));
    if args.ceiling {
        let found = ceiling::measure(&workload, seed, library, &ceiling::Options::default())?;
        println!("{found}");
        return Ok(());
    }
    let wall = Wall::default();
    wall.set_ahead((args.ahead * 1e6) as i64);
    let config = Config {
        listen: addresses(args.listen, args.servers)
            .ok_or(Error::Ports(args.servers, args.listen))?,
        workload_text: text,
        chunked: args.chunked,
        workers: args.workers,
        wait: args.epoch.is_none(),
        digest: Some(library.digest()),
        wall,
        ..Config::new(
            World::new(Arc::new(workload), seed, args.epoch.unwrap_or(0)),
            library,
        )
    };
    let running = start(config)?;
    for address in running.addresses() {
        println!("origin: http://{address}/");
    }
    until_told()?;
    println!("{}", serde_json::to_string(&running.statistics())?);
    Ok(())
}

/// Waits for an interrupt or a request to end.
fn until_told() -> io::Result<()> {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(async {
            let mut ended = signal(SignalKind::terminate())?;
            tokio::select! {
                done = tokio::signal::ctrl_c() => done,
                _ = ended.recv() => Ok(()),
            }
        })
}

/// So many addresses whose ports follow one another; each has any free port where the first has.
fn addresses(first: SocketAddr, servers: u16) -> Option<Vec<SocketAddr>> {
    (0..servers)
        .map(|n| {
            let port = match first.port() {
                0 => 0,
                port => port.checked_add(n)?,
            };
            Some(SocketAddr::new(first.ip(), port))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn servers_listen_on_ports_that_follow_one_another() {
        let ports = |first: &str, servers| {
            let found = addresses(first.parse().unwrap(), servers)?;
            Some(found.iter().map(SocketAddr::port).collect::<Vec<_>>())
        };
        assert_eq!(ports("127.0.0.1:8090", 3), Some(vec![8090, 8091, 8092]));
        assert_eq!(ports("[::1]:0", 2), Some(vec![0, 0]));
        assert_eq!(ports("127.0.0.1:65535", 1), Some(vec![65535]));
        assert_eq!(ports("127.0.0.1:65535", 2), None);
    }
}
