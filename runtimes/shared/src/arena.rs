//! The arena: memory that the proxy writes and a child only reads, for bodies too large to be worth a copy through a socket.
//!
//! Invariant: the file is sealed (no shrinking, no growing, no new writable mapping, no further seals) before its descriptor
//! leaves the proxy. Which parts are in use is not known here: the proxy writes a part only while the child has given it back.

use crate::map::Map;
use rustix::fs::{MemfdFlags, SealFlags, fcntl_add_seals, ftruncate, memfd_create};
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

/// The proxy's side.
#[derive(Debug)]
pub struct Arena {
    fd: OwnedFd,
    map: Map,
}

/// The child's side.
#[derive(Debug)]
pub struct Window {
    map: Map,
}

impl Arena {
    /// An arena of so many bytes. Memory is taken when it is first written.
    ///
    /// # Errors
    /// When there are no descriptors or addresses left, or the kernel knows no `F_SEAL_FUTURE_WRITE` (before Linux 5.1).
    pub fn new(bytes: usize) -> io::Result<Arena> {
        let fd = memfd_create(
            "understudy-bodies",
            MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING,
        )?;
        ftruncate(&fd, bytes as u64)?;
        fcntl_add_seals(&fd, SealFlags::SHRINK | SealFlags::GROW)?;
        let map = Map::new(&fd, bytes, true)?;
        // From here on this mapping is the only one that can ever write.
        fcntl_add_seals(&fd, SealFlags::FUTURE_WRITE | SealFlags::SEAL)?;
        Ok(Arena { fd, map })
    }

    /// The descriptor to be given to the child.
    pub fn fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }

    /// Its size.
    pub fn size(&self) -> usize {
        self.map.len()
    }

    /// Copies bytes in. Answers whether they fit there.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) -> bool {
        let fits = offset
            .checked_add(bytes.len())
            .is_some_and(|end| end <= self.map.len());
        if fits {
            // SAFETY: the range lies in the mapping, which is writable and backed. `&mut self` keeps other threads of this
            // process away; the child reads this part only between being told of it and giving it back, and then the proxy
            // does not write it. No reference to these bytes exists in this process.
            unsafe {
                std::ptr::copy_nonoverlapping(
                    bytes.as_ptr(),
                    self.map.start().as_ptr().add(offset),
                    bytes.len(),
                );
            }
        }
        fits
    }
}

impl Window {
    /// The window on an arena that was received. The child's kernel refuses to map it for writing.
    ///
    /// # Errors
    /// When it is no sealed arena of this size.
    pub fn new(fd: impl AsFd, bytes: usize) -> io::Result<Window> {
        Ok(Window {
            map: Map::new(fd, bytes, false)?,
        })
    }

    /// A part that the proxy wrote and told of; `None` when it lies outside.
    ///
    /// The child may look at it until it gives it back; behind that the proxy may write it again.
    pub fn part(&self, offset: usize, len: usize) -> Option<&[u8]> {
        let end = offset.checked_add(len)?;
        if end > self.map.len() {
            return None;
        }
        // SAFETY: the range lies in the mapping, which is readable and stays backed while `self` lives. The proxy, which this
        // side trusts, wrote the part before it told of it (the socket orders the two) and does not write it until it is given
        // back; nobody else can write at all.
        Some(unsafe { std::slice::from_raw_parts(self.map.start().as_ptr().add(offset), len) })
    }
}
