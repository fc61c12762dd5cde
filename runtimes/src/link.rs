//! A module as one worker calls it: policy, breaker and accounts around the door.
//!
//! Life of a visit (one module, one transaction): 1. fresh; 2. entered with its first hook; 3. done or failed: no hook but `free`;
//! 4. left: `free`, once; then it may be made fresh for another transaction. Invariant: a visit that was entered is left once.

use crate::accounts::{Accounts, SAMPLE};
use crate::attention::Known;
use crate::costs::{Costs, HookCost};
use crate::failure::Failure;
use crate::inline::Instance;
use crate::loaded::Loaded;
use crate::runtime::{Door, Entered, Far};
use crate::seat::{Reply, Seat, Waiting};
use crate::spec::Kind;
use std::cell::{Cell, OnceCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use understudy_module::{
    Edits, Event, Hook, Mark, Opaque, Panicked, Part, Token, Tokens, Verdict, guard, invoke_since,
};

/// After so many transactions in a row that it failed, a module is left alone for [`PAUSE`].
pub const BREAK_AFTER: u32 = 16;
/// How long a module that fails always is left alone before one transaction tries it again.
pub const PAUSE: Duration = Duration::from_secs(1);

/// One module on one worker.
#[derive(Debug)]
pub struct Link {
    loaded: Arc<Loaded>,
    seat: Rc<Seat>,
    door: Rc<dyn Door>,
    accounts: Arc<Accounts>,
    /// The seat's marker, and what is written there while the module runs: both at hand, as every call needs them.
    marker: &'static AtomicU32,
    number: u32,
    /// It declares `free`.
    frees: bool,
    /// It runs on another stack.
    is_far: bool,
    in_a_row: Cell<u32>,
    broken_until: Cell<Option<Instant>>,
    /// An inline call is timed when its number has none of these bits.
    untimed: Cell<u64>,
    patient: Cell<bool>,
}

/// Of one inline call in [`SAMPLE`].
const SAMPLED: u64 = SAMPLE - 1;
const _: () = assert!(SAMPLE.is_power_of_two());

/// One module's part of one transaction.
#[derive(Debug, Default)]
pub struct Visit {
    /// Where it is entered: here, to be called directly,
    inline: Option<Rc<Instance>>,
    /// or on another stack.
    far: Option<Rc<dyn Far>>,
    opaque: Opaque,
    over: Over,
    /// The opaque value is with a call that was given up: it is freed when that comes back.
    away: bool,
    /// Events went ahead, and none came behind them yet.
    ahead: bool,
    /// An event was given to another stack: one that is entered there may have been passed by all along, by its own promise.
    heard: bool,
    /// What the transaction cost so far, when it is asked for ([`Link::be_precise`]).
    pub cost: Cost,
    /// The same by hook, where that is asked for.
    costs: Option<Box<Costs>>,
}

/// What one module cost one transaction.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Calls.
    pub calls: u32,
    /// Nanoseconds in the module.
    pub time: u64,
    /// Nanoseconds waited for it otherwise.
    pub wait: u64,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Over {
    #[default]
    No,
    Done,
    Failed,
}

/// What a call gives at once.
#[derive(Debug)]
pub enum Called {
    /// The verdict, or why there is none.
    Now(Result<Verdict, Failure>),
    /// It is on its way: poll [`Call`].
    Later(Call),
}

/// A call on its way.
#[derive(Debug)]
pub struct Call {
    waiting: Waiting,
    hook: Hook,
    /// The edits of others end here: what comes behind is undone when the call fails.
    mark: Mark,
}

/// What an inline call gave when it did not just say yes.
struct Told {
    called: Result<Verdict, Panicked>,
    /// Its token was taken.
    waiting: Option<Waiting>,
}

/// The token of an inline call: made when it is asked for.
struct Lazy<'a> {
    link: &'a Link,
    event: &'a Event<'a>,
    waiting: OnceCell<Waiting>,
}

impl Tokens for Lazy<'_> {
    fn token(&self) -> Token {
        let waiting = self.waiting.get_or_init(|| {
            let limit = self.link.loaded.spec().limits.deadline;
            self.link
                .seat
                .begin(self.event.id, None, Instant::now(), limit)
        });
        Token {
            transaction: self.event.id,
            call: waiting.call(),
        }
    }
}

