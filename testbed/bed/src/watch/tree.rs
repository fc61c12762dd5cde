//! Which processes belong to a tree, and what they took together.
//!
//! A process belongs when its parent does, or its session or process group is the root's own: so it still does when its parent left
//! it to init. Invariant: the sum never falls. Awkward case: a process that ends hands its time to the parent that waits for it; if
//! the growth of the nearest living ancestor's waited-for time does not hold it, nobody counted it, and what was last seen is kept.

use super::Stat;
use std::collections::HashMap;

/// Ticks a second in `/proc`: USER_HZ, 100 on every architecture of Linux that Rust has a standard library for.
pub(super) const TICKS: f64 = 100.0;

/// A tree of processes.
#[derive(Debug)]
pub struct Tree {
    root: u32,
    alive: HashMap<u32, Stat>,
    kept: (u64, u64),
    sum: (u64, u64),
}

impl Tree {
    /// The tree under this process.
    #[must_use]
    pub fn new(root: u32) -> Self {
        Self {
            root,
            alive: HashMap::new(),
            kept: (0, 0),
            sum: (0, 0),
        }
    }

    /// The numbers of those that were alive at the last update.
    pub fn alive(&self) -> impl Iterator<Item = u32> {
        self.alive.values().filter(|s| !s.zombie).map(|s| s.pid)
    }

    /// Takes in what all processes are now, and tells the seconds of the tree: user, system.
    pub fn update(&mut self, all: &[Stat]) -> (f64, f64) {
        let now = self.members(all);
        let mut pools: HashMap<u32, (u64, u64)> = HashMap::new();
        for (pid, stat) in &now {
            // What a process has waited for before it was first seen is its own matter.
            let before = self.alive.get(pid).map_or(stat.waited, |old| old.waited);
            let grown = (
                stat.waited.0.saturating_sub(before.0),
                stat.waited.1.saturating_sub(before.1),
            );
            pools.insert(*pid, grown);
        }
        let gone = self.alive.values().filter(|s| !now.contains_key(&s.pid));
        for gone in gone {
            let pool = ancestor(gone, &self.alive, &now).and_then(|pid| pools.get_mut(&pid));
            let mut nothing = (0, 0);
            let pool = pool.unwrap_or(&mut nothing);
            let left = |took: u64, pool: &mut u64| {
                let held = took.min(*pool);
                *pool -= held;
                took - held
            };
            self.kept.0 += left(gone.own.0 + gone.waited.0, &mut pool.0);
            self.kept.1 += left(gone.own.1 + gone.waited.1, &mut pool.1);
        }
        let user = now.values().map(|s| s.own.0 + s.waited.0).sum::<u64>();
        let system = now.values().map(|s| s.own.1 + s.waited.1).sum::<u64>();
        self.sum.0 = self.sum.0.max(user + self.kept.0);
        self.sum.1 = self.sum.1.max(system + self.kept.1);
        self.alive = now;
        (self.sum.0 as f64 / TICKS, self.sum.1 as f64 / TICKS)
    }

    fn members(&self, all: &[Stat]) -> HashMap<u32, Stat> {
        let mut found: HashMap<u32, Stat> = HashMap::new();
        let belongs = |s: &Stat, found: &HashMap<u32, Stat>| {
            s.pid == self.root
                || s.session == self.root
                || s.group == self.root
                || found.contains_key(&s.parent)
                || self
                    .alive
                    .get(&s.pid)
                    .is_some_and(|old| old.began == s.began)
        };
        // A child may stand before its parent; each round finds at least one level.
        loop {
            let before = found.len();
            for stat in all {
                if !found.contains_key(&stat.pid) && belongs(stat, &found) {
                    found.insert(stat.pid, *stat);
                }
            }
            if found.len() == before {
                return found;
            }
        }
    }
}

