//! Whether a run's figures tell of the proxy rather than of the generator.
//!
//! Faults are no reason here: a proxy that fails is measured rightly. A run is invalid when the generator was late or busy, or did
//! not do what the schedule says. Awkward case: where hits take a tenth of a millisecond, a generator that keeps within the bounds can
//! still be late by more than a hit takes. That is a doubt, which is told and makes no run invalid.

use super::{Figures, PhaseResults, Results, Validity};

/// The most that the generator may be late for half of the requests, microseconds.
const LATE_P50: u64 = 1_000;

/// The most that the generator may be late for one request of a hundred, microseconds.
const LATE_P99: u64 = 10_000;

/// The most that answers may leave the origin late in the mean, microseconds.
const ORIGIN_LATE: f64 = 2_000.0;

/// The most of one core that a thread of the generator may take over a measured phase, and of all the cores it may use that its
/// threads may take together.
const BUSY: f64 = 0.9;

/// The least share of the schedule's requests that must have been made.
const MADE: f64 = 0.95;

/// Judges a run; `reasons` are those its run found itself.
pub(crate) fn judge(results: &Results, mut reasons: Vec<String>) -> Validity {
    if results.interrupted {
        reasons.push("it was interrupted before its end".to_owned());
    }
    let late = &results.measured.lateness;
    for (percent, found, most) in [(50, late.p50, LATE_P50), (99, late.p99, LATE_P99)] {
        if late.count > 0 && found > most {
            reasons.push(format!(
                "the generator was late: {percent} % of requests were taken up within {:.1} ms of the time they were due, and {:.0} ms \
                 is the most; lower the rate, or give it a core of its own",
                found as f64 / 1e3,
                most as f64 / 1e3,
            ));
        }
    }
    if let Some(origin) = results.measured.origin.filter(|o| o.requests > 0) {
        let mean = origin.late as f64 / origin.requests as f64;
        if mean > ORIGIN_LATE {
            reasons.push(format!(
                "the origin was late: its answers left {:.1} ms after they were due in the mean, and {:.0} ms is the most; lower the rate",
                mean / 1e3,
                ORIGIN_LATE / 1e3,
            ));
        }
    }
    let quoted = |p: &&super::PhaseResults| {
        p.measured || !results.schedule.phases.iter().any(|p| p.measured)
    };
    let phases: Vec<_> = results.phases.iter().filter(quoted).collect();
    for phase in &phases {
        let Some(generator) = &phase.figures.generator else {
            continue;
        };
        for (thread, busy) in [("robots", generator.robots), ("origin", generator.origin)] {
            let share = busy / phase.figures.seconds.max(1e-9);
            if share > BUSY {
                reasons.push(format!(
                    "in phase {} the {thread} took {:.0} % of a core, and {:.0} % is the most: lower the rate",
                    phase.name,
                    share * 100.0,
                    BUSY * 100.0,
                ));
            }
        }
        let elsewhere = results.identity.options.contains_key("--origin");
        reasons.extend(full(phase, results.host.cores, elsewhere));
    }
    let made: u64 = phases
        .iter()
        .map(|p| p.figures.requests + p.figures.aborted)
        .sum();
    let planned: f64 = phases.iter().map(|p| p.planned).sum();
    // Arrivals are random: four standard deviations of a Poisson count, doubled for pages that come with what they embed.
    if made == 0 {
        reasons.push("no request was made in a measured phase".to_owned());
    } else if (made as f64) < planned * MADE - 8.0 * planned.sqrt() {
        reasons.push(format!(
            "the schedule has {planned:.0} requests in measured phases, and {made} were made"
        ));
    }
    Validity {
        valid: reasons.is_empty(),
        reasons,
        doubts: doubt(&results.measured).into_iter().collect(),
    }
}

/// Why the phase's figures do not count if robots and origin, with what else this program does, had too few cores between them. Threads
/// that judge what was adapted are not among them: they give way, so they are busy whenever there is something to judge. Nor is the proxy, which may have other cores, nor
/// an origin elsewhere, which has.
fn full(phase: &PhaseResults, cores: usize, elsewhere: bool) -> Option<String> {
    let generator = phase.figures.generator?;
    let origin = if elsewhere { 0.0 } else { generator.origin };
    let busy = (generator.robots + origin + generator.beside) / phase.figures.seconds.max(1e-9);
    (cores > 0 && busy > BUSY * cores as f64).then(|| {
        format!(
            "in phase {} this program's threads took {:.0} % of a core together, of {cores} that they may use, and {:.0} % is the most: lower \
             the rate, or give them more cores",
            phase.name,
            busy * 100.0,
            BUSY * cores as f64 * 100.0,
        )
    })
}

/// Whether the generator was late by so much that it shows in what hits take: percentiles of 99 %, of hits since they were sent.
pub(crate) fn shows(lateness: u64, hits: u64) -> bool {
    lateness > hits / 2
}

fn doubt(f: &Figures) -> Option<String> {
    let (late, hit) = (&f.lateness, &f.service.hit);
    let told = late.count > 0 && hit.count > 0 && shows(late.p99, hit.p99);
    told.then(|| {
        format!(
            "the generator was late by up to {} us for 99 % of requests, and 99 % of hits took {} us at most since they were sent: times \
             of hits are partly the generator's, those since due above all; lower the rate, or give it a core of its own",
            late.p99, hit.p99,
        )
    })
}
