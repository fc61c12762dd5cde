//! Responses as the index holds them: complete, or parts of one.
//!
//! Owns the head, the body's blocks and their weight. Invariant: everything in a [`Stored`] is
//! immutable but a few atomics: the eviction mark and the record of background validations (set by
//! any worker), the place in the eviction queue and the number it was published with (written by the
//! shard alone). The awkward case is that a worker may hold one long after it
//! was evicted: its bytes stay in the budget until the last handle goes, since they stay in memory.

use bytes::Bytes;
use smallvec::SmallVec;
use std::ops::Range;
use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering},
};
use understudy_http::{
    Fields,
    semantics::{
        cache_control::ResponseDirectives, date::Seconds, freshness::Freshness, range::ByteSpan,
        vary::VaryKey,
    },
    wire::head::{HeadLimits, parse_response},
};
use understudy_store::{blocks::block_cost, budget::Reservation, footprint::footprint};

use crate::{
    Labels,
    attempts::{Attempt, Attempts},
    index::{ENTRY_OVERHEAD, key_cost},
    parts::SPANS_COST,
};

/// The place of a response that is in no eviction queue.
pub(crate) const NOWHERE: u32 = u32::MAX;

/// The stored (or about to be stored) response without its body.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Status line and end-to-end field lines as they are sent, Content-Length (when known) and Via
    /// included, without Age, Cache-Status, Connection and the final empty line. A buffer of its
    /// own: a slice of a larger one would keep that alive uncounted.
    pub head: Bytes,
    /// Status code.
    pub status: u16,
    /// Freshness, fixed at `received`.
    pub freshness: Freshness,
    /// Response directives.
    pub directives: ResponseDirectives,
    /// The secondary key.
    pub vary: VaryKey,
    /// When the response was received.
    pub received: Seconds,
    /// Body length when known beforehand.
    pub length: Option<u64>,
    /// What it can be purged by, beside its key.
    pub labels: Labels,
}

impl Prepared {
    /// Reads the stored head's fields (parses it again: only conditional, range and validating
    /// requests want this).
    pub fn with_fields<R>(&self, f: impl FnOnce(Fields<'_>) -> R) -> R {
        // The head was written by us and passed the limits of the day it came; they must not refuse it now.
        const NONE: HeadLimits = HeadLimits {
            bytes: usize::MAX,
            target: usize::MAX,
            fields: usize::MAX,
        };
        let mut whole = Vec::with_capacity(self.head.len() + 2);
        whole.extend_from_slice(&self.head);
        whole.extend_from_slice(b"\r\n");
        match parse_response(&whole, &NONE, Vec::new()) {
            Ok(Some(parts)) => f(parts.with(whole.as_slice()).fields()),
            Ok(None) | Err(_) => f(Fields::new(&[], &[], &[])),
        }
    }

    /// The same response, stale from now on: also by the clock of a worker that has not seen this second begin.
    pub fn spent(&self, now: Seconds) -> Prepared {
        let age = self.freshness.age(now).saturating_sub(1);
        Prepared {
            freshness: Freshness {
                lifetime: self.freshness.lifetime.min(age),
                ..self.freshness
            },
            ..self.clone()
        }
    }

    /// Budget bytes of an entry with this head under a key of `key` bytes, body and trailers excepted.
    pub(crate) fn cost(&self, key: usize) -> u64 {
        ENTRY_OVERHEAD
            + key_cost(key)
            + footprint(self.head.len() as u64)
            // Names and values are two allocations: one more rounding.
            + footprint(self.vary.weight() as u64 + 16)
            + self.labels.cost()
    }
}

/// The two halves of a number.
#[inline]
fn halves(both: u64) -> (usize, usize) {
    ((both >> 32) as usize, both as u32 as usize)
}

/// A stored response: complete, or parts of one.
#[derive(Debug)]
pub struct Stored {
    prepared: Arc<Prepared>,
    blocks: SmallVec<[Bytes; 1]>,
    /// Which bytes of the body the blocks are, when they are not all of them.
    spans: Option<Box<[ByteSpan]>>,
    trailers: Bytes,
    length: u64,
    weight: u64,
    visited: AtomicBool,
    pub(crate) place: AtomicU32,
    pub(crate) attempts: Attempts,
    /// How many its shard had published when it was published.
    pub(crate) stamp: AtomicU64,
    /// Where lines of modules stand in the head: start and end, 32 bits each.
    standing: AtomicU64,
    _share: Reservation,
}

impl Stored {
    /// A response of these parts; `share` pays for all but the blocks, which pay for themselves.
    pub(crate) fn new(
        prepared: Arc<Prepared>,
        blocks: SmallVec<[Bytes; 1]>,
        trailers: Bytes,
        share: Reservation,
    ) -> Stored {
        let body: u64 = blocks.iter().map(|block| block_cost(block.len())).sum();
        Stored {
            prepared,
            length: blocks.iter().map(|block| block.len() as u64).sum(),
            blocks,
            spans: None,
            trailers,
            weight: share.bytes() + body,
            visited: AtomicBool::new(false),
            place: AtomicU32::new(NOWHERE),
            attempts: Attempts::default(),
            stamp: AtomicU64::new(0),
            standing: AtomicU64::new(0),
            _share: share,
        }
    }

