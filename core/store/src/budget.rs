//! A byte budget that is a ceiling: reservations succeed or fail, they never overshoot.
//!
//! Owns the count of bytes in use. Invariant: the count is the sum of all live [`Reservation`]s,
//! and no reservation is ever granted that would lift it above the ceiling (one compare-and-swap
//! decides). The awkward case is a ceiling lowered below what is in use (a reload): nothing can be
//! taken back from its holders, so the count stays above it until they give bytes back, and until
//! then every new reservation fails.

use std::sync::{
    Arc,
    atomic::{AtomicU64, Ordering},
};

/// A shared ceiling in bytes.
#[derive(Debug)]
pub struct Budget {
    used: AtomicU64,
    ceiling: AtomicU64,
}

/// Bytes held of a budget; given back when dropped.
#[derive(Debug)]
#[must_use = "a reservation gives its bytes back when it is dropped"]
pub struct Reservation {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Budget {
    /// A budget of `ceiling` bytes.
    pub fn new(ceiling: u64) -> Arc<Budget> {
        Arc::new(Budget {
            used: AtomicU64::new(0),
            ceiling: AtomicU64::new(ceiling),
        })
    }

    /// Bytes reserved now.
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The ceiling.
    pub fn ceiling(&self) -> u64 {
        self.ceiling.load(Ordering::Relaxed)
    }

    /// Bytes that could be reserved now; 0 while a lowered ceiling is still exceeded.
    pub fn available(&self) -> u64 {
        self.ceiling().saturating_sub(self.used())
    }

    /// Changes the ceiling. Bytes in use above a lower one stay counted until their holders give them back.
    pub fn set_ceiling(&self, ceiling: u64) {
        self.ceiling.store(ceiling, Ordering::Relaxed);
    }

    /// Reserves, or not.
    pub fn try_reserve(self: &Arc<Self>, bytes: u64) -> Option<Reservation> {
        self.take(bytes).then(|| Reservation {
            budget: Arc::clone(self),
            bytes,
        })
    }

    /// A reservation of nothing, to be grown.
    pub fn empty(self: &Arc<Self>) -> Reservation {
        Reservation {
            budget: Arc::clone(self),
            bytes: 0,
        }
    }

    // Relaxed everywhere: the count guards no other memory, and the compare-and-swap alone makes it exact.
    fn take(&self, bytes: u64) -> bool {
        if bytes == 0 {
            return true;
        }
        let ceiling = self.ceiling();
        self.used
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, |used| {
                used.checked_add(bytes).filter(|sum| *sum <= ceiling)
            })
            .is_ok()
    }

    fn give(&self, bytes: u64) {
        if bytes > 0 {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        }
    }
}

impl Reservation {
    /// Bytes held.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Reserves `more` in addition; on `false` nothing changed.
    pub fn grow(&mut self, more: u64) -> bool {
        let granted = self.budget.take(more);
        if granted {
            self.bytes += more;
        }
        granted
    }

    /// Gives back all but `bytes`; holding less already, it changes nothing.
    pub fn shrink_to(&mut self, bytes: u64) {
        let surplus = self.bytes.saturating_sub(bytes);
        self.bytes -= surplus;
        self.budget.give(surplus);
    }

    /// Cuts `bytes` off into a reservation of their own; `None`, and nothing changed, when fewer are held.
    pub fn split(&mut self, bytes: u64) -> Option<Reservation> {
        self.bytes = self.bytes.checked_sub(bytes)?;
        Some(Reservation {
            budget: Arc::clone(&self.budget),
            bytes,
        })
    }

    /// Cuts `bytes` off, growing by what is missing first; `None`, and nothing changed, when the
    /// budget has no room.
    pub fn draw(&mut self, bytes: u64) -> Option<Reservation> {
        let missing = bytes.saturating_sub(self.bytes);
        if self.grow(missing) {
            self.split(bytes)
        } else {
            None
        }
    }

    /// Takes over another reservation of the same budget. One of another budget is left counted
    /// there, beside this one's bytes.
    pub fn merge(&mut self, mut other: Reservation) {
        if Arc::ptr_eq(&self.budget, &other.budget) {
            self.bytes += std::mem::take(&mut other.bytes);
        } else {
            debug_assert!(false, "reservations of two budgets cannot be one");
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.budget.give(self.bytes);
    }
}
