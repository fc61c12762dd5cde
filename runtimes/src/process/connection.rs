//! One worker's connection to one thread of one child: a socket, an arena, and the calls under way.
//!
//! Owns the table of the connection's calls. Invariant: a call is in the table from its event until its reply, and while it is
//! parked; what a child says of any other call makes it mad. Events of one turn of the worker leave in one write: they gather in a
//! buffer, and the connection's task, woken by the first, runs behind whatever else is ready in that turn. What nobody waits for (an
//! event with a known answer, `free`) wakes no task: it goes with the next event, or at the next sweep.
//!
//! A call whose deadline passed is given up alone, while anything else is answered over there; then what comes for it later is dropped. A
//! connection that is late and has answered nothing since is *behind*: transactions go elsewhere while they can, for the thread at its other
//! end may hang though others do not. The child is told of a call that is given up, with the next sweep and by its control socket, which it
//! reads while its hooks work: what it has not begun then it does not begin. Where nothing comes any more, or calls that began later overtake it ([`Signs`]), the child is killed.
//!
//! Life: 1. open; 2. dead, by an end-of-file or by garbage: every call fails at once, and none is taken any more.

use super::blocks::{Blocks, threshold};
use super::child::{Child, Shared};
use super::control::LONGEST;
use super::event::{Id, Place, put_event, put_free};
use super::reply::{Heard, decode_reply};
use super::signs::Signs;
use super::wire::{Malformed, next_frame};
use crate::accounts::Went;
use crate::failure::Failure;
use crate::runtime::Far;
use crate::seat::{Letter, Reply, Seat, Swept, number};
use foldhash::fast::FixedState;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use slab::Slab;
use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::os::fd::OwnedFd;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use understudy_module::{Edits, Event, Hook, Opaque, Part, Token, Verdict};
use understudy_shared::register_for;

/// Bytes that may wait for a child that does not read; beyond, calls are refused.
const MAX_OUT: usize = 64 * 1024 * 1024;
/// Bytes read at once.
const READ: usize = 128 * 1024;
/// Room that a buffer keeps when it is empty; a burst of large bodies takes more, and gives it back.
const KEEP: usize = 1024 * 1024;
/// Reads in one turn; then others have theirs.
const READS: usize = 8;

#[derive(Debug)]
struct Open {
    call: u64,
    transaction: u64,
    parked: bool,
    /// Resumed before it was parked.
    resumed: bool,
}

#[derive(Debug, Default)]
struct Buffer {
    bytes: Vec<u8>,
    /// Sent, or filled.
    at: usize,
}

/// The connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) child: Arc<Child>,
    signs: Rc<Signs>,
    shared: Arc<Shared>,
    seat: Rc<Seat>,
    /// Watched for what comes: a child that reads makes room, and nobody is to be woken for that.
    socket: AsyncFd<Arc<OwnedFd>>,
    /// The same socket, watched for room while there is none.
    full: RefCell<Option<AsyncFd<Arc<OwnedFd>>>>,
    blocks: RefCell<Option<Blocks>>,
    out: RefCell<Buffer>,
    input: RefCell<Buffer>,
    open: RefCell<Slab<Open>>,
    parked: Cell<usize>,
    /// A call is late, and nothing was answered since.
    behind: Cell<bool>,
    /// Transactions that are with it.
    pub(crate) busy: Cell<usize>,
    /// Calls for which nobody waits any more and of which the child was not told that: their transactions and numbers.
    given_up: RefCell<Vec<(u64, u64)>>,
    /// Those of which the child knows.
    live: RefCell<HashSet<u64, FixedState>>,
    waker: RefCell<Option<Waker>>,
    woken: Cell<bool>,
    dead: RefCell<Option<Failure>>,
}

impl Connection {
    /// A connection over this socket; its task is spawned here, on the worker.
    pub(crate) fn open(
        child: Arc<Child>,
        signs: Rc<Signs>,
        shared: Arc<Shared>,
        seat: &Rc<Seat>,
        socket: OwnedFd,
        blocks: Option<Blocks>,
    ) -> std::io::Result<Rc<Connection>> {
        let connection = Rc::new(Connection {
            child,
            signs,
            shared,
            seat: seat.clone(),
            socket: register_for(Arc::new(socket), Interest::READABLE)?,
            full: RefCell::new(None),
            blocks: RefCell::new(blocks),
            out: RefCell::default(),
            input: RefCell::default(),
            open: RefCell::default(),
            parked: Cell::new(0),
            behind: Cell::new(false),
            busy: Cell::new(0),
            given_up: RefCell::default(),
            live: RefCell::default(),
            waker: RefCell::new(None),
            woken: Cell::new(false),
            dead: RefCell::new(None),
        });
        let of = Rc::downgrade(&connection);
        seat.also_sweep(of.clone());
        tokio::task::spawn_local(run(of));
        Ok(connection)
    }

