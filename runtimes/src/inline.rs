//! The inline model: a direct call on the worker's stack.
//!
//! A panic is caught: that transaction gets the policy, the instance is poisoned, and a new one is made at once for the
//! transactions that begin after. Those in progress finish with the instance they began with.

use crate::failure::Failure;
use crate::life::{Life, Maker};
use crate::runtime::{Done, Door, Entered, Notice, Runtime};
use crate::seat::Seat;
use crate::spec::Kind;
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use understudy_module::{Host, Module};

/// The runtime.
#[derive(Debug)]
pub(crate) struct Inline {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    maker: Maker,
    /// Grows with each instance.
    generation: AtomicU64,
    current: Mutex<Result<Arc<Life>, String>>,
    rebuilt: AtomicU64,
}

/// An instance, as one worker holds it.
#[derive(Debug)]
pub struct Instance {
    life: Arc<Life>,
    generation: u64,
    poisoned: Cell<bool>,
}

impl Inline {
    /// A module that was made and initialised.
    pub(crate) fn new(maker: Maker, life: Arc<Life>) -> Inline {
        Inline {
            shared: Arc::new(Shared {
                maker,
                generation: AtomicU64::new(1),
                current: Mutex::new(Ok(life)),
                rebuilt: AtomicU64::new(0),
            }),
        }
    }
}

impl Shared {
    fn current(&self) -> Result<Arc<Life>, String> {
        self.current
            .lock()
            .unwrap_or_else(|e| e.into_inner())
            .clone()
    }

    /// Makes a new instance in place of a poisoned one, unless that was done already.
    fn rebuild(&self, poisoned: u64) {
        let mut current = self.current.lock().unwrap_or_else(|e| e.into_inner());
        if self.generation.load(Ordering::Acquire) != poisoned {
            return;
        }
        if let Ok(life) = &*current {
            life.poison();
        }
        *current = self.maker.make();
        if let Err(why) = &*current {
            tracing::error!(module = %self.maker.name(), "cannot be made again after a panic: {why}");
        }
        self.rebuilt.fetch_add(1, Ordering::Relaxed);
        self.generation.store(poisoned + 1, Ordering::Release);
    }
}

impl Instance {
    /// The module.
    #[inline]
    pub fn module(&self) -> &dyn Module {
        self.life.module()
    }

    /// Its host.
    #[inline]
    pub fn host(&self) -> &Host {
        self.life.host()
    }

    /// A hook of it panicked.
    pub(crate) fn poison(&self) {
        self.poisoned.set(true);
    }
}

impl Runtime for Inline {
    fn kind(&self) -> Kind {
        Kind::Inline
    }

    fn door(&self, _: &Rc<Seat>) -> Rc<dyn Door> {
        Rc::new(InlineDoor {
            shared: self.shared.clone(),
            cached: RefCell::new(None),
        })
    }

    fn notify(&self, notice: Notice, done: Done) {
        match self.shared.current() {
            Ok(life) => done(life.notice(notice)),
            Err(why) => done(Err(why)),
        }
    }

    fn gauges(&self) -> Vec<(&'static str, u64)> {
        vec![("rebuilt", self.shared.rebuilt.load(Ordering::Relaxed))]
    }
}

#[derive(Debug)]
struct InlineDoor {
    shared: Arc<Shared>,
    cached: RefCell<Option<Rc<Instance>>>,
}

impl Door for InlineDoor {
    #[inline]
    fn enter(&self) -> Result<Entered, Failure> {
        if let Some(instance) = &*self.cached.borrow()
            && !instance.poisoned.get()
            && instance.generation == self.shared.generation.load(Ordering::Acquire)
        {
            return Ok(Entered::Inline(instance.clone()));
        }
        self.enter_anew()
    }
}

impl InlineDoor {
    #[cold]
    fn enter_anew(&self) -> Result<Entered, Failure> {
        if let Some(old) = self.cached.take()
            && old.poisoned.get()
        {
            self.shared.rebuild(old.generation);
        }
        let generation = self.shared.generation.load(Ordering::Acquire);
        let life = self.shared.current().map_err(|_| Failure::Unavailable)?;
        let instance = Rc::new(Instance {
            life,
            generation,
            poisoned: Cell::new(false),
        });
        *self.cached.borrow_mut() = Some(instance.clone());
        Ok(Entered::Inline(instance))
    }
}