/// The nearest ancestor that is still alive.
fn ancestor(gone: &Stat, before: &HashMap<u32, Stat>, now: &HashMap<u32, Stat>) -> Option<u32> {
    let mut parent = gone.parent;
    // No chain is longer than there are processes.
    for _ in 0..=before.len() {
        if now.contains_key(&parent) {
            return Some(parent);
        }
        parent = before.get(&parent)?.parent;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    /// pid, parent, own ticks, waited-for ticks; all in user mode.
    fn stat((pid, parent, own, waited): (u32, u32, u64, u64)) -> Stat {
        Stat {
            pid,
            parent,
            group: 0,
            session: 0,
            began: u64::from(pid),
            own: (own, 0),
            waited: (waited, 0),
            zombie: false,
        }
    }

    type Look<'a> = (&'a [(u32, u32, u64, u64)], u64);

    #[test]
    fn the_sum_holds_those_that_live_and_those_that_went() {
        let cases: &[(&str, &[Look<'_>])] = &[
            (
                "strangers do not count",
                &[(&[(10, 1, 5, 0), (11, 1, 7, 0)], 5)],
            ),
            (
                "children and grandchildren do, in any order",
                &[(&[(12, 11, 1, 0), (11, 10, 2, 0), (10, 1, 4, 0)], 7)],
            ),
            (
                "a child that was waited for counts once",
                &[
                    (&[(10, 1, 5, 0), (11, 10, 9, 0)], 14),
                    (&[(10, 1, 6, 10)], 16),
                ],
            ),
            (
                "a child that nobody waited for is kept",
                &[
                    (&[(10, 1, 5, 0), (11, 10, 9, 0)], 14),
                    (&[(10, 1, 6, 0)], 15),
                ],
            ),
            (
                "a child left to init still counts, and is kept",
                &[
                    (&[(10, 1, 5, 0), (11, 10, 9, 0)], 14),
                    (&[(11, 1, 10, 0)], 15),
                    (&[], 15),
                ],
            ),
            (
                "of two that went one was waited for",
                &[
                    (&[(10, 1, 0, 0), (11, 10, 9, 0), (12, 10, 9, 0)], 18),
                    (&[(10, 1, 0, 9)], 18),
                ],
            ),
            (
                "a grandchild through its parent",
                &[
                    (&[(10, 1, 1, 0), (11, 10, 2, 0), (12, 11, 4, 0)], 7),
                    (&[(10, 1, 1, 6)], 7),
                ],
            ),
            (
                "what was waited for before the first look",
                &[(&[(10, 1, 1, 50)], 51), (&[(10, 1, 2, 50)], 52)],
            ),
        ];
        for (what, looks) in cases {
            let mut tree = Tree::new(10);
            for (all, expected) in *looks {
                let all: Vec<_> = all.iter().map(|s| stat(*s)).collect();
                let (user, _) = tree.update(&all);
                assert_eq!(user, *expected as f64 / TICKS, "{what}");
            }
        }
    }

    #[test]
    fn a_later_process_of_the_same_number_does_not_belong() {
        let mut tree = Tree::new(10);
        tree.update(&[stat((10, 1, 1, 0)), stat((11, 10, 1, 0))]);
        tree.update(&[stat((10, 1, 1, 1))]);
        let stranger = Stat {
            began: 500,
            ..stat((11, 1, 99, 0))
        };
        assert_eq!(tree.update(&[stat((10, 1, 1, 1)), stranger]).0, 2.0 / TICKS);
    }

    #[test]
    fn the_roots_own_session_and_group_belong() {
        let mut tree = Tree::new(10);
        let session = Stat {
            session: 10,
            ..stat((20, 1, 3, 0))
        };
        let group = Stat {
            group: 10,
            ..stat((21, 1, 4, 0))
        };
        assert_eq!(tree.update(&[session, group]).0, 7.0 / TICKS);
    }

    #[test]
    fn parents_in_a_circle_end() {
        let mut tree = Tree::new(10);
        tree.update(&[stat((10, 11, 1, 0)), stat((11, 10, 1, 0))]);
        assert_eq!(tree.update(&[]).0, 2.0 / TICKS);
    }
}