    /// The same body under a new head (RFC 9111 section 4.3.4).
    pub(crate) fn freshened(&self, prepared: Arc<Prepared>, share: Reservation) -> Stored {
        let blocks = self.blocks.clone();
        Stored {
            spans: self.spans.clone(),
            ..Stored::new(prepared, blocks, self.trailers.clone(), share)
        }
    }

    /// Parts of a response: the blocks hold the bytes of these spans, one after the other. `prepared` is of the whole, its
    /// length included.
    pub(crate) fn in_parts(
        prepared: Arc<Prepared>,
        blocks: SmallVec<[Bytes; 1]>,
        spans: Box<[ByteSpan]>,
        share: Reservation,
    ) -> Stored {
        Stored {
            spans: Some(spans),
            ..Stored::new(prepared, blocks, Bytes::new(), share)
        }
    }

    /// Whether only parts of the body are here.
    #[inline]
    pub fn is_part(&self) -> bool {
        self.spans.is_some()
    }

    /// Which bytes of the body are here, when it is not all of them.
    pub fn spans(&self) -> Option<&[ByteSpan]> {
        self.spans.as_deref()
    }

    /// The length of the whole body, whether all of it is here or not.
    pub fn complete_length(&self) -> u64 {
        match self.spans {
            Some(_) => self.prepared.length.unwrap_or(0),
            None => self.length,
        }
    }

    /// Budget bytes of all but its body, under a key of `key` bytes.
    pub(crate) fn head_cost(&self, key: usize) -> u64 {
        self.prepared.cost(key) + self.extra_cost()
    }

    /// Budget bytes beside head and body: of the trailers, or of the list of spans.
    pub(crate) fn extra_cost(&self) -> u64 {
        let spans = self.spans.as_ref().map_or(0, |_| SPANS_COST);
        footprint(self.trailers.len() as u64) + spans
    }

    /// The lines of the head that were last found to stand together, none elsewhere of their names ([`Stored::note_standing`]); else
    /// nothing.
    #[inline]
    pub fn standing(&self) -> &[u8] {
        // A note of its own: nothing else is told by it.
        let (start, end) = halves(self.standing.load(Ordering::Relaxed));
        self.prepared.head.get(start..end).unwrap_or_default()
    }

    /// Notes where lines stand in the head, none elsewhere of their names: who asks for the same next need not look for them. True for
    /// as long as this lives, as its head never changes.
    pub fn note_standing(&self, lines: Range<usize>) {
        if let (Ok(start), Ok(end)) = (u32::try_from(lines.start), u32::try_from(lines.end)) {
            let both = u64::from(start) << 32 | u64::from(end);
            self.standing.store(both, Ordering::Relaxed);
        }
    }

    /// Head and freshness.
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// The body, in one or more blocks.
    pub fn blocks(&self) -> &[Bytes] {
        &self.blocks
    }

    /// Trailer section received with it (field lines each ending in CRLF), usually empty.
    pub fn trailers(&self) -> &Bytes {
        &self.trailers
    }

    /// How many bytes of the body are here.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// Bytes it takes of the budget: key, head, blocks, index and queue.
    pub fn weight(&self) -> u64 {
        self.weight
    }

    /// Marks it as used, for eviction: one relaxed atomic, written only when not already set.
    pub fn touch(&self) {
        // Reading first keeps the cache line shared between the workers that serve a hot entry.
        if !self.visited.load(Ordering::Relaxed) {
            self.visited.store(true, Ordering::Relaxed);
        }
    }

    /// The right to validate it in the background: one asker at a time gets it, and none for a while after a failure.
    pub fn attempt(self: &Arc<Self>, now: Seconds) -> Option<Attempt> {
        Attempt::begin(self, now)
    }

    /// Whether it was used since the hand last passed.
    pub(crate) fn is_marked(&self) -> bool {
        self.visited.load(Ordering::Relaxed)
    }

    /// Takes the mark away; whether it was there.
    pub(crate) fn take_mark(&self) -> bool {
        self.visited.load(Ordering::Relaxed) && self.visited.swap(false, Ordering::Relaxed)
    }
}
