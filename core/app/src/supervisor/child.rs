//! The proxy's end of its supervision.
//!
//! Awkward case: the supervisor may be gone before the kernel was asked to tell; so its process id is compared once that is done.

use super::SUPERVISED;
use rustix::{
    process::{Signal, getppid, set_parent_process_death_signal},
    stdio::{dup2_stdin, stdin},
};
use std::{
    fs::File,
    io,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};
use understudy_runtimes::marker;
use understudy_shared::{MARKERS, marker_page, set_foreign, set_name};

static PAGE: OnceLock<&'static [AtomicU32]> = OnceLock::new();
static LOADER: OnceLock<&'static AtomicU32> = OnceLock::new();

/// Whether a supervisor started this process.
pub(crate) fn supervised() -> bool {
    let said = std::env::var(SUPERVISED)
        .ok()
        .and_then(|id| id.parse::<i32>().ok());
    said.is_some() && said == getppid().map(|pid| pid.as_raw_nonzero().get())
}

/// To be called first of all in a process that a supervisor started: ends with it, and tells it which module runs.
///
/// # Errors
/// When the kernel refuses, or the supervisor is gone.
pub(crate) fn adopt() -> io::Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if !supervised() {
        return Err(io::Error::other("the supervisor is gone"));
    }
    let page = stdin().try_clone_to_owned()?;
    // Nothing this process starts is to have the page.
    dup2_stdin(File::open("/dev/null")?)?;
    let (_, words) = marker_page(Some(page))?;
    if let Some(markers) = words
        .get(..MARKERS)
        .and_then(|markers| markers.try_into().ok())
    {
        marker::install(markers);
    }
    let _ = PAGE.set(words);
    Ok(())
}

/// Tells the supervisor, if there is one, what the module of this number is called.
pub(crate) fn note_name(number: u32, name: &str) {
    if let Some(page) = PAGE.get() {
        set_name(page, number, name);
    }
}

/// Tells the supervisor, if there is one, that the module of this number has foreign code in this address space.
pub(crate) fn note_foreign(number: u32) {
    if let Some(page) = PAGE.get() {
        set_foreign(page, number);
    }
}

/// Notes that this module is being loaded or told something, on the main thread; 0: none.
pub(crate) fn inside(number: u32) {
    LOADER.get_or_init(marker::slot).store(number, Relaxed);
}
