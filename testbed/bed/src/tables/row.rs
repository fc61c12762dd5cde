//! What the paper quotes of a run, and what is quoted beside it here.

use super::adapted::Tally;
use crate::record::Results;
use serde::{Deserialize, Serialize};

/// What is quoted of a run; times are milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Row {
    /// Requests a second.
    pub throughput: Option<f64>,
    /// The mean time of all answers. It runs, as the paper's, from the request's being sent; so do those of misses and hits.
    pub response: Option<f64>,
    /// That of misses.
    pub miss: Option<f64>,
    /// That of hits.
    pub hit: Option<f64>,
    /// The mean time of all answers from when the request was due: with the waiting for one of the robot's connections.
    pub due: Option<f64>,
    /// Per cent of answers.
    pub hit_ratio: Option<f64>,
    /// Microseconds of processor time for a request, of the proxy and its children.
    pub processor: Option<f64>,
    /// The same as per cent of one core; what they do for the real client is in it.
    pub core: Option<f64>,
    /// Faults that a right proxy never has, those of the real client too.
    pub faults: Option<f64>,
    /// Adapted objects a second.
    pub adapted: Option<f64>,
    /// Objects a second that passed as they were.
    pub passed: Option<f64>,
    /// The mean time of the real client's answers.
    pub adapting: Option<f64>,
}

/// A figure of a row: what it is called, how many digits, and where it stands.
pub(super) type Figure = (&'static str, usize, Of);

/// What a figure is of a row.
pub(super) type Of = fn(&Row) -> Option<f64>;

/// The paper's figures in its order, then ours.
pub(super) const FIGURES: [Figure; 7] = [
    ("Throughput (requests/s)", 2, |r| r.throughput),
    ("Response time (ms)", 2, |r| r.response),
    ("Miss time (ms)", 2, |r| r.miss),
    ("Hit time (ms)", 3, |r| r.hit),
    ("Hit ratio (%)", 2, |r| r.hit_ratio),
    ("Response from due (ms)", 2, |r| r.due),
    ("Faults", 0, |r| r.faults),
];

/// Table 5's, beside.
pub(super) const PROCESSOR: Figure = ("Processor time (us/request)", 1, |r| r.processor);

/// Those of the real client.
pub(super) const ADAPTED: [Figure; 4] = [
    ("Processor time (% of a core)", 1, |r| r.core),
    ("Adapted (objects/s)", 1, |r| r.adapted),
    ("Passed as they were (objects/s)", 1, |r| r.passed),
    ("Time of the real client (ms)", 2, |r| r.adapting),
];

impl Row {
    /// The paper's: throughput, response, miss and hit times, hit ratio.
    pub(super) const fn paper(figures: [f64; 5], adapted: Option<f64>) -> Self {
        let [throughput, response, miss, hit, hit_ratio] = figures;
        Self {
            throughput: Some(throughput),
            response: Some(response),
            miss: Some(miss),
            hit: Some(hit),
            hit_ratio: Some(hit_ratio),
            due: None,
            processor: None,
            core: None,
            faults: None,
            adapted,
            passed: None,
            adapting: None,
        }
    }

    /// That of these results.
    #[must_use]
    pub fn of(results: &Results) -> Self {
        let measured = &results.measured;
        let millis = |times: &crate::record::Times| (times.count > 0).then(|| times.mean / 1e3);
        Self {
            throughput: measured.rate(),
            response: millis(&measured.service.all),
            miss: millis(&measured.service.miss),
            hit: millis(&measured.service.hit),
            due: millis(&measured.latency.all),
            hit_ratio: measured.hits.documents.value().map(|share| share * 100.0),
            processor: measured.processor().map(|(user, system)| user + system),
            core: core(results),
            faults: Some(results.total.failures() as f64),
            ..Self::default()
        }
    }

    /// The same with what the real client counted beside it.
    #[must_use]
    pub fn beside(mut self, tally: &Tally) -> Self {
        self.adapted = Some(tally.rate());
        let seconds = (tally.seconds > 0.0).then_some(tally.seconds);
        self.passed = seconds.map(|seconds| tally.passed as f64 / seconds);
        self.adapting = tally.latency().map(|(mean, _)| mean);
        self.faults = Some(self.faults.unwrap_or(0.0) + tally.faults as f64);
        self
    }

    /// Each figure's median over rounds; faults are added up.
    #[must_use]
    pub fn median(rows: &[Self]) -> Self {
        let of = |figure: Of| median(rows.iter().filter_map(figure));
        Self {
            throughput: of(|r| r.throughput),
            response: of(|r| r.response),
            miss: of(|r| r.miss),
            hit: of(|r| r.hit),
            hit_ratio: of(|r| r.hit_ratio),
            due: of(|r| r.due),
            processor: of(|r| r.processor),
            core: of(|r| r.core),
            faults: rows.iter().filter_map(|r| r.faults).reduce(|a, b| a + b),
            adapted: of(|r| r.adapted),
            passed: of(|r| r.passed),
            adapting: of(|r| r.adapting),
        }
    }
}

/// Per cent of a core that the proxy took, over the slots that lie within measured phases. Their figures have the processor time of
/// answers that came behind their end in them: a request's own, and the real client's that goes on meanwhile.
fn core(results: &Results) -> Option<f64> {
    let within = |n: usize| {
        let (begin, end) = (n as f64 * results.slot, (n + 1) as f64 * results.slot);
        let mut measured = results.phases.iter().filter(|p| p.measured);
        measured.any(|p| p.begin <= begin + 0.01 && end <= p.end + 0.01)
    };
    let slots = results.series.iter().enumerate();
    let busy: Vec<f64> = slots
        .filter(|(n, _)| within(*n))
        .filter_map(|(_, slot)| slot.processor)
        .collect();
    (!busy.is_empty()).then(|| busy.iter().sum::<f64>() / busy.len() as f64 * 100.0)
}

/// The middle one, or the mean of the two in the middle.
fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (low, high) = (values.len().checked_sub(1)? / 2, values.len() / 2);
    Some((values.get(low)? + values.get(high)?) / 2.0)
}

