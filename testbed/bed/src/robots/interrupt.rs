//! Whether somebody asked this program to end: an interrupt (Ctrl-C) or a request to terminate.
//!
//! Invariant: from the first run on, such a signal never ends the program by itself, or a proxy that was started for the run, and has a
//! process group of its own, would be left behind. Awkward case: it may come between two runs of a table; so it is remembered.

use std::{
    io,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
use tokio::signal::unix::{SignalKind, signal};

static ASKED: AtomicBool = AtomicBool::new(false);

/// Hears such signals from now on; a second call changes nothing.
///
/// # Errors
/// The system has no thread or handler for it.
pub fn hear() -> io::Result<()> {
    static HEARING: Mutex<bool> = Mutex::new(false);
    let mut hearing = HEARING.lock().unwrap_or_else(PoisonError::into_inner);
    if *hearing {
        return Ok(());
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let (mut interrupt, mut terminate) = {
        let _entered = runtime.enter();
        (
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
        )
    };
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                tokio::select! {
                    _ = interrupt.recv() => {}
                    _ = terminate.recv() => {}
                }
            });
            ASKED.store(true, Ordering::Relaxed);
        })?;
    *hearing = true;
    Ok(())
}

/// Whether one came.
pub(crate) fn asked() -> bool {
    ASKED.load(Ordering::Relaxed)
}