impl Visit {
    /// Whether the module wants to hear more of this transaction.
    #[inline]
    pub fn is_open(&self) -> bool {
        self.over == Over::No
    }

    /// Whether it was called at all.
    pub fn was_entered(&self) -> bool {
        self.inline.is_some() || self.heard
    }

    /// Whether it failed in this transaction.
    pub fn has_failed(&self) -> bool {
        self.over == Over::Failed
    }

    /// Is fresh again, for another transaction. The one before must have left.
    #[inline]
    pub fn renew(&mut self) {
        debug_assert!(!self.was_entered() && self.far.is_none() && self.opaque.is_none());
        self.over = Over::No;
        self.away = false;
        self.ahead = false;
        self.cost = Cost::default();
        if let Some(costs) = &mut self.costs {
            costs.clear();
        }
    }

    /// What each hook cost so far, when it is asked for ([`Link::be_precise`]).
    pub fn costs(&self) -> &[HookCost] {
        self.costs.as_deref().map_or(&[], Costs::all)
    }

    /// Whether that is to be kept from now on.
    fn keep_costs(&mut self, keep: bool) {
        match (&self.costs, keep) {
            (None, true) => self.costs = Some(Box::default()),
            (Some(_), false) => self.costs = None,
            _ => {}
        }
    }

    /// Adds to what a hook cost, where that is kept.
    #[inline]
    fn tell(&mut self, hook: Hook, add: impl FnOnce(&mut HookCost)) {
        if let Some(costs) = &mut self.costs {
            add(costs.of(hook));
        }
    }

    /// No hook but `free` any more.
    pub fn close(&mut self) {
        if self.over == Over::No {
            self.over = Over::Done;
        }
    }
}

impl Link {
    /// A module on the worker of this seat, on whose thread this is called.
    pub fn new(loaded: Arc<Loaded>, seat: &Rc<Seat>) -> Link {
        let door = loaded.runtime().door(seat);
        Link {
            accounts: loaded.new_accounts(),
            marker: seat.marker(),
            number: loaded.number(),
            frees: loaded.hooks().has(Hook::Free),
            is_far: loaded.spec().kind != Kind::Inline,
            loaded,
            seat: seat.clone(),
            door,
            in_a_row: Cell::new(0),
            broken_until: Cell::new(None),
            untimed: Cell::new(SAMPLED),
            patient: Cell::new(false),
        }
    }

    /// The module.
    pub fn loaded(&self) -> &Arc<Loaded> {
        &self.loaded
    }

    /// What it costs on this worker.
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Has every call timed, for whoever wants to know what a transaction cost (Server-Timing, the JSON log).
    pub fn be_precise(&self, precise: bool) {
        self.untimed.set(if precise { 0 } else { SAMPLED });
    }

    /// Never leaves the module alone, however often it fails: for whoever tests how it fails.
    pub fn be_patient(&self) {
        self.patient.set(true);
    }

    /// Calls a hook. The caller has looked that the module wants it and that the visit is open. Edits are put behind those that
    /// are there, unless the call fails.
    #[inline]
    pub fn call(&self, visit: &mut Visit, event: &Event<'_>, edits: &mut Edits) -> Called {
        let mark = edits.mark();
        self.call_since(visit, event, edits, mark)
            .unwrap_or(Called::Now(Ok(Verdict::Continue)))
    }

    /// The same, where it is known already that the edits of others end at `mark`; `None` is `Continue`, at once.
    #[inline]
    pub fn call_since(
        &self,
        visit: &mut Visit,
        event: &Event<'_>,
        edits: &mut Edits,
        mark: Mark,
    ) -> Option<Called> {
        let mut said = None;
        self.ask(visit, event, edits, &mark, &mut said);
        said
    }

    /// The same, to be within its caller: whether the hook plainly says yes, which is its own call and little more. All else is
    /// elsewhere, and what comes of it is put into `said`, where nothing was.
    #[inline(always)]
    pub fn ask(
        &self,
        visit: &mut Visit,
        event: &Event<'_>,
        edits: &mut Edits,
        mark: &Mark,
        said: &mut Option<Called>,
    ) -> bool {
        let Some(instance) = &visit.inline else {
            return self.otherwise(visit, event, edits, mark, said);
        };
        if self.count(&mut visit.cost, event) {
            return self.timed(visit, event, edits, mark, said);
        }
        match self.inline(instance, &mut visit.opaque, event, edits, mark) {
            None => true,
            Some(told) => self.heed(visit, event.hook, edits, mark, told, said),
        }
    }

