//! The process's allocator, mimalloc, and the one setting a cache wants of it.
//!
//! Owns: the only unsafe code of the proxy, calls into mimalloc's C interface. A cache at its ceiling frees as much as it
//! allocates, seconds apart: memory that is given back to the kernel in between comes back as pages to be cleared, a tenth
//! of the processor time of a stored miss (docs/benchmarks.md). So freed pages are kept for [`KEEP`] before they go back.
//!
//! Nearly all that is asked for is aligned to a word at most, as every block of mimalloc is: that goes by its plain functions. Its
//! aligned ones, which the binding takes for everything, look at each size again, and cost twice as much.

use mimalloc::MiMalloc;
use std::alloc::{GlobalAlloc, Layout};
use std::ffi::{c_int, c_long};
use std::time::Duration;

/// The allocator.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allocator;

/// What every block of mimalloc is aligned to.
const WORD: usize = size_of::<usize>();

// SAFETY: the memory is mimalloc's whichever way it is asked for, so it may be freed, and grown, by either; its plain functions give blocks
// that are aligned to a word at least and hold at least as many bytes as asked for, or null. More strictly aligned layouts go
// to the binding.
unsafe impl GlobalAlloc for Allocator {
    #[inline]
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= WORD {
            // SAFETY: any size may be asked for.
            unsafe { libmimalloc_sys::mi_malloc(layout.size()).cast() }
        } else {
            // SAFETY: the caller's promise.
            unsafe { MiMalloc.alloc(layout) }
        }
    }

    #[inline]
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        if layout.align() <= WORD {
            // SAFETY: any size may be asked for.
            unsafe { libmimalloc_sys::mi_zalloc(layout.size()).cast() }
        } else {
            // SAFETY: the caller's promise.
            unsafe { MiMalloc.alloc_zeroed(layout) }
        }
    }

    #[inline]
    unsafe fn dealloc(&self, block: *mut u8, _: Layout) {
        // SAFETY: it came from one of the functions here, all of them mimalloc's.
        unsafe { libmimalloc_sys::mi_free(block.cast()) }
    }

    #[inline]
    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        if layout.align() <= WORD {
            // SAFETY: as above; any size may be asked for.
            unsafe { libmimalloc_sys::mi_realloc(block.cast(), size).cast() }
        } else {
            // SAFETY: the caller's promise.
            unsafe { MiMalloc.realloc(block, layout, size) }
        }
    }
}

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
    #![allow(clippy::unwrap_used)]
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

    #[test]
    fn every_block_is_aligned_and_keeps_what_is_in_it_when_it_grows() {
        let mut blocks = Vec::new();
        for size in (1..300).chain([1000, 1023, 1025, 10_240, 65_537, 1 << 20]) {
            for align in [1, 2, 4, 8, 16, 64, 4096] {
                let layout = Layout::from_size_align(size, align).unwrap();
                // SAFETY: the layout has a size; every byte that is read was written before, within the block; each block is freed
                // once, with the layout it has then.
                unsafe {
                    let zeroed = Allocator.alloc_zeroed(layout);
                    assert!(!zeroed.is_null() && zeroed.addr().is_multiple_of(align));
                    assert_eq!((*zeroed, *zeroed.add(size - 1)), (0, 0));
                    Allocator.dealloc(zeroed, layout);
                    let block = Allocator.alloc(layout);
                    assert!(!block.is_null() && block.addr().is_multiple_of(align));
                    block.write_bytes(7, size);
                    let grown = Allocator.realloc(block, layout, size * 3);
                    assert!(!grown.is_null() && grown.addr().is_multiple_of(align));
                    assert_eq!((*grown, *grown.add(size - 1)), (7, 7));
                    blocks.push((grown, Layout::from_size_align(size * 3, align).unwrap()));
                }
            }
        }
        for (block, layout) in blocks {
            // SAFETY: as above.
            unsafe { Allocator.dealloc(block, layout) }
        }
    }
}
