//! The check: every case on every chunking, on every stage, alone and among others, must give one and the same transcript.
//!
//! What a case gives in whole pieces on the first stage is the measure of all its other runs.

use crate::about::{About, Hook};
use crate::kit::case::Case;
use crate::kit::chunks::{Chunking, Cuts};
use crate::kit::random::Random;
use crate::kit::report::Report;
use crate::kit::run::{Job, run_all};
use crate::kit::stage::{Seated, Stage};
use crate::kit::transcript::Transcript;
use bytes::Bytes;
use std::collections::BTreeMap;

/// Where the numbers of chance begin: the same in every run.
const SEED: u64 = 0x1d05_2003;
/// Chunkings that cut all bodies of a case at once.
const MIXED: usize = 16;
/// Transactions at once, in each round of interleaving.
const AT_ONCE: [usize; 3] = [2, 8, 32];
/// Transactions in a round.
const ROUND: usize = 64;

/// Checks a module on these stages with these cases.
pub fn check(stages: &[&dyn Stage], cases: &[Case]) -> Report {
    let mut report = Report {
        stages: stages.iter().map(|stage| stage.name()).collect(),
        cases: cases.len(),
        ..Report::default()
    };
    let mut groups: BTreeMap<&BTreeMap<String, String>, Vec<&Case>> = BTreeMap::new();
    for case in cases {
        groups.entry(&case.options).or_default().push(case);
    }
    for (options, cases) in groups {
        let mut group = Group {
            cases,
            measures: Vec::new(),
        };
        for stage in stages {
            match stage.open(options) {
                Ok(mut seated) => group.check(&stage.name(), &mut *seated, &mut report),
                Err(why) => report.refused.push(format!("{}: {why}", stage.name())),
            }
        }
    }
    report
}

/// The cases of one set of options.
struct Group<'a> {
    cases: Vec<&'a Case>,
    /// What each is to give, once it was run.
    measures: Vec<Transcript>,
}

impl Group<'_> {
    fn check(&mut self, stage: &str, seated: &mut dyn Seated, report: &mut Report) {
        let mut random = Random::new(SEED);
        let whole = Chunking::default();
        let mut all = Vec::new();
        for (index, case) in self.cases.iter().enumerate() {
            let job = Job {
                case,
                chunking: &whole,
                tables: false,
            };
            let found = run_all(seated, &[job], 1, &mut random).remove(0);
            report.runs += 1;
            let Some(measure) = self.measures.get(index) else {
                let unmet = case.expect.unmet(&found);
                if !unmet.is_empty() {
                    report.differs(&case.name, stage, &whole.to_string(), unmet.join("\n    "));
                }
                all.push(chunkings(case, seated.about(), &found, &mut random));
                self.measures.push(found);
                continue;
            };
            if let Some(what) = measure.difference(&found) {
                report.differs(&case.name, stage, &whole.to_string(), what);
            }
            all.push(chunkings(case, seated.about(), measure, &mut random));
        }
        for (index, case) in self.cases.iter().enumerate() {
            let jobs: Vec<(usize, Job<'_>)> = all[index]
                .iter()
                .enumerate()
                .map(|(at, chunking)| {
                    let job = Job {
                        case,
                        chunking,
                        tables: at % 2 == 0,
                    };
                    (index, job)
                })
                .collect();
            self.run(stage, seated, &jobs, 1, &mut random, report);
        }
        for at_once in AT_ONCE {
            let jobs: Vec<(usize, Job<'_>)> = (0..ROUND)
                .map(|_| {
                    let index = random.below(self.cases.len());
                    let chunking = all[index].get(random.below(all[index].len()));
                    let job = Job {
                        case: self.cases[index],
                        chunking: chunking.unwrap_or(&whole),
                        tables: random.below(2) == 0,
                    };
                    (index, job)
                })
                .collect();
            self.run(stage, seated, &jobs, at_once, &mut random, report);
        }
    }

    fn run(
        &self,
        stage: &str,
        seated: &mut dyn Seated,
        jobs: &[(usize, Job<'_>)],
        at_once: usize,
        random: &mut Random,
        report: &mut Report,
    ) {
        let plain: Vec<Job<'_>> = jobs.iter().map(|(_, job)| *job).collect();
        let found = run_all(seated, &plain, at_once, random);
        report.runs += found.len();
        for ((index, job), found) in jobs.iter().zip(&found) {
            if let Some(what) = self.measures[*index].difference(found) {
                let mut run = job.chunking.to_string();
                if job.tables {
                    run.push_str(", heads as tables");
                }
                if at_once > 1 {
                    run.push_str(&format!(", {at_once} transactions at once"));
                }
                report.differs(&job.case.name, stage, &run, what);
            }
        }
    }
}

/// The ways to cut the bodies of a case. A body whose hook is not declared is never cut.
fn chunkings(
    case: &Case,
    about: &About,
    measure: &Transcript,
    random: &mut Random,
) -> Vec<Chunking> {
    let stored = measure
        .stored
        .as_ref()
        .and_then(|stored| stored.body.as_ref());
    let answer = case.response_body.as_ref();
    let lengths = [
        (
            Hook::RequestBody,
            case.request_body.as_ref().map(Bytes::len),
        ),
        (
            Hook::ResponseBody,
            answer.map(Bytes::len).filter(|_| !case.cached),
        ),
        (
            Hook::ReturnBody,
            stored.map(Vec::len).or(answer.map(Bytes::len)),
        ),
    ];
    let cut: Vec<(Hook, usize)> = lengths
        .into_iter()
        .filter_map(|(hook, length)| Some((hook, length.filter(|_| about.hooks.has(hook))?)))
        .collect();
    // Once more whole, with heads as tables.
    let mut all = vec![Chunking::default()];
    for (hook, length) in &cut {
        for cuts in Cuts::ways(*length, &case.boundaries, random) {
            all.push(Chunking::default().with(*hook, cuts));
        }
    }
    if cut.len() > 1 {
        for _ in 0..MIXED {
            let mut chunking = Chunking::default();
            for (hook, length) in &cut {
                chunking = chunking.with(*hook, Cuts::chance(*length, random));
            }
            all.push(chunking);
        }
    }
    all
}

impl Chunking {
    fn with(mut self, hook: Hook, cuts: Cuts) -> Chunking {
        match hook {
            Hook::RequestBody => self.request = cuts,
            Hook::ResponseBody => self.response = cuts,
            _ => self.returned = cuts,
        }
        self
    }
}
