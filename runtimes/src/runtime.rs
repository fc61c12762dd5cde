//! The trait behind which the three execution models stand, and what a worker holds of one.
//!
//! A [`Runtime`] is one module in one execution model, for the whole process. A [`Door`] is one worker's way to it. Through the door
//! a transaction enters an instance and stays with it to its end, also when the module is rebuilt or reloaded meanwhile.

use crate::failure::Failure;
use crate::inline::Instance;
use crate::seat::Seat;
use crate::spec::Kind;
use std::os::fd::RawFd;
use std::rc::Rc;
use std::time::{Duration, Instant};
use understudy_module::{Completion, Edits, Event, Interest, Opaque};

/// A module in an execution model.
pub trait Runtime: std::fmt::Debug + Send + Sync {
    /// Which model.
    fn kind(&self) -> Kind;

    /// A worker's way in; made on the worker's thread, where its tasks may be spawned.
    fn door(&self, seat: &Rc<Seat>) -> Rc<dyn Door>;

    /// Tells the module something that is no event of a transaction. `done` is called when the module has dealt with it, on any
    /// thread: with an error when it refused or failed.
    fn notify(&self, notice: Notice, done: Done);

    /// The proxy's settings are others now ([`Services::settings`](crate::Services::settings)): for who keeps a copy of them.
    fn settings_changed(&self) {}

    /// What else is to be counted: a name and a value each, such as restarts.
    fn gauges(&self) -> Vec<(&'static str, u64)>;
}

/// Called when a notice was dealt with.
pub type Done = Box<dyn FnOnce(Result<(), String>) + Send>;

/// What is no event of a transaction.
#[derive(Debug)]
pub enum Notice {
    /// The time between two calls of `timer` has passed.
    Timer,
    /// The options are others now.
    Reconfigure(std::collections::BTreeMap<String, String>),
    /// An operation is over.
    Completed(u64, Completion),
    /// A watched descriptor is ready.
    Ready(RawFd, Interest, u64),
}

/// One worker's way to a module.
pub trait Door: std::fmt::Debug {
    /// The instance that a new transaction is with until its end.
    ///
    /// # Errors
    /// When there is none now.
    fn enter(&self) -> Result<Entered, Failure>;
}

/// An instance that a transaction is with.
#[derive(Debug, Clone)]
pub enum Entered {
    /// In this address space, to be called directly.
    Inline(Rc<Instance>),
    /// On another stack.
    Far(Rc<dyn Far>),
}

/// An instance on another stack, as a worker reaches it.
pub trait Far: std::fmt::Debug {
    /// Sends an event to it. What comes of it is told to the seat under `call`: one [`Seat::reply`], which may say `Pending`.
    /// `edits` are those made before, which the module is to see and not to send back. The opaque value goes along where
    /// [`Far::carries`].
    ///
    /// # Errors
    /// When it cannot be sent; the opaque value comes back.
    fn submit(
        &self,
        call: u64,
        event: &Event<'_>,
        edits: &Edits,
        opaque: Opaque,
    ) -> Result<(), (Failure, Opaque)>;

    /// Takes an event that nobody waits for, to go ahead of the next one of its transaction, or of `free`; `promised` are the bits of
    /// the promise by which its answer is known. `false`: it cannot.
    fn hear(&self, event: &Event<'_>, edits: &Edits, promised: u64) -> bool {
        let _ = (event, edits, promised);
        false
    }

    /// The transaction is over for the module: `free`, and whatever is kept of it. No answer.
    fn free(&self, transaction: u64, opaque: Opaque);

    /// Takes a call back that nobody has begun and nobody will: its opaque value. Events that went ahead of it go ahead of `free` then.
    fn take_back(&self, call: u64) -> Option<Opaque> {
        let _ = call;
        None
    }

    /// This call, which is neither parked nor to be taken back, has passed its deadline, and its transaction does not wait for it any
    /// more. Whoever has it hangs, or will come to it; where that is not known yet, the answer says when it is to be looked at again. `since`:
    /// the number of the seat's newest call when it was begun or looked at last.
    fn late(&self, call: u64, since: u32, now: Instant) -> Option<Duration>;

    /// Whether the opaque value crosses with the events (in this address space) or stays over there.
    fn carries(&self) -> bool;
}
