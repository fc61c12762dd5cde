//! `understudy-bed ceiling`: how many requests the generator itself can make and judge, with no proxy between robots and origin.
//!
//! Everything is as in a run but for time: no thinking, no delays, a closed loop. Every byte is checked.

use super::{Mode, Plan, Shape, run};
use crate::{
    record::Results,
    workload::{Distribution, Network, Workload},
};
use std::{net::SocketAddr, process::ExitCode};

/// Requests a second that no generator makes on one core.
const UNREACHED: f64 = 200_000.0;

/// What `ceiling` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct CeilingArgs {
    /// Whose mix of content, types and methods
    #[arg(default_value = "polymix-3")]
    pub workload: String,
    /// Requests always under way
    #[arg(long, default_value_t = 64, value_parser = connections)]
    pub connections: usize,
    /// Seconds that are measured
    #[arg(long, default_value_t = 10.0)]
    pub seconds: f64,
    /// The seed
    #[arg(long, default_value_t = 1)]
    pub seed: u64,
}

/// How many connections there can be: a process has no more descriptors than some tens of thousands.
fn connections(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(number @ 1..=20_000) => Ok(number),
        _ => Err("say a number from 1 to 20000".to_owned()),
    }
}

/// `understudy-bed ceiling`.
#[must_use]
pub fn ceiling_command(args: CeilingArgs) -> ExitCode {
    match ceiling(&args) {
        Ok(results) => {
            print!("{}", told(&results));
            if results.interrupted {
                eprintln!("understudy-bed: interrupted");
                return ExitCode::from(2);
            }
            ExitCode::from(u8::from(results.total.failures() > 0))
        }
        Err(message) => {
            eprintln!("understudy-bed: {message}");
            ExitCode::from(2)
        }
    }
}

/// Measures it.
///
/// # Errors
/// It could not be run; in words.
pub fn ceiling(args: &CeilingArgs) -> Result<Results, String> {
    let mut workload = Workload::load(&args.workload).map_err(|e| e.to_string())?;
    workload.network = Network::default();
    workload.aborts = crate::workload::Aborts::default();
    // The origin is to close no connection: that is the robots' part here.
    workload.connections.server = Distribution::Constant(1e9);
    let mut plan = Plan::new(workload, SocketAddr::from(([127, 0, 0, 1], 0)));
    plan.mode = Mode::Reverse;
    plan.direct = true;
    plan.seed = args.seed;
    plan.closed = Some(args.connections.max(1));
    // More than can be, so that requests do not run out: the pace is the closed loop's. A robot has as many connections as it may, so
    // a robot for each request under way never waits for one.
    plan.rate = Some(UNREACHED);
    plan.workload.demand.robot_rate = UNREACHED / args.connections.max(1) as f64;
    plan.shape = Shape::Plateau {
        warm: 2.0,
        plateau: args.seconds,
    };
    run(&plan, |_| {}).map_err(|e| e.to_string())
}

/// What was measured, in a few lines.
fn told(results: &Results) -> String {
    let figures = &results.measured;
    let requests = figures.requests as f64;
    let mut text = format!(
        "requests          {} in {:.1} s, {:.0}/s, {:.1} MB/s of bodies checked\n",
        figures.requests,
        figures.seconds,
        requests / figures.seconds.max(1e-9),
        figures.bytes as f64 / 1e6 / figures.seconds.max(1e-9),
    );
    if let Some(generator) = &figures.generator {
        text.push_str(&format!(
            "robots' thread    {:.0} requests per second of processor ({:.1} us each), {:.0} % of a core\n\
             origin            {:.0} requests per second of processor ({:.1} us each)\n",
            requests / generator.robots.max(1e-9),
            generator.robots * 1e6 / requests.max(1.0),
            generator.robots / figures.seconds.max(1e-9) * 100.0,
            requests / generator.origin.max(1e-9),
            generator.origin * 1e6 / requests.max(1.0),
        ));
    }
    for (fault, count) in &results.total.faults {
        text.push_str(&format!("fault             {fault:?}: {count}\n"));
    }
    text
}
