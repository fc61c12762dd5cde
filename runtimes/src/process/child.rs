//! A child as every thread of the proxy sees it, and what all children of a module share.
//!
//! A child is replaced, never mended: sockets, arena and numbers of one are never those of the next. Invariant: a child in a place has
//! the options in force, or takes part in every change of them that is under way. Awkward case: they change while it starts; then it
//! takes no place, and another is started.

use super::control::{Map, Order};
use super::wire::MAX_FRAME;
use crate::failure::Failure;
use crate::loaded::Environment;
use crate::office::Office;
use crate::runtime::Done;
use crate::spec::Spec;
use rustix::process::{Signal, pidfd_send_signal};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use tokio::sync::mpsc::UnboundedSender;
use understudy_module::{Attention, Completion, Hooks};

/// Bytes of completions that may wait for a child: four of the longest. One that asks for more than it reads is killed.
const MOST_WAITING: usize = 4 * MAX_FRAME;

/// An order, and the descriptors that go with it.
#[derive(Debug)]
pub(crate) struct Packet {
    pub(crate) order: Order,
    pub(crate) fds: Vec<OwnedFd>,
}

impl From<Order> for Packet {
    fn from(order: Order) -> Packet {
        Packet {
            order,
            fds: Vec::new(),
        }
    }
}

/// A child that runs.
#[derive(Debug)]
pub(crate) struct Child {
    /// A number that no other child has.
    pub(crate) number: u64,
    pub(crate) pidfd: OwnedFd,
    /// What it is to be told, and how much that weighs.
    pub(crate) orders: UnboundedSender<(Packet, usize)>,
    /// The weight of what it was not told yet.
    waiting: AtomicUsize,
    /// What it was started with.
    options: Map,
    /// What it promised of its answers, since it was started.
    promised: Mutex<Attention>,
    /// Transactions that are with it.
    pub(crate) busy: AtomicUsize,
    /// Sweeps of workers that had had answers: [`super::signs`].
    pub(crate) beats: AtomicU64,
    /// It is to die, or is dead: no new transaction.
    doomed: AtomicBool,
    /// Why, when it is its own fault.
    garbage: Mutex<Option<String>>,
}

impl Child {
    pub(crate) fn new(
        number: u64,
        pidfd: OwnedFd,
        orders: UnboundedSender<(Packet, usize)>,
        options: Map,
    ) -> Child {
        Child {
            number,
            pidfd,
            orders,
            waiting: AtomicUsize::new(0),
            options,
            promised: Mutex::default(),
            busy: AtomicUsize::new(0),
            beats: AtomicU64::new(0),
            doomed: AtomicBool::new(false),
            garbage: Mutex::new(None),
        }
    }

    /// Whether transactions may enter.
    pub(crate) fn takes(&self) -> bool {
        !self.doomed.load(Ordering::Relaxed)
    }

    /// Tells it something. What is told to a dead child is dropped.
    pub(crate) fn tell(&self, packet: impl Into<Packet>) {
        let packet = packet.into();
        let weight = packet.order.weight();
        self.waiting.fetch_add(weight, Ordering::Relaxed);
        self.send(packet, weight);
    }

    /// Tells it how an operation ended: as much as it asks for, so there is a bound on what it leaves unread.
    pub(crate) fn complete(&self, ticket: u64, completion: Completion, shared: &Weak<Shared>) {
        let order = Order::Completed(ticket, completion);
        let weight = order.weight();
        let before = self.waiting.fetch_add(weight, Ordering::Relaxed);
        if before + weight <= MOST_WAITING {
            return self.send(order.into(), weight);
        }
        self.took(weight);
        // One that is dying reads no more, which is not its fault.
        match shared.upgrade().filter(|_| self.takes()) {
            Some(shared) => self.mad("it does not read what it asked for", &shared),
            None => self.kill(),
        }
    }

    fn send(&self, packet: Packet, weight: usize) {
        if self.orders.send((packet, weight)).is_err() {
            self.took(weight);
        }
    }

