//! The module actor: one a loaded module, on the arbiter that loaded it. It watches descriptors for instances in this address space
//! and rings the timer.
//!
//! A descriptor is registered once, for both directions, and anew for each round, for registering tells what is ready already: so
//! readiness is by level, as authors know it from `poll`. Registered is a duplicate that was made where the module asked: a number that
//! the module closes and the system gives to another file is never watched as if it were the same. Invariant: of a descriptor one event
//! is under way. Awkward cases: a module
//! clears a descriptor and closes it while an event of it is under way: the clearing lies in this actor's mailbox before the end of
//! that event, so no round begins on a closed descriptor; one that cannot be watched (a regular file, one that is closed) is
//! logged, counted and forgotten.

use crate::runtime::{Notice, Runtime};
use actix::{Actor, ActorFutureExt, AsyncContext, Context, Handler, Message, SpawnHandle};
use std::cell::RefCell;
use std::collections::HashMap;
use std::os::fd::{OwnedFd, RawFd};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};
use std::task::Poll;
use std::time::Duration;
use tokio::io::unix::AsyncFd;
use understudy_module::Interest;
use understudy_shared::register_for;

/// The shortest time between two calls of `timer`.
const SHORTEST: Duration = Duration::from_millis(10);

/// The actor.
#[derive(Debug)]
pub struct ModuleActor {
    runtime: Weak<dyn Runtime>,
    timer: Option<Duration>,
    ticking: bool,
    watched: HashMap<RawFd, Watched>,
    /// Tells rounds of one descriptor apart, and of another one under its number.
    rounds: u64,
    unwatchable: Arc<AtomicU64>,
}

/// A descriptor and what it is watched for: the tags.
#[derive(Debug)]
struct Watched {
    /// The duplicate.
    own: Arc<OwnedFd>,
    read: Option<u64>,
    write: Option<u64>,
    state: State,
}

#[derive(Debug, Default)]
enum State {
    /// Between rounds.
    #[default]
    Idle,
    /// Registered.
    Waiting(Registered, SpawnHandle),
    /// An event of this round is with the module; then this one, if it is still wanted.
    Told(u64, Option<Interest>),
}

/// A registration that can be ended at once, while a future waits for it.
type Registered = Rc<RefCell<Option<AsyncFd<Arc<OwnedFd>>>>>;

/// Watch a descriptor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
#[allow(missing_docs)]
pub struct Watch {
    pub fd: RawFd,
    /// A duplicate, made where the module asked: later the number may be another file's.
    pub own: std::io::Result<OwnedFd>,
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

/// The module has dealt with an event of this round of a descriptor.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Dealt(RawFd, u64);

/// The module has dealt with the timer.
#[derive(Debug, Message)]
#[rtype(result = "()")]
struct Ticked;

impl Watched {
    fn tag(&mut self, interest: Interest) -> &mut Option<u64> {
        match interest {
            Interest::Read => &mut self.read,
            Interest::Write => &mut self.write,
        }
    }

    fn interests(&self) -> Option<tokio::io::Interest> {
        match (self.read.is_some(), self.write.is_some()) {
            (true, true) => Some(tokio::io::Interest::READABLE | tokio::io::Interest::WRITABLE),
            (true, false) => Some(tokio::io::Interest::READABLE),
            (false, true) => Some(tokio::io::Interest::WRITABLE),
            (false, false) => None,
        }
    }
}

impl ModuleActor {
    /// An actor for this runtime. `unwatchable` counts descriptors that could not be watched.
    pub fn new(
        runtime: &Arc<dyn Runtime>,
        timer: Option<Duration>,
        unwatchable: Arc<AtomicU64>,
    ) -> ModuleActor {
        ModuleActor {
            runtime: Arc::downgrade(runtime),
            timer,
            ticking: false,
            watched: HashMap::new(),
            rounds: 0,
            unwatchable,
        }
    }

    /// Begins a round of a descriptor, or forgets it when it is watched for nothing more.
    fn round(&mut self, fd: RawFd, ctx: &mut Context<Self>) {
        let Some(watched) = self.watched.get_mut(&fd) else {
            return;
        };
        match std::mem::take(&mut watched.state) {
            State::Waiting(registered, waits) => {
                // Before the next registration: there is one a descriptor.
                drop(registered.take());
                ctx.cancel_future(waits);
            }
            // It ends first.
            told @ State::Told(..) => {
                watched.state = told;
                return;
            }
            State::Idle => {}
        }
        let Some(interests) = watched.interests() else {
            self.watched.remove(&fd);
            return;
        };
        let registered = match register_for(watched.own.clone(), interests) {
            Ok(registered) => Rc::new(RefCell::new(Some(registered))),
            Err(why) => {
                self.watched.remove(&fd);
                return self.cannot(fd, &why);
            }
        };
        let (reads, writes) = (interests.is_readable(), interests.is_writable());
        let waits = actix::fut::wrap_future::<_, Self>(ready(registered.clone(), reads, writes))
            .map(move |(read, write), act, ctx| act.fire(fd, read, write, ctx));
        watched.state = State::Waiting(registered, ctx.spawn(waits));
    }

