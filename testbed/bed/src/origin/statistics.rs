//! What the origin counts, without a lock.
//!
//! Invariant: every request for an object is counted once, when its head is read. Control requests are not counted. Awkward case: a
//! snapshot is not of one instant; each number in it is right, their sums need not be while requests are under way.

use super::seen::Seen;
use rustix::time::{ClockId, clock_gettime};
use serde::{Deserialize, Serialize};
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

macro_rules! statistics {
    ($($(#[doc = $doc:literal])+ $name:ident,)+) => {
        /// What an origin did since its run began.
        #[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
        #[serde(default)]
        pub struct Statistics {
            $($(#[doc = $doc])+ pub $name: u64,)+
        }

        /// The numbers while they are counted.
        #[derive(Debug, Default)]
        pub(super) struct Counters {
            $(pub(super) $name: AtomicU64,)+
            /// Cachable objects that were sent whole.
            pub(super) seen: Seen,
        }

        impl Counters {
            /// The numbers now.
            pub(super) fn snapshot(&self) -> Statistics {
                Statistics { $($name: self.$name.load(Relaxed),)+ }
            }

            /// Begins again from nothing. What is open stays open.
            pub(super) fn reset(&self) {
                // Whoever is counted in `open` counts itself out, so it is never written to: not even to what it was just now.
                $(if stringify!($name) != "open" {
                    self.$name.store(0, Relaxed);
                })+
                self.seen.clear();
            }
        }
    };
}

statistics! {
    /// Requests, of any method and answer.
    requests,
    /// GETs.
    get,
    /// HEADs.
    head,
    /// POSTs.
    post,
    /// Requests with a condition.
    conditional,
    /// Answers 304.
    not_modified,
    /// Answers 206.
    partial,
    /// Requests that were refused: 4xx but 412 and 416, and 503.
    refused,
    /// Requests without a number: not a robot's, or a proxy dropped it.
    unnumbered,
    /// POSTs whose body was not the one of their number.
    wrong_bodies,
    /// Bytes of bodies given to the network.
    bytes,
    /// Cachable objects that were sent whole.
    objects,
    /// Bytes of their bodies, each object once.
    first_cachable_bytes,
    /// Answers that were broken off on purpose.
    aborted,
    /// Connections that objects were asked for on.
    connections,
    /// Connections open now.
    open,
    /// Microseconds that answers left later than they were due, all together: above a millisecond each, the origin is overloaded.
    late_micros,
    /// The most that one was late.
    latest_micros,
    /// Connections that were closed because they had all their requests.
    worn,
    /// Microseconds of processor time that each of the origin's workers took in the mean since it was started, where it runs by itself:
    /// all that its program took is taken for theirs.
    processor_micros,
}

/// Microseconds of processor time that this program took since it was started, for each of so many workers.
pub(super) fn processor_micros(workers: usize) -> u64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    let nanoseconds = u64::try_from(time.tv_nsec).unwrap_or(0);
    seconds
        .saturating_mul(1_000_000)
        .saturating_add(nanoseconds / 1000)
        / workers.max(1) as u64
}

/// One more.
pub(super) fn count(counter: &AtomicU64) {
    counter.fetch_add(1, Relaxed);
}

/// So many more.
pub(super) fn add(counter: &AtomicU64, number: u64) {
    counter.fetch_add(number, Relaxed);
}
