//! The module actor: one a loaded module, on the arbiter that loaded it. It watches descriptors for instances in this address space
//! and rings the timer.

use crate::runtime::{Notice, Runtime};
use actix::{Actor, AsyncContext, Context, Handler, Message};
use std::os::fd::RawFd;
use std::sync::{Arc, Weak};
use std::time::Duration;
use understudy_module::Interest;

/// The actor.
#[derive(Debug)]
pub struct ModuleActor {
    runtime: Weak<dyn Runtime>,
    timer: Option<Duration>,
}

/// Watch a descriptor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
#[allow(missing_docs)]
pub struct Watch {
    pub fd: RawFd,
    pub interest: Interest,
    pub tag: u64,
}

/// Watch it no longer.
#[derive(Debug, Message)]
#[rtype(result = "()")]
#[allow(missing_docs)]
pub struct Unwatch {
    pub fd: RawFd,
    pub interest: Interest,
}

/// The module is unloaded: end.
#[derive(Debug, Message)]
#[rtype(result = "()")]
pub struct Close;

impl ModuleActor {
    /// An actor for this runtime.
    pub fn new(runtime: &Arc<dyn Runtime>, timer: Option<Duration>) -> ModuleActor {
        ModuleActor {
            runtime: Arc::downgrade(runtime),
            timer,
        }
    }
}

impl Actor for ModuleActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        if let Some(every) = self.timer {
            ctx.run_interval(every.max(Duration::from_millis(10)), |act, _| {
                if let Some(runtime) = act.runtime.upgrade() {
                    runtime.notify(Notice::Timer, Box::new(|_| {}));
                }
            });
        }
    }
}

impl Handler<Watch> for ModuleActor {
    type Result = ();
    fn handle(&mut self, _: Watch, _: &mut Self::Context) {}
}

impl Handler<Unwatch> for ModuleActor {
    type Result = ();
    fn handle(&mut self, _: Unwatch, _: &mut Self::Context) {}
}

impl Handler<Close> for ModuleActor {
    type Result = ();
    fn handle(&mut self, _: Close, ctx: &mut Self::Context) {
        actix::ActorContext::stop(ctx);
    }
}
