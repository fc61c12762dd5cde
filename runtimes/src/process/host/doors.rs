//! The doors of the workers, from the child's side: sockets to wait on, and what is to be written to each.

use crate::process::child::lock;
use crate::process::reply::{put_freed, put_release};
use rustix::event::{Timespec, epoll};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use std::cell::Cell;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use understudy_module::Bytes;
use understudy_shared::Window;

/// Bytes read at once.
const READ: usize = 256 * 1024;

thread_local! {
    /// The door whose batch this thread answers: what is said through it meanwhile goes with the batch.
    static SERVING: Cell<u64> = const { Cell::new(0) };
}

/// A worker's door.
pub(super) struct Door {
    pub(super) number: u64,
    socket: OwnedFd,
    window: Option<Window>,
    out: Mutex<Out>,
}

/// What was said and not written.
#[derive(Default)]
struct Out {
    bytes: Vec<u8>,
    /// The worker waits for some of it.
    urgent: bool,
    /// Time in `free` that was not told.
    freed: Duration,
}

/// All of them.
pub(super) struct Doors {
    /// One for each thread that reads; a door is one thread's.
    epolls: Vec<OwnedFd>,
    all: Mutex<HashMap<u64, Arc<Door>>>,
}

/// What was read of a door and not dealt with.
#[derive(Default)]
pub(super) struct Input {
    pub(super) bytes: Vec<u8>,
    pub(super) filled: usize,
}

impl Input {
    /// Forgets what was dealt with.
    pub(super) fn consume(&mut self, done: usize) {
        self.bytes.copy_within(done..self.filled, 0);
        self.filled -= done;
        if self.bytes.len() > 4 * READ && self.filled < READ {
            self.bytes.truncate(READ);
            self.bytes.shrink_to_fit();
        }
    }
}

static NUMBERS: AtomicU64 = AtomicU64::new(1);

impl Door {
    pub(super) fn new(socket: OwnedFd, arena: Option<(OwnedFd, usize)>) -> std::io::Result<Door> {
        Ok(Door {
            number: NUMBERS.fetch_add(1, Ordering::Relaxed),
            socket,
            window: arena
                .map(|(fd, bytes)| Window::new(fd, bytes))
                .transpose()?,
            out: Mutex::default(),
        })
    }

    /// Reads what is there; `false` at the end.
    pub(super) fn read(&self, input: &mut Input) -> bool {
        if input.bytes.len() - input.filled < READ / 2 {
            input.bytes.resize(input.filled + READ, 0);
        }
        loop {
            match recv(
                &self.socket,
                &mut input.bytes[input.filled..],
                RecvFlags::DONTWAIT,
            ) {
                Ok((_, n)) => {
                    input.filled += n;
                    return n > 0;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return true,
                Err(_) => return false,
            }
        }
    }

    /// Says something: with the batch that this thread answers, else at once.
    pub(super) fn say(&self, put: impl FnOnce(&mut Vec<u8>)) {
        let mut out = lock(&self.out);
        put(&mut out.bytes);
        out.urgent = true;
        if SERVING.get() != self.number {
            self.write(&mut out);
        }
    }

    /// Says something for which the worker does not wait: that a call is parked, that a part of the arena is free. It goes ahead of
    /// whatever is said next, so that the worker is woken once; a reader sees to it that it is not kept long ([`Mentioned`]).
    pub(super) fn mention(&self, put: impl FnOnce(&mut Vec<u8>)) {
        let mut out = lock(&self.out);
        put(&mut out.bytes);
        if SERVING.get() != self.number {
            self.write(&mut out);
        }
    }

    /// Mentions how long a `free` took; those of a batch are told together.
    pub(super) fn freed(&self, spent: Duration) {
        let mut out = lock(&self.out);
        out.freed += spent;
        if SERVING.get() != self.number {
            self.write(&mut out);
        }
    }

    /// Whether something was mentioned and not written.
    pub(super) fn keeps(&self) -> bool {
        let out = lock(&self.out);
        !out.bytes.is_empty() || !out.freed.is_zero()
    }

    /// Writes what was said.
    pub(super) fn flush(&self) {
        self.write(&mut lock(&self.out));
    }

    /// Waits while the worker does not read: it always does.
    fn write(&self, out: &mut Out) {
        out.urgent = false;
        let freed = std::mem::take(&mut out.freed);
        let out = &mut out.bytes;
        if !freed.is_zero() {
            put_freed(out, freed);
        }
        let mut rest = &out[..];
        while !rest.is_empty() {
            match send(&self.socket, rest, SendFlags::NOSIGNAL) {
                Ok(n) => rest = &rest[n..],
                Err(Errno::INTR) => {}
                // The end is seen by whoever reads.
                Err(_) => break,
            }
        }
        out.clear();
        if out.capacity() > 4 * READ {
            out.shrink_to(READ);
        }
    }

    /// This thread answers a batch of this door from now on.
    pub(super) fn serving(&self) {
        SERVING.set(self.number);
    }

    /// No more.
    pub(super) fn served(&self) {
        SERVING.set(0);
        let mut out = lock(&self.out);
        if out.urgent {
            self.write(&mut out);
        }
    }

    /// A piece in the arena, without a copy: its part is given back when the last who holds it lets go.
    pub(super) fn part(self: &Arc<Self>, offset: u32, len: u32) -> Option<Bytes> {
        self.window.as_ref()?.part(offset as usize, len as usize)?;
        Some(Bytes::from_owner(Part {
            door: self.clone(),
            offset,
            len,
        }))
    }
}

/// A part of the arena that the module has.
struct Part {
    door: Arc<Door>,
    offset: u32,
    len: u32,
}

impl AsRef<[u8]> for Part {
    fn as_ref(&self) -> &[u8] {
        let window = self.door.window.as_ref();
        window
            .and_then(|window| window.part(self.offset as usize, self.len as usize))
            .unwrap_or_default()
    }
}

impl Drop for Part {
    fn drop(&mut self) {
        self.door.mention(|out| put_release(out, self.offset));
    }
}

/// The doors through which a reader mentioned something.
#[derive(Default)]
pub(super) struct Mentioned {
    doors: Vec<Arc<Door>>,
    since: Option<Instant>,
}

impl Mentioned {
    /// Looks whether something was mentioned through this one.
    pub(super) fn look(&mut self, door: &Arc<Door>) {
        if door.keeps() && !self.doors.iter().any(|known| Arc::ptr_eq(known, door)) {
            self.since.get_or_insert_with(Instant::now);
            self.doors.push(door.clone());
        }
    }