    /// One turn: all that came, then all that is to go.
    fn turn(&self, cx: &mut Context<'_>) -> Poll<()> {
        match &mut *self.waker.borrow_mut() {
            Some(waker) if waker.will_wake(cx.waker()) => {}
            waker => *waker = Some(cx.waker().clone()),
        }
        let ended = match self.read(cx) {
            Ok(()) => self.write(cx),
            ended => ended,
        };
        let Err(ended) = ended else {
            return Poll::Pending;
        };
        self.end(ended);
        Poll::Ready(())
    }

    fn read(&self, cx: &mut Context<'_>) -> Result<(), Option<Malformed>> {
        for _ in 0..READS {
            let Poll::Ready(ready) = self.socket.poll_read_ready(cx) else {
                return Ok(());
            };
            let mut ready = ready.map_err(|_| None)?;
            let mut input = self.input.borrow_mut();
            let at = input.at;
            if input.bytes.len() - at < READ / 2 {
                input.bytes.resize(at + READ, 0);
            }
            let room = input.bytes.len() - at;
            match recv(&self.socket, &mut input.bytes[at..], RecvFlags::DONTWAIT) {
                Ok((_, 0)) => return Err(None),
                Ok((_, n)) => {
                    if n < room {
                        ready.clear_ready();
                    }
                    input.at += n;
                    self.hear_all(&mut input)?;
                }
                Err(Errno::AGAIN) => ready.clear_ready(),
                Err(Errno::INTR) => {}
                Err(_) => return Err(None),
            }
        }
        cx.waker().wake_by_ref();
        Ok(())
    }

    fn hear_all(&self, input: &mut Buffer) -> Result<(), Option<Malformed>> {
        let mut done = 0;
        while let Some((content, took)) = next_frame(&input.bytes[done..input.at])? {
            self.hear(decode_reply(content)?)?;
            done += took;
        }
        input.bytes.copy_within(done..input.at, 0);
        input.at -= done;
        if input.bytes.len() > KEEP && input.at < READ {
            input.bytes.truncate(READ);
            input.bytes.shrink_to_fit();
        }
        Ok(())
    }

    fn hear(&self, heard: Heard) -> Result<(), Malformed> {
        match heard {
            Heard::Reply {
                slot,
                call,
                spent,
                outcome,
                edits,
            } => {
                self.replied(slot, call, outcome == Ok(Verdict::Pending))?;
                self.signs.beat(self.seat.newest());
                self.signs.answered(number(call));
                self.behind.set(false);
                let reply = Reply {
                    verdict: outcome,
                    edits,
                    opaque: Opaque::None,
                    // A child cannot have worked longer than it was let.
                    spent: spent.min(self.shared.spec.limits.deadline),
                };
                self.seat.reply(call, reply);
            }
            Heard::Resume {
                slot,
                call,
                transaction,
                answer,
            } => {
                let call = if self.resumed(slot, call, transaction) {
                    call
                } else {
                    // Late, second or unknown: the seat counts it.
                    u64::MAX
                };
                let token = Token { transaction, call };
                self.seat.read(Letter::Resume(
                    token,
                    answer,
                    self.shared.office.accounts().clone(),
                ));
            }
            Heard::Release(offset) => {
                let given = match &mut *self.blocks.borrow_mut() {
                    Some(blocks) => blocks.release(offset),
                    None => false,
                };
                if !given {
                    return Err(Malformed("a part of the arena that it does not have"));
                }
            }
            Heard::Counted(batch) => {
                let office = &self.shared.office;
                batch.iter().for_each(|(name, n)| office.count(name, *n));
            }
            Heard::Freed(spent) => {
                // Its threads work, and calls may wait behind that.
                self.signs.beat(self.seat.newest());
                self.behind.set(false);
                let accounts = self.shared.office.accounts();
                accounts.note(Hook::Free, Some(spent.min(LONGEST)), Went::Well);
            }
            Heard::Inject(transaction, bytes) => {
                // One that is over is no fault of the child.
                if self.live.borrow().contains(&transaction) {
                    self.seat.read(Letter::Inject(
                        transaction,
                        bytes,
                        self.shared.office.accounts().clone(),
                    ));
                }
            }
            Heard::TooMuch(transaction) => {
                if self.live.borrow().contains(&transaction) {
                    let accounts = self.shared.office.accounts();
                    self.seat.injected_too_much(transaction, accounts);
                }
            }
        }
        Ok(())
    }

