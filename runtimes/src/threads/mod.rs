//! The threads model: a bounded pool that the proxy owns.
//!
//! Submissions of one turn of a worker's loop go to the pool together ([`door`]); a pool thread takes one at a time ([`pool`]), for
//! what it took ahead would wait behind a call that hangs; replies lie in the worker's mailbox and are told together ([`work`]). A
//! module that waits by `Pending` holds no thread.

mod copy;
mod door;
mod pool;
mod work;

use crate::life::{Life, Maker};
use crate::nursery::Nursery;
use crate::runtime::{Done, Door, Notice, Runtime};
use crate::seat::Seat;
use crate::spec::{Kind, Spec};
use pool::{Pool, Source, Terms};
use std::rc::Rc;
use std::sync::Arc;
use understudy_module::{About, Hook};
use work::Job;

/// The runtime. Dropped, its threads end when their work is done; nobody waits for them.
#[derive(Debug)]
pub(crate) struct Threads {
    source: Source,
}

impl Threads {
    /// Starts the pool of a module that was made and initialised.
    ///
    /// # Errors
    /// When not a single thread can be started.
    pub(crate) fn start(
        spec: &Spec,
        about: &About,
        number: u32,
        maker: Maker,
        life: Arc<Life>,
    ) -> Result<Threads, String> {
        let terms = Terms {
            number,
            threads: spec.limits.threads.max(1),
            queue: spec.limits.queue,
            deadline: spec.limits.deadline,
            frees: about.hooks.has(Hook::Free),
            blocking: about.blocking,
        };
        let pool = Pool::new(terms, Nursery::new(maker, life));
        let source = Source::new(&pool);
        pool.fill()
            .map_err(|why| format!("no thread can be started: {why}"))?;
        Ok(Threads { source })
    }
}

impl Runtime for Threads {
    fn kind(&self) -> Kind {
        Kind::Threads
    }

    fn door(&self, seat: &Rc<Seat>) -> Rc<dyn Door> {
        Rc::new(door::ThreadsDoor::new(self.source.clone(), seat))
    }

    fn notify(&self, notice: Notice, done: Done) {
        let job = match notice {
            // In the order in which they come here: of two threads the second may be the quicker.
            Notice::Reconfigure(options) => {
                self.source.nursery().want(options, done);
                Job::Change
            }
            notice => Job::Notice(notice, done),
        };
        self.source.push([job]);
    }

    fn gauges(&self) -> Vec<(&'static str, u64)> {
        self.source.gauges()
    }
}
