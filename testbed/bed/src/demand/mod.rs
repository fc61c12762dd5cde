//! Who asks for what, when: the whole sequence of requests, before a socket is opened.
//!
//! Invariant: arrivals are a function of world and schedule alone, never of answers: the same seed asks the same, whatever the proxy
//! does. What a page embeds is asked for when the page is there, so the robots make those requests, by [`Demand::embedded`].
//!
//! Every request draws from a stream of its own, named by its number: how many numbers one takes changes nothing of the next.
//!
//! Direct requests come at the schedule's rate over one more than the embedded ones to each, so that all of them together come at
//! the schedule's rate.

mod clock;
mod popularity;

use crate::{
    seed::{Seed, Stream},
    workload::{Expected, Schedule, Workload, exponential, uniform},
    world::{Object, World, draw},
};
use clock::Clock;
use popularity::Seen;

/// What kind of request it is, beside its method.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RequestType {
    /// No condition.
    Plain,
    /// If-Modified-Since a second before Last-Modified.
    Ims200,
    /// If-Modified-Since a second behind Last-Modified.
    Ims304,
    /// `no-cache`.
    Reload,
}

/// Methods that robots use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum Method {
    Get,
    Head,
    Post,
}

/// One request that a robot makes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Arrival {
    /// Its number; embedded ones have numbers of their own above 2 to the 63.
    pub number: u64,
    /// When it is due, seconds from the run's beginning.
    pub due: f64,
    /// Which phase it is due in.
    pub phase: usize,
    /// Which robot makes it.
    pub robot: u32,
    /// What it asks for.
    pub object: Object,
    /// Whether nobody asked for the object before, by this sequence.
    pub first: bool,
    /// What kind of request.
    pub kind: RequestType,
    /// The method.
    pub method: Method,
    /// Bytes of the request's body; above 0 for POST alone.
    pub request_body: u64,
    /// At what share of the body the robot breaks off.
    pub abort: Option<f64>,
}

/// Bytes of a POST's body at most: a limit for tails. The origin refuses what is above it.
pub const LARGEST_POST: u64 = 1 << 20;

/// Numbers of embedded requests begin here.
const EMBEDDED: u64 = 1 << 63;

/// Second word of what is drawn for a direct request, for the kind of an object, for an embedded request.
const REQUEST: u64 = 2;
const KIND: u64 = 3;
const PART: u64 = 4;

/// The sequence of direct requests of a run, in the order they are due.
#[derive(Debug)]
pub struct Demand {
    world: World,
    schedule: Schedule,
    clock: Clock,
    seen: Seen,
    /// Kinds of content that are asked for directly, each with the share of objects up to and with it.
    kinds: Vec<(f64, u8)>,
    /// The number of the next direct request.
    next: u64,
}

impl Demand {
    /// The sequence of this schedule.
    #[must_use]
    pub fn new(world: World, schedule: Schedule) -> Self {
        let each = 1.0 + Expected::new(world.workload()).embedded;
        let window = (schedule.working_set as f64 / each).round() as u64;
        let popularity = world.workload().demand.popularity;
        Self {
            clock: Clock::new(1.0 / each),
            seen: Seen::new(world.seed(), popularity, window),
            kinds: kinds(world.workload()),
            next: 0,
            world,
            schedule,
        }
    }

    /// The schedule, as it is after phases that ended early.
    #[must_use]
    pub fn schedule(&self) -> &Schedule {
        &self.schedule
    }

    /// Ends the phase of this number at `now` seconds (it was filling, and is full): all that follows is due earlier. What this
    /// sequence gives next is in a later phase; a request it gave already keeps its time.
    pub fn end_phase(&mut self, phase: usize, now: f64) {
        if phase < self.schedule.phases.len() {
            self.schedule.end_phase(phase, now);
            self.clock.leave(phase);
        }
    }

