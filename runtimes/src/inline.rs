//! The inline model: a direct call on the worker's stack.
//!
//! A panic is caught: that transaction gets the policy, the instance is poisoned, and a new one is made at once for the
//! transactions that begin after. Those in progress finish with the instance they began with. A door makes a new handle each time it is
//! entered: whoever enters often keeps the last one while it is current.

use crate::failure::Failure;
use crate::life::{Life, Maker};
use crate::marker;
use crate::nursery::Nursery;
use crate::runtime::{Done, Door, Entered, Notice, Runtime};
use crate::seat::Seat;
use crate::spec::Kind;
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

    /// Whether it is the one for transactions that begin now.
    #[inline]
    pub(crate) fn is_current(&self) -> bool {
        self.generation == self.nursery.generation()
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
}

impl Door for InlineDoor {
    #[cold]
    fn enter(&self) -> Result<Entered, Failure> {
        let (generation, life) = self.nursery.current().map_err(|why| {
            tracing::debug!(module = %self.nursery.name(), "not running: {why}");
            Failure::Unavailable
        })?;
        Ok(Entered::Inline(Rc::new(Instance {
            life,
            generation,
            nursery: self.nursery.clone(),
        })))
    }
}
