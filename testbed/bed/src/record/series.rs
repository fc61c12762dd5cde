//! The run from slot to slot: what plots over time are made of.
//!
//! Invariant: a slot's counts are of the exchanges that ended in it, whenever they are judged; only `due` counts by when requests were
//! due. Slots are a second long, longer in runs of more than [`MOST`] seconds, so percentiles are of the exchanges themselves and files
//! stay small. Awkward case: an exchange that ends in a slot that is closed already (a robot was slow to tell) counts in the one that
//! is open.

use super::{Fault, Observation, Sample, Source, times::Histogram};
use serde::{Deserialize, Serialize};

/// The most slots of a run.
const MOST: f64 = 1200.0;

/// The most slots that are ever kept, whatever times a sample tells.
const LIMIT: usize = 100_000;

/// One slot.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slot {
    /// Requests that were due in it (of exchanges that ended by the run's end).
    pub due: u64,
    /// Exchanges that ended in it, those broken off on purpose aside.
    pub done: u64,
    /// Hits among `done`.
    pub hits: u64,
    /// How many of `done` a store with room for everything could have answered.
    pub ideal: u64,
    /// Faults that a right proxy never has, also of exchanges that robots broke off on purpose.
    pub failures: u64,
    /// False misses.
    pub false_misses: u64,
    /// Latency of hits: median, microseconds.
    pub hit_p50: Option<u64>,
    /// Latency of hits: 99th percentile.
    pub hit_p99: Option<u64>,
    /// Latency of misses: median.
    pub miss_p50: Option<u64>,
    /// Latency of misses: 99th percentile.
    pub miss_p99: Option<u64>,
    /// Connections that robots had open at its end.
    pub connections: Option<u64>,
    /// Cores that the proxy was busy on.
    pub processor: Option<f64>,
    /// Bytes of the proxy's memory at its end.
    pub memory: Option<u64>,
}

/// Which slot an exchange is counted in: what is found of it later counts there, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Answered(usize);

/// The series while a run goes on.
#[derive(Debug)]
pub(crate) struct Series {
    width: u64,
    slots: Vec<Slot>,
    open: usize,
    hit: Histogram,
    miss: Histogram,
    last: Option<(u64, f64)>,
    /// When it was looked at last.
    seen: Option<u64>,
    second: Second,
}

/// The last second, whatever a slot is: what a progress line tells of.
#[derive(Debug)]
struct Second {
    /// The number of the second that is open.
    open: u64,
    now: Slot,
    hit: Histogram,
    miss: Histogram,
    /// The one before it.
    last: Option<Slot>,
}

impl Second {
    fn new() -> Self {
        Self {
            open: 0,
            now: Slot::default(),
            hit: Histogram::new(),
            miss: Histogram::new(),
            last: None,
        }
    }

    /// Closes the second before this time, if it is open yet.
    fn advance(&mut self, at: u64) {
        let second = at / 1_000_000;
        if second <= self.open {
            return;
        }
        let mut slot = std::mem::take(&mut self.now);
        slot.hit_p50 = self.hit.percentile(50.0);
        slot.miss_p50 = self.miss.percentile(50.0);
        self.hit.clear();
        self.miss.clear();
        // In those between nothing happened.
        let follows = second == self.open + 1;
        self.last = Some(if follows { slot } else { Slot::default() });
        self.open = second;
    }

    fn record(&mut self, sample: &Sample, latency: u64) {
        match sample.source {
            Source::Hit => self.hit.record(latency),
            Source::Miss => self.miss.record(latency),
            Source::Validated | Source::Joined | Source::None => {}
        }
        self.now.done += 1;
        self.now.hits += u64::from(sample.source == Source::Hit);
    }
}

impl Series {
    /// The series of a run of so many seconds at most.
    pub(crate) fn new(seconds: f64) -> Self {
        let width = (seconds / MOST).ceil().clamp(1.0, 3600.0) as u64;
        Self {
            width: width * 1_000_000,
            slots: vec![Slot::default()],
            open: 0,
            hit: Histogram::new(),
            miss: Histogram::new(),
            last: None,
            seen: None,
            second: Second::new(),
        }
    }

