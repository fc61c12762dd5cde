//! A closed loop: always so many direct requests under way, the next as soon as one ends. For ceilings, not for latencies: a load that
//! waits for answers asks less of whoever is slow (coordinated omission).

use super::{drive::end, load::Load};
use std::{cell::Cell, io, rc::Rc, time::Duration};
use tokio::{
    sync::Notify,
    time::{Interval, interval},
};

/// How long the end of what is under way is waited for.
const PATIENCE: Duration = Duration::from_secs(10);

/// Drives it until its phases end, requests do, or `stop` rings, which is told. The moment of the run when nothing was under way any more.
///
/// # Errors
/// None; like [`super::drive::drive`] otherwise.
pub(crate) async fn drive_closed(
    load: &Rc<Load>,
    under_way: u64,
    stop: &Notify,
    stopped_early: &Cell<bool>,
) -> io::Result<u64> {
    let stopped = stop.notified();
    tokio::pin!(stopped);
    let mut second = 0;
    // What embeds much must not hold up the clock of phases.
    let mut look: Interval = interval(Duration::from_millis(20));
    load.enter(0, 0);
    'run: loop {
        let now = load.clock.now();
        load.phases(now);
        if now / 1_000_000 > second {
            second = now / 1_000_000;
            load.second(now);
        }
        if now >= load.end() {
            break;
        }
        while load.counts().under_way < under_way {
            let Some(mut arrival) = load.next() else {
                break 'run;
            };
            let now = load.clock.now();
            arrival.due = now as f64 / 1e6;
            arrival.phase = load.counts().phase;
            load.take(arrival, now);
        }
        tokio::select! {
            biased;
            () = &mut stopped => {
                stopped_early.set(true);
                break;
            }
            () = load.room.notified() => {}
            _ = look.tick() => {}
        }
    }
    Ok(end(load, PATIENCE, stopped, stopped_early).await)
}
