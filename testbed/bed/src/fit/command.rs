//! `understudy-bed fit` and `understudy-bed replay`.

use super::{
    build::{Error, Fitted, build},
    log::{Format, Log},
    survey::Survey,
    write::write,
};
use crate::workload::Workload;
use std::{io::Write as _, path::PathBuf, process::ExitCode};

/// The code of what could not be done at all.
const COULD_NOT: u8 = 2;

/// Which log.
#[derive(Debug, Clone, clap::Args)]
pub struct LogArgs {
    /// The access log, gzip or not; `-` is standard input
    pub log: PathBuf,
    /// How its lines are written
    #[arg(long, value_enum, default_value = "auto")]
    pub format: Format,
}

/// What `fit` is told.
#[derive(Debug, Clone, clap::Args)]
pub struct FitArgs {
    #[command(flatten)]
    #[allow(missing_docs)]
    pub log: LogArgs,
    /// Where the workload file goes; standard output if left out
    #[arg(long)]
    pub out: Option<PathBuf>,
}

/// Reads a log, and fits a workload to it.
///
/// # Errors
/// The log cannot be read, or has nothing of use.
pub fn fit(args: &LogArgs) -> Result<(Survey, Fitted, String), Error> {
    let log = Log::open(&args.log, args.format)
        .map_err(|e| Error::File(args.log.display().to_string(), e))?;
    let survey = Survey::of(log);
    let fitted = build(&survey)?;
    let text = write(&fitted, &survey);
    // What is given away is what the other commands will read, so it is read here first.
    Workload::parse(&text)?;
    Ok((survey, fitted, text))
}

/// `understudy-bed fit`.
#[must_use]
pub fn fit_command(args: FitArgs) -> ExitCode {
    let made = fit(&args.log).map_err(|e| e.to_string());
    let written = made.and_then(|(survey, _, text)| {
        tell(&survey);
        match &args.out {
            Some(path) => {
                std::fs::write(path, &text).map_err(|e| format!("{}: {e}", path.display()))
            }
            None => std::io::stdout()
                .write_all(text.as_bytes())
                .map_err(|e| format!("standard output: {e}")),
        }
    });
    match written {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("understudy-bed: {message}");
            ExitCode::from(COULD_NOT)
        }
    }
}

/// Says on standard error what became of the lines.
pub(super) fn tell(survey: &Survey) {
    let (unread, left) = (&survey.unread, survey.left_out);
    eprintln!(
        "{} lines: {} used, {} bad; left out {} tunnels, {} of the proxy's own, {} errors, {} redirects, {} other methods",
        unread.lines,
        survey.requests.used,
        unread.bad,
        left.tunnels,
        left.own,
        left.errors,
        left.redirects,
        left.methods
    );
    for (line, why) in &unread.first {
        eprintln!("line {line}: {why}");
    }
    if let Some(why) = &unread.ended {
        eprintln!("the log ends before its end: {why}; what was there is used");
    }
}
