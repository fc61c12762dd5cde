//! The commands `report` and `compare`.

use super::{compare, compare_html, html};
use crate::record::{ReadError, Results};
use std::{
    io,
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Makes the report again from a run's results.
#[derive(Debug, clap::Args)]
pub struct ReportArgs {
    /// The results.json of a run.
    results: PathBuf,
    /// The file that the report is written to.
    #[arg(long, value_name = "FILE")]
    html: PathBuf,
}

/// Tells what differs between two runs.
#[derive(Debug, clap::Args)]
pub struct CompareArgs {
    /// The results.json of one run.
    a: PathBuf,
    /// The results.json of the other.
    b: PathBuf,
    /// A file that the comparison is written to as a page.
    #[arg(long, value_name = "FILE")]
    html: Option<PathBuf>,
}

/// Why there is no report.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file holds no results.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// The file cannot be written.
    #[error("{0} cannot be written: {1}")]
    Write(String, io::Error),
}

/// Writes a file of a report.
///
/// # Errors
/// It cannot be written; the error names it.
pub fn write(path: &Path, text: &str) -> Result<(), Error> {
    std::fs::write(path, text).map_err(|e| Error::Write(path.display().to_string(), e))
}

/// Writes a run's results.json and report.html into this directory, which is made if it is not there.
///
/// # Errors
/// They cannot be written; the error names the file.
pub fn save(results: &Results, directory: &Path) -> Result<(), Error> {
    let failed = |e| Error::Write(directory.display().to_string(), e);
    std::fs::create_dir_all(directory).map_err(failed)?;
    let json = results.to_json().map_err(|e| failed(e.into()))?;
    write(&directory.join("results.json"), &json)?;
    write(&directory.join("report.html"), &html(results))
}

impl ReportArgs {
    /// Does it; what it returns is to be printed.
    ///
    /// # Errors
    /// There are no results, or nowhere to write to.
    pub fn run(&self) -> Result<String, Error> {
        write(&self.html, &html(&Results::read(&self.results)?))?;
        Ok(format!("{} is written\n", self.html.display()))
    }
}

impl CompareArgs {
    /// Does it; what it returns is to be printed.
    ///
    /// # Errors
    /// There are no results, or nowhere to write to.
    pub fn run(&self) -> Result<String, Error> {
        let (a, b) = (Results::read(&self.a)?, Results::read(&self.b)?);
        if let Some(path) = &self.html {
            write(path, &compare_html(&a, &b))?;
        }
        Ok(compare(&a, &b))
    }
}

/// The code of what could not be done.
pub(super) const COULD_NOT: u8 = 2;

/// Prints what came of a command.
fn told(result: Result<String, Error>) -> ExitCode {
    match result {
        Ok(text) => {
            // Whoever closed the pipe has read enough.
            let _ = io::Write::write_all(&mut io::stdout(), text.as_bytes());
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("understudy-bed: {error}");
            ExitCode::from(COULD_NOT)
        }
    }
}

/// `understudy-bed report`.
#[must_use]
pub fn report_command(args: ReportArgs) -> ExitCode {
    told(args.run())
}

/// `understudy-bed compare`.
#[must_use]
pub fn compare_command(args: CompareArgs) -> ExitCode {
    told(args.run())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::{
        super::tests::{Made, made},
        *,
    };

    fn short(seed: u64) -> Results {
        made(&Made {
            seed,
            rate: 5.0,
            scale: 0.05,
            ..Made::default()
        })
    }

    #[test]
    fn the_report_again_from_a_file_is_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let out = directory.path().join("new/run");
        save(&short(1), &out).unwrap();
        let again = directory.path().join("again.html");
        let args = ReportArgs {
            results: out.join("results.json"),
            html: again.clone(),
        };
        assert!(args.run().unwrap().contains("again.html is written"));
        let read = |path: &Path| std::fs::read_to_string(path).unwrap();
        assert_eq!(read(&again), read(&out.join("report.html")));
    }

    #[test]
    fn a_comparison_is_printed_and_written() {
        let directory = tempfile::tempdir().unwrap();
        let [a, b] = [1, 2].map(|seed| {
            let out = directory.path().join(seed.to_string());
            save(&short(seed), &out).unwrap();
            out.join("results.json")
        });
        let page = directory.path().join("compare.html");
        let text = CompareArgs {
            a,
            b,
            html: Some(page.clone()),
        }
        .run()
        .unwrap();
        assert!(text.contains("another seed: 1 in A, 2 in B"), "{text}");
        assert!(
            std::fs::read_to_string(page)
                .unwrap()
                .contains("another seed")
        );
    }

    #[test]
    fn errors_name_the_file() {
        let directory = tempfile::tempdir().unwrap();
        let missing = directory.path().join("missing.json");
        let args = ReportArgs {
            results: missing.clone(),
            html: missing,
        };
        assert!(args.run().unwrap_err().to_string().contains("missing.json"));
        let file = directory.path().join("file");
        std::fs::write(&file, "").unwrap();
        let error = save(&short(1), &file.join("below")).unwrap_err();
        assert!(
            error.to_string().contains("below cannot be written"),
            "{error}"
        );
    }
}
