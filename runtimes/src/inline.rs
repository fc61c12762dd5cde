//! The inline model: a direct call on the worker's stack.
//!
//! A panic is caught: that transaction gets the policy, the instance is poisoned, and a new one is made at once for the
//! transactions that begin after. Those in progress finish with the instance they began with.

use crate::failure::Failure;
use crate::life::{Life, Maker};
use crate::marker;
use crate::nursery::Nursery;
use crate::runtime::{Done, Door, Entered, Notice, Runtime};
use crate::seat::Seat;
use crate::spec::Kind;
use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use understudy_module::{Host, Module};

/// The runtime.
#[derive(Debug)]
pub(crate) struct Inline {
    number: u32,
    nursery: Arc<Nursery>,
}

/// An instance, as one worker holds it.
#[derive(Debug)]
pub struct Instance {
    life: Arc<Life>,
    generation: u64,
    nursery: Arc<Nursery>,
}

impl Inline {
    /// A module that was made and initialised.
    pub(crate) fn new(number: u32, maker: Maker, life: Arc<Life>) -> Inline {
        Inline {
            number,
            nursery: Arc::new(Nursery::new(maker, life)),
        }
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
    #[cold]
    pub(crate) fn poison(&self) {
        self.nursery.poison(&self.life, self.generation);
        self.nursery.restore();
    }
}

impl Runtime for Inline {
    fn kind(&self) -> Kind {
        Kind::Inline
    }

    fn door(&self, _: &Rc<Seat>) -> Rc<dyn Door> {
        Rc::new(InlineDoor {
            nursery: self.nursery.clone(),
            cached: RefCell::new(None),
        })
    }

    fn notify(&self, notice: Notice, done: Done) {
        let told = marker::within(self.number, || self.nursery.notice(notice));
        done(told);
    }

    fn gauges(&self) -> Vec<(&'static str, u64)> {
        vec![
            ("rebuilt", self.nursery.rebuilt()),
            ("panics", self.nursery.panics()),
        ]
    }
}

#[derive(Debug)]
struct InlineDoor {
    nursery: Arc<Nursery>,
    cached: RefCell<Option<Rc<Instance>>>,
}

impl Door for InlineDoor {
    #[inline]
    fn enter(&self) -> Result<Entered, Failure> {
        if let Some(instance) = &*self.cached.borrow()
            && instance.generation == self.nursery.generation()
        {
            return Ok(Entered::Inline(instance.clone()));
        }
        self.enter_anew()
    }
}

impl InlineDoor {
    #[cold]
    fn enter_anew(&self) -> Result<Entered, Failure> {
        // Its drop may run the module's code: not while the cell is borrowed.
        drop(self.cached.take());
        let (generation, life) = self.nursery.current().map_err(|why| {
            tracing::debug!(module = %self.nursery.name(), "not running: {why}");
            Failure::Unavailable
        })?;
        let instance = Rc::new(Instance {
            life,
            generation,
            nursery: self.nursery.clone(),
        });
        *self.cached.borrow_mut() = Some(instance.clone());
        Ok(Entered::Inline(instance))
    }
}
