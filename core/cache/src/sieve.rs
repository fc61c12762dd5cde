//! SIEVE: which response goes when room is wanted.
//!
//! Owns a queue of every stored response of one shard, newest at the head, and a hand that walks from the oldest to the newest.
//! The hand spares what was used since it last passed (and takes the mark away) and evicts the first that was not. Compared with LRU a hit moves nothing:
//! it sets one bit. Invariant: a response is in the queue exactly while it is in the index, and `Stored::place` names its node.
//! The awkward case is a response some connection is still sending: evicting it frees nothing yet, so the hand passes it by; the walk is
//! bounded, and when it meets nothing else the answer is that there is nothing to evict.

use std::sync::{Arc, atomic::Ordering};

use crate::{
    index::Key,
    stored::{NOWHERE, Stored},
};

/// Handles the index and the queue hold themselves; more means that somebody is using the response just now.
const OWN_HANDLES: usize = 2;
/// Budget bytes of a node; the vector of nodes doubles as it grows.
pub(crate) const NODE_COST: u64 = 2 * size_of::<Node>() as u64;

#[derive(Debug)]
struct Node {
    entry: Option<(Key, Arc<Stored>)>,
    newer: u32,
    older: u32,
}

/// The queue of one shard.
#[derive(Debug)]
pub(crate) struct Sieve {
    nodes: Vec<Node>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    hand: u32,
    len: usize,
}

impl Default for Sieve {
    fn default() -> Sieve {
        Sieve {
            nodes: Vec::new(),
            free: Vec::new(),
            newest: NOWHERE,
            oldest: NOWHERE,
            hand: NOWHERE,
            len: 0,
        }
    }
}

impl Sieve {
    /// Responses in the queue.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Adds one as the newest. `false`: the queue is full (2^32 - 1 entries), which no budget reaches.
    pub(crate) fn insert(&mut self, key: Key, stored: Arc<Stored>) -> bool {
        let place = match self.free.pop() {
            Some(place) => place,
            None => match u32::try_from(self.nodes.len()) {
                Ok(place) if place != NOWHERE => {
                    self.nodes.push(Node {
                        entry: None,
                        newer: NOWHERE,
                        older: NOWHERE,
                    });
                    place
                }
                _ => return false,
            },
        };
        stored.place.store(place, Ordering::Relaxed);
        let older = self.newest;
        if let Some(node) = self.node(place) {
            *node = Node {
                entry: Some((key, stored)),
                newer: NOWHERE,
                older,
            };
        }
        match self.node(older) {
            Some(node) => node.newer = place,
            None => self.oldest = place,
        }
        self.newest = place;
        self.len += 1;
        true
    }

    /// Takes one out, wherever it stands.
    pub(crate) fn remove(&mut self, stored: &Arc<Stored>) -> bool {
        let place = stored.place.load(Ordering::Relaxed);
        let ours = self
            .node(place)
            .and_then(|node| node.entry.as_ref())
            .is_some_and(|(_, held)| Arc::ptr_eq(held, stored));
        ours && self.take(place).is_some()
    }

    /// Takes out the next victim.
    pub(crate) fn evict(&mut self) -> Option<(Key, Arc<Stored>)> {
        // Once round to take marks away, once more to find who was not marked again.
        for _ in 0..2 * self.len {
            let place = if self.hand == NOWHERE {
                self.oldest
            } else {
                self.hand
            };
            let node = self.node(place)?;
            let newer = node.newer;
            let (_, stored) = node.entry.as_ref()?;
            let spared = Arc::strong_count(stored) > OWN_HANDLES || stored.take_mark();
            self.hand = newer;
            if !spared {
                return self.take(place);
            }
        }
        None
    }

    fn take(&mut self, place: u32) -> Option<(Key, Arc<Stored>)> {
        let node = self.node(place)?;
        let (newer, older) = (node.newer, node.older);
        let entry = node.entry.take()?;
        match self.node(newer) {
            Some(node) => node.older = older,
            None => self.newest = older,
        }
        match self.node(older) {
            Some(node) => node.newer = newer,
            None => self.oldest = newer,
        }
        if self.hand == place {
            self.hand = newer;
        }
        self.free.push(place);
        self.len -= 1;
        entry.1.place.store(NOWHERE, Ordering::Relaxed);
        Some(entry)
    }

    fn node(&mut self, place: u32) -> Option<&mut Node> {
        // NOWHERE is beyond any vector we make.
        self.nodes.get_mut(place as usize)
    }
}
