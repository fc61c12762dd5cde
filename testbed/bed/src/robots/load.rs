//! The load: all robots on one thread, each with its few connections and its queue.
//!
//! Invariant: requests are taken when they are due, whatever the proxy does; one that finds all connections of its robot busy waits in
//! the robot's queue, and its latency still runs from when it was due. Nothing here waits while it holds what others need.

use super::{
    adapting::{Adapting, Known},
    clock::{Clock, micros},
    connection::{Connection, Idle},
    exchange::Exchange,
    judging::{Judging, Over},
    request::Target,
};
use crate::{
    content::Library,
    demand::{Arrival, Demand, Method},
    origin::{self, Reading, network::Path},
    record::{Answered, Sample},
    seed::Stream,
    workload::Schedule,
    world::{Object, Version, World, draw},
};
use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    time::Duration,
};
use tokio::sync::Notify;

/// Bytes read at once.
const SCRATCH: usize = 64 << 10;
/// Microseconds between two looks at the origin's clock.
const LOOK: u64 = 100_000;
/// The most buffers for requests that are kept.
const SPARE: usize = 256;
/// The last word of draws for the emulated network.
const NETWORK: u64 = 1;

/// Who is told of what the load does.
pub(crate) trait Host {
    /// An exchange is over.
    fn answered(&mut self, sample: &Sample) -> Answered;
    /// That exchange is judged.
    fn judged(&mut self, answered: Answered, sample: &Sample);
    /// A phase begins at this moment.
    fn phase(&mut self, phase: usize, now: u64, counts: &Counts);
    /// Another second has gone.
    fn second(&mut self, now: u64, counts: &Counts);
    /// What the origin's clock said when it was looked at last.
    fn wall(&self) -> Option<Reading>;
    /// What fills a store, as the origin counts it.
    fn stored(&self) -> u64;
}

/// What the load counts of itself.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Counts {
    /// The phase.
    pub(crate) phase: usize,
    /// Connections that are open, idle ones too.
    pub(crate) connections: u64,
    /// Requests under way or queued.
    pub(crate) under_way: u64,
    /// Exchanges that are over, and nobody has judged yet.
    pub(crate) judging: u64,
    /// Connections made so far.
    pub(crate) opened: u64,
    /// Requests asked again on a fresh connection.
    pub(crate) retried: u64,
    /// Exchanges with a failure.
    pub(crate) faulty: u64,
    /// Exchanges that are over and judged.
    pub(crate) done: u64,
}

/// One robot.
#[derive(Debug, Default)]
struct Robot {
    waiting: VecDeque<(Arrival, u64)>,
    idle: Vec<Connection>,
    /// Connections it has, idle or busy.
    open: usize,
    /// Connections it has made.
    made: u64,
}

/// All that the exchanges of a run share.
pub(crate) struct Load {
    pub(crate) clock: Clock,
    pub(crate) world: World,
    pub(crate) library: Arc<Library>,
    pub(crate) proxy: SocketAddr,
    pub(crate) timeout: Duration,
    /// The network between robots and proxy, emulated here; none if it has neither delay nor loss.
    pub(crate) path: Option<Path>,
    pub(crate) scratch: RefCell<Vec<u8>>,
    /// What the proxy may change on purpose.
    pub(crate) adapting: Adapting,
    target: Target,
    schedule: RefCell<Schedule>,
    asked: RefCell<Asked>,
    robots: RefCell<Vec<Robot>>,
    judging: RefCell<Judging>,
    host: RefCell<Box<dyn Host>>,
    counts: Cell<Counts>,
    /// When the origin's clock is looked at next, microseconds of the run.
    look: Cell<u64>,
    spare: RefCell<Vec<Vec<u8>>>,
    /// What is under way now has no place in the results any more.
    closed: Cell<bool>,
    /// Rings when nothing is under way any more, and when nothing waits for a judge any more.
    pub(crate) idle: Notify,
    /// Rings when a request is over.
    pub(crate) room: Notify,
}

/// Where requests come from.
pub(crate) enum Asked {
    /// The workload.
    Demand(Demand),
    /// Somebody who knows them.
    Given(Box<dyn Iterator<Item = Arrival>>),
}