    /// Counts a call; says whether it is to be timed, where it is inline.
    #[inline(always)]
    fn count(&self, cost: &mut Cost, event: &Event<'_>) -> bool {
        let account = &self.accounts.hooks[event.hook as usize];
        account.calls.add(1);
        cost.calls += 1;
        if let Part::Piece(piece) = &event.part {
            account.bytes_in.add(piece.bytes.len() as u64);
        }
        account.calls.get() & self.untimed.get() == 0
    }

    /// Enters, with the first hook; or is elsewhere.
    #[inline(never)]
    fn otherwise(
        &self,
        visit: &mut Visit,
        event: &Event<'_>,
        edits: &mut Edits,
        mark: &Mark,
        said: &mut Option<Called>,
    ) -> bool {
        if visit.far.is_none() {
            // What is not called is not entered: it has nothing to free, and that all went well says nothing of it.
            if self.is_far && self.loaded.promise().passes(event, edits) {
                return true;
            }
            visit.keep_costs(self.untimed.get() == 0);
            let entered = match self.broken_until.get() {
                Some(_) => self.try_again().and_then(|()| self.door.enter()),
                None => self.door.enter(),
            };
            match entered {
                Ok(Entered::Inline(instance)) => {
                    let instance = &*visit.inline.insert(instance);
                    if self.count(&mut visit.cost, event) {
                        return self.timed(visit, event, edits, mark, said);
                    }
                    return match self.inline(instance, &mut visit.opaque, event, edits, mark) {
                        None => true,
                        Some(told) => self.heed(visit, event.hook, edits, mark, told, said),
                    };
                }
                Ok(Entered::Far(far)) => visit.far = Some(far),
                Err(failure) => {
                    *said = Some(Called::Now(Err(self.failed(visit, event.hook, failure))));
                    return false;
                }
            }
        }
        *said = Some(self.far(visit, event, edits));
        false
    }

    /// Whether the time of being left alone is over; then one transaction tries.
    #[cold]
    fn try_again(&self) -> Result<(), Failure> {
        let now = Instant::now();
        match self.broken_until.get() {
            Some(until) if until > now => Err(Failure::Broken),
            _ => {
                self.broken_until.set(Some(now + PAUSE));
                Ok(())
            }
        }
    }

    /// An inline call.
    #[inline(always)]
    fn inline(
        &self,
        instance: &Instance,
        opaque: &mut Opaque,
        event: &Event<'_>,
        edits: &mut Edits,
        mark: &Mark,
    ) -> Option<Told> {
        let tokens = Lazy {
            link: self,
            event,
            waiting: OnceCell::new(),
        };
        self.marker.store(self.number, Relaxed);
        let (module, host) = (instance.module(), instance.host());
        let called = invoke_since(module, host, event, opaque, edits, mark, &tokens);
        self.marker.store(0, Relaxed);
        match called {
            // A token that was taken for nothing is given up here.
            None => None,
            Some(called) => Some(Told {
                called,
                waiting: tokens.waiting.into_inner(),
            }),
        }
    }

    /// An inline call that is timed.
    #[inline(never)]
    fn timed(
        &self,
        visit: &mut Visit,
        event: &Event<'_>,
        edits: &mut Edits,
        mark: &Mark,
        said: &mut Option<Called>,
    ) -> bool {
        let Some(instance) = &visit.inline else {
            return true;
        };
        let began = Instant::now();
        let told = self.inline(instance, &mut visit.opaque, event, edits, mark);
        let took = began.elapsed().as_nanos() as u64;
        let stands_for = self.untimed.get() + 1;
        self.accounts.hooks[event.hook as usize]
            .time
            .add(took * stands_for);
        visit.cost.time += took;
        visit.tell(event.hook, |cost| {
            cost.called(event);
            cost.time += took;
        });
        if u128::from(took) > self.loaded.spec().limits.deadline.as_nanos() {
            self.overdue(event.hook);
        }
        match told {
            None => true,
            Some(told) => self.heed(visit, event.hook, edits, mark, told, said),
        }
    }

