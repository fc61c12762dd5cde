//! Sleeps until a microsecond, not until a millisecond: tokio's timers round up to the next one, which would be most of a hit's time.

use rustix::{
    io::{Errno, read},
    time::{
        Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create,
        timerfd_settime,
    },
};
use std::{io, os::fd::OwnedFd};
use tokio::io::{Interest, unix::AsyncFd};

/// A timer of its own.
#[derive(Debug)]
pub(crate) struct Timer {
    fd: AsyncFd<OwnedFd>,
}

impl Timer {
    /// A timer of this runtime.
    ///
    /// # Errors
    /// There are no more file descriptors.
    pub(crate) fn new() -> io::Result<Self> {
        let flags = TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC;
        let fd = timerfd_create(TimerfdClockId::Monotonic, flags)?;
        // Deprecated because a type of one's own may give a descriptor that it closes early; an `OwnedFd` does not.
        #[allow(deprecated)]
        let fd = AsyncFd::with_interest(fd, Interest::READABLE)?;
        Ok(Self { fd })
    }

    /// Sleeps for so many microseconds. May be dropped and begun again.
    pub(crate) async fn sleep(&self, microseconds: u64) -> io::Result<()> {
        if microseconds == 0 {
            return Ok(());
        }
        let zero = Timespec {
            tv_sec: 0,
            tv_nsec: 0,
        };
        let value = Timespec {
            tv_sec: i64::try_from(microseconds / 1_000_000).unwrap_or(i64::MAX),
            tv_nsec: (microseconds % 1_000_000 * 1000) as _,
        };
        let spec = Itimerspec {
            it_interval: zero,
            it_value: value,
        };
        timerfd_settime(self.fd.get_ref(), TimerfdTimerFlags::empty(), &spec)?;
        loop {
            let mut ready = self.fd.readable().await?;
            let mut count = [0u8; 8];
            match read(self.fd.get_ref(), &mut count) {
                Ok(_) => return Ok(()),
                // Set anew since it rang: not yet.
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(e) => return Err(e.into()),
            }
        }
    }
}
