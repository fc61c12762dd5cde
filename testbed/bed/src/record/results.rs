//! The results of a run: plain data, the one thing that reports are made of.
//!
//! Invariant: what is written can be read again ([`FORMAT`] says by whom), and holds no number that JSON has no word for.

use super::{Figures, Slot};
use crate::workload::Schedule;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, io, path::Path};

/// The number of this shape; another one is refused.
pub const FORMAT: u32 = 1;

/// The results of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`FORMAT`].
    pub format: u32,
    /// What was run.
    pub identity: Identity,
    /// The phases as they were planned.
    pub schedule: Schedule,
    /// The machine that the robots ran on.
    pub host: Host,
    /// Whether the figures tell of the proxy rather than of the generator.
    pub validity: Validity,
    /// Whether it was broken off before its end.
    pub interrupted: bool,
    /// How many faulty exchanges are in `faults.jsonl`, if the run had a directory for it; the first ones, if there were more.
    #[serde(default)]
    pub kept: Option<u64>,
    /// The measured phases together, or all phases of a workload that measures none: figures are quoted from here.
    pub measured: Figures,
    /// All phases together, with what was due behind the last one's end: what pages embed that came late.
    pub total: Figures,
    /// Each phase, as it was.
    pub phases: Vec<PhaseResults>,
    /// Each kind of content, over the measured phases (or all, as `measured`).
    pub contents: Vec<ContentResults>,
    /// Seconds of a slot of the series.
    pub slot: f64,
    /// The run from slot to slot.
    pub series: Vec<Slot>,
}

/// What was run.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Identity {
    /// The workload's name.
    pub workload: String,
    /// The seed.
    pub seed: u64,
    /// What phases' lengths were multiplied by.
    pub scale: f64,
    /// `forward` or `reverse`.
    pub mode: String,
    /// The proxy's address.
    pub proxy: String,
    /// What the proxy is called: as the run was told, else by a word of the command that started it; arguments can hold secrets.
    pub start: Option<String>,
    /// Bytes of the proxy's cache, as the run was told.
    pub cache: Option<u64>,
    /// When the run began, Unix seconds.
    pub began: i64,
    /// A digest of the workload, with every key that its file left out: files of one name can say different things.
    #[serde(default)]
    pub digest: Option<String>,
    /// What else was asked of the run and may change its figures, by the option's name.
    #[serde(default)]
    pub options: BTreeMap<String, String>,
    /// The version of this program.
    #[serde(default)]
    pub version: Option<String>,
}

/// The machine that the robots ran on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Cores that this process may use.
    pub cores: usize,
    /// The processor's name, as the system tells it.
    pub processor: String,
    /// The system and its version.
    pub kernel: String,
    /// Bytes of memory.
    pub memory: u64,
}

/// Whether the figures tell of the proxy rather than of the generator.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Validity {
    /// Whether they do.
    pub valid: bool,
    /// Why they do not; empty when they do.
    pub reasons: Vec<String>,
    /// Where they do, but not to the last digit.
    #[serde(default)]
    pub doubts: Vec<String>,
}

/// A phase, as it was.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct PhaseResults {
    /// Its name.
    pub name: String,
    /// When it began, seconds from the run's beginning.
    pub begin: f64,
    /// When it ended, seconds from the run's beginning.
    pub end: f64,
    /// Whether figures are quoted from it.
    pub measured: bool,
    /// How many requests the schedule has in the time that the phase really had.
    pub planned: f64,
    /// What was counted. An exchange belongs to the phase in which its request was due.
    pub figures: Figures,
}

/// A kind of content.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ContentResults {
    /// Its name.
    pub name: String,
    /// What was counted.
    pub figures: Figures,
}

/// Why a file holds no results.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// It cannot be read.
    #[error("{0}: {1}")]
    File(String, io::Error),
    /// It is no JSON of this shape.
    #[error(
        "{0} holds no results of a run: {1}; name the results.json of a run's output directory"
    )]
    Shape(String, serde_json::Error),
    /// It is of another version.
    #[error("{0} has format {1}, and this program reads {FORMAT}: use the program that wrote it")]
    Format(String, u64),
    /// A number in it cannot be.
    #[error("{0} holds no results of a run: {1}")]
    Value(String, &'static str),
}

impl Results {
    /// The results as JSON.
    ///
    /// # Errors
    /// None is known; serde's signature has one.
    pub fn to_json(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// The results in this file.
    ///
    /// # Errors
    /// It cannot be read, or holds something else.
    pub fn read(path: &Path) -> Result<Self, ReadError> {
        let name = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|e| ReadError::File(name.clone(), e))?;
        Self::parse(&name, &text)
    }

    /// The results in this text; `name` is for errors.
    ///
    /// # Errors
    /// It holds something else.
    pub fn parse(name: &str, text: &str) -> Result<Self, ReadError> {
        // The version first: another shape would be reported as a missing field.
        #[derive(Deserialize)]
        struct Versioned {
            format: u64,
        }
        let shape = |e| ReadError::Shape(name.to_owned(), e);
        let Versioned { format } = serde_json::from_str(text).map_err(shape)?;
        if format != u64::from(FORMAT) {
            return Err(ReadError::Format(name.to_owned(), format));
        }
        let results: Self = serde_json::from_str(text).map_err(shape)?;
        match results.absurd() {
            Some(what) => Err(ReadError::Value(name.to_owned(), what)),
            None => Ok(results),
        }
    }

    /// What in it cannot be, though it has the shape: a report would have no place to draw it.
    fn absurd(&self) -> Option<&'static str> {
        // A century, in seconds.
        let time = |t: f64| (0.0..=3.2e9).contains(&t);
        if !(1e-3..=1e6).contains(&self.slot) || self.series.len() > 1_000_000 {
            Some("`slot` or `series` is out of all bounds")
        } else if !self.phases.iter().all(|p| time(p.begin) && time(p.end)) {
            Some("a phase begins or ends at no time of a run")
        } else {
            None
        }
    }

    /// Whether it is valid and had no failure.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.validity.valid && self.total.failures() == 0
    }
}

impl Host {
    /// This machine. What the system does not tell stays empty.
    #[must_use]
    pub fn here() -> Self {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        let line = |text: &str, key: &str| {
            let found = text.lines().find_map(|l| l.strip_prefix(key));
            found
                .map(|v| v.trim_start_matches([':', ' ', '\t']).trim().to_owned())
                .unwrap_or_default()
        };
        let kib = line(&read("/proc/meminfo"), "MemTotal");
        let kib = kib.split_whitespace().next().and_then(|n| n.parse().ok());
        Self {
            cores: std::thread::available_parallelism().map_or(0, usize::from),
            processor: line(&read("/proc/cpuinfo"), "model name"),
            kernel: format!("Linux {}", read("/proc/sys/kernel/osrelease").trim()),
            memory: kib.unwrap_or(0u64).saturating_mul(1024),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_results_says_so_and_the_cure() {
        for (text, expected) in [
            ("", "holds no results"),
            ("[]", "holds no results"),
            ("{\"format\":1}", "missing field"),
            (
                "{\"format\":2,\"other\":true}",
                "has format 2, and this program reads 1",
            ),
            ("{\"format\":99999999999}", "has format 99999999999"),
        ] {
            let error = Results::parse("a.json", text).err().map(|e| e.to_string());
            let error = error.unwrap_or_default();
            assert!(
                error.starts_with("a.json") && error.contains(expected),
                "{text}: {error}"
            );
        }
    }
}
