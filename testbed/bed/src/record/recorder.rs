//! The recorder: exchanges in, results out.
//!
//! Its life: (1) made before the run; (2) told of phases that begin early, of each exchange when it ends, and once a second of what
//! can be seen from outside; (3) finished. Invariant: a sample costs a few increments in memory that is there already. Awkward case:
//! a run that was broken off has phases that never began; they are not in the results.

use super::{
    BySource, Closing, ContentResults, FORMAT, Figures, Generator, Host, Observation, OriginSide,
    PhaseResults, Process, Progress, Results, Sample, Share, Source, Spared,
    series::{Answered, Series},
    times::Histogram,
    validity,
};
use crate::{
    demand::{Method, RequestType},
    workload::Schedule,
    world::World,
};

/// What exchanges are added up in. Belongs to one thread.
#[derive(Debug)]
pub struct Recorder {
    schedule: Schedule,
    /// When each phase begins, microseconds; as planned until it is told otherwise.
    begins: Vec<u64>,
    contents: Vec<String>,
    phases: Vec<Tally>,
    /// What was due behind the last phase's end, or seen there: parts of pages that came late. Of no phase, but of the run.
    behind: Tally,
    kinds: Vec<Tally>,
    series: Series,
    last: Option<Observation>,
}

/// Figures and the histograms for them, before they are plain data.
#[derive(Debug, Clone)]
struct Tally {
    figures: Figures,
    latency: [Histogram; 4],
    first_byte: [Histogram; 4],
    service: [Histogram; 4],
    queueing: Histogram,
    connecting: Histogram,
    lateness: Histogram,
}

impl Recorder {
    /// A recorder for this schedule.
    #[must_use]
    pub fn new(world: &World, schedule: &Schedule) -> Self {
        let contents = world.workload().content.iter().map(|c| c.name.clone());
        let contents: Vec<_> = contents.collect();
        Self {
            begins: schedule
                .phases
                .iter()
                .map(|p| (p.begin.max(0.0) * 1e6) as u64)
                .collect(),
            phases: vec![Tally::new(); schedule.phases.len()],
            behind: Tally::new(),
            kinds: vec![Tally::new(); contents.len()],
            series: Series::new(schedule.seconds()),
            contents,
            schedule: schedule.clone(),
            last: None,
        }
    }

    /// This phase begins now (microseconds), earlier than was planned; so do all behind it.
    pub fn phase_begins(&mut self, phase: usize, at: u64) {
        let Some(&planned) = self.begins.get(phase) else {
            return;
        };
        for begin in &mut self.begins[phase..] {
            *begin = begin.saturating_sub(planned).saturating_add(at);
        }
    }

    /// Adds an exchange that ended, and is judged.
    pub fn record(&mut self, sample: &Sample) {
        let answered = self.answered(sample);
        self.judged(answered, sample);
    }

    /// An exchange ended. It is in the figures when it is judged.
    pub fn answered(&mut self, sample: &Sample) -> Answered {
        self.series.answered(sample)
    }

    /// Adds that exchange, with all that was found of it.
    pub fn judged(&mut self, answered: Answered, sample: &Sample) {
        self.series.judged(answered, sample);
        if self.is_behind(sample.due) {
            self.behind.add(sample);
            return;
        }
        if let Some(tally) = self.phases.get_mut(sample.phase) {
            tally.add(sample);
        }
        let quoted = self.quoted(sample.phase);
        if let Some(tally) = self.kinds.get_mut(usize::from(sample.object.kind))
            && quoted
        {
            tally.add(sample);
        }
    }

    /// Whether figures are quoted from this phase: it is measured, or none is.
    fn quoted(&self, phase: usize) -> bool {
        let phases = &self.schedule.phases;
        phases.get(phase).is_some_and(|p| p.measured) || !phases.iter().any(|p| p.measured)
    }

    /// Adds what is seen from outside, once a second. The first one is what counts from 0.
    pub fn observe(&mut self, seen: &Observation) {
        self.series.observe(seen);
        if let Some(before) = self.last.replace(seen.clone()) {
            // Half-way, so that what is seen at a phase's edge counts for the phase behind it.
            let middle = before.at.midpoint(seen.at);
            let phase = self.phase(middle);
            if self.is_behind(middle) {
                self.behind.watch(&before, seen);
            } else if let Some(tally) = self.phases.get_mut(phase) {
                tally.watch(&before, seen);
            }
        }
    }

