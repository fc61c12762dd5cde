//! A worker's seat among the runtimes: the calls it waits for, and the mailbox by which other threads end them.
//!
//! Owns the table of calls under way. Invariant: a call ends once; what comes for it later is dropped (its opaque value is freed)
//! and counted. Awkward cases: a resume can overtake the `Pending` it answers; a call can be given up by its transaction
//! while a pool thread still holds the opaque value, which is then freed when it comes back, by whoever has it then.
//!
//! Life of a call: 1. `begin`: away; 2. the verdict comes: over; or `Pending` comes: parked, until a resume; 3. its transaction
//! takes the outcome; or 2b. the deadline passes: over where it was parked, taken back where nobody had begun it, else late until its
//! transaction hears of it, and then given up; or 2c. the transaction goes away: given up.

use crate::accounts::Accounts;
use crate::failure::Failure;
use crate::marker;
use crate::runtime::Far;
use bytes::Bytes;
use futures_util::task::AtomicWaker;
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::rc::{Rc, Weak};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use understudy_module::{Answer, Edits, Hook, Opaque, Token, Verdict};

/// Bytes injected into one answer that its client has not taken yet; a piece that would be beyond is dropped, whole.
pub const MAX_INJECTED: usize = 1024 * 1024;

/// What comes back from a call.
#[derive(Debug)]
pub struct Reply {
    /// The verdict, or why there is none.
    pub verdict: Result<Verdict, Failure>,
    /// Edits, to be put behind those made before.
    pub edits: Edits,
    /// The opaque value, where it crossed.
    pub opaque: Opaque,
    /// Time in the module.
    pub spent: Duration,
}

impl Reply {
    /// A call that came to nothing.
    pub fn failed(failure: Failure) -> Reply {
        Reply {
            verdict: Err(failure),
            edits: Edits::new(),
            opaque: Opaque::None,
            spent: Duration::ZERO,
        }
    }
}

/// What other threads tell a worker.
#[derive(Debug)]
pub enum Letter {
    /// A call is over, or parked (verdict `Pending`).
    Reply {
        /// The call.
        call: u64,
        /// What came of it.
        reply: Box<Reply>,
    },
    /// A module resumes. With the module's shared accounts, in which it is counted when it fits no call.
    Resume(Token, Box<Answer>, Arc<Accounts>),
    /// A module injects into an answer in progress. With its shared accounts, in which it is counted when there is no room.
    Inject(u64, Bytes, Arc<Accounts>),
}

/// Where other threads put letters for a worker. The worker is woken once for all that lie there.
#[derive(Debug, Default)]
pub struct Mailbox {
    letters: Mutex<Vec<Letter>>,
    told: AtomicBool,
    waker: AtomicWaker,
}

impl Mailbox {
    /// Puts a letter in.
    pub fn post(&self, letter: Letter) {
        self.lock().push(letter);
        self.tell();
    }

    /// Puts a letter in without waking the worker: [`Mailbox::tell`] must follow soon. Until then it is found by chance, or by
    /// the next [`Seat::sweep`].
    pub fn post_quietly(&self, letter: Letter) {
        self.lock().push(letter);
    }

