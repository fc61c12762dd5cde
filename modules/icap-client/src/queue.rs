//! Pieces of a body in order. Invariant: their length is known, and no piece is empty. Awkward case: a body that comes in crumbs; each
//! would keep the whole of what it was read into, so they are copied together.

use bytes::{Bytes, BytesMut};
use std::collections::VecDeque;

/// A shorter piece is copied.
const SMALL: usize = 1024;
/// Copied pieces are one when they are so long.
const ENOUGH: usize = 4096;

/// Pieces in order, and how many bytes they are.
#[derive(Debug, Default, Clone)]
pub(crate) struct Queue {
    pieces: VecDeque<Bytes>,
    /// Behind them: small ones.
    small: BytesMut,
    length: usize,
}

impl Queue {
    pub(crate) fn push(&mut self, piece: Bytes) {
        self.length += piece.len();
        // One that is alone goes on as it is.
        if piece.len() < SMALL && self.length > piece.len() {
            self.small.extend_from_slice(&piece);
            if self.small.len() >= ENOUGH {
                self.gather();
            }
        } else if !piece.is_empty() {
            self.gather();
            self.pieces.push_back(piece);
        }
    }

    /// The small ones are a piece.
    fn gather(&mut self) {
        if !self.small.is_empty() {
            self.pieces
                .push_back(std::mem::take(&mut self.small).freeze());
        }
    }

    /// The first piece, or so many bytes of it.
    pub(crate) fn pop(&mut self, most: usize) -> Option<Bytes> {
        if self.pieces.is_empty() {
            self.gather();
        }
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
        let mut all = std::mem::take(self);
        all.gather();
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn small_pieces_do_not_each_keep_what_they_were_read_into() {
        let mut queue = Queue::default();
        let mut all = Vec::new();
        for at in 0..20_000_usize {
            let length = [1, 7, 300][at % 3];
            let room = Bytes::from(vec![at as u8; 4096]);
            all.extend_from_slice(&room[..length]);
            queue.push(room.slice(..length));
            if at == 9_000 {
                let large = Bytes::from(vec![b'L'; 5_000]);
                all.extend_from_slice(&large);
                queue.push(large);
            }
        }
        assert_eq!(queue.len(), all.len());
        assert!(
            queue.pieces.len() <= all.len() / 1024,
            "{}",
            queue.pieces.len()
        );
        let mut popped = queue.pop(3).unwrap().to_vec();
        assert!(queue.clone().join() == all[popped.len()..]);
        while let Some(piece) = queue.pop(2_000) {
            popped.extend_from_slice(&piece);
        }
        assert!(popped == all && queue.len() == 0);
    }
}
