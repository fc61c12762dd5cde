//! When direct requests are due: a Poisson process whose rate follows the phases.
//!
//! Invariant: times never go back, and the expected number of requests between two times is the area under the rate between them.
//! The area is inverted, not thinned: one number is drawn for each request, so a phase's rate does not change what is drawn next.
//!
//! Awkward case: at the end of a ramp to nothing the rate is 0 and the next request may be in a later phase, or there is none.

use crate::workload::Schedule;

/// A clock that goes from request to request.
#[derive(Debug, Clone)]
pub(super) struct Clock {
    phase: usize,
    /// Seconds since the phase began.
    inside: f64,
    /// Direct requests to each request of all.
    direct: f64,
}

impl Clock {
    pub(super) fn new(direct: f64) -> Self {
        Self {
            phase: 0,
            inside: 0.0,
            direct,
        }
    }

    /// Moves on by this many expected direct requests; phase and time then, or none when the run is over.
    pub(super) fn advance(&mut self, schedule: &Schedule, requests: f64) -> Option<(usize, f64)> {
        let mut left = requests;
        loop {
            let phase = schedule.phases.get(self.phase)?;
            let slope =
                (phase.to - phase.from) / phase.seconds.max(f64::MIN_POSITIVE) * self.direct;
            let rate = phase.from * self.direct + slope * self.inside;
            let rest = phase.seconds - self.inside;
            let area = f64::midpoint(rate, phase.to * self.direct) * rest;
            if left >= area {
                left -= area;
                self.phase += 1;
                self.inside = 0.0;
                continue;
            }
            // The root of slope / 2 t^2 + rate t = left, in the form that loses no digits and holds for a slope of 0.
            if left > 0.0 {
                let root = (rate * rate + 2.0 * slope * left).max(0.0).sqrt();
                self.inside += (2.0 * left / (rate + root)).min(rest);
            }
            return Some((self.phase, phase.begin + self.inside));
        }
    }

    /// Goes to the beginning of the phase behind this one, if it is not there yet.
    pub(super) fn leave(&mut self, phase: usize) {
        if self.phase <= phase {
            self.phase = phase + 1;
            self.inside = 0.0;
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::workload::Workload;

    /// Phases of these rates and seconds, and the time after each step of so many requests.
    fn check(phases: &[(f64, f64, f64)], steps: &[(f64, Option<(usize, f64)>)]) {
        let workload = Workload::load("polymix-3").unwrap();
        let mut schedule = Schedule::new(&workload, 1.0, None, None).unwrap();
        schedule.phases.truncate(phases.len());
        let mut begin = 0.0;
        for (phase, (from, to, seconds)) in schedule.phases.iter_mut().zip(phases) {
            (phase.begin, phase.from, phase.to, phase.seconds) = (begin, *from, *to, *seconds);
            begin += seconds;
        }
        let mut clock = Clock::new(1.0);
        for (requests, right) in steps {
            match (clock.advance(&schedule, *requests), right) {
                (Some((phase, due)), Some((in_phase, at))) => {
                    assert_eq!(phase, *in_phase, "{phases:?} {requests}");
                    assert!(
                        (due - at).abs() < 1e-9,
                        "{phases:?} {requests}: {due}, not {at}"
                    );
                }
                (found, right) => assert_eq!(found, *right, "{phases:?} {requests}"),
            }
        }
    }

    #[test]
    fn time_goes_on_by_the_area_under_the_rate() {
        // Even: requests over rate.
        check(
            &[(10.0, 10.0, 10.0)],
            &[(5.0, Some((0, 0.5))), (20.0, Some((0, 2.5)))],
        );
        // Up from nothing: the area is half the square of the time.
        check(
            &[(0.0, 10.0, 10.0)],
            &[(0.5, Some((0, 1.0))), (12.0, Some((0, 5.0)))],
        );
        // Down to nothing.
        check(
            &[(10.0, 0.0, 10.0)],
            &[(37.5, Some((0, 5.0))), (12.0, Some((0, 9.0)))],
        );
    }

    #[test]
    fn what_a_phase_has_no_room_for_is_due_in_the_next() {
        check(
            &[(10.0, 0.0, 10.0), (0.0, 0.0, 100.0), (2.0, 2.0, 10.0)],
            &[
                (49.5, Some((0, 9.0))),
                (2.5, Some((2, 111.0))),
                (18.5, None),
                (0.1, None),
            ],
        );
    }

    #[test]
    fn no_requests_take_no_time() {
        check(
            &[(0.0, 10.0, 10.0)],
            &[(0.0, Some((0, 0.0))), (0.0, Some((0, 0.0)))],
        );
    }
}