    /// Puts several in, with one wake-up.
    pub fn post_all(&self, letters: impl IntoIterator<Item = Letter>) {
        self.lock().extend(letters);
        self.tell();
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Letter>> {
        self.letters.lock().unwrap_or_else(|e| e.into_inner())
    }

    /// Wakes the worker, unless that was done since it last looked.
    pub fn tell(&self) {
        if !self.told.swap(true, Ordering::AcqRel) {
            self.waker.wake();
        }
    }

    /// What lies there, without being woken for more.
    fn peek(&self) -> Vec<Letter> {
        std::mem::take(&mut *self.lock())
    }

    fn take(&self, cx: &mut Context<'_>, into: &mut Vec<Letter>) {
        self.waker.register(cx.waker());
        self.told.store(false, Ordering::Release);
        std::mem::swap(&mut *self.lock(), into);
    }
}

/// How to end what a call holds when nobody waits for it any more.
#[derive(Debug)]
struct Behind {
    far: Option<Rc<dyn Far>>,
    transaction: u64,
}

#[derive(Debug)]
enum State {
    /// The module has it.
    Away,
    /// The module said `Pending`; its edits so far, and its opaque value where that crossed.
    Parked(Edits, Opaque),
    /// It is over.
    Over(Reply),
    /// Its deadline passed before anybody had begun it: it was taken back, with its opaque value.
    Back(Opaque),
    /// Its deadline passed while the module had it, and its transaction was not told yet.
    Late,
    /// Nobody waits for it.
    GivenUp,
}

#[derive(Debug)]
struct Slot {
    generation: u32,
    state: State,
    /// A resume that came before its `Pending`.
    early: Option<Box<Answer>>,
    waker: Option<Waker>,
    began: Instant,
    deadline: Instant,
    /// The number of the newest call when it was begun, or looked at last.
    since: u32,
    /// Its far side was told that it is late, and wants to hear no more of it.
    told: bool,
    behind: Behind,
}

/// A worker's seat. One a worker; on its thread only.
#[derive(Debug)]
pub struct Seat {
    index: u8,
    /// The number of the module that runs on this worker's stack now.
    marker: &'static AtomicU32,
    mailbox: Arc<Mailbox>,
    slots: RefCell<Slab<Slot>>,
    generation: Cell<u32>,
    stray: Cell<u64>,
    /// Answers in progress that may be injected into: what was injected and not taken yet.
    injected: RefCell<HashMap<u64, Injected>>,
    /// Who else wants to look after things now and then.
    swept: RefCell<Vec<Weak<dyn Swept>>>,
}

/// Looks after something at every [`Seat::sweep`].
pub(crate) trait Swept: std::fmt::Debug {
    /// Look.
    fn sweep(&self);
}

#[derive(Debug, Default)]
struct Injected {
    pieces: Vec<Bytes>,
    bytes: usize,
    waker: Option<Waker>,
}

/// A call under way: to be polled by its transaction. Dropped, the call is given up.
#[derive(Debug)]
pub struct Waiting {
    seat: Rc<Seat>,
    call: u64,
    end: End,
    /// The module heard of the transaction before this call.
    heard: bool,
}

/// What became of a call that did not end with a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// It did, or has not ended.
    None,
    /// The module still has it.
    Left,
    /// It was taken back.
    Back,
}

/// A call that is late.
struct Due {
    far: Rc<dyn Far>,
    call: u64,
    since: u32,
}

/// The number of a call: each has the one behind that of the call before it.
pub(crate) fn number(call: u64) -> u32 {
    (call >> 32) as u32
}

impl Seat {
    /// A seat for the worker of this number.
    pub fn new(index: u8) -> Rc<Seat> {
        Rc::new(Seat {
            index,
            marker: marker::slot(),
            mailbox: Arc::default(),
            slots: RefCell::default(),
            generation: Cell::new(0),
            stray: Cell::new(0),
            injected: RefCell::default(),
            swept: RefCell::default(),
        })
    }

    /// The worker's number: the top eight bits of its transactions' ids.
    pub fn index(&self) -> u8 {
        self.index
    }

