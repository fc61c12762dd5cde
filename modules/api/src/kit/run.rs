//! Runs transactions on a stage: one after the other, or many at once, where chance says who goes next.

use crate::kit::case::Case;
use crate::kit::chunks::Chunking;
use crate::kit::random::Random;
use crate::kit::stage::Seated;
use crate::kit::transcript::Transcript;
use crate::kit::walk::{Progress, Walk};
use std::sync::atomic::{AtomicU64, Ordering};

/// Ids that cannot be taken for anything else, below those of the second worker.
static IDS: AtomicU64 = AtomicU64::new(0x005e_ed5e_ed00_0001);

/// A case and how its bodies are cut.
#[derive(Debug, Clone, Copy)]
pub struct Job<'a> {
    /// The case.
    pub case: &'a Case,
    /// The chunking.
    pub chunking: &'a Chunking,
    /// Hooks look at heads that were parsed into a table, as the proxy's own; else at text, as another process does.
    pub tables: bool,
}

/// Runs all jobs, at most `at_once` at a time; the transcripts are in the order of the jobs.
pub fn run_all(
    seated: &mut dyn Seated,
    jobs: &[Job<'_>],
    at_once: usize,
    random: &mut Random,
) -> Vec<Transcript> {
    let about = seated.about().clone();
    let mut transcripts: Vec<Option<Transcript>> = vec![None; jobs.len()];
    let mut waiting = jobs.iter().enumerate();
    let mut ready: Vec<(usize, Walk<'_>)> = Vec::new();
    let mut away: Vec<(usize, Walk<'_>)> = Vec::new();
    // Of which the module is to hear the end: their numbers, and their ids.
    let (mut freed, mut ids) = (Vec::new(), Vec::new());
    loop {
        while ready.len() + away.len() < at_once.max(1) {
            let Some((index, job)) = waiting.next() else {
                break;
            };
            let id = IDS.fetch_add(1, Ordering::Relaxed);
            ready.push((index, Walk::new(id, job, &about)));
        }
        // One more than there are who can go on stands for waiting, when there is something to wait for.
        let who = random.below(ready.len() + usize::from(!away.is_empty()));
        if who < ready.len() {
            let (index, mut walk) = ready.swap_remove(who);
            match walk.go(seated) {
                Progress::Again => ready.push((index, walk)),
                Progress::UnderWay => away.push((index, walk)),
                Progress::Finished => {
                    if walk.is_freed() {
                        freed.push(index);
                        ids.push(walk.id());
                    }
                    transcripts[index] = Some(walk.finish());
                }
            }
            continue;
        }
        let Some((id, outcome)) = seated.wait() else {
            break;
        };
        if let Some(at) = away.iter().position(|(_, walk)| walk.id() == id) {
            let (index, mut walk) = away.swap_remove(at);
            walk.take(outcome, seated);
            ready.push((index, walk));
        }
    }
    if !ids.is_empty() {
        for (index, heard) in freed.into_iter().zip(seated.ends(&ids)) {
            if let Some(transcript) = &mut transcripts[index] {
                transcript
                    .hooks
                    .extend(heard.into_iter().map(|hook| (hook, "")));
            }
        }
    }
    transcripts
        .into_iter()
        .map(Option::unwrap_or_default)
        .collect()
}
