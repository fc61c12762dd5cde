//! A worker's clock and its deadlines: one coarse wheel instead of a timer a connection.
//!
//! Owns: the wheel of deadlines of one worker. Invariant: an armed deadline has a token in the wheel at or before its tick, so
//! moving it later (what every request does) is one store into a cell; only moving it earlier touches the wheel.
//! Awkward case: a token that fires too early finds the deadline moved and goes back into the wheel; a token whose deadline
//! has another token already (it was moved earlier meanwhile) is told apart by its tick and dropped. And a worker that stood
//! still (a module on its stack, a busy machine) does other things before its next tick: what it arms then would be late before it
//! began, so who knows the time says it ([`Clock::look`]).

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use understudy_http::semantics::date::Seconds;

/// Length of a tick: the precision of every time-out.
pub(crate) const TICK: Duration = Duration::from_millis(20);
/// Slots of the wheel; a deadline further away than a turn stays in its slot for another.
const SLOTS: usize = 1024;
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
    /// The tick it is, as far as anybody looked: deadlines are armed from here.
    seen: Cell<u64>,
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
            seen: Cell::new(0),
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

    /// Somebody knows what time it is: what is armed from here on has its time from then, also where a tick is overdue.
    #[inline]
    pub(crate) fn look(&self, now: Instant) {
        let now = self.tick_of(now);
        if now > self.seen.get() {
            self.seen.set(now);
            // A tick is overdue, and with it the date.
            if now > self.tick.get() + 2 {
                self.follow_wall_clock();
            }
        }
    }

    /// Advances to the tick of `now` and wakes what is due. Called every [`TICK`]; late calls catch up.
    pub(crate) fn advance(&self, now: Instant) {
        self.follow_wall_clock();
        let now = self.tick_of(now);
        let from = self.tick.get() + 1;
        if now < from {
            return;
        }
        self.tick.set(now);
        self.seen.set(now);
        // After a long stall one turn over all slots finds everything that is due.
        let from = from.max(now.saturating_sub(SLOTS as u64 - 1));
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
        let now = self.clock.seen.get();
        let at = now.saturating_add(ticks(after).min(NEVER / 4)) + 2;
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

    #[test]
    fn a_deadline_passes_after_its_time_and_not_before() {
        let clock = Clock::new();
        let count = Arc::new(Count(AtomicUsize::new(0)));
        let waker = Waker::from(count.clone());
        let mut cx = Context::from_waker(&waker);
        let d = clock.deadline();
        let start = clock.start;
        d.arm_now(ticks(10));
        assert!(d.poll(&mut cx).is_pending());
        clock.advance(start + ticks(9));
        assert!(d.poll(&mut cx).is_pending());
        clock.advance(start + ticks(12));
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
        let start = clock.start;
        d.arm_now(ticks(100));
        d.arm_now(ticks(5));
        d.arm_now(ticks(50));
        assert!(d.poll(&mut cx).is_pending());
        clock.advance(start + ticks(49));
        assert_eq!(count.0.load(Ordering::Relaxed), 0);
        clock.advance(start + ticks(52));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        clock.advance(start + ticks(200));
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
    }

    #[test]
    fn a_deadline_further_than_a_turn_waits_for_its_turn() {
        let clock = Clock::new();
        let waker = Waker::noop();
        let mut cx = Context::from_waker(waker);
        let d = clock.deadline();
        let start = clock.start;
        let far = 3 * SLOTS as u32 + 7;
        d.arm_now(ticks(far));
        for turn in 1..=3 {
            clock.advance(start + ticks(turn * SLOTS as u32));
            assert!(d.poll(&mut cx).is_pending(), "turn {turn}");
        }
        clock.advance(start + ticks(far + 2));
        assert!(d.poll(&mut cx).is_ready());
    }

    #[test]
    fn what_is_armed_behind_a_stall_has_all_its_time() {
        let clock = Clock::new();
        let mut cx = Context::from_waker(Waker::noop());
        let (before, behind) = (clock.deadline(), clock.deadline());
        before.arm_now(ticks(10));
        // The worker stands still for many turns, and the first it does is to read a request.
        let still = 10 * SLOTS as u32;
        clock.look(clock.start + ticks(still));
        behind.arm_now(ticks(10));
        assert!(before.poll(&mut cx).is_pending() && behind.poll(&mut cx).is_pending());
        clock.advance(clock.start + ticks(still));
        assert!(before.poll(&mut cx).is_ready());
        clock.advance(clock.start + ticks(still + 9));
        assert!(behind.poll(&mut cx).is_pending());
        // A time that is past already changes nothing.
        clock.look(clock.start);
        behind.arm_now(ticks(1));
        clock.advance(clock.start + ticks(still + 10));
        assert!(behind.poll(&mut cx).is_pending());
        clock.advance(clock.start + ticks(still + 12));
        assert!(behind.poll(&mut cx).is_ready());
    }

    #[test]
    fn a_stalled_worker_catches_up() {
        let clock = Clock::new();
        let waker = Waker::noop();
        let mut cx = Context::from_waker(waker);
        let d = clock.deadline();
        d.arm_now(ticks(3));
        assert!(d.poll(&mut cx).is_pending());
        clock.advance(clock.start + ticks(10 * SLOTS as u32));
        assert!(d.poll(&mut cx).is_ready());
    }
}