    /// Where is noted which module runs on this worker's stack (0: none), for whoever looks after a crash.
    pub(crate) fn marker(&self) -> &'static AtomicU32 {
        self.marker
    }

    /// Its mailbox.
    pub fn mailbox(&self) -> &Arc<Mailbox> {
        &self.mailbox
    }

    /// Resumes that fitted no call, so far.
    pub fn stray_resumes(&self) -> u64 {
        self.stray.get()
    }

    /// Reads the mailbox for ever: to be spawned on the worker.
    pub async fn run(self: Rc<Self>) {
        let mut letters = Vec::new();
        std::future::poll_fn(|cx| {
            loop {
                self.mailbox.take(cx, &mut letters);
                if letters.is_empty() {
                    return Poll::<()>::Pending;
                }
                for letter in letters.drain(..) {
                    self.read(letter);
                }
            }
        })
        .await;
    }

    /// Reads a letter, here and now: for runtimes that stand on the worker's thread.
    pub(crate) fn read(&self, letter: Letter) {
        match letter {
            Letter::Reply { call, reply } => self.reply(call, *reply),
            Letter::Resume(token, answer, accounts) => self.resume(token, answer, &accounts),
            Letter::Inject(transaction, bytes, accounts) => {
                self.inject(transaction, bytes, &accounts);
            }
        }
    }

    /// Begins a call that is answered later: by [`Seat::reply`], or after a `Pending` by a resume. `far` gets the opaque value
    /// to free when nobody waits any more.
    pub fn begin(
        self: &Rc<Self>,
        transaction: u64,
        far: Option<Rc<dyn Far>>,
        now: Instant,
        limit: Duration,
    ) -> Waiting {
        let generation = self.count_on();
        let index = self.slots.borrow_mut().insert(Slot {
            generation,
            since: generation,
            state: State::Away,
            early: None,
            waker: None,
            began: now,
            deadline: now + limit,
            told: false,
            behind: Behind { far, transaction },
        });
        Waiting {
            seat: self.clone(),
            call: (u64::from(generation) << 32) | index as u64,
            end: End::None,
            heard: false,
        }
    }

    /// The next number.
    fn count_on(&self) -> u32 {
        let generation = self.generation.get().wrapping_add(1);
        self.generation.set(generation);
        generation
    }

    /// The number of the newest call.
    #[inline]
    pub(crate) fn newest(&self) -> u32 {
        self.generation.get()
    }

    /// The slot of a call, while it is that call's.
    fn with<R>(&self, call: u64, f: impl FnOnce(&mut Slot) -> R) -> Option<R> {
        let mut slots = self.slots.borrow_mut();
        let slot = slots.get_mut((call & 0xffff_ffff) as usize)?;
        (slot.generation == number(call)).then(|| f(slot))
    }

    /// A call is over, or with `Pending` parked. On the worker's thread.
    pub fn reply(&self, call: u64, reply: Reply) {
        let mut reply = Some(reply);
        let woken = self.with(call, |slot| {
            match slot.state {
                State::Away => {}
                State::Late => {
                    // Too late, but its transaction can take its opaque value itself.
                    let mut reply = reply.take()?;
                    if reply.verdict.is_ok() {
                        reply.verdict = Err(Failure::Deadline);
                    }
                    slot.state = State::Over(reply);
                    return None;
                }
                _ => return None,
            }
            let mut reply = reply.take()?;
            if reply.verdict == Ok(Verdict::Pending) {
                let Some(answer) = slot.early.take() else {
                    slot.state = State::Parked(reply.edits, reply.opaque);
                    return None;
                };
                answered(&mut reply, *answer);
            }
            slot.state = State::Over(reply);
            slot.waker.take()
        });
        if let Some(waker) = woken.flatten() {
            waker.wake();
        }
        // It was given up meanwhile; or this is a second reply to one call, which only a child that lies sends: it is dropped.
        if let Some(reply) = reply {
            let behind = self.with(call, |slot| {
                matches!(slot.state, State::GivenUp)
                    .then(|| (slot.behind.far.take(), slot.behind.transaction))
            });
            if let Some((far, transaction)) = behind.flatten() {
                self.forget(call);
                // Where there was no instance nobody has seen anything of it.
                if reply.verdict != Err(Failure::Unavailable) {
                    release(far, transaction, reply.opaque);
                }
            }
        }
    }

    fn inject(&self, transaction: u64, bytes: Bytes, accounts: &Accounts) {
        let mut injected = self.injected.borrow_mut();
        let Some(to) = injected.get_mut(&transaction) else {
            return;
        };
        if bytes.len() > MAX_INJECTED - to.bytes {
            // The client is slower than the module: what lies here is the proxy's memory.
            accounts.injections_dropped.add_shared(1);
            return;
        }
        to.bytes += bytes.len();
        let given = &accounts.hooks[Hook::ReturnBody as usize].bytes_out;
        given.add_shared(bytes.len() as u64);
        to.pieces.push(bytes);
        if let Some(waker) = to.waker.take() {
            waker.wake();
        }
    }

    /// More than [`MAX_INJECTED`] was injected at once, by a child that kept it: dropped, and counted like here.
    pub(crate) fn injected_too_much(&self, transaction: u64, accounts: &Accounts) {
        if self.injected.borrow().contains_key(&transaction) {
            accounts.injections_dropped.add_shared(1);
        }
    }

    fn resume(&self, token: Token, answer: Box<Answer>, accounts: &Accounts) {
        let mut answer = Some(answer);
        let woken = self.with(token.call, |slot| {
            if slot.behind.transaction != token.transaction {
                return None;
            }
            match &mut slot.state {
                State::Parked(edits, opaque) => {
                    let mut reply = Reply {
                        verdict: Ok(Verdict::Pending),
                        edits: std::mem::take(edits),
                        opaque: opaque.take(),
                        spent: Duration::ZERO,
                    };
                    answered(&mut reply, *answer.take()?);
                    slot.state = State::Over(reply);
                    slot.waker.take()
                }
                State::Away if slot.early.is_none() => {
                    slot.early = answer.take();
                    None
                }
                _ => None,
            }
        });
        if answer.is_some() {
            // Late, second or unknown.
            self.stray.set(self.stray.get() + 1);
            accounts.stray_resumes.add_shared(1);
        }
        if let Some(waker) = woken.flatten() {
            waker.wake();
        }
    }

    /// Ends the calls whose deadline has passed. To be called every few milliseconds.
    pub fn sweep(&self, now: Instant) {
        // What came in time is in time, and what was posted without a wake-up is found.
        for letter in self.mailbox.peek() {
            self.read(letter);
        }
        let late = self.overdue(now);
        // First: whoever comes in place of one that hangs is not to begin with what nobody waits for.
        late.iter().for_each(|due| self.take_back(due));
        self.look_around();
        for due in late {
            let Some(again) = due.far.late(due.call, due.since, now) else {
                continue;
            };
            let since = self.count_on();
            self.with(due.call, |slot| {
                slot.deadline = now + again;
                slot.since = since;
                slot.told = false;
            });
        }
    }

    /// Ends the calls whose deadline has passed; which of them somebody else has, in the order in which they were begun, in which they
    /// stand in queues, too.
    fn overdue(&self, now: Instant) -> Vec<Due> {
        let (mut late, mut wakers) = (Vec::new(), Vec::new());
        for (index, slot) in self.slots.borrow_mut().iter_mut() {
            if slot.deadline > now || slot.told {
                continue;
            }
            match &mut slot.state {
                State::Over(_) | State::Back(_) => continue,
                State::Parked(_, opaque) => {
                    let mut reply = Reply::failed(Failure::Deadline);
                    reply.opaque = opaque.take();
                    slot.state = State::Over(reply);
                }
                // Given up by its client, it may hang over there all the same.
                State::Away | State::Late | State::GivenUp => {
                    if matches!(slot.state, State::Away) {
                        slot.state = State::Late;
                    }
                    late.extend(slot.behind.far.clone().map(|far| Due {
                        far,
                        call: (u64::from(slot.generation) << 32) | index as u64,
                        since: slot.since,
                    }));
                }
            }
            slot.told = true;
            slot.early = None;
            wakers.extend(slot.waker.take());
        }
        wakers.into_iter().for_each(Waker::wake);
        late.sort_unstable_by_key(|due| due.call);
        late
    }

    /// Takes a late call back, where nobody has begun it.
    fn take_back(&self, due: &Due) {
        // One whose transaction went away takes its course: nobody is left who knows whether it has anything to free.
        let waits = self.with(due.call, |slot| matches!(slot.state, State::Late));
        if waits == Some(true)
            && let Some(opaque) = due.far.take_back(due.call)
        {
            self.with(due.call, |slot| slot.state = State::Back(opaque));
        }
    }

    /// Has this looked after at every sweep, while it is there.
    pub(crate) fn also_sweep(&self, swept: Weak<dyn Swept>) {
        self.swept.borrow_mut().push(swept);
    }

    fn look_around(&self) {
        let mut there = Vec::new();
        self.swept.borrow_mut().retain(|swept| {
            let swept = swept.upgrade();
            there.extend(swept.clone());
            swept.is_some()
        });
        there.iter().for_each(|swept| swept.sweep());
    }

    /// Ends every call behind this door: its process died.
    pub fn fail_all(&self, of: &dyn Fn(&Rc<dyn Far>) -> bool, why: &Failure) {
        let mut wakers = Vec::new();
        let mut gone = Vec::new();
        for (index, slot) in self.slots.borrow_mut().iter_mut() {
            if !slot.behind.far.as_ref().is_some_and(of) {
                continue;
            }
            match slot.state {
                State::Away | State::Parked(..) => {
                    slot.state = State::Over(Reply::failed(why.clone()));
                    wakers.extend(slot.waker.take());
                }
                State::Late => slot.state = State::Over(Reply::failed(Failure::Deadline)),
                State::GivenUp => gone.push(index),
                State::Over(_) | State::Back(_) => {}
            }
        }
        for index in gone {
            self.slots.borrow_mut().try_remove(index);
        }
        wakers.into_iter().for_each(Waker::wake);
    }

    fn forget(&self, call: u64) {
        self.slots
            .borrow_mut()
            .try_remove((call & 0xffff_ffff) as usize);
    }

    /// Calls under way.
    pub fn waiting(&self) -> usize {
        self.slots.borrow().len()
    }

    /// This transaction's answer may be injected into from now on.
    pub fn open_for_injection(&self, transaction: u64) {
        self.injected.borrow_mut().entry(transaction).or_default();
    }

    /// What was injected meanwhile; else the task is woken when something is.
    pub fn poll_injected(&self, transaction: u64, cx: &mut Context<'_>) -> Option<Vec<Bytes>> {
        let mut injected = self.injected.borrow_mut();
        let of = injected.get_mut(&transaction)?;
        if of.pieces.is_empty() {
            of.waker = Some(cx.waker().clone());
            return None;
        }
        of.bytes = 0;
        Some(std::mem::take(&mut of.pieces))
    }

    /// Its answer is over: what comes now is dropped.
    pub fn close_for_injection(&self, transaction: u64) {
        self.injected.borrow_mut().remove(&transaction);
    }
}

