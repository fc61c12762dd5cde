//! What is counted of a load.

use crate::oracle::adapted::Seen;
use hdrhistogram::Histogram;
use std::time::{Duration, Instant};

/// What was counted in a time.
#[derive(Debug, Clone)]
pub struct Tally {
    since: Instant,
    /// Seconds of it.
    pub seconds: f64,
    /// Answers that were adapted, and rightly so.
    pub adapted: u64,
    /// Answers that were the original.
    pub passed: u64,
    /// Answers that were wrong, and requests without an answer.
    pub faults: u64,
    /// The first of them, in words.
    pub wrong: Vec<String>,
    /// Microseconds of all right answers.
    times: Option<Histogram<u64>>,
}

/// How many faults are kept in words.
const KEPT: usize = 10;

/// The longest time told apart: ten minutes.
const LONGEST: u64 = 600_000_000;

impl Tally {
    pub(in super::super) fn new() -> Self {
        Self {
            since: Instant::now(),
            seconds: 0.0,
            adapted: 0,
            passed: 0,
            faults: 0,
            wrong: Vec::new(),
            // These bounds can always be had.
            times: Histogram::new_with_max(LONGEST, 3).ok(),
        }
    }

    pub(in super::super) fn count(
        &mut self,
        path: &str,
        seen: Result<Seen, String>,
        took: Duration,
    ) {
        match seen {
            Ok(Seen::Adapted) => self.adapted += 1,
            Ok(Seen::Passed) => self.passed += 1,
            Err(why) => {
                self.faults += 1;
                if self.wrong.len() < KEPT {
                    self.wrong.push(format!("{path}: {why}"));
                }
                return;
            }
        }
        let micros = u64::try_from(took.as_micros()).unwrap_or(LONGEST);
        if let Some(times) = &mut self.times {
            times.saturating_record(micros);
        }
    }

    pub(super) fn closed(mut self) -> Self {
        self.seconds = self.since.elapsed().as_secs_f64();
        self
    }

    /// The two together.
    #[must_use]
    pub(in super::super) fn with(mut self, other: Self) -> Self {
        self.seconds += other.seconds;
        self.adapted += other.adapted;
        self.passed += other.passed;
        if let (Some(times), Some(more)) = (&mut self.times, &other.times) {
            // Both have the same bounds.
            let _ = times.add(more);
        }
        self.with_faults_of(other)
    }

    /// The same with what was wrong in another time.
    #[must_use]
    pub(in super::super) fn with_faults_of(mut self, other: Self) -> Self {
        self.faults += other.faults;
        let room = KEPT.saturating_sub(self.wrong.len());
        self.wrong.extend(other.wrong.into_iter().take(room));
        self
    }

    /// Adapted answers a second.
    #[must_use]
    pub fn rate(&self) -> f64 {
        match self.seconds > 0.0 {
            true => self.adapted as f64 / self.seconds,
            false => 0.0,
        }
    }

    /// Milliseconds of right answers in the mean, and the median; none without an answer.
    #[must_use]
    pub fn latency(&self) -> Option<(f64, f64)> {
        let times = self.times.as_ref().filter(|t| !t.is_empty())?;
        let median = times.value_at_quantile(0.5) as f64;
        Some((times.mean() / 1e3, median / 1e3))
    }
}
