//! `understudy-bed ab`: two proxies in pairs of runs, by turns.
//!
//! Invariant: both runs of a pair ask the same (one seed), and each pair asks something else. The order turns from pair to pair (A B,
//! B A, A B): what drifts evenly over the hours falls on both alike. Awkward case: a run that could not be made ends it all, and the
//! pairs that there are still tell.

use super::{cli, paired, paired_html, save, write};
use crate::{
    record::{Progress, Results},
    robots::{self, Plan, RunArgs},
};
use std::{
    io::{IsTerminal, Write},
    process::ExitCode,
};

/// The code of runs that the proxy failed in.
const FAILED: u8 = 1;

/// The code of runs whose figures say nothing.
const INVALID: u8 = 3;

/// Runs two proxies in pairs, by turns.
#[derive(Debug, Clone, clap::Args)]
// A run's options without those of one proxy that is started by another command, or runs already.
#[command(mut_arg("start", |a| a.hide(true)), mut_arg("watch", |a| a.hide(true)), mut_arg("name", |a| a.hide(true)))]
pub struct AbArgs {
    /// The command that starts proxy A; {proxy}, {host}, {port} and {origin} are filled in
    #[arg(long, value_name = "COMMAND")]
    a: String,
    /// The command that starts proxy B, at the same address
    #[arg(long, value_name = "COMMAND")]
    b: String,
    /// What proxy A is called in reports; by its command if left out
    #[arg(long, value_name = "NAME")]
    a_name: Option<String>,
    /// What proxy B is called
    #[arg(long, value_name = "NAME")]
    b_name: Option<String>,
    /// How many pairs; an interval needs two, and is short with five or more
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u16).range(1..=1000))]
    pairs: u16,
    #[command(flatten)]
    run: RunArgs,
}

/// Which of the two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    A,
    B,
}

/// The runs in their order: number of the pair, side.
fn order(pairs: u16) -> impl Iterator<Item = (u16, Side)> {
    (0..pairs).flat_map(|pair| {
        let both = match pair % 2 {
            0 => [Side::A, Side::B],
            _ => [Side::B, Side::A],
        };
        both.map(|side| (pair, side))
    })
}

impl AbArgs {
    /// One run's plan.
    fn plan(&self, pair: u16, side: Side) -> Result<Plan, String> {
        if self.run.start.is_some() {
            return Err("--start says one command; ab has --a and --b".to_owned());
        }
        if !self.run.watch.is_empty() {
            return Err("--watch names one process; ab watches those of --a and --b".to_owned());
        }
        if self.run.name.is_some() {
            return Err("--name is of one proxy; ab has --a-name and --b-name".to_owned());
        }
        let mut plan = self.run.clone().plan()?;
        let (command, name, letter) = match side {
            Side::A => (&self.a, &self.a_name, 'a'),
            Side::B => (&self.b, &self.b_name, 'b'),
        };
        plan.start = Some(command.clone());
        plan.name = name.clone();
        plan.seed = plan.seed.wrapping_add(u64::from(pair));
        plan.out = plan
            .out
            .map(|out| out.join(format!("{:02}-{letter}", pair + 1)));
        Ok(plan)
    }

    /// Makes the runs with `run`. The pairs that were whole, and why there are no more.
    fn pairs(
        &self,
        mut run: impl FnMut(&Plan, u16, Side) -> Result<Results, String>,
    ) -> (Vec<(Results, Results)>, Option<String>) {
        let mut pairs = Vec::new();
        let mut half: Option<Results> = None;
        for (pair, side) in order(self.pairs) {
            let done = self.plan(pair, side).and_then(|plan| {
                let results = run(&plan, pair, side)?;
                if let Some(directory) = &plan.out {
                    save(&results, directory).map_err(|e| e.to_string())?;
                }
                Ok(results)
            });
            let results = match done {
                Ok(results) => results,
                Err(why) => return (pairs, Some(format!("pair {}, {side:?}: {why}", pair + 1))),
            };
            if results.interrupted {
                return (pairs, Some("interrupted".to_owned()));
            }
            half = match (half.take(), side) {
                (None, _) => Some(results),
                (Some(a), Side::B) => {
                    pairs.push((a, results));
                    None
                }
                (Some(b), Side::A) => {
                    pairs.push((results, b));
                    None
                }
            };
        }
        (pairs, None)
    }
}

