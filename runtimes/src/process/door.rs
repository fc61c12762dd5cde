//! One worker's door: a connection to each thread of each child, and the choice among them.

use super::blocks::{ARENA, Blocks};
use super::child::{Child, Packet, Shared};
use super::connection::Connection;
use super::control::Order;
use super::signs::Signs;
use crate::failure::Failure;
use crate::runtime::{Door, Entered};
use crate::seat::Seat;
use std::cell::{Cell, RefCell};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use understudy_module::Hook;
use understudy_shared::Arena;

/// The door.
#[derive(Debug)]
pub(crate) struct ProcessDoor {
    shared: Arc<Shared>,
    seat: Rc<Seat>,
    /// Of which set of children `connections` are.
    generation: Cell<u64>,
    connections: RefCell<Vec<Rc<Connection>>>,
}

impl ProcessDoor {
    pub(crate) fn new(shared: Arc<Shared>, seat: &Rc<Seat>) -> ProcessDoor {
        let door = ProcessDoor {
            shared,
            seat: seat.clone(),
            generation: Cell::new(0),
            connections: RefCell::default(),
        };
        door.renew();
        door
    }

    /// Connects to the children that are new and lets go of those that are gone; transactions that are with one of those hold
    /// its connection themselves.
    #[cold]
    fn renew(&self) {
        let generation = self.shared.generation();
        let mut connections = self.connections.borrow_mut();
        let before = std::mem::take(&mut *connections);
        for child in self.shared.children() {
            let of_child = |c: &&Rc<Connection>| c.child.number == child.number;
            connections.extend(before.iter().filter(of_child).cloned());
            if connections.last().as_ref().is_some_and(of_child) {
                continue;
            }
            let signs = Signs::new(child.clone(), self.seat.newest());
            for _ in 0..self.shared.lanes.get().copied().unwrap_or(1) {
                match self.connect(child.clone(), signs.clone()) {
                    Ok(connection) => connections.push(connection),
                    Err(why) => {
                        tracing::warn!(module = %self.shared.spec.name, "no connection to its process: {why}");
                    }
                }
            }
        }
        self.generation.set(generation);
    }

    fn connect(&self, child: Arc<Child>, signs: Rc<Signs>) -> std::io::Result<Rc<Connection>> {
        let (ours, theirs) = UnixStream::pair()?;
        ours.set_nonblocking(true)?;
        let mut fds = vec![OwnedFd::from(theirs)];
        let bodies = self
            .shared
            .hooks
            .get()
            .is_some_and(|hooks| hooks.iter().any(Hook::is_body));
        let blocks = if bodies {
            let arena = Arena::new(ARENA)?;
            fds.push(arena.fd().try_clone_to_owned()?);
            Some(Blocks::new(arena))
        } else {
            None
        };
        let order = Order::Door(if bodies { ARENA as u32 } else { 0 });
        let connection = Connection::open(
            child.clone(),
            signs,
            self.shared.clone(),
            &self.seat,
            ours.into(),
            blocks,
        )?;
        child.tell(Packet { order, fds });
        Ok(connection)
    }
}

impl Door for ProcessDoor {
    #[inline]
    fn enter(&self) -> Result<Entered, Failure> {
        if self.generation.get() != self.shared.generation() {
            self.renew();
        }
        let connections = self.connections.borrow();
        let least = connections
            .iter()
            .filter(|connection| connection.child.takes())
            .min_by_key(|connection| {
                let child = connection.child.busy.load(Relaxed);
                // One that is behind is asked where there is no other: its thread may hang.
                (connection.is_behind(), child, connection.busy.get())
            })
            .ok_or(Failure::Unavailable)?;
        least.child.busy.fetch_add(1, Relaxed);
        least.busy.set(least.busy.get() + 1);
        Ok(Entered::Far(least.clone()))
    }
}
