//! Every object there is: its address, size, life and versions.
//!
//! Invariant: all of it is a function of workload, seed, epoch and the object's number. Nothing is kept for an object, so there can
//! be as many as are asked for, and robots and origin agree on each without a message.

mod format;
mod life;
mod path;

pub use format::Format;
pub use life::Version;

use crate::{
    seed::Seed,
    workload::{Bodies, Content, Workload},
};
use std::sync::Arc;

/// One object. Objects of the same kind differ by number; what is asked for directly is numbered in the order of first requests,
/// what is embedded by its page and place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Object {
    /// The number of its kind of content.
    pub kind: u8,
    /// Its number within the kind.
    pub id: u64,
}

/// What a number is drawn for; first word of every draw.
pub(crate) mod draw {
    pub(crate) const SIZE: u64 = 1;
    pub(crate) const CACHABLE: u64 = 2;
    pub(crate) const LENGTH: u64 = 3;
    pub(crate) const PHASE: u64 = 4;
    pub(crate) const CHANGE: u64 = 5;
    pub(crate) const FORMAT: u64 = 6;
    pub(crate) const EMBEDS: u64 = 7;
    pub(crate) const ADS: u64 = 8;
    pub(crate) const BODY: u64 = 9;
    pub(crate) const DEMAND: u64 = 10;
    pub(crate) const ORIGIN: u64 = 11;
    pub(crate) const ROBOT: u64 = 12;
}

/// All objects of a workload with a seed.
#[derive(Debug, Clone)]
pub struct World {
    pub(crate) workload: Arc<Workload>,
    pub(crate) seed: Seed,
    /// The run's beginning, Unix seconds: lives of objects are told from here, so the same seed is the same run on another day.
    pub(crate) epoch: i64,
}

impl World {
    /// The world of this workload and seed, whose run begins at `epoch` (Unix seconds).
    #[must_use]
    pub fn new(workload: Arc<Workload>, seed: Seed, epoch: i64) -> Self {
        Self {
            workload,
            seed,
            epoch,
        }
    }

    /// The workload.
    #[must_use]
    pub fn workload(&self) -> &Arc<Workload> {
        &self.workload
    }

    /// The seed.
    #[must_use]
    pub fn seed(&self) -> Seed {
        self.seed
    }

    /// The run's beginning, Unix seconds.
    #[must_use]
    pub fn epoch(&self) -> i64 {
        self.epoch
    }

    /// What the workload says of the object's kind.
    #[must_use]
    pub fn content(&self, object: Object) -> &Content {
        &self.workload.content[usize::from(object.kind)]
    }

    /// Bytes of the body that the distribution gives it. The body may be longer where its format needs more ([`crate::content`]).
    #[must_use]
    pub fn size(&self, object: Object) -> u64 {
        let drawn = self
            .content(object)
            .size
            .sample(&mut self.stream(draw::SIZE, object));
        // A limit for tables in files and for tails: no body above 64 MiB.
        drawn.round().clamp(1.0, (64u64 << 20) as f64) as u64
    }

    /// Whether caches may store it.
    #[must_use]
    pub fn cachable(&self, object: Object) -> bool {
        self.share(draw::CACHABLE, object) < self.content(object).cachable
    }

    /// Whether it is an advertisement or a tracker.
    #[must_use]
    pub fn ad(&self, object: Object) -> bool {
        self.share(draw::ADS, object) < self.content(object).ads
    }

    /// What a page embeds, in its order; nothing for what is no page.
    #[must_use]
    pub fn embedded(&self, page: Object) -> Vec<Object> {
        let content = self.content(page);
        if content.bodies != Bodies::Html || content.embeds.is_empty() {
            return Vec::new();
        }
        let mut stream = self.stream(draw::EMBEDS, page);
        let mut found = Vec::new();
        for (part, embeds) in content.embeds.iter().enumerate() {
            let Some(kind) = self.workload.kind(&embeds.content) else {
                continue;
            };
            found.extend((0..embeds.draw(&mut stream)).map(|place| Object {
                kind,
                id: self.seed.number(&[
                    draw::EMBEDS,
                    u64::from(page.kind),
                    page.id,
                    part as u64,
                    place,
                ]),
            }));
        }
        found
    }

    pub(crate) fn stream(&self, what: u64, object: Object) -> crate::seed::Stream {
        self.seed.stream(&[what, u64::from(object.kind), object.id])
    }

    pub(crate) fn share(&self, what: u64, object: Object) -> f64 {
        self.seed.share(&[what, u64::from(object.kind), object.id])
    }
}

#[cfg(test)]
mod tests;
