//! The instances of a module in this address space: which one new transactions get, and a new one in place of one that panicked.
//!
//! Invariants: number and instance change together, so nobody holds a new instance under an old number; `reconfigure` is called by one
//! thread at a time, so that the options that came last are those that stay. Awkward case: the new instance's `init` fails too; then
//! there is none, and each transaction that wants one tries again (the breaker of its link bounds how often).

use crate::life::{Life, Maker};
use crate::runtime::{Done, Notice};
use std::collections::BTreeMap;
use std::fmt;
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
    changing: Mutex<Changing>,
}

/// New options on their way to the instance.
#[derive(Default)]
struct Changing {
    /// A thread puts some in force.
    busy: bool,
    /// Those that came last.
    next: Option<(BTreeMap<String, String>, Done)>,
}

impl fmt::Debug for Changing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Changing")
            .field("busy", &self.busy)
            .finish_non_exhaustive()
    }
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
            changing: Mutex::default(),
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
        let (told, panicked) = life.notice(notice);
        if panicked {
            self.poison(&life, generation);
            self.restore();
        }
        told
    }

    /// These options are wanted, for [`Nursery::change`] to put in force. Those that wait already are of no more use.
    pub(crate) fn want(&self, options: BTreeMap<String, String>, done: Done) {
        let before = self.changing().next.replace((options, done));
        if let Some((_, done)) = before {
            done(Err("other options came behind them".to_owned()));
        }
    }

    /// Puts in force what is wanted. One thread at a time does: a second one would hang as well where the first does, and whichever
    /// ended last would decide what is in force.
    pub(crate) fn change(&self) {
        loop {
            let (options, done) = {
                let mut changing = self.changing();
                if changing.busy {
                    return;
                }
                let Some(next) = changing.next.take() else {
                    return;
                };
                changing.busy = true;
                next
            };
            done(self.notice(Notice::Reconfigure(options)));
            self.changing().busy = false;
        }
    }

    fn changing(&self) -> MutexGuard<'_, Changing> {
        self.changing.lock().unwrap_or_else(|e| e.into_inner())
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