/// Puts a resume in the place of a `Pending`.
fn answered(reply: &mut Reply, answer: Answer) {
    for edit in answer.edits.iter() {
        if let Err(refused) = reply.edits.repeat(edit) {
            reply.verdict = Err(Failure::Fail(refused.to_string()));
            return;
        }
    }
    reply.verdict = match answer.verdict {
        Verdict::Pending => Err(Failure::Fail("resumed with Pending".to_owned())),
        verdict => Ok(verdict),
    };
}

impl Waiting {
    /// Whether the module heard of the transaction before this call.
    pub(crate) fn heard(mut self, heard: bool) -> Waiting {
        self.heard = heard;
        self
    }

    /// Forgets a call that was never sent.
    pub fn cancel(mut self) {
        self.seat.forget(self.call);
        self.call = u64::MAX;
    }

    /// The call's number, which its reply names.
    pub fn call(&self) -> u64 {
        self.call
    }

    /// Whether the deadline passed while the module had it: whatever crossed is still over there, and is freed when it comes
    /// back.
    pub fn was_left(&self) -> bool {
        self.end == End::Left
    }

    /// Whether the deadline passed before anybody had begun with it: the module knows nothing of it.
    pub fn was_taken_back(&self) -> bool {
        self.end == End::Back
    }

