//! What a workload comes to: figures that follow from its file, so that a run can be laid out ahead and judged afterwards.
//!
//! Invariant: nothing here is drawn for a run; all of it is reckoned from the distributions.
//!
//! Awkward case: what counts. A share is of all requests, those for embedded objects among them. A repeated request is a hit of an
//! ideal cache when its object may be stored, it is no reload, and it is no POST; conditional requests count, since a cache that
//! has the object answers them itself. What expires while it is in the working set is not reckoned: lives are days and more.

use super::{Content, Distribution, Embeds, Workload};
use crate::seed::{Seed, Stream};

/// The most objects of a kind that a page embeds: a limit for tables in files and for tails.
const MOST_EMBEDDED: f64 = 256.0;

/// What a workload comes to.
#[derive(Debug, Clone, PartialEq)]
pub struct Expected {
    /// The share of all requests that each kind of content has, by its number.
    pub shares: Vec<f64>,
    /// Requests for embedded objects to each direct one.
    pub embedded: f64,
    /// Mean bytes of the object that a request asks for.
    pub size: f64,
    /// The share of requests for objects that may be stored.
    pub cachable: f64,
    /// Mean bytes of a request's object that may be stored; the others have none.
    pub cachable_size: f64,
    /// The share of requests that an ideal cache answers from its store, with the whole recurrence.
    pub hits: f64,
    /// The share of bytes that come from it.
    pub hit_bytes: f64,
}

impl Expected {
    /// What this workload comes to on a plateau.
    #[must_use]
    pub fn new(workload: &Workload) -> Self {
        let content = &workload.content;
        let direct: f64 = content.iter().map(|c| c.direct).sum();
        let mut shares: Vec<f64> = content.iter().map(|c| c.direct / direct).collect();
        let mut hits: Vec<f64> = (shares.iter())
            .map(|s| s * (1.0 - workload.methods.post))
            .collect();
        // A page is there to be read for what it embeds if it came by GET and was not broken off.
        let pages =
            (1.0 - workload.methods.head - workload.methods.post) * (1.0 - workload.aborts.robot);
        let mut embedded = 0.0;
        for page in content {
            for part in &page.embeds {
                let Some(kind) = workload.kind(&part.content) else {
                    continue;
                };
                let count = page.direct / direct * pages * part.mean();
                shares[usize::from(kind)] += count;
                hits[usize::from(kind)] += count;
                embedded += count;
            }
        }
        let repeated = workload.demand.recurrence * (1.0 - workload.types.reload);
        shares.iter_mut().for_each(|s| *s /= 1.0 + embedded);
        for (hit, content) in hits.iter_mut().zip(content) {
            *hit *= repeated * content.cachable / (1.0 + embedded);
        }
        let over = |shares: &[f64], figure: &dyn Fn(&Content) -> f64| -> f64 {
            shares.iter().zip(content).map(|(s, c)| s * figure(c)).sum()
        };
        let size = over(&shares, &|c| c.size.mean());
        Self {
            embedded,
            size,
            cachable: over(&shares, &|c| c.cachable),
            cachable_size: over(&shares, &|c| c.cachable * c.size.mean()),
            hits: hits.iter().sum(),
            hit_bytes: over(&hits, &|c| c.size.mean()) / size,
            shares,
        }
    }
}

impl Embeds {
    /// How many a page has.
    pub(crate) fn draw(&self, stream: &mut Stream) -> u64 {
        whole(self.count.sample(stream))
    }

    /// The mean of these.
    pub(crate) fn mean(&self) -> f64 {
        match &self.count {
            Distribution::Zipf(most) if *most as f64 <= MOST_EMBEDDED => self.count.mean(),
            Distribution::Constant(count) => whole(*count) as f64,
            Distribution::Table(values) => {
                let total: f64 = values.iter().map(|(_, weight)| weight).sum();
                let sum: f64 = values.iter().map(|(v, w)| whole(*v) as f64 * w).sum();
                sum / total
            }
            // The mean of what is rounded and cut has no short form: it is tried, always with the same numbers.
            other => {
                const TRIES: u32 = 1 << 16;
                let mut stream = Seed(0).stream(&[]);
                let sum: u64 = (0..TRIES).map(|_| whole(other.sample(&mut stream))).sum();
                sum as f64 / f64::from(TRIES)
            }
        }
    }
}

fn whole(count: f64) -> u64 {
    count.round().clamp(0.0, MOST_EMBEDDED) as u64
}