    /// What comes of an inline call that did not just say yes: that is no plain yes.
    #[inline(never)]
    fn heed(
        &self,
        visit: &mut Visit,
        hook: Hook,
        edits: &mut Edits,
        mark: &Mark,
        told: Told,
        said: &mut Option<Called>,
    ) -> bool {
        *said = Some(self.heard(visit, hook, edits, mark, told));
        false
    }

    fn heard(
        &self,
        visit: &mut Visit,
        hook: Hook,
        edits: &mut Edits,
        mark: &Mark,
        told: Told,
    ) -> Called {
        let Told { called, waiting } = told;
        match called {
            Ok(Verdict::Pending) => {
                let Some(waiting) = waiting else {
                    let why = "Pending without a token can never be resumed";
                    let failure = Failure::Fail(why.to_owned());
                    edits.undo(*mark);
                    return Called::Now(Err(self.failed(visit, hook, failure)));
                };
                self.seat.reply(
                    waiting.call(),
                    Reply {
                        verdict: Ok(Verdict::Pending),
                        edits: Edits::new(),
                        opaque: Opaque::None,
                        spent: Duration::ZERO,
                    },
                );
                Called::Later(Call {
                    waiting,
                    hook,
                    mark: *mark,
                })
            }
            Ok(verdict) => {
                let settled = self.settle(visit, hook, verdict);
                if settled.is_err() {
                    edits.undo(*mark);
                }
                Called::Now(settled)
            }
            Err(panicked) => {
                if let Some(instance) = &visit.inline {
                    instance.poison();
                }
                tracing::warn!(module = %self.loaded.name(), hook = hook.name(), "panicked: {}", panicked.0);
                let failure = Failure::Panic(panicked.0);
                Called::Now(Err(self.failed(visit, hook, failure)))
            }
        }
    }

    /// An inline call took longer than its deadline. It cannot be interrupted, and its work is done: it is counted, and told.
    #[cold]
    fn overdue(&self, hook: Hook) {
        self.accounts.overdue.add(1);
        tracing::warn!(module = %self.loaded.name(), hook = hook.name(), "an inline call took longer than its deadline, and every client of the worker waited");
    }

    /// What was done with an event whose answer the module promised before. Where its opaque value is away nothing can go ahead.
    fn knows(
        &self,
        visit: &mut Visit,
        far: &dyn Far,
        event: &Event<'_>,
        edits: &mut Edits,
    ) -> Option<Known> {
        if visit.away {
            return None;
        }
        let known = self.loaded.promise().knows(event, edits, far)?;
        if known == Known::Ahead {
            self.accounts.hooks[event.hook as usize].calls.add(1);
            visit.cost.calls += 1;
            visit.tell(event.hook, |cost| cost.called(event));
            (visit.ahead, visit.heard) = (true, true);
        }
        Some(known)
    }

    fn far(&self, visit: &mut Visit, event: &Event<'_>, edits: &mut Edits) -> Called {
        let Some(far) = &visit.far else {
            // It was just entered.
            return Called::Now(Err(Failure::Unavailable));
        };
        let far = far.clone();
        if self.knows(visit, &*far, event, edits).is_some() {
            return Called::Now(Ok(Verdict::Continue));
        }
        self.count(&mut visit.cost, event);
        visit.tell(event.hook, |cost| cost.called(event));
        let limits = &self.loaded.spec().limits;
        let waiting = self
            .seat
            .begin(event.id, Some(far.clone()), Instant::now(), limits.deadline)
            .heard(visit.heard);
        let opaque = if far.carries() {
            visit.opaque.take()
        } else {
            Opaque::None
        };
        match far.submit(waiting.call(), event, edits, opaque) {
            Ok(()) => {
                visit.away = far.carries();
                // A child comes to whatever it is sent; a thread may not, and then it is taken back.
                (visit.ahead, visit.heard) = (false, visit.heard || !visit.away);
                Called::Later(Call {
                    waiting,
                    hook: event.hook,
                    mark: edits.mark(),
                })
            }
            Err((failure, opaque)) => {
                visit.opaque = opaque;
                waiting.cancel();
                Called::Now(Err(self.failed(visit, event.hook, failure)))
            }
        }
    }

