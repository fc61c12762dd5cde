//! Idle connections: a stack for each destination, and one list by age through all of them.
//!
//! Invariant: a node is in exactly one stack and in the list by age, or free; `len` counts the former, and no limit is
//! exceeded. The newest connection of a destination is used first, so that surplus ones grow old and go. Awkward case:
//! the oldest of all is always at the bottom of its stack, so evicting it needs no search.

use std::cell::Cell;
use std::rc::Rc;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// No node.
const NONE: u32 = u32::MAX;

/// A destination's place in the pool. Life: made at the first dial; forgotten when nothing idle or in use refers to it.
#[derive(Debug)]
pub(crate) struct Slot {
    top: Cell<u32>,
    bottom: Cell<u32>,
    idle: Cell<usize>,
    /// Connections in use, dials included: what balancing goes by.
    pub(crate) outstanding: Cell<usize>,
}

impl Slot {
    pub(crate) fn new() -> Rc<Slot> {
        Rc::new(Slot {
            top: Cell::new(NONE),
            bottom: Cell::new(NONE),
            idle: Cell::new(0),
            outstanding: Cell::new(0),
        })
    }

    /// Idle connections of this destination.
    pub(crate) fn idle(&self) -> usize {
        self.idle.get()
    }
}

/// An idle connection; it holds no buffer.
#[derive(Debug)]
struct Idle<C> {
    connection: C,
    since: Instant,
    slot: Rc<Slot>,
}

/// A place in the slab: its neighbours by age, and in its stack.
#[derive(Debug)]
struct Node<C> {
    idle: Option<Idle<C>>,
    older: u32,
    newer: u32,
    below: u32,
    above: u32,
}

/// What the pool may hold.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    pub(crate) per_destination: usize,
    pub(crate) total: usize,
}

/// The idle connections of a worker, whatever a connection is.
#[derive(Debug)]
pub(crate) struct Pool<C> {
    nodes: Vec<Node<C>>,
    free: Vec<u32>,
    oldest: u32,
    newest: u32,
    len: usize,
    limits: Limits,
}

impl<C> Pool<C> {
    pub(crate) fn new(limits: Limits) -> Pool<C> {
        Pool {
            nodes: Vec::new(),
            free: Vec::new(),
            oldest: NONE,
            newest: NONE,
            len: 0,
            limits,
        }
    }

    /// Idle connections, all destinations.
    pub(crate) fn len(&self) -> usize {
        self.len
    }

    /// Keeps a connection, at the cost of the oldest of its destination or of all when there is no room.
    pub(crate) fn put(&mut self, slot: &Rc<Slot>, connection: C, now: Instant) {
        if self.limits.per_destination == 0 || self.limits.total == 0 {
            return;
        }
        if slot.idle.get() >= self.limits.per_destination {
            self.remove(slot.bottom.get());
        } else if self.len >= self.limits.total {
            self.remove(self.oldest);
        }
        let idle = Some(Idle {
            connection,
            since: now,
            slot: slot.clone(),
        });
        let node = Node {
            idle,
            older: self.newest,
            newer: NONE,
            below: slot.top.get(),
            above: NONE,
        };
        let at = match self.free.pop() {
            Some(at) => {
                if let Some(place) = self.nodes.get_mut(at as usize) {
                    *place = node;
                }
                at
            }
            None => {
                self.nodes.push(node);
                // Each node holds a descriptor, of which there are never so many.
                (self.nodes.len() - 1) as u32
            }
        };
        self.link(self.newest, |n| n.newer = at);
        if self.oldest == NONE {
            self.oldest = at;
        }
        self.newest = at;
        self.link(slot.top.get(), |n| n.above = at);
        if slot.bottom.get() == NONE {
            slot.bottom.set(at);
        }
        slot.top.set(at);
        slot.idle.set(slot.idle.get() + 1);
        self.len += 1;
    }

    /// The newest connection of a destination that is still good; those that are not are closed on the way.
    pub(crate) fn take(&mut self, slot: &Slot, good: impl Fn(&C) -> bool) -> Option<C> {
        while slot.top.get() != NONE {
            let idle = self.remove(slot.top.get())?;
            if good(&idle.connection) {
                return Some(idle.connection);
            }
        }
        None
    }

    /// Closes what has been idle for `timeout` or longer, and what is no longer good.
    pub(crate) fn sweep(&mut self, now: Instant, timeout: Duration, good: impl Fn(&C) -> bool) {
        let mut at = self.oldest;
        while let Some(node) = self.nodes.get(at as usize) {
            let newer = node.newer;
            let done = node.idle.as_ref().is_some_and(|idle| {
                now.saturating_duration_since(idle.since) >= timeout || !good(&idle.connection)
            });
            if done {
                self.remove(at);
            }
            at = newer;
        }
    }

    /// Changes a neighbour, if there is one.
    fn link(&mut self, at: u32, change: impl FnOnce(&mut Node<C>)) {
        if let Some(node) = self.nodes.get_mut(at as usize) {
            change(node);
        }
    }

