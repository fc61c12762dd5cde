//! A worker's clock and its deadlines: one coarse wheel instead of a timer a connection.
//!
//! Owns: the wheel of deadlines of one worker. Invariant: an armed deadline has a token in the wheel at or before its tick, so
//! moving it later (what every request does) is one store into a cell; only moving it earlier touches the wheel.
//! Awkward case: a token that fires too early finds the deadline moved and goes back into the wheel; a token whose deadline
//! has another token already (it was moved earlier meanwhile) is told apart by its tick and dropped. And a worker that stood
//! still (a module on its stack, a machine that is busy) has not looked whether what it waits for is there: that time is
//! not counted, or whatever it armed before its first tick would be late before it began.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use understudy_http::semantics::date::Seconds;

/// Length of a tick: the precision of every time-out.
pub(crate) const TICK: Duration = Duration::from_millis(20);
/// Slots of the wheel; a deadline further away than a turn stays in its slot for another.
const SLOTS: usize = 1024;
/// Ticks that may pass unseen and are counted: as many as every deadline is given on top.
const SLACK: u64 = 2;
/// A deadline that is not armed.
const NEVER: u64 = u64::MAX;

/// Whole ticks in a duration, in 64 bits: this runs at every request, and a division of 128 bits is a function call.
fn ticks(duration: Duration) -> u64 {
    const MILLIS: u64 = TICK.as_millis() as u64;
    const A_SECOND: u64 = 1000 / MILLIS;
    let seconds = duration.as_secs().saturating_mul(A_SECOND);
    seconds.saturating_add(u64::from(duration.subsec_millis()) / MILLIS)
}

/// A worker's clock.
#[derive(Debug)]
pub(crate) struct Clock {
    start: Instant,
    /// Seconds since 1970 at the last tick.
    seconds: Cell<Seconds>,
    tick: Cell<u64>,
    /// Ticks that the worker stood still.
    lost: Cell<u64>,
    wheel: RefCell<Vec<Vec<Token>>>,
}

#[derive(Debug)]
struct Token {
    tick: u64,
    deadline: Weak<Inner>,
}

#[derive(Debug)]
struct Inner {
    at: Cell<u64>,
    /// The tick of the token that counts.
    scheduled: Cell<u64>,
    waker: RefCell<Option<Waker>>,
}

/// One deadline, re-armed for phase after phase of a connection.
#[derive(Debug)]
pub(crate) struct Deadline {
    inner: Rc<Inner>,
    clock: Rc<Clock>,
}

impl Clock {
    pub(crate) fn new() -> Rc<Clock> {
        let clock = Clock {
            start: Instant::now(),
            seconds: Cell::new(0),
            tick: Cell::new(0),
            lost: Cell::new(0),
            wheel: RefCell::new((0..SLOTS).map(|_| Vec::new()).collect()),
        };
        clock.follow_wall_clock();
        Rc::new(clock)
    }

    /// Read anew at every tick, so that a stepped wall clock is followed.
    fn follow_wall_clock(&self) {
        let wall = SystemTime::now().duration_since(UNIX_EPOCH);
        self.seconds
            .set(wall.unwrap_or_default().as_secs() as Seconds);
    }

    /// The wall clock's seconds as of the last tick: freshness counts whole seconds, and reading a clock for each of a
    /// transaction's questions would cost it more than they do.
    pub(crate) fn now(&self) -> Seconds {
        self.seconds.get()
    }

    fn tick_of(&self, at: Instant) -> u64 {
        ticks(at.saturating_duration_since(self.start))
    }

    /// A deadline that is not armed yet.
    pub(crate) fn deadline(self: &Rc<Self>) -> Deadline {
        let inner = Inner {
            at: Cell::new(NEVER),
            scheduled: Cell::new(NEVER),
            waker: RefCell::new(None),
        };
        Deadline {
            inner: Rc::new(inner),
            clock: self.clone(),
        }
    }

    /// Advances to the tick of `now` and wakes what is due. Called every [`TICK`]; of what a call is late more than [`SLACK`]
    /// ticks are not counted.
    pub(crate) fn advance(&self, now: Instant) {
        self.follow_wall_clock();
        let from = self.tick.get() + 1;
        let seen = self.tick_of(now).saturating_sub(self.lost.get());
        if seen < from {
            return;
        }
        let now = seen.min(self.tick.get() + SLACK);
        self.lost.set(self.lost.get() + seen - now);
        self.tick.set(now);
        for tick in from..=now {
            let slot = (tick % SLOTS as u64) as usize;
            let tokens = std::mem::take(&mut self.wheel.borrow_mut()[slot]);
            for token in tokens {
                self.fire(token, now);
            }
        }
    }

