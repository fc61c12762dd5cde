//! Pieces of a body in order. Invariant: their length is known, and no piece is empty.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// Pieces in order, and how many bytes they are.
#[derive(Debug, Default, Clone)]
pub(crate) struct Queue {
    pieces: VecDeque<Bytes>,
    length: usize,
}

impl Queue {
    pub(crate) fn push(&mut self, piece: Bytes) {
        if !piece.is_empty() {
            self.length += piece.len();
            self.pieces.push_back(piece);
        }
    }

    /// The first piece, or so many bytes of it.
    pub(crate) fn pop(&mut self, most: usize) -> Option<Bytes> {
        let first = self.pieces.front_mut()?;
        let piece = if first.len() > most {
            Some(first.split_to(most))
        } else {
            self.pieces.pop_front()
        };
        self.length -= piece.as_ref().map_or(0, Bytes::len);
        piece
    }

    pub(crate) fn len(&self) -> usize {
        self.length
    }

    /// All of it in one.
    pub(crate) fn join(&mut self) -> Bytes {
        let all = std::mem::take(self);
        match all.pieces.len() {
            1 => all.pieces.into_iter().next().unwrap_or_default(),
            _ => all
                .pieces
                .iter()
                .fold(BytesMut::with_capacity(all.length), |mut joined, piece| {
                    joined.extend_from_slice(piece);
                    joined
                })
                .freeze(),
        }
    }
}