/// What a load is made of.
pub(crate) struct Parts {
    pub(crate) clock: Clock,
    pub(crate) world: World,
    pub(crate) library: Arc<Library>,
    pub(crate) schedule: Schedule,
    pub(crate) asked: Asked,
    pub(crate) proxy: SocketAddr,
    pub(crate) target: Target,
    pub(crate) timeout: Duration,
    pub(crate) judging: Judging,
    pub(crate) adapting: Adapting,
    pub(crate) host: Box<dyn Host>,
}

impl Load {
    /// A load that has not begun.
    pub(crate) fn new(parts: Parts) -> Self {
        let network = &parts.world.workload().network;
        let robots = (0..parts.schedule.robots.max(1)).map(|_| Robot::default());
        Self {
            path: (network.client_delay > 0.0 || network.client_loss > 0.0).then(|| Path {
                delay: Duration::from_micros(micros(network.client_delay)),
                loss: network.client_loss,
            }),
            clock: parts.clock,
            library: parts.library,
            proxy: parts.proxy,
            timeout: parts.timeout,
            scratch: RefCell::new(vec![0; SCRATCH]),
            adapting: parts.adapting,
            target: parts.target,
            asked: RefCell::new(parts.asked),
            schedule: RefCell::new(parts.schedule),
            robots: RefCell::new(robots.collect()),
            judging: RefCell::new(parts.judging),
            host: RefCell::new(parts.host),
            counts: Cell::new(Counts::default()),
            look: Cell::new(0),
            spare: RefCell::default(),
            closed: Cell::new(false),
            world: parts.world,
            idle: Notify::new(),
            room: Notify::new(),
        }
    }

    /// The next request that is due.
    pub(crate) fn next(&self) -> Option<Arrival> {
        match &mut *self.asked.borrow_mut() {
            Asked::Demand(demand) => demand.next(),
            Asked::Given(arrivals) => arrivals.next(),
        }
    }

    /// The name of a phase.
    pub(crate) fn phase_name(&self, phase: usize) -> String {
        let schedule = self.schedule.borrow();
        schedule
            .phases
            .get(phase)
            .map_or_else(String::new, |p| p.name.clone())
    }

    /// When the phase ends, microseconds of the run.
    pub(crate) fn phase_end(&self) -> u64 {
        let schedule = self.schedule.borrow();
        let phase = schedule.phases.get(self.counts.get().phase);
        phase.map_or(u64::MAX, |p| micros(p.begin + p.seconds))
    }

    /// When the last phase ends, microseconds of the run.
    pub(crate) fn end(&self) -> u64 {
        micros(self.schedule.borrow().seconds())
    }

    /// Enters the phases that have begun by `now`.
    pub(crate) fn phases(&self, now: u64) {
        self.look(now);
        while now >= self.phase_end() {
            let next = self.counts.get().phase + 1;
            self.enter(next, now);
        }
    }

    /// Looks at the origin's clock, if it is time to.
    fn look(&self, now: u64) {
        if now < self.look.get() {
            return;
        }
        self.look.set(now + LOOK);
        if let Some(reading) = self.host.borrow().wall() {
            self.clock.read(reading);
        }
    }

    /// A phase begins.
    pub(crate) fn enter(&self, phase: usize, now: u64) {
        self.count(|c| c.phase = phase);
        let now = now.min(self.clock.now());
        self.host.borrow_mut().phase(phase, now, &self.counts.get());
    }

    /// Another second has gone.
    pub(crate) fn second(&self, now: u64) {
        self.look(now);
        self.judging.borrow_mut().forget();
        self.host.borrow_mut().second(now, &self.counts.get());
    }

    /// Ends the phase if it was to fill a store and has; whether it did.
    pub(crate) fn filled(&self, now: u64) -> bool {
        let phase = self.counts.get().phase;
        let mut schedule = self.schedule.borrow_mut();
        let Some(enough) = schedule.phases.get(phase).and_then(|p| p.until_stored) else {
            return false;
        };
        if self.host.borrow().stored() < enough {
            return false;
        }
        let seconds = now as f64 / 1e6;
        if let Asked::Demand(demand) = &mut *self.asked.borrow_mut() {
            demand.end_phase(phase, seconds);
        }
        schedule.end_phase(phase, seconds);
        true
    }

    /// What it counts of itself.
    pub(crate) fn counts(&self) -> Counts {
        self.counts.get()
    }

    /// How many faulty exchanges are kept, if any are to be.
    pub(crate) fn kept(&self) -> Option<u64> {
        self.judging.borrow().kept()
    }