    fn fire(&self, token: Token, now: u64) {
        let Some(inner) = token.deadline.upgrade() else {
            return;
        };
        if inner.scheduled.get() != token.tick {
            return;
        }
        let at = inner.at.get();
        if at == NEVER {
            inner.scheduled.set(NEVER);
        } else if at > now {
            self.schedule(&inner, at);
        } else {
            inner.scheduled.set(NEVER);
            if let Some(waker) = inner.waker.borrow_mut().take() {
                waker.wake();
            }
        }
    }

    fn schedule(&self, inner: &Rc<Inner>, tick: u64) {
        inner.scheduled.set(tick);
        self.wheel.borrow_mut()[(tick % SLOTS as u64) as usize].push(Token {
            tick,
            deadline: Rc::downgrade(inner),
        });
    }
}

impl Deadline {
    /// Arms it `after` from now, and up to two ticks more: the clock is not read for it, and the last tick has partly
    /// passed, as may the one that the duration ends in.
    pub(crate) fn arm_now(&self, after: Duration) {
        let now = self.clock.tick.get();
        let at = now.saturating_add(ticks(after).min(NEVER / 4)) + SLACK;
        self.inner.at.set(at);
        if self.inner.scheduled.get() > at {
            self.clock.schedule(&self.inner, at);
        }
    }

    /// Whether it has passed; else the task is woken when it does.
    pub(crate) fn poll(&self, cx: &mut Context<'_>) -> Poll<()> {
        if self.inner.at.get() <= self.clock.tick.get() {
            return Poll::Ready(());
        }
        let mut waker = self.inner.waker.borrow_mut();
        match &*waker {
            Some(w) if w.will_wake(cx.waker()) => {}
            _ => *waker = Some(cx.waker().clone()),
        }
        Poll::Pending
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    struct Count(AtomicUsize);
    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn ticks(n: u32) -> Duration {
        TICK * n
    }

    /// Advances tick by tick, as a worker does.
    fn pass(clock: &Clock, from: u32, to: u32) {
        for n in from..=to {
            clock.advance(clock.start + ticks(n));
        }
    }

    #[test]
    fn a_deadline_passes_after_its_time_and_not_before() {
        let clock = Clock::new();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let d = clock.deadline();
        d.arm_now(ticks(10));
        assert!(d.poll(&mut cx).is_pending());
        pass(&clock, 1, 9);
        assert!(d.poll(&mut cx).is_pending());
        pass(&clock, 10, 12);
        assert!(d.poll(&mut cx).is_ready());
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn moving_later_and_earlier_keeps_one_wake_up() {
        let clock = Clock::new();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let d = clock.deadline();
        d.arm_now(ticks(100));
        d.arm_now(ticks(5));
        d.arm_now(ticks(50));
        assert!(d.poll(&mut cx).is_pending());
        pass(&clock, 1, 49);
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        pass(&clock, 50, 52);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        pass(&clock, 53, 200);
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_deadline_further_than_a_turn_waits_for_its_turn() {
        let clock = Clock::new();
        let waker = Waker::noop();
        let mut cx = Context::from_waker(waker);
        let d = clock.deadline();
        let far = 3 * SLOTS as u32 + 7;
        d.arm_now(ticks(far));
        let mut at = 0;
        for turn in 1..=3 {
            pass(&clock, at + 1, turn * SLOTS as u32);
            at = turn * SLOTS as u32;
            assert!(d.poll(&mut cx).is_pending(), "turn {turn}");
        }
        pass(&clock, at + 1, far + 2);
        assert!(d.poll(&mut cx).is_ready());
    }

    #[test]
    fn calls_that_are_a_little_late_catch_up() {
        let clock = Clock::new();
        let mut cx = Context::from_waker(Waker::noop());
        let d = clock.deadline();
        d.arm_now(ticks(10));
        for n in [2, 4, 6, 8, 10] {
            clock.advance(clock.start + ticks(n));
            assert!(d.poll(&mut cx).is_pending(), "{n}");
        }
        clock.advance(clock.start + ticks(12));
        assert!(d.poll(&mut cx).is_ready());
    }

    #[test]
    fn what_is_armed_behind_a_stall_has_all_its_time() {
        let clock = Clock::new();
        let mut cx = Context::from_waker(Waker::noop());
        let (before, behind) = (clock.deadline(), clock.deadline());
        before.arm_now(ticks(10));
        pass(&clock, 1, 5);
        // The worker stands still for many turns, and the first it does is to wait for something new.
        let still = 10 * SLOTS as u32;
        behind.arm_now(ticks(10));
        clock.advance(clock.start + ticks(still));
        assert!(before.poll(&mut cx).is_pending());
        pass(&clock, still + 1, still + 5);
        // What was waited for before has what was left to it.
        assert!(before.poll(&mut cx).is_ready());
        pass(&clock, still + 6, still + 9);
        assert!(behind.poll(&mut cx).is_pending());
        pass(&clock, still + 10, still + 10);
        assert!(behind.poll(&mut cx).is_ready());
    }
}