    fn cannot(&self, fd: RawFd, why: &std::io::Error) {
        self.unwatchable.fetch_add(1, Ordering::Relaxed);
        tracing::warn!(fd, "descriptor of a module cannot be watched: {why}");
    }

    /// A descriptor is ready: the module is told, for one direction after the other.
    fn fire(&mut self, fd: RawFd, read: bool, write: bool, ctx: &mut Context<Self>) {
        let Some(watched) = self.watched.get_mut(&fd) else {
            return;
        };
        // The registration ends here: the next one tells what is ready then.
        watched.state = State::Idle;
        self.rounds += 1;
        let round = self.rounds;
        match (read, write) {
            (true, true) => self.tell(fd, round, Interest::Read, Some(Interest::Write), ctx),
            (true, false) => self.tell(fd, round, Interest::Read, None, ctx),
            (false, true) => self.tell(fd, round, Interest::Write, None, ctx),
            (false, false) => self.round(fd, ctx),
        }
    }

    fn tell(
        &mut self,
        fd: RawFd,
        round: u64,
        interest: Interest,
        then: Option<Interest>,
        ctx: &mut Context<Self>,
    ) {
        let Some(watched) = self.watched.get_mut(&fd) else {
            return;
        };
        let (Some(tag), Some(runtime)) = (*watched.tag(interest), self.runtime.upgrade()) else {
            return self.round(fd, ctx);
        };
        watched.state = State::Told(round, then);
        let me = ctx.address();
        let done = Box::new(move |_| me.do_send(Dealt(fd, round)));
        runtime.notify(Notice::Ready(fd, interest, tag), done);
    }
}

/// Waits until a descriptor is ready for what is wanted. Waits for ever when its registration was ended.
async fn ready(registered: Registered, reads: bool, writes: bool) -> (bool, bool) {
    let found = std::future::poll_fn(|cx| {
        let registered = registered.borrow();
        let Some(fd) = &*registered else {
            return Poll::Pending;
        };
        let read = reads && fd.poll_read_ready(cx).is_ready();
        let write = writes && fd.poll_write_ready(cx).is_ready();
        if read || write {
            Poll::Ready((read, write))
        } else {
            Poll::Pending
        }
    })
    .await;
    registered.take();
    found
}

impl Actor for ModuleActor {
    type Context = Context<Self>;

    fn started(&mut self, ctx: &mut Self::Context) {
        let Some(every) = self.timer else { return };
        ctx.run_interval(every.max(SHORTEST), |act, ctx| {
            // A timer that takes longer than its time skips: they must not pile up.
            if act.ticking {
                return;
            }
            if let Some(runtime) = act.runtime.upgrade() {
                act.ticking = true;
                let me = ctx.address();
                runtime.notify(Notice::Timer, Box::new(move |_| me.do_send(Ticked)));
            }
        });
    }
}

impl Handler<Watch> for ModuleActor {
    type Result = ();
    fn handle(&mut self, asked: Watch, ctx: &mut Self::Context) {
        let own = match asked.own {
            Ok(own) => Arc::new(own),
            Err(why) => return self.cannot(asked.fd, &why),
        };
        let watched = self.watched.entry(asked.fd).or_insert_with(|| Watched {
            own: own.clone(),
            read: None,
            write: None,
            state: State::Idle,
        });
        // The file that the number stands for now.
        watched.own = own;
        *watched.tag(asked.interest) = Some(asked.tag);
        self.round(asked.fd, ctx);
    }
}

impl Handler<Unwatch> for ModuleActor {
    type Result = ();
    fn handle(&mut self, asked: Unwatch, ctx: &mut Self::Context) {
        if let Some(watched) = self.watched.get_mut(&asked.fd) {
            *watched.tag(asked.interest) = None;
            self.round(asked.fd, ctx);
        }
    }
}

impl Handler<Dealt> for ModuleActor {
    type Result = ();
    fn handle(&mut self, Dealt(fd, round): Dealt, ctx: &mut Self::Context) {
        let Some(watched) = self.watched.get_mut(&fd) else {
            return;
        };
        match watched.state {
            State::Told(this, then) if this == round => {
                watched.state = State::Idle;
                match then {
                    Some(interest) => self.tell(fd, round, interest, None, ctx),
                    None => self.round(fd, ctx),
                }
            }
            _ => {}
        }
    }
}

impl Handler<Ticked> for ModuleActor {
    type Result = ();
    fn handle(&mut self, _: Ticked, _: &mut Self::Context) {
        self.ticking = false;
    }
}

impl Handler<Close> for ModuleActor {
    type Result = ();
    fn handle(&mut self, _: Close, ctx: &mut Self::Context) {
        actix::ActorContext::stop(ctx);
    }
}