    /// The requests for what a page embeds, as its robot makes them once the page is there at `now` seconds, in `phase`. A page is
    /// there when it came whole by GET, or was found unchanged (304): there are none for HEAD, POST and what the robot broke off.
    #[must_use]
    pub fn embedded(&self, page: &Arrival, now: f64, phase: usize) -> Vec<Arrival> {
        if page.method != Method::Get || page.abort.is_some() {
            return Vec::new();
        }
        let objects = self.world.embedded(page.object);
        (objects.into_iter().zip(0u64..))
            .map(|(object, place)| {
                let words = [draw::DEMAND, PART, page.number, place];
                let mut stream = self.seed().stream(&words);
                let manner = self.manner(&mut stream, phase, Method::Get);
                Arrival {
                    number: EMBEDDED | self.seed().number(&words),
                    due: now,
                    phase,
                    robot: page.robot,
                    object,
                    first: page.first,
                    kind: manner.kind,
                    method: Method::Get,
                    request_body: 0,
                    abort: manner.abort,
                }
            })
            .collect()
    }

    fn seed(&self) -> Seed {
        self.world.seed()
    }

    /// The object of this number: its kind is a function of the number.
    fn object(&self, id: u64) -> Object {
        let share = self.seed().share(&[draw::DEMAND, KIND, id]);
        let found = self.kinds.iter().find(|(up_to, _)| share < *up_to);
        let kind = found.or(self.kinds.last()).map_or(0, |(_, kind)| *kind);
        Object { kind, id }
    }

    fn method(&self, stream: &mut Stream) -> (Method, u64) {
        let methods = &self.world.workload().methods;
        let share = uniform(stream);
        if share < methods.post {
            let size = methods.post_size.sample(stream) as u64;
            (Method::Post, size.min(LARGEST_POST))
        } else if share < methods.post + methods.head {
            (Method::Head, 0)
        } else {
            (Method::Get, 0)
        }
    }

    /// The type of a request by this method, and whether it is broken off.
    fn manner(&self, stream: &mut Stream, phase: usize, method: Method) -> Manner {
        let workload = self.world.workload();
        let special = self.schedule.phases.get(phase).map_or(1.0, |p| p.special);
        let mut share = uniform(stream);
        let kinds = [
            (workload.types.ims200, RequestType::Ims200),
            (workload.types.ims304, RequestType::Ims304),
            (workload.types.reload, RequestType::Reload),
        ];
        let found = kinds.iter().find(|(part, _)| {
            share -= part * special;
            share < 0.0
        });
        // A POST asks the origin anyway: conditions and `no-cache` say nothing there.
        let kind = match method {
            Method::Post => None,
            Method::Get | Method::Head => found.map(|(_, kind)| *kind),
        };
        let abort = uniform(stream) < workload.aborts.robot;
        let place = uniform(stream);
        Manner {
            kind: kind.unwrap_or(RequestType::Plain),
            abort: (abort && method != Method::Head).then_some(place),
        }
    }
}

impl Iterator for Demand {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        let mut stream = (self.seed()).stream(&[draw::DEMAND, REQUEST, self.next]);
        let gap = exponential(&mut stream);
        let (phase, due) = self.clock.advance(&self.schedule, gap)?;
        let number = self.next;
        self.next += 1;
        let robots = self.schedule.robots.max(1);
        let robot = (uniform(&mut stream) * f64::from(robots)) as u32;
        let recurrence = self.world.workload().demand.recurrence
            * (self.schedule.phases.get(phase)).map_or(1.0, |p| p.recurrence);
        let again = (uniform(&mut stream) < recurrence)
            .then(|| self.seen.again(&mut stream))
            .flatten();
        let (id, first) = again.map_or_else(|| (self.seen.another(), true), |id| (id, false));
        let (method, request_body) = self.method(&mut stream);
        let manner = self.manner(&mut stream, phase, method);
        Some(Arrival {
            number,
            due,
            phase,
            robot: robot.min(robots - 1),
            object: self.object(id),
            first,
            kind: manner.kind,
            method,
            request_body,
            abort: manner.abort,
        })
    }
}

/// What a request is beside its object and method.
struct Manner {
    kind: RequestType,
    abort: Option<f64>,
}

/// Kinds that are asked for directly, each with the sum of shares up to and with its own.
fn kinds(workload: &Workload) -> Vec<(f64, u8)> {
    let total: f64 = workload.content.iter().map(|c| c.direct).sum();
    let mut sum = 0.0;
    (workload.content.iter().zip(0u8..))
        .filter(|(content, _)| content.direct > 0.0)
        .map(|(content, kind)| {
            sum += content.direct / total;
            (sum, kind)
        })
        .collect()
}

#[cfg(test)]
mod tests;
