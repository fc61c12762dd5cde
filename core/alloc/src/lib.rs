//! The process's allocator, mimalloc, and the one setting a cache wants of it.
//!
//! Owns: the only unsafe code of the proxy, one call into mimalloc's C interface. A cache at its ceiling frees as much as it
//! allocates, seconds apart: memory that is given back to the kernel in between comes back as pages to be cleared, a tenth
//! of the processor time of a stored miss (docs/benchmarks.md). So freed pages are kept for [`KEEP`] before they go back.

use std::ffi::{c_int, c_long};
use std::time::Duration;

pub use mimalloc::MiMalloc;

/// How long freed pages are kept for reuse; mimalloc's own default is a second.
pub const KEEP: Duration = Duration::from_secs(10);

/// mimalloc's number of the option `purge_delay`, in milliseconds. Its public header keeps it, the Rust binding leaves it out.
const PURGE_DELAY: c_int = 15;

/// Sets [`KEEP`], unless the environment (`MIMALLOC_PURGE_DELAY`) says something else. Called once, before any thread starts.
pub fn tune() {
    if std::env::var_os("MIMALLOC_PURGE_DELAY").is_none() {
        // SAFETY: a plain function of mimalloc that stores a number in its table of options; the option exists in the version
        // that is linked (the test below reads its default back) and is read at each purge.
        unsafe { libmimalloc_sys::mi_option_set(PURGE_DELAY, KEEP.as_millis() as c_long) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_option_is_the_one_it_is_taken_for() {
        // A second is mimalloc 3's default of this option and of no other; a new version that moves it fails here.
        // SAFETY: reads a number from mimalloc's table of options.
        let before = unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(before, 1000);
        tune();
        // SAFETY: as above.
        let after = unsafe { libmimalloc_sys::mi_option_get(PURGE_DELAY) };
        assert_eq!(after, 10_000);
    }
}
