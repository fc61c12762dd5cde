//! A module as one worker calls it: policy, breaker and accounts around the door.
//!
//! Here a visit is entered, and called where it is on the worker's own stack; calls on other stacks are in `away`, the end of a visit
//! in `end`. Invariant: whatever is asked of a module is counted, and one that fails is left alone sooner or later. Awkward case: whoever
//! asks several modules guards them all at once against panics ([`Link::within`]), and says afterwards which one it was.

mod away;
mod end;

use crate::accounts::{Accounts, SAMPLE};
use crate::attention::{Promised, pass};
use crate::failure::Failure;
use crate::inline::Instance;
use crate::loaded::Loaded;
use crate::runtime::{Door, Entered};
use crate::seat::{Reply, Seat, Waiting};
use crate::spec::Kind;
use crate::visit::{Cost, Visit};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};
use std::time::{Duration, Instant};
use understudy_module::{
    Edits, Event, Heed, Hook, Mark, Opaque, Panicked, Part, Said, Token, Tokens, Verdict, guard,
    invoke_within,
};

pub use away::Call;

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
    /// The instance that was entered here last.
    last: RefCell<Option<Rc<Instance>>>,
    in_a_row: Cell<u32>,
    broken_until: Cell<Option<Instant>>,
    /// Visits until one is timed, with that one.
    until_timed: Cell<u8>,
    /// Of so many of them one is timed, in the mean.
    sample: Cell<u8>,
    /// How long it is until the next one is drawn from this.
    dice: Cell<u32>,
    /// The call that was begun with the token of the call in progress.
    taken: RefCell<Option<Waiting>>,
    patient: Cell<bool>,
}

const _: () = assert!(0 < SAMPLE && 2 * SAMPLE <= u8::MAX as u64);

/// What a call gives at once.
#[derive(Debug)]
pub enum Called {
    /// The verdict, or why there is none.
    Now(Result<Verdict, Failure>),
    /// It is on its way: poll [`Call`].
    Later(Call),
}

/// The token of an inline call: the call is begun when it is asked for. None is within another.
impl Tokens for Link {
    fn token(&self, transaction: u64) -> Token {
        let mut taken = self.taken.borrow_mut();
        let waiting = taken.get_or_insert_with(|| {
            let limit = self.loaded.spec().limits.deadline;
            self.seat.begin(transaction, None, Instant::now(), limit)
        });
        Token {
            transaction,
            call: waiting.call(),
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
            last: RefCell::default(),
            in_a_row: Cell::new(0),
            broken_until: Cell::new(None),
            until_timed: Cell::new(SAMPLE as u8),
            sample: Cell::new(SAMPLE as u8),
            dice: Cell::new(0x9e37_79b9),
            taken: RefCell::default(),
            patient: Cell::new(false),
        }
    }

    /// The module.
    #[inline]
    pub fn loaded(&self) -> &Arc<Loaded> {
        &self.loaded
    }

    /// What it costs on this worker.
    #[inline]
    pub fn accounts(&self) -> &Accounts {
        &self.accounts
    }

    /// Has every call timed of transactions that begin after, for whoever wants to know what a transaction cost (Server-Timing, the
    /// JSON log).
    pub fn be_precise(&self, precise: bool) {
        let sample = if precise { 1 } else { SAMPLE as u8 };
        self.sample.set(sample);
        self.until_timed.set(sample);
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
        let mut said = None;
        self.ask(visit, event, edits, &mark, &mut said);
        said.unwrap_or(Called::Now(Ok(Verdict::Continue)))
    }

    /// The same, to be within its caller, where it is known already that the edits of others end at `mark`: whether the hook plainly says
    /// yes, which is its own call and little more. All else is elsewhere, and what comes of it is put into `said`, where nothing was.
    #[inline(always)]
    pub fn ask(
        &self,
        visit: &mut Visit,
        event: &Event<'_>,
        edits: &mut Edits,
        mark: &Mark,
        said: &mut Option<Called>,
    ) -> bool {
        if visit.is_plain() {
            self.here(visit, event, edits, mark, said)
        } else {
            self.otherwise(visit, event, edits, mark, said)
        }
    }