/// `understudy-bed ab`.
#[must_use]
pub fn ab_command(args: AbArgs) -> ExitCode {
    let terminal = std::io::stderr().is_terminal();
    let (pairs, stopped) = args.pairs(|plan, pair, side| {
        let head = format!("pair {} of {}, {side:?}", pair + 1, args.pairs);
        if !terminal {
            eprintln!("{head}");
        }
        robots::run(plan, move |progress: &Progress| {
            if terminal {
                // Over the line before, and the rest of it cleared (ECMA-48: EL).
                eprint!("\r{head}: {progress}\x1b[K");
            }
        })
        .map_err(|e| e.to_string())
    });
    if terminal {
        eprintln!();
    }
    if !pairs.is_empty() {
        // Whoever closed the pipe has read enough.
        let _ = std::io::stdout().write_all(paired(&pairs).as_bytes());
    }
    if let Some(out) = args.run.out.as_ref().filter(|_| !pairs.is_empty())
        && let Err(e) = write(&out.join("pairs.html"), &paired_html(&pairs))
    {
        eprintln!("understudy-bed: {e}");
        return ExitCode::from(cli::COULD_NOT);
    }
    if let Some(why) = stopped {
        eprintln!("understudy-bed: {why}");
        return ExitCode::from(cli::COULD_NOT);
    }
    let runs = || pairs.iter().flat_map(|(a, b)| [a, b]);
    // As a run's own code: a failure counts also where the figures do not.
    if runs().any(|r| r.total.failures() > 0) {
        ExitCode::from(FAILED)
    } else if runs().any(|r| !r.validity.valid) {
        ExitCode::from(INVALID)
    } else {
        ExitCode::SUCCESS
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{
        super::tests::{Made, made},
        *,
    };
    use clap::Parser;

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: AbArgs,
    }

    fn args(more: &[&str]) -> AbArgs {
        let all = [
            "ab",
            "--a",
            "one",
            "--b",
            "two",
            "polymix-3",
            "--proxy",
            "127.0.0.1:1",
        ];
        Cli::try_parse_from(all.iter().chain(more)).unwrap().args
    }

    fn short(seed: u64) -> Results {
        made(&Made {
            seed,
            rate: 5.0,
            scale: 0.05,
            ..Made::default()
        })
    }

    #[test]
    fn sides_turn_from_pair_to_pair() {
        use Side::{A, B};
        assert_eq!(
            order(3).collect::<Vec<_>>(),
            [(0, A), (0, B), (1, B), (1, A), (2, A), (2, B)]
        );
    }

    #[test]
    fn both_runs_of_a_pair_ask_the_same_and_a_stands_first() {
        let mut seen = Vec::new();
        let out = tempfile::tempdir().unwrap();
        let (pairs, stopped) = args(&[
            "--pairs",
            "2",
            "--seed",
            "7",
            "--out",
            out.path().to_str().unwrap(),
        ])
        .pairs(|plan, _, side| {
            seen.push((plan.start.clone().unwrap(), plan.seed));
            let mut results = short(plan.seed);
            results.identity.start = Some(format!("{side:?}"));
            Ok(results)
        });
        assert_eq!(stopped, None);
        let seen: Vec<_> = seen
            .iter()
            .map(|(start, seed)| (start.as_str(), *seed))
            .collect();
        assert_eq!(seen, [("one", 7), ("two", 7), ("two", 8), ("one", 8)]);
        for (a, b) in pairs {
            assert_eq!(
                (a.identity.start.as_deref(), b.identity.start.as_deref()),
                (Some("A"), Some("B"))
            );
        }
        for name in ["01-a", "01-b", "02-a", "02-b"] {
            let directory = out.path().join(name);
            assert!(
                Results::read(&directory.join("results.json")).is_ok(),
                "{name}"
            );
            assert!(directory.join("report.html").exists(), "{name}");
        }
    }

    #[test]
    fn whole_pairs_are_kept_when_a_later_run_cannot_be_made() {
        let (pairs, stopped) =
            args(&["--pairs", "3"]).pairs(|plan, pair, side| match (pair, side) {
                (1, Side::A) => Err("it does not start".to_owned()),
                _ => Ok(short(plan.seed)),
            });
        assert_eq!(
            (pairs.len(), stopped.unwrap().as_str()),
            (1, "pair 2, A: it does not start")
        );
    }

    #[test]
    fn an_interrupted_run_ends_all() {
        let mut runs = 0;
        let (pairs, stopped) = args(&[]).pairs(|plan, _, _| {
            runs += 1;
            Ok(Results {
                interrupted: runs == 4,
                ..short(plan.seed)
            })
        });
        assert_eq!((pairs.len(), stopped.is_some(), runs), (1, true, 4));
    }

    #[test]
    fn options_for_one_proxy_are_not_listed() {
        use clap::CommandFactory;
        let help = Cli::command().render_long_help().to_string();
        for (option, listed) in [
            ("--a <", true),
            ("--cache", true),
            ("--start", false),
            ("--watch", false),
            ("--a-name <", true),
            ("--name <", false),
        ] {
            assert_eq!(help.contains(option), listed, "{option}: {help}");
        }
        let (_, stopped) = args(&["--watch", "1"]).pairs(|plan, _, _| Ok(short(plan.seed)));
        assert!(stopped.unwrap().contains("--a and --b"));
        let (_, stopped) = args(&["--name", "x"]).pairs(|plan, _, _| Ok(short(plan.seed)));
        assert!(stopped.unwrap().contains("--a-name and --b-name"));
    }

    #[test]
    fn each_of_the_two_has_a_name_of_its_own() {
        let mut seen = Vec::new();
        let names = ["--pairs", "1", "--a-name", "old", "--b-name", "new"];
        args(&names).pairs(|plan, _, _| {
            seen.push(plan.name.clone());
            Ok(short(plan.seed))
        });
        assert_eq!(seen, ["old", "new"].map(|name| Some(name.to_owned())));
    }

    #[test]
    fn a_command_for_one_proxy_is_refused() {
        let (pairs, stopped) = args(&["--start", "three"]).pairs(|plan, _, _| Ok(short(plan.seed)));
        assert_eq!(pairs.len(), 0);
        assert!(stopped.unwrap().contains("--a and --b"));
    }
}