    /// So much of what waited for it waits no more.
    pub(crate) fn took(&self, weight: usize) {
        self.waiting.fetch_sub(weight, Ordering::Relaxed);
    }

    /// No new transaction enters; answers whether that was so before.
    pub(crate) fn doom(&self) -> bool {
        self.doomed.swap(true, Ordering::Relaxed)
    }

    /// Ends it, now. Its supervisor sees the end and starts another.
    pub(crate) fn kill(&self) {
        self.doom();
        // It may be dead already.
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// It hangs: it is killed, and counted once.
    pub(crate) fn hung(&self, shared: &Shared) {
        if !self.doom() {
            shared.counts.killed.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(module = %shared.spec.name, "its process hangs and is killed");
        }
        self.kill();
    }

    /// It sent garbage: it is killed, and counted once.
    pub(crate) fn mad(&self, why: &str, shared: &Shared) {
        let first = {
            let mut garbage = lock(&self.garbage);
            let first = garbage.is_none();
            garbage.get_or_insert_with(|| why.to_owned());
            first
        };
        if first {
            shared.counts.garbage.fetch_add(1, Ordering::Relaxed);
            tracing::warn!(module = %shared.spec.name, "its process sent garbage and is killed: {why}");
        }
        self.kill();
    }

    /// What its calls fail with.
    pub(crate) fn failure(&self) -> Failure {
        match &*lock(&self.garbage) {
            Some(why) => Failure::Garbage(why.clone()),
            None => Failure::Died,
        }
    }
}

/// What is counted.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) restarts: AtomicU64,
    pub(crate) killed: AtomicU64,
    pub(crate) garbage: AtomicU64,
    /// Instances made in children in place of others.
    pub(crate) rebuilt: AtomicU64,
    /// Panics in children, in whatever hook.
    pub(crate) panics: AtomicU64,
    /// Calls that children have now.
    pub(crate) away: AtomicUsize,
}

/// What the children of a module share.
pub(crate) struct Shared {
    pub(crate) spec: Spec,
    pub(crate) environment: Environment,
    pub(crate) office: Arc<Office>,
    pub(crate) counts: Counts,
    /// The hooks it declares, known with the first child.
    pub(crate) hooks: std::sync::OnceLock<Hooks>,
    /// Connections that each worker has with each child, known with the first child.
    pub(crate) lanes: std::sync::OnceLock<usize>,
    /// The options in force.
    pub(crate) options: Mutex<Map>,
    /// The children, by place.
    places: Mutex<Vec<Option<Arc<Child>>>>,
    /// Grows when `places` changes.
    generation: AtomicU64,
    /// Changes of the options that are under way, in order. Locked before `options` and `places`.
    pub(crate) rounds: Mutex<BTreeMap<u64, Round>>,
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared")
            .field("name", &self.spec.name)
            .finish_non_exhaustive()
    }
}

/// New options on their way to the children.
pub(crate) struct Round {
    pub(crate) options: Map,
    pub(crate) waiting: Vec<Arc<Child>>,
    pub(crate) accepted: Vec<Arc<Child>>,
    pub(crate) refused: Option<String>,
    pub(crate) done: Done,
}

/// A lock that a panic elsewhere does not spoil.
pub(crate) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(|e| e.into_inner())
}

impl Shared {
    pub(crate) fn new(spec: Spec, environment: Environment, office: Arc<Office>) -> Shared {
        Shared {
            options: Mutex::new(spec.options.clone()),
            places: Mutex::new(vec![None; spec.limits.processes.max(1)]),
            spec,
            environment,
            office,
            counts: Counts::default(),
            hooks: std::sync::OnceLock::new(),
            lanes: std::sync::OnceLock::new(),
            generation: AtomicU64::new(1),
            rounds: Mutex::default(),
        }
    }

    /// Grows when a child comes or goes.
    #[inline]
    pub(crate) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// The children there are.
    pub(crate) fn children(&self) -> Vec<Arc<Child>> {
        lock(&self.places).iter().flatten().cloned().collect()
    }

