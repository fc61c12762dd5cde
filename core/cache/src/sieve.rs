//! SIEVE with a hand that turns back: which response goes when room is wanted.
//!
//! Owns a queue of every stored response of one shard, newest at the head, and a hand that walks
//! from the oldest towards the newest. The hand spares what was used since it last passed (and takes the
//! mark away) and evicts the first that was not. Compared with LRU a hit moves nothing: it sets one
//! bit. Before it comes to the newest ([`Lap`] says how near) it turns back to the oldest: SIEVE's own would follow the newest for
//! ever, and what it once spared would stay, used or not (docs/adr/0005).
//!
//! Invariant: a response is in the queue exactly while it is in the index, and `Stored::place`
//! names its node (and goes on to name it when it is out). The awkward case is a response some connection is still sending: evicting it
//! frees nothing yet, so the hand passes it by; when once round where it may turn back and twice round all it has met nothing else, the answer
//! is that there is nothing to evict. In a cache that has filled up for the first time everything may
//! have been used, so the hand can have a long way to go: each call says how many steps it allows,
//! and the walk goes on with the next.

use std::sync::{Arc, atomic::Ordering};

use crate::{
    index::Key,
    lap::{Age, Lap},
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
    age: Age,
}

/// The queue of one shard.
#[derive(Debug)]
pub(crate) struct Sieve {
    nodes: Vec<Node>,
    free: Vec<u32>,
    newest: u32,
    oldest: u32,
    hand: u32,
    /// Where the sweep for what is long stale stopped.
    broom: u32,
    len: usize,
    /// Responses the hand has spared since its last victim.
    spared: usize,
    lap: Lap,
}

/// What the hand found.
#[derive(Debug)]
pub(crate) enum Victim {
    /// This one goes: it is out of the queue.
    Found(Key, Arc<Stored>),
    /// Nothing within the steps it was given.
    NotYet,
    /// Everything is in use.
    None,
}

