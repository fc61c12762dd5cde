//! A log's requests as arrivals: each URL an object of the fitted workload, in the log's order and at its times.
//!
//! Nothing of the log is asked for as it stands: a URL becomes an object of the testbed's own origin, so no replay leaves the machines it
//! runs on, bodies are real and checked, and hosts stay in the log. A world's objects are functions of their numbers, so an object of
//! the size that the log has is found by trying 64 numbers: the one whose size, format and cachability are nearest is taken.
//!
//! Awkward cases: logs are in the order of ends, and requests are due at beginnings, so lines wait until none that began earlier can
//! follow; logs of whole seconds have their requests spread evenly over each second, in their order.

use super::{
    entry::{Entry, LONGEST, Outcome, Verb},
    likeness::{REPLAY, TRIES, object},
    log::Log,
    survey::{LeftOut, Survey, usable},
    urls::key,
};
use crate::{
    demand::{Arrival, Method, RequestType},
    workload::{Phase, Schedule, Workload},
    world::{Object, World},
};
use std::{
    cmp::Reverse,
    collections::{BinaryHeap, HashMap},
};

/// The most URLs whose objects are remembered; those beyond are objects by hash alone, of sizes as they come.
const MOST: usize = 1 << 23;

/// The most lines that wait.
const WAITING: usize = 1 << 16;

/// The longest body of a POST.
const POST: u64 = 1 << 20;

/// A log's requests as arrivals, in the order they are due.
pub struct Replay {
    log: Log,
    world: World,
    schedule: Schedule,
    begin: f64,
    speed: f64,
    exact: bool,
    /// Entries of the second being read, where the log has whole seconds.
    second: Vec<Waiting>,
    waiting: BinaryHeap<Reverse<Waiting>>,
    read: u64,
    /// The latest end read.
    now: f64,
    over: bool,
    objects: HashMap<u64, Object>,
    robots: HashMap<u64, u32>,
    number: u64,
    due: f64,
}

/// A request that waits for those that began earlier.
#[derive(Debug, Clone)]
struct Waiting {
    begin: f64,
    line: u64,
    arrival: Arrival,
}

impl PartialEq for Waiting {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Waiting {}

impl PartialOrd for Waiting {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Waiting {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let by_time = self.begin.total_cmp(&other.begin);
        by_time.then(self.line.cmp(&other.line))
    }
}

impl std::fmt::Debug for Replay {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Replay")
            .field("number", &self.number)
            .field("due", &self.due)
            .finish_non_exhaustive()
    }
}

/// The phases of a replay at `speed` times the log's pace: those of the fitted workload, the last one open to the log's end.
#[must_use]
pub fn schedule(survey: &Survey, workload: &Workload, speed: f64) -> Schedule {
    let peak = workload.demand.peak * speed;
    let mut begin = 0.0;
    let mut phases: Vec<Phase> = Vec::new();
    for shape in &workload.phases {
        let seconds = shape.seconds / speed;
        phases.push(Phase {
            name: shape.name.clone(),
            begin,
            seconds,
            from: shape.from * peak,
            to: shape.to * peak,
            until_stored: None,
            recurrence: 1.0,
            special: 1.0,
            measured: shape.measured,
        });
        begin += seconds;
    }
    if let Some(last) = phases.last_mut() {
        // Where the log has whole seconds, the last one's requests are spread over it.
        let spread = if survey.exact { 0.0 } else { 1.0 };
        let whole = (survey.length().as_secs_f64() + spread) / speed;
        let seconds = last.seconds.max(whole - last.begin);
        // It has no more requests for being longer.
        let share = last.seconds / seconds;
        (last.from, last.to) = (last.from * share, last.to * share);
        last.seconds = seconds;
    }
    Schedule {
        peak,
        robots: u32::try_from(survey.clients.distinct().clamp(1, 100_000)).unwrap_or(1),
        working_set: survey.urls.distinct.max(1),
        phases,
    }
}

/// The one phase of a replay that goes as fast as the proxy does: it ends with the log.
#[must_use]
pub fn untimed(mut schedule: Schedule) -> Schedule {
    schedule.phases.truncate(1);
    for phase in &mut schedule.phases {
        // A fortnight: no run is as long, and no clock of microseconds runs over.
        (phase.name, phase.seconds) = ("log".to_owned(), 1.2e6);
        // No rate is planned: how many requests there are in how long is the proxy's to say, and no reason against a run.
        (phase.from, phase.to) = (0.0, 0.0);
        phase.measured = true;
    }
    schedule
}