    fn phase(&self, at: u64) -> usize {
        let begun = self.begins.partition_point(|begin| *begin <= at);
        begun.saturating_sub(1)
    }

    /// Whether the last phase has ended by this time (microseconds).
    fn is_behind(&self, at: u64) -> bool {
        let last = self.begins.last().zip(self.schedule.phases.last());
        last.is_some_and(|(begin, phase)| at > begin.saturating_add((phase.seconds * 1e6) as u64))
    }

    /// The figures of a progress line at this time (microseconds).
    #[must_use]
    pub fn progress(&self, at: u64) -> Progress {
        let phase = self.schedule.phases.get(self.phase(at));
        let second = self.series.second();
        let tallies = self.phases.iter().chain([&self.behind]);
        let tallies = tallies.map(|t| &t.figures);
        let totals = tallies.fold((0, 0), |(n, f), t| (n + t.requests, f + t.failures()));
        Progress {
            at: at as f64 / 1e6,
            of: self.schedule.seconds(),
            phase: phase.map(|p| p.name.clone()).unwrap_or_default(),
            rate: second.map_or(0.0, |s| s.done as f64),
            hit_ratio: second.and_then(|s| {
                let share = Share {
                    part: s.hits,
                    whole: s.done,
                };
                share.value()
            }),
            hit: second.and_then(|s| s.hit_p50),
            miss: second.and_then(|s| s.miss_p50),
            connections: self.last.as_ref().map_or(0, |o| o.connections),
            requests: totals.0,
            failures: totals.1,
            late: self.phases.get(self.phase(at)).and_then(Tally::late),
        }
    }

    /// The results.
    #[must_use]
    pub fn finish(self, closing: Closing) -> Results {
        let end = closing.at as f64 / 1e6;
        let begins: Vec<f64> = self.begins.iter().map(|b| *b as f64 / 1e6).collect();
        let mut phases = Vec::new();
        let (mut measured, mut total) = (Tally::new(), Tally::new());
        for (number, tally) in self.phases.iter().enumerate() {
            let planned = &self.schedule.phases[number];
            let begin = begins[number];
            let next = begins.get(number + 1).copied();
            let end = next.unwrap_or(begin + planned.seconds).min(end);
            // Of an exchange that was broken off only its faults may tell.
            if end <= begin && tally.figures.exchanges() == 0 {
                continue;
            }
            let mut tally = tally.clone();
            tally.figures.seconds = (end - begin).max(0.0);
            total.merge(&tally);
            if self.quoted(number) {
                measured.merge(&tally);
            }
            phases.push(PhaseResults {
                name: planned.name.clone(),
                begin,
                end,
                measured: planned.measured,
                // The rate moves evenly from one to the other.
                planned: (planned.from + planned.to) / 2.0 * (end - begin).max(0.0),
                figures: tally.figures(),
            });
        }
        total.merge(&self.behind);
        let measured = measured.figures();
        let contents = self.contents.into_iter().zip(self.kinds);
        let contents = contents.map(|(name, mut tally)| {
            tally.figures.seconds = measured.seconds;
            let figures = tally.figures();
            ContentResults { name, figures }
        });
        let mut results = Results {
            format: FORMAT,
            identity: closing.identity,
            host: Host::here(),
            validity: super::Validity::default(),
            interrupted: closing.interrupted,
            kept: closing.kept,
            total: total.figures(),
            contents: contents.filter(|c| c.figures.exchanges() > 0).collect(),
            measured,
            phases,
            schedule: self.schedule,
            slot: self.series.width(),
            series: self.series.finish(closing.at),
        };
        results.validity = validity::judge(&results, closing.reasons);
        results
    }
}

impl Tally {
    fn new() -> Self {
        let four = || std::array::from_fn(|_| Histogram::new());
        Self {
            figures: Figures::default(),
            latency: four(),
            first_byte: four(),
            service: four(),
            queueing: Histogram::new(),
            connecting: Histogram::new(),
            lateness: Histogram::new(),
        }
    }

