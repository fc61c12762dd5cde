//! What a fill's two ends share: the head, the body as it grows, and who waits for what.
//!
//! Owns the state behind one mutex, held for a copy of at most one piece and never across an await;
//! wakers are taken out under the lock and called after it. Phases: 1. waiting for the head; 2. the
//! head is known, the body grows (storing, or as a stream once outgrown); 3. ended. Invariants:
//! nothing leaves phase 3; no reader has all of a body of known length before it, while it may still
//! be stored. The awkward case is the body that outgrew its limits: blocks all readers have passed are freed, so from then on
//! nobody may join, or he would miss the beginning.

use bytes::Bytes;
use smallvec::SmallVec;
use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    time::Instant,
};
use understudy_http::semantics::{range::ByteSpan, storing::NoStoreReason};
use understudy_store::{blocks::Blocks, budget::Reservation};

use crate::{
    FillEvent, FillHead, FillReader, Labels, Selector, TransactionId, index::Key, messages::Wanted,
    stored::Stored,
};

/// How far a body may grow ahead of the reader it waits for, in bytes.
pub const WINDOW: u64 = 256 * 1024;

/// Most purges that a fill keeps until it knows its head.
const MOST_WATCHED: usize = 64;

/// Wakers to be called once the lock is released.
pub(crate) type Wakers = SmallVec<[Waker; 2]>;

/// What a fill's two ends and its shard share.
#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) key: Key,
    /// The leading transaction.
    pub(crate) transaction: TransactionId,
    /// Whether others may follow at all.
    pub(crate) followable: bool,
    /// What of the response it is.
    pub(crate) wanted: Wanted,
    /// The stored response this fill validates.
    pub(crate) validate: Option<Arc<Stored>>,
    /// How many responses its shard had published when it began.
    pub(crate) began: u64,
    state: Mutex<State>,
    _share: Reservation,
}

/// How a fill ended.
#[derive(Debug)]
pub(crate) enum End {
    /// The body is complete; its trailer section.
    Complete(Bytes),
    /// Nothing more will come.
    Broken,
}

#[derive(Debug)]
struct Reader {
    offset: u64,
    /// Where it stops, before the end.
    until: Option<u64>,
    leader: bool,
    waker: Option<Waker>,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) head: Option<FillHead>,
    /// How often its leader heard of it while there was nothing for followers.
    pub(crate) heard: u64,
    /// A module has what comes next, until then at most.
    pub(crate) away: Option<Instant>,
    pub(crate) body: Blocks,
    /// How long the body is to become, when that is known and is how readers know its end.
    pub(crate) expected: Option<u64>,
    pub(crate) end: Option<End>,
    /// Where in the whole the body belongs, when it is a part; and its length, if the origin said it beforehand.
    pub(crate) part: Option<(ByteSpan, Option<u64>)>,
    /// Why the body goes on as a stream and is not stored.
    pub(crate) outgrown: Option<NoStoreReason>,
    /// It broke off, and what it leaves is on its way to the shard.
    pub(crate) leaves: bool,
    /// The key was invalidated while this fill was under way.
    pub(crate) invalidated: bool,
    /// Purges by what only the head will tell, from while there was none.
    purges: Vec<Selector>,
    readers: SmallVec<[Option<Reader>; 2]>,
    followers: usize,
    leader: Option<Waker>,
}

impl Inner {
    pub(crate) fn new(
        key: Key,
        transaction: TransactionId,
        followable: bool,
        wanted: Wanted,
        validate: Option<Arc<Stored>>,
        began: u64,
        share: Reservation,
    ) -> Arc<Inner> {
        Arc::new(Inner {
            key,
            transaction,
            followable,
            wanted,
            validate,
            began,
            state: Mutex::default(),
            _share: share,
        })
    }

    /// The state. A panic while it was locked leaves it usable: every change under the lock is a plain store.
    pub(crate) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Joins as a follower, if that is still possible.
    pub(crate) fn follow(self: &Arc<Self>) -> Option<FillReader> {
        let mut state = self.lock();
        let open = self.followable
            && state.end.is_none()
            && state.outgrown.is_none()
            && !state.invalidated
            && !matches!(
                state.head,
                Some(FillHead::Refused(_) | FillHead::Failed(_) | FillHead::Again)
            );
        open.then(|| FillReader {
            fill: Arc::clone(self),
            place: state.add_reader(false),
        })
    }

