//! A shared mapping of a whole memfd.
//!
//! Invariant: the file is sealed against shrinking before it is mapped (or was when it arrived), and is at least as long as the
//! mapping; so every address of the mapping stays backed for as long as the mapping lives. Awkward case: the other process may
//! write at any time, so nothing here gives out a reference to the bytes; callers copy, or say why they need not.

use rustix::fs::{SealFlags, fcntl_get_seals, fstat};
use rustix::io;
use rustix::mm::{MapFlags, ProtFlags, mmap, munmap};
use std::os::fd::AsFd;
use std::ptr::NonNull;

/// The mapping, unmapped on drop.
#[derive(Debug)]
pub(crate) struct Map {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the mapping belongs to the process, not to a thread; whoever touches the bytes does it under the rules of `Arena`,
// `Window` and `marker_page`.
unsafe impl Send for Map {}
// SAFETY: as above; `Map` itself has no interior state.
unsafe impl Sync for Map {}

impl Map {
    /// Maps the first `len` bytes.
    ///
    /// # Errors
    /// `INVAL` when the file may shrink or is shorter; what `mmap` says.
    pub(crate) fn new(fd: impl AsFd, len: usize, write: bool) -> io::Result<Map> {
        let seals = fcntl_get_seals(fd.as_fd())?;
        let size = u64::try_from(fstat(fd.as_fd())?.st_size).unwrap_or(0);
        if len == 0 || !seals.contains(SealFlags::SHRINK) || size < len as u64 {
            return Err(io::Errno::INVAL);
        }
        let prot = if write {
            ProtFlags::READ | ProtFlags::WRITE
        } else {
            ProtFlags::READ
        };
        // SAFETY: a new mapping at an address of the kernel's choice touches no memory that exists.
        let at = unsafe {
            mmap(
                std::ptr::null_mut(),
                len,
                prot,
                MapFlags::SHARED,
                fd.as_fd(),
                0,
            )
        }?;
        let start = NonNull::new(at.cast::<u8>()).ok_or(io::Errno::NOMEM)?;
        Ok(Map { start, len })
    }

    /// The first byte.
    pub(crate) fn start(&self) -> NonNull<u8> {
        self.start
    }

    /// How many there are.
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for Map {
    fn drop(&mut self) {
        // SAFETY: mapped by `new` with this length, and nobody has a pointer into it that outlives `self`.
        let _ = unsafe { munmap(self.start.as_ptr().cast(), self.len) };
    }
}