    /// A reply to this call: it is over, or parked from now on.
    fn replied(&self, slot: u32, call: u64, pending: bool) -> Result<(), Malformed> {
        let mut open = self.open.borrow_mut();
        let Some(of) = open
            .get_mut(slot as usize)
            .filter(|of| of.call == call && !of.parked)
        else {
            return Err(Malformed("a reply to no call"));
        };
        if pending && !of.resumed && self.live.borrow().contains(&of.transaction) {
            of.parked = true;
            self.parked.set(self.parked.get() + 1);
        } else {
            open.remove(slot as usize);
        }
        self.shared.counts.away.fetch_sub(1, Relaxed);
        Ok(())
    }

    /// Whether a resume is for a call of this connection.
    fn resumed(&self, slot: u32, call: u64, transaction: u64) -> bool {
        let mut open = self.open.borrow_mut();
        let Some(of) = open
            .get_mut(slot as usize)
            .filter(|of| of.call == call && of.transaction == transaction)
        else {
            return false;
        };
        if of.parked {
            open.remove(slot as usize);
            self.parked.set(self.parked.get() - 1);
        } else {
            of.resumed = true;
        }
        true
    }

    fn write(&self, cx: &mut Context<'_>) -> Result<(), Option<Malformed>> {
        self.woken.set(false);
        let mut out = self.out.borrow_mut();
        while out.at < out.bytes.len() {
            let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
            match send(&self.socket, &out.bytes[out.at..], flags) {
                Ok(n) => out.at += n,
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => match self.poll_room(cx) {
                    Poll::Ready(Ok(())) => {}
                    Poll::Ready(Err(_)) => return Err(None),
                    Poll::Pending => return Ok(()),
                },
                Err(_) => return Err(None),
            }
        }
        self.full.take();
        out.at = 0;
        out.bytes.clear();
        if out.bytes.capacity() > KEEP {
            out.bytes.shrink_to(READ);
        }
        Ok(())
    }

    /// Whether there may be room now; else the task is woken when there is.
    fn poll_room(&self, cx: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        let mut full = self.full.borrow_mut();
        let watched = match &mut *full {
            Some(watched) => watched,
            none => {
                let same = self.socket.get_ref().try_clone();
                match same.and_then(|same| register_for(Arc::new(same), Interest::WRITABLE)) {
                    Ok(watched) => none.insert(watched),
                    // There is no descriptor left, which is no fault of the child: the next sweep tries again.
                    Err(_) => return Poll::Pending,
                }
            }
        };
        watched.poll_write_ready(cx).map_ok(|mut ready| {
            // What it says is from before; asked again, it wakes.
            ready.clear_ready();
        })
    }

    /// The child is gone, or mad.
    fn end(&self, why: Option<Malformed>) {
        if let Some(why) = why {
            self.child.mad(why.0, &self.shared);
        }
        // It may live still, and have closed this door alone: then nobody else would see that it is of no use any more.
        self.child.kill();
        let failure = self.child.failure();
        *self.dead.borrow_mut() = Some(failure.clone());
        self.give_up_calls();
        self.seat
            .fail_all(&|far| std::ptr::addr_eq(Rc::as_ptr(far), self), &failure);
    }

    fn give_up_calls(&self) {
        let open = std::mem::take(&mut *self.open.borrow_mut());
        let away = open.iter().filter(|(_, of)| !of.parked).count();
        self.parked.set(0);
        self.shared.counts.away.fetch_sub(away, Relaxed);
    }

    /// Has the task run behind what else is ready in this turn.
    #[inline]
    fn wake(&self) {
        if !self.woken.replace(true)
            && let Some(waker) = &*self.waker.borrow()
        {
            waker.wake_by_ref();
        }
    }

    fn send(&self, call: u64, event: &Event<'_>, edits: &Edits) -> Result<(), Failure> {
        if let Some(failure) = &*self.dead.borrow() {
            return Err(failure.clone());
        }
        let mut out = self.out.borrow_mut();
        let (away, queue) = (&self.shared.counts.away, self.shared.spec.limits.queue);
        // Counted at once: another worker may be about to take the last place.
        let fits = |away: usize| (away < queue).then_some(away + 1);
        let full = out.bytes.len() - out.at > MAX_OUT;
        if full || away.fetch_update(Relaxed, Relaxed, fits).is_err() {
            return Err(Failure::QueueFull);
        }
        let mut open = self.open.borrow_mut();
        let entry = open.vacant_entry();
        let id = Id {
            slot: entry.key() as u32,
            call,
        };
        let place = match &event.part {
            Part::Piece(piece) => self.put(piece.bytes),
            _ => Place::Here(&[]),
        };
        if !put_event(&mut out.bytes, id, event, edits, place) {
            away.fetch_sub(1, Relaxed);
            return Err(Failure::Fail("the event is too long to cross".to_owned()));
        }
        entry.insert(Open {
            call,
            transaction: event.id,
            parked: false,
            resumed: false,
        });
        self.live.borrow_mut().insert(event.id);
        self.wake();
        Ok(())
    }