    /// A child promises this of its answers. It counts when the child has its place: until then it may be one of other options.
    pub(crate) fn attends(&self, child: &Child, attention: Attention) {
        *lock(&child.promised) = attention;
        let of_child = |placed: &Arc<Child>| placed.number == child.number;
        if self.children().iter().any(of_child) {
            self.office.promise().set(attention);
        }
    }

    /// Puts a child, or none, in a place.
    pub(crate) fn place(&self, at: usize, child: Option<Arc<Child>>) {
        if let Some(child) = &child {
            // Who promised nothing since it was started promises nothing.
            self.office.promise().set(*lock(&child.promised));
        }
        if let Some(place) = lock(&self.places).get_mut(at) {
            *place = child;
        }
        self.generation.fetch_add(1, Ordering::AcqRel);
    }

    /// A child that is ready takes its place, unless the options changed while it started. It takes part in the changes under way.
    pub(crate) fn admit(&self, at: usize, child: &Arc<Child>) -> bool {
        let mut rounds = lock(&self.rounds);
        if *lock(&self.options) != child.options {
            return false;
        }
        self.place(at, Some(child.clone()));
        // They may have changed as well; from here on it is told with the others.
        self.tell_settings(child);
        for (id, round) in &mut *rounds {
            child.tell(Order::Reconfigure(*id, round.options.clone()));
            round.waiting.push(child.clone());
        }
        true
    }

    /// Tells a child the proxy's settings.
    pub(crate) fn tell_settings(&self, child: &Child) {
        let settings = self.environment.services.settings();
        child.tell(Order::Settings(settings));
    }

    /// Puts other options in force in all children, or in none.
    pub(crate) fn reconfigure(&self, options: Map, done: Done) {
        let mut rounds = lock(&self.rounds);
        let children = self.children();
        if children.is_empty() {
            // The next one is started with them; if it refuses, that is seen there.
            *lock(&self.options) = options;
            drop(rounds);
            return done(Ok(()));
        }
        let id = crate::office::number();
        for child in &children {
            child.tell(Order::Reconfigure(id, options.clone()));
        }
        rounds.insert(
            id,
            Round {
                options,
                waiting: children.clone(),
                accepted: Vec::new(),
                refused: None,
                done,
            },
        );
        drop(rounds);
        for child in children {
            if child.orders.is_closed() {
                self.told(&child, id, Err("its process died".to_owned()));
            }
        }
    }

    /// A child took the options, or not.
    pub(crate) fn told(&self, child: &Arc<Child>, id: u64, outcome: Result<(), String>) {
        let mut rounds = lock(&self.rounds);
        let Some(round) = rounds.get_mut(&id) else {
            return;
        };
        let Some(at) = round.waiting.iter().position(|c| c.number == child.number) else {
            return;
        };
        round.waiting.swap_remove(at);
        match outcome {
            Ok(()) => round.accepted.push(child.clone()),
            Err(why) => round.refused = Some(why),
        }
        if !round.waiting.is_empty() {
            return;
        }
        let Some(round) = rounds.remove(&id) else {
            return;
        };
        let outcome = match round.refused {
            None => {
                *lock(&self.options) = round.options;
                Ok(())
            }
            Some(why) => {
                // Where another change is under way its options come behind these already, and so does what becomes of it.
                if rounds.is_empty() {
                    let before = lock(&self.options).clone();
                    for child in round.accepted {
                        child.tell(Order::Reconfigure(0, before.clone()));
                    }
                }
                Err(why)
            }
        };
        drop(rounds);
        (round.done)(outcome);
    }

    /// A child is gone: nobody waits for it.
    pub(crate) fn gone(&self, child: &Arc<Child>) {
        let open: Vec<u64> = lock(&self.rounds).keys().copied().collect();
        for id in open {
            self.told(child, id, Err("its process died".to_owned()));
        }
    }
}
