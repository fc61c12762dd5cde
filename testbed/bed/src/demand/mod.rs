//! Who asks for what, when: the whole sequence of requests, before a socket is opened.
//!
//! Invariant: arrivals are a function of world and schedule alone, never of answers: the same seed asks the same, whatever the proxy
//! does. What a page embeds is asked for when the page is there, so the robots make those requests, by [`Demand::embedded`].

use crate::{
    workload::Schedule,
    world::{Object, World},
};

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

/// The sequence of direct requests of a run, in the order they are due.
#[derive(Debug)]
pub struct Demand {
    world: World,
    schedule: Schedule,
}

impl Demand {
    /// The sequence of this schedule.
    #[must_use]
    pub fn new(world: World, schedule: Schedule) -> Self {
        Self { world, schedule }
    }

    /// Ends the phase of this number at `now` seconds (it was filling, and is full): all that follows is due earlier.
    pub fn end_phase(&mut self, phase: usize, now: f64) {
        todo!()
    }

    /// The requests for what a page embeds, as its robot makes them once the page is there at `now` seconds, in `phase`.
    #[must_use]
    pub fn embedded(&self, page: &Arrival, now: f64, phase: usize) -> Vec<Arrival> {
        todo!()
    }
}

impl Iterator for Demand {
    type Item = Arrival;

    fn next(&mut self) -> Option<Arrival> {
        todo!()
    }
}
