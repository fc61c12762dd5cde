//! The instances of a module in this address space: which one new transactions get, and a new one in place of one that panicked.
//!
//! Invariant: number and instance change together, so nobody holds a new instance under an old number. Awkward case: the new
//! instance's `init` fails too; then there is none, and each transaction that wants one tries again (the breaker of its link bounds
//! how often).

use crate::life::{Life, Maker};
use crate::runtime::Notice;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

/// The instances.
#[derive(Debug)]
pub(crate) struct Nursery {
    maker: Maker,
    /// A copy of the number of the current instance, to be read without the lock.
    generation: AtomicU64,
    current: Mutex<(u64, Option<Arc<Life>>)>,
    rebuilt: AtomicU64,
    panicked: AtomicU64,
}

impl Nursery {
    /// Begins with an instance that was made and initialised.
    pub(crate) fn new(maker: Maker, life: Arc<Life>) -> Nursery {
        Nursery {
            maker,
            generation: AtomicU64::new(1),
            current: Mutex::new((1, Some(life))),
            rebuilt: AtomicU64::new(0),
            panicked: AtomicU64::new(0),
        }
    }

    fn lock(&self) -> MutexGuard<'_, (u64, Option<Arc<Life>>)> {
        self.current.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// The module's name.
    pub(crate) fn name(&self) -> &Arc<str> {
        self.maker.name()
    }

    /// The number of the current instance.
    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The current instance and its number; made now, on this stack, when there is none.
    ///
    /// # Errors
    /// When it cannot be made.
    pub(crate) fn current(&self) -> Result<(u64, Arc<Life>), String> {
        let mut current = self.lock();
        if let (number, Some(life)) = &*current {
            return Ok((*number, life.clone()));
        }
        let life = self.make(&mut current)?;
        Ok((current.0, life))
    }

    /// An instance panicked: it gets no new transactions, and no `fini`. The next one is made by whoever asks for it.
    pub(crate) fn poison(&self, life: &Life, generation: u64) {
        self.panicked.fetch_add(1, Ordering::Relaxed);
        life.poison();
        let old = {
            let mut current = self.lock();
            if current.0 != generation {
                return;
            }
            current.0 += 1;
            self.generation.store(current.0, Ordering::Release);
            current.1.take()
        };
        // Its drop may run the module's code: not under the lock.
        drop(old);
    }

    /// Makes a new instance where there is none.
    pub(crate) fn restore(&self) {
        if let Err(why) = self.current() {
            tracing::error!(module = %self.name(), "cannot be made again after a panic: {why}");
        }
    }

    fn make(&self, current: &mut (u64, Option<Arc<Life>>)) -> Result<Arc<Life>, String> {
        let life = self.maker.make()?;
        current.1 = Some(life.clone());
        self.rebuilt.fetch_add(1, Ordering::Relaxed);
        Ok(life)
    }

    /// Tells the current instance something, here and now.
    ///
    /// # Errors
    /// When there is none, it refuses, or panics.
    pub(crate) fn notice(&self, notice: Notice) -> Result<(), String> {
        let (generation, life) = self.current()?;
        let told = life.notice(notice);
        if life.is_poisoned() {
            self.poison(&life, generation);
            self.restore();
        }
        told
    }

    /// Instances made in place of others.
    pub(crate) fn rebuilt(&self) -> u64 {
        self.rebuilt.load(Ordering::Relaxed)
    }

    /// Panics, in whatever hook.
    pub(crate) fn panics(&self) -> u64 {
        self.panicked.load(Ordering::Relaxed)
    }
}