    /// The same of a plain visit, within a [`guard`] of the caller's, which may ask others in it as well: `false` with what the hook said
    /// that was more than a plain yes, for [`Link::heard`]. When it panics, that is for [`Link::panicked`].
    #[inline(always)]
    pub fn within(
        &self,
        visit: &mut Visit,
        event: &Event<'_>,
        edits: &mut Edits,
        said: &mut Option<Said>,
    ) -> bool {
        let Some(instance) = &visit.inline else {
            // It is not plain.
            return true;
        };
        self.count(&mut visit.cost, event);
        self.marker.store(self.number, Relaxed);
        let (module, host) = (instance.module(), instance.host());
        let plain = invoke_within(module, host, event, &mut visit.opaque, edits, self, said);
        self.marker.store(0, Relaxed);
        plain
    }

    /// Enters an instance that was entered before, where that may be done without further ado; says whether the visit is plain.
    #[inline]
    pub fn enter_again(&self, visit: &mut Visit) -> bool {
        if !visit.is_fresh() || self.broken_until.get().is_some() {
            return false;
        }
        visit.keep_costs(self.is_precise());
        self.enter_last(visit) && visit.is_plain()
    }

    /// Counts a call.
    #[inline(always)]
    fn count(&self, cost: &mut Cost, event: &Event<'_>) {
        let account = &self.accounts.hooks[event.hook as usize];
        account.calls.add(1);
        cost.calls += 1;
        if let Part::Piece(piece) = &event.part {
            account.bytes_in.add(piece.bytes.len() as u64);
        }
    }

    /// Enters, with the first hook; or is elsewhere; or timed.
    #[inline(never)]
    fn otherwise(
        &self,
        visit: &mut Visit,
        event: &Event<'_>,
        edits: &mut Edits,
        mark: &Mark,
        said: &mut Option<Called>,
    ) -> bool {
        let promised = match self.is_far {
            true => self.loaded.promise().of(event, edits),
            false => Promised::NOTHING,
        };
        if visit.is_fresh() {
            // What is not called is not entered: it has nothing to free, and that all went well says nothing of it.
            if promised.heed == Heed::Pass && pass(event, edits) {
                return true;
            }
            visit.keep_costs(self.is_precise());
            if let Err(failure) = self.enter(visit) {
                *said = Some(Called::Now(Err(self.failed(visit, event.hook, failure))));
                return false;
            }
        }
        if let Some(far) = visit.far.clone() {
            *said = Some(self.far(visit, far, promised, event, edits));
            return false;
        }
        if !visit.is_timed() {
            return self.here(visit, event, edits, mark, said);
        }
        visit.tell(event.hook, |cost| cost.called(event));
        let mut more = None;
        let began = Instant::now();
        let guarded = guard(|| self.within(visit, event, edits, &mut more));
        self.took(visit, event.hook, began.elapsed());
        match guarded {
            Ok(true) => true,
            other => {
                *said = Some(self.heed(visit, event.hook, edits, mark, other.map(|_| more)));
                false
            }
        }
    }

    /// Enters an instance.
    fn enter(&self, visit: &mut Visit) -> Result<(), Failure> {
        if self.broken_until.get().is_some() {
            self.try_again()?;
        }
        if self.enter_last(visit) {
            return Ok(());
        }
        // Its drop may run the module's code: not while the cell is borrowed.
        drop(self.last.take());
        match self.door.enter()? {
            Entered::Inline(instance) => {
                self.last.replace(Some(instance.clone()));
                visit.enter_here(instance, self.stands_for());
            }
            Entered::Far(far) => visit.far = Some(far),
        }
        Ok(())
    }

    /// Enters the instance that was entered last, while that is the one for new transactions.
    #[inline]
    fn enter_last(&self, visit: &mut Visit) -> bool {
        match &*self.last.borrow() {
            Some(instance) if instance.is_current() => {
                visit.enter_here(instance.clone(), self.stands_for());
                true
            }
            _ => false,
        }
    }

    /// Whether what each transaction costs is asked for.
    #[inline]
    fn is_precise(&self) -> bool {
        self.sample.get() == 1
    }

    /// For how many visits the time of the next one stands; 0 where it is not timed.
    #[inline]
    fn stands_for(&self) -> u8 {
        match self.until_timed.get() {
            0 | 1 => {
                self.until_timed.set(self.drawn());
                self.sample.get()
            }
            visits => {
                self.until_timed.set(visits - 1);
                0
            }
        }
    }

