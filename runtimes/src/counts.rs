//! The counters of a module's own: made by their first use, added to from any thread, never taken away.
//!
//! Invariant: no lock is taken to add to a counter that there is. A name has the first place of the table, from where its hash
//! points, that no other name had before it. Awkward case: a child counts in a table of its own and sends what was added since;
//! that there is something is told behind the adding and taken before the reading, so nothing stays behind for good.

use foldhash::fast::FixedState;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::hash::BuildHasher;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use understudy_module::{COUNTS, is_count_name};

/// Parts of one counter: so many threads add without a cache line in common.
const PARTS: usize = 8;

/// What was added, by name.
pub type Batch = Vec<(String, u64)>;

#[derive(Debug, Default)]
#[repr(align(64))]
struct Part(AtomicU64);

#[derive(Debug)]
struct Count {
    name: Box<str>,
    parts: [Part; PARTS],
}

/// The counters.
#[derive(Debug)]
pub struct Counts {
    table: [OnceLock<Box<Count>>; COUNTS],
    /// Something was added that nobody took.
    added: AtomicBool,
    complained: AtomicBool,
}

impl Default for Counts {
    fn default() -> Counts {
        Counts {
            table: [const { OnceLock::new() }; COUNTS],
            added: AtomicBool::new(false),
            complained: AtomicBool::new(false),
        }
    }
}

/// Which part is this thread's.
fn part() -> usize {
    static THREADS: AtomicUsize = AtomicUsize::new(0);
    thread_local! {
        static PART: Cell<usize> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed) % PARTS);
    }
    PART.get()
}

impl Counts {
    /// Adds to a counter. A name that will not do is not counted; of the first one that is so it is said why.
    pub fn add(&self, name: &str, amount: u64) -> Option<String> {
        match self.count(name) {
            Some(count) => {
                count.parts[part()].0.fetch_add(amount, Ordering::Relaxed);
                None
            }
            None => (!self.complained.swap(true, Ordering::Relaxed)).then(|| {
                let name: String = name.chars().take(64).collect();
                format!("{name:?} is not counted: a module has {COUNTS} counters at most, with names of a-z, 0-9 and _")
            }),
        }
    }

    fn count(&self, name: &str) -> Option<&Count> {
        let first = FixedState::default().hash_one(name) as usize;
        for at in 0..COUNTS {
            let place = &self.table[first.wrapping_add(at) % COUNTS];
            let count = match place.get() {
                Some(count) => count,
                None if !is_count_name(name) => return None,
                None => place.get_or_init(|| {
                    Box::new(Count {
                        name: name.into(),
                        parts: Default::default(),
                    })
                }),
            };
            if *count.name == *name {
                return Some(count);
            }
        }
        None
    }

    fn all(&self) -> impl Iterator<Item = &Count> {
        self.table
            .iter()
            .filter_map(|place| place.get().map(Box::as_ref))
    }

    /// Adds these to a sum.
    pub fn add_to(&self, sum: &mut BTreeMap<String, u64>) {
        for count in self.all() {
            let parts = count.parts.iter().map(|p| p.0.load(Ordering::Relaxed));
            let to = sum.entry(count.name.to_string()).or_default();
            *to = parts.fold(*to, u64::wrapping_add);
        }
    }

    /// Tells that something was added; whether that is news.
    pub(crate) fn tell(&self) -> bool {
        !self.added.swap(true, Ordering::AcqRel)
    }

    /// Whether something was added that nobody took.
    pub(crate) fn is_told(&self) -> bool {
        self.added.load(Ordering::Relaxed)
    }

    /// What was added since the last time.
    pub(crate) fn take(&self) -> Batch {
        // The look before spares the write where nothing was counted: a write is seen by every thread.
        if !self.is_told() || !self.added.swap(false, Ordering::AcqRel) {
            return Batch::new();
        }
        let since = |count: &Count| {
            let parts = count.parts.iter();
            parts.fold(0u64, |sum, part| {
                sum.wrapping_add(part.0.swap(0, Ordering::Relaxed))
            })
        };
        self.all()
            .map(|count| (count.name.to_string(), since(count)))
            .filter(|(_, amount)| *amount != 0)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sum(counts: &Counts) -> BTreeMap<String, u64> {
        let mut sum = BTreeMap::new();
        counts.add_to(&mut sum);
        sum
    }

    #[test]
    fn every_name_has_its_own_count_up_to_the_last_place() {
        let counts = Counts::default();
        for round in 0..2 {
            for name in 0..COUNTS as u64 {
                assert_eq!(counts.add(&format!("name_{name}"), name + round), None);
            }
        }
        let told = counts.add("one_more", 1);
        assert!(told.is_some_and(|why| why.contains("one_more")));
        assert_eq!(counts.add("another", 1), None, "it is said once");
        let sum = sum(&counts);
        assert_eq!(sum.len(), COUNTS);
        assert!((0..COUNTS as u64).all(|n| sum[&format!("name_{n}")] == 2 * n + 1));
    }

    #[test]
    fn a_name_that_cannot_be_a_label_is_not_counted() {
        for name in ["", "Upper", "a-b", "a b", "\u{e4}", "a\"b", &"x".repeat(65)] {
            let counts = Counts::default();
            assert!(counts.add(name, 1).is_some(), "{name}");
            assert!(sum(&counts).is_empty(), "{name}");
        }
    }

    #[test]
    fn threads_that_count_at_once_lose_nothing_and_what_is_taken_is_taken_once() {
        let counts = Counts::default();
        let mut taken = BTreeMap::<String, u64>::new();
        std::thread::scope(|scope| {
            let adders: Vec<_> = (0..4)
                .map(|_| {
                    scope.spawn(|| {
                        for n in 0..10_000 {
                            counts.add(["a", "b", "c"][n % 3], 1);
                            counts.tell();
                        }
                    })
                })
                .collect();
            while adders.iter().any(|adder| !adder.is_finished()) {
                for (name, amount) in counts.take() {
                    *taken.entry(name).or_default() += amount;
                }
            }
        });
        for (name, amount) in counts.take() {
            *taken.entry(name).or_default() += amount;
        }
        let each = [("a", 4 * 3334), ("b", 4 * 3333), ("c", 4 * 3333)];
        assert_eq!(
            taken,
            each.into_iter().map(|(n, c)| (n.to_owned(), c)).collect()
        );
        assert!(counts.take().is_empty());
    }
}