    /// Goes on with a call that is on its way, with the same record of edits it began with.
    pub fn poll(
        &self,
        call: &mut Call,
        visit: &mut Visit,
        edits: &mut Edits,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Verdict, Failure>> {
        let Poll::Ready((reply, took)) = call.waiting.poll(cx) else {
            return Poll::Pending;
        };
        let account = &self.accounts.hooks[call.hook as usize];
        let spent = reply.spent.as_nanos() as u64;
        let waited = (took.as_nanos() as u64).saturating_sub(spent);
        account.time.add(spent);
        account.wait.add(waited);
        visit.cost.time += spent;
        visit.cost.wait += waited;
        visit.tell(call.hook, |cost| {
            cost.time += spent;
            cost.wait += waited;
        });
        if visit.away && !call.waiting.was_left() {
            visit.away = false;
            visit.opaque = reply.opaque;
        }
        if visit.far.is_some() {
            if reply.verdict == Err(Failure::Unavailable) {
                // There is no instance: nobody heard anything, what went ahead included.
                visit.heard = false;
            } else if call.waiting.was_taken_back() {
                // What went ahead of it goes ahead of `free`.
                visit.ahead = visit.heard;
            } else {
                visit.heard = true;
            }
        }
        let settled = match reply.verdict {
            Ok(verdict) => Self::merge(edits, &reply.edits, verdict, call.hook)
                .map_err(|failure| self.failed(visit, call.hook, failure))
                .and_then(|verdict| self.settle(visit, call.hook, verdict)),
            Err(failure) => Err(self.failed(visit, call.hook, failure)),
        };
        if settled.is_err() {
            edits.undo(call.mark);
        }
        Poll::Ready(settled)
    }

    /// Puts the edits that came back behind the others, and looks whether the verdict fits.
    fn merge(
        edits: &mut Edits,
        came: &Edits,
        verdict: Verdict,
        hook: Hook,
    ) -> Result<Verdict, Failure> {
        for edit in came.iter() {
            // Made without the transaction at hand, so nobody has looked yet which hook it is for.
            if !edit.fits(hook) {
                let why = format!("an edit that is not for {}", hook.name());
                return Err(Failure::Fail(why));
            }
            edits
                .repeat(edit)
                .map_err(|refused| Failure::Fail(refused.to_string()))?;
        }
        if verdict.fits(hook) {
            return Ok(verdict);
        }
        let why = format!("{} is no answer to {}", verdict.name(), hook.name());
        Err(Failure::Fail(why))
    }

    /// A whole transaction went well: a hook that does says nothing of the next one.
    #[inline]
    fn worked(&self) {
        if self.in_a_row.get() != 0 {
            self.in_a_row.set(0);
            self.broken_until.set(None);
        }
    }

    fn settle(&self, visit: &mut Visit, hook: Hook, verdict: Verdict) -> Result<Verdict, Failure> {
        match &verdict {
            Verdict::Fail(why) => {
                tracing::info!(module = %self.loaded.name(), hook = hook.name(), "failed: {why}");
                return Err(self.failed(visit, hook, Failure::Fail(why.to_string())));
            }
            Verdict::Done => visit.over = Over::Done,
            Verdict::Replace(bytes) | Verdict::First(bytes) => self.gave(visit, hook, bytes.len()),
            Verdict::Respond(response) => self.gave(visit, hook, response.body().len()),
            _ => {}
        }
        Ok(verdict)
    }

    /// Counts bytes that a hook gave instead of others.
    fn gave(&self, visit: &mut Visit, hook: Hook, bytes: usize) {
        let bytes = bytes as u64;
        self.accounts.hooks[hook as usize].bytes_out.add(bytes);
        visit.tell(hook, |cost| cost.bytes_out += bytes);
    }

    /// Counts a failure and ends the visit; for failures the caller finds, too (a budget that is spent).
    #[cold]
    pub fn failed(&self, visit: &mut Visit, hook: Hook, failure: Failure) -> Failure {
        visit.over = Over::Failed;
        visit.tell(hook, |cost| cost.failures += 1);
        self.accounts.hooks[hook as usize].failures.add(1);
        self.accounts.failures[failure.kind()].add(1);
        if failure != Failure::Broken {
            let in_a_row = self.in_a_row.get() + 1;
            self.in_a_row.set(in_a_row);
            if in_a_row >= BREAK_AFTER && !self.patient.get() {
                if self.broken_until.get().is_none() {
                    tracing::warn!(module = %self.loaded.name(), "failed {in_a_row} times in a row: left alone for a while");
                }
                self.broken_until.set(Some(Instant::now() + PAUSE));
            }
        }
        failure
    }

    /// The transaction is over for this module: `free`, when any hook of it was called. Calls under way must have been dropped.
    #[inline]
    pub fn leave(&self, visit: &mut Visit, transaction: u64) {
        let failed = std::mem::replace(&mut visit.over, Over::Done) == Over::Failed;
        if let Some(instance) = visit.inline.take() {
            if !failed {
                self.worked();
            }
            if self.frees || !visit.opaque.is_none() {
                self.free(&instance, visit.opaque.take(), transaction);
            }
        } else if let Some(far) = visit.far.take() {
            if !failed {
                self.worked();
            }
            self.free_far(&*far, visit, transaction);
        }
    }

    #[inline(never)]
    fn free_far(&self, far: &dyn Far, visit: &mut Visit, transaction: u64) {
        // Who saw no hook has nothing to free; a call that is away is begun, or will be.
        let heard = std::mem::take(&mut visit.heard) || visit.away;
        let frees = self.frees && heard;
        if frees {
            self.accounts.hooks[Hook::Free as usize].calls.add(1);
        }
        let opaque = visit.opaque.take();
        let wanted = frees || !opaque.is_none() || !far.carries() || visit.ahead;
        if !visit.away && wanted {
            far.free(transaction, opaque);
        }
    }

    /// Frees what an inline module kept of a transaction.
    #[inline(always)]
    fn free(&self, instance: &Instance, opaque: Opaque, transaction: u64) {
        self.marker.store(self.number, Relaxed);
        let freed = if self.frees {
            let account = &self.accounts.hooks[Hook::Free as usize];
            account.calls.add(1);
            if account.calls.get() & self.untimed.get() == 0 {
                self.free_timed(instance, opaque, transaction)
            } else {
                guard(|| instance.module().free(transaction, opaque))
            }
        } else {
            // Its drop is the module's code, too.
            guard(|| drop(opaque))
        };
        self.marker.store(0, Relaxed);
        if let Err(panicked) = freed {
            self.free_panicked(instance, panicked);
        }
    }

    /// A `free` that is timed, as one call of other hooks in so many is.
    #[inline(never)]
    fn free_timed(
        &self,
        instance: &Instance,
        opaque: Opaque,
        transaction: u64,
    ) -> Result<(), Panicked> {
        let began = Instant::now();
        let freed = guard(|| instance.module().free(transaction, opaque));
        let took = began.elapsed();
        let stands_for = self.untimed.get() + 1;
        self.accounts.hooks[Hook::Free as usize]
            .time
            .add(took.as_nanos() as u64 * stands_for);
        if took > self.loaded.spec().limits.deadline {
            self.overdue(Hook::Free);
        }
        freed
    }

    #[cold]
    fn free_panicked(&self, instance: &Instance, panicked: Panicked) {
        instance.poison();
        self.accounts.hooks[Hook::Free as usize].failures.add(1);
        self.accounts.failures[0].add(1);
        tracing::warn!(module = %self.loaded.name(), "free panicked: {}", panicked.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_of_a_transaction_is_left_in_a_visit_that_is_fresh_again() {
        let fresh = format!("{:?}", Visit::default());
        for over in [Over::No, Over::Done, Over::Failed] {
            let mut visit = Visit {
                over,
                away: true,
                ahead: true,
                cost: Cost {
                    calls: 1,
                    time: 2,
                    wait: 3,
                },
                ..Visit::default()
            };
            visit.renew();
            assert_eq!(format!("{visit:?}"), fresh);
        }
    }

    #[test]
    fn a_visit_that_is_fresh_again_has_room_for_costs_and_none_in_it() {
        let mut visit = Visit::default();
        visit.tell(Hook::Log, |cost| cost.calls += 1);
        assert!(visit.costs().is_empty(), "nobody asked");
        visit.keep_costs(true);
        for hook in [Hook::Log, Hook::RequestHead, Hook::Log] {
            visit.tell(hook, |cost| cost.calls += 1);
        }
        let calls: Vec<_> = visit.costs().iter().map(|c| (c.hook, c.calls)).collect();
        assert_eq!(calls, [(Hook::Log, 2), (Hook::RequestHead, 1)]);
        visit.renew();
        assert!(visit.costs().is_empty() && visit.costs.is_some());
        visit.keep_costs(false);
        assert!(visit.costs.is_none());
    }
}
