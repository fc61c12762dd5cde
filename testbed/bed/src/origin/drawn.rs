//! What the origin draws numbers for, so that no two things share a draw.
//!
//! Invariant: these words are above every kind of content, whose numbers stand in the same place in [`super::server_of`].

use crate::world::draw;

pub(super) const POSTED: u64 = 1 << 8;
pub(super) const THINK: u64 = POSTED + 1;
pub(super) const ABORT: u64 = POSTED + 2;
pub(super) const PLACE: u64 = POSTED + 3;
pub(super) const UPLOAD: u64 = POSTED + 4;
pub(super) const ANSWER: u64 = POSTED + 5;
pub(super) const CONNECTION: u64 = POSTED + 6;
pub(super) const HANDSHAKE: u64 = POSTED + 7;
pub(super) const CHUNKED: u64 = POSTED + 8;

/// The words that name one of these for a request, a connection or an object of this number.
pub(super) fn of(what: u64, number: u64) -> [u64; 3] {
    [draw::ORIGIN, what, number]
}
