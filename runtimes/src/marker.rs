//! Which module runs where, told to whoever looks after a crash.
//!
//! A supervisor installs memory that outlives this process; each worker and pool thread has a slot in it, and stores the number of
//! the module it is about to call: one plain store a call. Without a supervisor the slots are ordinary memory.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Slots there are: workers and pool threads. Beyond, the last one is shared.
pub const SLOTS: usize = 256;

static OWN: [AtomicU32; SLOTS] = [const { AtomicU32::new(0) }; SLOTS];
static INSTALLED: OnceLock<&'static [AtomicU32; SLOTS]> = OnceLock::new();
static NEXT: AtomicUsize = AtomicUsize::new(0);

/// Uses this memory; to be called before anything else here. Answers whether it was the first to be.
pub fn install(slots: &'static [AtomicU32; SLOTS]) -> bool {
    INSTALLED.set(slots).is_ok()
}

/// A slot for a worker or a pool thread.
pub fn slot() -> &'static AtomicU32 {
    let slots = INSTALLED.get().copied().unwrap_or(&OWN);
    let next = NEXT.fetch_add(1, Ordering::Relaxed).min(SLOTS - 1);
    &slots[next]
}