    /// Tells what was kept long enough; how long to wait before the next look, when some is left.
    pub(super) fn tell(&mut self, latest: Duration) -> Option<Duration> {
        let kept = self.since?.elapsed();
        if kept < latest {
            return Some(latest - kept);
        }
        self.doors.drain(..).for_each(|door| door.flush());
        self.since = None;
        None
    }
}

impl Doors {
    pub(super) fn new(readers: usize) -> Result<Doors, Errno> {
        Ok(Doors {
            epolls: (0..readers.max(1))
                .map(|_| epoll::create(epoll::CreateFlags::CLOEXEC))
                .collect::<Result<_, _>>()?,
            all: Mutex::default(),
        })
    }

    /// Doors are dealt out in the order in which they open: the doors of one worker, as many as there are threads, open in a row.
    fn epoll(&self, door: &Door) -> &OwnedFd {
        &self.epolls[door.number as usize % self.epolls.len()]
    }

    /// One more; whoever waits sees it at once.
    pub(super) fn open(&self, door: Door) -> Result<(), Errno> {
        let door = Arc::new(door);
        lock(&self.all).insert(door.number, door.clone());
        epoll::add(
            self.epoll(&door),
            &door.socket,
            epoll::EventData::new_u64(door.number),
            epoll::EventFlags::IN,
        )
    }

    /// Waits until a door of this reader can be read, or for so long, and tells which.
    pub(super) fn wait(&self, reader: usize, most: Option<Duration>, ready: &mut Vec<Arc<Door>>) {
        let most = most.and_then(|most| Timespec::try_from(most).ok());
        let mut events = Vec::with_capacity(32);
        if epoll::wait(
            &self.epolls[reader],
            rustix::buffer::spare_capacity(&mut events),
            most.as_ref(),
        )
        .is_err()
        {
            return;
        }
        let all = lock(&self.all);
        ready.extend(
            events
                .iter()
                .filter_map(|event| all.get(&event.data.u64()).cloned()),
        );
    }

    /// It is over.
    pub(super) fn close(&self, door: &Door) {
        let _ = epoll::delete(self.epoll(door), &door.socket);
        lock(&self.all).remove(&door.number);
    }

    pub(super) fn is_empty(&self) -> bool {
        lock(&self.all).is_empty()
    }

    /// Any of them: for what belongs to none.
    pub(super) fn any(&self) -> Option<Arc<Door>> {
        lock(&self.all).values().next().cloned()
    }
}
