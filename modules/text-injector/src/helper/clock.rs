//! When a question has waited long enough: one timer descriptor for all.
//!
//! Invariant: questions are here in the order in which they end, as each may take as long as any other. Awkward case: a question that was
//! answered. It stays until those before it are over, and holds nothing but its place.

use crate::slot::Slot;
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};
use std::collections::VecDeque;
use std::os::fd::{AsRawFd, OwnedFd};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};
use understudy_module::{Host, Interest};

/// The clock.
#[derive(Debug)]
pub(super) struct Clock {
    timer: OwnedFd,
    tag: u64,
    timeout: Duration,
    due: Mutex<VecDeque<(Instant, Weak<Slot>)>>,
    host: Host,
}

impl Clock {
    pub(super) fn new(timeout: Duration, host: Host) -> Result<Clock, String> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let timer = rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags)
            .map_err(|why| format!("no timer: {why}"))?;
        let tag = host.number();
        host.watch(timer.as_raw_fd(), Interest::Read, tag);
        Ok(Clock {
            timer,
            tag,
            timeout,
            due: Mutex::default(),
            host,
        })
    }

    /// One more question.
    pub(super) fn add(&self, slot: &Arc<Slot>) {
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        while due
            .front()
            .is_some_and(|(_, slot)| slot.upgrade().is_none_or(|slot| slot.look().is_some()))
        {
            due.pop_front();
        }
        let first = due.is_empty();
        due.push_back((Instant::now() + self.timeout, Arc::downgrade(slot)));
        if first {
            self.arm(self.timeout);
        }
    }

    /// Time has come for some; says whether it was this clock.
    pub(super) fn ready(&self, tag: u64) -> bool {
        if tag != self.tag {
            return false;
        }
        // How often it rang says nothing.
        let _ = rustix::io::read(&self.timer, &mut [0; 8][..]);
        let now = Instant::now();
        let mut over = Vec::new();
        let mut due = self.due.lock().unwrap_or_else(PoisonError::into_inner);
        while due.front().is_some_and(|(end, _)| *end <= now) {
            over.extend(due.pop_front());
        }
        if let Some((end, _)) = due.front() {
            self.arm(end.saturating_duration_since(now));
        }
        drop(due);
        for slot in over.into_iter().filter_map(|(_, slot)| slot.upgrade()) {
            if slot.answer(&self.host, None) {
                self.host.count("timeouts", 1);
            }
        }
        true
    }

    fn arm(&self, after: Duration) {
        // Zero would disarm it.
        let after = after.max(Duration::from_millis(1));
        let value = Timespec {
            tv_sec: after.as_secs() as i64,
            tv_nsec: after.subsec_nanos().into(),
        };
        let once = Itimerspec {
            it_interval: Timespec {
                tv_sec: 0,
                tv_nsec: 0,
            },
            it_value: value,
        };
        // A timer of ours takes any time; did it not, the deadline of the module would end the wait.
        let _ = rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::empty(), &once);
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.host.closing(self.timer.as_raw_fd());
    }
}
