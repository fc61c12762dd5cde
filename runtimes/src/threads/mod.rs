//! The threads model: a bounded pool that the proxy owns.

use crate::life::{Life, Maker};
use crate::runtime::{Done, Door, Notice, Runtime};
use crate::seat::Seat;
use crate::spec::{Kind, Spec};
use std::rc::Rc;
use std::sync::Arc;

/// The runtime.
#[derive(Debug)]
pub(crate) struct Threads {}

impl Threads {
    /// Starts the pool of a module that was made and initialised.
    pub(crate) fn start(_spec: &Spec, _number: u32, _maker: Maker, _life: Arc<Life>) -> Threads {
        Threads {}
    }
}

impl Runtime for Threads {
    fn kind(&self) -> Kind {
        Kind::Threads
    }
    fn door(&self, _seat: &Rc<Seat>) -> Rc<dyn Door> {
        unimplemented!()
    }
    fn notify(&self, _notice: Notice, _done: Done) {}
    fn gauges(&self) -> Vec<(&'static str, u64)> {
        Vec::new()
    }
}
