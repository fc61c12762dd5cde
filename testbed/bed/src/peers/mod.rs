//! Proxies and caches to be measured, each started alike: `understudy-bed peer squid --port 3128 --cache 256M`.
//!
//! - [`setup`]: what each program is told: its configuration files and its command line.
//! - [`child`]: a program and the directory it lives in, ended together.

pub mod child;
pub mod setup;

use child::Child;
use setup::{Name, Setup};
use std::{
    net::{SocketAddr, TcpStream},
    path::PathBuf,
    process::ExitCode,
    time::Duration,
};

/// What `peer` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct PeerArgs {
    /// Which program
    #[arg(value_enum)]
    pub name: Name,
    /// The port of 127.0.0.1 that it listens on
    #[arg(long)]
    pub port: u16,
    /// The origin, ADDRESS:PORT; a forward proxy needs none
    #[arg(long)]
    pub origin: Option<SocketAddr>,
    /// Forward or reverse; by default forward where the program can be that
    #[arg(long, value_enum)]
    pub mode: Option<crate::robots::Mode>,
    /// Bytes of its cache, with K, M or G
    #[arg(long, default_value = "256M", value_parser = bytes)]
    pub cache: u64,
    /// Its threads or processes that serve
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub workers: u16,
    /// The program, where it is not found by its name
    #[arg(long)]
    pub program: Option<PathBuf>,
}

/// How long a look whether it listens may take.
const LOOK: Duration = Duration::from_millis(200);
/// How long a program has to end when it is asked to.
const ENDING: Duration = Duration::from_secs(10);

/// `understudy-bed peer`: runs the program until it ends or we are told to.
#[must_use]
pub fn peer_command(args: PeerArgs) -> ExitCode {
    match run(&args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("understudy-bed peer: {why}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &PeerArgs) -> Result<(), String> {
    let setup = Setup::new(args)?;
    let address = SocketAddr::from(([127, 0, 0, 1], args.port));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|e| format!("no runtime: {e}"))?;
    runtime.block_on(async {
        use tokio::signal::unix::{SignalKind, signal};
        // Before the program is started, or one that comes at once would leave its directory behind.
        let listen = |kind| signal(kind).map_err(|e| format!("no signals: {e}"));
        let (mut term, mut int) = (
            listen(SignalKind::terminate())?,
            listen(SignalKind::interrupt())?,
        );
        let mut child = Child::start(setup, false)?;
        let mut told = false;
        loop {
            tokio::select! {
                _ = term.recv() => break,
                _ = int.recv() => break,
                () = tokio::time::sleep(Duration::from_millis(100)) => if let Some(status) = child.ended()? {
                    return Err(format!("{} ended by itself: {status}{}", child.name(), child.said()));
                },
            }
            if !told && TcpStream::connect_timeout(&address, LOOK).is_ok() {
                eprintln!("{} listens on {address}", child.name());
                told = true;
            }
        }
        child.end(ENDING);
        Ok(())
    })
}

/// Bytes, with a unit or without.
///
/// # Errors
/// It is no number of bytes above 0.
pub fn bytes(text: &str) -> Result<u64, String> {
    let unit = match text.bytes().next_back() {
        Some(b'k' | b'K') => 1u64 << 10,
        Some(b'm' | b'M') => 1 << 20,
        Some(b'g' | b'G') => 1 << 30,
        _ => 1,
    };
    let digits = match unit {
        1 => text,
        _ => &text[..text.len() - 1],
    };
    let number = digits.parse::<u64>().ok().filter(|n| *n > 0);
    number
        .and_then(|n| n.checked_mul(unit))
        .ok_or_else(|| format!("{text:?} is no size: say 268435456 or 256M"))
}
