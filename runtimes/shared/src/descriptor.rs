//! Descriptors: those that a module names by number, and those that an event loop waits for.

use rustix::io::fcntl_dupfd_cloexec;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};
use std::sync::Arc;
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// A descriptor of our own for the file behind a number that a module gave, so that it can be watched for as long as we like.
///
/// # Errors
/// When the number is no open descriptor.
pub fn duplicate(fd: RawFd) -> io::Result<OwnedFd> {
    if fd < 0 {
        return Err(io::Error::from_raw_os_error(9));
    }
    // SAFETY: the borrow lasts for this one system call. The module vouches that the number is its open descriptor; if it is
    // not, the call fails or names another file of this process, which is then watched but neither read, written nor closed.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    Ok(fcntl_dupfd_cloexec(borrowed, 3)?)
}

/// Has the event loop of this thread wait for a descriptor.
///
/// # Errors
/// When it is of a kind that cannot be waited for.
pub fn register(fd: OwnedFd) -> io::Result<AsyncFd<OwnedFd>> {
    // SAFETY: an `OwnedFd` is the same open descriptor from here to its drop, and `AsyncFd` takes it out of the event loop before.
    Ok(unsafe { AsyncFd::register(fd) }?)
}

/// Has the event loop of this thread wait for these directions of a descriptor, which may be registered once at a time.
///
/// # Errors
/// When it is of a kind that cannot be waited for.
pub fn register_for(fd: Arc<OwnedFd>, interests: Interest) -> io::Result<AsyncFd<Arc<OwnedFd>>> {
    // SAFETY: the `OwnedFd` stays open and the same while an `Arc` of it is here, which `AsyncFd` lets go of behind taking it out of
    // the event loop.
    Ok(unsafe { AsyncFd::register_with_interest(fd, interests) }?)
}