    fn count(&self, change: impl FnOnce(&mut Counts)) {
        let mut counts = self.counts.get();
        change(&mut counts);
        self.counts.set(counts);
    }

    /// Takes a request: sends it now if its robot has a connection for it.
    pub(crate) fn take(self: &Rc<Self>, arrival: Arrival, now: u64) {
        self.count(|c| c.under_way += 1);
        let robot = arrival.robot;
        let mut robots = self.robots.borrow_mut();
        let places = robots.len();
        let Some(place) = robots.get_mut(robot as usize % places) else {
            return;
        };
        let connection = loop {
            match place.idle.pop() {
                None if place.open < self.world.workload().connections.robot_open.max(1) => {
                    place.open += 1;
                    break None;
                }
                None => {
                    place.waiting.push_back((arrival, now));
                    return;
                }
                Some(connection) => match connection.look() {
                    Idle::Open => break Some(connection),
                    Idle::Closed => {}
                    Idle::Spoke => self.judging.borrow_mut().spoke(),
                },
            }
            // A connection that is no more made room for another.
            place.open -= 1;
            self.count(|c| c.connections = c.connections.saturating_sub(1));
        };
        drop(robots);
        tokio::task::spawn_local(Rc::clone(self).serve(connection, arrival, now));
    }

    /// One connection's work until its robot has none: this request, and those that wait.
    async fn serve(self: Rc<Self>, first: Option<Connection>, arrival: Arrival, taken: u64) {
        let mut slot = first;
        let mut next = Some((arrival, taken));
        while let Some((arrival, taken)) = next.take() {
            let robot = arrival.robot as usize;
            self.exchange(&mut slot, arrival, taken).await;
            if self.closed.get() {
                return;
            }
            let mut robots = self.robots.borrow_mut();
            let places = robots.len();
            let place = &mut robots[robot % places];
            next = place.waiting.pop_front();
            if next.is_none() {
                match slot.take() {
                    Some(connection) => place.idle.push(connection),
                    None => place.open -= 1,
                }
            }
        }
    }

    async fn exchange(
        self: &Rc<Self>,
        slot: &mut Option<Connection>,
        arrival: Arrival,
        taken: u64,
    ) {
        let now = self.clock.now();
        self.judging
            .borrow_mut()
            .asked(arrival.object, arrival.number, arrival.method, now);
        let mut exchange = Exchange::new(self, arrival, taken);
        let outcome = exchange.run(self, slot).await;
        if self.closed.get() {
            return;
        }
        let mut over = self
            .judging
            .borrow_mut()
            .over(self, &mut exchange, outcome, slot);
        if !exchange.keep
            && let Some(connection) = slot.take()
        {
            self.retire(connection);
        }
        if over.read {
            self.embedded(&exchange);
        }
        let answered = self.host.borrow_mut().answered(&over.sample);
        match over.adapted.take() {
            // The robot goes on meanwhile; the exchange is counted when it is known what it was.
            Some(Known::Soon(soon)) => {
                self.count(|c| c.judging += 1);
                let load = Rc::clone(self);
                tokio::task::spawn_local(async move {
                    if let Ok(judged) = soon.await {
                        let mut judging = load.judging.borrow_mut();
                        judging.judged(&load, &exchange, &judged);
                        drop(judging);
                        over.add(judged);
                    }
                    load.ended(&exchange, over, answered);
                    load.count(|c| c.judging = c.judging.saturating_sub(1));
                    if load.counts().judging == 0 {
                        load.idle.notify_one();
                    }
                });
            }
            Some(Known::Judged(judged)) => {
                over.add(judged);
                self.ended(&exchange, over, answered);
            }
            None => self.ended(&exchange, over, answered),
        }
        self.count(|c| c.under_way = c.under_way.saturating_sub(1));
        self.room.notify_one();
        if self.counts().under_way == 0 {
            self.idle.notify_one();
        }
    }

    /// All is known of an exchange: it is kept if it was faulty, counted and recorded.
    fn ended(&self, exchange: &Exchange, over: Over, answered: Answered) {
        self.judging.borrow_mut().keep(self, exchange, &over);
        let sample = over.sample;
        let failed = sample.faults.iter().any(|f| f.is_failure());
        self.count(|c| {
            c.done += 1;
            c.faulty += u64::from(failed);
        });
        self.host.borrow_mut().judged(answered, &sample);
    }