    /// Takes a node out of both its lists.
    fn remove(&mut self, at: u32) -> Option<Idle<C>> {
        let node = self.nodes.get_mut(at as usize)?;
        let idle = node.idle.take()?;
        let (older, newer, below, above) = (node.older, node.newer, node.below, node.above);
        self.link(older, |n| n.newer = newer);
        self.link(newer, |n| n.older = older);
        self.link(below, |n| n.above = above);
        self.link(above, |n| n.below = below);
        if self.oldest == at {
            self.oldest = newer;
        }
        if self.newest == at {
            self.newest = older;
        }
        let slot = &idle.slot;
        if slot.top.get() == at {
            slot.top.set(below);
        }
        if slot.bottom.get() == at {
            slot.bottom.set(above);
        }
        slot.idle.set(slot.idle.get() - 1);
        self.len -= 1;
        self.free.push(at);
        Some(idle)
    }
}

/// Whether an idle connection is open and silent. Anything readable, end of stream or bytes nobody asked for, makes it
/// useless. The last exchange read short and so left tokio's readiness cleared: a live connection costs no system call.
pub(crate) fn is_quiet(stream: &TcpStream) -> bool {
    let mut byte = [0u8; 1];
    matches!(stream.try_read(&mut byte), Err(error) if error.kind() == std::io::ErrorKind::WouldBlock)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    const SLOTS: usize = 4;
    const TIMEOUT: Duration = Duration::from_secs(10);

    #[derive(Debug, Clone)]
    enum Step {
        Put(usize),
        Take(usize),
        /// Numbers divisible by this are no longer good.
        TakeGood(usize, u32),
        Sweep,
        Wait(u64),
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (0..SLOTS).prop_map(Step::Put),
            2 => (0..SLOTS).prop_map(Step::Take),
            1 => (0..SLOTS, 2..5u32).prop_map(|(s, n)| Step::TakeGood(s, n)),
            1 => Just(Step::Sweep),
            2 => (0..6u64).prop_map(Step::Wait),
        ];
        proptest::collection::vec(step, 0..200)
    }

    /// The pool as it ought to be: one list by age.
    struct Model {
        list: Vec<(usize, u32, u64)>,
        limits: Limits,
    }

    impl Model {
        fn put(&mut self, slot: usize, connection: u32, now: u64) {
            if self.limits.per_destination == 0 || self.limits.total == 0 {
                return;
            }
            if self.list.iter().filter(|e| e.0 == slot).count() >= self.limits.per_destination {
                let at = self.list.iter().position(|e| e.0 == slot).unwrap();
                self.list.remove(at);
            } else if self.list.len() >= self.limits.total {
                self.list.remove(0);
            }
            self.list.push((slot, connection, now));
        }

        fn take(&mut self, slot: usize, good: impl Fn(u32) -> bool) -> Option<u32> {
            while let Some(at) = self.list.iter().rposition(|e| e.0 == slot) {
                let (_, connection, _) = self.list.remove(at);
                if good(connection) {
                    return Some(connection);
                }
            }
            None
        }
    }

    proptest! {
        #[test]
        fn does_what_one_list_by_age_would_do(
            steps in steps(), per_destination in 0..4usize, total in 0..7usize,
        ) {
            let limits = Limits { per_destination, total };
            let mut pool = Pool::new(limits);
            let mut model = Model { list: Vec::new(), limits };
            let slots: Vec<_> = (0..SLOTS).map(|_| Slot::new()).collect();
            let (start, mut now, mut next) = (Instant::now(), 0, 0u32);
            for step in steps {
                let time = start + Duration::from_secs(now);
                match step {
                    Step::Put(slot) => {
                        next += 1;
                        pool.put(&slots[slot], next, time);
                        model.put(slot, next, now);
                    }
                    Step::Take(slot) => {
                        prop_assert_eq!(pool.take(&slots[slot], |_| true), model.take(slot, |_| true));
                    }
                    Step::TakeGood(slot, n) => {
                        let found = pool.take(&slots[slot], |c| c % n != 0);
                        prop_assert_eq!(found, model.take(slot, |c| c % n != 0));
                    }
                    Step::Sweep => {
                        pool.sweep(time, TIMEOUT, |c| c % 7 != 0);
                        model.list.retain(|e| now - e.2 < TIMEOUT.as_secs() && e.1 % 7 != 0);
                    }
                    Step::Wait(seconds) => now += seconds,
                }
                prop_assert_eq!(pool.len(), model.list.len());
                for (at, slot) in slots.iter().enumerate() {
                    prop_assert_eq!(slot.idle(), model.list.iter().filter(|e| e.0 == at).count());
                }
            }
            // Places are reused: the slab is never larger than the limit.
            prop_assert!(pool.nodes.len() <= total.max(1));
        }
    }
}