impl Replay {
    /// The requests of this log (its second reading: `survey` is of the first), at `speed` times its pace, in the fitted world.
    #[must_use]
    pub fn new(log: Log, survey: &Survey, world: World, schedule: Schedule, speed: f64) -> Self {
        Self {
            log,
            world,
            schedule,
            begin: survey.span.map_or(0.0, |s| s.0),
            speed,
            exact: survey.exact,
            second: Vec::new(),
            waiting: BinaryHeap::new(),
            read: 0,
            now: 0.0,
            over: false,
            objects: HashMap::new(),
            robots: HashMap::new(),
            number: 0,
            due: 0.0,
        }
    }

    /// Reads one line more.
    fn read(&mut self) {
        let mut found = None;
        // What is left out was counted at the first reading.
        let mut out = LeftOut::default();
        let Self {
            log,
            world,
            objects,
            robots,
            schedule,
            read,
            ..
        } = self;
        let more = log.each(|entry| {
            *read += 1;
            if usable(entry, &mut out).is_ok() {
                let robot = robot(robots, entry, schedule.robots);
                let arrival = arrival(world, objects, entry, robot, *read);
                found = Some((entry.end, entry.begin(), arrival));
            }
            found.is_none()
        });
        self.over = !more;
        let Some((end, begin, arrival)) = found else {
            self.spread();
            return;
        };
        let waiting = Waiting {
            begin,
            line: self.read,
            arrival,
        };
        if self.exact {
            self.waiting.push(Reverse(waiting));
        } else {
            if self.second.first().is_some_and(|f| f.begin != begin) || self.second.len() >= WAITING
            {
                self.spread();
            }
            self.second.push(waiting);
        }
        self.now = self.now.max(end);
        if self.over {
            self.spread();
        }
    }

    /// Spreads the requests of one second over it.
    fn spread(&mut self) {
        let count = self.second.len() as f64;
        for (place, mut waiting) in self.second.drain(..).enumerate() {
            waiting.begin += (place as f64 + 0.5) / count;
            self.waiting.push(Reverse(waiting));
        }
    }
}

impl Iterator for Replay {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        loop {
            let ripe = self.waiting.peek().is_some_and(|w| {
                let last = self.now - if self.exact { LONGEST } else { 2.0 };
                self.over || self.waiting.len() >= WAITING || w.0.begin < last
            });
            if ripe || self.over {
                break;
            }
            self.read();
        }
        let Waiting {
            begin, mut arrival, ..
        } = self.waiting.pop()?.0;
        // A line that came later than sorting reaches is due at once.
        self.due = self.due.max((begin - self.begin) / self.speed);
        let after = self
            .schedule
            .phases
            .partition_point(|p| p.begin <= self.due);
        arrival.due = self.due;
        arrival.phase = after.saturating_sub(1);
        arrival.number = self.number;
        self.number += 1;
        Some(arrival)
    }
}

/// The robot of a client: clients are robots in the order they come, and share them when there are more.
fn robot(robots: &mut HashMap<u64, u32>, entry: &Entry<'_>, count: u32) -> u32 {
    let Some(client) = entry.client else {
        return 0;
    };
    if let Some(robot) = robots.get(&client) {
        return *robot;
    }
    if robots.len() >= count as usize {
        return u32::try_from(client % u64::from(count.max(1))).unwrap_or(0);
    }
    let robot = u32::try_from(robots.len()).unwrap_or(0);
    robots.insert(client, robot);
    robot
}

/// The arrival of an entry, but for its time.
fn arrival(
    world: &World,
    objects: &mut HashMap<u64, Object>,
    entry: &Entry<'_>,
    robot: u32,
    line: u64,
) -> Arrival {
    let key = key(&entry.url);
    let known = objects.get(&key).copied();
    let object = known.unwrap_or_else(|| {
        let full = objects.len() >= MOST;
        let object = object(world, entry, key, if full { 1 } else { TRIES });
        if !full {
            objects.insert(key, object);
        }
        object
    });
    let method = match entry.method {
        Verb::Head => Method::Head,
        Verb::Post => Method::Post,
        _ => Method::Get,
    };
    let kind = match (method, entry.outcome, entry.status) {
        (Method::Post, ..) => RequestType::Plain,
        (_, Outcome::Reload, _) => RequestType::Reload,
        (_, _, 304) => RequestType::Ims304,
        _ => RequestType::Plain,
    };
    let sent = entry.sent.unwrap_or(1).clamp(1, POST);
    Arrival {
        number: 0,
        due: 0.0,
        phase: 0,
        robot,
        object,
        first: known.is_none(),
        kind,
        method,
        request_body: if method == Method::Post { sent } else { 0 },
        abort: entry.aborted.then(|| world.seed().share(&[REPLAY, line])),
    }
}