    fn add(&mut self, s: &Sample) {
        let f = &mut self.figures;
        // What came before the robot broke it off was judged too.
        for fault in &s.faults {
            *f.faults.entry(*fault).or_default() += 1;
        }
        if s.aborted {
            f.aborted += 1;
            f.aborted_bytes += s.bytes;
            return;
        }
        f.requests += 1;
        f.bytes += s.bytes;
        f.types.count(s.kind);
        f.methods.count(s.method);
        f.sources.count(s.source, s.bytes);
        for (adaptation, fate) in &s.adapted {
            f.adapted.entry(*adaptation).or_default().count(*fate);
        }
        let hit = s.source == Source::Hit;
        let plain = s.kind == RequestType::Plain && s.method == Method::Get && s.cachable;
        f.hits.documents.count(1, hit);
        f.hits.bytes.count(s.bytes, hit);
        f.hits.ideal.count(1, s.possible());
        f.hits.ideal_bytes.count(s.bytes, s.possible());
        if plain {
            f.hits.cachable.count(1, hit);
            f.hits.cachable_bytes.count(s.bytes, hit);
            f.hits.ideal_cachable.count(1, s.possible());
        }
        self.lateness.record(s.taken.saturating_sub(s.due));
        let Some(place) = place(s.source) else { return };
        self.queueing.record(s.begun.saturating_sub(s.taken));
        self.connecting.record(s.sent.saturating_sub(s.begun));
        self.latency[place].record(s.done.saturating_sub(s.due));
        self.first_byte[place].record(s.head.saturating_sub(s.due));
        self.service[place].record(s.done.saturating_sub(s.sent));
    }

    /// How late the generator was for 99 % of requests, if that shows in what hits take.
    fn late(&self) -> Option<u64> {
        let late = self.lateness.percentile(99.0)?;
        let hits = self.service[0].percentile(99.0)?;
        validity::shows(late, hits).then_some(late)
    }

    fn watch(&mut self, before: &Observation, now: &Observation) {
        let f = &mut self.figures;
        *f.retried.get_or_insert_default() += now.retried.saturating_sub(before.retried);
        if let (Some(a), Some(b)) = (&before.proxy, &now.proxy) {
            let proxy = f.proxy.get_or_insert_default();
            proxy.user += (b.user - a.user).max(0.0);
            proxy.system += (b.system - a.system).max(0.0);
            proxy.memory = proxy.memory.max(b.memory);
            proxy.processes = proxy.processes.max(b.processes);
        }
        if let (Some(a), Some(b)) = (&before.origin, &now.origin) {
            let origin = f.origin.get_or_insert_default();
            origin.requests += b.requests.saturating_sub(a.requests);
            origin.conditional += b.conditional.saturating_sub(a.conditional);
            origin.not_modified += b.not_modified.saturating_sub(a.not_modified);
            origin.bytes += b.bytes.saturating_sub(a.bytes);
            origin.connections += b.connections.saturating_sub(a.connections);
            origin.late += b.late.saturating_sub(a.late);
        }
        if let (Some(a), Some(b)) = (&before.generator, &now.generator) {
            // Below 0 too: threads are looked at one behind the other, so what one look gives to the wrong one the next takes back.
            let generator = f.generator.get_or_insert_default();
            generator.robots += b.robots - a.robots;
            generator.origin += b.origin - a.origin;
            generator.judges += b.judges - a.judges;
            generator.beside += b.beside - a.beside;
        }
    }

    fn merge(&mut self, other: &Self) {
        self.figures.merge(&other.figures);
        let mine = self.latency.iter_mut().chain(&mut self.first_byte);
        let mine = mine.chain(&mut self.service);
        let theirs = other.latency.iter().chain(&other.first_byte);
        let theirs = theirs.chain(&other.service);
        mine.zip(theirs).for_each(|(a, b)| a.merge(b));
        self.queueing.merge(&other.queueing);
        self.connecting.merge(&other.connecting);
        self.lateness.merge(&other.lateness);
    }

