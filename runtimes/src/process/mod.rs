//! The process model: children of the same binary, each behind a control socket and one socket for each worker.
//!
//! A child is `understudy module-host`, told over its standard input what to be ([`host_main`]). Events leave a worker in batches
//! through its own socket pair with each child; bodies above a measured size lie in an arena that the proxy writes and the child
//! maps read-only. What a child sends is hostile input: anything wrong, and it is killed and another started. Absent: a way for a
//! child to write memory of the proxy, and any wait of a worker for a child.

mod back_off;
mod blocks;
mod child;
mod connection;
mod control;
mod door;
mod edits;
mod event;
mod host;
mod operation;
mod outgoing;
mod pulse;
mod reply;
mod signs;
mod supervise;
mod wire;

pub use blocks::{THRESHOLD, set_threshold};
pub use control::{Report, decode_report, encode_report};
pub use host::{Libraries, host_main};
pub use reply::{Heard, decode_reply, encode_reply};
pub use wire::{MAX_FRAME, Malformed, next_frame};

use crate::loaded::Environment;
use crate::office::Office;
use crate::runtime::{Done, Door, Notice, Runtime};
use crate::seat::Seat;
use crate::spec::{Kind, Spec};
use child::Shared;
use control::Order;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use tokio::sync::watch;
use understudy_module::About;

/// The runtime.
#[derive(Debug)]
struct Processes {
    shared: Arc<Shared>,
    closing: watch::Sender<bool>,
}

/// Starts the children of a module and waits until they are ready. They are supervised on the arbiter this is called on, which must
/// outlive them: a child dies with the thread that started it.
///
/// # Errors
/// When none can be started, or the module refuses.
pub async fn start(
    spec: &Spec,
    _number: u32,
    environment: &Environment,
) -> Result<(About, Arc<dyn Runtime>, Arc<Office>), String> {
    let office = Office::new(
        spec.name.clone(),
        // Waiting on the spot is the child's own matter.
        false,
        environment.services.clone(),
        environment.mailboxes.clone(),
    );
    let shared = Arc::new(Shared::new(
        spec.clone(),
        environment.clone(),
        office.clone(),
    ));
    let (first, about) = supervise::launch(&shared).await?;
    if about.single && spec.limits.processes > 1 {
        return Err(format!(
            "module `{}` keeps state of which there must be one: it cannot run in {} processes; set processes = 1",
            spec.name, spec.limits.processes
        ));
    }
    let _ = shared.hooks.set(about.hooks);
    // A thread of a child each; one whose hooks may wait deals out what comes through one.
    let lanes = if about.blocking {
        1
    } else {
        spec.limits.threads.max(1)
    };
    let _ = shared.lanes.set(lanes);
    let mut running = vec![first];
    for _ in 1..spec.limits.processes {
        running.push(supervise::launch(&shared).await?.0);
    }
    let (closing, _) = watch::channel(false);
    for (at, running) in running.into_iter().enumerate() {
        // Before anybody can enter: the module is loaded when its children are there.
        shared.place(at, Some(running.child.clone()));
        actix_rt::spawn(supervise::supervise(
            shared.clone(),
            at,
            running,
            closing.subscribe(),
        ));
    }
    Ok((about, Arc::new(Processes { shared, closing }), office))
}

impl Runtime for Processes {
    fn kind(&self) -> Kind {
        Kind::Process
    }

    fn door(&self, seat: &Rc<Seat>) -> Rc<dyn Door> {
        Rc::new(door::ProcessDoor::new(self.shared.clone(), seat))
    }

    fn notify(&self, notice: Notice, done: Done) {
        match notice {
            Notice::Timer => {
                // No child waits for another: each has its next ring when it has dealt with the one before.
                for child in self.shared.children() {
                    child.tell(Order::Timer);
                }
                done(Ok(()));
            }
            Notice::Reconfigure(options) => self.shared.reconfigure(options, done),
            // Operations and descriptors of a child are its own: they never come this way.
            Notice::Completed(..) | Notice::Ready(..) => done(Ok(())),
        }
    }

    fn settings_changed(&self) {
        for child in self.shared.children() {
            self.shared.tell_settings(&child);
        }
    }

    fn gauges(&self) -> Vec<(&'static str, u64)> {
        let counts = &self.shared.counts;
        vec![
            ("processes", self.shared.children().len() as u64),
            ("restarts", counts.restarts.load(Relaxed)),
            ("killed", counts.killed.load(Relaxed)),
            ("garbage", counts.garbage.load(Relaxed)),
            ("rebuilt", counts.rebuilt.load(Relaxed)),
            ("panics", counts.panics.load(Relaxed)),
            ("queued", counts.away.load(Relaxed) as u64),
        ]
    }
}

impl Drop for Processes {
    fn drop(&mut self) {
        let _ = self.closing.send(true);
    }
}