    /// The outcome when it is there, with the time since the call began. Not to be polled again behind that.
    pub fn poll(&mut self, cx: &mut Context<'_>) -> Poll<(Reply, Duration)> {
        let call = self.call;
        let over = self.seat.with(call, |slot| match &slot.state {
            State::Over(_) | State::Back(_) | State::Late | State::GivenUp => {
                let took = slot.began.elapsed();
                let (reply, end) = match std::mem::replace(&mut slot.state, State::GivenUp) {
                    State::Over(reply) => (reply, End::None),
                    State::Back(opaque) => {
                        let late = Reply::failed(Failure::Deadline);
                        (Reply { opaque, ..late }, End::Back)
                    }
                    // The module still has it: the slot stays for what comes back.
                    _ => (Reply::failed(Failure::Deadline), End::Left),
                };
                Poll::Ready((reply, took, end))
            }
            State::Away | State::Parked(..) => {
                match &slot.waker {
                    Some(waker) if waker.will_wake(cx.waker()) => {}
                    _ => slot.waker = Some(cx.waker().clone()),
                }
                Poll::Pending
            }
        });
        match over {
            Some(Poll::Pending) => Poll::Pending,
            Some(Poll::Ready((reply, took, end))) => {
                self.call = u64::MAX;
                self.end = end;
                if end != End::Left {
                    self.seat.forget(call);
                }
                Poll::Ready((reply, took))
            }
            None => Poll::Ready((Reply::failed(Failure::Died), Duration::ZERO)),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        if self.call == u64::MAX {
            return;
        }
        let heard = self.heard;
        let left = self.seat.with(self.call, |slot| {
            let far = slot.behind.far.clone();
            match std::mem::replace(&mut slot.state, State::GivenUp) {
                // With the module: freed when it comes back.
                State::Away | State::Late | State::GivenUp if far.is_some() => None,
                State::Away | State::Late | State::GivenUp => Some((None, 0, Opaque::None)),
                // No hook began: there is nothing to free.
                State::Back(opaque) if !heard && opaque.is_none() => Some((None, 0, Opaque::None)),
                State::Over(reply)
                    if !heard
                        && reply.opaque.is_none()
                        && reply.verdict == Err(Failure::Unavailable) =>
                {
                    Some((None, 0, Opaque::None))
                }
                State::Parked(_, opaque) | State::Back(opaque) => {
                    Some((far, slot.behind.transaction, opaque))
                }
                State::Over(reply) => Some((far, slot.behind.transaction, reply.opaque)),
            }
        });
        if let Some(Some((far, transaction, opaque))) = left {
            self.seat.forget(self.call);
            release(far, transaction, opaque);
        }
    }
}

/// Frees an opaque value that came back to nobody. Where it never crossed, its transaction's end frees it.
fn release(far: Option<Rc<dyn Far>>, transaction: u64, opaque: Opaque) {
    if let Some(far) = far.filter(|far| far.carries()) {
        far.free(transaction, opaque);
    }
}