    /// After how many visits the next one is timed: any number whose mean is the sample, so that no rhythm of those that come has
    /// always the same kind timed. Xorshift (Marsaglia 2003).
    fn drawn(&self) -> u8 {
        let mut dice = self.dice.get();
        dice ^= dice << 13;
        dice ^= dice >> 17;
        dice ^= dice << 5;
        self.dice.set(dice);
        let most = 2 * u32::from(self.sample.get()) - 1;
        (dice % most) as u8 + 1
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

    /// An inline call, within a guard of its own.
    #[inline(always)]
    fn here(
        &self,
        visit: &mut Visit,
        event: &Event<'_>,
        edits: &mut Edits,
        mark: &Mark,
        called: &mut Option<Called>,
    ) -> bool {
        let mut said = None;
        match guard(|| self.within(visit, event, edits, &mut said)) {
            Ok(true) => true,
            other => {
                let other = other.map(|_| said);
                *called = Some(self.heed(visit, event.hook, edits, mark, other));
                false
            }
        }
    }

    /// What comes of an inline call that did not just say yes.
    #[inline(never)]
    fn heed(
        &self,
        visit: &mut Visit,
        hook: Hook,
        edits: &mut Edits,
        mark: &Mark,
        other: Result<Option<Said>, Panicked>,
    ) -> Called {
        match other {
            Ok(Some(said)) => self.heard(visit, hook, edits, mark, said),
            Ok(None) => Called::Now(Ok(Verdict::Continue)),
            Err(panicked) => {
                edits.undo(*mark);
                Called::Now(Err(self.panicked(visit, hook, panicked)))
            }
        }
    }

    /// What comes of what a hook said; `mark`: the edits of others end there.
    pub fn heard(
        &self,
        visit: &mut Visit,
        hook: Hook,
        edits: &mut Edits,
        mark: &Mark,
        said: Said,
    ) -> Called {
        // A token that was taken for nothing is given up here.
        let waiting = self.taken.take();
        match (said.verdict(hook), waiting) {
            (Verdict::Pending, Some(waiting)) => {
                self.seat.reply(
                    waiting.call(),
                    Reply {
                        verdict: Ok(Verdict::Pending),
                        edits: Edits::new(),
                        opaque: Opaque::None,
                        spent: Duration::ZERO,
                    },
                );
                Called::Later(Call::new(waiting, hook, *mark))
            }
            (verdict, _) => {
                let settled = self.settle(visit, hook, verdict);
                if settled.is_err() {
                    edits.undo(*mark);
                }
                Called::Now(settled)
            }
        }
    }

    /// A hook panicked within [`Link::within`]. Its edits are the caller's to undo.
    #[cold]
    pub fn panicked(&self, visit: &mut Visit, hook: Hook, panicked: Panicked) -> Failure {
        self.marker.store(0, Relaxed);
        drop(self.taken.take());
        if let Some(instance) = &visit.inline {
            instance.poison();
        }
        tracing::warn!(module = %self.loaded.name(), hook = hook.name(), "panicked: {}", panicked.0);
        self.failed(visit, hook, Failure::Panic(panicked.0))
    }

    /// An inline call that was timed is over.
    #[cold]
    fn took(&self, visit: &mut Visit, hook: Hook, took: Duration) {
        let nanos = took.as_nanos() as u64;
        visit.cost.time += nanos;
        visit.tell(hook, |cost| cost.time += nanos);
        self.timed(visit, hook, took);
    }

    /// The module was timed in this hook: that stands for the visits that are not timed, too.
    fn timed(&self, visit: &Visit, hook: Hook, took: Duration) {
        let nanos = took.as_nanos() as u64;
        let account = &self.accounts.hooks[hook as usize];
        account.time.add(nanos * u64::from(visit.stands_for));
        if took > self.loaded.spec().limits.deadline {
            self.overdue(hook);
        }
    }

    /// An inline call took longer than its deadline. It cannot be interrupted, and its work is done: it is counted, and told.
    #[cold]
    fn overdue(&self, hook: Hook) {
        self.accounts.overdue.add(1);
        tracing::warn!(module = %self.loaded.name(), hook = hook.name(), "an inline call took longer than its deadline, and every client of the worker waited");
    }

    fn settle(&self, visit: &mut Visit, hook: Hook, verdict: Verdict) -> Result<Verdict, Failure> {
        match &verdict {
            Verdict::Fail(why) => {
                tracing::info!(module = %self.loaded.name(), hook = hook.name(), "failed: {why}");
                return Err(self.failed(visit, hook, Failure::Fail(why.to_string())));
            }
            Verdict::Done => visit.close(),
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
        visit.fail();
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
}
