//! Descriptors that a module names by number.

use rustix::io::fcntl_dupfd_cloexec;
use std::io;
use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

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