/// How far apart rounds of the same column are in a figure.
pub(super) fn spread(rows: &[Row], figure: Of) -> Option<f64> {
    let values: Vec<f64> = rows.iter().filter_map(figure).collect();
    let least = values.iter().copied().reduce(f64::min)?;
    let most = values.iter().copied().reduce(f64::max)?;
    (values.len() > 1).then_some(most - least)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        record::{PhaseResults, Slot},
        workload::Schedule,
    };

    #[test]
    fn a_core_is_that_of_the_plateau_and_not_of_the_wait_behind_it() {
        let mut series = vec![Slot::default(); 10];
        for (slot, busy) in series.iter_mut().zip([0.9, 0.9, 0.2, 0.4, 0.3]) {
            slot.processor = Some(busy);
        }
        // Behind the plateau's end there is one look, when all answers are there.
        series[7].processor = Some(0.8);
        let mut measured = crate::record::Figures {
            seconds: 4.0,
            ..Default::default()
        };
        measured.proxy = Some(crate::record::Process {
            user: 0.2 + 0.4 + 0.3 + 4.0 * 0.8,
            ..Default::default()
        });
        let results = Results {
            format: crate::record::FORMAT,
            identity: Default::default(),
            schedule: Schedule {
                peak: 1.0,
                robots: 1,
                working_set: 1,
                phases: Vec::new(),
            },
            host: Default::default(),
            validity: Default::default(),
            interrupted: false,
            kept: None,
            total: measured.clone(),
            phases: vec![PhaseResults {
                name: "plateau".to_owned(),
                begin: 2.0003,
                end: 6.0,
                measured: true,
                planned: 4.0,
                figures: measured.clone(),
            }],
            measured,
            contents: Vec::new(),
            slot: 1.0,
            series,
        };
        let core = Row::of(&results).core;
        assert!(
            core.is_some_and(|core| (core - 30.0).abs() < 1e-9),
            "{core:?}"
        );
    }
}
