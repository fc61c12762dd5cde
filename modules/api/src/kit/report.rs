//! What a check found, ready to be read.

use std::fmt;

/// Of one case on one stage so many differences are told in full; the rest are counted.
const TOLD: usize = 3;

/// Something that is not as it should be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// The case.
    pub case: String,
    /// The stage.
    pub stage: String,
    /// How the bodies were cut, and whether others ran beside it.
    pub run: String,
    /// What is not as it should be.
    pub what: String,
}

/// What a check found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Report {
    /// The stages.
    pub stages: Vec<String>,
    /// How many cases there were.
    pub cases: usize,
    /// How many transactions were run.
    pub runs: usize,
    /// What differs from what was expected, or between two runs.
    pub differences: Vec<Difference>,
    /// Stages and cases that could not be run, and why.
    pub refused: Vec<String>,
    /// Stages that were left out on purpose, and why.
    pub left_out: Vec<String>,
}

impl Report {
    /// Whether all is as it should be, and anything was run at all.
    pub fn is_ok(&self) -> bool {
        self.differences.is_empty() && self.refused.is_empty() && self.runs > 0
    }

    /// The report as a result.
    ///
    /// # Errors
    /// The report, when it is not as it should be.
    pub fn into_result(self) -> Result<Report, Report> {
        if self.is_ok() { Ok(self) } else { Err(self) }
    }

    pub(crate) fn differs(&mut self, case: &str, stage: &str, run: &str, what: String) {
        self.differences.push(Difference {
            case: case.to_owned(),
            stage: stage.to_owned(),
            run: run.to_owned(),
            what,
        });
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} cases, {} transactions, on {}: {}",
            self.cases,
            self.runs,
            self.stages.join(", "),
            if self.is_ok() {
                "the same everywhere"
            } else {
                "NOT the same"
            }
        )?;
        for why in &self.left_out {
            writeln!(f, "left out: {why}")?;
        }
        for why in &self.refused {
            writeln!(f, "not run: {why}")?;
        }
        if self.runs == 0 {
            writeln!(f, "nothing was run")?;
        }
        let mut told: Vec<(&str, &str, usize)> = Vec::new();
        for one in &self.differences {
            let of = (one.case.as_str(), one.stage.as_str());
            let at = match told.iter().position(|(c, s, _)| (*c, *s) == of) {
                Some(at) => at,
                None => {
                    told.push((of.0, of.1, 0));
                    told.len() - 1
                }
            };
            told[at].2 += 1;
            if told[at].2 <= TOLD {
                writeln!(f, "case `{}`, {}, {}:", one.case, one.stage, one.run)?;
                writeln!(f, "    {}", one.what)?;
            }
        }
        for (case, stage, count) in told {
            if count > TOLD {
                writeln!(f, "case `{case}`, {stage}: {} more", count - TOLD)?;
            }
        }
        Ok(())
    }
}
