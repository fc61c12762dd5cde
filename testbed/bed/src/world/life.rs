//! Versions of an object: when it changes.
//!
//! Invariant: changes fall on whole seconds, so Last-Modified and Expires tell them exactly, and every second belongs to one
//! version.

use super::{Object, World, draw};

/// A version of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Version {
    /// Its number; the one at the run's beginning is 0 or 1, older ones are below.
    pub number: i64,
    /// When it began, Unix seconds: its Last-Modified.
    pub modified: i64,
    /// When the next one begins, Unix seconds: its Expires.
    pub until: i64,
}

impl World {
    /// The version of the object at this time (Unix seconds).
    #[must_use]
    pub fn version(&self, object: Object, now: i64) -> Version {
        let life = &self.content(object).life;
        // Two seconds at the least: a version is told from the next by Last-Modified, which counts seconds. Thirty years at the most:
        // dates are neither before 1970 nor beyond what every peer can read.
        let length = life
            .length
            .sample(&mut self.stream(draw::LENGTH, object))
            .clamp(2.0, 1e9);
        let begin = self.epoch as f64 - self.share(draw::PHASE, object) * length;
        let change = |number: i64| {
            let moved = self.seed.share(&[
                draw::CHANGE,
                u64::from(object.kind),
                object.id,
                number as u64,
            ]) - 0.5;
            (begin + length * (number as f64 + life.variance * moved)).floor() as i64
        };
        // The regular change before now is at most one away from the one that holds.
        let mut number = ((now as f64 - begin) / length).floor() as i64 + 1;
        while change(number) > now {
            number -= 1;
        }
        Version {
            number,
            modified: change(number),
            until: change(number + 1).max(change(number) + 1),
        }
    }
}