    pub(crate) fn width(&self) -> f64 {
        self.width as f64 / 1e6
    }

    fn number(&self, at: u64) -> usize {
        usize::try_from(at / self.width).map_or(LIMIT - 1, |n| n.min(LIMIT - 1))
    }

    fn slot(&mut self, number: usize) -> &mut Slot {
        if self.slots.len() <= number {
            self.slots.resize_with(number + 1, Slot::default);
        }
        &mut self.slots[number]
    }

    /// Closes the slots before this time.
    fn advance(&mut self, at: u64) {
        self.second.advance(at);
        let number = self.number(at);
        if number > self.open {
            self.close();
            self.open = number;
            self.slot(number);
        }
    }

    fn close(&mut self) {
        let slot = &mut self.slots[self.open];
        slot.hit_p50 = self.hit.percentile(50.0);
        slot.hit_p99 = self.hit.percentile(99.0);
        slot.miss_p50 = self.miss.percentile(50.0);
        slot.miss_p99 = self.miss.percentile(99.0);
        self.hit.clear();
        self.miss.clear();
    }

    /// An exchange is over: what is known of it by then.
    pub(crate) fn answered(&mut self, sample: &Sample) -> Answered {
        self.advance(sample.done);
        let due = self.number(sample.due);
        self.slot(due).due += 1;
        let answered = Answered(self.open);
        if sample.aborted {
            return answered;
        }
        let latency = sample.done.saturating_sub(sample.due);
        self.second.record(sample, latency);
        match sample.source {
            Source::Hit => self.hit.record(latency),
            Source::Miss => self.miss.record(latency),
            Source::Validated | Source::Joined | Source::None => {}
        }
        let slot = &mut self.slots[self.open];
        slot.done += 1;
        slot.hits += u64::from(sample.source == Source::Hit);
        answered
    }

    /// It was judged, perhaps long after: what is known only by then.
    pub(crate) fn judged(&mut self, answered: Answered, sample: &Sample) {
        let slot = self.slot(answered.0);
        for fault in &sample.faults {
            slot.failures += u64::from(fault.is_failure());
            slot.false_misses += u64::from(*fault == Fault::FalseMiss);
        }
        if !sample.aborted {
            slot.ideal += u64::from(sample.possible());
        }
    }

    pub(crate) fn observe(&mut self, seen: &Observation) {
        self.advance(seen.at);
        // What is seen at a slot's edge, or a moment behind it, tells of the slot before it.
        let since = self.seen.replace(seen.at).unwrap_or(seen.at);
        let middle = since.min(seen.at).midpoint(seen.at);
        let number = self.number(middle.min(seen.at.saturating_sub(1)));
        let before = self.last;
        if let Some(proxy) = &seen.proxy {
            self.last = Some((seen.at, proxy.user + proxy.system));
        }
        let slot = self.slot(number);
        slot.connections = Some(seen.connections);
        let Some(proxy) = &seen.proxy else { return };
        slot.memory = Some(proxy.memory);
        if let Some((at, busy)) = before.filter(|(at, _)| *at < seen.at) {
            let seconds = (seen.at - at) as f64 / 1e6;
            slot.processor = Some(((proxy.user + proxy.system - busy) / seconds).max(0.0));
        }
    }

    /// The last second that is over: its counts, and medians of its latencies.
    pub(crate) fn second(&self) -> Option<&Slot> {
        self.second.last.as_ref()
    }

    /// All slots, up to this time.
    pub(crate) fn finish(mut self, at: u64) -> Vec<Slot> {
        self.close();
        // A slot that had hardly begun would be plotted as a fall of the rate.
        let whole = self.number(at.saturating_add(self.width / 2)).max(1);
        self.slots.resize_with(whole.min(LIMIT), Slot::default);
        self.slots
    }
}
