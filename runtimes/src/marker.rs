//! Which module runs where, told to whoever looks after a crash.
//!
//! A supervisor installs memory that outlives this process; each worker and pool thread has a slot in it, and stores the number of
//! the module it is about to call: one plain store a call. Without a supervisor the slots are ordinary memory. A pool thread gives
//! its slot back when it ends, or reloads would use them up.

use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

/// Slots there are: workers and pool threads. Beyond, the last one is shared.
pub const SLOTS: usize = 256;

static OWN: [AtomicU32; SLOTS] = [const { AtomicU32::new(0) }; SLOTS];
static INSTALLED: OnceLock<&'static [AtomicU32; SLOTS]> = OnceLock::new();
static NEXT: AtomicUsize = AtomicUsize::new(0);
static RETURNED: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// Uses this memory; to be called before anything else here. Answers whether it was the first to be.
pub fn install(slots: &'static [AtomicU32; SLOTS]) -> bool {
    INSTALLED.set(slots).is_ok()
}

fn at(index: usize) -> &'static AtomicU32 {
    &INSTALLED.get().copied().unwrap_or(&OWN)[index.min(SLOTS - 1)]
}

fn take() -> usize {
    let mut returned = RETURNED.lock().unwrap_or_else(|e| e.into_inner());
    returned
        .pop()
        .unwrap_or_else(|| NEXT.fetch_add(1, Ordering::Relaxed))
}

/// A slot for a worker, for ever.
pub fn slot() -> &'static AtomicU32 {
    at(take())
}

/// A slot for a thread that ends some time.
#[derive(Debug)]
pub(crate) struct Lent {
    index: usize,
    slot: &'static AtomicU32,
}

impl Lent {
    /// Borrows one.
    pub(crate) fn new() -> Lent {
        let index = take();
        Lent {
            index,
            slot: at(index),
        }
    }

    /// Notes the module that is about to be called, 0 for none.
    #[inline]
    pub(crate) fn set(&self, module: u32) {
        self.slot.store(module, Ordering::Relaxed);
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.set(0);
        // The last one is shared by all who came too late: it is nobody's to give.
        if self.index < SLOTS - 1 {
            let mut returned = RETURNED.lock().unwrap_or_else(|e| e.into_inner());
            returned.push(self.index);
        }
    }
}

thread_local! {
    static HERE: Lent = Lent::new();
}

/// Calls a module on a thread that is neither a worker's nor a pool's.
pub(crate) fn within<R>(module: u32, call: impl FnOnce() -> R) -> R {
    let noted = HERE.try_with(|here| here.set(module)).is_ok();
    let result = call();
    if noted {
        let _ = HERE.try_with(|here| here.set(0));
    }
    result
}