    /// Whether it ended, and nothing of it will be published any more.
    pub(crate) fn has_ended(&self) -> bool {
        self.lock().is_over()
    }

    /// Ends the fill and wakes whoever waits; the first end stands. Followers without a head get
    /// `head`, if one is given.
    pub(crate) fn end(&self, head: Option<FillHead>, end: End) {
        let mut state = self.lock();
        if state.end.is_some() {
            return;
        }
        if head.is_some() {
            state.head = head;
        }
        state.end = Some(end);
        let wakers = state.take_readers();
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }
}

impl State {
    /// Whether it ended, and nothing of it will be published any more.
    pub(crate) fn is_over(&self) -> bool {
        self.end.is_some() && !self.leaves
    }

    pub(crate) fn add_reader(&mut self, leader: bool) -> usize {
        self.followers += usize::from(!leader);
        let reader = Some(Reader {
            offset: 0,
            until: None,
            leader,
            waker: None,
        });
        match self.readers.iter().position(Option::is_none) {
            Some(place) => {
                if let Some(slot) = self.readers.get_mut(place) {
                    *slot = reader;
                }
                place
            }
            None => {
                self.readers.push(reader);
                self.readers.len() - 1
            }
        }
    }

    /// Takes a reader away; the leader may have to be woken for it.
    pub(crate) fn remove_reader(&mut self, place: usize) -> Option<Waker> {
        let reader = self.readers.get_mut(place)?.take()?;
        self.followers -= usize::from(!reader.leader);
        self.release();
        self.leader_if_room()
    }

    /// Keeps a purge for when the head is known. Too many to keep count as meant.
    pub(crate) fn watch(&mut self, what: &[Selector]) {
        let labels = what.iter().filter(|selector| selector.is_label());
        self.purges.extend(labels.cloned());
        if self.purges.len() > MOST_WATCHED {
            self.purges = Vec::new();
            self.invalidated = true;
        }
    }

    /// Whether what was fetched may not be published under this key, now that its labels are known.
    pub(crate) fn is_void(&self, key: &[u8], labels: &Labels) -> bool {
        self.invalidated
            || self
                .purges
                .iter()
                .any(|selector| selector.means(key, labels))
    }

    pub(crate) fn followers(&self) -> usize {
        self.followers
    }

    /// Whether anybody reads, the leader's own client included.
    pub(crate) fn is_read(&self) -> bool {
        self.readers.iter().any(Option::is_some)
    }

    /// Wakers of all readers that wait.
    pub(crate) fn take_readers(&mut self) -> Wakers {
        self.readers
            .iter_mut()
            .flatten()
            .filter_map(|reader| reader.waker.take())
            .collect()
    }

    /// Goes on as a stream from here.
    pub(crate) fn outgrow(&mut self, reason: NoStoreReason) {
        self.outgrown.get_or_insert(reason);
        self.release();
    }

    /// Whether all of a body is here that is not published yet. Its last piece is held back until then (or until it is known
    /// that it will not be): whoever has the whole and asks again is to find it stored.
    pub(crate) fn is_unpublished(&self) -> bool {
        self.end.is_none() && self.outgrown.is_none() && self.expected == Some(self.body.len())
    }

    /// Whether another piece may be appended (see `Fill::poll_room`), or its end be looked for.
    fn has_room(&self) -> bool {
        if self.is_unpublished() {
            return true;
        }
        let offsets = self.readers.iter().flatten().map(|reader| reader.offset);
        let awaited = if self.outgrown.is_some() {
            offsets.min()
        } else {
            offsets.max()
        };
        awaited.is_none_or(|offset| self.body.len().saturating_sub(offset) < WINDOW)
    }

