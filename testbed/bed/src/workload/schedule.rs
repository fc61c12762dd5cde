//! Phases on the clock of one run: scaled, with their beginnings.
//!
//! Invariant: phases lie one behind the other from second 0 without a gap, and rates are those of all requests, embedded ones among
//! them.
//!
//! Awkward case: a phase `until_fill` has no known end; the plan holds the latest, and the robots move on before it. How long it
//! takes depends on the cache and the rate alone, so its length is not scaled; where no size of a cache is known, it is left out.

use super::{Error, Expected, PhaseShape, Workload};
use serde::{Deserialize, Serialize};

/// How a workload is run: what the command line says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Schedule {
    /// Peak requests a second.
    pub peak: f64,
    /// How many robots: peak over the rate of one, at least 1.
    pub robots: u32,
    /// The most objects in the working set, embedded ones too.
    pub working_set: u64,
    /// The phases, one behind the other from second 0.
    pub phases: Vec<Phase>,
}

/// A phase of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Phase {
    /// What it is called.
    pub name: String,
    /// Seconds from the run's beginning.
    pub begin: f64,
    /// Seconds it lasts, at most.
    pub seconds: f64,
    /// Requests a second at its beginning.
    pub from: f64,
    /// Requests a second at its end.
    pub to: f64,
    /// It ends when the origin has sent this many cachable bytes that robots asked for the first time.
    pub until_stored: Option<u64>,
    /// What recurrence is multiplied by.
    pub recurrence: f64,
    /// What the shares of request types are multiplied by.
    pub special: f64,
    /// Whether figures are quoted from it.
    pub measured: bool,
}

/// Recurrence while a working set is filled, as PolyMix has it: 5 % / 55 %.
const FILLING: f64 = 5.0 / 55.0;
/// The share of special requests then.
const FILLING_SPECIAL: f64 = 0.1;
/// The highest rate there may be, requests a second: no generator comes near it.
const MOST_RATE: f64 = 1e7;

impl Schedule {
    /// The workload's phases at `scale` times their lengths and at this peak rate (the workload's own, if none is given), beside a
    /// cache of `cache` bytes. Without a size of the cache, phases that fill are left out.
    ///
    /// # Errors
    /// A scale or rate that is not above 0, or beyond reason.
    pub fn new(
        workload: &Workload,
        scale: f64,
        rate: Option<f64>,
        cache: Option<u64>,
    ) -> Result<Self, Error> {
        within("scale", scale, 1000.0)?;
        let mut shapes = workload.phases.clone();
        if cache.is_none() {
            shapes.retain(|p| p.until_fill.is_none());
        }
        for shape in shapes.iter_mut().filter(|p| p.until_fill.is_none()) {
            shape.seconds *= scale;
        }
        Self::of(workload, rate, &shapes, cache)
    }

    /// Ends the phase of this number at `now` seconds (it was filling, and is full): all that follows comes earlier.
    pub fn end_phase(&mut self, phase: usize, now: f64) {
        let Some(ending) = self.phases.get_mut(phase) else {
            return;
        };
        let seconds = (now - ending.begin).clamp(0.0, ending.seconds);
        let earlier = ending.seconds - seconds;
        if ending.seconds > 0.0 {
            ending.to = ending.from + (ending.to - ending.from) * seconds / ending.seconds;
        }
        ending.until_stored = None;
        ending.seconds = seconds;
        for later in self.phases.iter_mut().skip(phase + 1) {
            later.begin -= earlier;
        }
    }

    /// A run of a minute and a half: the working set filled, a plateau of a minute, an end. The working set is small, so that what
    /// is asked again has a past, and slides.
    ///
    /// # Errors
    /// A rate that is not above 0, or beyond reason.
    pub fn quick(workload: &Workload, rate: Option<f64>) -> Result<Self, Error> {
        let shapes = [
            shape("warm", 3.0, (0.1, 0.1), true),
            shape("fill", 17.0, (0.1, 1.0), true),
            shape("ramp", 5.0, (1.0, 1.0), false),
            plateau(60.0),
            shape("cool", 5.0, (0.5, 0.0), false),
        ];
        Self::filled(workload, rate, &shapes)
    }