    /// Nothing more counts but what judges are at: what is under way yet is left.
    pub(crate) fn close(&self) {
        self.closed.set(true);
    }

    /// The page is there: what it embeds is asked for now.
    fn embedded(self: &Rc<Self>, page: &Exchange) {
        if self.world.content(page.arrival.object).embeds.is_empty() {
            return;
        }
        let phase = self.counts.get().phase;
        let now = page.done as f64 / 1e6;
        let parts = match &*self.asked.borrow() {
            Asked::Demand(demand) => demand.embedded(&page.arrival, now, phase),
            Asked::Given(_) => Vec::new(),
        };
        for mut part in parts {
            // The same moment to the microsecond, however it was rounded on the way.
            part.due = now;
            // Later than due by what the generator took, the emulated network's timer included.
            self.take(part, self.clock.now().max(page.done));
        }
    }

    /// The version of this number that there was when the origin answered (Unix milliseconds), or a second beside it.
    pub(crate) fn version(&self, object: Object, number: i64, answered: i64) -> Option<Version> {
        let second = answered.div_euclid(1000);
        [second, second - 1, second + 1]
            .into_iter()
            .map(|at| self.world.version(object, at))
            .find(|version| version.number == number)
    }

    /// How many requests the robot's next connection is for.
    pub(crate) fn requests_on_next(&self, robot: u32) -> u64 {
        let mut robots = self.robots.borrow_mut();
        let places = robots.len();
        let place = &mut robots[robot as usize % places];
        place.made += 1;
        let words = [draw::ROBOT, u64::from(robot), place.made];
        let mut stream = self.world.seed().stream(&words);
        let drawn = self.world.workload().connections.robot.sample(&mut stream);
        drawn.max(1.0) as u64
    }

    /// The request as bytes.
    pub(crate) fn write_request(&self, exchange: &Exchange) -> Vec<u8> {
        let arrival = &exchange.arrival;
        let mut out = self.spare.borrow_mut().pop().unwrap_or_default();
        let seed = self.world.seed();
        let server = match self.target.authorities.len() {
            0 | 1 => 0,
            servers => origin::server_of(seed, arrival.object, servers),
        };
        let (since, last) = (exchange.since, exchange.last);
        let accept = self.adapting.accept(self, arrival);
        self.target
            .write(&mut out, &self.world, arrival, server, since, accept, last);
        if arrival.method == Method::Post {
            let length = usize::try_from(arrival.request_body).unwrap_or(0);
            out.extend_from_slice(&origin::posted(seed, arrival.number, length));
        }
        out
    }

    /// A buffer is free again.
    pub(crate) fn give_back(&self, buffer: Vec<u8>) {
        let mut spare = self.spare.borrow_mut();
        if spare.len() < SPARE {
            spare.push(buffer);
        }
    }

    /// A connection was made.
    pub(crate) fn opened(&self) {
        self.count(|c| {
            c.connections += 1;
            c.opened += 1;
        });
    }

    /// A request is asked again.
    pub(crate) fn retried(&self) {
        self.count(|c| c.retried += 1);
    }

    /// A connection is closed.
    pub(crate) fn retire(&self, connection: Connection) {
        drop(connection);
        self.count(|c| c.connections = c.connections.saturating_sub(1));
    }

    /// What the emulated network does to this part of a request.
    pub(crate) fn network(&self, number: u64, part: u64) -> Stream {
        // Three words where a robot's connection has two behind the first, so the draws are others.
        self.world
            .seed()
            .stream(&[draw::ROBOT, number, part, NETWORK])
    }

    /// Waits as long as the emulated network does.
    pub(crate) async fn wait(&self, time: Duration) {
        tokio::time::sleep(time).await;
    }

    /// Closes idle connections that the proxy closed: they are no use, and each is a descriptor.
    pub(crate) fn sweep(&self) {
        let mut gone = 0;
        for robot in self.robots.borrow_mut().iter_mut() {
            let before = robot.idle.len();
            robot.idle.retain(|c| c.look() != Idle::Closed);
            robot.open -= before - robot.idle.len();
            gone += (before - robot.idle.len()) as u64;
        }
        self.count(|c| c.connections = c.connections.saturating_sub(gone));
    }
}
