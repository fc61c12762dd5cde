//! What waits for a child at its control socket, from the proxy's side.
//!
//! Owns the orders that were taken from the channel and not written. Invariants: an order is put into bytes when its turn has come,
//! so what waits is there once; its weight is given back ([`Child::took`]) when the kernel has the last of it, or it will not go.
//! Awkward case: descriptors travel with the first byte of their order, and only with that.

use super::child::{Child, Packet};
use rustix::cmsg_space;
use rustix::io::Errno;
use rustix::net::{SendAncillaryBuffer, SendAncillaryMessage, SendFlags, sendmsg};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};

/// The orders, each with its weight.
#[derive(Debug, Default)]
pub(super) struct Outgoing {
    queue: VecDeque<(Packet, usize)>,
    going: Option<Going>,
}

/// An order on its way.
#[derive(Debug)]
struct Going {
    bytes: Vec<u8>,
    /// Written.
    at: usize,
    fds: Vec<OwnedFd>,
    weight: usize,
}

impl Outgoing {
    /// Whether there is nothing.
    pub(super) fn is_empty(&self) -> bool {
        self.going.is_none() && self.queue.is_empty()
    }

    /// One more.
    pub(super) fn push(&mut self, packet: Packet, weight: usize) {
        self.queue.push_back((packet, weight));
    }

    /// Writes what the socket takes.
    pub(super) fn write(&mut self, control: &impl AsFd, child: &Child) {
        while let Some(going) = self.front(child) {
            let borrowed: Vec<_> = going.fds.iter().map(AsFd::as_fd).collect();
            let mut space = [MaybeUninit::uninit(); cmsg_space!(ScmRights(2))];
            let mut ancillary = SendAncillaryBuffer::new(&mut space);
            if !borrowed.is_empty() {
                ancillary.push(SendAncillaryMessage::ScmRights(&borrowed));
            }
            let bytes = [IoSlice::new(&going.bytes[going.at..])];
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match sendmsg(control, &bytes, &mut ancillary, flags) {
                Ok(n) => {
                    going.at += n;
                    going.fds.clear();
                    if going.at == going.bytes.len() {
                        child.took(going.weight);
                        self.going = None;
                    }
                }
                Err(Errno::INTR) => {}
                // Full, or gone: whoever waits for room sees which.
                Err(_) => return,
            }
        }
    }

    /// The order whose turn it is.
    fn front(&mut self, child: &Child) -> Option<&mut Going> {
        while self.going.is_none() {
            let (packet, weight) = self.queue.pop_front()?;
            let mut bytes = Vec::new();
            if packet.order.put(&mut bytes) {
                self.going = Some(Going {
                    bytes,
                    at: 0,
                    fds: packet.fds,
                    weight,
                });
            } else {
                child.took(weight);
            }
        }
        self.going.as_mut()
    }
}