    /// A plateau of `plateau_seconds` at this rate behind `warm_seconds` of warming: the rate rises, and the working set is filled.
    ///
    /// # Errors
    /// A rate or a length that is not above 0, or beyond reason.
    pub fn plateau(
        workload: &Workload,
        rate: f64,
        warm_seconds: f64,
        plateau_seconds: f64,
    ) -> Result<Self, Error> {
        within("warm seconds", warm_seconds, 1e7)?;
        within("plateau seconds", plateau_seconds, 1e7)?;
        let rise = (warm_seconds / 4.0).min(10.0);
        let fill = (warm_seconds - rise) * 0.75;
        let shapes = [
            shape("warm", rise, (0.1, 1.0), true),
            shape("fill", fill, (1.0, 1.0), true),
            shape("ramp", warm_seconds - rise - fill, (1.0, 1.0), false),
            plateau(plateau_seconds),
        ];
        Self::filled(workload, Some(rate), &shapes)
    }

    /// Seconds of the whole run, at most.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.phases.last().map_or(0.0, |p| p.begin + p.seconds)
    }

    /// These phases, with a working set no larger than what is new in those before the plateau: it is whole when figures count.
    fn filled(
        workload: &Workload,
        rate: Option<f64>,
        shapes: &[PhaseShape],
    ) -> Result<Self, Error> {
        let mut schedule = Self::of(workload, rate, shapes, None)?;
        let new: f64 = (schedule.phases.iter())
            .take_while(|p| !p.measured)
            .map(|p| p.requests() * (1.0 - workload.demand.recurrence * p.recurrence))
            .sum();
        schedule.working_set = schedule.working_set.min(new as u64).max(1);
        Ok(schedule)
    }

    fn of(
        workload: &Workload,
        rate: Option<f64>,
        shapes: &[PhaseShape],
        cache: Option<u64>,
    ) -> Result<Self, Error> {
        let demand = &workload.demand;
        let peak = rate.unwrap_or(demand.peak);
        within("rate", peak, MOST_RATE)?;
        let mut begin = 0.0;
        let phases: Vec<Phase> = (shapes.iter())
            .map(|shape| {
                let phase = Phase {
                    name: shape.name.clone(),
                    begin,
                    seconds: shape.seconds,
                    from: shape.from * peak,
                    to: shape.to * peak,
                    until_stored: (shape.until_fill.zip(cache))
                        .map(|(times, bytes)| (times * bytes as f64) as u64),
                    recurrence: shape.recurrence,
                    special: shape.special,
                    measured: shape.measured,
                };
                begin += phase.seconds;
                phase
            })
            .collect();
        let plateau = (phases.iter().filter(|p| p.measured))
            .map(|p| p.seconds)
            .fold(0.0, f64::max);
        let mut working_set = demand.working_set * peak;
        if plateau > 0.0 {
            working_set = working_set.min(demand.working_set_share * peak * plateau);
        }
        if let Some(bytes) = demand.working_set_bytes {
            working_set = working_set.min(bytes / Expected::new(workload).size);
        }
        Ok(Self {
            peak,
            robots: (peak / demand.robot_rate).ceil().clamp(1.0, 1e6) as u32,
            working_set: working_set.max(1.0) as u64,
            phases,
        })
    }
}

impl Phase {
    /// Requests in it, at most, embedded ones too.
    #[must_use]
    pub fn requests(&self) -> f64 {
        f64::midpoint(self.from, self.to) * self.seconds
    }
}

fn shape(name: &str, seconds: f64, (from, to): (f64, f64), filling: bool) -> PhaseShape {
    PhaseShape {
        name: name.to_owned(),
        seconds,
        from,
        to,
        until_fill: None,
        recurrence: if filling { FILLING } else { 1.0 },
        special: if filling { FILLING_SPECIAL } else { 1.0 },
        measured: false,
    }
}

fn plateau(seconds: f64) -> PhaseShape {
    PhaseShape {
        measured: true,
        ..shape("top", seconds, (1.0, 1.0), false)
    }
}

fn within(what: &str, value: f64, most: f64) -> Result<(), Error> {
    if value > 0.0 && value <= most {
        return Ok(());
    }
    let message = format!("must be above 0 and at most {most}, and is {value}");
    Err(Error::Value(what.to_owned(), message))
}

#[cfg(test)]
mod tests;