    fn figures(self) -> Figures {
        let mut figures = self.figures;
        figures.latency = by_source(&self.latency);
        figures.first_byte = by_source(&self.first_byte);
        figures.service = by_source(&self.service);
        figures.queueing = self.queueing.times();
        figures.connecting = self.connecting.times();
        figures.lateness = self.lateness.times();
        if let Some(generator) = &mut figures.generator {
            generator.robots = generator.robots.max(0.0);
            generator.origin = generator.origin.max(0.0);
            generator.judges = generator.judges.max(0.0);
            generator.beside = generator.beside.max(0.0);
        }
        if let Some(origin) = figures.origin {
            let asked = figures.exchanges();
            let bytes = figures.bytes + figures.aborted_bytes;
            figures.hits.spared = Some(Spared::new(asked, origin.requests));
            figures.hits.spared_bytes = Some(Spared::new(bytes, origin.bytes));
        }
        figures
    }
}

/// The place of a source's histogram; what has no whole answer has none.
fn place(source: Source) -> Option<usize> {
    Some(match source {
        Source::Hit => 0,
        Source::Validated => 1,
        Source::Miss => 2,
        Source::Joined => 3,
        Source::None => return None,
    })
}

fn by_source(four: &[Histogram; 4]) -> BySource {
    let mut all = Histogram::new();
    four.iter().for_each(|h| all.merge(h));
    let [hit, validated, miss, joined] = four.each_ref().map(Histogram::times);
    BySource {
        all: all.times(),
        hit,
        validated,
        miss,
        joined,
    }
}

impl Figures {
    /// Adds all counts of another; times are added in [`Tally`].
    fn merge(&mut self, o: &Self) {
        self.seconds += o.seconds;
        self.requests += o.requests;
        self.aborted += o.aborted;
        self.bytes += o.bytes;
        self.aborted_bytes += o.aborted_bytes;
        for (a, b) in [
            (&mut self.types.plain, o.types.plain),
            (&mut self.types.ims200, o.types.ims200),
            (&mut self.types.ims304, o.types.ims304),
            (&mut self.types.reload, o.types.reload),
            (&mut self.methods.get, o.methods.get),
            (&mut self.methods.head, o.methods.head),
            (&mut self.methods.post, o.methods.post),
        ] {
            *a += b;
        }
        let (a, b) = (&mut self.sources, &o.sources);
        for (a, b) in [
            (&mut a.hit, b.hit),
            (&mut a.validated, b.validated),
            (&mut a.miss, b.miss),
            (&mut a.joined, b.joined),
            (&mut a.none, b.none),
        ] {
            a.documents += b.documents;
            a.bytes += b.bytes;
        }
        for (fault, n) in &o.faults {
            *self.faults.entry(*fault).or_default() += n;
        }
        for (adaptation, counts) in &o.adapted {
            self.adapted.entry(*adaptation).or_default().merge(counts);
        }
        let (a, b) = (&mut self.hits, &o.hits);
        for (a, b) in [
            (&mut a.documents, b.documents),
            (&mut a.bytes, b.bytes),
            (&mut a.cachable, b.cachable),
            (&mut a.cachable_bytes, b.cachable_bytes),
            (&mut a.ideal, b.ideal),
            (&mut a.ideal_bytes, b.ideal_bytes),
            (&mut a.ideal_cachable, b.ideal_cachable),
        ] {
            a.part += b.part;
            a.whole += b.whole;
        }
        if let Some(b) = &o.proxy {
            let a = self.proxy.get_or_insert_with(Process::default);
            a.user += b.user;
            a.system += b.system;
            a.memory = a.memory.max(b.memory);
            a.processes = a.processes.max(b.processes);
        }
        if let Some(b) = &o.origin {
            let a = self.origin.get_or_insert_with(OriginSide::default);
            a.requests += b.requests;
            a.conditional += b.conditional;
            a.not_modified += b.not_modified;
            a.bytes += b.bytes;
            a.connections += b.connections;
            a.late += b.late;
        }
        if let Some(b) = o.retried {
            *self.retried.get_or_insert_default() += b;
        }
        if let Some(b) = &o.generator {
            let a = self.generator.get_or_insert_with(Generator::default);
            a.robots += b.robots;
            a.origin += b.origin;
            a.judges += b.judges;
            a.beside += b.beside;
        }
    }
}