impl Default for Sieve {
    fn default() -> Sieve {
        Sieve {
            nodes: Vec::new(),
            free: Vec::new(),
            newest: NOWHERE,
            oldest: NOWHERE,
            hand: NOWHERE,
            broom: 0,
            len: 0,
            spared: 0,
            lap: Lap::default(),
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
                        age: Age::default(),
                    });
                    place
                }
                _ => return false,
            },
        };
        stored.place.store(place, Ordering::Relaxed);
        let older = self.newest;
        let age = self.lap.insert();
        if let Some(node) = self.node(place) {
            *node = Node {
                entry: Some((key, stored)),
                newer: NOWHERE,
                older,
                age,
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

    /// What stands at a place.
    pub(crate) fn get(&self, place: u32) -> Option<&(Key, Arc<Stored>)> {
        self.nodes.get(place as usize)?.entry.as_ref()
    }

    /// Puts another response where this one stands, with its mark, if it stands anywhere.
    pub(crate) fn replace(&mut self, old: &Arc<Stored>, new: &Arc<Stored>) -> bool {
        let place = old.place.load(Ordering::Relaxed);
        let node = self.node(place).and_then(|node| node.entry.as_mut());
        let Some((_, held)) = node.filter(|(_, held)| Arc::ptr_eq(held, old)) else {
            return false;
        };
        *held = Arc::clone(new);
        new.place.store(place, Ordering::Relaxed);
        new.stamp
            .store(old.stamp.load(Ordering::Relaxed), Ordering::Relaxed);
        if old.is_marked() {
            new.touch();
        }
        true
    }

    /// Takes one out, wherever it stands. It still says where that was, which nobody believes without a look.
    pub(crate) fn remove(&mut self, stored: &Arc<Stored>) -> bool {
        let place = stored.place.load(Ordering::Relaxed);
        let ours = self
            .node(place)
            .and_then(|node| node.entry.as_ref())
            .is_some_and(|(_, held)| Arc::ptr_eq(held, stored));
        ours && self.take(place).is_some()
    }

    /// Takes out the next victim, if there is one within so many `steps`, of which it takes off what
    /// it made.
    pub(crate) fn evict(&mut self, steps: &mut usize) -> Victim {
        // Once round where the hand may turn back; then over all, once to take marks away, once more to find who was not marked
        // again.
        while self.spared < 3 * self.len {
            let Some(left) = steps.checked_sub(1) else {
                return Victim::NotYet;
            };
            *steps = left;
            let place = self.next();
            let Some(node) = self.nodes.get_mut(place as usize) else {
                break;
            };
            self.hand = node.newer;
            let spared = node.entry.as_ref().is_none_or(|(_, stored)| {
                // Of what is in use now the mark says nothing, and stays.
                Arc::strong_count(stored) > OWN_HANDLES
                    || self.lap.meet(&mut node.age, stored.take_mark())
            });
            if !spared && let Some((key, stored)) = self.take(place) {
                self.spared = 0;
                return Victim::Found(key, stored);
            }
            self.spared += 1;
        }
        self.spared = 0;
        Victim::None
    }

    /// Where the hand looks next: on, or again at the oldest.
    fn next(&mut self) -> u32 {
        let hand = self.nodes.get(self.hand as usize);
        // What comes before the newest may all be in use; then it is looked for among these.
        let free = self.spared < self.len;
        match hand {
            Some(node) if !(free && self.lap.is_over(&node.age, self.len)) => self.hand,
            _ => {
                self.lap.begin();
                self.oldest
            }
        }
    }

    /// Takes out what is `dead` among the next `at_most` places of a walk over the whole queue,
    /// which goes on where it stopped.
    pub(crate) fn sweep(
        &mut self,
        at_most: usize,
        dead: impl Fn(&Stored) -> bool,
    ) -> Vec<(Key, Arc<Stored>)> {
        let mut found = Vec::new();
        for _ in 0..at_most.min(self.nodes.len()) {
            // The order does not matter here, so the walk goes over places, which no removal disturbs.
            self.broom = if (self.broom as usize) < self.nodes.len() {
                self.broom
            } else {
                0
            };
            let place = self.broom;
            self.broom += 1;
            let held = self.node(place).and_then(|node| node.entry.as_ref());
            if held.is_some_and(|(_, stored)| dead(stored)) {
                found.extend(self.take(place));
            }
        }
        found
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
        Some(entry)
    }

    fn node(&mut self, place: u32) -> Option<&mut Node> {
        // NOWHERE is beyond any vector we make.
        self.nodes.get_mut(place as usize)
    }
}

#[cfg(test)]
mod ratio_tests;

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use crate::Prepared;
    use bytes::Bytes;
    use proptest::prelude::*;
    use understudy_http::semantics::{
        cache_control::ResponseDirectives, freshness::Freshness, vary::VaryKey,
    };
    use understudy_store::budget::Budget;

    pub(super) fn stored() -> Arc<Stored> {
        let prepared = Prepared {
            head: Bytes::new(),
            status: 200,
            freshness: Freshness {
                response_time: 0,
                corrected_initial_age: 0,
                lifetime: 0,
                heuristic: false,
            },
            directives: ResponseDirectives::default(),
            vary: VaryKey::default(),
            received: 0,
            length: Some(0),
            labels: Default::default(),
        };
        let share = Budget::new(0).empty();
        Arc::new(Stored::new(
            Arc::new(prepared),
            Default::default(),
            Bytes::new(),
            share,
        ))
    }

    /// A queue of responses named by number, and the handles a slot would hold.
    fn queue(names: impl IntoIterator<Item = u8>) -> (Sieve, Vec<Arc<Stored>>) {
        let mut queue = Sieve::default();
        let handles = names
            .into_iter()
            .map(|name| {
                let stored = stored();
                assert!(queue.insert(Arc::from([name]), Arc::clone(&stored)));
                stored
            })
            .collect();
        (queue, handles)
    }

    fn evicted(queue: &mut Sieve) -> Option<u8> {
        match queue.evict(&mut usize::MAX.clone()) {
            Victim::Found(key, _) => Some(key[0]),
            Victim::NotYet => panic!("that were enough steps"),
            Victim::None => None,
        }
    }

    #[test]
    fn the_hand_makes_no_more_steps_than_it_may_and_goes_on_from_there() {
        let (mut queue, handles) = queue(0..100);
        handles.iter().for_each(|stored| stored.touch());
        // It turns back before the newest fifth.
        for turn in 0..8 {
            let mut steps = 10;
            assert!(matches!(queue.evict(&mut steps), Victim::NotYet));
            let spared = handles.iter().filter(|stored| !stored.is_marked()).count();
            assert_eq!((steps, spared), (0, 10 * (turn + 1)));
        }
        let mut steps = 10;
        assert!(matches!(queue.evict(&mut steps), Victim::Found(key, _) if key[0] == 0));
        assert_eq!(steps, 9);
    }

    #[test]
    fn that_all_is_in_use_is_found_out_in_bounded_steps_too() {
        for length in [10, 100] {
            let (mut queue, handles) = queue(0..length);
            let _used = handles.clone();
            for _ in 0..2 {
                let mut turns = 0;
                while let Victim::NotYet = queue.evict(&mut 3_usize.clone()) {
                    turns += 1;
                }
                assert_eq!(turns, (3 * u32::from(length) - 1) / 3);
            }
        }
    }

    #[test]
    fn evicts_the_oldest_first() {
        let (mut queue, _handles) = queue(0..3);
        let order: Vec<_> = std::iter::from_fn(|| evicted(&mut queue)).collect();
        assert_eq!((order, queue.len()), (vec![0, 1, 2], 0));
    }

    #[test]
    fn spares_what_was_used_and_then_no_more() {
        let (mut queue, handles) = queue(0..3);
        handles[0].touch();
        let order: Vec<_> = std::iter::from_fn(|| evicted(&mut queue)).collect();
        assert_eq!(order, [1, 2, 0]);
    }

    #[test]
    fn all_used_alike_is_all_unused() {
        let (mut queue, handles) = queue(0..3);
        handles.iter().for_each(|stored| stored.touch());
        assert_eq!(evicted(&mut queue), Some(0));
    }

    #[test]
    fn passes_by_what_is_in_use_and_ends_when_all_is() {
        let (mut queue, handles) = queue(0..3);
        let _used = (Arc::clone(&handles[0]), Arc::clone(&handles[2]));
        assert_eq!(
            (evicted(&mut queue), evicted(&mut queue), queue.len()),
            (Some(1), None, 2)
        );
    }

    #[test]
    fn a_sweep_goes_on_where_it_stopped_and_takes_only_the_dead() {
        let (mut queue, handles) = queue(0..5);
        handles[1].touch();
        handles[4].touch();
        let mut swept = |at_most| -> Vec<u8> {
            let found = queue.sweep(at_most, |stored| stored.is_marked());
            found.iter().map(|(key, _)| key[0]).collect()
        };
        assert_eq!(
            (swept(2), swept(2), swept(2), swept(9)),
            (vec![1], vec![], vec![4], vec![])
        );
        assert_eq!(queue.len(), 3);
    }

    #[test]
    fn a_stranger_is_not_removed() {
        let (mut queue, handles) = queue(0..2);
        assert!(!queue.remove(&stored()));
        assert!(queue.remove(&handles[0]) && !queue.remove(&handles[0]));
        assert_eq!((evicted(&mut queue), queue.len()), (Some(1), 0));
    }

    #[test]
    fn when_all_before_the_turn_is_in_use_one_of_the_newest_goes() {
        let (mut queue, handles) = queue(0..100);
        let _used: Vec<_> = handles[..99].to_vec();
        assert_eq!((evicted(&mut queue), queue.len()), (Some(99), 99));
        assert_eq!(evicted(&mut queue), None);
    }

    proptest! {
        // Against a plain list: the same members in the same order, whatever is inserted, touched,
        // removed and evicted.
        #[test]
        fn members_and_links_stay_whole(steps in prop::collection::vec((0..4_u8, any::<prop::sample::Index>()), 0..200)) {
            let mut queue = Sieve::default();
            let mut members: Vec<(u8, Arc<Stored>)> = Vec::new();
            for (name, (step, which)) in steps.into_iter().enumerate() {
                let name = name as u8;
                match step {
                    0 => {
                        let stored = stored();
                        queue.insert(Arc::from([name]), Arc::clone(&stored));
                        members.push((name, stored));
                    }
                    _ if members.is_empty() => prop_assert!(evicted(&mut queue).is_none()),
                    1 => members[which.index(members.len())].1.touch(),
                    2 => {
                        let (_, stored) = members.remove(which.index(members.len()));
                        prop_assert!(queue.remove(&stored));
                    }
                    _ => {
                        let gone = evicted(&mut queue);
                        let at = members.iter().position(|(name, _)| Some(*name) == gone);
                        members.remove(at.unwrap());
                    }
                }
                prop_assert_eq!(queue.len(), members.len());
                let mut walked = Vec::new();
                let mut at = queue.oldest;
                while let Some(node) = queue.node(at) {
                    walked.push(node.entry.as_ref().unwrap().0[0]);
                    at = node.newer;
                }
                let expected: Vec<u8> = members.iter().map(|(name, _)| *name).collect();
                prop_assert_eq!(walked, expected);
            }
        }
    }
}
