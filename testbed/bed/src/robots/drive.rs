//! Drives the load through its phases: takes each request when it is due, tells of phases and seconds, ends.
//!
//! The phases of its life: 1. requests as they are due, until the last or until it is stopped; 2. what is under way ends; 3. what is to be
//! judged is; 4. over. The last two are those of a closed loop too.
//!
//! Awkward case: a phase that fills a store ends when the origin has sent enough, before its time. The request drawn last is then due
//! in a phase that is over; it is taken at once, so that no object is missing from the sequence.

use super::{clock::micros, load::Load, timer::Timer};
use std::{cell::Cell, io, rc::Rc, time::Duration};
use tokio::{sync::Notify, time::timeout};

/// Requests taken in one go before answers are looked at.
const BURST: usize = 64;
/// Microseconds between two looks at how full a store is.
const LOOK: u64 = 100_000;
/// How much longer than an answer may take the end is waited for.
const SETTLING: Duration = Duration::from_secs(1);
/// How long the end is waited for, at most, by who was told to stop.
const HURRIED: Duration = Duration::from_secs(10);
/// Seconds between two sweeps for connections that the proxy closed.
const SWEEP: u64 = 5;

/// Drives it to its end, or until `stop` rings, which is told. The moment of the run when nothing was under way any more.
///
/// # Errors
/// The system has no timer for it.
pub(crate) async fn drive(
    load: &Rc<Load>,
    stop: &Notify,
    stopped_early: &Cell<bool>,
) -> io::Result<u64> {
    let timer = Timer::new()?;
    let stopped = stop.notified();
    tokio::pin!(stopped);
    let mut next = load.next();
    let mut second = 0;
    load.enter(0, 0);
    loop {
        let now = load.clock.now();
        load.phases(now);
        if now / 1_000_000 > second {
            second = now / 1_000_000;
            load.second(now);
            if second.is_multiple_of(SWEEP) {
                load.sweep();
            }
        }
        if load.filled(now) {
            // Due in the phase that has just ended; no later than now.
            if let Some(arrival) = &mut next {
                arrival.due = arrival.due.min(now as f64 / 1e6);
            }
        }
        let mut burst = 0;
        while let Some(arrival) = next.filter(|a| micros(a.due) <= load.clock.now()) {
            load.take(arrival, load.clock.now());
            next = load.next();
            burst += 1;
            if burst == BURST {
                break;
            }
        }
        if burst == BURST {
            // Behind: what was taken must be sent before more is. Who is always behind must end too when it is told.
            tokio::select! {
                biased;
                () = &mut stopped => {
                    stopped_early.set(true);
                    break;
                }
                () = tokio::task::yield_now() => continue,
            }
        }
        if next.is_none() {
            break;
        }
        let due = next.map_or(u64::MAX, |a| micros(a.due));
        let wake = due
            .min(load.phase_end())
            .min((second + 1) * 1_000_000)
            .min(now + LOOK);
        let now = load.clock.now();
        tokio::select! {
            biased;
            () = &mut stopped => {
                stopped_early.set(true);
                break;
            }
            slept = timer.sleep(wake.saturating_sub(now)) => slept?,
        }
    }
    if !stopped_early.get() {
        // The last phase is as long as it says, and is seen at its end: what comes behind it is told apart.
        loop {
            let now = load.clock.now();
            if now >= load.end() {
                break;
            }
            if now / 1_000_000 > second {
                second = now / 1_000_000;
                load.second(now);
            }
            let wake = load.end().min((second + 1) * 1_000_000);
            tokio::select! {
                biased;
                () = &mut stopped => {
                    stopped_early.set(true);
                    break;
                }
                slept = timer.sleep(wake.saturating_sub(now)) => slept?,
            }
        }
        load.second(load.clock.now());
    }
    // What is under way may end, or its time may be up, which is a fault to be counted: a proxy that hangs must not look right because
    // the run ended first.
    let patience = load.timeout + SETTLING;
    Ok(end(load, patience, stopped, stopped_early).await)
}

/// Waits for what is under way, as long as `patience` allows, and then for the judges of what is over. The moment of the run when the
/// first of these waits had its end. Who interrupts does not wait for that, nor who interrupts the waiting.
pub(crate) async fn end(
    load: &Load,
    patience: Duration,
    stopped: impl Future<Output = ()>,
    stopped_early: &Cell<bool>,
) -> u64 {
    tokio::pin!(stopped);
    let hurried = patience.min(load.timeout).min(HURRIED);
    {
        // Gone when the judges are waited for: it would be first in the queue of who is woken.
        let answered = async {
            while load.counts().under_way > 0 {
                load.idle.notified().await;
            }
        };
        tokio::pin!(answered);
        if !stopped_early.get() {
            tokio::select! {
                biased;
                _ = timeout(patience, &mut answered) => {}
                () = &mut stopped => stopped_early.set(true),
            }
        }
        if stopped_early.get() {
            let _ = timeout(hurried, answered).await;
        }
    }
    load.close();
    let at = load.clock.now();
    load.second(at);
    if load.counts().judging == 0 {
        return at;
    }
    let judged = async {
        while load.counts().judging > 0 {
            let _ = timeout(Duration::from_secs(1), load.idle.notified()).await;
            load.second(load.clock.now());
        }
    };
    // Judges have so much to do and no more, since nothing comes to it now: they are waited for however long that takes, or they would
    // go on beside the next run. Who interrupts does not wait for that either.
    let early = stopped_early.get();
    let patience = if early { hurried } else { Duration::MAX };
    tokio::select! {
        _ = timeout(patience, judged) => {}
        () = stopped, if !early => stopped_early.set(true),
    }
    at
}

#[cfg(test)]
#[path = "drive_tests.rs"]
mod tests;