    /// Puts a large piece into the arena, while there is room.
    fn put<'b>(&self, bytes: &'b [u8]) -> Place<'b> {
        if bytes.len() >= threshold()
            && let Some(blocks) = &mut *self.blocks.borrow_mut()
            && let Some(offset) = blocks.put(bytes)
        {
            // No longer than the arena.
            let len = bytes.len() as u32;
            return Place::There { offset, len };
        }
        Place::Here(bytes)
    }

    /// Whether a call is late, and nothing was answered since.
    #[inline]
    pub(crate) fn is_behind(&self) -> bool {
        self.behind.get()
    }

    /// Calls of a transaction that is over and will not be resumed.
    fn forget_parked(&self, transaction: u64) {
        if self.parked.get() == 0 {
            return;
        }
        let mut open = self.open.borrow_mut();
        let before = open.len();
        open.retain(|_, of| !(of.parked && of.transaction == transaction));
        self.parked.set(self.parked.get() - (before - open.len()));
    }
}

async fn run(of: Weak<Connection>) {
    std::future::poll_fn(|cx| match of.upgrade() {
        Some(connection) => connection.turn(cx),
        None => Poll::Ready(()),
    })
    .await;
}

impl Far for Connection {
    #[inline]
    fn submit(
        &self,
        call: u64,
        event: &Event<'_>,
        edits: &Edits,
        opaque: Opaque,
    ) -> Result<(), (Failure, Opaque)> {
        self.send(call, event, edits)
            .map_err(|failure| (failure, opaque))
    }

    fn hear(&self, event: &Event<'_>, edits: &Edits, promised: u64) -> bool {
        let mut out = self.out.borrow_mut();
        let full = out.bytes.len() - out.at > MAX_OUT;
        if full || matches!(event.part, Part::Piece(_)) || self.dead.borrow().is_some() {
            return false;
        }
        let id = Id::ahead(promised);
        let put = put_event(&mut out.bytes, id, event, edits, Place::Here(&[]));
        if put {
            self.live.borrow_mut().insert(event.id);
        }
        put
    }

    fn free(&self, transaction: u64, _: Opaque) {
        self.child.busy.fetch_sub(1, Relaxed);
        self.busy.set(self.busy.get().saturating_sub(1));
        if self.live.borrow_mut().remove(&transaction) && self.dead.borrow().is_none() {
            self.forget_parked(transaction);
            // Nobody waits for it: it goes with the next event, or at the next sweep.
            put_free(&mut self.out.borrow_mut().bytes, transaction);
        }
    }

    fn late(&self, call: u64, since: u32, _: Instant) -> Option<Duration> {
        // Looked at again, a deadline after it was given up, with the newest call of that time.
        let overtaken = since != number(call) && self.signs.overtook(since);
        let silent = !self.signs.came_since(since) && !self.has_more();
        if overtaken || silent {
            self.child.hung(&self.shared);
            return None;
        }
        self.behind.set(true);
        Some(self.shared.spec.limits.deadline)
    }

    fn give_up(&self, transaction: u64, call: u64) {
        if self.dead.borrow().is_none() {
            self.given_up.borrow_mut().push((transaction, call));
        }
    }

    fn carries(&self) -> bool {
        false
    }
}

impl Connection {
    /// Whether something came that was not read yet: a worker that stood still looks at its calls before it reads.
    fn has_more(&self) -> bool {
        let mut one = [0; 1];
        let flags = RecvFlags::DONTWAIT | RecvFlags::PEEK;
        matches!(recv(&self.socket, &mut one[..], flags), Ok((_, 1..)))
    }

    /// Tells the child of calls for which nobody waits any more, but for those that it answered meanwhile: they were begun.
    fn tell_given_up(&self) {
        let mut given_up = std::mem::take(&mut *self.given_up.borrow_mut());
        if given_up.is_empty() {
            return;
        }
        let open = self.open.borrow();
        let away = open.iter().filter(|(_, of)| !of.parked);
        let mut away: Vec<u64> = away.map(|(_, of)| of.call).collect();
        away.sort_unstable();
        given_up.retain(|(_, call)| away.binary_search(call).is_ok());
        if !given_up.is_empty() {
            self.child.give_up(given_up);
        }
    }
}

impl Swept for Connection {
    fn sweep(&self) {
        self.signs.sweep(self.seat.newest());
        self.tell_given_up();
        if !self.out.borrow().bytes.is_empty() {
            self.wake();
        }
    }
}

impl Drop for Connection {
    /// What is still to go, goes if it can; what cannot, the child does by itself at the end-of-file.
    fn drop(&mut self) {
        self.give_up_calls();
        let out = self.out.get_mut();
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        let _ = send(&self.socket, &out.bytes[out.at..], flags);
        // The task has nothing to live for.
        if let Some(waker) = self.waker.get_mut().take() {
            waker.wake();
        }
    }
}
