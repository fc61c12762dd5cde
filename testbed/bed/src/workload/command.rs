//! `understudy-bed workload`: shows what would run, without running it.

use super::{Schedule, Workload, describe};
use std::{io::Write, process::ExitCode};

/// The code of what could not be run at all.
const COULD_NOT_RUN: u8 = 2;

/// What `workload` is told: the same words as `run`.
#[derive(Debug, Clone, clap::Args)]
pub struct WorkloadArgs {
    /// A standard workload (polymix-3, polymix-4, webaxe-4) or a workload file
    pub workload: String,
    /// Multiplies the lengths of all phases but those that fill
    #[arg(long, default_value_t = 1.0, conflicts_with = "quick")]
    pub scale: f64,
    /// Peak requests a second, embedded ones included; the workload's own if left out
    #[arg(long)]
    pub rate: Option<f64>,
    /// The proxy's cache size in bytes (k, m, g: times 1024); phases that fill are left out without
    #[arg(long, value_parser = bytes)]
    pub cache: Option<u64>,
    /// One to two minutes in all
    #[arg(long)]
    pub quick: bool,
    /// Prints a standard workload's file instead, to begin one's own from
    #[arg(long)]
    pub file: bool,
}

impl WorkloadArgs {
    /// The description, or the file.
    ///
    /// # Errors
    /// There is no such workload, or a value cannot be; in words for the one who typed it.
    pub fn run(&self) -> Result<String, String> {
        if self.file {
            return super::standard(&self.workload)
                .map(str::to_owned)
                .ok_or_else(|| super::Error::Unknown(self.workload.clone()).to_string());
        }
        let workload = Workload::load(&self.workload)
            .map_err(|e| format!("workload {}: {e}", self.workload))?;
        let schedule = if self.quick {
            Schedule::quick(&workload, self.rate)
        } else {
            Schedule::new(&workload, self.scale, self.rate, self.cache)
        };
        schedule
            .map(|schedule| describe(&workload, &schedule))
            .map_err(|e| e.to_string())
    }
}

/// `understudy-bed workload`.
#[must_use]
pub fn workload_command(args: &WorkloadArgs) -> ExitCode {
    match args.run() {
        Ok(text) => {
            // Whoever closed the pipe has seen enough.
            let _ = std::io::stdout().write_all(text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(message) => {
            eprintln!("understudy-bed: {message}");
            ExitCode::from(COULD_NOT_RUN)
        }
    }
}

/// Bytes as a command line has them: a whole number, with k, m or g behind it or without.
///
/// # Errors
/// It is none, or does not fit in 64 bits.
pub fn bytes(text: &str) -> Result<u64, String> {
    let units = [('k', 10), ('m', 20), ('g', 30), ('t', 40)];
    let (digits, shift) = (units.iter())
        .find_map(|(unit, shift)| {
            Some((
                text.strip_suffix([*unit, unit.to_ascii_uppercase()])?,
                *shift,
            ))
        })
        .unwrap_or((text, 0));
    let number: u64 =
        (digits.parse()).map_err(|_| "say bytes as 1000000, 512m or 4g".to_owned())?;
    number
        .checked_mul(1 << shift)
        .filter(|bytes| *bytes > 0)
        .ok_or_else(|| "must be above 0 and fit in 64 bits".to_owned())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Cli {
        #[command(flatten)]
        args: WorkloadArgs,
    }

    fn run(words: &[&str]) -> Result<String, String> {
        let words = ["workload"].iter().chain(words);
        Cli::try_parse_from(words)
            .map_err(|e| e.to_string())?
            .args
            .run()
    }

    #[test]
    fn tells_what_would_run() {
        let text = run(&[
            "polymix-3",
            "--scale",
            "0.1",
            "--rate",
            "100",
            "--cache",
            "64m",
        ])
        .unwrap();
        assert!(text.contains("until 128.0 MB are stored"), "{text}");
        assert!(!run(&["polymix-3"]).unwrap().contains("fill "));
        assert!(
            run(&["webaxe-4", "--quick"])
                .unwrap()
                .contains("0:01:30 at most")
        );
    }

    #[test]
    fn says_what_cannot_be() {
        let cases = [
            (vec!["polymix-9"], "name a file, or one of polymix-3"),
            (vec!["polymix-3", "--scale", "0"], "`scale` must be above 0"),
            (vec!["polymix-3", "--rate", "-1"], "unexpected argument"),
            (
                vec!["polymix-3", "--quick", "--scale", "2"],
                "cannot be used with",
            ),
            (vec!["polymix-3", "--cache", "lots"], "say bytes as"),
            (vec!["Cargo.toml"], "workload Cargo.toml"),
            (
                vec!["mine.toml", "--file"],
                "there is no workload \"mine.toml\"",
            ),
        ];
        for (words, part) in cases {
            let error = run(&words).unwrap_err();
            assert!(error.contains(part), "{words:?}: {error}");
        }
    }

    #[test]
    fn a_printed_file_is_a_workload() {
        let file = run(&["webaxe-4", "--file"]).unwrap();
        assert_eq!(Workload::parse(&file).unwrap().name, "webaxe-4");
    }

    #[test]
    fn bytes_have_units() {
        for (text, number) in [
            ("1", 1),
            ("2k", 2048),
            ("3M", 3 << 20),
            ("4g", 4 << 30),
            ("1t", 1 << 40),
        ] {
            assert_eq!(bytes(text).unwrap(), number, "{text}");
        }
        for text in ["", "k", "0", "-1", "1.5g", "1kk", "20000000000g", "é"] {
            assert!(bytes(text).is_err(), "{text}");
        }
    }
}