    pub(crate) fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.end.is_some() || self.has_room() {
            return Poll::Ready(());
        }
        register(&mut self.leader, cx);
        Poll::Pending
    }

    /// Frees what a stream's readers have all passed.
    pub(crate) fn release(&mut self) {
        if self.outgrown.is_some() {
            let slowest = self
                .readers
                .iter()
                .flatten()
                .map(|reader| reader.offset)
                .min();
            self.body.release_before(slowest.unwrap_or(u64::MAX));
        }
    }

    fn leader_if_room(&mut self) -> Option<Waker> {
        if self.leader.is_some() && self.has_room() {
            self.leader.take()
        } else {
            None
        }
    }

    pub(crate) fn poll_head(&mut self, place: usize, cx: &mut Context<'_>) -> Poll<FillHead> {
        match (&self.head, &self.end) {
            (Some(head), _) => Poll::Ready(head.clone()),
            (None, Some(_)) => Poll::Ready(FillHead::Again),
            (None, None) => self.wait(place, cx),
        }
    }

    /// The reader's next event, and the leader's waker if it made room.
    pub(crate) fn poll_next(
        &mut self,
        place: usize,
        cx: &mut Context<'_>,
    ) -> (Poll<FillEvent>, Option<Waker>) {
        let unpublished = self.is_unpublished();
        let Some(reader) = self.readers.get_mut(place).and_then(Option::as_mut) else {
            return (Poll::Ready(FillEvent::Broken), None);
        };
        let left = reader
            .until
            .map_or(u64::MAX, |until| until.saturating_sub(reader.offset));
        if left == 0 {
            return (Poll::Ready(FillEvent::End(Bytes::new())), None);
        }
        if let Some(mut bytes) = self.body.read(reader.offset) {
            bytes.truncate(usize::try_from(left).unwrap_or(usize::MAX));
            let end = reader.offset + bytes.len() as u64;
            if unpublished && end == self.body.len() {
                return (self.wait(place, cx), None);
            }
            reader.offset = end;
            self.release();
            return (Poll::Ready(FillEvent::Data(bytes)), self.leader_if_room());
        }
        // Released before this reader began: it came too late for a stream.
        let missed = reader.offset < self.body.len();
        let event = match &self.end {
            Some(End::Complete(trailers)) if !missed => FillEvent::End(trailers.clone()),
            None if !missed => return (self.wait(place, cx), None),
            _ => FillEvent::Broken,
        };
        (Poll::Ready(event), None)
    }

    /// Has a reader read `from..until` only. Who begins far on makes room for the leader, which may have to be woken.
    pub(crate) fn narrow(&mut self, place: usize, from: u64, until: u64) -> Option<Waker> {
        if let Some(reader) = self.readers.get_mut(place).and_then(Option::as_mut) {
            reader.offset = from;
            reader.until = Some(until);
        }
        self.leader_if_room()
    }

    fn wait<T>(&mut self, place: usize, cx: &mut Context<'_>) -> Poll<T> {
        if let Some(reader) = self.readers.get_mut(place).and_then(Option::as_mut) {
            register(&mut reader.waker, cx);
        }
        Poll::Pending
    }
}

fn register(slot: &mut Option<Waker>, cx: &Context<'_>) {
    match slot {
        Some(waker) => waker.clone_from(cx.waker()),
        None => *slot = Some(cx.waker().clone()),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;
    use understudy_store::budget::Budget;

    fn next(state: &mut State, place: usize) -> Poll<FillEvent> {
        let mut cx = Context::from_waker(Waker::noop());
        state.poll_next(place, &mut cx).0
    }

    #[test]
    fn what_is_no_longer_to_be_stored_is_not_held_back() {
        let budget = Budget::new(1 << 20);
        let mut credit = budget.try_reserve(1 << 16).unwrap();
        let mut state = State {
            expected: Some(4),
            ..State::default()
        };
        let place = state.add_reader(true);
        assert!(state.body.append(b"four", Some(4), &mut credit));
        assert!(next(&mut state, place).is_pending());
        state.outgrow(NoStoreReason::NoRoom);
        let piece = next(&mut state, place);
        assert!(matches!(piece, Poll::Ready(FillEvent::Data(piece)) if piece == "four"));
    }
}
