//! The network between proxy and origin, emulated: when bytes sent over a long, lossy path would be there.
//!
//! The model, for a delay `d` each way and a share `p` of segments lost:
//!
//! - A new connection costs one round trip, `2d`; a lost SYN or SYN-ACK one second more (RFC 6298 2.1).
//! - Bytes travel in segments of 1448 bytes. The first 10 leave at once (RFC 6928), then each round trip twice as many as the one
//!   before (RFC 5681 3.1), 512 at most: window `k` leaves at `2dk`.
//! - A lost segment is sent again after a time-out of max(200 ms, `2d`) and then gets through. It and all behind it are that much
//!   later: bytes are read in order.
//! - What leaves at `t` is there at `t + d`.
//! - A message begins with the first window again: think time is longer than a round trip, and a sender that was idle for longer
//!   than its time-out starts anew (RFC 5681 4.1).
//!
//! Invariant: all here is a function of its arguments; no clock, no socket. Awkward case: with neither delay nor loss there is no
//! network at all, and whatever is sent is there at once, in one burst.

use crate::seed::Stream;
use rand_xoshiro::rand_core::Rng;
use std::time::Duration;

/// Bytes of a body in a segment: an Ethernet frame's 1500 without the heads of IPv4, of TCP and its time stamps.
pub const SEGMENT: u64 = 1448;

/// Segments of the first window.
pub const INITIAL_WINDOW: u64 = 10;

/// Segments of the largest window: 724 KiB, what a default socket buffer of some MB lets be under way.
pub const LARGEST_WINDOW: u64 = 512;

/// The shortest time-out after which a lost segment is sent again, as Linux has it.
pub const SHORTEST_TIMEOUT: Duration = Duration::from_millis(200);

/// The time-out of a SYN.
pub const SYN_TIMEOUT: Duration = Duration::from_secs(1);

/// A path between two hosts.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Path {
    /// One way.
    pub delay: Duration,
    /// The share of segments lost.
    pub loss: f64,
}

/// Bytes that leave together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Burst {
    /// When they leave, from the beginning of the message.
    pub at: Duration,
    /// How many.
    pub bytes: u64,
}

impl Path {
    /// There and back.
    #[must_use]
    pub fn round_trip(&self) -> Duration {
        2 * self.delay
    }

    /// Until a lost segment is sent again.
    #[must_use]
    pub fn timeout(&self) -> Duration {
        self.round_trip().max(SHORTEST_TIMEOUT)
    }

    /// What a new connection costs before its first request leaves.
    #[must_use]
    pub fn handshake(&self, stream: &mut Stream) -> Duration {
        // SYN and SYN-ACK; each is lost once at most.
        let lost = [share(stream), share(stream)]
            .iter()
            .filter(|s| **s < self.loss)
            .count();
        self.round_trip() + SYN_TIMEOUT * u32::try_from(lost).unwrap_or(0)
    }

    /// The bursts of an endless message; the sender takes as many as it has bytes for.
    #[must_use]
    pub fn bursts(&self, mut stream: Stream) -> Bursts {
        let clean = gap(self.loss, &mut stream);
        Bursts {
            path: *self,
            stream,
            at: Duration::ZERO,
            window: INITIAL_WINDOW,
            left: INITIAL_WINDOW,
            clean,
        }
    }

    /// When the last of this many bytes is there, from when the first one leaves.
    #[must_use]
    pub fn arrival(&self, bytes: u64, stream: Stream) -> Duration {
        let mut left = bytes.max(1);
        for burst in self.bursts(stream) {
            if burst.bytes >= left {
                return burst.at + self.delay;
            }
            left -= burst.bytes;
        }
        self.delay
    }
}

/// The bursts of one message.
#[derive(Debug, Clone)]
pub struct Bursts {
    path: Path,
    stream: Stream,
    at: Duration,
    /// Segments of this round trip.
    window: u64,
    /// Those of them that have not left.
    left: u64,
    /// Segments from here that are not lost.
    clean: u64,
}

impl Iterator for Bursts {
    type Item = Burst;

    fn next(&mut self) -> Option<Burst> {
        if self.path.delay.is_zero() && self.path.loss <= 0.0 {
            return Some(Burst {
                at: Duration::ZERO,
                bytes: u64::MAX,
            });
        }
        if self.left == 0 {
            self.window = (self.window * 2).min(LARGEST_WINDOW);
            self.left = self.window;
            self.at += self.path.round_trip();
        }
        if self.clean == 0 {
            self.at += self.path.timeout();
            // The one sent again gets through.
            self.clean = gap(self.path.loss, &mut self.stream).saturating_add(1);
        }
        let segments = self.left.min(self.clean);
        self.left -= segments;
        self.clean -= segments;
        Some(Burst {
            at: self.at,
            bytes: segments * SEGMENT,
        })
    }
}

/// How many segments get through before one is lost: geometric, one draw for each loss instead of one for each segment.
fn gap(loss: f64, stream: &mut Stream) -> u64 {
    if loss <= 0.0 {
        return u64::MAX;
    }
    if loss >= 1.0 {
        return 0;
    }
    // 1 - share is above 0, so its logarithm is a number; a float beyond u64 becomes the largest.
    ((1.0 - share(stream)).ln() / (1.0 - loss).ln()).floor() as u64
}

/// A number in `[0, 1)`.
fn share(stream: &mut Stream) -> f64 {
    (stream.next_u64() >> 11) as f64 / (1u64 << 53) as f64
}
